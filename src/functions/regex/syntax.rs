//! PostgreSQL's advanced regular expressions, read into a tree (its documentation, "Regular Expression Details").

use crate::error::{Error, Result, state};

/// The most characters of a pattern.
const PATTERN_MAX: usize = 100_000;
/// The largest count in a bound (RE_DUP_MAX).
const REPEAT_MAX: u32 = 255;
/// The deepest nesting of parentheses.
const DEPTH_MAX: usize = 200;

/// How a pattern is read and matched.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub(super) struct Options {
    /// `i`: upper and lower case are the same.
    pub(super) ignores_case: bool,
    /// `n`, `p`: `.` and negated brackets never match a newline.
    pub(super) stops_at_newline: bool,
    /// `n`, `w`: `^` and `$` match beside every newline.
    pub(super) anchors_at_newline: bool,
    /// `x`: blanks and comments mean nothing.
    pub(super) expanded: bool,
    /// `q`: the pattern is a plain string.
    pub(super) literal: bool,
    /// `e`: no escapes but of characters that mean something.
    pub(super) extended: bool,
}

/// A set of characters.
#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
pub(super) struct Class {
    pub(super) ranges: Vec<(char, char)>,
    pub(super) named: Vec<(Named, bool)>,
    pub(super) negated: bool,
}

/// A class with a name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Named {
    Alnum,
    Alpha,
    Blank,
    Cntrl,
    Digit,
    Graph,
    Lower,
    Print,
    Punct,
    Space,
    Upper,
    Xdigit,
    Word,
}

impl Named {
    fn parse(name: &str) -> Option<Named> {
        Some(match name {
            "alnum" => Named::Alnum,
            "alpha" => Named::Alpha,
            "blank" => Named::Blank,
            "cntrl" => Named::Cntrl,
            "digit" => Named::Digit,
            "graph" => Named::Graph,
            "lower" => Named::Lower,
            "print" => Named::Print,
            "punct" => Named::Punct,
            "space" => Named::Space,
            "upper" => Named::Upper,
            "xdigit" => Named::Xdigit,
            "word" => Named::Word,
            _ => return None,
        })
    }

    fn has(self, c: char) -> bool {
        match self {
            Named::Alnum => c.is_alphanumeric(),
            Named::Alpha => c.is_alphabetic(),
            Named::Blank => c == ' ' || c == '\t',
            Named::Cntrl => c.is_control(),
            Named::Digit => c.is_ascii_digit(),
            Named::Graph => !c.is_control() && !c.is_whitespace(),
            Named::Lower => c.is_lowercase(),
            Named::Print => !c.is_control(),
            Named::Punct => c.is_ascii_punctuation(),
            Named::Space => c.is_whitespace(),
            Named::Upper => c.is_uppercase(),
            Named::Xdigit => c.is_ascii_hexdigit(),
            Named::Word => is_word(c),
        }
    }
}

/// Whether a character belongs to a word.
pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The other case of a character, if it has one.
pub(super) fn folded(c: char) -> char {
    let mut lower = c.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(single), None) => single,
        _ => c,
    }
}

impl Class {
    fn of(named: Named, is_in: bool) -> Class {
        Class { ranges: Vec::new(), named: vec![(named, is_in)], negated: false }
    }

    fn holds(&self, c: char) -> bool {
        self.ranges.iter().any(|(low, high)| (*low..=*high).contains(&c))
            || self.named.iter().any(|(named, is_in)| named.has(c) == *is_in)
    }

    /// Whether a character is in it.
    pub(super) fn matches(&self, c: char, ignores_case: bool) -> bool {
        let found = self.holds(c)
            || (ignores_case
                && (self.holds(folded(c)) || c.to_uppercase().next().is_some_and(|upper| self.holds(upper))));
        found != self.negated
    }
}

/// A place between characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Assertion {
    LineStart,
    LineEnd,
    TextStart,
    TextEnd,
    WordStart,
    WordEnd,
    WordBoundary,
    NotWordBoundary,
}

/// A part of a regular expression.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Empty,
    Char(char),
    Any,
    Class(Class),
    Assert(Assertion),
    /// Lookahead and lookbehind.
    Look {
        node: Box<Node>,
        behind: bool,
        negated: bool,
    },
    /// A parenthesis that captures.
    Group(usize, Box<Node>),
    Concat(Vec<Node>),
    Alternate(Vec<Node>),
    Repeat {
        node: Box<Node>,
        min: u32,
        max: Option<u32>,
        greedy: bool,
    },
    Backreference(usize),
}

