//! Databases that OpenSimulator made, in old and in broken versions (schema.md sections 3, 7, 8 and 10).

mod common;

use bytes::Bytes;
use common::{TestDatabase, asset, asset_store_version, execute, texts, try_execute, versions};
use gridshell_interfaces::asset::{AssetFlags, AssetMetadata, AssetService};
use gridshell_services::asset::SqlAssetService;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor};
use uuid::Uuid;

const OLD: Uuid = Uuid::from_u128(0x01dd0000_0000_4000_8000_000000000001);

/// The asset [`OLD`] as the rows of these tests hold it.
fn old_metadata() -> AssetMetadata {
    AssetMetadata {
        id: OLD,
        name: "old".to_owned(),
        description: "row".to_owned(),
        created: None,
        asset_type: -1,
        local: true,
        temporary: false,
        creator: Some(String::new()),
        flags: AssetFlags::NORMAL,
    }
}

/// Opens the service, expects the old row in it, and that it works.
async fn expect_working(test: &TestDatabase, expected: AssetMetadata) -> SqlAssetService {
    let service = SqlAssetService::open(test.open().await).await.expect("the old database opens");
    let old = service.get(OLD).await.expect("get").expect("the old row");
    assert_eq!(old.metadata, expected);
    assert_eq!(old.data, Some(Bytes::from_static(b"old data")));
    assert_eq!(service.exist(&[Uuid::new_v4(), OLD]).await.expect("exist"), [false, true]);
    assert_eq!(service.contents(&[OLD]).await.expect("contents").len(), 1);
    let mut asset = asset("new data");
    asset.metadata.creator = Some(format!("{};http://grid.example:8002/First Last", Uuid::new_v4()));
    asset.metadata.flags = AssetFlags::COLLECTABLE;
    let id = service.store(asset.clone()).await.expect("store");
    assert_eq!(service.get(id).await.expect("get"), Some(asset));
    service.delete(id).await.expect("delete");
    service
}

