//! CREATE DATABASE and DROP DATABASE: a row in the system file, which every node follows.

use std::sync::Arc;

use super::transaction::{Patience, Refusal, Surroundings, Transaction};
use super::{Connection, Engine};
use crate::bail;
use crate::error::{Error, Result, state};
use crate::storage::Names;
use crate::types::DatumRef;

impl Engine {
    /// Creates a database. 42P04 if there is one with the name.
    pub async fn create_database(
        &self,
        name: &str,
        surroundings: &Surroundings<'_>,
        patience: &Patience<'_>,
    ) -> Result<()> {
        let system = self.databases.system();
        let mut transaction = Transaction::begin(&system, self.consensus.clone(), patience, None).await?;
        if self.databases.names().borrow().contains_key(name) {
            bail!(DUPLICATE_DATABASE, "database \"{name}\" already exists");
        }
        let outcome = transaction
            .statement(surroundings, |statement| {
                let oid = statement.query("SELECT \"next_oid\" FROM \"quorate.counter\"", &[])?;
                let oid = oid.first().map_or(DatumRef::Null, |row| row[0].as_ref());
                statement
                    .change(&"UPDATE \"quorate.counter\" SET \"next_oid\" = \"next_oid\" + 1".into(), &[])?;
                let insert = "INSERT INTO \"quorate.database\" (\"oid\", \"name\") VALUES (?1, ?2)".into();
                statement.change(&insert, &[oid, DatumRef::Text(name)])
            })
            .await;
        outcome.map_err(Refusal::into_error)?;
        transaction.commit(None).await?;
        self.wait_for_names(|names| names.contains_key(name)).await
    }

    /// Drops a database. False if there is none with the name. 55006 while others are connected to it.
    pub async fn drop_database(
        &self,
        name: &str,
        own: &Connection,
        surroundings: &Surroundings<'_>,
        patience: &Patience<'_>,
    ) -> Result<bool> {
        let system = self.databases.system();
        let mut transaction = Transaction::begin(&system, self.consensus.clone(), patience, None).await?;
        let Some(database) = self.databases.names().borrow().get(name).cloned() else { return Ok(false) };
        if database.oid() == own.oid() {
            bail!(OBJECT_IN_USE, "cannot drop the currently open database");
        }
        let count = self.connection_count(database.oid());
        if count > 0 {
            let sessions =
                if count == 1 { "is 1 other session" } else { &format!("are {count} other sessions") };
            return Err(Error::new(
                state::OBJECT_IN_USE,
                format!("database \"{name}\" is being accessed by other users"),
            )
            .with_detail(format!("There {sessions} using the database.")));
        }
        let delete: Arc<str> = "DELETE FROM \"quorate.database\" WHERE \"name\" = ?1".into();
        let outcome = transaction
            .statement(surroundings, |statement| statement.change(&delete, &[DatumRef::Text(name)]))
            .await;
        outcome.map_err(Refusal::into_error)?;
        transaction.commit(None).await?;
        self.wait_for_names(|names| !names.contains_key(name)).await?;
        Ok(true)
    }

    async fn wait_for_names(&self, is_there: impl Fn(&Names) -> bool) -> Result<()> {
        let mut names = self.databases.names();
        let seen = names.wait_for(|names| is_there(names)).await;
        seen.map(|_| ()).map_err(|_| Error::internal("the list of databases is gone"))
    }
}
