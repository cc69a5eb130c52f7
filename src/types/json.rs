//! json, stored as given, and jsonb, stored as PostgreSQL prints it under the collation `jsonb`.

use std::cmp::Ordering;

use super::numeric::{self, Numeric};
use super::{Category, Datum, DatumRef, Format, Oid, Shape, Storage, Type};
use crate::bail;
use crate::error::{Error, Result, state};

/// Values nested deeper than this are refused, where PostgreSQL would run out of stack.
const DEPTH_MAX: usize = 1000;

const fn json(oid: Oid, name: &'static str, array_oid: Oid) -> Type {
    Type {
        oid,
        name,
        sql_name: name,
        array_oid,
        length: -1,
        category: Category::User,
        preferred: false,
        storage: Storage::Text,
        collation: None,
        comparable: false,
        input,
        output: |value, _, out| out.extend_from_slice(value.text().as_bytes()),
        receive,
        send: |value, out| out.extend_from_slice(value.text().as_bytes()),
        typmod: None,
        shape: Shape::Base,
    }
}

/// json
pub const JSON: Type = json(114, "json", 199);
/// jsonb
pub const JSONB: Type = Type {
    collation: Some("jsonb"),
    comparable: true,
    input: input_jsonb,
    receive: receive_jsonb,
    send: send_jsonb,
    ..json(3802, "jsonb", 3807)
};

/// A JSON value as jsonb holds it.
#[derive(Clone, PartialEq, Debug)]
pub enum Json {
    /// null
    Null,
    /// true, false
    Bool(bool),
    /// A number in numeric's canonical text.
    Number(String),
    /// A string, unescaped.
    String(String),
    /// An array.
    Array(Vec<Json>),
    /// An object; in jsonb sorted by length of the key, then bytes, and without duplicates.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads jsonb's input: numbers become canonical, of equal keys the last wins.
    pub fn parse(text: &str) -> Result<Json> {
        let mut parser = Parser { text, place: 0, build: true };
        parser.document()
    }

    /// From jsonb's stored form.
    pub fn from_stored(text: &str) -> Json {
        Json::parse(text).expect("stored jsonb is valid")
    }

    /// Appends the value as PostgreSQL prints jsonb.
    pub fn write(&self, out: &mut String) {
        match self {
            Json::Null => out.push_str("null"),
            Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Json::Number(text) => out.push_str(text),
            Json::String(text) => write_string(text, out),
            Json::Array(items) => {
                out.push('[');
                for (place, item) in items.iter().enumerate() {
                    out.push_str(if place > 0 { ", " } else { "" });
                    item.write(out);
                }
                out.push(']');
            }
            Json::Object(pairs) => {
                out.push('{');
                for (place, (key, value)) in pairs.iter().enumerate() {
                    out.push_str(if place > 0 { ", " } else { "" });
                    write_string(key, out);
                    out.push_str(": ");
                    value.write(out);
                }
                out.push('}');
            }
        }
    }

    /// jsonb's stored form.
    pub fn to_datum(&self) -> Datum {
        let mut text = String::new();
        self.write(&mut text);
        Datum::Text(text)
    }

