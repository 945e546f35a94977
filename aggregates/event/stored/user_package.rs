use super::*;

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
    vec![
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
    ]
}
