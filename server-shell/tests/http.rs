//! What the transport promises on the wire (transport.md sections 1 and 2), with the real program.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;

use common::{Answer, PATIENCE, SQLITE, Shell, asset_document, read_answer, read_head, request, write_request};
use tempfile::TempDir;

const ID: &str = "a55e7000-0000-4000-8000-000000000081";

/// The configuration of [`SQLITE`] with the default number of requests on a connection.
fn with_default_keep_alive() -> String {
    SQLITE.replace("MaxRequestsPerConnection = 0", "")
}

/// The configuration of [`SQLITE`] with more keys in [Network].
fn with(keys: &str) -> String {
    SQLITE.replace("[ServiceList]", &format!("{keys}\n[ServiceList]"))
}

fn with_hello(ini: &str) -> Shell {
    let shell = Shell::start(ini);
    assert_eq!(shell.post("/assets/", asset_document(ID, "aGVsbG8gd29ybGQ=").as_bytes()).status, 200);
    shell
}

/// Whether the server has closed the connection.
fn is_closed(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    matches!(stream.read_to_end(&mut rest), Ok(0))
}

#[test]
fn every_answer_has_its_length_and_none_is_chunked() {
    let shell = with_hello(SQLITE);
    for (method, path, headers, body, status, content_type) in [
        ("GET", format!("/assets/{ID}"), "", "", 200, "text/xml"),
        ("GET", format!("/assets/{ID}/data"), "", "", 200, "application/octet-stream"),
        ("GET", format!("/assets/{ID}/metadata"), "", "", 200, "application/vnd.ll.notecard"),
        ("GET", format!("/assets/{ID}/other"), "", "", 400, "text/plain"),
        ("GET", "/assets/nothing".to_owned(), "", "", 404, "text/plain"),
        ("GET", "/assets".to_owned(), "", "", 200, "application/xml"),
        ("POST", "/assets/".to_owned(), "", "no XML", 400, "application/xml"),
        ("POST", "/get_assets_exist".to_owned(), "", "<ArrayOfString />", 200, "application/xml"),
        ("DELETE", "/assets/nothing".to_owned(), "", "", 200, "application/xml"),
        ("GET", "/nowhere".to_owned(), "", "", 404, "text/html"),
        (
            "POST",
            "/nowhere".to_owned(),
            "Content-Type: application/x-www-form-urlencoded\r\n",
            "a=b",
            200,
            "text/html;charset=UTF-8",
        ),
        ("POST", "/nowhere".to_owned(), "Content-Type: application/llsd+xml\r\n", "<llsd />", 404, "text/html;charset=UTF-8"),
        ("POST", "/".to_owned(), "Content-Type: text/xml\r\n", "", 404, "text/html;charset=UTF-8"),
        ("OPTIONS", "/anything".to_owned(), "", "", 200, "text/html;charset=UTF-8"),
    ] {
        // read_answer insists on a Content-Length and reads exactly so much.
        let mut stream = shell.connect();
        let answer = request(&mut stream, method, &path, headers, body.as_bytes())
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        assert_eq!((answer.status, answer.header("Content-Type")), (status, Some(content_type)), "{method} {path}");
        assert_eq!(answer.header("Transfer-Encoding"), None, "{method} {path}");
        assert_eq!(answer.header("Server"), Some("OSWebServer"), "{method} {path}");
        assert!(answer.header("Date").is_some_and(|date| date.ends_with(" GMT")), "{method} {path}");
        assert!(answer.head.starts_with("HTTP/1.1 "), "{method} {path}");
        if status >= 400 {
            assert_eq!(answer.header("Connection"), Some("close"), "{method} {path}");
            assert_eq!(answer.header("Keep-Alive"), None, "{method} {path}");
            assert!(is_closed(&mut stream), "{method} {path}: an error closes the connection");
        } else {
            assert_ne!(answer.header("Connection"), Some("close"), "{method} {path}");
            assert_eq!(
                request(&mut stream, "GET", "/assets/", "", b"").unwrap().status,
                200,
                "{method} {path}: the connection goes on"
            );
        }
    }
}

