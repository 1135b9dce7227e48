//! Databases that fail under the name2key service: an error, never an empty answer, and an import as a whole or not at all.

mod common;

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

use async_trait::async_trait;
use common::TestDatabase;
use common::name2key_battery::{Rows, claim, everything, grid, keys, new_name, register};
use common::proxy::Proxy;
use gridshell_interfaces::name2key::{Name2KeyService, NameBatch, NameRows};
use gridshell_interfaces::{ErrorKind, Result};
use gridshell_services::database::{Database, DatabaseOptions};
use gridshell_services::name2key::{Name2KeyOptions, SqlName2KeyService};
use uuid::Uuid;

async fn open(database: &Database) -> SqlName2KeyService {
    SqlName2KeyService::open(database.clone(), Name2KeyOptions::default()).await.expect("service")
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql_a_server_that_goes_away() {
    if let Some(test) = TestDatabase::mysql().await {
        a_server_that_goes_away(test).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_a_server_that_goes_away() {
    if let Some(test) = TestDatabase::postgres().await {
        a_server_that_goes_away(test).await;
    }
}

/// Rows, and a cut through all connections after the first batch.
struct Cut<'p>(Rows, &'p Proxy);

#[async_trait]
impl NameRows for Cut<'_> {
    async fn next(&mut self) -> Result<Option<NameBatch>> {
        let batch = self.0.next().await;
        self.1.cut_connections().await;
        batch
    }
}

async fn a_server_that_goes_away(test: TestDatabase) {
    let direct = test.open().await;
    let place = direct.to_string();
    let target = place.split_once(':').and_then(|(_, rest)| rest.rsplit_once('/')).map(|(target, _)| target.to_owned());
    let mut proxy = Proxy::start(&target.expect("host:port")).await;
    let behind = format!("{};Host=127.0.0.1;Port={};Connection Timeout=10", test.connection_string, proxy.port());
    let database = Database::open(test.backend, &behind, &DatabaseOptions::default()).await.expect("through the proxy");
    let service = open(&database).await;
    let (name, key, other) = (new_name(), Uuid::new_v4(), Uuid::new_v4());
    register(&service, &name, key, "a").await;

    // Connections that were cut while nobody used them are replaced without anybody noticing.
    proxy.cut_connections().await;
    assert_eq!(keys(&service, &name, None).await, [key]);
    proxy.cut_connections().await;
    register(&service, &name, other, "a").await;

    let before = everything(&service).await;
    let names: Vec<String> = (0..30).map(|_| new_name()).collect();
    let rows = Rows::in_batches(names.iter().map(|name| (Uuid::new_v4(), name.as_str())), 10);
    let failed = service.import(&grid("a"), &mut Cut(rows, &proxy)).await.expect_err("cut in the middle");
    assert_eq!(failed.kind, ErrorKind::Unavailable, "{failed}");
    assert_eq!(everything(&service).await, before);

    proxy.go_down().await;
    // Each of them waits for a connection as long as may be, so all at once.
    let (many, claimed, of, mut row) = ([key; 100], claim(&name, key, "a"), grid("a"), Rows::of([(key, name.as_str())]));
    let (by_name, by_keys, by_prefix, registered, imported, forgotten, entries, statistics) = tokio::join!(
        service.by_name(&name, None),
        service.by_keys(&many, None),
        service.by_prefix(&name, 10),
        service.register(&claimed),
        service.import(&of, &mut row),
        service.forget(key, None),
        service.entries_after(None, 10),
        service.statistics(),
    );
    let kinds = [
        by_name.expect_err("never empty").kind,
        by_keys.expect_err("never empty").kind,
        by_prefix.expect_err("never empty").kind,
        registered.expect_err("never stored").kind,
        imported.expect_err("never done").kind,
        forgotten.expect_err("never none").kind,
        entries.expect_err("never empty").kind,
        statistics.expect_err("never zero").kind,
    ];
    assert_eq!(kinds, [ErrorKind::Unavailable; 8]);
    proxy.come_back().await;
    assert_eq!(keys(&service, &name, None).await, [other, key]);
    database.close().await;
    direct.close().await;
    test.remove().await;
}

/// A damaged file is an error, too.
#[tokio::test(flavor = "multi_thread")]
async fn sqlite_a_damaged_file() {
    let test = TestDatabase::sqlite();
    let database = test.open().await;
    let service = open(&database).await;
    let names: Vec<String> = (0..3000).map(|_| new_name()).collect();
    let rows: Vec<(Uuid, &str)> = names.iter().map(|name| (Uuid::new_v4(), name.as_str())).collect();
    service.import(&grid("a"), &mut Rows::in_batches(rows.iter().copied(), 1000)).await.expect("import");
    // The last connection moves everything into the file.
    database.close().await;
    let file = test.connection_string.trim_start_matches("Data Source=");
    let size = std::fs::metadata(file).expect("file").len();
    let database = test.open().await;
    let service = open(&database).await;
    let raw = OpenOptions::new().write(true).open(file).expect("file");
    // The first pages hold the list of tables.
    raw.write_all_at(&vec![0xEE; usize::try_from(size).expect("small") - 8 * 4096], 8 * 4096).expect("damage");
    let mut failed = 0;
    for (key, name) in &rows {
        for found in [service.by_name(name, None).await, service.by_key(*key, None).await] {
            match found {
                Ok(found) => assert!(!found.is_empty(), "never empty"),
                Err(error) => {
                    assert_eq!(error.kind, ErrorKind::Internal, "{error}");
                    failed += 1;
                }
            }
        }
    }
    assert!(failed > 1000, "{failed}");
    assert_eq!(service.entries_after(None, 10_000).await.expect_err("never fewer").kind, ErrorKind::Internal);
}
