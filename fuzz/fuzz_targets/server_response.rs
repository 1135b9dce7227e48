//! `ServerResponse` documents: any bytes are read or refused.
#![no_main]

use gridshell_connectors::wire::server_response;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let _ = server_response::read(body);
});
