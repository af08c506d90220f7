//! Whose address a request counts for.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use http::{HeaderMap, HeaderName};

/// A range of addresses, written `10.0.0.0/8` or `2001:db8::/32`; an address alone is a range of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether an address is in the range. An IPv4 address written as IPv6 (`::ffff:a.b.c.d`) is the IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                u32::from(network) & mask == u32::from(address) & mask
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                u128::from(network) & mask == u128::from(address) & mask
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' must be an address or a range such as 10.0.0.0/8");
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(longest), str::parse).map_err(|_| wrong())?;
        if prefix > longest { Err(wrong()) } else { Ok(Self { address, prefix }) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// The proxies whose word about a client's address is believed.
#[derive(Clone, Debug)]
pub struct Proxies {
    /// Their addresses. Nobody else's forwarding header is read.
    pub trusted: Vec<Network>,
    /// The one header that they set: `x-forwarded-for`, or `forwarded` (RFC 7239). The other is never read, since a proxy
    /// that does not set it passes on what the client wrote there.
    pub header: HeaderName,
}

impl Proxies {
    /// Whether a peer is one of them.
    #[must_use]
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }

    /// The client's address: the peer's own, or behind trusted proxies the last address in their header that is not one of
    /// theirs. An entry that is no address ends the search: then it is the proxy's that passed it on.
    #[must_use]
    pub fn client(&self, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
        let peer = peer.to_canonical();
        if self.trusted.is_empty() || !self.trusts(peer) {
            return peer;
        }
        let standard = self.header == http::header::FORWARDED;
        let mut client = peer;
        let lines = headers.get_all(&self.header).iter().filter_map(|value| value.to_str().ok());
        let entries: Vec<&str> = lines.flat_map(|line| line.split(',')).collect();
        for entry in entries.into_iter().rev() {
            let named = if standard { forwarded_for(entry) } else { Some(entry.trim()) };
            let Some(address) = named.and_then(address) else { return client };
            client = address.to_canonical();
            if !self.trusts(client) {
                return client;
            }
        }
        client
    }
}

/// The `for` parameter of one element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<&str> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then(|| value.trim().trim_matches('"'))
    })
}

/// An address with or without a port; IPv6 with a port, and in `Forwarded`, stands in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse().ok().map(|address: SocketAddr| address.ip()))
}

/// What addresses count as one: an IPv4 address, or an IPv6 network of 64 bits, which is what one customer is given.
#[must_use]
pub(crate) fn counted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let network = u128::from(address) & (u128::MAX << 64);
            IpAddr::V6(Ipv6Addr::from(network))
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName};

    use super::{Network, Proxies, counted};

    #[test]
    fn ranges_hold_what_they_say() {
        for (range, address, expected) in [
            ("10.0.0.0/8", "10.255.1.2", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("10.0.0.7", "10.0.0.7", true),
            ("10.0.0.7", "10.0.0.8", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/32", "2001:db8:9::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "2001:db9::1", true),
        ] {
            let network: Network = range.parse().expect(range);
            assert_eq!(network.contains(address.parse().expect(address)), expected, "{range} {address}");
        }
        for bad in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/", "10.0.0.0/x", "localhost"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }

    #[test]
    fn networks_of_ipv6_count_as_one() {
        let same = |a: &str, b: &str| counted(a.parse().expect(a)) == counted(b.parse().expect(b));
        assert!(same("2001:db8::1", "2001:db8::ffff:1"));
        assert!(!same("2001:db8::1", "2001:db8:0:1::1"));
        assert!(same("192.0.2.1", "::ffff:192.0.2.1"));
        assert!(!same("192.0.2.1", "192.0.2.2"));
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let seen = |header: HeaderName, lines: &[&str], peer: &str| {
            let trusted = ["10.0.0.0/8", "2001:db8:1::/48"].map(|range| range.parse().expect(range)).to_vec();
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(&header, line.parse().expect("a value"));
            }
            let proxies = Proxies { trusted, header };
            proxies.client(&headers, peer.parse().expect(peer)).to_string()
        };
        let list = HeaderName::from_static("x-forwarded-for");
        for (lines, peer, expected) in [
            // A stranger says what it likes.
            (&["198.51.100.1"][..], "203.0.113.9", "203.0.113.9"),
            (&["198.51.100.1"], "10.0.0.1", "198.51.100.1"),
            (&["198.51.100.1"], "::ffff:10.0.0.1", "198.51.100.1"),
            // What the client wrote itself stands further left.
            (&["192.0.2.66, 198.51.100.1"], "10.0.0.1", "198.51.100.1"),
            (&["192.0.2.66", "198.51.100.1, 10.1.1.1"], "10.0.0.1", "198.51.100.1"),
            (&["192.0.2.66, nonsense, 10.1.1.1"], "10.0.0.1", "10.1.1.1"),
            (&["198.51.100.1:4711"], "10.0.0.1", "198.51.100.1"),
            (&["[2001:db8:2::1]:443"], "2001:db8:1::5", "2001:db8:2::1"),
            (&["2001:db8:2::1"], "10.0.0.1", "2001:db8:2::1"),
            (&[], "10.0.0.1", "10.0.0.1"),
            (&[""], "10.0.0.1", "10.0.0.1"),
            (&["10.2.2.2"], "10.0.0.1", "10.2.2.2"),
        ] {
            assert_eq!(seen(list.clone(), lines, peer), expected, "{lines:?} by {peer}");
        }
        for (line, expected) in [
            ("for=198.51.100.1;proto=https;by=10.0.0.1", "198.51.100.1"),
            ("for=192.0.2.66, For=\"[2001:db8:2::1]:4711\";proto=http", "2001:db8:2::1"),
            ("for=192.0.2.66, for=_hidden", "10.0.0.1"),
            ("for=unknown", "10.0.0.1"),
            ("proto=http", "10.0.0.1"),
        ] {
            assert_eq!(seen(http::header::FORWARDED, &[line], "10.0.0.1"), expected, "{line}");
        }
    }
}
