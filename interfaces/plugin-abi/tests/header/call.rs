//! A plugin in C, and the same file as C++: its note is read from the library, and its functions are called through the Rust
//! types.

use std::ffi::c_void;
use std::path::Path;
use std::process::Command;
use std::ptr;
use std::sync::Mutex;

use gridshell_plugin_abi::{
    self as abi, Bytes, Config, Entry, Host, Note, Pair, Plugin, Request, Response, Sink, Str, VersionNumber,
};

use super::compiler;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/header/echo.c");

/// What the plugin has said to the server.
type Said = Mutex<Vec<String>>;

/// # Safety
/// `ctx` is a [`Said`], `text` is valid.
unsafe fn say(ctx: *mut c_void, what: &str, text: Str) {
    // SAFETY: as promised by the caller.
    let (said, text) = unsafe { (&*ctx.cast::<Said>(), text.as_str()) };
    said.lock().expect("nobody panics").push(format!("{what} {}", text.expect("it is UTF-8")));
}

unsafe extern "C" fn log(ctx: *mut c_void, level: i32, text: Str) {
    // SAFETY: the table's context; the plugin's text.
    unsafe { say(ctx, &format!("log {level}"), text) }
}

unsafe extern "C" fn config_get(ctx: *mut c_void, section: Str, key: Str, out: *mut Str) -> i32 {
    // SAFETY: the table's context, the plugin's texts and its place for the answer.
    unsafe {
        say(ctx, "section", section);
        say(ctx, "key", key);
        *out = Str::new("value");
    }
    abi::OK
}

unsafe extern "C" fn now_ms(_: *mut c_void) -> i64 {
    -5
}

unsafe extern "C" fn call_service(ctx: *mut c_void, service: Str, request: *const Request, response: *mut Response) -> i32 {
    // SAFETY: the table's context, the plugin's request and its place for the answer.
    unsafe {
        say(ctx, "call", service);
        say(ctx, "path", (*request).path);
        (*response).status = 299;
        (*response).owner_token = ptr::without_provenance_mut(77);
    }
    abi::OK
}

unsafe extern "C" fn release_response(ctx: *mut c_void, response: *mut Response) {
    // SAFETY: the table's context, and the response of the call.
    unsafe { say(ctx, &format!("release {}", (*response).owner_token.addr()), Str::EMPTY) }
}

unsafe extern "C" fn register_route(ctx: *mut c_void, service: Str, method: Str, prefix: Str) -> i32 {
    // SAFETY: the table's context and the plugin's texts.
    unsafe {
        for text in [service, method, prefix] {
            say(ctx, "route", text);
        }
    }
    abi::REFUSED
}

unsafe extern "C" fn metric_add(ctx: *mut c_void, name: Str, amount: u64) -> i32 {
    // SAFETY: the table's context and the plugin's text.
    unsafe { say(ctx, &format!("metric {amount}"), name) }
    abi::OK
}

unsafe extern "C" fn write(ctx: *mut c_void, text: Str) {
    // SAFETY: the sink's context and the plugin's text.
    unsafe { say(ctx, "console", text) }
}

fn section_is_a_note(library: &Path) {
    let listed = compiler::run(Command::new("readelf").args(["--wide", "--section-headers"]).arg(library));
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let line = listed.lines().find(|line| line.contains(abi::NOTE_SECTION)).expect("there is such a section");
    assert!(line.split_whitespace().any(|word| word == "NOTE"), "{line}");

    let note = library.with_extension("note");
    let dump = format!("{}={}", abi::NOTE_SECTION, note.display());
    compiler::run(Command::new("objcopy").arg("--dump-section").arg(dump).arg(library).arg(library.with_extension("copy")));
    let bytes = std::fs::read(note).expect("dumped");
    // SAFETY: a note is plain numbers without padding.
    let ours: [u8; size_of::<Note>()] = unsafe { std::mem::transmute(Note::OURS) };
    assert_eq!(bytes, ours);
}

