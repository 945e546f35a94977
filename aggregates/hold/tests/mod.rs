mod across;
mod two_phases;

use chrono::{DateTime, Utc};

use super::*;
use crate::charge::{Charge, Overdraft};
use crate::command::{Command, ask_package};
use crate::credit_account::{CreditAccount, CreditAccountCommand, CreditAccountError, CreditAccountEvent, GrantSource};
use crate::credits::Credits;
use crate::desk::{Decide, Desk, Halt, Recorded, Slot, View};
use crate::event::Event;
use crate::ids::{AggregateId, GrantId, HoldId, OrderId, ProductId, RefundId, UserPackageId};
use crate::kinds::InState;
use crate::label::BadLabel;
use crate::refusal::Refusal;
use crate::spec::{ACCOUNT, id, time};
use crate::state::State;
use crate::user_package::{DayRule, UserPackage, UserPackageCommand, UserPackageEvent};

const NOON: &str = "2026-01-05T04:00:00Z";
/// An hour after noon in Shanghai.
const LATER: &str = "2026-01-05T05:00:00Z";

fn credits(text: &str) -> Credits {
    text.parse().unwrap()
}

fn hold(number: u128) -> HoldId {
    id(number, HoldId::from_uuid)
}

fn package(number: u128) -> UserPackageId {
    id(number, UserPackageId::from_uuid)
}

fn grant(number: u128) -> GrantId {
    id(number, GrantId::from_uuid)
}

/// Activates a package as a purchase does.
struct Buy(UserPackageId, UserPackageCommand);

impl Decide for Buy {
    fn decide(&self, view: &mut View<'_>) -> Result<(), Halt> {
        ask_package(view, self.0, &self.1)
    }
}

/// One account and a clock. Whatever a decision has not been given is loaded, empty, and it decides again.
struct Account {
    desk: Desk,
    now: DateTime<Utc>,
}

impl Account {
    fn new() -> Self {
        Self { desk: Desk::new(ACCOUNT), now: time(NOON) }
    }

    fn at(&mut self, moment: &str) -> &mut Self {
        self.now = time(moment);
        self
    }

    fn ask(&mut self, decision: &dyn Decide) -> Result<Vec<Recorded>, Refusal> {
        loop {
            match self.desk.decide_with(self.now, decision) {
                Ok(recorded) => return Ok(recorded),
                Err(Halt::Refused(refusal)) => return Err(refusal),
                Err(Halt::Missing(ids)) => {
                    for id in ids {
                        self.desk.put(id, Slot { version: 0, state: State::empty(id.kind) });
                    }
                }
            }
        }
    }

    /// What came of it: `done`, `nothing`, or the code of the refusal.
    fn says(&mut self, decision: &dyn Decide) -> &'static str {
        match self.ask(decision) {
            Ok(recorded) if recorded.is_empty() => "nothing",
            Ok(_) => "done",
            Err(refusal) => refusal.code(),
        }
    }

    fn granted(mut self, number: u128, amount: &str, expires_at: Option<&str>) -> Self {
        let grant = CreditAccountCommand::Grant {
            grant: grant(number),
            source: GrantSource::Promotion,
            amount: credits(amount),
            expires_at: expires_at.map(time),
            reason: None,
        };
        assert_eq!(self.says(&vec![Command::CreditAccount(grant)]), "done");
        self
    }

    /// So much a day of Shanghai.
    fn bought(mut self, number: u128, daily_limit: &str, duration_days: u32) -> Self {
        let activate = UserPackageCommand::Activate {
            product: ProductId::numbered(1),
            daily_limit: credits(daily_limit),
            duration_days,
            time_zone: crate::user_package::DEFAULT_TIME_ZONE,
            day: DayRule::Calendar,
            starts_at: None,
        };
        assert_eq!(self.says(&Buy(package(number), activate)), "done");
        self
    }

    fn reserve(&mut self, number: u128, amount: &str) -> &'static str {
        self.says(&reserve(number, amount))
    }

    fn settle(&mut self, number: u128, amount: &str) -> &'static str {
        self.says(&Settle { hold: hold(number), amount: credits(amount), by: Party::Account })
    }

    fn release(&mut self, number: u128) -> &'static str {
        self.says(&Release { hold: hold(number), why: ReleaseReason::Asked(Party::Account) })
    }

    fn time_out(&mut self, number: u128) -> &'static str {
        self.says(&Release { hold: hold(number), why: ReleaseReason::TimedOut })
    }

    fn charge(&mut self, amount: &str) -> &'static str {
        self.says(&Charge { amount: credits(amount), meter: None, reference: None, overdraft: Overdraft::Refuse })
    }

    fn state<A: InState + Clone>(&self, id: AggregateId) -> A {
        self.desk.slot(&id).and_then(|slot| A::of(&slot.state)).cloned().unwrap_or_default()
    }

    /// Of credits: available, frozen, owed.
    fn credits(&self) -> [String; 3] {
        let account: CreditAccount = self.state(AggregateId::credit_account(ACCOUNT));
        [account.available(self.now), account.frozen(), account.shortfall()].map(|amount| amount.to_string())
    }

    fn left_today(&self, number: u128) -> String {
        self.state::<UserPackage>(AggregateId::user_package(package(number))).left_today(self.now).to_string()
    }
}

