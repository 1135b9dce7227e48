//! The server's functions, as plugins call them: C on the outside, [`Context`] on the inside.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use gridshell_connectors::http::{HeaderMap, HeaderName, HeaderValue, Method};
use gridshell_plugin_abi::{self as abi, Pair, Str};

use crate::plugins::context::{Context, Level};
use crate::plugins::own_services::{ServiceAnswer, ServiceRequest};

/// The table of functions that a plugin gets, and what they work with.
pub struct HostTable {
    /// A box, as a pointer since the plugin has it too.
    table: *const abi::Host,
    context: Arc<Context>,
}

// SAFETY: the table is only read, and its functions may be called from any thread.
unsafe impl Send for HostTable {}
// SAFETY: as above.
unsafe impl Sync for HostTable {}

impl HostTable {
    /// A table over this context.
    pub fn new(context: Arc<Context>) -> Self {
        let table = Box::new(abi::Host {
            struct_size: size_of::<abi::Host>() as u32,
            abi_minor: abi::ABI_MINOR.into(),
            ctx: Arc::as_ptr(&context).cast_mut().cast(),
            log: Some(log),
            config_get: Some(config_get),
            now_ms: Some(now_ms),
            call_service: Some(call_service),
            release_response: Some(release_response),
            register_route: Some(register_route),
            metric_add: Some(metric_add),
        });
        Self { table: Box::into_raw(table), context }
    }

    /// What the functions work with.
    pub fn context(&self) -> &Arc<Context> {
        &self.context
    }

    pub(super) fn as_ptr(&self) -> *const abi::Host {
        self.table
    }
}

impl Drop for HostTable {
    fn drop(&mut self) {
        // SAFETY: it is the box of `new`, and the plugin must not use it any more.
        drop(unsafe { Box::from_raw(self.table.cast_mut()) });
    }
}

/// Calls `work`, and lets no panic into the plugin (plugins.md section 5.5).
fn guard<R>(on_panic: R, work: impl FnOnce() -> R) -> R {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        tracing::error!("[PLUGINS]: a function that a plugin has called panicked");
        on_panic
    })
}

/// Calls `work` with the context.
///
/// # Safety
/// `ctx` is null or that of a table that was not dropped.
unsafe fn with_context(ctx: *mut c_void, work: impl FnOnce(&Context) -> i32) -> i32 {
    // SAFETY: promised by the caller: the table keeps the context.
    let context = unsafe { ctx.cast::<Context>().as_ref() };
    guard(abi::FAILED, || context.map_or(abi::INVALID, work))
}

/// # Safety
/// As the header says of `log`.
unsafe extern "C" fn log(ctx: *mut c_void, level: i32, text: Str) {
    // SAFETY: promised by the caller.
    unsafe {
        with_context(ctx, |context| {
            context.log(Level::of_code(level), text.as_str().unwrap_or("(a text that is not UTF-8)"));
            abi::OK
        });
    }
}

/// # Safety
/// As the header says of `config_get`.
unsafe extern "C" fn config_get(ctx: *mut c_void, section: Str, key: Str, out: *mut Str) -> i32 {
    // SAFETY: promised by the caller.
    unsafe {
        with_context(ctx, |context| {
            let (Some(section), Some(key), Some(out)) = (section.as_str(), key.as_str(), out.as_mut()) else {
                return abi::INVALID;
            };
            // The context keeps the text until the instance has ended.
            context.config_get(section, key, |value| *out = Str::new(value))
        })
    }
}

/// # Safety
/// As the header says of `now_ms`.
unsafe extern "C" fn now_ms(_: *mut c_void) -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.ok().and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or_default()
}

/// # Safety
/// As the header says of `register_route`.
unsafe extern "C" fn register_route(ctx: *mut c_void, service: Str, method: Str, prefix: Str) -> i32 {
    // SAFETY: promised by the caller.
    unsafe {
        with_context(ctx, |context| match (service.as_str(), method.as_str(), prefix.as_str()) {
            (Some(service), Some(method), Some(prefix)) => context.register_route(service, method, prefix),
            _ => abi::INVALID,
        })
    }
}

/// # Safety
/// As the header says of `metric_add`.
unsafe extern "C" fn metric_add(ctx: *mut c_void, name: Str, amount: u64) -> i32 {
    // SAFETY: promised by the caller.
    unsafe { with_context(ctx, |context| name.as_str().map_or(abi::INVALID, |name| context.metric_add(name, amount))) }
}

/// # Safety
/// As the header says of `call_service`.
unsafe extern "C" fn call_service(
    ctx: *mut c_void,
    service: Str,
    request: *const abi::Request,
    response: *mut abi::Response,
) -> i32 {
    // SAFETY: promised by the caller.
    unsafe {
        with_context(ctx, |context| {
            let (Some(service), Some(request)) = (service.as_str(), read_request(request)) else { return abi::INVALID };
            let Some(response) = response.as_mut().filter(|it| it.struct_size as usize >= size_of::<abi::Response>()) else {
                return abi::INVALID;
            };
            match context.call_service(service, request) {
                Ok(answer) => {
                    Lent::hand_over(answer, response);
                    abi::OK
                }
                Err(status) => status,
            }
        })
    }
}

/// # Safety
/// The pointer is null or that of a request of the header's form.
unsafe fn read_request(request: *const abi::Request) -> Option<ServiceRequest> {
    if request.is_null() || !request.is_aligned() {
        return None;
    }
    // SAFETY: every request begins with its size, and a request that is large enough has all members.
    unsafe {
        if ((&raw const (*request).struct_size).read() as usize) < size_of::<abi::Request>() {
            return None;
        }
        let request = request.read();
        let mut headers = HeaderMap::new();
        for pair in abi::pairs(request.headers, request.header_count)? {
            let name = HeaderName::from_bytes(pair.name.as_str()?.as_bytes()).ok()?;
            headers.append(name, HeaderValue::from_bytes(pair.value.as_str()?.as_bytes()).ok()?);
        }
        let (path, query) = (request.path.as_str()?, request.query.as_str()?);
        Some(ServiceRequest {
            method: Method::from_bytes(request.method.as_str()?.as_bytes()).ok()?,
            target: if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") },
            headers,
            body: Bytes::copy_from_slice(request.body.as_slice()?),
        })
    }
}

/// An answer that a plugin has; the pairs point into it.
struct Lent {
    pairs: Vec<Pair>,
    answer: ServiceAnswer,
}

impl Lent {
    fn hand_over(answer: ServiceAnswer, response: &mut abi::Response) {
        let mut lent = Box::new(Self { pairs: Vec::new(), answer });
        lent.pairs =
            lent.answer.headers.iter().map(|(name, value)| Pair { name: Str::new(name), value: Str::new(value) }).collect();
        response.status = lent.answer.status.into();
        response.headers = lent.pairs.as_ptr();
        response.header_count = lent.pairs.len();
        response.body = abi::Bytes::new(&lent.answer.body);
        response.owner_token = Box::into_raw(lent).cast();
    }
}

/// # Safety
/// As the header says of `release_response`.
unsafe extern "C" fn release_response(_: *mut c_void, response: *mut abi::Response) {
    guard((), || {
        // SAFETY: promised by the caller.
        let Some(response) = (unsafe { response.as_mut() }) else { return };
        let lent = response.owner_token.cast::<Lent>();
        *response = abi::Response { struct_size: response.struct_size, ..abi::Response::EMPTY };
        if !lent.is_null() {
            // SAFETY: it is the box of `hand_over`, and the token was removed, so that nobody frees it twice.
            drop(unsafe { Box::from_raw(lent) });
        }
    });
}
