//! Inventories over HTTP: `/xinventory` (inventory.md).

pub mod codec;
mod inbound;

pub use inbound::InventoryConnector;
