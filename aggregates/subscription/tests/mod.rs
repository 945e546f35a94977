//! Periods, their grace, cancellation. `changes.rs`: other plans. `given_back.rs`: what money that went back takes along.

mod changes;
mod given_back;

use super::*;
use crate::credits::Credits;
use crate::ids::ProductId;
use crate::money::{Currency, Money};
use crate::product::{PlanTerms, UpgradePolicy};
use crate::reason::BadReason;
use crate::spec::{Given, id, time};

fn given(events: impl IntoIterator<Item = SubscriptionEvent>) -> Given<Subscription> {
    crate::spec::given(events)
}

const START: &str = "2026-01-31T06:00:00Z";
const END: &str = "2026-02-28T06:00:00Z";
const LAPSE: &str = "2026-03-03T06:00:00Z";

fn plan(product: u32, period: Period) -> Plan {
    let terms = PlanTerms {
        period,
        credits: Credits::whole(100),
        valid_days: None,
        upgrade_policy: UpgradePolicy::NextCycle,
        grace_days: 3,
    };
    let price = Money::from_minor(i64::from(product) * 1_000, Currency::iso("CNY").unwrap());
    Plan { product: ProductId::numbered(product), terms, price }
}

/// Monthly; so are the others unless they say so.
fn basic() -> Plan {
    plan(1, Period::Months(1))
}

fn pro() -> Plan {
    plan(2, Period::Months(1))
}

fn in_dollars() -> Plan {
    Plan { price: Money::from_minor(500, Currency::iso("USD").unwrap()), ..pro() }
}

fn order(number: u128) -> OrderId {
    id(number, OrderId::from_uuid)
}

fn period(number: u32, starts_at: &str, ends_at: &str) -> PaidPeriod {
    PaidPeriod { number, order: order(number.into()), starts_at: time(starts_at), ends_at: time(ends_at) }
}

/// Paid by the order of its number.
fn started() -> SubscriptionEvent {
    SubscriptionEvent::Started(Started { plan: basic(), period: period(1, START, END) })
}

fn renewed(plan: Plan, number: u32, starts_at: &str, ends_at: &str) -> SubscriptionEvent {
    SubscriptionEvent::Renewed(Renewed { plan, period: period(number, starts_at, ends_at) })
}

fn past_due() -> SubscriptionEvent {
    SubscriptionEvent::PastDue(PastDue { expires_at: time(LAPSE), at: time(END) })
}

fn ended(how: SubscriptionEnd, reason: Option<&str>, at: &str) -> SubscriptionEvent {
    SubscriptionEvent::Ended(Ended { how, reason: reason.map(str::to_owned), sealed: None, at: time(at) })
}

fn expired() -> SubscriptionEvent {
    ended(SubscriptionEnd::Expired, None, LAPSE)
}

fn canceled() -> SubscriptionEvent {
    ended(SubscriptionEnd::Canceled, None, "2026-02-10T00:00:00Z")
}

fn scheduled(sealed: Option<&str>) -> SubscriptionEvent {
    let sealed = sealed.map(str::to_owned);
    SubscriptionEvent::CancelScheduled(CancelScheduled { sealed, at: time(NOW) })
}

fn to_come(plan: Plan) -> SubscriptionEvent {
    SubscriptionEvent::PlanChangeScheduled(PlanChangeScheduled { plan, at: time(NOW) })
}

fn changed(plan: Plan, order: Option<OrderId>, undoes: Option<OrderId>) -> SubscriptionEvent {
    SubscriptionEvent::PlanChanged(PlanChanged { plan, order, undoes, at: time(NOW) })
}

/// Within the first period.
const NOW: &str = "2026-02-10T00:00:00Z";

fn start(number: u128, plan: Plan) -> SubscriptionCommand {
    SubscriptionCommand::Start { order: order(number), plan }
}

fn renew(number: u128, plan: Plan) -> SubscriptionCommand {
    SubscriptionCommand::Renew { order: order(number), plan }
}

fn change(number: Option<u128>, plan: Plan) -> SubscriptionCommand {
    SubscriptionCommand::ChangePlan { order: number.map(order), plan }
}

