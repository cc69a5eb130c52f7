//! PostgreSQL's regular expressions: its dialect (`syntax`), its rules of which match counts (`matcher`), and the
//! functions over them.

mod matcher;
mod syntax;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use matcher::{Captures, Compiled};
use syntax::{Options, parse, set_option};

use super::{Env, Function, Operator, Rows, Signature, operator, scalar, set};
use crate::bail;
use crate::error::{Error, Result, state};
use crate::types::array::{Array, TEXT_ARRAY};
use crate::types::boolean::BOOL;
use crate::types::integer::INT4;
use crate::types::text::{BPCHAR, NAME, TEXT};
use crate::types::{Datum, DatumRef, Type};

/// Compiled expressions that a thread keeps.
const KEPT_MAX: usize = 32;

/// An expression and what it is compiled to.
type Kept = ((String, Options), Rc<Compiled>);

thread_local! {
    static KEPT: RefCell<VecDeque<Kept>> = const { RefCell::new(VecDeque::new()) };
}

/// A compiled expression, from this thread's last ones if it is there.
fn compiled(pattern: &str, options: Options) -> Result<Rc<Compiled>> {
    let found = KEPT.with_borrow_mut(|kept| {
        let place = kept.iter().position(|((text, with), _)| text == pattern && *with == options)?;
        let entry = kept.remove(place)?;
        let compiled = entry.1.clone();
        kept.push_front(entry);
        Some(compiled)
    });
    if let Some(found) = found {
        return Ok(found);
    }
    let mut compiled = Compiled::new(parse(pattern, options)?)?;
    compiled.prepare()?;
    let compiled = Rc::new(compiled);
    KEPT.with_borrow_mut(|kept| {
        kept.truncate(KEPT_MAX - 1);
        kept.push_front(((pattern.to_owned(), options), compiled.clone()));
    });
    Ok(compiled)
}

fn is_match(text: &str, pattern: &str, ignores_case: bool) -> Result<bool> {
    let compiled = compiled(pattern, Options { ignores_case, ..Options::default() })?;
    compiled.is_match(&text.chars().collect::<Vec<char>>())
}

fn matches(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    is_match(args[0].text(), args[1].text(), false).map(Datum::bool)
}

fn matches_not(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    is_match(args[0].text(), args[1].text(), false).map(|found| Datum::bool(!found))
}

fn matches_any_case(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    is_match(args[0].text(), args[1].text(), true).map(Datum::bool)
}

fn matches_not_any_case(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    is_match(args[0].text(), args[1].text(), true).map(|found| Datum::bool(!found))
}

/// The letters of a flags argument; `g` is told apart.
fn flags(text: &str) -> Result<(Options, bool)> {
    let mut options = Options::default();
    let mut global = false;
    for letter in text.chars() {
        if letter == 'g' {
            global = true;
        } else if !set_option(&mut options, letter) {
            bail!(INVALID_PARAMETER_VALUE, "invalid regular expression option: \"{letter}\"");
        }
    }
    Ok((options, global))
}

fn flags_at(args: &[DatumRef<'_>], place: usize) -> Result<(Options, bool)> {
    args.get(place).map_or(Ok((Options::default(), false)), |flag| flags(flag.text()))
}

/// Flags of a function for which `g` means nothing.
fn local_flags(args: &[DatumRef<'_>], place: usize, function: &str) -> Result<Options> {
    match flags_at(args, place)? {
        (_, true) => Err(Error::new(
            state::INVALID_PARAMETER_VALUE,
            format!("{function}() does not support the \"global\" option"),
        )),
        (options, false) => Ok(options),
    }
}

/// All matches, one after the other; after an empty one the search goes on a character further.
struct Matches<'t> {
    compiled: Rc<Compiled>,
    text: &'t [char],
    place: usize,
    done: bool,
}

impl Matches<'_> {
    fn next(&mut self) -> Result<Option<Captures>> {
        if self.done || self.place > self.text.len() {
            return Ok(None);
        }
        let Some(found) = self.compiled.find(self.text, self.place)? else {
            self.done = true;
            return Ok(None);
        };
        let (start, end) = found[0].unwrap_or((self.place, self.place));
        self.place = if start == end { end + 1 } else { end };
        Ok(Some(found))
    }
}

