//! Snapshots of states. A snapshot is only ever a short cut: it may be thrown away.

pub use crate::kinds::{KindMismatch, State};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credit_account::{CreditAccountEvent, GrantSource, Granted};
    use crate::credits::Credits;
    use crate::event::Event;
    use crate::ids::{GrantId, ProductId};
    use crate::kinds::AggregateKind;
    use crate::spec::{day, id, time};
    use crate::user_package::{Activated, Consumed, DayRule, UserPackageEvent};

    fn granted() -> Event {
        let granted = Granted {
            grant: id(1, GrantId::from_uuid),
            source: GrantSource::Promotion,
            amount: Credits::whole(3),
            expires_at: Some(time("2026-02-04T06:00:00Z")),
            balance: Credits::whole(3),
        };
        CreditAccountEvent::Granted(granted).into()
    }

    fn activated() -> Event {
        let activated = Activated {
            product: id(2, ProductId::from_uuid),
            daily_limit: Credits::whole(5),
            duration_days: 30,
            time_zone: chrono_tz::Asia::Shanghai,
            day: DayRule::Anniversary,
            starts_at: time("2026-01-05T06:00:00Z"),
            ends_at: time("2026-02-04T06:00:00Z"),
            left: Credits::whole(150),
        };
        UserPackageEvent::Activated(activated).into()
    }

    fn consumed() -> Event {
        let consumed = Consumed {
            amount: Credits::whole(1),
            day: day("2026-01-05"),
            day_left: Credits::whole(4),
            left: Credits::whole(149),
            meter: None,
            reference: None,
        };
        UserPackageEvent::Consumed(consumed).into()
    }

    fn folded(events: &[Event]) -> State {
        let mut state = State::empty(events[0].kind());
        events.iter().for_each(|event| state.apply(event).unwrap());
        state
    }

    /// If this fails, the shape of a snapshot has changed: raise that aggregate's `SCHEMA`, then write it here.
    #[test]
    fn a_snapshot_has_the_shape_its_schema_number_stands_for() {
        for (events, schema, json) in [
            (
                vec![granted()],
                1,
                r#"{"grants":[{"id":"00000000-0000-0000-0000-000000000001","source":"promotion","amount":3000000,"left":3000000,"expires_at":"2026-02-04T06:00:00Z"}],"balance":3000000}"#,
            ),
            (
                vec![activated(), consumed()],
                1,
                r#"{"activated":{"terms":{"product":"00000000-0000-0000-0000-000000000002","daily_limit":5000000,"duration_days":30,"time_zone":"Asia/Shanghai","day":"anniversary"},"starts_at":"2026-01-05T06:00:00Z","ends_at":"2026-02-04T06:00:00Z","newest":{"date":"2026-01-05","left":4000000},"left":149000000}}"#,
            ),
        ] {
            let state = folded(&events);
            assert_eq!(state.to_json().unwrap(), json);
            assert_eq!(State::schema(state.kind()), schema);
            assert_eq!(State::from_json(state.kind(), json).unwrap(), state);
        }
    }

    #[test]
    fn an_empty_state_survives_its_snapshot() {
        for kind in AggregateKind::ALL.iter().copied() {
            let empty = State::empty(kind);
            assert_eq!(empty.kind(), kind);
            assert_eq!(State::from_json(kind, &empty.to_json().unwrap()).unwrap(), empty);
        }
    }

    #[test]
    fn an_event_of_another_kind_is_reported_and_changes_nothing() {
        let mut state = State::empty(AggregateKind::UserPackage);
        let mismatch = KindMismatch { state: AggregateKind::UserPackage, event: AggregateKind::CreditAccount };
        assert_eq!(state.apply(&granted()), Err(mismatch));
        assert_eq!(state, State::empty(AggregateKind::UserPackage));
    }
}
