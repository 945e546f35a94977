use super::*;
use crate::credit_account::{GrantSource, Granted};
use crate::desk::{Desk, Recorded, Slot};
use crate::event::Event;
use crate::holdings::{HoldingsEvent, PackageAdded};
use crate::ids::{GrantId, ProductId};
use crate::kinds::AggregateKind;
use crate::label::BadLabel;
use crate::refusal::Refusal;
use crate::spec::{ACCOUNT, id, time};
use crate::state::State;
use crate::user_package::{Activated, DEFAULT_TIME_ZONE, DayRule};

const NOON: &str = "2026-01-05T04:00:00Z";

fn credits(text: &str) -> Credits {
    text.parse().unwrap()
}

fn package(number: u128) -> UserPackageId {
    id(number, UserPackageId::from_uuid)
}

/// 5.00 a day from the start of the year until a given moment.
fn running_until(ends_at: &str) -> Event {
    let activated = Activated {
        product: id(1, ProductId::from_uuid),
        daily_limit: credits("5"),
        duration_days: 30,
        time_zone: DEFAULT_TIME_ZONE,
        day: DayRule::Calendar,
        starts_at: time("2026-01-01T00:00:00Z"),
        ends_at: time(ends_at),
        left: credits("150"),
    };
    UserPackageEvent::Activated(activated).into()
}

fn granted(amount: &str) -> Event {
    let granted = Granted {
        grant: id(1, GrantId::from_uuid),
        source: GrantSource::Order,
        amount: credits(amount),
        expires_at: None,
        balance: credits(amount),
        reason: None,
    };
    CreditAccountEvent::Granted(granted).into()
}

fn put(desk: &mut Desk, id: AggregateId, events: impl IntoIterator<Item = Event>) {
    let mut slot = Slot { version: 0, state: State::empty(id.kind) };
    for event in events {
        slot.state.apply(&event).unwrap();
        slot.version += 1;
    }
    desk.put(id, slot);
}

/// A desk whose account holds these packages, and credits if there is an amount of them.
fn desk(packages: &[(u128, &str)], balance: Option<&str>) -> Desk {
    let mut desk = Desk::new(ACCOUNT);
    for (number, ends_at) in packages {
        put(&mut desk, AggregateId::user_package(package(*number)), [running_until(ends_at)]);
    }
    put(&mut desk, AggregateId::holdings(ACCOUNT), packages.iter().map(|(number, ends_at)| held(*number, ends_at)));
    if let Some(balance) = balance {
        put(&mut desk, AggregateId::credit_account(ACCOUNT), [granted(balance)]);
    }
    desk
}

fn held(number: u128, ends_at: &str) -> Event {
    let (product, starts_at) = (id(1, ProductId::from_uuid), time("2026-01-01T00:00:00Z"));
    HoldingsEvent::PackageAdded(PackageAdded {
        package: package(number),
        product,
        starts_at,
        ends_at: time(ends_at),
        at: starts_at,
    })
    .into()
}

fn charge(amount: &str) -> Charge {
    Charge { amount: credits(amount), meter: None, reference: None, overdraft: crate::Overdraft::Refuse }
}

/// Who paid how much, in the order recorded.
fn paid(recorded: &[Recorded]) -> Vec<(AggregateKind, u128, String)> {
    let amount = |event: &Event| match event {
        Event::CreditAccount(CreditAccountEvent::Spent(spent)) => spent.amount,
        Event::UserPackage(UserPackageEvent::Consumed(consumed)) => consumed.amount,
        _ => panic!("not a payment: {event:?}"),
    };
    let line = |recorded: &Recorded| {
        (recorded.aggregate.kind, recorded.aggregate.id.as_u128(), amount(&recorded.event).to_string())
    };
    recorded.iter().map(line).collect()
}

fn by_package(number: u128, amount: &str) -> (AggregateKind, u128, String) {
    (AggregateKind::UserPackage, number, amount.to_owned())
}

fn by_credits(amount: &str) -> (AggregateKind, u128, String) {
    (AggregateKind::CreditAccount, ACCOUNT.uuid().as_u128(), amount.to_owned())
}

fn decided(desk: &mut Desk, charge: &Charge) -> Result<Vec<Recorded>, Halt> {
    desk.decide_with(time(NOON), charge)
}

fn refused(error: ChargeError) -> Result<Vec<Recorded>, Halt> {
    Err(Halt::Refused(Refusal::Charge(error)))
}

#[test]
fn the_package_that_ends_soonest_pays_first() {
    let mut desk = desk(&[(1, "2026-01-31T00:00:00Z"), (2, "2026-01-20T00:00:00Z")], None);
    let recorded = decided(&mut desk, &charge("7")).unwrap();
    assert_eq!(paid(&recorded), [by_package(2, "5.00"), by_package(1, "2.00")]);
}

