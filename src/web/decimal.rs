//! Amounts in requests: `30`, `30.00` or `"30.00"`, read from the text of the body and never through a float.
//!
//! A `RawValue` keeps the text as it was sent. It only works in plain structs: not under `flatten`, not in an untagged
//! or internally tagged enum.

use std::borrow::Cow;

use aggregates::{Credits, Currency, Money};
use serde::de::{Deserialize, Deserializer, Error, Unexpected};
use serde_json::value::RawValue;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{KnownFormat, RefOr, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

use super::problem::{Problem, Reason};

/// Longer than any amount that can be counted; what is longer is not even looked at.
const TEXT_BYTES_MAX: usize = 40;

/// Credits: not negative, at most six decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CreditsIn(pub Credits);

/// Credits to give or to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedCreditsIn {
    pub negative: bool,
    pub amount: Credits,
}

/// An amount whose currency is said elsewhere; [`PriceIn::to_money`] puts the two together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceIn(String);

impl PriceIn {
    /// `pointer` is where the amount was, for the error.
    ///
    /// # Errors
    /// When it is negative or the currency cannot count it.
    pub fn to_money(&self, currency: Currency, pointer: &str) -> Result<Money, Problem> {
        let refused = |detail: String| Problem::field(Reason::BadValue, pointer, detail);
        let money = Money::parse(&self.0, currency).map_err(|error| refused(error.to_string()))?;
        if money.is_negative() {
            return Err(refused("the amount cannot be negative".to_owned()));
        }
        Ok(money)
    }
}

impl<'de> Deserialize<'de> for CreditsIn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer)?.parse().map(Self).map_err(Error::custom)
    }
}

impl<'de> Deserialize<'de> for SignedCreditsIn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = text(deserializer)?;
        let (negative, digits) = text.strip_prefix('-').map_or((false, text.as_str()), |digits| (true, digits));
        // `--5` would be refused as negative, which is not what is wrong with it.
        if digits.starts_with('-') {
            return Err(Error::custom("the amount of credits is not a decimal number like 30 or 30.00"));
        }
        digits.parse().map(|amount| Self { negative, amount }).map_err(Error::custom)
    }
}

impl<'de> Deserialize<'de> for PriceIn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer).map(Self)
    }
}

/// The digits, whether they came as a number or as a string.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    let sent = raw.get();
    let text: Cow<'_, str> = match sent.bytes().next() {
        Some(b'"') => serde_json::from_str::<String>(sent).map(Cow::Owned).map_err(Error::custom)?,
        Some(b'-' | b'0'..=b'9') => Cow::Borrowed(sent),
        other => return Err(Error::invalid_type(unexpected(other), &"a decimal number like 30 or \"30.00\"")),
    };
    if text.len() > TEXT_BYTES_MAX {
        return Err(Error::custom(format_args!("an amount has at most {TEXT_BYTES_MAX} characters")));
    }
    Ok(text.into_owned())
}

fn unexpected(first: Option<u8>) -> Unexpected<'static> {
    match first {
        Some(b'{') => Unexpected::Map,
        Some(b'[') => Unexpected::Seq,
        Some(b't') => Unexpected::Bool(true),
        Some(b'f') => Unexpected::Bool(false),
        _ => Unexpected::Unit,
    }
}

/// What generators and readers of the API document see.
fn schema(pattern: &str, example: &str, description: &str) -> RefOr<Schema> {
    let text = ObjectBuilder::new()
        .schema_type(SchemaType::new(Type::String))
        .format(Some(SchemaFormat::Custom("decimal".to_owned())))
        .pattern(Some(pattern))
        .max_length(Some(TEXT_BYTES_MAX));
    let number = ObjectBuilder::new()
        .schema_type(SchemaType::new(Type::Number))
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Double)));
    let either = OneOfBuilder::new().item(text).item(number).description(Some(description));
    RefOr::T(Schema::OneOf(either.examples([serde_json::Value::from(example)]).build()))
}

macro_rules! decimal_schema {
    ($name:ident, $pattern:literal, $example:literal, $description:literal) => {
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                schema($pattern, $example, $description)
            }
        }

        impl ToSchema for $name {}
    };
}

decimal_schema!(
    CreditsIn,
    r"^(0|[1-9][0-9]{0,12})(\.[0-9]{1,6})?$",
    "5.00",
    "Credits: a decimal with at most six places, as a string or a plain number. Never read through a float."
);
decimal_schema!(
    SignedCreditsIn,
    r"^-?(0|[1-9][0-9]{0,12})(\.[0-9]{1,6})?$",
    "-5.00",
    "Credits to give, or with a minus to take: at most six places, as a string or a plain number."
);
decimal_schema!(
    PriceIn,
    r"^(0|[1-9][0-9]{0,15})(\.[0-9]{1,18})?$",
    "30.00",
    "An amount with no more places than its currency has, as a string or a plain number. Never read through a float."
);

#[cfg(test)]
mod tests {
    use super::*;

    fn credits(json: &str) -> Result<Credits, String> {
        serde_json::from_str::<CreditsIn>(json).map(|it| it.0).map_err(|error| error.to_string())
    }

    #[test]
    fn a_number_and_a_string_mean_the_same() {
        for json in ["30", "30.00", "\"30.00\"", "\"30\"", "\"3\\u0030\""] {
            assert_eq!(credits(json), Ok(Credits::whole(30)), "{json}");
        }
    }

    #[test]
    fn no_digit_is_lost_to_a_float() {
        assert_eq!(credits("9007199254740.993001").unwrap().micros(), 9_007_199_254_740_993_001);
        assert_eq!(credits("0.1").unwrap().micros(), 100_000);
    }

    #[test]
    fn what_is_no_plain_amount_is_refused() {
        for json in [
            "1e3",
            "\"1e3\"",
            "\"NaN\"",
            "-1",
            "\"-1\"",
            "0.0000001",
            "1.0000000",
            "1e400",
            "99999999999999999999",
            "null",
            "true",
            "[]",
            "{}",
            "\"\"",
            "\" 1\"",
            "\"٣\"",
            "-0.5",
            "123456789012345678901234567890123456789012345",
        ] {
            assert!(credits(json).is_err(), "{json}");
        }
    }

    #[test]
    fn a_signed_amount_keeps_its_sign() {
        let read = |json| serde_json::from_str::<SignedCreditsIn>(json);
        let amount = Credits::whole(5);
        assert_eq!(read("-5").unwrap(), SignedCreditsIn { negative: true, amount });
        assert_eq!(read("\"5.00\"").unwrap(), SignedCreditsIn { negative: false, amount });
        assert!(read("\"--5\"").is_err());
        assert!(read("\"+5\"").is_err());
    }

    #[test]
    fn a_price_has_the_digits_of_its_currency() {
        let price: PriceIn = serde_json::from_str("30.00").unwrap();
        let (cny, jpy) = (Currency::iso("CNY").unwrap(), Currency::iso("JPY").unwrap());
        assert_eq!(price.to_money(cny, "/price").unwrap(), Money::from_minor(3_000, cny));
        let problem = price.to_money(jpy, "/price").unwrap_err();
        assert_eq!(problem.errors()[0].pointer.as_deref(), Some("/price"));
        assert!(PriceIn("-1".to_owned()).to_money(cny, "/price").is_err());
    }
}
