//! What passes is untouched: verbs, targets, headers, there and back.

use crate::common::{SQLITE, Shell, asset_document};
use crate::upstream::Upstream;
use crate::{PLAIN, exchange, forward_to};

const ANSWER: &str = "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nServer: Test\r\nX-Hop: 1\r\nConnection: keep-alive, X-Hop\r\n\
                      Set-Cookie: b=2\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello";

#[test]
fn requests_arrive_as_they_were_sent() {
    let upstream = Upstream::says(ANSWER);
    let shell = Shell::start(&forward_to(&[upstream.url()], PLAIN));
    let verbs = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "HEAD", "TRACE"];
    let targets = ["/", "/a%2Fb//c/?x=%20", "/assets/../%61?a=b&a=c+d", "/StartSessio/", "/x?"];
    for (number, (verb, target)) in verbs.iter().flat_map(|verb| targets.map(|target| (verb, target))).enumerate() {
        let answer = exchange(
            &shell,
            format!(
                "{verb} {target} HTTP/1.1\r\nhost: grid.example:8003\r\nX-SecondLife-Shard: Production\r\nAccept: a/b\r\n\
                 Accept: c/d\r\nX-Hop: 2\r\nConnection: keep-alive, x-hop\r\nKeep-Alive: 300\r\nTE: trailers\r\n\
                 X-Name: Gr\u{fc}n  und blau\r\nContent-Length: 7\r\n\r\na=b&c=\u{f}"
            ),
        );
        assert_eq!(answer.unwrap().status, 200, "{verb} {target}");
        let request = &upstream.received()[number];
        assert_eq!(request.line(), format!("{verb} {target} HTTP/1.1"));
        assert_eq!(request.body, b"a=b&c=\x0f");
        let mut headers: Vec<String> = request.head.lines().skip(1).map(str::to_lowercase).collect();
        headers.sort_unstable();
        assert_eq!(
            headers,
            [
                "accept: a/b",
                "accept: c/d",
                "connection: keep-alive",
                "content-length: 7",
                "host: grid.example:8003",
                "x-forwarded-for: 127.0.0.1",
                "x-name: gr\u{fc}n  und blau",
                "x-secondlife-shard: production",
            ],
            "{verb} {target}"
        );
        assert_eq!(request.headers("accept"), ["a/b", "c/d"]);
        assert_eq!(request.header("x-name"), Some("Gr\u{fc}n  und blau"));
    }
}

