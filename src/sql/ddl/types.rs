//! Enums and domains.

use super::{Definer, Definition, bool_field, depended_on, int_field, oid_field, text_field};
use crate::bail;
use crate::catalog::{SUPERUSER, system::USER_TYPES};
use crate::error::{Error, Result, state};
use crate::sql::bind::{Context, resolve_type};
use crate::sql::statement::{
    AlterDomain, AlterEnum, CreateDomain, DomainConstraint, LabelPlace, Name, TypeStatement,
};
use crate::types::text::NAME_BYTES_MAX;
use crate::types::user::{Domain, Enum};
use crate::types::{Datum, Oid, Shape, Type};

/// Plans a statement about a type.
pub(in crate::sql) fn define(statement: &TypeStatement, context: &Context<'_>) -> Result<Definition> {
    let mut definer = Definer::new(context);
    let tag = match statement {
        TypeStatement::CreateEnum { name, labels } => definer.create_enum(name, labels)?,
        TypeStatement::AlterEnum { name, action } => definer.alter_enum(name, action)?,
        TypeStatement::CreateDomain(create) => definer.create_domain(create)?,
        TypeStatement::AlterDomain { name, action } => definer.alter_domain(name, action)?,
        TypeStatement::Drop { names, if_exists, cascade, is_domain } => {
            definer.drop_types(names, *if_exists, *cascade, *is_domain)?
        }
    };
    Ok(definer.finish(tag))
}

