use super::*;

pub(super) fn stored() -> Stored {
    let at = time("2026-01-05T06:00:00Z");
    let monthly = PlanTerms {
        period: Period::Months(1),
        credits: Credits::whole(100),
        valid_days: Some(31),
        upgrade_policy: UpgradePolicy::Immediate,
        grace_days: 3,
    };
    let terms = PlanTerms {
        period: Period::Days(30),
        valid_days: None,
        upgrade_policy: UpgradePolicy::NextCycle,
        grace_days: 0,
        ..monthly
    };
    let plan = Plan { product: id(4, ProductId::from_uuid), terms: monthly, price: money(2_000, "CNY") };
    let other = Plan { product: id(6, ProductId::from_uuid), terms, price: money(5_000, "CNY") };
    let order = id(5, OrderId::from_uuid);
    let period = PaidPeriod { number: 1, order, starts_at: at, ends_at: time("2026-02-05T06:00:00Z") };
    let next = PaidPeriod {
        number: 2,
        order: id(7, OrderId::from_uuid),
        starts_at: period.ends_at,
        ends_at: time("2026-03-05T06:00:00Z"),
    };
    let undone = PlanChanged { plan, order: None, undoes: Some(order), at };
    let ended = |how, reason: Option<&str>, sealed: Option<&str>| {
        let (reason, sealed) = (reason.map(str::to_owned), sealed.map(str::to_owned));
        SubscriptionEvent::Ended(Ended { how, reason, sealed, at }).into()
    };
    vec![
        (
            SubscriptionEvent::Started(Started { plan, period }).into(),
            r#"{"plan":{"product":"00000000-0000-0000-0000-000000000004","terms":{"period":{"months":1},"credits":100000000,"valid_days":31,"upgrade_policy":"immediate","grace_days":3},"price":{"minor":2000,"currency":"CNY"}},"period":{"number":1,"order":"00000000-0000-0000-0000-000000000005","starts_at":"2026-01-05T06:00:00Z","ends_at":"2026-02-05T06:00:00Z"}}"#,
        ),
        (
            SubscriptionEvent::Renewed(Renewed { plan, period: next }).into(),
            r#"{"plan":{"product":"00000000-0000-0000-0000-000000000004","terms":{"period":{"months":1},"credits":100000000,"valid_days":31,"upgrade_policy":"immediate","grace_days":3},"price":{"minor":2000,"currency":"CNY"}},"period":{"number":2,"order":"00000000-0000-0000-0000-000000000007","starts_at":"2026-02-05T06:00:00Z","ends_at":"2026-03-05T06:00:00Z"}}"#,
        ),
        (
            SubscriptionEvent::PlanChanged(PlanChanged { plan: other, order: Some(order), undoes: None, at }).into(),
            r#"{"plan":{"product":"00000000-0000-0000-0000-000000000006","terms":{"period":{"days":30},"credits":100000000,"upgrade_policy":"next_cycle","grace_days":0},"price":{"minor":5000,"currency":"CNY"}},"order":"00000000-0000-0000-0000-000000000005","at":"2026-01-05T06:00:00Z"}"#,
        ),
        (
            SubscriptionEvent::PlanChanged(undone).into(),
            r#"{"plan":{"product":"00000000-0000-0000-0000-000000000004","terms":{"period":{"months":1},"credits":100000000,"valid_days":31,"upgrade_policy":"immediate","grace_days":3},"price":{"minor":2000,"currency":"CNY"}},"undoes":"00000000-0000-0000-0000-000000000005","at":"2026-01-05T06:00:00Z"}"#,
        ),
        (
            SubscriptionEvent::PlanChanged(PlanChanged { plan: other, order: Some(order), undoes: None, at }).into(),
            r#"{"plan":{"product":"00000000-0000-0000-0000-000000000006","terms":{"period":{"days":30},"credits":100000000,"upgrade_policy":"next_cycle","grace_days":0},"price":{"minor":5000,"currency":"CNY"}},"order":"00000000-0000-0000-0000-000000000005","at":"2026-01-05T06:00:00Z"}"#,
        ),
        (
            SubscriptionEvent::PlanChangeScheduled(PlanChangeScheduled { plan, at }).into(),
            r#"{"plan":{"product":"00000000-0000-0000-0000-000000000004","terms":{"period":{"months":1},"credits":100000000,"valid_days":31,"upgrade_policy":"immediate","grace_days":3},"price":{"minor":2000,"currency":"CNY"}},"at":"2026-01-05T06:00:00Z"}"#,
        ),
        (
            SubscriptionEvent::PastDue(PastDue { expires_at: time("2026-03-08T06:00:00Z"), at }).into(),
            r#"{"expires_at":"2026-03-08T06:00:00Z","at":"2026-01-05T06:00:00Z"}"#,
        ),
        (
            SubscriptionEvent::CancelScheduled(CancelScheduled { sealed: None, at }).into(),
            r#"{"at":"2026-01-05T06:00:00Z"}"#,
        ),
        (SubscriptionEvent::CancelWithdrawn(CancelWithdrawn { at }).into(), r#"{"at":"2026-01-05T06:00:00Z"}"#),
        (
            SubscriptionEvent::CancelScheduled(CancelScheduled { sealed: Some("c2VhbGVk".to_owned()), at }).into(),
            r#"{"sealed":"c2VhbGVk","at":"2026-01-05T06:00:00Z"}"#,
        ),
        (ended(SubscriptionEnd::Expired, None, None), r#"{"how":"expired","at":"2026-01-05T06:00:00Z"}"#),
        (
            ended(SubscriptionEnd::Canceled, Some("refunded"), None),
            r#"{"how":"canceled","reason":"refunded","at":"2026-01-05T06:00:00Z"}"#,
        ),
        (
            ended(SubscriptionEnd::Canceled, None, Some("c2VhbGVk")),
            r#"{"how":"canceled","sealed":"c2VhbGVk","at":"2026-01-05T06:00:00Z"}"#,
        ),
    ]
}