#[test]
fn packages_that_end_together_pay_in_the_order_of_their_ids() {
    let mut desk = desk(&[(2, "2026-01-31T00:00:00Z"), (1, "2026-01-31T00:00:00Z")], None);
    let recorded = decided(&mut desk, &charge("7")).unwrap();
    assert_eq!(paid(&recorded), [by_package(1, "5.00"), by_package(2, "2.00")]);
}

#[test]
fn credits_pay_what_packages_do_not() {
    let mut desk = desk(&[(1, "2026-01-31T00:00:00Z")], Some("10"));
    let recorded = decided(&mut desk, &charge("7")).unwrap();
    assert_eq!(paid(&recorded), [by_package(1, "5.00"), by_credits("2.00")]);
    let recorded = decided(&mut desk, &charge("1")).unwrap();
    assert_eq!(paid(&recorded), [by_credits("1.00")]);
}

#[test]
fn the_credit_account_is_not_asked_for_while_packages_cover_the_amount() {
    let mut desk = desk(&[(1, "2026-01-31T00:00:00Z")], None);
    let recorded = decided(&mut desk, &charge("5")).unwrap();
    assert_eq!(paid(&recorded), [by_package(1, "5.00")]);
    let missing = AggregateId::credit_account(ACCOUNT);
    assert_eq!(decided(&mut desk, &charge("0.01")), Err(Halt::Missing(vec![missing])));
}

/// One after the other would be a round trip to the database each.
#[test]
fn packages_that_are_not_loaded_are_asked_for_together() {
    let numbers: Vec<u128> = (1..=70).collect();
    let mut desk = desk(&[], Some("1000"));
    put(&mut desk, AggregateId::holdings(ACCOUNT), numbers.iter().map(|number| held(*number, "2026-01-31T00:00:00Z")));
    put(&mut desk, AggregateId::user_package(package(2)), [running_until("2026-01-31T00:00:00Z")]);
    let missing = |numbers: &[u128]| {
        let ids =
            numbers.iter().filter(|number| **number != 2).map(|number| AggregateId::user_package(package(*number)));
        Err(Halt::Missing(ids.collect()))
    };
    assert_eq!(decided(&mut desk, &charge("320")), missing(&numbers[..64]));
    for number in &numbers[..64] {
        put(&mut desk, AggregateId::user_package(package(*number)), [running_until("2026-01-31T00:00:00Z")]);
    }
    assert_eq!(decided(&mut desk, &charge("320.01")), missing(&numbers[64..]));
    assert_eq!(decided(&mut desk, &charge("320")).unwrap().len(), 64, "the others are not needed");
}

#[test]
fn what_the_account_holds_is_looked_at_first() {
    let mut desk = Desk::new(ACCOUNT);
    assert_eq!(decided(&mut desk, &charge("1")), Err(Halt::Missing(vec![AggregateId::holdings(ACCOUNT)])));
}

#[test]
fn a_package_that_is_not_running_pays_nothing_and_does_no_harm() {
    let mut desk = desk(&[(1, "2026-01-31T00:00:00Z"), (2, "2026-01-02T00:00:00Z")], Some("9"));
    let recorded = decided(&mut desk, &charge("6")).unwrap();
    assert_eq!(paid(&recorded), [by_package(1, "5.00"), by_credits("1.00")]);
}

#[test]
fn a_package_that_the_account_does_not_hold_pays_nothing() {
    let mut desk = desk(&[(1, "2026-01-31T00:00:00Z")], Some("9"));
    put(&mut desk, AggregateId::user_package(package(2)), [running_until("2026-01-31T00:00:00Z")]);
    let recorded = decided(&mut desk, &charge("6")).unwrap();
    assert_eq!(paid(&recorded), [by_package(1, "5.00"), by_credits("1.00")]);
}

#[test]
fn the_quota_of_a_day_comes_back_at_midnight_in_shanghai() {
    let mut desk = desk(&[(1, "2026-01-31T00:00:00Z"), (2, "2026-01-20T00:00:00Z")], Some("1"));
    let mut at = |moment: &str, amount: &str| Ok::<_, Halt>(paid(&desk.decide_with(time(moment), &charge(amount))?));
    assert_eq!(
        at("2026-01-05T15:59:59Z", "11").unwrap(),
        [by_package(2, "5.00"), by_package(1, "5.00"), by_credits("1.00")]
    );
    let short = ChargeError::NotEnough { needed: credits("0.01"), available: credits("0") };
    assert_eq!(at("2026-01-05T15:59:59.999999Z", "0.01"), Err(short.into()));
    assert_eq!(at("2026-01-05T16:00:00Z", "6").unwrap(), [by_package(2, "5.00"), by_package(1, "1.00")]);
}

