//! The REST console over HTTP, end to end (shell.md section 9): as OpenSimulator's own console client uses it.

mod common;

use common::rest_console::{KEYS, NEXT_PROMPT, between, command, open_session, read_until};
use common::{SQLITE, Shell, asset_document, free_port, post_form, read_answer, try_post, write_request};
use nix::sys::signal::Signal;

const ID: &str = "a55e7000-0000-4000-8000-0000000000a1";

fn start() -> Shell {
    start_with(KEYS)
}

fn start_with(keys: &str) -> Shell {
    common::rest_console::start_with(SQLITE, keys)
}

#[test]
fn a_session_from_its_start_to_its_end() {
    let shell = start();
    assert_eq!(shell.post("/assets/", asset_document(ID, "aGVsbG8=").as_bytes()).status, 200);
    for form in ["", "/data", "/metadata"] {
        assert_eq!(shell.get(&format!("/assets/{ID}{form}")).status, 200, "now it is in the cache");
    }

    let started = post_form(&shell, "/StartSession/", "USER=Test&PASS=se%20cret");
    let document = started.text();
    assert!(document.starts_with("<?xml version=\"1.0\"?><ConsoleSession><SessionID>"), "{document}");
    assert_eq!(between(document, "<Prompt>", "</Prompt>"), "R.O.B.U.S.T.# ");
    assert!(document.contains("<HelpTree><Level Name=") && document.ends_with("</HelpTree></ConsoleSession>"), "{document}");
    assert!(document.contains("<HelpText>show asset &lt;ID&gt;</HelpText>"), "{document}");
    let session = between(document, "<SessionID>", "</SessionID>").to_owned();

    let scrollback = read_until(&shell, &session, NEXT_PROMPT);
    assert!(scrollback.starts_with("<?xml version=\"1.0\"?><ConsoleSession><Line Number=\"1\" Level="), "{scrollback}");
    assert!(scrollback.contains("[SERVER]: AssetServiceConnector loaded successfully</Line>"), "{scrollback}");

    // The original's client does not encode blanks.
    command(&shell, &session, &format!("show asset {ID}"));
    let shown = read_until(&shell, &session, NEXT_PROMPT);
    assert!(shown.contains(&format!("Input=\"true\">show asset {ID}</Line>")), "the echo: {shown}");
    for line in ["Name: test", "Type: Notecard (type number = 7)", "Size: 5 bytes", "Flags: Normal", "0000: 68-65-6C-6C-6F"] {
        assert!(shown.contains(&format!(">{line}</Line>")), "{line:?}: {shown}");
    }

    command(&shell, &session, &format!("delete+asset+{ID}"));
    let deleted = read_until(&shell, &session, NEXT_PROMPT);
    assert!(deleted.contains(&format!(">Deleted asset {ID} test</Line>")), "{deleted}");
    for form in ["", "/data", "/metadata"] {
        assert_eq!(shell.get(&format!("/assets/{ID}{form}")).status, 404, "the cache has forgotten {form:?}");
    }

    let closed = post_form(&shell, "/CloseSession/", &format!("ID={session}"));
    assert_eq!(
        (closed.status, closed.text()),
        (200, "<?xml version=\"1.0\"?><ConsoleSession><Result>OK</Result></ConsoleSession>")
    );
    let gone = shell.get(&format!("/ReadResponses/{session}/"));
    assert_eq!((gone.status, gone.header("Content-Type")), (404, Some("text/html")));
    assert!(gone.text().contains("404 Page not found"), "{}", gone.text());
    assert_eq!(post_form(&shell, "/SessionCommand/", &format!("ID={session}&COMMAND=quit")).status, 404);
    // All output also goes to stdout.
    shell.wait_for_output("Size: 5 bytes");
}

