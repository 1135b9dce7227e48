//! Connections that die in the middle of a change.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::TestDatabase;
use common::inventory_battery::{add_folder, item, user, version};
use common::proxy::Proxy;
use gridshell_interfaces::ErrorKind;
use gridshell_interfaces::inventory::InventoryService;
use gridshell_services::database::{Database, DatabaseOptions};
use gridshell_services::inventory::{InventoryOptions, SqlInventoryService};

#[tokio::test(flavor = "multi_thread")]
async fn mysql_connections_that_die() {
    if let Some(test) = TestDatabase::mysql().await {
        connections_that_die(test).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_connections_that_die() {
    if let Some(test) = TestDatabase::postgres().await {
        connections_that_die(test).await;
    }
}

/// Whenever a connection is cut: what was said to be stored is there, and an item and the version of its folder go together.
async fn connections_that_die(test: TestDatabase) {
    const WRITERS: usize = 4;
    const ITEMS: usize = 60;
    let direct = test.open().await;
    let place = direct.to_string();
    let target = place.split_once(':').and_then(|(_, rest)| rest.rsplit_once('/')).map(|(target, _)| target.to_owned());
    let proxy = Proxy::start(&target.expect("host:port")).await;
    let behind = format!("{};Host=127.0.0.1;Port={}", test.connection_string, proxy.port());
    let options = DatabaseOptions { max_connections: 6, ..DatabaseOptions::default() };
    let database = Database::open(test.backend, &behind, &options).await.expect("through the proxy");
    let service = SqlInventoryService::open(database.clone(), InventoryOptions::default()).await.expect("service");
    let service = Arc::new(service);
    let (user, root) = user(&*service).await;

    // Idle connections are replaced without anybody noticing.
    for _ in 0..3 {
        proxy.cut_connections().await;
        let folder = add_folder(&*service, user, root, "idle").await;
        assert!(service.folder(folder, Some(user)).await.expect("look-up").is_some());
    }

    let shared = add_folder(&*service, user, root, "shared").await;
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let service = Arc::clone(&service);
            tokio::spawn(async move {
                let mut stored = Vec::new();
                for number in 0..ITEMS {
                    let new = item(user, shared, &number.to_string());
                    let id = new.id;
                    match service.add_item(new).await {
                        Ok(added) => {
                            assert!(added);
                            stored.push(id);
                        }
                        // Lost while it was committed, or once more after that: nobody knows.
                        Err(error) => assert_eq!(error.kind, ErrorKind::Unavailable, "{error}"),
                    }
                }
                stored
            })
        })
        .collect();
    while !writers.iter().all(tokio::task::JoinHandle::is_finished) {
        tokio::time::sleep(Duration::from_millis(10)).await;
        proxy.cut_connections().await;
    }
    let mut stored = Vec::new();
    for writer in writers {
        stored.extend(writer.await.expect("writer"));
    }
    let direct_service = SqlInventoryService::open(direct.clone(), InventoryOptions::default()).await.expect("service");
    let found = direct_service.items(&stored, Some(user)).await.expect("items");
    assert!(found.iter().all(Option::is_some), "what was said to be stored is there");
    // A commit that had reached the server before its connection was cut may still be under way. It has the folder for itself until it is
    // done, and whoever changes the folder now waits for that.
    assert!(direct_service.add_item(item(user, shared, "the last")).await.expect("addition"));
    let items = direct_service.folder_items(shared, Some(user)).await.expect("items").len();
    assert!(items > stored.len());
    assert_eq!(usize::from(version(&direct_service, shared).await), 1 + items, "an item without its version, or the reverse");
    database.close().await;
    direct.close().await;
    test.remove().await;
}
