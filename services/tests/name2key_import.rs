//! Imports while others look up and register, and imports that are given up or killed.

mod common;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use common::TestDatabase;
use common::name2key_battery::{Rows, claim, everything, grid, keys, new_name, register};
use gridshell_interfaces::name2key::{Imported, Name2KeyService, NameBatch, NameRows, NameStatistics};
use gridshell_interfaces::{ErrorKind, Result};
use gridshell_services::database::{Backend, Database, DatabaseOptions};
use gridshell_services::name2key::{Name2KeyOptions, SqlName2KeyService};
use tokio::sync::Notify;
use uuid::Uuid;

/// More than the store may know for an import to append its rows.
const MANY: u64 = 120_000;

async fn open(database: &Database) -> Arc<SqlName2KeyService> {
    Arc::new(SqlName2KeyService::open(database.clone(), Name2KeyOptions::default()).await.expect("service"))
}

/// A name of a generation, in an order that is not that of the keys.
fn name(number: u64, generation: &str) -> String {
    // Names as an export has them, but for each fifth.
    let last = if number.is_multiple_of(3) { "Tester" } else { "Resident" };
    let name = format!("{generation}{number:06} {last}");
    if number.is_multiple_of(5) { name.to_uppercase() } else { name }
}

fn key(number: u64) -> Uuid {
    Uuid::from_u64_pair(number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15), number)
}

/// Rows that are made as they are asked for.
struct Generated {
    next: u64,
    end: u64,
    generation: &'static str,
    /// Told after each batch.
    batches: Option<Arc<AtomicUsize>>,
    /// Waited for at the end, forever if nobody tells.
    gate: Option<Arc<Notify>>,
}

impl Generated {
    fn new(end: u64, generation: &'static str) -> Self {
        Self { next: 0, end, generation, batches: None, gate: None }
    }
}

#[async_trait]
impl NameRows for Generated {
    async fn next(&mut self) -> Result<Option<NameBatch>> {
        if self.next == self.end {
            if let Some(gate) = self.gate.take() {
                gate.notified().await;
            }
            return Ok(None);
        }
        if let Some(batches) = &self.batches {
            batches.fetch_add(1, Ordering::SeqCst);
        }
        let mut batch = NameBatch::default();
        let end = (self.next + 8192).min(self.end);
        for number in self.next..end {
            batch.push(key(number), &name(number, self.generation));
        }
        self.next = end;
        Ok(Some(batch))
    }
}

