//! One upstream: what is sent, what is taken for an answer, connections, time-outs.

use std::time::Duration;

use bytes::Bytes;
use gridshell_connectors::http::{HeaderValue, Method, StatusCode, header};
use gridshell_connectors::transport::{Outgoing, Repeat, Transport, TransportError};
use gridshell_connectors::upstream::{Credentials, GroupOptions, Standing};

use crate::server::{Manner, Server, says};
use crate::{eventually, get, group, options, read, write};

fn agent() -> String {
    format!("User-Agent: gridshell/{}", env!("CARGO_PKG_VERSION"))
}

#[tokio::test]
async fn requests_are_written_as_servers_want_them() {
    let server = Server::start(Manner::Good).await;
    let group = group(&server.url(), options());
    let mut request = read("/assets/x?a=b");
    // Headers of a connection are not the caller's to say.
    for (name, value) in
        [("accept", "text/xml"), ("connection", "close"), ("content-length", "7"), ("keep-alive", "max=3"), ("host", "me")]
    {
        request.headers.insert(name, HeaderValue::from_static(value));
    }
    group.send(request).await.unwrap();
    group.send(write("/xinventory", "METHOD=ADDITEM")).await.unwrap();
    group.send(Outgoing { method: Method::POST, ..read("/") }).await.unwrap();
    group.send(Outgoing { method: Method::DELETE, ..read("/assets/x") }).await.unwrap();
    let (host, agent) = (format!("Host: {}", server.address), agent());
    let heads = [
        format!("GET /assets/x?a=b HTTP/1.1\r\nAccept: text/xml\r\n{host}\r\nConnection: keep-alive\r\n{agent}"),
        format!("POST /xinventory HTTP/1.1\r\n{host}\r\nConnection: keep-alive\r\nContent-Length: 14\r\n{agent}"),
        format!("POST / HTTP/1.1\r\n{host}\r\nConnection: keep-alive\r\nContent-Length: 0\r\n{agent}"),
        format!("DELETE /assets/x HTTP/1.1\r\n{host}\r\nConnection: keep-alive\r\n{agent}"),
    ];
    let received = server.received();
    assert_eq!(received.iter().map(|request| request.head.as_str()).collect::<Vec<_>>(), heads);
    assert_eq!(received[1].body, b"METHOD=ADDITEM");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn credentials_go_with_every_request_but_not_over_the_callers() {
    let server = Server::start(Manner::Good).await;
    let credentials = Some(Credentials { user: "grid".to_owned(), password: "se:cret".to_owned() });
    let group = group(&format!("{}/base/", server.url()), GroupOptions { credentials, ..options() });
    get(&group, "/assets/x").await.unwrap();
    let mut request = read("/assets/x");
    request.headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Basic other"));
    request.headers.insert(header::USER_AGENT, HeaderValue::from_static("viewer"));
    group.send(request).await.unwrap();
    let received = server.received();
    assert!(received[0].head.starts_with("GET /base/assets/x HTTP/1.1\r\n"));
    assert!(received[0].head.ends_with("\r\nAuthorization: Basic Z3JpZDpzZTpjcmV0"));
    assert!(received[1].head.contains("\r\nAuthorization: Basic other\r\n"));
    assert!(received[1].head.contains("\r\nUser-Agent: viewer\r\n"));
}

#[tokio::test]
async fn answers_of_every_form_are_read() {
    let server = Server::start(Manner::Good).await;
    let group = group(&server.url(), options());
    let head = "HTTP/1.1 200 OK\r\nKeep-Alive:timeout=60, max=19\r\n";
    for (answer, status, body) in [
        (format!("{head}Content-Length: 5\r\n\r\nhello"), 200, "hello"),
        (format!("{head}Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n"), 200, "hello"),
        (format!("{head}\r\nhello"), 200, "hello"),
        ("HTTP/1.0 200 OK\r\n\r\nhello".to_owned(), 200, "hello"),
        ("HTTP/1.1 204 NoContent\r\n\r\n".to_owned(), 204, ""),
        ("HTTP/1.1 404 NotFound\r\nContent-Length:0\r\nConnection:close\r\n\r\n".to_owned(), 404, ""),
        ("HTTP/1.1 400 Bad Request\r\n\r\n".to_owned(), 400, ""),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned(), 200, "ok"),
        ("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".to_owned(), 302, ""),
    ] {
        server.behave(says(&answer));
        let got = get(&group, "/").await.unwrap();
        assert_eq!((got.status.as_u16(), &got.body[..]), (status, body.as_bytes()), "{answer:?}");
    }
    server.behave(says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: 1\r\nX-A: 2\r\n\r\n"));
    let got = group.send(Outgoing { method: Method::HEAD, ..read("/") }).await.unwrap();
    assert_eq!((got.headers[header::CONTENT_LENGTH].as_bytes(), got.headers.get_all("x-a").iter().count()), (&b"5"[..], 2));
    assert_eq!(group.state().members[0].failures, 0);
}

#[tokio::test]
async fn broken_answers_are_errors_that_name_the_upstream() {
    let server = Server::start(Manner::Good).await;
    let mut options = options();
    options.ejection.failures = 1000;
    let group = group(&server.url(), options);
    let malformed = |error: &TransportError| matches!(error, TransportError::Malformed(_));
    for (answer, is_malformed, reason) in [
        ("", false, "closed"),
        ("HTTP/1.1 200 OK\r\nContent-Le", false, "closed"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", false, "end of file"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n", false, "unexpected EOF"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhe", false, "end of file"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nz\r\nhe", false, "chunk"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, world", true, "longer than it says"),
        ("HTTP/1.1 204 OK\r\n\r\nhello", true, "longer than it says"),
        ("HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello", true, "content-length"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", true, "content-length"),
        ("SSH-2.0-OpenSSH_9.6\r\n", true, "invalid"),
        ("\0\x01\u{7f}garbage", true, "invalid"),
    ] {
        for repeat in [Repeat::Safe, Repeat::Unsafe] {
            server.behave(says(answer));
            let error = group.send(Outgoing { repeat, ..read("/") }).await.unwrap_err();
            let text = error.to_string();
            assert_eq!(malformed(&error), is_malformed, "{answer:?}: {text}");
            assert!(text.starts_with(&format!("upstream group assets gives no answer; {}: ", server.url())), "{text}");
            assert!(text.contains(reason), "{answer:?}: {text}");
        }
    }
    let state = &group.state().members[0];
    assert_eq!((state.failures, state.in_flight, state.idle_connections), (24, 0, 0));
    server.behave(Manner::Good);
    assert_eq!(get(&group, "/x").await.unwrap().body, "/x");
}

#[tokio::test]
async fn answers_have_a_largest_size() {
    let server = Server::start(Manner::Good).await;
    let group = group(&server.url(), GroupOptions { answer_size: 5, ..options() });
    let head = "HTTP/1.1 200 OK\r\n";
    for (answer, fits) in [
        (format!("{head}Content-Length: 5\r\n\r\nhello"), true),
        (format!("{head}Content-Length: 6\r\n\r\nhello!"), false),
        (format!("{head}Content-Length: 99999999999999999999\r\n\r\nhello!"), false),
        (format!("{head}Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"), true),
        (format!("{head}Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n3\r\nlo!\r\n0\r\n\r\n"), false),
        (format!("{head}\r\nhello!"), false),
    ] {
        server.behave(says(&answer));
        let outcome = get(&group, "/").await;
        assert_eq!(outcome.is_ok(), fits, "{answer:?}");
        assert!(fits || matches!(outcome, Err(TransportError::Malformed(_))), "{answer:?}");
    }
}

#[tokio::test]
async fn large_bodies_pass_whole_in_both_directions() {
    let server = Server::start(Manner::Good).await;
    let body: Vec<u8> = (0..9_000_000u32).flat_map(|number| number.to_le_bytes()).take(9_000_000).collect();
    let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend_from_slice(&body);
    server.behave(Manner::SaysAndStays(answer));
    let group = group(&server.url(), options());
    for _ in 0..2 {
        let request = Outgoing { body: Bytes::from(body.clone()), ..write("/assets/", "") };
        assert!(group.send(request).await.unwrap().body == body);
    }
    assert!(server.received().iter().all(|request| request.body == body));
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_is_no_failure() {
    let server = Server::start(Manner::ClosesAfter(20)).await;
    let group = group(&server.url(), options());
    for number in 0..100 {
        assert_eq!(get(&group, &format!("/{number}")).await.unwrap().body, format!("/{number}"));
    }
    assert!(server.connections() >= 5);
    // One that is closed only when it is asked again looks open until then.
    server.behave(Manner::ClosesWhenAskedAgain);
    for number in 100..110 {
        assert_eq!(get(&group, &format!("/{number}")).await.unwrap().body, format!("/{number}"));
    }
    let state = group.state();
    assert_eq!((state.members[0].failures, state.retries), (0, 0));
}

#[tokio::test]
async fn what_must_not_be_done_twice_is_not_sent_twice_on_a_stale_connection() {
    // Again when this machine stood still for so long that the first connection is not used a second time.
    for _ in 0..60 {
        let server = Server::start(Manner::ClosesWhenAskedAgain).await;
        let group = group(&server.url(), options());
        group.send(write("/1", "x")).await.unwrap();
        let outcome = group.send(write("/2", "x")).await;
        assert_eq!(server.targets(), ["/1", "/2"]);
        if server.connections() == 1 {
            let error = outcome.unwrap_err();
            assert!(matches!(error, TransportError::Unavailable(_)), "{error}");
            return;
        }
        outcome.unwrap();
    }
    panic!("no connection is used a second time");
}

#[tokio::test]
async fn announced_ends_of_connections_are_believed() {
    let server = Server::start(Manner::Good).await;
    let group = group(&server.url(), options());
    let with =
        |header: &str| Manner::SaysAndStays(format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{header}\r\n\r\n").into_bytes());
    for header in ["Connection: close", "Keep-Alive:timeout=60, max=0", "Keep-Alive: timeout=0"] {
        server.behave(with(header));
        let before = server.connections();
        for _ in 0..3 {
            get(&group, "/").await.unwrap();
            assert_eq!(group.state().members[0].idle_connections, 0, "{header}");
        }
        assert_eq!(server.connections() - before, 3, "{header}");
    }
    server.behave(with("Keep-Alive:timeout=60, max=19"));
    let before = server.connections();
    for _ in 0..3 {
        get(&group, "/").await.unwrap();
    }
    assert_eq!(server.connections() - before, 1);
}

#[tokio::test]
async fn idle_connections_are_bounded_in_number_and_time() {
    let server = Server::start(Manner::Slow(Duration::from_millis(50))).await;
    let idle_time = Duration::from_millis(500);
    let group = group(&server.url(), GroupOptions { idle_connections: 3, idle_time, ..options() });
    let requests: Vec<_> = (0..8).map(|_| get(&group, "/")).collect();
    assert!(futures_util::future::join_all(requests).await.iter().all(Result::is_ok));
    assert!(group.state().members[0].idle_connections <= 3);
    eventually("every connection is closed", || server.closed() == server.connections()).await;
    assert_eq!(group.state().members[0].idle_connections, 0);
}

#[tokio::test]
async fn silence_is_cut_off() {
    let server = Server::start(Manner::Hangs).await;
    let group = group(&server.url(), GroupOptions { answer_time: Duration::from_secs(3), ..options() });
    for answer in ["", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"] {
        server.behave(Manner::SaysAndStays(answer.as_bytes().to_vec()));
        let outcomes = tokio::join!(group.send(read("/")), group.send(write("/", "x")));
        for outcome in [outcomes.0, outcomes.1] {
            let error = outcome.unwrap_err();
            assert!(matches!(error, TransportError::Unavailable(_)));
            assert!(error.to_string().contains("nothing came for "), "{error}");
        }
    }
    assert_eq!((server.targets().len(), group.state().members[0].failures), (4, 4));
}

#[tokio::test]
async fn an_answer_that_drips_has_to_end_in_time() {
    let server = Server::start(Manner::Drips).await;
    let group = group(&server.url(), GroupOptions { total_time: Duration::from_secs(3), ..options() });
    let error = get(&group, "/").await.unwrap_err().to_string();
    assert!(error.ends_with("there was no whole answer in time"), "{error}");
}

#[tokio::test]
async fn a_request_that_cannot_be_sent_is_no_fault_of_the_upstream() {
    let server = Server::start(Manner::Good).await;
    let group = group(&server.url(), options());
    for target in ["no slash", "/a b", "/a\r\nX: y", "", "*"] {
        let error = get(&group, target).await.unwrap_err();
        assert!(matches!(error, TransportError::Malformed(_)));
        assert!(error.to_string().ends_with(&format!("{target:?} is no target that can be asked for")), "{error}");
    }
    assert_eq!((server.connections(), group.state().members[0].failures), (0, 0));
}

#[tokio::test]
async fn dropping_a_request_closes_its_connection() {
    let server = Server::start(Manner::Hangs).await;
    let group = group(&server.url(), options());
    let request = tokio::spawn({
        let group = group.clone();
        async move { get(&group, "/").await }
    });
    eventually("the request has arrived", || server.received().len() == 1).await;
    assert_eq!(group.state().in_flight, 1);
    request.abort();
    eventually("the connection is closed", || server.closed() == 1).await;
    let state = group.state();
    assert_eq!((state.in_flight, state.members[0].in_flight, state.members[0].failures), (0, 0, 0));
    assert_eq!((state.members[0].idle_connections, state.members[0].standing), (0, Standing::Healthy));
}

#[test]
fn connections_stay_on_their_runtime() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // The server has a thread of its own, so that it lives while the others' runtimes do not run.
    let of_server = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (server, group) = of_server.block_on(async {
        let server = Server::start(Manner::Good).await;
        let group = group(&server.url(), options());
        (server, group)
    });
    let first = runtime();
    for _ in 0..2 {
        assert_eq!(first.block_on(get(&group, "/1")).unwrap().status, StatusCode::OK);
    }
    assert_eq!(server.connections(), 1);
    let second = runtime();
    for _ in 0..2 {
        assert_eq!(second.block_on(get(&group, "/2")).unwrap().body, "/2");
    }
    assert_eq!(server.connections(), 2);
    drop(first);
    assert_eq!(second.block_on(get(&group, "/3")).unwrap().body, "/3");
    assert_eq!(runtime().block_on(get(&group, "/4")).unwrap().body, "/4");
    assert_eq!((server.connections(), group.state().members[0].failures), (3, 0));
}
