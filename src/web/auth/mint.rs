//! A token for development, signed with the secret that checks it.

use aggregates::Locale;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde::Serialize;

use super::{Role, verify};

/// What a token says; for how long is said apart.
#[derive(Clone, Default, Serialize)]
pub struct Claims {
    pub sub: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub role: Role,
    pub locale: Locale,
}

#[derive(Serialize)]
struct Timed<'a> {
    #[serde(flatten)]
    claims: &'a Claims,
    iat: u64,
    exp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
}

/// An HS256 token that is good for `seconds`, for the issuer and audience that a server may ask for.
///
/// # Errors
/// When the claims cannot be written as JSON.
pub fn mint(
    secret: &[u8],
    claims: &Claims,
    seconds: u32,
    issuer: Option<&str>,
    audience: Option<&str>,
) -> Result<String, jsonwebtoken::errors::Error> {
    let iat = verify::now();
    let timed = Timed { claims, iat, exp: iat.saturating_add(seconds.into()), iss: issuer, aud: audience };
    encode(&Header::default(), &timed, &EncodingKey::from_secret(secret))
}
