//! Which server is loaded. A load generator pointed at somebody else's machine is an attack: only loopback addresses,
//! unless the one who asks says otherwise.

use std::fmt;
use std::net::SocketAddr;

use anyhow::{Context, ensure};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use axum::http::{HeaderMap, HeaderValue, Method, Request, Uri};
use http_body_util::Full;
use hyper::body::Bytes;
use secrecy::ExposeSecret;

use super::Server;

const CHARGE_PATH: &str = "/api/v1/usage";
const HTTP_PORT: u16 = 80;

pub(super) type Asked = Request<Full<Bytes>>;

/// A server that has been found, and everything of a request that is the same in each.
pub(super) struct Target {
    pub(super) address: SocketAddr,
    charge: Uri,
    headers: HeaderMap,
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
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))
            .ok()
            .context("the token has characters that no token has")?;
        bearer.set_sensitive(true);
        let headers = HeaderMap::from_iter([
            (HOST, HeaderValue::try_from(address.to_string())?),
            (AUTHORIZATION, bearer),
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        ]);
        Ok(Self { address, charge: Uri::from_static(CHARGE_PATH), headers })
    }

    pub(super) fn charge(&self, body: Bytes) -> Asked {
        self.post(self.charge.clone(), body)
    }

    pub(super) fn post(&self, path: Uri, body: Bytes) -> Asked {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = path;
        *request.headers_mut() = self.headers.clone();
        request
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
        assert_eq!(request.headers()[AUTHORIZATION], "Bearer a.b.c");
        assert_eq!(request.uri(), "/api/v1/usage");
        assert!(!format!("{request:?}").contains("a.b.c"));
    }
}
