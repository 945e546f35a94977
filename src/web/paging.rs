//! Lists: newest first, a page at a time, and the same list as CSV.
//!
//! A cursor is where the last page ended, in the list's own order; to a client it is an opaque word.

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{self, DeserializeOwned, Deserializer};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::{Problem, Reason};

pub const LIMIT_DEFAULT: u32 = 50;
pub const LIMIT_MAX: u32 = 200;
const CURSOR_BYTES_MAX: usize = 1_024;
const NEXT_CURSOR_HEADER: HeaderName = HeaderName::from_static("next-cursor");

/// How many; a field of a list's query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ToSchema)]
#[schema(value_type = u32, minimum = 1, maximum = 200, default = 50)]
pub struct Limit(u32);

impl Limit {
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// What a query asks for: with one more than the page holds it shows whether there is a next page.
    #[must_use]
    pub fn and_one(self) -> i64 {
        i64::from(self.0).saturating_add(1)
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(LIMIT_DEFAULT)
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let inside = u32::deserialize(deserializer).ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
        inside.map(Self).ok_or_else(|| de::Error::custom(format_args!("has to be from 1 to {LIMIT_MAX}")))
    }
}

/// Where to go on; a field of a list's query.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String)]
pub struct Cursor(String);

impl Cursor {
    /// `place` is the last item's, in the order of the list.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn at(place: &impl Serialize) -> Result<Self, Problem> {
        serde_json::to_vec(place).map(|json| Self(URL_SAFE_NO_PAD.encode(json))).map_err(Problem::internal)
    }

    /// # Errors
    /// When it is none of ours.
    pub fn place<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let short = Some(&self.0).filter(|text| text.len() <= CURSOR_BYTES_MAX);
        let json = short.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        let place = json.and_then(|json| serde_json::from_slice(&json).ok());
        place.ok_or_else(|| Problem::parameter(Reason::BadQuery, "cursor", "is not a cursor of this list"))
    }
}

/// One page.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Send it as `cursor` to get the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// `items` holds one more than asked for where there is a next page, which is how we know.
    ///
    /// # Errors
    /// When the cursor cannot be written.
    pub fn cut<P: Serialize>(mut items: Vec<T>, limit: Limit, place: impl Fn(&T) -> P) -> Result<Self, Problem> {
        let wanted = usize::try_from(limit.get()).unwrap_or(usize::MAX);
        let more = items.len() > wanted;
        items.truncate(wanted);
        let last = items.last().filter(|_| more);
        let next_cursor = last.map(|last| Cursor::at(&place(last))).transpose()?.map(|cursor| cursor.0);
        Ok(Self { items, next_cursor })
    }
}

impl<T> Page<T> {
    /// The same page of other items.
    pub fn map<U>(self, other: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(other).collect(), next_cursor: self.next_cursor }
    }
}

/// What the client can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wants {
    Json,
    Csv,
}

impl Wants {
    fn of(headers: &HeaderMap) -> Self {
        let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let kinds = accept.split(',').map(|range| range.split(';').next().unwrap_or_default().trim());
        // The first that is named; what follows is second choice in every client there is.
        let named = kinds.map(str::to_ascii_lowercase).find(|kind| kind == "text/csv" || kind == "application/json");
        if named.as_deref() == Some("text/csv") { Self::Csv } else { Self::Json }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Wants {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(&parts.headers))
    }
}

/// How an item looks as a line of a table.
pub trait Row {
    const HEADER: &'static [&'static str];
    /// Behind those: of an item that is another one and more.
    const MORE: &'static [&'static str] = &[];

    fn cells(&self) -> Vec<String>;
}

impl<T: Row + Serialize> Page<T> {
    /// The page, as the client wants it.
    #[must_use]
    pub fn answer(self, wants: Wants) -> Response {
        match wants {
            Wants::Json => Json(self).into_response(),
            Wants::Csv => self.csv().unwrap_or_else(|error| Problem::internal(error).into_response()),
        }
    }

    fn csv(self) -> Result<Response, csv::Error> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(T::HEADER.iter().chain(T::MORE))?;
        for item in &self.items {
            writer.write_record(item.cells().into_iter().map(harmless))?;
        }
        let table = writer.into_inner().map_err(|error| error.into_error())?;
        let mut response = ([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], table).into_response();
        if let Some(next) = self.next_cursor.and_then(|cursor| HeaderValue::from_str(&cursor).ok()) {
            response.headers_mut().insert(NEXT_CURSOR_HEADER, next);
        }
        Ok(response)
    }
}

/// A spreadsheet runs a cell that looks like a formula. A plain number is none.
fn harmless(cell: String) -> String {
    let number = cell.strip_prefix('-').unwrap_or(&cell);
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if !is_number && cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { format!("'{cell}") } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Line(&'static str, u32);

    impl Row for Line {
        const HEADER: &'static [&'static str] = &["name", "number"];

        fn cells(&self) -> Vec<String> {
            vec![self.0.to_owned(), self.1.to_string()]
        }
    }

    fn lines(count: u32) -> Vec<Line> {
        (0..count).map(|number| Line("a", number)).collect()
    }

    #[test]
    fn a_cursor_leads_to_the_next_page_and_the_last_page_has_none() {
        let page = Page::cut(lines(51), Limit::default(), |line| line.1).unwrap();
        assert_eq!(page.items.len(), 50);
        let cursor = Cursor(page.next_cursor.unwrap());
        assert_eq!(cursor.place::<u32>().unwrap(), 49);
        assert!(Page::cut(lines(50), Limit::default(), |line| line.1).unwrap().next_cursor.is_none());
    }

    #[test]
    fn a_cursor_of_another_list_is_refused() {
        let cursor = Cursor::at(&"text").unwrap();
        assert_eq!(cursor.place::<u32>().unwrap_err().code(), "E1012");
        for bad in ["", "!", &"A".repeat(2_000)] {
            assert!(Cursor(bad.to_owned()).place::<u32>().is_err());
        }
    }

    #[test]
    fn a_limit_is_from_1_to_200() {
        let read = |json: &str| serde_json::from_str::<Limit>(json).ok().map(Limit::get);
        assert_eq!((read("1"), read("200")), (Some(1), Some(200)));
        assert_eq!((read("0"), read("201"), read("-1")), (None, None, None));
    }

    #[test]
    fn the_client_says_what_it_can_read() {
        let wants = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            Wants::of(&headers)
        };
        assert_eq!(wants("text/csv"), Wants::Csv);
        assert_eq!(wants("text/html, Text/CSV;q=0.9"), Wants::Csv);
        assert_eq!(wants("application/json, text/csv"), Wants::Json);
        assert_eq!(wants("*/*"), Wants::Json);
        assert_eq!(Wants::of(&HeaderMap::new()), Wants::Json);
    }

    #[tokio::test]
    async fn a_cell_is_no_formula() {
        for (cell, written) in [
            ("=1+1", "'=1+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("+1", "'+1"),
            ("-1+1", "'-1+1"),
            ("-5.00", "-5.00"),
            ("-", "'-"),
            ("中文", "中文"),
        ] {
            assert_eq!(harmless(cell.to_owned()), written);
        }
        let page = Page { items: vec![Line("=\"a\",b", 1)], next_cursor: Some("next".to_owned()) };
        let response = page.answer(Wants::Csv);
        assert_eq!(response.headers()["next-cursor"], "next");
        let body = axum::body::to_bytes(response.into_body(), 1_000).await.unwrap();
        assert_eq!(body, "name,number\n\"'=\"\"a\"\",b\",1\n");
    }
}
