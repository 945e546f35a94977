//! Refunds as they are asked for. `attempts.rs`: what becomes of attempts. `gone.rs`: money that went back.

mod attempts;
mod gone;

use super::*;
use crate::credits::Credits;
use crate::order::RequestRefund;
use crate::order::refund::OwedBack;
use crate::take_refund::TakeRefund;

fn refund(number: u128) -> RefundId {
    id(number, RefundId::from_uuid)
}

/// All that is left of the order's own payment; most tests change one thing about it.
fn ask(number: u128) -> RequestRefund {
    RequestRefund {
        refund: refund(number),
        provider: None,
        payment_id: None,
        amount: None,
        reason: "误购".to_owned(),
        revoke: None,
    }
}

fn part(number: u128, minor: i64) -> RequestRefund {
    RequestRefund { amount: Some(money(minor, "CNY")), ..ask(number) }
}

fn of(payment_id: &str, ask: RequestRefund) -> RequestRefund {
    RequestRefund { payment_id: Some(payment_id.to_owned()), ..ask }
}

fn request(ask: RequestRefund) -> OrderCommand {
    OrderCommand::RequestRefund(ask)
}

fn requested_of(payment_id: &str, number: u128, minor: i64) -> OrderEvent {
    OrderEvent::RefundRequested(RefundRequested {
        refund: refund(number),
        provider: "alipay".to_owned(),
        payment_id: payment_id.to_owned(),
        amount: money(minor, "CNY"),
        reason: "误购".to_owned(),
        revoke: None,
        at: late(),
    })
}

fn requested(number: u128, minor: i64) -> OrderEvent {
    requested_of("p-1", number, minor)
}

fn chosen(number: u128, minor: i64, revoke: bool) -> OrderEvent {
    match requested(number, minor) {
        OrderEvent::RefundRequested(asked) => {
            OrderEvent::RefundRequested(RefundRequested { revoke: Some(revoke), ..asked })
        }
        other => panic!("{other:?} is no request"),
    }
}

fn fail(number: u128, attempt: u32) -> OrderCommand {
    OrderCommand::RefundFailed { refund: refund(number), attempt, reason: "HTTP 502".to_owned() }
}

fn failed(number: u128, attempt: u32) -> OrderEvent {
    let reason = "HTTP 502".to_owned();
    OrderEvent::RefundFailed(RefundFailed { refund: refund(number), attempt, reason, at: late() })
}

fn refuse(number: u128) -> OrderCommand {
    OrderCommand::RefundRefused { refund: refund(number), reason: "too late".to_owned() }
}

fn refused(number: u128, reason: &str) -> OrderEvent {
    OrderEvent::RefundRefused(RefundRefused { refund: refund(number), reason: reason.to_owned(), at: late() })
}

fn give_up(number: u128) -> OrderCommand {
    OrderCommand::GiveUpRefund { refund: refund(number) }
}

fn given_up(number: u128, attempts: u32) -> OrderEvent {
    OrderEvent::RefundGivenUp(RefundGivenUp { refund: refund(number), attempts, at: late() })
}

fn retry(number: u128) -> OrderCommand {
    OrderCommand::RetryRefund { refund: refund(number) }
}

fn retried(number: u128) -> OrderEvent {
    OrderEvent::RefundRetried(RefundRetried { refund: refund(number), at: late() })
}

fn gone(number: u128, minor: i64) -> TakeRefund {
    TakeRefund {
        order: id(1, OrderId::from_uuid),
        refund: refund(number),
        provider: None,
        payment_id: "p-1".to_owned(),
        amount: money(minor, "CNY"),
        provider_refund: None,
        reason: None,
    }
}

fn go(gone: TakeRefund) -> impl FnOnce(&Order) -> Result<Vec<OrderEvent>, OrderError> {
    move |order| order.give_back(late(), &gone)
}

fn refunded(number: u128, minor: i64, revoke: bool) -> OrderEvent {
    OrderEvent::Refunded(Refunded {
        refund: refund(number),
        provider: "alipay".to_owned(),
        payment_id: "p-1".to_owned(),
        amount: money(minor, "CNY"),
        provider_refund: None,
        revoke,
        at: late(),
    })
}

