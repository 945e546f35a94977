use super::*;
use crate::credit_account::{ClawedBack, Expired as CreditsExpired, Held, Overdrawn, Repaid, Settled, SettledPart};
use crate::ids::{HoldId, RefundId};

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
            CreditAccountEvent::Deducted(Deducted { amount, from: from.clone(), balance, reason }).into(),
            r#"{"amount":1000000,"from":[{"grant":"00000000-0000-0000-0000-000000000001","amount":1000000,"left":9000000}],"balance":11000000,"reason":"误发"}"#,
        ),
    ]
}

/// What is owed, what is held, what is taken back and what is over.
pub(super) fn of_debts_and_holds() -> Stored {
    let grant = id(1, GrantId::from_uuid);
    let (order, refund) = (id(5, OrderId::from_uuid), id(9, RefundId::from_uuid));
    let hold = id(8, HoldId::from_uuid);
    let (one, two, three) = (Credits::whole(1), Credits::whole(2), Credits::whole(3));
    let from = |amount, left| vec![Taken { grant, amount, left }];
    let (meter, reference) = labels();
    let overdrawn = Overdrawn { amount: one, balance: Credits::ZERO, shortfall: two, meter: None, reference: None };
    let settled = Settled {
        hold,
        amount: one,
        returned: two,
        parts: vec![SettledPart { grant, spent: one, returned: two, left: three }],
        balance: three,
        frozen: Credits::ZERO,
        meter: None,
        reference: None,
    };
    vec![
        (
            CreditAccountEvent::Overdrawn(overdrawn.clone()).into(),
            r#"{"amount":1000000,"balance":0,"shortfall":2000000}"#,
        ),
        (
            CreditAccountEvent::Overdrawn(Overdrawn {
                meter: meter.clone(),
                reference: reference.clone(),
                ..overdrawn
            })
            .into(),
            r#"{"amount":1000000,"balance":0,"shortfall":2000000,"meter":"tokens","reference":"call-7"}"#,
        ),
        (
            CreditAccountEvent::Repaid(Repaid { amount: two, from: from(two, one), balance: one, shortfall: three })
                .into(),
            r#"{"amount":2000000,"from":[{"grant":"00000000-0000-0000-0000-000000000001","amount":2000000,"left":1000000}],"balance":1000000,"shortfall":3000000}"#,
        ),
        (
            CreditAccountEvent::Settled(settled.clone()).into(),
            r#"{"hold":"00000000-0000-0000-0000-000000000008","amount":1000000,"returned":2000000,"parts":[{"grant":"00000000-0000-0000-0000-000000000001","spent":1000000,"returned":2000000,"left":3000000}],"balance":3000000,"frozen":0}"#,
        ),
        (
            CreditAccountEvent::Settled(Settled { meter, reference, ..settled }).into(),
            r#"{"hold":"00000000-0000-0000-0000-000000000008","amount":1000000,"returned":2000000,"parts":[{"grant":"00000000-0000-0000-0000-000000000001","spent":1000000,"returned":2000000,"left":3000000}],"balance":3000000,"frozen":0,"meter":"tokens","reference":"call-7"}"#,
        ),
        (
            CreditAccountEvent::ClawedBack(ClawedBack {
                order,
                refund,
                amount: one,
                from: from(one, two),
                missing: three,
                expired: one,
                balance: two,
                shortfall: three,
            })
            .into(),
            r#"{"order":"00000000-0000-0000-0000-000000000005","refund":"00000000-0000-0000-0000-000000000009","amount":1000000,"from":[{"grant":"00000000-0000-0000-0000-000000000001","amount":1000000,"left":2000000}],"missing":3000000,"expired":1000000,"balance":2000000,"shortfall":3000000}"#,
        ),
        (
            CreditAccountEvent::Expired(CreditsExpired { grant, amount: two, balance: Credits::ZERO }).into(),
            r#"{"grant":"00000000-0000-0000-0000-000000000001","amount":2000000,"balance":0}"#,
        ),
        (
            CreditAccountEvent::Held(Held {
                hold,
                amount: three,
                from: from(three, one),
                balance: three,
                frozen: three,
            })
            .into(),
            r#"{"hold":"00000000-0000-0000-0000-000000000008","amount":3000000,"from":[{"grant":"00000000-0000-0000-0000-000000000001","amount":3000000,"left":1000000}],"balance":3000000,"frozen":3000000}"#,
        ),
    ]
}
