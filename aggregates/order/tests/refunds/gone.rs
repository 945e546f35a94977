//! Money that went back, asked for or not, and what goes back with it.

use super::*;

#[test]
fn money_that_went_back_is_recorded_once() {
    let by_name = |number| TakeRefund { provider_refund: Some("r-1".to_owned()), ..gone(number, 1_000) };
    let order = after([requested(1, 1_000)])
        .when_asked(go(by_name(1)))
        .then([named(refunded(1, 1_000, false), "r-1")])
        .when_asked(go(gone(1, 1_000)))
        .then_nothing()
        .when_asked(go(by_name(2)))
        .then_nothing()
        .when_asked(go(gone(1, 999)))
        .then_refused(OrderError::RefundDiffers)
        .when_asked(go(TakeRefund { payment_id: "p-2".to_owned(), ..gone(1, 1_000) }))
        .then_refused(OrderError::RefundDiffers)
        .when_asked(go(TakeRefund { provider: Some("wechat".to_owned()), ..by_name(2) }))
        .then_refused(OrderError::NoSuchPayment)
        .state();
    assert_eq!(order.status(), Ok(OrderStatus::PartiallyRefunded));
}

#[test]
fn a_provider_may_give_money_back_that_nobody_asked_for() {
    let order = bought()
        .when_asked(go(gone(7, 1_000)))
        .then([refunded(7, 1_000, false)])
        .when_asked(go(gone(8, 2_001)))
        .then_refused(too_much(2_000))
        .when_asked(go(gone(8, 2_000)))
        .then([refunded(8, 2_000, true)])
        .state();
    assert_eq!(order.status(), Ok(OrderStatus::Refunded));
    assert_eq!(order.refund(refund(7)).unwrap().reason, None);
    for (odd, error) in [
        (gone(7, 0), OrderError::RefundIsZero),
        (gone(7, 3_001), too_much(3_000)),
        (TakeRefund { payment_id: "p-2".to_owned(), ..gone(7, 1) }, OrderError::NoSuchPayment),
        (
            TakeRefund { amount: money(1, "USD"), ..gone(7, 1) },
            OrderError::RefundCurrency { currency: "CNY".parse().unwrap() },
        ),
    ] {
        bought().when_asked(go(odd)).then_refused(error);
    }
    given([]).when_asked(go(gone(7, 1))).then_refused(OrderError::NotPlaced);
}

#[test]
fn a_request_that_finds_no_room_beside_what_went_back_is_refused_with_it() {
    let no_room = "the money went back otherwise";
    // 1400 are left of the payment then: enough for the first and neither of the others.
    let order = after([requested(1, 1_000), requested(2, 1_500), requested(3, 500)])
        .when_asked(go(gone(7, 1_600)))
        .then([refused(2, no_room), refused(3, no_room), refunded(7, 1_600, false)])
        .state();
    assert_eq!(order.status(), Ok(OrderStatus::Refunding));
    assert_eq!(order.refund(refund(1)).unwrap().stage, RefundStage::Requested);
    // What was refused for want of room and happened all the same still has to fit.
    after([requested(1, 3_000), refused(1, "too late")])
        .when_asked(go(gone(1, 3_000)))
        .then([refunded(1, 3_000, true)]);
}

#[test]
fn what_was_delivered_goes_back_with_the_last_of_the_money_whatever_was_open_before() {
    let order = bought()
        .when(late(), request(part(1, 2_000)))
        .then([requested(1, 2_000)])
        .when_asked(go(gone(7, 1_000)))
        .then([refunded(7, 1_000, false)])
        .when_asked(go(gone(1, 2_000)))
        .then([refunded(1, 2_000, true)])
        .state();
    assert!(order.owed_back().whole);
}

#[test]
fn what_was_delivered_stays_while_money_stays_whatever_was_asked_back_beside_it() {
    let order = bought()
        .when(late(), request(part(1, 1_000)))
        .then([requested(1, 1_000)])
        .when(late(), request(ask(2)))
        .then([requested(2, 2_000)])
        .when_asked(go(gone(2, 2_000)))
        .then([refunded(2, 2_000, false)])
        .when(late(), refuse(1))
        .then([refused(1, "too late")])
        .state();
    assert_eq!((order.status(), order.owed_back().whole), (Ok(OrderStatus::PartiallyRefunded), false));
}

#[test]
fn what_was_said_when_it_was_asked_for_holds_when_it_is_done() {
    for revoke in [true, false] {
        for minor in [1_000, 3_000] {
            let order =
                after([chosen(1, minor, revoke)]).when_asked(go(gone(1, minor))).then([refunded(1, minor, revoke)]);
            assert_eq!(order.state().owed_back().whole, revoke);
        }
    }
}

#[test]
fn money_that_was_announced_under_another_number_is_not_counted_for_the_request_too() {
    let by_name = |number, minor| TakeRefund { provider_refund: Some("r-1".to_owned()), ..gone(number, minor) };
    let other_number = "the money went back under another number";
    let order = after([requested(1, 1_000)])
        .when_asked(go(by_name(7, 1_000)))
        .then([named(refunded(7, 1_000, false), "r-1")])
        .when_asked(go(TakeRefund { provider: Some("alipay".to_owned()), ..by_name(1, 1_000) }))
        .then([refused(1, other_number)])
        .when_asked(go(by_name(1, 1_000)))
        .then_nothing()
        .when(late(), request(ask(2)))
        .then([requested(2, 2_000)])
        // Other money, whatever its name.
        .when_asked(go(by_name(2, 2_000)))
        .then([named(refunded(2, 2_000, true), "r-1")])
        .state();
    assert_eq!(order.status(), Ok(OrderStatus::Refunded));
}

#[test]
fn credits_go_back_in_proportion_to_the_money_rounded_down() {
    let granted = OrderEvent::Fulfilled(Fulfilled {
        delivered: Delivered::Grant(id(3, crate::ids::GrantId::from_uuid)),
        credits: Some(Credits::from_micros(100).unwrap()),
        at: soon(),
    });
    let owed = |events: Vec<OrderEvent>| {
        let order = given([placed(), paid(soon(), false), granted.clone()].into_iter().chain(events)).state();
        assert_eq!(order.granted(), Some(Credits::from_micros(100).unwrap()));
        let OwedBack { credits, whole } = order.owed_back();
        (credits.micros(), whole)
    };
    assert_eq!(owed(vec![]), (0, false));
    assert_eq!(owed(vec![requested(1, 3_000)]), (0, false), "only money that went back counts");
    assert_eq!(owed(vec![refunded(1, 1_000, false)]), (33, false));
    assert_eq!(owed(vec![refunded(1, 1_000, false), refunded(2, 1_000, false)]), (66, false));
    assert_eq!(owed(vec![refunded(1, 3_000, false)]), (100, false));
    assert_eq!(owed(vec![refunded(1, 1_000, true)]), (100, true));
    assert_eq!(Order::default().granted(), None);
}
