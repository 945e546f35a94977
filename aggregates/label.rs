//! The free text a caller may put on a movement (what was metered, their own reference), and its bounds.

use thiserror::Error;

pub const LABEL_BYTES_MAX: usize = 128;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a meter or a reference has 1 to {LABEL_BYTES_MAX} bytes and no control characters")]
pub struct BadLabel;

pub(crate) fn check(label: &str) -> Result<(), BadLabel> {
    let fits = (1..=LABEL_BYTES_MAX).contains(&label.len()) && !label.chars().any(char::is_control);
    if fits { Ok(()) } else { Err(BadLabel) }
}

/// The labels of one command; only `try_new` makes them, so whoever holds them may write them down.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Labels<'a> {
    meter: Option<&'a str>,
    reference: Option<&'a str>,
}

impl<'a> Labels<'a> {
    /// Every event keeps its labels for ever, so they are bounded here and not only at the edge.
    pub(crate) fn try_new(meter: &'a Option<String>, reference: &'a Option<String>) -> Result<Self, BadLabel> {
        let labels = Self { meter: meter.as_deref(), reference: reference.as_deref() };
        labels.meter.map_or(Ok(()), check)?;
        labels.reference.map_or(Ok(()), check)?;
        Ok(labels)
    }

    pub(crate) fn meter(&self) -> Option<String> {
        self.meter.map(str::to_owned)
    }

    pub(crate) fn reference(&self) -> Option<String> {
        self.reference.map(str::to_owned)
    }
}
