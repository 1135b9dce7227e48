//! What services promise holds through a shell that only passes on what is said.

use gridshell_connectors::asset::outbound::RemoteAssetService;
use gridshell_connectors::inventory::outbound::RemoteInventoryService;
use gridshell_services::database::Backend;

use crate::common::client::HttpTransport;
use crate::common::{SQLITE, Shell};
use crate::databases::{asset_battery, inventory_battery};
use crate::{PLAIN, counted, forward_to};

#[tokio::test(flavor = "multi_thread")]
async fn assets_and_inventories_through_two_shells_that_forward() {
    let inventory = "[ServiceList]\n    Inventory = \"inventory\"";
    let ini = SQLITE.replace("[ServiceList]", inventory) + "\n[InventoryService]\n    LocalServiceModule = \"inventory\"\n";
    let storage = Shell::start(&ini.replace("[AssetService]", "[AssetService]\n    CacheMegabytes = 0"));
    let address = |shell: &Shell| format!("http://127.0.0.1:{}", shell.port);
    let middle = Shell::start(&forward_to(&[address(&storage)], PLAIN));
    let edge = Shell::start(&forward_to(&[address(&middle)], PLAIN));
    asset_battery::battery(&RemoteAssetService::new(HttpTransport::new(edge.port)), Backend::Sqlite).await;
    inventory_battery::battery_over_the_wire(&RemoteInventoryService::new(HttpTransport::new(edge.port))).await;
    let requests = "gridshell_requests_total{connector=\"forward\",method=\"forward\"";
    assert!(counted(&edge, requests) > 50 && counted(&edge, requests) == counted(&middle, requests));
    assert!(counted(&edge, "gridshell_sent_bytes_total{connector=\"forward\"") > 1000);
}
