use aggregates::order::{Expired, Paid, Placed, Refunded};
use aggregates::{AggregateId, Currency, Money, OrderEvent, OrderId, Payment, ProductId, RefundId};
use chrono::NaiveDate;

use super::counting::Count;
use super::query::ratio;
use super::*;
use crate::facts::{fold, time};

fn yuan(minor: i64) -> Money {
    Money::from_minor(minor, Currency::iso("CNY").expect("a currency"))
}

fn order() -> OrderId {
    OrderId::from_uuid(uuid::Uuid::from_u128(1))
}

fn placed() -> OrderEvent {
    placed_of(serde_json::json!({"credit_pack": {"credits": 1_000_000}}))
}

fn placed_of(kind: serde_json::Value) -> OrderEvent {
    let placed: Placed = serde_json::from_value(serde_json::json!({
        "number": "ORD20260105060000abcdef01", "product": ProductId::numbered(4), "name": "n",
        "kind": kind, "time_zone": "Asia/Shanghai",
        "price": {"minor": 3000, "currency": "CNY"}, "provider": "sandbox",
        "placed_at": "2026-01-05T15:59:59Z", "expires_at": "2026-01-05T16:15:00Z",
    }))
    .expect("an order");
    OrderEvent::Placed(placed)
}

/// After midnight in Shanghai.
fn paid(payment_id: &str) -> OrderEvent {
    let (provider, payment_id) = ("sandbox".to_owned(), payment_id.to_owned());
    let payment = Payment { provider, payment_id, amount: yuan(3_000), method: None };
    OrderEvent::Paid(Paid { payment, late: false, at: time("2026-01-05T16:00:00Z") })
}

fn refunded(payment_id: &str, minor: i64) -> OrderEvent {
    OrderEvent::Refunded(Refunded {
        refund: RefundId::from_uuid(uuid::Uuid::from_u128(9)),
        provider: "sandbox".to_owned(),
        payment_id: payment_id.to_owned(),
        amount: yuan(minor),
        provider_refund: None,
        revoke: false,
        at: time("2026-01-07T00:00:00Z"),
    })
}

fn expired() -> OrderEvent {
    OrderEvent::Expired(Expired { at: time("2026-01-05T16:15:00Z") })
}

/// What these events add to each day.
fn counted(events: impl IntoIterator<Item = OrderEvent>) -> Vec<(NaiveDate, Count)> {
    let mut sales = Sales::default();
    fold(&mut sales, AggregateId::order(order()), events.into_iter().map(Event::from));
    let (mut sold, mut counts) = (BTreeMap::new(), Counts::default());
    for news in sales.orders.remove(&order()).unwrap_or_default() {
        counts.count(&mut sold, order(), news).expect("counted");
    }
    counts.0.into_iter().map(|((day, ..), count)| (day, count)).collect()
}

fn day(text: &str) -> NaiveDate {
    text.parse().expect("a day")
}

#[test]
fn an_order_counts_where_it_was_placed_and_money_where_it_came() {
    let placed_then = Count { placed: 1, converted: 1, ..Count::default() };
    let paid_then = Count { paid: 1, revenue: 3_000, ..Count::default() };
    let expected = [(day("2026-01-05"), placed_then), (day("2026-01-06"), paid_then)];
    assert_eq!(counted([placed(), paid("p")]), expected);
}

/// Nobody decided to place it, so it says nothing about those who do.
#[test]
fn a_renewal_counts_by_its_money_alone() {
    let plan = serde_json::json!({
        "period": {"months": 1}, "credits": 1_000_000, "upgrade_policy": "immediate", "grace_days": 3,
    });
    let renewal = serde_json::json!({
        "renewal": {"subscription": "00000000-0000-0000-0000-000000000008", "plan": plan},
    });
    let paid_then = Count { paid: 1, revenue: 3_000, ..Count::default() };
    let back = Count { refunds: 1, refunded: 1_000, ..Count::default() };
    let expected = [(day("2026-01-06"), paid_then), (day("2026-01-07"), back)];
    assert_eq!(counted([placed_of(renewal.clone()), expired(), paid("p"), refunded("p", 1_000)]), expected);
    assert_eq!(counted([placed_of(renewal), expired()]), []);
}

#[test]
fn late_money_takes_an_expiry_back() {
    let (day, lost) = counted([placed(), expired()]).remove(0);
    assert_eq!((day, lost.expired, lost.converted), (self::day("2026-01-05"), 1, 0));
    let (_, found) = counted([placed(), expired(), paid("p")]).remove(0);
    assert_eq!((found.expired, found.converted), (0, 1));
}

#[test]
fn only_what_was_revenue_is_refunded() {
    let back = Count { refunds: 1, refunded: 1_000, ..Count::default() };
    let counts = counted([placed(), paid("p"), refunded("p", 1_000), refunded("second", 3_000)]);
    assert_eq!(counts.last(), Some(&(day("2026-01-07"), back)));
}

#[test]
fn what_happens_before_an_order_is_placed_fits_nowhere() {
    let news = News::of(crate::facts::alice(), &expired()).expect("counted");
    assert!(Counts::default().count(&mut BTreeMap::new(), order(), news).is_err());
}

#[test]
fn a_ratio_has_four_digits_rounded_half_up() {
    for (part, whole, expected) in [
        (0, 0, "0.0000"),
        (1, 3, "0.3333"),
        (2, 3, "0.6667"),
        (1, 20_000, "0.0001"),
        (1, 20_001, "0.0000"),
        (7, 7, "1.0000"),
        (25, 2, "12.5000"),
    ] {
        assert_eq!(ratio(part, whole), expected, "{part} of {whole}");
    }
}

#[test]
fn a_key_has_what_its_last_event_left() {
    let mut sales = Sales::default();
    let license = AggregateId::license(LicenseId::of_order(order()));
    let consumed = aggregates::license::Consumed {
        use_id: aggregates::UseId::from_uuid(uuid::Uuid::from_u128(3)),
        units: 2,
        left: 8,
        feature: None,
        reference: None,
        at: time("2026-01-05T06:00:00Z"),
    };
    fold(&mut sales, license, [Event::License(LicenseEvent::Consumed(consumed))]);
    let expected = Key { uses: None, unused: Some(8), revoked: false };
    assert_eq!(sales.keys.values().copied().collect::<Vec<_>>(), [expected]);
    sales.forget();
    assert!(sales.keys.is_empty());
}
