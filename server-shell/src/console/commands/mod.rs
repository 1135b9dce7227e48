//! The commands of the shell (shell.md section 8.3) and of its services (shell.md section 8.4).

mod asset_cache;
mod assets;
mod baked_textures;
mod configuration;
mod general;
mod http;
mod inventory;
mod log_level;
mod name2key;
mod plugins;
mod script;
mod statistics;
mod threads;
mod upstreams;

use std::sync::Arc;

pub use asset_cache::register_asset_cache_commands;
pub use assets::{AssetCommandOptions, register_asset_commands};
pub use baked_textures::register_baked_texture_commands;
pub use inventory::{register_inventory_commands, register_library_commands};
pub use name2key::register_name2key_commands;
pub use plugins::register_plugin_commands;
pub use statistics::STATISTICS_TARGET;
pub use upstreams::register_upstream_commands;

use super::command::{Command, Commands};
use super::shell::Shell;

const GENERAL: &str = "General";
const DEBUG: &str = "Debug";

/// Registers the commands that every shell has.
pub fn register_shell_commands(commands: &Arc<Commands>, shell: &Arc<dyn Shell>) {
    general::register(commands, shell);
    log_level::register(commands, shell);
    configuration::register(commands, shell);
    script::register(commands);
    threads::register(commands);
    statistics::register(commands, shell, statistics::RECORD_INTERVAL);
    http::register(commands, shell);
}

/// A command of the category `General`.
fn general(words: &str, syntax: &str, help: &str) -> Command {
    Command::new(GENERAL, words, syntax, help)
}
