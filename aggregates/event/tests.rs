//! The stored JSON of every event, and how old and unknown ones are read.

use serde_json::{Value, json};

use super::*;
use crate::credit_account::{GrantSource, Granted, Spent, Taken};
use crate::credits::Credits;
use crate::ids::{GrantId, ProductId};
use crate::spec::{day, id, time};
use crate::user_package::{Activated, Consumed, DayRule};

/// Every variant as it is stored. What is written here is in somebody's log: add to it, never change it.
fn stored() -> Vec<(Event, &'static str)> {
    let grant = id(1, GrantId::from_uuid);
    let granted = Granted {
        grant,
        source: GrantSource::Order,
        amount: Credits::whole(10),
        expires_at: None,
        balance: Credits::whole(12),
    };
    let spent = Spent {
        amount: Credits::whole(1),
        from: vec![Taken { grant, amount: Credits::whole(1), left: Credits::whole(9) }],
        balance: Credits::whole(11),
        meter: None,
        reference: None,
    };
    let activated = Activated {
        product: id(2, ProductId::from_uuid),
        daily_limit: Credits::whole(5),
        duration_days: 30,
        time_zone: chrono_tz::Asia::Shanghai,
        day: DayRule::Calendar,
        starts_at: time("2026-01-05T06:00:00Z"),
        ends_at: time("2026-02-04T06:00:00Z"),
        left: Credits::whole(150),
    };
    let consumed = Consumed {
        amount: Credits::whole(1),
        day: day("2026-01-05"),
        day_left: Credits::whole(4),
        left: Credits::whole(149),
        meter: None,
        reference: None,
    };
    let labels = || (Some("tokens".to_owned()), Some("call-7".to_owned()));

    vec![
        (
            CreditAccountEvent::Granted(granted.clone()).into(),
            r#"{"grant":"00000000-0000-0000-0000-000000000001","source":"order","amount":10000000,"balance":12000000}"#,
        ),
        (
            CreditAccountEvent::Granted(Granted {
                source: GrantSource::SubscriptionPeriod,
                expires_at: Some(time("2026-02-04T06:00:00.000001Z")),
                ..granted
            })
            .into(),
            r#"{"grant":"00000000-0000-0000-0000-000000000001","source":"subscription_period","amount":10000000,"expires_at":"2026-02-04T06:00:00.000001Z","balance":12000000}"#,
        ),
        (
            CreditAccountEvent::Spent(spent.clone()).into(),
            r#"{"amount":1000000,"from":[{"grant":"00000000-0000-0000-0000-000000000001","amount":1000000,"left":9000000}],"balance":11000000}"#,
        ),
        (
            CreditAccountEvent::Spent(Spent { meter: labels().0, reference: labels().1, ..spent }).into(),
            r#"{"amount":1000000,"from":[{"grant":"00000000-0000-0000-0000-000000000001","amount":1000000,"left":9000000}],"balance":11000000,"meter":"tokens","reference":"call-7"}"#,
        ),
        (
            UserPackageEvent::Activated(activated).into(),
            r#"{"product":"00000000-0000-0000-0000-000000000002","daily_limit":5000000,"duration_days":30,"time_zone":"Asia/Shanghai","day":"calendar","starts_at":"2026-01-05T06:00:00Z","ends_at":"2026-02-04T06:00:00Z","left":150000000}"#,
        ),
        (
            UserPackageEvent::Consumed(consumed.clone()).into(),
            r#"{"amount":1000000,"day":"2026-01-05","day_left":4000000,"left":149000000}"#,
        ),
        (
            UserPackageEvent::Consumed(Consumed { meter: labels().0, reference: labels().1, ..consumed }).into(),
            r#"{"amount":1000000,"day":"2026-01-05","day_left":4000000,"left":149000000,"meter":"tokens","reference":"call-7"}"#,
        ),
    ]
}

fn whole_json(event: &Event) -> Value {
    match event {
        Event::CreditAccount(event) => serde_json::to_value(event).unwrap(),
        Event::UserPackage(event) => serde_json::to_value(event).unwrap(),
    }
}

#[test]
fn the_stored_json_of_every_event_stays_as_it_is() {
    for (event, json) in stored() {
        assert_eq!(event.payload().unwrap(), json);
        let read = Event::from_parts(event.kind(), event.event_type(), event.schema_version(), json).unwrap();
        assert_eq!(read, event);
    }
}

