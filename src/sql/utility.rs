//! The commands that sqlparser lacks, parses with losses, or whose words are the session's business:
//! a recursive-descent parser over the same tokens.

use sqlparser::ast;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::parse::{at_end, near, parse_one_of, parse_with_sqlparser, sqlparse};
use super::statement::{
    AlterDomain, AlterEnum, Copy, CopyDirection, CopyFormat, CopyOptions, CopyRelation, CreateDomain,
    CreateSequence, Discard, DomainConstraint, Isolation, LabelPlace, Name, SequenceOptions, Statement,
    TransactionModes, TypeStatement,
};
use crate::bail;
use crate::catalog::naming::fold;
use crate::error::{Error, Result};

/// Commands of PostgreSQL's that are not there yet, by their first words.
const LACKING: &[&str] = &[
    "ALTER AGGREGATE",
    "ALTER COLLATION",
    "ALTER CONVERSION",
    "ALTER DATABASE",
    "ALTER DEFAULT PRIVILEGES",
    "ALTER EVENT TRIGGER",
    "ALTER EXTENSION",
    "ALTER FOREIGN",
    "ALTER FUNCTION",
    "ALTER GROUP",
    "ALTER INDEX",
    "ALTER LANGUAGE",
    "ALTER LARGE OBJECT",
    "ALTER MATERIALIZED VIEW",
    "ALTER OPERATOR",
    "ALTER POLICY",
    "ALTER PROCEDURE",
    "ALTER PUBLICATION",
    "ALTER ROLE",
    "ALTER ROUTINE",
    "ALTER RULE",
    "ALTER SCHEMA",
    "ALTER SEQUENCE",
    "ALTER SERVER",
    "ALTER STATISTICS",
    "ALTER SUBSCRIPTION",
    "ALTER SYSTEM",
    "ALTER TABLESPACE",
    "ALTER TEXT SEARCH",
    "ALTER TRIGGER",
    "ALTER USER",
    "ALTER VIEW",
    "CALL",
    "CLUSTER",
    "COMMENT ON",
    "COMMIT PREPARED",
    "CREATE ACCESS METHOD",
    "CREATE AGGREGATE",
    "CREATE CAST",
    "CREATE COLLATION",
    "CREATE CONVERSION",
    "CREATE EVENT TRIGGER",
    "CREATE EXTENSION",
    "CREATE FOREIGN",
    "CREATE FUNCTION",
    "CREATE GROUP",
    "CREATE LANGUAGE",
    "CREATE MATERIALIZED VIEW",
    "CREATE OPERATOR",
    "CREATE OR REPLACE",
    "CREATE POLICY",
    "CREATE PROCEDURE",
    "CREATE PUBLICATION",
    "CREATE ROLE",
    "CREATE RULE",
    "CREATE SERVER",
    "CREATE STATISTICS",
    "CREATE SUBSCRIPTION",
    "CREATE TABLESPACE",
    "CREATE TEXT SEARCH",
    "CREATE TRANSFORM",
    "CREATE TRIGGER",
    "CREATE CONSTRAINT TRIGGER",
    "CREATE TYPE",
    "CREATE USER",
    "CREATE VIEW",
    "CREATE TEMP",
    "CREATE TEMPORARY",
    "CREATE RECURSIVE",
    "DECLARE",
    "DO",
    "DROP ACCESS METHOD",
    "DROP AGGREGATE",
    "DROP CAST",
    "DROP COLLATION",
    "DROP CONVERSION",
    "DROP EVENT TRIGGER",
    "DROP EXTENSION",
    "DROP FOREIGN",
    "DROP FUNCTION",
    "DROP GROUP",
    "DROP LANGUAGE",
    "DROP MATERIALIZED VIEW",
    "DROP OPERATOR",
    "DROP OWNED",
    "DROP POLICY",
    "DROP PROCEDURE",
    "DROP PUBLICATION",
    "DROP ROLE",
    "DROP ROUTINE",
    "DROP RULE",
    "DROP SERVER",
    "DROP STATISTICS",
    "DROP SUBSCRIPTION",
    "DROP TABLESPACE",
    "DROP TEXT SEARCH",
    "DROP TRANSFORM",
    "DROP TRIGGER",
    "DROP USER",
    "DROP VIEW",
    "FETCH",
    "GRANT",
    "IMPORT FOREIGN SCHEMA",
    "LISTEN",
    "LOAD",
    "MERGE",
    "MOVE",
    "NOTIFY",
    "PREPARE TRANSACTION",
    "REASSIGN OWNED",
    "REFRESH MATERIALIZED VIEW",
    "REINDEX",
    "REVOKE",
    "ROLLBACK PREPARED",
    "SECURITY LABEL",
];

/// A cursor over the tokens of one statement.
pub(super) struct Words<'a> {
    text: &'a str,
    tokens: &'a [TokenWithSpan],
    at: usize,
}

/// Parses a statement of ours; `None` for one of sqlparser's.
pub(super) fn parse(text: &str, tokens: &[TokenWithSpan]) -> Result<Option<Statement>> {
    let mut words = Words { text, tokens, at: 0 };
    let Some(first) = words.word() else { return Ok(None) };
    let statement = match first.as_str() {
        "BEGIN" => words.begin(),
        "START" if words.peek_is(1, "TRANSACTION") => words.begin(),
        "COMMIT" | "END" if !words.peek_is(1, "PREPARED") => words.commit(),
        "ROLLBACK" | "ABORT" if !words.peek_is(1, "PREPARED") => words.rollback(),
        "SAVEPOINT" => words.savepoint(),
        "RELEASE" => words.release(),
        "SET" => words.set(),
        "RESET" => words.reset(),
        "SHOW" => words.show(),
        "DISCARD" => words.discard(),
        "PREPARE" if !words.peek_is(1, "TRANSACTION") => words.prepare(),
        "EXECUTE" => words.execute(),
        "DEALLOCATE" => words.deallocate(),
        "COPY" => words.copy(),
        "EXPLAIN" => words.explain(),
        "VACUUM" => words.vacuum(),
        "ANALYZE" | "ANALYSE" => words.analyze(),
        "CHECKPOINT" => words.only(Statement::Checkpoint),
        "LOCK" => words.lock(),
        "UNLISTEN" => words.end_of_nothing("UNLISTEN"),
        "CLOSE" if words.peek_is(1, "ALL") => words.end_of_nothing("CLOSE CURSOR ALL"),
        "CREATE" if words.peek_is(1, "DATABASE") => words.create_database(),
        "DROP" if words.peek_is(1, "DATABASE") => words.drop_database(),
        "CREATE" if words.peek_is(1, "SEQUENCE") => words.create_sequence(),
        "DROP" if words.peek_is(1, "SEQUENCE") => words.drop_sequence(),
        "CREATE" if words.peek_is(1, "TYPE") => words.create_type(),
        "ALTER" if words.peek_is(1, "TYPE") => words.alter_type(),
        "CREATE" if words.peek_is(1, "DOMAIN") => words.create_domain(),
        "ALTER" if words.peek_is(1, "DOMAIN") => words.alter_domain(),
        "DROP" if words.peek_is(1, "TYPE") || words.peek_is(1, "DOMAIN") => words.drop_types(),
        _ => return Ok(words.lacking()),
    };
    statement.map(Some)
}

