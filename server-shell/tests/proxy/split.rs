//! Reads here, writes there.

use crate::common::{Shell, asset_document, post_form};
use crate::{address_of, edge_of, storage};

const OLD: &str = "a55e7000-0000-4000-8000-0000000000d1";
const NEW: &str = "a55e7000-0000-4000-8000-0000000000d2";

fn store(shell: &Shell, id: &str) {
    let answer = shell.post("/assets/", asset_document(id, "aGVsbG8=").as_bytes());
    assert_eq!(answer.status, 200, "{}", shell.output());
}

fn status(shell: &Shell, id: &str) -> u16 {
    shell.get(&format!("/assets/{id}")).status
}

#[test]
fn writes_go_to_the_writer_and_reads_follow_for_a_time() {
    // Each has a database of its own, so that it shows who was asked.
    let (reader, writer) = (storage(), storage());
    store(&reader, OLD);
    let keys = |time: &str| format!("WriteURI = \"{}\"\n    ReadYourWrites = {time}", address_of(&writer));
    let edge = Shell::start(&edge_of(&[&reader], &keys("3600")));
    assert_eq!(status(&edge, OLD), 200, "reads go to the reader");
    store(&edge, NEW);
    assert_eq!((status(&writer, NEW), status(&reader, NEW)), (200, 404), "writes go to the writer");
    assert_eq!(status(&edge, NEW), 200, "who reads what was just written finds it");

    let user = "PRINCIPAL=a55e7000-0000-4000-8000-0000000000d3";
    let create = format!("METHOD=CREATEUSERINVENTORY&{user}");
    assert!(post_form(&edge, "/xinventory", &create).text().contains("True"));
    let root = |shell: &Shell| {
        let answer = post_form(shell, "/xinventory", &format!("METHOD=GETROOTFOLDER&{user}"));
        answer.text().contains("My Inventory")
    };
    assert!(root(&edge) && root(&writer) && !root(&reader), "the same for inventories");

    let forgetful = Shell::start(&edge_of(&[&reader], &keys("0")));
    store(&forgetful, NEW);
    assert_eq!(status(&forgetful, NEW), 404, "without the time, reads go to the reader always");
}
