use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::*;
use crate::charge::Charge;
use crate::credit_account::{CreditAccountCommand, GrantSource};
use crate::credits::Credits;
use crate::event::stored::stored;
use crate::ids::{AccountId, GrantId, ProductId};
use crate::kinds::AggregateKind;
use crate::product::{ProductCommand, ProductContent, ProductEvent};
use crate::spec::{ACCOUNT, id, time};
use crate::user_package::{DEFAULT_TIME_ZONE, DayRule, UserPackageCommand};

const PACKAGE: u128 = 7;

fn now() -> DateTime<Utc> {
    time("2026-01-05T04:00:00Z")
}

fn package() -> UserPackageId {
    id(PACKAGE, UserPackageId::from_uuid)
}

fn ids() -> [AggregateId; 3] {
    [AggregateId::credit_account(ACCOUNT), AggregateId::user_package(package()), AggregateId::holdings(ACCOUNT)]
}

fn empty(kind: AggregateKind) -> Slot {
    Slot { version: 0, state: State::empty(kind) }
}

fn desk() -> Desk {
    let mut desk = Desk::new(ACCOUNT);
    for id in ids() {
        desk.put(id, empty(id.kind));
    }
    desk
}

fn slots(desk: &Desk) -> Vec<Slot> {
    ids().iter().map(|id| desk.slot(id).unwrap().clone()).collect()
}

fn grant(number: u128, credits: u32) -> Command {
    Command::CreditAccount(CreditAccountCommand::Grant {
        grant: id(number, GrantId::from_uuid),
        source: GrantSource::Order,
        amount: Credits::whole(credits),
        expires_at: None,
        reason: None,
    })
}

fn spend(credits: u32) -> Command {
    let amount = Credits::whole(credits);
    Command::CreditAccount(CreditAccountCommand::Spend { amount, meter: None, reference: None })
}

fn activate() -> Command {
    let activate = UserPackageCommand::Activate {
        product: id(1, ProductId::from_uuid),
        daily_limit: Credits::whole(5),
        duration_days: 30,
        time_zone: DEFAULT_TIME_ZONE,
        day: DayRule::Calendar,
        starts_at: None,
    };
    Command::UserPackage(package(), activate)
}

fn charge(credits: u32) -> Command {
    let amount = Credits::whole(credits);
    Command::Charge(Charge { amount, meter: None, reference: None, overdraft: crate::Overdraft::Refuse })
}

fn versions(recorded: &[Recorded]) -> Vec<(AggregateKind, i64, &'static str)> {
    let line = |recorded: &Recorded| (recorded.aggregate.kind, recorded.version, recorded.event.event_type());
    recorded.iter().map(line).collect()
}

/// Of the product among the stored events.
fn content() -> ProductContent {
    let content = |event| if let Event::Product(ProductEvent::Created(content)) = event { Some(content) } else { None };
    stored().into_iter().find_map(|(event, _)| content(event)).unwrap()
}

fn refused(halt: Result<Vec<Recorded>, Halt>) -> &'static str {
    match halt {
        Err(Halt::Refused(refusal)) => refusal.code(),
        other => panic!("not refused: {other:?}"),
    }
}

/// Records what its commands say, then does something rash.
struct Then<F>(Vec<Command>, F);

impl<F: Fn() -> Result<(), Halt>> Decide for Then<F> {
    fn decide(&self, view: &mut View<'_>) -> Result<(), Halt> {
        self.0.decide(view)?;
        (self.1)()
    }
}

#[test]
fn each_command_of_a_unit_sees_what_the_ones_before_recorded() {
    let mut desk = desk();
    let recorded = desk.decide(now(), &[grant(1, 3), activate(), charge(7), spend(1)]).unwrap();
    assert_eq!(
        versions(&recorded),
        [
            (AggregateKind::CreditAccount, 1, "granted"),
            (AggregateKind::UserPackage, 1, "activated"),
            (AggregateKind::Holdings, 1, "package_added"),
            (AggregateKind::UserPackage, 2, "consumed"),
            (AggregateKind::CreditAccount, 2, "spent"),
            (AggregateKind::CreditAccount, 3, "spent"),
        ]
    );
}

