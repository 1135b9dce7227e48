//! Form bodies: any bytes are a form.
#![no_main]

use gridshell_connectors::wire::form::Form;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let _ = Form::decode(body);
});
