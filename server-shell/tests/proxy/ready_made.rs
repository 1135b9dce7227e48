//! The ready-made configurations for shells in front of others.

use std::fs;

use crate::common::{LEVELS, Shell, asset_document, post_form, workspace};
use crate::{address_of, storage};

const ID: &str = "a55e7000-0000-4000-8000-0000000000b1";

/// A file of `config/`, with the ports and addresses of the test in the place of its own.
fn start(file: &str, replaced: &[(&str, &str)]) -> Shell {
    let mut ini = fs::read_to_string(workspace(file)).unwrap();
    for (text, by) in replaced {
        assert!(ini.contains(text), "{text}");
        ini = ini.replace(text, by);
    }
    Shell::start(&(ini + LEVELS))
}

fn works(shell: &Shell) {
    assert_eq!(shell.post("/assets/", asset_document(ID, "aGVsbG8=").as_bytes()).status, 200);
    assert_eq!(shell.get(&format!("/assets/{ID}/data")).text(), "hello");
    let user = "PRINCIPAL=a55e7000-0000-4000-8000-0000000000b2";
    assert!(post_form(shell, "/xinventory", &format!("METHOD=CREATEUSERINVENTORY&{user}")).text().contains("True"));
    assert!(post_form(shell, "/xinventory", &format!("METHOD=GETROOTFOLDER&{user}")).text().contains("My Inventory"));
    shell.has_no_complaints();
}

#[test]
fn the_edge_proxy_runs() {
    let storage = storage();
    let upstream = format!("Storage = \"{}\"", address_of(&storage));
    let edge = start(
        "config/proxy.ini",
        &[
            ("port = 8103", "port = ${port}"),
            ("Port = 8109", "Port = ${admin}"),
            ("Storage = \"http://127.0.0.1:8003\"", &upstream),
        ],
    );
    works(&edge);
    storage.signal(nix::sys::signal::Signal::SIGKILL);
    assert_eq!(edge.get(&format!("/assets/{ID}/data")).text(), "hello", "it is in memory");
}

#[test]
fn the_load_balancer_runs() {
    let (first, second) = (storage(), storage());
    let balancer = start(
        "config/balancer.ini",
        &[
            ("port = 8203", "port = ${port}"),
            ("Port = 8209", "Port = ${admin}"),
            ("http://127.0.0.1:8003", &address_of(&first)),
            ("http://127.0.0.1:8013", &address_of(&second)),
        ],
    );
    works(&balancer);
    assert_eq!(first.get(&format!("/assets/{ID}")).status, 200, "the writer has it");
    assert_eq!(second.get(&format!("/assets/{ID}")).status, 404, "nothing is written to the other");
}
