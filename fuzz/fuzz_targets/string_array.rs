//! The other serializer documents: any bytes are read or refused.
#![no_main]

use gridshell_connectors::wire::dotnet::{read_boolean, read_boolean_array, read_string, read_string_array};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let _ = read_string(body);
    let _ = read_boolean(body);
    let _ = read_boolean_array(body);
    let _ = read_string_array(body);
});
