//! What becomes of attempts to give money back.

use super::*;

#[test]
fn each_failed_attempt_is_recorded_once() {
    let order = after([requested(1, 3_000)])
        .when(late(), fail(1, 1))
        .then([failed(1, 1)])
        .when(late(), fail(1, 1))
        .then_nothing()
        .when(late(), fail(1, 3))
        .then([failed(1, 3)])
        .state();
    assert_eq!(order.status(), Ok(OrderStatus::Refunding));
    let known = order.refund(refund(1)).unwrap();
    assert_eq!((known.stage, known.attempts), (RefundStage::Failing, 3));
    let silent = OrderCommand::RefundFailed { refund: refund(1), attempt: 1, reason: String::new() };
    after([requested(1, 3_000)]).when(late(), silent).then_refused(BadReason.into());
}

#[test]
fn a_plain_no_frees_the_amount_and_the_order_is_as_before() {
    for (events, status) in [
        (vec![], OrderStatus::Fulfilled),
        (vec![refunded(2, 1_000, false)], OrderStatus::PartiallyRefunded),
        (vec![requested(2, 500)], OrderStatus::Refunding),
    ] {
        let order = after(events.into_iter().chain([requested(1, 2_000)]))
            .when(late(), refuse(1))
            .then([refused(1, "too late")])
            .when(late(), refuse(1))
            .then_nothing()
            .when(late(), request(part(3, 2_000)))
            .then([requested(3, 2_000)])
            .when(late(), refuse(3))
            .then([refused(3, "too late")])
            .state();
        assert_eq!(order.status(), Ok(status));
    }
    let silent = OrderCommand::RefundRefused { refund: refund(1), reason: String::new() };
    after([requested(1, 3_000)]).when(late(), silent).then_refused(BadReason.into());
}

#[test]
fn what_was_given_up_keeps_its_amount_and_is_tried_again_by_hand() {
    let order = after([requested(1, 3_000)])
        .when(late(), retry(1))
        .then_nothing()
        .when(late(), fail(1, 1))
        .then([failed(1, 1)])
        .when(late(), retry(1))
        .then([retried(1)])
        .when(late(), give_up(1))
        .then([given_up(1, 1)])
        .when(late(), give_up(1))
        .then_nothing()
        .when(late(), fail(1, 2))
        .then_nothing()
        .when(late(), request(part(2, 1)))
        .then_refused(too_much(0))
        .when(late(), retry(1))
        .then([retried(1)])
        .when_asked(go(gone(1, 3_000)))
        .then([refunded(1, 3_000, true)])
        .state();
    assert_eq!(order.status(), Ok(OrderStatus::Refunded));
    // It may also turn out to be refused, or to have happened.
    let given_up = || after([requested(1, 3_000), given_up(1, 0)]);
    assert_eq!(given_up().state().status(), Ok(OrderStatus::Refunding));
    given_up().when(late(), refuse(1)).then([refused(1, "too late")]);
    given_up().when_asked(go(gone(1, 3_000))).then([refunded(1, 3_000, true)]);
}

#[test]
fn what_has_ended_is_not_tried_again_and_late_news_of_it_is_none() {
    for (end, stage) in [(refunded(1, 3_000, true), RefundStage::Done), (refused(1, "too late"), RefundStage::Refused)]
    {
        let order = after([requested(1, 3_000), end])
            .when(late(), retry(1))
            .then_refused(OrderError::RefundEnded { stage })
            .when(late(), fail(1, 9))
            .then_nothing()
            .when(late(), refuse(1))
            .then_nothing()
            .when(late(), give_up(1))
            .then_nothing()
            .state();
        assert_eq!(order.refund(refund(1)).unwrap().stage, stage);
    }
}

#[test]
fn what_nobody_asked_for_cannot_fail() {
    for command in [fail(1, 1), refuse(1), give_up(1), retry(1)] {
        bought().when(late(), command.clone()).then_refused(OrderError::NoSuchRefund);
        given([]).when(late(), command).then_refused(OrderError::NotPlaced);
    }
    assert_eq!(Order::default().refund(refund(1)), Err(OrderError::NotPlaced));
    assert_eq!(Order::default().refunds(), []);
}