#[test]
fn the_page_for_paths_that_do_not_exist() {
    let shell = Shell::start(SQLITE);
    assert!(shell.get("/nowhere").text().starts_with("<HTML><HEAD><TITLE>404 Page not found</TITLE><BODY>"));
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("http_404.html"), "<p>Lost?</p>").unwrap();
    let own = Shell::start_in(folder, SQLITE);
    assert_eq!(own.get("/nowhere").text(), "<p>Lost?</p>");
    assert_eq!(own.get("/assets/nothing").text(), "", "not for what a service does not find");
}

#[test]
fn a_connection_counts_down_and_closes_after_twenty_requests() {
    let shell = with_hello(&with_default_keep_alive());
    let mut stream = shell.connect();
    for left in (1..20).rev() {
        let answer = request(&mut stream, "GET", &format!("/assets/{ID}/data"), "", b"").unwrap();
        assert_eq!(answer.header("Keep-Alive"), Some(format!("timeout=60, max={left}").as_str()));
        assert_ne!(answer.header("Connection"), Some("close"));
    }
    let answer = request(&mut stream, "GET", &format!("/assets/{ID}/data"), "", b"").unwrap();
    assert_eq!((answer.status, answer.header("Keep-Alive"), answer.header("Connection")), (200, None, Some("close")));
    assert!(is_closed(&mut stream));
}

#[test]
fn the_number_of_requests_and_the_idle_time_are_configurable() {
    let shell = with_hello(
        &with_default_keep_alive().replace("[ServiceList]", "MaxRequestsPerConnection = 2\nIdleTimeout = 7\n[ServiceList]"),
    );
    let mut stream = shell.connect();
    assert_eq!(request(&mut stream, "GET", "/assets/", "", b"").unwrap().header("Keep-Alive"), Some("timeout=7, max=1"));
    assert_eq!(request(&mut stream, "GET", "/assets/", "", b"").unwrap().header("Connection"), Some("close"));
    assert!(is_closed(&mut stream));
}

#[test]
fn a_client_that_asks_to_close_is_heard() {
    let shell = Shell::start(&with_default_keep_alive());
    let mut stream = shell.connect();
    let answer = request(&mut stream, "GET", "/assets/", "Connection: close\r\n", b"").unwrap();
    assert_eq!(answer.status, 200);
    assert!(is_closed(&mut stream));
}

#[test]
fn head_is_get_without_the_body() {
    let shell = with_hello(SQLITE);
    let mut stream = shell.connect();
    for path in [format!("/assets/{ID}"), format!("/assets/{ID}/data"), format!("/assets/{ID}/metadata")] {
        let get = request(&mut stream, "GET", &path, "", b"").unwrap();
        let head = request(&mut stream, "HEAD", &path, "", b"").unwrap();
        assert_eq!(head.status, 200);
        for name in ["Content-Length", "Content-Type", "ETag"] {
            assert_eq!(head.header(name), get.header(name), "{path}: {name}");
        }
        assert_eq!(head.header("Content-Length"), Some(get.body.len().to_string().as_str()));
    }
    let missing = request(&mut stream, "HEAD", "/assets/nothing", "", b"").unwrap();
    assert_eq!(missing.status, 404);
    assert!(is_closed(&mut stream), "nothing follows the head");
}

