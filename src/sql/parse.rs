//! From text to statements. A text is parsed whole before anything of it is executed, as in PostgreSQL.

use std::borrow::Cow;
use std::sync::Arc;

use sqlparser::ast;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Token, TokenWithSpan};

use super::lexical::{self, Extent};
use super::statement::{Overriding, Parsed, Statement};
use super::{rewrite, utility};
use crate::error::{Error, Result, state};

/// Stack for parsing, binding and dropping one level of a deep statement, in bytes. Unoptimised builds
/// need most of it.
const STACK_PER_LEVEL: usize = 16 << 10;
/// The stack that every thread has left at least; deeper statements get their own.
const STACK_AT_HAND: usize = 512 << 10;
/// sqlparser's own bound on recursion, above what the scan of parentheses admits.
const RECURSION_MAX: usize = 2000;

/// Runs `work` with as much stack as a statement of that extent may need.
pub fn with_stack<T>(extent: Extent, work: impl FnOnce() -> T) -> T {
    let needed =
        STACK_AT_HAND + extent.parentheses * 8 * STACK_PER_LEVEL + extent.depth * STACK_PER_LEVEL / 8;
    stacker::maybe_grow(needed, needed * 2, work)
}

/// Parses a text of any number of statements.
pub fn parse(text: &str) -> Result<Vec<Parsed>> {
    let extent = lexical::check(text)?;
    let text: Arc<str> = Arc::from(text);
    with_stack(extent, || {
        let tokens = lexical::tokenize(&text, &PostgreSqlDialect {})?;
        let statements =
            tokens.split(|token| token.token == Token::SemiColon).filter(|tokens| !tokens.is_empty());
        statements.map(|tokens| parse_one(&text, tokens, extent)).collect()
    })
}

/// Parses an expression that the catalog holds, or a part of a command of our own.
pub fn parse_expression(text: &str) -> Result<ast::Expr> {
    let extent = lexical::check(text)?;
    with_stack(extent, || {
        let tokens = lexical::tokenize(text, &PostgreSqlDialect {})?;
        sqlparse(text, &rewrite::rewrite(text, &tokens), |parser| parser.parse_expr())
    })
}

/// Parses the name of a type.
pub(super) fn parse_data_type(text: &str) -> Result<ast::DataType> {
    let extent = lexical::check(text)?;
    with_stack(extent, || {
        let tokens = lexical::tokenize(text, &PostgreSqlDialect {})?;
        sqlparse(text, &tokens, |parser| parser.parse_data_type())
    })
}

fn parse_one(text: &Arc<str>, tokens: &[TokenWithSpan], extent: Extent) -> Result<Parsed> {
    let (first, last) = (tokens[0].span.start, tokens[tokens.len() - 1].span.end);
    let (start, end) = (lexical::byte_offset(text, first), lexical::byte_offset(text, last));
    let statement = match utility::parse(text, tokens)? {
        Some(statement) => statement,
        None => parse_with_sqlparser(text, tokens)?,
    };
    Ok(Parsed { statement, source: text.clone(), range: start..end.max(start), extent })
}

/// Parses the statement that these tokens of a text are, inside another.
pub(super) fn parse_one_of(text: &str, tokens: &[TokenWithSpan]) -> Result<Parsed> {
    parse_one(&Arc::from(text), tokens, lexical::check(text)?)
}

/// The words that PostgreSQL's statements start with, sorted. sqlparser knows other databases' statements,
/// too.
const FIRST_WORDS: &[&str] = &[
    "abort",
    "alter",
    "analyse",
    "analyze",
    "begin",
    "call",
    "checkpoint",
    "close",
    "cluster",
    "comment",
    "commit",
    "copy",
    "create",
    "deallocate",
    "declare",
    "delete",
    "discard",
    "do",
    "drop",
    "end",
    "execute",
    "explain",
    "fetch",
    "grant",
    "import",
    "insert",
    "listen",
    "load",
    "lock",
    "merge",
    "move",
    "notify",
    "prepare",
    "reassign",
    "refresh",
    "reindex",
    "release",
    "reset",
    "revoke",
    "rollback",
    "savepoint",
    "security",
    "select",
    "set",
    "show",
    "start",
    "table",
    "truncate",
    "unlisten",
    "update",
    "vacuum",
    "values",
    "with",
];

/// 42601 at a first word that starts no statement of PostgreSQL's.
fn check_first_word(text: &str, tokens: &[TokenWithSpan]) -> Result<()> {
    match tokens.first().map(|token| &token.token) {
        Some(Token::Word(word))
            if FIRST_WORDS.binary_search(&word.value.to_ascii_lowercase().as_str()).is_err() =>
        {
            Err(near(text, tokens[0].span.start))
        }
        _ => Ok(()),
    }
}

