//! Sequences.

use super::{Definer, Definition, Step, oid_field};
use crate::bail;
use crate::catalog::{Relation, RelationKind, Sequence};
use crate::error::{Error, Result, state};
use crate::sql::bind::Context;
use crate::sql::statement::{CreateSequence, Name, SequenceOptions};
use crate::types::integer::{INT2, INT4, INT8};
use crate::types::{Oid, Type};

/// CREATE SEQUENCE
pub(in crate::sql) fn create(create: &CreateSequence, context: &Context<'_>) -> Result<Definition> {
    let mut definer = Definer::new(context);
    let schema = definer.creation_schema(&create.name)?;
    if definer.is_taken(schema, &create.name.name) {
        let message = format!("relation \"{}\" already exists", create.name.name);
        if !create.if_not_exists {
            return Err(Error::new(state::DUPLICATE_TABLE, message));
        }
        definer.notice_with_code(state::DUPLICATE_TABLE, format!("{message}, skipping"));
        return Ok(definer.finish("CREATE SEQUENCE"));
    }
    let ty = match create.options.type_name.as_deref() {
        None | Some("bigint" | "int8") => &INT8,
        Some("integer" | "int" | "int4") => &INT4,
        Some("smallint" | "int2") => &INT2,
        Some(_) => bail!(INVALID_PARAMETER_VALUE, "sequence type must be smallint, integer, or bigint"),
    };
    let oid = definer.new_sequence(schema, &create.name.name, ty, &create.options)?;
    if let Some(Some((table, column))) = &create.options.owned_by {
        let relation = context.catalog.expect(table.schema.as_deref(), &table.name, context.path)?;
        let Some(owner) = relation.column(column) else {
            bail!(UNDEFINED_COLUMN, "column \"{column}\" of relation \"{}\" does not exist", relation.name);
        };
        definer.ownership_row(oid, relation.oid, owner.number, false);
    }
    Ok(definer.finish("CREATE SEQUENCE"))
}

/// DROP SEQUENCE
pub(in crate::sql) fn drop(
    names: &[Name],
    if_exists: bool,
    cascade: bool,
    context: &Context<'_>,
) -> Result<Definition> {
    let mut definer = Definer::new(context);
    for name in names {
        let found = context.catalog.find(name.schema.as_deref(), &name.name, context.path)?;
        match found {
            Some(relation) if relation.kind == RelationKind::Sequence => {
                let users = definer.defaults_using(relation.oid);
                if !users.is_empty() && !cascade {
                    return Err(super::depended_on(&format!("sequence {}", relation.name), &users));
                }
                if !users.is_empty() {
                    return Err(Error::unsupported("DROP SEQUENCE … CASCADE of a sequence in use"));
                }
                definer.drop_sequence(relation.oid);
            }
            Some(relation) => bail!(WRONG_OBJECT_TYPE, "\"{}\" is not a sequence", relation.name),
            None if if_exists => {
                let message = format!("sequence \"{}\" does not exist, skipping", name.name);
                definer.notice_with_code(state::SUCCESSFUL_COMPLETION, message);
            }
            None => bail!(UNDEFINED_TABLE, "sequence \"{}\" does not exist", name.name),
        }
    }
    Ok(definer.finish("DROP SEQUENCE"))
}

impl Definer<'_> {
    /// A new sequence, and its oid.
    pub(super) fn new_sequence(
        &mut self,
        schema: Oid,
        name: &str,
        ty: &Type,
        options: &SequenceOptions,
    ) -> Result<Oid> {
        let sequence = sequence_of(ty, options)?;
        let oid = self.new_oid();
        self.named.push((schema, name.to_owned()));
        let relation = Relation {
            oid,
            schema,
            name: name.to_owned(),
            kind: RelationKind::Sequence,
            storage_name: String::new(),
            columns: Vec::new(),
            rowid: "rowid",
            column_count: 3,
            indexes: Vec::new(),
            checks: Vec::new(),
            foreign_keys: Vec::new(),
            sequence: None,
            table: None,
        };
        self.class_row(&relation);
        self.sequence_row(oid, &sequence);
        self.steps.push(Step::SetSequence { sequence: oid, value: sequence.start });
        Ok(oid)
    }

    /// Takes a sequence out of the catalog.
    pub(super) fn drop_sequence(&mut self, oid: Oid) {
        self.delete("pg_sequence", vec![oid_field("seqrelid", oid)]);
        self.delete("pg_depend", vec![oid_field("objid", oid)]);
        self.delete("pg_class", vec![oid_field("oid", oid)]);
        self.steps.push(Step::DropSequence(oid));
    }

    /// The columns whose default takes values from a sequence, in words.
    fn defaults_using(&self, sequence: Oid) -> Vec<String> {
        let call = default_of(sequence);
        let mut users = Vec::new();
        for relation in self.catalog().relations() {
            for column in
                relation.columns.iter().filter(|column| column.default.as_deref() == Some(call.as_str()))
            {
                let dependent =
                    self.catalog().relation(sequence).map_or("", |sequence| sequence.name.as_str());
                users.push(format!(
                    "default value for column {} of table {} depends on sequence {dependent}",
                    column.name, relation.name
                ));
            }
        }
        users
    }
}

/// The default of a serial or identity column: by the sequence's number, which no renaming changes.
pub(super) fn default_of(sequence: Oid) -> String {
    format!("nextval('{sequence}'::regclass)")
}

/// A sequence's definition from its options, with PostgreSQL's defaults and checks.
fn sequence_of(ty: &Type, options: &SequenceOptions) -> Result<Sequence> {
    let (low, high) = match ty.name {
        "int2" => (i64::from(i16::MIN), i64::from(i16::MAX)),
        "int4" => (i64::from(i32::MIN), i64::from(i32::MAX)),
        _ => (i64::MIN, i64::MAX),
    };
    let increment = options.increment.unwrap_or(1);
    if increment == 0 {
        bail!(INVALID_PARAMETER_VALUE, "INCREMENT must not be zero");
    }
    let rising = increment > 0;
    let minimum = options.minimum.flatten().unwrap_or(if rising { 1 } else { low });
    let maximum = options.maximum.flatten().unwrap_or(if rising { high } else { -1 });
    for (name, value) in [("MINVALUE", minimum), ("MAXVALUE", maximum)] {
        if !(low..=high).contains(&value) {
            bail!(
                INVALID_PARAMETER_VALUE,
                "{name} ({value}) is out of range for sequence data type {}",
                ty.sql_name
            );
        }
    }
    if minimum >= maximum {
        bail!(INVALID_PARAMETER_VALUE, "MINVALUE ({minimum}) must be less than MAXVALUE ({maximum})");
    }
    let start = options.start.unwrap_or(if rising { minimum } else { maximum });
    if start < minimum {
        bail!(INVALID_PARAMETER_VALUE, "START value ({start}) cannot be less than MINVALUE ({minimum})");
    }
    if start > maximum {
        bail!(INVALID_PARAMETER_VALUE, "START value ({start}) cannot be greater than MAXVALUE ({maximum})");
    }
    let cycles = options.cycles.unwrap_or(false);
    Ok(Sequence { type_oid: ty.oid, start, increment, minimum, maximum, cycles })
}
