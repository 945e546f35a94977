use aggregates::license::{Annotated, Bound, Consumed, GivenBack, Issued, Revoked};
use aggregates::{AggregateId, Feature, LicenseKey, OrderId, ProductId};
use uuid::Uuid;

use super::*;
use crate::facts::{alice, fold, time};

fn license() -> LicenseId {
    LicenseId::from_uuid(Uuid::from_u128(1))
}

fn use_id() -> UseId {
    UseId::from_uuid(Uuid::from_u128(7))
}

fn told(events: impl IntoIterator<Item = LicenseEvent>) -> Licenses {
    let mut licenses = Licenses::default();
    fold(&mut licenses, AggregateId::license(license()), events.into_iter().map(Event::from));
    licenses
}

fn consumed(units: u32, left: u32) -> LicenseEvent {
    let (feature, at) = (Some(Feature::EmailVerify), time("2026-01-05T06:00:00Z"));
    LicenseEvent::Consumed(Consumed { use_id: use_id(), units, left, feature, reference: Some("r\0".to_owned()), at })
}

fn given_back(units: u32, left: u32) -> LicenseEvent {
    LicenseEvent::GivenBack(GivenBack {
        use_id: use_id(),
        units,
        left,
        outcome: None,
        at: time("2026-01-05T06:00:00Z"),
    })
}

#[test]
fn a_use_and_what_came_back_of_it_are_one_row() {
    let licenses = told([consumed(5, 95), given_back(2, 97), given_back(1, 98)]);
    let row = &licenses.uses[&(license(), use_id())];
    let taken = row.taken.as_ref().expect("taken");
    assert_eq!((taken.units, row.given_back, licenses.licenses[&license()].left), (5, 3, Some(98)));
    assert_eq!((taken.feature, taken.reference.as_deref()), (Some("email_verify"), Some("r\u{fffd}")));
}

#[test]
fn what_comes_back_later_is_added_to_what_came_before() {
    let licenses = told([given_back(2, 97)]);
    assert_eq!(licenses.uses[&(license(), use_id())].taken, None, "as it was");
    assert_eq!(licenses.uses[&(license(), use_id())].given_back, 2);
}

#[test]
fn the_newest_note_counts_and_one_that_was_taken_away_is_told_from_one_that_stays() {
    let annotated =
        |sealed: Option<&str>| LicenseEvent::Annotated(Annotated { by: alice(), sealed: sealed.map(str::to_owned) });
    assert_eq!(told([consumed(5, 95)]).licenses[&license()].note, None);
    let note = told([annotated(Some("v1.a")), annotated(None)]).licenses[&license()].note.clone();
    assert_eq!(note, Some((alice(), None)));
}

#[test]
fn whose_it_is_and_how_it_ended_are_kept() {
    let at = time("2026-01-05T06:00:00Z");
    let key = LicenseKey { sealed: "v1.x".to_owned(), digest: "ab".to_owned() };
    let (order, product) = (OrderId::from_uuid(Uuid::from_u128(5)), ProductId::numbered(2));
    let features = [Feature::EmailVerify].into_iter().collect();
    let mut licenses = told([
        LicenseEvent::Issued(Issued { order, product, key, uses: 100, features, at }),
        LicenseEvent::Bound(Bound { account: alice(), at }),
        LicenseEvent::Revoked(Revoked { reason: "refunded".to_owned(), at }),
    ]);
    let row = &licenses.licenses[&license()];
    let issued = row.issued.as_ref().expect("issued");
    assert_eq!((issued.account, issued.key_sealed.as_str()), (alice(), "v1.x"));
    assert_eq!(issued.features, serde_json::json!(["email_verify"]));
    assert_eq!((row.bound, row.revoked.clone()), (Some((alice(), at)), Some(("refunded".to_owned(), at))));
    licenses.forget();
    assert!(licenses.licenses.is_empty() && licenses.uses.is_empty());
}
