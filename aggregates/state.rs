//! Snapshots of states. A snapshot is only ever a short cut: it may be thrown away.

pub use crate::kinds::{KindMismatch, State};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::stored::stored;
    use crate::kinds::AggregateKind;

    /// What the stored events of this kind make, in the order they are listed in.
    fn folded(kind: AggregateKind) -> State {
        let mut state = State::empty(kind);
        let events = stored().into_iter().map(|(event, _)| event).filter(|event| event.kind() == kind);
        events.for_each(|event| state.apply(&event).unwrap());
        state
    }

    /// If this fails, the shape of a snapshot has changed: raise that aggregate's `SCHEMA`, then write it here.
    #[test]
    fn a_snapshot_has_the_shape_its_schema_number_stands_for() {
        for kind in AggregateKind::ALL.iter().copied() {
            let (schema, json) = match kind {
                AggregateKind::CreditAccount => (1, r#""#),
                AggregateKind::UserPackage => (2, r#""#),
                AggregateKind::Holdings => (1, r#""#),
                AggregateKind::Product => (1, r#""#),
                AggregateKind::Order => (1, r#""#),
                AggregateKind::Delivery => (1, r#""#),
                AggregateKind::Customer => (1, r#""#),
            };
            let state = folded(kind);
            assert_eq!((state.to_json().unwrap().as_str(), State::schema(kind)), (json, schema));
            assert_eq!(State::from_json(kind, json).unwrap(), state);
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
        assert_eq!(state.apply(&stored()[0].0), Err(mismatch));
        assert_eq!(state, State::empty(AggregateKind::UserPackage));
    }
}
