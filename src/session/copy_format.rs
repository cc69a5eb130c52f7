//! COPY's text and csv formats: lines to fields and back (PostgreSQL's copyfromparse.c and copyto.c).

use crate::bail;
use crate::error::Result;
use crate::sql::statement::{CopyFormat, CopyOptions};

/// The longest line, in bytes: it is held in memory whole.
const LINE_BYTES_MAX: usize = 256 << 20;

/// Cuts data into lines as it comes.
pub(super) struct Lines {
    is_csv: bool,
    quote: u8,
    escape: u8,
    buffer: Vec<u8>,
    /// Where the next line starts, and how far it was looked at.
    start: usize,
    seen: usize,
    /// Inside of quotes (csv), or after a backslash (text).
    inside: bool,
    escaped: bool,
    /// Whether `\.` came: what follows is ignored.
    has_ended: bool,
}

impl Lines {
    pub(super) fn new(options: &CopyOptions) -> Lines {
        Lines {
            is_csv: options.format == CopyFormat::Csv,
            quote: options.quote,
            escape: options.escape,
            buffer: Vec::new(),
            start: 0,
            seen: 0,
            inside: false,
            escaped: false,
            has_ended: false,
        }
    }

    /// Takes data. 54000 for a line that is too long.
    pub(super) fn push(&mut self, data: &[u8]) -> Result<()> {
        if self.has_ended {
            return Ok(());
        }
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.seen -= self.start;
            self.start = 0;
        }
        if self.buffer.len() + data.len() > LINE_BYTES_MAX {
            bail!(PROGRAM_LIMIT_EXCEEDED, "a line of COPY data is longer than {LINE_BYTES_MAX} bytes");
        }
        self.buffer.extend_from_slice(data);
        Ok(())
    }

    /// The next whole line, without its end.
    pub(super) fn next(&mut self) -> Option<&[u8]> {
        if !self.is_csv && !self.escaped {
            self.skip_plain();
        }
        while self.seen < self.buffer.len() {
            let byte = self.buffer[self.seen];
            self.seen += 1;
            if byte == b'\n' && !self.inside && !self.escaped {
                let range = self.start..self.seen - 1;
                self.start = self.seen;
                return self.line(range);
            }
            self.note(byte);
        }
        None
    }

    /// Goes on to the next byte that means anything in the text format.
    fn skip_plain(&mut self) {
        let rest = &self.buffer[self.seen..];
        self.seen += rest.iter().position(|byte| matches!(byte, b'\n' | b'\\')).unwrap_or(rest.len());
    }

    fn note(&mut self, byte: u8) {
        if !self.is_csv {
            self.escaped = byte == b'\\' && !self.escaped;
        } else if self.inside && byte == self.escape && self.escape != self.quote {
            self.escaped = !self.escaped;
        } else {
            // A doubled quote leaves and enters again.
            self.inside ^= byte == self.quote && !self.escaped;
            self.escaped = false;
        }
    }

    fn line(&mut self, range: std::ops::Range<usize>) -> Option<&[u8]> {
        let line = &self.buffer[range];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line == b"\\." {
            self.has_ended = true;
            return None;
        }
        Some(line)
    }

    /// The last line, if the data does not end with a line's end. 22P04 inside of quotes.
    pub(super) fn last(&mut self) -> Result<Option<&[u8]>> {
        if self.has_ended || self.start == self.buffer.len() {
            return Ok(None);
        }
        if self.inside {
            bail!(BAD_COPY_FILE_FORMAT, "unterminated CSV quoted field");
        }
        let range = self.start..self.buffer.len();
        self.start = self.buffer.len();
        Ok(self.line(range))
    }
}

/// The fields of a line: `None` for NULL.
pub(super) struct Fields {
    bytes: Vec<u8>,
    ends: Vec<(usize, bool)>,
}

impl Fields {
    /// None.
    pub(super) fn new() -> Fields {
        Fields { bytes: Vec::new(), ends: Vec::new() }
    }

    /// How many.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// One of them.
    pub(super) fn get(&self, place: usize) -> Option<&[u8]> {
        let start = if place == 0 { 0 } else { self.ends[place - 1].0 };
        let (end, is_null) = self.ends[place];
        (!is_null).then(|| &self.bytes[start..end])
    }

    fn end(&mut self, is_null: bool) {
        self.ends.push((self.bytes.len(), is_null));
    }

    /// Splits a line.
    pub(super) fn split(&mut self, line: &[u8], options: &CopyOptions, null_rules: &NullRules) {
        self.bytes.clear();
        self.ends.clear();
        match options.format {
            CopyFormat::Text => self.split_text(line, options),
            CopyFormat::Csv => self.split_csv(line, options, null_rules),
        }
    }

