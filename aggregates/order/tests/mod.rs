mod refunds;
mod reviews;

use super::*;
use crate::credits::Credits;
use crate::ids::{ProductId, UserPackageId};
use crate::money::{Currency, Money};
use crate::product::{PackageTerms, ProductError, ProductKind};
use crate::reason::BadReason;
use crate::spec::{Given, id, time};
use crate::user_package::{DEFAULT_TIME_ZONE, DayRule, UserPackageError};

fn given(events: impl IntoIterator<Item = OrderEvent>) -> Given<Order> {
    crate::spec::given(events)
}

fn placed_at() -> DateTime<Utc> {
    time("2026-01-05T06:00:00Z")
}

/// Before the order expires.
fn soon() -> DateTime<Utc> {
    time("2026-01-05T06:05:00Z")
}

fn expires_at() -> DateTime<Utc> {
    time("2026-01-05T06:15:00Z")
}

fn late() -> DateTime<Utc> {
    time("2026-01-07T00:00:00Z")
}

fn money(minor: i64, currency: &str) -> Money {
    Money::from_minor(minor, currency.parse::<Currency>().unwrap())
}

fn terms(daily_limit: Credits, duration_days: u32) -> ProductKind {
    ProductKind::Package(PackageTerms {
        duration_days,
        daily_limit,
        day: DayRule::Calendar,
        again: crate::Again::Extend,
    })
}

/// ¥30.00 through alipay; most tests change one thing about it.
fn place() -> PlaceOrder {
    PlaceOrder {
        number: "ORD20260105060000deadbeef".parse().unwrap(),
        product: ProductId::numbered(4),
        name: "月卡".to_owned(),
        kind: terms(Credits::whole(5), 30),
        time_zone: DEFAULT_TIME_ZONE,
        price: money(3_000, "CNY"),
        provider: "alipay".to_owned(),
        expires_at: expires_at(),
    }
}

fn placed() -> OrderEvent {
    let PlaceOrder { number, product, name, kind, time_zone, price, provider, expires_at } = place();
    let placed_at = placed_at();
    OrderEvent::Placed(Placed { number, product, name, kind, time_zone, price, provider, placed_at, expires_at })
}

fn payment(payment_id: &str, minor: i64) -> Payment {
    let (provider, payment_id) = ("alipay".to_owned(), payment_id.to_owned());
    Payment { provider, payment_id, amount: money(minor, "CNY"), method: None }
}

fn pay(at: DateTime<Utc>, payment: Payment) -> impl FnOnce(&Order) -> Result<Vec<OrderEvent>, OrderError> {
    move |order| order.pay(at, &payment)
}

fn paid(at: DateTime<Utc>, late: bool) -> OrderEvent {
    OrderEvent::Paid(Paid { payment: payment("p-1", 3_000), late, at })
}

fn fulfilled() -> OrderEvent {
    let delivered = Delivered::UserPackage(id(3, UserPackageId::from_uuid));
    OrderEvent::Fulfilled(Fulfilled { delivered, credits: None, at: soon() })
}

fn mismatched(payment: Payment) -> OrderEvent {
    OrderEvent::PaymentMismatched(PaymentMismatched { payment, at: soon() })
}

fn duplicated(payment: Payment) -> OrderEvent {
    OrderEvent::PaymentDuplicated(PaymentDuplicated { payment, at: soon() })
}

fn expired() -> OrderEvent {
    OrderEvent::Expired(Expired { at: expires_at() })
}

fn cancelled() -> OrderEvent {
    OrderEvent::Cancelled(Cancelled { at: soon() })
}

fn failed() -> OrderEvent {
    OrderEvent::Failed(Failed { reason: "declined".to_owned(), at: soon() })
}

fn fail() -> OrderCommand {
    OrderCommand::Fail { reason: "declined".to_owned() }
}

fn bought() -> Given<Order> {
    given([placed(), paid(soon(), false), fulfilled()])
}

fn checkout(url: Option<&str>, qr: Option<&str>) -> Checkout {
    Checkout { url: url.map(str::to_owned), qr: qr.map(str::to_owned), reference: None }
}

