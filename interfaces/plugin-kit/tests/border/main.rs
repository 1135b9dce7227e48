//! A plugin made with the kit, as the server sees it: through the C functions that this program, like a library, exports.

mod ends;
mod exchange;
mod host;
mod panics;
mod plugin;
mod server;
mod sizes;
