//! inet, cidr, macaddr and macaddr8: stored as bytes that order as PostgreSQL orders.
//!
//! An inet is `<family><network><bits><address>`: the family is 4 or 6, `network` is the address with the
//! host's bits cleared. So bytes compare as network_cmp does: networks first, wider before narrower, then hosts.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Category, Datum, DatumRef, Format, Oid, Shape, Storage, Type, integer};
use crate::bail;
use crate::error::{Error, Result, state};

const fn network(oid: Oid, name: &'static str, array_oid: Oid) -> Type {
    Type {
        oid,
        name,
        sql_name: name,
        array_oid,
        length: -1,
        category: Category::Network,
        preferred: false,
        storage: Storage::Blob,
        collation: None,
        comparable: true,
        input: |text, _| Ok(Inet::parse(text, false)?.to_datum()),
        output: |value, _, out| {
            out.extend_from_slice(Inet::from_stored(value.blob()).to_text(false).as_bytes())
        },
        receive: |bytes| receive(bytes, false),
        send: |value, out| send(value, false, out),
        typmod: None,
        shape: Shape::Base,
    }
}

/// inet
pub const INET: Type = Type { preferred: true, ..network(869, "inet", 1041) };
/// cidr
pub const CIDR: Type = Type {
    input: |text, _| Ok(Inet::parse(text, true)?.to_datum()),
    output: |value, _, out| out.extend_from_slice(Inet::from_stored(value.blob()).to_text(true).as_bytes()),
    receive: |bytes| receive(bytes, true),
    send: |value, out| send(value, true, out),
    ..network(650, "cidr", 651)
};

const fn hardware(oid: Oid, name: &'static str, array_oid: Oid, length: i16) -> Type {
    Type {
        length,
        category: Category::User,
        output: |value, _, out| write_hardware(value.blob(), out),
        send: |value, out| out.extend_from_slice(value.blob()),
        ..network(oid, name, array_oid)
    }
}

/// macaddr
pub const MACADDR: Type = Type {
    input: |text, _| read_hardware::<6>(text, "macaddr"),
    receive: |bytes| Ok(Datum::Blob(integer::exactly::<6>(bytes, "macaddr")?.to_vec())),
    ..hardware(829, "macaddr", 1040, 6)
};
/// macaddr8
pub const MACADDR8: Type = Type {
    input: |text, _| read_hardware::<8>(text, "macaddr8"),
    receive: |bytes| match bytes.len() {
        6 => Ok(Datum::Blob(widened(bytes))),
        _ => Ok(Datum::Blob(integer::exactly::<8>(bytes, "macaddr8")?.to_vec())),
    },
    ..hardware(774, "macaddr8", 775, 8)
};

/// An address with the length of its network's prefix.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Inet {
    /// 4 or 16 bytes.
    pub address: Vec<u8>,
    /// The bits of the network.
    pub bits: u8,
}

impl Inet {
    /// The most bits of its family.
    pub fn bits_max(&self) -> u8 {
        (self.address.len() * 8) as u8
    }

    /// 4 or 6.
    pub fn family(&self) -> u8 {
        if self.address.len() == 4 { 4 } else { 6 }
    }

    /// From the stored form.
    pub fn from_stored(bytes: &[u8]) -> Inet {
        let length = if bytes[0] == 4 { 4 } else { 16 };
        Inet { address: bytes[2 + length..].to_vec(), bits: bytes[1 + length] }
    }

    /// The stored form.
    pub fn to_datum(&self) -> Datum {
        let mut bytes = vec![self.family()];
        bytes.extend_from_slice(&self.network());
        bytes.push(self.bits);
        bytes.extend_from_slice(&self.address);
        Datum::Blob(bytes)
    }

    /// The address with the host's bits cleared.
    pub fn network(&self) -> Vec<u8> {
        self.masked(|byte, mask| byte & mask)
    }

    /// Combines every byte of the address with the netmask's.
    pub fn masked(&self, combine: impl Fn(u8, u8) -> u8) -> Vec<u8> {
        let mask = |place: usize| {
            let bits = usize::from(self.bits).saturating_sub(place * 8).min(8);
            (0xff00_u16 >> bits) as u8
        };
        self.address.iter().enumerate().map(|(place, byte)| combine(*byte, mask(place))).collect()
    }

    /// Whether this network holds the other, or is it.
    pub fn contains(&self, other: &Inet) -> bool {
        self.address.len() == other.address.len()
            && self.bits <= other.bits
            && Inet { bits: self.bits, ..other.clone() }.network() == self.network()
    }

