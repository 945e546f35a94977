//! Some of these cases are known from Keygen's own features (uses, validations), said in our words: a use of as many
//! units as there are, of one more than there are, at the limit, by somebody else; units given back; a revoked license;
//! a feature that is missing.

use proptest::prelude::*;

use super::*;
use crate::command::Command;
use crate::desk::{Desk, Halt, Slot};
use crate::holdings::{Holdings, LicenseChosen};
use crate::ids::{AggregateId, LicenseId};
use crate::kinds::{InState, State};
use crate::label::BadLabel;
use crate::reason::BadReason;
use crate::spec::{ACCOUNT, Given, id, time};

const BUYER: AccountKey = ACCOUNT;
const FRIEND: AccountKey = AccountKey::from_uuid(uuid::Uuid::from_u128(0xf41e));

fn given(events: impl IntoIterator<Item = LicenseEvent>) -> Given<License> {
    crate::spec::given(events)
}

fn now() -> DateTime<Utc> {
    time("2026-01-05T06:00:00Z")
}

fn features() -> Features {
    [Feature::EmailVerify, Feature::EmailImport].into_iter().collect()
}

fn key(digest: &str) -> LicenseKey {
    LicenseKey { sealed: "v1.c2VhbGVk".to_owned(), digest: digest.to_owned() }
}

fn issue(uses: u32) -> LicenseCommand {
    let (order, product) = (id(1, OrderId::from_uuid), ProductId::numbered(2));
    LicenseCommand::Issue { order, product, key: key("ab12"), uses, features: features() }
}

fn issued(uses: u32) -> LicenseEvent {
    let (order, product) = (id(1, OrderId::from_uuid), ProductId::numbered(2));
    LicenseEvent::Issued(Issued { order, product, key: key("ab12"), uses, features: features(), at: now() })
}

fn bind(account: AccountKey) -> LicenseCommand {
    LicenseCommand::Bind { account }
}

fn bound(account: AccountKey) -> LicenseEvent {
    LicenseEvent::Bound(Bound { account, at: now() })
}

fn one_use(number: u128) -> UseId {
    id(number, UseId::from_uuid)
}

fn consume(number: u128, units: u32, by: AccountKey) -> LicenseCommand {
    LicenseCommand::Consume { use_id: one_use(number), units, by, feature: None, reference: None }
}

fn consumed(number: u128, units: u32, left: u32) -> LicenseEvent {
    let use_id = one_use(number);
    LicenseEvent::Consumed(Consumed { use_id, units, left, feature: None, reference: None, at: now() })
}

fn give_back(number: u128, keep: u32) -> LicenseCommand {
    LicenseCommand::GiveBack { use_id: one_use(number), keep, outcome: None }
}

fn given_back(number: u128, units: u32, left: u32) -> LicenseEvent {
    LicenseEvent::GivenBack(GivenBack { use_id: one_use(number), units, left, outcome: None, at: now() })
}

fn settle(number: u128, keep: u32, outcome: &str) -> LicenseCommand {
    LicenseCommand::GiveBack { use_id: one_use(number), keep, outcome: Some(outcome.to_owned()) }
}

fn settled(number: u128, units: u32, left: u32, outcome: &str) -> LicenseEvent {
    let outcome = Some(outcome.to_owned());
    LicenseEvent::GivenBack(GivenBack { use_id: one_use(number), units, left, outcome, at: now() })
}

fn revoke() -> LicenseCommand {
    LicenseCommand::Revoke { reason: "refunded".to_owned() }
}

fn revoked() -> LicenseEvent {
    LicenseEvent::Revoked(Revoked { reason: "refunded".to_owned(), at: now() })
}

fn annotate(by: AccountKey, sealed: Option<&str>) -> LicenseCommand {
    LicenseCommand::Annotate { by, sealed: sealed.map(str::to_owned) }
}

fn annotated(by: AccountKey, sealed: Option<&str>) -> LicenseEvent {
    LicenseEvent::Annotated(Annotated { by, sealed: sealed.map(str::to_owned) })
}