fn schedule(plan: Plan) -> SubscriptionCommand {
    SubscriptionCommand::ScheduleChange { plan }
}

fn cancel(now: bool) -> SubscriptionCommand {
    SubscriptionCommand::Cancel { now, sealed: None }
}

fn take_back(number: u128) -> SubscriptionCommand {
    SubscriptionCommand::TakeBack { order: order(number), reason: "refunded".to_owned() }
}

const OVER: SubscriptionCommand = SubscriptionCommand::PeriodOver;
const WITHDRAW: SubscriptionCommand = SubscriptionCommand::WithdrawCancel;

#[test]
fn the_first_period_starts_when_it_is_paid_for() {
    let subscription = given([]).when(time(START), start(1, basic())).then([started()]).state();
    assert_eq!((subscription.plan(), subscription.next_plan()), (Some(&basic()), Some(&basic())));
    assert_eq!(subscription.period(), Some(&period(1, START, END)));
    assert_eq!(subscription.paid_orders().next(), subscription.period().map(|period| period.order));
    assert_eq!(given([]).state().paid_orders().count(), 0);
    assert_eq!(subscription.status(), Some(SubscriptionStatus::Active));
    assert!(subscription.is_live());
}

#[test]
fn an_order_starts_one_subscription_and_a_subscription_is_started_by_one_order() {
    given([started()])
        .when(time(NOW), start(1, basic()))
        .then_nothing()
        .when(time(NOW), start(2, basic()))
        .then_refused(SubscriptionError::Exists);
}

#[test]
fn what_was_not_started_can_do_nothing() {
    for command in [renew(1, basic()), change(Some(1), pro()), change(None, pro()), schedule(pro()), cancel(true)] {
        given([]).when(time(NOW), command).then_refused(SubscriptionError::NotStarted);
    }
    for command in [WITHDRAW, OVER, take_back(1)] {
        given([]).when(time(NOW), command).then_refused(SubscriptionError::NotStarted);
    }
    let nothing = given([canceled(), started(), started()]).state();
    assert_eq!(nothing, given([started()]).state(), "what cannot have happened changes nothing");
    let nothing = Subscription::default();
    assert_eq!((nothing.plan(), nothing.next_plan(), nothing.period(), nothing.status()), (None, None, None, None));
    assert!(!nothing.is_live() && !nothing.is_live_at(time(NOW)) && nothing.expires_at().is_none());
}

/// Else a month that began on the 31st would end on the 28th for ever after its first February.
#[test]
fn months_come_back_to_the_day_they_began_on() {
    given([])
        .when(time(START), start(1, basic()))
        .then([started()])
        .when(time(END), renew(2, basic()))
        .then([renewed(basic(), 2, END, "2026-03-31T06:00:00Z")])
        .when(time("2026-03-31T06:00:00Z"), renew(3, plan(1, Period::Months(3))))
        .then([renewed(plan(1, Period::Months(3)), 3, "2026-03-31T06:00:00Z", "2026-06-30T06:00:00Z")])
        .when(time("2026-06-30T06:00:00Z"), renew(4, basic()))
        .then([renewed(basic(), 4, "2026-06-30T06:00:00Z", "2026-07-31T06:00:00Z")]);
}

#[test]
fn months_after_days_are_counted_from_where_the_days_end() {
    let ten_days = plan(2, Period::Days(10));
    given([started()])
        .when(time(NOW), renew(2, ten_days))
        .then([renewed(ten_days, 2, END, "2026-03-10T06:00:00Z")])
        .when(time(NOW), renew(3, basic()))
        .then([renewed(basic(), 3, "2026-03-10T06:00:00Z", "2026-04-10T06:00:00Z")]);
}

#[test]
fn an_order_pays_for_one_period() {
    given([started()])
        .when(time(NOW), renew(2, basic()))
        .then([renewed(basic(), 2, END, "2026-03-31T06:00:00Z")])
        .when(time(NOW), renew(2, basic()))
        .then_nothing()
        .when(time(NOW), renew(1, basic()))
        .then_nothing();
}

