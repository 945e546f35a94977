//! A checkout may name what its provider calls the order. What was written before names none and reads as it was; the
//! number was raised so that a release which does not know the name does not take a newer log for a broken one.

use super::Upcaster;
use crate::kinds::AggregateKind;

pub(super) const STEP: Upcaster =
    Upcaster { kind: AggregateKind::Order, event_type: "checkout_opened", from_version: 1, f: Ok };

#[cfg(test)]
mod tests {
    use crate::event::Event;
    use crate::kinds::AggregateKind;

    #[test]
    fn a_checkout_of_then_names_no_reference() {
        let old = r#"{"checkout":{"url":"https://pay.example/1"}}"#;
        let read = Event::from_parts(AggregateKind::Order, "checkout_opened", 1, old).unwrap();
        assert_eq!(read.payload().unwrap(), old);
    }
}