#[tokio::test(flavor = "multi_thread")]
async fn several_processes_create_the_tables_at_once() {
    for test in TestDatabase::all().await {
        let opening = (0..6).map(|_| async { SqlAssetService::open(test.open().await).await.map(drop) });
        for opened in futures_util::future::join_all(opening).await {
            opened.expect("open");
        }
        let database = test.open().await;
        assert_eq!(versions(&database).await, [asset_store_version(test.backend), "migrations=1"]);
        database.close().await;
        test.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_rows_and_higher_versions_are_left_alone() {
    for test in TestDatabase::all().await {
        let database = test.open().await;
        SqlAssetService::open(database.clone()).await.expect("create");
        execute(&database, "INSERT INTO migrations VALUES ('RegionStore', 67)").await;
        execute(&database, "UPDATE migrations SET version = 99 WHERE name = 'AssetStore'").await;
        SqlAssetService::open(database.clone()).await.expect("a higher version");
        assert_eq!(versions(&database).await, ["AssetStore=99", "RegionStore=67", "migrations=1"]);
        // Two rows of one store, as two processes of the original can leave them: the higher one counts.
        execute(&database, "INSERT INTO migrations VALUES ('AssetStore', 1)").await;
        SqlAssetService::open(database.clone()).await.expect("two rows");
        assert_eq!(versions(&database).await, ["AssetStore=1", "AssetStore=99", "RegionStore=67", "migrations=1"]);
        database.close().await;
        test.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_without_a_version_row_get_one() {
    for test in TestDatabase::all().await {
        let database = test.open().await;
        SqlAssetService::open(database.clone()).await.expect("create");
        execute(&database, "DROP TABLE migrations").await;
        SqlAssetService::open(database.clone()).await.expect("open");
        assert_eq!(versions(&database).await, [asset_store_version(test.backend), "migrations=1"]);
        database.close().await;
        test.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_programs_table_is_an_error() {
    for test in TestDatabase::all().await {
        let database = test.open().await;
        execute(&database, "CREATE TABLE assets (colour int)").await;
        let error = SqlAssetService::open(database.clone()).await.expect_err("not ours").to_string();
        assert!(error.contains("assets") && error.contains("AssetStore"), "{error}");
        database.close().await;
        test.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql_without_flags_and_creator_in_latin1() {
    let Some(test) = TestDatabase::mysql().await else { return };
    let database = test.open().await;
    execute(
        &database,
        "CREATE TABLE assets (id char(36) NOT NULL DEFAULT '', name varchar(64), description varchar(64), \
         assetType tinyint(4), local tinyint(1), temporary tinyint(1), data longblob NOT NULL, create_time int(11), \
         access_time int(11), PRIMARY KEY (id)) ENGINE=MyISAM DEFAULT CHARSET=latin1",
    )
    .await;
    execute(
        &database,
        "INSERT INTO assets VALUES ('01dd0000-0000-4000-8000-000000000001', 'Möbel', NULL, NULL, NULL, NULL, 'old data', NULL, NULL)",
    )
    .await;
    execute(&database, "CREATE TABLE migrations (name varchar(100), version int)").await;
    execute(&database, "INSERT INTO migrations VALUES ('migrations', 1), ('AssetStore', 5)").await;
    let expected = AssetMetadata { name: "Möbel".to_owned(), description: String::new(), local: false, ..old_metadata() };
    let service = expect_working(&test, expected).await;
    assert_eq!(versions(&database).await, ["AssetStore=10", "migrations=1"]);

    // A character that the table cannot hold is refused, also by a server that is not strict by itself.
    let mut japanese = asset("x");
    japanese.metadata.name = "日本".to_owned();
    let id = japanese.metadata.id;
    let refused = service.store(japanese).await.expect_err("latin1");
    assert_eq!(refused.kind, gridshell_interfaces::ErrorKind::Refused);
    assert_eq!(service.exist(&[id]).await.expect("exist"), [false]);
    database.close().await;
    test.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql_on_a_server_that_is_not_strict() {
    let Some(test) = TestDatabase::mysql().await else { return };
    let database = test.open().await;
    let mode = texts(&database, "SELECT @@GLOBAL.sql_mode").await.remove(0);
    SqlAssetService::open(database.clone()).await.expect("create");
    if let Err(error) = try_execute(&database, "SET GLOBAL sql_mode = ''").await {
        eprintln!("LEFT OUT: a server that is not strict: {error}");
        return test.remove().await;
    }
    let lax = test.open().await;
    let service = SqlAssetService::open(lax.clone()).await.expect("service");
    let mut smile = asset("x");
    smile.metadata.name = "smile 😀".to_owned();
    let stored = service.store(smile).await;
    execute(&database, &format!("SET GLOBAL sql_mode = '{mode}'")).await;
    assert_eq!(stored.expect_err("never a question mark").kind, gridshell_interfaces::ErrorKind::Refused);
    lax.close().await;
    database.close().await;
    test.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_from_version_1() {
    let Some(test) = TestDatabase::postgres().await else { return };
    let database = test.open().await;
    execute(
        &database,
        r#"CREATE TABLE assets (id varchar(36) NOT NULL PRIMARY KEY, name varchar(64) NOT NULL, description varchar(64) NOT NULL,
           "assetType" smallint NOT NULL, local smallint NOT NULL, temporary smallint NOT NULL, data bytea NOT NULL,
           create_time integer DEFAULT 0, access_time integer DEFAULT 0)"#,
    )
    .await;
    execute(&database, &format!("INSERT INTO assets VALUES ('{OLD}', 'old', 'row', -1, 1, 0, 'old data', NULL, NULL)")).await;
    let dropped = "dc4b9f0b-d008-45c6-96a4-01dd947ac621";
    execute(&database, &format!("INSERT INTO assets VALUES ('{dropped}', '', '', 0, 0, 0, '', 0, 0)")).await;
    execute(&database, "CREATE TABLE migrations (name varchar(100), version int)").await;
    execute(&database, "INSERT INTO migrations VALUES ('migrations', 1), ('AssetStore', 1)").await;
    expect_working(&test, old_metadata()).await;
    assert_eq!(versions(&database).await, ["AssetStore=9", "migrations=1"]);
    let types = "SELECT column_name || ' ' || udt_name || coalesce(' ' || character_maximum_length, '') FROM \
        information_schema.columns WHERE table_name = 'assets' AND column_name IN ('id', 'local', 'creatorid', 'asset_flags') \
        ORDER BY column_name";
    assert_eq!(texts(&database, types).await, ["asset_flags int4", "creatorid varchar 128", "id uuid", "local bool"]);
    assert_eq!(texts(&database, "SELECT id::text FROM assets").await, [OLD.to_string()]);
    database.close().await;
    test.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_made_by_0_9_2_2() {
    let Some(test) = TestDatabase::postgres().await else { return };
    let database = test.open().await;
    SqlAssetService::open(database.clone()).await.expect("create");
    execute(&database, "ALTER TABLE assets ALTER COLUMN creatorid TYPE varchar(36)").await;
    execute(&database, &format!("INSERT INTO assets VALUES ('{OLD}', 'old', 'row', -1, true, false, 'old data', 1, 1, 0, '')"))
        .await;
    expect_working(&test, old_metadata()).await;
    assert_eq!(versions(&database).await, ["AssetStore=9", "migrations=1"]);
    database.close().await;
    test.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_with_ids_that_could_not_become_uuids() {
    let Some(test) = TestDatabase::postgres().await else { return };
    let database = test.open().await;
    execute(
        &database,
        r#"CREATE TABLE assets (id varchar(36) NOT NULL PRIMARY KEY, name char(64) NOT NULL, description varchar(64) NOT NULL,
           "assetType" smallint NOT NULL, local boolean NOT NULL, temporary boolean NOT NULL, data bytea NOT NULL)"#,
    )
    .await;
    execute(&database, &format!("INSERT INTO assets VALUES ('{OLD}', 'old', 'row', -1, true, false, 'old data')")).await;
    execute(&database, "INSERT INTO assets VALUES ('no uuid', '', '', 0, false, false, '')").await;
    execute(&database, "CREATE TABLE migrations (name varchar(100), version int)").await;
    execute(&database, "INSERT INTO migrations VALUES ('migrations', 1), ('AssetStore', 3)").await;
    expect_working(&test, old_metadata()).await;
    assert_eq!(versions(&database).await, ["AssetStore=9", "migrations=1"]);
    assert_eq!(texts(&database, "SELECT id FROM assets ORDER BY id").await, [OLD.to_string().as_str(), "no uuid"]);
    database.close().await;
    test.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_in_a_schema_of_its_own() {
    let Some(mut test) = TestDatabase::postgres().await else { return };
    let public = test.open().await;
    SqlAssetService::open(public.clone()).await.expect("create in public");
    execute(&public, "CREATE SCHEMA \"my grid\"").await;
    test.connection_string.push_str(";Search Path='\"my grid\"'");
    let service = SqlAssetService::open(test.open().await).await.expect("create in the schema");
    service.store(asset("x")).await.expect("store");
    assert_eq!(texts(&public, "SELECT count(*)::text FROM public.assets").await, ["0"]);
    assert_eq!(texts(&public, "SELECT count(*)::text FROM \"my grid\".assets").await, ["1"]);
    public.close().await;
    test.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_with_nulls_and_without_flags_and_creator() {
    let test = TestDatabase::sqlite();
    let file = test.connection_string.strip_prefix("Data Source=").expect("a file");
    let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
    let mut original = options.connect().await.expect("file");
    for sql in [
        "PRAGMA encoding = 'UTF-16'",
        "CREATE TABLE assets (UUID NOT NULL PRIMARY KEY, Name, Description, Type, Local, Temporary, Data)",
        "INSERT INTO assets VALUES ('01dd0000-0000-4000-8000-000000000001', 'Möbel', NULL, NULL, 1, NULL, x'6f6c642064617461')",
        "INSERT INTO assets VALUES ('01dd0000-0000-4000-8000-000000000002', 17, x'61', '49', 0, 0, NULL)",
        "CREATE TABLE migrations (name varchar(100), version int)",
        "INSERT INTO migrations VALUES ('migrations', 1), ('AssetStore', 3)",
    ] {
        original.execute(sql).await.expect(sql);
    }
    original.close().await.expect("close");
    let expected = AssetMetadata { name: "Möbel".to_owned(), description: String::new(), ..old_metadata() };
    let service = expect_working(&test, expected).await;
    let second = service.get(Uuid::from_u128(OLD.as_u128() + 1)).await.expect("get").expect("the second row");
    assert_eq!((second.metadata.name.as_str(), second.metadata.asset_type, second.data), ("17", 49, Some(Bytes::new())));

    let database = test.open().await;
    assert_eq!(versions(&database).await, ["AssetStore=6", "migrations=1"]);
    // What the original chose stays.
    assert_eq!(texts(&database, "SELECT journal_mode FROM pragma_journal_mode").await, ["delete"]);
    database.close().await;
    test.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_up_to_date_database_is_not_written_to() {
    for test in TestDatabase::all().await {
        let database = test.open().await;
        SqlAssetService::open(database.clone()).await.expect("create");
        // Neither a new row of `migrations` nor a changed one can be hidden now.
        execute(&database, "ALTER TABLE migrations RENAME TO real_migrations").await;
        execute(
            &database,
            "CREATE VIEW migrations AS SELECT max(name) AS name, max(version) AS version FROM real_migrations GROUP BY name",
        )
        .await;
        SqlAssetService::open(database.clone()).await.expect("nothing to do");
        database.close().await;
        test.remove().await;
    }
}
