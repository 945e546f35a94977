//! Between the words of the domain and the columns of a table.

use aggregates::Credits;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Credits of a column, for a view: `"1.50"`. Columns are only ever written from `Credits`, so none is negative.
pub(crate) fn credits(micros: i64) -> Result<Credits, sqlx::Error> {
    Credits::from_micros(micros).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// The name that a plain enum has in JSON: the one word for it in events, rows and views.
pub(crate) fn word<T: Serialize>(value: &T) -> Result<String, crate::Unfit> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Ok(word),
        _ => Err(crate::Unfit("a value that has no name")),
    }
}

/// Back from [`word`].
pub(crate) fn from_word<T: DeserializeOwned>(word: &str) -> Result<T, sqlx::Error> {
    serde_json::from_value(serde_json::Value::String(word.to_owned()))
        .map_err(|error| sqlx::Error::Decode(error.into()))
}