fn named(event: OrderEvent, name: &str) -> OrderEvent {
    match event {
        OrderEvent::Refunded(refunded) => {
            OrderEvent::Refunded(Refunded { provider_refund: Some(name.to_owned()), ..refunded })
        }
        other => panic!("{other:?} is no refund"),
    }
}

fn after(events: impl IntoIterator<Item = OrderEvent>) -> Given<Order> {
    given([placed(), paid(soon(), false), fulfilled()].into_iter().chain(events))
}

fn too_much(left: i64) -> OrderError {
    OrderError::RefundTooMuch { left: money(left, "CNY") }
}

#[test]
fn a_refund_is_of_all_that_is_left_unless_it_says_how_much() {
    let order = bought().when(late(), request(ask(1))).then([requested(1, 3_000)]).state();
    assert_eq!(order.status(), Ok(OrderStatus::Refunding));
    assert_eq!(order.refunds(), [order.refund(refund(1)).unwrap().clone()]);
    bought()
        .when(late(), request(part(1, 1_000)))
        .then([requested(1, 1_000)])
        .when(late(), request(ask(2)))
        .then([requested(2, 2_000)]);
}

#[test]
fn who_asks_may_say_whether_what_was_delivered_goes_back() {
    for revoke in [true, false] {
        for minor in [1_000, 3_000] {
            let ask = RequestRefund { revoke: Some(revoke), ..part(1, minor) };
            bought().when(late(), request(ask)).then([chosen(1, minor, revoke)]);
        }
    }
}

#[test]
fn what_was_never_paid_is_not_given_back() {
    given([]).when(late(), request(ask(1))).then_refused(OrderError::NotPlaced);
    given([placed()]).when(late(), request(ask(1))).then_refused(OrderError::NoSuchPayment);
    given([placed(), expired()]).when(late(), request(ask(1))).then_refused(OrderError::NoSuchPayment);
    bought().when(late(), request(of("p-2", ask(1)))).then_refused(OrderError::NoSuchPayment);
    let elsewhere = RequestRefund { provider: Some("wechat".to_owned()), ..of("p-1", ask(1)) };
    bought().when(late(), request(elsewhere)).then_refused(OrderError::NoSuchPayment);
}

#[test]
fn a_refund_is_in_the_payments_currency_and_more_than_nothing_and_says_why() {
    for (ask, error) in [
        (part(1, 0), OrderError::RefundIsZero),
        (part(1, -1), OrderError::RefundIsZero),
        (
            RequestRefund { amount: Some(money(1, "USD")), ..ask(1) },
            OrderError::RefundCurrency { currency: "CNY".parse().unwrap() },
        ),
        (part(1, 3_001), too_much(3_000)),
        (RequestRefund { reason: " ".to_owned(), ..ask(1) }, BadReason.into()),
    ] {
        bought().when(late(), request(ask)).then_refused(error);
    }
}

#[test]
fn what_was_asked_for_and_what_went_back_never_come_to_more_than_was_paid() {
    after([requested(1, 1_000), refunded(1, 1_000, false), requested(2, 1_500)])
        .when(late(), request(part(3, 501)))
        .then_refused(too_much(500))
        .when(late(), request(part(3, 500)))
        .then([requested(3, 500)])
        .when(late(), request(ask(4)))
        .then_refused(too_much(0));
}

#[test]
fn the_same_refund_again_changes_nothing_and_another_needs_another_id() {
    let explicit =
        RequestRefund { provider: Some("alipay".to_owned()), revoke: Some(true), ..of("p-1", part(1, 3_000)) };
    let order = || after([chosen(1, 3_000, true)]);
    for same in [ask(1), part(1, 3_000), explicit] {
        order().when(late(), request(same)).then_nothing();
    }
    for other in [
        part(1, 1),
        of("p-2", ask(1)),
        RequestRefund { provider: Some("wechat".to_owned()), ..ask(1) },
        RequestRefund { reason: "other".to_owned(), ..ask(1) },
        RequestRefund { revoke: Some(false), ..ask(1) },
    ] {
        order().when(late(), request(other)).then_refused(OrderError::RefundDiffers);
    }
    after([refunded(1, 1_000, false)]).when(late(), request(part(1, 1_000))).then_refused(OrderError::RefundDiffers);
}