/// A pattern that was read.
#[derive(Debug)]
pub(super) struct Pattern {
    pub(super) node: Box<Node>,
    pub(super) groups: usize,
    pub(super) options: Options,
    pub(super) has_backreferences: bool,
}

fn invalid(what: &str) -> Error {
    Error::new(state::INVALID_REGULAR_EXPRESSION, format!("invalid regular expression: {what}"))
}

struct Parser<'a> {
    pattern: &'a [char],
    place: usize,
    groups: usize,
    closed: Vec<usize>,
    depth: usize,
    options: Options,
    has_backreferences: bool,
}

/// Reads a pattern. 2201B if it is none.
pub(super) fn parse(pattern: &str, options: Options) -> Result<Pattern> {
    if pattern.len() > PATTERN_MAX {
        return Err(invalid("regular expression is too complex"));
    }
    let chars: Vec<char> = pattern.chars().collect();
    let mut parser = Parser {
        pattern: &chars,
        place: 0,
        groups: 0,
        closed: Vec::new(),
        depth: 0,
        options,
        has_backreferences: false,
    };
    parser.director();
    if !parser.options.literal {
        parser.embedded_options()?;
    }
    let node = if parser.options.literal {
        Node::Concat(parser.pattern[parser.place..].iter().map(|c| Node::Char(*c)).collect())
    } else {
        let node = parser.alternation()?;
        if parser.peek() == Some(')') {
            return Err(invalid("parentheses () not balanced"));
        }
        node
    };
    Ok(Pattern {
        node: Box::new(node),
        groups: parser.groups,
        options: parser.options,
        has_backreferences: parser.has_backreferences,
    })
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.pattern.get(self.place).copied()
    }

    fn starts_with(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(ahead, c)| self.pattern.get(self.place + ahead) == Some(&c))
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.starts_with(text);
        self.place += if found { text.chars().count() } else { 0 };
        found
    }

    /// `***:` and `***=`
    fn director(&mut self) {
        if self.take("***=") {
            self.options.literal = true;
        } else {
            self.take("***:");
        }
    }

    /// `(?xyz)`
    fn embedded_options(&mut self) -> Result<()> {
        let is_letter = self.pattern.get(self.place + 2).is_some_and(char::is_ascii_alphabetic);
        if !self.starts_with("(?") || !is_letter {
            return Ok(());
        }
        self.place += 2;
        while let Some(letter) = self.peek() {
            self.place += 1;
            match letter {
                ')' => return Ok(()),
                letter if set_option(&mut self.options, letter) => {}
                _ => return Err(invalid("invalid embedded option")),
            }
        }
        Err(invalid("invalid embedded option"))
    }

    fn skip_expanded(&mut self) {
        loop {
            if self.options.expanded {
                while self.peek().is_some_and(char::is_whitespace) {
                    self.place += 1;
                }
                if self.peek() == Some('#') {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.place += 1;
                    }
                    continue;
                }
            }
            if self.starts_with("(?#") {
                while self.peek().is_some_and(|c| c != ')') {
                    self.place += 1;
                }
                self.place += 1;
                continue;
            }
            return;
        }
    }

    fn alternation(&mut self) -> Result<Node> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(invalid("regular expression is too complex"));
        }
        let mut branches = vec![self.branch()?];
        while self.peek() == Some('|') {
            self.place += 1;
            branches.push(self.branch()?);
        }
        self.depth -= 1;
        Ok(if branches.len() == 1 { branches.remove(0) } else { Node::Alternate(branches) })
    }

    fn branch(&mut self) -> Result<Node> {
        let mut parts = Vec::new();
        loop {
            self.skip_expanded();
            match self.peek() {
                None | Some('|') => break,
                Some(')') => break,
                Some(_) => {}
            }
            let atom = self.atom()?;
            parts.push(self.quantified(atom)?);
        }
        Ok(match parts.len() {
            0 => Node::Empty,
            1 => parts.remove(0),
            _ => Node::Concat(parts),
        })
    }

    fn quantified(&mut self, atom: Node) -> Result<Node> {
        self.skip_expanded();
        let (min, max) = match self.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') if self.pattern.get(self.place + 1).is_some_and(char::is_ascii_digit) => {
                self.place += 1;
                self.bound()?
            }
            Some('{') => return Err(invalid("invalid repetition count(s)")),
            _ => return Ok(atom),
        };
        if matches!(atom, Node::Assert(_) | Node::Look { .. }) {
            return Err(invalid("quantifier operand invalid"));
        }
        self.place += 1;
        let greedy = !self.take("?");
        if self.peek().is_some_and(|c| matches!(c, '*' | '+' | '?')) {
            return Err(invalid("quantifier operand invalid"));
        }
        Ok(Node::Repeat { node: Box::new(atom), min, max, greedy })
    }

    /// The counts of `{m,n}`; the place is at the closing brace after it.
    fn bound(&mut self) -> Result<(u32, Option<u32>)> {
        let min = self.count()?;
        let max = match self.take(",") {
            false => Some(min),
            true if self.peek() == Some('}') => None,
            true => Some(self.count()?),
        };
        if self.peek() != Some('}') {
            return Err(invalid(match self.peek() {
                None => "braces {} not balanced",
                Some(_) => "invalid repetition count(s)",
            }));
        }
        if max.is_some_and(|max| max < min) {
            return Err(invalid("invalid repetition count(s)"));
        }
        Ok((min, max))
    }

    fn count(&mut self) -> Result<u32> {
        let mut count = 0u32;
        let mut digits = 0;
        while let Some(digit) = self.peek().and_then(|c| c.to_digit(10)) {
            count = (count * 10 + digit).min(REPEAT_MAX + 1);
            self.place += 1;
            digits += 1;
        }
        if digits == 0 || count > REPEAT_MAX {
            return Err(invalid(if self.peek().is_none() {
                "braces {} not balanced"
            } else {
                "invalid repetition count(s)"
            }));
        }
        Ok(count)
    }

    fn atom(&mut self) -> Result<Node> {
        let c = self.pattern[self.place];
        self.place += 1;
        match c {
            '(' => self.parenthesis(),
            '[' => self.bracket(),
            '.' => Ok(Node::Any),
            '^' => Ok(Node::Assert(Assertion::LineStart)),
            '$' => Ok(Node::Assert(Assertion::LineEnd)),
            '*' | '+' | '?' => Err(invalid("quantifier operand invalid")),
            '{' if self.peek().is_some_and(|c| c.is_ascii_digit()) => {
                Err(invalid("quantifier operand invalid"))
            }
            '\\' => self.escape(),
            c => Ok(Node::Char(c)),
        }
    }

    fn parenthesis(&mut self) -> Result<Node> {
        let look = [("?=", false, false), ("?!", false, true), ("?<=", true, false), ("?<!", true, true)];
        for (mark, behind, negated) in look {
            if self.take(mark) {
                let node = Box::new(self.inside()?);
                return Ok(Node::Look { node, behind, negated });
            }
        }
        if self.take("?:") {
            return self.inside();
        }
        if self.peek() == Some('?') {
            return Err(invalid("quantifier operand invalid"));
        }
        self.groups += 1;
        let number = self.groups;
        let node = self.inside()?;
        self.closed.push(number);
        Ok(Node::Group(number, Box::new(node)))
    }

    fn inside(&mut self) -> Result<Node> {
        let node = self.alternation()?;
        if self.peek() != Some(')') {
            return Err(invalid("parentheses () not balanced"));
        }
        self.place += 1;
        Ok(node)
    }

    fn bracket(&mut self) -> Result<Node> {
        let unbalanced = || invalid("brackets [] not balanced");
        for (text, assertion) in [("[:<:]]", Assertion::WordStart), ("[:>:]]", Assertion::WordEnd)] {
            if self.take(text) {
                return Ok(Node::Assert(assertion));
            }
        }
        let mut class = Class { negated: self.take("^"), ..Class::default() };
        let mut is_first = true;
        loop {
            match self.peek() {
                None => return Err(unbalanced()),
                Some(']') if !is_first => break,
                Some(_) => {}
            }
            is_first = false;
            let Some(low) = self.class_item(&mut class)? else { continue };
            let ranges =
                self.peek() == Some('-') && self.pattern.get(self.place + 1).is_some_and(|c| *c != ']');
            if !ranges {
                class.ranges.push((low, low));
                continue;
            }
            self.place += 1;
            let Some(high) = self.class_item(&mut Class::default())? else {
                return Err(invalid("invalid character range"));
            };
            if high < low {
                return Err(invalid("invalid character range"));
            }
            class.ranges.push((low, high));
        }
        self.place += 1;
        if class.negated && self.options.stops_at_newline {
            class.ranges.push(('\n', '\n'));
        }
        Ok(Node::Class(class))
    }

    /// One item of a bracket expression: a character, or a class that is added.
    fn class_item(&mut self, class: &mut Class) -> Result<Option<char>> {
        if self.take("[:") {
            let name = self.until(":]")?;
            let Some(named) = Named::parse(&name) else { return Err(invalid("invalid character class")) };
            let named = match named {
                Named::Lower | Named::Upper if self.options.ignores_case => Named::Alpha,
                named => named,
            };
            class.named.push((named, true));
            return Ok(None);
        }
        for (open, close) in [("[.", ".]"), ("[=", "=]")] {
            if self.take(open) {
                let name = self.until(close)?;
                return match (name.chars().next(), name.chars().count()) {
                    (Some(only), 1) => Ok(Some(only)),
                    _ => {
                        collating_element(&name).map(Some).ok_or_else(|| invalid("invalid collating element"))
                    }
                };
            }
        }
        let c = self.pattern[self.place];
        self.place += 1;
        if c != '\\' || self.options.extended {
            return Ok(Some(c));
        }
        match self.escape()? {
            Node::Char(c) => Ok(Some(c)),
            Node::Class(inner) if !inner.negated => {
                class.ranges.extend(inner.ranges);
                class.named.extend(inner.named);
                Ok(None)
            }
            _ => Err(invalid("invalid escape \\ sequence")),
        }
    }

    fn until(&mut self, close: &str) -> Result<String> {
        let start = self.place;
        while self.place < self.pattern.len() {
            if self.starts_with(close) {
                let name = self.pattern[start..self.place].iter().collect();
                self.place += 2;
                return Ok(name);
            }
            self.place += 1;
        }
        Err(invalid("brackets [] not balanced"))
    }

    fn escape(&mut self) -> Result<Node> {
        let Some(c) = self.peek() else { return Err(invalid("invalid escape \\ sequence")) };
        self.place += 1;
        if self.options.extended {
            return Ok(Node::Char(c));
        }
        let class = |named, is_in| Ok(Node::Class(Class::of(named, is_in)));
        match c {
            'd' => class(Named::Digit, true),
            'D' => class(Named::Digit, false),
            's' => class(Named::Space, true),
            'S' => class(Named::Space, false),
            'w' => class(Named::Word, true),
            'W' => class(Named::Word, false),
            'A' => Ok(Node::Assert(Assertion::TextStart)),
            'Z' => Ok(Node::Assert(Assertion::TextEnd)),
            'm' => Ok(Node::Assert(Assertion::WordStart)),
            'M' => Ok(Node::Assert(Assertion::WordEnd)),
            'y' => Ok(Node::Assert(Assertion::WordBoundary)),
            'Y' => Ok(Node::Assert(Assertion::NotWordBoundary)),
            'a' => Ok(Node::Char('\u{7}')),
            'b' => Ok(Node::Char('\u{8}')),
            'B' => Ok(Node::Char('\\')),
            'e' => Ok(Node::Char('\u{1b}')),
            'f' => Ok(Node::Char('\u{c}')),
            'n' => Ok(Node::Char('\n')),
            'r' => Ok(Node::Char('\r')),
            't' => Ok(Node::Char('\t')),
            'v' => Ok(Node::Char('\u{b}')),
            'c' => {
                let Some(control) = self.peek() else { return Err(invalid("invalid escape \\ sequence")) };
                self.place += 1;
                Ok(Node::Char(char::from_u32(control as u32 & 0x1f).unwrap_or('\0')))
            }
            'u' => self.code(16, 4, 4),
            'U' => self.code(16, 8, 8),
            'x' => self.code(16, 1, 255),
            '0' => {
                self.place -= 1;
                self.code(8, 1, 3)
            }
            '1'..='9' => self.backreference(),
            c if c.is_ascii_alphanumeric() => Err(invalid("invalid escape \\ sequence")),
            c => Ok(Node::Char(c)),
        }
    }

    fn code(&mut self, radix: u32, least: usize, most: usize) -> Result<Node> {
        let mut code = 0u32;
        let mut digits = 0;
        while digits < most
            && let Some(digit) = self.peek().and_then(|c| c.to_digit(radix))
        {
            code = code.saturating_mul(radix).saturating_add(digit);
            self.place += 1;
            digits += 1;
        }
        match char::from_u32(code) {
            Some(c) if digits >= least => Ok(Node::Char(c)),
            _ => Err(invalid("invalid escape \\ sequence")),
        }
    }

    /// A back reference, or an octal code if there are not so many groups.
    fn backreference(&mut self) -> Result<Node> {
        self.place -= 1;
        let start = self.place;
        let mut number = 0usize;
        while let Some(digit) = self.peek().and_then(|c| c.to_digit(10)) {
            number = (number * 10 + digit as usize).min(100_000);
            self.place += 1;
        }
        let is_single = self.place - start == 1;
        if is_single || number <= self.groups {
            if !self.closed.contains(&number) {
                return Err(invalid("invalid backreference number"));
            }
            self.has_backreferences = true;
            return Ok(Node::Backreference(number));
        }
        self.place = start;
        self.code(8, 1, 3)
    }
}