    /// Reads an address; for cidr what is left out are zeros, and host bits are refused.
    pub fn parse(text: &str, is_cidr: bool) -> Result<Inet> {
        let name = if is_cidr { "cidr" } else { "inet" };
        let refuse = || {
            Error::new(
                state::INVALID_TEXT_REPRESENTATION,
                format!("invalid input syntax for type {name}: \"{text}\""),
            )
        };
        let (address_text, bits_text) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let bits = match bits_text {
            Some(digits)
                if !digits.is_empty() && digits.len() <= 3 && digits.bytes().all(|b| b.is_ascii_digit()) =>
            {
                Some(digits.parse::<u16>().map_err(|_| refuse())?)
            }
            Some(_) => return Err(refuse()),
            None => None,
        };
        let (address, default_bits) = if address_text.contains(':') {
            let address: Ipv6Addr = address_text.parse().map_err(|_| refuse())?;
            (address.octets().to_vec(), 128)
        } else {
            let (octets, given) = ipv4(address_text, is_cidr || bits.is_some()).ok_or_else(refuse)?;
            let default = if is_cidr { class_bits(octets[0], given) } else { 32 };
            if given < 4 && !is_cidr && bits.is_none_or(|bits| usize::from(bits) > given * 8) {
                return Err(refuse());
            }
            (octets.to_vec(), default)
        };
        let bits_max = (address.len() * 8) as u16;
        let bits = bits.unwrap_or(default_bits);
        if bits > bits_max {
            return Err(refuse());
        }
        let inet = Inet { address, bits: bits as u8 };
        if is_cidr && inet.network() != inet.address {
            return Err(Error::new(
                state::INVALID_TEXT_REPRESENTATION,
                format!("invalid cidr value: \"{text}\""),
            )
            .with_detail("Value has bits set to right of mask."));
        }
        Ok(inet)
    }

    /// The address alone.
    pub fn host(&self) -> String {
        match <[u8; 4]>::try_from(self.address.as_slice()) {
            Ok(octets) => Ipv4Addr::from(octets).to_string(),
            Err(_) => {
                let octets: [u8; 16] = self.address.as_slice().try_into().unwrap_or([0; 16]);
                ipv6_text(octets)
            }
        }
    }

    /// What is printed: the bits stand there unless all are the network's; always for a cidr.
    pub fn to_text(&self, is_cidr: bool) -> String {
        match is_cidr || self.bits < self.bits_max() {
            true => format!("{}/{}", self.host(), self.bits),
            false => self.host(),
        }
    }
}

/// As Rust prints it, but addresses that hold an IPv4 address after zeros print that, as PostgreSQL does.
fn ipv6_text(octets: [u8; 16]) -> String {
    let is_compatible = octets[..12].iter().all(|byte| *byte == 0) && octets[12..14] != [0, 0];
    if is_compatible {
        return format!("::{}", Ipv4Addr::new(octets[12], octets[13], octets[14], octets[15]));
    }
    Ipv6Addr::from(octets).to_string()
}

/// Up to four octets, fewer only where `short` is allowed, and how many there were.
fn ipv4(text: &str, short: bool) -> Option<([u8; 4], usize)> {
    let mut octets = [0; 4];
    let mut count = 0;
    for part in text.split('.') {
        if count == 4 || part.is_empty() || part.len() > 3 || !part.bytes().all(|byte| byte.is_ascii_digit())
        {
            return None;
        }
        octets[count] = part.parse().ok()?;
        count += 1;
    }
    (count == 4 || short).then_some((octets, count))
}

/// The bits of a cidr that names none: by the address's class, and at least what was written.
fn class_bits(first: u8, given: usize) -> u16 {
    let class = match first {
        240.. => 32,
        224.. => 8,
        192.. => 24,
        128.. => 16,
        _ => 8,
    };
    class.max(given as u16 * 8)
}

fn receive(bytes: &[u8], is_cidr: bool) -> Result<Datum> {
    let name = if is_cidr { "cidr" } else { "inet" };
    let [family, bits, _, length, address @ ..] = bytes else {
        bail!(PROTOCOL_VIOLATION, "insufficient data left in message");
    };
    let wanted = match family {
        2 => 4,
        3 => 16,
        _ => bail!(INVALID_BINARY_REPRESENTATION, "invalid address family in external \"{name}\" value"),
    };
    if usize::from(*length) != wanted || address.len() != wanted {
        bail!(INVALID_BINARY_REPRESENTATION, "invalid length in external \"{name}\" value");
    }
    if usize::from(*bits) > wanted * 8 {
        bail!(INVALID_BINARY_REPRESENTATION, "invalid bits in external \"{name}\" value");
    }
    let inet = Inet { address: address.to_vec(), bits: *bits };
    if is_cidr && inet.network() != inet.address {
        return Err(Error::new(state::INVALID_BINARY_REPRESENTATION, "invalid external \"cidr\" value")
            .with_detail("Value has bits set to right of mask."));
    }
    Ok(inet.to_datum())
}

