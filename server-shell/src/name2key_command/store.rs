//! Which store a command works on: that of a configuration, or an SQLite file alone.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail, ensure};
use gridshell_config::{CommandLine, Configuration};
use gridshell_interfaces::name2key::Name2KeyService;
use gridshell_services::database::Database;

use crate::wiring;

/// The store where no configuration is named and none is found.
const DEFAULT_FILE: &str = "name2key.db";

/// A shell around a store in a file; only the service is used.
const FILE_ALONE: &str = "\
[Network]
port = 8003
[ServiceList]
Name2Key = name2key
[Name2KeyService]
LocalServiceModule = name2key
[DatabaseService]
StorageProvider = sqlite
";

/// An open store.
pub struct Store {
    /// The service on it.
    pub service: Arc<dyn Name2KeyService>,
    databases: Vec<Database>,
}

/// The configuration that `--database` or the switches name; without both, the one that the shell would find, or the file
/// `name2key.db`. A file that does not exist is `made` or an error.
///
/// # Errors
/// A configuration that cannot be read; its mistakes are said. No such file.
pub fn configuration(database: Option<&Path>, switches: &[String], made: bool) -> Result<Configuration> {
    let command_line = CommandLine::parse(switches.iter().cloned()).map_err(|problem| anyhow!("{problem}"))?;
    let file = match database {
        Some(file) => file.to_owned(),
        None if command_line.get("inifile").is_none() && crate::default_file().is_none() => PathBuf::from(DEFAULT_FILE),
        None => {
            return crate::load(switches.to_vec()).map_err(|problems| {
                crate::report(&problems);
                anyhow!("the configuration cannot be used; its errors are above")
            });
        }
    };
    ensure!(
        made || file.exists(),
        "there is no file {}; `gridshell name2key import` makes it, --database names another, -inifile a configuration",
        file.display()
    );
    let mut configuration = Configuration::from_text("built-in configuration", FILE_ALONE)
        .map_err(|_| anyhow!("the built-in configuration makes no sense"))?;
    configuration.set("DatabaseService", "ConnectionString", &connection_string(&file)?);
    Ok(configuration)
}

/// How an SQLite file is reached.
///
/// # Errors
/// A path that a connection string cannot hold.
pub fn connection_string(file: &Path) -> Result<String> {
    let path = file.to_str().with_context(|| format!("{} is not UTF-8", file.display()))?;
    // What follows a comma is cut off there (schema.md section 2.4).
    ensure!(
        !path.contains(',') && path.trim() == path && !path.is_empty(),
        "{path:?} cannot be the name of a store: it is empty, has a comma, or blanks at its ends"
    );
    Ok(format!("Data Source='{}'", path.replace('\'', "''")))
}

impl Store {
    /// Opens the service of the first name2key connector of a configuration. Nothing listens.
    ///
    /// # Errors
    /// There is none; its mistakes are said. The database cannot be opened.
    pub async fn open(configuration: &Configuration) -> Result<Self> {
        let (plan, problems) = wiring::plan(configuration);
        let opened = match &plan {
            Some(plan) => wiring::open_name2key(plan).await?,
            None => None,
        };
        let Some((service, databases)) = opened else {
            crate::report(&problems.into_iter().filter(|problem| problem.is_error()).collect::<Vec<_>>());
            bail!(
                "the configuration lists no name2key connector that can be loaded; -inifile names another, --database an SQLite file"
            );
        };
        Ok(Self { service, databases })
    }

    /// Ends what is under way and closes the database.
    pub async fn close(self) {
        for database in self.databases {
            database.close().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_as_connection_strings() {
        assert_eq!(connection_string(Path::new("a b/it's.db")).unwrap(), "Data Source='a b/it''s.db'");
        for path in ["", "a,b.db", " a.db"] {
            assert!(connection_string(Path::new(path)).is_err(), "{path:?}");
        }
    }
}
