//! Baked textures over HTTP: `/bakes` (assets.md section 12). The documents are opaque, so there is no codec.

mod inbound;

pub use inbound::BakedTextureConnector;