impl<'a> Words<'a> {
    fn peek(&self, ahead: usize) -> Option<&'a Token> {
        self.tokens.get(self.at + ahead).map(|token| &token.token)
    }

    /// The current word in upper case, if it is an unquoted one.
    fn word(&self) -> Option<String> {
        match self.peek(0) {
            Some(Token::Word(word)) if word.quote_style.is_none() => Some(word.value.to_ascii_uppercase()),
            _ => None,
        }
    }

    fn peek_is(&self, ahead: usize, expected: &str) -> bool {
        matches!(self.peek(ahead), Some(Token::Word(word))
            if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(expected))
    }

    /// Takes a word if it is the next.
    fn accept(&mut self, expected: &str) -> bool {
        let found = self.peek_is(0, expected);
        self.at += usize::from(found);
        found
    }

    /// Takes one of several words if it is the next.
    fn accept_any(&mut self, expected: &[&str]) -> bool {
        expected.iter().any(|word| self.accept(word))
    }

    fn expect(&mut self, expected: &str) -> Result<()> {
        if self.accept(expected) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn accept_token(&mut self, expected: &Token) -> bool {
        let found = self.peek(0) == Some(expected);
        self.at += usize::from(found);
        found
    }

    fn expect_token(&mut self, expected: &Token) -> Result<()> {
        if self.accept_token(expected) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn is_done(&self) -> bool {
        self.at >= self.tokens.len()
    }

    /// 42601 at the current token.
    fn unexpected(&self) -> Error {
        match self.tokens.get(self.at) {
            Some(token) => near(self.text, token.span.start),
            None => at_end(self.text, self.tokens),
        }
    }

    /// The value, if nothing is left.
    fn finish<T>(&self, value: T) -> Result<T> {
        if self.is_done() { Ok(value) } else { Err(self.unexpected()) }
    }

    /// A command that is one word.
    fn only(&mut self, statement: Statement) -> Result<Statement> {
        self.at += 1;
        self.finish(statement)
    }

    fn identifier(&mut self) -> Result<String> {
        match self.peek(0) {
            Some(Token::Word(word)) => {
                self.at += 1;
                Ok(fold(&word.value, word.quote_style.is_some()).0)
            }
            _ => Err(self.unexpected()),
        }
    }

    fn name(&mut self) -> Result<Name> {
        let first = self.identifier()?;
        if !self.accept_token(&Token::Period) {
            return Ok(Name { schema: None, name: first });
        }
        Ok(Name { schema: Some(first), name: self.identifier()? })
    }

    fn names(&mut self) -> Result<Vec<Name>> {
        let mut names = vec![self.name()?];
        while self.accept_token(&Token::Comma) {
            names.push(self.name()?);
        }
        Ok(names)
    }

    /// A string constant of any kind.
    fn string(&mut self) -> Result<String> {
        let value = match self.peek(0) {
            Some(Token::SingleQuotedString(value) | Token::EscapedStringLiteral(value)) => value.clone(),
            Some(Token::DollarQuotedString(quoted)) => quoted.value.clone(),
            _ => return Err(self.unexpected()),
        };
        self.at += 1;
        Ok(value)
    }

    /// A number with an optional sign, as text.
    fn number(&mut self) -> Result<String> {
        let sign = if self.accept_token(&Token::Minus) {
            "-"
        } else {
            self.accept_token(&Token::Plus);
            ""
        };
        match self.peek(0) {
            Some(Token::Number(digits, _)) => {
                self.at += 1;
                Ok(format!("{sign}{digits}"))
            }
            _ => Err(self.unexpected()),
        }
    }

    fn integer(&mut self) -> Result<i64> {
        let start = self.at;
        let text = self.number()?;
        text.parse().map_err(|_| {
            self.at = start;
            self.unexpected()
        })
    }

    /// Everything from here to the end.
    fn rest(&mut self) -> &'a [TokenWithSpan] {
        let rest = &self.tokens[self.at..];
        self.at = self.tokens.len();
        rest
    }

    /// A refusal if the first words are those of a command that is not there yet.
    fn lacking(&self) -> Option<Statement> {
        let command = LACKING
            .iter()
            .find(|command| command.split(' ').enumerate().all(|(place, word)| self.peek_is(place, word)))?;
        Some(Statement::Refused(Error::unsupported(command)))
    }

    fn create_type(&mut self) -> Result<Statement> {
        self.at += 2;
        let name = self.name()?;
        if !(self.accept("AS") && self.accept("ENUM")) {
            return Ok(Statement::Refused(Error::unsupported("CREATE TYPE but AS ENUM")));
        }
        self.expect_token(&Token::LParen)?;
        let mut labels = Vec::new();
        while !self.accept_token(&Token::RParen) {
            if !labels.is_empty() {
                self.expect_token(&Token::Comma)?;
            }
            labels.push(self.string()?);
        }
        self.finish(Statement::Type(TypeStatement::CreateEnum { name, labels }))
    }

    fn alter_type(&mut self) -> Result<Statement> {
        self.at += 2;
        let name = self.name()?;
        let action = if self.accept("ADD") {
            if !self.accept("VALUE") {
                return Ok(Statement::Refused(Error::unsupported("ALTER TYPE … ADD ATTRIBUTE")));
            }
            let if_not_exists = self.accept("IF") && self.accept("NOT") && self.accept("EXISTS");
            let label = self.string()?;
            let place = if self.accept("BEFORE") {
                Some(LabelPlace::Before(self.string()?))
            } else if self.accept("AFTER") {
                Some(LabelPlace::After(self.string()?))
            } else {
                None
            };
            AlterEnum::AddValue { label, if_not_exists, place }
        } else if self.accept("RENAME") {
            if self.accept("VALUE") {
                let from = self.string()?;
                self.expect("TO")?;
                AlterEnum::RenameValue { from, to: self.string()? }
            } else {
                self.expect("TO")?;
                AlterEnum::Rename(self.identifier()?)
            }
        } else {
            return Ok(Statement::Refused(Error::unsupported("this ALTER TYPE")));
        };
        self.finish(Statement::Type(TypeStatement::AlterEnum { name, action }))
    }

    /// The text from here until one of the words outside of parentheses, or the end; at least one token.
    fn text_until(&mut self, ends: &[&str]) -> Result<String> {
        let start = self.at;
        let mut depth = 0i32;
        while let Some(token) = self.peek(0) {
            match token {
                Token::LParen | Token::LBracket => depth += 1,
                Token::RParen | Token::RBracket => depth -= 1,
                _ => {}
            }
            if self.at > start && depth == 0 && ends.iter().any(|end| self.peek_is(0, end)) {
                break;
            }
            self.at += 1;
        }
        if self.at == start {
            return Err(self.unexpected());
        }
        Ok(self.text_between(start, self.at))
    }

    fn text_between(&self, from: usize, to: usize) -> String {
        let start = super::lexical::byte_offset(self.text, self.tokens[from].span.start);
        let end = super::lexical::byte_offset(self.text, self.tokens[to - 1].span.end);
        self.text[start..end.max(start)].to_owned()
    }

    /// `(expression)`, as text without the parentheses.
    fn parenthesized_text(&mut self) -> Result<String> {
        self.expect_token(&Token::LParen)?;
        let start = self.at;
        let mut depth = 1i32;
        while depth > 0 {
            match self.peek(0) {
                None => return Err(self.unexpected()),
                Some(Token::LParen) => depth += 1,
                Some(Token::RParen) => depth -= 1,
                Some(_) => {}
            }
            self.at += 1;
        }
        if self.at - 1 == start {
            self.at -= 1;
            return Err(self.unexpected());
        }
        Ok(self.text_between(start, self.at - 1))
    }

    fn create_domain(&mut self) -> Result<Statement> {
        const PARTS: &[&str] = &["COLLATE", "DEFAULT", "CONSTRAINT", "NOT", "NULL", "CHECK"];
        self.at += 2;
        let name = self.name()?;
        self.accept("AS");
        let type_text = self.text_until(PARTS)?;
        let data_type = super::parse::parse_data_type(&type_text)?;
        let mut constraints = Vec::new();
        while !self.is_done() {
            if self.accept("COLLATE") {
                self.name()?;
                continue;
            }
            if self.accept("DEFAULT") {
                constraints.push(DomainConstraint::Default(self.text_until(PARTS)?));
                continue;
            }
            let given = if self.accept("CONSTRAINT") { Some(self.identifier()?) } else { None };
            if self.accept("NOT") {
                self.expect("NULL")?;
                constraints.push(DomainConstraint::NotNull(true));
            } else if self.accept("NULL") {
                constraints.push(DomainConstraint::NotNull(false));
            } else {
                self.expect("CHECK")?;
                let expression = self.parenthesized_text()?;
                constraints.push(DomainConstraint::Check { name: given, expression });
            }
        }
        self.finish(Statement::Type(TypeStatement::CreateDomain(CreateDomain {
            name,
            data_type,
            constraints,
        })))
    }

    fn alter_domain(&mut self) -> Result<Statement> {
        self.at += 2;
        let name = self.name()?;
        let action = if self.accept("SET") {
            if self.accept("DEFAULT") {
                AlterDomain::SetDefault(Some(self.text_until(&[])?))
            } else if self.accept("NOT") {
                self.expect("NULL")?;
                AlterDomain::SetNotNull(true)
            } else {
                return Ok(Statement::Refused(Error::unsupported("this ALTER DOMAIN")));
            }
        } else if self.accept("DROP") {
            if self.accept("DEFAULT") {
                AlterDomain::SetDefault(None)
            } else if self.accept("NOT") {
                self.expect("NULL")?;
                AlterDomain::SetNotNull(false)
            } else {
                self.expect("CONSTRAINT")?;
                let if_exists = self.accept("IF") && self.accept("EXISTS");
                let name = self.identifier()?;
                self.accept_any(&["CASCADE", "RESTRICT"]);
                AlterDomain::DropConstraint { name, if_exists }
            }
        } else if self.accept("ADD") {
            let name = if self.accept("CONSTRAINT") { Some(self.identifier()?) } else { None };
            if self.accept("NOT") {
                self.expect("NULL")?;
                AlterDomain::SetNotNull(true)
            } else {
                self.expect("CHECK")?;
                let expression = self.parenthesized_text()?;
                let not_valid = self.accept("NOT") && self.accept("VALID");
                AlterDomain::AddCheck { name, expression, not_valid }
            }
        } else if self.accept("RENAME") {
            if self.accept("CONSTRAINT") {
                let from = self.identifier()?;
                self.expect("TO")?;
                AlterDomain::RenameConstraint { from, to: self.identifier()? }
            } else {
                self.expect("TO")?;
                AlterDomain::Rename(self.identifier()?)
            }
        } else {
            return Ok(Statement::Refused(Error::unsupported("this ALTER DOMAIN")));
        };
        self.finish(Statement::Type(TypeStatement::AlterDomain { name, action }))
    }

    fn drop_types(&mut self) -> Result<Statement> {
        let is_domain = self.peek_is(1, "DOMAIN");
        self.at += 2;
        let if_exists = self.accept("IF") && self.accept("EXISTS");
        let names = self.names()?;
        let cascade = self.accept("CASCADE");
        self.accept("RESTRICT");
        self.finish(Statement::Type(TypeStatement::Drop { names, if_exists, cascade, is_domain }))
    }

    fn transaction_word(&mut self) {
        self.accept_any(&["WORK", "TRANSACTION"]);
    }

    fn begin(&mut self) -> Result<Statement> {
        self.at += 1;
        self.transaction_word();
        let modes = self.transaction_modes()?;
        self.finish(Statement::Begin(modes))
    }

    fn transaction_modes(&mut self) -> Result<TransactionModes> {
        let mut modes = TransactionModes::default();
        while !self.is_done() {
            if self.accept("ISOLATION") {
                self.expect("LEVEL")?;
                modes.isolation = Some(self.isolation()?);
            } else if self.accept("READ") {
                let read_only = self.accept("ONLY");
                if !read_only {
                    self.expect("WRITE")?;
                }
                modes.read_only = Some(read_only);
            } else if self.accept("NOT") {
                self.expect("DEFERRABLE")?;
                modes.deferrable = Some(false);
            } else {
                self.expect("DEFERRABLE")?;
                modes.deferrable = Some(true);
            }
            if self.accept_token(&Token::Comma) && self.is_done() {
                return Err(self.unexpected());
            }
        }
        Ok(modes)
    }

    fn isolation(&mut self) -> Result<Isolation> {
        if self.accept("SERIALIZABLE") {
            return Ok(Isolation::Serializable);
        }
        if self.accept("REPEATABLE") {
            self.expect("READ")?;
            return Ok(Isolation::RepeatableRead);
        }
        self.expect("READ")?;
        if self.accept("COMMITTED") {
            return Ok(Isolation::ReadCommitted);
        }
        self.expect("UNCOMMITTED")?;
        Ok(Isolation::ReadUncommitted)
    }

    /// `[AND [NO] CHAIN]`
    fn chain(&mut self) -> Result<bool> {
        if !self.accept("AND") {
            return Ok(false);
        }
        let no = self.accept("NO");
        self.expect("CHAIN")?;
        Ok(!no)
    }

    fn commit(&mut self) -> Result<Statement> {
        self.at += 1;
        self.transaction_word();
        let chain = self.chain()?;
        self.finish(Statement::Commit { chain })
    }

    fn rollback(&mut self) -> Result<Statement> {
        self.at += 1;
        self.transaction_word();
        if self.accept("TO") {
            self.accept("SAVEPOINT");
            let name = self.identifier()?;
            return self.finish(Statement::RollbackTo(name));
        }
        let chain = self.chain()?;
        self.finish(Statement::Rollback { chain })
    }

    fn savepoint(&mut self) -> Result<Statement> {
        self.at += 1;
        let name = self.identifier()?;
        self.finish(Statement::Savepoint(name))
    }

    fn release(&mut self) -> Result<Statement> {
        self.at += 1;
        self.accept("SAVEPOINT");
        let name = self.identifier()?;
        self.finish(Statement::Release(name))
    }

    fn set(&mut self) -> Result<Statement> {
        self.at += 1;
        if self.accept("CONSTRAINTS") {
            self.rest();
            return Ok(Statement::SetConstraints);
        }
        if self.peek_is(0, "SESSION") && self.peek_is(1, "CHARACTERISTICS") {
            self.at += 2;
            self.expect("AS")?;
            self.expect("TRANSACTION")?;
            return self.set_transaction(true);
        }
        if self.accept("TRANSACTION") {
            return self.set_transaction(false);
        }
        let local = self.accept("LOCAL");
        if !local {
            self.accept("SESSION");
        }
        self.set_value(local)
    }

    fn set_transaction(&mut self, session: bool) -> Result<Statement> {
        if self.accept("SNAPSHOT") {
            self.string()?;
            return self.finish(Statement::Refused(Error::unsupported("SET TRANSACTION SNAPSHOT")));
        }
        if self.is_done() {
            return Err(self.unexpected());
        }
        let modes = self.transaction_modes()?;
        Ok(Statement::SetTransaction { session, modes })
    }

    fn set_value(&mut self, local: bool) -> Result<Statement> {
        let (name, value) = if self.accept("TIME") {
            self.expect("ZONE")?;
            ("TimeZone".to_owned(), self.time_zone()?)
        } else if self.accept("NAMES") {
            ("client_encoding".to_owned(), self.value_or_default()?)
        } else if self.accept("ROLE") {
            ("role".to_owned(), self.value_or_default()?)
        } else if self.accept("SCHEMA") {
            ("search_path".to_owned(), Some(self.string()?))
        } else if self.accept("AUTHORIZATION") {
            ("session_authorization".to_owned(), self.value_or_default()?)
        } else {
            let name = self.setting_name()?;
            if !self.accept_token(&Token::Eq) {
                self.expect("TO")?;
            }
            (name, self.value_or_default()?)
        };
        self.finish(Statement::Set { name, value, local })
    }

    /// A setting's name, which may have dots.
    fn setting_name(&mut self) -> Result<String> {
        let mut name = self.identifier()?;
        while self.accept_token(&Token::Period) {
            name = format!("{name}.{}", self.identifier()?);
        }
        Ok(name)
    }

    /// `DEFAULT`, or a list of values joined as SHOW prints it.
    fn value_or_default(&mut self) -> Result<Option<String>> {
        if self.accept("DEFAULT") {
            return Ok(None);
        }
        let mut values = vec![self.value()?];
        while self.accept_token(&Token::Comma) {
            values.push(self.value()?);
        }
        Ok(Some(match values.as_slice() {
            [only] => only.clone(),
            several => several.iter().map(|value| list_item(value)).collect::<Vec<_>>().join(", "),
        }))
    }

    fn value(&mut self) -> Result<String> {
        match self.peek(0) {
            Some(Token::Word(_)) => self.identifier(),
            Some(Token::Number(..) | Token::Minus | Token::Plus) => self.number(),
            _ => self.string(),
        }
    }

    /// The value of SET TIME ZONE: a name, hours, an interval, LOCAL or DEFAULT.
    fn time_zone(&mut self) -> Result<Option<String>> {
        if self.accept_any(&["LOCAL", "DEFAULT"]) {
            return Ok(None);
        }
        if self.accept("INTERVAL") {
            let value = self.string()?;
            // HOUR, HOUR TO MINUTE: the string says it already.
            if self.accept("HOUR") && self.accept("TO") {
                self.expect("MINUTE")?;
            }
            return Ok(Some(format!("INTERVAL {value}")));
        }
        match self.peek(0) {
            Some(Token::Number(..) | Token::Minus | Token::Plus) => self.number().map(Some),
            _ => self.value().map(Some),
        }
    }

    fn reset(&mut self) -> Result<Statement> {
        self.at += 1;
        if self.accept("ALL") {
            return self.finish(Statement::Reset(None));
        }
        let name = self.special_or_setting_name()?;
        self.finish(Statement::Reset(Some(name)))
    }

    fn special_or_setting_name(&mut self) -> Result<String> {
        if self.accept("TIME") {
            self.expect("ZONE")?;
            return Ok("TimeZone".to_owned());
        }
        if self.peek_is(0, "TRANSACTION") && self.peek_is(1, "ISOLATION") {
            self.at += 2;
            self.expect("LEVEL")?;
            return Ok("transaction_isolation".to_owned());
        }
        if self.peek_is(0, "SESSION") && self.peek_is(1, "AUTHORIZATION") {
            self.at += 2;
            return Ok("session_authorization".to_owned());
        }
        self.setting_name()
    }

    fn show(&mut self) -> Result<Statement> {
        self.at += 1;
        if self.accept("ALL") {
            return self.finish(Statement::Show(None));
        }
        let name = self.special_or_setting_name()?;
        self.finish(Statement::Show(Some(name)))
    }

    fn discard(&mut self) -> Result<Statement> {
        self.at += 1;
        let what = if self.accept("ALL") {
            Discard::All
        } else if self.accept("PLANS") {
            Discard::Plans
        } else if self.accept("SEQUENCES") {
            Discard::Sequences
        } else if self.accept_any(&["TEMP", "TEMPORARY"]) {
            Discard::Temp
        } else {
            return Err(self.unexpected());
        };
        self.finish(Statement::Discard(what))
    }

    /// The tokens between a parenthesis here and its partner.
    fn parenthesized(&mut self) -> Result<&'a [TokenWithSpan]> {
        self.expect_token(&Token::LParen)?;
        let start = self.at;
        let mut open = 1usize;
        while let Some(token) = self.peek(0) {
            match token {
                Token::LParen => open += 1,
                Token::RParen => open -= 1,
                _ => {}
            }
            self.at += 1;
            if open == 0 {
                return Ok(&self.tokens[start..self.at - 1]);
            }
        }
        Err(self.unexpected())
    }

    fn prepare(&mut self) -> Result<Statement> {
        self.at += 1;
        let name = self.identifier()?;
        let types = match self.peek(0) {
            Some(Token::LParen) => {
                let list = self.parenthesized()?;
                sqlparse(self.text, list, |parser| {
                    parser.parse_comma_separated(|parser| parser.parse_data_type())
                })?
            }
            _ => Vec::new(),
        };
        self.expect("AS")?;
        if self.is_done() {
            return Err(self.unexpected());
        }
        let statement = Box::new(parse_one_of(self.text, self.rest())?);
        Ok(Statement::Prepare { name, types, statement })
    }

    fn execute(&mut self) -> Result<Statement> {
        self.at += 1;
        let name = self.identifier()?;
        let arguments = match self.peek(0) {
            Some(Token::LParen) => {
                let list = self.parenthesized()?;
                sqlparse(self.text, list, |parser| {
                    parser.parse_comma_separated(|parser| parser.parse_expr())
                })?
            }
            _ => Vec::new(),
        };
        self.finish(Statement::Execute { name, arguments })
    }

    fn deallocate(&mut self) -> Result<Statement> {
        self.at += 1;
        self.accept("PREPARE");
        let name = if self.accept("ALL") { None } else { Some(self.identifier()?) };
        self.finish(Statement::Deallocate(name))
    }

    fn end_of_nothing(&mut self, tag: &'static str) -> Result<Statement> {
        self.at += 1;
        if !self.accept_token(&Token::Mul) {
            self.identifier()?;
        }
        self.finish(Statement::Nothing { tag })
    }

    fn explain(&mut self) -> Result<Statement> {
        self.at += 1;
        let mut analyze = false;
        if self.peek(0) == Some(&Token::LParen) && !self.peek_is(1, "SELECT") && !self.peek_is(1, "VALUES") {
            let options = self.parenthesized()?;
            analyze = explain_options(self.text, options)?;
        } else {
            while self.peek_is(0, "ANALYZE") || self.peek_is(0, "VERBOSE") {
                analyze |= self.peek_is(0, "ANALYZE");
                self.at += 1;
            }
        }
        if self.is_done() {
            return Err(self.unexpected());
        }
        let inner = parse_with_sqlparser(self.text, self.rest())?;
        Ok(match (analyze, inner) {
            (true, _) => Statement::Refused(Error::unsupported("EXPLAIN ANALYZE")),
            (false, inner) => Statement::Explain(Box::new(inner)),
        })
    }

    fn tables_with_columns(&mut self) -> Result<Vec<Name>> {
        let mut tables = Vec::new();
        while !self.is_done() {
            tables.push(self.name()?);
            if self.peek(0) == Some(&Token::LParen) {
                self.parenthesized()?;
            }
            if !self.accept_token(&Token::Comma) {
                break;
            }
        }
        self.finish(tables)
    }

    fn vacuum(&mut self) -> Result<Statement> {
        self.at += 1;
        let mut analyze = false;
        if self.peek(0) == Some(&Token::LParen) {
            let options = self.parenthesized()?;
            analyze = Words { text: self.text, tokens: options, at: 0 }.has_option("ANALYZE")?;
        } else {
            self.accept("FULL");
            self.accept("FREEZE");
            self.accept("VERBOSE");
            analyze |= self.accept_any(&["ANALYZE", "ANALYSE"]);
        }
        let tables = self.tables_with_columns()?;
        Ok(Statement::Vacuum { analyze, tables })
    }

    /// Whether a list of `name [value]` has an option that is not off.
    fn has_option(&mut self, wanted: &str) -> Result<bool> {
        let mut found = false;
        loop {
            let name = self.identifier()?;
            let value = match self.peek(0) {
                None | Some(Token::Comma) => true,
                _ => !matches!(self.value()?.to_ascii_lowercase().as_str(), "off" | "false" | "0"),
            };
            found |= value && name.eq_ignore_ascii_case(wanted);
            if !self.accept_token(&Token::Comma) {
                return self.finish(found);
            }
        }
    }

    fn analyze(&mut self) -> Result<Statement> {
        self.at += 1;
        if self.peek(0) == Some(&Token::LParen) {
            self.parenthesized()?;
        }
        self.accept("VERBOSE");
        let tables = self.tables_with_columns()?;
        Ok(Statement::Analyze { tables })
    }

    fn lock(&mut self) -> Result<Statement> {
        self.at += 1;
        self.accept("TABLE");
        self.accept("ONLY");
        let tables = self.names()?;
        if self.accept("IN") {
            // Every mode is the writer, which excludes all other writers.
            while !self.accept("MODE") {
                self.identifier()?;
            }
        }
        if self.accept("NOWAIT") {
            return self.finish(Statement::Refused(Error::unsupported("LOCK TABLE … NOWAIT")));
        }
        self.finish(Statement::Lock { tables })
    }

    fn create_database(&mut self) -> Result<Statement> {
        self.at += 2;
        let name = self.identifier()?;
        self.accept("WITH");
        while !self.is_done() {
            let mut option = self.identifier()?;
            if option == "connection" && self.accept("LIMIT") {
                option = "connection_limit".to_owned();
            }
            self.accept_token(&Token::Eq);
            let negative = self.accept_token(&Token::Minus);
            let value = format!("{}{}", if negative { "-" } else { "" }, self.value()?);
            if let Some(refusal) = refused_database_option(&option, &value) {
                return Ok(Statement::Refused(refusal));
            }
        }
        Ok(Statement::CreateDatabase { name })
    }

    fn drop_database(&mut self) -> Result<Statement> {
        self.at += 2;
        let if_exists = self.if_exists()?;
        let name = self.identifier()?;
        self.accept("WITH");
        let force = match self.peek(0) {
            Some(Token::LParen) => {
                let options = self.parenthesized()?;
                Words { text: self.text, tokens: options, at: 0 }.has_option("FORCE")?
            }
            _ => false,
        };
        self.finish(Statement::DropDatabase { name, if_exists, force })
    }

    fn if_exists(&mut self) -> Result<bool> {
        if !self.accept("IF") {
            return Ok(false);
        }
        self.expect("EXISTS").map(|()| true)
    }

    fn create_sequence(&mut self) -> Result<Statement> {
        self.at += 2;
        let if_not_exists = self.accept("IF");
        if if_not_exists {
            self.expect("NOT")?;
            self.expect("EXISTS")?;
        }
        let name = self.name()?;
        let options = self.sequence_options()?;
        self.finish(Statement::CreateSequence(CreateSequence { name, if_not_exists, options }))
    }

    fn sequence_options(&mut self) -> Result<SequenceOptions> {
        let mut options = SequenceOptions::default();
        while !self.is_done() {
            if self.accept("AS") {
                options.type_name = Some(self.identifier()?);
            } else if self.accept("INCREMENT") {
                self.accept("BY");
                options.increment = Some(self.integer()?);
            } else if self.accept("MINVALUE") {
                options.minimum = Some(Some(self.integer()?));
            } else if self.accept("MAXVALUE") {
                options.maximum = Some(Some(self.integer()?));
            } else if self.accept("START") {
                self.accept("WITH");
                options.start = Some(self.integer()?);
            } else if self.accept("CACHE") {
                // How many values a session takes at once shows only in gaps, which are always allowed.
                self.integer()?;
            } else if self.accept("CYCLE") {
                options.cycles = Some(true);
            } else if self.accept("OWNED") {
                self.expect("BY")?;
                options.owned_by = Some(self.owner()?);
            } else if self.accept("SEQUENCE") {
                self.expect("NAME")?;
                options.name = Some(self.name()?);
            } else {
                self.expect("NO")?;
                self.negative_option(&mut options)?;
            }
        }
        Ok(options)
    }

    fn negative_option(&mut self, options: &mut SequenceOptions) -> Result<()> {
        if self.accept("MINVALUE") {
            options.minimum = Some(None);
        } else if self.accept("MAXVALUE") {
            options.maximum = Some(None);
        } else {
            self.expect("CYCLE")?;
            options.cycles = Some(false);
        }
        Ok(())
    }

    /// `NONE`, or `[schema.]table.column`.
    fn owner(&mut self) -> Result<Option<(Name, String)>> {
        if self.accept("NONE") {
            return Ok(None);
        }
        let mut parts = vec![self.identifier()?];
        while self.accept_token(&Token::Period) {
            parts.push(self.identifier()?);
        }
        match parts.as_slice() {
            [table, column] => Ok(Some((Name { schema: None, name: table.clone() }, column.clone()))),
            [schema, table, column] => {
                Ok(Some((Name { schema: Some(schema.clone()), name: table.clone() }, column.clone())))
            }
            _ => bail!(SYNTAX_ERROR, "invalid OWNED BY option"),
        }
    }

    fn drop_sequence(&mut self) -> Result<Statement> {
        self.at += 2;
        let if_exists = self.if_exists()?;
        let names = self.names()?;
        let cascade = self.accept("CASCADE");
        if !cascade {
            self.accept("RESTRICT");
        }
        self.finish(Statement::DropSequence { if_exists, names, cascade })
    }

    fn copy(&mut self) -> Result<Statement> {
        self.at += 1;
        let relation = match self.peek(0) {
            Some(Token::LParen) => CopyRelation::Query(Box::new(self.copy_query()?)),
            _ => {
                let name = self.name()?;
                CopyRelation::Table(name, self.column_list()?)
            }
        };
        let direction = if self.accept("FROM") {
            CopyDirection::FromStdin
        } else {
            self.expect("TO")?;
            CopyDirection::ToStdout
        };
        let stream = if direction == CopyDirection::FromStdin { "STDIN" } else { "STDOUT" };
        if !self.accept(stream) {
            if self.accept("PROGRAM") || self.string().is_ok() {
                return Ok(Statement::Refused(
                    Error::unsupported("COPY with a file of the server")
                        .with_hint("Use COPY with STDIN or STDOUT, or psql's \\copy."),
                ));
            }
            return Err(self.unexpected());
        }
        let options = self.copy_options()?;
        match options {
            Some(options) => self.finish(Statement::Copy(Copy { relation, direction, options })),
            None => Ok(Statement::Refused(Error::unsupported("COPY in binary format"))),
        }
    }

    fn copy_query(&mut self) -> Result<ast::Statement> {
        let tokens = self.parenthesized()?;
        sqlparse(self.text, tokens, |parser| parser.parse_statement())
    }

    /// `(a, b)`, or nothing.
    fn column_list(&mut self) -> Result<Vec<String>> {
        let mut columns = Vec::new();
        if self.accept_token(&Token::LParen) {
            columns.push(self.identifier()?);
            while self.accept_token(&Token::Comma) {
                columns.push(self.identifier()?);
            }
            self.expect_token(&Token::RParen)?;
        }
        Ok(columns)
    }

    /// The options in either syntax; `None` for the binary format.
    fn copy_options(&mut self) -> Result<Option<CopyOptions>> {
        let mut given = GivenCopyOptions::default();
        self.accept("WITH");
        if self.peek(0) == Some(&Token::LParen) {
            let tokens = self.parenthesized()?;
            let mut words = Words { text: self.text, tokens, at: 0 };
            loop {
                let name = words.identifier()?.to_ascii_lowercase();
                words.copy_option(&name, &mut given)?;
                if !words.accept_token(&Token::Comma) {
                    break;
                }
            }
            words.finish(())?;
        }
        while !self.is_done() {
            self.old_copy_option(&mut given)?;
        }
        given.complete()
    }

    /// `name [value]` in parentheses.
    fn copy_option(&mut self, name: &str, given: &mut GivenCopyOptions) -> Result<()> {
        match name {
            "format" => given.set_format(&self.value()?)?,
            "delimiter" => given.delimiter = Some(self.string()?),
            "null" => given.null = Some(self.string()?),
            "quote" => given.quote = Some(self.string()?),
            "escape" => given.escape = Some(self.string()?),
            "header" => given.header = self.header_value()?,
            "force_quote" if self.accept_token(&Token::Mul) => given.force_quote = Some(Vec::new()),
            "force_quote" => given.force_quote = Some(self.column_list()?),
            "force_not_null" => given.force_not_null = self.column_list()?,
            "force_null" => given.force_null = self.column_list()?,
            // Rows are frozen as soon as they are committed: there are no versions.
            "freeze" => {
                if !matches!(self.peek(0), None | Some(Token::Comma)) {
                    self.value()?;
                }
            }
            "encoding" => check_encoding(&self.string()?)?,
            _ => bail!(SYNTAX_ERROR, "option \"{name}\" not recognized"),
        }
        Ok(())
    }

    /// HEADER, HEADER on, HEADER MATCH.
    fn header_value(&mut self) -> Result<Header> {
        if matches!(self.peek(0), None | Some(Token::Comma)) {
            return Ok(Header::Yes);
        }
        let value = self.value()?.to_ascii_lowercase();
        match value.as_str() {
            "match" => Ok(Header::Match),
            "true" | "on" | "1" => Ok(Header::Yes),
            "false" | "off" | "0" => Ok(Header::No),
            _ => bail!(SYNTAX_ERROR, "header requires a Boolean value or \"match\""),
        }
    }

    /// PostgreSQL's syntax before 9.0, which pg_dump and many programs still write.
    fn old_copy_option(&mut self, given: &mut GivenCopyOptions) -> Result<()> {
        if self.accept("BINARY") {
            given.is_binary = true;
        } else if self.accept("CSV") {
            given.set_format("csv")?;
        } else if self.accept("HEADER") {
            given.header = Header::Yes;
        } else if self.accept("FREEZE") {
        } else if self.accept_any(&["DELIMITER", "DELIMITERS"]) {
            self.accept("AS");
            given.delimiter = Some(self.string()?);
        } else if self.accept("NULL") {
            self.accept("AS");
            given.null = Some(self.string()?);
        } else if self.accept("QUOTE") {
            self.accept("AS");
            given.quote = Some(self.string()?);
        } else if self.accept("ESCAPE") {
            self.accept("AS");
            given.escape = Some(self.string()?);
        } else if self.accept("ENCODING") {
            check_encoding(&self.string()?)?;
        } else if self.accept("FORCE") {
            return self.old_force_option(given);
        } else {
            return Err(self.unexpected());
        }
        Ok(())
    }

    /// FORCE QUOTE a, b | FORCE QUOTE * | FORCE NOT NULL a | FORCE NULL a
    fn old_force_option(&mut self, given: &mut GivenCopyOptions) -> Result<()> {
        if self.accept("QUOTE") {
            let all = self.accept_token(&Token::Mul);
            given.force_quote = Some(if all { Vec::new() } else { self.bare_column_list()? });
        } else if self.accept("NOT") {
            self.expect("NULL")?;
            given.force_not_null = self.bare_column_list()?;
        } else {
            self.expect("NULL")?;
            given.force_null = self.bare_column_list()?;
        }
        Ok(())
    }

    /// Names between commas.
    fn bare_column_list(&mut self) -> Result<Vec<String>> {
        let mut columns = vec![self.identifier()?];
        while self.accept_token(&Token::Comma) {
            columns.push(self.identifier()?);
        }
        Ok(columns)
    }
}

