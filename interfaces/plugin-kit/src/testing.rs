//! A server for the tests of plugins: it notes what it is told.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::abi::{self, Str};
use crate::{Config, Host, Level, Plugin};

/// A server that notes what plugins tell it, and knows no other services and no other sections. Its functions go through the same
/// C interface as those of a real one. Plugins made by it must not be used after it is gone; what they ask of it fails then.
#[derive(Debug)]
pub struct FakeServer {
    host: Host,
    /// Boxed, since the plugin's side has its address.
    notes: Box<Mutex<Notes>>,
}

#[derive(Debug, Default)]
struct Notes {
    log: Vec<(Level, String)>,
    routes: Vec<(String, String, String)>,
    metrics: BTreeMap<String, u64>,
}

impl FakeServer {
    /// A server that was told nothing.
    pub fn new() -> Self {
        let notes = Box::<Mutex<Notes>>::default();
        let table = abi::Host {
            struct_size: size_of::<abi::Host>() as u32,
            abi_minor: abi::ABI_MINOR.into(),
            ctx: (&raw const *notes).cast_mut().cast(),
            log: Some(log),
            config_get: Some(config_get),
            now_ms: Some(now_ms),
            call_service: Some(call_service),
            release_response: Some(release_response),
            register_route: Some(register_route),
            metric_add: Some(metric_add),
        };
        Self { host: Host::from(table), notes }
    }

    /// Makes a plugin, with these keys in its section.
    ///
    /// # Errors
    /// What the plugin says.
    pub fn create<P: Plugin>(&self, section: &str, entries: &[(&str, &str)]) -> Result<P, String> {
        P::create(self.host.clone(), &Config { section, entries: entries.to_vec() })
    }

    /// What was logged, in order.
    pub fn log_lines(&self) -> Vec<(Level, String)> {
        self.notes().log.clone()
    }

    /// The routes that were registered: service, method and prefix.
    pub fn routes(&self) -> Vec<(String, String, String)> {
        self.notes().routes.clone()
    }

    /// What was added to a counter.
    pub fn metric(&self, name: &str) -> u64 {
        self.notes().metrics.get(name).copied().unwrap_or_default()
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for FakeServer {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.host.end();
    }
}

/// # Safety
/// `ctx` is that of a server that is not dropped.
unsafe fn note(ctx: *mut c_void, take: impl FnOnce(&mut Notes)) -> i32 {
    // SAFETY: promised by the caller.
    let notes = unsafe { &*ctx.cast::<Mutex<Notes>>() };
    take(&mut notes.lock().unwrap_or_else(PoisonError::into_inner));
    abi::OK
}

/// # Safety
/// The text is valid.
unsafe fn text(text: Str) -> String {
    // SAFETY: promised by the caller. The kit hands over nothing but UTF-8.
    unsafe { text.as_str() }.unwrap_or_default().to_owned()
}

unsafe extern "C" fn log(ctx: *mut c_void, level: i32, line: Str) {
    let level = match level {
        abi::LOG_ERROR => Level::Error,
        abi::LOG_WARN => Level::Warn,
        abi::LOG_INFO => Level::Info,
        abi::LOG_DEBUG => Level::Debug,
        _ => Level::Trace,
    };
    // SAFETY: `Host` calls with its own context and texts.
    unsafe { note(ctx, |notes| notes.log.push((level, text(line)))) };
}

unsafe extern "C" fn config_get(_: *mut c_void, _: Str, _: Str, _: *mut Str) -> i32 {
    abi::UNKNOWN
}

unsafe extern "C" fn now_ms(_: *mut c_void) -> i64 {
    // The same in every test.
    1_700_000_000_000
}

unsafe extern "C" fn call_service(_: *mut c_void, _: Str, _: *const abi::Request, _: *mut abi::Response) -> i32 {
    abi::UNKNOWN
}

unsafe extern "C" fn release_response(_: *mut c_void, _: *mut abi::Response) {
    // No call has made a response.
}

unsafe extern "C" fn register_route(ctx: *mut c_void, service: Str, method: Str, prefix: Str) -> i32 {
    // SAFETY: `Host` calls with its own context and texts.
    unsafe { note(ctx, |notes| notes.routes.push((text(service), text(method), text(prefix)))) }
}

unsafe extern "C" fn metric_add(ctx: *mut c_void, name: Str, amount: u64) -> i32 {
    // SAFETY: `Host` calls with its own context and texts.
    unsafe { note(ctx, |notes| *notes.metrics.entry(text(name)).or_default() += amount) }
}