/// For an hour.
fn reserve(number: u128, amount: &str) -> Reserve {
    Reserve {
        hold: hold(number),
        amount: credits(amount),
        by: Party::Account,
        expires_at: time(LATER),
        meter: Some("video".to_owned()),
        reference: None,
    }
}

fn last_event(recorded: Result<Vec<Recorded>, Refusal>) -> Event {
    recorded.unwrap().pop().unwrap().event
}

#[test]
fn reserving_takes_as_a_charge_does_and_says_where_it_was_set_aside() {
    let mut account =
        Account::new().granted(1, "2", None).granted(2, "3", Some("2026-02-01T00:00:00Z")).bought(1, "5", 30);
    let reserved = Reserved {
        amount: credits("9"),
        reserved_by: Party::Account,
        packages: vec![HeldQuota { package: package(1), day: crate::spec::day("2026-01-05"), amount: credits("5") }],
        credits: vec![
            HeldCredits { grant: grant(2), amount: credits("3") },
            HeldCredits { grant: grant(1), amount: credits("1") },
        ],
        expires_at: time(LATER),
        meter: Some("video".to_owned()),
        reference: None,
        at: time(NOON),
    };
    assert_eq!(last_event(account.ask(&reserve(1, "9"))), HoldEvent::Reserved(reserved.clone()).into());
    assert_eq!(account.credits(), ["1.00", "4.00", "0.00"]);
    assert_eq!(account.left_today(1), "0.00");
    let state: Hold = account.state(AggregateId::hold(hold(1)));
    assert_eq!(state.reserved(), Some(&reserved));
}

#[test]
fn a_reservation_that_packages_cover_does_not_look_at_the_credits() {
    let mut account = Account::new().bought(1, "5", 30);
    let recorded = account.ask(&reserve(1, "5")).unwrap();
    let kinds: Vec<_> = recorded.iter().map(|recorded| recorded.event.event_type()).collect();
    assert_eq!(kinds, ["held", "reserved"]);
    assert!(!account.desk.has(&AggregateId::credit_account(ACCOUNT)));
    assert_eq!(account.settle(1, "4"), "done");
    assert!(!account.desk.has(&AggregateId::credit_account(ACCOUNT)));
    assert_eq!(account.left_today(1), "1.00");
}

#[test]
fn what_is_set_aside_cannot_be_charged_or_reserved_again() {
    let mut account = Account::new().granted(1, "2", None).bought(1, "5", 30);
    assert_eq!(account.reserve(1, "6"), "done");
    assert_eq!((account.charge("1.000001"), account.reserve(2, "1.000001")), ("E4001", "E4001"));
    assert_eq!((account.charge("1"), account.reserve(2, "0.01")), ("done", "E4001"));
}

#[test]
fn not_enough_speaks_of_the_whole_amount_and_sets_nothing_aside() {
    let mut account = Account::new().granted(1, "2", None).bought(1, "5", 30);
    let short = HoldError::NotEnough { needed: credits("8"), available: credits("7") };
    assert_eq!(account.ask(&reserve(1, "8")), Err(short.into()));
    assert_eq!(
        (account.credits(), account.left_today(1)),
        (["2.00", "0.00", "0.00"].map(str::to_owned), "5.00".to_owned())
    );
}

