//! The address of the client that sent a request.
//!
//! Owns the decision which hop of a chain of proxies is the client. It reads only the connection's
//! address and the one forwarding header that the configuration names: a proxy passes on what a
//! stranger put into headers that it does not know, so no other header says anything.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicBool, Ordering},
};

use axum::http::{HeaderMap, HeaderName, header};
use forwarded_header_value::Identifier;
use ipnet::{IpNet, Ipv4Net};

use crate::error::{Error, Result};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// An IPv4 address inside IPv6 begins with this many fixed bits (`::ffff:0:0/96`, RFC 4291).
const MAPPED_PREFIX_BITS: u8 = 96;

/// The header in which the trusted proxies say for whom they speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`: a list of addresses, the nearest one last.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239): a list of elements with a `for` parameter, the nearest one last.
    Forwarded,
}

impl ForwardedHeader {
    const fn name(self) -> HeaderName {
        match self {
            Self::XForwardedFor => X_FORWARDED_FOR,
            Self::Forwarded => header::FORWARDED,
        }
    }

    /// The elements of one header line, the last one first.
    ///
    /// Empty elements are no elements (RFC 9110, section 5.6.1.2).
    fn elements(self, line: &str) -> impl Iterator<Item = &str> {
        let elements = match self {
            Self::XForwardedFor => line.rsplit(',').collect(),
            Self::Forwarded => split_outside_quotes(line, b','),
        };
        elements.into_iter().filter(|e| !e.trim().is_empty())
    }

    /// The address that an element reports, or none: `unknown`, an obfuscated name, garbage.
    fn address(self, element: &str) -> Option<IpAddr> {
        let node = match self {
            Self::XForwardedFor => element,
            Self::Forwarded => for_parameter(element)?,
        };
        let address = node.parse::<Identifier>().ok()?.ip()?;
        Some(address.to_canonical())
    }
}

/// The proxies whose word about the client's address is taken.
#[derive(Debug, Default)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    header: ForwardedHeader,
    /// Whether a forwarding header from a stranger has been warned about.
    warned: AtomicBool,
}

impl TrustedProxies {
    /// Trusts the proxies in `networks`, which report clients in `header`.
    ///
    /// Without networks nobody is trusted, and the client is always the connection's other end.
    /// Networks of IPv4-mapped IPv6 addresses are the IPv4 networks that they stand for.
    #[must_use]
    pub(crate) fn new(networks: Vec<IpNet>, header: ForwardedHeader) -> Self {
        Self {
            networks: networks.into_iter().map(canonical_network).collect(),
            header,
            warned: AtomicBool::new(false),
        }
    }

    /// Trusts the proxies in networks that are written as `10.0.0.0/8`, or single addresses.
    ///
    /// # Errors
    ///
    /// `BAD_USER_INPUT`, field `trusted_proxies`, where one is neither.
    pub fn from_texts(networks: &[&str], header: ForwardedHeader) -> Result<Self> {
        let network = |text: &&str| {
            text.parse()
                .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
                .map_err(|_| {
                    Error::bad_user_input("trusted_proxies", "must be networks, as 10.0.0.0/8")
                })
        };
        let networks = networks.iter().map(network).collect::<Result<_>>()?;
        Ok(Self::new(networks, header))
    }

    /// The address of the client of a request that came from `peer` with `headers`.
    ///
    /// That is `peer`, unless it is a trusted proxy: then the list in the forwarding header is read
    /// from its end, past trusted proxies, to the first address that is none; the first address of
    /// all if all are trusted. Several lines of the header are one list. An element that is no
    /// address ends the search at the hop that reported it. IPv4-mapped IPv6 addresses are IPv4
    /// addresses, so that a client has one address whichever socket it arrives at.
    ///
    /// # Why
    ///
    /// A client writes what it likes into the header, and the proxies append behind it. Reading
    /// from the end meets only what trusted hops wrote, and nothing that the client wrote before
    /// that can disturb it: not a wrong element, not an open quotation mark, not a stray byte.
    pub fn client_ip(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            self.warn_once(headers);
            return peer;
        }
        let mut hop = peer;
        for line in headers.get_all(self.header.name()).iter().rev() {
            let line = String::from_utf8_lossy(line.as_bytes());
            for element in self.header.elements(&line) {
                let Some(reported) = self.header.address(element) else {
                    return hop;
                };
                hop = reported;
                if !self.trusts(hop) {
                    return hop;
                }
            }
        }
        hop
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|n| n.contains(&address))
    }

    /// Warns once about a forwarding header from a peer that is not trusted: either a proxy was
    /// forgotten in the configuration, and all its clients look like one, or somebody tries.
    fn warn_once(&self, headers: &HeaderMap) {
        let found = [X_FORWARDED_FOR, header::FORWARDED]
            .into_iter()
            .find(|name| headers.contains_key(name));
        if let Some(name) = found
            && !self.warned.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                header = name.as_str(),
                "ignored a forwarding header from a peer that is not in trusted_proxies; if it is \
                 your proxy, add its network (this is logged once)"
            );
        }
    }
}

/// The value of the `for` parameter of an element of `Forwarded`.
///
/// None where it is missing (a proxy that hides its client), and where it comes twice: RFC 7239,
/// section 4, allows each parameter once.
fn for_parameter(element: &str) -> Option<&str> {
    let mut values = split_outside_quotes(element, b';')
        .into_iter()
        .filter_map(|pair| pair.split_once('='))
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"))
        .map(|(_, value)| value);
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

/// Splits `text` at each `separator` (an ASCII character) outside quoted strings, the last part first.
///
/// # Why
///
/// `forwarded_header_value` reads single nodes well, but it splits inside quoted strings too, so
/// that `host="x, for=192.0.2.1"` would be a client's way to choose its address, and refuses a list
/// for one bad element, so that a client could hide behind its proxy's address. This goes from the
/// end, where the trusted proxies wrote: what they wrote well is split well, whatever is before it.
fn split_outside_quotes(text: &str, separator: u8) -> Vec<&str> {
    let bytes = text.as_bytes();
    let mut parts = Vec::new();
    let mut end = bytes.len();
    let mut quoted = false;
    for (at, &byte) in bytes.iter().enumerate().rev() {
        if byte == b'"' && !is_escaped(&bytes[..at]) {
            quoted = !quoted;
        } else if byte == separator && !quoted {
            parts.push(&text[at + 1..end]);
            end = at;
        }
    }
    parts.push(&text[..end]);
    parts
}

/// Whether the byte behind `before` is escaped: an odd number of backslashes stands before it.
fn is_escaped(before: &[u8]) -> bool {
    let backslashes = before.iter().rev().take_while(|&&b| b == b'\\').count();
    backslashes % 2 == 1
}

fn canonical_network(network: IpNet) -> IpNet {
    let IpNet::V6(mapped) = network else {
        return network;
    };
    let prefix = mapped.prefix_len().checked_sub(MAPPED_PREFIX_BITS);
    prefix
        .zip(mapped.addr().to_ipv4_mapped())
        .and_then(|(prefix, address)| Ipv4Net::new(address, prefix).ok())
        .map_or(network, IpNet::V4)
}

#[cfg(test)]
mod tests;
