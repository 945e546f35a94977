use aggregates::user_package::{Consumed, Expired, Extended, Held, Revoked, Settled, Shortened};
use aggregates::{AggregateId, DayRule, HoldId, OrderId, ProductId};
use uuid::Uuid;

use super::*;
use crate::facts::{alice, fold, time};

#[test]
fn a_package_bought_used_and_ended_in_one_batch_is_one_row() {
    let id = UserPackageId::from_uuid(Uuid::from_u128(1));
    let starts_at = time("2026-01-05T06:00:00Z");
    let activated = Activated {
        product: ProductId::numbered(1),
        daily_limit: Credits::whole(5),
        duration_days: 1,
        time_zone: chrono_tz::Tz::Asia__Shanghai,
        day: DayRule::Anniversary,
        starts_at,
        ends_at: starts_at + chrono::TimeDelta::days(1),
        left: Credits::whole(5),
    };
    let consumed = Consumed {
        amount: Credits::whole(2),
        day: starts_at.date_naive(),
        day_left: Credits::whole(3),
        left: Credits::whole(3),
        meter: None,
        reference: None,
    };
    let events = [
        UserPackageEvent::Activated(activated),
        UserPackageEvent::Consumed(consumed),
        UserPackageEvent::Expired(Expired { at: activated.ends_at }),
    ];
    let mut packages = Packages::default();
    fold(&mut packages, AggregateId::user_package(id), events.map(Event::from));
    let row = &packages.rows[&(alice(), id)];
    assert_eq!((row.left, row.status), (Some(Credits::whole(3)), Some(EXPIRED)));
    assert_eq!(row.activated.as_ref().map(|terms| terms.day_rule.as_str()), Some("anniversary"));
}

#[test]
fn a_package_bought_again_held_and_given_back_is_what_is_left_of_it() {
    let id = UserPackageId::from_uuid(Uuid::from_u128(1));
    let (order, hold) = (OrderId::from_uuid(Uuid::from_u128(5)), HoldId::from_uuid(Uuid::from_u128(7)));
    let (starts_at, ends_at) = (time("2026-01-05T06:00:00Z"), time("2026-03-06T06:00:00Z"));
    let day = starts_at.date_naive();
    let held = |amount, left| {
        let (amount, left) = (Credits::whole(amount), Credits::whole(left));
        UserPackageEvent::Held(Held { hold, amount, day, day_left: Credits::ZERO, left })
    };
    let settled = Settled {
        hold,
        amount: Credits::whole(1),
        returned: Credits::whole(2),
        day,
        day_left: Credits::whole(2),
        left: Credits::whole(297),
        meter: None,
        reference: None,
    };
    let mut packages = Packages::default();
    let bought_again = [
        UserPackageEvent::Extended(Extended { order, days: 30, ends_at, left: Credits::whole(300) }),
        held(3, 297),
        held(2, 295),
        UserPackageEvent::Settled(settled),
    ];
    fold(&mut packages, AggregateId::user_package(id), bought_again.map(Event::from));
    let row = &packages.rows[&(alice(), id)];
    assert_eq!((row.days, row.ends_at, row.left), (30, Some(ends_at), Some(Credits::whole(297))));
    assert_eq!(row.held, Credits::whole(2).micros());

    let sooner = time("2026-02-04T06:00:00Z");
    let given_back = [
        UserPackageEvent::Shortened(Shortened { order, days: 30, ends_at: sooner, left: Credits::whole(147) }),
        UserPackageEvent::Moved(Moved {
            starts_at: time("2026-01-04T06:00:00Z"),
            ends_at: time("2026-02-03T06:00:00Z"),
        }),
        UserPackageEvent::Revoked(Revoked { reason: "refunded".to_owned(), at: starts_at }),
    ];
    fold(&mut packages, AggregateId::user_package(id), given_back.map(Event::from));
    let row = &packages.rows[&(alice(), id)];
    assert_eq!((row.days, row.left, row.status), (0, Some(Credits::whole(147)), Some(REVOKED)));
    assert_eq!((row.starts_at, row.ends_at), (Some(time("2026-01-04T06:00:00Z")), Some(time("2026-02-03T06:00:00Z"))));
}