/// A value in a list as SHOW search_path prints it: in quotes unless it is a plain word.
fn list_item(value: &str) -> String {
    crate::functions::session::quoted_name(value)
}

/// Whether EXPLAIN's options ask for execution. Those that only change the shape are accepted.
fn explain_options(text: &str, tokens: &[TokenWithSpan]) -> Result<bool> {
    let mut words = Words { text, tokens, at: 0 };
    let mut analyze = false;
    loop {
        let name = words.identifier()?.to_ascii_lowercase();
        let value = match words.peek(0) {
            None | Some(Token::Comma) => "on".to_owned(),
            _ => words.value()?.to_ascii_lowercase(),
        };
        match name.as_str() {
            "analyze" => analyze = !matches!(value.as_str(), "off" | "false" | "0"),
            "verbose" | "costs" | "settings" | "buffers" | "wal" | "timing" | "summary" => {}
            "format" if value == "text" => {}
            "format" => return Err(Error::unsupported(format!("EXPLAIN (FORMAT {value})"))),
            _ => bail!(SYNTAX_ERROR, "unrecognized EXPLAIN option \"{name}\""),
        }
        if !words.accept_token(&Token::Comma) {
            return words.finish(analyze);
        }
    }
}

/// CREATE DATABASE's options: those that ask for what every database here is are accepted.
fn refused_database_option(option: &str, value: &str) -> Option<Error> {
    let lower = value.to_ascii_lowercase();
    let accepted = match option.to_ascii_lowercase().as_str() {
        // There are no roles yet: everyone is the superuser.
        "owner" => matches!(lower.as_str(), "postgres" | "current_user" | "session_user" | "default"),
        "connection_limit" => lower == "-1" || lower == "default",
        "allow_connections" => matches!(lower.as_str(), "true" | "on" | "default"),
        "is_template" => matches!(lower.as_str(), "false" | "off" | "default"),
        // How PostgreSQL copies the template: there is nothing to copy.
        "strategy" => matches!(lower.as_str(), "wal_log" | "file_copy" | "default"),
        "encoding" => matches!(lower.as_str(), "utf8" | "utf-8" | "unicode" | "default" | "6"),
        "template" => matches!(lower.as_str(), "template0" | "template1" | "default"),
        "tablespace" => lower == "pg_default" || lower == "default",
        // Text is ordered by its bytes.
        "locale" | "lc_collate" | "lc_ctype" => {
            matches!(lower.as_str(), "c" | "posix" | "c.utf-8" | "c.utf8" | "default")
        }
        "locale_provider" => lower == "libc",
        _ => false,
    };
    (!accepted).then(|| Error::unsupported(format!("CREATE DATABASE with {option} {value}")))
}