#[test]
fn paid_in_the_grace_a_period_starts_where_the_last_one_ended() {
    let subscription = given([started(), past_due()])
        .when(time("2026-03-03T05:59:59Z"), renew(2, basic()))
        .then([renewed(basic(), 2, END, "2026-03-31T06:00:00Z")])
        .state();
    assert_eq!((subscription.status(), subscription.expires_at()), (Some(SubscriptionStatus::Active), None));
}

/// Also where nobody has recorded it yet: the period that was paid for might be over.
#[test]
fn after_the_grace_nothing_is_renewed() {
    for events in [vec![started()], vec![started(), past_due()], vec![started(), past_due(), expired()]] {
        given(events.clone()).when(time(LAPSE), renew(2, basic())).then_refused(SubscriptionError::Ended);
        assert!(!given(events).state().is_live_at(time(LAPSE)));
    }
    assert!(given([started()]).state().is_live_at(time("2026-03-03T05:59:59Z")));
}

#[test]
fn an_order_that_paid_stays_known_after_the_end() {
    given([started(), past_due(), expired()]).when(time(LAPSE), renew(1, basic())).then_nothing();
    given([started(), changed(pro(), Some(order(9)), None), canceled()])
        .when(time(LAPSE), change(Some(9), pro()))
        .then_nothing();
}

#[test]
fn a_period_that_is_not_over_is_not_recorded_as_over() {
    let ends_at = time(END);
    given([started()])
        .when(time("2026-02-28T05:59:59.999999Z"), OVER)
        .then_refused(SubscriptionError::NotOver { ends_at });
}

#[test]
fn unpaid_it_is_past_due_and_after_the_grace_it_expires() {
    let subscription = given([started()]).when(time(END), OVER).then([past_due()]);
    let subscription = subscription
        .when(time(END), OVER)
        .then_nothing()
        .when(time("2026-03-03T05:59:59.999999Z"), OVER)
        .then_nothing()
        .when(time(LAPSE), OVER)
        .then([expired()])
        .when(time(LAPSE), OVER)
        .then_nothing()
        .state();
    assert_eq!(subscription.status(), Some(SubscriptionStatus::Expired));
    assert!(!subscription.is_live());
    let waiting = given([started(), past_due()]).state();
    assert_eq!((waiting.status(), waiting.expires_at()), (Some(SubscriptionStatus::PastDue), Some(time(LAPSE))));
}

/// A plan that came later has a longer one.
#[test]
fn a_grace_that_was_recorded_stays_what_it_was() {
    let patient = Plan { terms: PlanTerms { grace_days: 30, ..pro().terms }, ..pro() };
    given([started(), past_due(), changed(patient, Some(order(9)), None)]).when(time(LAPSE), OVER).then([expired()]);
}

#[test]
fn without_a_grace_it_expires_with_its_period() {
    let strict = Plan { terms: PlanTerms { grace_days: 0, ..basic().terms }, ..basic() };
    given([SubscriptionEvent::Started(Started { plan: strict, period: period(1, START, END) })])
        .when(time(END), OVER)
        .then([
            SubscriptionEvent::PastDue(PastDue { expires_at: time(END), at: time(END) }),
            ended(SubscriptionEnd::Expired, None, END),
        ]);
}

#[test]
fn it_is_canceled_with_the_end_of_its_period() {
    let sealed = Some("c2VhbGVk".to_owned());
    let why = SubscriptionCommand::Cancel { now: false, sealed: sealed.clone() };
    let over = Ended { how: SubscriptionEnd::Canceled, reason: None, sealed, at: time(END) };
    let subscription = given([started()])
        .when(time(NOW), why)
        .then([scheduled(Some("c2VhbGVk"))])
        .when(time(NOW), cancel(false))
        .then_nothing()
        .when(time(END), OVER)
        .then([SubscriptionEvent::Ended(over)])
        .when(time(END), cancel(false))
        .then_nothing()
        .state();
    assert_eq!(
        (subscription.status(), subscription.is_cancel_scheduled()),
        (Some(SubscriptionStatus::Canceled), false)
    );
    assert!(given([started(), scheduled(None)]).state().is_cancel_scheduled());
    assert!(!given([started()]).state().is_cancel_scheduled());
}

