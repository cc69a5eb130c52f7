//! Files for another node: copies of all databases that another node can take over, and taking them
//! over here.

use std::path::Path;
use std::sync::Arc;

use super::database::Database;
use super::databases::{Databases, SYSTEM, read_list};
use super::directory::file_name;
use super::log::LogId;
use crate::error::{Error, Result, state};
use crate::telemetry;
use crate::types::Oid;

/// A file of a copy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CopiedFile {
    /// The database; 0 for the system file.
    pub oid: Oid,
    /// Its size.
    pub bytes: u64,
}

/// Copies of all files. Each is one committed state that has at least the entries up to `floor`; what a
/// file has already is recognised when later entries are applied to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CopiedFiles {
    /// Entries after this one must be applied to the files.
    pub floor: LogId,
    /// The files.
    pub files: Vec<CopiedFile>,
}

/// The name of a copied file.
pub fn copied_file_name(oid: Oid) -> String {
    file_name(oid)
}

impl Databases {
    /// Copies all files into a new directory. Holds up no writer, and needs as much disk as they do.
    pub async fn copy_files(self: &Arc<Self>, target: &Path) -> Result<CopiedFiles> {
        let failed = |error: std::io::Error| {
            Error::new(state::IO_ERROR, format!("could not use \"{}\": {error}", target.display()))
        };
        std::fs::create_dir_all(target).map_err(failed)?;
        let floor = self.flush().await?;
        let mut files = Vec::new();
        let mut copied: Vec<Arc<Database>> = vec![self.system()];
        // The list first: a database created later is in the log after the floor.
        copied.extend(self.names().borrow().values().cloned());
        for database in copied {
            let path = target.join(file_name(database.oid()));
            database.copy_to(&path).await?;
            let bytes = std::fs::metadata(&path).map_err(failed)?.len();
            files.push(CopiedFile { oid: database.oid(), bytes });
        }
        Ok(CopiedFiles { floor, files })
    }

    /// Puts copied files in the place of this node's. Sessions that use the old ones are told to connect
    /// again. A crash leaves the old files or the new ones.
    pub async fn take_over(self: &Arc<Self>, files: &Path, floor: LogId) -> Result<()> {
        let _flushing = self.flushing().lock().await;
        let names = self.names().borrow().clone();
        let old: Vec<Arc<Database>> = std::iter::once(self.system()).chain(names.values().cloned()).collect();
        for database in &old {
            database.mark_replaced();
        }
        let (databases, source) = (self.clone(), files.to_owned());
        telemetry::run_blocking(move || databases.directory().replace_databases(&source)).await??;
        self.open_anew(floor)?;
        self.keep_floor(floor).await?;
        for database in &old {
            if let Err(error) = database.close().await {
                telemetry::debug!("a file that was replaced did not close cleanly: {error}");
            }
        }
        self.applied_at_least(floor);
        Ok(())
    }

    fn open_anew(&self, floor: LogId) -> Result<()> {
        let system = Arc::new(self.open_database(SYSTEM, floor)?);
        let listed = read_list(system.open_reader()?)?;
        self.replace_system(system);
        self.forget_names();
        self.reconcile(&listed, floor)
    }
}
