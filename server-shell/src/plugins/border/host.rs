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
            if abi::read(response).is_err() {
                return abi::INVALID;
            }
            let answer = match context.call_service(service, request) {
                Ok(answer) => answer,
                Err(status) => return status,
            };
            let mut lent = Lent::hand_over(answer);
            if abi::write(response, &lent).is_err() {
                Lent::take_back(&mut lent);
                return abi::INVALID;
            }
            abi::OK
        })
    }
}

/// # Safety
/// The pointer is null or that of a request of the header's form.
unsafe fn read_request(request: *const abi::Request) -> Option<ServiceRequest> {
    // SAFETY: promised by the caller.
    unsafe {
        let request = abi::read(request).ok()?;
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
    /// The answer for a plugin, who has it until [`take_back`](Self::take_back).
    fn hand_over(answer: ServiceAnswer) -> abi::Response {
        let mut lent = Box::new(Self { pairs: Vec::new(), answer });
        lent.pairs =
            lent.answer.headers.iter().map(|(name, value)| Pair { name: Str::new(name), value: Str::new(value) }).collect();
        abi::Response {
            status: lent.answer.status.into(),
            headers: lent.pairs.as_ptr(),
            header_count: lent.pairs.len(),
            body: abi::Bytes::new(&lent.answer.body),
            owner_token: Box::into_raw(lent).cast(),
            ..abi::Response::EMPTY
        }
    }

    /// Frees what [`hand_over`](Self::hand_over) has put into a response. Does nothing for one without.
    ///
    /// # Safety
    /// The pointer is null or that of a response of the header's form, whose token is that of `hand_over`, or null.
    unsafe fn take_back(response: *mut abi::Response) {
        // SAFETY: promised by the caller.
        let lent = unsafe { abi::Response::take_token(response) }.cast::<Self>();
        if !lent.is_null() {
            // SAFETY: it is the box of `hand_over`, and the token was removed, so that nobody frees it twice.
            drop(unsafe { Box::from_raw(lent) });
        }
    }
}

/// # Safety
/// As the header says of `release_response`.
unsafe extern "C" fn release_response(_: *mut c_void, response: *mut abi::Response) {
    // SAFETY: promised by the caller.
    guard((), || unsafe { Lent::take_back(response) });
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ptr;

    use super::*;
    use crate::plugins::context::{Client, Counters, Texts};
    use crate::plugins::own_services::ShellServices;
    use crate::plugins::properties::Capabilities;

    /// A service that answers with what it was asked.
    struct Echo;

    impl ShellServices for Echo {
        fn call(&self, service: &str, request: ServiceRequest) -> Result<ServiceAnswer, i32> {
            let headers = request.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
            let headers = headers.collect();
            let body = [format!("{service} {} {} ", request.method, request.target).as_bytes(), &request.body].concat();
            Ok(ServiceAnswer { status: 203, headers, body: body.into() })
        }
    }

    fn host() -> HostTable {
        let texts = Texts { section: "Plugin:x".to_owned(), entries: Vec::new(), others: BTreeMap::new() };
        let client = Client {
            plugin: "x".to_owned(),
            capabilities: Capabilities::read("call-service").unwrap(),
            services: vec!["x".to_owned()],
            counters: Arc::new(Counters::new("x")),
            shell: Arc::new(Echo),
        };
        HostTable::new(Arc::new(Context::new(client, Arc::new(texts))))
    }

    /// A struct of a plugin that is newer than the server.
    #[repr(C)]
    struct Newer<T> {
        known: T,
        unknown: [u64; 4],
    }

    impl<T> Newer<T> {
        fn new(known: T) -> Self {
            Self { known, unknown: [u64::MAX; 4] }
        }
    }

    fn sizes<T: abi::Growing>() -> [u32; 5] {
        [0, T::SIZE_1_0 - 1, T::SIZE_1_0, size_of::<T>() as u32, size_of::<Newer<T>>() as u32]
    }

    /// Asks with structs that say to have these sizes.
    fn call(host: &HostTable, request_size: u32, response_size: u32) -> (i32, Newer<abi::Response>) {
        let header = Pair { name: Str::new("x-a"), value: Str::new("b") };
        let request = Newer::new(abi::Request {
            struct_size: request_size,
            service: Str::EMPTY,
            method: Str::new("PUT"),
            path: Str::new("/p"),
            rest: Str::EMPTY,
            query: Str::new("q=1"),
            headers: &raw const header,
            header_count: 1,
            body: abi::Bytes::new(b"body"),
            peer: Str::EMPTY,
        });
        let mut response = Newer::new(abi::Response { struct_size: response_size, ..abi::Response::EMPTY });
        // SAFETY: the table is the server's own; request and response are longer than they say.
        let status = unsafe {
            let call_service = (*host.as_ptr()).call_service.unwrap();
            call_service((*host.as_ptr()).ctx, Str::new("echo"), (&raw const request).cast(), (&raw mut response).cast())
        };
        (status, response)
    }

    fn release(host: &HostTable, response: &mut Newer<abi::Response>) {
        // SAFETY: the table is the server's own, and the response one of it, or empty.
        unsafe { (*host.as_ptr()).release_response.unwrap()((*host.as_ptr()).ctx, ptr::from_mut(response).cast()) };
    }

    #[test]
    fn requests_of_older_and_newer_plugins_are_read() {
        let host = host();
        for size in sizes::<abi::Request>() {
            let (status, mut response) = call(&host, size, abi::Response::SIZE_1_0);
            if size < abi::Request::SIZE_1_0 {
                assert_eq!((status, response.known.owner_token), (abi::INVALID, ptr::null_mut()), "{size}");
                continue;
            }
            // SAFETY: it was filled in, and not given back yet.
            let body = unsafe { response.known.body.as_slice() }.unwrap().to_vec();
            assert_eq!((status, String::from_utf8(body).unwrap()), (abi::OK, "echo PUT /p?q=1 body".to_owned()), "{size}");
            release(&host, &mut response);
        }
    }

    #[test]
    fn responses_of_older_and_newer_plugins_are_filled_in() {
        let host = host();
        for size in sizes::<abi::Response>() {
            let (status, mut response) = call(&host, abi::Request::SIZE_1_0, size);
            let known = response.known;
            if size < abi::Response::SIZE_1_0 {
                assert_eq!((status, known.status, known.owner_token), (abi::INVALID, 0, ptr::null_mut()), "{size}");
                continue;
            }
            assert_eq!((status, known.status, known.header_count, known.struct_size), (abi::OK, 203, 1, size));
            // SAFETY: it was filled in, and not given back yet.
            let name = unsafe { abi::pairs(known.headers, known.header_count).unwrap()[0].name.as_str() };
            assert_eq!(name, Some("x-a"));
            // A second time finds nothing.
            release(&host, &mut response);
            release(&host, &mut response);
            assert!(response.known.owner_token.is_null() && response.known.body.ptr.is_null());
            assert_eq!((response.known.struct_size, response.unknown), (size, [u64::MAX; 4]));
        }
    }
}
