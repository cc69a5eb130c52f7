//! to_char and to_number for numbers: PostgreSQL's templates (NUM_processor in its formatting.c).

use num_traits::{Signed, Zero};

use super::{Env, Function, scalar};
use crate::bail;
use crate::error::{Error, Result, state};
use crate::types::float::{FLOAT4, FLOAT8};
use crate::types::integer::{INT4, INT8};
use crate::types::numeric::{Decimal, NUMERIC, Numeric};
use crate::types::text::TEXT;
use crate::types::{Datum, DatumRef};

/// The longest template, in bytes.
const TEMPLATE_MAX: usize = 8 << 10;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Key {
    Comma,
    Dot,
    Zero,
    Nine,
    Blank,
    LocalePoint,
    Exponent,
    Fill,
    Group,
    Currency,
    Minus,
    Plus,
    Bracket,
    Roman,
    RomanLower,
    SignAny,
    Sign,
    Ordinal,
    OrdinalLower,
    Shift,
}

const KEYS: &[(&str, Key)] = &[
    ("eeee", Key::Exponent),
    ("fm", Key::Fill),
    ("mi", Key::Minus),
    ("pl", Key::Plus),
    ("pr", Key::Bracket),
    ("rn", Key::Roman),
    ("sg", Key::SignAny),
    ("th", Key::Ordinal),
    (",", Key::Comma),
    (".", Key::Dot),
    ("0", Key::Zero),
    ("9", Key::Nine),
    ("b", Key::Blank),
    ("d", Key::LocalePoint),
    ("g", Key::Group),
    ("l", Key::Currency),
    ("s", Key::Sign),
    ("v", Key::Shift),
];

#[derive(Clone, PartialEq, Debug)]
enum Node {
    Key(Key),
    Literal(String),
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum SignPlace {
    #[default]
    None,
    Before,
    After,
}

/// What a template says of the number.
#[derive(Clone, Default, Debug)]
struct Template {
    nodes: Vec<Node>,
    before: i32,
    after: i32,
    sign_place: SignPlace,
    digits_before_sign: i32,
    shift: i32,
    zero_start: i32,
    zero_end: i32,
    has_point: bool,
    has_zero: bool,
    fills: bool,
    has_sign: bool,
    has_bracket: bool,
    has_minus: bool,
    has_plus: bool,
    is_roman: bool,
    shifts: bool,
    has_exponent: bool,
}

fn syntax<T>(message: &str) -> Result<T> {
    Err(Error::new(state::SYNTAX_ERROR, message))
}

impl Template {
    fn parse(text: &str) -> Result<Template> {
        if text.len() > TEMPLATE_MAX {
            bail!(PROGRAM_LIMIT_EXCEEDED, "format is longer than {TEMPLATE_MAX} bytes");
        }
        let mut template = Template::default();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let found = KEYS.iter().find(|(name, _)| {
                rest.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
            });
            if let Some((name, key)) = found {
                let is_lower = rest.starts_with(|c: char| c.is_ascii_lowercase());
                let key = match key {
                    Key::Roman if is_lower => Key::RomanLower,
                    Key::Ordinal if is_lower => Key::OrdinalLower,
                    key => *key,
                };
                template.note(key)?;
                template.nodes.push(Node::Key(key));
                rest = &rest[name.len()..];
                continue;
            }
            if first == '"' {
                let mut literal = String::new();
                let mut chars = rest[1..].chars();
                while let Some(c) = chars.next() {
                    match c {
                        '"' => break,
                        '\\' => literal.extend(chars.next()),
                        c => literal.push(c),
                    }
                }
                rest = chars.as_str();
                template.nodes.push(Node::Literal(literal));
                continue;
            }
            let skip = if first == '\\' && rest.starts_with("\\\"") { 1 } else { 0 };
            let c = rest[skip..].chars().next().unwrap_or(first);
            template.nodes.push(Node::Literal(c.to_string()));
            rest = &rest[skip + c.len_utf8()..];
        }
        Ok(template)
    }