#[test]
fn every_event_type_is_in_the_list_and_has_its_stored_json() {
    for (event, _) in stored() {
        let part = (event.kind(), event.event_type(), event.schema_version());
        assert!(known_event_types().any(|known| known == part), "{part:?} is not listed");
    }
    for (kind, event_type, _) in known_event_types() {
        let is_stored = stored().iter().any(|(event, _)| (event.kind(), event.event_type()) == (kind, event_type));
        assert!(is_stored, "{kind}.{event_type} has no stored JSON");
    }
}

#[test]
fn the_payload_is_the_content_under_the_tag() {
    for (event, json) in stored() {
        let content: Value = serde_json::from_str(json).unwrap();
        assert_eq!(whole_json(&event), json!({ event.event_type(): content }));
    }
}

#[test]
fn the_events_of_a_charge_are_small() {
    let size = |event_type| stored().iter().find(|(event, _)| event.event_type() == event_type).unwrap().1.len();
    assert!(size("consumed") <= 75, "{}", size("consumed"));
    assert!(size("spent") <= 130, "{}", size("spent"));
}

#[test]
fn an_event_of_another_build_is_unknown_and_not_guessed() {
    for (event_type, version) in [("minted", 1), ("spent", 2), ("spent", 0), ("consumed", 1), ("", 1)] {
        let read = Event::from_parts(AggregateKind::CreditAccount, event_type, version, "{}");
        assert!(matches!(read, Err(EventError::Unknown { .. })), "{event_type} {version}: {read:?}");
    }
}

#[test]
fn a_payload_that_does_not_fit_is_malformed() {
    let good: Value = serde_json::from_str(stored().last().unwrap().1).unwrap();
    let change = |key: &str, value: Value| {
        let mut payload = good.clone();
        payload[key] = value;
        payload.to_string()
    };
    for payload in [
        String::new(),
        "[]".to_owned(),
        "{}".to_owned(),
        change("amount", json!(-1)),
        change("amount", json!(1.5)),
        change("amount", json!("1000000")),
        change("day", json!("2026-02-30")),
        change("surplus", json!(1)),
    ] {
        let read = Event::from_parts(AggregateKind::UserPackage, "consumed", 1, &payload);
        assert!(matches!(read, Err(EventError::Malformed { .. })), "{payload}: {read:?}");
    }
}

/// Two shapes that never were: amounts as text, before that under another name.
const RETIRED: &[Upcaster] = &[
    Upcaster {
        kind: AggregateKind::UserPackage,
        event_type: "consumed",
        from_version: 0,
        f: |mut payload| {
            payload["amount"] = payload["amount"].as_str().and_then(|text| text.parse::<i64>().ok()).into();
            Ok(payload)
        },
    },
    Upcaster {
        kind: AggregateKind::UserPackage,
        event_type: "consumed",
        from_version: -1,
        f: |mut payload| {
            let units = payload.as_object_mut().and_then(|object| object.remove("units"));
            payload["amount"] = units.ok_or_else(|| serde::de::Error::missing_field("units"))?;
            Ok(payload)
        },
    },
];

#[test]
fn an_old_shape_is_raised_step_by_step_to_the_newest() {
    let newest = r#"{"amount":1000000,"day":"2026-01-05","day_left":4000000,"left":149000000}"#;
    let text = r#"{"amount":"1000000","day":"2026-01-05","day_left":4000000,"left":149000000}"#;
    let units = r#"{"units":"1000000","day":"2026-01-05","day_left":4000000,"left":149000000}"#;
    let read = |version, payload| {
        Event::from_parts_with(RETIRED, AggregateKind::UserPackage, "consumed", version, payload).unwrap()
    };
    assert_eq!(read(-1, units), read(1, newest));
    assert_eq!(read(0, text), read(1, newest));
}

#[test]
fn a_step_that_is_missing_or_fails_is_not_skipped() {
    let kind = AggregateKind::UserPackage;
    let gap = Event::from_parts_with(&RETIRED[1..], kind, "consumed", -1, "{}");
    assert!(matches!(gap, Err(EventError::Unknown { schema_version: -1, .. })), "{gap:?}");
    let broken = Event::from_parts_with(RETIRED, kind, "consumed", -1, "{}");
    assert!(matches!(broken, Err(EventError::Malformed { schema_version: -1, .. })), "{broken:?}");
    let other_type = Event::from_parts_with(RETIRED, kind, "activated", 0, "{}");
    assert!(matches!(other_type, Err(EventError::Unknown { .. })), "{other_type:?}");
}
