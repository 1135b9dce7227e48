//! Answers from one side, compared with another.

use std::io::Write;

use crate::common::{Shell, connect, read_head};
use crate::upstream::Upstream;
use crate::{PLAIN, counted, exchange, wait_until};

/// A shell where one side answers and the other is compared with it.
fn shadow(answering: &Upstream, shadow: &Upstream, keys: &str) -> Shell {
    Shell::start(&format!(
        "[Network]\nport = ${{port}}\nBindAddresses = 127.0.0.1\nMaxRequestsPerConnection = 0\n[ServiceList]\nS = \"shadow\"\n\
         [Shadow]\nAnswerURI = \"{}\"\nShadowURI = \"{}\"\n{PLAIN}\n{keys}\n[Admin]\nPort = ${{admin}}\n",
        answering.url(),
        shadow.url()
    ))
}

fn answer(content_type: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn ask(shell: &Shell, request: &str) -> String {
    exchange(shell, request).unwrap().text().to_owned()
}

fn result(shell: &Shell, result: &str) -> u64 {
    counted(shell, &format!("gridshell_shadows_total{{shadow=\"Shadow\",result=\"{result}\"}}"))
}

const GET: &str = "GET /assets/x?a=%20 HTTP/1.1\r\nHost: grid.example\r\nX-A: b\r\n\r\n";
const POST: &str = "POST /xinventory HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";

#[test]
fn documents_that_are_written_differently_are_the_same() {
    let document = "<?xml version=\"1.0\"?><ServerResponse><a type=\"List\" x=\"1\"><Name /></a></ServerResponse>";
    let answering = Upstream::says(&answer("text/xml", document));
    let other = Upstream::says(&answer(
        "Text/XML; charset=utf-8",
        "<ServerResponse>\r\n  <a x='1' type=\"List\">\r\n    <Name></Name>\r\n  </a>\r\n</ServerResponse>",
    ));
    let shell = shadow(&answering, &other, "");
    for number in 1..=3 {
        assert_eq!(ask(&shell, GET), document);
        wait_until("it is compared", &shell, || result(&shell, "same") == number);
    }
    assert_eq!(other.received()[0].head, answering.received()[0].head, "the copy is the request");
    assert!(!shell.output().contains("a shadow"), "{}", shell.output());
}

#[test]
fn differences_are_counted_and_told() {
    let answering = Upstream::says(&answer("text/xml", "<R><folder><Name>y</Name><Secret>s3</Secret></folder></R>"));
    let other = Upstream::says(&answer("text/xml", "<R><folder><Name>x</Name><Secret>s4</Secret></folder></R>"));
    let shell = shadow(&answering, &other, "LogValues = true");
    for number in 1..=12 {
        assert!(ask(&shell, GET).contains("<Name>y"));
        wait_until("it is compared", &shell, || result(&shell, "different") == number);
    }
    // It is counted before it is told.
    let told = "a shadow differs from the answer";
    wait_until("ten are told", &shell, || shell.output().matches(told).count() >= 10);
    let output = shell.output();
    let lines: Vec<&str> = output.lines().filter(|line| line.contains(told)).collect();
    assert_eq!(lines.len(), 10, "{output}");
    for part in ["GET", "/assets/x?a=%20", "200", "/R/folder/Name: ", "\\\"x\\\" instead of \\\"y\\\""] {
        assert!(lines[0].contains(part) || lines[0].contains(&part.replace('\\', "")), "{part}: {}", lines[0]);
    }
    assert!(!output.contains("s3") && !output.contains("s4"), "bodies are nobody's business");
    assert_eq!(result(&shell, "same") + result(&shell, "failed") + result(&shell, "not_compared"), 0);
}

#[test]
fn a_shadow_that_fails_or_hangs_is_nothing_to_the_client() {
    let answering = Upstream::says(&answer("text/plain", "hello"));
    let broken = Upstream::says_and_closes("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello");
    let shell = shadow(&answering, &broken, "");
    assert_eq!(ask(&shell, GET), "hello");
    wait_until("it is counted", &shell, || result(&shell, "failed") == 1);
    shell.wait_for_output("a shadow has not answered");

    let hung = Upstream::start(|connection| {
        connection.wait_for_the_end();
        Ok(false)
    });
    let shell = shadow(&answering, &hung, "MaxShadows = 2");
    for _ in 0..10 {
        assert_eq!(ask(&shell, GET), "hello");
    }
    // Two wait for the shadow for ever; the others were answered without one.
    wait_until("it is counted", &shell, || result(&shell, "not_compared") == 8);
    wait_until("two are under way", &shell, || counted(&shell, "gridshell_upstream_in_flight{group=\"Shadow shadow\"") == 2);
    assert_eq!(crate::common::try_get(shell.admin_port, "/readyz").unwrap().status, 200);
}

#[test]
fn what_changes_something_is_not_copied_unless_it_is_asked_for() {
    let (answering, other) = (Upstream::says(&answer("text/plain", "ok")), Upstream::says(&answer("text/plain", "ok")));
    let shell = shadow(&answering, &other, "");
    let head = "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n";
    let requests = [POST, "DELETE / HTTP/1.1\r\nHost: x\r\n\r\n", "OPTIONS / HTTP/1.1\r\nHost: x\r\n\r\n", GET];
    for request in requests {
        assert_eq!(ask(&shell, request), "ok");
    }
    wait_until("the last is compared", &shell, || result(&shell, "same") == 1);
    assert_eq!((answering.received().len(), other.received().len()), (4, 1));

    let bare = || Upstream::says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    let shell = shadow(&bare(), &bare(), "");
    assert_eq!(exchange(&shell, head).unwrap().status, 200);
    wait_until("it is compared", &shell, || result(&shell, "same") == 1);

    let shell = shadow(&answering, &other, "Verbs = \"POST\"\nMaxShadowKilobytes = 100");
    assert_eq!(ask(&shell, POST), "ok");
    assert_eq!(ask(&shell, GET), "ok");
    wait_until("it is compared", &shell, || result(&shell, "same") == 1);
    let copy = other.received().pop().unwrap();
    assert_eq!((copy.line(), copy.body.as_slice()), ("POST /xinventory HTTP/1.1", &b"hello"[..]));
    let piece = "x".repeat(50_000);
    let in_chunks = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nc350\r\n{piece}\r\nc350\r\n{piece}\r\n0\r\n\r\n"
    );
    assert_eq!(ask(&shell, &in_chunks), "ok");
    wait_until("it is compared", &shell, || result(&shell, "same") == 2);
    assert_eq!(other.received().pop().unwrap().body.len(), 100_000);
    let with_length = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\n{piece}{}", "x".repeat(40_000));
    assert_eq!(ask(&shell, &with_length), "ok");
    wait_until("it is compared", &shell, || result(&shell, "same") == 3);
    assert_eq!(other.received().pop().unwrap().body.len(), 90_000);
}

