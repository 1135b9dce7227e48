//! Bad input, each by name: a clear answer, nothing stored, the server goes on.

mod common;

use std::io::{Read, Write};
use std::time::Duration;

use common::{PATIENCE, SQLITE, Shell, asset_document, read_answer, request};

const ID: &str = "a55e7000-0000-4000-8000-0000000000f1";

/// Nothing is stored under the id that all bad bodies name, and the server still answers.
fn nothing_was_stored(shell: &Shell) {
    assert_eq!(shell.get(&format!("/assets/{ID}")).status, 404, "something was stored");
}

#[test]
fn bodies_that_are_no_asset() {
    let shell = Shell::start(SQLITE);
    let good = asset_document(ID, "aGVsbG8=");
    let nested = format!("<AssetBase>{}", "<a>".repeat(100_000));
    let control = good.replace("<Name>test", "<Name>a\u{1}b");
    let nul = good.replace("<Name>test", "<Name>a\0b");
    let entity_bomb = format!(
        "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\">]>{}",
        &good["<?xml version=\"1.0\" encoding=\"utf-8\"?>".len()..].replace("test", "&b;")
    );
    let mut invalid_utf8 = good.replace("<Name>test", "<Name>te?st").into_bytes();
    let at = invalid_utf8.iter().position(|byte| *byte == b'?' && invalid_utf8[0] == b'<').unwrap();
    let question = invalid_utf8.windows(5).position(|window| window == b"te?st").unwrap() + 2;
    assert!(at < question);
    invalid_utf8[question] = 0xff;
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("truncated XML", good[..good.len() - 20].into()),
        ("truncated inside base64", good[..60].into()),
        ("bad base64", good.replace("aGVsbG8=", "aGV*bG8=").into()),
        ("base64 with padding in the middle", good.replace("aGVsbG8=", "aGVs=bG8").into()),
        ("entity bomb", entity_bomb.into()),
        ("DOCTYPE", format!("<!DOCTYPE AssetBase>{}", &good["<?xml version=\"1.0\" encoding=\"utf-8\"?>".len()..]).into()),
        ("undefined entity", good.replace("test", "&nothing;").into()),
        (
            "external entity",
            good.replace("<AssetBase>", "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><AssetBase>").into(),
        ),
        ("NUL character", nul.into()),
        ("control character", control.into()),
        ("reference to a control character", good.replace("test", "&#x1;").into()),
        ("deep nesting", nested.into()),
        ("invalid UTF-8", invalid_utf8),
        ("two roots", format!("{good}<AssetBase />").into()),
        ("text behind the root", format!("{good}x").into()),
        ("id of 10 KB", good.replace(&format!("<Guid>{ID}"), &format!("<Guid>{}", "a".repeat(10_240))).into()),
        ("empty body", Vec::new()),
        ("only a byte order mark", b"\xef\xbb\xbf".to_vec()),
        ("not XML at all", b"\x00\x01\x02\x03".to_vec()),
        ("gzip", b"\x1f\x8b\x08\x00\x00\x00\x00\x00".to_vec()),
    ];
    for (name, body) in cases {
        let answer = shell.post("/assets/", &body);
        assert_eq!((answer.status, answer.header("Content-Type")), (400, Some("application/xml")), "{name}");
        assert!(answer.body.is_empty(), "{name}");
        nothing_was_stored(&shell);
    }
    assert_eq!(shell.post("/assets/", good.as_bytes()).status, 200, "the same body without a fault is taken");
}