impl Definer<'_> {
    fn is_type_taken(&self, schema: Oid, name: &str) -> bool {
        self.catalog().type_in(schema, name).is_some()
    }

    /// The schema of a new type, whose name must be free.
    fn new_type_schema(&self, name: &Name) -> Result<Oid> {
        let schema = self.creation_schema(name)?;
        if self.is_type_taken(schema, &name.name) || self.is_taken(schema, &name.name) {
            bail!(DUPLICATE_OBJECT, "type \"{}\" already exists", name.name);
        }
        Ok(schema)
    }

    /// The rows of a type and of its array type.
    fn type_rows(&mut self, schema: Oid, name: &str, kind: &str, more: Vec<crate::catalog::Field>) -> Oid {
        let oid = self.new_oid();
        let array = self.new_oid();
        let mut array_name = format!("_{name}");
        while self.is_type_taken(schema, &array_name) {
            array_name.insert(0, '_');
        }
        array_name.truncate(array_name.floor_char_boundary(NAME_BYTES_MAX));
        let mut row = vec![
            oid_field("oid", oid),
            text_field("typname", name),
            oid_field("typnamespace", schema),
            oid_field("typowner", SUPERUSER),
            text_field("typtype", kind),
            text_field("typcategory", if kind == "e" { "E" } else { "U" }),
            oid_field("typarray", array),
            oid_field("typelem", 0),
        ];
        let has_base = more.iter().any(|(column, _)| *column == "typbasetype");
        row.extend(more);
        if !has_base {
            row.extend([
                oid_field("typbasetype", 0),
                int_field("typtypmod", -1),
                bool_field("typnotnull", false),
            ]);
        }
        self.insert(USER_TYPES, row);
        let row = vec![
            oid_field("oid", array),
            text_field("typname", array_name),
            oid_field("typnamespace", schema),
            oid_field("typowner", SUPERUSER),
            text_field("typtype", "b"),
            text_field("typcategory", "A"),
            oid_field("typarray", 0),
            oid_field("typelem", oid),
        ];
        self.insert(USER_TYPES, row);
        oid
    }

    fn check_label(label: &str) -> Result<()> {
        if label.len() > NAME_BYTES_MAX {
            return Err(Error::new(state::INVALID_NAME, format!("invalid enum label \"{label}\""))
                .with_detail(format!("Labels must be {NAME_BYTES_MAX} bytes or less.")));
        }
        Ok(())
    }

    fn label_row(&mut self, of: Oid, order: f64, label: &str) {
        let oid = self.new_oid();
        let row = vec![
            oid_field("oid", oid),
            oid_field("enumtypid", of),
            ("enumsortorder", Datum::Real(order)),
            text_field("enumlabel", label),
        ];
        self.insert("pg_enum", row);
    }

    fn create_enum(&mut self, name: &Name, labels: &[String]) -> Result<&'static str> {
        let schema = self.new_type_schema(name)?;
        for (place, label) in labels.iter().enumerate() {
            Self::check_label(label)?;
            if labels[..place].contains(label) {
                return Err(Error::new(
                    state::UNIQUE_VIOLATION,
                    "duplicate key value violates unique constraint \"pg_enum_typid_label_index\"",
                ));
            }
        }
        let oid = self.type_rows(schema, &name.name, "e", Vec::new());
        for (place, label) in labels.iter().enumerate() {
            self.label_row(oid, place as f64 + 1.0, label);
        }
        Ok("CREATE TYPE")
    }

    /// A user's type by its name. 42704 if there is none.
    fn user_type(&self, name: &Name) -> Result<&'static Type> {
        let found = self.catalog().find_type(name.schema.as_deref(), &name.name, self.context.path)?;
        match found {
            Some(ty) => Ok(ty),
            None => bail!(UNDEFINED_OBJECT, "type \"{name}\" does not exist"),
        }
    }

    fn alter_enum(&mut self, name: &Name, action: &AlterEnum) -> Result<&'static str> {
        let ty = self.user_type(name)?;
        if let AlterEnum::Rename(new) = action {
            self.rename_type(ty, new)?;
            return Ok("ALTER TYPE");
        }
        let Shape::Enum(labels) = ty.shape else { bail!(WRONG_OBJECT_TYPE, "{} is not an enum", ty.name) };
        match action {
            AlterEnum::AddValue { label, if_not_exists, place } => {
                Self::check_label(label)?;
                if labels.labels.iter().any(|other| other.name == *label) {
                    let message = format!("enum label \"{label}\" already exists");
                    if !if_not_exists {
                        return Err(Error::new(state::DUPLICATE_OBJECT, message));
                    }
                    self.notice_with_code(state::DUPLICATE_OBJECT, format!("{message}, skipping"));
                    return Ok("ALTER TYPE");
                }
                let order = new_order(labels, place.as_ref())?;
                self.label_row(ty.oid, order, label);
            }
            AlterEnum::RenameValue { from, to } => {
                Self::check_label(to)?;
                let Some(label) = labels.labels.iter().find(|label| label.name == *from) else {
                    bail!(INVALID_PARAMETER_VALUE, "\"{from}\" is not an existing enum label")
                };
                if labels.labels.iter().any(|label| label.name == *to) {
                    bail!(DUPLICATE_OBJECT, "enum label \"{to}\" already exists");
                }
                self.update(
                    "pg_enum",
                    vec![oid_field("oid", label.oid)],
                    vec![text_field("enumlabel", to.as_str())],
                );
            }
            AlterEnum::Rename(_) => {}
        }
        Ok("ALTER TYPE")
    }

    fn rename_type(&mut self, ty: &'static Type, new: &str) -> Result<()> {
        let schema = self.catalog().type_schema(ty.oid).unwrap_or_default();
        if self.is_type_taken(schema, new) {
            bail!(DUPLICATE_OBJECT, "type \"{new}\" already exists");
        }
        self.update(USER_TYPES, vec![oid_field("oid", ty.oid)], vec![text_field("typname", new)]);
        let array = format!("_{new}");
        self.update(USER_TYPES, vec![oid_field("oid", ty.array_oid)], vec![text_field("typname", array)]);
        Ok(())
    }

    fn create_domain(&mut self, create: &CreateDomain) -> Result<&'static str> {
        let schema = self.new_type_schema(&create.name)?;
        let (base, typmod) = resolve_type(&create.data_type, self.context)?;
        if base.is_pseudo() {
            bail!(DATATYPE_MISMATCH, "\"{}\" is not a valid base type for a domain", base.name);
        }
        let mut not_null = None;
        let mut default = None;
        let mut checks: Vec<(Option<String>, String)> = Vec::new();
        for constraint in &create.constraints {
            match constraint {
                DomainConstraint::NotNull(value) => {
                    if not_null.is_some_and(|other| other != *value) {
                        bail!(SYNTAX_ERROR, "conflicting NULL/NOT NULL constraints");
                    }
                    not_null = Some(*value);
                }
                DomainConstraint::Default(text) => {
                    if default.replace(text.clone()).is_some() {
                        bail!(SYNTAX_ERROR, "multiple default expressions");
                    }
                }
                DomainConstraint::Check { name, expression } => {
                    checks.push((name.clone(), expression.clone()));
                }
            }
        }
        if let Some(text) = &default {
            self.check_domain_default(text, base, typmod)?;
        }
        let more = vec![
            oid_field("typbasetype", base.oid),
            int_field("typtypmod", typmod),
            bool_field("typnotnull", not_null.unwrap_or(false)),
            ("typdefault", default.map_or(Datum::Null, Datum::Text)),
        ];
        let oid = self.type_rows(schema, &create.name.name, "d", more);
        let mut taken: Vec<String> = Vec::new();
        for (name, expression) in checks {
            self.check_condition(&expression, base)?;
            let name = name.unwrap_or_else(|| free_constraint_name(&create.name.name, &taken));
            if taken.contains(&name) {
                bail!(
                    DUPLICATE_OBJECT,
                    "constraint \"{name}\" for domain \"{}\" already exists",
                    create.name.name
                );
            }
            self.condition_row(oid, schema, &name, &expression);
            taken.push(name);
        }
        Ok("CREATE DOMAIN")
    }

    fn check_domain_default(&mut self, text: &str, base: &'static Type, typmod: i32) -> Result<()> {
        use crate::sql::bind::{Clause, Place, Purpose, Scope};
        let parsed = crate::sql::parse_expression(text)?;
        let mut binder = self.binder();
        let scope = Scope::default();
        let bound = binder.expr(&parsed, Place { scope: &scope, clause: Clause::Default })?;
        binder.coerce(bound, base.base(), typmod, Purpose::Assignment).map(|_| ())
    }

    /// Binds a condition about VALUE, to refuse it now if it cannot be.
    fn check_condition(&mut self, text: &str, base: &'static Type) -> Result<()> {
        let parsed = crate::sql::parse_expression(text)?;
        let mut binder = self.binder();
        binder.domain_condition(&parsed, base).map(|_| ())
    }

    fn condition_row(&mut self, domain: Oid, schema: Oid, name: &str, expression: &str) {
        let oid = self.new_oid();
        let row = vec![
            oid_field("oid", oid),
            text_field("conname", name),
            oid_field("connamespace", schema),
            text_field("contype", "c"),
            bool_field("condeferrable", false),
            bool_field("condeferred", false),
            bool_field("convalidated", true),
            oid_field("conrelid", 0),
            oid_field("contypid", domain),
            oid_field("conindid", 0),
            oid_field("conparentid", 0),
            oid_field("confrelid", 0),
            text_field("confupdtype", " "),
            text_field("confdeltype", " "),
            text_field("confmatchtype", " "),
            bool_field("conislocal", true),
            int_field("coninhcount", 0),
            bool_field("connoinherit", false),
            text_field("conbin", expression),
        ];
        self.insert("pg_constraint", row);
    }

    fn alter_domain(&mut self, name: &Name, action: &AlterDomain) -> Result<&'static str> {
        let ty = self.user_type(name)?;
        let Shape::Domain(domain) = ty.shape else { bail!(WRONG_OBJECT_TYPE, "{} is not a domain", ty.name) };
        let key = || vec![oid_field("oid", ty.oid)];
        match action {
            AlterDomain::Rename(new) => self.rename_type(ty, new)?,
            AlterDomain::SetDefault(default) => {
                if let Some(text) = default {
                    self.check_domain_default(text, domain.base, domain.typmod)?;
                }
                let value = default.clone().map_or(Datum::Null, Datum::Text);
                self.update(USER_TYPES, key(), vec![("typdefault", value)]);
            }
            AlterDomain::SetNotNull(value) => {
                if *value && !domain.not_null {
                    self.expect_unused(ty, "SET NOT NULL")?;
                }
                self.update(USER_TYPES, key(), vec![bool_field("typnotnull", *value)]);
            }
            AlterDomain::AddCheck { name, expression, not_valid } => {
                self.add_condition(ty, domain, name.as_deref(), expression, *not_valid)?;
            }
            AlterDomain::DropConstraint { name, if_exists } => {
                self.drop_condition(ty, domain, name, *if_exists)?;
            }
            AlterDomain::RenameConstraint { from, to } => {
                let Some(found) = domain.conditions.iter().find(|condition| condition.name == *from) else {
                    bail!(UNDEFINED_OBJECT, "constraint \"{from}\" for domain {} does not exist", ty.name)
                };
                self.update(
                    "pg_constraint",
                    vec![oid_field("oid", found.oid)],
                    vec![text_field("conname", to.as_str())],
                );
            }
        }
        Ok("ALTER DOMAIN")
    }

    fn add_condition(
        &mut self,
        ty: &'static Type,
        domain: &Domain,
        name: Option<&str>,
        expression: &str,
        not_valid: bool,
    ) -> Result<()> {
        self.check_condition(expression, domain.base)?;
        if !not_valid {
            self.expect_unused(ty, "ADD CONSTRAINT")?;
        }
        let taken: Vec<String> = domain.conditions.iter().map(|condition| condition.name.clone()).collect();
        let name = name.map_or_else(|| free_constraint_name(ty.name, &taken), str::to_owned);
        if taken.contains(&name) {
            bail!(DUPLICATE_OBJECT, "constraint \"{name}\" for domain \"{}\" already exists", ty.name);
        }
        let schema = self.catalog().type_schema(ty.oid).unwrap_or_default();
        self.condition_row(ty.oid, schema, &name, expression);
        Ok(())
    }

    fn drop_condition(&mut self, ty: &Type, domain: &Domain, name: &str, if_exists: bool) -> Result<()> {
        match domain.conditions.iter().find(|condition| condition.name == name) {
            Some(condition) => self.delete("pg_constraint", vec![oid_field("oid", condition.oid)]),
            None if if_exists => {
                self.notice(format!(
                    "constraint \"{name}\" of domain \"{}\" does not exist, skipping",
                    ty.name
                ));
            }
            None => {
                bail!(UNDEFINED_OBJECT, "constraint \"{name}\" of domain \"{}\" does not exist", ty.name)
            }
        }
        Ok(())
    }

    /// What uses a type, in PostgreSQL's words.
    fn users_of(&self, ty: &Type) -> Vec<String> {
        let mut users = Vec::new();
        let mut relations: Vec<_> = self.catalog().relations().collect();
        relations.sort_by_key(|relation| relation.oid);
        let is_it = |other: &Type| other.oid == ty.oid || other.oid == ty.array_oid;
        for relation in relations {
            for column in &relation.columns {
                if column.ty.is_some_and(is_it) {
                    users.push(format!(
                        "column {} of table {} depends on type {}",
                        column.name, relation.name, ty.name
                    ));
                }
            }
        }
        for entry in self.catalog().user_types() {
            if let Shape::Domain(domain) = entry.ty.shape
                && is_it(domain.base)
            {
                users.push(format!("type {} depends on type {}", entry.ty.name, ty.name));
            }
        }
        users
    }

    /// Stored values would have to be looked at.
    fn expect_unused(&self, ty: &Type, what: &str) -> Result<()> {
        if self.users_of(ty).is_empty() {
            return Ok(());
        }
        Err(Error::unsupported(format!("ALTER DOMAIN … {what} of a domain that columns have")))
    }

    fn drop_types(
        &mut self,
        names: &[Name],
        if_exists: bool,
        cascade: bool,
        is_domain: bool,
    ) -> Result<&'static str> {
        for name in names {
            let found = self.catalog().find_type(name.schema.as_deref(), &name.name, self.context.path)?;
            let Some(ty) = found else {
                if crate::types::by_name(&name.name).is_some() && name.schema.is_none() && !if_exists {
                    bail!(
                        DEPENDENT_OBJECTS_STILL_EXIST,
                        "cannot drop type {} because it is required by the database system",
                        name.name
                    );
                }
                if !if_exists {
                    bail!(UNDEFINED_OBJECT, "type \"{name}\" does not exist");
                }
                self.notice(format!("type \"{name}\" does not exist, skipping"));
                continue;
            };
            if is_domain && !matches!(ty.shape, Shape::Domain(_)) {
                bail!(WRONG_OBJECT_TYPE, "\"{}\" is not a domain", ty.name);
            }
            let users = self.users_of(ty);
            if !users.is_empty() && !cascade {
                return Err(depended_on(&format!("type {}", ty.name), &users));
            }
            if !users.is_empty() {
                return Err(Error::unsupported("DROP TYPE … CASCADE of a type in use"));
            }
            self.delete(USER_TYPES, vec![oid_field("oid", ty.oid)]);
            self.delete(USER_TYPES, vec![oid_field("oid", ty.array_oid)]);
            self.delete("pg_enum", vec![oid_field("enumtypid", ty.oid)]);
            self.delete("pg_constraint", vec![oid_field("contypid", ty.oid)]);
        }
        Ok(if is_domain { "DROP DOMAIN" } else { "DROP TYPE" })
    }
}

