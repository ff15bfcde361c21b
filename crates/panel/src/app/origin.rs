//! Where a request comes from, as far as it is one caller.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address as far as it is one caller: an IPv6 network of 64 bits is usually one customer of a provider.
pub(crate) fn group(address: IpAddr) -> String {
    network(address, 32, 64)
}

/// The addresses that one customer of a provider may have at most: 256 of IPv4, 65,536 networks of 64 bits of IPv6.
pub(crate) fn range(address: IpAddr) -> String {
    network(address, 24, 48)
}

/// The network that an address is in, by the length of its prefix of IPv4 and of IPv6.
pub(super) fn network(address: IpAddr, bits_of_4: u32, bits_of_6: u32) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) if bits_of_4 == 32 => address.to_string(),
        IpAddr::V4(address) => format!("{}/{bits_of_4}", Ipv4Addr::from_bits(address.to_bits() & (u32::MAX << (32 - bits_of_4)))),
        IpAddr::V6(address) => format!("{}/{bits_of_6}", Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << (128 - bits_of_6)))),
    }
}

/// Whether something can be reached at an address from another machine or from this one: not nobody's own, not for several receivers, no IPv4 address as
/// IPv6 writes it, and none that needs the name of a network interface.
pub(crate) fn can_be_reached(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.octets()[0] != 0 && address.octets()[0] < 224,
        IpAddr::V6(address) => {
            !address.is_unspecified() && !address.is_multicast() && address.to_ipv4_mapped().is_none() && !address.is_unicast_link_local()
        }
    }
}

/// Where an attempt comes from: one caller, and the range that the caller is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) group: String,
    pub(crate) range: String,
}

impl Origin {
    /// The origin of an address; nothing for this machine's own socket.
    pub(crate) fn of(address: Option<IpAddr>) -> Self {
        let here = || "local".to_owned();
        Self { group: address.map_or_else(here, group), range: address.map_or_else(here, range) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_is_one_caller() {
        let group = |text: &str| group(text.parse().unwrap());
        assert_eq!(group("2001:db8:1:2::1"), group("2001:db8:1:2:ffff::9"));
        assert_ne!(group("2001:db8:1:2::1"), group("2001:db8:1:3::1"));
        assert_eq!(group("::ffff:203.0.113.7"), "203.0.113.7");
    }

    #[test]
    fn what_one_customer_of_a_provider_may_have_is_one_range() {
        let range = |text: &str| range(text.parse().unwrap());
        assert_eq!(range("2001:db8:1:2::1"), "2001:db8:1::/48");
        assert_ne!(range("2001:db8:1::1"), range("2001:db8:2::1"));
        assert_eq!(range("::ffff:203.0.113.7"), "203.0.113.0/24");
    }
}