fn find_all<'t>(text: &'t [char], pattern: &str, options: Options, from: usize) -> Result<Matches<'t>> {
    Ok(Matches { compiled: compiled(pattern, options)?, text, place: from, done: false })
}

fn part(text: &[char], span: Option<(usize, usize)>) -> Datum {
    span.map_or(Datum::Null, |(start, end)| Datum::Text(text[start..end].iter().collect()))
}

/// The groups of a match as text[]; the whole match if there are none.
fn groups(text: &[char], captures: &Captures) -> Datum {
    let elements = match captures.as_slice() {
        [whole] => vec![part(text, *whole)],
        [_, groups @ ..] => groups.iter().map(|group| part(text, *group)).collect(),
        [] => Vec::new(),
    };
    Array::vector(elements).to_datum(&TEXT)
}

fn regexp_match(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let (options, global) = flags_at(args, 2)?;
    if global {
        return Err(Error::new(
            state::INVALID_PARAMETER_VALUE,
            "regexp_match() does not support the \"global\" option",
        )
        .with_hint("Use the regexp_matches function instead."));
    }
    let text: Vec<char> = args[0].text().chars().collect();
    let found = find_all(&text, args[1].text(), options, 0)?.next()?;
    Ok(found.map_or(Datum::Null, |captures| groups(&text, &captures)))
}

fn regexp_matches(args: &[DatumRef<'_>], _: &Signature, _: &dyn Env) -> Result<Rows> {
    let (options, global) = flags_at(args, 2)?;
    let text: Vec<char> = args[0].text().chars().collect();
    let mut found = find_all(&text, args[1].text(), options, 0)?;
    let mut rows = Vec::new();
    while let Some(captures) = found.next()? {
        rows.push(Ok(vec![groups(&text, &captures)]));
        if !global {
            break;
        }
    }
    Ok(Box::new(rows.into_iter()))
}

/// The pieces between matches. A match of nothing at the ends splits nothing.
fn pieces(args: &[DatumRef<'_>], function: &str) -> Result<Vec<Datum>> {
    let options = local_flags(args, 2, function)?;
    let text: Vec<char> = args[0].text().chars().collect();
    let mut found = find_all(&text, args[1].text(), options, 0)?;
    let mut pieces = Vec::new();
    let mut start = 0;
    while let Some(captures) = found.next()? {
        let (from, to) = captures[0].unwrap_or((start, start));
        if from == to && (to >= text.len() || from == start) {
            if from == start && to < text.len() && from == 0 {
                continue;
            }
            if to >= text.len() || from == start {
                continue;
            }
        }
        pieces.push(part(&text, Some((start, from))));
        start = to;
    }
    pieces.push(part(&text, Some((start, text.len()))));
    Ok(pieces)
}

fn split_to_array(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Array::vector(pieces(args, "regexp_split_to_array")?).to_datum(&TEXT))
}

fn split_to_table(args: &[DatumRef<'_>], _: &Signature, _: &dyn Env) -> Result<Rows> {
    Ok(Box::new(pieces(args, "regexp_split_to_table")?.into_iter().map(|piece| Ok(vec![piece]))))
}

/// Appends a replacement, in which \1 … \9 and \& stand for parts of the match.
fn append_replacement(out: &mut String, replacement: &str, text: &[char], captures: &Captures) {
    let mut chars = replacement.chars();
    let push = |out: &mut String, span: Option<Option<(usize, usize)>>| {
        if let Some(Some((start, end))) = span {
            out.extend(&text[start..end]);
        }
    };
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('&') => push(out, captures.first().copied()),
            Some(digit @ '1'..='9') => push(out, captures.get(digit as usize - '0' as usize).copied()),
            Some('\\') => out.push('\\'),
            Some(other) => {
                out.push('\\');
                out.push(other);
            }
            None => out.push('\\'),
        }
    }
}