async fn import(service: &SqlName2KeyService, mut rows: Generated) -> Imported {
    service.import(&grid("Production"), &mut rows).await.expect("import")
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_many_rows_twice_renamed_and_with_news() {
    let test = TestDatabase::sqlite();
    many_rows(&test).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql_many_rows_twice_renamed_and_with_news() {
    if let Some(test) = TestDatabase::mysql().await {
        many_rows(&test).await;
        test.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_many_rows_twice_renamed_and_with_news() {
    if let Some(test) = TestDatabase::postgres().await {
        many_rows(&test).await;
        test.remove().await;
    }
}

async fn many_rows(test: &TestDatabase) {
    let database = test.open().await;
    let service = open(&database).await;
    let registered = new_name();
    register(&*service, &registered, key(5), "Production").await;
    let (rows, added, changed) = (MANY, MANY - 1, 1);
    assert_eq!(import(&service, Generated::new(MANY, "Old")).await, Imported { rows, added, changed });
    assert_eq!(keys(&*service, &registered, None).await.len(), 0);
    assert_eq!(import(&service, Generated::new(MANY, "Old")).await, Imported { rows, added: 0, changed: 0 });
    check_all(&service, MANY, "Old").await;

    // Now the store knows much: what is new and what has changed is found among it.
    let rows = MANY + 1000;
    assert_eq!(import(&service, Generated::new(rows, "Old")).await, Imported { rows, added: 1000, changed: 0 });
    let (verified, true_name) = (key(7), new_name());
    let trusted = gridshell_interfaces::name2key::Registration { verified: true, ..claim(&true_name, verified, "Production") };
    assert!(service.register(&trusted).await.expect("register"));
    // Of several rows of a key the last counts, whichever of them is known.
    let (first, second) = (new_name(), new_name());
    let (known, other) = (name(3, "Old"), name(8, "Old"));
    let list = [
        (key(3), first.as_str()),
        (key(3), known.as_str()),
        (key(8), other.as_str()),
        (key(8), &first),
        (key(8), &second),
        (verified, &first),
        (Uuid::max(), &first),
        (Uuid::max(), &second),
    ];
    let imported = service.import(&grid("Production"), &mut Rows::of(list)).await.expect("import");
    assert_eq!(imported, Imported { rows: 8, added: 1, changed: 1 });
    assert_eq!(keys(&*service, &first, None).await.len(), 0);
    assert_eq!(keys(&*service, &second, None).await, [Uuid::max(), key(8)]);
    assert_eq!(keys(&*service, &known, None).await, [key(3)]);
    assert_eq!(keys(&*service, &true_name, None).await, [verified]);
    let again = service.import(&grid("Production"), &mut Rows::of(list)).await.expect("import");
    assert_eq!(again, Imported { rows: 8, added: 0, changed: 0 });
    assert_eq!(keys(&*service, &second, None).await, [Uuid::max(), key(8)]);

    assert_eq!(import(&service, Generated::new(rows, "New")).await, Imported { rows, added: 0, changed: rows - 1 });
    check_all(&service, 7, "New").await;
    assert_eq!(service.statistics().await.expect("statistics").entries, [("production".to_owned(), rows + 1)]);
    database.close().await;
}

/// That the first so many rows are there, all of them by both ways.
async fn check_all(service: &SqlName2KeyService, count: u64, generation: &str) {
    let numbers: Vec<u64> = (0..count).collect();
    for numbers in numbers.chunks(10_000) {
        let names: Vec<String> = numbers.iter().map(|number| name(*number, generation)).collect();
        let keys: Vec<Uuid> = numbers.iter().map(|number| key(*number)).collect();
        let by_name = service.by_names(&names.iter().map(String::as_str).collect::<Vec<_>>(), None).await.expect("by_names");
        let by_key = service.by_keys(&keys, None).await.expect("by_keys");
        for (place, entries) in by_name.iter().enumerate() {
            let found: Vec<_> = entries.iter().map(|entry| (entry.key, entry.name.as_str())).collect();
            assert_eq!(found, [(keys[place], names[place].as_str())]);
            assert_eq!(by_key[place], *entries);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_look_ups_while_an_import_runs() {
    look_ups_while_an_import_runs(TestDatabase::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql_look_ups_while_an_import_runs() {
    if let Some(test) = TestDatabase::mysql().await {
        look_ups_while_an_import_runs(test).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_look_ups_while_an_import_runs() {
    if let Some(test) = TestDatabase::postgres().await {
        look_ups_while_an_import_runs(test).await;
    }
}

/// 64 at once never fail, and see the old set or the new one, never a mixture; once the new one, never the old one again.
async fn look_ups_while_an_import_runs(test: TestDatabase) {
    const ROWS: u64 = 40_000;
    let database = test.open().await;
    let service = open(&database).await;
    import(&service, Generated::new(ROWS, "Old")).await;
    let done = Arc::new(AtomicBool::new(false));
    // What is changed first, and what is changed last.
    let ends = [0, 1, ROWS / 2, ROWS - 2, ROWS - 1];
    let lookers: Vec<_> = (0..64)
        .map(|_| {
            let (service, done) = (Arc::clone(&service), Arc::clone(&done));
            tokio::spawn(async move {
                let mut is_new = false;
                loop {
                    let last = done.load(Ordering::SeqCst);
                    let found = service.by_keys(&ends.map(key), None).await.expect("a look-up");
                    let names: Vec<_> = found.iter().map(|entries| entries[0].name.clone()).collect();
                    let new = names == ends.map(|number| name(number, "New"));
                    assert!(new || names == ends.map(|number| name(number, "Old")), "a mixture: {names:?}");
                    assert!(new || !is_new, "what was new is old again");
                    is_new = new;
                    let found = service.by_name(&name(0, "Old"), None).await.expect("a look-up");
                    assert!(found.len() == usize::from(!new) || found.is_empty(), "{found:?}");
                    if last {
                        return is_new;
                    }
                }
            })
        })
        .collect();
    import(&service, Generated::new(ROWS, "New")).await;
    done.store(true, Ordering::SeqCst);
    for looker in lookers {
        assert!(looker.await.expect("task"), "the last look-up sees the new set");
    }
    database.close().await;
    test.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_an_import_that_is_dropped() {
    an_import_that_is_dropped(TestDatabase::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql_an_import_that_is_dropped() {
    if let Some(test) = TestDatabase::mysql().await {
        an_import_that_is_dropped(test).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_an_import_that_is_dropped() {
    if let Some(test) = TestDatabase::postgres().await {
        an_import_that_is_dropped(test).await;
    }
}

async fn an_import_that_is_dropped(test: TestDatabase) {
    let database = test.open().await;
    let service = open(&database).await;
    register(&*service, "Ann Bee", key(1), "Production").await;
    let before = everything(&*service).await;
    for batches in [1, 3, 10] {
        let seen = Arc::new(AtomicUsize::new(0));
        let rows = Generated { batches: Some(Arc::clone(&seen)), ..Generated::new(u64::MAX, "New") };
        let importing = tokio::spawn({
            let service = Arc::clone(&service);
            async move { import(&service, rows).await }
        });
        while seen.load(Ordering::SeqCst) < batches {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        importing.abort();
        assert!(importing.await.expect_err("dropped").is_cancelled());
        // Waits until what was begun is undone.
        register(&*service, "Ann Bee", key(1), "Production").await;
        assert_eq!(everything(&*service).await.len(), before.len());
    }
    // Dropped when all rows are there and only the end is missing.
    let seen = Arc::new(AtomicUsize::new(0));
    let rows =
        Generated { batches: Some(Arc::clone(&seen)), gate: Some(Arc::new(Notify::new())), ..Generated::new(3 * 8192, "New") };
    let importing = tokio::spawn({
        let service = Arc::clone(&service);
        async move { import(&service, rows).await }
    });
    while seen.load(Ordering::SeqCst) < 3 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    importing.abort();
    register(&*service, "Ann Bee", key(1), "Production").await;
    assert_eq!(everything(&*service).await.len(), before.len());
    assert_eq!(import(&service, Generated::new(10, "New")).await.rows, 10, "the next one has a free way");
    database.close().await;
    test.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_registrations_while_an_import_runs_wait_or_fail_clearly() {
    let test = TestDatabase::sqlite();
    let impatient = DatabaseOptions { acquire_timeout: Duration::from_secs(2), ..DatabaseOptions::default() };
    let (database, other) = (test.open().await, test.open_with(&impatient).await);
    let (service, impatient) = (open(&database).await, open(&other).await);
    let (seen, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let rows = Generated { batches: Some(Arc::clone(&seen)), gate: Some(Arc::clone(&gate)), ..Generated::new(50_000, "New") };
    let importing = tokio::spawn({
        let service = Arc::clone(&service);
        async move { import(&service, rows).await }
    });
    // The queue is short: after some batches the transaction has begun.
    while seen.load(Ordering::SeqCst) < 7 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let name = new_name();
    let failed = impatient.register(&claim(&name, key(70_000), "a")).await.expect_err("somebody else writes");
    assert_eq!(failed.kind, ErrorKind::Unavailable, "{failed}");
    let failed = impatient.import(&grid("a"), &mut Rows::of([(key(1), name.as_str())])).await.expect_err("the same");
    assert_eq!(failed.kind, ErrorKind::Unavailable, "{failed}");
    assert_eq!(impatient.by_name(&name, None).await.expect("look-ups go on"), []);
    let waiting = tokio::spawn({
        let (service, name) = (Arc::clone(&service), name.clone());
        async move { service.register(&claim(&name, key(1), "Production")).await }
    });
    gate.notify_one();
    assert_eq!(importing.await.expect("import").added, 50_000);
    assert!(waiting.await.expect("task").expect("it has waited"));
    assert_eq!(keys(&*service, &name, None).await, [key(1)], "after the import");
    other.close().await;
    database.close().await;
}

/// A process that imports is killed at several moments: the store is as it was.
#[tokio::test(flavor = "multi_thread")]
async fn sqlite_an_import_that_is_killed() {
    let test = TestDatabase::sqlite();
    let folder = tempfile::tempdir().expect("folder");
    let database = test.open().await;
    let service = open(&database).await;
    import(&service, Generated::new(20_000, "Old")).await;
    let before = checked_statistics(&service).await;
    for batches in [1, 5, 40] {
        let mark = folder.path().join(batches.to_string());
        let mut child = importing_process(&test, &mark, batches);
        while !mark.exists() {
            assert!(child.0.try_wait().expect("child").is_none(), "it has ended too early");
            // It has the file for writing, and look-ups go on.
            assert_eq!(keys(&*service, &name(3, "Old"), None).await, [key(3)]);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        drop(child);
        assert_eq!(checked_statistics(&service).await.entries, before.entries, "after {batches} batches");
        check_all(&service, 20_000, "Old").await;
    }
    // Opened anew, and written to.
    database.close().await;
    let database = test.open().await;
    let service = open(&database).await;
    assert_eq!(checked_statistics(&service).await.entries, before.entries);
    assert_eq!(import(&service, Generated::new(20_000, "New")).await, Imported { rows: 20_000, added: 0, changed: 20_000 });
    database.close().await;
}

async fn checked_statistics(service: &SqlName2KeyService) -> NameStatistics {
    service.statistics().await.expect("statistics")
}

const STORE: &str = "GRIDSHELL_TEST_STORE";
const MARK: &str = "GRIDSHELL_TEST_MARK";
const BATCHES: &str = "GRIDSHELL_TEST_BATCHES";

/// A process that would go on for ever. It is killed when this is dropped.
struct Importer(Child);

impl Drop for Importer {
    fn drop(&mut self) {
        self.0.kill().expect("SIGKILL");
        self.0.wait().expect("its end");
    }
}

/// This test program once more, as the importer below.
fn importing_process(test: &TestDatabase, mark: &Path, batches: usize) -> Importer {
    let child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "the_process_that_imports"])
        .env(STORE, &test.connection_string)
        .env(MARK, mark)
        .env(BATCHES, batches.to_string())
        .stdout(Stdio::null())
        .spawn()
        .expect("a process");
    Importer(child)
}

/// Does nothing by itself: it is the process that [`sqlite_an_import_that_is_killed`] kills.
#[tokio::test(flavor = "multi_thread")]
async fn the_process_that_imports() {
    let Ok(store) = std::env::var(STORE) else { return };
    let batches: usize = std::env::var(BATCHES).expect("batches").parse().expect("a number");
    let mark = PathBuf::from(std::env::var(MARK).expect("mark"));
    let database = Database::open(Backend::Sqlite, &store, &DatabaseOptions::default()).await.expect("store");
    let service = open(&database).await;
    let seen = Arc::new(AtomicUsize::new(0));
    // Some of the keys are known already, under other names.
    let rows = Generated { batches: Some(Arc::clone(&seen)), ..Generated::new(u64::MAX, "New") };
    tokio::spawn(async move { import(&service, rows).await });
    // Two batches may wait in the queue.
    while seen.load(Ordering::SeqCst) < batches + 3 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    std::fs::write(mark, "").expect("mark");
    std::future::pending::<()>().await;
}
