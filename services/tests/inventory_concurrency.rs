//! Several clients at once on one inventory, and one large change beside others.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::TestDatabase;
use common::inventory_battery::{add_folder, folder, item, of_type, user, version};
use futures_util::future::join_all;
use gridshell_interfaces::inventory::{FolderType, InventoryItem, InventoryService, ItemMove};
use gridshell_services::database::{Backend, Database};
use gridshell_services::inventory::{InventoryOptions, SqlInventoryService};
use uuid::Uuid;

async fn service(database: &Database) -> Arc<SqlInventoryService> {
    Arc::new(SqlInventoryService::open(database.clone(), InventoryOptions::default()).await.expect("service"))
}

/// Two clients, each with its own connections, write to one folder and move things in and out; a third reads the version.
async fn two_writers_lose_nothing(test: TestDatabase) {
    const ROUNDS: usize = 60;
    let databases = [test.open().await, test.open().await];
    let services = [service(&databases[0]).await, service(&databases[1]).await];
    let (user, root) = user(&*services[0]).await;
    let shared = add_folder(&*services[0], user, root, "shared").await;
    let other = add_folder(&*services[0], user, root, "other").await;
    let writers = services.clone().map(|service| {
        tokio::spawn(async move {
            let mut kept: Vec<Uuid> = Vec::new();
            for round in 0..ROUNDS {
                let before = version(&*service, shared).await;
                let new = item(user, shared, &round.to_string());
                assert!(service.add_item(new.clone()).await.expect("add"));
                assert!(version(&*service, shared).await > before);
                match round % 4 {
                    0 => assert!(service.delete_items(&[new.id], Some(user)).await.expect("delete")),
                    1 => {
                        let away = ItemMove { item: new.id, folder: other };
                        assert!(service.move_items(&[away], Some(user)).await.expect("move"));
                        kept.push(new.id);
                    }
                    2 => {
                        let renamed = InventoryItem { name: "renamed".to_owned(), ..new.clone() };
                        assert!(service.update_item(renamed).await.expect("update"));
                        assert!(service.add_folder(folder(user, shared, "sub")).await.expect("add folder"));
                        kept.push(new.id);
                    }
                    _ => kept.push(new.id),
                }
            }
            kept
        })
    });
    let reader = {
        let service = Arc::clone(&services[0]);
        tokio::spawn(async move {
            let mut last = 0;
            for _ in 0..200 {
                let now = version(&*service, shared).await;
                assert!(now >= last, "the version fell from {last} to {now}");
                last = now;
            }
        })
    };
    let mut kept = Vec::new();
    for writer in writers {
        kept.extend(writer.await.expect("writer"));
    }
    reader.await.expect("reader");
    let found = services[1].items(&kept, Some(user)).await.expect("items");
    assert_eq!(found.iter().flatten().count(), kept.len(), "no item disappears");
    // 1 at first, and in each four rounds of each writer: 4 added, 1 deleted, 1 moved, 1 renamed and 1 folder.
    let changes = 2 * (ROUNDS / 4) * 8;
    assert_eq!(usize::from(version(&*services[0], shared).await), 1 + changes, "each change counts");
    assert_eq!(usize::from(version(&*services[0], other).await), 1 + 2 * ROUNDS / 4);
    for database in databases {
        database.close().await;
    }
    test.remove().await;
}

/// One user logs in for the first time, in many places at once.
async fn an_inventory_is_created_once(test: TestDatabase) {
    let databases = [test.open().await, test.open().await];
    let services = [service(&databases[0]).await, service(&databases[1]).await];
    for _ in 0..5 {
        let user = Uuid::new_v4();
        let creations = (0..12).map(|number| {
            let service = Arc::clone(&services[number % 2]);
            tokio::spawn(async move { service.create_user_inventory(user).await.expect("create") })
        });
        let created: Vec<_> = join_all(creations).await.into_iter().map(|task| task.expect("task")).collect();
        assert_eq!(created.iter().filter(|created| **created).count(), 1, "one of them made the root folder");
        assert_eq!(services[0].skeleton(user).await.expect("skeleton").len(), 21);
    }
    // Many users for the first time at once.
    let users: Vec<_> = (0..16).map(|_| Uuid::new_v4()).collect();
    let creations = users.iter().enumerate().map(|(number, user)| services[number % 2].create_user_inventory(*user));
    for created in join_all(creations).await {
        assert!(created.expect("create"));
    }
    for user in users {
        assert_eq!(services[0].check(user).await.expect("check").findings, []);
    }
    for database in databases {
        database.close().await;
    }
    test.remove().await;
}

/// Two folders are moved into each other at the same time.
async fn moves_that_meet_make_no_cycle(test: TestDatabase) {
    let database = test.open().await;
    let service = service(&database).await;
    let (user, root) = user(&*service).await;
    for _ in 0..20 {
        let (a, b) = (add_folder(&*service, user, root, "a").await, add_folder(&*service, user, root, "b").await);
        let moves = [(a, b), (b, a)].map(|(id, parent)| {
            let service = Arc::clone(&service);
            tokio::spawn(async move { service.move_folder(id, parent, Some(user)).await.expect("move") })
        });
        let moved: Vec<_> = join_all(moves).await.into_iter().map(|task| task.expect("task")).collect();
        assert_eq!(moved.iter().filter(|moved| **moved).count(), 1);
    }
    assert_eq!(service.check(user).await.expect("check").findings, []);
    database.close().await;
    test.remove().await;
}