/// Replaces the nth match from a place on, or all if `nth` is 0.
fn replace(
    text: &str,
    pattern: &str,
    replacement: &str,
    options: Options,
    from: usize,
    nth: i64,
) -> Result<Datum> {
    let text: Vec<char> = text.chars().collect();
    let mut found = find_all(&text, pattern, options, from)?;
    let mut out = String::new();
    let mut kept = 0;
    let mut number = 0;
    while let Some(captures) = found.next()? {
        number += 1;
        if nth != 0 && number != nth {
            continue;
        }
        let (start, end) = captures[0].unwrap_or((kept, kept));
        out.extend(&text[kept..start]);
        append_replacement(&mut out, replacement, &text, &captures);
        kept = end;
        if nth != 0 {
            break;
        }
    }
    out.extend(&text[kept..]);
    Ok(Datum::Text(out))
}

fn regexp_replace(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    if let Some(first) = args.get(3).and_then(|flags| flags.text().chars().next())
        && first.is_ascii_digit()
    {
        return Err(Error::new(
            state::INVALID_PARAMETER_VALUE,
            format!("invalid regular expression option: \"{first}\""),
        )
        .with_hint("If you meant to use regexp_replace() with a start parameter, cast the fourth argument to integer explicitly."));
    }
    let (options, global) = flags_at(args, 3)?;
    replace(args[0].text(), args[1].text(), args[2].text(), options, 0, i64::from(!global))
}

/// A parameter that must be at least so much.
fn at_least(value: i64, least: i64, name: &str) -> Result<i64> {
    if value < least {
        bail!(INVALID_PARAMETER_VALUE, "invalid value for parameter \"{name}\": {value}");
    }
    Ok(value)
}