    /// The member with a key.
    pub fn member(&self, key: &str) -> Option<&Json> {
        match self {
            Json::Object(pairs) => pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The element at a place; from the end if negative.
    pub fn element(&self, place: i64) -> Option<&Json> {
        let Json::Array(items) = self else { return None };
        let place = if place < 0 { place + items.len() as i64 } else { place };
        usize::try_from(place).ok().and_then(|place| items.get(place))
    }

    /// The value as text: a string without quotes, NULL for null.
    pub fn as_text(&self) -> Datum {
        match self {
            Json::Null => Datum::Null,
            Json::String(text) => Datum::text(text.as_str()),
            other => other.to_datum(),
        }
    }

    /// An object as jsonb holds it: sorted, of equal keys the last.
    pub fn object(pairs: Vec<(String, Json)>) -> Json {
        sort_members(pairs)
    }

    fn rank(&self) -> u8 {
        match self {
            Json::Null => 0,
            Json::String(_) => 1,
            Json::Number(_) => 2,
            Json::Bool(_) => 3,
            Json::Array(_) => 4,
            Json::Object(_) => 5,
        }
    }
}

/// Appends a string with JSON's escapes, as PostgreSQL's escape_json.
pub fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// The order of jsonb's keys: shorter first, then bytes.
fn compare_keys(a: &str, b: &str) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

fn sort_members(mut pairs: Vec<(String, Json)>) -> Json {
    // Stable, so of equal keys the last one given is last, and wins.
    pairs.sort_by(|a, b| compare_keys(&a.0, &b.0));
    let mut kept: Vec<(String, Json)> = Vec::with_capacity(pairs.len());
    for pair in pairs {
        match kept.last_mut() {
            Some(last) if last.0 == pair.0 => *last = pair,
            _ => kept.push(pair),
        }
    }
    Json::Object(kept)
}

/// PostgreSQL's order of jsonb values (compareJsonbContainers).
pub fn compare(a: &Json, b: &Json) -> Ordering {
    match (a, b) {
        (Json::String(a), Json::String(b)) => a.cmp(b),
        (Json::Number(a), Json::Number(b)) => numeric::compare_text(a, b),
        (Json::Bool(a), Json::Bool(b)) => a.cmp(b),
        (Json::Array(a), Json::Array(b)) => a.len().cmp(&b.len()).then_with(|| {
            a.iter().zip(b).map(|(a, b)| compare(a, b)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
        }),
        (Json::Object(a), Json::Object(b)) => a.len().cmp(&b.len()).then_with(|| {
            let pairs = a.iter().zip(b);
            pairs
                .map(|(a, b)| a.0.cmp(&b.0).then_with(|| compare(&a.1, &b.1)))
                .find(|order| order.is_ne())
                .unwrap_or(Ordering::Equal)
        }),
        _ => a.rank().cmp(&b.rank()),
    }
}

/// The order of two stored jsonb values. At the top level an empty array comes before everything.
pub fn compare_text(a: &str, b: &str) -> Ordering {
    let (a, b) = (Json::from_stored(a), Json::from_stored(b));
    let is_empty_array = |value: &Json| matches!(value, Json::Array(items) if items.is_empty());
    match (is_empty_array(&a), is_empty_array(&b)) {
        (true, false) if !matches!(b, Json::Array(_) | Json::Object(_)) => Ordering::Less,
        (false, true) if !matches!(a, Json::Array(_) | Json::Object(_)) => Ordering::Greater,
        _ => compare(&a, &b),
    }
}

/// What json_typeof calls a valid value.
pub fn raw_kind(text: &str) -> &'static str {
    match text.trim_start().as_bytes().first() {
        Some(b'{') => "object",
        Some(b'[') => "array",
        Some(b'"') => "string",
        Some(b't' | b'f') => "boolean",
        Some(b'n') => "null",
        _ => "number",
    }
}

/// The text of a member of a valid json object; of equal keys the last.
pub fn raw_member<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let mut parser = Parser { text, place: 0, build: false };
    if parser.peek() != Some(b'{') {
        return None;
    }
    parser.place += 1;
    let mut found = None;
    while parser.peek() == Some(b'"') {
        let name = parser.string().ok()?;
        parser.peek();
        parser.place += 1;
        let value = parser.raw_value()?;
        if name == key {
            found = Some(value);
        }
        parser.peek();
        parser.place += 1;
    }
    found
}

/// The text of an element of a valid json array; from the end if `place` is negative.
pub fn raw_element(text: &str, place: i64) -> Option<&str> {
    let mut parser = Parser { text, place: 0, build: false };
    if parser.peek() != Some(b'[') {
        return None;
    }
    parser.place += 1;
    let mut items = Vec::new();
    while parser.peek().is_some_and(|byte| byte != b']') {
        items.push(parser.raw_value()?);
        if parser.peek() == Some(b',') {
            parser.place += 1;
        }
    }
    let place = if place < 0 { place + items.len() as i64 } else { place };
    usize::try_from(place).ok().and_then(|place| items.get(place).copied())
}

/// The members of a valid json object, in order, with their values' texts.
pub fn raw_members(text: &str) -> Result<Vec<(String, &str)>> {
    let mut parser = Parser { text, place: 0, build: true };
    let mut members = Vec::new();
    if parser.peek() != Some(b'{') {
        return Ok(members);
    }
    parser.place += 1;
    while parser.peek() == Some(b'"') {
        let name = parser.string()?;
        parser.peek();
        parser.place += 1;
        let Some(value) = parser.raw_value() else { break };
        members.push((name, value));
        parser.peek();
        parser.place += 1;
    }
    Ok(members)
}

/// The texts of the elements of a valid json array.
pub fn raw_elements(text: &str) -> Result<Vec<&str>> {
    let mut parser = Parser { text, place: 0, build: false };
    let mut items = Vec::new();
    if parser.peek() != Some(b'[') {
        return Ok(items);
    }
    parser.place += 1;
    while parser.peek().is_some_and(|byte| byte != b']') {
        let Some(item) = parser.raw_value() else { break };
        items.push(item);
        if parser.peek() == Some(b',') {
            parser.place += 1;
        }
    }
    Ok(items)
}

/// A valid value as text: a string without quotes, NULL for null.
pub fn raw_text(raw: &str) -> Result<Datum> {
    match raw.as_bytes().first() {
        Some(b'n') => Ok(Datum::Null),
        Some(b'"') => Parser { text: raw, place: 0, build: true }.string().map(Datum::Text),
        _ => Ok(Datum::text(raw)),
    }
}

fn input(text: &str, _: &Format) -> Result<Datum> {
    Parser { text, place: 0, build: false }.document()?;
    Ok(Datum::text(text))
}

fn input_jsonb(text: &str, _: &Format) -> Result<Datum> {
    Ok(Json::parse(text)?.to_datum())
}

fn receive(bytes: &[u8]) -> Result<Datum> {
    input(super::text::from_utf8(bytes)?, &Format::default())
}

fn receive_jsonb(bytes: &[u8]) -> Result<Datum> {
    match bytes {
        [1, text @ ..] => input_jsonb(super::text::from_utf8(text)?, &Format::default()),
        [version, ..] => bail!(INTERNAL_ERROR, "unsupported jsonb version number {version}"),
        [] => bail!(PROTOCOL_VIOLATION, "no data left in message"),
    }
}

fn send_jsonb(value: DatumRef<'_>, out: &mut Vec<u8>) {
    out.push(1);
    out.extend_from_slice(value.text().as_bytes());
}

/// A recursive-descent parser with PostgreSQL's errors. Recursion is bounded by [`DEPTH_MAX`].
struct Parser<'a> {
    text: &'a str,
    place: usize,
    /// Whether values are kept; json only needs to be valid.
    build: bool,
}

