//! The border to plugins: the only part of the program that calls their functions, reads their memory and is called by them. All `unsafe`
//! of plugins is here; what it hands to the rest of the program is checked and safe to use.
//!
//! What it trusts a plugin with is what the header `gridshell_plugin.h` asks of it: pointers that point to as much as they say, for as long
//! as they have to. A plugin has all rights of the process, so no check could make up for one that does not keep to that.

mod exchange;
mod host;
mod library;

pub use exchange::{BorrowedCall, CallError, PEER_BYTES, Reply, handle};
pub use host::HostTable;
pub use library::{Code, Mapped, RawInstance};