    /// NUMDesc_prepare
    fn note(&mut self, key: Key) -> Result<()> {
        if self.has_exponent && key != Key::Exponent {
            return syntax("\"EEEE\" must be the last pattern used");
        }
        match key {
            Key::Nine => {
                if self.has_bracket {
                    return syntax("\"9\" must be ahead of \"PR\"");
                }
                match (self.shifts, self.has_point) {
                    (true, _) => self.shift += 1,
                    (false, true) => self.after += 1,
                    (false, false) => self.before += 1,
                }
            }
            Key::Zero => {
                if self.has_bracket {
                    return syntax("\"0\" must be ahead of \"PR\"");
                }
                if !self.has_zero && !self.has_point {
                    self.has_zero = true;
                    self.zero_start = self.before + 1;
                }
                if self.has_point {
                    self.after += 1
                } else {
                    self.before += 1
                }
                self.zero_end = self.before + self.after;
            }
            Key::LocalePoint | Key::Dot => {
                if self.has_point {
                    return syntax("multiple decimal points");
                }
                if self.shifts {
                    return syntax("cannot use \"V\" and decimal point together");
                }
                self.has_point = true;
            }
            Key::Fill => self.fills = true,
            Key::Sign => {
                if self.has_sign {
                    return syntax("cannot use \"S\" twice");
                }
                if self.has_plus || self.has_minus || self.has_bracket {
                    return syntax("cannot use \"S\" and \"PL\"/\"MI\"/\"SG\"/\"PR\" together");
                }
                self.has_sign = true;
                if self.has_point {
                    self.sign_place = SignPlace::After;
                } else {
                    self.sign_place = SignPlace::Before;
                    self.digits_before_sign = self.before;
                }
            }
            Key::Minus | Key::Plus | Key::SignAny => {
                if self.has_sign {
                    let name = match key {
                        Key::Minus => "MI",
                        Key::Plus => "PL",
                        _ => "SG",
                    };
                    return syntax(&format!("cannot use \"S\" and \"{name}\" together"));
                }
                self.has_minus |= key != Key::Plus;
                self.has_plus |= key != Key::Minus;
            }
            Key::Bracket => {
                if self.has_sign || self.has_plus || self.has_minus {
                    return syntax("cannot use \"PR\" and \"S\"/\"PL\"/\"MI\"/\"SG\" together");
                }
                self.has_bracket = true;
            }
            Key::Roman | Key::RomanLower => self.is_roman = true,
            Key::Shift => {
                if self.has_point {
                    return syntax("cannot use \"V\" and decimal point together");
                }
                self.shifts = true;
            }
            Key::Exponent => {
                if self.has_exponent {
                    return syntax("cannot use \"EEEE\" twice");
                }
                if self.fills
                    || self.has_sign
                    || self.has_bracket
                    || self.has_minus
                    || self.has_plus
                    || self.is_roman
                    || self.shifts
                {
                    return Err(Error::new(
                        state::SYNTAX_ERROR,
                        "\"EEEE\" is incompatible with other formats",
                    )
                    .with_detail(
                        "\"EEEE\" may only be used together with digit and decimal point patterns.",
                    ));
                }
                self.has_exponent = true;
            }
            _ => {}
        }
        Ok(())
    }
}

/// A number on its way into a template: its digits without a sign.
struct Writer<'t> {
    template: &'t Template,
    digits: Vec<char>,
    at: usize,
    sign: char,
    sign_written: bool,
    in_number: bool,
    count: i32,
    spaces: i32,
    current: i32,
    last_relevant: Option<usize>,
    has_bracket: bool,
    sign_place: SignPlace,
    out: String,
}

impl Writer<'_> {
    fn digit(&self) -> Option<char> {
        self.digits.get(self.at).copied()
    }

    fn relevant_is_point(&self) -> bool {
        self.last_relevant.is_some_and(|place| self.digits[place] == '.')
    }

    /// `0.1` under `9.9` has a blank before its point.
    fn is_blank_before_point(&self) -> bool {
        !self.template.has_zero
            && self.at == 0
            && self.digits.first() == Some(&'0')
            && self.template.after != 0
    }

    fn number_part(&mut self, key: Key) {
        let template = self.template;
        self.in_number = false;
        let zero_start = template.zero_start - 1;
        let starts = self.current >= self.spaces || (template.has_zero && zero_start == self.current);
        if !self.sign_written && starts && (!self.is_blank_before_point() || self.relevant_is_point()) {
            if template.has_sign {
                if self.sign_place == SignPlace::Before {
                    self.out.push(self.sign);
                    self.sign_written = true;
                }
            } else if self.has_bracket {
                self.out.push(if self.sign == '+' { ' ' } else { '<' });
                self.sign_written = true;
            } else {
                if self.sign == '-' {
                    self.out.push('-');
                } else if !template.fills {
                    self.out.push(' ');
                }
                self.sign_written = true;
            }
        }
        if self.current < self.spaces && (zero_start > self.current || !template.has_zero) {
            if !template.fills {
                self.out.push(' ');
            }
        } else if template.has_zero && self.current < self.spaces && zero_start <= self.current {
            self.out.push('0');
            self.in_number = true;
        } else {
            match self.digit() {
                Some('.') => self.out.push('.'),
                Some(digit) => {
                    let beyond = self.last_relevant.is_some_and(|place| self.at > place) && key != Key::Zero;
                    if beyond {
                        // Zeros that FM leaves out.
                    } else if self.is_blank_before_point() {
                        if !template.fills {
                            self.out.push(' ');
                        } else if self.relevant_is_point() {
                            self.out.push('0');
                        }
                    } else {
                        self.out.push(digit);
                        self.in_number = true;
                    }
                }
                None => {}
            }
            if self.at < self.digits.len() {
                self.at += 1;
            }
        }
        let mut end = self.count + i32::from(self.spaces != 0) + i32::from(template.has_point);
        if self.last_relevant == Some(self.at) {
            end = self.current;
        }
        if self.current + 1 == end {
            if self.sign_written && self.has_bracket {
                self.out.push(if self.sign == '+' { ' ' } else { '>' });
            } else if template.has_sign && self.sign_place == SignPlace::After {
                self.out.push(self.sign);
            }
        }
        self.current += 1;
    }
}

