//! What PostgreSQL's grammar has and sqlparser lacks, in terms of what sqlparser has: a pass over a statement's
//! tokens. Each rewrite keeps the spans of the tokens it replaces, so that errors point where they should.

use sqlparser::tokenizer::{Span, Token, TokenWithSpan, Word};

use crate::types;

/// Stands in a name before the subscripts of a column that is assigned to: no name of a user's has it.
pub(super) const SUBSCRIPT_MARK: char = '\u{1}';

/// Names of ours that sqlparser takes for functions; the binder knows what they mean.
pub(super) const VARIADIC: &str = "quorate_variadic";
pub(super) const SYMMETRIC: &str = "quorate_symmetric";
pub(super) const EXCLUDE: &str = "quorate_exclude_";

type Tokens = Vec<TokenWithSpan>;

/// Rewrites a statement's tokens.
pub(super) fn rewrite(text: &str, tokens: &[TokenWithSpan]) -> Tokens {
    let tokens = join_strings(tokens);
    let tokens = spell_typed_strings(tokens);
    let tokens = drop_only(tokens);
    let tokens = spell_null_tests(tokens);
    let tokens = spell_trims(tokens);
    let tokens = spell_similar_substrings(tokens);
    let tokens = wrap_variadic(tokens);
    let tokens = wrap_symmetric(tokens);
    let tokens = wrap_frame_offsets(tokens);
    let tokens = move_exclusions(tokens);
    let tokens = name_column_definitions(tokens);
    let tokens = whole_rows_in_calls(tokens);
    let tokens = spell_rows_from(tokens);
    let tokens = plain_conflict_targets(tokens);
    mark_subscripted_targets(text, tokens)
}

fn made(token: Token, span: Span) -> TokenWithSpan {
    TokenWithSpan { token, span }
}

fn word_token(value: &str, span: Span) -> TokenWithSpan {
    made(Token::make_word(value, None), span)
}

fn unquoted(token: &TokenWithSpan) -> Option<&Word> {
    match &token.token {
        Token::Word(word) if word.quote_style.is_none() => Some(word),
        _ => None,
    }
}

fn is_word(tokens: &[TokenWithSpan], place: usize, expected: &str) -> bool {
    tokens.get(place).and_then(unquoted).is_some_and(|word| word.value.eq_ignore_ascii_case(expected))
}

fn is_any_word(tokens: &[TokenWithSpan], place: usize, expected: &[&str]) -> bool {
    expected.iter().any(|word| is_word(tokens, place, word))
}

fn is_token(tokens: &[TokenWithSpan], place: usize, expected: &Token) -> bool {
    tokens.get(place).is_some_and(|token| token.token == *expected)
}

fn is_string(tokens: &[TokenWithSpan], place: usize) -> bool {
    tokens.get(place).is_some_and(|token| {
        matches!(token.token, Token::SingleQuotedString(_) | Token::EscapedStringLiteral(_))
    })
}

/// The place of the parenthesis or bracket that closes the one at `open`.
fn closing(tokens: &[TokenWithSpan], open: usize) -> Option<usize> {
    let mut depth = 0usize;
    for (place, token) in tokens.iter().enumerate().skip(open) {
        match token.token {
            Token::LParen | Token::LBracket => depth += 1,
            Token::RParen | Token::RBracket => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(place);
                }
            }
            _ => {}
        }
    }
    None
}

/// The place of the parenthesis that opens what `close` closes.
fn opening(tokens: &[TokenWithSpan], close: usize) -> Option<usize> {
    let mut depth = 0usize;
    for place in (0..=close).rev() {
        match tokens[place].token {
            Token::RParen | Token::RBracket => depth += 1,
            Token::LParen | Token::LBracket => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(place);
                }
            }
            _ => {}
        }
    }
    None
}

/// Where the part that starts at `from` ends: before a comma, a closing parenthesis or the end, outside of parentheses.
fn end_of_part(tokens: &[TokenWithSpan], from: usize) -> usize {
    let mut depth = 0usize;
    for (place, token) in tokens.iter().enumerate().skip(from) {
        match token.token {
            Token::LParen | Token::LBracket => depth += 1,
            Token::RParen | Token::RBracket | Token::Comma if depth == 0 => return place,
            Token::RParen | Token::RBracket => depth -= 1,
            _ => {}
        }
    }
    tokens.len()
}

