use aggregates::user_package::{Consumed, Expired};
use aggregates::{AggregateId, DayRule, ProductId};
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
