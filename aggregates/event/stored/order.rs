use super::*;
use crate::ids::{LicenseId, SubscriptionId};
use crate::product::{Period, PlanChangeTerms, PlanTerms, RenewalTerms, UpgradePolicy};

pub(super) fn stored() -> Stored {
    let placed = Placed {
        number: "ORD20260105060000deadbeef".parse().unwrap(),
        product: ProductId::numbered(4),
        name: "月卡".to_owned(),
        kind: kind(),
        time_zone: chrono_tz::Asia::Shanghai,
        price: money(3_000, "CNY"),
        provider: "alipay".to_owned(),
        placed_at: time("2026-01-05T06:00:00Z"),
        expires_at: time("2026-01-05T06:15:00Z"),
    };
    let opened = |url: Option<&str>, qr: Option<&str>, reference: Option<&str>| {
        let text = |text: Option<&str>| text.map(str::to_owned);
        let checkout = Checkout { url: text(url), qr: text(qr), reference: text(reference) };
        OrderEvent::CheckoutOpened(CheckoutOpened { checkout }).into()
    };
    let at = time("2026-01-05T06:20:00Z");
    let mut all = vec![
        renewal(placed.clone()),
        change_of_plan(placed.clone()),
        (
            OrderEvent::Placed(placed).into(),
            r#"{"number":"ORD20260105060000deadbeef","product":"00000000-0000-0000-0000-000000000004","name":"月卡","kind":{"package":{"duration_days":30,"daily_limit":5000000,"day":"calendar","again":"extend"}},"time_zone":"Asia/Shanghai","price":{"minor":3000,"currency":"CNY"},"provider":"alipay","placed_at":"2026-01-05T06:00:00Z","expires_at":"2026-01-05T06:15:00Z"}"#,
        ),
        (opened(Some("https://pay.example/1"), None, None), r#"{"checkout":{"url":"https://pay.example/1"}}"#),
        (opened(None, Some("weixin://1"), None), r#"{"checkout":{"qr":"weixin://1"}}"#),
        (opened(None, None, Some("ch_1")), r#"{"checkout":{"reference":"ch_1"}}"#),
        (OrderEvent::Expired(OrderExpired { at }).into(), r#"{"at":"2026-01-05T06:20:00Z"}"#),
        (OrderEvent::Cancelled(Cancelled { at }).into(), r#"{"at":"2026-01-05T06:20:00Z"}"#),
        (
            OrderEvent::Failed(Failed { reason: "declined".to_owned(), at }).into(),
            r#"{"reason":"declined","at":"2026-01-05T06:20:00Z"}"#,
        ),
        (
            OrderEvent::Fulfilled(Fulfilled {
                delivered: Delivered::Grant(id(3, GrantId::from_uuid)),
                credits: Some(Credits::whole(10)),
                at,
            })
            .into(),
            r#"{"delivered":{"grant":"00000000-0000-0000-0000-000000000003"},"credits":10000000,"at":"2026-01-05T06:20:00Z"}"#,
        ),
        (
            OrderEvent::Fulfilled(Fulfilled {
                delivered: Delivered::UserPackage(id(3, UserPackageId::from_uuid)),
                credits: None,
                at,
            })
            .into(),
            r#"{"delivered":{"user_package":"00000000-0000-0000-0000-000000000003"},"at":"2026-01-05T06:20:00Z"}"#,
        ),
    ];
    all.extend(deliveries());
    all
}

fn plan() -> PlanTerms {
    PlanTerms {
        period: Period::Months(1),
        credits: Credits::whole(10),
        valid_days: None,
        upgrade_policy: UpgradePolicy::Immediate,
        grace_days: 3,
    }
}

fn renewal(placed: Placed) -> (Event, &'static str) {
    let renewal = RenewalTerms { subscription: id(8, SubscriptionId::from_uuid), plan: plan() };
    (
        OrderEvent::Placed(Placed { kind: ProductKind::Renewal(renewal), ..placed }).into(),
        r#"{"number":"ORD20260105060000deadbeef","product":"00000000-0000-0000-0000-000000000004","name":"月卡","kind":{"renewal":{"subscription":"00000000-0000-0000-0000-000000000008","plan":{"period":{"months":1},"credits":10000000,"upgrade_policy":"immediate","grace_days":3}}},"time_zone":"Asia/Shanghai","price":{"minor":3000,"currency":"CNY"},"provider":"alipay","placed_at":"2026-01-05T06:00:00Z","expires_at":"2026-01-05T06:15:00Z"}"#,
    )
}

fn change_of_plan(placed: Placed) -> (Event, &'static str) {
    let subscription = id(8, SubscriptionId::from_uuid);
    let change = PlanChangeTerms {
        subscription,
        plan: plan(),
        price: money(5_000, "CNY"),
        from: ProductId::numbered(3),
        credits: Credits::whole(4),
    };
    (
        OrderEvent::Placed(Placed { kind: ProductKind::PlanChange(change), ..placed }).into(),
        r#"{"number":"ORD20260105060000deadbeef","product":"00000000-0000-0000-0000-000000000004","name":"月卡","kind":{"plan_change":{"subscription":"00000000-0000-0000-0000-000000000008","plan":{"period":{"months":1},"credits":10000000,"upgrade_policy":"immediate","grace_days":3},"price":{"minor":5000,"currency":"CNY"},"from":"00000000-0000-0000-0000-000000000003","credits":4000000}},"time_zone":"Asia/Shanghai","price":{"minor":3000,"currency":"CNY"},"provider":"alipay","placed_at":"2026-01-05T06:00:00Z","expires_at":"2026-01-05T06:15:00Z"}"#,
    )
}

fn deliveries() -> Stored {
    let at = time("2026-01-05T06:20:00Z");
    let fulfilled = |delivered| OrderEvent::Fulfilled(Fulfilled { delivered, credits: None, at }).into();
    vec![
        (
            fulfilled(Delivered::License(id(3, LicenseId::from_uuid))),
            r#"{"delivered":{"license":"00000000-0000-0000-0000-000000000003"},"at":"2026-01-05T06:20:00Z"}"#,
        ),
        (
            fulfilled(Delivered::Grant(id(3, GrantId::from_uuid))),
            r#"{"delivered":{"grant":"00000000-0000-0000-0000-000000000003"},"at":"2026-01-05T06:20:00Z"}"#,
        ),
        (
            fulfilled(Delivered::Subscription(id(3, SubscriptionId::from_uuid))),
            r#"{"delivered":{"subscription":"00000000-0000-0000-0000-000000000003"},"at":"2026-01-05T06:20:00Z"}"#,
        ),
        (
            fulfilled(Delivered::PlanChange(id(3, SubscriptionId::from_uuid))),
            r#"{"delivered":{"plan_change":"00000000-0000-0000-0000-000000000003"},"at":"2026-01-05T06:20:00Z"}"#,
        ),
    ]
}

pub(super) fn payments() -> Stored {
    let at = time("2026-01-05T06:20:00Z");
    let payment = |minor, method: Option<&str>| Payment {
        provider: "alipay".to_owned(),
        payment_id: "p-1".to_owned(),
        amount: money(minor, "CNY"),
        method: method.map(str::to_owned),
    };
    vec![
        (
            OrderEvent::Paid(Paid { payment: payment(3_000, Some("wallet")), late: true, at }).into(),
            r#"{"payment":{"provider":"alipay","payment_id":"p-1","amount":{"minor":3000,"currency":"CNY"},"method":"wallet"},"late":true,"at":"2026-01-05T06:20:00Z"}"#,
        ),
        (
            OrderEvent::PaymentMismatched(PaymentMismatched { payment: payment(2_999, None), at }).into(),
            r#"{"payment":{"provider":"alipay","payment_id":"p-1","amount":{"minor":2999,"currency":"CNY"}},"at":"2026-01-05T06:20:00Z"}"#,
        ),
        (
            OrderEvent::PaymentDuplicated(PaymentDuplicated { payment: payment(3_000, None), at }).into(),
            r#"{"payment":{"provider":"alipay","payment_id":"p-1","amount":{"minor":3000,"currency":"CNY"}},"at":"2026-01-05T06:20:00Z"}"#,
        ),
    ]
}

pub(super) fn refunds() -> Stored {
    let (at, refund) = (time("2026-01-06T06:00:00Z"), id(9, RefundId::from_uuid));
    let (provider, payment_id) = (|| "alipay".to_owned(), || "p-1".to_owned());
    let review_closed = |outcome| {
        let (provider, payment_id, reason) = (provider(), payment_id(), "settled by transfer".to_owned());
        OrderEvent::ReviewClosed(ReviewClosed { provider, payment_id, outcome, reason, at }).into()
    };
    let requested = |revoke| {
        let (provider, payment_id, amount, reason) = (provider(), payment_id(), money(1_000, "CNY"), "误购".to_owned());
        let requested = RefundRequested { refund, provider, payment_id, amount, reason, revoke, at };
        OrderEvent::RefundRequested(requested).into()
    };
    let refunded = |provider_refund: Option<&str>| {
        let (provider, payment_id, amount) = (provider(), payment_id(), money(1_000, "CNY"));
        let provider_refund = provider_refund.map(str::to_owned);
        OrderEvent::Refunded(Refunded { refund, provider, payment_id, amount, provider_refund, revoke: true, at })
            .into()
    };
    vec![
        (
            review_closed(ReviewOutcome::Accepted),
            r#"{"provider":"alipay","payment_id":"p-1","outcome":"accepted","reason":"settled by transfer","at":"2026-01-06T06:00:00Z"}"#,
        ),
        (
            review_closed(ReviewOutcome::Dismissed),
            r#"{"provider":"alipay","payment_id":"p-1","outcome":"dismissed","reason":"settled by transfer","at":"2026-01-06T06:00:00Z"}"#,
        ),
        (
            requested(Some(false)),
            r#"{"refund":"00000000-0000-0000-0000-000000000009","provider":"alipay","payment_id":"p-1","amount":{"minor":1000,"currency":"CNY"},"reason":"误购","revoke":false,"at":"2026-01-06T06:00:00Z"}"#,
        ),
        (
            requested(None),
            r#"{"refund":"00000000-0000-0000-0000-000000000009","provider":"alipay","payment_id":"p-1","amount":{"minor":1000,"currency":"CNY"},"reason":"误购","at":"2026-01-06T06:00:00Z"}"#,
        ),
        (
            OrderEvent::RefundFailed(RefundFailed { refund, attempt: 2, reason: "HTTP 502".to_owned(), at }).into(),
            r#"{"refund":"00000000-0000-0000-0000-000000000009","attempt":2,"reason":"HTTP 502","at":"2026-01-06T06:00:00Z"}"#,
        ),
        (
            OrderEvent::RefundRefused(RefundRefused { refund, reason: "too late".to_owned(), at }).into(),
            r#"{"refund":"00000000-0000-0000-0000-000000000009","reason":"too late","at":"2026-01-06T06:00:00Z"}"#,
        ),
        (
            OrderEvent::RefundGivenUp(RefundGivenUp { refund, attempts: 2, at }).into(),
            r#"{"refund":"00000000-0000-0000-0000-000000000009","attempts":2,"at":"2026-01-06T06:00:00Z"}"#,
        ),
        (
            OrderEvent::RefundRetried(RefundRetried { refund, at }).into(),
            r#"{"refund":"00000000-0000-0000-0000-000000000009","at":"2026-01-06T06:00:00Z"}"#,
        ),
        (
            refunded(None),
            r#"{"refund":"00000000-0000-0000-0000-000000000009","provider":"alipay","payment_id":"p-1","amount":{"minor":1000,"currency":"CNY"},"revoke":true,"at":"2026-01-06T06:00:00Z"}"#,
        ),
        (
            refunded(Some("r-1")),
            r#"{"refund":"00000000-0000-0000-0000-000000000009","provider":"alipay","payment_id":"p-1","amount":{"minor":1000,"currency":"CNY"},"provider_refund":"r-1","revoke":true,"at":"2026-01-06T06:00:00Z"}"#,
        ),
    ]
}
