//! Where a request comes from. Behind a proxy every connection is the proxy's own: what it says in `X-Forwarded-For`
//! counts, and what somebody wrote there before it does not.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;

const HEADER: &str = "x-forwarded-for";

/// The right-most address that is no trusted proxy's. `peer` is who holds the connection.
pub(super) fn of(peer: IpAddr, headers: &HeaderMap, trusted: &[IpAddr]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.contains(address);
    let mut nearest = peer.to_canonical();
    let told = headers.get_all(HEADER).iter().rev().flat_map(|value| value.to_str().unwrap_or_default().rsplit(','));
    for hop in told {
        if !is_trusted(&nearest) {
            break;
        }
        // A proxy that says nothing that is an address speaks for itself.
        let Some(address) = address(hop.trim()) else { break };
        nearest = address.to_canonical();
    }
    nearest
}

/// With a port or without, in brackets or not.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(peer: &str, told: &[&'static str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for told in told {
            headers.append(HEADER, axum::http::HeaderValue::from_static(told));
        }
        let trusted: Vec<IpAddr> = trusted.iter().map(|address| address.parse().unwrap()).collect();
        super::of(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        assert_eq!(of("192.0.2.1", &["203.0.113.7"], &[]), "192.0.2.1");
        assert_eq!(of("192.0.2.1", &["203.0.113.7"], &["10.0.0.1"]), "192.0.2.1");
        assert_eq!(of("10.0.0.1", &["203.0.113.7"], &["10.0.0.1"]), "203.0.113.7");
        assert_eq!(of("::ffff:10.0.0.1", &["203.0.113.7"], &["10.0.0.1"]), "203.0.113.7");
    }

    #[test]
    fn what_the_client_wrote_itself_does_not_count() {
        let proxies = ["10.0.0.1", "10.0.0.2"];
        assert_eq!(of("10.0.0.1", &["198.51.100.9, 203.0.113.7, 10.0.0.2"], &proxies), "203.0.113.7");
        assert_eq!(of("10.0.0.1", &["198.51.100.9", "203.0.113.7"], &proxies), "203.0.113.7");
        assert_eq!(of("10.0.0.1", &["203.0.113.7, nonsense"], &proxies), "10.0.0.1");
        assert_eq!(of("10.0.0.1", &[], &proxies), "10.0.0.1");
        assert_eq!(of("10.0.0.1", &["10.0.0.2"], &proxies), "10.0.0.2");
    }

    #[test]
    fn an_address_may_have_a_port() {
        assert_eq!(of("10.0.0.1", &["203.0.113.7:4711"], &["10.0.0.1"]), "203.0.113.7");
        assert_eq!(of("10.0.0.1", &["[2001:db8::1]:4711"], &["10.0.0.1"]), "2001:db8::1");
        assert_eq!(of("10.0.0.1", &["2001:db8::1"], &["10.0.0.1"]), "2001:db8::1");
    }
}
