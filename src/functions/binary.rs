//! Functions on bytea, uuid and hashes.

use md5::{Digest, Md5};
use sha2::{Sha224, Sha256, Sha384, Sha512};

use super::{Env, Function, scalar};
use crate::bail;
use crate::error::Result;
use crate::types::bytea::{BYTEA, parse_hex, write_hex};
use crate::types::integer::INT4;
use crate::types::text::TEXT;
use crate::types::uuid::UUID;
use crate::types::{Datum, DatumRef};

pub(super) fn concat(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Datum::Blob([args[0].blob(), args[1].blob()].concat()))
}

fn length(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Datum::Integer(args[0].blob().len() as i64))
}

fn bit_length(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Datum::Integer(args[0].blob().len() as i64 * 8))
}

/// Bytes from place `start`, counted from 1; the same rules as for text.
fn substring(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let (bytes, start) = (args[0].blob(), args[1].integer());
    let end = match args.get(2).map(|count| count.integer()) {
        Some(count) if count < 0 => bail!(SUBSTRING_ERROR, "negative substring length not allowed"),
        Some(count) => start.saturating_add(count),
        None => i64::MAX,
    };
    let clamp = |place: i64| (place - 1).clamp(0, bytes.len() as i64) as usize;
    let (from, to) = (clamp(start), clamp(end));
    Ok(Datum::Blob(bytes.get(from..to).unwrap_or_default().to_vec()))
}

fn hex(bytes: &[u8]) -> Datum {
    let mut out = Vec::with_capacity(bytes.len() * 2);
    write_hex(bytes, &mut out);
    Datum::Text(String::from_utf8(out).expect("hexadecimal is ASCII"))
}

fn md5_of_text(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(hex(&Md5::digest(args[0].text())))
}

fn md5_of_bytes(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(hex(&Md5::digest(args[0].blob())))
}

fn digest<D: Digest>(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Datum::Blob(D::digest(args[0].blob()).to_vec()))
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base 64 with a line break after every 76 characters, as PostgreSQL writes it.
fn encode_base64(bytes: &[u8]) -> String {
    const LINE: usize = 76;
    let mut out = String::with_capacity(bytes.len() * 4 / 3 + 4);
    let mut column = 0;
    for chunk in bytes.chunks(3) {
        if column == LINE {
            out.push('\n');
            column = 0;
        }
        let group = chunk
            .iter()
            .enumerate()
            .fold(0u32, |sum, (place, byte)| sum | u32::from(*byte) << (16 - 8 * place));
        for place in 0..4 {
            let digit = BASE64[(group >> (18 - 6 * place) & 63) as usize];
            out.push(if place <= chunk.len() { digit as char } else { '=' });
        }
        column += 4;
    }
    out
}

fn decode_base64(text: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut group, mut digits, mut padding) = (0u32, 0, 0);
    for c in text.bytes().filter(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r')) {
        let value = match c {
            b'=' => {
                padding += 1;
                0
            }
            _ if padding > 0 => {
                bail!(INVALID_PARAMETER_VALUE, "unexpected \"=\" while decoding base64 sequence")
            }
            _ => match BASE64.iter().position(|digit| *digit == c) {
                Some(value) => value as u32,
                None => bail!(
                    INVALID_PARAMETER_VALUE,
                    "invalid symbol \"{}\" found while decoding base64 sequence",
                    c as char
                ),
            },
        };
        group = group << 6 | value;
        digits += 1;
        if digits == 4 {
            bytes.extend_from_slice(&group.to_be_bytes()[1..(4 - padding.min(2))]);
            (group, digits) = (0, 0);
        }
    }
    if digits != 0 {
        bail!(INVALID_PARAMETER_VALUE, "invalid base64 end sequence");
    }
    Ok(bytes)
}

fn unknown_encoding<T>(name: &str) -> Result<T> {
    bail!(INVALID_PARAMETER_VALUE, "unrecognized encoding: \"{name}\"")
}

fn encode(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let bytes = args[0].blob();
    match args[1].text().to_ascii_lowercase().as_str() {
        "hex" => Ok(hex(bytes)),
        "base64" => Ok(Datum::Text(encode_base64(bytes))),
        "escape" => Ok(Datum::Text(escape(bytes))),
        _ => unknown_encoding(args[1].text()),
    }
}

/// encode(…, 'escape'): zero and bytes above 127 in octal, backslashes doubled, the rest as it is.
fn escape(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b'\\' => out.push_str("\\\\"),
            0 | 0x80.. => out.push_str(&format!("\\{byte:03o}")),
            _ => out.push(byte as char),
        }
    }
    out
}

fn decode(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    let text = args[0].text();
    match args[1].text().to_ascii_lowercase().as_str() {
        "hex" => parse_hex(text).map(Datum::Blob),
        "base64" => decode_base64(text).map(Datum::Blob),
        "escape" if !text.starts_with("\\x") => BYTEA.parse(text, env.format()),
        _ => unknown_encoding(args[1].text()),
    }
}

fn random_uuid(_: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    let mut bytes = [0; 16];
    env.random(&mut bytes);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    Ok(Datum::Blob(bytes.to_vec()))
}

pub(super) const FUNCTIONS: &[Function] = &[
    scalar(2010, "length", &[&BYTEA], &INT4, length),
    scalar(720, "octet_length", &[&BYTEA], &INT4, length),
    scalar(1810, "bit_length", &[&BYTEA], &INT4, bit_length),
    scalar(2085, "substr", &[&BYTEA, &INT4, &INT4], &BYTEA, substring),
    scalar(2086, "substr", &[&BYTEA, &INT4], &BYTEA, substring),
    scalar(2012, "substring", &[&BYTEA, &INT4, &INT4], &BYTEA, substring),
    scalar(2013, "substring", &[&BYTEA, &INT4], &BYTEA, substring),
    scalar(2311, "md5", &[&TEXT], &TEXT, md5_of_text),
    scalar(2321, "md5", &[&BYTEA], &TEXT, md5_of_bytes),
    scalar(3419, "sha224", &[&BYTEA], &BYTEA, digest::<Sha224>),
    scalar(3420, "sha256", &[&BYTEA], &BYTEA, digest::<Sha256>),
    scalar(3421, "sha384", &[&BYTEA], &BYTEA, digest::<Sha384>),
    scalar(3422, "sha512", &[&BYTEA], &BYTEA, digest::<Sha512>),
    scalar(1946, "encode", &[&BYTEA, &TEXT], &TEXT, encode),
    scalar(1947, "decode", &[&TEXT, &TEXT], &BYTEA, decode),
    scalar(3432, "gen_random_uuid", &[], &UUID, random_uuid).volatile(),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_goes_both_ways() {
        for (bytes, text) in
            [(&b""[..], ""), (b"f", "Zg=="), (b"fo", "Zm8="), (b"foo", "Zm9v"), (b"foob", "Zm9vYg==")]
        {
            assert_eq!(encode_base64(bytes), text);
            assert_eq!(decode_base64(text).unwrap(), bytes);
        }
        assert!(decode_base64("Zg=").is_err());
        assert!(decode_base64("Z!==").is_err());
    }
}
