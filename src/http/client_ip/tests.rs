use axum::http::HeaderValue;

use super::*;

const PROXY: &str = "10.0.0.1";
const CLIENT: &str = "203.0.113.7";

fn proxies(header: ForwardedHeader) -> TrustedProxies {
    let networks = ["10.0.0.0/8", "fd00::/8"].map(|n| n.parse().unwrap());
    TrustedProxies::new(networks.to_vec(), header)
}

fn request(name: &HeaderName, lines: &[&[u8]]) -> HeaderMap {
    let lines = lines.iter().map(|l| HeaderValue::from_bytes(l).unwrap());
    lines.map(|line| (name.clone(), line)).collect()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// The client when a trusted proxy sends these `X-Forwarded-For` lines.
fn by_list(lines: &[&str]) -> IpAddr {
    let lines: Vec<_> = lines.iter().map(|l| l.as_bytes()).collect();
    let header = ForwardedHeader::XForwardedFor;
    proxies(header).client_ip(ip(PROXY), &request(&X_FORWARDED_FOR, &lines))
}

/// The client when a trusted proxy sends these `Forwarded` lines.
fn by_forwarded(lines: &[&str]) -> IpAddr {
    let lines: Vec<_> = lines.iter().map(|l| l.as_bytes()).collect();
    let header = ForwardedHeader::Forwarded;
    proxies(header).client_ip(ip(PROXY), &request(&header::FORWARDED, &lines))
}

#[test]
fn without_trusted_proxies_the_client_is_the_peer() {
    let nobody = TrustedProxies::new(Vec::new(), ForwardedHeader::XForwardedFor);
    let headers = request(&X_FORWARDED_FOR, &[b"198.51.100.1"]);
    assert_eq!(nobody.client_ip(ip(CLIENT), &headers), ip(CLIENT));
    assert_eq!(nobody.client_ip(ip("::1"), &HeaderMap::new()), ip("::1"));
}

#[test]
fn a_stranger_does_not_choose_its_address_and_is_warned_about_once() {
    for name in [X_FORWARDED_FOR, header::FORWARDED] {
        let proxies = proxies(ForwardedHeader::XForwardedFor);
        proxies.client_ip(ip(CLIENT), &HeaderMap::new());
        assert!(!proxies.warned.load(Ordering::Relaxed));
        let headers = request(&name, &[b"198.51.100.1"]);
        assert_eq!(proxies.client_ip(ip(CLIENT), &headers), ip(CLIENT));
        assert!(proxies.warned.load(Ordering::Relaxed));
        assert_eq!(proxies.client_ip(ip(CLIENT), &headers), ip(CLIENT));
    }
}

#[test]
fn a_trusted_peer_warns_about_nothing() {
    let proxies = proxies(ForwardedHeader::XForwardedFor);
    proxies.client_ip(
        ip(PROXY),
        &request(&header::FORWARDED, &[b"for=198.51.100.1"]),
    );
    assert!(!proxies.warned.load(Ordering::Relaxed));
}

#[test]
fn a_trusted_proxy_without_the_header_is_the_client() {
    assert_eq!(by_list(&[]), ip(PROXY));
    assert_eq!(by_forwarded(&[]), ip(PROXY));
    assert_eq!(by_list(&["", " , ,"]), ip(PROXY));
    assert_eq!(by_forwarded(&["", " , ,"]), ip(PROXY));
}

#[test]
fn only_the_configured_header_is_read() {
    let forwarded = request(&header::FORWARDED, &[b"for=198.51.100.1"]);
    let by_list = proxies(ForwardedHeader::XForwardedFor);
    assert_eq!(by_list.client_ip(ip(PROXY), &forwarded), ip(PROXY));
    let list = request(&X_FORWARDED_FOR, &[b"198.51.100.1"]);
    let by_forwarded = proxies(ForwardedHeader::Forwarded);
    assert_eq!(by_forwarded.client_ip(ip(PROXY), &list), ip(PROXY));
}

#[test]
fn what_a_client_prepends_is_not_read() {
    assert_eq!(by_list(&["1.1.1.1, 203.0.113.7"]), ip(CLIENT));
    assert_eq!(by_list(&["10.9.9.9, 203.0.113.7, 10.0.0.2"]), ip(CLIENT));
    assert_eq!(by_list(&["1.1.1.1", "203.0.113.7"]), ip(CLIENT));
    assert_eq!(by_forwarded(&["for=1.1.1.1, for=203.0.113.7"]), ip(CLIENT));
    assert_eq!(
        by_forwarded(&["for=1.1.1.1", "for=203.0.113.7"]),
        ip(CLIENT)
    );
}

#[test]
fn garbage_that_a_client_prepends_does_not_hide_it() {
    for garbage in [
        "garbage",
        "\"",
        "for=\"",
        "for=\"1.1.1.1, \\",
        "=;=",
        "for=\"\\\"",
    ] {
        assert_eq!(by_list(&[&format!("{garbage}, {CLIENT}")]), ip(CLIENT));
        let line = format!("{garbage}, for={CLIENT};proto=https;host=\"a,b\"");
        assert_eq!(by_forwarded(&[&line]), ip(CLIENT), "{line}");
        assert_eq!(by_forwarded(&[garbage, "for=203.0.113.7"]), ip(CLIENT));
    }
    let headers = request(&X_FORWARDED_FOR, &[b"\xff\xfe, 203.0.113.7"]);
    let proxies = proxies(ForwardedHeader::XForwardedFor);
    assert_eq!(proxies.client_ip(ip(PROXY), &headers), ip(CLIENT));
}

#[test]
fn quoted_strings_of_a_proxy_hide_no_parameters() {
    for host in [
        "x, for=6.6.6.6",
        "x;for=6.6.6.6",
        "x\\\";for=6.6.6.6;y=\\\"",
        "x\\\", for=6.6.6.6, for=6.6.6.6;y=\\\"",
        "x\\\\",
    ] {
        let line = format!("for={CLIENT};host=\"{host}\"");
        assert_eq!(by_forwarded(&[&line]), ip(CLIENT), "{line}");
    }
}

#[test]
fn trusted_proxies_are_passed_to_the_first_address_that_is_none() {
    assert_eq!(by_list(&["203.0.113.7, 10.0.0.3, fd00::2"]), ip(CLIENT));
    let line = "for=203.0.113.7, for=\"[fd00::2]:80\", for=10.0.0.3";
    assert_eq!(by_forwarded(&[line]), ip(CLIENT));
    assert_eq!(
        by_list(&["203.0.113.7", "10.0.0.3, 10.0.0.4", "10.0.0.5"]),
        ip(CLIENT)
    );
}

#[test]
fn the_first_of_all_is_the_client_if_all_are_trusted() {
    assert_eq!(by_list(&["10.0.0.9, 10.0.0.8"]), ip("10.0.0.9"));
    assert_eq!(by_list(&["10.0.0.9", "10.0.0.8"]), ip("10.0.0.9"));
    assert_eq!(
        by_forwarded(&["for=10.0.0.9, for=10.0.0.8"]),
        ip("10.0.0.9")
    );
}

#[test]
fn an_element_that_is_no_address_ends_the_search_at_its_hop() {
    assert_eq!(by_list(&["203.0.113.7, unknown"]), ip(PROXY));
    assert_eq!(by_list(&["203.0.113.7, unknown, 10.0.0.2"]), ip("10.0.0.2"));
    assert_eq!(by_list(&["203.0.113.7, 10.0.0.999"]), ip(PROXY));
    for hidden in [
        "for=unknown",
        "for=_hidden",
        "proto=https",
        "for=",
        "garbage",
    ] {
        let line = format!("for=203.0.113.7, {hidden}, for=10.0.0.2");
        assert_eq!(by_forwarded(&[&line]), ip("10.0.0.2"), "{hidden}");
        assert_eq!(by_forwarded(&[hidden]), ip(PROXY), "{hidden}");
    }
    let twice = "for=203.0.113.7;for=198.51.100.1";
    assert_eq!(by_forwarded(&[twice]), ip(PROXY));
}

#[test]
fn ports_and_brackets_are_allowed() {
    for (element, address) in [
        ("203.0.113.7:5678", "203.0.113.7"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:80", "2001:db8::1"),
    ] {
        assert_eq!(by_list(&[element]), ip(address), "{element}");
        let quoted = format!("For=\"{element}\" ; by=10.0.0.1");
        assert_eq!(by_forwarded(&[&quoted]), ip(address), "{element}");
    }
    assert_eq!(by_forwarded(&["FOR=203.0.113.7"]), ip(CLIENT));
}

#[test]
fn ipv4_mapped_addresses_are_ipv4() {
    let proxies = proxies(ForwardedHeader::XForwardedFor);
    let headers = request(&X_FORWARDED_FOR, &[b"::ffff:203.0.113.7"]);
    assert_eq!(
        proxies.client_ip(ip("::ffff:10.0.0.1"), &headers),
        ip(CLIENT)
    );
    assert_eq!(
        proxies.client_ip(ip("::ffff:203.0.113.7"), &headers),
        ip(CLIENT)
    );
    let mapped = vec!["::ffff:10.0.0.0/104".parse().unwrap()];
    let proxies = TrustedProxies::new(mapped, ForwardedHeader::XForwardedFor);
    assert_eq!(proxies.client_ip(ip(PROXY), &headers), ip(CLIENT));
}

#[test]
fn a_network_that_is_wider_than_the_mapped_addresses_stays_ipv6() {
    let all: IpNet = "::/0".parse().unwrap();
    assert_eq!(canonical_network(all), all);
}

#[test]
fn networks_are_read_from_texts() {
    let proxies = TrustedProxies::from_texts(
        &["10.0.0.0/8", "2001:db8::1"],
        ForwardedHeader::XForwardedFor,
    )
    .unwrap();
    assert!(proxies.trusts("10.1.2.3".parse().unwrap()));
    assert!(proxies.trusts("2001:db8::1".parse().unwrap()));
    assert!(!proxies.trusts("2001:db8::2".parse().unwrap()));
    for bad in [
        "",
        "10.0.0.0/33",
        "proxy.example.com",
        "10.0.0.0/8,10.1.0.0/16",
    ] {
        let error = TrustedProxies::from_texts(&[bad], ForwardedHeader::XForwardedFor).unwrap_err();
        assert_eq!(error.field(), Some("trusted_proxies"));
    }
}
