//! Who has a port that we want, as far as Linux says it: a program that listens, or an outgoing connection that was given
//! the port as its own end.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

const LISTEN: &str = "0A";
/// Linux' default when the range can't be read.
const EPHEMERAL: (u16, u16) = (32_768, 60_999);

#[derive(Debug, PartialEq, Eq)]
struct Socket {
    local: SocketAddr,
    remote: SocketAddr,
    listens: bool,
    inode: u64,
}

/// What holds `address`, with what to do about it; `None` where it can't be found out.
pub fn describe(address: SocketAddr) -> Option<String> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let sockets: Vec<Socket> = tables
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| sockets(&table))
        .collect();
    let socket = holder(&sockets, address)?;
    let process = process_of(socket.inode);
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
    let range = range.ok().and_then(|range| parse_range(&range));
    Some(words(
        socket,
        process.as_deref(),
        range.unwrap_or(EPHEMERAL),
    ))
}

fn words(socket: &Socket, process: Option<&str>, (first, last): (u16, u16)) -> String {
    let process = process.unwrap_or("a process of another user or container");
    let port = socket.local.port();
    if socket.listens {
        return format!("{process} listens there; end it, or configure another port");
    }
    let remote = socket.remote;
    let mut text = format!("an outgoing connection of {process} to {remote} has this port");
    if (first..=last).contains(&port) {
        text += &format!(
            ", which lies in the range that the system takes them from ({first} to {last}); start again when it has \
             ended, configure a port outside of the range, or reserve this one: sysctl -w \
             net.ipv4.ip_local_reserved_ports={port}"
        );
    } else {
        text += "; end it, or configure another port";
    }
    text
}

/// The one that is in the way: one that listens, rather than one that is only connected.
fn holder(sockets: &[Socket], wanted: SocketAddr) -> Option<&Socket> {
    let in_the_way = |socket: &&Socket| {
        let (held, wanted_ip) = (socket.local.ip().to_canonical(), wanted.ip().to_canonical());
        socket.local.port() == wanted.port()
            // Without an inode it is a remainder that nobody holds.
            && socket.inode != 0
            && (held == wanted_ip || held.is_unspecified() || wanted_ip.is_unspecified())
    };
    sockets
        .iter()
        .filter(in_the_way)
        .max_by_key(|socket| socket.listens)
}

/// The lines of `/proc/net/tcp` or `tcp6`.
fn sockets(table: &str) -> Vec<Socket> {
    let socket = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, local, remote, state, _, _, _, _, _, inode, ..] = fields[..] else {
            return None;
        };
        Some(Socket {
            local: parse_address(local)?,
            remote: parse_address(remote)?,
            listens: state == LISTEN,
            inode: inode.parse().ok()?,
        })
    };
    table.lines().skip(1).filter_map(socket).collect()
}

/// `0100007F:C383`: words of 32 bits as the machine stores them, in hexadecimal.
fn parse_address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut bytes = Vec::new();
    for at in (0..ip.len()).step_by(8) {
        let word = u32::from_str_radix(ip.get(at..at + 8)?, 16).ok()?;
        bytes.extend_from_slice(&word.to_ne_bytes());
    }
    let ip: IpAddr = if let Ok(bytes) = <[u8; 4]>::try_from(&bytes[..]) {
        Ipv4Addr::from(bytes).into()
    } else {
        Ipv6Addr::from(<[u8; 16]>::try_from(&bytes[..]).ok()?).to_canonical()
    };
    Some(SocketAddr::new(ip, port))
}

fn parse_range(text: &str) -> Option<(u16, u16)> {
    let mut ports = text.split_whitespace().map(str::parse);
    Some((ports.next()?.ok()?, ports.next()?.ok()?))
}

/// `name (pid 1)`, when it may be looked at.
fn process_of(inode: u64) -> Option<String> {
    let wanted = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").ok()?.flatten();
    for process in processes {
        let pid = process.file_name();
        let Some(pid) = pid.to_str().filter(|pid| pid.parse::<u32>().is_ok()) else {
            continue;
        };
        let Ok(descriptors) = fs::read_dir(process.path().join("fd")) else {
            continue;
        };
        let holds = descriptors
            .flatten()
            .filter_map(|descriptor| fs::read_link(descriptor.path()).ok())
            .any(|target| target.as_os_str() == wanted.as_str());
        if holds {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(format!("{} (pid {pid})", name.trim()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_both_families_are_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
             0: 0100007F:C383 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1234 1 0000 100\n   \
             1: 0200000A:C384 0300000A:01BB 01 00000000:00000000 00:00000000 00000000     0        0 77 1 0000 100\n   \
             2: broken\n";
        let found = sockets(table);
        let socket = |local: &str, remote: &str, listens, inode| Socket {
            local: local.parse().unwrap(),
            remote: remote.parse().unwrap(),
            listens,
            inode,
        };
        assert_eq!(
            found,
            [
                socket("127.0.0.1:50051", "0.0.0.0:0", true, 1_234),
                socket("10.0.0.2:50052", "10.0.0.3:443", false, 77),
            ]
        );
        let six = parse_address("00000000000000000000000001000000:1F40").unwrap();
        assert_eq!(six, "[::1]:8000".parse().unwrap());
        let mapped = parse_address("0000000000000000FFFF00000100007F:1F40").unwrap();
        assert_eq!(mapped, "127.0.0.1:8000".parse().unwrap());
    }

    #[test]
    fn a_listener_is_named_and_so_is_an_outgoing_connection() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let me = format!("(pid {})", std::process::id());
        let text = describe(address).unwrap();
        assert!(
            text.contains(&me) && text.contains("listens there"),
            "{text}"
        );

        let outgoing = std::net::TcpStream::connect(address).unwrap();
        let text = describe(outgoing.local_addr().unwrap()).unwrap();
        assert!(text.contains(&me), "{text}");
        assert!(
            text.contains("an outgoing connection of") && text.contains(&format!("to {address}")),
            "{text}"
        );
        let (first, last) = EPHEMERAL;
        let socket = Socket {
            local: SocketAddr::new(address.ip(), 50_051),
            remote: address,
            listens: false,
            inode: 1,
        };
        let text = words(&socket, Some("curl (pid 7)"), (first, last));
        assert!(
            text.contains("32768 to 60999") && text.contains("ip_local_reserved_ports=50051"),
            "{text}"
        );
    }
}
