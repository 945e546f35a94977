//! Other plans: with the next period, or at once.

use super::*;

#[test]
fn a_change_to_come_takes_over_with_the_next_period() {
    let waiting = given([started()]).when(time(NOW), schedule(pro())).then([to_come(pro())]);
    let waiting = waiting.when(time(NOW), schedule(pro())).then_nothing().state();
    assert_eq!((waiting.plan(), waiting.next_plan()), (Some(&basic()), Some(&pro())));
    let subscription = given([started(), to_come(pro())])
        .when(time(END), renew(2, pro()))
        .then([renewed(pro(), 2, END, "2026-03-31T06:00:00Z")])
        .state();
    assert_eq!((subscription.plan(), subscription.next_plan()), (Some(&pro()), Some(&pro())));
}

#[test]
fn the_present_plan_again_takes_a_change_to_come_back() {
    let subscription = given([started(), to_come(pro())])
        .when(time(NOW), schedule(basic()))
        .then([to_come(basic())])
        .when(time(NOW), schedule(basic()))
        .then_nothing()
        .state();
    assert_eq!(subscription.next_plan(), Some(&basic()));
}

#[test]
fn a_further_period_of_the_present_plan_leaves_a_change_to_come() {
    let subscription = given([started(), to_come(pro())])
        .when(time(NOW), renew(2, basic()))
        .then([renewed(basic(), 2, END, "2026-03-31T06:00:00Z")])
        .state();
    assert_eq!((subscription.plan(), subscription.next_plan()), (Some(&basic()), Some(&pro())));
}

#[test]
fn a_plan_is_changed_at_once_and_the_period_stays() {
    let subscription = given([started(), to_come(plan(3, Period::Months(1)))])
        .when(time(NOW), change(None, pro()))
        .then([changed(pro(), None, None)])
        .when(time(NOW), change(None, pro()))
        .then_nothing()
        .state();
    assert_eq!((subscription.plan(), subscription.next_plan()), (Some(&pro()), Some(&pro())));
    assert_eq!(subscription.period(), Some(&period(1, START, END)));
}

#[test]
fn an_order_changes_the_plan_once() {
    given([started()])
        .when(time(NOW), change(Some(9), pro()))
        .then([changed(pro(), Some(order(9)), None)])
        .when(time(NOW), change(Some(9), basic()))
        .then_nothing();
}

#[test]
fn a_change_that_costs_nothing_waits_until_the_period_is_paid() {
    given([started(), past_due()]).when(time(END), change(None, pro())).then_refused(SubscriptionError::PastDue);
    given([started()]).when(time(END), change(None, pro())).then_refused(SubscriptionError::PastDue);
    given([started(), past_due()]).when(time(NOW), schedule(pro())).then([to_come(pro())]);
}

#[test]
fn a_plan_is_paid_in_the_currency_of_the_subscription() {
    for command in [schedule(in_dollars()), change(None, in_dollars())] {
        given([started()]).when(time(NOW), command).then_refused(SubscriptionError::OtherCurrency);
    }
}

#[test]
fn money_that_has_come_is_taken_in_any_currency_and_past_due() {
    given([started()]).when(time(NOW), renew(2, in_dollars())).then([renewed(
        in_dollars(),
        2,
        END,
        "2026-03-31T06:00:00Z",
    )]);
    given([started(), past_due()]).when(time(NOW), change(Some(9), in_dollars())).then([changed(
        in_dollars(),
        Some(order(9)),
        None,
    )]);
}

#[test]
fn what_has_ended_is_not_changed() {
    for command in [change(Some(9), pro()), change(None, pro()), schedule(pro())] {
        given([started(), canceled()]).when(time(NOW), command.clone()).then_refused(SubscriptionError::Ended);
        given([started()]).when(time(LAPSE), command).then_refused(SubscriptionError::Ended);
    }
}