/// Parses a statement that is not one of our own.
pub(super) fn parse_with_sqlparser(text: &str, tokens: &[TokenWithSpan]) -> Result<Statement> {
    check_first_word(text, tokens)?;
    let tokens = rewrite::rewrite(text, tokens);
    let tokens = spell_out_table(&tokens);
    let tokens = order_identity_options(&tokens)?;
    let (tokens, overriding) = take_overriding(&tokens);
    let statement = sqlparse(text, &tokens, |parser| parser.parse_statement())?;
    Ok(match statement {
        ast::Statement::Query(_)
        | ast::Statement::Insert(_)
        | ast::Statement::Update(_)
        | ast::Statement::Delete(_) => Statement::Plannable(Box::new(statement), overriding),
        other => Statement::Definition(Box::new(other)),
    })
}

/// The options of an identity column's sequence in the only order that sqlparser knows; PostgreSQL takes
/// any. 0A000 for SEQUENCE NAME.
fn order_identity_options(tokens: &[TokenWithSpan]) -> Result<Cow<'_, [TokenWithSpan]>> {
    const ORDER: &[&str] = &["INCREMENT", "MINVALUE", "MAXVALUE", "START", "CACHE", "CYCLE"];

    let word = |place: usize| match tokens.get(place).map(|token| &token.token) {
        Some(Token::Word(word)) if word.quote_style.is_none() => word.value.to_ascii_uppercase(),
        _ => String::new(),
    };
    let is_token =
        |place: usize, expected: &Token| tokens.get(place).is_some_and(|token| token.token == *expected);
    let mut ordered: Option<Vec<TokenWithSpan>> = None;
    for start in
        (0..tokens.len()).filter(|place| word(*place) == "IDENTITY" && is_token(place + 1, &Token::LParen))
    {
        let Some(end) = (start..tokens.len()).find(|place| is_token(*place, &Token::RParen)) else { break };
        let mut groups: Vec<(usize, Vec<TokenWithSpan>)> = Vec::new();
        for (place, token) in tokens.iter().enumerate().take(end).skip(start + 2) {
            if word(place) == "SEQUENCE" {
                return Err(Error::unsupported("SEQUENCE NAME of an identity column"));
            }
            // NO belongs to the word after it.
            let named = if word(place) == "NO" { word(place + 1) } else { word(place) };
            let follows_no = place > start + 2 && word(place - 1) == "NO";
            match ORDER.iter().position(|option| *option == named) {
                Some(rank) if !follows_no => groups.push((rank, Vec::new())),
                _ => {}
            }
            if let Some((_, group)) = groups.last_mut() {
                group.push(token.clone());
            }
        }
        if groups.iter().map(|(_, group)| group.len()).sum::<usize>() != end - start - 2 {
            continue;
        }
        groups.sort_by_key(|(rank, _)| *rank);
        let copy = ordered.get_or_insert_with(|| tokens.to_vec());
        copy.splice(start + 2..end, groups.into_iter().flat_map(|(_, group)| group));
    }
    Ok(ordered.map_or(Cow::Borrowed(tokens), Cow::Owned))
}

/// `TABLE name` is `SELECT * FROM name`: sqlparser lacks it.
fn spell_out_table(tokens: &[TokenWithSpan]) -> Cow<'_, [TokenWithSpan]> {
    let is_word = |token: &TokenWithSpan, words: &[&str]| {
        matches!(&token.token, Token::Word(word) if word.quote_style.is_none()
            && words.iter().any(|expected| word.value.eq_ignore_ascii_case(expected)))
    };
    let starts_query = |place: usize| {
        is_word(&tokens[place], &["TABLE"])
            && match place.checked_sub(1).map(|before| &tokens[before]) {
                None => true,
                Some(before) => {
                    before.token == Token::LParen
                        || is_word(before, &["UNION", "ALL", "DISTINCT", "INTERSECT", "EXCEPT", "AS"])
                }
            }
    };
    if !(0..tokens.len()).any(starts_query) {
        return Cow::Borrowed(tokens);
    }
    let mut spelled = Vec::with_capacity(tokens.len() + 2);
    for (place, token) in tokens.iter().enumerate() {
        if starts_query(place) {
            let words = [Token::make_keyword("SELECT"), Token::Mul, Token::make_keyword("FROM")];
            spelled.extend(words.into_iter().map(|word| TokenWithSpan { token: word, span: token.span }));
        } else {
            spelled.push(token.clone());
        }
    }
    Cow::Owned(spelled)
}