#[test]
fn what_is_on_the_desk_is_the_fold_of_what_was_recorded() {
    let mut desk = desk();
    let recorded = desk.decide(now(), &[grant(1, 3), activate(), charge(7)]).unwrap();
    for id in ids() {
        let mut slot = empty(id.kind);
        for recorded in recorded.iter().filter(|recorded| recorded.aggregate == id) {
            slot.state.apply(&recorded.event).unwrap();
            slot.version += 1;
        }
        assert_eq!(desk.slot(&id), Some(&slot));
    }
}

#[test]
fn a_refusal_at_the_end_undoes_the_whole_unit() {
    let mut desk = desk();
    desk.decide(now(), &[grant(1, 3)]).unwrap();
    let before = slots(&desk);
    assert_eq!(refused(desk.decide(now(), &[grant(2, 4), activate(), charge(7), spend(9)])), "E4001");
    assert_eq!(slots(&desk), before);
    assert!(desk.touched().eq([AggregateId::credit_account(ACCOUNT)]));
}

#[test]
fn a_panic_undoes_the_whole_unit_and_the_desk_works_on() {
    let mut desk = desk();
    desk.decide(now(), &[grant(1, 3)]).unwrap();
    let before = slots(&desk);
    let rash = Then(vec![grant(2, 4), activate(), charge(7)], || panic!("on purpose"));
    assert!(catch_unwind(AssertUnwindSafe(|| desk.decide_with(now(), &rash))).is_err());
    desk.roll_back();
    assert_eq!(slots(&desk), before);
    assert_eq!(desk.decide(now(), &[spend(3)]).unwrap().len(), 1);
}

#[test]
fn rolling_back_after_a_success_changes_nothing() {
    let mut desk = desk();
    desk.decide(now(), &[grant(1, 3), activate()]).unwrap();
    let after = slots(&desk);
    desk.roll_back();
    assert_eq!(slots(&desk), after);
}

#[test]
fn an_aggregate_that_is_missing_is_named_and_can_be_put_later() {
    let [credits, package, holdings] = ids();
    let mut desk = Desk::new(ACCOUNT);
    let unit = [activate(), charge(6)];
    assert_eq!(desk.decide(now(), &unit), Err(Halt::Missing(vec![package, holdings])), "together");
    for id in [package, holdings] {
        desk.put(id, empty(id.kind));
    }
    assert_eq!(desk.decide(now(), &unit), Err(Halt::Missing(vec![credits])));
    assert_eq!(desk.slot(&package), Some(&empty(package.kind)));

    desk.put(credits, empty(credits.kind));
    assert_eq!(refused(desk.decide(now(), &unit)), "E4001");
    assert!(desk.has(&credits));
}

#[test]
fn recording_for_an_aggregate_that_is_missing_names_it() {
    struct Stray(RefCell<Option<Event>>);
    impl Decide for Stray {
        fn decide(&self, view: &mut View<'_>) -> Result<(), Halt> {
            view.record(AggregateId::user_package(package()), self.0.take().unwrap())
        }
    }
    let event = desk().decide(now(), &[activate()]).unwrap().remove(0).event;
    let stray = Stray(RefCell::new(Some(event)));
    let missing = Err(Halt::Missing(vec![AggregateId::user_package(package())]));
    assert_eq!(Desk::new(ACCOUNT).decide_with(now(), &stray), missing);
}

#[test]
fn an_event_recorded_under_an_id_of_another_kind_changes_nothing() {
    struct Crossed(Event);
    impl Decide for Crossed {
        fn decide(&self, view: &mut View<'_>) -> Result<(), Halt> {
            view.record(AggregateId::credit_account(ACCOUNT), self.0.clone())
        }
    }
    let mut desk = desk();
    let event = desk.decide(now(), &[activate()]).unwrap().remove(0).event;
    let before = slots(&desk);
    let halt = desk.decide_with(now(), &Crossed(event));
    assert_eq!(halt, Err(Halt::Missing(vec![AggregateId { kind: AggregateKind::UserPackage, id: ACCOUNT.uuid() }])));
    assert_eq!(slots(&desk), before);
}

