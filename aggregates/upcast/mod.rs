//! Old shapes of events, raised to the newest one on the way in. The log itself is never rewritten.
//!
//! To change the shape of an event: raise its number in `TYPES` and in `schema_version`, keep the old stored JSON in
//! the tests, and add one file here with the step from the old number to the next, named in `UPCASTERS`. Steps are
//! chained, so each knows only its neighbour.

mod checkout_names_reference;
mod holdings_package_added_v1;
mod more_kinds_of_product;

use cqrs_es::persist::{EventUpcaster, SerializedEvent};
use serde_json::{Map, Value};

use crate::kinds::AggregateKind;

/// One step: the content of one event type in `from_version`, made into that of the version after it.
#[derive(Clone, Copy, Debug)]
pub struct Upcaster {
    pub kind: AggregateKind,
    pub event_type: &'static str,
    pub from_version: i16,
    pub f: fn(Value) -> Result<Value, serde_json::Error>,
}

pub const UPCASTERS: &[Upcaster] = &[
    holdings_package_added_v1::STEP,
    checkout_names_reference::STEP,
    more_kinds_of_product::CREATED,
    more_kinds_of_product::CHANGED,
    more_kinds_of_product::PLACED,
    more_kinds_of_product::FULFILLED,
];

/// The steps from one version to another, in order; `None` if one is missing, or if there is no way down.
pub(crate) fn chain<'a>(
    upcasters: &'a [Upcaster],
    kind: AggregateKind,
    event_type: &str,
    from: i16,
    to: i16,
) -> Option<Vec<&'a Upcaster>> {
    let step = |version| {
        upcasters.iter().find(|step| step.kind == kind && step.event_type == event_type && step.from_version == version)
    };
    if from > to {
        return None;
    }
    (from..to).map(step).collect()
}

pub(crate) fn apply(chain: Vec<&Upcaster>, payload: Value) -> Result<Value, serde_json::Error> {
    chain.into_iter().try_fold(payload, |payload, step| (step.f)(payload))
}

/// The same steps for a reader that comes through `cqrs-es`, where a payload is `{"<type>":<content>}`.
pub fn for_cqrs_es() -> Vec<Box<dyn EventUpcaster>> {
    for_cqrs_es_with(UPCASTERS)
}

fn for_cqrs_es_with(upcasters: &[Upcaster]) -> Vec<Box<dyn EventUpcaster>> {
    let mut steps = upcasters.to_vec();
    // `cqrs-es` offers an event to each step once, in the order of the list.
    steps.sort_by_key(|step| step.from_version);
    steps.into_iter().map(|step| Box::new(step) as Box<dyn EventUpcaster>).collect()
}

impl EventUpcaster for Upcaster {
    fn can_upcast(&self, event_type: &str, event_version: &str) -> bool {
        self.event_type == event_type && event_version.parse() == Ok(self.from_version)
    }

    /// An event that cannot be raised stays as it is, and is refused when it is parsed.
    fn upcast(&self, mut event: SerializedEvent) -> SerializedEvent {
        if event.aggregate_type != self.kind.as_str() {
            return event;
        }
        let raised = event.payload.get(self.event_type).cloned().map(self.f);
        let (Some(Ok(content)), Some(version)) = (raised, self.from_version.checked_add(1)) else {
            return event;
        };
        event.payload = Value::Object(Map::from_iter([(self.event_type.to_owned(), content)]));
        event.event_version = version.to_string();
        event
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn steps() -> [Upcaster; 2] {
        let step =
            |from_version, f| Upcaster { kind: AggregateKind::UserPackage, event_type: "consumed", from_version, f };
        [
            step(2, |content| Ok(json!({ "third": content["second"] }))),
            step(1, |content| Ok(json!({ "second": content["first"] }))),
        ]
    }

    fn stored(kind: AggregateKind, version: &str) -> SerializedEvent {
        SerializedEvent {
            aggregate_id: String::new(),
            sequence: 1,
            aggregate_type: kind.to_string(),
            event_type: "consumed".to_owned(),
            event_version: version.to_owned(),
            payload: json!({ "consumed": { "first": 7 } }),
            metadata: json!({}),
        }
    }

    fn read(event: SerializedEvent) -> (Value, String) {
        let raised = for_cqrs_es_with(&steps()).iter().fold(event, |event, step| {
            match step.can_upcast(&event.event_type, &event.event_version) {
                true => step.upcast(event),
                false => event,
            }
        });
        (raised.payload, raised.event_version)
    }

    #[test]
    fn a_chain_has_every_step_in_order_or_does_not_exist() {
        let steps = steps();
        let versions = |from, to| {
            let chain = chain(&steps, AggregateKind::UserPackage, "consumed", from, to)?;
            Some(chain.iter().map(|step| step.from_version).collect::<Vec<_>>())
        };
        assert_eq!(versions(1, 3), Some(vec![1, 2]));
        assert_eq!(versions(2, 3), Some(vec![2]));
        assert_eq!(versions(3, 3), Some(vec![]));
        assert_eq!(versions(0, 3), None);
        assert_eq!(versions(4, 3), None);
        assert_eq!(versions(i16::MIN, 3), None);
    }

    #[test]
    fn a_reader_through_cqrs_es_sees_the_same_newest_shape() {
        let raised = (json!({ "consumed": { "third": 7 } }), "3".to_owned());
        assert_eq!(read(stored(AggregateKind::UserPackage, "1")), raised);
    }

    #[test]
    fn an_event_that_cannot_be_raised_stays_as_it_is() {
        let broken = Upcaster { f: |_| serde_json::from_str("not JSON"), ..steps()[1] };
        let event = stored(AggregateKind::UserPackage, "1");
        assert_eq!(broken.upcast(event).payload, json!({ "consumed": { "first": 7 } }));
    }

    #[test]
    fn a_reader_through_cqrs_es_is_given_every_step() {
        assert_eq!(for_cqrs_es().len(), UPCASTERS.len());
    }

    #[test]
    fn an_event_of_the_same_name_from_another_aggregate_is_left_alone() {
        let untouched = (json!({ "consumed": { "first": 7 } }), "1".to_owned());
        assert_eq!(read(stored(AggregateKind::CreditAccount, "1")), untouched);
    }
}