#[test]
fn an_order_copies_what_it_buys_and_waits_for_money() {
    let order = given([]).when(placed_at(), OrderCommand::Place(place())).then([placed()]).state();
    assert_eq!(order.status(), Ok(OrderStatus::Pending));
    assert_eq!(order.placed().unwrap().price, money(3_000, "CNY"));
}

#[test]
fn placing_again_changes_nothing_and_another_order_needs_another_number() {
    given([placed()])
        .when(soon(), OrderCommand::Place(place()))
        .then_nothing()
        .when(soon(), OrderCommand::Place(PlaceOrder { price: money(1, "CNY"), ..place() }))
        .then_refused(OrderError::Exists)
        .when(soon(), OrderCommand::Place(PlaceOrder { product: ProductId::numbered(5), ..place() }))
        .then_refused(OrderError::Exists);
    bought().when(late(), OrderCommand::Place(place())).then_nothing();
}

#[test]
fn an_order_that_could_not_be_paid_or_delivered_is_not_placed() {
    let (five, long) = (Credits::whole(5), "x".repeat(201));
    for (place, error) in [
        (PlaceOrder { price: money(0, "CNY"), ..place() }, OrderError::PriceIsZero),
        (PlaceOrder { price: money(-1, "CNY"), ..place() }, OrderError::PriceIsZero),
        (PlaceOrder { expires_at: placed_at(), ..place() }, OrderError::BadExpiry),
        (PlaceOrder { expires_at: time("+10000-01-01T00:00:00Z"), ..place() }, OrderError::BadExpiry),
        (PlaceOrder { provider: String::new(), ..place() }, OrderError::BadProvider),
        (PlaceOrder { provider: "x".repeat(33), ..place() }, OrderError::BadProvider),
        (PlaceOrder { provider: "a\nb".to_owned(), ..place() }, OrderError::BadProvider),
        (PlaceOrder { name: long, ..place() }, ProductError::BadName.into()),
        (
            PlaceOrder { kind: terms(Credits::ZERO, 30), ..place() },
            ProductError::Package(UserPackageError::DailyLimitIsZero).into(),
        ),
        (
            PlaceOrder { kind: terms(five, 0), ..place() },
            ProductError::Package(UserPackageError::DurationOutOfRange { days: 0 }).into(),
        ),
        (
            PlaceOrder { kind: terms(Credits::MAX, 2), ..place() },
            ProductError::Package(UserPackageError::TooLarge).into(),
        ),
    ] {
        given([]).when(placed_at(), OrderCommand::Place(place)).then_refused(error);
    }
}

#[test]
fn what_was_never_placed_cannot_be_paid_or_ended() {
    given([]).when_asked(pay(soon(), payment("p-1", 3_000))).then_refused(OrderError::NotPlaced);
    for command in
        [OrderCommand::OpenCheckout(checkout(Some("u"), None)), OrderCommand::Expire, OrderCommand::Cancel, fail()]
    {
        given([]).when(soon(), command).then_refused(OrderError::NotPlaced);
    }
}

#[test]
fn the_checkout_is_opened_once() {
    let open = checkout(Some("https://pay.example/1"), Some("weixin://1"));
    let opened = OrderEvent::CheckoutOpened(CheckoutOpened { checkout: open.clone() });
    let order = given([placed()])
        .when(soon(), OrderCommand::OpenCheckout(open.clone()))
        .then([opened])
        .when(soon(), OrderCommand::OpenCheckout(open.clone()))
        .then_nothing()
        .when(soon(), OrderCommand::OpenCheckout(checkout(Some("https://pay.example/2"), None)))
        .then_refused(OrderError::CheckoutDiffers)
        .state();
    assert_eq!(order.checkout(), Some(&open));
}

#[test]
fn a_checkout_leads_somewhere_and_is_bounded() {
    let long = "x".repeat(CHECKOUT_BYTES_MAX + 1);
    for (url, qr) in [(None, None), (Some(""), None), (Some("u"), Some("")), (None, Some(&*long)), (Some("a\nb"), None)]
    {
        given([placed()])
            .when(soon(), OrderCommand::OpenCheckout(checkout(url, qr)))
            .then_refused(OrderError::BadCheckout);
    }
}

