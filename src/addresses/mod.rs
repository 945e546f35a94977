//! Whether an e-mail address can receive mail. Who asks pays one use of a license for each address that was told apart.
//!
//! ```text
//! mod.rs       who can tell, and what is one address     verdicts.rs  what was told, as it is kept
//! ```

pub mod verdicts;

use std::collections::HashSet;

use async_trait::async_trait;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

/// Of one address; no mail server takes a longer one.
const ADDRESS_BYTES_MAX: usize = 320;

/// How to find out.
#[derive(Clone, Debug)]
pub enum Method {
    /// By asking the address's own mail server.
    Smtp,
    /// By asking a service, with the customer's own key for it.
    Api { key: SecretString },
}

impl Method {
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Api { .. } => "api",
        }
    }
}

/// What was found out about one address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Verdict {
    /// It cannot receive mail.
    Invalid { reason: String },
    /// It could not be told. Nobody pays for that.
    Unknown { reason: String },
}

impl Verdict {
    #[must_use]
    pub const fn is_charged(&self) -> bool {
        matches!(self, Self::Invalid { .. })
    }
}

/// Whoever can tell. Its own trouble with an address is a verdict, too: `Unknown`.
#[async_trait]
pub trait Verifier: Send + Sync {
    /// One verdict for each address, in their order.
    async fn verify(&self, addresses: &[String], method: &Method) -> Vec<Verdict>;
}

/// Knows what an address looks like, and asks nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct SyntaxOnly;

#[async_trait]
impl Verifier for SyntaxOnly {
    async fn verify(&self, addresses: &[String], _: &Method) -> Vec<Verdict> {
        let verdict = |address: &String| match is_address(address) {
            false => Verdict::Invalid { reason: "this is not an e-mail address".to_owned() },
            true => Verdict::Unknown { reason: "no mail server is asked here yet".to_owned() },
        };
        addresses.iter().map(verdict).collect()
    }
}

fn is_address(text: &str) -> bool {
    text.len() <= ADDRESS_BYTES_MAX && text.parse::<lettre::Address>().is_ok()
}

/// Each address once, in the order of the list: without space around it, its domain in lower case, as mail takes it.
#[must_use]
pub fn distinct(list: &[String]) -> Vec<String> {
    let mut seen = HashSet::new();
    let spelled = list.iter().map(|address| match address.trim().rsplit_once('@') {
        Some((local, domain)) => format!("{local}@{}", domain.to_lowercase()),
        None => address.trim().to_owned(),
    });
    spelled.filter(|address| seen.insert(address.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(list: &[&str]) -> Vec<String> {
        list.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn an_address_that_is_there_twice_is_one() {
        let list = texts(&["a@Example.com", " a@example.COM ", "A@example.com", "nobody", "nobody"]);
        assert_eq!(distinct(&list), ["a@example.com", "A@example.com", "nobody"]);
    }

    #[tokio::test]
    async fn only_what_is_no_address_is_told_apart_and_paid_for() {
        let long = format!("{}@example.com", "x".repeat(400));
        let list = texts(&["a@example.com", "nobody", "", "a@b@", "a b@example.com", &long]);
        let charged: Vec<bool> =
            SyntaxOnly.verify(&list, &Method::Smtp).await.iter().map(Verdict::is_charged).collect();
        assert_eq!(charged, [false, true, true, true, true, true]);
    }
}
