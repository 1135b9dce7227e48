//! From the .ini to running connectors, in two steps.
//!
//! *Planning* ([`plan`]) reads and checks every option, and the lists that options name, resolves every name, and opens nothing:
//! `gridshell check` is this step alone.
//! *Building* ([`build`]) opens databases, joins the groups of other shells, and constructs services and connectors by what was
//! planned. Databases with the same connection string are one pool, other shells that are asked in the same way one group, asset
//! services on the same database or group one instance, name2key services of one plan, too.

mod asset;
mod asset_keeping;
mod baked_texture;
mod build;
mod database;
mod fastcgi;
mod forward;
mod inventory;
mod name2key;
mod opt_out;
mod plan;
mod plugin;
mod plugin_copies;
mod plugins;
mod shared;
mod upstream;

pub use asset::{AssetServicePlan, SharedAssets, plan_asset_connector, plan_asset_service, plan_remote_asset_service};
pub use baked_texture::{BakedTextureServicePlan, plan_baked_texture_connector, plan_baked_texture_service};
pub use build::{Built, FailedConnector, Modules};
pub use forward::{plan_forward_connector, plan_shadow_connector};
pub use inventory::{
    BuiltInventory, InventoryServicePlan, open_inventory, plan_inventory_connector, plan_inventory_service,
    plan_remote_inventory_service,
};
pub use name2key::{
    Name2KeyServicePlan, open_name2key, plan_name2key_connector, plan_name2key_gosl_connector, plan_name2key_service,
    plan_name2key_web_connector, plan_remote_name2key_service, plan_remote_name2key_web_service,
};
pub use plan::{ConnectorKind, ConnectorPlan, FailedEntry, Plan, Planner, plan};
pub use plugin::plugin_permission;
pub use plugin_copies::remove_old_copies;
pub use plugins::PluginsView;
