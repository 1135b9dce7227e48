//! What the asset service promises, checked on every database.

mod common;

use bytes::Bytes;
use common::{TestDatabase, asset, asset_battery, asset_store_version, execute, texts, versions};
use gridshell_interfaces::ErrorKind;
use gridshell_interfaces::asset::{AssetFlags, AssetService};
use gridshell_services::asset::SqlAssetService;
use gridshell_services::database::{Backend, Database};
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread")]
async fn sqlite() {
    battery(TestDatabase::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_with_utf16_text() {
    let mut test = TestDatabase::sqlite();
    test.connection_string.push_str(";UseUTF16Encoding=True");
    let database = test.open().await;
    assert_eq!(texts(&database, "SELECT encoding FROM pragma_encoding").await, ["UTF-16le"]);
    database.close().await;
    battery(test).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql() {
    if let Some(test) = TestDatabase::mysql().await {
        battery(test).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres() {
    if let Some(test) = TestDatabase::postgres().await {
        battery(test).await;
    }
}

async fn battery(test: TestDatabase) {
    let database = test.open().await;
    let service = SqlAssetService::open(database.clone()).await.expect("service");
    asset_battery::battery(&service, test.backend).await;
    what_the_wire_cannot_carry(&service, test.backend).await;
    more_than_a_packet_of_mysql_is_refused_with_a_reason(&service).await;
    delete_is_true_twice(&service).await;
    replaced_content(&service).await;
    the_rows_are_those_of_the_original(&service, &database).await;
    a_second_instance_sees_it_at_once(&service, &test).await;
    a_lost_table_is_an_error(&service, &database).await;
    database.ping().await.expect("ping");
    let state = database.pool_state();
    assert!(state.size >= 1 && state.idle <= state.size && state.in_use == state.size - state.idle, "{state:?}");
    database.close().await;
    let closed = service.get(Uuid::nil()).await.expect_err("closed");
    assert_eq!(closed.kind, ErrorKind::Unavailable);
    test.remove().await;
}

async fn what_the_wire_cannot_carry(service: &SqlAssetService, backend: Backend) {
    let mut odd = asset("x");
    odd.metadata.asset_type = -2;
    odd.metadata.flags = AssetFlags(0x4000_0005);
    let id = service.store(odd.clone()).await.expect("store");
    assert_eq!(service.get(id).await.expect("get"), Some(odd.clone()));
    assert_eq!(service.metadata(id).await.expect("metadata"), Some(odd.metadata));
    // PostgreSQL holds no U+0000.
    for field in 0..3 {
        let mut asset = asset("x");
        match field {
            0 => asset.metadata.name = "a\0b".to_owned(),
            1 => asset.metadata.description = "a\0b".to_owned(),
            _ => asset.metadata.creator = Some("a\0b".to_owned()),
        }
        let stored = service.store(asset.clone()).await;
        if backend == Backend::Postgres {
            assert_eq!(stored.expect_err("refused").kind, ErrorKind::Refused);
        } else {
            assert_eq!(service.get(stored.expect("store")).await.expect("get"), Some(asset));
        }
    }
}

async fn more_than_a_packet_of_mysql_is_refused_with_a_reason(service: &SqlAssetService) {
    if let Err(error) = service.store(asset(vec![1; 17_000_000])).await {
        assert!(error.message.contains("max_allowed_packet"), "{error}");
    }
}

async fn delete_is_true_twice(service: &SqlAssetService) {
    let id = service.store(asset("short life")).await.expect("store");
    assert!(service.delete(id).await.expect("delete"));
    assert_eq!(service.get(id).await.expect("get"), None);
    assert!(service.delete(id).await.expect("delete"));
}

async fn replaced_content(service: &SqlAssetService) {
    let mut asset = asset("old");
    let id = asset.metadata.id;
    service.replace(asset.clone()).await.expect("a new one is added");
    asset.data = Some(Bytes::from_static(b"new"));
    asset.metadata.name = "another name".to_owned();
    asset.metadata.asset_type = 5;
    service.replace(asset.clone()).await.expect("replace");
    assert_eq!(service.get(id).await.expect("get"), Some(asset));
    let contents = service.contents(&[Uuid::new_v4(), id]).await.expect("contents");
    assert_eq!(contents.into_iter().collect::<Vec<_>>(), [(id, Bytes::from_static(b"new"))]);
}

async fn the_rows_are_those_of_the_original(service: &SqlAssetService, database: &Database) {
    let mut asset = asset("x");
    asset.metadata.id = Uuid::from_u128(0xABCDEFAB_CDEF_4ABC_8DEF_ABCDEFABCDEF);
    service.store(asset).await.expect("store");
    let id = "abcdefab-cdef-4abc-8def-abcdefabcdef";
    let backend = database.backend();
    let (own_id, times) = match backend {
        Backend::Sqlite => (format!("SELECT UUID FROM assets WHERE UUID = '{id}'"), None),
        Backend::MySql => (
            format!("SELECT id FROM assets WHERE BINARY id = '{id}'"),
            Some(
                "SELECT CASE WHEN create_time = access_time AND ABS(create_time - UNIX_TIMESTAMP()) < 3600 \
                 THEN 'now' ELSE CONCAT(create_time, ' ', access_time) END FROM assets WHERE id = ",
            ),
        ),
        Backend::Postgres => (
            format!("SELECT id::text FROM assets WHERE id = '{id}'"),
            Some(
                "SELECT CASE WHEN create_time = access_time AND abs(create_time - extract(epoch FROM now())) < 3600 \
                 THEN 'now' ELSE create_time || ' ' || access_time END FROM assets WHERE id = ",
            ),
        ),
    };
    assert_eq!(texts(database, &own_id).await, [id]);
    if let Some(times) = times {
        assert_eq!(texts(database, &format!("{times}'{id}'")).await, ["now"]);
    }
    assert_eq!(versions(database).await, [asset_store_version(backend), "migrations=1"]);
}

async fn a_second_instance_sees_it_at_once(service: &SqlAssetService, test: &TestDatabase) {
    let other = test.open().await;
    let second = SqlAssetService::open(other.clone()).await.expect("second instance");
    for data in ["one", "two", "three"] {
        let asset = asset(data);
        let id = service.store(asset.clone()).await.expect("store");
        assert_eq!(second.get(id).await.expect("get"), Some(asset));
    }
    other.close().await;
}

async fn a_lost_table_is_an_error(service: &SqlAssetService, database: &Database) {
    let id = service.store(asset("x")).await.expect("store");
    execute(database, "ALTER TABLE assets RENAME TO elsewhere").await;
    assert_eq!(service.get(id).await.expect_err("never None").kind, ErrorKind::Internal);
    assert_eq!(service.exist(&[id]).await.expect_err("never false").kind, ErrorKind::Internal);
    assert_eq!(service.store(asset("y")).await.expect_err("never stored").kind, ErrorKind::Internal);
    execute(database, "ALTER TABLE elsewhere RENAME TO assets").await;
    assert!(service.get(id).await.expect("get").is_some());
}
