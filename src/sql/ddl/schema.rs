//! Schemas, DROP of anything, and TRUNCATE's neighbours.

use sqlparser::ast;

use super::{Definer, oid_field, text_field};
use crate::catalog::SUPERUSER;
use crate::error::{Error, Result, state};

impl Definer<'_> {
    /// CREATE SCHEMA
    pub(super) fn create_schema(
        &mut self,
        name: &ast::SchemaName,
        if_not_exists: bool,
    ) -> Result<&'static str> {
        let binder = self.binder();
        let name = match name {
            ast::SchemaName::Simple(name) | ast::SchemaName::NamedAuthorization(name, _) => {
                binder.object_name(name)?.name
            }
            ast::SchemaName::UnnamedAuthorization(owner) => binder.identifier(owner)?,
        };
        if name.starts_with("pg_") {
            return Err(Error::new(state::RESERVED_NAME, format!("unacceptable schema name \"{name}\""))
                .with_detail("The prefix \"pg_\" is reserved for system schemas."));
        }
        if name == "quorate" {
            return Err(Error::new(state::RESERVED_NAME, format!("unacceptable schema name \"{name}\""))
                .with_detail("The name is reserved for the server itself."));
        }
        if self.catalog().schema(&name).is_some() {
            let message = format!("schema \"{name}\" already exists");
            if !if_not_exists {
                return Err(Error::new(state::DUPLICATE_SCHEMA, message));
            }
            self.notice_with_code(state::DUPLICATE_SCHEMA, format!("{message}, skipping"));
            return Ok("CREATE SCHEMA");
        }
        let oid = self.new_oid();
        let row = vec![oid_field("oid", oid), text_field("nspname", name), oid_field("nspowner", SUPERUSER)];
        self.insert("pg_namespace", row);
        Ok("CREATE SCHEMA")
    }
}
