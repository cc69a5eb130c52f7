//! LIKE and ILIKE as PostgreSQL matches them (src/backend/utils/adt/like_match.c).

use crate::bail;
use crate::error::Result;

/// Whether a text matches a pattern: `%` any run, `_` any character, backslash takes the next as it is.
/// 22025 for a pattern that ends with the escape.
///
/// Backtracks to the last `%` only, which is enough for LIKE, so the time is at most the product of
/// the two lengths.
pub fn like(text: &str, pattern: &str) -> Result<bool> {
    let text = text.as_bytes();
    let pattern = pattern.as_bytes();
    let (mut at, mut p) = (0, 0);
    // Where to go on after a mismatch: the place after the last %, and the text it has not swallowed.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        if p < pattern.len() && pattern[p] == b'%' {
            p += 1;
            retry = Some((p, at));
            continue;
        }
        if at == text.len() {
            if p < pattern.len() && pattern[p] == b'\\' && p + 1 == pattern.len() {
                return escape_error();
            }
            return Ok(p == pattern.len());
        }
        match step(text, at, pattern, p)? {
            Some((next_at, next_p)) => (at, p) = (next_at, next_p),
            None => match &mut retry {
                None => return Ok(false),
                Some((after, swallowed)) => {
                    *swallowed = next_character(text, *swallowed);
                    (at, p) = (*swallowed, *after);
                }
            },
        }
    }
}

fn escape_error<T>() -> Result<T> {
    bail!(INVALID_ESCAPE_SEQUENCE, "LIKE pattern must not end with escape character")
}

/// Matches one element of the pattern that is not `%`.
fn step(text: &[u8], at: usize, pattern: &[u8], p: usize) -> Result<Option<(usize, usize)>> {
    Ok(match pattern.get(p) {
        None => None,
        Some(b'_') => Some((next_character(text, at), p + 1)),
        Some(b'\\') => match pattern.get(p + 1) {
            None => return escape_error(),
            Some(literal) => (text[at] == *literal).then_some((at + 1, p + 2)),
        },
        Some(literal) => (text[at] == *literal).then_some((at + 1, p + 1)),
    })
}

fn next_character(text: &[u8], at: usize) -> usize {
    let mut next = at + 1;
    while next < text.len() && text[next] & 0xc0 == 0x80 {
        next += 1;
    }
    next
}

/// Rewrites a pattern with another escape character to one with backslash (like_escape). An empty
/// escape means none.
pub fn with_escape(pattern: &str, escape: &str) -> Result<String> {
    let mut characters = escape.chars();
    let escape = match (characters.next(), characters.next()) {
        (first, None) => first,
        _ => bail!(INVALID_ESCAPE_SEQUENCE, "invalid escape string"),
    };
    if escape == Some('\\') {
        return Ok(pattern.to_owned());
    }
    let mut out = String::with_capacity(pattern.len());
    let mut after_escape = false;
    for c in pattern.chars() {
        if Some(c) == escape && !after_escape {
            out.push('\\');
            after_escape = true;
            continue;
        }
        if c == '\\' && !after_escape {
            out.push('\\');
        }
        out.push(c);
        after_escape = false;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_postgresql() {
        for (text, pattern, matches) in [
            ("abc", "a%", true),
            ("abc", "_b_", true),
            ("äbc", "_bc", true),
            ("abc", "b", false),
            ("a%c", "a\\%c", true),
            ("abc", "a\\%c", false),
            ("", "%", true),
            ("", "_", false),
            ("aaab", "%a%ab", true),
            ("mississippi", "%iss%ip%i", true),
            ("mississippi", "%iss%ip%x", false),
            ("abc", "abc%%", true),
        ] {
            assert_eq!(like(text, pattern).unwrap(), matches, "{text} LIKE {pattern}");
        }
        assert_eq!(like("a", "a\\").unwrap_err().sqlstate().0, "22025");
        assert!(!like("b", "a\\").unwrap());
    }

    #[test]
    fn other_escapes_become_backslashes() {
        assert_eq!(with_escape("a#%b", "#").unwrap(), "a\\%b");
        assert_eq!(with_escape("a\\b", "").unwrap(), "a\\\\b");
        assert!(with_escape("a", "ab").is_err());
    }
}
