//! Between the words of the domain and the columns of a table.

use aggregates::{Credits, Currency, Money};
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

/// An amount of money as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct MoneyView {
    /// `30.00`
    pub amount: String,
    /// `CNY`
    pub currency: String,
}

impl From<Money> for MoneyView {
    fn from(money: Money) -> Self {
        Self { amount: money.to_string(), currency: money.currency().code().to_owned() }
    }
}

/// Credits of a column. Columns are only ever written from `Credits`, so none is negative.
pub(crate) fn credits(micros: i64) -> Result<Credits, sqlx::Error> {
    Credits::from_micros(micros).map_err(decode)
}

/// A currency as a column keeps it: its code, and its decimals where only the settings know them.
pub(crate) fn currency(money: &Money) -> String {
    money.currency().into()
}

pub(crate) fn money(minor: i64, currency: String) -> Result<Money, sqlx::Error> {
    Ok(Money::from_minor(minor, Currency::try_from(currency).map_err(decode)?))
}

/// The name that a plain enum has in JSON: the one word for it in events, rows and views.
pub(crate) fn word<T: Serialize>(value: &T) -> Result<String, crate::Unfit> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Ok(word),
        Ok(_) | Err(_) => Err(crate::Unfit("a value that has no name")),
    }
}

/// Back from [`word`].
pub(crate) fn from_word<T: DeserializeOwned>(word: &str) -> Result<T, sqlx::Error> {
    from_json(serde_json::Value::String(word.to_owned()))
}

pub(crate) fn json<T: Serialize>(value: &T) -> Result<serde_json::Value, crate::Unfit> {
    serde_json::to_value(value).map_err(|_| crate::Unfit("a value that has no JSON"))
}

pub(crate) fn from_json<T: DeserializeOwned>(value: serde_json::Value) -> Result<T, sqlx::Error> {
    serde_json::from_value(value).map_err(decode)
}

/// The log keeps a zero character, as JSON can write it; no column of PostgreSQL can.
pub(crate) fn text(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

pub(crate) fn decode(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}