#[test]
fn a_reservation_has_an_amount_a_printable_label_and_an_end_within_a_year() {
    let mut account = Account::new().granted(1, "2", None);
    assert_eq!(account.ask(&reserve(1, "0")), Err(HoldError::AmountIsZero.into()));
    let unprintable = Reserve { reference: Some("\0".to_owned()), ..reserve(1, "1") };
    assert_eq!(account.ask(&unprintable), Err(HoldError::BadLabel(BadLabel).into()));
    for expires_at in ["2026-01-05T04:00:00Z", "2026-01-04T00:00:00Z", "2027-01-05T04:00:00.000001Z"] {
        let bad = Reserve { expires_at: time(expires_at), ..reserve(1, "1") };
        assert_eq!(account.ask(&bad), Err(HoldError::BadExpiry.into()), "{expires_at}");
    }
    for (number, expires_at) in [(1, "2026-01-05T04:00:00.000001Z"), (2, "2027-01-05T04:00:00Z")] {
        assert_eq!(account.says(&Reserve { expires_at: time(expires_at), ..reserve(number, "1") }), "done");
    }
}

#[test]
fn credits_that_cannot_be_held_say_why_themselves() {
    let too_large = CreditAccountError::TooLarge;
    assert_eq!(crate::charge::in_all(&too_large, credits("1"), credits("1")), None);
}

#[test]
fn the_same_reservation_said_again_changes_nothing_whatever_became_of_it() {
    let mut account = Account::new().granted(1, "9", None);
    assert_eq!((account.reserve(1, "1"), account.reserve(1, "1")), ("done", "nothing"));
    assert_eq!((account.settle(1, "1"), account.reserve(1, "1")), ("done", "nothing"));
    assert_eq!((account.reserve(2, "1"), account.release(2), account.reserve(2, "1")), ("done", "done", "nothing"));
    assert_eq!(account.at("2027-01-05T04:00:00Z").reserve(1, "1"), "nothing");
}

#[test]
fn other_content_under_the_id_of_a_hold_is_refused() {
    let mut account = Account::new().granted(1, "9", None);
    assert_eq!(account.reserve(1, "1"), "done");
    for other in [
        reserve(1, "2"),
        Reserve { expires_at: time("2026-01-05T04:30:00Z"), ..reserve(1, "1") },
        Reserve { by: Party::BackEnd, ..reserve(1, "1") },
        Reserve { meter: None, ..reserve(1, "1") },
        Reserve { reference: Some("r".to_owned()), ..reserve(1, "1") },
    ] {
        assert_eq!(account.ask(&other), Err(HoldError::Exists.into()), "{other:?}");
    }
}

#[test]
fn a_hold_is_settled_once() {
    let mut account = Account::new().granted(1, "9", None);
    assert_eq!((account.reserve(1, "5"), account.settle(1, "3")), ("done", "done"));
    assert_eq!(account.credits(), ["6.00", "0.00", "0.00"]);
    assert_eq!(account.settle(1, "3"), "nothing");
    for amount in ["2.999999", "0", "5", "6"] {
        let again = Settle { hold: hold(1), amount: credits(amount), by: Party::Account };
        assert_eq!(account.ask(&again), Err(HoldError::AlreadySettled { amount: credits("3") }.into()));
    }
    assert_eq!(
        account.ask(&Release { hold: hold(1), why: ReleaseReason::Asked(Party::Account) }),
        Err(HoldError::AlreadySettled { amount: credits("3") }.into())
    );
    assert_eq!((account.at("2026-01-06T00:00:00Z").time_out(1), account.settle(1, "3")), ("E4083", "nothing"));
    assert_eq!(account.credits(), ["6.00", "0.00", "0.00"]);
}

#[test]
fn a_hold_is_released_once_and_then_never_settled() {
    let mut account = Account::new().granted(1, "9", None).bought(1, "5", 1);
    assert_eq!((account.reserve(1, "7"), account.release(1)), ("done", "done"));
    assert_eq!(
        (account.credits(), account.left_today(1)),
        (["9.00", "0.00", "0.00"].map(str::to_owned), "5.00".to_owned())
    );
    assert_eq!(account.release(1), "nothing");
    assert_eq!(
        account.ask(&Settle { hold: hold(1), amount: credits("0"), by: Party::Account }),
        Err(HoldError::AlreadyReleased.into())
    );
    assert_eq!((account.at("2026-01-06T00:00:00Z").time_out(1), account.settle(1, "7")), ("nothing", "E4084"));
}