fn status(license: &License) -> LicenseStatus {
    license.held().unwrap().status()
}

#[test]
fn a_license_is_issued_once_and_keeps_its_first_key() {
    let LicenseCommand::Issue { order, product, uses, features, .. } = issue(100) else { panic!("not an issue") };
    let other_key = LicenseCommand::Issue { order, product, key: key("cd34"), uses, features };
    given([])
        .when(now(), issue(100))
        .then([issued(100)])
        .when(now(), other_key)
        .then_nothing()
        .when(now(), issue(101))
        .then_refused(LicenseError::Exists);
}

#[test]
fn a_key_is_written_down_only_if_it_arrived_sealed() {
    let LicenseCommand::Issue { order, product, uses, features, .. } = issue(100) else { panic!("not an issue") };
    let (long, longer) = ("x".repeat(SEALED_BYTES_MAX + 1), "f".repeat(DIGEST_BYTES_MAX + 1));
    for (sealed, digest) in
        [("", "ab"), ("v1.x", ""), ("in clear", "ab"), ("v1.x", "a b"), (&long, "ab"), ("x", &longer)]
    {
        let key = LicenseKey { sealed: sealed.to_owned(), digest: digest.to_owned() };
        let issue = LicenseCommand::Issue { order, product, key, uses, features };
        given([]).when(now(), issue).then_refused(LicenseError::NotSealed);
    }
}

#[test]
fn nothing_can_be_asked_of_a_license_that_was_not_issued() {
    for command in [bind(BUYER), consume(1, 1, BUYER), give_back(1, 0), revoke(), annotate(BUYER, None)] {
        given([]).when(now(), command).then_refused(LicenseError::NotIssued);
    }
    let ignored = [bound(BUYER), consumed(1, 1, 9), given_back(1, 1, 10), revoked(), annotated(BUYER, None)];
    assert_eq!(given(ignored).state(), License::NotIssued);
}

#[test]
fn the_first_account_binds_it_and_every_other_is_refused_for_ever() {
    given([issued(100)])
        .when(now(), bind(FRIEND))
        .then([bound(FRIEND)])
        .when(now(), bind(FRIEND))
        .then_nothing()
        .when(now(), bind(BUYER))
        .then_refused(LicenseError::NotYours)
        .when(now(), consume(1, 1, BUYER))
        .then_refused(LicenseError::NotYours)
        .when(now(), annotate(BUYER, Some("v1.bm90ZQ")))
        .then_refused(LicenseError::NotYours);
}

#[test]
fn the_first_use_binds_it_in_the_same_decision() {
    given([issued(5)])
        .when(now(), consume(1, 2, FRIEND))
        .then([bound(FRIEND), consumed(1, 2, 3)])
        .when(now(), consume(2, 1, FRIEND))
        .then([consumed(2, 1, 2)]);
}

#[test]
fn a_first_use_that_is_refused_binds_nobody() {
    let license = given([issued(5)])
        .when(now(), consume(1, 6, FRIEND))
        .then_refused(LicenseError::Exhausted { needed: 6, left: 5 })
        .state();
    assert_eq!(license.held().unwrap().owner, None);
}

#[test]
fn all_units_are_consumed_or_none() {
    given([issued(100), bound(BUYER)]).when(now(), consume(1, 100, BUYER)).then([consumed(1, 100, 0)]);
    for units in [100, u32::MAX] {
        given([issued(99), bound(BUYER)])
            .when(now(), consume(1, units, BUYER))
            .then_refused(LicenseError::Exhausted { needed: units, left: 99 });
    }
    given([issued(99), bound(BUYER)]).when(now(), consume(1, 0, BUYER)).then_refused(LicenseError::NoUnits);
}

