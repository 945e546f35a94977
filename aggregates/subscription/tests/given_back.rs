//! Periods and changes of plan whose money went back.

use super::*;

#[test]
fn a_period_given_back_ends_the_subscription() {
    let gone = ended(SubscriptionEnd::Canceled, Some("refunded"), NOW);
    given([started()]).when(time(NOW), take_back(1)).then([gone.clone()]).when(time(NOW), take_back(1)).then_nothing();
    given([started(), renewed(basic(), 2, END, "2026-03-31T06:00:00Z")]).when(time(NOW), take_back(1)).then([gone]);
}

/// That one was paid for itself.
#[test]
fn a_period_given_back_leaves_the_subscription_once_the_next_has_begun() {
    let last = "2026-03-31T06:00:00Z";
    let paid_ahead = [started(), renewed(basic(), 2, END, last), renewed(basic(), 3, last, "2026-04-30T06:00:00Z")];
    let gone = |at| ended(SubscriptionEnd::Canceled, Some("refunded"), at);
    for (at, over) in [("2026-02-28T05:59:59Z", 0), (END, 1), ("2026-03-31T05:59:59Z", 1), (last, 2)] {
        for number in 1..=3 {
            let asked = given(paid_ahead.clone()).when(time(at), take_back(number));
            if number <= over {
                asked.then_nothing()
            } else {
                asked.then([gone(at)])
            };
        }
    }
    // Nobody has paid for what comes after it.
    given([started(), past_due()]).when(time(END), take_back(1)).then([gone(END)]);
}

#[test]
fn a_change_given_back_brings_back_the_plan_before_it() {
    given([started(), changed(pro(), Some(order(9)), None)])
        .when(time(NOW), take_back(9))
        .then([changed(basic(), None, Some(order(9)))])
        .when(time(NOW), take_back(9))
        .then_nothing();
}

#[test]
fn a_change_that_others_follow_takes_them_along() {
    let best = plan(3, Period::Months(1));
    let both = [started(), changed(pro(), Some(order(8)), None), changed(best, Some(order(9)), None)];
    given(both.clone()).when(time(NOW), take_back(9)).then([changed(pro(), None, Some(order(9)))]);
    let subscription = given(both)
        .when(time(NOW), take_back(8))
        .then([changed(basic(), None, Some(order(8)))])
        .when(time(NOW), take_back(9))
        .then_nothing()
        .state();
    assert_eq!(subscription.plan(), Some(&basic()));
}

/// The periods after it were paid at the price of their own plan.
#[test]
fn a_change_of_an_earlier_period_is_not_undone() {
    given([started(), changed(pro(), Some(order(9)), None), renewed(pro(), 2, END, "2026-03-31T06:00:00Z")])
        .when(time(END), take_back(9))
        .then_nothing();
}

#[test]
fn an_order_of_something_else_takes_nothing_back() {
    given([started()]).when(time(NOW), take_back(7)).then_nothing();
}
