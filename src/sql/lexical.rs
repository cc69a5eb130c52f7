//! Before the parser: bounds on a statement, and where in the client's text a token stands.
//!
//! sqlparser builds its trees without bounds of its own on chains (`1+1+1…`), so a text is first
//! scanned for how many tokens it has and how deep its tree can become. The scan may count too much,
//! never too little.

use sqlparser::dialect::Dialect;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use crate::bail;
use crate::error::{Error, Result, state};

/// The longest text of statements, in bytes.
pub const TEXT_BYTES_MAX: usize = 64 << 20;
/// The most tokens of a text: with their trees they take a few hundred bytes each.
pub const TOKENS_MAX: usize = 2_000_000;
/// The deepest tree, in tokens that may nest: a chain of operators nests its left side.
pub const DEPTH_MAX: usize = 50_000;
/// The deepest nesting of parentheses and brackets.
pub const PARENTHESES_MAX: usize = 400;

/// What the scan found.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Extent {
    /// Tokens, at least as many as there are.
    pub tokens: usize,
    /// Depth, at least as deep as the tree becomes.
    pub depth: usize,
    /// The deepest nesting of parentheses and brackets.
    pub parentheses: usize,
}

/// One level of parentheses: the tokens since its last comma, and those a comma does not end.
#[derive(Default)]
struct Level {
    run: usize,
    lasting: usize,
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    levels: Vec<Level>,
    /// The sum of all levels' runs.
    depth: usize,
    /// NOTs in a row, each of which nests the rest as a parenthesis does.
    nots: usize,
    extent: Extent,
}

/// Scans a text. Never fails: an unfinished string or comment is the tokenizer's to report.
pub fn scan(text: &str) -> Extent {
    let mut scanner = Scanner {
        bytes: text.as_bytes(),
        at: 0,
        levels: vec![Level::default()],
        depth: 0,
        nots: 0,
        extent: Extent::default(),
    };
    while scanner.at < scanner.bytes.len() {
        scanner.next();
    }
    scanner.extent
}