/// Puts digits into a template. `digits` has no sign and may be a Roman number.
fn write(template: &Template, digits: &str, spaces: i32, sign: char) -> String {
    if template.has_exponent {
        return digits.to_owned();
    }
    let digits: Vec<char> = digits.chars().collect();
    let mut writer = Writer {
        template,
        at: 0,
        sign,
        sign_written: false,
        in_number: false,
        count: template.after + template.before - 1,
        spaces,
        current: 0,
        last_relevant: None,
        has_bracket: template.has_bracket,
        sign_place: template.sign_place,
        out: String::new(),
        digits,
    };
    if template.has_plus || template.has_minus {
        // PL alone leaves the minus sign to the number.
        writer.sign_written = template.has_minus;
    } else {
        if sign != '-' && template.fills {
            writer.has_bracket = false;
        }
        writer.sign_written = sign == '+' && template.fills && !template.has_sign;
        if template.sign_place == SignPlace::Before && template.before == template.digits_before_sign {
            writer.sign_place = SignPlace::After;
        }
    }
    if template.fills && template.has_point {
        let point = writer.digits.iter().position(|c| *c == '.');
        writer.last_relevant = point.map(|point| {
            let last = (point + 1..writer.digits.len()).rev().find(|place| writer.digits[*place] != '0');
            last.unwrap_or(point)
        });
        if let Some(relevant) = writer.last_relevant
            && template.zero_end > spaces
        {
            let last_zero = (writer.digits.len() as i32 - 1).min(template.zero_end - spaces) as usize;
            writer.last_relevant = Some(relevant.max(last_zero));
        }
    }
    if !writer.sign_written && spaces == 0 {
        writer.count += 1;
    }
    for node in &template.nodes {
        match node {
            Node::Literal(text) => writer.out.push_str(text),
            Node::Key(key) => write_key(&mut writer, *key),
        }
    }
    writer.out
}

fn write_key(writer: &mut Writer<'_>, key: Key) {
    let template = writer.template;
    match key {
        Key::Nine | Key::Zero | Key::Dot | Key::LocalePoint if !template.is_roman => writer.number_part(key),
        Key::Comma | Key::Group if !template.is_roman => {
            if writer.in_number {
                writer.out.push(',');
            } else if !template.fills {
                writer.out.push(' ');
            }
        }
        Key::Currency => writer.out.push(' '),
        Key::Roman | Key::RomanLower => {
            let text: String = writer.digits.iter().collect();
            let text = if key == Key::Roman { text } else { text.to_lowercase() };
            let padding = if template.fills { 0 } else { 15usize.saturating_sub(text.len()) };
            writer.out.extend(std::iter::repeat_n(' ', padding));
            writer.out.push_str(&text);
        }
        Key::Ordinal | Key::OrdinalLower => {
            let has_none = template.is_roman
                || writer.digits.first() == Some(&'#')
                || writer.sign == '-'
                || template.has_point;
            if !has_none {
                let text: String = writer.digits.iter().collect();
                writer.out.push_str(ordinal(&text, key == Key::Ordinal));
            }
        }
        Key::Minus | Key::Plus | Key::SignAny => {
            let shown = match key {
                Key::Minus => writer.sign == '-',
                Key::Plus => writer.sign == '+',
                _ => true,
            };
            if shown {
                writer.out.push(writer.sign);
            } else if !template.fills {
                writer.out.push(' ');
            }
        }
        _ => {}
    }
}