/// `'a'` and `'b'` on the next line are one constant.
fn join_strings(tokens: &[TokenWithSpan]) -> Tokens {
    let mut joined: Tokens = Vec::with_capacity(tokens.len());
    for token in tokens {
        let is_next_line = joined.last().is_some_and(|last| token.span.start.line > last.span.end.line);
        if let (Token::SingleQuotedString(more), true) = (&token.token, is_next_line)
            && let Some(last) = joined.last_mut()
            && let Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text) = &mut last.token
        {
            text.push_str(more);
            last.span.end = token.span.end;
            continue;
        }
        joined.push(token.clone());
    }
    joined
}

/// `int4 '5'` is a cast.
fn spell_typed_strings(tokens: Tokens) -> Tokens {
    let is_type = |place: usize| {
        let Some(word) = unquoted(&tokens[place]) else { return false };
        let name = word.value.to_ascii_lowercase();
        // Words that the grammar itself has for types.
        let known_to_grammar = ["date", "time", "timestamp", "interval", "uuid", "bool", "boolean"];
        !known_to_grammar.contains(&name.as_str())
            && name != "name"
            && (types::by_name(&name).is_some_and(|ty| !ty.is_pseudo())
                || types::LACKING.contains(&name.as_str()))
            || (name == "name" && place > 0)
            || matches!(name.as_str(), "bool" | "boolean" | "uuid")
    };
    let follows_operand = |place: usize| {
        place > 0
            && match &tokens[place - 1].token {
                Token::Period | Token::DoubleColon | Token::RParen | Token::RBracket => true,
                Token::Word(word) => {
                    word.quote_style.is_some()
                        || matches!(word.value.to_ascii_uppercase().as_str(), "AS" | "DEFAULT_FORMAT")
                        || word.keyword == sqlparser::keywords::Keyword::NoKeyword
                }
                _ => false,
            }
    };
    let mut spelled = Vec::with_capacity(tokens.len());
    let mut place = 0;
    while place < tokens.len() {
        if is_string(&tokens, place + 1) && is_type(place) && !follows_operand(place) {
            let span = tokens[place].span;
            spelled.push(word_token("CAST", span));
            spelled.push(made(Token::LParen, span));
            spelled.push(tokens[place + 1].clone());
            spelled.push(word_token("AS", span));
            spelled.push(tokens[place].clone());
            spelled.push(made(Token::RParen, tokens[place + 1].span));
            place += 2;
            continue;
        }
        spelled.push(tokens[place].clone());
        place += 1;
    }
    spelled
}

/// ONLY before a table means nothing where no table inherits.
fn drop_only(tokens: Tokens) -> Tokens {
    let mut kept = Vec::with_capacity(tokens.len());
    let mut place = 0;
    while place < tokens.len() {
        let before = ["FROM", "JOIN", "UPDATE", "TABLE", "TRUNCATE"];
        let follows = place > 0
            && (is_any_word(&tokens, place - 1, &before) || is_token(&tokens, place - 1, &Token::Comma));
        let precedes_name =
            matches!(tokens.get(place + 1).map(|token| &token.token), Some(Token::Word(_) | Token::LParen));
        if is_word(&tokens, place, "ONLY") && follows && precedes_name {
            place += 1;
            // ONLY (t)
            if is_token(&tokens, place, &Token::LParen)
                && let Some(close) = closing(&tokens, place)
            {
                kept.extend(tokens[place + 1..close].iter().cloned());
                place = close + 1;
            }
            continue;
        }
        kept.push(tokens[place].clone());
        place += 1;
    }
    kept
}

/// `x ISNULL`
fn spell_null_tests(tokens: Tokens) -> Tokens {
    let mut spelled = Vec::with_capacity(tokens.len());
    for (place, token) in tokens.iter().enumerate() {
        let follows_operand = place > 0
            && matches!(
                tokens[place - 1].token,
                Token::RParen
                    | Token::RBracket
                    | Token::Number(..)
                    | Token::SingleQuotedString(_)
                    | Token::Word(_)
            );
        if follows_operand && is_word(&tokens, place, "ISNULL") {
            spelled.push(word_token("IS", token.span));
            spelled.push(word_token("NULL", token.span));
        } else {
            spelled.push(token.clone());
        }
    }
    spelled
}

