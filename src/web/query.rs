//! The query string and the segments of the path, as strict as bodies are.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::json::field_problem;
use super::problem::{Problem, Reason};

/// The query, read into a struct that denies unknown fields.
#[derive(Clone, Copy, Debug)]
pub struct Params<T>(pub T);

/// What the path names.
#[derive(Clone, Copy, Debug)]
pub struct Named<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parse(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let named = Path::<T>::from_request_parts(parts, state).await;
        named.map(|Path(named)| Self(named)).map_err(|_| Problem::new(Reason::BadPath, "the path is malformed"))
    }
}

fn parse<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    if !is_utf8(query) {
        return Err(Problem::new(Reason::BadQuery, "the query is not UTF-8"));
    }
    let pairs = serde_urlencoded::Deserializer::new(url::form_urlencoded::parse(query.as_bytes()));
    serde_path_to_error::deserialize(pairs).map_err(|error| {
        let at: String = error.path().iter().map(|segment| format!("/{segment}")).collect();
        let problem = field_problem(at, &error.into_inner().to_string());
        let found = problem.errors().first();
        let name = found.and_then(|found| found.pointer.as_deref()).unwrap_or_default().trim_start_matches('/');
        let detail = found.map_or("is malformed", |found| found.detail.as_str());
        Problem::parameter(Reason::BadQuery, name, detail)
    })
}

/// The decoder would put a replacement character where there is no text.
fn is_utf8(query: &str) -> bool {
    let mut bytes = Vec::with_capacity(query.len());
    let mut pieces = query.split('%');
    bytes.extend_from_slice(pieces.next().unwrap_or_default().as_bytes());
    for piece in pieces {
        let decoded = piece.get(..2).and_then(|digits| hex::decode(digits).ok());
        match (decoded, piece.get(2..)) {
            (Some(decoded), Some(rest)) => {
                bytes.extend(decoded);
                bytes.extend_from_slice(rest.as_bytes());
            }
            _ => bytes.extend_from_slice(piece.as_bytes()),
        }
    }
    std::str::from_utf8(&bytes).is_ok()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Filter {
        state: Option<String>,
        count: Option<u32>,
    }

    #[test]
    fn a_query_is_read_into_its_fields() {
        let filter: Filter = parse("state=%E4%B8%AD+1&count=7").unwrap();
        assert_eq!((filter.state.as_deref(), filter.count), (Some("中 1"), Some(7)));
        assert!(parse::<Filter>("").is_ok());
    }

    #[test]
    fn what_is_wrong_is_named_by_parameter() {
        for (query, name) in [
            ("colour=red", "colour"),
            ("count=-1", "count"),
            ("count=1e3", "count"),
            ("count=99999999999", "count"),
            ("count=", "count"),
            ("state=a&state=b", "state"),
        ] {
            let problem = parse::<Filter>(query).unwrap_err();
            assert_eq!(problem.code(), "E1012");
            assert_eq!(problem.errors()[0].parameter.as_deref(), Some(name), "{query}: {problem:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        for query in ["state=%ff", "state=%C3%28", "%80=1"] {
            assert_eq!(parse::<Filter>(query).unwrap_err().code(), "E1012", "{query}");
        }
        assert!(parse::<Filter>("state=100%").is_ok());
    }
}