#[test]
fn a_command_said_again_records_nothing_and_touches_nothing() {
    let mut desk = desk();
    desk.decide(now(), &[grant(1, 3), activate()]).unwrap();
    desk.confirm();
    assert_eq!(desk.decide(now(), &[grant(1, 3), activate()]), Ok(vec![]));
    assert_eq!(desk.touched().count(), 0);
}

#[test]
fn touched_names_each_changed_aggregate_once() {
    let mut desk = desk();
    assert_eq!(desk.touched().count(), 0);
    desk.decide(now(), &[activate()]).unwrap();
    desk.decide(now(), &[grant(1, 3), grant(2, 3)]).unwrap();
    desk.decide(now(), &[charge(6)]).unwrap();
    let [credits, package, holdings] = ids();
    assert!(desk.touched().eq([package, holdings, credits]));
}

#[test]
fn putting_an_aggregate_again_starts_it_over() {
    let [credits, ..] = ids();
    let mut desk = desk();
    desk.decide(now(), &[grant(1, 3)]).unwrap();
    desk.put(credits, empty(credits.kind));
    assert_eq!(desk.touched().count(), 0);
    assert_eq!(desk.decide(now(), &[grant(1, 4)]).unwrap()[0].version, 1);
    assert!(desk.touched().eq([credits]));
}

#[test]
fn a_unit_its_caller_does_not_accept_is_undone() {
    let mut desk = desk();
    desk.decide(now(), &[grant(1, 3)]).unwrap();
    let before = slots(&desk);
    let unit = vec![grant(2, 4), activate(), charge(7)];
    let too_many = |recorded: Vec<Recorded>| Err::<(), usize>(recorded.len());
    assert_eq!(desk.decide_if(now(), &unit, too_many), Ok(Err(5)));
    assert_eq!(slots(&desk), before);
    assert!(desk.touched().eq([AggregateId::credit_account(ACCOUNT)]));
}

#[test]
fn a_unit_its_caller_accepts_stands() {
    let mut desk = desk();
    let count = |recorded: Vec<Recorded>| Ok::<_, ()>(recorded.len());
    assert_eq!(desk.decide_if(now(), &vec![grant(1, 3), activate()], count), Ok(Ok(3)));
    assert_eq!(slots(&desk).iter().map(|slot| slot.version).collect::<Vec<_>>(), [1, 1, 1]);
}

#[test]
fn a_panic_of_the_caller_that_accepts_undoes_the_unit() {
    let mut desk = desk();
    let before = slots(&desk);
    let rash = |_: Vec<Recorded>| -> Result<(), ()> { panic!("on purpose") };
    assert!(catch_unwind(AssertUnwindSafe(|| desk.decide_if(now(), &vec![activate()], rash))).is_err());
    assert_eq!(slots(&desk), before);
    assert_eq!(desk.touched().count(), 0);
}

#[test]
fn rewinding_takes_back_every_unit_since_the_last_confirmation_and_no_more() {
    let mut desk = desk();
    desk.decide(now(), &[grant(1, 3)]).unwrap();
    desk.confirm();
    let confirmed = slots(&desk);
    desk.decide(now(), &[activate(), charge(6)]).unwrap();
    desk.decide(now(), &[charge(1), grant(2, 1)]).unwrap();
    refused(desk.decide(now(), &[grant(3, 1), spend(100)]));

    desk.rewind();
    assert_eq!(slots(&desk), confirmed);
    assert_eq!(desk.touched().count(), 0);
    desk.rewind();
    assert_eq!(slots(&desk), confirmed, "twice is once");
}

