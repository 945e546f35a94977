use super::*;
use crate::ids::HoldId;
use crate::user_package::{Extended, Held, Moved, Revoked, Settled, Shortened};

pub(super) fn stored() -> Stored {
    let activated = Activated {
        product: id(2, ProductId::from_uuid),
        daily_limit: Credits::whole(5),
        duration_days: 30,
        time_zone: chrono_tz::Asia::Shanghai,
        day: DayRule::Calendar,
        starts_at: time("2026-01-05T06:00:00Z"),
        ends_at: time("2026-02-04T06:00:00Z"),
        left: Credits::whole(150),
    };
    let consumed = Consumed {
        amount: Credits::whole(1),
        day: day("2026-01-05"),
        day_left: Credits::whole(4),
        left: Credits::whole(149),
        meter: None,
        reference: None,
    };
    let (meter, reference) = labels();
    let plain = vec![
        (
            UserPackageEvent::Activated(activated).into(),
            r#"{"product":"00000000-0000-0000-0000-000000000002","daily_limit":5000000,"duration_days":30,"time_zone":"Asia/Shanghai","day":"calendar","starts_at":"2026-01-05T06:00:00Z","ends_at":"2026-02-04T06:00:00Z","left":150000000}"#,
        ),
        (
            UserPackageEvent::Activated(Activated { day: DayRule::Anniversary, ..activated }).into(),
            r#"{"product":"00000000-0000-0000-0000-000000000002","daily_limit":5000000,"duration_days":30,"time_zone":"Asia/Shanghai","day":"anniversary","starts_at":"2026-01-05T06:00:00Z","ends_at":"2026-02-04T06:00:00Z","left":150000000}"#,
        ),
        (
            UserPackageEvent::Consumed(consumed.clone()).into(),
            r#"{"amount":1000000,"day":"2026-01-05","day_left":4000000,"left":149000000}"#,
        ),
        (
            UserPackageEvent::Consumed(Consumed { meter, reference, ..consumed }).into(),
            r#"{"amount":1000000,"day":"2026-01-05","day_left":4000000,"left":149000000,"meter":"tokens","reference":"call-7"}"#,
        ),
        (
            UserPackageEvent::Expired(Expired { at: time("2026-02-04T07:00:00Z") }).into(),
            r#"{"at":"2026-02-04T07:00:00Z"}"#,
        ),
    ];
    [plain, bought_again(), held()].concat()
}

fn bought_again() -> Stored {
    let order = id(5, OrderId::from_uuid);
    vec![
        (
            UserPackageEvent::Extended(Extended {
                order,
                days: 30,
                ends_at: time("2026-03-06T06:00:00Z"),
                left: Credits::whole(299),
            })
            .into(),
            r#"{"order":"00000000-0000-0000-0000-000000000005","days":30,"ends_at":"2026-03-06T06:00:00Z","left":299000000}"#,
        ),
        (
            UserPackageEvent::Shortened(Shortened {
                order,
                days: 30,
                ends_at: time("2026-02-04T06:00:00Z"),
                left: Credits::whole(149),
            })
            .into(),
            r#"{"order":"00000000-0000-0000-0000-000000000005","days":30,"ends_at":"2026-02-04T06:00:00Z","left":149000000}"#,
        ),
        (
            UserPackageEvent::Moved(Moved {
                starts_at: time("2026-01-04T06:00:00Z"),
                ends_at: time("2026-02-03T06:00:00Z"),
            })
            .into(),
            r#"{"starts_at":"2026-01-04T06:00:00Z","ends_at":"2026-02-03T06:00:00Z"}"#,
        ),
        (
            UserPackageEvent::Revoked(Revoked { reason: "refunded".to_owned(), at: time("2026-01-06T06:00:00Z") })
                .into(),
            r#"{"reason":"refunded","at":"2026-01-06T06:00:00Z"}"#,
        ),
    ]
}

fn held() -> Stored {
    let held = Held {
        hold: id(7, HoldId::from_uuid),
        amount: Credits::whole(3),
        day: day("2026-01-06"),
        day_left: Credits::whole(2),
        left: Credits::whole(146),
    };
    let Held { hold, day, .. } = held;
    let settled = Settled {
        hold,
        amount: Credits::whole(1),
        returned: Credits::whole(1),
        day,
        day_left: Credits::whole(3),
        left: Credits::whole(147),
        meter: None,
        reference: None,
    };
    let (meter, reference) = labels();
    vec![
        (
            UserPackageEvent::Held(held).into(),
            r#"{"hold":"00000000-0000-0000-0000-000000000007","amount":3000000,"day":"2026-01-06","day_left":2000000,"left":146000000}"#,
        ),
        (
            UserPackageEvent::Settled(settled.clone()).into(),
            r#"{"hold":"00000000-0000-0000-0000-000000000007","amount":1000000,"returned":1000000,"day":"2026-01-06","day_left":3000000,"left":147000000}"#,
        ),
        (
            UserPackageEvent::Settled(Settled { amount: Credits::ZERO, meter, reference, ..settled }).into(),
            r#"{"hold":"00000000-0000-0000-0000-000000000007","amount":0,"returned":1000000,"day":"2026-01-06","day_left":3000000,"left":147000000,"meter":"tokens","reference":"call-7"}"#,
        ),
    ]
}