impl Scanner<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn next(&mut self) {
        let byte = self.bytes[self.at];
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0c => self.at += 1,
            b'-' if self.peek(1) == b'-' => self.skip_until(b'\n'),
            b'/' if self.peek(1) == b'*' => self.skip_comment(),
            b'\'' => self.string(false),
            b'"' => self.quoted_name(),
            b'$' => self.dollar(),
            b'(' | b'[' => self.open(),
            b')' | b']' => self.close(),
            b',' => self.comma(),
            b';' => self.semicolon(),
            b'e' | b'E' if self.peek(1) == b'\'' => {
                self.at += 1;
                self.string(true);
            }
            byte if is_word(byte) => self.word(),
            _ => {
                self.at += 1;
                self.count(1);
            }
        }
    }

    fn count(&mut self, lasting: usize) {
        let level = self.levels.last_mut().expect("the outermost level is never closed");
        level.run += 1;
        level.lasting += lasting.saturating_sub(1);
        self.depth += 1;
        self.extent.tokens += 1;
        self.extent.depth = self.extent.depth.max(self.depth);
    }

    fn skip_until(&mut self, end: u8) {
        let rest = &self.bytes[self.at..];
        self.at += rest.iter().position(|byte| *byte == end).map_or(rest.len(), |place| place + 1);
    }

    fn skip_comment(&mut self) {
        let mut nesting = 0usize;
        while self.at < self.bytes.len() {
            match (self.peek(0), self.peek(1)) {
                (b'/', b'*') => (nesting, self.at) = (nesting + 1, self.at + 2),
                (b'*', b'/') => (nesting, self.at) = (nesting - 1, self.at + 2),
                _ => self.at += 1,
            }
            if nesting == 0 {
                return;
            }
        }
    }

    fn string(&mut self, has_escapes: bool) {
        self.at += 1;
        while self.at < self.bytes.len() {
            match self.peek(0) {
                b'\\' if has_escapes => self.at += 2,
                b'\'' if self.peek(1) == b'\'' => self.at += 2,
                b'\'' => break,
                _ => self.at += 1,
            }
        }
        self.at = (self.at + 1).min(self.bytes.len());
        self.count(1);
    }

    fn quoted_name(&mut self) {
        self.at += 1;
        self.skip_until(b'"');
        self.count(1);
    }

    /// `$1`, or `$tag$ … $tag$`.
    fn dollar(&mut self) {
        let rest = &self.bytes[self.at + 1..];
        let tag = rest.iter().position(|byte| !is_word(*byte)).unwrap_or(rest.len());
        let is_quote = rest.get(tag) == Some(&b'$') && !rest.first().is_some_and(u8::is_ascii_digit);
        if !is_quote {
            self.at += 1 + tag;
            self.count(1);
            return;
        }
        let delimiter = &self.bytes[self.at..self.at + tag + 2];
        let body = self.at + delimiter.len();
        let found = self.bytes[body..].windows(delimiter.len()).position(|window| window == delimiter);
        self.at = found.map_or(self.bytes.len(), |place| body + place + delimiter.len());
        self.count(1);
    }

    fn word(&mut self) {
        let start = self.at;
        while is_word(self.peek(0)) || self.peek(0) == b'$' {
            self.at += 1;
        }
        self.nots = if self.bytes[start..self.at].eq_ignore_ascii_case(b"not") { self.nots + 1 } else { 0 };
        self.extent.parentheses = self.extent.parentheses.max(self.levels.len() - 1 + self.nots);
        // Set operations chain across the commas of their select lists.
        let word = &self.bytes[start..self.at];
        let is_set_operation =
            [&b"union"[..], b"intersect", b"except"].iter().any(|name| word.eq_ignore_ascii_case(name));
        self.count(if is_set_operation { 2 } else { 1 });
    }

    fn open(&mut self) {
        self.at += 1;
        self.count(1);
        self.levels.push(Level::default());
        self.extent.parentheses = self.extent.parentheses.max(self.levels.len() - 1);
    }

    fn close(&mut self) {
        self.at += 1;
        if self.levels.len() > 1 {
            self.depth -= self.levels.pop().map_or(0, |level| level.run);
        }
        self.count(1);
    }

    fn comma(&mut self) {
        self.at += 1;
        self.extent.tokens += 1;
        let level = self.levels.last_mut().expect("the outermost level is never closed");
        self.depth -= level.run - level.lasting;
        level.run = level.lasting;
    }

    fn semicolon(&mut self) {
        self.at += 1;
        self.extent.tokens += 1;
        self.levels.truncate(1);
        self.levels[0] = Level::default();
        self.depth = 0;
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// Refuses a text that would take too much memory or stack: 54000 and 54001.
pub fn check(text: &str) -> Result<Extent> {
    if text.len() > TEXT_BYTES_MAX {
        bail!(PROGRAM_LIMIT_EXCEEDED, "statement of {} bytes is longer than {TEXT_BYTES_MAX}", text.len());
    }
    check_unicode_escapes(text)?;
    let extent = scan(text);
    if extent.tokens > TOKENS_MAX {
        return Err(Error::new(
            state::PROGRAM_LIMIT_EXCEEDED,
            format!("statement has more than {TOKENS_MAX} tokens"),
        )
        .with_hint("Use COPY, or several statements in one transaction."));
    }
    if extent.depth > DEPTH_MAX || extent.parentheses > PARENTHESES_MAX {
        return Err(too_deep());
    }
    Ok(extent)
}

/// Refuses malformed escapes in `U&'…'`, on which sqlparser's tokenizer would stumble. What stands in other strings
/// may look like one and be looked at in vain.
fn check_unicode_escapes(text: &str) -> Result<()> {
    let invalid = || {
        Error::new(state::SYNTAX_ERROR, "invalid Unicode escape")
            .with_hint("Unicode escapes must be \\XXXX or \\+XXXXXX.")
    };
    let bytes = text.as_bytes();
    let mut place = 0;
    while let Some(found) = text[place..].find("&'").map(|at| at + place) {
        let starts_word = found < 2 || !is_word(bytes[found - 2]);
        place = found + 2;
        if found == 0 || !matches!(bytes[found - 1], b'u' | b'U') || !starts_word {
            continue;
        }
        while place < bytes.len() && bytes[place] != b'\'' {
            if bytes[place] == b'\\' && bytes.get(place + 1) != Some(&b'\\') {
                let (from, digits) = if bytes.get(place + 1) == Some(&b'+') { (2, 6) } else { (1, 4) };
                let is_hex = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
                if !(place + from..place + from + digits).all(is_hex) {
                    return Err(invalid());
                }
                place += from + digits;
            } else {
                place += if bytes[place] == b'\\' { 2 } else { 1 };
            }
        }
        while place < bytes.len() && !text.is_char_boundary(place) {
            place += 1;
        }
    }
    Ok(())
}

/// 54001
pub fn too_deep() -> Error {
    Error::new(state::STATEMENT_TOO_COMPLEX, "stack depth limit exceeded")
        .with_hint("Write the expression with less nesting, for example as IN (…) or a join with VALUES.")
}

/// The tokens without white space. Errors are in PostgreSQL's words.
pub fn tokenize(text: &str, dialect: &dyn Dialect) -> Result<Vec<TokenWithSpan>> {
    let mut tokens = Tokenizer::new(dialect, text).tokenize_with_location().map_err(|error| {
        let message = match error.message.as_str() {
            message if message.contains("Unterminated string literal") => "unterminated quoted string",
            message if message.contains("Unterminated encoded string") => "unterminated quoted string",
            message if message.contains("close delimiter '\"'") => "unterminated quoted identifier",
            message if message.contains("multi-line comment") => "unterminated /* comment",
            message if message.contains("dollar-quoted") => "unterminated dollar-quoted string",
            _ => "syntax error",
        };
        let at = byte_offset(text, error.location);
        let rest = &text[at..];
        let near = if message == "syntax error" { first_word(rest) } else { rest };
        let place = if near.is_empty() { "end of input".to_owned() } else { format!("or near \"{near}\"") };
        Error::new(state::SYNTAX_ERROR, format!("{message} at {place}"))
            .at(Some(position(text, error.location)))
    })?;
    tokens.retain(|token| !matches!(token.token, Token::Whitespace(_)));
    Ok(tokens)
}

/// The byte at which a line and column of sqlparser's stand.
pub fn byte_offset(text: &str, location: Location) -> usize {
    let mut start = 0;
    for _ in 1..location.line {
        match text[start..].find('\n') {
            Some(place) => start += place + 1,
            None => return text.len(),
        }
    }
    let column = location.column.saturating_sub(1) as usize;
    text[start..].char_indices().nth(column).map_or(text.len(), |(offset, _)| start + offset)
}

/// The position of an ErrorResponse: characters from 1.
pub fn position(text: &str, location: Location) -> u32 {
    text[..byte_offset(text, location)].chars().count() as u32 + 1
}

/// The token that starts a text, roughly as PostgreSQL's lexer cuts it, for `at or near`.
pub fn first_word(text: &str) -> &str {
    let is_word_char = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    let Some(first) = text.chars().next() else { return text };
    let end = match first {
        '\'' | '"' => text[1..].find(first).map_or(text.len(), |place| place + 2),
        c if is_word_char(c) => text.find(|c| !is_word_char(c)).unwrap_or(text.len()),
        c => c.len_utf8(),
    };
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfinished_operators_end_the_input() {
        let error = tokenize("|&", &sqlparser::dialect::PostgreSqlDialect {}).map(|tokens| tokens.len());
        assert!(error.is_err_and(|error| error.fields().sqlstate == state::SYNTAX_ERROR));
    }

    #[test]
    fn malformed_unicode_escapes_are_refused() {
        for text in ["SELECT U&'wrong: \\061'", "SELECT u&'\\'", "SELECT U&'\\+00'", "SELECT U&'é\\'"] {
            assert!(check_unicode_escapes(text).is_err(), "{text}");
        }
        for text in ["SELECT U&'\\0061é'", "SELECT a&'\\'", "SELECT U&'\\\\ and \\+000061'"] {
            assert!(check_unicode_escapes(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn chains_are_deep_and_lists_are_not() {
        let chain = format!("SELECT 1{}", "+1".repeat(100));
        assert!(scan(&chain).depth >= 200);
        let list = format!("SELECT 1{}", ",1".repeat(1000));
        assert!(scan(&list).depth < 10);
        assert!(scan(&list).tokens >= 2000);
        let union = format!("SELECT 1, 2{}", " UNION SELECT 1, 2".repeat(100));
        assert!(scan(&union).depth >= 100);
        assert_eq!(scan(&"(".repeat(50)).parentheses, 50);
    }

    #[test]
    fn strings_and_comments_are_one_token_or_none() {
        assert_eq!(scan("'a (( '' (' /* (( /* nested */ ( */ -- ((\n").parentheses, 0);
        assert_eq!(scan("E'\\' (('").parentheses, 0);
        assert_eq!(scan("$a$ (( $b$ $a$").tokens, 1);
        assert_eq!(scan("$1 + $2").tokens, 3);
        assert_eq!(scan("\"((\"").parentheses, 0);
    }

    #[test]
    fn too_much_is_refused() {
        assert_eq!(check(&"(".repeat(10_000)).unwrap_err().sqlstate().0, "54001");
        assert_eq!(check(&"NOT ".repeat(100_000)).unwrap_err().sqlstate().0, "54001");
        assert_eq!(check(&",".repeat(TOKENS_MAX + 1)).unwrap_err().sqlstate().0, "54000");
    }

    #[test]
    fn positions_count_characters() {
        let text = "SELECT 'ä',\n  x";
        assert_eq!(position(text, Location { line: 2, column: 3 }), 15);
        assert_eq!(first_word("foo.bar"), "foo");
        assert_eq!(first_word("'a b' c"), "'a b'");
    }
}