#[test]
fn a_hold_that_timed_out_is_never_settled_whether_or_not_that_was_recorded() {
    let mut account = Account::new().granted(1, "9", None);
    assert_eq!(account.reserve(1, "7"), "done");
    let early = Release { hold: hold(1), why: ReleaseReason::TimedOut };
    let not_yet = HoldError::NotTimedOut { expires_at: time(LATER) };
    assert_eq!(account.at("2026-01-05T04:59:59.999999Z").ask(&early), Err(not_yet.into()));

    let timed_out = HoldError::TimedOut { expires_at: time(LATER) };
    assert_eq!(
        account.at(LATER).ask(&Settle { hold: hold(1), amount: credits("7"), by: Party::Account }),
        Err(timed_out.clone().into())
    );
    assert_eq!(account.credits(), ["2.00", "7.00", "0.00"]);
    let released = HoldEvent::Released(Released { timed_out: true, at: time(LATER) });
    assert_eq!(last_event(account.ask(&early)), released.into());
    assert_eq!(account.credits(), ["9.00", "0.00", "0.00"]);
    assert_eq!(account.ask(&Settle { hold: hold(1), amount: credits("7"), by: Party::Account }), Err(timed_out.into()));
    assert_eq!((account.time_out(1), account.release(1)), ("nothing", "nothing"));
}

#[test]
fn a_release_that_comes_after_the_time_out_says_that_it_timed_out() {
    let mut account = Account::new().granted(1, "9", None);
    assert_eq!(account.reserve(1, "7"), "done");
    let released = HoldEvent::Released(Released { timed_out: true, at: time(LATER) });
    let asked = Release { hold: hold(1), why: ReleaseReason::Asked(Party::Account) };
    assert_eq!(last_event(account.at(LATER).ask(&asked)), released.into());
}

#[test]
fn a_hold_that_is_none_is_neither_settled_nor_released() {
    let mut account = Account::new().granted(1, "9", None);
    assert_eq!(
        account.ask(&Settle { hold: hold(1), amount: credits("1"), by: Party::Account }),
        Err(HoldError::NotReserved.into())
    );
    for why in [ReleaseReason::Asked(Party::Account), ReleaseReason::TimedOut] {
        assert_eq!(account.ask(&Release { hold: hold(1), why }), Err(HoldError::NotReserved.into()));
    }
    assert_eq!(Hold::default().reserved(), None);
}

#[test]
fn what_a_back_end_reserved_the_customer_neither_settles_nor_releases() {
    let mut account = Account::new().granted(1, "9", None);
    let settle = |number, by| Settle { hold: hold(number), amount: credits("3"), by };
    let release = |number, by| Release { hold: hold(number), why: ReleaseReason::Asked(by) };
    for number in 1..=3 {
        assert_eq!(account.says(&Reserve { by: Party::BackEnd, ..reserve(number, "3") }), "done");
    }
    for number in 1..=3 {
        assert_eq!(account.ask(&settle(number, Party::Account)), Err(HoldError::NotTheirs.into()));
        assert_eq!(account.ask(&release(number, Party::Account)), Err(HoldError::NotTheirs.into()));
    }
    assert_eq!(account.credits(), ["0.00", "9.00", "0.00"]);
    assert_eq!(account.says(&settle(1, Party::BackEnd)), "done");
    assert_eq!(account.says(&release(2, Party::BackEnd)), "done");
    assert_eq!(account.at(LATER).time_out(3), "done");
    // Nor is the customer told that it was done before.
    assert_eq!(account.says(&settle(1, Party::Account)), "E4088");
    assert_eq!(account.says(&release(2, Party::Account)), "E4088");
    assert_eq!(account.credits(), ["6.00", "0.00", "0.00"]);
}

#[test]
fn what_the_customer_reserved_a_back_end_ends_too() {
    let mut account = Account::new().granted(1, "9", None);
    for (number, by) in [(1, Party::Account), (2, Party::BackEnd)] {
        assert_eq!(account.reserve(number, "1"), "done");
        assert_eq!(account.says(&Settle { hold: hold(number), amount: credits("1"), by }), "done");
    }
    for (number, by) in [(3, Party::Account), (4, Party::BackEnd)] {
        assert_eq!(account.reserve(number, "1"), "done");
        assert_eq!(account.says(&Release { hold: hold(number), why: ReleaseReason::Asked(by) }), "done");
    }
}

