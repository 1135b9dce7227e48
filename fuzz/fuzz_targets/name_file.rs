//! Files of names: any bytes, in whichever form they claim to be, are read or refused as invalid; what is read fulfils what rows promise.
#![no_main]

use std::io::Cursor;

use futures_executor::block_on;
use gridshell_interfaces::ErrorKind;
use gridshell_interfaces::name2key::{NameRows, check_name};
use gridshell_services::name2key::import::{NameFile, NameFileOptions};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let options = NameFileOptions { skip_bad: true, threads: 1, max_decoded_bytes: 16 << 20 };
    let source = Cursor::new(bytes.to_vec());
    let mut file = NameFile::from_source("fuzz", source, bytes.len() as u64, options).expect("threads can be started");
    loop {
        match block_on(file.next()) {
            Ok(Some(batch)) => {
                assert!(!batch.is_empty());
                for (key, name) in batch.iter() {
                    assert!(!key.is_nil());
                    assert_eq!(check_name(name), Ok(()));
                }
            }
            Ok(None) => break,
            Err(error) => {
                assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
                break;
            }
        }
    }
});
