use super::*;
use crate::hold::{HeldCredits, HeldQuota, HoldEvent, Party, Released, Reserved, Settled as HoldSettled};

pub(super) fn stored() -> Stored {
    let at = time("2026-01-05T06:00:00Z");
    let package = id(3, UserPackageId::from_uuid);
    let grant = id(1, GrantId::from_uuid);
    let reserved = Reserved {
        amount: Credits::whole(3),
        reserved_by: Party::Account,
        packages: vec![HeldQuota { package, day: day("2026-01-05"), amount: Credits::whole(2) }],
        credits: vec![HeldCredits { grant, amount: Credits::whole(1) }],
        expires_at: time("2026-01-05T07:00:00Z"),
        meter: None,
        reference: None,
        at,
    };
    let (meter, reference) = labels();
    vec![
        (
            HoldEvent::Reserved(reserved.clone()).into(),
            r#"{"amount":3000000,"reserved_by":"account","packages":[{"package":"00000000-0000-0000-0000-000000000003","day":"2026-01-05","amount":2000000}],"credits":[{"grant":"00000000-0000-0000-0000-000000000001","amount":1000000}],"expires_at":"2026-01-05T07:00:00Z","at":"2026-01-05T06:00:00Z"}"#,
        ),
        (
            HoldEvent::Reserved(Reserved {
                reserved_by: Party::BackEnd,
                packages: vec![],
                credits: vec![],
                meter,
                reference,
                ..reserved
            })
            .into(),
            r#"{"amount":3000000,"reserved_by":"back_end","packages":[],"credits":[],"expires_at":"2026-01-05T07:00:00Z","meter":"tokens","reference":"call-7","at":"2026-01-05T06:00:00Z"}"#,
        ),
        (
            HoldEvent::Settled(HoldSettled { amount: Credits::whole(1), at }).into(),
            r#"{"amount":1000000,"at":"2026-01-05T06:00:00Z"}"#,
        ),
        (
            HoldEvent::Released(Released { timed_out: true, at }).into(),
            r#"{"timed_out":true,"at":"2026-01-05T06:00:00Z"}"#,
        ),
    ]
}
