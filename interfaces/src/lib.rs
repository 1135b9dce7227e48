//! The service traits of gridshell, with their plain data types and errors.
//!
//! A *service* is a promise. Local services (crate `services`), OUT connectors and plugins keep it; IN connectors (crate
//! `connectors`) use it without knowing which of them is behind it. Nothing here does I/O, speaks HTTP or knows SQL.

pub mod asset;
pub mod baked_texture;
pub mod error;
pub mod ids;
pub mod inventory;
pub mod library;
pub mod name2key;

pub use error::{ErrorKind, Result, ServiceError};