    fn split_text(&mut self, line: &[u8], options: &CopyOptions) {
        if !line.contains(&b'\\') && !options.null.is_empty() {
            return self.split_plain(line, options);
        }
        let mut start = 0;
        let mut at = 0;
        while at <= line.len() {
            if at == line.len() || line[at] == options.delimiter {
                let raw = &line[start..at];
                let is_null = raw == options.null.as_bytes();
                if !is_null {
                    self.unescape(raw);
                }
                self.end(is_null);
                start = at + 1;
            } else if line[at] == b'\\' {
                at += 1;
            }
            at += 1;
        }
        // A backslash at the very end has nothing to protect.
        if start <= line.len() && at > line.len() + 1 {
            self.unescape(&line[start..]);
            self.end(false);
        }
    }

    /// A line without a backslash.
    fn split_plain(&mut self, line: &[u8], options: &CopyOptions) {
        for raw in line.split(|byte| *byte == options.delimiter) {
            let is_null = raw == options.null.as_bytes();
            if !is_null {
                self.bytes.extend_from_slice(raw);
            }
            self.end(is_null);
        }
    }

    fn unescape(&mut self, raw: &[u8]) {
        let mut at = 0;
        while at < raw.len() {
            let byte = raw[at];
            at += 1;
            if byte != b'\\' || at == raw.len() {
                self.bytes.push(byte);
                continue;
            }
            let (value, used) = escape_sequence(&raw[at..]);
            self.bytes.push(value);
            at += used;
        }
    }

    fn split_csv(&mut self, line: &[u8], options: &CopyOptions, null_rules: &NullRules) {
        let mut at = 0;
        loop {
            let start = self.bytes.len();
            let mut was_quoted = false;
            let mut inside = false;
            while at < line.len() {
                let byte = line[at];
                if inside
                    && byte == options.escape
                    && at + 1 < line.len()
                    && (line[at + 1] == options.quote || line[at + 1] == options.escape)
                {
                    self.bytes.push(line[at + 1]);
                    at += 2;
                    continue;
                }
                if byte == options.quote {
                    inside = !inside;
                    was_quoted = true;
                } else if byte == options.delimiter && !inside {
                    break;
                } else {
                    self.bytes.push(byte);
                }
                at += 1;
            }
            let is_null_text = self.bytes[start..] == *options.null.as_bytes();
            let is_null = is_null_text && null_rules.applies(self.ends.len(), was_quoted);
            if is_null {
                self.bytes.truncate(start);
            }
            self.end(is_null);
            if at >= line.len() {
                return;
            }
            at += 1;
        }
    }
}

/// FORCE_NULL and FORCE_NOT_NULL, by field.
pub(super) struct NullRules {
    /// A quoted null string is NULL, too.
    pub(super) forced_null: Vec<bool>,
    /// An unquoted one is not.
    pub(super) forced_not_null: Vec<bool>,
}

impl NullRules {
    fn applies(&self, field: usize, was_quoted: bool) -> bool {
        let has = |list: &[bool]| list.get(field).copied().unwrap_or(false);
        if was_quoted { has(&self.forced_null) } else { !has(&self.forced_not_null) }
    }
}

/// What the bytes after a backslash stand for, and how many there are.
fn escape_sequence(rest: &[u8]) -> (u8, usize) {
    let digit = |byte: u8, base: u32| (byte as char).to_digit(base);
    match rest[0] {
        b'b' => (8, 1),
        b'f' => (12, 1),
        b'n' => (b'\n', 1),
        b'r' => (b'\r', 1),
        b't' => (b'\t', 1),
        b'v' => (11, 1),
        b'0'..=b'7' => {
            let digits = rest.iter().take(3).map_while(|byte| digit(*byte, 8));
            let (value, used) = digits.fold((0, 0), |(value, used), digit| (value * 8 + digit, used + 1));
            (value as u8, used)
        }
        b'x' if rest.len() > 1 && digit(rest[1], 16).is_some() => {
            let digits = rest[1..].iter().take(2).map_while(|byte| digit(*byte, 16));
            let (value, used) = digits.fold((0, 1), |(value, used), digit| (value * 16 + digit, used + 1));
            (value as u8, used)
        }
        byte => (byte, 1),
    }
}

/// Writes a value of a line of COPY TO; `None` for NULL.
pub(super) fn write_field(
    out: &mut Vec<u8>,
    value: Option<&[u8]>,
    options: &CopyOptions,
    force_quote: bool,
    is_only: bool,
) {
    match (value, options.format) {
        (None, _) => out.extend_from_slice(options.null.as_bytes()),
        (Some(value), CopyFormat::Text) => write_escaped(out, value, options.delimiter),
        (Some(value), CopyFormat::Csv) => write_csv(out, value, options, force_quote, is_only),
    }
}

