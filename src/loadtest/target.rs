//! Which server is loaded. A load generator pointed at somebody else's machine is an attack: only loopback addresses,
//! unless the one who asks says otherwise.

use std::fmt;
use std::net::SocketAddr;

use anyhow::{Context, ensure};
use axum::http::HeaderValue;
use hyper::body::Bytes;
use secrecy::{ExposeSecret, SecretString};

use super::Server;

const CHARGE_PATH: &str = "/api/v1/usage";
const HTTP_PORT: u16 = 80;
/// Of a request's head, apart from its path and headers.
const HEAD_BYTES: usize = 64;

/// A request as it is written. It holds the token, so nothing prints it.
pub(crate) struct Asked(Vec<u8>);

impl Asked {
    /// Head and body.
    pub(crate) fn new(request: Vec<u8>) -> Self {
        Self(request)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A server that has been found, and everything of a request that is the same in each.
pub(super) struct Target {
    pub(super) address: SocketAddr,
    /// All headers but the length.
    headers: SecretString,
}

impl Target {
    /// Looks the address up; blocks while it does.
    pub(super) fn find(server: &Server) -> anyhow::Result<Self> {
        let Server { url, token, allow_remote } = server;
        ensure!(url.scheme() == "http", "the load generator speaks plain HTTP: http://…");
        ensure!(url.path() == "/", "the URL is the server's own, without a path");
        let addresses = url.socket_addrs(|| Some(HTTP_PORT)).context("looking the server up")?;
        let address = addresses.first().copied().context("the server's name has no address")?;
        ensure!(
            *allow_remote || addresses.iter().all(|address| address.ip().to_canonical().is_loopback()),
            "{address} is another machine; --allow-remote if it is yours"
        );
        let token = token.expose_secret();
        ensure!(HeaderValue::try_from(token).is_ok(), "the token has characters that no token has");
        let headers = format!("Host: {address}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n");
        Ok(Self { address, headers: headers.into() })
    }

    pub(super) fn charge(&self, body: Bytes) -> Asked {
        self.post(CHARGE_PATH, "", &body)
    }

    /// `path` is escaped; `headers` are more of them, each a whole line.
    pub(super) fn post(&self, path: &str, headers: &str, body: &[u8]) -> Asked {
        let (all, length) = (self.headers.expose_secret(), body.len());
        let mut request = Vec::with_capacity(path.len() + all.len() + headers.len() + length + HEAD_BYTES);
        let length = length.to_string();
        for part in ["POST ", path, " HTTP/1.1\r\n", all, headers, "Content-Length: ", &length, "\r\n\r\n"] {
            request.extend_from_slice(part.as_bytes());
        }
        request.extend_from_slice(body);
        Asked(request)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(url: &str, allow_remote: bool) -> anyhow::Result<Target> {
        Target::find(&Server { url: url.parse()?, token: "a.b.c".into(), allow_remote })
    }

    #[test]
    fn other_machines_are_left_alone_unless_allowed() {
        for here in ["http://127.0.0.1:8080", "http://[::1]:8080", "http://127.9.9.9", "http://[::ffff:127.0.0.1]:1"] {
            assert!(found(here, false).is_ok(), "{here}");
        }
        for elsewhere in ["http://192.0.2.1:8080", "http://[2001:db8::1]", "http://0.0.0.0:8080"] {
            assert!(found(elsewhere, false).is_err(), "{elsewhere}");
            assert!(found(elsewhere, true).is_ok(), "{elsewhere}");
        }
    }

    #[test]
    fn what_it_cannot_speak_it_refuses() {
        assert!(found("https://127.0.0.1:8080", false).is_err());
        assert!(found("http://127.0.0.1:8080/prefix", false).is_err());
    }

    #[test]
    fn a_request_says_who_asks_and_never_shows_it() {
        let target = found("http://127.0.0.1:8080", false).unwrap();
        let request = target.charge(Bytes::from_static(b"{}"));
        let text = std::str::from_utf8(request.bytes()).unwrap();
        assert!(text.starts_with("POST /api/v1/usage HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"), "{text}");
        assert!(text.contains("\r\nAuthorization: Bearer a.b.c\r\n"), "{text}");
        assert!(text.ends_with("\r\nContent-Length: 2\r\n\r\n{}"), "{text}");
    }
}