/// `trim(trailing from x)` takes blanks away.
fn spell_trims(tokens: Tokens) -> Tokens {
    let mut spelled: Tokens = Vec::with_capacity(tokens.len());
    for (place, token) in tokens.iter().enumerate() {
        let starts = |before: usize| {
            place > before
                && is_word(&tokens, place - before - 1, "TRIM")
                && is_token(&tokens, place - before, &Token::LParen)
        };
        if is_word(&tokens, place, "FROM") {
            let after_side = starts(2) && is_any_word(&tokens, place - 1, &["LEADING", "TRAILING", "BOTH"]);
            if starts(1) {
                spelled.push(word_token("BOTH", token.span));
            }
            if after_side || starts(1) {
                spelled.push(made(Token::SingleQuotedString(" ".into()), token.span));
            }
        }
        spelled.push(token.clone());
    }
    spelled
}

/// `substring(x similar p escape e)`
fn spell_similar_substrings(tokens: Tokens) -> Tokens {
    let mut spelled = tokens;
    let mut place = 0;
    while place + 1 < spelled.len() {
        if is_word(&spelled, place, "SUBSTRING")
            && is_token(&spelled, place + 1, &Token::LParen)
            && let Some(close) = closing(&spelled, place + 1)
        {
            let top = |from: usize, wanted: &str| {
                let mut depth = 0i32;
                (from..close).find(|at| {
                    match spelled[*at].token {
                        Token::LParen => depth += 1,
                        Token::RParen => depth -= 1,
                        _ => {}
                    }
                    depth == 0 && is_word(&spelled, *at, wanted)
                })
            };
            if let Some(similar) = top(place + 2, "SIMILAR")
                && let Some(escape) = top(similar, "ESCAPE")
            {
                let comma = |at: usize, spelled: &Tokens| made(Token::Comma, spelled[at].span);
                spelled[similar] = comma(similar, &spelled);
                spelled[escape] = comma(escape, &spelled);
            }
        }
        place += 1;
    }
    spelled
}

/// Puts a call around a part of the tokens.
fn wrap(tokens: &mut Tokens, from: usize, to: usize, name: &str) {
    let (start, end) = (tokens[from].span, tokens[to - 1].span);
    tokens.insert(to, made(Token::RParen, end));
    tokens.splice(from..from, [word_token(name, start), made(Token::LParen, start)]);
}

/// `f(VARIADIC array)`
fn wrap_variadic(tokens: Tokens) -> Tokens {
    let mut wrapped = tokens;
    let mut place = 1;
    while place < wrapped.len() {
        let follows =
            is_token(&wrapped, place - 1, &Token::LParen) || is_token(&wrapped, place - 1, &Token::Comma);
        if follows && is_word(&wrapped, place, "VARIADIC") {
            wrapped.remove(place);
            let end = end_of_part(&wrapped, place);
            if end > place {
                wrap(&mut wrapped, place, end, VARIADIC);
            }
        }
        place += 1;
    }
    wrapped
}

/// `x BETWEEN SYMMETRIC a AND b`
fn wrap_symmetric(tokens: Tokens) -> Tokens {
    let mut wrapped = tokens;
    let mut place = 1;
    while place < wrapped.len() {
        if is_word(&wrapped, place - 1, "BETWEEN")
            && is_any_word(&wrapped, place, &["SYMMETRIC", "ASYMMETRIC"])
        {
            let is_symmetric = is_word(&wrapped, place, "SYMMETRIC");
            wrapped.remove(place);
            let mut depth = 0i32;
            let end = (place..wrapped.len()).find(|at| {
                match wrapped[*at].token {
                    Token::LParen => depth += 1,
                    Token::RParen => depth -= 1,
                    _ => {}
                }
                depth == 0 && is_word(&wrapped, *at, "AND")
            });
            if let (true, Some(end)) = (is_symmetric, end) {
                wrap(&mut wrapped, place, end, SYMMETRIC);
            }
        }
        place += 1;
    }
    wrapped
}

/// A frame's offset that starts with a string is any expression: in parentheses sqlparser reads it as one.
fn wrap_frame_offsets(tokens: Tokens) -> Tokens {
    let mut wrapped = tokens;
    let mut place = 1;
    while place < wrapped.len() {
        let starts = is_any_word(&wrapped, place - 1, &["BETWEEN", "AND", "RANGE", "ROWS", "GROUPS"]);
        if starts && is_string(&wrapped, place) {
            let end = (place..wrapped.len().min(place + 12))
                .find(|at| is_any_word(&wrapped, *at, &["PRECEDING", "FOLLOWING"]));
            if let Some(end) = end {
                let (first, last) = (wrapped[place].span, wrapped[end].span);
                wrapped.insert(end, made(Token::RParen, last));
                wrapped.insert(place, made(Token::LParen, first));
            }
        }
        place += 1;
    }
    wrapped
}

