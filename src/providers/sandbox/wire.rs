//! What a notice of the sandbox looks like: `{order_no, transaction_id, payment_method}`, and `amount` where it is to
//! differ from what was asked for. With `card_number` it pays as that card does. With `refund_no` it says that money of
//! that transaction went back.

use aggregates::order::PAYMENT_ID_BYTES_MAX;
use aggregates::{Currency, Money, OrderNumber, Payment};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::card;
use crate::dispatch::{PaymentNotice, RefundNotice};
use crate::providers::NoticeError;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    order_no: String,
    transaction_id: String,
    payment_method: Option<String>,
    /// Its text is read as it stands: an amount never passes through a float.
    #[serde(borrow)]
    amount: Option<&'a RawValue>,
    card_number: Option<String>,
    refund_no: Option<String>,
    reason: Option<String>,
}

pub(super) struct SandboxNotice {
    pub(super) order: OrderNumber,
    pub(super) payment_id: String,
    pub(super) amount: Option<Money>,
    pub(super) method: Option<String>,
    /// Under which money went back; nothing was paid then.
    pub(super) refund_no: Option<String>,
    pub(super) reason: Option<String>,
}

pub(super) fn read(body: &[u8], currency: Currency) -> Result<SandboxNotice, NoticeError> {
    let wire: Wire<'_> = serde_json::from_slice(body).map_err(|error| malformed(None, error.to_string()))?;
    let order = wire.order_no.parse();
    let order = order.map_err(|error: aggregates::order::BadOrderNumber| at("/order_no", error.to_string()))?;
    // The books take what they are told, so what the ledger would refuse is refused before it gets there.
    check_text("/transaction_id", &wire.transaction_id)?;
    wire.payment_method.as_deref().map_or(Ok(()), |method| check_text("/payment_method", method))?;
    wire.refund_no.as_deref().map_or(Ok(()), |refund_no| check_text("/refund_no", refund_no))?;
    wire.reason.as_deref().map_or(Ok(()), |reason| check_text("/reason", reason))?;
    wire.card_number.as_deref().map_or(Ok(()), |number| card::pay_with("/card_number", number))?;
    let amount = match wire.amount {
        None => None,
        Some(raw) => {
            let text = raw.get().trim_matches('"');
            let amount = Money::parse(text, currency).map_err(|error| at("/amount", error.to_string()))?;
            if amount.is_negative() {
                return Err(at("/amount", "the amount cannot be negative".to_owned()));
            }
            Some(amount)
        }
    };
    let Wire { transaction_id: payment_id, payment_method: method, refund_no, reason, .. } = wire;
    Ok(SandboxNotice { order, payment_id, amount, method, refund_no, reason })
}

fn check_text(pointer: &str, text: &str) -> Result<(), NoticeError> {
    if (1..=PAYMENT_ID_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control) {
        return Ok(());
    }
    Err(at(pointer, format!("has 1 to {PAYMENT_ID_BYTES_MAX} bytes and no control characters")))
}

pub(super) fn at(pointer: &str, detail: String) -> NoticeError {
    malformed(Some(pointer.to_owned()), detail)
}

fn malformed(pointer: Option<String>, detail: String) -> NoticeError {
    NoticeError::Malformed { pointer, detail }
}

/// What the sandbox itself sends when somebody has paid.
pub(super) fn paid(notice: &PaymentNotice) -> String {
    let Payment { provider: _, payment_id, amount, method } = &notice.payment;
    json!({
        "order_no": notice.order.as_str(), "transaction_id": payment_id, "payment_method": method,
        "amount": amount.to_string(),
    })
    .to_string()
}

/// What it sends when money went back on its side.
pub(super) fn refunded(notice: &RefundNotice) -> String {
    json!({
        "order_no": notice.order.as_str(), "transaction_id": notice.payment_id, "refund_no": notice.refund,
        "reason": notice.reason,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cny() -> Currency {
        Currency::iso("CNY").unwrap()
    }

    fn body(amount: &str) -> String {
        format!(
            r#"{{"order_no":"ORD20260105060000deadbeef","transaction_id":"t-1","payment_method":"alipay"{amount}}}"#
        )
    }

    #[test]
    fn an_amount_is_read_without_a_float_and_may_be_left_out() {
        let read = |amount| read(body(amount).as_bytes(), cny()).unwrap().amount.map(|money| money.minor());
        assert_eq!(read(""), None);
        assert_eq!(read(r#","amount":29.99"#), Some(2999));
        assert_eq!(read(r#","amount":"30.00""#), Some(3000));
    }

    #[test]
    fn what_is_not_a_notice_names_the_field_at_fault() {
        for (text, pointer) in [
            (body(r#","amount":0.001"#), Some("/amount")),
            (body(r#","amount":1e3"#), Some("/amount")),
            (body("").replace("ORD", "XXX"), Some("/order_no")),
            (body("").replace("t-1", ""), Some("/transaction_id")),
            (body("").replace("t-1", &"t".repeat(129)), Some("/transaction_id")),
            (body("").replace("t-1", r"t\u0000"), Some("/transaction_id")),
            (body("").replace("alipay", r"\n"), Some("/payment_method")),
            (body(r#","amount":-1"#), Some("/amount")),
            (body(r#","card_number":"4242 4242 4242 4241""#), Some("/card_number")),
            (body(r#","refund_no":"""#), Some("/refund_no")),
            (body(r#","reason":"\n""#), Some("/reason")),
            (body(r#","extra":1"#), None),
            ("[]".to_owned(), None),
        ] {
            let Err(NoticeError::Malformed { pointer: found, .. }) = read(text.as_bytes(), cny()) else {
                panic!("{text} is no notice");
            };
            assert_eq!(found.as_deref(), pointer, "{text}");
        }
    }
}