#[test]
fn what_came_of_a_use_is_kept_sealed_even_where_nothing_goes_back() {
    let used = || given([issued(5), bound(BUYER), consumed(1, 4, 1)]);
    used().when(now(), settle(1, 4, "v1.b3V0")).then([settled(1, 0, 1, "v1.b3V0")]);
    used().when(now(), settle(1, 1, "v1.b3V0")).then([settled(1, 3, 4, "v1.b3V0")]);
    for bad in [String::new(), "in clear".to_owned(), "x".repeat(OUTCOME_BYTES_MAX + 1)] {
        used().when(now(), settle(1, 4, &bad)).then_refused(LicenseError::NotSealed);
    }
}

#[test]
fn the_last_use_exhausts_it_and_what_is_given_back_makes_it_active_again() {
    let exhausted = given([issued(5), bound(BUYER), consumed(1, 4, 1)])
        .when(now(), consume(2, 1, BUYER))
        .then([consumed(2, 1, 0)])
        .when(now(), consume(3, 1, BUYER))
        .then_refused(LicenseError::Exhausted { needed: 1, left: 0 });
    let license = exhausted.when(now(), give_back(1, 1)).then([given_back(1, 3, 3)]).state();
    assert_eq!(status(&license), LicenseStatus::Active);
    let of = |events: Vec<LicenseEvent>| status(&given(events).state());
    assert_eq!(of(vec![issued(1), consumed(1, 1, 0)]), LicenseStatus::Exhausted);
    assert_eq!(of(vec![issued(1), consumed(1, 1, 0), revoked()]), LicenseStatus::Revoked);
    let names = [LicenseStatus::Active, LicenseStatus::Exhausted, LicenseStatus::Revoked].map(LicenseStatus::as_str);
    assert_eq!(names, ["active", "exhausted", "revoked"]);
}

#[test]
fn the_same_use_is_counted_once_and_another_use_of_that_name_is_refused() {
    let before = || given([issued(5), bound(BUYER), consumed(1, 2, 3)]);
    before().when(now(), consume(1, 2, BUYER)).then_nothing();
    let other = |units, feature, reference: Option<&str>| LicenseCommand::Consume {
        use_id: one_use(1),
        units,
        by: BUYER,
        feature,
        reference: reference.map(str::to_owned),
    };
    for differs in [other(3, None, None), other(2, Some(Feature::EmailVerify), None), other(2, None, Some("r"))] {
        before().when(now(), differs).then_refused(LicenseError::UseDiffers);
    }
    // Said again after it was revoked or used up, it is still the same use.
    given([issued(2), bound(BUYER), consumed(1, 2, 0)]).when(now(), consume(1, 2, BUYER)).then_nothing();
    given([issued(5), bound(BUYER), consumed(1, 2, 3), revoked()]).when(now(), consume(1, 2, BUYER)).then_nothing();
    // Also after a part of it was given back.
    given([issued(5), bound(BUYER), consumed(1, 2, 3), given_back(1, 1, 4)])
        .when(now(), consume(1, 2, BUYER))
        .then_nothing();
}

#[test]
fn a_use_names_a_feature_that_the_license_has() {
    let wanted = |feature| LicenseCommand::Consume {
        use_id: one_use(1),
        units: 1,
        by: BUYER,
        feature: Some(feature),
        reference: Some("mail-7".to_owned()),
    };
    given([issued(5), bound(BUYER)]).when(now(), wanted(Feature::EmailImport)).then([LicenseEvent::Consumed(
        Consumed {
            use_id: one_use(1),
            units: 1,
            left: 4,
            feature: Some(Feature::EmailImport),
            reference: Some("mail-7".to_owned()),
            at: now(),
        },
    )]);
    let feature = Feature::ApiAccess;
    given([issued(5)]).when(now(), wanted(feature)).then_refused(LicenseError::WithoutFeature { feature });
}

#[test]
fn a_reference_that_cannot_be_written_down_is_refused() {
    for bad in ["", "a\nb", &"x".repeat(129)] {
        let reference = Some(bad.to_owned());
        let wanted = LicenseCommand::Consume { use_id: one_use(1), units: 1, by: BUYER, feature: None, reference };
        given([issued(5)]).when(now(), wanted).then_refused(BadLabel.into());
    }
}

