//! Inventories that OpenSimulator made, in old and in broken versions (schema.md sections 3, 7, 8 and 10).

mod common;

use std::time::Duration;

use common::inventory_battery::{add_folder, item, of_type, user};
use common::{TestDatabase, execute, inventory_battery, texts, versions};
use gridshell_interfaces::inventory::{FolderType, InventoryFolder, InventoryItem, InventoryService, ItemMove};
use gridshell_services::database::{Backend, Database};
use gridshell_services::inventory::check::Finding;
use gridshell_services::inventory::{InventoryOptions, SqlInventoryService};
use uuid::Uuid;

const USER: Uuid = Uuid::from_u128(0x01dd0000_0000_4000_8000_000000000001);
const ROOT: Uuid = Uuid::from_u128(0x01dd0000_0000_4000_8000_000000000002);
const ITEM: Uuid = Uuid::from_u128(0x01dd0000_0000_4000_8000_000000000003);

async fn open(test: &TestDatabase) -> (Database, SqlInventoryService) {
    let database = test.open().await;
    let service = SqlInventoryService::open(database.clone(), InventoryOptions::default()).await.expect("the database opens");
    (database, service)
}

/// The item [`ITEM`] of a row that has nothing but ids.
fn empty_item() -> InventoryItem {
    InventoryItem {
        id: ITEM,
        asset_id: Uuid::nil(),
        asset_type: 0,
        inventory_type: 0,
        creator_id: String::new(),
        name: String::new(),
        description: String::new(),
        next_permissions: 0,
        current_permissions: 0,
        base_permissions: 0,
        creation_date: 0,
        ..item(USER, ROOT, "")
    }
}