#[test]
fn nobody_comes_in_without_the_password() {
    let shell = start();
    for form in ["USER=Test&PASS=wrong", "USER=test&PASS=se%20cret", "USER=Test", "PASS=se%20cret", "USER=&PASS=", ""] {
        let answer = post_form(&shell, "/StartSession/", form);
        assert_eq!((answer.status, answer.header("Content-Type"), answer.body.len()), (401, Some("text/plain"), 0), "{form}");
    }
    let closed = start_with("");
    for form in ["USER=&PASS=", "USER=Test&PASS="] {
        assert_eq!(post_form(&closed, "/StartSession/", form).status, 401, "without ConsoleUser nobody: {form}");
    }
}

#[test]
fn unknown_sessions_and_malformed_requests() {
    let shell = start();
    let unknown = "11111111-2222-3333-4444-555555555555";
    for path in [format!("/ReadResponses/{unknown}/"), format!("/ReadResponses/{unknown}"), "/ReadResponses/x".to_owned()] {
        let answer = shell.get(&path);
        assert_eq!((answer.status, answer.header("Content-Type")), (404, Some("text/html")), "{path}");
        assert!(answer.text().contains("404 Page not found"), "{path}");
    }
    let session = open_session(&shell);
    for form in
        [format!("ID={unknown}&COMMAND=quit"), "COMMAND=quit".to_owned(), "ID=x&COMMAND=quit".to_owned(), format!("ID={session}")]
    {
        let answer = post_form(&shell, "/SessionCommand/", &form);
        assert_eq!((answer.status, answer.header("Content-Type"), answer.body.len()), (404, Some("text/plain"), 0), "{form}");
    }
    assert_eq!(post_form(&shell, "/CloseSession/", "").status, 404);
    assert_eq!(post_form(&shell, "/CloseSession/", &format!("ID={unknown}")).status, 200, "also for an id that does not exist");
    assert_eq!(shell.get("/assets/").status, 200, "nobody has stopped it");
}

#[test]
fn two_sessions_see_the_same() {
    let shell = start();
    let (one, two) = (open_session(&shell), open_session(&shell));
    assert_ne!(one, two);
    command(&shell, &one, "show%20version");
    for session in [one, two] {
        read_until(&shell, &session, ">Version: gridshell ");
    }
}

#[test]
fn the_console_may_have_a_port_of_its_own_and_another_origin() {
    let port = free_port();
    let shell = start_with(&format!("ConsolePort = {port}\nConsoleUser = Test\nConsolePass = x\nConsoleAllowedOrigin = *"));
    let answer = try_post(port, "/StartSession/", b"USER=Test&PASS=x").unwrap();
    assert_eq!((answer.status, answer.header("Access-Control-Allow-Origin")), (200, Some("*")));
    let refused = try_post(port, "/StartSession/", b"USER=Test&PASS=y").unwrap();
    assert_eq!((refused.status, refused.header("Access-Control-Allow-Origin")), (401, None));
    assert_eq!(shell.post("/StartSession/", b"USER=Test&PASS=x").body.len(), 0, "not on the main listener");
}

#[test]
fn quit_ends_the_program() {
    let mut shell = start();
    let session = open_session(&shell);
    command(&shell, &session, "quit");
    assert_eq!(shell.wait().code(), Some(0));
}

#[test]
fn sigterm_answers_a_poll_that_is_held() {
    let mut shell = start();
    let session = open_session(&shell);
    read_until(&shell, &session, NEXT_PROMPT);
    let mut held = shell.connect();
    write_request(&mut held, "GET", &format!("/ReadResponses/{session}/"), "", b"").unwrap();
    // It is under way for certain when every thread has answered requests on connections that came later.
    for _ in 0..50 {
        assert_eq!(shell.get("/assets/").status, 200);
    }
    shell.signal(Signal::SIGTERM);
    let answer = read_answer(&mut held).unwrap();
    // With the last line of the log, or with nothing, as the original does.
    let said_goodbye = answer.status == 200 && answer.text().contains("[CONSOLE] Quitting");
    assert!(said_goodbye || answer.status == 503, "{} {}", answer.head, answer.text());
    assert_eq!(shell.wait().code(), Some(0));
}
