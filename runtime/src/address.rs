//! Where a url may lead. Customers write urls, and whoever writes one chooses a host that this process talks to from inside the
//! operator's network: its databases, its loopback, the metadata service of its cloud with the machine's credentials.
//!
//! ```text
//!   url of a customer ─▶ literal address ──────────────▶ Reach::admits ─▶ go on, or a Refused that says what to allow
//!                    └─▶ name ─▶ resolver ─▶ addresses ─▶ Reach::admits
//! ```
//!
//! Only what is public may be gone to, unless the operator allows it. The configuration asks when it reads a literal address, the
//! sink asks again, inside the resolver of its connector: the addresses that are looked at are those that are connected to.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IANA's special-purpose registry of IPv4 (RFC 6890 and later), as far as nobody's public server is in it; and what clouds put
/// their metadata under.
const RESERVED_V4: [(Ipv4Net, &str); 17] = [
    (v4([0, 0, 0, 0], 8), "unspecified"),
    (v4([10, 0, 0, 0], 8), "private"),
    (v4([100, 100, 100, 200], 32), "cloud metadata"),
    (v4([100, 64, 0, 0], 10), "carrier-grade NAT"),
    (v4([127, 0, 0, 0], 8), "loopback"),
    (v4([168, 63, 129, 16], 32), "cloud metadata"),
    (v4([169, 254, 169, 254], 32), "cloud metadata"),
    (v4([169, 254, 0, 0], 16), "link-local"),
    (v4([172, 16, 0, 0], 12), "private"),
    (v4([192, 0, 0, 0], 24), "reserved"),
    (v4([192, 0, 2, 0], 24), "documentation"),
    (v4([192, 88, 99, 0], 24), "reserved"),
    (v4([192, 168, 0, 0], 16), "private"),
    (v4([198, 18, 0, 0], 15), "benchmark"),
    (v4([198, 51, 100, 0], 24), "documentation"),
    (v4([203, 0, 113, 0], 24), "documentation"),
    (v4([224, 0, 0, 0], 4), "multicast"),
];

/// What of IPv6 has a name of its own; everything else outside of 2000::/3 is not handed out to anybody.
const RESERVED_V6: [(Ipv6Net, &str); 12] = [
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 128), "unspecified"),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), "loopback"),
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), "local NAT64"),
    (v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128), "cloud metadata"),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), "unique-local"),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), "link-local"),
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), "site-local"),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), "multicast"),
    // Protocol assignments: Teredo, benchmarks, ORCHID.
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), "reserved"),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), "documentation"),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), "documentation"),
    (v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64), "discard"),
];

const GLOBAL_V6: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);
/// Loopback, as `localhost` means it.
const LOOPBACK: [IpNet; 2] = [IpNet::V4(v4([127, 0, 0, 0], 8)), IpNet::V6(v6([0, 0, 0, 0, 0, 0, 0, 1], 128))];

const fn v4([a, b, c, d]: [u8; 4], prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6([a, b, c, d, e, f, g, h]: [u16; 8], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), prefix)
}

/// Who wrote a url down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Author {
    /// It stands in `sluicegate.toml` or a `pipeline.toml`: a literal address in it, or `localhost`, is meant.
    #[default]
    Operator,
    /// It stands in a file of members, which is often made from what customers typed in: nothing is meant unless it is allowed.
    Customer,
}

/// An address that may not be gone to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{address} is no public address ({kind}); if that is meant, allow it: allow = [\"{address}\"]")]
pub struct Refused {
    pub address: IpAddr,
    pub kind: &'static str,
}

/// Where the urls of one receiver may lead.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Reach {
    pub author: Author,
    /// Networks that are allowed although they are not public.
    pub allow: Vec<IpNet>,
}

impl Reach {
    /// # Errors
    /// If the address is neither public nor allowed.
    pub fn admits(&self, address: IpAddr) -> Result<(), Refused> {
        let kind = kind_of(address);
        let inside = embedded(address).map(IpAddr::V4);
        let allowed = |net: &IpNet| net.contains(&address) || inside.is_some_and(|inside| net.contains(&inside));
        match kind {
            Some(kind) if !self.allow.iter().any(allowed) => Err(Refused { address, kind }),
            _ => Ok(()),
        }
    }

    /// Looks at the host of a url, as far as it is an address itself or `localhost`. Other names are looked at when they are resolved.
    ///
    /// # Errors
    /// If it is one that its author may not choose.
    pub fn admits_host(&self, host: &str) -> Result<(), Refused> {
        if self.author == Author::Operator {
            return Ok(());
        }
        match literal(host) {
            Some(address) => self.admits(address),
            // Either address of it will do.
            None if is_localhost(host) => self
                .admits(Ipv4Addr::LOCALHOST.into())
                .or_else(|no| self.admits(Ipv6Addr::LOCALHOST.into()).map_err(|_| no)),
            None => Ok(()),
        }
    }