/// The English suffix of an ordinal number.
pub(super) fn ordinal(digits: &str, upper: bool) -> &'static str {
    let mut last = digits.chars().rev().filter(char::is_ascii_digit);
    let (one, ten) = (last.next().unwrap_or('0'), last.next());
    let place = match (ten, one) {
        (Some('1'), _) => 3,
        (_, '1') => 0,
        (_, '2') => 1,
        (_, '3') => 2,
        _ => 3,
    };
    if upper { ["ST", "ND", "RD", "TH"][place] } else { ["st", "nd", "rd", "th"][place] }
}

/// A Roman number, or fifteen `#` for what has none.
fn roman(value: i64) -> String {
    const PARTS: &[(i64, &str)] = &[
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    if !(1..=3999).contains(&value) {
        return "#".repeat(15);
    }
    let mut rest = value;
    let mut out = String::new();
    for (part, letters) in PARTS {
        while rest >= *part {
            out.push_str(letters);
            rest -= part;
        }
    }
    out
}

/// `d.ddde+NN` with so many digits after the point, rounded.
fn scientific(decimal: &Decimal, after: i32) -> String {
    let after = after.max(0) as usize;
    let negative = decimal.mantissa.is_negative();
    let mut digits = decimal.mantissa.abs().to_string();
    let mut exponent = digits.len() as i64 - 1 - i64::from(decimal.scale);
    if decimal.mantissa.is_zero() {
        exponent = 0;
        digits = "0".into();
    }
    let wanted = after + 1;
    if digits.len() > wanted {
        // Round half away from zero at the last wanted digit.
        let scale = (digits.len() - wanted) as u32;
        let rounded = Decimal { mantissa: decimal.mantissa.abs(), scale }.rescale(0);
        digits = rounded.mantissa.to_string();
        if digits.len() > wanted {
            exponent += 1;
            digits.truncate(wanted);
        }
    }
    while digits.len() < wanted {
        digits.push('0');
    }
    let (head, tail) = digits.split_at(1);
    let point = if after > 0 { "." } else { "" };
    let (sign, exponent_sign) = (if negative { "-" } else { "" }, if exponent < 0 { '-' } else { '+' });
    format!("{sign}{head}{point}{tail}e{exponent_sign}{:02}", exponent.abs())
}

fn special_exponent(template: &Template) -> String {
    // NaN and infinity do not fit: `#.###` and blanks, as wide as a number would be.
    let mut text = "#".repeat((template.before + template.after + 6) as usize);
    let point = (template.before + 1) as usize;
    text.replace_range(0..1, " ");
    text.replace_range(point..point + 1, ".");
    text
}

fn number_to_char(value: &Numeric, template: &mut Template) -> Result<String> {
    if template.is_roman {
        let whole = value.finite().and_then(|decimal| decimal.round(0).rescale(0).to_i64());
        return Ok(write(template, &roman(whole.unwrap_or(0)), 0, '+'));
    }
    if template.has_exponent {
        let text = match value {
            Numeric::Finite(decimal) => scientific(decimal, template.after),
            _ => special_exponent(template),
        };
        let text = if text.starts_with(['-', ' ']) { text } else { format!(" {text}") };
        return Ok(write(template, &text, 0, '+'));
    }
    let mut value = value.clone();
    if template.shifts {
        let power = Numeric::Finite(Decimal {
            mantissa: num_bigint::BigInt::from(10u8).pow(template.shift.max(0) as u32),
            scale: 0,
        });
        value = value.multiply(&power)?;
        template.before += template.shift;
    }
    let text = match &value {
        Numeric::Finite(decimal) => {
            decimal.round(template.after.into()).rescale(template.after as u32).to_string()
        }
        special => special.to_string(),
    };
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ('-', digits.to_owned()),
        None => ('+', text),
    };
    Ok(laid_out(template, &digits, sign))
}

/// Digits with the blanks before them, or `#` where they do not fit.
fn laid_out(template: &Template, digits: &str, sign: char) -> String {
    let length = digits.find('.').unwrap_or(digits.len()) as i32;
    if length > template.before {
        let mut overflow = "#".repeat((template.before + template.after + 1) as usize);
        overflow.replace_range(template.before as usize..template.before as usize + 1, ".");
        return write(template, &overflow, 0, sign);
    }
    write(template, digits, template.before - length, sign)
}