#[test]
fn only_so_many_refunds_are_kept_of_an_order() {
    let full = || after((0..REFUNDS_MAX).map(|number| requested(number as u128 + 1, 1)));
    after((0..REFUNDS_MAX - 1).map(|number| requested(number as u128 + 1, 1)))
        .when(late(), request(part(100, 1)))
        .then([requested(100, 1)]);
    full()
        .when(late(), request(part(100, 1)))
        .then_refused(OrderError::TooManyRefunds)
        .when_asked(go(gone(100, 1)))
        .then_refused(OrderError::TooManyRefunds)
        .when_asked(go(gone(1, 1)))
        .then([refunded(1, 1, false)]);
}

#[test]
fn a_duplicate_goes_back_without_touching_the_order() {
    let order = after([duplicated(payment("p-2", 3_000))])
        .when(late(), request(of("p-2", ask(1))))
        .then([requested_of("p-2", 1, 3_000)])
        .when(late(), request(of("p-2", ask(2))))
        .then_refused(too_much(0))
        .when_asked(go(TakeRefund { payment_id: "p-2".to_owned(), ..gone(1, 3_000) }))
        .then([OrderEvent::Refunded(Refunded {
            refund: refund(1),
            provider: "alipay".to_owned(),
            payment_id: "p-2".to_owned(),
            amount: money(3_000, "CNY"),
            provider_refund: None,
            revoke: false,
            at: late(),
        })])
        .state();
    assert_eq!(order.status(), Ok(OrderStatus::Fulfilled));
    assert_eq!(order.owed_back(), OwedBack::default());
}

#[test]
fn a_mismatch_goes_back_from_an_order_that_was_never_paid() {
    let order = given([placed(), mismatched(payment("p-2", 2_999)), expired()])
        .when(late(), request(of("p-2", ask(1))))
        .then([requested_of("p-2", 1, 2_999)])
        .when_asked(go(TakeRefund { payment_id: "p-2".to_owned(), ..gone(1, 2_999) }))
        .then([OrderEvent::Refunded(Refunded {
            refund: refund(1),
            provider: "alipay".to_owned(),
            payment_id: "p-2".to_owned(),
            amount: money(2_999, "CNY"),
            provider_refund: None,
            revoke: false,
            at: late(),
        })])
        .state();
    assert_eq!((order.status(), order.owed_back()), (Ok(OrderStatus::Expired), OwedBack::default()));
}

fn refunded_by_other() -> OrderEvent {
    match refunded(1, 1, false) {
        OrderEvent::Refunded(refunded) => OrderEvent::Refunded(Refunded { provider: "wechat".to_owned(), ..refunded }),
        other => panic!("{other:?} is no refund"),
    }
}

#[test]
fn two_providers_may_use_the_same_name_for_a_payment() {
    let other = Payment { provider: "wechat".to_owned(), ..payment("p-1", 1) };
    let ask = RequestRefund { provider: Some("wechat".to_owned()), ..of("p-1", ask(1)) };
    let OrderEvent::RefundRequested(of_other) = requested(1, 1) else { panic!("not a request") };
    let of_other = RefundRequested { provider: "wechat".to_owned(), ..of_other };
    after([duplicated(other.clone())]).when(late(), request(ask)).then([OrderEvent::RefundRequested(of_other.clone())]);
    // Money of the one is not money of the other, whatever they call it.
    let (at_other, at_own) = (Some("wechat".to_owned()), Some("alipay".to_owned()));
    after([duplicated(other), OrderEvent::RefundRequested(of_other)])
        .when_asked(go(TakeRefund { provider: at_own, ..gone(1, 1) }))
        .then_refused(OrderError::RefundDiffers)
        .when_asked(go(TakeRefund { provider: at_other, ..gone(1, 1) }))
        .then([refunded_by_other()])
        .when_asked(go(gone(1, 1)))
        .then_nothing();
}

#[test]
fn a_stage_is_written_as_it_is_said() {
    for stage in
        [RefundStage::Requested, RefundStage::Failing, RefundStage::GivenUp, RefundStage::Refused, RefundStage::Done]
    {
        assert_eq!(serde_json::to_string(&stage).unwrap(), format!("\"{stage}\""));
    }
}