#[test]
fn the_checkout_of_an_order_that_has_ended_stays_closed() {
    for (end, status) in ends() {
        given([placed(), end])
            .when(soon(), OrderCommand::OpenCheckout(checkout(Some("u"), None)))
            .then_refused(OrderError::NotPending { status });
    }
}

/// Every way an order can end without money.
fn ends() -> [(OrderEvent, OrderStatus); 3] {
    [(expired(), OrderStatus::Expired), (cancelled(), OrderStatus::Cancelled), (failed(), OrderStatus::Failed)]
}

#[test]
fn exactly_the_price_pays_the_order() {
    let order = given([placed()]).when_asked(pay(soon(), payment("p-1", 3_000))).then([paid(soon(), false)]).state();
    assert_eq!(order.status(), Ok(OrderStatus::Paid));
}

#[test]
fn money_that_comes_after_the_end_is_still_money() {
    for (end, _) in ends() {
        given([placed(), end]).when_asked(pay(late(), payment("p-1", 3_000))).then([paid(late(), true)]);
    }
}

#[test]
fn an_order_that_nobody_has_expired_yet_is_paid_in_time() {
    given([placed()]).when_asked(pay(late(), payment("p-1", 3_000))).then([paid(late(), false)]);
}

#[test]
fn the_same_notification_again_changes_nothing() {
    let again = Payment { method: Some("wallet".to_owned()), ..payment("p-1", 3_000) };
    given([placed(), paid(soon(), false)]).when_asked(pay(late(), payment("p-1", 3_000))).then_nothing();
    bought()
        .when_asked(pay(late(), payment("p-1", 3_000)))
        .then_nothing()
        .when_asked(pay(late(), again))
        .then_nothing();
    given([placed(), mismatched(payment("p-1", 2_999))]).when_asked(pay(late(), payment("p-1", 2_999))).then_nothing();
    given([placed(), paid(soon(), false), fulfilled(), duplicated(payment("p-2", 3_000))])
        .when_asked(pay(late(), payment("p-2", 3_000)))
        .then_nothing();
}

#[test]
fn the_same_payment_with_another_amount_is_refused() {
    bought().when_asked(pay(soon(), payment("p-1", 2_999))).then_refused(OrderError::PaymentDiffers);
    given([placed(), mismatched(payment("p-1", 2_999))])
        .when_asked(pay(soon(), payment("p-1", 3_000)))
        .then_refused(OrderError::PaymentDiffers);
}

#[test]
fn another_amount_currency_or_provider_is_a_mismatch_and_pays_nothing() {
    for odd in [
        payment("p-1", 2_999),
        payment("p-1", 3_001),
        payment("p-1", 0),
        Payment { amount: money(3_000, "JPY"), ..payment("p-1", 0) },
        Payment { amount: money(3_000, "CNYX/2"), ..payment("p-1", 0) },
        Payment { provider: "sandbox".to_owned(), ..payment("p-1", 3_000) },
    ] {
        let order = given([placed()]).when_asked(pay(soon(), odd.clone())).then([mismatched(odd)]).state();
        assert_eq!(order.status(), Ok(OrderStatus::Pending));
    }
}

#[test]
fn after_a_mismatch_the_right_money_still_pays() {
    given([placed(), mismatched(payment("p-1", 2_999))])
        .when_asked(pay(soon(), payment("p-2", 3_000)))
        .then([OrderEvent::Paid(Paid { payment: payment("p-2", 3_000), late: false, at: soon() })]);
}

#[test]
fn all_money_that_was_ever_reported_is_known_the_orders_own_first() {
    let order = given([placed(), mismatched(payment("odd", 2_999)), paid(soon(), false), fulfilled()]).state();
    let known: Vec<&str> = order.payments().map(|payment| payment.payment_id.as_str()).collect();
    assert_eq!(known, ["p-1", "odd"]);
    assert_eq!(Order::default().payments().count(), 0);
}

#[test]
fn whatever_comes_after_the_order_was_paid_is_a_duplicate() {
    for second in
        [payment("p-2", 3_000), payment("p-2", 1), Payment { provider: "wechat".to_owned(), ..payment("p-1", 3_000) }]
    {
        let order = bought().when_asked(pay(soon(), second.clone())).then([duplicated(second)]).state();
        assert_eq!(order.status(), Ok(OrderStatus::Fulfilled));
    }
}