/// Takes `OVERRIDING {SYSTEM|USER} VALUE` out of an INSERT: sqlparser lacks it.
fn take_overriding(tokens: &[TokenWithSpan]) -> (Cow<'_, [TokenWithSpan]>, Option<Overriding>) {
    let is_word = |place: usize, word: &str| {
        matches!(tokens.get(place).map(|token| &token.token), Some(Token::Word(found))
            if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
    };
    if !is_word(0, "INSERT") {
        return (Cow::Borrowed(tokens), None);
    }
    // It stands before the values or the query, so the first one outside them is it.
    let end =
        (0..tokens.len()).find(|place| is_word(*place, "VALUES") || is_word(*place, "SELECT")).unwrap_or(0);
    let Some(place) = (0..end).find(|place| is_word(*place, "OVERRIDING") && is_word(place + 2, "VALUE"))
    else {
        return (Cow::Borrowed(tokens), None);
    };
    let overriding = if is_word(place + 1, "SYSTEM") { Overriding::System } else { Overriding::User };
    let kept = [&tokens[..place], &tokens[place + 3..]].concat();
    (Cow::Owned(kept), Some(overriding))
}

/// Runs one of sqlparser's methods on all of the tokens.
pub(super) fn sqlparse<T>(
    text: &str,
    tokens: &[TokenWithSpan],
    parse: impl FnOnce(&mut Parser<'_>) -> std::result::Result<T, ParserError>,
) -> Result<T> {
    let dialect = PostgreSqlDialect {};
    let mut parser =
        Parser::new(&dialect).with_recursion_limit(RECURSION_MAX).with_tokens_with_locations(tokens.to_vec());
    let parsed = parse(&mut parser).map_err(|error| syntax_error(text, tokens, &error))?;
    let next = parser.peek_token();
    if next.token != Token::EOF {
        return Err(near(text, next.span.start));
    }
    Ok(parsed)
}

/// sqlparser's error in PostgreSQL's words, at the token it did not expect.
fn syntax_error(text: &str, tokens: &[TokenWithSpan], error: &ParserError) -> Error {
    let message = match error {
        ParserError::RecursionLimitExceeded => return lexical::too_deep(),
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
    };
    match location(message) {
        Some(at) if at.line > 0 => near(text, at),
        _ => at_end(text, tokens),
    }
}

/// The `Line: 1, Column: 2` at the end of sqlparser's messages.
fn location(message: &str) -> Option<Location> {
    let (_, place) = message.rsplit_once(" at Line: ")?;
    let (line, column) = place.split_once(", Column: ")?;
    Some(Location { line: line.parse().ok()?, column: column.parse().ok()? })
}

/// 42601 at a token.
pub(super) fn near(text: &str, at: Location) -> Error {
    let offset = lexical::byte_offset(text, at);
    if offset >= text.len() {
        return end_of_input(text);
    }
    let token = lexical::first_word(&text[offset..]);
    Error::new(state::SYNTAX_ERROR, format!("syntax error at or near \"{token}\""))
        .at(Some(lexical::position(text, at)))
}

fn end_of_input(text: &str) -> Error {
    Error::new(state::SYNTAX_ERROR, "syntax error at end of input").at(Some(text.chars().count() as u32 + 1))
}

/// 42601 after the last of a statement's tokens: at the semicolon, or at the end.
pub(super) fn at_end(text: &str, tokens: &[TokenWithSpan]) -> Error {
    let end = tokens.last().map_or(0, |token| lexical::byte_offset(text, token.span.end));
    match text[end..].find(';') {
        Some(place) => Error::new(state::SYNTAX_ERROR, "syntax error at or near \";\"")
            .at(Some(text[..end + place].chars().count() as u32 + 1)),
        None => end_of_input(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        let error = parse(text).unwrap_err();
        format!("{} {} {:?}", error.sqlstate(), error.message(), error.fields().position)
    }

    #[test]
    fn syntax_errors_are_postgresqls() {
        // From PostgreSQL 15.
        assert_eq!(message("SELEC 1"), "42601 syntax error at or near \"SELEC\" Some(1)");
        assert_eq!(message("SELECT 1 FROM"), "42601 syntax error at end of input Some(14)");
        assert_eq!(message("SELECT (1"), "42601 syntax error at end of input Some(10)");
        assert_eq!(
            message("SELECT 1; SELECT * FROM t WHERE; SELECT 2"),
            "42601 syntax error at or near \";\" Some(32)"
        );
        assert_eq!(message("SELECT 'abc"), "42601 unterminated quoted string at or near \"'abc\" Some(8)");
    }

    #[test]
    fn statements_keep_their_text() {
        let parsed = parse(" SELECT 1 ;; SELECT 'ä;' ; ").unwrap();
        let texts: Vec<&str> = parsed.iter().map(Parsed::text).collect();
        assert_eq!(texts, ["SELECT 1", "SELECT 'ä;'"]);
        assert!(parse(" ; ; -- nothing\n").unwrap().is_empty());
    }

    #[test]
    fn deep_statements_are_refused_or_parsed_without_overflow() {
        let chain = format!("SELECT 1{}", " + 1".repeat(20_000));
        assert_eq!(parse(&chain).unwrap().len(), 1);
        let nested = format!("SELECT {}1{}", "(".repeat(300), ")".repeat(300));
        assert_eq!(parse(&nested).unwrap().len(), 1);
        assert_eq!(parse(&format!("SELECT {}", "(".repeat(10_000))).unwrap_err().sqlstate().0, "54001");
    }
}