/// A tree of 50,000 items is deleted in one transaction, while another user goes on.
async fn a_large_trash_is_emptied(test: TestDatabase) {
    const FOLDERS: usize = 500;
    const ITEMS: usize = 50_000;
    let database = test.open().await;
    let service = service(&database).await;
    let (user, _) = user(&*service).await;
    let trash = of_type(&*service, user, FolderType::TRASH).await;
    // Half of the folders are in one another, half beside each other.
    let mut folders = vec![trash];
    for number in 0..FOLDERS {
        let parent = if number % 2 == 0 { trash } else { folders[folders.len() - 1] };
        folders.push(add_folder(&*service, user, parent, "x").await);
    }
    let first = item(user, folders[1], "x");
    assert!(service.add_item(first.clone()).await.expect("add"));
    fill(&database, first.id, &folders, ITEMS).await;
    assert_eq!(service.check(user).await.expect("check").items, ITEMS + 1);

    let (other, others_root) = self::user(&*service).await;
    let purge = {
        let service = Arc::clone(&service);
        tokio::spawn(async move { service.purge_folder(trash, Some(user)).await.expect("purge") })
    };
    let mut meanwhile = 0;
    while !purge.is_finished() {
        // On SQLite a write waits for its turn, on servers for nothing.
        let added = tokio::time::timeout(Duration::from_secs(20), service.add_item(item(other, others_root, "x"))).await;
        assert!(added.expect("no endless waiting").expect("add"));
        assert!(service.folder_content(others_root, Some(other)).await.expect("content").is_some());
        meanwhile += 1;
    }
    assert!(purge.await.expect("task"));
    let report = service.check(user).await.expect("check");
    assert_eq!((report.folders, report.items, report.findings), (21, 0, vec![]));
    assert_eq!(service.folder_items(others_root, Some(other)).await.expect("items").len(), meanwhile);
    database.close().await;
    test.remove().await;
}

/// Copies an item many times, spread over the folders.
async fn fill(database: &Database, item: Uuid, folders: &[Uuid], count: usize) {
    let quote = if database.backend() == Backend::Postgres { "\"" } else { "" };
    let column = |name: &str| format!("{quote}{name}{quote}");
    let (id, folder) = (column("inventoryID"), column("parentFolderID"));
    let others = [
        "assetID",
        "assetType",
        "inventoryName",
        "inventoryDescription",
        "inventoryNextPermissions",
        "inventoryCurrentPermissions",
        "invType",
        "creatorID",
        "inventoryBasePermissions",
        "inventoryEveryOnePermissions",
        "salePrice",
        "saleType",
        "creationDate",
        "groupID",
        "groupOwned",
        "flags",
        "avatarID",
        "inventoryGroupPermissions",
    ]
    .map(column)
    .join(", ");
    let per_folder = count / (folders.len() - 1);
    let mut values: Vec<String> = Vec::new();
    for target in &folders[1..] {
        values.extend((0..per_folder).map(|_| format!("('{}', '{target}')", Uuid::new_v4())));
    }
    let cast = if database.backend() == Backend::Postgres { "::uuid" } else { "" };
    common::execute(database, "CREATE TABLE places (item varchar(36), folder varchar(36))").await;
    for chunk in values.chunks(5_000) {
        common::execute(database, &format!("INSERT INTO places VALUES {}", chunk.join(", "))).await;
    }
    common::execute(
        database,
        &format!(
            "INSERT INTO inventoryitems ({id}, {folder}, {others}) SELECT places.item{cast}, places.folder{cast}, {others} \
             FROM inventoryitems, places WHERE {id} = '{item}'"
        ),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_two_writers_lose_nothing() {
    two_writers_lose_nothing(TestDatabase::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql_two_writers_lose_nothing() {
    if let Some(test) = TestDatabase::mysql().await {
        two_writers_lose_nothing(test).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_two_writers_lose_nothing() {
    if let Some(test) = TestDatabase::postgres().await {
        two_writers_lose_nothing(test).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_an_inventory_is_created_once() {
    an_inventory_is_created_once(TestDatabase::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql_an_inventory_is_created_once() {
    if let Some(test) = TestDatabase::mysql().await {
        an_inventory_is_created_once(test).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_an_inventory_is_created_once() {
    if let Some(test) = TestDatabase::postgres().await {
        an_inventory_is_created_once(test).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_moves_that_meet_make_no_cycle() {
    moves_that_meet_make_no_cycle(TestDatabase::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql_moves_that_meet_make_no_cycle() {
    if let Some(test) = TestDatabase::mysql().await {
        moves_that_meet_make_no_cycle(test).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_moves_that_meet_make_no_cycle() {
    if let Some(test) = TestDatabase::postgres().await {
        moves_that_meet_make_no_cycle(test).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_a_large_trash_is_emptied() {
    a_large_trash_is_emptied(TestDatabase::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql_a_large_trash_is_emptied() {
    if let Some(test) = TestDatabase::mysql().await {
        a_large_trash_is_emptied(test).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_a_large_trash_is_emptied() {
    if let Some(test) = TestDatabase::postgres().await {
        a_large_trash_is_emptied(test).await;
    }
}