/// EXCLUDE of a frame becomes a key of PARTITION BY, which the binder takes out again.
fn move_exclusions(tokens: Tokens) -> Tokens {
    let mut moved = tokens;
    let mut place = 1;
    while place < moved.len() {
        let what = if !is_word(&moved, place, "EXCLUDE") {
            None
        } else if is_word(&moved, place + 1, "CURRENT") && is_word(&moved, place + 2, "ROW") {
            Some(("current_row", 3))
        } else if is_word(&moved, place + 1, "NO") && is_word(&moved, place + 2, "OTHERS") {
            Some(("no_others", 3))
        } else if is_word(&moved, place + 1, "GROUP") {
            Some(("group", 2))
        } else if is_word(&moved, place + 1, "TIES") {
            Some(("ties", 2))
        } else {
            None
        };
        if let Some((name, length)) = what
            && is_token(&moved, place + length, &Token::RParen)
            && let Some(open) = opening(&moved, place + length)
        {
            let span = moved[place].span;
            moved.drain(place..place + length);
            let marker = word_token(&format!("{EXCLUDE}{name}"), span);
            let keywords = ["PARTITION", "ORDER", "RANGE", "ROWS", "GROUPS"];
            let at = if is_any_word(&moved, open + 1, &keywords) { open + 1 } else { open + 2 };
            if is_word(&moved, at, "PARTITION") {
                moved.splice(at + 2..at + 2, [marker, made(Token::Comma, span)]);
            } else {
                moved.splice(at..at, [word_token("PARTITION", span), word_token("BY", span), marker]);
            }
        }
        place += 1;
    }
    moved
}

/// `f(x) AS (a int, b text)`: the definition list gets the function's name.
fn name_column_definitions(tokens: Tokens) -> Tokens {
    let mut named = tokens;
    let mut place = 1;
    while place + 2 < named.len() {
        let is_list = is_word(&named, place, "AS")
            && is_token(&named, place - 1, &Token::RParen)
            && is_token(&named, place + 1, &Token::LParen)
            && matches!(named[place + 2].token, Token::Word(_))
            && matches!(named.get(place + 3).map(|token| &token.token), Some(Token::Word(_)))
            && !is_any_word(
                &named,
                place + 2,
                &["SELECT", "VALUES", "WITH", "INSERT", "UPDATE", "DELETE", "TABLE"],
            );
        if is_list
            && let Some(open) = opening(&named, place - 1)
            && open > 0
            && let Token::Word(word) = named[open - 1].token.clone()
        {
            let span = named[place].span;
            named.insert(place + 1, made(Token::Word(word), span));
        }
        place += 1;
    }
    named
}

/// `count(t.*)` is about whole rows.
fn whole_rows_in_calls(tokens: Tokens) -> Tokens {
    let mut kept = tokens;
    let mut place = 2;
    while place + 1 < kept.len() {
        let is_star = is_token(&kept, place, &Token::Mul)
            && is_token(&kept, place - 1, &Token::Period)
            && matches!(kept[place + 1].token, Token::RParen | Token::Comma | Token::DoubleColon);
        if is_star && enclosing_call(&kept, place) {
            kept.drain(place - 1..=place);
        }
        place += 1;
    }
    kept
}

/// Whether the innermost parenthesis around a place is that of a call.
fn enclosing_call(tokens: &[TokenWithSpan], place: usize) -> bool {
    let mut depth = 0i32;
    for at in (0..place).rev() {
        match tokens[at].token {
            Token::RParen => depth += 1,
            Token::LParen if depth == 0 => {
                let Some(Token::Word(word)) = at.checked_sub(1).map(|before| &tokens[before].token) else {
                    return false;
                };
                let is_keyword = [
                    "IN",
                    "VALUES",
                    "EXISTS",
                    "ANY",
                    "ALL",
                    "SOME",
                    "ON",
                    "AS",
                    "FROM",
                    "SELECT",
                    "RETURNING",
                ]
                .iter()
                .any(|keyword| word.value.eq_ignore_ascii_case(keyword));
                return word.quote_style.is_some() || !is_keyword;
            }
            Token::LParen => depth -= 1,
            Token::Word(ref word)
                if depth == 0
                    && word.quote_style.is_none()
                    && ["SELECT", "RETURNING"]
                        .iter()
                        .any(|keyword| word.value.eq_ignore_ascii_case(keyword)) =>
            {
                return false;
            }
            _ => {}
        }
    }
    false
}

