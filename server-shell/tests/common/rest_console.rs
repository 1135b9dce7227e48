//! The REST console of a running shell, as OpenSimulator's own console client uses it (shell.md section 9).

use std::process::Stdio;
use std::time::Instant;

use tempfile::TempDir;

use super::{PATIENCE, Shell, post_form};

/// The keys of `[Network]` that [`open_session`] comes in with.
pub const KEYS: &str = "ConsoleUser = Test\nConsolePass = \"se cret\"";

/// The end of what a command prints.
pub const NEXT_PROMPT: &str = "Prompt=\"true\" Command=\"true\" Input=\"false\">R.O.B.U.S.T.# </Line>";

/// Starts a shell with a REST console on its main listener; `keys` go into `[Network]`, which comes before `[ServiceList]`.
pub fn start_with(ini: &str, keys: &str) -> Shell {
    start_in(TempDir::new().unwrap(), ini, keys)
}

/// The same, in a folder that holds something already.
pub fn start_in(folder: TempDir, ini: &str, keys: &str) -> Shell {
    let ini = ini.replace("[ServiceList]", &format!("{keys}\n[ServiceList]"));
    let mut shell = Shell::launch_in(folder, &ini, &["-console=rest"], Stdio::null());
    shell.wait_until_ready();
    shell.wait_for_output("R.O.B.U.S.T.# ");
    shell
}

/// What stands between two texts.
pub fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let rest = text.split_once(before).unwrap_or_else(|| panic!("no {before:?} in {text:?}")).1;
    rest.split_once(after).unwrap_or_else(|| panic!("no {after:?} behind {before:?} in {text:?}")).0
}

/// Opens a session and gives its id.
pub fn open_session(shell: &Shell) -> String {
    let answer = post_form(shell, "/StartSession/", "USER=Test&PASS=se%20cret");
    assert_eq!((answer.status, answer.header("Content-Type")), (200, Some("text/xml")), "{}", answer.head);
    between(answer.text(), "<SessionID>", "</SessionID>").to_owned()
}

/// Polls until a text has come; gives all that came.
pub fn read_until(shell: &Shell, session: &str, text: &str) -> String {
    let mut all = String::new();
    let deadline = Instant::now() + PATIENCE;
    while !all.contains(text) {
        assert!(Instant::now() < deadline, "{text:?} does not come:\n{all}");
        let answer = post_form(shell, &format!("/ReadResponses/{session}/"), "");
        assert_eq!(answer.status, 200, "{}", answer.head);
        assert_eq!(answer.header("Connection"), Some("close"), "{}", answer.head);
        all.push_str(answer.text());
    }
    all
}

/// Sends a line: a command, or the answer to a question.
pub fn command(shell: &Shell, session: &str, text: &str) {
    let answer = post_form(shell, "/SessionCommand/", &format!("ID={session}&COMMAND={text}"));
    assert_eq!((answer.status, answer.header("Content-Type")), (200, Some("text/xml")));
    assert_eq!(answer.text(), "<?xml version=\"1.0\"?><ConsoleSession><Result>OK</Result></ConsoleSession>");
}
