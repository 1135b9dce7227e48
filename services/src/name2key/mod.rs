//! The name2key service on tables of our own (name2key.md section 12).
//!
//! Names are stored in their canonical form, as bytes that are compared one by one; the name as it was seen stands beside it where it
//! cannot be rebuilt. A key has one row on each grid.

pub mod import;
mod key_runs;
mod mysql;
mod postgres;
mod recent;
mod sources;
mod sqlite;
mod sqlite_import;
mod table;

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use gridshell_interfaces::name2key::{
    Grid, Imported, MAX_LOOK_UPS_OF_ONE_CALL, Name2KeyService, NameBatch, NameEntry, NameRows, NameStatistics, Registration,
    canonical_name, check_name,
};
use gridshell_interfaces::{Result, ServiceError};
use uuid::Uuid;

pub use sources::Name2KeySources;

use crate::database::migrations::{self, Store};
use crate::database::{self, Database};
use recent::Recent;
use table::{Fresh, MAX_ENTRIES_OF_ONE, NameTable, Page, Registered, Row, best_first};

/// The tables and versions of the name2key store.
pub static STORE: Store =
    Store { name: "Name2KeyStore", sqlite: sqlite::SCHEMA, mysql: mysql::SCHEMA, postgres: postgres::SCHEMA };

/// How the service behaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Name2KeyOptions {
    /// Entries of these grids come next after those of the asker's, in this order (name2key.md section 12).
    pub default_grids: Vec<Grid>,
    /// Keys of people who do not want to be found: all look-ups answer as if they were unknown, and they cannot be registered.
    pub opt_out: HashSet<Uuid>,
    /// How long what was found may be answered again without asking the database, when another process may have changed it meanwhile.
    /// Zero, the default: not at all.
    pub remember: Duration,
}

/// The local name2key service, in an SQL database.
#[derive(Clone, Debug)]
pub struct SqlName2KeyService {
    table: Arc<dyn NameTable>,
    /// The ids of the default grids.
    default_grids: Arc<[String]>,
    opt_out: Arc<HashSet<Uuid>>,
}

impl SqlName2KeyService {
    /// Creates or upgrades the tables, and gives the service on them.
    ///
    /// # Errors
    /// When the database fails or its tables cannot be worked with.
    pub async fn open(database: Database, options: Name2KeyOptions) -> database::Result<Self> {
        migrations::prepare(&database, &STORE).await?;
        let table: Arc<dyn NameTable> = match database {
            Database::Sqlite(database) => Arc::new(sqlite::Names::new(database)),
            Database::MySql(database) => Arc::new(mysql::Names::new(database)),
            Database::Postgres(database) => Arc::new(postgres::Names::new(database)),
        };
        let table = if options.remember.is_zero() { table } else { Arc::new(Recent::new(table, options.remember)) };
        let default_grids = options.default_grids.iter().map(Grid::id).collect();
        Ok(Self { table, default_grids, opt_out: Arc::new(options.opt_out) })
    }

    /// The ids of the grids whose entries come first.
    fn preferred(&self, asker: Option<&Grid>) -> Vec<String> {
        asker.map(Grid::id).into_iter().chain(self.default_grids.iter().cloned()).collect()
    }

    fn is_hidden(&self, key: Uuid) -> bool {
        self.opt_out.contains(&key)
    }
}

#[async_trait]
impl Name2KeyService for SqlName2KeyService {
    async fn by_names(&self, names: &[&str], asker: Option<&Grid>) -> Result<Vec<Vec<NameEntry>>> {
        check_length("names", names.len())?;
        // What cannot be a name is nobody's name.
        let wanted = names.iter().map(|name| check_name(name).is_ok().then(|| canonical_name(name)));
        let wanted = Wanted::new(wanted);
        let found = self.table.by_canonical(wanted.different.clone()).await;
        let found = found.map_err(|error| error.during(format_args!("looking for {} names", names.len())))?;
        Ok(wanted.answers(found, &self.preferred(asker), &self.opt_out))
    }

    async fn by_keys(&self, keys: &[Uuid], asker: Option<&Grid>) -> Result<Vec<Vec<NameEntry>>> {
        check_length("keys", keys.len())?;
        let wanted = Wanted::new(keys.iter().map(|key| (!self.is_hidden(*key)).then_some(*key)));
        let found = self.table.by_keys(wanted.different.clone()).await;
        let found = found.map_err(|error| error.during(format_args!("looking for {} keys", keys.len())))?;
        Ok(wanted.answers(found, &self.preferred(asker), &self.opt_out))
    }

    async fn by_prefix(&self, prefix: &str, limit: usize) -> Result<Vec<NameEntry>> {
        let canonical = canonical_name(prefix);
        if check_name(prefix).is_err() {
            return Ok(Vec::new());
        }
        let limit = limit.min(MAX_LOOK_UPS_OF_ONE_CALL);
        let mut found = Vec::new();
        let mut offset = 0;
        // Rows that are not shown must not use up the limit.
        while found.len() < limit {
            let page = Page { offset, limit: limit - found.len() };
            let rows = self.table.by_prefix(canonical.clone(), page).await;
            let rows = rows.map_err(|error| error.during("looking for the beginning of names"))?;
            let is_last = rows.len() < page.limit;
            offset += rows.len();
            found.extend(rows.into_iter().filter(|row| !self.is_hidden(row.key)).map(Row::into_entry));
            if is_last {
                break;
            }
        }
        Ok(found)
    }