/// `ROWS FROM (f(x))` of one function is the function.
fn spell_rows_from(tokens: Tokens) -> Tokens {
    let mut spelled = tokens;
    let mut place = 0;
    while place + 2 < spelled.len() {
        if is_word(&spelled, place, "ROWS")
            && is_word(&spelled, place + 1, "FROM")
            && is_token(&spelled, place + 2, &Token::LParen)
            && let Some(close) = closing(&spelled, place + 2)
            && end_of_part(&spelled, place + 3) == close
        {
            spelled.remove(close);
            spelled.drain(place..place + 3);
        }
        place += 1;
    }
    spelled
}

/// Collations and operator classes in a conflict target change nothing where there is one of each.
fn plain_conflict_targets(tokens: Tokens) -> Tokens {
    let mut plain = tokens;
    let mut place = 0;
    while place + 2 < plain.len() {
        if is_word(&plain, place, "ON")
            && is_word(&plain, place + 1, "CONFLICT")
            && is_token(&plain, place + 2, &Token::LParen)
            && let Some(close) = closing(&plain, place + 2)
        {
            let mut at = place + 3;
            let mut end = close;
            while at < end {
                let follows_name = matches!(plain[at - 1].token, Token::Word(_))
                    && !is_token(&plain, at - 1, &Token::LParen);
                if follows_name && is_word(&plain, at, "COLLATE") {
                    let length = if is_token(&plain, at + 2, &Token::Period) { 4 } else { 2 };
                    plain.drain(at..(at + length).min(end));
                    end = end.saturating_sub(length);
                } else if follows_name
                    && plain.get(at).and_then(unquoted).is_some_and(|word| word.value.ends_with("_ops"))
                {
                    plain.remove(at);
                    end -= 1;
                } else {
                    at += 1;
                }
            }
        }
        place += 1;
    }
    plain
}

/// `SET a[1] = x` and `INSERT INTO t (a[1])`: the subscripts go into the name.
fn mark_subscripted_targets(text: &str, tokens: Tokens) -> Tokens {
    let mut marked = tokens;
    let mut place = 1;
    let mut in_set = false;
    let mut depth = 0i32;
    let mut insert_list: Option<(usize, usize)> = None;
    if let Some(into) = (0..marked.len()).find(|at| is_word(&marked, *at, "INTO"))
        && is_any_word(&marked, 0, &["INSERT", "WITH"])
    {
        let target = into + 2..marked.len().min(into + 8);
        let ends = |at: &usize| {
            is_token(&marked, *at, &Token::LParen)
                || is_any_word(&marked, *at, &["VALUES", "DEFAULT", "OVERRIDING", "SELECT", "WITH", "TABLE"])
        };
        let open = target.clone().find(ends).filter(|at| is_token(&marked, *at, &Token::LParen));
        insert_list = open.and_then(|open| Some((open, closing(&marked, open)?)));
    }
    while place < marked.len() {
        match marked[place].token {
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            _ => {}
        }
        if depth == 0 && is_word(&marked, place, "SET") {
            in_set = true;
        } else if depth == 0 && is_any_word(&marked, place, &["WHERE", "FROM", "RETURNING"]) {
            in_set = false;
        }
        let starts = is_token(&marked, place - 1, &Token::Comma)
            || is_token(&marked, place - 1, &Token::LParen)
            || is_word(&marked, place - 1, "SET");
        let in_list = insert_list.is_some_and(|(open, close)| (open..close).contains(&place) && depth == 1);
        let has_subscript =
            matches!(marked[place].token, Token::Word(_)) && is_token(&marked, place + 1, &Token::LBracket);
        if starts && has_subscript && (in_list || (in_set && depth == 0)) {
            let mut end = place + 1;
            while is_token(&marked, end, &Token::LBracket) {
                match closing(&marked, end) {
                    Some(close) => end = close + 1,
                    None => return marked,
                }
            }
            let is_target = in_list || is_token(&marked, end, &Token::Eq);
            let Token::Word(word) = marked[place].token.clone() else { break };
            if is_target {
                let from = super::lexical::byte_offset(text, marked[place + 1].span.start);
                let to = super::lexical::byte_offset(text, marked[end - 1].span.end);
                let name = crate::catalog::naming::fold(&word.value, word.quote_style.is_some()).0;
                let value = format!("{name}{SUBSCRIPT_MARK}{}", text.get(from..to).unwrap_or(""));
                marked[place].token = Token::make_word(&value, Some('"'));
                let removed = end - place - 1;
                marked.drain(place + 1..end);
                insert_list = insert_list.map(|(open, close)| (open, close.saturating_sub(removed)));
            }
        }
        place += 1;
    }
    marked
}