fn check_encoding(name: &str) -> Result<()> {
    match name.to_ascii_lowercase().replace(['-', '_'], "").as_str() {
        "utf8" | "unicode" | "sqlascii" => Ok(()),
        _ => Err(Error::unsupported(format!("COPY with encoding {name}"))),
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Header {
    #[default]
    No,
    Yes,
    Match,
}

/// COPY's options as given.
#[derive(Default)]
struct GivenCopyOptions {
    is_csv: bool,
    is_binary: bool,
    delimiter: Option<String>,
    null: Option<String>,
    quote: Option<String>,
    escape: Option<String>,
    header: Header,
    force_quote: Option<Vec<String>>,
    force_not_null: Vec<String>,
    force_null: Vec<String>,
}

impl GivenCopyOptions {
    fn set_format(&mut self, name: &str) -> Result<()> {
        match name.to_ascii_lowercase().as_str() {
            "text" => self.is_csv = false,
            "csv" => self.is_csv = true,
            "binary" => self.is_binary = true,
            _ => bail!(INVALID_PARAMETER_VALUE, "COPY format \"{name}\" not recognized"),
        }
        Ok(())
    }

    /// Checks the options against each other as PostgreSQL's ProcessCopyOptions does.
    fn complete(self) -> Result<Option<CopyOptions>> {
        if self.is_binary {
            return Ok(None);
        }
        self.check_csv_only()?;
        let delimiter = one_byte(self.delimiter, if self.is_csv { b',' } else { b'\t' }, "delimiter")?;
        let quote = one_byte(self.quote, b'"', "quote")?;
        let escape = one_byte(self.escape, quote, "escape")?;
        let null = self.null.unwrap_or_else(|| if self.is_csv { String::new() } else { "\\N".to_owned() });
        if matches!(delimiter, b'\n' | b'\r') {
            bail!(INVALID_PARAMETER_VALUE, "COPY delimiter cannot be newline or carriage return");
        }
        if null.contains(['\n', '\r']) {
            bail!(INVALID_PARAMETER_VALUE, "COPY null representation cannot use newline or carriage return");
        }
        if !self.is_csv && b"\\.abcdefghijklmnopqrstuvwxyz0123456789".contains(&delimiter) {
            bail!(INVALID_PARAMETER_VALUE, "COPY delimiter cannot be \"{}\"", delimiter as char);
        }
        if self.is_csv && delimiter == quote {
            bail!(INVALID_PARAMETER_VALUE, "COPY delimiter and quote must be different");
        }
        if null.contains(delimiter as char) {
            bail!(INVALID_PARAMETER_VALUE, "COPY delimiter must not appear in the NULL specification");
        }
        if self.is_csv && null.contains(quote as char) {
            bail!(INVALID_PARAMETER_VALUE, "CSV quote character must not appear in the NULL specification");
        }
        Ok(Some(CopyOptions {
            format: if self.is_csv { CopyFormat::Csv } else { CopyFormat::Text },
            delimiter,
            null,
            header: self.header != Header::No,
            header_match: self.header == Header::Match,
            quote,
            escape,
            force_quote: self.force_quote,
            force_not_null: self.force_not_null,
            force_null: self.force_null,
        }))
    }

    fn check_csv_only(&self) -> Result<()> {
        let given = [
            (self.quote.is_some(), "quote"),
            (self.escape.is_some(), "escape"),
            (self.force_quote.is_some(), "force quote"),
            (!self.force_not_null.is_empty(), "force not null"),
            (!self.force_null.is_empty(), "force null"),
        ];
        match given.iter().find(|(given, _)| *given && !self.is_csv) {
            Some((_, name)) => bail!(FEATURE_NOT_SUPPORTED, "COPY {name} available only in CSV mode"),
            None => Ok(()),
        }
    }
}

fn one_byte(given: Option<String>, default: u8, name: &str) -> Result<u8> {
    match given.as_deref().map(str::as_bytes) {
        None => Ok(default),
        Some([byte]) => Ok(*byte),
        Some(_) => bail!(FEATURE_NOT_SUPPORTED, "COPY {name} must be a single one-byte character"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    fn one(text: &str) -> String {
        match parse(text) {
            Ok(parsed) => format!("{:?}", parsed[0].statement),
            Err(error) => format!("{} {}", error.sqlstate(), error.message()),
        }
    }

    #[test]
    fn transactions_are_parsed_with_their_options() {
        assert_eq!(
            one("START TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY, NOT DEFERRABLE"),
            "Begin(TransactionModes { isolation: Some(RepeatableRead), read_only: Some(true), deferrable: Some(false) })"
        );
        assert_eq!(one("END WORK AND NO CHAIN"), "Commit { chain: false }");
        assert_eq!(one("ROLLBACK TO SAVEPOINT \"A\""), "RollbackTo(\"A\")");
        assert_eq!(one("BEGIN ISOLATION LEVEL CHAOS"), "42601 syntax error at or near \"CHAOS\"");
        assert_eq!(one("COMMIT nonsense"), "42601 syntax error at or near \"nonsense\"");
    }

    #[test]
    fn settings_keep_their_values_as_show_prints_them() {
        assert_eq!(
            one("SET LOCAL search_path TO \"A b\", public"),
            "Set { name: \"search_path\", value: Some(\"\\\"A b\\\", public\"), local: true }"
        );
        assert_eq!(
            one("SET TIME ZONE INTERVAL '+00:00' HOUR TO MINUTE"),
            "Set { name: \"TimeZone\", value: Some(\"INTERVAL +00:00\"), local: false }"
        );
        assert_eq!(one("SET x.y = -1.5"), "Set { name: \"x.y\", value: Some(\"-1.5\"), local: false }");
        assert_eq!(one("SHOW TRANSACTION ISOLATION LEVEL"), "Show(Some(\"transaction_isolation\"))");
    }

    #[test]
    fn copy_options_are_checked_as_in_postgresql() {
        assert!(one("COPY t (a, b) FROM STDIN WITH (FORMAT csv, HEADER, NULL 'x')").contains("format: Csv"));
        assert!(one("copy pgbench_accounts from stdin with (freeze on)").starts_with("Copy("));
        assert!(one("COPY (SELECT 1) TO STDOUT CSV HEADER").contains("header: true"));
        assert_eq!(one("COPY t FROM STDIN (QUOTE '\"')"), "0A000 COPY quote available only in CSV mode");
        assert!(one("COPY t FROM '/etc/passwd'").starts_with("Refused"));
    }

    #[test]
    fn what_postgresql_has_and_we_lack_is_refused_not_misread() {
        assert!(
            one("CREATE FUNCTION f() RETURNS int AS 'x'").contains("0A000")
                || one("CREATE FUNCTION f()").starts_with("Refused")
        );
        assert!(one("GRANT SELECT ON t TO x").starts_with("Refused"));
    }
}
