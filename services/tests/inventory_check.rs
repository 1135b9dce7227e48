//! Finding what is wrong with an inventory, and putting it right.

mod common;

use common::inventory_battery::{add_folder, item, of_type, user};
use common::{TestDatabase, execute};
use gridshell_interfaces::inventory::{FolderType, InventoryService, ROOT_FOLDER_NAME};
use gridshell_services::database::{Backend, Database};
use gridshell_services::inventory::check::{Finding, Repair, Report};
use gridshell_services::inventory::{InventoryOptions, SqlInventoryService};
use proptest::prelude::*;
use proptest::test_runner::Config;
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread")]
async fn sqlite() {
    everything(TestDatabase::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql() {
    if let Some(test) = TestDatabase::mysql().await {
        everything(test).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres() {
    if let Some(test) = TestDatabase::postgres().await {
        everything(test).await;
    }
}

async fn everything(test: TestDatabase) {
    let database = test.open().await;
    let service = SqlInventoryService::open(database.clone(), InventoryOptions::default()).await.expect("service");
    a_sound_inventory(&service).await;
    all_kinds_of_damage(&service, &database).await;
    a_lost_root(&service, &database).await;
    a_plan_that_is_out_of_date(&service).await;
    all_users_in_batches(&service).await;
    database.close().await;
    test.remove().await;
}

async fn change_folder(database: &Database, folder: Uuid, column: &str, value: &str) {
    let sql = match database.backend() {
        Backend::Postgres => format!(r#"UPDATE inventoryfolders SET "{column}" = '{value}' WHERE "folderID" = '{folder}'"#),
        _ => format!("UPDATE inventoryfolders SET {column} = '{value}' WHERE folderID = '{folder}'"),
    };
    execute(database, &sql).await;
}

async fn delete_folder(database: &Database, folder: Uuid) {
    let quote = if database.backend() == Backend::Postgres { "\"" } else { "" };
    execute(database, &format!("DELETE FROM inventoryfolders WHERE {quote}folderID{quote} = '{folder}'")).await;
}

async fn check(service: &SqlInventoryService, user: Uuid) -> Report {
    service.check(user).await.expect("check")
}

async fn a_sound_inventory(service: &SqlInventoryService) {
    let (user, _) = user(service).await;
    let report = check(service, user).await;
    assert_eq!(report, Report { user, folders: 21, items: 0, findings: vec![], repairs: vec![] });
    assert!(service.repair(&report).await.expect("nothing to do"));
    let nobody = Uuid::new_v4();
    let report = check(service, nobody).await;
    assert_eq!((report.findings.len(), report.repairs.len()), (0, 0));
    assert!(service.repair(&report).await.expect("nothing to do"));
    assert_eq!(service.skeleton(nobody).await.expect("skeleton"), [], "nobody gets an inventory by being looked at");
}

async fn all_kinds_of_damage(service: &SqlInventoryService, database: &Database) {
    let (user, root) = user(service).await;
    let (_, others_root) = self::user(service).await;
    let lost_and_found = of_type(service, user, FolderType::LOST_AND_FOUND).await;
    let textures = of_type(service, user, FolderType::TEXTURE).await;
    let favorites = of_type(service, user, FolderType::FAVORITES).await;
    // The original adds another Textures with each log-in.
    let mut doubles = Vec::new();
    for _ in 0..2 {
        let double = add_folder(service, user, root, "Textures").await;
        change_folder(database, double, "type", "0").await;
        doubles.push(double);
    }
    doubles.sort();
    let in_double = item(user, doubles[1], "in the second Textures");
    let deep_in_double = add_folder(service, user, doubles[1], "deep").await;
    let orphan = add_folder(service, user, root, "orphan").await;
    let below_orphan = add_folder(service, user, orphan, "below").await;
    let gone = Uuid::new_v4();
    change_folder(database, orphan, "parentFolderID", &gone.to_string()).await;
    let stray = add_folder(service, user, root, "at another user's").await;
    change_folder(database, stray, "parentFolderID", &others_root.to_string()).await;
    let (a, b) = (add_folder(service, user, root, "a").await, add_folder(service, user, root, "b").await);
    change_folder(database, a, "parentFolderID", &b.to_string()).await;
    change_folder(database, b, "parentFolderID", &a.to_string()).await;
    let top = add_folder(service, user, Uuid::nil(), "top").await;
    change_folder(database, top, "type", "8").await;
    let suitcase = add_folder(service, user, Uuid::nil(), "My Suitcase").await;
    change_folder(database, suitcase, "type", "100").await;
    delete_folder(database, favorites).await;
    let homeless = item(user, gone, "homeless");
    let kept = item(user, below_orphan, "kept");
    for item in [&in_double, &homeless, &kept] {
        assert!(service.add_item(item.clone()).await.expect("add"));
    }

    let report = check(service, user).await;
    let all_textures = [textures, doubles[0], doubles[1]];
    let mut empty: Vec<_> = all_textures.into_iter().filter(|id| *id != doubles[1]).collect();
    empty.sort();
    let duplicate = |extra| Finding::DuplicateSystemFolder { folder_type: FolderType::TEXTURE, kept: doubles[1], extra };
    let mut orphans = [(orphan, gone), (stray, others_root)];
    orphans.sort();
    let expected = [
        Finding::ExtraTopFolder(top),
        Finding::OrphanFolder { folder: orphans[0].0, parent: orphans[0].1 },
        Finding::OrphanFolder { folder: orphans[1].0, parent: orphans[1].1 },
        Finding::Cycle(a.min(b)),
        Finding::MissingSystemFolder(FolderType::FAVORITES),
        duplicate(empty[0]),
        duplicate(empty[1]),
        Finding::OrphanItem { item: homeless.id, folder: gone },
    ];
    assert_eq!(report.findings, expected);
    let expected = [
        Repair::CreateSystemFolder(FolderType::FAVORITES),
        Repair::Merge { from: empty[0], into: doubles[1] },
        Repair::Merge { from: empty[1], into: doubles[1] },
        Repair::RescueFolder(orphans[0].0),
        Repair::RescueFolder(orphans[1].0),
        Repair::RescueFolder(top),
        Repair::RescueFolder(a.min(b)),
        Repair::RescueItems(vec![homeless.id]),
    ];
    assert_eq!(report.repairs, expected);
    assert_eq!(report.findings[3].to_string(), format!("the folder {} is inside of itself", a.min(b)));
    assert_eq!(report.repairs[0].to_string(), "make the folder 'Favorites' (type 23)");

    assert!(service.repair(&report).await.expect("repair"));
    let after = check(service, user).await;
    assert_eq!((&after.findings[..], &after.repairs[..]), (&[][..], &[][..]));
    assert_eq!(after.items, 3);
    for (folder, parent) in [
        (orphan, lost_and_found),
        (stray, lost_and_found),
        (top, lost_and_found),
        (a.min(b), lost_and_found),
        (a.max(b), a.min(b)),
        (below_orphan, orphan),
        (deep_in_double, doubles[1]),
        (suitcase, Uuid::nil()),
    ] {
        assert_eq!(service.folder(folder, Some(user)).await.expect("folder").expect("not lost").parent, parent);
    }
    assert_eq!(service.folder(top, None).await.expect("folder").expect("it").folder_type, FolderType::NONE);
    let items = service.items(&[in_double.id, homeless.id, kept.id], Some(user)).await.expect("items");
    let folders: Vec<_> = items.into_iter().map(|item| item.expect("not lost").folder).collect();
    assert_eq!(folders, [doubles[1], lost_and_found, below_orphan]);
    assert!(service.folder_for_type(user, FolderType::FAVORITES).await.expect("look-up").is_some());
}

async fn a_lost_root(service: &SqlInventoryService, database: &Database) {
    let (user, root) = user(service).await;
    let trash = of_type(service, user, FolderType::TRASH).await;
    let own = add_folder(service, user, root, "own").await;
    let kept = item(user, root, "kept");
    assert!(service.add_item(kept.clone()).await.expect("add"));
    delete_folder(database, root).await;
    let report = check(service, user).await;
    assert_eq!(report.findings[0], Finding::NoRoot);
    assert_eq!(report.repairs[0], Repair::CreateRoot);
    assert!(report.repairs.contains(&Repair::Reattach { folder: trash, folder_type: FolderType::TRASH }));
    assert!(service.repair(&report).await.expect("repair"));
    assert_eq!(check(service, user).await.findings, []);
    let new_root = service.root_folder(user).await.expect("root").expect("a root");
    assert_eq!((new_root.name.as_str(), new_root.folder_type), (ROOT_FOLDER_NAME, FolderType::ROOT));
    assert_eq!(of_type(service, user, FolderType::TRASH).await, trash, "what was there is used again");
    let lost_and_found = of_type(service, user, FolderType::LOST_AND_FOUND).await;
    assert_eq!(service.folder(own, None).await.expect("folder").expect("it").parent, lost_and_found);
    assert_eq!(service.item(kept.id, None).await.expect("item").expect("it").folder, lost_and_found);
    assert_eq!(service.skeleton(user).await.expect("skeleton").len(), 22, "nothing is made twice");
}

async fn a_plan_that_is_out_of_date(service: &SqlInventoryService) {
    let (user, root) = user(service).await;
    let homeless = item(user, Uuid::new_v4(), "homeless");
    assert!(service.add_item(homeless.clone()).await.expect("add"));
    let report = check(service, user).await;
    assert_eq!(report.repairs, [Repair::RescueItems(vec![homeless.id])]);
    // Something else does not matter, the same thing does.
    add_folder(service, user, root, "another one").await;
    let second = item(user, Uuid::new_v4(), "homeless, too");
    assert!(service.add_item(second.clone()).await.expect("add"));
    assert!(!service.repair(&report).await.expect("not what has to be done now"));
    assert_eq!(service.item(homeless.id, None).await.expect("item"), Some(homeless));
    assert!(service.delete_items(&[second.id], Some(user)).await.expect("delete"));
    assert!(service.repair(&report).await.expect("repair"));
    assert_eq!(check(service, user).await.findings, []);
}

async fn all_users_in_batches(service: &SqlInventoryService) {
    let mut expected = Vec::new();
    for _ in 0..7 {
        expected.push(user(service).await.0);
    }
    // Somebody with an item only.
    let poor = Uuid::new_v4();
    assert!(service.add_item(item(poor, Uuid::new_v4(), "x")).await.expect("add"));
    expected.push(poor);
    let mut users = Vec::new();
    loop {
        let batch = service.users_after(users.last().copied(), 3).await.expect("users");
        assert!(batch.len() <= 3);
        if batch.is_empty() {
            break;
        }
        users.extend(batch);
    }
    assert!(users.is_sorted());
    assert!(expected.iter().all(|user| users.contains(user)));
    let distinct: std::collections::HashSet<_> = users.iter().collect();
    assert_eq!(distinct.len(), users.len());
    let with_folders = service.count_users().await.expect("count");
    assert!(with_folders >= 7 && with_folders <= users.len() as u64);
    let report = check(service, poor).await;
    assert_eq!(report.findings[0], Finding::NoRoot);
    assert!(service.repair(&report).await.expect("repair"));
    assert_eq!(service.skeleton(poor).await.expect("skeleton").len(), 21);
}

/// Whatever the parents and types of the folders are: after the repair nothing is wrong, no item is lost, and each folder can be reached.
#[test]
fn any_damage_is_repaired_sqlite() {
    const FOLDERS: usize = 14;
    const TYPES: [i16; 8] = [-1, -1, -1, 0, 14, 16, 8, 100];
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let test = TestDatabase::sqlite();
    let database = runtime.block_on(test.open());
    let service = runtime.block_on(SqlInventoryService::open(database.clone(), InventoryOptions::default())).expect("service");
    let config = Config { cases: 80, failure_persistence: None, ..Config::default() };
    // Beyond the folders there are two parents more: the zero UUID, and one that does not exist.
    let folders = prop::collection::vec((0..FOLDERS + 2, prop::sample::select(&TYPES[..])), FOLDERS);
    proptest!(config, |(folders in folders, homes in prop::collection::vec(0..FOLDERS + 2, 0..6), with_inventory in any::<bool>())| {
        runtime.block_on(async {
            let user = Uuid::new_v4();
            if with_inventory {
                assert!(service.create_user_inventory(user).await.expect("create"));
            }
            let mut ids: Vec<_> = (0..FOLDERS).map(|_| Uuid::new_v4()).collect();
            ids.extend([Uuid::nil(), Uuid::new_v4()]);
            for (id, (parent, folder_type)) in ids.iter().zip(&folders) {
                let values = format!("'x', {folder_type}, 1, '{id}', '{user}', '{}'", ids[*parent]);
                execute(&database, &format!("INSERT INTO inventoryfolders VALUES ({values})")).await;
            }
            let mut items = Vec::new();
            for home in homes {
                let item = item(user, ids[home], "x");
                items.push(item.id);
                assert!(service.add_item(item).await.expect("add"));
            }
            let report = check(&service, user).await;
            assert_eq!(report.findings.is_empty(), report.repairs.is_empty());
            assert!(service.repair(&report).await.expect("repair"));
            let after = check(&service, user).await;
            assert_eq!(after.findings, []);
            assert_eq!(after.items, items.len());
            let skeleton = service.skeleton(user).await.expect("skeleton");
            for item in service.items(&items, Some(user)).await.expect("items") {
                let folder = item.expect("not lost").folder;
                assert!(skeleton.iter().any(|row| row.id == folder));
            }
        });
    });
    runtime.block_on(database.close());
}