impl<'a> Parser<'a> {
    fn document(&mut self) -> Result<Json> {
        let value = self.value(0)?;
        self.skip_space();
        if self.place < self.text.len() {
            return Err(self.expected("end of input"));
        }
        Ok(value)
    }

    fn skip_space(&mut self) {
        let rest = &self.text.as_bytes()[self.place..];
        self.place += rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
    }

    fn peek(&mut self) -> Option<u8> {
        self.skip_space();
        self.text.as_bytes().get(self.place).copied()
    }

    /// The text of the next value.
    fn raw_value(&mut self) -> Option<&'a str> {
        self.skip_space();
        let start = self.place;
        self.value(0).ok()?;
        Some(&self.text[start..self.place])
    }

    fn value(&mut self, depth: usize) -> Result<Json> {
        if depth > DEPTH_MAX {
            bail!(STATEMENT_TOO_COMPLEX, "stack depth limit exceeded");
        }
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(Json::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(byte) if byte.is_ascii_alphabetic() => self.literal(),
            _ => Err(self.expected("JSON value")),
        }
    }

    fn literal(&mut self) -> Result<Json> {
        let token = self.token();
        let value = match &self.text[self.place..token] {
            "null" => Json::Null,
            "true" => Json::Bool(true),
            "false" => Json::Bool(false),
            _ => return Err(self.invalid_token(token)),
        };
        self.place = token;
        Ok(value)
    }

    fn number(&mut self) -> Result<Json> {
        let bytes = self.text.as_bytes();
        let digits = |mut at: usize| {
            while bytes.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
            at
        };
        let start = self.place;
        let whole = start + usize::from(bytes[start] == b'-');
        let mut end = digits(whole);
        let leading_zero = end > whole + 1 && bytes[whole] == b'0';
        let mut valid = end > whole && !leading_zero;
        if bytes.get(end) == Some(&b'.') {
            let fraction = digits(end + 1);
            valid &= fraction > end + 1;
            end = fraction;
        }
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            let sign = end + 1 + usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let exponent = digits(sign);
            valid &= exponent > sign;
            end = exponent;
        }
        let token = self.token().max(end);
        if !valid || token != end {
            return Err(self.invalid_token(token));
        }
        self.place = end;
        if !self.build {
            return Ok(Json::Null);
        }
        Ok(Json::Number(Numeric::parse(&self.text[start..end])?.to_string()))
    }

    fn string(&mut self) -> Result<String> {
        let start = self.place;
        let mut out = String::new();
        let mut chars = self.text[start + 1..].char_indices();
        while let Some((offset, c)) = chars.next() {
            match c {
                '"' => {
                    self.place = start + 1 + offset + 1;
                    return Ok(out);
                }
                '\\' => {
                    let (consumed, unescaped) = self.escape(start + 1 + offset)?;
                    out.extend(unescaped);
                    for _ in 0..consumed {
                        chars.next();
                    }
                }
                c if c < ' ' => {
                    let detail = format!("Character with value 0x{:02x} must be escaped.", c as u32);
                    return Err(self.syntax_error(detail, start + 1 + offset + 1));
                }
                c => out.push(c),
            }
        }
        let token = &self.text[start..];
        Err(self.syntax_error(format!("Token \"{token}\" is invalid."), self.text.len()))
    }

    /// The characters after the backslash at `place`, and what they stand for.
    fn escape(&self, place: usize) -> Result<(usize, Option<char>)> {
        let rest = &self.text[place + 1..];
        let simple = match rest.chars().next() {
            Some(c @ ('"' | '\\' | '/')) => c,
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => return self.unicode_escape(place),
            Some(other) => {
                let detail = format!("Escape sequence \"\\{other}\" is invalid.");
                return Err(self.syntax_error(detail, place + 1 + other.len_utf8()));
            }
            None => {
                let token = &self.text[self.place..];
                return Err(self.syntax_error(format!("Token \"{token}\" is invalid."), self.text.len()));
            }
        };
        Ok((1, Some(simple)))
    }

    fn unicode_escape(&self, place: usize) -> Result<(usize, Option<char>)> {
        let unit = |at: usize| -> Option<u32> {
            let digits = self.text.get(at + 2..at + 6)?;
            let starts = self.text.get(at..at + 2)? == "\\u";
            (starts && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
                .then(|| u32::from_str_radix(digits, 16).ok())
                .flatten()
        };
        let invalid =
            |detail: &str, end: usize| Err(self.syntax_error(detail.into(), end.min(self.text.len())));
        let Some(first) = unit(place) else {
            return invalid("\"\\u\" must be followed by four hexadecimal digits.", place + 2);
        };
        match first {
            0 if self.build => Err(self.unsupported_escape("\\u0000 cannot be converted to text.")),
            0xd800..=0xdbff => match unit(place + 6) {
                Some(low @ 0xdc00..=0xdfff) => {
                    let code = 0x10000 + ((first - 0xd800) << 10) + (low - 0xdc00);
                    Ok((11, char::from_u32(code)))
                }
                _ => invalid("Unicode low surrogate must follow a high surrogate.", place + 6),
            },
            0xdc00..=0xdfff => invalid("Unicode low surrogate must follow a high surrogate.", place + 6),
            code => Ok((5, char::from_u32(code))),
        }
    }

    fn unsupported_escape(&self, detail: &str) -> Error {
        Error::new(state::UNTRANSLATABLE_CHARACTER, "unsupported Unicode escape sequence").with_detail(detail)
    }

    fn array(&mut self, depth: usize) -> Result<Json> {
        self.place += 1;
        let mut items = Vec::new();
        if self.peek() == Some(b']') {
            self.place += 1;
            return Ok(Json::Array(items));
        }
        loop {
            let item = self.value(depth + 1)?;
            if self.build {
                items.push(item);
            }
            match self.peek() {
                Some(b',') => self.place += 1,
                Some(b']') => {
                    self.place += 1;
                    return Ok(Json::Array(items));
                }
                _ => return Err(self.expected("\",\" or \"]\"")),
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json> {
        self.place += 1;
        let mut pairs = Vec::new();
        if self.peek() == Some(b'}') {
            self.place += 1;
            return Ok(Json::Object(pairs));
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.expected(if pairs.is_empty() { "string or \"}\"" } else { "string" }));
            }
            let key = self.string()?;
            if self.peek() != Some(b':') {
                return Err(self.expected("\":\""));
            }
            self.place += 1;
            let value = self.value(depth + 1)?;
            pairs.push((key, value));
            match self.peek() {
                Some(b',') => self.place += 1,
                Some(b'}') => {
                    self.place += 1;
                    return Ok(if self.build { sort_members(pairs) } else { Json::Null });
                }
                _ => return Err(self.expected("\",\" or \"}\"")),
            }
        }
    }

    /// The end of the token at the current place, as PostgreSQL's lexer cuts it.
    fn token(&self) -> usize {
        let rest = &self.text[self.place..];
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii();
        let number_like = |c: char| is_word(c) || matches!(c, '+' | '-' | '.');
        let starts_number = rest.starts_with(|c: char| c == '-' || c.is_ascii_digit());
        let end = match starts_number {
            true => rest.find(|c| !number_like(c)),
            false => rest.find(|c| !is_word(c)),
        };
        let length = end.unwrap_or(rest.len());
        let first = rest.chars().next().map_or(0, char::len_utf8);
        self.place + length.max(first)
    }

    fn invalid_token(&self, end: usize) -> Error {
        let token = &self.text[self.place..end];
        self.syntax_error(format!("Token \"{token}\" is invalid."), end)
    }

    fn expected(&mut self, what: &str) -> Error {
        self.skip_space();
        if self.place >= self.text.len() {
            return self.syntax_error("The input string ended unexpectedly.".into(), self.text.len());
        }
        let end = self.token();
        let token = &self.text[self.place..end];
        let lexes = token.starts_with(['{', '}', '[', ']', ',', ':', '"', '-'])
            || token.starts_with(|c: char| c.is_ascii_digit())
            || matches!(token, "null" | "true" | "false");
        if !lexes {
            return self.invalid_token(end);
        }
        self.syntax_error(format!("Expected {what}, but found \"{token}\"."), end)
    }

    /// 22P02 with the line up to the offending token, as PostgreSQL's report_json_context cuts it.
    fn syntax_error(&self, detail: String, token_end: usize) -> Error {
        const CONTEXT_BYTES: usize = 50;
        let before = &self.text[..token_end];
        let line_number = before.matches('\n').count() + 1;
        let line_start = before.rfind('\n').map_or(0, |place| place + 1);
        let mut start = line_start;
        while token_end - start >= CONTEXT_BYTES {
            start += self.text[start..].chars().next().map_or(1, char::len_utf8);
        }
        if start - line_start <= 3 {
            start = line_start;
        }
        let head = if start > line_start { "..." } else { "" };
        let more = self.text[token_end..].chars().next().is_some_and(|c| c != '\n' && c != '\r');
        let tail = if more { "..." } else { "" };
        Error::new(state::INVALID_TEXT_REPRESENTATION, "invalid input syntax for type json")
            .with_detail(detail)
            .with_context(format!(
                "JSON data, line {line_number}: {head}{}{tail}",
                &self.text[start..token_end]
            ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(text: &str) -> String {
        match input_jsonb(text, &Format::default()) {
            Ok(Datum::Text(text)) => text,
            Ok(other) => panic!("{other:?}"),
            Err(error) => {
                format!("{}: {}", error.sqlstate(), error.fields().detail.clone().unwrap_or_default())
            }
        }
    }

    #[test]
    fn jsonb_is_normalised_as_postgresql_does() {
        for (text, expected) in [
            (r#"{"b":1,"a":2,"aa":3,"a":4}"#, r#"{"a": 4, "b": 1, "aa": 3}"#),
            ("[1e2, 1.10, -0.0, true, null]", "[100, 1.10, 0.0, true, null]"),
            (r#""\u00e4\n\ud83d\ude00""#, "\"ä\\n😀\""),
            (r#" {"a" : [ ] } "#, r#"{"a": []}"#),
            ("{bad}", "22P02: Token \"bad\" is invalid."),
            ("[1,]", "22P02: Expected JSON value, but found \"]\"."),
            ("{\"a\" 1}", "22P02: Expected \":\", but found \"1\"."),
            ("[1", "22P02: The input string ended unexpectedly."),
            ("01", "22P02: Token \"01\" is invalid."),
            (r#""\u0000""#, "22P05: \\u0000 cannot be converted to text."),
            ("1 2", "22P02: Expected end of input, but found \"2\"."),
        ] {
            assert_eq!(normal(text), expected, "{text}");
        }
    }

    #[test]
    fn json_keeps_its_text_and_deep_values_are_refused() {
        assert_eq!(
            input("{\"b\":1, \"b\":2}", &Format::default()).unwrap(),
            Datum::text("{\"b\":1, \"b\":2}")
        );
        let deep = "[".repeat(100_000);
        assert_eq!(input(&deep, &Format::default()).unwrap_err().sqlstate().0, "54001");
    }

    #[test]
    fn jsonb_orders_by_kind_then_size() {
        let mut values = ["{}", "[1, 2]", "[3]", "true", "10", "9.5", "\"x\"", "null", "[]"];
        values.sort_by(|a, b| compare_text(a, b));
        assert_eq!(values, ["[]", "null", "\"x\"", "9.5", "10", "true", "[3]", "[1, 2]", "{}"]);
        assert_eq!(compare_text("1.0", "1"), Ordering::Equal);
    }
}
