//! Packages used to run from the moment they were added; now one may wait for another, and says when it was added.

use serde_json::Value;

use super::Upcaster;
use crate::kinds::AggregateKind;

pub(super) const STEP: Upcaster =
    Upcaster { kind: AggregateKind::Holdings, event_type: "package_added", from_version: 1, f: added_when_it_starts };

fn added_when_it_starts(mut content: Value) -> Result<Value, serde_json::Error> {
    if let Some(fields) = content.as_object_mut()
        && let Some(starts_at) = fields.get("starts_at").cloned()
    {
        fields.insert("at".to_owned(), starts_at);
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::event::Event;
    use crate::kinds::AggregateKind;

    #[test]
    fn a_package_was_added_when_it_started() {
        let id = "00000000-0000-0000-0000-000000000001";
        let old = json!({
            "package": id, "product": id, "starts_at": "2026-01-05T06:00:00Z", "ends_at": "2026-02-04T06:00:00Z",
        });
        let read = Event::from_parts(AggregateKind::Holdings, "package_added", 1, &old.to_string()).unwrap();
        assert!(read.payload().unwrap().ends_with(r#""at":"2026-01-05T06:00:00Z"}"#), "{read:?}");
    }
}
