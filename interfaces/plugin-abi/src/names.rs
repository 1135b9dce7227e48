//! Names of capabilities, properties and symbols.

/// What the property `capabilities` may name.
pub mod capability {
    /// The plugin listens: it may call `register_route`.
    pub const HTTP: &str = "http";
    /// The plugin has console commands: `command` may be called.
    pub const CONSOLE: &str = "console";
    /// The plugin asks services of the server: it may call `call_service`.
    pub const CALL_SERVICE: &str = "call-service";
}

/// What `get_property` is asked for. The server needs [`NAME`](property::NAME) and [`SERVICES`](property::SERVICES).
pub mod property {
    /// What the plugin is called. Must be the file's name without `lib` and `.so`.
    pub const NAME: &str = "name";
    /// Its version, for the operator.
    pub const VERSION: &str = "version";
    /// Who has written it.
    pub const AUTHOR: &str = "author";
    /// Its license.
    pub const LICENSE: &str = "license";
    /// The services that it fulfils or listens for, separated by commas.
    pub const SERVICES: &str = "services";
    /// What it may do, see [`capability`](super::capability), separated by commas. Unknown: nothing.
    pub const CAPABILITIES: &str = "capabilities";
    /// `concurrent` (also when unknown) or `serial`: one call of `handle` at a time.
    pub const THREADING: &str = "threading";
    /// `unwind` or `abort`: what a panic does, for the operator.
    pub const PANIC: &str = "panic";
    /// What it was built with, shown in messages.
    pub const BUILD: &str = "build";
    /// `true` or `false`: whether the library could be unloaded. Never acted upon in 1.0.
    pub const SUPPORTS_UNLOAD: &str = "supports-unload";
    /// The keys that it reads from its section, separated by commas. Unknown: no key is checked.
    pub const CONFIG_KEYS: &str = "config-keys";
    /// `yes` (also when unknown): `handle` may wait, and runs in a thread of its own. `no`: it returns at once, never calls
    /// `call_service`, and may run in the thread that serves the request.
    pub const BLOCKING: &str = "blocking";
}

/// What a plugin exports.
pub mod symbol {
    /// A [`VersionNumber`](crate::VersionNumber): the major version that the plugin was built against.
    pub const ABI_MAJOR: &str = "gridshell_plugin_abi_major";
    /// A [`VersionNumber`](crate::VersionNumber): the minor version that the plugin was built against.
    pub const ABI_MINOR: &str = "gridshell_plugin_abi_minor";
    /// An [`Entry`](crate::Entry): gives the plugin's table.
    pub const ENTRY: &str = "gridshell_plugin_entry_v1";
}
