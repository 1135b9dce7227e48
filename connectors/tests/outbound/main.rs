//! The OUT connectors: what they send, byte for byte; what they make of the answers of a ROBUST, of garbage and of failures; and that
//! nothing is lost over two hops of OUT and IN.

mod asset;
mod asset_answers;
mod hops;
mod inventory;
mod inventory_answers;
#[path = "../inventory/memory.rs"]
#[allow(dead_code, reason = "the tests of the IN connector use all of it")]
mod inventory_memory;
mod name2key;
#[path = "../name2key/memory.rs"]
#[allow(dead_code, reason = "the tests of the IN connector use all of it")]
mod name2key_memory;
mod script;
mod web;

use gridshell_interfaces::{ErrorKind, Result};

/// The beginning of what .NET's serializer writes.
const PROLOG: &str = "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>";
/// The declarations of master.
const NAMESPACES: &str = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\"";
/// The declarations of 0.9.2.2.
const OLD_NAMESPACES: &str =
    "xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"";

/// ROBUST's page for paths that it does not know (transport.md section 2.2).
const NOT_FOUND_PAGE: &str = "<HTML><HEAD><TITLE>404 Page not found</TITLE><BODY><BR /><H1>Ooops!</H1><P>The page you requested has been obsconded with by knomes. Find hippos quick!</P></BODY></HTML>";

/// Statuses that are failures of every request, with the kinds that they stand for.
const FAILURES: [(u16, ErrorKind); 12] = [
    (503, ErrorKind::Unavailable),
    (502, ErrorKind::Unavailable),
    (504, ErrorKind::Unavailable),
    (429, ErrorKind::Unavailable),
    (408, ErrorKind::Unavailable),
    (500, ErrorKind::Internal),
    (501, ErrorKind::Internal),
    (401, ErrorKind::Internal),
    (403, ErrorKind::Internal),
    (302, ErrorKind::Internal),
    (400, ErrorKind::Invalid),
    (413, ErrorKind::Refused),
];

/// The kind of a failure.
fn kind<T: std::fmt::Debug>(result: Result<T>) -> ErrorKind {
    result.expect_err("a failure").kind
}