/// The argument at a place, from a default where there is none.
fn number(args: &[DatumRef<'_>], place: usize, default: i64, least: i64, name: &str) -> Result<i64> {
    at_least(args.get(place).map_or(default, |arg| arg.integer()), least, name)
}

fn regexp_replace_from(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let start = number(args, 3, 1, 1, "start")?;
    let nth = number(args, 4, 1, 0, "n")?;
    let (options, global) = flags_at(args, 5)?;
    let nth = if args.len() <= 4 && global { 0 } else { nth };
    replace(args[0].text(), args[1].text(), args[2].text(), options, start as usize - 1, nth)
}

fn regexp_count(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let start = number(args, 2, 1, 1, "start")?;
    let options = local_flags(args, 3, "regexp_count")?;
    let text: Vec<char> = args[0].text().chars().collect();
    let mut found = find_all(&text, args[1].text(), options, start as usize - 1)?;
    let mut count = 0;
    while found.next()?.is_some() {
        count += 1;
    }
    Ok(Datum::Integer(count))
}

fn regexp_like(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let options = local_flags(args, 2, "regexp_like")?;
    let text: Vec<char> = args[0].text().chars().collect();
    compiled(args[1].text(), options)?.is_match(&text).map(Datum::bool)
}

/// The nth match from a start on.
fn nth_match(text: &[char], args: &[DatumRef<'_>], options: Options) -> Result<Option<Captures>> {
    let start = number(args, 2, 1, 1, "start")?;
    let nth = number(args, 3, 1, 1, "n")?;
    let mut found = find_all(text, args[1].text(), options, start as usize - 1)?;
    for _ in 1..nth {
        if found.next()?.is_none() {
            return Ok(None);
        }
    }
    found.next()
}

fn regexp_instr(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let text: Vec<char> = args[0].text().chars().collect();
    number(args, 2, 1, 1, "start")?;
    number(args, 3, 1, 1, "n")?;
    let end_option = number(args, 4, 0, 0, "endoption")?;
    if end_option > 1 {
        bail!(INVALID_PARAMETER_VALUE, "invalid value for parameter \"endoption\": {end_option}");
    }
    let options = local_flags(args, 5, "regexp_instr")?;
    let group = number(args, 6, 0, 0, "subexpr")? as usize;
    let found = nth_match(&text, args, options)?;
    let span = found.and_then(|captures| captures.get(group).copied().flatten());
    Ok(Datum::Integer(span.map_or(0, |(start, end)| (if end_option == 1 { end } else { start }) as i64 + 1)))
}

fn regexp_substr(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let text: Vec<char> = args[0].text().chars().collect();
    let options = local_flags(args, 4, "regexp_substr")?;
    let group = number(args, 5, 0, 0, "subexpr")? as usize;
    let found = nth_match(&text, args, options)?;
    Ok(part(&text, found.and_then(|captures| captures.get(group).copied().flatten())))
}

/// substring(text from pattern): the first group, or the match if there is none.
fn substring(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let text: Vec<char> = args[0].text().chars().collect();
    let compiled = compiled(args[1].text(), Options::default())?;
    let Some(captures) = compiled.find(&text, 0)? else { return Ok(Datum::Null) };
    let wanted = if compiled.groups() > 0 { captures[1] } else { captures[0] };
    Ok(part(&text, wanted))
}

/// The regular expression of a SIMILAR TO pattern (similar_escape_internal).
fn similar_pattern(pattern: &str, escape: Option<&str>) -> Result<String> {
    let escape = match escape.map(|text| (text.chars().next(), text.chars().count())) {
        None => Some('\\'),
        Some((None, _)) => None,
        Some((Some(only), 1)) => Some(only),
        Some(_) => {
            return Err(Error::new(state::INVALID_ESCAPE_SEQUENCE, "invalid escape string")
                .with_hint("Escape string must be empty or one character."));
        }
    };
    let mut out = String::from("^(?:");
    let mut chars = pattern.chars().peekable();
    let (mut in_bracket, mut quotes) = (false, 0);
    while let Some(c) = chars.next() {
        if Some(c) == escape && !in_bracket {
            match chars.next() {
                Some('"') => {
                    // substring(… similar … escape …): three parts, the middle one is wanted.
                    match quotes {
                        0 => out.push_str("){1,1}?("),
                        1 => out.push_str("){1,1}(?:"),
                        _ => bail!(
                            INVALID_USE_OF_ESCAPE_CHARACTER,
                            "SQL regular expression may not contain more than two escape-double-quote separators"
                        ),
                    }
                    quotes += 1;
                }
                Some(next) => {
                    out.push('\\');
                    out.push(next);
                }
                None => out.push('\\'),
            }
            continue;
        }
        if in_bracket {
            if c == '\\' {
                out.push('\\');
            }
            out.push(c);
            in_bracket = c != ']';
            continue;
        }
        match c {
            '[' => {
                out.push(c);
                in_bracket = true;
                for special in ['^', ']'] {
                    if chars.peek() == Some(&special) {
                        out.push(special);
                        chars.next();
                    }
                }
            }
            '%' => out.push_str(".*"),
            '_' => out.push('.'),
            '(' => out.push_str("(?:"),
            '\\' | '.' | '^' | '$' => {
                out.push('\\');
                out.push(c);
            }
            other => out.push(other),
        }
    }
    out.push_str(")$");
    Ok(out)
}

fn similar_to_escape(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    similar_pattern(args[0].text(), args.get(1).map(|escape| escape.text())).map(Datum::Text)
}

fn similar_escape(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let DatumRef::Text(pattern) = args[0] else { return Ok(Datum::Null) };
    let escape = match args[1] {
        DatumRef::Text(escape) => Some(escape),
        _ => None,
    };
    similar_pattern(pattern, escape).map(Datum::Text)
}

fn substring_similar(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    let pattern = similar_pattern(args[1].text(), Some(args[2].text()))?;
    substring(&[args[0], DatumRef::Text(&pattern)], env)
}

const TWO: &[&Type] = &[&TEXT, &TEXT];
const THREE: &[&Type] = &[&TEXT, &TEXT, &TEXT];
const FOUR: &[&Type] = &[&TEXT, &TEXT, &TEXT, &TEXT];
const PADDED: &[&Type] = &[&BPCHAR, &TEXT];
const NAMES: &[&Type] = &[&NAME, &TEXT];

pub(super) const FUNCTIONS: &[Function] = &[
    scalar(3396, "regexp_match", TWO, &TEXT_ARRAY, regexp_match),
    scalar(3397, "regexp_match", THREE, &TEXT_ARRAY, regexp_match),
    set(2763, "regexp_matches", TWO, &TEXT_ARRAY, regexp_matches),
    set(2764, "regexp_matches", THREE, &TEXT_ARRAY, regexp_matches),
    scalar(2767, "regexp_split_to_array", TWO, &TEXT_ARRAY, split_to_array),
    scalar(2768, "regexp_split_to_array", THREE, &TEXT_ARRAY, split_to_array),
    set(2765, "regexp_split_to_table", TWO, &TEXT, split_to_table),
    set(2766, "regexp_split_to_table", THREE, &TEXT, split_to_table),
    scalar(2284, "regexp_replace", THREE, &TEXT, regexp_replace),
    scalar(2285, "regexp_replace", FOUR, &TEXT, regexp_replace),
    scalar(6253, "regexp_replace", &[&TEXT, &TEXT, &TEXT, &INT4], &TEXT, regexp_replace_from),
    scalar(6252, "regexp_replace", &[&TEXT, &TEXT, &TEXT, &INT4, &INT4], &TEXT, regexp_replace_from),
    scalar(6251, "regexp_replace", &[&TEXT, &TEXT, &TEXT, &INT4, &INT4, &TEXT], &TEXT, regexp_replace_from),
    scalar(6254, "regexp_count", TWO, &INT4, regexp_count),
    scalar(6255, "regexp_count", &[&TEXT, &TEXT, &INT4], &INT4, regexp_count),
    scalar(6256, "regexp_count", &[&TEXT, &TEXT, &INT4, &TEXT], &INT4, regexp_count),
    scalar(6263, "regexp_like", TWO, &BOOL, regexp_like),
    scalar(6264, "regexp_like", THREE, &BOOL, regexp_like),
    scalar(6257, "regexp_instr", TWO, &INT4, regexp_instr),
    scalar(6258, "regexp_instr", &[&TEXT, &TEXT, &INT4], &INT4, regexp_instr),
    scalar(6259, "regexp_instr", &[&TEXT, &TEXT, &INT4, &INT4], &INT4, regexp_instr),
    scalar(6260, "regexp_instr", &[&TEXT, &TEXT, &INT4, &INT4, &INT4], &INT4, regexp_instr),
    scalar(6261, "regexp_instr", &[&TEXT, &TEXT, &INT4, &INT4, &INT4, &TEXT], &INT4, regexp_instr),
    scalar(6262, "regexp_instr", &[&TEXT, &TEXT, &INT4, &INT4, &INT4, &TEXT, &INT4], &INT4, regexp_instr),
    scalar(6265, "regexp_substr", TWO, &TEXT, regexp_substr),
    scalar(6266, "regexp_substr", &[&TEXT, &TEXT, &INT4], &TEXT, regexp_substr),
    scalar(6267, "regexp_substr", &[&TEXT, &TEXT, &INT4, &INT4], &TEXT, regexp_substr),
    scalar(6268, "regexp_substr", &[&TEXT, &TEXT, &INT4, &INT4, &TEXT], &TEXT, regexp_substr),
    scalar(6269, "regexp_substr", &[&TEXT, &TEXT, &INT4, &INT4, &TEXT, &INT4], &TEXT, regexp_substr),
    scalar(2073, "substring", TWO, &TEXT, substring),
    scalar(2074, "substring", THREE, &TEXT, substring_similar),
    scalar(1986, "similar_to_escape", TWO, &TEXT, similar_to_escape),
    scalar(1987, "similar_to_escape", &[&TEXT], &TEXT, similar_to_escape),
    scalar(1623, "similar_escape", TWO, &TEXT, similar_escape).called_on_null(),
];

pub(super) const OPERATORS: &[Operator] = &[
    operator(641, "~", scalar(1254, "textregexeq", TWO, &BOOL, matches)),
    operator(642, "!~", scalar(1256, "textregexne", TWO, &BOOL, matches_not)),
    operator(1228, "~*", scalar(1238, "texticregexeq", TWO, &BOOL, matches_any_case)),
    operator(1229, "!~*", scalar(1239, "texticregexne", TWO, &BOOL, matches_not_any_case)),
    operator(1055, "~", scalar(1658, "bpcharregexeq", PADDED, &BOOL, matches)),
    operator(1056, "!~", scalar(1659, "bpcharregexne", PADDED, &BOOL, matches_not)),
    operator(1234, "~*", scalar(1656, "bpcharicregexeq", PADDED, &BOOL, matches_any_case)),
    operator(1235, "!~*", scalar(1657, "bpcharicregexne", PADDED, &BOOL, matches_not_any_case)),
    operator(639, "~", scalar(79, "nameregexeq", NAMES, &BOOL, matches)),
    operator(640, "!~", scalar(1252, "nameregexne", NAMES, &BOOL, matches_not)),
    operator(1226, "~*", scalar(1240, "nameicregexeq", NAMES, &BOOL, matches_any_case)),
    operator(1227, "!~*", scalar(1241, "nameicregexne", NAMES, &BOOL, matches_not_any_case)),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn first(pattern: &str, text: &str) -> Option<Vec<Option<String>>> {
        let text: Vec<char> = text.chars().collect();
        let compiled = compiled(pattern, Options::default()).unwrap();
        let found = compiled.find(&text, 0).unwrap()?;
        let part = |span: &Option<(usize, usize)>| span.map(|(start, end)| text[start..end].iter().collect());
        Some(found.iter().map(part).collect())
    }

    fn some(parts: &[&str]) -> Option<Vec<Option<String>>> {
        Some(parts.iter().map(|part| Some((*part).to_owned())).collect())
    }

    #[test]
    fn matches_are_postgresqls() {
        // From PostgreSQL 15 and its documentation.
        assert_eq!(first("a|ab", "abc"), some(&["ab"]));
        assert_eq!(first("Y*([0-9]{1,3})", "XY1234Z"), some(&["Y123", "123"]));
        assert_eq!(first("Y*?([0-9]{1,3})", "XY1234Z"), some(&["Y1", "1"]));
        assert_eq!(
            first("(a*)(ab)*(b*)", "abb"),
            Some(vec![Some("abb".into()), Some("a".into()), None, Some("bb".into())])
        );
        assert_eq!(first("(.)\\1", "abccd"), some(&["cc", "c"]));
        assert_eq!(first("foo(?=bar)", "foofoobar"), some(&["foo"]));
        assert_eq!(first("\\mword\\M", "a word."), some(&["word"]));
        assert_eq!(first("x*", "abc"), some(&[""]));
        assert_eq!(first("[[:digit:]]+", "ab12"), some(&["12"]));
        assert_eq!(first("b", "a"), None);
    }

    #[test]
    fn malformed_patterns_are_refused() {
        let message = |pattern: &str| compiled(pattern, Options::default()).unwrap_err().message().to_owned();
        assert_eq!(message("a("), "invalid regular expression: parentheses () not balanced");
        assert_eq!(message("a)"), "invalid regular expression: parentheses () not balanced");
        assert_eq!(message("[a"), "invalid regular expression: brackets [] not balanced");
        assert_eq!(message("*a"), "invalid regular expression: quantifier operand invalid");
        assert_eq!(message("a{2,1}"), "invalid regular expression: invalid repetition count(s)");
        assert_eq!(message("(a)\\2"), "invalid regular expression: invalid backreference number");
    }
}