#[test]
fn a_use_keeps_the_units_that_succeeded_and_never_more_than_before() {
    given([issued(100), bound(BUYER), consumed(1, 75, 25)])
        .when(now(), give_back(1, 25))
        .then([given_back(1, 50, 75)])
        .when(now(), give_back(1, 25))
        .then_nothing()
        .when(now(), give_back(1, 26))
        .then_refused(LicenseError::KeepsMore { units: 25 })
        .when(now(), give_back(1, 0))
        .then([given_back(1, 25, 100)])
        .when(now(), give_back(1, 0))
        .then_nothing()
        .when(now(), give_back(2, 0))
        .then_refused(LicenseError::NoSuchUse);
}

#[test]
fn the_newest_uses_are_remembered_and_older_ones_are_final() {
    let number = |n: usize| n as u128 + 1;
    let uses = (0..=USES_REMEMBERED_MAX).map(|n| consumed(number(n), 1, 999 - u32::try_from(n).unwrap()));
    let license = given([issued(1_000), bound(BUYER)].into_iter().chain(uses))
        .when(now(), give_back(1, 0))
        .then_refused(LicenseError::NoSuchUse)
        .when(now(), give_back(2, 0))
        .then([given_back(2, 1, 744)])
        .when(now(), give_back(number(USES_REMEMBERED_MAX), 0))
        .then([given_back(number(USES_REMEMBERED_MAX), 1, 745)])
        .state();
    assert_eq!(license.held().unwrap().recent.len(), USES_REMEMBERED_MAX);
}

#[test]
fn a_revoked_license_is_of_no_use_any_more() {
    given([issued(5)])
        .when(now(), revoke())
        .then([revoked()])
        .when(now(), bind(FRIEND))
        .then_refused(LicenseError::Revoked);
    given([issued(5), bound(BUYER), consumed(1, 2, 3), revoked()])
        .when(now(), revoke())
        .then_nothing()
        .when(now(), consume(2, 1, BUYER))
        .then_refused(LicenseError::Revoked)
        .when(now(), bind(BUYER))
        .then_nothing()
        .when(now(), give_back(1, 0))
        .then([given_back(1, 2, 5)]);
    given([issued(5)])
        .when(now(), LicenseCommand::Revoke { reason: String::new() })
        .then_refused(LicenseError::BadReason(BadReason));
}

#[test]
fn a_note_arrives_sealed_and_can_be_taken_away() {
    let note = Some("v1.bm90ZQ");
    given([issued(5)])
        .when(now(), annotate(BUYER, None))
        .then_nothing()
        .when(now(), annotate(BUYER, note))
        .then([annotated(BUYER, note)])
        .when(now(), annotate(BUYER, None))
        .then([annotated(BUYER, None)])
        .when(now(), annotate(BUYER, None))
        .then_nothing();
    for bad in ["", "in clear", &"x".repeat(SEALED_BYTES_MAX + 1)] {
        given([issued(5)]).when(now(), annotate(BUYER, Some(bad))).then_refused(LicenseError::NotSealed);
    }
}

fn license() -> LicenseId {
    id(7, LicenseId::from_uuid)
}

fn ask(command: LicenseCommand) -> Command {
    Command::License(license(), command)
}

/// The buyer's account with a license that is its current one.
fn desk() -> Desk {
    let mut desk = Desk::new(BUYER);
    for id in [AggregateId::license(license()), AggregateId::holdings(BUYER)] {
        desk.put(id, Slot { version: 0, state: State::empty(id.kind) });
    }
    let chosen = Command::ChooseLicense(LicenseChosen { license: license(), home: BUYER });
    desk.decide(now(), &[ask(issue(5)), chosen]).unwrap();
    desk
}

fn current(desk: &Desk) -> Option<LicenseId> {
    let holdings = desk.slot(&AggregateId::holdings(BUYER)).unwrap();
    Holdings::of(&holdings.state).unwrap().current_license().map(|chosen| chosen.license)
}

