//! Client networks: what counts as one client where addresses are counted.

use std::net::{IpAddr, Ipv6Addr};

/// The network of an address: an IPv4 address itself, the /64 of an IPv6 address, which one customer has to himself.
#[must_use]
pub(crate) fn client_network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => IpAddr::V6(first_of(ip, 64)),
    }
}

/// The /48 of an IPv6 address, which one customer may have to himself as well, with 65,536 networks in it; `None` for an
/// IPv4 address.
#[must_use]
pub(crate) fn client_site(ip: IpAddr) -> Option<IpAddr> {
    match ip.to_canonical() {
        IpAddr::V4(_) => None,
        IpAddr::V6(ip) => Some(IpAddr::V6(first_of(ip, 48))),
    }
}

/// The first address of the network of so many bits that an address is in.
fn first_of(ip: Ipv6Addr, bits: u32) -> Ipv6Addr {
    Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << (128 - bits)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_in_a_64_are_one_network() {
        let network = |ip: &str| client_network(ip.parse().unwrap());
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:1"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
    }

    #[test]
    fn networks_in_a_48_are_one_site() {
        let site = |ip: &str| client_site(ip.parse().unwrap());
        assert_eq!(site("2001:db8::1"), site("2001:db8:0:ffff::1"));
        assert_ne!(site("2001:db8::1"), site("2001:db8:1::1"));
        assert_eq!(site("192.0.2.1"), None);
        assert_eq!(site("::ffff:192.0.2.1"), None);
    }
}
