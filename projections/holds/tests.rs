use aggregates::AggregateId;
use aggregates::hold::{HeldCredits, Party};
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::facts::{alice, fold, time};

const ID: HoldId = HoldId::from_uuid(Uuid::from_u128(8));

fn reserved(meter: &str) -> HoldEvent {
    HoldEvent::Reserved(Reserved {
        amount: Credits::whole(3),
        reserved_by: Party::BackEnd,
        packages: vec![],
        credits: vec![HeldCredits {
            grant: aggregates::GrantId::from_uuid(Uuid::from_u128(1)),
            amount: Credits::whole(3),
        }],
        expires_at: time("2026-01-05T07:00:00Z"),
        meter: Some(meter.to_owned()),
        reference: None,
        at: time("2026-01-05T06:00:00Z"),
    })
}

fn folded(events: impl IntoIterator<Item = HoldEvent>) -> Hold {
    let mut holds = Holds::default();
    fold(&mut holds, AggregateId::hold(ID), events.into_iter().map(Event::from));
    holds.rows.remove(&ID).expect("a row")
}

#[test]
fn a_hold_keeps_where_it_was_set_aside_and_what_became_of_it() {
    let at = time("2026-01-05T06:30:00Z");
    let row = folded([reserved("video"), HoldEvent::Settled(Settled { amount: Credits::whole(2), at })]);
    let (account, content) = row.reserved.expect("reserved in this batch");
    assert_eq!((account, content.amount, content.meter.as_deref()), (alice(), Credits::whole(3), Some("video")));
    let part = json!([{"grant": "00000000-0000-0000-0000-000000000001", "amount": 3_000_000}]);
    assert_eq!((content.packages, content.credits), (json!([]), part));
    assert_eq!(row.end, Some(End { state: "settled", charged: Credits::whole(2), at }));
}

#[test]
fn a_time_out_is_told_from_a_release() {
    let at = time("2026-01-05T07:00:00Z");
    for (timed_out, state) in [(true, "timed_out"), (false, "released")] {
        let row = folded([HoldEvent::Released(Released { timed_out, at })]);
        assert_eq!(row, Hold { reserved: None, end: Some(End { state, charged: Credits::ZERO, at }) });
    }
}

#[test]
fn what_no_column_can_keep_is_made_visible() {
    let (_, content) = folded([reserved("a\0b")]).reserved.expect("reserved in this batch");
    assert_eq!(content.meter.as_deref(), Some("a\u{fffd}b"));
}
