//! The two tables of functions, and what `create` and `command` are given.

use std::ffi::c_void;
use std::mem::offset_of;

use crate::{Pair, Request, Response, Str};

/// The plugin's section of the configuration.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// `size_of::<Config>()` of the server.
    pub struct_size: u32,
    /// The section's name.
    pub section: Str,
    /// The keys in their order. Where a name is there twice, the first counts.
    pub entries: *const Pair,
    /// How many entries.
    pub entry_count: usize,
}

/// Where `command` writes to.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Sink {
    /// The first argument of `write`.
    pub ctx: *mut c_void,
    /// Writes text to the console, as it is. Only while the command runs, in its thread.
    pub write: Option<unsafe extern "C" fn(ctx: *mut c_void, text: Str)>,
}

/// The server's functions. In a server that offers 1.0 all are there.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Host {
    /// `size_of::<Host>()` of the server.
    pub struct_size: u32,
    /// The minor version that the server offers.
    pub abi_minor: u32,
    /// The first argument of all functions.
    pub ctx: *mut c_void,
    /// Writes a line into the server's log, marked as the plugin's.
    pub log: Option<unsafe extern "C" fn(ctx: *mut c_void, level: i32, text: Str)>,
    /// Reads a key of the server's configuration. The text stays valid until `destroy` has returned.
    pub config_get: Option<unsafe extern "C" fn(ctx: *mut c_void, section: Str, key: Str, out: *mut Str) -> i32>,
    /// Milliseconds since 1970 (UTC).
    pub now_ms: Option<unsafe extern "C" fn(ctx: *mut c_void) -> i64>,
    /// Asks a service of the server. After [`OK`](crate::OK) the response goes back with `release_response`.
    pub call_service:
        Option<unsafe extern "C" fn(ctx: *mut c_void, service: Str, request: *const Request, response: *mut Response) -> i32>,
    /// Frees what `call_service` has put into the response, exactly once.
    pub release_response: Option<unsafe extern "C" fn(ctx: *mut c_void, response: *mut Response)>,
    /// From now on `handle` gets the requests with this method and prefix, for this service. Only while `create` runs.
    pub register_route: Option<unsafe extern "C" fn(ctx: *mut c_void, service: Str, method: Str, path_prefix: Str) -> i32>,
    /// Adds to a counter of the plugin.
    pub metric_add: Option<unsafe extern "C" fn(ctx: *mut c_void, name: Str, amount: u64) -> i32>,
}

/// Tells a property; the text stays valid for the life of the process.
pub type GetProperty = unsafe extern "C" fn(name: Str, out: *mut Str) -> i32;
/// Makes an instance.
pub type Create = unsafe extern "C" fn(host: *const Host, config: *const Config, instance: *mut *mut c_void) -> i32;
/// Ends an instance.
pub type Destroy = unsafe extern "C" fn(instance: *mut c_void);
/// Answers a request.
pub type Handle = unsafe extern "C" fn(instance: *mut c_void, request: *const Request, response: *mut Response) -> i32;
/// Frees what [`Handle`] has put into a response.
pub type Release = unsafe extern "C" fn(instance: *mut c_void, response: *mut Response);
/// Takes over a changed configuration, wholly or not at all.
pub type Reconfigure = unsafe extern "C" fn(instance: *mut c_void, config: *const Config) -> i32;
/// Tells how the instance is ([`NOT_SUPPORTED`](crate::NOT_SUPPORTED): it does not); the text stays valid until the next call.
pub type Health = unsafe extern "C" fn(instance: *mut c_void, detail: *mut Str) -> i32;
/// Does a line of the console.
pub type Command = unsafe extern "C" fn(instance: *mut c_void, line: Str, sink: Sink) -> i32;

/// The plugin's functions. `get_property` to `release` must be there.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Plugin {
    /// `size_of::<Plugin>()` of the plugin.
    pub struct_size: u32,
    /// The minor version that the plugin was built against.
    pub abi_minor: u32,
    /// Tells a property.
    pub get_property: Option<GetProperty>,
    /// Makes an instance.
    pub create: Option<Create>,
    /// Ends an instance.
    pub destroy: Option<Destroy>,
    /// Answers a request.
    pub handle: Option<Handle>,
    /// Frees what `handle` has put into a response.
    pub release: Option<Release>,
    /// Takes over a changed configuration. May be absent.
    pub reconfigure: Option<Reconfigure>,
    /// Tells how the instance is. May be absent.
    pub health: Option<Health>,
    /// Does a line of the console. May be absent.
    pub command: Option<Command>,
}

/// What [`symbol::ABI_MAJOR`](crate::symbol::ABI_MAJOR) and [`symbol::ABI_MINOR`](crate::symbol::ABI_MINOR) are.
pub type VersionNumber = unsafe extern "C" fn() -> u32;
/// What [`symbol::ENTRY`](crate::symbol::ENTRY) is: gives the plugin's table, valid for the life of the process, or null to
/// refuse.
pub type Entry = unsafe extern "C" fn(host: *const Host) -> *const Plugin;

impl Config {
    /// The size in version 1.0: no server has a smaller one.
    pub const SIZE_1_0: u32 = (offset_of!(Self, entry_count) + size_of::<usize>()) as u32;
}

impl Plugin {
    /// The size in version 1.0: no plugin has a smaller one.
    pub const SIZE_1_0: u32 = (offset_of!(Self, command) + size_of::<Option<Command>>()) as u32;
}

impl Host {
    /// The size in version 1.0: no server has a smaller one.
    pub const SIZE_1_0: u32 = (offset_of!(Self, metric_add) + size_of::<usize>()) as u32;
}
