//! What an operator sees of a shell without a database of its own.

use std::fs;

use crate::common::rest_console::{self, NEXT_PROMPT, command, open_session, read_until};
use crate::common::{Shell, asset_document, run};
use crate::{address_of, edge_of, readiness, storage};

const ID: &str = "a55e7000-0000-4000-8000-0000000000c1";
const USER: &str = "a55e7000-0000-4000-8000-0000000000c2";

pub fn ask(shell: &Shell, session: &str, text: &str) -> String {
    command(shell, session, text);
    read_until(shell, session, NEXT_PROMPT)
}

#[test]
fn the_console_shows_upstreams_and_says_what_is_elsewhere() {
    let storage = storage();
    let edge = rest_console::start_with(&edge_of(&[&storage], ""), rest_console::KEYS);
    assert_eq!(edge.post("/assets/", asset_document(ID, "aGVsbG8=").as_bytes()).status, 200);
    let address = address_of(&storage);
    let session = open_session(&edge);
    read_until(&edge, &session, NEXT_PROMPT);

    let shown = ask(&edge, &session, "show upstreams");
    assert!(shown.contains("AssetService: least-busy, 0 of 1024 requests under way, 0 refused, 0 repeated"), "{shown}");
    assert!(shown.contains(&address) && shown.contains("healthy"), "{shown}");
    assert_eq!(shown.matches("requests under way").count(), 1, "services that ask the same shells share a group: {shown}");
    let shown = ask(&edge, &session, &format!("show asset {ID}"));
    assert!(shown.contains("Size: 5 bytes"), "{shown}");
    let shown = ask(&edge, &session, &format!("inventory check {USER}"));
    assert!(
        shown.contains(&format!("The inventories are at {address}, and can be checked at the console there only")),
        "{shown}"
    );
}

#[test]
fn nothing_is_opened_and_readiness_is_that_of_the_upstreams() {
    let storage = storage();
    let edge = Shell::start(&edge_of(&[&storage], ""));
    assert_eq!(readiness(&edge), (200, "ready\nupstreams of AssetService: ok\n".to_owned()));
    let mut files: Vec<_> = fs::read_dir(edge.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["Robust.ini", "Robust.log", "RobustStats.log", "output.txt"], "no database");

    let (status, output) = run(edge.folder.path(), &["inventory", "check", USER, "-inifile=Robust.ini"]);
    assert_eq!(status, Some(2), "{output}");
    assert!(output.contains(&format!("the inventories are at {}", address_of(&storage))), "{output}");
}
