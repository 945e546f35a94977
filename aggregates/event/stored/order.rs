use super::*;
use crate::ids::{LicenseId, SubscriptionId};
use crate::product::{Period, PlanChangeTerms, PlanTerms, UpgradePolicy};

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
    let opened = |url: Option<&str>, qr: Option<&str>| {
        let checkout = Checkout { url: url.map(str::to_owned), qr: qr.map(str::to_owned) };
        OrderEvent::CheckoutOpened(CheckoutOpened { checkout }).into()
    };
    let at = time("2026-01-05T06:20:00Z");
    let mut all = vec![
        change_of_plan(placed.clone()),
        (
            OrderEvent::Placed(placed).into(),
            r#"{"number":"ORD20260105060000deadbeef","product":"00000000-0000-0000-0000-000000000004","name":"月卡","kind":{"package":{"duration_days":30,"daily_limit":5000000,"day":"calendar","again":"extend"}},"time_zone":"Asia/Shanghai","price":{"minor":3000,"currency":"CNY"},"provider":"alipay","placed_at":"2026-01-05T06:00:00Z","expires_at":"2026-01-05T06:15:00Z"}"#,
        ),
        (opened(Some("https://pay.example/1"), None), r#"{"checkout":{"url":"https://pay.example/1"}}"#),
        (opened(None, Some("weixin://1")), r#"{"checkout":{"qr":"weixin://1"}}"#),
        (OrderEvent::Expired(OrderExpired { at }).into(), r#"{"at":"2026-01-05T06:20:00Z"}"#),
        (OrderEvent::Cancelled(Cancelled { at }).into(), r#"{"at":"2026-01-05T06:20:00Z"}"#),
        (
            OrderEvent::Failed(Failed { reason: "declined".to_owned(), at }).into(),
            r#"{"reason":"declined","at":"2026-01-05T06:20:00Z"}"#,
        ),
        (
            OrderEvent::Fulfilled(Fulfilled { delivered: Delivered::UserPackage(id(3, UserPackageId::from_uuid)), at })
                .into(),
            r#"{"delivered":{"user_package":"00000000-0000-0000-0000-000000000003"},"at":"2026-01-05T06:20:00Z"}"#,
        ),
    ];
    all.extend(deliveries());
    all
}

fn change_of_plan(placed: Placed) -> (Event, &'static str) {
    let plan = PlanTerms {
        period: Period::Months(1),
        credits: Credits::whole(10),
        valid_days: None,
        upgrade_policy: UpgradePolicy::Immediate,
        grace_days: 3,
    };
    let subscription = id(8, SubscriptionId::from_uuid);
    let change = PlanChangeTerms { subscription, plan, price: money(5_000, "CNY"), from: ProductId::numbered(3) };
    (
        OrderEvent::Placed(Placed { kind: ProductKind::PlanChange(change), ..placed }).into(),
        r#"{"number":"ORD20260105060000deadbeef","product":"00000000-0000-0000-0000-000000000004","name":"月卡","kind":{"plan_change":{"subscription":"00000000-0000-0000-0000-000000000008","plan":{"period":{"months":1},"credits":10000000,"upgrade_policy":"immediate","grace_days":3},"price":{"minor":5000,"currency":"CNY"},"from":"00000000-0000-0000-0000-000000000003"}},"time_zone":"Asia/Shanghai","price":{"minor":3000,"currency":"CNY"},"provider":"alipay","placed_at":"2026-01-05T06:00:00Z","expires_at":"2026-01-05T06:15:00Z"}"#,
    )
}

fn deliveries() -> Stored {
    let at = time("2026-01-05T06:20:00Z");
    let fulfilled = |delivered| OrderEvent::Fulfilled(Fulfilled { delivered, at }).into();
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
