//! What the services promise when they are asked through other shells: two of them in this process over a database, and the real
//! program over HTTP. (Assets over HTTP are in `asset_battery.rs`; failures on the way in the tests of the connectors.)

mod common;
#[path = "../../services/tests/common/mod.rs"]
mod databases;

use std::sync::Arc;

use bytes::Bytes;
use common::Shell;
use common::client::HttpTransport;
use databases::inventory_battery::{item, user};
use databases::{TestDatabase, asset, asset_battery, execute, inventory_battery};
use gridshell_connectors::asset::outbound::RemoteAssetService;
use gridshell_connectors::asset::{AssetCache, AssetConnector, AssetConnectorOptions};
use gridshell_connectors::http::{Router, ServiceAuthentication};
use gridshell_connectors::inventory::InventoryConnector;
use gridshell_connectors::inventory::outbound::RemoteInventoryService;
use gridshell_connectors::transport::{InProcess, Transport};
use gridshell_interfaces::ErrorKind;
use gridshell_interfaces::asset::AssetService;
use gridshell_interfaces::inventory::InventoryService;
use gridshell_services::asset::SqlAssetService;
use gridshell_services::inventory::{InventoryOptions, SqlInventoryService};

fn way_to(register: impl FnOnce(&mut Router, Arc<ServiceAuthentication>)) -> Arc<dyn Transport> {
    let mut router = Router::new(Bytes::new());
    register(&mut router, Arc::new(ServiceAuthentication::none(false)));
    Arc::new(InProcess::new(Arc::new(router)))
}

fn remote_assets(service: Arc<dyn AssetService>) -> Arc<dyn AssetService> {
    let options = AssetConnectorOptions { allow_delete: true, allow_delete_all_types: true, redirect_url: None };
    let connector = AssetConnector::new(service, AssetCache::new(1 << 20), options);
    Arc::new(RemoteAssetService::new(way_to(|router, protection| connector.register(router, protection))))
}

fn remote_inventories(service: Arc<dyn InventoryService>) -> Arc<dyn InventoryService> {
    let connector = InventoryConnector::new(service);
    Arc::new(RemoteInventoryService::new(way_to(|router, protection| connector.register(router, protection))))
}

#[tokio::test(flavor = "multi_thread")]
async fn assets_over_two_shells() {
    for test in TestDatabase::all().await {
        let database = test.open().await;
        let store = Arc::new(SqlAssetService::open(database.clone()).await.expect("service"));
        let service = remote_assets(remote_assets(store));
        asset_battery::battery(&*service, test.backend).await;

        let id = service.store(asset("x")).await.expect("store");
        database.close().await;
        for failure in [
            service.get(id).await.expect_err("never None").kind,
            service.metadata(id).await.expect_err("never None").kind,
            service.data(id).await.expect_err("never None").kind,
            service.exist(&[id]).await.expect_err("never false").kind,
            service.store(asset("y")).await.expect_err("never stored").kind,
            service.delete(id).await.expect_err("never deleted").kind,
        ] {
            assert_eq!(failure, ErrorKind::Unavailable);
        }
        test.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn inventories_over_two_shells() {
    for test in TestDatabase::all().await {
        let database = test.open().await;
        let store = SqlInventoryService::open(database.clone(), InventoryOptions::default()).await.expect("service");
        let service = remote_inventories(remote_inventories(Arc::new(store)));
        inventory_battery::battery_over_the_wire(&*service).await;

        let (user, root) = user(&*service).await;
        execute(&database, "ALTER TABLE inventoryfolders RENAME TO elsewhere").await;
        for failure in [
            service.skeleton(user).await.expect_err("never empty").kind,
            service.root_folder(user).await.expect_err("never None").kind,
            service.folder_content(root, Some(user)).await.expect_err("never None").kind,
            service.create_user_inventory(user).await.expect_err("never \"existed already\"").kind,
        ] {
            assert_eq!(failure, ErrorKind::Unavailable);
        }
        assert!(!service.add_item(item(user, root, "x")).await.expect("the wire says no more"));
        execute(&database, "ALTER TABLE elsewhere RENAME TO inventoryfolders").await;
        assert!(service.folder_items(root, Some(user)).await.expect("items").is_empty());
        database.close().await;
        test.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn inventories_of_the_program() {
    let shell = Shell::start(
        r#"
[Network]
    port = ${port}
    BindAddresses = "127.0.0.1"
    MaxRequestsPerConnection = 0
[ServiceList]
    InventoryInConnector = "OpenSim.Server.Handlers.dll:XInventoryInConnector"
[DatabaseService]
    StorageProvider = "OpenSim.Data.SQLite.dll"
    ConnectionString = "URI=file:test.db"
[InventoryService]
    LocalServiceModule = "OpenSim.Services.InventoryService.dll:XInventoryService"
    StrictOwner = true
[Admin]
    Port = ${admin}
"#,
    );
    let service = RemoteInventoryService::new(HttpTransport::new(shell.port));
    inventory_battery::battery_over_the_wire(&service).await;
}
