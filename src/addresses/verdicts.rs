//! What was told of a list, as it is kept to be told again: each verdict once, with the places in the list that it is of.
//! No address is in it.

use std::collections::BTreeMap;

use super::Verdict;

/// A verifier's own words are cut to this, so that the longest list can be kept.
const REASON_BYTES_MAX: usize = 160;

/// # Errors
/// When it cannot be written as JSON.
pub fn write(told: Vec<Verdict>) -> Result<String, serde_json::Error> {
    let mut places: BTreeMap<Verdict, Vec<usize>> = BTreeMap::new();
    for (place, verdict) in told.into_iter().enumerate() {
        places.entry(short(verdict)).or_default().push(place);
    }
    serde_json::to_string(&places.into_iter().collect::<Vec<_>>())
}

/// In the order of the list; `None`: this is no such text.
#[must_use]
pub fn read(text: &str) -> Option<Vec<Verdict>> {
    let kept: Vec<(Verdict, Vec<usize>)> = serde_json::from_str(text).ok()?;
    let placed = kept.into_iter().flat_map(|(verdict, places)| places.into_iter().map(move |at| (at, verdict.clone())));
    let placed: BTreeMap<usize, Verdict> = placed.collect();
    placed.into_iter().enumerate().map(|(expected, (at, verdict))| (at == expected).then_some(verdict)).collect()
}

/// Without control characters, which JSON makes six of.
fn short(verdict: Verdict) -> Verdict {
    let cut = |reason: String| {
        let mut text: String = reason.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        text.truncate(text.floor_char_boundary(REASON_BYTES_MAX));
        text
    };
    match verdict {
        Verdict::Invalid { reason } => Verdict::Invalid { reason: cut(reason) },
        Verdict::Unknown { reason } => Verdict::Unknown { reason: cut(reason) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invalid(reason: &str) -> Verdict {
        Verdict::Invalid { reason: reason.to_owned() }
    }

    fn unknown(reason: &str) -> Verdict {
        Verdict::Unknown { reason: reason.to_owned() }
    }

    #[test]
    fn what_was_told_is_read_in_the_order_of_the_list() {
        let told = vec![unknown("a"), invalid("a"), unknown("a"), unknown("b")];
        assert_eq!(read(&write(told.clone()).unwrap()), Some(told));
        assert_eq!(read(&write(Vec::new()).unwrap()), Some(Vec::new()));
        for other in ["", "{}", r#"[[{"invalid":{"reason":"a"}},[1]]]"#, r#"[[{"invalid":{"reason":"a"}},[0,2]]]"#] {
            assert_eq!(read(other), None, "{other}");
        }
    }

    #[test]
    fn the_longest_list_with_the_longest_reasons_can_be_kept() {
        let told = (0..1_000).map(|n| invalid(&format!("{n}{}\u{7}é", "\"".repeat(10_000)))).collect();
        let kept = write(told).unwrap();
        // Sealed it is base64.
        assert!(kept.len() / 3 * 4 + 100 < aggregates::license::OUTCOME_BYTES_MAX, "{}", kept.len());
        assert_eq!(read(&kept).unwrap().len(), 1_000);
        assert_eq!(read(&write(vec![invalid("a\nb\u{0}")]).unwrap()), Some(vec![invalid("a b ")]));
    }
}