    /// Where the name of a host may lead: `localhost` in the operator's own hand means loopback.
    pub fn of_name(&self, host: &str) -> Self {
        let mut reach = self.clone();
        match self.author {
            // The connector asks nobody about it, so that receivers that differ in nothing else can share connections.
            _ if literal(host).is_some() => reach.allow.clear(),
            Author::Operator if is_localhost(host) => reach.allow.extend(LOOPBACK),
            _ => {}
        }
        // From here on it makes no difference.
        reach.author = Author::default();
        reach
    }
}

impl fmt::Debug for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nets: Vec<String> = self.allow.iter().map(ToString::to_string).collect();
        write!(f, "{:?} {nets:?}", self.author)
    }
}

/// An address or a network as people write it.
///
/// # Errors
/// What it is instead: nothing that can be read, or an address inside of a network.
pub fn parse_net(text: &str) -> Result<IpNet, String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.into());
    }
    let net: IpNet = text.parse().map_err(|_| "this is no address and no network".to_owned())?;
    if net.trunc() == net { Ok(net) } else { Err(format!("this is an address inside of the network {}", net.trunc())) }
}

/// The address that the host of a url is, with or without brackets.
pub fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// RFC 6761, 6.3.
pub fn is_localhost(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost")
}

/// What kind of address it is, if it is not public.
fn kind_of(address: IpAddr) -> Option<&'static str> {
    let v6 = match address {
        IpAddr::V4(v4) => return kind_of_v4(v4),
        IpAddr::V6(v6) => v6,
    };
    if let Some((_, kind)) = RESERVED_V6.iter().find(|(net, _)| net.contains(&v6)) {
        return Some(kind);
    }
    match embedded(address) {
        Some(v4) => kind_of_v4(v4),
        None if GLOBAL_V6.contains(&v6) => None,
        None => Some("reserved"),
    }
}

fn kind_of_v4(v4: Ipv4Addr) -> Option<&'static str> {
    // 240.0.0.0/4 and the broadcast address, which is in it.
    let rest = (v4.octets()[0] >= 240).then_some("reserved");
    RESERVED_V4.iter().find(|(net, _)| net.contains(&v4)).map(|(_, kind)| *kind).or(rest)
}

