//! The functions that the server calls, for any plugin: C on the outside, the trait on the inside. For the macro only.
//!
//! Each function trusts the server to keep to the header (that is what its `# Safety` stands for), looks at what can be looked
//! at, and lets no panic out.

use std::ffi::c_void;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use crate::abi::{self, Str};
use crate::guard::guard;
use crate::{Config, Failure, Health, Host, Level, Plugin, Request, message, properties};

pub use crate::properties::{Package, Properties};

/// What the server's handle of an instance points to.
struct Instance<P> {
    plugin: P,
    host: Host,
    /// The detail that the server was told last, which it may still read.
    detail: Mutex<String>,
}

/// The plugin's table.
pub const fn table<P: Plugin>(get_property: abi::GetProperty) -> abi::Plugin {
    abi::Plugin {
        struct_size: size_of::<abi::Plugin>() as u32,
        abi_minor: abi::ABI_MINOR as u32,
        get_property: Some(get_property),
        create: Some(create::<P>),
        destroy: Some(destroy::<P>),
        handle: Some(handle::<P>),
        release: Some(release),
        reconfigure: Some(reconfigure::<P>),
        health: Some(health::<P>),
        command: Some(command::<P>),
    }
}

/// The table, for a server that is not older than the kit.
///
/// # Safety
/// `host` is null or a table of the header's form.
pub unsafe fn entry(host: *const abi::Host, table: &'static abi::Plugin) -> *const abi::Plugin {
    // SAFETY: promised by the caller.
    match unsafe { abi::read(host) } {
        Ok(_) => table,
        Err(_) => std::ptr::null(),
    }
}

/// Tells a property.
///
/// # Safety
/// As `get_property` of the header.
pub unsafe fn get_property(properties: impl FnOnce() -> &'static Properties, name: Str, out: *mut Str) -> i32 {
    // SAFETY: promised by the caller.
    guard(None, "get_property", || unsafe { properties::answer(properties(), name, out) })
}

/// # Safety
/// As `create` of the header.
unsafe extern "C" fn create<P: Plugin>(host: *const abi::Host, config: *const abi::Config, instance: *mut *mut c_void) -> i32 {
    // SAFETY: promised by the caller; `end` is called before the table goes: below, or in `destroy`.
    let (host, config, instance) = unsafe { (Host::of(host), Config::read(config), instance.as_mut()) };
    let (Some(host), Some(config), Some(instance)) = (host, config, instance) else { return abi::INVALID };
    let status = guard(Some(&host), "create", || match P::create(host.clone(), &config) {
        Ok(plugin) => {
            let made = Instance { plugin, host: host.clone(), detail: Mutex::default() };
            *instance = Box::into_raw(Box::new(made)).cast();
            abi::OK
        }
        Err(message) => {
            host.log(Level::Error, &message);
            abi::FAILED
        }
    });
    if status != abi::OK {
        host.end();
    }
    status
}

/// # Safety
/// As `destroy` of the header.
unsafe extern "C" fn destroy<P: Plugin>(instance: *mut c_void) {
    if instance.is_null() {
        return;
    }
    // SAFETY: it is the box of `create`, and the server uses it no more.
    let instance = unsafe { Box::from_raw(instance.cast::<Instance<P>>()) };
    let Instance { plugin, host, detail: _ } = *instance;
    guard(Some(&host), "destroy", || {
        drop(plugin);
        abi::OK
    });
    host.end();
}

/// # Safety
/// As `handle` of the header.
unsafe extern "C" fn handle<P: Plugin>(instance: *mut c_void, request: *const abi::Request, out: *mut abi::Response) -> i32 {
    // SAFETY: promised by the caller.
    let (instance, room) = unsafe { (instance_of::<P>(instance), abi::read(out)) };
    let (Some(instance), Ok(_)) = (instance, room) else { return abi::INVALID };
    guard(Some(&instance.host), "handle", || {
        // SAFETY: promised by the caller.
        let Some(request) = (unsafe { Request::read(request) }) else { return abi::INVALID };
        let mut response = instance.plugin.handle(&request).hand_over();
        // SAFETY: promised by the caller.
        if unsafe { abi::write(out, &response) }.is_err() {
            // SAFETY: nobody else has it.
            unsafe { message::take_back(&mut response) };
            return abi::INVALID;
        }
        abi::OK
    })
}

/// # Safety
/// As `release` of the header.
unsafe extern "C" fn release(_: *mut c_void, response: *mut abi::Response) {
    guard(None, "release", || {
        // SAFETY: the response is one of `handle`.
        unsafe { message::take_back(response) };
        abi::OK
    });
}

/// # Safety
/// As `reconfigure` of the header.
unsafe extern "C" fn reconfigure<P: Plugin>(instance: *mut c_void, config: *const abi::Config) -> i32 {
    // SAFETY: promised by the caller.
    let (instance, config) = unsafe { (instance_of::<P>(instance), Config::read(config)) };
    let (Some(instance), Some(config)) = (instance, config) else { return abi::INVALID };
    guard(Some(&instance.host), "reconfigure", || match instance.plugin.reconfigure(&config) {
        Ok(()) => abi::OK,
        Err(Failure::NotSupported) => abi::NOT_SUPPORTED,
        Err(Failure::Failed(message)) => {
            instance.host.log(Level::Error, &message);
            abi::FAILED
        }
    })
}

/// # Safety
/// As `health` of the header.
unsafe extern "C" fn health<P: Plugin>(instance: *mut c_void, out: *mut Str) -> i32 {
    // SAFETY: promised by the caller.
    let (instance, out) = unsafe { (instance_of::<P>(instance), out.as_mut()) };
    let (Some(instance), Some(out)) = (instance, out) else { return abi::INVALID };
    guard(Some(&instance.host), "health", || {
        let (status, text) = match instance.plugin.health() {
            Health::Unknown => return abi::NOT_SUPPORTED,
            Health::Well(text) => (abi::OK, text),
            Health::Unwell(text) => (abi::FAILED, text),
        };
        let mut detail = instance.detail.lock().unwrap_or_else(PoisonError::into_inner);
        *detail = text;
        *out = Str::new(&detail);
        status
    })
}

/// # Safety
/// As `command` of the header.
unsafe extern "C" fn command<P: Plugin>(instance: *mut c_void, line: Str, sink: abi::Sink) -> i32 {
    // SAFETY: promised by the caller.
    let (instance, line) = unsafe { (instance_of::<P>(instance), line.as_str()) };
    let (Some(instance), Some(line)) = (instance, line) else { return abi::INVALID };
    guard(Some(&instance.host), "command", || {
        let mut console = Console(sink);
        match instance.plugin.command(line, &mut console) {
            Ok(()) => abi::OK,
            Err(Failure::NotSupported) => abi::NOT_SUPPORTED,
            Err(Failure::Failed(message)) => {
                // Who cannot be told on the console finds the status in the log.
                let _ = fmt::Write::write_str(&mut console, &format!("{message}\n"));
                abi::FAILED
            }
        }
    })
}

/// # Safety
/// It is null, or what `create` has made, and not destroyed.
unsafe fn instance_of<'a, P: Plugin>(instance: *mut c_void) -> Option<&'a Instance<P>> {
    // SAFETY: promised by the caller.
    unsafe { instance.cast::<Instance<P>>().as_ref() }
}

/// The server's console, during one command.
struct Console(abi::Sink);

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let write = self.0.write.ok_or(fmt::Error)?;
        // SAFETY: the sink is valid while the command runs; the text lives during the call.
        unsafe { write(self.0.ctx, Str::new(text)) };
        Ok(())
    }
}
