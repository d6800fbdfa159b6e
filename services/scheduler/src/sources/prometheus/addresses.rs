//! Which addresses a metrics request may reach: never the cloud's metadata service, whoever asks for it.
//!
//! Literal addresses are checked when the URL is made; names are checked on the addresses that they resolve to, at each
//! connection, so that a name which changes its answer gains nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// An address that is not to be asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0} is blocked: it is link-local or the cloud's metadata service, never a Prometheus")]
pub struct Blocked(pub IpAddr);

/// An instance's address that can't be asked.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadAddress {
    /// Another text.
    #[error("{0:?} is no IP address")]
    NoAddress(String),
    /// One that no instance has.
    #[error(transparent)]
    Blocked(#[from] Blocked),
}

/// AWS's metadata service over IPv6.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
/// The metadata services of Alibaba Cloud and of Oracle.
const METADATA_V4: [Ipv4Addr; 2] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
];

/// Refuses link-local, metadata, multicast and unspecified addresses.
///
/// # Errors
/// [`Blocked`].
pub fn check_address(address: IpAddr) -> Result<(), Blocked> {
    let blocked = match address.to_canonical() {
        IpAddr::V4(v4) => {
            v4.is_link_local()
                || v4.is_multicast()
                || v4.is_broadcast()
                || v4.is_unspecified()
                || METADATA_V4.contains(&v4)
        }
        IpAddr::V6(v6) => {
            v6.is_unicast_link_local()
                || v6.is_multicast()
                || v6.is_unspecified()
                || v6 == METADATA_V6
                || embedded_v4(v6).is_some_and(|v4| check_address(v4.into()).is_err())
        }
    };
    if blocked {
        Err(Blocked(address))
    } else {
        Ok(())
    }
}

/// The IPv4 address inside a NAT64 or 6to4 address, through which a gateway reaches it.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let octets = address.octets();
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => Some(Ipv4Addr::new(
            octets[12], octets[13], octets[14], octets[15],
        )),
        [0x2002, ..] => Some(Ipv4Addr::new(octets[2], octets[3], octets[4], octets[5])),
        _ => None,
    }
}

/// Refuses a URL whose host is such an address, in any notation.
///
/// # Errors
/// [`Blocked`].
pub fn check_url(url: &Url) -> Result<(), Blocked> {
    match url.host() {
        Some(Host::Ipv4(address)) => check_address(address.into()),
        Some(Host::Ipv6(address)) => check_address(address.into()),
        Some(Host::Domain(_)) | None => Ok(()),
    }
}

/// The address of an instance as DescribeInstance gave it: it must be one that an instance can have.
///
/// # Errors
/// One line that names it.
pub fn instance_address(text: &str) -> Result<IpAddr, BadAddress> {
    let address: IpAddr = text
        .parse()
        .map_err(|_| BadAddress::NoAddress(text.to_owned()))?;
    check_address(address)?;
    Ok(address)
}

/// The system's resolver, without what [`check_address`] refuses.
#[derive(Clone, Copy, Debug)]
pub struct GuardedResolver;

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let addresses: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            // One bad address among good ones is an attack or a mistake: neither is worth a request.
            for address in &addresses {
                check_address(address.ip())?;
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_blocked_in_every_notation() {
        for url in [
            "http://169.254.169.254/latest",
            "http://169.254.170.2/",
            "http://2852039166/",
            "http://0xa9fea9fe/",
            "http://0251.0376.0251.0376/",
            "http://[::ffff:169.254.169.254]/",
            "http://[64:ff9b::a9fe:a9fe]/",
            "http://[2002:a9fe:a9fe::1]/",
            "http://[fd00:ec2::254]/",
            "http://[fe80::1]/",
            "http://0.0.0.0/",
            "http://100.100.100.200/",
        ] {
            let url = Url::parse(url).unwrap();
            assert!(check_url(&url).is_err(), "{url}");
        }
        for url in [
            "http://127.0.0.1:9090",
            "http://10.0.0.7",
            "https://[fd00:1::7]/prometheus",
            "http://prometheus:9090",
        ] {
            let url = Url::parse(url).unwrap();
            assert_eq!(check_url(&url), Ok(()), "{url}");
        }
    }

    #[test]
    fn an_instance_is_asked_at_an_address_only() {
        assert!(instance_address("10.0.0.7").is_ok());
        for text in [
            "",
            "localhost",
            "169.254.169.254",
            "fd00:ec2::254",
            "10.0.0.7@evil",
        ] {
            assert!(instance_address(text).is_err(), "{text:?}");
        }
    }

    #[tokio::test]
    async fn names_are_judged_by_what_they_resolve_to() {
        // The resolver takes literal addresses too, as `getaddrinfo` does: so this needs no name server.
        let resolve = |name: &str| GuardedResolver.resolve(name.parse().unwrap());
        assert!(resolve("127.0.0.1").await.is_ok());
        let error = resolve("169.254.169.254").await.err().unwrap().to_string();
        assert!(error.contains("blocked"), "{error}");
    }
}