#[test]
fn answers_arrive_as_they_were_given() {
    let upstream = Upstream::says(ANSWER);
    let shell = Shell::start(&forward_to(&[upstream.url()], PLAIN));
    for verb in ["GET", "HEAD", "POST"] {
        // The upstream of this test sends a body on HEAD too, which no answer to it has.
        let answer = exchange(&shell, format!("{verb} / HTTP/1.1\r\nHost: x\r\n\r\n")).unwrap();
        assert_eq!((answer.status, answer.text()), (200, if verb == "HEAD" { "" } else { "hello" }));
        let lines: Vec<&str> = answer.head.trim_end().lines().skip(1).collect();
        let cookies: Vec<_> = lines.iter().filter(|line| line.starts_with("Set-Cookie")).collect();
        assert_eq!(cookies, [&"Set-Cookie: a=1", &"Set-Cookie: b=2"]);
        let mut others: Vec<_> = lines.iter().filter(|line| !line.starts_with("Set-Cookie")).collect();
        others.sort_unstable();
        assert_eq!(
            others,
            [&"Content-Encoding: gzip", &"Content-Length: 5", &"Date: Sun, 06 Nov 1994 08:49:37 GMT", &"Server: Test"],
            "{verb}"
        );
    }
    for (answer, length) in [
        ("HTTP/1.1 204 NoContent\r\nX-A: b\r\n\r\n", None),
        ("HTTP/1.1 304 NotModified\r\nETag: \"x\"\r\nContent-Length: 77\r\n\r\n", Some("77")),
        ("HTTP/1.1 304 NotModified\r\n\r\n", None),
        ("HTTP/1.1 404 NotFound\r\nContent-Length: 0\r\n\r\n", Some("0")),
        ("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", Some("0")),
    ] {
        let upstream = Upstream::says(answer);
        let shell = Shell::start(&forward_to(&[upstream.url()], PLAIN));
        let got = exchange(&shell, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        assert_eq!(got.status.to_string(), &answer[9..12]);
        assert_eq!(got.header("Content-Length"), length, "{}", got.head);
        assert_eq!((got.header("Content-Type"), got.header("Server"), got.header("Transfer-Encoding")), (None, None, None));
        let expected = answer.lines().skip(1).filter_map(|line| line.split_once(": ")).filter(|it| it.0 != "Content-Length");
        expected.for_each(|(name, value)| assert_eq!(got.header(name), Some(value)));
    }
    for (answer, length) in [("Content-Length: 77\r\nX-A: b", Some("77")), ("X-A: b", None)] {
        let upstream = Upstream::says(&format!("HTTP/1.1 200 OK\r\n{answer}\r\n\r\n"));
        let shell = Shell::start(&forward_to(&[upstream.url()], PLAIN));
        let got = exchange(&shell, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        assert_eq!((got.header("Content-Length"), got.header("X-A")), (length, Some("b")), "{}", got.head);
    }
}

#[test]
fn bodies_in_chunks() {
    let upstream = Upstream::says(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nX-Trailer: a\r\n\r\n",
    );
    let shell = Shell::start(&forward_to(&[upstream.url()], PLAIN));
    let short = "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n";
    let answer = exchange(&shell, short).unwrap();
    assert_eq!((answer.status, answer.text(), answer.header("Content-Length")), (200, "hello", None));
    let piece = "x".repeat(50_000);
    let long = format!(
        "PUT /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nc350\r\n{piece}\r\nc350\r\n{piece}\r\n0\r\n\r\n"
    );
    assert_eq!(exchange(&shell, long).unwrap().text(), "hello");
    let received = upstream.received();
    assert_eq!((received[0].body.as_slice(), received[0].header("Content-Length")), (&b"onetwo"[..], Some("6")));
    assert_eq!((received[1].body.len(), received[1].header("Content-Length")), (100_000, None));
    assert_eq!(received[1].header("Transfer-Encoding"), Some("chunked"));
}

#[test]
fn what_an_operator_can_choose() {
    let upstream = Upstream::says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let keys = "Host = upstream\n    ForwardedFor = false\n    AuthType = BasicHttpAuthentication\n    HttpAuthUsername = grid\n    \
                HttpAuthPassword = secret\n    MaxBodyMegabytes = 1";
    let shell = Shell::start(&forward_to(&[format!("{}/base", upstream.url())], &format!("{PLAIN}\n    {keys}")));
    exchange(&shell, "GET /a HTTP/1.1\r\nHost: grid.example\r\n\r\n").unwrap();
    exchange(&shell, "GET /a HTTP/1.1\r\nHost: grid.example\r\nAuthorization: Basic other\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n")
        .unwrap();
    let received = upstream.received();
    assert_eq!(received[0].line(), "GET /base/a HTTP/1.1");
    assert_eq!(received[0].header("Host"), Some(format!("127.0.0.1:{}", upstream.port).as_str()));
    assert_eq!(
        (received[0].header("Authorization"), received[0].header("X-Forwarded-For")),
        (Some("Basic Z3JpZDpzZWNyZXQ="), None)
    );
    assert_eq!(
        (received[1].header("Authorization"), received[1].header("X-Forwarded-For")),
        (Some("Basic other"), Some("192.0.2.1"))
    );
    let large = exchange(&shell, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n").unwrap();
    assert_eq!((large.status, upstream.received().len()), (413, 2));
    assert_eq!(exchange(&shell, "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n").unwrap().status, 501);
}

#[test]
fn some_services_are_served_here_and_some_pass() {
    let upstream = Upstream::says("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npassed");
    let both = |path: &str| {
        let ini = SQLITE.replace("[ServiceList]", "[ServiceList]\n    Everything = \"forward\"");
        Shell::start(&format!("{ini}\n[Forward]\n    URI = \"{}\"\n    Path = \"{path}\"\n", upstream.url()))
    };
    let id = "a55e7000-0000-4000-8000-0000000000f1";
    let shell = both("/");
    assert_eq!(shell.post("/assets/", asset_document(id, "aGVsbG8=").as_bytes()).status, 200);
    assert_eq!(shell.get(&format!("/assets/{id}/data")).text(), "hello");
    for (verb, path) in [("GET", "/"), ("POST", "/"), ("OPTIONS", "/assets"), ("PUT", "/assets/x"), ("GET", "/xinventory")] {
        let answer = exchange(&shell, format!("{verb} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")).unwrap();
        assert_eq!(answer.text(), "passed", "{verb} {path}");
    }
    let some = both("/xinventory, /assets/inner/");
    for (path, passes) in
        [("/xinventory", true), ("/assets/inner/a", true), ("/other", false), ("/", false), (&format!("/assets/{id}"), false)]
    {
        assert_eq!(some.get(path).body == b"passed", passes, "{path}");
    }
    assert_eq!(some.get("/xinventory\\..\\other").status, 404, "who takes it for a slash, would be led elsewhere");
}
