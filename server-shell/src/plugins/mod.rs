//! Plugins: shared libraries that fulfil a service or listen for one, behind the C interface of `gridshell_plugin.h` (plugins.md section 5).
//!
//! `load.rs` opens a library, step by step; each refusal says what was expected and what was found. `instance.rs` makes an instance, and
//! bounds what it is asked for; `plugin.rs` is the plugin that the rest of the program knows, whichever instance answers, and `plugin/` its
//! requests, panics and changed sections. It enters the program in two places: as the transport of an OUT connector (`transport.rs`), and as
//! an IN connector (`inbound.rs`). What a plugin asks of the server ends in `context.rs` and `own_services.rs`.
//!
//! A plugin can run in a process of its own instead, over a socket: `process/`. `check_command.rs` is `gridshell plugin check`.
//!
//! Only `border/` has `unsafe`.
#![deny(unsafe_code)]

#[allow(unsafe_code)]
mod border;
pub mod check_command;
mod context;
mod elf;
mod inbound;
mod instance;
mod load;
mod metrics;
mod own_services;
mod plugin;
mod process;
mod properties;
mod refusal;
mod threads;
mod transport;

pub use context::{Entries, Route, Texts};
pub use inbound::PluginConnector;
pub use load::{CheckedFile, Permission, PluginLibrary, Residents, check_file, check_file_in, plugin_name};
pub use own_services::{OwnServices, ServiceRouters};
pub use plugin::{Limits, Plugin, PluginPlan};
pub use process::{HOST_SWITCH, LIBRARY_PATH, PROBE_SWITCH, ProcessLimits, worker_main};
pub use refusal::{Refusal, Step};
pub use threads::run_beside;
pub use transport::PluginTransport;
