//! What the browser brings along when it comes back after paying. For the page it comes to: nothing is granted for it.

use aws_lc_rs::constant_time;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use url::form_urlencoded;

const SIGNATURE: &str = "signature";

/// Whether a query is signed with the API key: SHA-256 of its pairs in their order, without those that say nothing.
#[must_use]
pub fn is_genuine(query: &str, api_key: &SecretString) -> bool {
    let mut given = None;
    let mut digest = Sha256::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if name == SIGNATURE {
            // Of two nobody could say which one it is.
            if given.replace(value.into_owned()).is_some() {
                return false;
            }
        } else if name.contains('|') || value.contains('|') {
            // Two pairs could pass for one.
            return false;
        } else if !value.is_empty() && value != "null" {
            digest.update(format!("{name}={value}|"));
        }
    }
    digest.update("salt=");
    digest.update(api_key.expose_secret());
    let expected = hex::encode(digest.finalize());
    given.is_some_and(|given| constant_time::verify_slices_are_equal(given.as_bytes(), expected.as_bytes()).is_ok())
}
