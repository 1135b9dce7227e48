//! Plugins' files: any bytes are examined or refused, and nothing of them is believed (plugins.md section 5.4, step 4).
#![no_main]

#[path = "../../server-shell/src/plugins/elf.rs"]
mod elf;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let with_note = elf::examine(bytes, true);
    let without = elf::examine(bytes, false);
    // What is taken with a note is taken without the need for one, and the other way round there is no note.
    match (with_note, without) {
        (Ok(version), found) => assert_eq!(found, Ok(version)),
        (Err(_), Ok(version)) => assert_eq!(version, None),
        (Err(_), Err(misfit)) => assert!(misfit.found.len() < 1000, "{misfit:?}"),
    }
});
