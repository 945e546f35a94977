use super::*;
use crate::feature::Feature;
use crate::product::{Again, CreditPackTerms, LicenseTerms, Period, PlanTerms, UpgradePolicy};

pub(super) fn stored() -> Stored {
    let content = ProductContent {
        code: None,
        name: "月卡".to_owned(),
        description: "30 days,\n5.00 a day".to_owned(),
        prices: vec![money(3_000, "CNY"), money(1_250, "LDC/2")],
        sort_order: -1,
        kind: kind(),
    };
    let json = r#"{"name":"月卡","description":"30 days,\n5.00 a day","prices":[{"minor":3000,"currency":"CNY"},{"minor":1250,"currency":"LDC/2"}],"sort_order":-1,"kind":{"package":{"duration_days":30,"daily_limit":5000000,"day":"calendar","again":"extend"}}}"#;
    let plain = vec![
        (ProductEvent::Created(content.clone()).into(), json),
        (ProductEvent::Changed(content).into(), json),
        (ProductEvent::TakenOffSale(TakenOffSale {}).into(), "{}"),
        (ProductEvent::PutOnSale(PutOnSale {}).into(), "{}"),
    ];
    [other_kinds(), plain].concat()
}

/// What each kind of product is sold by; the rest of it is as short as can be.
fn other_kinds() -> Stored {
    let changed = |kind, json| {
        let (name, prices) = ("x".to_owned(), vec![money(1, "CNY")]);
        let content = ProductContent {
            code: "basic".parse().ok(),
            name,
            description: String::new(),
            prices,
            sort_order: 0,
            kind,
        };
        (ProductEvent::Changed(content).into(), json)
    };
    let features = [Feature::PrioritySupport, Feature::EmailVerify].into_iter().collect();
    let plan = PlanTerms {
        period: Period::Months(1),
        credits: Credits::whole(10),
        valid_days: None,
        upgrade_policy: UpgradePolicy::NextCycle,
        grace_days: 3,
    };
    let other =
        PlanTerms { period: Period::Days(7), valid_days: Some(30), upgrade_policy: UpgradePolicy::Immediate, ..plan };
    let package = |day, again| {
        ProductKind::Package(PackageTerms { duration_days: 1, daily_limit: Credits::whole(1), day, again })
    };
    vec![
        changed(
            package(DayRule::Anniversary, Again::Parallel),
            r#"{"code":"basic","name":"x","description":"","prices":[{"minor":1,"currency":"CNY"}],"sort_order":0,"kind":{"package":{"duration_days":1,"daily_limit":1000000,"day":"anniversary","again":"parallel"}}}"#,
        ),
        changed(
            package(DayRule::Calendar, Again::Queue),
            r#"{"code":"basic","name":"x","description":"","prices":[{"minor":1,"currency":"CNY"}],"sort_order":0,"kind":{"package":{"duration_days":1,"daily_limit":1000000,"day":"calendar","again":"queue"}}}"#,
        ),
        changed(
            ProductKind::License(LicenseTerms { uses: 100, features }),
            r#"{"code":"basic","name":"x","description":"","prices":[{"minor":1,"currency":"CNY"}],"sort_order":0,"kind":{"license":{"uses":100,"features":["email_verify","priority_support"]}}}"#,
        ),
        changed(
            ProductKind::CreditPack(CreditPackTerms { credits: Credits::whole(1), valid_days: None }),
            r#"{"code":"basic","name":"x","description":"","prices":[{"minor":1,"currency":"CNY"}],"sort_order":0,"kind":{"credit_pack":{"credits":1000000}}}"#,
        ),
        changed(
            ProductKind::CreditPack(CreditPackTerms { credits: Credits::whole(1), valid_days: Some(90) }),
            r#"{"code":"basic","name":"x","description":"","prices":[{"minor":1,"currency":"CNY"}],"sort_order":0,"kind":{"credit_pack":{"credits":1000000,"valid_days":90}}}"#,
        ),
        changed(
            ProductKind::Subscription(plan),
            r#"{"code":"basic","name":"x","description":"","prices":[{"minor":1,"currency":"CNY"}],"sort_order":0,"kind":{"subscription":{"period":{"months":1},"credits":10000000,"upgrade_policy":"next_cycle","grace_days":3}}}"#,
        ),
        changed(
            ProductKind::Subscription(other),
            r#"{"code":"basic","name":"x","description":"","prices":[{"minor":1,"currency":"CNY"}],"sort_order":0,"kind":{"subscription":{"period":{"days":7},"credits":10000000,"valid_days":30,"upgrade_policy":"immediate","grace_days":3}}}"#,
        ),
    ]
}
