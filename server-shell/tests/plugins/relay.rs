//! A plugin as any service that has a wire: it passes requests on to the server's own service of the same name. What the services promise
//! holds through it: client, IN, plugin, IN, SQLite.

use gridshell_connectors::asset::outbound::RemoteAssetService;
use gridshell_connectors::inventory::outbound::RemoteInventoryService;
use gridshell_connectors::name2key::outbound::RemoteName2KeyService;
use gridshell_services::database::Backend;

use super::common::client::HttpTransport;
use super::databases::{asset_battery, inventory_battery, name2key_battery};
use super::*;

/// A shell with local services, and with the same by the plugin on a port of their own. A plugin asks the first connector of a service.
fn relay(keys: &str) -> (Shell, u16) {
    let port = common::free_port();
    let services = "SERVICES=\"asset,inventory,name2key\"";
    let plugins = Plugins::new().with("relay", &["RELAY", services, "CAPABILITIES=\"call-service\""]);
    let entries = format!(
        "B1 = \"inventory\"\n    B2 = \"name2key\"\n    C1 = \"RelayedAssets@{port}/asset\"\n    \
         C2 = \"RelayedInventories@{port}/inventory\"\n    C3 = \"RelayedNames@{port}/name2key\""
    );
    let relayed = ["Assets", "Inventories", "Names"].iter().zip(["asset", "inventory", "name2key"]);
    let relayed = relayed.map(|(section, service)| format!("[Relayed{section}]\nLocalServiceModule = librelay.so:{service}\n"));
    let sections = format!(
        "[InventoryService]\nLocalServiceModule = inventory\n[Name2KeyService]\nLocalServiceModule = name2key\n{}[Plugin:relay]\n{keys}\n",
        relayed.collect::<String>()
    );
    let deletes = "AllowRemoteDelete = true\nAllowRemoteDeleteAllTypes = true\n";
    let ini = plugins.ini_with(&entries, &sections);
    let ini = ini.replace("[AssetService]\n", &format!("[AssetService]\n{deletes}"));
    let ini = ini.replace("[RelayedAssets]\n", &format!("[RelayedAssets]\n{deletes}CacheMegabytes = 0\n"));
    (plugins.start_with(&ini), port)
}

/// How many requests the plugin has handled, and how many answers it got back.
fn counts(shell: &Shell) -> (u64, u64) {
    let list = console(shell, "plugin list");
    let number = |word: &str| {
        let text = list.split_once(word).unwrap_or_else(|| panic!("{list}")).1;
        text.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
    };
    (number("handled "), number("released "))
}

#[tokio::test(flavor = "multi_thread")]
async fn services_keep_their_promises_through_a_plugin() {
    for keys in ["", "Isolation = process\n"] {
        let (shell, port) = relay(keys);
        let transport = || HttpTransport::new(port);
        asset_battery::battery(&RemoteAssetService::new(transport()), Backend::Sqlite).await;
        let assets = counts(&shell).0;
        inventory_battery::battery_over_the_wire(&RemoteInventoryService::new(transport())).await;
        let both = counts(&shell).0;
        name2key_battery::battery(&RemoteName2KeyService::new(transport())).await;
        let all = counts(&shell).0;
        // It was the plugin that has answered, and it got everything back.
        assert!(assets > 50 && both > assets + 50 && all > both + 50, "{assets}, {both}, {all}");
        wait_until("that all is given back", &shell, || counts(&shell).0 == counts(&shell).1);
        assert!(!shell.output().contains("[PLUGINS]: relay has"), "{}", shell.output());
    }
}