#[test]
fn it_is_canceled_at_once_where_that_is_wanted_or_no_time_is_left() {
    given([started()]).when(time(NOW), cancel(true)).then([canceled()]);
    given([started(), scheduled(None)]).when(time(NOW), cancel(true)).then([canceled()]);
    for events in [vec![started()], vec![started(), past_due()], vec![started(), scheduled(None)]] {
        given(events).when(time(END), cancel(false)).then([ended(SubscriptionEnd::Canceled, None, END)]);
    }
}

#[test]
fn what_has_expired_is_not_canceled() {
    given([started(), past_due(), expired()]).when(time(LAPSE), cancel(true)).then_refused(SubscriptionError::Ended);
}

#[test]
fn a_cancellation_is_withdrawn_while_the_period_lasts() {
    let withdrawn = SubscriptionEvent::CancelWithdrawn(CancelWithdrawn { at: time(NOW) });
    given([started(), scheduled(None)])
        .when(time(NOW), WITHDRAW)
        .then([withdrawn])
        .when(time(NOW), WITHDRAW)
        .then_nothing()
        .when(time(END), OVER)
        .then([past_due()]);
    given([started(), scheduled(None)]).when(time(END), WITHDRAW).then_refused(SubscriptionError::Ended);
    given([started(), canceled()]).when(time(NOW), WITHDRAW).then_refused(SubscriptionError::Ended);
}

/// A provider that renews once more must not bring back what its customer has canceled.
#[test]
fn a_further_period_does_not_withdraw_a_cancellation() {
    given([started(), scheduled(None)])
        .when(time(NOW), renew(2, basic()))
        .then([renewed(basic(), 2, END, "2026-03-31T06:00:00Z")])
        .when(time("2026-03-31T06:00:00Z"), OVER)
        .then([ended(SubscriptionEnd::Canceled, None, "2026-03-31T06:00:00Z")]);
    given([started(), scheduled(None)]).when(time(END), renew(2, basic())).then_refused(SubscriptionError::Ended);
}

#[test]
fn a_reason_is_one() {
    let blank = || " ".to_owned();
    for command in [
        SubscriptionCommand::Cancel { now: true, sealed: Some("in clear".to_owned()) },
        SubscriptionCommand::TakeBack { order: order(1), reason: blank() },
    ] {
        given([started()]).when(time(NOW), command).then_refused(SubscriptionError::BadReason(BadReason));
    }
}

#[test]
fn a_period_ends_at_a_time_that_can_be_written_down() {
    let late = time("9999-12-01T00:00:00Z");
    for period in [Period::Months(1), Period::Months(u32::MAX), Period::Days(u32::MAX), Period::Days(30)] {
        given([]).when(late, start(1, plan(1, period))).then_refused(SubscriptionError::TimeOutOfRange);
        given([started()])
            .when(time(NOW), renew(2, plan(1, Period::Months(u32::MAX))))
            .then_refused(SubscriptionError::TimeOutOfRange);
    }
    let patient = Plan { terms: PlanTerms { grace_days: u32::MAX, ..pro().terms }, ..pro() };
    for command in [schedule(patient), change(None, patient), change(Some(9), patient)] {
        given([started()]).when(time(NOW), command).then_refused(SubscriptionError::TimeOutOfRange);
    }
}

#[test]
fn a_status_is_written_as_it_is_said() {
    use SubscriptionStatus::{Active, Canceled, Expired, PastDue};
    for status in [Active, PastDue, Canceled, Expired] {
        assert_eq!(serde_json::to_string(&status).unwrap(), format!("{:?}", status.as_str()));
    }
}

/// The log never holds such a thing; whatever reads it must not fall over it.
#[test]
fn an_event_out_of_turn_changes_nothing() {
    assert_eq!(given([canceled()]).state(), Subscription::NotStarted);
    assert!(!given([started(), canceled(), started()]).state().is_live());
}
