//! What the asset service promises, checked on every database.

mod common;

use bytes::Bytes;
use common::{TestDatabase, asset, asset_store_version, execute, texts, versions};
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
    what_is_stored_comes_back(&service).await;
    what_was_never_stored_is_none(&service).await;
    nothing_is_overwritten(&service).await;
    texts_are_cut(&service).await;
    what_no_store_takes_is_refused(&service).await;
    characters_that_a_column_cannot_hold(&service, test.backend).await;
    existence_keeps_the_order(&service).await;
    delete_is_true_twice(&service).await;
    the_same_asset_many_times_at_once(&service).await;
    replaced_content(&service).await;
    large_content(&service).await;
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

async fn what_is_stored_comes_back(service: &SqlAssetService) {
    let mut plain = asset((0..=255).collect::<Vec<u8>>());
    plain.metadata.name = "Möbel, \"quoted\" <&> 'single' \\ 日本".to_owned();
    plain.metadata.description = " blanks around ".to_owned();
    let mut odd = asset(Bytes::new());
    odd.metadata.asset_type = -2;
    odd.metadata.local = true;
    odd.metadata.temporary = true;
    odd.metadata.flags = AssetFlags(0x4000_0005);
    odd.metadata.creator = Some(format!("aaaaaaaa-0000-0000-0000-000000000001;{}", "x".repeat(91)));
    let mut zero = asset(vec![0; 10]);
    zero.metadata.asset_type = 127;
    zero.metadata.name = String::new();
    zero.metadata.creator = Some(String::new());
    for asset in [plain, odd, zero] {
        let id = asset.metadata.id;
        assert_eq!(service.store(asset.clone()).await.expect("store"), id);
        assert_eq!(service.get(id).await.expect("get"), Some(asset.clone()));
        assert_eq!(service.metadata(id).await.expect("metadata"), Some(asset.metadata));
        assert_eq!(service.data(id).await.expect("data"), asset.data);
    }
}

async fn what_was_never_stored_is_none(service: &SqlAssetService) {
    let id = Uuid::new_v4();
    assert_eq!(service.get(id).await.expect("get"), None);
    assert_eq!(service.metadata(id).await.expect("metadata"), None);
    assert_eq!(service.data(id).await.expect("data"), None);
}

async fn nothing_is_overwritten(service: &SqlAssetService) {
    let first = asset("first");
    let id = service.store(first.clone()).await.expect("store");
    let mut second = asset("second");
    second.metadata.id = id;
    assert_eq!(service.store(second.clone()).await.expect("an existing id is a success"), id);
    second.data = None;
    assert_eq!(service.store(second.clone()).await.expect("whatever comes with it"), id);
    second.data = Some(Bytes::new());
    second.metadata.creator = Some("x".repeat(129));
    assert_eq!(service.store(second).await.expect("whatever comes with it"), id);
    assert_eq!(service.get(id).await.expect("get"), Some(first));
    assert!(!service.update_content(id, Bytes::from_static(b"third")).await.expect("update"));
}

async fn texts_are_cut(service: &SqlAssetService) {
    let mut asset = asset("x");
    asset.metadata.name = "n".repeat(65);
    asset.metadata.description = "é".repeat(200);
    let id = service.store(asset).await.expect("store");
    let metadata = service.metadata(id).await.expect("metadata").expect("stored");
    assert_eq!(metadata.name, "n".repeat(64));
    assert_eq!(metadata.description, "é".repeat(64));
}

async fn what_no_store_takes_is_refused(service: &SqlAssetService) {
    let mut without_data = asset("");
    without_data.data = None;
    let mut long_creator = asset("x");
    long_creator.metadata.creator = Some("x".repeat(129));
    for asset in [without_data, long_creator] {
        let id = asset.metadata.id;
        assert_eq!(service.store(asset).await.expect_err("refused").kind, ErrorKind::Refused);
        assert_eq!(service.exist(&[id]).await.expect("exist"), [false]);
    }
}

async fn characters_that_a_column_cannot_hold(service: &SqlAssetService, backend: Backend) {
    // The table of MySQL holds characters of up to three bytes, PostgreSQL no U+0000.
    for (text, refusing) in [("smile 😀", Some(Backend::MySql)), ("a\0b", Some(Backend::Postgres)), ("日本", None)] {
        for field in 0..3 {
            let mut asset = asset("x");
            match field {
                0 => asset.metadata.name = text.to_owned(),
                1 => asset.metadata.description = text.to_owned(),
                _ => asset.metadata.creator = Some(text.to_owned()),
            }
            let id = asset.metadata.id;
            let stored = service.store(asset.clone()).await;
            if refusing == Some(backend) {
                assert_eq!(stored.expect_err(text).kind, ErrorKind::Refused, "{text:?}");
                assert_eq!(service.get(id).await.expect("get"), None);
            } else {
                assert_eq!(stored.expect(text), id);
                assert_eq!(service.get(id).await.expect("get"), Some(asset));
            }
        }
    }
}

async fn existence_keeps_the_order(service: &SqlAssetService) {
    let here = service.store(asset("here")).await.expect("store");
    let there = service.store(asset("there")).await.expect("store");
    assert_eq!(service.exist(&[]).await.expect("exist"), Vec::<bool>::new());
    let asked = [here, Uuid::new_v4(), there, here, Uuid::nil()];
    assert_eq!(service.exist(&asked).await.expect("exist"), [true, false, true, true, false]);

    let mut many: Vec<Uuid> = (0..9000).map(|_| Uuid::new_v4()).collect();
    many[17] = here;
    many[8999] = there;
    let expected: Vec<bool> = (0..9000).map(|index| index == 17 || index == 8999).collect();
    assert_eq!(service.exist(&many).await.expect("exist"), expected);
}

async fn delete_is_true_twice(service: &SqlAssetService) {
    let id = service.store(asset("short life")).await.expect("store");
    assert!(service.delete(id).await.expect("delete"));
    assert_eq!(service.get(id).await.expect("get"), None);
    assert!(service.delete(id).await.expect("delete"));
}

async fn the_same_asset_many_times_at_once(service: &SqlAssetService) {
    let asset = asset(vec![7; 2000]);
    let id = asset.metadata.id;
    let stores = (0..16).map(|_| {
        let (service, asset) = (service.clone(), asset.clone());
        tokio::spawn(async move { service.store(asset).await })
    });
    for stored in futures_util::future::join_all(stores).await {
        assert_eq!(stored.expect("task").expect("store"), id);
    }
    assert_eq!(service.get(id).await.expect("get"), Some(asset));
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

async fn large_content(service: &SqlAssetService) {
    // More than MySQL puts into one packet of its protocol, when the server takes it; else it must say no and go on.
    let data: Vec<u8> = (0..17_000_000_u32).map(|index| (index % 251) as u8).collect();
    let asset = asset(data);
    let id = asset.metadata.id;
    match service.store(asset.clone()).await {
        Ok(_) => assert!(service.get(id).await.expect("get") == Some(asset)),
        Err(error) => {
            assert_eq!(error.kind, ErrorKind::Refused, "{error}");
            assert!(error.message.contains("max_allowed_packet"), "{error}");
        }
    }
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
