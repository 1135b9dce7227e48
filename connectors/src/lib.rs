//! How services travel over HTTP.
//!
//! [`wire`] holds the encodings that all services share, [`http`] what an exchange is and how it finds its connector. Each service
//! has a folder: `codec.rs` (both directions), `inbound.rs` (HTTP to trait), `outbound.rs` (trait to [`transport`]). [`upstream`] opens
//! connections to other shells. Nothing here listens: the listeners belong to the program, so that an IN connector can also be called in
//! the same process.

pub mod asset;
pub mod baked_texture;
pub mod forward;
pub mod http;
pub mod inventory;
pub mod name2key;
mod outbound;
pub mod transport;
pub mod upstream;
pub mod wire;
