//! Any bytes as an .ini file: nothing panics, and what can be read can be saved and read again.

#![no_main]

use gridshell_config::{Configuration, connector_entries};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let Ok(configuration) = Configuration::from_text("fuzz.ini", &text) else { return };
    connector_entries(&configuration);
    let (saved, left_out) = configuration.to_ini();
    assert!(left_out.is_empty(), "what the lexer read, it can write: {left_out:?}");
    let (document, problems) = gridshell_config::lex("saved.ini", &saved);
    assert!(!problems.iter().any(|problem| problem.is_error()), "{problems:?}");
    let values = |section: &gridshell_config::Section| section.entries().map(|entry| entry.value.clone()).collect::<Vec<_>>();
    let before: Vec<_> = configuration.sections().map(values).collect();
    let after: Vec<Vec<_>> =
        document.sections.into_iter().map(|section| section.entries.into_iter().map(|entry| entry.value).collect()).collect();
    assert_eq!(after, before);
});
