//! A server for one instance, in the header's types.

use std::ffi::c_void;
use std::ptr;
use std::sync::Mutex;

use gridshell_plugin::abi::{self, Bytes, Config, Host, Pair, Plugin, Request, Response, Sink, Str};

unsafe extern "C" {
    fn gridshell_plugin_abi_major() -> u32;
    fn gridshell_plugin_abi_minor() -> u32;
    fn gridshell_plugin_entry_v1(host: *const Host) -> *const Plugin;
}

/// What the plugin has said to the server.
pub type Said = Mutex<Vec<String>>;

/// The server's table, with `said` behind it.
pub fn table(said: &Said) -> Host {
    Host {
        struct_size: size_of::<Host>() as u32,
        abi_minor: 0,
        ctx: ptr::from_ref(said).cast_mut().cast(),
        log: Some(log),
        config_get: Some(super::host::config_get),
        now_ms: Some(super::host::now_ms),
        call_service: Some(super::host::call_service),
        release_response: Some(super::host::release_response),
        register_route: Some(super::host::register_route),
        metric_add: Some(super::host::metric_add),
    }
}

/// # Safety
/// `ctx` is that of [`table`].
pub unsafe fn say(ctx: *mut c_void, text: String) {
    // SAFETY: promised by the caller.
    unsafe { &*ctx.cast::<Said>() }.lock().expect("nobody panics").push(text);
}

unsafe extern "C" fn log(ctx: *mut c_void, level: i32, text: Str) {
    // SAFETY: the plugin's text; the table's context.
    unsafe { say(ctx, format!("log {level}: {}", text.as_str().expect("it is text"))) }
}

unsafe extern "C" fn write(ctx: *mut c_void, text: Str) {
    // SAFETY: the plugin's text; the sink's context, which is that of the table.
    unsafe { say(ctx, format!("console: {}", text.as_str().expect("it is text"))) }
}

struct Headers([Pair; 2]);

// SAFETY: its texts are static, and nobody changes them.
unsafe impl Sync for Headers {}

static HEADERS: Headers =
    Headers([Pair { name: Str::new("accept"), value: Str::new("*/*") }, Pair { name: Str::new("x-ä"), value: Str::new("ö") }]);

/// A request as the server makes it.
pub fn request(path: &'static str) -> Request {
    Request {
        struct_size: size_of::<Request>() as u32,
        service: Str::new("probe"),
        method: Str::new("POST"),
        path: Str::new(path),
        rest: Str::new("/rest"),
        query: Str::new("a=b"),
        headers: HEADERS.0.as_ptr(),
        header_count: HEADERS.0.len(),
        body: Bytes::new(b"\x00\xff"),
        peer: Str::new("127.0.0.1"),
    }
}

/// One instance, and what it has said.
pub struct Server {
    said: Box<Said>,
    host: Box<Host>,
    instance: *mut c_void,
}

impl Server {
    /// Makes an instance with this configuration, or gives the status with which it is not made, and what was said.
    pub fn create(entries: &[(&str, &str)]) -> Result<Self, (i32, Vec<String>)> {
        let said = Box::new(Said::default());
        let host = Box::new(table(&said));
        let mut server = Self { said, host, instance: ptr::null_mut() };
        let create = plugin().create.expect("required");
        let host: *const Host = &*server.host;
        // SAFETY: all that is handed over lives during the call, the table longer than the instance.
        match with_config(entries, |config| unsafe { create(host, config, &mut server.instance) }) {
            abi::OK => Ok(server),
            status => Err((status, server.said())),
        }
    }

    pub fn said(&self) -> Vec<String> {
        std::mem::take(&mut *self.said.lock().expect("nobody panics"))
    }

    /// The status, and after 0 what `read` makes of the response, which is released then.
    pub fn handle<R>(&self, request: &Request, read: impl FnOnce(&Response) -> R) -> Result<R, i32> {
        let mut response = Response::EMPTY;
        // SAFETY: all that is handed over lives during the call.
        match unsafe { self.call_handle(request, &mut response) } {
            abi::OK => {
                let result = read(&response);
                // SAFETY: it was filled in, and is released once.
                unsafe { plugin().release.expect("required")(self.instance, &mut response) };
                assert!(response.owner_token.is_null() && response.body.len == 0 && response.header_count == 0);
                Ok(result)
            }
            status => Err(status),
        }
    }