#[test]
fn not_enough_is_refused_and_nothing_is_taken() {
    let mut desk = desk(&[(1, "2026-01-31T00:00:00Z"), (2, "2026-01-31T00:00:00Z")], Some("1.5"));
    let short = ChargeError::NotEnough { needed: credits("11.500001"), available: credits("11.5") };
    assert_eq!(decided(&mut desk, &charge("11.500001")), refused(short));
    let recorded = decided(&mut desk, &charge("11.5")).unwrap();
    assert_eq!(paid(&recorded), [by_package(1, "5.00"), by_package(2, "5.00"), by_credits("1.50")]);
}

#[test]
fn credits_alone_may_pay() {
    let mut desk = desk(&[], Some("10"));
    let recorded = decided(&mut desk, &charge("10")).unwrap();
    assert_eq!(paid(&recorded), [by_credits("10.00")]);
}

#[test]
fn every_event_of_a_charge_carries_its_labels() {
    let mut desk = desk(&[(1, "2026-01-31T00:00:00Z")], Some("10"));
    let labels = (Some("tokens".to_owned()), Some("call-7".to_owned()));
    let (meter, reference) = labels.clone();
    let recorded = decided(&mut desk, &Charge { meter, reference, ..charge("6") }).unwrap();
    assert_eq!(recorded.len(), 2);
    for Recorded { event, .. } in recorded {
        let payload: serde_json::Value = serde_json::from_str(&event.payload().unwrap()).unwrap();
        assert_eq!(
            (payload["meter"].as_str(), payload["reference"].as_str()),
            (labels.0.as_deref(), labels.1.as_deref())
        );
    }
}

#[test]
fn a_charge_of_nothing_is_refused() {
    assert_eq!(decided(&mut desk(&[], Some("1")), &charge("0")), refused(ChargeError::AmountIsZero));
}

#[test]
fn a_charge_with_an_empty_reference_is_refused() {
    let charge = Charge { reference: Some(String::new()), ..charge("1") };
    assert_eq!(decided(&mut desk(&[], Some("1")), &charge), refused(BadLabel.into()));
}

fn allowed(amount: &str) -> Charge {
    Charge { overdraft: crate::Overdraft::Allow, ..charge(amount) }
}

#[test]
fn an_overdraft_takes_all_there_is_and_owes_the_rest() {
    let mut desk = desk(&[(1, "2026-01-31T00:00:00Z")], Some("1.5"));
    let recorded = decided(&mut desk, &allowed("10")).unwrap();
    assert_eq!(paid(&recorded[..2]), [by_package(1, "5.00"), by_credits("1.50")]);
    let Event::CreditAccount(CreditAccountEvent::Overdrawn(overdrawn)) = &recorded[2].event else {
        panic!("{recorded:?}");
    };
    assert_eq!((overdrawn.amount, overdrawn.shortfall), (credits("3.5"), credits("3.5")));
    assert_eq!(recorded.len(), 3);
}

#[test]
fn an_overdraft_that_is_not_needed_is_a_charge_like_any_other() {
    let mut desk = desk(&[(1, "2026-01-31T00:00:00Z")], Some("10"));
    assert_eq!(paid(&decided(&mut desk, &allowed("4")).unwrap()), [by_package(1, "4.00")]);
    assert_eq!(paid(&decided(&mut desk, &allowed("4")).unwrap()), [by_package(1, "1.00"), by_credits("3.00")]);
}

#[test]
fn an_overdraft_too_large_to_count_is_refused() {
    let mut desk = desk(&[], Some("1"));
    assert_eq!(decided(&mut desk, &allowed("9223372036854.775807")).unwrap().len(), 2);
    let too_large = Refusal::CreditAccount(CreditAccountError::TooLarge);
    assert_eq!(decided(&mut desk, &allowed("2")), Err(Halt::Refused(too_large)));
}

#[test]
fn an_overdraft_is_refused_unless_it_is_allowed_and_says_so_in_json() {
    let json = r#"{"amount":1}"#;
    let charge: Charge = serde_json::from_str(json).unwrap();
    assert_eq!(charge.overdraft, crate::Overdraft::Refuse);
    assert!(!serde_json::to_string(&charge).unwrap().contains("overdraft"));
    let allowed: Charge = serde_json::from_str(r#"{"amount":1,"overdraft":"allow"}"#).unwrap();
    assert_eq!(allowed.overdraft, crate::Overdraft::Allow);
    assert!(serde_json::to_string(&allowed).unwrap().contains(r#""overdraft":"allow""#));
}