#[test]
fn only_so_many_payments_are_kept_for_review() {
    let reviews = |count: usize| (0..count).map(|n| mismatched(payment(&format!("odd-{n}"), 1)));
    let full = || std::iter::once(placed()).chain(reviews(REVIEWS_MAX));
    given(std::iter::once(placed()).chain(reviews(REVIEWS_MAX - 1)))
        .when_asked(pay(soon(), payment("odd", 1)))
        .then([mismatched(payment("odd", 1))]);
    given(full())
        .when_asked(pay(soon(), payment("odd", 1)))
        .then_refused(OrderError::TooManyReviews)
        .when_asked(pay(soon(), payment("odd-0", 1)))
        .then_nothing()
        .when_asked(pay(soon(), payment("p-1", 3_000)))
        .then([paid(soon(), false)])
        .when_asked(pay(soon(), payment("p-2", 3_000)))
        .then_refused(OrderError::TooManyReviews);
}

#[test]
fn a_payment_has_a_name_and_an_amount() {
    for odd in [
        Payment { provider: String::new(), ..payment("p-1", 1) },
        Payment { provider: "x".repeat(33), ..payment("p-1", 1) },
        payment("", 1),
        payment(&"x".repeat(129), 1),
        payment("a\0b", 1),
        payment("p-1", -1),
        Payment { method: Some(String::new()), ..payment("p-1", 1) },
    ] {
        given([placed()]).when_asked(pay(soon(), odd)).then_refused(BadPayment.into());
    }
}

#[test]
fn an_order_expires_at_its_time_and_not_before() {
    let just_before = time("2026-01-05T06:14:59.999999Z");
    given([placed()])
        .when(just_before, OrderCommand::Expire)
        .then_refused(OrderError::NotYetExpired { expires_at: expires_at() })
        .when(expires_at(), OrderCommand::Expire)
        .then([expired()])
        .when(late(), OrderCommand::Expire)
        .then_nothing();
}

#[test]
fn a_pending_order_can_be_cancelled_or_fail() {
    given([placed()])
        .when(soon(), OrderCommand::Cancel)
        .then([cancelled()])
        .when(late(), OrderCommand::Cancel)
        .then_nothing();
    given([placed()]).when(soon(), fail()).then([failed()]).when(late(), fail()).then_nothing();
    let silent = OrderCommand::Fail { reason: " ".to_owned() };
    given([placed()]).when(soon(), silent).then_refused(BadReason.into());
}

#[test]
fn an_order_ends_once() {
    for (end, status) in ends() {
        for (command, other) in [
            (OrderCommand::Expire, OrderStatus::Expired),
            (OrderCommand::Cancel, OrderStatus::Cancelled),
            (fail(), OrderStatus::Failed),
        ] {
            let order = given([placed(), end.clone()]).when(late(), command);
            if status == other {
                order.then_nothing();
            } else {
                order.then_refused(OrderError::NotPending { status });
            }
        }
    }
}

#[test]
fn what_is_paid_stays_paid() {
    for command in [OrderCommand::Expire, OrderCommand::Cancel, fail()] {
        bought().when(late(), command.clone()).then_refused(OrderError::NotPending { status: OrderStatus::Fulfilled });
        given([placed(), paid(soon(), false)])
            .when(late(), command)
            .then_refused(OrderError::NotPending { status: OrderStatus::Paid });
    }
}

#[test]
fn a_status_is_written_as_it_is_said() {
    for status in [
        OrderStatus::Pending,
        OrderStatus::Paid,
        OrderStatus::Fulfilled,
        OrderStatus::Expired,
        OrderStatus::Cancelled,
        OrderStatus::Failed,
        OrderStatus::Refunding,
        OrderStatus::PartiallyRefunded,
        OrderStatus::Refunded,
    ] {
        assert_eq!(serde_json::to_string(&status).unwrap(), format!("\"{status}\""));
    }
}

/// The log never holds such a thing; whatever reads it must not fall over it.
#[test]
fn an_event_out_of_turn_changes_nothing() {
    assert_eq!(given([cancelled()]).state(), Order::NotPlaced);
    assert_eq!(given([placed(), cancelled(), placed()]).state().status(), Ok(OrderStatus::Cancelled));
}
