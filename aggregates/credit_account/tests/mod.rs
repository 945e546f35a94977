mod allocation;
mod debts;
mod expiry;
mod holds;

use chrono::{DateTime, Utc};
use cqrs_es::persist::SemanticVersion;
use cqrs_es::test::TestFramework;
use cqrs_es::{Aggregate, DomainEvent};

use super::*;
use crate::decider::At;
use crate::label::BadLabel;
use crate::reason::BadReason;
use crate::spec::{Given, id, time};

fn given(events: impl IntoIterator<Item = CreditAccountEvent>) -> Given<CreditAccount> {
    crate::spec::given(events)
}

fn noon() -> DateTime<Utc> {
    time("2026-01-05T12:00:00Z")
}

fn credits(text: &str) -> Credits {
    text.parse().unwrap()
}

fn name(number: u128) -> GrantId {
    id(number, GrantId::from_uuid)
}

fn grant(number: u128, amount: &str, expires_at: Option<&str>) -> CreditAccountCommand {
    CreditAccountCommand::Grant {
        grant: name(number),
        source: GrantSource::Order,
        amount: credits(amount),
        expires_at: expires_at.map(time),
        reason: None,
    }
}

fn granted(number: u128, amount: &str, expires_at: Option<&str>, balance: &str) -> CreditAccountEvent {
    CreditAccountEvent::Granted(Granted {
        grant: name(number),
        source: GrantSource::Order,
        amount: credits(amount),
        expires_at: expires_at.map(time),
        balance: credits(balance),
        reason: None,
    })
}

fn spend(amount: &str) -> CreditAccountCommand {
    CreditAccountCommand::Spend { amount: credits(amount), meter: None, reference: None }
}

fn spent(amount: &str, from: &[(u128, &str, &str)], balance: &str) -> CreditAccountEvent {
    CreditAccountEvent::Spent(Spent {
        amount: credits(amount),
        from: taken(from),
        balance: credits(balance),
        meter: None,
        reference: None,
    })
}

fn not_enough(needed: &str, available: &str) -> CreditAccountError {
    CreditAccountError::NotEnough { needed: credits(needed), available: credits(available) }
}

fn taken(parts: &[(u128, &str, &str)]) -> Vec<Taken> {
    let taken = |(grant, amount, left): &(u128, &str, &str)| Taken {
        grant: name(*grant),
        amount: credits(amount),
        left: credits(left),
    };
    parts.iter().map(taken).collect()
}

const SOON: Option<&str> = Some("2026-01-10T00:00:00Z");
const LATER: Option<&str> = Some("2026-02-10T00:00:00Z");

#[test]
fn a_grant_adds_to_the_balance() {
    given([granted(1, "2", None, "2")]).when(noon(), grant(2, "10", SOON)).then([granted(2, "10", SOON, "12")]);
}

#[test]
fn the_same_grant_said_again_changes_nothing() {
    given([granted(1, "10", SOON, "10"), spent("4", &[(1, "4", "6")], "6")])
        .when(noon(), grant(1, "10", SOON))
        .then_nothing();
}

#[test]
fn the_same_grant_said_again_after_it_expired_changes_nothing() {
    given([granted(1, "10", SOON, "10")]).when(time("2026-03-01T00:00:00Z"), grant(1, "10", SOON)).then_nothing();
}

#[test]
fn other_content_under_the_id_of_a_grant_is_refused() {
    let differs = CreditAccountError::GrantDiffers { grant: name(1) };
    let by_admin = CreditAccountCommand::Grant {
        grant: name(1),
        source: GrantSource::Admin,
        amount: credits("10"),
        expires_at: None,
        reason: None,
    };
    given([granted(1, "10", None, "10")])
        .when(noon(), grant(1, "11", None))
        .then_refused(differs.clone())
        .when(noon(), grant(1, "10", SOON))
        .then_refused(differs.clone())
        .when(noon(), by_admin)
        .then_refused(differs);
}

#[test]
fn a_grant_of_nothing_is_refused() {
    given([]).when(noon(), grant(1, "0", None)).then_refused(CreditAccountError::AmountIsZero);
}

#[test]
fn a_negative_grant_cannot_even_be_said() {
    let json = r#"{"grant":{"grant":"00000000-0000-0000-0000-000000000001","source":"admin","amount":-1}}"#;
    assert!(serde_json::from_str::<CreditAccountCommand>(json).is_err());
}

#[test]
fn a_balance_too_large_to_count_is_refused() {
    let most = "9223372036854.775807";
    given([granted(1, most, None, most)])
        .when(noon(), grant(2, "0.000001", None))
        .then_refused(CreditAccountError::TooLarge);
}

#[test]
fn a_grant_that_has_already_expired_is_refused() {
    let expires_at = noon();
    given([])
        .when(noon(), grant(1, "1", Some("2026-01-05T12:00:00Z")))
        .then_refused(CreditAccountError::ExpiresInThePast { expires_at });
}