#[test]
fn entity_tags_and_ranges() {
    let shell = with_hello(SQLITE);
    let path = format!("/assets/{ID}/data");
    let whole = shell.get(&path);
    let tag = whole.header("ETag").expect("an entity tag").to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"'), "{tag}");
    let mut stream = shell.connect();
    let mut get = |headers: String| request(&mut stream, "GET", &path, &headers, b"");
    assert_eq!(get("If-None-Match: \"other\"\r\n".to_owned()).unwrap().text(), "hello world");
    assert_eq!(get("Range: bytes=0-4\r\n".to_owned()).unwrap().text(), "hello world", "a bare Range is ignored");
    assert_eq!(get("Range: bytes=0-4\r\nIf-Range: \"other\"\r\n".to_owned()).unwrap().text(), "hello world");
    let part = get(format!("Range: bytes=6-8\r\nIf-Range: {tag}\r\n")).unwrap();
    assert_eq!((part.status, part.text(), part.header("Content-Range")), (206, "wor", Some("bytes 6-8/11")));
    let end = get(format!("Range: bytes=-5\r\nIf-Range: {tag}\r\n")).unwrap();
    assert_eq!((end.status, end.text()), (206, "world"));
    let outside = get(format!("Range: bytes=11-\r\nIf-Range: {tag}\r\n")).unwrap();
    assert_eq!((outside.status, outside.header("Content-Range")), (416, Some("bytes */11")));

    // 304 has no body, whatever its head says, and the connection goes on.
    let mut stream = shell.connect();
    write_request(&mut stream, "GET", &path, &format!("If-None-Match: {tag}\r\n"), b"").unwrap();
    let unchanged = read_head(&mut stream).unwrap();
    assert_eq!((unchanged.status, unchanged.header("ETag")), (304, Some(tag.as_str())));
    assert_eq!(request(&mut stream, "GET", &path, "", b"").unwrap().text(), "hello world");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let shell = Shell::start(SQLITE);
    let id = |number: usize| format!("a55e7000-0000-4000-8000-{number:012}");
    let mut bytes = Vec::new();
    for number in 0..30 {
        let text = ["bm8=", "eWVz"][number % 2];
        write_request(&mut bytes, "POST", "/assets/", "", asset_document(&id(number), text).as_bytes()).unwrap();
        write_request(&mut bytes, "GET", &format!("/assets/{}/data", id(number)), "", b"").unwrap();
    }
    let mut stream = shell.connect();
    stream.write_all(&bytes).unwrap();
    for number in 0..30 {
        let stored = read_answer(&mut stream).unwrap();
        assert!(stored.text().contains(&id(number)), "{number}: {}", stored.text());
        // Each request finds what the one before it stored.
        assert_eq!(read_answer(&mut stream).unwrap().text(), ["no", "yes"][number % 2], "{number}");
    }
}

#[test]
fn a_request_may_come_in_single_bytes() {
    let shell = with_hello(SQLITE);
    let mut stream = shell.connect();
    stream.set_nodelay(true).unwrap();
    let mut bytes = Vec::new();
    write_request(
        &mut bytes,
        "POST",
        "/get_assets_exist",
        "",
        format!("<ArrayOfString><string>{ID}</string></ArrayOfString>").as_bytes(),
    )
    .unwrap();
    for byte in bytes {
        stream.write_all(&[byte]).unwrap();
    }
    assert!(read_answer(&mut stream).unwrap().text().contains("<boolean>true</boolean>"));
}

#[test]
fn options_permits_other_origins_everywhere() {
    let shell = Shell::start(SQLITE);
    let mut stream = shell.connect();
    for path in ["/", "/assets/x", "/nowhere"] {
        let answer = request(&mut stream, "OPTIONS", path, "", b"").unwrap();
        assert_eq!((answer.status, answer.body.len()), (200, 0), "{path}");
        assert_eq!(answer.header("Access-Control-Allow-Origin"), Some("*"));
        assert_eq!(answer.header("Access-Control-Allow-Methods"), Some("GET, POST, DELETE, PUT, OPTIONS"));
        assert_eq!(answer.header("Access-Control-Allow-Headers"), Some("Content-Type"));
    }
}

