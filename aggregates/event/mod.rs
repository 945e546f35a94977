//! How an event is stored and read back.
//!
//! An event is stored as its kind, its type, its schema version and a payload. The payload is the JSON of the
//! variant's content alone; `{"<type>":<payload>}` is the event as serde writes it.

#[cfg(test)]
pub(crate) mod stored;
#[cfg(test)]
mod tests;

use serde_json::Value;
use thiserror::Error;

pub use crate::kinds::Event;
use crate::kinds::{AggregateKind, types_of};
use crate::upcast::{self, UPCASTERS, Upcaster};

#[derive(Debug, Error)]
pub enum EventError {
    /// Fail closed: somebody newer wrote it, and a state without it would be wrong.
    #[error("this build does not know the event {kind}.{event_type} in version {schema_version}")]
    Unknown { kind: AggregateKind, event_type: String, schema_version: i16 },
    #[error("the event {kind}.{event_type} in version {schema_version} cannot be read")]
    Malformed {
        kind: AggregateKind,
        event_type: String,
        schema_version: i16,
        #[source]
        reason: serde_json::Error,
    },
}

impl Event {
    /// Reads what `payload` wrote, whichever version of the code it was.
    pub fn from_parts(
        kind: AggregateKind,
        event_type: &str,
        schema_version: i16,
        payload: &str,
    ) -> Result<Self, EventError> {
        Self::from_parts_with(UPCASTERS, kind, event_type, schema_version, payload)
    }

    pub(crate) fn from_parts_with(
        upcasters: &[Upcaster],
        kind: AggregateKind,
        event_type: &str,
        schema_version: i16,
        payload: &str,
    ) -> Result<Self, EventError> {
        let unknown = || EventError::Unknown { kind, event_type: event_type.to_owned(), schema_version };
        let malformed =
            |reason| EventError::Malformed { kind, event_type: event_type.to_owned(), schema_version, reason };

        let newest = types_of(kind).iter().find(|(known, _)| *known == event_type).map(|(_, newest)| *newest);
        let newest = newest.ok_or_else(unknown)?;
        if schema_version == newest {
            return Self::parse(kind, event_type, payload).ok_or_else(unknown)?.map_err(malformed);
        }
        let chain = upcast::chain(upcasters, kind, event_type, schema_version, newest).ok_or_else(unknown)?;
        let old: Value = serde_json::from_str(payload).map_err(malformed)?;
        let raised = upcast::apply(chain, old).map_err(malformed)?;
        Self::parse(kind, event_type, &raised.to_string()).ok_or_else(unknown)?.map_err(malformed)
    }
}

/// Every event this build can write, with the newest version of its shape.
pub fn known_event_types() -> impl Iterator<Item = (AggregateKind, &'static str, i16)> {
    let of = |kind| types_of(kind).iter().map(move |(event_type, newest)| (kind, *event_type, *newest));
    AggregateKind::ALL.iter().copied().flat_map(of)
}
