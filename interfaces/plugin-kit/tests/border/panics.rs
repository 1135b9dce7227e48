//! A panic in any function is the status 255 and a line in the log. That this program goes on shows that nothing unwinds out of
//! them.

use gridshell_plugin::abi::{self, Str};
use gridshell_plugin::export;

use super::server::{Server, request};

fn line(text: &str) -> Vec<String> {
    vec![format!("log 0: {text}")]
}

#[test]
fn in_create() {
    let (status, said) = Server::create(&[("OnCreate", "panic")]).err().expect("it is not made");
    assert_eq!((status, said), (abi::PANIC, line("panic in create: cannot be made")));
}

#[test]
fn in_handle() {
    let server = Server::create(&[]).expect("made");
    for _ in 0..10 {
        assert_eq!(server.handle(&request("/panic"), |_| ()), Err(abi::PANIC));
        assert_eq!(server.said(), line("panic in handle: in the middle"));
    }
    assert_eq!(server.handle(&request("/panic/value"), |_| ()), Err(abi::PANIC));
    assert_eq!(server.said(), line("panic in handle: it said nothing"));
    assert!(server.handle(&request("/x"), |_| ()).is_ok(), "the instance goes on");
}

#[test]
fn in_all_others() {
    let server = Server::create(&[("OnDrop", "panic")]).expect("made");
    assert_eq!(server.command("panic"), abi::PANIC);
    assert_eq!(server.reconfigure(&[("OnCreate", "panic")]), abi::PANIC);
    assert_eq!(server.health(), (abi::PANIC, String::new()));
    let said = ["in a command", "cannot be changed", "not well at all"];
    let said: Vec<String> = ["command", "reconfigure", "health"]
        .iter()
        .zip(said)
        .map(|(function, text)| format!("log 0: panic in {function}: {text}"))
        .collect();
    assert_eq!(server.said(), said);
    // `destroy` panics as well.
    drop(server);
}

#[test]
fn in_get_property() {
    let mut out = Str::EMPTY;
    // SAFETY: the place for the text lives during the call.
    let status = unsafe { export::get_property(|| panic!("no properties"), Str::new("name"), &mut out) };
    assert_eq!(status, abi::PANIC);
    assert_eq!(out.len, 0);
}