    async fn register(&self, registration: &Registration) -> Result<bool> {
        registration.check()?;
        let key = registration.key;
        if self.is_hidden(key) {
            return Err(ServiceError::refused(format!("{key} does not want to be found")));
        }
        let registered = self.table.register(Fresh::new(registration, now())).await;
        match registered.map_err(|error| error.during(format_args!("registering {key}")))? {
            Registered::Stored => Ok(true),
            Registered::Contradicted => Ok(false),
            Registered::TooMany => Err(ServiceError::refused(format!(
                "{key} cannot be registered: {MAX_ENTRIES_OF_ONE} entries have this name or this key already"
            ))),
        }
    }

    async fn import(&self, grid: &Grid, rows: &mut dyn NameRows) -> Result<Imported> {
        grid.check()?;
        let mut rows = Shown { rows, opt_out: &self.opt_out, left_out: 0 };
        let mut imported = self.table.import(grid, &mut rows).await?;
        imported.rows += rows.left_out;
        Ok(imported)
    }

    async fn forget(&self, key: Uuid, grid: Option<&Grid>) -> Result<u64> {
        self.table.forget(key, grid.map(Grid::id)).await.map_err(|error| error.during(format_args!("forgetting {key}")))
    }

    async fn entries_after(&self, after: Option<(Uuid, &str)>, limit: usize) -> Result<Vec<NameEntry>> {
        let limit = limit.min(MAX_LOOK_UPS_OF_ONE_CALL);
        let (mut key, mut grid) = after.map_or((Uuid::nil(), String::new()), |(key, grid)| (key, grid.to_owned()));
        loop {
            let rows = self.table.entries_after(key, grid, limit).await;
            let mut rows = rows.map_err(|error| error.during("reading all entries"))?;
            let Some(last) = rows.last() else { return Ok(Vec::new()) };
            (key, grid) = (last.key, last.grid_id.clone());
            rows.retain(|row| !self.is_hidden(row.key));
            // An empty answer would say that this is the end.
            if !rows.is_empty() {
                return Ok(rows.into_iter().map(Row::into_entry).collect());
            }
        }
    }

    async fn statistics(&self) -> Result<NameStatistics> {
        self.table.statistics().await.map_err(|error| error.during("counting the entries"))
    }
}

/// What a call asks for, each thing once.
struct Wanted<T> {
    different: Vec<T>,
    /// For each thing that was asked for its place in `different`; `None` for what nobody has.
    places: Vec<Option<usize>>,
}

impl<T: Clone + Eq + Hash> Wanted<T> {
    fn new(asked: impl Iterator<Item = Option<T>>) -> Self {
        let mut different = Vec::new();
        let mut known = HashMap::new();
        let mut place = |wanted: T| {
            *known.entry(wanted.clone()).or_insert_with(|| {
                different.push(wanted);
                different.len() - 1
            })
        };
        let places = asked.map(|wanted| wanted.map(&mut place)).collect();
        Self { different, places }
    }

    /// `found` are the rows of each different thing.
    fn answers(self, found: Vec<Vec<Row>>, preferred: &[String], hidden: &HashSet<Uuid>) -> Vec<Vec<NameEntry>> {
        let best: Vec<_> = found.into_iter().map(|rows| best_first(rows, preferred, hidden)).collect();
        if best.len() == self.places.len() {
            // Everything was asked for once.
            return best;
        }
        let answer = |place: Option<usize>| place.and_then(|place| best.get(place).cloned()).unwrap_or_default();
        self.places.into_iter().map(answer).collect()
    }
}

/// The rows of an import without those that are not wanted.
struct Shown<'r> {
    rows: &'r mut dyn NameRows,
    opt_out: &'r HashSet<Uuid>,
    left_out: u64,
}

#[async_trait]
impl NameRows for Shown<'_> {
    async fn next(&mut self) -> Result<Option<NameBatch>> {
        while let Some(batch) = self.rows.next().await? {
            if self.opt_out.is_empty() || !batch.iter().any(|(key, _)| self.opt_out.contains(&key)) {
                return Ok(Some(batch));
            }
            let mut shown = NameBatch::default();
            for (key, name) in batch.iter() {
                if self.opt_out.contains(&key) {
                    self.left_out += 1;
                } else {
                    shown.push(key, name);
                }
            }
            if !shown.is_empty() {
                return Ok(Some(shown));
            }
        }
        Ok(None)
    }
}

fn check_length(what: &str, length: usize) -> Result<()> {
    if length > MAX_LOOK_UPS_OF_ONE_CALL {
        return Err(ServiceError::invalid(format!(
            "{length} {what} in one call are too many; {MAX_LOOK_UPS_OF_ONE_CALL} are allowed"
        )));
    }
    Ok(())
}

/// Microseconds since 1970, UTC.
fn now() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX)
}
