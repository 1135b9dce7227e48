//! Databases: which one a section means, and opening each once.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use gridshell_config::{Configuration, Reader, Secret};
use gridshell_interfaces::ErrorKind;
use gridshell_services::database::{Backend, Database, DatabaseOptions as Limits};

use super::Planner;
use super::shared::Shared;
use crate::registry::{Build, Role};
use crate::settings::DatabaseOptions;

/// How long the start waits for a database that does not answer yet: after a power cut, all machines start at once.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_secs(1);

/// A database, not opened yet.
#[derive(Clone, Debug, PartialEq)]
pub struct DatabasePlan {
    backend: Backend,
    connection_string: Secret,
    /// Where it is, for messages.
    place: String,
}

/// The database of a section, else that of `[DatabaseService]`; an empty value counts as missing (shell.md section 11, "empty falls
/// back").
pub fn plan_database(planner: &mut Planner<'_>, section: &str) -> Option<DatabasePlan> {
    let mut options_reader = reader(planner.configuration(), section);
    let options = DatabaseOptions::read(&mut options_reader);
    planner.finish(options_reader);
    let DatabaseOptions { provider, connection_string } = options?;
    let own = planner.configuration().get(section, "StorageProvider").is_some_and(|entry| !entry.value.is_empty());
    let place = if own { section } else { "DatabaseService" };
    let Build::Database(backend) = planner.module(Role::StorageProvider, place, "StorageProvider", &provider)?.build else {
        return None;
    };
    match Database::check(backend, connection_string.expose(), &Limits::default()) {
        Ok(checked) => Some(DatabasePlan { backend, connection_string, place: checked.place }),
        Err(error) => {
            let mut reader = reader(planner.configuration(), section);
            reader.error("ConnectionString", error.to_string());
            planner.finish(reader);
            None
        }
    }
}

fn reader<'a>(configuration: &'a Configuration, section: &str) -> Reader<'a> {
    Reader::new(configuration, section).with_fallback("DatabaseService").empty_falls_back()
}

/// The databases that are open; one with the same connection string is one pool.
#[derive(Default)]
pub struct Databases {
    /// Each with its plan.
    pub shared: Shared<DatabasePlan, Database>,
}

impl Databases {
    /// The database of this plan; opened when it is the first time that it is asked for.
    ///
    /// # Errors
    /// It cannot be opened, or did not answer in time.
    pub async fn open(&mut self, plan: &DatabasePlan) -> Result<Database> {
        match self.shared.get(|known| known == plan) {
            Some(database) => Ok(database),
            None => Ok(self.shared.insert(plan.clone(), open_patiently(plan).await?)),
        }
    }
}

async fn open_patiently(plan: &DatabasePlan) -> Result<Database> {
    let started = Instant::now();
    loop {
        match Database::open(plan.backend, plan.connection_string.expose(), &Limits::default()).await {
            Ok(database) => return Ok(database),
            Err(error) if error.kind() == ErrorKind::Unavailable && started.elapsed() < PATIENCE => {
                tracing::warn!(database = plan.place, %error, "the database does not answer yet; trying again");
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(anyhow!(error).context(format!("cannot open the database {}", plan.place))),
        }
    }
}