/// The IPv4 address that a packet to an IPv6 address ends up at: mapped (`::ffff:0:0/96`), compatible (`::/96`), through NAT64
/// (`64:ff9b::/96`, RFC 6052) and through 6to4 (`2002::/16`).
fn embedded(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(v6) = address else { return None };
    let (segments, [.., a, b, c, d]) = (v6.segments(), v6.octets());
    match segments {
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => Some(Ipv4Addr::new(a, b, c, d)),
        [0x2002, high, low, ..] => Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn reach(author: Author, allow: &[&str]) -> Reach {
        Reach { author, allow: allow.iter().map(|net| parse_net(net).expect("a network")).collect() }
    }

    #[test]
    fn addresses_that_are_not_public_are_refused_by_their_kind() {
        for (kind, addresses) in [
            ("unspecified", &["0.0.0.0", "0.1.2.3", "::", "::ffff:0.0.0.0", "64:ff9b::"][..]),
            (
                "loopback",
                &["127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1"],
            ),
            (
                "private",
                &["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.0.1", "::ffff:10.0.0.1", "2002:a00:1::1"],
            ),
            ("carrier-grade NAT", &["100.64.0.1", "100.127.255.255", "64:ff9b::6440:1"]),
            ("link-local", &["169.254.0.1", "169.254.255.255", "fe80::1", "febf::1", "::ffff:169.254.0.1"]),
            ("cloud metadata", &["169.254.169.254", "100.100.100.200", "168.63.129.16", "fd00:ec2::254"]),
            ("cloud metadata", &["::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::"]),
            ("unique-local", &["fc00::1", "fdff:ffff::1"]),
            ("site-local", &["fec0::1"]),
            ("multicast", &["224.0.0.1", "239.255.255.255", "ff02::1"]),
            ("documentation", &["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"]),
            ("benchmark", &["198.18.0.1", "198.19.255.255"]),
            (
                "reserved",
                &["192.0.0.192", "192.88.99.1", "240.0.0.1", "255.255.255.255", "2001::1", "4000::1", "5f00::1"],
            ),
            ("discard", &["100::1"]),
            ("local NAT64", &["64:ff9b:1::808:808"]),
        ] {
            for text in addresses {
                let refused = Reach::default().admits(address(text)).expect_err(text);
                assert_eq!(refused.kind, kind, "{text}");
            }
        }
    }

    proptest! {
        #[test]
        fn address_is_what_it_is_in_whatever_it_is_wrapped(bits: u32, at in 0..2 * RESERVED_V4.len()) {
            // One half anywhere, the other inside of what is reserved.
            let inside = RESERVED_V4.get(at).map(|(net, _)| net.network().to_bits() | bits & net.hostmask().to_bits());
            let plain = Ipv4Addr::from_bits(inside.unwrap_or(bits));
            prop_assert!(inside.is_none() || kind_of(plain.into()).is_some());
            let [a, b, c, d] = plain.octets().map(u16::from);
            let (high, low) = (a << 8 | b, c << 8 | d);
            for wrapped in [
                [0, 0, 0, 0, 0, 0xffff, high, low],
                [0x64, 0xff9b, 0, 0, 0, 0, high, low],
                [0x2002, high, low, 0, 0, 0, 0, 1],
            ] {
                prop_assert_eq!(kind_of(IpAddr::V6(wrapped.into())), kind_of(plain.into()), "{:?}", wrapped);
            }
            // The standard library's judgement, where it has one.
            let known = plain.is_private() || plain.is_loopback() || plain.is_link_local() || plain.is_multicast()
                || plain.is_broadcast() || plain.is_documentation() || plain.is_unspecified();
            prop_assert!(!known || kind_of(plain.into()).is_some());
        }
    }

    #[test]
    fn public_addresses_are_admitted_however_they_are_embedded() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "169.253.0.1",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
            "2606:4700::1111",
            "2a00:1450::1",
            "2001:200::1",
        ] {
            assert_eq!(Reach::default().admits(address(text)), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_is_allowed_is_admitted_also_where_it_is_embedded() {
        let reach = reach(Author::Customer, &["10.0.0.0/8", "127.0.0.1", "fd00::/8"]);
        for text in ["10.1.2.3", "127.0.0.1", "fd12::1", "::ffff:10.1.2.3", "64:ff9b::a01:203"] {
            assert_eq!(reach.admits(address(text)), Ok(()), "{text}");
        }
        for text in ["127.0.0.2", "192.168.0.1", "::1", "fc00::1", "169.254.169.254"] {
            assert!(reach.admits(address(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn literal_address_is_meant_by_the_operator_and_not_by_a_customer() {
        for host in ["127.0.0.1", "[::1]", "10.0.0.1", "localhost", "hooks.localhost.", "[::ffff:169.254.169.254]"] {
            assert_eq!(reach(Author::Operator, &[]).admits_host(host), Ok(()), "{host}");
            assert!(reach(Author::Customer, &[]).admits_host(host).is_err(), "{host}");
        }
        for host in ["8.8.8.8", "[2606:4700::1111]", "example.com", "localhost.example.com"] {
            assert_eq!(reach(Author::Customer, &[]).admits_host(host), Ok(()), "{host}");
        }
        assert_eq!(reach(Author::Customer, &["::1"]).admits_host("localhost"), Ok(()));
    }

    #[test]
    fn name_in_the_operators_hand_leads_no_further_unless_it_is_localhost() {
        let operator = reach(Author::Operator, &[]);
        assert!(operator.of_name("hooks.example").admits(address("127.0.0.1")).is_err());
        assert_eq!(operator.of_name("LocalHost").admits(address("127.0.0.1")), Ok(()));
        assert!(operator.of_name("localhost").admits(address("10.0.0.1")).is_err());
        assert!(reach(Author::Customer, &[]).of_name("localhost").admits(address("127.0.0.1")).is_err());
    }

    #[test]
    fn refusal_says_what_to_allow() {
        let refused = Reach::default().admits(address("10.1.2.3")).expect_err("private");
        let said = "10.1.2.3 is no public address (private); if that is meant, allow it: allow = [\"10.1.2.3\"]";
        assert_eq!(refused.to_string(), said);
    }

    #[test]
    fn networks_are_read_and_an_address_inside_of_one_is_not_taken_for_it() {
        assert_eq!(parse_net("10.0.0.0/8").map(|net| net.to_string()), Ok("10.0.0.0/8".into()));
        assert_eq!(parse_net("::1").map(|net| net.to_string()), Ok("::1/128".into()));
        assert_eq!(parse_net("10.1.2.3/8"), Err("this is an address inside of the network 10.0.0.0/8".into()));
        for text in ["", "10.0.0.0/33", "10.0.0", "localhost", "10.0.0.0/8 ", "[::1]"] {
            assert_eq!(parse_net(text), Err("this is no address and no network".into()), "{text}");
        }
    }
}