fn write_escaped(out: &mut Vec<u8>, value: &[u8], delimiter: u8) {
    for byte in value {
        let letter = match byte {
            8 => b'b',
            12 => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            11 => b'v',
            b'\\' => b'\\',
            byte if *byte == delimiter => delimiter,
            byte => {
                out.push(*byte);
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', letter]);
    }
}

fn write_csv(out: &mut Vec<u8>, value: &[u8], options: &CopyOptions, force_quote: bool, is_only: bool) {
    let is_special =
        |byte: &u8| matches!(*byte, b'\n' | b'\r') || *byte == options.delimiter || *byte == options.quote;
    let quoted = force_quote
        || value == options.null.as_bytes()
        || (is_only && value == b"\\.")
        || value.iter().any(is_special);
    if !quoted {
        out.extend_from_slice(value);
        return;
    }
    out.push(options.quote);
    for byte in value {
        if *byte == options.quote || *byte == options.escape {
            out.push(options.escape);
        }
        out.push(*byte);
    }
    out.push(options.quote);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(format: CopyFormat) -> CopyOptions {
        let (delimiter, null) = if format == CopyFormat::Csv { (b',', "") } else { (b'\t', "\\N") };
        CopyOptions {
            format,
            delimiter,
            null: null.into(),
            header: false,
            header_match: false,
            quote: b'"',
            escape: b'"',
            force_quote: None,
            force_not_null: Vec::new(),
            force_null: Vec::new(),
        }
    }

    fn read(format: CopyFormat, data: &str) -> Vec<Vec<Option<String>>> {
        let options = options(format);
        let rules = NullRules { forced_null: Vec::new(), forced_not_null: Vec::new() };
        let mut rows = Vec::new();
        let mut fields = Fields::new();
        let mut take = |line: &[u8]| {
            fields.split(line, &options, &rules);
            let text = |place| fields.get(place).map(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
            rows.push((0..fields.len()).map(text).collect());
        };
        // A byte at a time, as a network may deliver it.
        let mut lines = Lines::new(&options);
        for byte in data.bytes() {
            lines.push(&[byte]).unwrap();
            while let Some(line) = lines.next() {
                take(line);
            }
        }
        if let Some(line) = lines.last().unwrap() {
            take(line);
        }
        rows
    }

    fn texts(row: &[Option<String>]) -> Vec<&str> {
        row.iter().map(|value| value.as_deref().unwrap_or("NULL")).collect()
    }

    #[test]
    fn text_lines_are_split_and_unescaped() {
        let rows = read(CopyFormat::Text, "1\ta\\tb\t\\N\r\n2\tx\\\ny\t\\\\N\n3\t\\101\\x42\t\n\\.\n4\n");
        assert_eq!(
            rows.iter().map(|row| texts(row)).collect::<Vec<_>>(),
            [vec!["1", "a\tb", "NULL"], vec!["2", "x\ny", "\\N"], vec!["3", "AB", ""]]
        );
        assert_eq!(read(CopyFormat::Text, "a\\").len(), 1);
    }

    #[test]
    fn csv_lines_are_split_and_unquoted() {
        let rows = read(CopyFormat::Csv, "1,\"a \"\"b\"\", c\",\n2,\"\",\"x\ny\"\n3,,z");
        assert_eq!(
            rows.iter().map(|row| texts(row)).collect::<Vec<_>>(),
            [vec!["1", "a \"b\", c", "NULL"], vec!["2", "", "x\ny"], vec!["3", "NULL", "z"]]
        );
        let options = options(CopyFormat::Csv);
        let mut lines = Lines::new(&options);
        lines.push(b"1,\"a").unwrap();
        assert!(lines.next().is_none());
        assert_eq!(lines.last().unwrap_err().sqlstate().0, "22P04");
    }

    #[test]
    fn fields_are_written_so_that_they_come_back() {
        for format in [CopyFormat::Text, CopyFormat::Csv] {
            let options = options(format);
            for value in ["plain", "", "\\N", "a\tb,c", "\"q\"", "line\nend", "\\.", "back\\slash"] {
                let mut line = Vec::new();
                write_field(&mut line, Some(value.as_bytes()), &options, false, true);
                line.push(b'\n');
                let rows = read(format, std::str::from_utf8(&line).unwrap());
                assert_eq!(rows, [[Some(value.to_owned())]], "{format:?}");
            }
        }
    }
}