#[test]
fn no_more_is_settled_than_is_held() {
    let mut account = Account::new().granted(1, "9", None);
    assert_eq!(account.reserve(1, "5"), "done");
    let more = HoldError::MoreThanHeld { held: credits("5"), asked: credits("5.000001") };
    assert_eq!(
        account.ask(&Settle { hold: hold(1), amount: credits("5.000001"), by: Party::Account }),
        Err(more.into())
    );
    assert_eq!(account.settle(1, "5"), "done");
}

#[test]
fn packages_are_charged_before_credits_and_what_was_set_aside_first_before_the_rest() {
    let mut account = Account::new().granted(1, "9", None).bought(1, "5", 1).bought(2, "5", 2);
    assert_eq!((account.reserve(1, "12"), account.settle(1, "6")), ("done", "done"));
    assert_eq!((account.left_today(1), account.left_today(2)), ("0.00".to_owned(), "4.00".to_owned()));
    assert_eq!(account.credits(), ["9.00", "0.00", "0.00"]);
}

#[test]
fn every_settled_event_carries_the_labels_of_the_reservation() {
    let mut account = Account::new().granted(1, "9", None).bought(1, "5", 1);
    let reserve = Reserve { reference: Some("job-7".to_owned()), ..reserve(1, "6") };
    assert_eq!(account.says(&reserve), "done");
    let recorded = account.ask(&Settle { hold: hold(1), amount: credits("6"), by: Party::Account }).unwrap();
    let labels = |event: &Event| match event {
        Event::UserPackage(UserPackageEvent::Settled(settled)) => (settled.meter.clone(), settled.reference.clone()),
        Event::CreditAccount(CreditAccountEvent::Settled(settled)) => {
            (settled.meter.clone(), settled.reference.clone())
        }
        other => panic!("{other:?}"),
    };
    let expected = (Some("video".to_owned()), Some("job-7".to_owned()));
    let seen: Vec<_> = recorded[..2].iter().map(|recorded| labels(&recorded.event)).collect();
    assert_eq!(seen, [expected.clone(), expected]);
}

/// One after the other would be a round trip to the database each.
#[test]
fn what_a_hold_was_set_aside_from_is_asked_for_together() {
    let mut account = Account::new().granted(1, "9", None).bought(1, "5", 1).bought(2, "5", 2);
    assert_eq!(account.reserve(1, "12"), "done");
    let mut desk = Desk::new(ACCOUNT);
    desk.put(AggregateId::hold(hold(1)), account.desk.slot(&AggregateId::hold(hold(1))).unwrap().clone());
    let all = [1, 2].map(|number| AggregateId::user_package(package(number)));
    let all: Vec<_> = all.into_iter().chain([AggregateId::credit_account(ACCOUNT)]).collect();
    assert_eq!(
        desk.decide_with(time(NOON), &Settle { hold: hold(1), amount: credits("1"), by: Party::Account }),
        Err(Halt::Missing(all))
    );
}

#[test]
fn all_three_are_commands_of_an_account() {
    let mut account = Account::new().granted(1, "9", None);
    let commands = vec![
        Command::Reserve(reserve(1, "1")),
        Command::Reserve(reserve(2, "1")),
        Command::Settle(Settle { hold: hold(1), amount: credits("1"), by: Party::Account }),
        Command::Release(Release { hold: hold(2), why: ReleaseReason::Asked(Party::Account) }),
    ];
    let json = serde_json::to_string(&commands).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Command>>(&json).unwrap(), commands);
    assert_eq!((account.says(&commands), account.credits()), ("done", ["8.00", "0.00", "0.00"].map(str::to_owned)));
}

#[test]
fn events_out_of_turn_leave_a_hold_as_it_is() {
    let at = time(NOON);
    for event in [
        HoldEvent::Settled(Settled { amount: credits("1"), at }),
        HoldEvent::Released(Released { timed_out: false, at }),
    ] {
        assert_eq!(crate::spec::given::<Hold>([event]).state(), Hold::NotReserved);
    }
}
