//! Any bytes as what a plugin's process sends: nothing panics, nothing is made room for that did not arrive, and what can be read can be
//! written, to the same bytes.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;

#[path = "../../server-shell/src/plugins/process/frame.rs"]
#[allow(dead_code, reason = "the program also keeps bodies and makes frames")]
mod frame;
#[path = "../../server-shell/src/plugins/process/message.rs"]
mod message;

use frame::Frame;

fuzz_target!(|bytes: &[u8]| {
    let mut arrived = BytesMut::from(bytes);
    let mut read = 0;
    while let Ok(Some(frame)) = Frame::take(&mut arrived) {
        if let Ok(message) = frame.message() {
            let written = [message.encode(frame.id()).expect("no longer than what was read").as_slice(), message.body()].concat();
            assert_eq!(written, bytes[read..read + written.len()]);
        }
        read = bytes.len() - arrived.len();
    }
});
