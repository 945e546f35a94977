//! Where a request comes from. Behind a proxy every connection is the proxy's own: what it says in `X-Forwarded-For`
//! counts, and what somebody wrote there before it does not.

use std::net::{IpAddr, SocketAddr};
use std::sync::Once;

use axum::http::HeaderMap;
use ipnet::IpNet;

const HEADER: &str = "x-forwarded-for";

/// The right-most address that is no trusted proxy's. `peer` is who holds the connection.
pub(super) fn of(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| is_in(trusted, *address);
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

/// As [`of`], for what is held against an address for long. `None`: somebody who is not trusted says that they pass on
/// what another one asks, so theirs may be the address of many.
pub(super) fn sure(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Option<IpAddr> {
    static SAID: Once = Once::new();
    if headers.contains_key(HEADER) && !is_in(trusted, peer.to_canonical()) {
        SAID.call_once(|| {
            tracing::warn!(
                "requests come with X-Forwarded-For from where TRUSTED_PROXIES names nobody: who tries keys there is counted \
                 by account alone"
            );
        });
        return None;
    }
    Some(of(peer, headers, trusted))
}

fn is_in(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address))
}

/// With a port or without, in brackets or not.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(told: &[&'static str]) -> HeaderMap {
        let told = told.iter().map(|told| axum::http::HeaderValue::from_static(told));
        told.map(|told| (axum::http::HeaderName::from_static(HEADER), told)).collect()
    }

    fn networks(trusted: &[&str]) -> Vec<IpNet> {
        let network = |text: &&str| text.parse().unwrap_or_else(|_| IpNet::from(text.parse::<IpAddr>().unwrap()));
        trusted.iter().map(network).collect()
    }

    fn of(peer: &str, told: &[&'static str], trusted: &[&str]) -> String {
        super::of(peer.parse().unwrap(), &headers(told), &networks(trusted)).to_string()
    }

    #[test]
    fn a_network_of_proxies_is_trusted_as_a_whole() {
        let proxies = ["10.1.0.0/16", "2001:db8::/32"];
        assert_eq!(of("10.1.2.3", &["203.0.113.7, 10.1.255.255"], &proxies), "203.0.113.7");
        assert_eq!(of("10.2.0.1", &["203.0.113.7"], &proxies), "10.2.0.1");
        assert_eq!(of("2001:db8:1::1", &["203.0.113.7"], &proxies), "203.0.113.7");
    }

    #[test]
    fn what_a_stranger_passes_on_is_nobodys_in_particular() {
        let sure = |peer: &str, told: &[&'static str], trusted: &[&str]| {
            super::sure(peer.parse().unwrap(), &headers(told), &networks(trusted)).map(|address| address.to_string())
        };
        assert_eq!(sure("192.0.2.1", &["203.0.113.7"], &[]), None);
        assert_eq!(sure("192.0.2.1", &["203.0.113.7"], &["10.0.0.0/8"]), None);
        assert_eq!(sure("192.0.2.1", &[], &[]).as_deref(), Some("192.0.2.1"));
        assert_eq!(sure("::ffff:10.0.0.1", &["203.0.113.7"], &["10.0.0.0/8"]).as_deref(), Some("203.0.113.7"));
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
