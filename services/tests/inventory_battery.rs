//! What the inventory service promises, checked on every database.

mod common;

use common::inventory_battery::{add_folder, folder, item, of_type, user};
use common::{TestDatabase, execute, inventory_battery, texts, versions};
use gridshell_interfaces::ErrorKind;
use gridshell_interfaces::inventory::{FolderType, InventoryFolder, InventoryItem, InventoryService, ItemMove, asset_types};
use gridshell_services::database::{Backend, Database};
use gridshell_services::inventory::{InventoryOptions, SqlInventoryService};
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread")]
async fn sqlite() {
    battery(TestDatabase::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_with_utf16_text() {
    let mut test = TestDatabase::sqlite();
    test.connection_string.push_str(";UseUTF16Encoding=True");
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
    let service = SqlInventoryService::open(database.clone(), InventoryOptions::default()).await.expect("service");
    inventory_battery::battery(&service).await;
    the_rows_are_those_of_the_original(&service, &database).await;
    characters_that_a_column_cannot_hold(&service, test.backend).await;
    without_deleting(&database).await;
    without_owner_checks(&database).await;
    a_change_is_all_or_nothing(&service, &database).await;
    a_lost_table_is_an_error(&service, &database).await;
    database.close().await;
    assert_eq!(service.skeleton(Uuid::nil()).await.expect_err("closed").kind, ErrorKind::Unavailable);
    assert_eq!(service.create_user_inventory(Uuid::nil()).await.expect_err("closed").kind, ErrorKind::Unavailable);
    test.remove().await;
}

async fn the_rows_are_those_of_the_original(service: &SqlInventoryService, database: &Database) {
    let (user, root) = user(service).await;
    let upper = Uuid::from_u128(0xABCDEFAB_CDEF_4ABC_8DEF_ABCDEFABCDEF);
    let stored = InventoryItem {
        id: upper,
        creator_id: "id".to_owned(),
        creator_data: "http://grid:8002/;John Doe".to_owned(),
        group_owned: true,
        ..item(user, root, "x")
    };
    assert!(service.add_item(stored).await.expect("add"));
    let id = "abcdefab-cdef-4abc-8def-abcdefabcdef";
    let (sql, expected, version) = match database.backend() {
        Backend::Sqlite => (
            format!(
                "SELECT inventoryID || ' ' || creatorID || ' ' || groupID || ' ' || groupOwned FROM inventoryitems \
                 WHERE inventoryID = '{id}'"
            ),
            "1",
            "XInventoryStore=2",
        ),
        Backend::MySql => (
            format!(
                "SELECT CONCAT(inventoryID, ' ', creatorID, ' ', groupID, ' ', groupOwned) FROM inventoryitems \
                 WHERE BINARY inventoryID = '{id}'"
            ),
            "1",
            "InventoryStore=7",
        ),
        Backend::Postgres => (
            format!(
                r#"SELECT "inventoryID" || ' ' || "creatorID" || ' ' || "groupID" || ' ' || "groupOwned" FROM inventoryitems
                   WHERE "inventoryID" = '{id}'"#
            ),
            "true",
            "InventoryStore=10",
        ),
    };
    let expected = format!("{id} id;http://grid:8002/;John Doe {} {expected}", Uuid::nil());
    assert_eq!(texts(database, &sql).await, [expected]);
    assert_eq!(versions(database).await, [version, "migrations=1"]);
}

async fn characters_that_a_column_cannot_hold(service: &SqlInventoryService, backend: Backend) {
    let (user, root) = user(service).await;
    let before = service.folder(root, None).await.expect("root");
    // The columns of MariaDB and MySQL have three bytes for a character; PostgreSQL holds no U+0000.
    for (text, refused) in [("smile 😀", backend == Backend::MySql), ("a\0b", backend == Backend::Postgres)] {
        let bad_item = item(user, root, text);
        let bad_folder = folder(user, root, text);
        let (item_id, folder_id) = (bad_item.id, bad_folder.id);
        if refused {
            assert_eq!(service.add_item(bad_item).await.expect_err("refused").kind, ErrorKind::Refused);
            assert_eq!(service.add_folder(bad_folder).await.expect_err("refused").kind, ErrorKind::Refused);
            assert_eq!(service.item(item_id, None).await.expect("item"), None);
            assert_eq!(service.folder(folder_id, None).await.expect("folder"), None);
        } else {
            assert!(service.add_item(bad_item).await.expect("add"));
            assert!(service.add_folder(bad_folder).await.expect("add"));
            assert_eq!(service.item(item_id, None).await.expect("item").expect("it").name, text);
            assert_eq!(service.folder(folder_id, None).await.expect("folder").expect("it").name, text);
        }
    }
    if backend != Backend::Sqlite {
        let after = service.folder(root, None).await.expect("root").expect("root").version;
        assert_eq!(after, before.expect("root").version + 2, "only what was stored counts");
    }
}

async fn without_deleting(database: &Database) {
    let options = InventoryOptions { allow_delete: false, ..InventoryOptions::default() };
    let service = SqlInventoryService::open(database.clone(), options).await.expect("service");
    let (user, root) = user(&service).await;
    let trash = of_type(&service, user, FolderType::TRASH).await;
    let in_trash = add_folder(&service, user, trash, "x").await;
    let plain = item(user, trash, "plain");
    let link = InventoryItem { asset_type: asset_types::LINK, ..item(user, root, "link") };
    let folder_link = InventoryItem { asset_type: asset_types::LINK_FOLDER, ..item(user, root, "folder link") };
    for item in [&plain, &link, &folder_link] {
        assert!(service.add_item(item.clone()).await.expect("add"));
    }
    assert!(!service.purge_folder(trash, Some(user)).await.expect("purge"));
    assert!(!service.delete_folders(&[in_trash], Some(user)).await.expect("delete"));
    assert!(service.folder(in_trash, None).await.expect("folder").is_some());
    assert!(!service.update_item(link.clone()).await.expect("update"));
    assert!(service.update_item(plain.clone()).await.expect("update"));
    let ids = [plain.id, link.id, folder_link.id];
    assert!(service.delete_items(&ids, Some(user)).await.expect("delete"));
    assert_eq!(service.items(&ids, None).await.expect("items"), [Some(plain), None, None]);
}

async fn without_owner_checks(database: &Database) {
    let options = InventoryOptions { strict_owner: false, ..InventoryOptions::default() };
    let service = SqlInventoryService::open(database.clone(), options).await.expect("service");
    let (user, root) = user(&service).await;
    let (other, others_root) = self::user(&service).await;
    let mut stored = item(user, root, "x");
    assert!(service.add_item(stored.clone()).await.expect("add"));
    assert!(service.item(stored.id, Some(other)).await.expect("item").is_some());
    assert!(service.folder(root, Some(other)).await.expect("folder").is_some());
    let content = service.folder_content(root, Some(other)).await.expect("content").expect("it");
    assert_eq!((content.owner, content.folders.len(), content.items.len()), (user, 18, 1));
    let unknown = Uuid::new_v4();
    let lost = item(user, unknown, "lost");
    assert!(service.add_item(lost.clone()).await.expect("add"));
    let content = service.folder_content(unknown, Some(user)).await.expect("content").expect("even without a row");
    assert_eq!((content.folder, content.owner, content.version, content.items), (unknown, Uuid::nil(), 0, vec![lost]));
    assert_eq!(service.folder_content(Uuid::nil(), Some(user)).await.expect("content"), None);
    assert!(service.update_item(InventoryItem { owner: other, name: "y".to_owned(), ..stored.clone() }).await.expect("update"));
    stored.name = "y".to_owned();
    assert_eq!(service.item(stored.id, None).await.expect("item"), Some(stored.clone()), "the owner stays");
    let to_other = ItemMove { item: stored.id, folder: others_root };
    assert!(service.move_items(&[to_other], Some(other)).await.expect("move"));
    assert!(service.delete_items(&[stored.id], Some(other)).await.expect("delete"));
    assert_eq!(service.item(stored.id, None).await.expect("item"), None);
}

/// A transaction that fails in its second statement leaves nothing of the first.
async fn a_change_is_all_or_nothing(service: &SqlInventoryService, database: &Database) {
    let (user, root) = user(service).await;
    let (rename, back) = match database.backend() {
        Backend::MySql => (
            "ALTER TABLE inventoryfolders CHANGE version elsewhere int(11) NOT NULL DEFAULT 0",
            "ALTER TABLE inventoryfolders CHANGE elsewhere version int(11) NOT NULL DEFAULT 0",
        ),
        _ => (
            "ALTER TABLE inventoryfolders RENAME COLUMN version TO elsewhere",
            "ALTER TABLE inventoryfolders RENAME COLUMN elsewhere TO version",
        ),
    };
    execute(database, rename).await;
    let new = item(user, root, "x");
    let id = new.id;
    assert_eq!(service.add_item(new).await.expect_err("no version to raise").kind, ErrorKind::Internal);
    execute(database, back).await;
    assert_eq!(service.item(id, None).await.expect("item"), None);
    let system = InventoryFolder { folder_type: FolderType::SUITCASE, ..folder(user, root, "My Suitcase") };
    assert!(service.add_folder(system).await.expect("it works again"));
}

async fn a_lost_table_is_an_error(service: &SqlInventoryService, database: &Database) {
    let (user, root) = user(service).await;
    execute(database, "ALTER TABLE inventoryfolders RENAME TO elsewhere").await;
    let kinds = [
        service.root_folder(user).await.expect_err("never None").kind,
        service.skeleton(user).await.expect_err("never empty").kind,
        service.folder_content(root, None).await.expect_err("never None").kind,
        service.create_user_inventory(user).await.expect_err("never false").kind,
        service.delete_folders(&[root], None).await.expect_err("never true").kind,
        service.move_folder(root, root, None).await.expect_err("never false").kind,
    ];
    assert_eq!(kinds, [ErrorKind::Internal; 6]);
    execute(database, "ALTER TABLE elsewhere RENAME TO inventoryfolders").await;
    assert!(service.root_folder(user).await.expect("root").is_some());
}
