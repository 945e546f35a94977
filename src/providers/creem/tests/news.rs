//! What each event becomes.

use super::*;

async fn told(kind: &str, object: Value) -> Result<Vec<News>, NoticeError> {
    let body = json!({"id": "evt_1", "eventType": kind, "created_at": 1, "object": object}).to_string();
    // Nobody answers there.
    read(&creem(&[("api_url", "http://127.0.0.1:1")]), body.as_bytes()).await
}

fn checkout(order: Value) -> Value {
    json!({"id": CHECKOUT, "request_id": order_no().as_str(), "order": order, "mode": "test"})
}

fn order(changes: Value) -> Value {
    let mut order = json!({
        "id": "ord_1", "amount": 1000, "amount_paid": 1000, "tax_amount": 0, "currency": "USD", "status": "paid",
        "type": "onetime", "transaction": TRANSACTION,
    });
    let Value::Object(changes) = changes else { panic!() };
    order.as_object_mut().unwrap().extend(changes);
    order
}

fn paid(name: OrderName, amount: Money) -> News {
    News::Paid(PaidNews { order: name, payment_id: TRANSACTION.to_owned(), amount, method: None })
}

fn number() -> OrderName {
    OrderName::Number(order_no())
}

#[tokio::test]
async fn the_generated_samples_say_what_was_charged_before_tax() {
    let checkout = OrderName::Reference(CHECKOUT.to_owned());
    let provider = creem(&[]);
    let (_, body) = completed();
    assert_eq!(read(&provider, &body).await, Ok(vec![paid(checkout.clone(), money("10.00", "EUR"))]));
    let (_, body) = sample("creem-refund-created-generated");
    let refunded = RefundedNews {
        order: checkout,
        payment_id: Some(TRANSACTION.to_owned()),
        refund: "ref_3DB9NQFvk18TJwSqd0N6bd".to_owned(),
        amount: money("10.00", "EUR"),
        provider_refund: Some("ref_3DB9NQFvk18TJwSqd0N6bd".to_owned()),
        reason: Some("requested_by_customer".to_owned()),
    };
    assert_eq!(read(&provider, &body).await, Ok(vec![News::Refunded(refunded)]));
    let (_, body) = sample("creem-subscription-canceled-generated");
    let ends = News::CollectsNoMore(OrderName::Payment(TRANSACTION.to_owned()));
    assert_eq!(read(&provider, &body).await, Ok(vec![ends]));
}

#[tokio::test]
async fn only_a_paid_order_is_a_payment() {
    let usd = |text| money(text, "USD");
    let completed = async |order| told("checkout.completed", checkout(order)).await.unwrap();
    assert_eq!(completed(order(json!({}))).await, [paid(number(), usd("10.00"))]);
    assert_eq!(completed(order(json!({"transaction": {"id": TRANSACTION}}))).await, [paid(number(), usd("10.00"))]);
    for changes in [json!({"status": "pending"}), json!({"status": null}), json!({"transaction": null})] {
        assert_eq!(completed(order(changes.clone())).await, [News::Ask(number())], "{changes}");
    }
    assert_eq!(completed(Value::Null).await, [News::Ask(number())]);
    assert!(matches!(completed(order(json!({"type": "recurring"}))).await[..], [News::Nothing(_)]));
    assert!(matches!(completed(order(json!({"currency": "???"}))).await[..], [News::ForReview(_)]));

    let named = async |object| told("payment.completed", object).await;
    let metadata = json!({"metadata": {"order_no": order_no().as_str(), "more": [1]}, "id": CHECKOUT});
    assert_eq!(named(metadata).await, Ok(vec![News::Ask(number())]));
    let checkout = json!({"id": CHECKOUT, "request_id": "something else"});
    assert_eq!(named(checkout).await, Ok(vec![News::Ask(OrderName::Reference(CHECKOUT.to_owned()))]));
    for nobody in [json!({}), json!(null), json!("ch_1"), json!({"id": ""})] {
        let heard = named(nobody.clone()).await;
        assert!(matches!(heard, Err(NoticeError::Malformed { .. })), "{nobody}: {heard:?}");
    }
}

#[tokio::test]
async fn tax_on_top_is_no_part_of_the_price_and_a_discount_is() {
    for (amount, paid_there, tax, charged) in [
        (1000, json!(1000), json!(0), "10.00"),
        (1000, json!(null), json!(null), "10.00"),
        // On top, and included.
        (1000, json!(1210), json!(210), "10.00"),
        (1000, json!(1000), json!(174), "10.00"),
        // Discounts, without and with tax, and more than was asked for.
        (1000, json!(900), json!(0), "9.00"),
        (1000, json!(1089), json!(189), "9.00"),
        (1000, json!(1500), json!(0), "15.00"),
    ] {
        let order = order(json!({"amount": amount, "amount_paid": paid_there, "tax_amount": tax}));
        let told = told("checkout.completed", checkout(order)).await.unwrap();
        assert_eq!(told, [paid(number(), money(charged, "USD"))], "{amount} {paid_there} {tax}");
    }
    for changes in [
        json!({"amount_paid": 100, "tax_amount": 200}),
        json!({"amount_paid": 100, "tax_amount": -200}),
        json!({"amount_paid": i64::MIN, "tax_amount": 1}),
        json!({"amount": -5, "amount_paid": -5}),
    ] {
        let told = told("checkout.completed", checkout(order(changes.clone()))).await.unwrap();
        assert!(matches!(told[..], [News::ForReview(_)]), "{changes}: {told:?}");
    }
    // No amount is ever a float.
    let order = order(json!({"amount": 10.5}));
    assert!(matches!(told("checkout.completed", checkout(order)).await, Err(NoticeError::Malformed { .. })));
}