/// The order of a new label: in the middle between its neighbours.
fn new_order(labels: &Enum, place: Option<&LabelPlace>) -> Result<f64> {
    let orders: Vec<f64> = labels.labels.iter().map(|label| label.order).collect();
    let Some(place) = place else { return Ok(orders.last().map_or(1.0, |last| last.floor() + 1.0)) };
    let neighbour = match place {
        LabelPlace::Before(name) | LabelPlace::After(name) => name,
    };
    let Some(at) = labels.labels.iter().position(|label| label.name == *neighbour) else {
        bail!(INVALID_PARAMETER_VALUE, "\"{neighbour}\" is not an existing enum label")
    };
    let (low, high) = match place {
        LabelPlace::Before(_) => (at.checked_sub(1).map(|at| orders[at]), Some(orders[at])),
        LabelPlace::After(_) => (Some(orders[at]), orders.get(at + 1).copied()),
    };
    let order = match (low, high) {
        (Some(low), Some(high)) => (low + high) / 2.0,
        (Some(low), None) => low.floor() + 1.0,
        (None, Some(high)) => high.ceil() - 1.0,
        (None, None) => 1.0,
    };
    if orders.contains(&order) {
        return Err(Error::unsupported("one more label between these two"));
    }
    Ok(order)
}

fn free_constraint_name(domain: &str, taken: &[String]) -> String {
    let plain = format!("{domain}_check");
    if !taken.contains(&plain) {
        return plain;
    }
    (1..).map(|number| format!("{plain}{number}")).find(|name| !taken.contains(name)).unwrap_or(plain)
}
