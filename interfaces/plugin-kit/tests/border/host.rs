//! The server's functions: arguments and answers survive the border, and so do refusals.

use std::ffi::c_void;
use std::fmt::Write as _;

use gridshell_plugin::abi::{self, Bytes, Pair, Str};
use gridshell_plugin::{Host, HostError, Level, Request, Response};

use super::plugin::KEPT;
use super::server::{Server, request, say};

/// What a plugin gets of all functions, a line each.
pub fn ask_all(host: &Host) -> String {
    let mut told = String::new();
    for level in [Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace] {
        host.log(level, "said");
    }
    let mut line = |text: String| writeln!(told, "{text}").expect("a text takes everything");
    for key in ["Known", "Unknown", "Secret", "Broken"] {
        line(format!("{:?}", host.config_get("Section", key)));
    }
    line(format!("{:?}", host.now_ms()));
    let asked = Request { query: "x=y", headers: vec![("accept", "a/b")], body: b"ask", ..Request::new("PUT", "/path") };
    for service in ["asset", "nobody", "broken"] {
        line(format!("{:?}", host.call_service(service, &asked)));
    }
    line(format!("{:?}", host.register_route("probe", "GET", "/probe")));
    line(format!("{:?}", host.metric_add("count", u64::MAX)));
    line(format!("{:?}", host.metric_add("Count!", 1)));
    told
}

/// # Safety
/// The plugin's text.
unsafe fn text(text: Str) -> String {
    // SAFETY: promised by the caller.
    unsafe { text.as_str() }.expect("it is text").to_owned()
}

pub unsafe extern "C" fn config_get(ctx: *mut c_void, section: Str, key: Str, out: *mut Str) -> i32 {
    // SAFETY: the plugin's texts and place for the answer; the table's context.
    unsafe {
        let key = text(key);
        say(ctx, format!("{}|{key}", text(section)));
        *out = match &*key {
            "Known" => Str::new("välue"),
            "Broken" => Str { ptr: b"\xff".as_ptr(), len: 1 },
            "Secret" => return abi::REFUSED,
            _ => return abi::UNKNOWN,
        };
    }
    abi::OK
}

pub unsafe extern "C" fn now_ms(_: *mut c_void) -> i64 {
    1_700_000_000_123
}

pub unsafe extern "C" fn call_service(
    ctx: *mut c_void,
    service: Str,
    request: *const abi::Request,
    response: *mut abi::Response,
) -> i32 {
    const HEADER: Pair = Pair { name: Str::new("x"), value: Str::new("y") };
    // SAFETY: the plugin's request and place for the answer; the table's context.
    unsafe {
        let (request, response) = (&*request, &mut *response);
        let header = abi::pairs(request.headers, request.header_count).expect("an array")[0];
        say(
            ctx,
            format!(
                "{}|{}|{}|{}|{}={}|{:?}",
                text(service),
                text(request.method),
                text(request.path),
                text(request.query),
                text(header.name),
                text(header.value),
                request.body.as_slice()
            ),
        );
        response.body = match &*text(service) {
            "asset" => Bytes::new(b"answer"),
            "broken" => Bytes { ptr: std::ptr::null(), len: 1 },
            _ => return 9,
        };
        response.status = 404;
        response.headers = Box::into_raw(Box::new(HEADER));
        response.header_count = 1;
    }
    abi::OK
}

pub unsafe extern "C" fn release_response(ctx: *mut c_void, response: *mut abi::Response) {
    // SAFETY: the response of `call_service`; the table's context.
    unsafe {
        drop(Box::from_raw((*response).headers.cast_mut()));
        say(ctx, "released".to_owned());
    }
}

pub unsafe extern "C" fn register_route(ctx: *mut c_void, service: Str, method: Str, prefix: Str) -> i32 {
    // SAFETY: the plugin's texts; the table's context.
    unsafe { say(ctx, format!("{}|{}|{}", text(service), text(method), text(prefix))) };
    abi::REFUSED
}

pub unsafe extern "C" fn metric_add(ctx: *mut c_void, name: Str, amount: u64) -> i32 {
    // SAFETY: the plugin's text; the table's context.
    let name = unsafe { text(name) };
    if name != "count" {
        return abi::INVALID;
    }
    // SAFETY: the table's context.
    unsafe { say(ctx, format!("{name} {amount}")) };
    abi::OK
}

#[test]
fn every_function_is_reached() {
    let server = Server::create(&[]).expect("made");
    let told = server.handle(&request("/host"), |response| {
        // SAFETY: not released yet.
        String::from_utf8(unsafe { response.body.as_slice() }.expect("a body").to_vec()).expect("text")
    });
    let answer = Response { status: 404, headers: vec![("x".into(), "y".into())], body: b"answer".to_vec() };
    let lines = [
        "Ok(\"välue\")".to_owned(),
        "Err(Unknown)".to_owned(),
        "Err(Refused)".to_owned(),
        "Err(Malformed)".to_owned(),
        "Ok(1700000000123)".to_owned(),
        format!("Ok({answer:?})"),
        "Err(Failed(9))".to_owned(),
        "Err(Malformed)".to_owned(),
        "Err(Refused)".to_owned(),
        "Ok(())".to_owned(),
        "Err(Invalid)".to_owned(),
    ];
    assert_eq!(told.expect("handled").lines().collect::<Vec<_>>(), lines);
    let asked = "PUT|/path|x=y|accept=a/b|Some([97, 115, 107])";
    let said = [
        "log 0: said".to_owned(),
        "log 1: said".to_owned(),
        "log 2: said".to_owned(),
        "log 3: said".to_owned(),
        "log 4: said".to_owned(),
        "Section|Known".to_owned(),
        "Section|Unknown".to_owned(),
        "Section|Secret".to_owned(),
        "Section|Broken".to_owned(),
        format!("asset|{asked}"),
        "released".to_owned(),
        format!("nobody|{asked}"),
        format!("broken|{asked}"),
        "released".to_owned(),
        "probe|GET|/probe".to_owned(),
        format!("count {}", u64::MAX),
    ];
    assert_eq!(server.said(), said);
}

#[test]
fn after_the_end_there_is_no_server() {
    let (status, said) = Server::create(&[("OnCreate", "keep")]).err().expect("it is not made");
    assert_eq!((status, said), (abi::FAILED, vec!["log 0: kept".to_owned()]));
    // The server's table is gone. A thread that the plugin has left behind must not reach into it.
    let host = KEPT.get().expect("kept");
    host.log(Level::Error, "nobody hears this");
    assert_eq!(host.now_ms(), Err(HostError::Ended));
    assert_eq!(host.config_get("Section", "Known"), Err(HostError::Ended));
    assert_eq!(host.call_service("asset", &Request::new("GET", "/")), Err(HostError::Ended));
}
