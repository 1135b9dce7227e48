//! What else can be asked of a plugin, and how it says no.

use gridshell_plugin::abi;

use super::server::Server;

#[test]
fn create_can_fail() {
    let (status, said) = Server::create(&[("OnCreate", "fail")]).err().expect("it is not made");
    assert_eq!((status, said), (abi::FAILED, vec!["log 0: there is no such file".to_owned()]));
}

#[test]
fn the_first_of_two_values_counts() {
    assert!(Server::create(&[("OnCreate", "yes"), ("OnCreate", "fail")]).is_ok());
}

#[test]
fn reconfiguration() {
    let server = Server::create(&[]).expect("made");
    assert_eq!(server.reconfigure(&[("OnCreate", "yes")]), abi::OK);
    assert_eq!(server.reconfigure(&[]), abi::NOT_SUPPORTED);
    assert_eq!(server.said(), [""; 0]);
    assert_eq!(server.reconfigure(&[("OnCreate", "fail")]), abi::FAILED);
    let said = r#"log 0: cannot use Config { section: "Plugin:probe", entries: [("OnCreate", "fail")] }"#;
    assert_eq!(server.said(), [said]);
}

#[test]
fn health() {
    for (on_drop, status, detail) in [("", abi::OK, "fine"), ("unknown", abi::NOT_SUPPORTED, ""), ("tired", abi::FAILED, "tired")]
    {
        let server = Server::create(&[("OnDrop", on_drop)]).expect("made");
        assert_eq!(server.health(), (status, detail.to_owned()));
        assert_eq!(server.health(), (status, detail.to_owned()));
    }
}

#[test]
fn commands() {
    let server = Server::create(&[]).expect("made");
    for (line, status, text) in [
        ("sweep the floor", abi::OK, "did sweep the floor\n"),
        ("fail", abi::FAILED, "no such thing\n"),
        ("nothing", abi::NOT_SUPPORTED, ""),
    ] {
        assert_eq!(server.command(line), status, "{line}");
        // In how many pieces it is written does not matter.
        assert_eq!(server.said().concat().replace("console: ", ""), text);
    }
}