/// Sets the option of a letter; whether there is one.
pub(super) fn set_option(options: &mut Options, letter: char) -> bool {
    match letter {
        'i' => options.ignores_case = true,
        'c' => options.ignores_case = false,
        'n' | 'm' => {
            options.stops_at_newline = true;
            options.anchors_at_newline = true;
        }
        's' => {
            options.stops_at_newline = false;
            options.anchors_at_newline = false;
        }
        'p' => {
            options.stops_at_newline = true;
            options.anchors_at_newline = false;
        }
        'w' => {
            options.stops_at_newline = false;
            options.anchors_at_newline = true;
        }
        'x' => options.expanded = true,
        't' => options.expanded = false,
        'q' => options.literal = true,
        'e' => options.extended = true,
        'b' => options.extended = true,
        _ => return false,
    }
    true
}

/// The characters that have a name in brackets.
fn collating_element(name: &str) -> Option<char> {
    const NAMES: &[(&str, char)] = &[
        ("NUL", '\0'),
        ("tab", '\t'),
        ("newline", '\n'),
        ("vertical-tab", '\u{b}'),
        ("form-feed", '\u{c}'),
        ("carriage-return", '\r'),
        ("space", ' '),
        ("exclamation-mark", '!'),
        ("quotation-mark", '"'),
        ("number-sign", '#'),
        ("dollar-sign", '$'),
        ("percent-sign", '%'),
        ("ampersand", '&'),
        ("apostrophe", '\''),
        ("left-parenthesis", '('),
        ("right-parenthesis", ')'),
        ("asterisk", '*'),
        ("plus-sign", '+'),
        ("comma", ','),
        ("hyphen", '-'),
        ("hyphen-minus", '-'),
        ("period", '.'),
        ("full-stop", '.'),
        ("slash", '/'),
        ("solidus", '/'),
        ("zero", '0'),
        ("one", '1'),
        ("two", '2'),
        ("three", '3'),
        ("four", '4'),
        ("five", '5'),
        ("six", '6'),
        ("seven", '7'),
        ("eight", '8'),
        ("nine", '9'),
        ("colon", ':'),
        ("semicolon", ';'),
        ("less-than-sign", '<'),
        ("equals-sign", '='),
        ("greater-than-sign", '>'),
        ("question-mark", '?'),
        ("commercial-at", '@'),
        ("left-square-bracket", '['),
        ("backslash", '\\'),
        ("reverse-solidus", '\\'),
        ("right-square-bracket", ']'),
        ("circumflex", '^'),
        ("circumflex-accent", '^'),
        ("underscore", '_'),
        ("low-line", '_'),
        ("grave-accent", '`'),
        ("left-brace", '{'),
        ("left-curly-bracket", '{'),
        ("vertical-line", '|'),
        ("right-brace", '}'),
        ("right-curly-bracket", '}'),
        ("tilde", '~'),
        ("DEL", '\u{7f}'),
    ];
    NAMES.iter().find(|(other, _)| *other == name).map(|(_, c)| *c)
}

/// What a part prefers: `Some(true)` the longest match, `Some(false)` the shortest.
pub(super) fn preference(node: &Node) -> Option<bool> {
    match node {
        Node::Group(_, inner) => preference(inner),
        Node::Repeat { node, min, max, .. } if *max == Some(*min) => preference(node),
        Node::Repeat { greedy, .. } => Some(*greedy),
        Node::Concat(parts) => parts.iter().find_map(preference),
        Node::Alternate(_) => Some(true),
        _ => None,
    }
}