fn lives(library: &Path) {
    let said = Said::default();
    let take = || std::mem::take(&mut *said.lock().expect("nobody panics"));
    let host = Host {
        struct_size: size_of::<Host>() as u32,
        abi_minor: 0,
        ctx: (&raw const said).cast_mut().cast(),
        log: Some(log),
        config_get: Some(config_get),
        now_ms: Some(now_ms),
        call_service: Some(call_service),
        release_response: Some(release_response),
        register_route: Some(register_route),
        metric_add: Some(metric_add),
    };
    let entries = [Pair { name: Str::new("a"), value: Str::new("1") }, Pair { name: Str::new("b"), value: Str::new("2") }];
    let config = Config {
        struct_size: size_of::<Config>() as u32,
        section: Str::new("Plugin:echo"),
        entries: entries.as_ptr(),
        entry_count: entries.len(),
    };
    let header = Pair { name: Str::new("accept"), value: Str::new("*/*") };
    let request = Request {
        struct_size: size_of::<Request>() as u32,
        service: Str::new("echo"),
        method: Str::new("PUT"),
        path: Str::new("/echo/ä"),
        rest: Str::new("/ä"),
        query: Str::new("q=1"),
        headers: &raw const header,
        header_count: 1,
        body: Bytes::new(b"body"),
        peer: Str::new("::1"),
    };

    // SAFETY: the library is the plugin above, and keeps to the header; everything handed over outlives the calls.
    unsafe {
        let library = libloading::Library::new(library).expect("it can be loaded");
        for (symbol, version) in [(abi::symbol::ABI_MAJOR, abi::ABI_MAJOR), (abi::symbol::ABI_MINOR, abi::ABI_MINOR)] {
            assert_eq!(library.get::<VersionNumber>(symbol).expect(symbol)(), u32::from(version));
        }
        let plugin: Plugin = *library.get::<Entry>(abi::symbol::ENTRY).expect("the entry")(&host);
        assert_eq!((plugin.struct_size, plugin.abi_minor), (size_of::<Plugin>() as u32, 0));
        assert!(plugin.reconfigure.is_none());

        let mut out = Str::EMPTY;
        let get_property = plugin.get_property.expect("required");
        assert_eq!(get_property(Str::new("name"), &mut out), abi::OK);
        assert_eq!(out.as_str(), Some("echo"));
        assert_eq!(get_property(Str::new("author"), &mut out), abi::UNKNOWN);

        let mut instance = ptr::null_mut();
        let create = plugin.create.expect("required");
        assert_eq!(create(&host, &Config { entry_count: 1, ..config }, &mut instance), 7);
        assert_eq!(create(&host, &config, &mut instance), abi::OK);
        let expected = ["section Plugin:echo", "key b", "log 1 value", "route echo", "route GET", "route /echo"];
        let expected = [&expected[..], &["metric 1099511627776 made", "call asset", "path /assets", "release 77 "]].concat();
        assert_eq!(take(), expected);

        let mut response = Response::EMPTY;
        assert_eq!(plugin.handle.expect("required")(instance, &request, &mut response), abi::OK);
        assert_eq!(response.status, 201);
        let headers = abi::pairs(response.headers, response.header_count).expect("an array");
        assert_eq!((headers[0].name.as_str(), headers[0].value.as_str()), (Some("X-Echo"), Some("yes")));
        let body = response.body.as_slice().expect("a body");
        assert_eq!(str::from_utf8(body), Ok("echo|PUT|/echo/ä|/ä|q=1|accept|*/*|body|::1|"));
        plugin.release.expect("required")(instance, &mut response);
        assert!(response.owner_token.is_null());

        assert_eq!(plugin.health.expect("it has it")(instance, &mut out), abi::FAILED);
        assert_eq!(out.as_str(), Some("tired"));
        let sink = Sink { ctx: host.ctx, write: Some(write) };
        assert_eq!(plugin.command.expect("it has it")(instance, Str::new("say"), sink), abi::OK);
        assert_eq!(take(), ["console say", "console \n"]);
        plugin.destroy.expect("required")(instance);
        assert_eq!(take(), ["log 2 ended"]);
    }
}

#[test]
fn a_plugin_in_c_is_understood() {
    let folder = tempfile::tempdir().expect("a folder");
    let library = folder.path().join("libecho.so");
    compiler::library(compiler::c99(), Path::new(SOURCE), &library);
    section_is_a_note(&library);
    lives(&library);
}

#[test]
fn a_plugin_in_cxx_is_understood() {
    let folder = tempfile::tempdir().expect("a folder");
    let (source, library) = (folder.path().join("echo.cpp"), folder.path().join("libecho.so"));
    std::fs::copy(SOURCE, &source).expect("copied");
    compiler::library(compiler::cxx11(), &source, &library);
    section_is_a_note(&library);
    lives(&library);
}

#[test]
fn the_header_compiles_alone() {
    let header = format!("{}/gridshell_plugin.h", compiler::INCLUDE);
    compiler::run(compiler::c99().args(["-fsyntax-only", "-x", "c", &header]));
    compiler::run(compiler::cxx11().args(["-fsyntax-only", "-x", "c++", &header]));
}
