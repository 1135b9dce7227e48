//! Inventories over HTTP: `/xinventory` (inventory.md).

pub mod codec;
mod inbound;
pub mod outbound;

pub use inbound::InventoryConnector;