#[test]
fn a_revoked_license_is_not_the_current_one_any_more() {
    let mut desk = desk();
    let recorded = desk.decide(now(), &[ask(revoke())]).unwrap();
    let names: Vec<_> = recorded.iter().map(|recorded| recorded.event.event_type()).collect();
    assert_eq!((names, current(&desk)), (vec!["revoked", "license_removed"], None));
    assert_eq!(desk.decide(now(), &[ask(revoke())]), Ok(vec![]));
}

#[test]
fn a_license_that_another_account_binds_is_not_the_buyers_current_one_any_more() {
    for by_another in [bind(FRIEND), consume(1, 1, FRIEND)] {
        let mut desk = desk();
        desk.decide(now(), &[ask(by_another)]).unwrap();
        assert_eq!(current(&desk), None);
    }
    for by_the_buyer in [bind(BUYER), consume(1, 5, BUYER), annotate(BUYER, Some("v1.bm90ZQ"))] {
        let mut desk = desk();
        desk.decide(now(), &[ask(by_the_buyer)]).unwrap();
        assert_eq!(current(&desk), Some(license()), "also when it is used up");
    }
}

#[test]
fn whoever_revokes_needs_the_license_and_the_holdings_together() {
    let ids = vec![AggregateId::license(license()), AggregateId::holdings(BUYER)];
    assert_eq!(Desk::new(BUYER).decide(now(), &[ask(revoke())]), Err(Halt::Missing(ids)));
    let missing = vec![AggregateId::license(license())];
    assert_eq!(Desk::new(BUYER).decide(now(), &[ask(give_back(1, 0))]), Err(Halt::Missing(missing)));
}

fn command() -> impl Strategy<Value = LicenseCommand> {
    let account = || prop::sample::select(&[BUYER, FRIEND][..]);
    let uses = USES_REMEMBERED_MAX as u128;
    prop_oneof![
        10 => account().prop_map(bind),
        1 => Just(()).prop_map(|()| revoke()),
        80 => (0..2 * uses, 0..4_u32, account()).prop_map(|(number, units, by)| consume(number, units, by)),
        40 => (0..2 * uses, 0..4_u32).prop_map(|(number, keep)| give_back(number, keep)),
    ]
}

proptest! {
    /// What is left and what is kept by uses come to what was bought, always; and one account has all of it.
    #[test]
    fn no_unit_is_lost_or_made_up(
        bought in 0..500_u32,
        commands in prop::collection::vec(command(), 0..600),
    ) {
        let mut state = given([issued(bought)]).state();
        let mut kept = std::collections::BTreeMap::<UseId, u32>::new();
        let mut owner = None;
        for command in commands {
            for event in state.decide(now(), &command).unwrap_or_default() {
                match &event {
                    LicenseEvent::Bound(bound) => prop_assert!(owner.replace(bound.account).is_none(), "bound twice"),
                    LicenseEvent::Consumed(consumed) => {
                        prop_assert!(consumed.units > 0);
                        *kept.entry(consumed.use_id).or_default() += consumed.units;
                    }
                    LicenseEvent::GivenBack(back) => {
                        let units = kept.get_mut(&back.use_id).unwrap();
                        prop_assert!(back.units > 0 && *units >= back.units, "more came back than was taken");
                        *units -= back.units;
                    }
                    LicenseEvent::Issued(_) | LicenseEvent::Revoked(_) | LicenseEvent::Annotated(_) => {}
                }
                state.apply(&event);
                let held = state.held().unwrap();
                let taken: u64 = kept.values().copied().map(u64::from).sum();
                prop_assert_eq!(u64::from(held.left) + taken, u64::from(bought));
                prop_assert_eq!(held.owner, owner);
                prop_assert!(held.recent.len() <= USES_REMEMBERED_MAX);
            }
        }
    }
}

/// The log never holds such a thing; whatever reads it must not fall over it.
#[test]
fn an_event_out_of_turn_changes_nothing() {
    assert_eq!(given([revoked()]).state(), License::NotIssued);
    assert_eq!(status(&given([issued(5), revoked(), issued(5)]).state()), LicenseStatus::Revoked);
}
