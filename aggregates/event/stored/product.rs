use super::*;

pub(super) fn stored() -> Stored {
    let content = ProductContent {
        code: None,
        name: "月卡".to_owned(),
        description: "30 days,\n5.00 a day".to_owned(),
        prices: vec![money(3_000, "CNY"), money(1_250, "LDC/2")],
        sort_order: -1,
        kind: kind(),
    };
    let json = r#"{"name":"月卡","description":"30 days,\n5.00 a day","prices":[{"minor":3000,"currency":"CNY"},{"minor":1250,"currency":"LDC/2"}],"sort_order":-1,"kind":{"package":{"duration_days":30,"daily_limit":5000000,"day":"calendar"}}}"#;
    vec![
        (ProductEvent::Created(content.clone()).into(), json),
        (ProductEvent::Changed(content).into(), json),
        (ProductEvent::TakenOffSale(TakenOffSale {}).into(), "{}"),
        (ProductEvent::PutOnSale(PutOnSale {}).into(), "{}"),
    ]
}
