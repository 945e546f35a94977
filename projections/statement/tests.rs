use aggregates::{Event, GrantSource};

use super::query::{LineKind, LineView, said, transaction};
use crate::facts::time;

#[test]
fn a_transaction_number_is_the_time_and_what_proves_the_event() {
    let number = transaction(time("2026-01-05T06:07:08.9Z"), 0x0123_4567_89ab_cdef);
    assert_eq!(number, "TXN202601050607080123456789abcdef");
    assert_eq!(transaction(time("2026-01-05T06:07:08Z"), -1), "TXN20260105060708ffffffffffffffff");
    let of_one_second =
        [0x0123_4567_0000_0001, 0x0123_4567_0000_0002].map(|leaf| transaction(time("2026-01-05T06:07:08Z"), leaf));
    assert_ne!(of_one_second[0], of_one_second[1], "every digit counts");
}

fn line(event_type: &str, payload: &str) -> LineView {
    let event = Event::from_parts(aggregates::AggregateKind::CreditAccount, event_type, 1, payload);
    let event = match event.expect("an event") {
        Event::CreditAccount(event) => event,
        other => panic!("{other:?}"),
    };
    said(event, blank())
}

fn blank() -> LineView {
    LineView {
        transaction: String::new(),
        kind: LineKind::Grant,
        source: None,
        amount: "0.00".to_owned(),
        balance_after: String::new(),
        moved: None,
        frozen_after: None,
        shortfall_after: None,
        hold: None,
        grant: None,
        order: None,
        order_no: None,
        meter: None,
        reference: None,
        reason: None,
        at: time("2026-01-05T06:07:08Z"),
        version: 1,
    }
}

/// Type, what the balance gained or lost, the balance; what moved besides, what is held and owed after it.
#[test]
fn every_movement_says_what_it_did_to_the_balance_and_what_else_moved() {
    let from = r#""from":[{"grant":"00000000-0000-0000-0000-000000000001","amount":1000000,"left":1000000}]"#;
    let hold = r#""hold":"00000000-0000-0000-0000-000000000008""#;
    let settled = |amount: u32, returned: u32| {
        format!(
            r#"{{{hold},"amount":{amount},"returned":{returned},"parts":[],"balance":4000000,"frozen":0,"reference":"r"}}"#
        )
    };
    let order = r#""order":"00000000-0000-0000-0000-000000000005","refund":"00000000-0000-0000-0000-000000000009""#;
    let cases = [
        (
            "granted",
            r#"{"grant":"00000000-0000-0000-0000-000000000001","source":"order","amount":5000000,"balance":5000000}"#
                .to_owned(),
            LineKind::Grant,
            ["5.00", "5.00", "", "", ""],
        ),
        (
            "spent",
            format!(r#"{{"amount":1000000,{from},"balance":4000000}}"#),
            LineKind::Spend,
            ["-1.00", "4.00", "", "", ""],
        ),
        (
            "deducted",
            format!(r#"{{"amount":1000000,{from},"balance":4000000,"reason":"x"}}"#),
            LineKind::Deduct,
            ["-1.00", "4.00", "", "", ""],
        ),
        (
            "overdrawn",
            r#"{"amount":1000000,"balance":0,"shortfall":3000000}"#.to_owned(),
            LineKind::Overdraft,
            ["0.00", "0.00", "1.00", "", "3.00"],
        ),
        (
            "repaid",
            format!(r#"{{"amount":1000000,{from},"balance":4000000,"shortfall":2000000}}"#),
            LineKind::Repay,
            ["-1.00", "4.00", "1.00", "", "2.00"],
        ),
        (
            "held",
            format!(r#"{{{hold},"amount":1000000,{from},"balance":4000000,"frozen":1500000}}"#),
            LineKind::Hold,
            ["0.00", "4.00", "1.00", "1.50", ""],
        ),
        ("settled", settled(1_000_000, 500_000), LineKind::Settle, ["-1.00", "4.00", "0.50", "0.00", ""]),
        ("settled", settled(0, 1_500_000), LineKind::Release, ["0.00", "4.00", "1.50", "0.00", ""]),
        (
            "expired",
            r#"{"grant":"00000000-0000-0000-0000-000000000001","amount":1000000,"balance":0}"#.to_owned(),
            LineKind::Expire,
            ["-1.00", "0.00", "", "", ""],
        ),
        (
            "clawed_back",
            format!(
                r#"{{{order},"amount":1000000,{from},"missing":2000000,"expired":0,"balance":4000000,"shortfall":2000000}}"#
            ),
            LineKind::ClawBack,
            ["-1.00", "4.00", "2.00", "", "2.00"],
        ),
    ];
    for (event_type, payload, kind, expected) in cases {
        let line = line(event_type, &payload);
        let shown = |text: &Option<String>| text.clone().unwrap_or_default();
        let [moved, frozen, shortfall] = [&line.moved, &line.frozen_after, &line.shortfall_after].map(shown);
        assert_eq!(
            (line.kind, [line.amount, line.balance_after, moved, frozen, shortfall]),
            (kind, expected.map(str::to_owned))
        );
    }
}

#[test]
fn a_movement_names_what_it_belongs_to() {
    let granted = line(
        "granted",
        r#"{"grant":"00000000-0000-0000-0000-000000000001","source":"admin","amount":5000000,"balance":5000000,"reason":"goodwill"}"#,
    );
    assert_eq!(
        (granted.source, granted.grant.map(|id| id.as_u128()), granted.reason.as_deref()),
        (Some(GrantSource::Admin), Some(1), Some("goodwill"))
    );
    let settled = line(
        "settled",
        r#"{"hold":"00000000-0000-0000-0000-000000000008","amount":1,"returned":0,"parts":[],"balance":0,"frozen":0,"meter":"m","reference":"r"}"#,
    );
    assert_eq!(
        (settled.hold.map(|id| id.as_u128()), settled.meter.as_deref(), settled.reference.as_deref()),
        (Some(8), Some("m"), Some("r"))
    );
}
