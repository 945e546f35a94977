//! What a client wants kept with its charge: a JSON object, in the one spelling that its text, its hash and the log
//! share. Numbers stay as they were written, because reading a large one as a float would make it another one.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

/// An object without white space, its names in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata(String);

/// Not an object, or with a number that no number type holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("has to be an object of JSON values")]
pub struct BadMetadata;

impl Metadata {
    /// # Errors
    /// When it is no object, or holds what cannot be read back.
    pub fn new(raw: &RawValue) -> Result<Self, BadMetadata> {
        if !raw.get().starts_with('{') {
            return Err(BadMetadata);
        }
        let mut text = String::with_capacity(raw.get().len());
        write(raw, &mut text).map_err(|_| BadMetadata)?;
        Ok(Self(text))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// As deep as the value is, which whoever received it has bounded.
fn write(raw: &RawValue, to: &mut String) -> Result<(), serde_json::Error> {
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'{') => {
            let fields: BTreeMap<String, &RawValue> = serde_json::from_str(text)?;
            list(to, ['{', '}'], fields, |(name, value), to| {
                to.push_str(&serde_json::to_string(&name)?);
                to.push(':');
                write(value, to)
            })
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text)?;
            list(to, ['[', ']'], items, write)
        }
        Some(b'"') => {
            to.push_str(&serde_json::from_str::<Value>(text)?.to_string());
            Ok(())
        }
        _ => {
            // Whoever reads the log has to be able to.
            serde_json::from_str::<Value>(text)?;
            to.push_str(text);
            Ok(())
        }
    }
}

fn list<T>(
    to: &mut String,
    [open, close]: [char; 2],
    items: impl IntoIterator<Item = T>,
    write: impl Fn(T, &mut String) -> Result<(), serde_json::Error>,
) -> Result<(), serde_json::Error> {
    to.push(open);
    for (n, item) in items.into_iter().enumerate() {
        if n > 0 {
            to.push(',');
        }
        write(item, to)?;
    }
    to.push(close);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(text: &str) -> Result<String, BadMetadata> {
        let raw: Box<RawValue> = serde_json::from_str(text).unwrap();
        Metadata::new(&raw).map(|metadata| metadata.0)
    }

    #[test]
    fn the_same_object_in_other_words_is_the_same() {
        let one = r#"{ "b" : [1, {"d": null, "c": "\u4e2d"}], "a": true }"#;
        let other = r#"{"a":true,"b":[1,{"c":"中","d":null}]}"#;
        assert_eq!(metadata(one), metadata(other));
        assert_eq!(metadata(other).unwrap(), other);
    }

    #[test]
    fn a_large_number_stays_itself() {
        let large = r#"{"id":123456789012345678901234567890,"exact":0.30000000000000000000001}"#;
        assert_eq!(
            metadata(large).unwrap(),
            r#"{"exact":0.30000000000000000000001,"id":123456789012345678901234567890}"#
        );
    }

    #[test]
    fn what_is_no_object_or_cannot_be_read_back_is_refused() {
        for text in ["[]", "7", r#""{}""#, "null", r#"{"a": [1e400]}"#] {
            assert_eq!(metadata(text), Err(BadMetadata), "{text}");
        }
    }
}