#[test]
fn an_expiry_that_other_programs_cannot_read_is_refused() {
    given([])
        .when(noon(), grant(1, "1", Some("+10000-01-01T00:00:00Z")))
        .then_refused(CreditAccountError::ExpiresTooLate);
}

#[test]
fn spending_takes_the_earliest_expiry_first_and_the_endless_last() {
    given([granted(1, "3", None, "3"), granted(2, "3", LATER, "6"), granted(3, "3", SOON, "9")])
        .when(noon(), spend("7"))
        .then([spent("7", &[(3, "3", "0"), (2, "3", "0"), (1, "1", "2")], "2")])
        .when(noon(), spend("2"))
        .then([spent("2", &[(1, "2", "0")], "0")]);
}

#[test]
fn of_equal_expiries_the_oldest_grant_pays_first() {
    given([
        granted(9, "1", SOON, "1"),
        granted(5, "1", SOON, "2"),
        granted(7, "1", None, "3"),
        granted(6, "1", None, "4"),
    ])
    .when(noon(), spend("3.5"))
    .then([spent("3.5", &[(9, "1", "0"), (5, "1", "0"), (7, "1", "0"), (6, "0.5", "0.5")], "0.5")]);
}

#[test]
fn an_expired_grant_pays_nothing_though_nobody_has_recorded_its_end() {
    given([granted(1, "5", SOON, "5"), granted(2, "5", None, "10")])
        .when(time("2026-01-10T00:00:00Z"), spend("5"))
        .then([spent("5", &[(2, "5", "0")], "5")])
        .when(time("2026-01-10T00:00:00Z"), spend("0.01"))
        .then_refused(not_enough("0.01", "0"));
}

#[test]
fn a_grant_pays_until_the_last_moment_before_it_expires() {
    given([granted(1, "5", SOON, "5")]).when(time("2026-01-09T23:59:59.999999Z"), spend("5")).then([spent(
        "5",
        &[(1, "5", "0")],
        "0",
    )]);
}

#[test]
fn spending_more_than_there_is_is_refused_and_takes_nothing() {
    given([granted(1, "3", SOON, "3"), granted(2, "2.5", None, "5.5")])
        .when(noon(), spend("5.500001"))
        .then_refused(not_enough("5.500001", "5.5"))
        .when(noon(), spend("5.5"))
        .then([spent("5.5", &[(1, "3", "0"), (2, "2.5", "0")], "0")]);
}

#[test]
fn an_empty_account_has_nothing_to_spend() {
    given([]).when(noon(), spend("1")).then_refused(not_enough("1", "0"));
}

#[test]
fn spending_nothing_is_refused() {
    given([granted(1, "5", None, "5")]).when(noon(), spend("0")).then_refused(CreditAccountError::AmountIsZero);
}

#[test]
fn what_was_metered_is_kept_with_the_movement() {
    let (meter, reference) = (Some("视频".to_owned()), Some("r".repeat(128)));
    let command =
        CreditAccountCommand::Spend { amount: credits("1"), meter: meter.clone(), reference: reference.clone() };
    given([granted(1, "5", None, "5")]).when(noon(), command).then([CreditAccountEvent::Spent(Spent {
        amount: credits("1"),
        from: vec![Taken { grant: name(1), amount: credits("1"), left: credits("4") }],
        balance: credits("4"),
        meter,
        reference,
    })]);
}

#[test]
fn a_label_that_is_empty_or_long_or_unprintable_is_refused() {
    for label in [String::new(), "r".repeat(129), "a\0b".to_owned()] {
        for (meter, reference) in [(Some(label.clone()), None), (None, Some(label))] {
            given([granted(1, "5", None, "5")])
                .when(noon(), CreditAccountCommand::Spend { amount: credits("1"), meter, reference })
                .then_refused(BadLabel.into());
        }
    }
}

#[test]
fn the_state_holds_only_grants_with_something_left() {
    let account = given([
        granted(1, "1", None, "1"),
        granted(2, "1", None, "2"),
        spent("1.5", &[(1, "1", "0"), (2, "0.5", "0.5")], "0.5"),
    ])
    .state();
    assert_eq!(account.grants.iter().map(|grant| grant.id).collect::<Vec<_>>(), [name(2)]);
    assert_eq!(account.balance(), credits("0.5"));
}

#[test]
fn available_is_the_balance_less_what_has_expired() {
    let account = given([granted(1, "5", SOON, "5"), granted(2, "2", None, "7")]).state();
    assert_eq!(account.available(noon()), credits("7"));
    assert_eq!(account.available(time("2026-01-10T00:00:00Z")), credits("2"));
    assert_eq!(account.balance(), credits("7"));
}

/// An event that was decided under another order of spending still finds its grants.
#[test]
fn grants_are_found_in_whatever_order_an_event_names_them() {
    let taken = [(2, "0.5", "0.5"), (3, "1", "0"), (1, "1", "0")];
    let account = given([
        granted(1, "1", SOON, "1"),
        granted(2, "1", LATER, "2"),
        granted(3, "1", None, "3"),
        spent("2.5", &taken, "0.5"),
    ])
    .state();
    assert_eq!(
        account.grants.iter().map(|grant| (grant.id, grant.left)).collect::<Vec<_>>(),
        [(name(2), credits("0.5"))]
    );
}

