use super::*;

fn dismiss(payment_id: &str) -> OrderCommand {
    let (provider, payment_id) = ("alipay".to_owned(), payment_id.to_owned());
    OrderCommand::DismissReview { provider, payment_id, reason: "settled by transfer".to_owned() }
}

fn closed(payment_id: &str, outcome: ReviewOutcome) -> OrderEvent {
    OrderEvent::ReviewClosed(ReviewClosed {
        provider: "alipay".to_owned(),
        payment_id: payment_id.to_owned(),
        outcome,
        reason: "settled by transfer".to_owned(),
        at: late(),
    })
}

fn accept(payment_id: &str) -> impl FnOnce(&Order) -> Result<Vec<OrderEvent>, OrderError> {
    move |order| order.accept(late(), "alipay", payment_id, "settled by transfer")
}

fn odd() -> Payment {
    payment("odd", 2_999)
}

fn waiting() -> Given<Order> {
    given([placed(), mismatched(odd())])
}

fn going_back(payment_id: &str, minor: i64) -> OrderEvent {
    OrderEvent::RefundRequested(RefundRequested {
        refund: id(9, RefundId::from_uuid),
        provider: "alipay".to_owned(),
        payment_id: payment_id.to_owned(),
        amount: money(minor, "CNY"),
        reason: "误购".to_owned(),
        revoke: None,
        at: late(),
    })
}

#[test]
fn a_payment_that_was_settled_elsewhere_waits_no_longer() {
    waiting()
        .when(late(), dismiss("odd"))
        .then([closed("odd", ReviewOutcome::Dismissed)])
        .when(late(), dismiss("odd"))
        .then_nothing()
        .when_asked(accept("odd"))
        .then_refused(OrderError::NoSuchPayment)
        .when_asked(pay(late(), odd()))
        .then_nothing();
}

#[test]
fn only_what_waits_is_decided() {
    given([placed()]).when(late(), dismiss("odd")).then_refused(OrderError::NoSuchPayment);
    given([]).when(late(), dismiss("odd")).then_refused(OrderError::NotPlaced);
    given([]).when_asked(accept("odd")).then_refused(OrderError::NotPlaced);
    given([placed(), mismatched(odd()), going_back("odd", 1)])
        .when(late(), dismiss("odd"))
        .then_refused(OrderError::NoSuchPayment)
        .when_asked(accept("odd"))
        .then_refused(OrderError::NoSuchPayment);
    bought().when(late(), dismiss("p-1")).then_refused(OrderError::NoSuchPayment);
}

#[test]
fn a_decision_says_why() {
    let silent = OrderCommand::DismissReview {
        provider: "alipay".to_owned(),
        payment_id: "odd".to_owned(),
        reason: String::new(),
    };
    waiting()
        .when(late(), silent)
        .then_refused(BadReason.into())
        .when_asked(|order| order.accept(late(), "alipay", "odd", ""))
        .then_refused(BadReason.into());
}

#[test]
fn a_payment_of_another_amount_can_be_taken_for_the_orders() {
    let pays = |late_money| OrderEvent::Paid(Paid { payment: odd(), late: late_money, at: late() });
    let order = waiting()
        .when_asked(accept("odd"))
        .then([closed("odd", ReviewOutcome::Accepted), pays(false)])
        .when_asked(accept("odd"))
        .then_nothing()
        .when(late(), dismiss("odd"))
        .then_refused(OrderError::NoSuchPayment)
        .when_asked(pay(late(), odd()))
        .then_nothing()
        .when_asked(pay(late(), payment("p-1", 3_000)))
        .then([OrderEvent::PaymentDuplicated(PaymentDuplicated { payment: payment("p-1", 3_000), at: late() })])
        .state();
    assert_eq!(order.payment(), Some(&odd()));
    for (end, _) in ends() {
        given([placed(), mismatched(odd()), end])
            .when_asked(accept("odd"))
            .then([closed("odd", ReviewOutcome::Accepted), pays(true)]);
    }
}

#[test]
fn an_order_is_paid_once() {
    given([placed(), mismatched(odd()), paid(soon(), false), fulfilled()])
        .when_asked(accept("odd"))
        .then_refused(OrderError::NotPending { status: OrderStatus::Fulfilled });
    assert_eq!(Order::default().payment(), None);
    assert_eq!(Order::default().delivered(), None);
}