    /// # Safety
    /// As `handle` of the header.
    pub unsafe fn call_handle(&self, request: *const Request, response: *mut Response) -> i32 {
        // SAFETY: promised by the caller; the instance lives.
        unsafe { plugin().handle.expect("required")(self.instance, request, response) }
    }

    pub fn reconfigure(&self, entries: &[(&str, &str)]) -> i32 {
        // SAFETY: all that is handed over lives during the call.
        with_config(entries, |config| unsafe { self.call_reconfigure(config) })
    }

    /// # Safety
    /// As `reconfigure` of the header.
    pub unsafe fn call_reconfigure(&self, config: *const Config) -> i32 {
        // SAFETY: promised by the caller; the instance lives.
        unsafe { plugin().reconfigure.expect("the kit has it")(self.instance, config) }
    }

    pub fn health(&self) -> (i32, String) {
        let mut detail = Str::EMPTY;
        // SAFETY: the place for the detail lives during the call; the detail is read before the next.
        unsafe {
            let status = plugin().health.expect("the kit has it")(self.instance, &mut detail);
            (status, detail.as_str().expect("it is text").to_owned())
        }
    }

    pub fn command(&self, line: &str) -> i32 {
        let sink = Sink { ctx: self.host.ctx, write: Some(write) };
        // SAFETY: all that is handed over lives during the call.
        unsafe { plugin().command.expect("the kit has it")(self.instance, Str::new(line), sink) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SAFETY: the last use of the instance. One that was not made is null, which the kit passes over.
        unsafe { plugin().destroy.expect("required")(self.instance) };
    }
}

fn with_config<R>(entries: &[(&str, &str)], use_it: impl FnOnce(&Config) -> R) -> R {
    let entries: Vec<Pair> = entries.iter().map(|(name, value)| Pair { name: Str::new(name), value: Str::new(value) }).collect();
    use_it(&Config {
        struct_size: size_of::<Config>() as u32,
        section: Str::new("Plugin:probe"),
        entries: entries.as_ptr(),
        entry_count: entries.len(),
    })
}

/// The plugin's table.
pub fn plugin() -> Plugin {
    let said = Said::default();
    // SAFETY: the table of the server lives during the call; the plugin's for ever.
    unsafe { *gridshell_plugin_entry_v1(&table(&said)) }
}

pub fn property(name: &str) -> Result<String, i32> {
    let mut out = Str::EMPTY;
    // SAFETY: the place for the text lives during the call, the text for ever.
    unsafe {
        match plugin().get_property.expect("required")(Str::new(name), &mut out) {
            abi::OK => Ok(out.as_str().expect("it is text").to_owned()),
            status => Err(status),
        }
    }
}

#[test]
fn an_old_server_is_refused() {
    let said = Said::default();
    // SAFETY: the tables live during the call.
    unsafe {
        assert!(gridshell_plugin_entry_v1(&Host { struct_size: Host::SIZE_1_0 - 1, ..table(&said) }).is_null());
        assert!(!gridshell_plugin_entry_v1(&Host { struct_size: Host::SIZE_1_0 + 8, ..table(&said) }).is_null());
        assert!(gridshell_plugin_entry_v1(ptr::null()).is_null());
        assert_eq!((gridshell_plugin_abi_major(), gridshell_plugin_abi_minor()), (1, 0));
    }
}

#[test]
fn properties_are_told() {
    assert_eq!(property("name").as_deref(), Ok("border"));
    assert_eq!(property("version").as_deref(), Ok(env!("CARGO_PKG_VERSION")));
    assert_eq!(property("services").as_deref(), Ok("probe,other"));
    assert_eq!(property("capabilities").as_deref(), Ok("http,console,call-service"));
    assert_eq!(property("threading").as_deref(), Ok("serial"));
    assert_eq!(property("panic").as_deref(), Ok("unwind"));
    assert_eq!(property("supports-unload").as_deref(), Ok("false"));
    assert_eq!(property("config-keys").as_deref(), Ok("OnCreate,OnDrop"));
    assert_eq!(property("license").as_deref(), Ok("BSD-3-Clause"));
    let build = property("build").expect("known");
    assert!(build.starts_with("rustc ") && build.contains(std::env::consts::ARCH), "{build}");
    for unknown in ["author", "", "Name"] {
        assert_eq!(property(unknown), Err(abi::UNKNOWN), "{unknown:?}");
    }
}
