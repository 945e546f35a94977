use super::*;

pub(super) fn stored() -> Stored {
    let grant = id(1, GrantId::from_uuid);
    let granted = Granted {
        grant,
        source: GrantSource::Order,
        amount: Credits::whole(10),
        expires_at: None,
        balance: Credits::whole(12),
        reason: None,
    };
    let from = vec![Taken { grant, amount: Credits::whole(1), left: Credits::whole(9) }];
    let (amount, balance, reason) = (Credits::whole(1), Credits::whole(11), "误发".to_owned());
    let spent = Spent { amount, from: from.clone(), balance, meter: None, reference: None };
    let (meter, reference) = labels();
    vec![
        (
            CreditAccountEvent::Granted(granted.clone()).into(),
            r#"{"grant":"00000000-0000-0000-0000-000000000001","source":"order","amount":10000000,"balance":12000000}"#,
        ),
        (
            CreditAccountEvent::Granted(Granted {
                source: GrantSource::SubscriptionPeriod,
                expires_at: Some(time("2026-02-04T06:00:00.000001Z")),
                ..granted.clone()
            })
            .into(),
            r#"{"grant":"00000000-0000-0000-0000-000000000001","source":"subscription_period","amount":10000000,"expires_at":"2026-02-04T06:00:00.000001Z","balance":12000000}"#,
        ),
        (
            CreditAccountEvent::Granted(Granted {
                source: GrantSource::Admin,
                reason: Some("goodwill".to_owned()),
                ..granted.clone()
            })
            .into(),
            r#"{"grant":"00000000-0000-0000-0000-000000000001","source":"admin","amount":10000000,"balance":12000000,"reason":"goodwill"}"#,
        ),
        (
            CreditAccountEvent::Granted(Granted { source: GrantSource::Promotion, ..granted }).into(),
            r#"{"grant":"00000000-0000-0000-0000-000000000001","source":"promotion","amount":10000000,"balance":12000000}"#,
        ),
        (
            CreditAccountEvent::Spent(spent.clone()).into(),
            r#"{"amount":1000000,"from":[{"grant":"00000000-0000-0000-0000-000000000001","amount":1000000,"left":9000000}],"balance":11000000}"#,
        ),
        (
            CreditAccountEvent::Spent(Spent { meter, reference, ..spent }).into(),
            r#"{"amount":1000000,"from":[{"grant":"00000000-0000-0000-0000-000000000001","amount":1000000,"left":9000000}],"balance":11000000,"meter":"tokens","reference":"call-7"}"#,
        ),
        (
            CreditAccountEvent::Deducted(Deducted { amount, from, balance, reason }).into(),
            r#"{"amount":1000000,"from":[{"grant":"00000000-0000-0000-0000-000000000001","amount":1000000,"left":9000000}],"balance":11000000,"reason":"误发"}"#,
        ),
    ]
}
