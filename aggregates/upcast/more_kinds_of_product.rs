//! Products used to be packages only. What was written then reads as before; the number was raised so that a release
//! which knows nothing but packages does not take a newer log for a broken one.

use super::Upcaster;
use crate::kinds::AggregateKind;

pub(super) const CREATED: Upcaster =
    Upcaster { kind: AggregateKind::Product, event_type: "created", from_version: 1, f: Ok };
pub(super) const CHANGED: Upcaster = Upcaster { event_type: "changed", ..CREATED };
pub(super) const PLACED: Upcaster = Upcaster { kind: AggregateKind::Order, event_type: "placed", ..CREATED };
pub(super) const FULFILLED: Upcaster = Upcaster { event_type: "fulfilled", ..PLACED };

#[cfg(test)]
mod tests {
    use crate::event::Event;
    use crate::kinds::AggregateKind;

    #[test]
    fn a_product_of_then_is_a_package_that_is_extended_when_bought_again() {
        let old = r#"{"name":"n","description":"","prices":[{"minor":3000,"currency":"CNY"}],"sort_order":1,"kind":{"package":{"duration_days":30,"daily_limit":5000000,"day":"calendar"}}}"#;
        let read = Event::from_parts(AggregateKind::Product, "created", 1, old).unwrap();
        assert_eq!(read.payload().unwrap(), old.replace(r#""calendar""#, r#""calendar","again":"extend""#));
    }

    #[test]
    fn an_order_of_then_was_fulfilled_with_a_package() {
        let old =
            r#"{"delivered":{"user_package":"00000000-0000-0000-0000-000000000001"},"at":"2026-01-05T06:00:00Z"}"#;
        let read = Event::from_parts(AggregateKind::Order, "fulfilled", 1, old).unwrap();
        assert_eq!(read.payload().unwrap(), old);
    }
}