/// No such event is ever decided; were it in a log, the rest of the state would still be right.
#[test]
fn an_event_that_names_a_grant_nobody_knows_changes_only_what_it_says_of_the_account() {
    let account = given([granted(1, "2", None, "2"), spent("1", &[(7, "1", "0")], "1")]).state();
    assert_eq!(account.left_and_frozen(name(1)), Some((credits("2"), credits("0"))));
    assert_eq!(account.balance(), credits("1"));
}

fn granted_by_admin(reason: Option<&str>) -> CreditAccountCommand {
    CreditAccountCommand::Grant {
        grant: name(1),
        source: GrantSource::Admin,
        amount: credits("10"),
        expires_at: None,
        reason: reason.map(str::to_owned),
    }
}

#[test]
fn an_admin_says_why_credits_are_granted() {
    let granted = Granted {
        grant: name(1),
        source: GrantSource::Admin,
        amount: credits("10"),
        expires_at: None,
        balance: credits("10"),
        reason: Some("补偿".to_owned()),
    };
    given([])
        .when(noon(), granted_by_admin(Some("补偿")))
        .then([CreditAccountEvent::Granted(granted)])
        .when(noon(), granted_by_admin(Some("补偿")))
        .then_nothing();
    for reason in [None, Some(""), Some(" "), Some("a\nb"), Some(&*"x".repeat(501))] {
        given([]).when(noon(), granted_by_admin(reason)).then_refused(BadReason.into());
    }
}

fn deduct(amount: &str, reason: &str) -> CreditAccountCommand {
    CreditAccountCommand::Deduct { amount: credits(amount), reason: reason.to_owned() }
}

#[test]
fn a_deduction_takes_what_would_be_spent_next_and_says_why() {
    let deducted = Deducted {
        amount: credits("4"),
        from: vec![
            Taken { grant: name(2), amount: credits("3"), left: credits("0") },
            Taken { grant: name(1), amount: credits("1"), left: credits("2") },
        ],
        balance: credits("2"),
        reason: "误发".to_owned(),
    };
    let account = given([granted(1, "3", None, "3"), granted(2, "3", SOON, "6")])
        .when(noon(), deduct("4", "误发"))
        .then([CreditAccountEvent::Deducted(deducted)])
        .state();
    assert_eq!((account.balance(), account.available(noon())), (credits("2"), credits("2")));
}

#[test]
fn a_deduction_never_takes_more_than_there_is() {
    given([granted(1, "3", SOON, "3"), granted(2, "2", None, "5")])
        .when(noon(), deduct("5.000001", "x"))
        .then_refused(not_enough("5.000001", "5"))
        .when(time("2026-01-10T00:00:00Z"), deduct("3", "x"))
        .then_refused(not_enough("3", "2"))
        .when(noon(), deduct("0", "x"))
        .then_refused(CreditAccountError::AmountIsZero);
}

#[test]
fn a_deduction_without_a_reason_is_refused() {
    for reason in ["", "  ", "a\0b", &*"x".repeat(501)] {
        given([granted(1, "3", None, "3")]).when(noon(), deduct("1", reason)).then_refused(BadReason.into());
    }
}

#[test]
fn cqrs_es_runs_the_same_decisions() {
    let at = noon();
    TestFramework::<CreditAccount>::with(())
        .given(vec![granted(1, "5", None, "5")])
        .when(At { at, command: spend("2") })
        .then_expect_events(vec![spent("2", &[(1, "2", "3")], "3")]);
    TestFramework::<CreditAccount>::with(())
        .given_no_previous_events()
        .when(At { at, command: spend("2") })
        .then_expect_error(not_enough("2", "0"));
    TestFramework::<CreditAccount>::with(())
        .given(vec![granted(1, "5", None, "5")])
        .when(At { at, command: grant(1, "5", None) })
        .then_expect_events(vec![]);
}

#[test]
fn cqrs_es_knows_the_names_and_versions_of_the_log() {
    let event = granted(1, "5", None, "5");
    assert_eq!(<CreditAccount as Aggregate>::TYPE, "credit_account");
    assert_eq!(DomainEvent::event_type(&event), "granted");
    assert_eq!(DomainEvent::event_version(&event).parse::<SemanticVersion>().unwrap().to_string(), "1.0.0");
}

/// The log never holds such a thing; whatever reads it must not fall over it.
#[test]
fn an_event_about_a_grant_that_is_not_there_takes_nothing() {
    let (amount, grant) = (Credits::whole(1), crate::spec::id(99, GrantId::from_uuid));
    let from = vec![Taken { grant, amount, left: Credits::ZERO }];
    let spent = Spent { amount, from, balance: Credits::ZERO, meter: None, reference: None };
    let account = crate::spec::given::<CreditAccount>([CreditAccountEvent::Spent(spent)]).state();
    assert_eq!(account, CreditAccount::default());
}