#[tokio::test]
async fn other_events_are_heard_ignored_or_shown_to_somebody() {
    let subscription =
        json!({"id": "sub_1", "last_transaction_id": TRANSACTION, "metadata": {"order_no": order_no().as_str()}});
    for kind in ["subscription.scheduled_cancel", "subscription.canceled", "subscription.cancelled"] {
        assert_eq!(told(kind, subscription.clone()).await, Ok(vec![News::CollectsNoMore(number())]), "{kind}");
    }
    for kind in [
        "subscription.active",
        "subscription.created",
        "subscription.update",
        "subscription.trialing",
        "subscription.expired",
        "subscription.past_due",
        "subscription.unpaid",
        "customer_credits.exhausted",
        "credits.granted",
    ] {
        assert!(matches!(told(kind, subscription.clone()).await.unwrap()[..], [News::Nothing(_)]), "{kind}");
    }
    for (kind, object) in [
        ("subscription.paused", subscription.clone()),
        ("dispute.created", json!({"id": "disp_1", "amount": 1000, "transaction": {"id": TRANSACTION}})),
        ("something.new", json!({})),
        ("a\nb", json!({})),
    ] {
        let told = told(kind, object).await.unwrap();
        assert!(matches!(&told[..], [News::ForReview(what)] if !what.contains('\n')), "{kind}: {told:?}");
    }
    // The amount of a period is asked for, and nobody answers.
    for kind in ["subscription.paid", "subscription.renewed"] {
        assert!(matches!(told(kind, subscription.clone()).await, Err(NoticeError::Unavailable(_))), "{kind}");
    }
    let nobodys = json!({"id": "sub_1", "last_transaction_id": TRANSACTION, "metadata": {"referenceId": "u"}});
    assert!(matches!(told("subscription.paid", nobodys).await.unwrap()[..], [News::ForReview(_)]));
    let without = json!({"id": "sub_1", "metadata": {"order_no": order_no().as_str()}});
    assert!(matches!(told("subscription.paid", without).await, Err(NoticeError::Malformed { .. })));
}

#[test]
fn a_period_is_paid_when_its_transaction_is() {
    let news = |status: &str, amount: i64| {
        let transaction = json!({"id": TRANSACTION, "amount": amount, "currency": "USD", "status": status});
        map::period_news(number(), &serde_json::from_value(transaction).unwrap())
    };
    let amount = money("25.00", "USD");
    let paid = PaidNews { order: number(), payment_id: TRANSACTION.to_owned(), amount, method: None };
    for status in ["paid", "refunded", "partialRefund"] {
        assert_eq!(news(status, 2500), Ok(News::PeriodPaid(paid.clone())), "{status}");
    }
    assert!(matches!(news("pending", 2500), Err(NoticeError::Unavailable(_))));
    for status in ["chargedBack", "chargeback", "uncollectible", "declined", "canceled", "void", ""] {
        assert!(matches!(news(status, 2500), Ok(News::ForReview(_))), "{status}");
    }
    assert!(matches!(news("paid", 0), Ok(News::Nothing(_))));
}

#[tokio::test]
async fn what_goes_back_is_told_without_its_tax() {
    let refund = |gross: i64, so_far: Value, status: &str| {
        json!({
            "id": "ref_1", "status": status, "refund_amount": gross, "refund_currency": "EUR",
            "transaction": {
                "id": TRANSACTION, "amount": 1000, "amount_paid": 1210, "tax_amount": 210, "currency": "EUR",
                "status": "partialRefund", "refunded_amount": so_far,
            },
        })
    };
    for (gross, so_far, amount) in [
        (1210, json!(1210), "10.00"),
        (605, json!(605), "5.00"),
        (605, json!(1210), "5.00"),
        (121, json!(null), "1.00"),
    ] {
        let news = told("refund.created", refund(gross, so_far, "succeeded")).await.unwrap();
        let [News::Refunded(back)] = &news[..] else { panic!("{news:?}") };
        assert_eq!(back.amount, money(amount, "EUR"));
        assert_eq!(back.order, OrderName::Payment(TRANSACTION.to_owned()));
    }
    for (gross, so_far) in [(0, json!(0)), (-5, json!(0)), (1211, json!(1211)), (5, json!(9999))] {
        let news = told("refund.created", refund(gross, so_far, "succeeded")).await.unwrap();
        assert!(matches!(news[..], [News::ForReview(_)]), "{gross}: {news:?}");
    }
    for status in ["pending", "requiresAction", "failed", "canceled", ""] {
        let news = told("refund.created", refund(1210, json!(1210), status)).await.unwrap();
        assert!(matches!(news[..], [News::ForReview(_)]), "{status}: {news:?}");
    }
}
