//! Copies of all databases while the server runs: one SQLite file each, readable by any SQLite.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result, state};
use crate::storage::Databases;
use crate::telemetry;

/// A database that was copied.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Copied {
    /// The database.
    pub name: String,
    /// The copy.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
}

/// Copies all databases into a directory, which must be new or empty. Each copy is one committed state.
pub async fn run(databases: &Databases, target: &Path) -> Result<Vec<Copied>> {
    prepare(target)?;
    let names = databases.names().borrow().clone();
    let mut copied = Vec::new();
    for (name, database) in names.iter() {
        let path = target.join(format!("{}.db", file_name(name, database.oid())));
        database.copy_to(&path).await?;
        let bytes = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
        telemetry::info!("backup: database \"{name}\", {bytes} bytes");
        copied.push(Copied { name: name.clone(), path, bytes });
    }
    Ok(copied)
}

fn prepare(target: &Path) -> Result<()> {
    let failed = |error: std::io::Error| {
        Error::new(state::IO_ERROR, format!("could not use the directory \"{}\": {error}", target.display()))
    };
    std::fs::create_dir_all(target).map_err(failed)?;
    if std::fs::read_dir(target).map_err(failed)?.next().is_some() {
        return Err(Error::new(
            state::OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("the directory \"{}\" is not empty", target.display()),
        ));
    }
    Ok(())
}

/// A database's name if it is one for a file, else its number.
fn file_name(name: &str, oid: u32) -> String {
    let is_plain =
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if is_plain { name.to_owned() } else { oid.to_string() }
}