fn numeric_to_char(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let mut template = Template::parse(args[1].text())?;
    number_to_char(&Numeric::from_stored(args[0].text()), &mut template).map(Datum::Text)
}

fn integer_to_char(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let mut template = Template::parse(args[1].text())?;
    number_to_char(&Numeric::from_i64(args[0].integer()), &mut template).map(Datum::Text)
}

/// Doubles show no more digits than they have: 15, or 6 for real.
fn double_to_char(value: f64, digits_max: i32, template: &mut Template) -> Result<String> {
    if template.is_roman || template.has_exponent || !value.is_finite() {
        let number = match value {
            value if value.is_nan() => Numeric::NaN,
            value if value.is_infinite() && value > 0.0 => Numeric::Infinity,
            value if value.is_infinite() => Numeric::NegativeInfinity,
            value => Numeric::parse(&format!("{value:.*e}", 17))?,
        };
        if template.has_exponent && value.is_finite() {
            let shown = format!("{value:.*e}", template.after.max(0) as usize);
            let (mantissa, exponent) = shown.split_once('e').unwrap_or((&shown, "0"));
            let exponent: i64 = exponent.parse().unwrap_or(0);
            let sign = if exponent < 0 { '-' } else { '+' };
            let text = format!("{mantissa}e{sign}{:02}", exponent.abs());
            let text = if text.starts_with('-') { text } else { format!(" {text}") };
            return Ok(write(template, &text, 0, '+'));
        }
        return number_to_char(&number, template);
    }
    let mut value = value;
    if template.shifts {
        value *= 10f64.powi(template.shift);
        template.before += template.shift;
    }
    let whole = format!("{:.0}", value.abs());
    let whole_digits = whole.len() as i32;
    if whole_digits >= digits_max {
        template.after = 0;
    } else if whole_digits + template.after > digits_max {
        template.after = digits_max - whole_digits;
    }
    let text = format!("{:.*}", template.after.max(0) as usize, value);
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ('-', digits.to_owned()),
        None => ('+', text),
    };
    Ok(laid_out(template, &digits, sign))
}

fn float8_to_char(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let mut template = Template::parse(args[1].text())?;
    double_to_char(args[0].real(), 15, &mut template).map(Datum::Text)
}

fn float4_to_char(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let mut template = Template::parse(args[1].text())?;
    double_to_char(args[0].real(), 6, &mut template).map(Datum::Text)
}

/// A text on its way out of a template.
struct Reader<'t> {
    template: &'t Template,
    input: Vec<char>,
    at: usize,
    sign: Option<char>,
    digits: String,
    before: i32,
    after: i32,
    has_point: bool,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.input.get(self.at).copied()
    }

    fn number_part(&mut self, key: Key) {
        if self.peek() == Some(' ') {
            self.at += 1;
        }
        let template = self.template;
        let is_digit_key = matches!(key, Key::Zero | Key::Nine);
        if self.sign.is_none() && is_digit_key && self.before + self.after == 0 {
            match self.peek() {
                Some('-') => {
                    self.sign = Some('-');
                    self.at += 1;
                }
                Some('<') if template.has_bracket => {
                    self.sign = Some('-');
                    self.at += 1;
                }
                Some('+') => {
                    self.sign = Some('+');
                    self.at += 1;
                }
                _ => {}
            }
        }
        let mut is_read = false;
        match self.peek() {
            None => return,
            Some(digit) if digit.is_ascii_digit() => {
                if self.has_point && self.after == template.after {
                    return;
                }
                self.digits.push(digit);
                if self.has_point {
                    self.after += 1
                } else {
                    self.before += 1
                }
                is_read = true;
            }
            Some('.') if template.has_point && !self.has_point => {
                self.digits.push('.');
                self.has_point = true;
                is_read = true;
            }
            Some(_) => {}
        }
        if self.sign.is_none() && self.before + self.after > 0 {
            let next = self.input.get(self.at + 1).copied();
            if template.has_sign && is_read && next.is_some_and(|c| matches!(c, '-' | '+')) {
                self.sign = next;
                self.at += 1;
            } else if !is_read
                && !template.has_sign
                && !template.has_plus
                && !template.has_minus
                && let Some(sign @ ('-' | '+')) = self.peek()
            {
                self.sign = Some(sign);
            }
        }
    }

    /// Passes over characters that belong to no number.
    fn skip(&mut self, count: usize) {
        for _ in 0..count {
            match self.peek() {
                Some(c) if !c.is_ascii_digit() && !matches!(c, '.' | ',' | '+' | '-') => self.at += 1,
                _ => return,
            }
        }
    }
}

