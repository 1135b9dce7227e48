//! The server, as a plugin sees it.

use std::ffi::c_void;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use crate::abi::{self, Str};
use crate::error::check;
use crate::{HostError, Request, Response};

/// The importance of a line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Something is broken.
    Error,
    /// Something is odd; work goes on.
    Warn,
    /// What an operator wants to see.
    Info,
    /// What helps to find mistakes.
    Debug,
    /// Every step.
    Trace,
}

/// The server's functions for one instance. May be cloned, kept, and used from any thread. Once the instance has ended, nothing
/// works any more: [`HostError::Ended`].
#[derive(Clone)]
pub struct Host {
    /// `None` once the instance has ended, since the server's table is gone then. Calls hold the lock for reading.
    table: Arc<RwLock<Option<Table>>>,
}

/// A copy of the server's table.
#[derive(Clone, Copy)]
struct Table(abi::Host);

// SAFETY: the header lets all functions of the table be called from any thread; they are all that uses `ctx`.
unsafe impl Send for Table {}
// SAFETY: as above.
unsafe impl Sync for Table {}

impl Host {
    /// Writes a line into the server's log, marked as the plugin's.
    pub fn log(&self, level: Level, text: &str) {
        let level = match level {
            Level::Error => abi::LOG_ERROR,
            Level::Warn => abi::LOG_WARN,
            Level::Info => abi::LOG_INFO,
            Level::Debug => abi::LOG_DEBUG,
            Level::Trace => abi::LOG_TRACE,
        };
        if let Some(Table(table)) = *self.read()
            && let Some(log) = table.log
        {
            // SAFETY: the table is valid while it is read-locked; the text lives during the call.
            unsafe { log(table.ctx, level, Str::new(text)) };
        }
    }

    /// Reads a key of the server's configuration: of the plugin's own section, or of one that the operator lists in
    /// `ConfigSections`.
    ///
    /// # Errors
    /// `Unknown`: there is no such key. `Refused`: the section is not readable.
    pub fn config_get(&self, section: &str, key: &str) -> Result<String, HostError> {
        self.with(
            |table| table.config_get,
            |ctx, config_get| {
                let mut value = Str::EMPTY;
                // SAFETY: all that is handed over lives during the call.
                check(unsafe { config_get(ctx, Str::new(section), Str::new(key), &mut value) })?;
                // SAFETY: the text is valid until the instance ends, which waits for this call.
                unsafe { value.as_str() }.map(str::to_owned).ok_or(HostError::Malformed)
            },
        )
    }

    /// Milliseconds since 1970 (UTC), by the server's clock.
    ///
    /// # Errors
    /// `Ended`.
    pub fn now_ms(&self) -> Result<i64, HostError> {
        // SAFETY: it has no argument but the table's.
        self.with(|table| table.now_ms, |ctx, now_ms| Ok(unsafe { now_ms(ctx) }))
    }

    /// Asks a service of the server, in the service's own wire, and waits for the answer. A response with an error status is a
    /// response. Needs [`Capability::CallService`](crate::Capability::CallService).
    ///
    /// # Errors
    /// `Unknown`: the server has no such service. `Refused`: the capability is not declared. `Unavailable`: it cannot be asked
    /// now.
    pub fn call_service(&self, service: &str, request: &Request<'_>) -> Result<Response, HostError> {
        self.with(
            |table| table.call_service.zip(table.release_response),
            |ctx, (call_service, release_response)| {
                let mut response = abi::Response::EMPTY;
                // SAFETY: all that is handed over lives during the call.
                let status = request.lend(|request| unsafe { call_service(ctx, Str::new(service), request, &mut response) });
                check(status)?;
                // SAFETY: the response is the server's; it is copied, and then given back once.
                unsafe {
                    let copy = Response::copy(&response);
                    release_response(ctx, &mut response);
                    copy.ok_or(HostError::Malformed)
                }
            },
        )
    }

    /// Lets [`handle`](crate::Plugin::handle) get the requests with this method whose path begins with this prefix, for a service
    /// of [`SERVICES`](crate::Plugin::SERVICES). Only in [`create`](crate::Plugin::create). Needs
    /// [`Capability::Http`](crate::Capability::Http).
    ///
    /// # Errors
    /// `Refused`: `create` is over, or the capability is not declared. `Unknown`: no such service. `Invalid`: the prefix does not
    /// begin with a slash.
    pub fn register_route(&self, service: &str, method: &str, path_prefix: &str) -> Result<(), HostError> {
        self.with(
            |table| table.register_route,
            // SAFETY: all texts live during the call.
            |ctx, register_route| {
                check(unsafe { register_route(ctx, Str::new(service), Str::new(method), Str::new(path_prefix)) })
            },
        )
    }

    /// Adds to a counter of the plugin among the server's metrics. Names have a-z, 0-9 and `_`, and begin with a letter.
    ///
    /// # Errors
    /// `Invalid`: not such a name. `Unavailable`: there are too many counters.
    pub fn metric_add(&self, name: &str, amount: u64) -> Result<(), HostError> {
        self.with(
            |table| table.metric_add,
            // SAFETY: the text lives during the call.
            |ctx, metric_add| check(unsafe { metric_add(ctx, Str::new(name), amount) }),
        )
    }

    /// Calls `use_it` with the table's context and a function of it.
    fn with<F, R>(
        &self,
        function: impl FnOnce(&abi::Host) -> Option<F>,
        use_it: impl FnOnce(*mut c_void, F) -> Result<R, HostError>,
    ) -> Result<R, HostError> {
        // Held during the call: the instance does not end before.
        let table = self.read();
        let Table(table) = table.as_ref().ok_or(HostError::Ended)?;
        use_it(table.ctx, function(table).ok_or(HostError::NotSupported)?)
    }

    fn read(&self) -> RwLockReadGuard<'_, Option<Table>> {
        // Nothing that holds the lock leaves the table half written.
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The server behind a table, or `None` when it is older than what the kit is for.
    ///
    /// # Safety
    /// A pointer that is not null points to a table of the header's form, which stays valid until [`end`](Self::end).
    pub(crate) unsafe fn of(host: *const abi::Host) -> Option<Self> {
        // SAFETY: promised by the caller.
        unsafe { abi::read(host) }.ok().map(Self::from)
    }

    /// The server of a table that stays valid until [`end`](Self::end).
    pub(crate) fn from(table: abi::Host) -> Self {
        Self { table: Arc::new(RwLock::new(Some(Table(table)))) }
    }

    /// Waits for calls under way and permits no more.
    pub(crate) fn end(&self) {
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Host")
    }
}
