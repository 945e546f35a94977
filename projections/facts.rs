//! Facts for the tests of folding.

use aggregates::{AccountId, AccountKey, AggregateId, Event};
use chrono::{DateTime, Utc};

use crate::{Fact, Projection};

pub(crate) fn alice() -> AccountKey {
    AccountId::try_new("alice").expect("an account").key()
}

pub(crate) fn time(text: &str) -> DateTime<Utc> {
    text.parse().expect("a time")
}

/// Folds events of one aggregate of alice's, one after the other.
pub(crate) fn fold(projection: &mut dyn Projection, aggregate: AggregateId, events: impl IntoIterator<Item = Event>) {
    for (position, event) in (1..).zip(events) {
        let account = alice();
        let at = time("2026-01-05T06:00:00Z");
        let fact =
            Fact { log_part: account.log_part(), position, account, aggregate, version: position, at, event: &event };
        projection.fold(&fact).expect("a row");
    }
}