fn send(value: DatumRef<'_>, is_cidr: bool, out: &mut Vec<u8>) {
    let inet = Inet::from_stored(value.blob());
    let family = if inet.family() == 4 { 2 } else { 3 };
    out.extend_from_slice(&[family, inet.bits, u8::from(is_cidr), inet.address.len() as u8]);
    out.extend_from_slice(&inet.address);
}

fn write_hardware(bytes: &[u8], out: &mut Vec<u8>) {
    let parts: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    out.extend_from_slice(parts.join(":").as_bytes());
}

/// A macaddr as a macaddr8: ff:fe in the middle.
pub fn widened(bytes: &[u8]) -> Vec<u8> {
    let mut wide = bytes[..3].to_vec();
    wide.extend_from_slice(&[0xff, 0xfe]);
    wide.extend_from_slice(&bytes[3..6]);
    wide
}

/// The forms that macaddr_in reads: pairs with : - or nothing between, or groups of four or six digits.
fn read_hardware<const BYTES: usize>(text: &str, name: &str) -> Result<Datum> {
    let refuse = || {
        Error::new(
            state::INVALID_TEXT_REPRESENTATION,
            format!("invalid input syntax for type {name}: \"{text}\""),
        )
    };
    let trimmed = text.trim();
    let separator = trimmed.chars().find(|c| matches!(c, ':' | '-' | '.'));
    let groups: Vec<&str> = match separator {
        Some(separator) => trimmed.split(separator).collect(),
        None => vec![trimmed],
    };
    let digits: String = groups.concat();
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(refuse());
    }
    let length = if BYTES == 8 && matches!(digits.len(), 12) { 12 } else { BYTES * 2 };
    let padded: String;
    let whole = if groups.len() == length / 2 && groups.iter().all(|group| matches!(group.len(), 1 | 2)) {
        padded = groups.iter().map(|group| format!("{group:0>2}")).collect();
        &padded
    } else {
        let even = groups.iter().all(|group| group.len() == groups[0].len() && !group.is_empty());
        let is_known = match separator {
            None => true,
            Some('.') => groups[0].len() == 4,
            Some(_) => matches!(groups[0].len(), 2 | 4 | 6),
        };
        if !even || !is_known || digits.len() != length {
            return Err(refuse());
        }
        &digits
    };
    let bytes: Vec<u8> = (0..whole.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&whole[at..at + 2], 16))
        .collect::<std::result::Result<_, _>>()
        .map_err(|_| refuse())?;
    Ok(Datum::Blob(if BYTES == 8 && bytes.len() == 6 { widened(&bytes) } else { bytes }))
}

/// An address text for any of them, as tests and functions need it.
pub fn text_of(value: DatumRef<'_>, is_cidr: bool, _: &Format) -> String {
    Inet::from_stored(value.blob()).to_text(is_cidr)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, is_cidr: bool) -> String {
        Inet::parse(text, is_cidr)
            .map_or_else(|error| error.message().to_owned(), |inet| inet.to_text(is_cidr))
    }

    #[test]
    fn addresses_are_read_and_printed_as_postgresql_does() {
        // From PostgreSQL 15.
        assert_eq!(shown("192.168.1.226/24", false), "192.168.1.226/24");
        assert_eq!(shown("192.168.1", true), "192.168.1.0/24");
        assert_eq!(shown("10", true), "10.0.0.0/8");
        assert_eq!(shown("10.1.2.3", true), "10.1.2.3/32");
        assert_eq!(shown("::ffff:1.2.3.4", false), "::ffff:1.2.3.4");
        assert_eq!(shown("192.168.1.2/30", true), "invalid cidr value: \"192.168.1.2/30\"");
        assert_eq!(
            shown("1234::1234::1234", true),
            "invalid input syntax for type cidr: \"1234::1234::1234\""
        );
    }

    #[test]
    fn stored_bytes_order_as_network_cmp() {
        let stored = |text: &str| match Inet::parse(text, false).unwrap().to_datum() {
            Datum::Blob(bytes) => bytes,
            other => panic!("{other:?}"),
        };
        let ordered = ["9.1.2.3/8", "10.0.0.0/8", "10.1.2.3/8", "10.0.0.0/32", "10.1.2.3", "11.1.2.3", "::1"];
        assert!(ordered.windows(2).all(|pair| stored(pair[0]) < stored(pair[1])));
    }
}