#[test]
fn ids_and_paths() {
    let shell = Shell::start(SQLITE);
    for (name, path, status) in [
        ("an id of 10 KB", format!("/assets/{}", "a".repeat(10_240)), 400),
        ("an id of 4 KB", format!("/assets/{}", "a".repeat(4_000)), 404),
        ("dots", "/assets/../../etc/passwd".to_owned(), 404),
        ("encoded dots", "/assets/%2e%2e/%2e%2e/etc/passwd".to_owned(), 404),
        ("encoded slashes", "/assets/..%2f..%2fetc%2fpasswd".to_owned(), 404),
        ("encoded NUL", "/assets/%00".to_owned(), 404),
        ("malformed escape", "/assets/%zz".to_owned(), 404),
        ("invalid UTF-8, encoded", "/assets/%ff%fe".to_owned(), 404),
        ("baked texture of a path", "/bakes/../../../etc/passwd".to_owned(), 404),
        ("baked texture of dots", "/bakes/..%2f..%2fetc%2fpasswd".to_owned(), 400),
        ("baked texture of a short id", "/bakes/x".to_owned(), 400),
    ] {
        assert_eq!(shell.get(&path).status, status, "{name}");
    }
    let answer = shell.exchange(b"GET /assets/\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(answer.is_ok_and(|answer| matches!(answer.status, 400 | 404)), "invalid UTF-8");
    nothing_was_stored(&shell);
}

#[test]
fn requests_that_are_no_http() {
    let shell = Shell::start(SQLITE);
    let long = "a".repeat(9_000);
    for (name, bytes) in [
        ("garbage", "\u{1}\u{2}\u{3}\r\n\r\n".to_owned()),
        ("absent Host", "GET /assets/x HTTP/1.1\r\n\r\n".to_owned()),
        ("a header without a name", "GET /assets/x HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n".to_owned()),
        ("a header's value that is too long", format!("GET /assets/x HTTP/1.1\r\nHost: x\r\nX-Long: {long}\r\n\r\n")),
        ("a header's name that is too long", format!("GET /assets/x HTTP/1.1\r\nHost: x\r\n{}: y\r\n\r\n", "n".repeat(300))),
        ("a Content-Length that is no number", "POST /assets/ HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n".to_owned()),
        ("a negative Content-Length", "POST /assets/ HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n".to_owned()),
        (
            "two Content-Lengths",
            "POST /assets/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab".to_owned(),
        ),
        ("a body of 100 MB, declared", "POST /assets/ HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\n\r\n".to_owned()),
    ] {
        let answer = shell.exchange(bytes.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(answer.status, 400, "{name}");
        assert!(!answer.head.contains("OSWebServer") || answer.header("Connection") == Some("close"), "{name}");
    }
    nothing_was_stored(&shell);
}

#[test]
fn http_1_0_is_served() {
    let shell = Shell::start(SQLITE);
    let body = asset_document(ID, "aGVsbG8=");
    let post = format!("POST /assets/ HTTP/1.0\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    assert_eq!(shell.exchange(post.as_bytes()).unwrap().status, 200);
    let answer = shell.exchange(format!("GET /assets/{ID}/data HTTP/1.0\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
    assert_eq!((answer.status, answer.text()), (200, "hello"));
}

#[test]
fn chunked_bodies_are_read_within_the_limits() {
    let shell = Shell::start(&SQLITE.replace("[ServiceList]", "MaxBodyBytes = 1000\n[ServiceList]"));
    let body = asset_document(ID, "aGVsbG8=");
    let chunked = |body: &str| {
        format!("POST /assets/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
    };
    assert_eq!(shell.exchange(chunked(&"x".repeat(1001)).as_bytes()).unwrap().status, 400, "longer than the limit");
    nothing_was_stored(&shell);
    assert_eq!(shell.exchange(chunked(&body).as_bytes()).unwrap().status, 200);
    assert_eq!(shell.get(&format!("/assets/{ID}/data")).text(), "hello");
}

#[test]
fn wrong_content_lengths() {
    let shell = Shell::start(SQLITE);
    let body = asset_document(ID, "aGVsbG8=");
    // Longer than what comes: the client gives up in the middle of the body.
    let mut stream = shell.connect();
    write!(stream, "POST /assets/ HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len() + 100).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"), "{}", String::from_utf8_lossy(&answer));
    nothing_was_stored(&shell);
    // Shorter: the body is cut, and the rest is no request.
    let short = format!("POST /assets/ HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len() - 10);
    assert_eq!(shell.exchange(short.as_bytes()).unwrap().status, 400);
    nothing_was_stored(&shell);
}

#[test]
fn slow_senders_are_cut_off() {
    let short = "HeadTimeout = 3\nRequestTimeout = 3\n[ServiceList]";
    let shell = Shell::start(&SQLITE.replace("[ServiceList]", short));
    // A head that never ends.
    let mut stream = shell.connect();
    stream.write_all(b"GET /assets/x HTTP/1.1\r\nHost: ").unwrap();
    let answer = read_answer(&mut stream).unwrap();
    assert_eq!(answer.status, 408);
    // A body that never ends.
    let mut stream = shell.connect();
    stream.write_all(b"POST /assets/ HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n<Asset").unwrap();
    let answer = read_answer(&mut stream).unwrap();
    assert_eq!((answer.status, answer.header("Connection")), (408, Some("close")));
    nothing_was_stored(&shell);
}

#[test]
fn oversized_bodies_leave_memory_flat() {
    let shell = Shell::start(SQLITE);
    nothing_was_stored(&shell);
    let before = shell.resident_bytes();
    // A body of 100 MB that is really sent, whatever its head says.
    let chunk = vec![b'x'; 1024 * 1024];
    for head in ["Content-Length: 104857600", "Transfer-Encoding: chunked"] {
        for _ in 0..3 {
            let mut stream = shell.connect();
            write!(stream, "POST /assets/ HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n").unwrap();
            stream.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
            for _ in 0..100 {
                let sent = if head.starts_with('C') {
                    stream.write_all(&chunk)
                } else {
                    write!(stream, "{:x}\r\n", chunk.len())
                        .and_then(|()| stream.write_all(&chunk))
                        .and_then(|()| stream.write_all(b"\r\n"))
                };
                // The server refuses and closes long before the end.
                if sent.is_err() {
                    break;
                }
            }
        }
    }
    nothing_was_stored(&shell);
    // Six bodies of 100 MB leave less than that.
    shell.wait_until_resident(before + 120 * 1024 * 1024);
}

#[test]
fn a_client_that_goes_away_stops_nothing() {
    let shell = Shell::start(SQLITE);
    for _ in 0..50 {
        let mut stream = shell.connect();
        stream.write_all(b"POST /assets/ HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n<AssetBase>").unwrap();
    }
    nothing_was_stored(&shell);
}

#[test]
fn existence_of_bad_lists() {
    let shell = Shell::start(SQLITE);
    for (name, body) in [
        ("empty", String::new()),
        ("wrong root", "<strings />".to_owned()),
        ("truncated", "<ArrayOfString><string>".to_owned()),
        ("DOCTYPE", "<!DOCTYPE x><ArrayOfString />".to_owned()),
    ] {
        let answer = shell.post("/get_assets_exist", body.as_bytes());
        assert_eq!((answer.status, answer.body.len()), (400, 0), "{name}");
    }
    let many = format!("<ArrayOfString>{}</ArrayOfString>", format!("<string>{ID}</string>").repeat(20_000));
    let answer = shell.post("/get_assets_exist", many.as_bytes());
    assert_eq!(answer.status, 200);
    assert_eq!(answer.text().matches("<boolean>false</boolean>").count(), 20_000);
}

#[test]
fn a_pipelined_rest_after_a_refusal_is_not_executed() {
    let shell = Shell::start(SQLITE);
    let body = asset_document(ID, "aGVsbG8=");
    let smuggled = format!("POST /assets/ HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let mut stream = shell.connect();
    let answer = request(&mut stream, "GET", &format!("/assets/{}", "a".repeat(10_240)), "", smuggled.as_bytes()).unwrap();
    assert_eq!((answer.status, answer.header("Connection")), (400, Some("close")));
    let mut rest = Vec::new();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // Closed, by an end or a reset.
    let _ = stream.read_to_end(&mut rest);
    assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
    nothing_was_stored(&shell);
}
