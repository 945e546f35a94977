//! How stored events are read: every one of today, old ones, and unknown ones.

use serde_json::{Value, json};

use super::stored::stored;
use super::*;

/// `{"<type>":<content>}`, as serde writes the event.
fn whole_json(event: &Event) -> Value {
    match event {
        Event::CreditAccount(event) => serde_json::to_value(event),
        Event::UserPackage(event) => serde_json::to_value(event),
        Event::Holdings(event) => serde_json::to_value(event),
        Event::Product(event) => serde_json::to_value(event),
        Event::Order(event) => serde_json::to_value(event),
        Event::Delivery(event) => serde_json::to_value(event),
        Event::Customer(event) => serde_json::to_value(event),
        Event::Hold(event) => serde_json::to_value(event),
        Event::License(event) => serde_json::to_value(event),
        Event::Subscription(event) => serde_json::to_value(event),
        Event::ProviderSettings(event) => serde_json::to_value(event),
    }
    .unwrap()
}

#[test]
fn no_kind_of_event_is_read_by_a_name_it_does_not_have() {
    for kind in AggregateKind::ALL.iter().copied() {
        assert!(Event::parse(kind, "happened", "{}").is_none(), "{kind}");
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

/// Names and versions are stored as well: add to the list, and never change what is in it.
#[test]
fn every_event_keeps_the_name_it_is_stored_under() {
    let names: Vec<_> =
        known_event_types().map(|(kind, event_type, version)| format!("{kind}.{event_type} v{version}")).collect();
    let expected = [
        "credit_account.granted v1",
        "credit_account.spent v1",
        "credit_account.deducted v1",
        "credit_account.overdrawn v1",
        "credit_account.repaid v1",
        "credit_account.held v1",
        "credit_account.settled v1",
        "credit_account.expired v1",
        "credit_account.clawed_back v1",
        "user_package.activated v1",
        "user_package.consumed v1",
        "user_package.expired v1",
        "user_package.extended v1",
        "user_package.shortened v1",
        "user_package.moved v1",
        "user_package.revoked v1",
        "user_package.held v1",
        "user_package.settled v1",
        "holdings.package_added v2",
        "holdings.package_moved v1",
        "holdings.package_removed v1",
        "holdings.license_chosen v1",
        "holdings.license_removed v1",
        "holdings.subscription_added v1",
        "holdings.subscription_removed v1",
        "product.created v2",
        "product.changed v2",
        "product.taken_off_sale v1",
        "product.put_on_sale v1",
        "order.placed v2",
        "order.checkout_opened v2",
        "order.paid v1",
        "order.fulfilled v2",
        "order.expired v1",
        "order.cancelled v1",
        "order.failed v1",
        "order.payment_mismatched v1",
        "order.payment_duplicated v1",
        "order.review_closed v1",
        "order.refund_requested v1",
        "order.refund_failed v1",
        "order.refund_refused v1",
        "order.refund_given_up v1",
        "order.refund_retried v1",
        "order.refunded v1",
        "delivery.requested v1",
        "delivery.key_created v1",
        "delivery.mail_sent v1",
        "delivery.attempt_failed v1",
        "delivery.given_up v1",
        "delivery.retried v1",
        "delivery.withdrawn v1",
        "customer.described v1",
        "customer.erased v1",
        "hold.reserved v1",
        "hold.settled v1",
        "hold.released v1",
        "license.issued v1",
        "license.bound v1",
        "license.consumed v1",
        "license.given_back v1",
        "license.revoked v1",
        "license.annotated v1",
        "subscription.started v1",
        "subscription.renewed v1",
        "subscription.past_due v1",
        "subscription.cancel_scheduled v1",
        "subscription.cancel_withdrawn v1",
        "subscription.plan_change_scheduled v1",
        "subscription.plan_changed v1",
        "subscription.ended v1",
        "provider_settings.configured v1",
    ];
    assert_eq!(names, expected);
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
    let good = stored().into_iter().find(|(event, _)| event.event_type() == "consumed").unwrap().1;
    let good: Value = serde_json::from_str(good).unwrap();
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
