//! Requests in, responses out, and their memory.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr;

use gridshell_plugin::abi::{self, Bytes, Request, Response, Str};

use super::server::{Server, plugin, request};

/// Counts what each thread has allocated and not freed.
struct Counting;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: it does what the system's does.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.set(HELD.get().wrapping_add(layout.size()));
        // SAFETY: promised by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.set(HELD.get().wrapping_sub(layout.size()));
        // SAFETY: promised by the caller.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// # Safety
/// The response is not released.
unsafe fn content(response: &Response) -> (u32, Vec<(String, String)>, String) {
    // SAFETY: promised by the caller.
    let (pairs, body) =
        unsafe { (abi::pairs(response.headers, response.header_count).expect("an array"), response.body.as_slice()) };
    // SAFETY: as above.
    let text = |text: Str| unsafe { text.as_str() }.expect("it is text").to_owned();
    let headers = pairs.iter().map(|pair| (text(pair.name), text(pair.value))).collect();
    (response.status, headers, String::from_utf8(body.expect("a body").to_vec()).expect("text"))
}

#[test]
fn a_request_comes_in_and_its_response_goes_out() {
    let server = Server::create(&[]).expect("made");
    // SAFETY: `handle` releases afterwards.
    let answer = server.handle(&request("/ä"), |response| unsafe { content(response) });
    let headers = [("Content-Type", "a/b"), ("X-Two", "2")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let seen = "Request { service: \"probe\", method: \"POST\", path: \"/ä\", rest: \"/rest\", query: \"a=b\", \
                headers: [(\"accept\", \"*/*\"), (\"x-ä\", \"ö\")], body: [0, 255], peer: \"127.0.0.1\" }";
    assert_eq!(answer, Ok((201, headers.to_vec(), seen.to_owned())));
    // SAFETY: as above.
    let empty = server.handle(&request("/empty"), |response| unsafe { content(response) });
    assert_eq!(empty, Ok((204, Vec::new(), String::new())));
}

#[test]
fn what_handle_makes_release_frees() {
    let server = Server::create(&[]).expect("made");
    let once = || server.handle(&request("/x"), |_| HELD.get()).expect("handled");
    once();
    let before = HELD.get();
    let during = once();
    assert!(during > before + 100, "the response is held while the server reads it");
    for _ in 0..1000 {
        once();
    }
    assert_eq!(HELD.get(), before);
    // One that nobody has filled in, or that was released already.
    let mut response = Response::EMPTY;
    // SAFETY: it is a response without a token.
    unsafe { plugin().release.expect("required")(ptr::null_mut(), &mut response) };
}

#[test]
fn what_breaks_the_rules_is_invalid() {
    let server = Server::create(&[]).expect("made");
    let latin1 = Str { ptr: b"\xf6".as_ptr(), len: 1 };
    let no_body = Bytes { ptr: ptr::null(), len: 1 };
    let good = request("/x");
    let bad = [Request { path: latin1, ..good }, Request { body: no_body, ..good }, Request { headers: ptr::null(), ..good }];
    for request in bad {
        assert_eq!(server.handle(&request, |_| ()), Err(abi::INVALID), "{request:?}");
    }
    let handle = plugin().handle.expect("required");
    let mut response = Response::EMPTY;
    // SAFETY: what is handed over lives during the calls; none of them gets an instance and all else.
    unsafe {
        assert_eq!(server.call_handle(ptr::null(), &mut response), abi::INVALID);
        assert_eq!(server.call_handle(&good, ptr::null_mut()), abi::INVALID);
        assert_eq!(handle(ptr::null_mut(), &good, &mut response), abi::INVALID);
        let create = plugin().create.expect("required");
        assert_eq!(create(ptr::null(), ptr::null(), ptr::null_mut()), abi::INVALID);
    }
    assert!(response.owner_token.is_null());
}
