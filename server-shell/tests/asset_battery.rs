//! What the asset service promises, through a real socket: OUT connector, HTTP, the real program, each database.

mod common;
#[path = "../../services/tests/common/mod.rs"]
mod databases;

use common::Shell;
use common::client::HttpTransport;
use databases::{TestDatabase, asset_battery};
use gridshell_connectors::asset::outbound::RemoteAssetService;

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_over_http() {
    battery(TestDatabase::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql_over_http() {
    if let Some(test) = TestDatabase::mysql().await {
        battery(test).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_over_http() {
    if let Some(test) = TestDatabase::postgres().await {
        battery(test).await;
    }
}

async fn battery(test: TestDatabase) {
    // Once with the cache of answers, once without: nobody sees a difference.
    for cache in [64, 0] {
        let ini = common::on_database(test.backend, &test.connection_string);
        let shell = Shell::start(&ini.replace("[AssetService]\n", &format!("[AssetService]\nCacheMegabytes = {cache}\n")));
        let service = RemoteAssetService::new(HttpTransport::new(shell.port));
        asset_battery::battery(&service, test.backend).await;
    }
    test.remove().await;
}