#[test]
fn ipv6() {
    if TcpListener::bind("[::1]:0").is_err() {
        eprintln!("LEFT OUT: IPv6 is not covered by this test, since this machine has no ::1");
        return;
    }
    let shell = with_hello(&SQLITE.replace("\"127.0.0.1\"", "\"127.0.0.1, ::1\""));
    let mut stream = TcpStream::connect(("::1", shell.port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(request(&mut stream, "GET", &format!("/assets/{ID}/data"), "", b"").unwrap().text(), "hello world");
    assert_eq!(shell.get(&format!("/assets/{ID}/data")).text(), "hello world", "IPv4 as well");
}

#[test]
fn the_path_is_normalised_as_the_original_does() {
    let shell = with_hello(SQLITE);
    let id = ID.to_uppercase();
    for target in [
        format!("http://grid.example:8003/assets/{ID}/data"),
        format!("/assets/{ID}/data?x=y"),
        format!("/assets/{ID}/data/"),
        format!("/assets//{ID}//data"),
        format!("/x/../assets/./{ID}/data"),
        format!("/%61ssets/{ID}/data"),
        format!("/assets/{}/data", ID.replacen('-', "%2D", 1)),
        format!("/assets/{id}/data"),
        format!("/assets/{}/data", ID.replace('-', "")),
    ] {
        let answer = shell.exchange(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
        assert_eq!((answer.status, answer.text()), (200, "hello world"), "{target}");
    }
}

#[test]
fn only_trusted_proxies_speak_for_others() {
    for (trusted, header, client) in [
        ("", "203.0.113.9", "127.0.0.1"),
        ("TrustedProxies = 192.0.2.1", "203.0.113.9", "127.0.0.1"),
        ("TrustedProxies = \"192.0.2.1, 127.0.0.1\"", "203.0.113.9", "203.0.113.9"),
        ("TrustedProxies = 127.0.0.1", "203.0.113.9, 198.51.100.7", "203.0.113.9"),
        ("TrustedProxies = 127.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("TrustedProxies = 127.0.0.1", "nonsense", "127.0.0.1"),
    ] {
        let mut shell = Shell::launch_in(TempDir::new().unwrap(), &with(trusted), &["-console=basic"], Stdio::piped());
        shell.wait_until_ready();
        let mut input = shell.input();
        input.write_all(b"debug http in 3\nshow version\n").unwrap();
        // Commands run one after the other, so the level is set when the second one has answered.
        shell.wait_for_output("Version: gridshell");
        let mut stream = shell.connect();
        request(&mut stream, "GET", "/assets/", &format!("X-Forwarded-For: {header}\r\n"), b"").unwrap();
        shell.wait_for_output(&format!("[LOGHTTP] HTTP IN 1 :{} GET /assets from {client}\n", shell.port));
    }
}

/// A GET of the asset with these headers.
fn get_with(shell: &Shell, headers: &str) -> Answer {
    request(&mut shell.connect(), "GET", &format!("/assets/{ID}/data"), headers, b"").unwrap()
}

#[test]
fn basic_authentication() {
    let keys = "AuthType = BasicHttpAuthentication\nHttpAuthUsername = region\nHttpAuthPassword = se:cret";
    let shell = Shell::start(&with(keys));
    // region:se:cret
    let right = "Authorization: Basic cmVnaW9uOnNlOmNyZXQ=\r\n";
    let stored = request(&mut shell.connect(), "POST", "/assets/", right, asset_document(ID, "aGVsbG8=").as_bytes()).unwrap();
    assert_eq!(stored.status, 200);
    assert_eq!(get_with(&shell, right).text(), "hello");
    for (name, headers) in [
        ("none", ""),
        ("wrong password", "Authorization: Basic cmVnaW9uOnNl\r\n"),
        ("wrong user", "Authorization: Basic eDpzZTpjcmV0\r\n"),
        ("another scheme", "Authorization: Bearer cmVnaW9uOnNlOmNyZXQ=\r\n"),
        ("no base64", "Authorization: Basic region:se:cret\r\n"),
        ("nothing", "Authorization: Basic \r\n"),
    ] {
        let answer = get_with(&shell, headers);
        assert_eq!((answer.status, answer.header("Content-Type")), (401, Some("text/plain")), "{name}");
        assert_eq!(answer.header("WWW-Authenticate"), Some("Basic realm = \"Asset Server\""), "{name}");
        assert_eq!((answer.header("Connection"), answer.body.len()), (Some("close"), 0), "{name}");
        let other = ID.replace('1', "2");
        let post =
            request(&mut shell.connect(), "POST", "/assets/", headers, asset_document(&other, "aGVsbG8=").as_bytes()).unwrap();
        assert_eq!(post.status, 401, "{name}");
        let delete = request(&mut shell.connect(), "DELETE", &format!("/assets/{ID}"), headers, b"").unwrap();
        assert_eq!(delete.status, 401, "{name}");
        let list = format!("<ArrayOfString><string>{ID}</string><string>{other}</string></ArrayOfString>");
        let exist = request(&mut shell.connect(), "POST", "/get_assets_exist", headers, list.as_bytes()).unwrap();
        let [first, second] = [exist.text().find("true").unwrap(), exist.text().find("false").unwrap()];
        assert!(first < second, "{name}: never protected, and neither request changed anything");
        assert_eq!(
            request(&mut shell.connect(), "GET", "/bakes/11111111-2222-3333-4444-555555555555", headers, b"").unwrap().status,
            401,
            "{name}"
        );
    }
}

#[test]
fn scripts_are_refused_unless_they_are_allowed() {
    let script = "X-SecondLife-Shard: Production\r\n";
    let shell = with_hello(SQLITE);
    let refused = get_with(&shell, script);
    assert_eq!((refused.status, refused.header("Content-Type"), refused.body.len()), (403, Some("text/plain"), 0));
    let shell = with_hello(&with("AllowllHTTPRequestIn = true"));
    assert_eq!(get_with(&shell, script).text(), "hello world");
}

#[test]
fn expect_100_continue_is_answered_before_the_body() {
    let shell = Shell::start(SQLITE);
    let body = asset_document(ID, "aGVsbG8=");
    let mut stream = shell.connect();
    write!(stream, "POST /assets/ HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n", body.len())
        .unwrap();
    assert_eq!(read_head(&mut stream).unwrap().head, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(body.as_bytes()).unwrap();
    assert_eq!(read_answer(&mut stream).unwrap().status, 200);
    assert_eq!(shell.get(&format!("/assets/{ID}/data")).text(), "hello");
}

#[test]
fn a_client_that_says_no_more_still_gets_its_answer() {
    let shell = with_hello(SQLITE);
    let mut stream = shell.connect();
    write_request(&mut stream, "GET", &format!("/assets/{ID}/data"), "", b"").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(read_answer(&mut stream).unwrap().text(), "hello world");
}

#[test]
fn the_largest_body_is_stored_and_comes_back() {
    const LIMIT: usize = 78_905_344;
    let shell = with_hello(&SQLITE.replace("[AssetService]\n", "[AssetService]\nCacheMegabytes = 0\n"));
    let before = shell.resident_bytes();
    let empty = asset_document(ID, "").len();
    // Base64 comes in groups of four; blanks behind the document make up the rest.
    let groups = (LIMIT - empty) / 4;
    let id = ID.replace('1', "3");
    let mut body = asset_document(&id, &"QUJD".repeat(groups)).into_bytes();
    body.resize(LIMIT, b' ');
    assert_eq!(shell.post("/assets/", &body).status, 200);
    body.push(b' ');
    // Refused by its Content-Length; the server need not read it.
    let head = format!("POST /assets/ HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
    assert_eq!(shell.exchange(head.as_bytes()).unwrap().status, 400);
    drop(body);
    for _ in 0..3 {
        let data = shell.get(&format!("/assets/{id}/data"));
        assert!(data.status == 200 && data.body.len() == groups * 3 && data.body.chunks(3).all(|chunk| chunk == b"ABC"));
        let document = shell.get(&format!("/assets/{id}"));
        assert_eq!(document.status, 200);
        assert!(document.body.len() > groups * 4 && document.text().contains("QUJDQUJD"));
    }
    assert_eq!(shell.get("/assets/").status, 200);
    shell.wait_until_resident(before + 30 * 1024 * 1024);
}