#[test]
fn what_is_too_long_or_cut_off_is_answered_and_not_compared() {
    let long = "x".repeat(5000);
    let (answering, other) = (Upstream::says(&answer("text/plain", &long)), Upstream::says(&answer("text/plain", "ok")));
    let shell = shadow(&answering, &other, "MaxShadowKilobytes = 4\nVerbs = \"GET, POST\"");
    assert_eq!(ask(&shell, GET), long);
    wait_until("it is counted", &shell, || result(&shell, "not_compared") == 1);
    let shell = shadow(&other, &answering, "MaxShadowKilobytes = 4\nVerbs = \"GET, POST\"");
    let request = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n{long}");
    assert_eq!(ask(&shell, &request), "ok");
    wait_until("it is counted", &shell, || result(&shell, "not_compared") == 1);
    assert_eq!(answering.received().len(), 1, "only what it was asked as the one that answers");

    let begun = Upstream::start(|connection| {
        connection.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello")?;
        connection.wait_for_the_end();
        Ok(false)
    });
    let shell = shadow(&begun, &other, "");
    let mut stream = connect(shell.port).unwrap();
    stream.write_all(GET.as_bytes()).unwrap();
    read_head(&mut stream).unwrap();
    drop(stream);
    wait_until("it is counted", &shell, || result(&shell, "not_compared") == 1);
}
