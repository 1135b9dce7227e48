//! Databases that fail: connections that die, servers that are down, files that are locked, time limits.

mod common;

use std::time::Duration;

use common::proxy::Proxy;
use common::{TestDatabase, asset, execute, texts, try_execute};
use gridshell_interfaces::ErrorKind;
use gridshell_interfaces::asset::AssetService;
use gridshell_services::asset::SqlAssetService;
use gridshell_services::database::{Backend, Database, DatabaseOptions};
use sqlx::{ConnectOptions, Connection, Executor};

async fn servers() -> Vec<TestDatabase> {
    let mut servers: Vec<_> = TestDatabase::mysql().await.into_iter().collect();
    servers.extend(TestDatabase::postgres().await);
    servers
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_killed_by_the_server_are_replaced() {
    for test in servers().await {
        let options = DatabaseOptions { max_connections: 4, ..DatabaseOptions::default() };
        let database = test.open_with(&options).await;
        let service = SqlAssetService::open(database.clone()).await.expect("service");
        let killer = test.open().await;
        for round in 0..5 {
            // All connections of the pool in use once, so that all are dead afterwards.
            let assets: Vec<_> = (0..8).map(|_| asset(format!("round {round}"))).collect();
            let stores = assets.iter().map(|asset| service.store(asset.clone()));
            futures_util::future::join_all(stores).await.into_iter().for_each(|stored| {
                stored.expect("store");
            });
            kill_others(&killer).await;
            for asset in &assets {
                assert_eq!(service.get(asset.metadata.id).await.expect("healed"), Some(asset.clone()));
            }
            kill_others(&killer).await;
            let next = asset("after");
            let id = service.store(next.clone()).await.expect("healed");
            assert_eq!(service.exist(&[id]).await.expect("exist"), [true]);
        }
        database.close().await;
        killer.close().await;
        test.remove().await;
    }
}

/// Kills all connections to the database of this one but its own.
async fn kill_others(killer: &Database) {
    match killer.backend() {
        Backend::MySql => {
            let sql =
                "SELECT CAST(id AS CHAR) FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()";
            for id in texts(killer, sql).await {
                // It may have ended by itself.
                let _ = try_execute(killer, &format!("KILL {id}")).await;
            }
        }
        _ => {
            let sql = "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity \
                WHERE datname = current_database() AND pid <> pg_backend_pid()";
            texts(killer, sql).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_is_unavailable_until_it_is_back() {
    for test in servers().await {
        let direct = test.open().await;
        let place = direct.to_string();
        let target = place.split_once(':').and_then(|(_, rest)| rest.rsplit_once('/')).map(|(target, _)| target.to_owned());
        let mut proxy = Proxy::start(&target.expect("host:port")).await;
        let behind = format!("{};Host=127.0.0.1;Port={}", test.connection_string, proxy.port());
        // What is asked of a server that is down waits so long; a new connection to one that is well takes less.
        let options = DatabaseOptions { acquire_timeout: Duration::from_secs(10), ..DatabaseOptions::default() };
        let database = Database::open(test.backend, &behind, &options).await.expect("through the proxy");
        let service = SqlAssetService::open(database.clone()).await.expect("service");
        let stored = asset("x");
        let id = service.store(stored.clone()).await.expect("store");

        proxy.cut_connections().await;
        assert_eq!(service.get(id).await.expect("a cut connection heals"), Some(stored.clone()));

        proxy.go_down().await;
        let lost = asset("lost");
        let ids = [id];
        let (got, exist, stored_lost, deleted, ping, opened) = tokio::join!(
            service.get(id),
            service.exist(&ids),
            service.store(lost.clone()),
            service.delete(id),
            database.ping(),
            Database::open(test.backend, &behind, &options),
        );
        assert_eq!(got.expect_err("down").kind, ErrorKind::Unavailable);
        assert_eq!(exist.expect_err("down").kind, ErrorKind::Unavailable);
        assert_eq!(stored_lost.expect_err("down").kind, ErrorKind::Unavailable);
        assert_eq!(deleted.expect_err("down").kind, ErrorKind::Unavailable);
        assert!(ping.is_err());
        assert_eq!(opened.expect_err("down").kind(), ErrorKind::Unavailable);

        proxy.come_back().await;
        assert_eq!(service.get(id).await.expect("back"), Some(stored));
        assert_eq!(service.get(lost.metadata.id).await.expect("back"), None);
        database.ping().await.expect("back");
        database.close().await;
        direct.close().await;
        test.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_have_a_time_limit() {
    for test in servers().await {
        let options = DatabaseOptions { statement_timeout: Duration::from_secs(1), ..DatabaseOptions::default() };
        let database = test.open_with(&options).await;
        // MariaDB lets a sleep that runs out of time succeed; work is cut off with an error.
        let endless = match test.backend {
            Backend::MySql => {
                "SELECT COUNT(*) FROM information_schema.collations a, information_schema.collations b, \
                 information_schema.collations c, information_schema.collations d"
            }
            _ => "SELECT pg_sleep(3600)",
        };
        assert_eq!(try_execute(&database, endless).await.expect_err("endless").kind(), ErrorKind::Unavailable);
        database.ping().await.expect("usable afterwards");
        database.close().await;
        test.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passwords_and_databases_are_reported_without_the_password() {
    for test in servers().await {
        let string = format!("{};Database=gridshell_no_such_database;Password=hidden", test.connection_string);
        let error = Database::open(test.backend, &string, &DatabaseOptions::default()).await.expect_err("no such database");
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(!format!("{error} {error:?}").contains("hidden"), "{error:?}");
        test.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_report_the_rows_that_match() {
    // What shared tables need (schema.md section 8, 3): MySQL counts changed rows unless told otherwise.
    let Some(test) = TestDatabase::mysql().await else { return };
    let database = test.open().await;
    execute(&database, "CREATE TABLE t (a int)").await;
    execute(&database, "INSERT INTO t VALUES (1)").await;
    let Database::MySql(mysql) = &database else { panic!("MySQL") };
    let updated =
        mysql.run(|connection| Box::pin(async move { Ok(connection.execute("UPDATE t SET a = 1").await?.rows_affected()) }));
    assert_eq!(updated.await.expect("update"), 1);
    let mode = texts(&database, "SELECT @@sql_mode").await;
    assert!(mode[0].contains("STRICT_TRANS_TABLES") && !mode[0].contains("PIPES_AS_CONCAT"), "{mode:?}");
    assert_eq!(texts(&database, "SELECT @@character_set_client").await, ["utf8mb4"]);
    database.close().await;
    test.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_file_is_unavailable_and_nothing_is_stored() {
    let test = TestDatabase::sqlite();
    // The write that meets the lock waits so long; for everything else it is plenty.
    let options = DatabaseOptions { acquire_timeout: Duration::from_secs(3), ..DatabaseOptions::default() };
    let database = test.open_with(&options).await;
    let service = SqlAssetService::open(database.clone()).await.expect("service");
    let mut other = other_program(&test).connect().await.expect("another program");
    other.execute("BEGIN IMMEDIATE").await.expect("lock");

    let asset = asset("x");
    assert_eq!(service.store(asset.clone()).await.expect_err("locked").kind, ErrorKind::Unavailable);
    assert_eq!(service.get(asset.metadata.id).await.expect("reading goes on"), None);
    other.execute("ROLLBACK").await.expect("unlock");
    service.store(asset.clone()).await.expect("store");
    assert_eq!(service.get(asset.metadata.id).await.expect("get"), Some(asset));
    other.close().await.expect("close");
    database.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_does_not_exist_is_unavailable() {
    let opened = Database::open(Backend::Sqlite, "Data Source=/nonexistent/gridshell/test.db", &DatabaseOptions::default()).await;
    assert_eq!(opened.expect_err("no directory").kind(), ErrorKind::Unavailable);
}

fn other_program(test: &TestDatabase) -> sqlx::sqlite::SqliteConnectOptions {
    let file = test.connection_string.strip_prefix("Data Source=").expect("a file");
    sqlx::sqlite::SqliteConnectOptions::new().filename(file)
}
