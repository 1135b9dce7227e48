//! Assets over HTTP: `/assets` and `/get_assets_exist` (assets.md).

mod cache;
pub mod codec;
mod inbound;
pub mod outbound;

pub use cache::{AssetCache, CacheOptions, CacheState};
pub use inbound::{AssetConnector, AssetConnectorOptions, AssetDocuments};
