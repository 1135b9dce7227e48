//! What services promise holds through shells in front: client, IN, OUT, HTTP, IN, SQLite, and with one hop more.

use gridshell_connectors::asset::outbound::RemoteAssetService;
use gridshell_connectors::inventory::outbound::RemoteInventoryService;
use gridshell_connectors::name2key::outbound::RemoteName2KeyService;
use gridshell_services::database::Backend;

use crate::common::client::HttpTransport;
use crate::common::{Shell, post_form};
use crate::databases::{asset_battery, inventory_battery, name2key_battery};
use crate::{address_of, edge_of, storage, storage_on};

async fn all_batteries(port: u16) {
    asset_battery::battery(&RemoteAssetService::new(HttpTransport::new(port)), Backend::Sqlite).await;
    inventory_battery::battery_over_the_wire(&RemoteInventoryService::new(HttpTransport::new(port))).await;
    name2key_battery::battery(&RemoteName2KeyService::new(HttpTransport::new(port))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_one_hop_to_sqlite() {
    let storage = storage();
    let edge = Shell::start(&edge_of(&[&storage], ""));
    all_batteries(edge.port).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_two_hops_to_sqlite_without_caches() {
    let storage = storage();
    let middle = Shell::start(&edge_of(&[&storage], "CacheMegabytes = 0"));
    let edge = Shell::start(&edge_of(&[&middle], "CacheMegabytes = 0\n    Policy = hash"));
    all_batteries(edge.port).await;
}

#[test]
fn names_through_the_addresses_of_w_hat() {
    let storage = storage();
    let key = "3d6181b0-6a4b-97ef-18d8-722652995cf1";
    let form = format!("METHOD=register&NAME=Governor%20Linden&KEY={key}&GRID=Production");
    let answer = post_form(&storage, "/xname2key", &form);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let edge = edge_of(&[&storage], "").replace("\"remote_name2key\"", "\"remote_name2key_web\"");
    let edge = Shell::start(&edge);
    assert_eq!(edge.get("/name2key?name=Governor+Linden").text(), format!("Governor Linden {key}"));
    for path in [&format!("/key2name/{key}"), "/name2key?name=No+Body&terse=1", "/name2key?name=Governor+Linden&terse=1"] {
        assert_eq!(edge.get(path).text(), storage.get(path).text(), "{path}");
    }

    // A store of its own that asks it first.
    let ini = storage_on("test.db")
        .replace("LocalServiceModule = \"name2key\"", "LocalServiceModule = \"name2key\"\n    AskFirst = Web");
    let web =
        format!("[Web]\n    LocalServiceModule = \"remote_name2key_web\"\n    Name2KeyServerURI = \"{}\"", address_of(&storage));
    let both = Shell::start(&format!("{ini}\n{web}\n"));
    assert_eq!(both.get("/name2key?name=Governor+Linden").text(), format!("Governor Linden {key}"));
}
