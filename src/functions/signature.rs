//! The types of one call, for bodies that depend on them. They travel to SQLite's callbacks as a constant text
//! after the arguments.

use crate::types::{Format, NO_TYPMOD, Type, text};

/// A column that a call's rows must have.
#[derive(Clone, PartialEq, Debug)]
pub struct ResultColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: &'static Type,
    /// Its type's modifier.
    pub typmod: i32,
}

/// The types of one call.
#[derive(Clone, PartialEq, Debug)]
pub struct Signature {
    /// The arguments' types.
    pub args: Vec<&'static Type>,
    /// The result's type.
    pub result: &'static Type,
    /// Whether the last argument is an array of what a variadic function takes (VARIADIC).
    pub spreads: bool,
    /// The columns of a call that returns rows, by its column definition list.
    pub columns: Vec<ResultColumn>,
}

/// Between the parts of a column.
const UNIT: char = '\u{1f}';
/// Before each column.
const RECORD: char = '\u{1e}';

impl Signature {
    /// The text that stands in SQLite's SQL.
    pub fn encode(&self) -> String {
        let oids: Vec<String> = self.args.iter().map(|ty| ty.oid.to_string()).collect();
        let mut text =
            format!("{}{}{}", oids.join(","), if self.spreads { '*' } else { '>' }, self.result.oid);
        for column in &self.columns {
            text.push(RECORD);
            text.push_str(&format!("{}{UNIT}{}{UNIT}{}", column.ty.oid, column.typmod, column.name));
        }
        text
    }

    /// Reads what [`Signature::encode`] wrote. A type that is gone by now is taken for text.
    pub fn decode(encoded: &str, format: &Format) -> Signature {
        let ty = |oid: &str| oid.parse().ok().and_then(|oid| format.type_by_oid(oid)).unwrap_or(&text::TEXT);
        let mut parts = encoded.split(RECORD);
        let head = parts.next().unwrap_or_default();
        let spreads = head.contains('*');
        let (args, result) = head.split_once(['>', '*']).unwrap_or((head, ""));
        let columns = parts.filter_map(|part| {
            let mut fields = part.splitn(3, UNIT);
            let (oid, typmod, name) = (fields.next()?, fields.next()?, fields.next()?);
            Some(ResultColumn {
                name: name.to_owned(),
                ty: ty(oid),
                typmod: typmod.parse().unwrap_or(NO_TYPMOD),
            })
        });
        Signature {
            args: args.split(',').filter(|oid| !oid.is_empty()).map(ty).collect(),
            result: ty(result),
            spreads,
            columns: columns.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::integer::INT4;
    use crate::types::numeric::NUMERIC;

    #[test]
    fn signatures_come_back() {
        let signature = Signature {
            args: vec![&INT4, &NUMERIC],
            result: &text::TEXT,
            spreads: true,
            columns: vec![ResultColumn { name: "a,\u{e4}>".into(), ty: &NUMERIC, typmod: 7 }],
        };
        assert_eq!(Signature::decode(&signature.encode(), &Format::default()), signature);
    }
}
