//! Remembers what was found lately.
//!
//! Scripts ask for the same few names all day, and proxies on their way may keep a found answer for a minute anyhow (name2key.md section
//! 12.1). So what was found is kept for a while. What was not found is asked for each time, and every change that comes through this
//! service is seen at once; only one by another process, or another shell on the same database, is seen when the time is over.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use gridshell_interfaces::name2key::{Grid, Imported, NameRows, NameStatistics};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use uuid::Uuid;

use super::table::{Fresh, NameTable, Page, Registered, Row};
use crate::database::Result;

/// Memory for what is remembered, in bytes, roughly: half for names, half for keys.
const MEMORY: u64 = 64 * 1024 * 1024;

/// A table with a memory.
pub(super) struct Recent {
    table: Arc<dyn NameTable>,
    names: Memory<String>,
    keys: Memory<Uuid>,
    /// Goes up with every change.
    changes: AtomicU64,
}

impl Recent {
    /// Keeps what is found for `time`.
    pub(super) fn new(table: Arc<dyn NameTable>, time: Duration) -> Self {
        Self { table, names: Memory::new(time), keys: Memory::new(time), changes: AtomicU64::new(0) }
    }

    /// Keeps what was found, unless something has changed since `changes` was read.
    fn keep<K: Clone + Eq + Hash>(&self, memory: &Memory<K>, key: K, found: &[Vec<Row>], changes: u64) {
        if let [rows] = found
            && !rows.is_empty()
        {
            memory.rows.insert(key.clone(), (Instant::now(), rows.as_slice().into()));
            if self.changes.load(Ordering::SeqCst) != changes {
                memory.rows.remove(&key);
            }
        }
    }
}

/// A change under way. When it is over, before it is answered, everything is forgotten, whatever the outcome; also when nobody waits for
/// it any more.
struct Change<'r>(&'r Recent);

impl Drop for Change<'_> {
    fn drop(&mut self) {
        // In this order: who has asked before keeps nothing after.
        self.0.changes.fetch_add(1, Ordering::SeqCst);
        self.0.names.rows.clear();
        self.0.keys.rows.clear();
    }
}

impl fmt::Debug for Recent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recent({:?})", self.table)
    }
}

#[async_trait]
impl NameTable for Recent {
    async fn by_canonical(&self, names: Vec<String>) -> Result<Vec<Vec<Row>>> {
        // Long lists are one query anyhow.
        let [name] = names.as_slice() else { return self.table.by_canonical(names).await };
        if let Some(rows) = self.names.get(name) {
            return Ok(vec![rows]);
        }
        let (name, changes) = (name.clone(), self.changes.load(Ordering::SeqCst));
        let found = self.table.by_canonical(names).await?;
        self.keep(&self.names, name, &found, changes);
        Ok(found)
    }

    async fn by_keys(&self, keys: Vec<Uuid>) -> Result<Vec<Vec<Row>>> {
        let [key] = *keys.as_slice() else { return self.table.by_keys(keys).await };
        if let Some(rows) = self.keys.get(&key) {
            return Ok(vec![rows]);
        }
        let changes = self.changes.load(Ordering::SeqCst);
        let found = self.table.by_keys(keys).await?;
        self.keep(&self.keys, key, &found, changes);
        Ok(found)
    }

    async fn by_prefix(&self, prefix: String, page: Page) -> Result<Vec<Row>> {
        self.table.by_prefix(prefix, page).await
    }

    async fn register(&self, fresh: Fresh) -> Result<Registered> {
        let _change = Change(self);
        self.table.register(fresh).await
    }

    async fn import(&self, grid: &Grid, rows: &mut dyn NameRows) -> gridshell_interfaces::Result<Imported> {
        let _change = Change(self);
        self.table.import(grid, rows).await
    }

    async fn forget(&self, key: Uuid, grid: Option<String>) -> Result<u64> {
        let _change = Change(self);
        self.table.forget(key, grid).await
    }

    async fn entries_after(&self, key: Uuid, grid: String, limit: usize) -> Result<Vec<Row>> {
        self.table.entries_after(key, grid, limit).await
    }

    async fn statistics(&self) -> Result<NameStatistics> {
        self.table.statistics().await
    }
}

/// Rows with the time at which they were found.
type Found = (Instant, Arc<[Row]>);

struct Memory<K> {
    rows: Cache<K, Found, RowWeight>,
    time: Duration,
}

