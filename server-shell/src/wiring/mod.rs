//! From the .ini to running connectors, in two steps.
//!
//! *Planning* ([`plan`]) reads and checks every option, and the lists that options name, resolves every name, and opens nothing:
//! `gridshell check` is this step alone.
//! *Building* ([`build`]) opens databases and constructs services and connectors by what was planned. Databases with the
//! same connection string are one pool, asset services on the same database one instance, name2key services of one plan, too.

mod asset;
mod baked_texture;
mod build;
mod database;
mod fastcgi;
mod inventory;
mod name2key;
mod opt_out;
mod plan;

pub use asset::{AssetServicePlan, plan_asset_connector, plan_asset_service};
pub use baked_texture::{BakedTextureServicePlan, plan_baked_texture_connector, plan_baked_texture_service};
pub use build::{Built, build};
pub use inventory::{InventoryServicePlan, open_inventory, plan_inventory_connector, plan_inventory_service};
pub use name2key::{
    Name2KeyServicePlan, open_name2key, plan_name2key_connector, plan_name2key_gosl_connector, plan_name2key_service,
    plan_name2key_web_connector,
};
pub use plan::{ConnectorKind, ConnectorPlan, Plan, Planner, plan};