#[test]
fn what_is_confirmed_stays() {
    let mut desk = desk();
    desk.decide(now(), &[grant(1, 3), activate()]).unwrap();
    let after = slots(&desk);
    desk.confirm();
    assert_eq!(desk.touched().count(), 0);
    desk.rewind();
    assert_eq!(slots(&desk), after);
}

#[test]
fn a_decision_can_be_shared_between_threads() {
    let unit: Arc<dyn Decide + Send + Sync> = Arc::new(vec![grant(1, 3)]);
    assert_eq!(desk().decide_with(now(), &*unit).unwrap().len(), 1);
    fn is_send<T: Send>(_: &T) {}
    is_send(&desk());
}

#[test]
fn a_package_is_held_once_however_often_it_is_activated() {
    let mut desk = desk();
    let held =
        |recorded: &[Recorded]| versions(recorded).into_iter().filter(|(_, _, what)| *what == "package_added").count();
    assert_eq!(held(&desk.decide(now(), &[activate(), activate()]).unwrap()), 1);
    // Later, when holdings have forgotten it, too.
    let other = Command::UserPackage(id(8, UserPackageId::from_uuid), {
        let Command::UserPackage(_, activate) = activate() else { panic!("not a package") };
        activate
    });
    desk.put(AggregateId::user_package(id(8, UserPackageId::from_uuid)), empty(AggregateKind::UserPackage));
    let later = time("2026-06-01T00:00:00Z");
    assert_eq!(held(&desk.decide(later, &[other]).unwrap()), 1);
    assert_eq!(desk.decide(later, &[activate()]), Ok(vec![]));
}

#[test]
fn the_catalogue_is_in_its_own_account_and_nothing_else_is() {
    let wrong = || Err(Halt::Refused(Refusal::WrongAccount(WrongAccount)));
    let product = ProductId::numbered(1);
    let create = Command::Product(product, ProductCommand::Create(content()));
    let mut of_customer = desk();
    of_customer.put(AggregateId::product(product), empty(AggregateKind::Product));
    assert_eq!(of_customer.decide(now(), std::slice::from_ref(&create)), wrong());

    let mut system = Desk::new(AccountId::system().key());
    let credits = AggregateId::credit_account(system.account());
    system.put(AggregateId::product(product), empty(AggregateKind::Product));
    system.put(credits, empty(AggregateKind::CreditAccount));
    assert_eq!(system.decide(now(), &[grant(1, 1)]), wrong());
    assert_eq!(versions(&system.decide(now(), &[create]).unwrap()), [(AggregateKind::Product, 1, "created")]);
}

#[test]
fn a_desk_says_what_lies_on_it() {
    let mut desk = Desk::new(ACCOUNT);
    assert!(desk.is_empty());
    let credits = AggregateId::credit_account(ACCOUNT);
    desk.put(credits, empty(AggregateKind::CreditAccount));
    assert_eq!((desk.len(), desk.is_empty()), (1, false));
    // What was recorded elsewhere is put in its place, and is no change of ours.
    desk.slot_mut(&credits).unwrap().version = 3;
    assert_eq!((desk.slot(&credits).unwrap().version, desk.touched().count()), (3, 0));
    assert!(desk.slot_mut(&AggregateId::holdings(ACCOUNT)).is_none());
}

/// Looks at two aggregates by id, whatever they are.
struct Look;

impl Decide for Look {
    fn decide(&self, view: &mut View<'_>) -> Result<(), Halt> {
        let credits = view.state(AggregateId::credit_account(ACCOUNT))?;
        assert_eq!(credits.kind(), AggregateKind::CreditAccount);
        view.state(AggregateId::customer(ACCOUNT)).map(|_| ())
    }
}

#[test]
fn an_aggregate_of_any_kind_can_be_looked_at_once_it_is_there() {
    let missing = Halt::Missing(vec![AggregateId::customer(ACCOUNT)]);
    assert_eq!(desk().decide_with(now(), &Look), Err(missing));
}