impl<K: Eq + Hash> Memory<K> {
    fn new(time: Duration) -> Self {
        /// What one thing usually takes.
        const USUAL: u64 = 512;
        let items = usize::try_from(MEMORY / 2 / USUAL).unwrap_or(usize::MAX);
        Self { rows: Cache::with_weighter(items, MEMORY / 2, RowWeight), time }
    }

    fn get(&self, key: &K) -> Option<Vec<Row>> {
        let (found, rows) = self.rows.get(key)?;
        (found.elapsed() < self.time).then(|| rows.to_vec())
    }
}

#[derive(Clone)]
struct RowWeight;

impl<K> Weighter<K, Found> for RowWeight {
    fn weight(&self, _: &K, (_, rows): &Found) -> u64 {
        /// What a thing and a row cost besides the row's texts, roughly.
        const THING: u64 = 150;
        const ROW: u64 = 250;
        let texts =
            |row: &Row| row.canonical.len() + row.seen.as_ref().map_or(0, String::len) + row.grid_id.len() + row.grid.len();
        THING + rows.iter().map(|row| ROW + texts(row) as u64).sum::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use gridshell_interfaces::name2key::Registration;

    use super::*;
    use crate::database::{Backend, Database, DatabaseOptions};
    use crate::name2key::{SqlName2KeyService, now};

    const KEY: Uuid = Uuid::from_u128(1);

    /// A table with a memory, and the same table without, as another process has it.
    async fn tables(time: Duration) -> (tempfile::TempDir, Recent, Arc<dyn NameTable>) {
        let folder = tempfile::tempdir().expect("folder");
        let string = format!("Data Source={}", folder.path().join("names.db").display());
        let database = Database::open(Backend::Sqlite, &string, &DatabaseOptions::default()).await.expect("database");
        let table = SqlName2KeyService::open(database, Default::default()).await.expect("service").table;
        (folder, Recent::new(table.clone(), time), table)
    }

    fn named(name: &str) -> Fresh {
        let registration = Registration { name: name.to_owned(), key: KEY, grid: Grid::default(), verified: false };
        Fresh::new(&registration, now())
    }

    async fn names_of_key(table: &dyn NameTable) -> Vec<String> {
        table.by_keys(vec![KEY]).await.expect("rows").concat().into_iter().map(|row| row.canonical).collect()
    }

    async fn has(table: &dyn NameTable, name: &str) -> bool {
        !table.by_canonical(vec![name.to_owned()]).await.expect("rows").concat().is_empty()
    }

    #[tokio::test]
    async fn what_was_found_is_kept_and_what_was_not_is_asked_again() {
        let (_folder, recent, other) = tables(Duration::from_secs(3600)).await;
        assert!(!has(&recent, "ann").await);
        other.register(named("Ann")).await.expect("registered");
        assert!(has(&recent, "ann").await);
        assert_eq!(names_of_key(&recent).await, ["ann"]);
        other.register(named("Bee")).await.expect("registered");
        assert!(has(&recent, "ann").await, "kept");
        assert_eq!(names_of_key(&recent).await, ["ann"], "kept");
        assert_eq!(names_of_key(other.as_ref()).await, ["bee"]);
    }

    #[tokio::test]
    async fn own_changes_are_seen_at_once() {
        let (_folder, recent, _) = tables(Duration::from_secs(3600)).await;
        for name in ["ann", "bee", "cid"] {
            recent.register(named(name)).await.expect("registered");
            assert_eq!(names_of_key(&recent).await, [name]);
            assert!(has(&recent, name).await);
        }
        assert!(!has(&recent, "ann").await);
        recent.forget(KEY, None).await.expect("forgotten");
        assert_eq!((names_of_key(&recent).await, has(&recent, "cid").await), (Vec::new(), false));
    }

    #[tokio::test]
    async fn who_asked_before_a_change_keeps_nothing_after_it() {
        let (_folder, recent, table) = tables(Duration::from_secs(3600)).await;
        table.register(named("Ann")).await.expect("registered");
        let before = table.by_keys(vec![KEY]).await.expect("rows");
        let changes = recent.changes.load(Ordering::SeqCst);
        recent.register(named("Bee")).await.expect("registered");
        recent.keep(&recent.keys, KEY, &before, changes);
        assert_eq!(names_of_key(&recent).await, ["bee"]);
    }

    #[tokio::test]
    async fn after_the_time_it_is_asked_again() {
        let (_folder, recent, other) = tables(Duration::ZERO).await;
        other.register(named("Ann")).await.expect("registered");
        assert_eq!(names_of_key(&recent).await, ["ann"]);
        other.register(named("Bee")).await.expect("registered");
        assert_eq!(names_of_key(&recent).await, ["bee"]);
    }
}
