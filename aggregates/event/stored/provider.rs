use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::provider::{Configured, ProviderEvent, SealedSecret, Setting};

pub(super) fn stored() -> Stored {
    let secret =
        SealedSecret { sealed: "c2VhbGVk".to_owned(), digest: "ab12".to_owned(), last_four: "beef".to_owned() };
    let set = BTreeMap::from([
        ("app_id".to_owned(), Setting::Plain("2021".to_owned())),
        ("private_key".to_owned(), Setting::Secret(secret)),
    ]);
    let at = time("2026-03-05T06:00:00Z");
    vec![
        (
            ProviderEvent::Configured(Configured { set, removed: BTreeSet::new(), at }).into(),
            r#"{"set":{"app_id":{"plain":"2021"},"private_key":{"secret":{"sealed":"c2VhbGVk","digest":"ab12","last_four":"beef"}}},"at":"2026-03-05T06:00:00Z"}"#,
        ),
        (
            ProviderEvent::Configured(Configured {
                set: BTreeMap::new(),
                removed: BTreeSet::from(["app_id".to_owned()]),
                at,
            })
            .into(),
            r#"{"set":{},"removed":["app_id"],"at":"2026-03-05T06:00:00Z"}"#,
        ),
    ]
}