fn to_number(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let (text, format) = (args[0].text(), args[1].text());
    if format.is_empty() {
        return Ok(Datum::Null);
    }
    let template = Template::parse(format)?;
    if template.is_roman {
        return Err(Error::unsupported_message("\"RN\" not supported for input"));
    }
    if template.has_exponent {
        return Err(Error::unsupported_message("\"EEEE\" not supported for input"));
    }
    let mut reader = Reader {
        template: &template,
        input: text.chars().collect(),
        at: 0,
        sign: None,
        digits: String::new(),
        before: 0,
        after: 0,
        has_point: false,
    };
    for node in &template.nodes {
        if reader.at >= reader.input.len() {
            break;
        }
        match node {
            Node::Literal(text) => reader.skip(text.chars().count()),
            Node::Key(key) => match key {
                Key::Nine | Key::Zero | Key::Dot | Key::LocalePoint => {
                    reader.number_part(*key);
                    reader.at += 1;
                }
                Key::Comma | Key::Group => reader.at += usize::from(reader.peek() == Some(',')),
                Key::Currency => reader.skip(1),
                Key::Ordinal | Key::OrdinalLower => reader.skip(2),
                Key::Minus | Key::Plus | Key::SignAny => {
                    let accepted = match key {
                        Key::Minus => reader.peek() == Some('-'),
                        Key::Plus => reader.peek() == Some('+'),
                        _ => matches!(reader.peek(), Some('-' | '+')),
                    };
                    if accepted {
                        reader.sign = reader.peek();
                        reader.at += 1;
                    } else {
                        reader.skip(1);
                    }
                }
                _ => {}
            },
        }
    }
    let digits = reader.digits.trim_end_matches('.');
    let digits = if digits.is_empty() { " " } else { digits };
    let sign = if reader.sign == Some('-') { "-" } else { "" };
    let value = Numeric::parse(&format!("{sign}{digits}"))?;
    let Numeric::Finite(decimal) = value else { return Ok(Datum::Null) };
    let scaled = Numeric::Finite(decimal.rescale(reader.after.max(0) as u32));
    if template.shifts {
        let power = num_bigint::BigInt::from(10u8).pow(template.shift.max(0) as u32);
        return Ok(scaled.divide(&Numeric::Finite(Decimal { mantissa: power, scale: 0 }))?.to_datum());
    }
    Ok(scaled.to_datum())
}

pub(super) const FUNCTIONS: &[Function] = &[
    scalar(1772, "to_char", &[&NUMERIC, &TEXT], &TEXT, numeric_to_char).stable(),
    scalar(1773, "to_char", &[&INT4, &TEXT], &TEXT, integer_to_char).stable(),
    scalar(1774, "to_char", &[&INT8, &TEXT], &TEXT, integer_to_char).stable(),
    scalar(1775, "to_char", &[&FLOAT4, &TEXT], &TEXT, float4_to_char).stable(),
    scalar(1776, "to_char", &[&FLOAT8, &TEXT], &TEXT, float8_to_char).stable(),
    scalar(1777, "to_number", &[&TEXT, &TEXT], &NUMERIC, to_number).stable(),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: &str, format: &str) -> String {
        let mut template = Template::parse(format).unwrap();
        number_to_char(&Numeric::parse(value).unwrap(), &mut template).unwrap()
    }

    #[test]
    fn numbers_are_laid_out_as_postgresql_does() {
        // From PostgreSQL 15.
        assert_eq!(shown("-12", "99"), "-12");
        assert_eq!(shown("0.1", "0.9"), " 0.1");
        assert_eq!(shown("0.1", "FM9.99"), ".1");
        assert_eq!(shown("485", "9999PR"), "  485 ");
        assert_eq!(shown("-485", "9999PR"), " <485>");
        assert_eq!(shown("1485", "9G999"), " 1,485");
        assert_eq!(shown("482", "999th"), " 482nd");
        assert_eq!(shown("485", "RN"), "        CDLXXXV");
        assert_eq!(shown("12.4", "99V999"), " 12400");
        assert_eq!(shown("0.0004859", "9.99EEEE"), " 4.86e-04");
        assert_eq!(shown("1234", "99"), " ##");
        assert_eq!(shown("-1234", "S9999"), "-1234");
        assert_eq!(shown("123.450", "FM999.990"), "123.450");
    }
}