/// Works with the user whose rows the test has put there.
async fn expect_working(service: &SqlInventoryService, root: &str, expected: InventoryItem) {
    let found = service.root_folder(USER).await.expect("root").expect("the old row");
    let old = InventoryFolder {
        id: ROOT,
        parent: Uuid::nil(),
        owner: USER,
        folder_type: FolderType::ROOT,
        version: 7,
        name: root.to_owned(),
    };
    assert_eq!(found, old);
    assert_eq!(service.item(ITEM, Some(USER)).await.expect("item"), Some(expected.clone()));
    let content = service.folder_content(ROOT, Some(USER)).await.expect("content").expect("it");
    assert_eq!((content.version, content.items), (7, vec![expected.clone()]));
    assert!(!service.create_user_inventory(USER).await.expect("create"));
    let trash = of_type(service, USER, FolderType::TRASH).await;
    assert!(service.update_item(InventoryItem { name: "new name".to_owned(), ..expected }).await.expect("update"));
    assert!(service.move_items(&[ItemMove { item: ITEM, folder: trash }], Some(USER)).await.expect("move"));
    assert!(service.purge_folder(trash, Some(USER)).await.expect("purge"));
    assert_eq!(service.item(ITEM, None).await.expect("item"), None);
    assert_eq!(service.check(USER).await.expect("check").findings, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_with_nulls_and_missing_columns() {
    let test = TestDatabase::sqlite();
    let database = test.open().await;
    for sql in [
        "CREATE TABLE inventoryfolders (folderName varchar(64), type integer, version integer, folderID varchar(36) PRIMARY KEY, \
         agentID varchar(36), parentFolderID varchar(36))",
        "CREATE TABLE inventoryitems (assetID varchar(36), assetType integer, inventoryName varchar(64), \
         inventoryDescription varchar(128), inventoryNextPermissions integer, inventoryCurrentPermissions integer, invType integer, \
         creatorID varchar(128), inventoryBasePermissions integer, inventoryEveryOnePermissions integer, \
         inventoryID varchar(36) PRIMARY KEY, avatarID varchar(36), parentFolderID varchar(36))",
        "CREATE TABLE migrations (name varchar(100), version int)",
        "INSERT INTO migrations VALUES ('migrations', 1), ('XInventoryStore', 1)",
        // Blobs, numbers in text and half a character, too.
        "INSERT INTO inventoryfolders VALUES (x'4df6', '8', '7', '01dd0000-0000-4000-8000-000000000002', \
         '01dd0000-0000-4000-8000-000000000001', '00000000-0000-0000-0000-000000000000')",
        "INSERT INTO inventoryfolders VALUES (NULL, NULL, NULL, 'no id', NULL, NULL)",
        "INSERT INTO inventoryitems (inventoryID, avatarID, parentFolderID, inventoryName, inventoryBasePermissions) VALUES \
         ('01dd0000-0000-4000-8000-000000000003', '01dd0000-0000-4000-8000-000000000001', \
         '01dd0000-0000-4000-8000-000000000002', 17, '4294967295')",
    ] {
        execute(&database, sql).await;
    }
    database.close().await;
    let (database, service) = open(&test).await;
    assert_eq!(versions(&database).await, ["XInventoryStore=2", "migrations=1"]);
    let expected =
        InventoryItem { name: "17".to_owned(), base_permissions: u32::MAX, sale_price: 99, creation_date: 2000, ..empty_item() };
    let stored = service.item(ITEM, None).await.expect("item");
    assert_eq!(stored, Some(expected.clone()));
    // Such a mask can be read, and not be written again.
    assert!(service.update_item(expected.clone()).await.is_err());
    execute(&database, "UPDATE inventoryitems SET inventoryBasePermissions = 5").await;
    expect_working(&service, "M\u{fffd}", InventoryItem { base_permissions: 5, ..expected }).await;
    database.close().await;
    test.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql_with_nulls_missing_columns_and_large_masks() {
    let Some(test) = TestDatabase::mysql().await else { return };
    let database = test.open().await;
    for sql in [
        "CREATE TABLE inventoryfolders (folderName varchar(64), type smallint(6) NOT NULL DEFAULT 0, version int(11) NOT NULL DEFAULT 0, \
         folderID char(36) NOT NULL DEFAULT '', agentID char(36), parentFolderID char(36), PRIMARY KEY (folderID)) \
         ENGINE=InnoDB DEFAULT CHARSET=latin1",
        "CREATE TABLE inventoryitems (assetID varchar(36), assetType int(11), inventoryName varchar(64), \
         inventoryDescription varchar(128), inventoryNextPermissions int(10) unsigned, inventoryCurrentPermissions int(10) unsigned, \
         invType int(11), creatorID varchar(255), inventoryBasePermissions int(10) unsigned NOT NULL DEFAULT 0, \
         inventoryEveryOnePermissions int(10) unsigned NOT NULL DEFAULT 0, inventoryID char(36) NOT NULL DEFAULT '', \
         avatarID char(36), parentFolderID char(36), PRIMARY KEY (inventoryID)) ENGINE=InnoDB DEFAULT CHARSET=latin1",
        "CREATE TABLE migrations (name varchar(100), version int)",
        "INSERT INTO migrations VALUES ('migrations', 1), ('InventoryStore', 4)",
        "INSERT INTO inventoryfolders VALUES ('Möbel', 8, 7, '01dd0000-0000-4000-8000-000000000002', \
         '01dd0000-0000-4000-8000-000000000001', '00000000-0000-0000-0000-000000000000')",
        "INSERT INTO inventoryfolders VALUES (NULL, 0, 0, 'no id', NULL, NULL)",
        "INSERT INTO inventoryitems (inventoryID, avatarID, parentFolderID, inventoryBasePermissions) VALUES \
         ('01dd0000-0000-4000-8000-000000000003', '01dd0000-0000-4000-8000-000000000001', \
         '01dd0000-0000-4000-8000-000000000002', 4294967295)",
    ] {
        execute(&database, sql).await;
    }
    let (second, service) = open(&test).await;
    assert_eq!(versions(&database).await, ["InventoryStore=7", "migrations=1"]);
    let expected = InventoryItem { base_permissions: u32::MAX, ..empty_item() };
    assert_eq!(service.item(ITEM, None).await.expect("item"), Some(expected.clone()));
    execute(&database, "UPDATE inventoryitems SET inventoryBasePermissions = 5").await;
    expect_working(&service, "Möbel", InventoryItem { base_permissions: 5, ..expected }).await;
    second.close().await;
    database.close().await;
    test.remove().await;
}

/// What version 0.9.2.2 leaves: steps 4 and 10 have failed (schema.md section 10).
#[tokio::test(flavor = "multi_thread")]
async fn postgres_made_by_0_9_2_2() {
    let Some(test) = TestDatabase::postgres().await else { return };
    let (database, _) = open(&test).await;
    execute(
        &database,
        r#"ALTER TABLE inventoryitems ALTER COLUMN "inventoryID" DROP DEFAULT,
           ALTER COLUMN "inventoryID" TYPE varchar(36), ALTER COLUMN "assetID" TYPE varchar(36),
           ALTER COLUMN "parentFolderID" TYPE varchar(36), ALTER COLUMN "avatarID" TYPE varchar(36),
           ALTER COLUMN "groupID" TYPE varchar(36)"#,
    )
    .await;
    execute(&database, r#"ALTER TABLE inventoryitems ALTER COLUMN "inventoryID" SET DEFAULT ''"#).await;
    database.close().await;
    let (database, service) = open(&test).await;
    inventory_battery::battery(&service).await;
    let types = "SELECT DISTINCT data_type::text FROM information_schema.columns WHERE table_name = 'inventoryitems' AND \
        column_name IN ('inventoryID', 'assetID', 'parentFolderID', 'avatarID', 'groupID')";
    assert_eq!(texts(&database, types).await, ["character varying"], "the table stays as it is");
    execute(&database, r#"INSERT INTO inventoryitems ("inventoryID", "avatarID") VALUES ('no id', '')"#).await;
    execute(
        &database,
        &format!(
            r#"INSERT INTO inventoryfolders VALUES ('{ROOT}', '{USER}', '{}', 'x', 8, 7);
               INSERT INTO inventoryitems ("inventoryID", "avatarID", "parentFolderID", "creatorID")
               VALUES ('{ITEM}', '{USER}', '{ROOT}', NULL)"#,
            Uuid::nil()
        ),
    )
    .await;
    expect_working(&service, "x", empty_item()).await;
    assert!(service.users_after(None, 100).await.expect("users").contains(&USER));
    database.close().await;
    test.remove().await;
}

/// The first version of the tables: all ids are text, and some columns are not there yet.
#[tokio::test(flavor = "multi_thread")]
async fn postgres_from_version_1() {
    let Some(test) = TestDatabase::postgres().await else { return };
    for (garbage, id_type) in [(false, "uuid"), (true, "character varying")] {
        let database = test.open().await;
        execute(&database, "DROP TABLE IF EXISTS inventoryfolders, inventoryitems, migrations").await;
        for sql in [
            r#"CREATE TABLE inventoryfolders ("folderID" varchar(36) NOT NULL DEFAULT '' PRIMARY KEY, "agentID" varchar(36),
               "parentFolderID" varchar(36), "folderName" varchar(64), type smallint NOT NULL DEFAULT 0,
               version integer NOT NULL DEFAULT 0)"#,
            r#"CREATE TABLE inventoryitems ("inventoryID" varchar(36) NOT NULL DEFAULT '' PRIMARY KEY, "assetID" varchar(36),
               "assetType" integer, "parentFolderID" varchar(36), "avatarID" varchar(36), "inventoryName" varchar(64),
               "inventoryDescription" varchar(128), "inventoryNextPermissions" integer, "inventoryCurrentPermissions" integer,
               "invType" integer, "creatorID" varchar(128), "inventoryBasePermissions" integer NOT NULL,
               "inventoryEveryOnePermissions" integer NOT NULL, "salePrice" integer, "SaleType" smallint, "creationDate" integer,
               "groupID" varchar(36) DEFAULT '', "groupOwned" smallint, flags integer)"#,
            "CREATE TABLE migrations (name varchar(100), version int)",
            "INSERT INTO migrations VALUES ('migrations', 1), ('InventoryStore', 1)",
        ] {
            execute(&database, sql).await;
        }
        execute(&database, &format!("INSERT INTO inventoryfolders VALUES ('{ROOT}', '{USER}', '{}', 'x', 8, 7)", Uuid::nil()))
            .await;
        let group = if garbage { "''" } else { "NULL" };
        execute(
            &database,
            &format!(
                r#"INSERT INTO inventoryitems ("inventoryID", "avatarID", "parentFolderID", "inventoryBasePermissions",
                   "inventoryEveryOnePermissions", "groupID") VALUES ('{ITEM}', '{USER}', '{ROOT}', 0, 0, {group})"#
            ),
        )
        .await;
        database.close().await;
        let (database, service) = open(&test).await;
        assert_eq!(versions(&database).await, ["InventoryStore=10", "migrations=1"]);
        let id = "SELECT data_type::text FROM information_schema.columns WHERE table_name = 'inventoryitems' AND \
            column_name = 'groupID'";
        assert_eq!(texts(&database, id).await, [id_type]);
        expect_working(&service, "x", empty_item()).await;
        inventory_battery::battery(&service).await;
        database.close().await;
    }
    test.remove().await;
}

/// The parent of a folder, as ROBUST could set it to anything.
async fn set_parent(database: &Database, folder: Uuid, parent: Uuid) {
    let sql = match database.backend() {
        Backend::Postgres => {
            format!(r#"UPDATE inventoryfolders SET "parentFolderID" = '{parent}' WHERE "folderID" = '{folder}'"#)
        }
        _ => format!("UPDATE inventoryfolders SET parentFolderID = '{parent}' WHERE folderID = '{folder}'"),
    };
    execute(database, &sql).await;
}

async fn cycles_do_not_hang(test: TestDatabase) {
    let (database, service) = open(&test).await;
    let (user, root) = user(&service).await;
    let trash = of_type(&service, user, FolderType::TRASH).await;
    let own = add_folder(&service, user, root, "in itself").await;
    let (a, b, c) = {
        let a = add_folder(&service, user, root, "a").await;
        let b = add_folder(&service, user, a, "b").await;
        (a, b, add_folder(&service, user, b, "c").await)
    };
    let in_trash = add_folder(&service, user, trash, "in the trash").await;
    let item_in_c = item(user, c, "x");
    assert!(service.add_item(item_in_c.clone()).await.expect("add"));
    set_parent(&database, own, own).await;
    set_parent(&database, a, c).await;
    // The worst: the root folder in a folder of the trash. Emptying that one would delete everything.
    set_parent(&database, root, in_trash).await;

    let work = async {
        assert_eq!(service.root_folder(user).await.expect("root"), None);
        assert_eq!(service.skeleton(user).await.expect("skeleton").len(), 26);
        for folder in [own, a, b, c, root, trash, in_trash] {
            assert!(!service.purge_folder(folder, Some(user)).await.expect("purge"), "nothing is deleted along a circle");
            assert!(service.folder_content(folder, Some(user)).await.expect("content").is_some());
        }
        assert!(service.delete_folders(&[own, a, b, c, root, trash, in_trash], Some(user)).await.expect("delete"));
        assert_eq!(service.skeleton(user).await.expect("skeleton").len(), 26);
        assert!(!service.move_folder(a, b, Some(user)).await.expect("move"));
        assert!(!service.move_folder(own, own, Some(user)).await.expect("move"));
        assert!(service.item(item_in_c.id, Some(user)).await.expect("item").is_some());
        // A move can break a circle.
        assert!(service.move_folder(root, Uuid::nil(), Some(user)).await.expect("move"));
        assert!(service.move_folder(b, root, Some(user)).await.expect("move"));
        assert!(service.purge_folder(trash, Some(user)).await.expect("purge"));
        let report = service.check(user).await.expect("check");
        assert_eq!(report.findings, [Finding::Cycle(own)]);
        assert!(service.repair(&report).await.expect("repair"));
        assert_eq!(service.check(user).await.expect("check").findings, []);
    };
    tokio::time::timeout(Duration::from_secs(120), work).await.expect("it comes to an end");
    database.close().await;
    test.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_cycles_do_not_hang() {
    cycles_do_not_hang(TestDatabase::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql_cycles_do_not_hang() {
    if let Some(test) = TestDatabase::mysql().await {
        cycles_do_not_hang(test).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_cycles_do_not_hang() {
    if let Some(test) = TestDatabase::postgres().await {
        cycles_do_not_hang(test).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_programs_table_is_an_error() {
    for test in TestDatabase::all().await {
        let database = test.open().await;
        execute(&database, "CREATE TABLE inventoryfolders (colour int)").await;
        let opened = SqlInventoryService::open(database.clone(), InventoryOptions::default()).await;
        let error = opened.expect_err("not ours").to_string();
        assert!(error.contains("inventoryfolders") || error.contains("agentID"), "{error}");
        database.close().await;
        test.remove().await;
    }
}
