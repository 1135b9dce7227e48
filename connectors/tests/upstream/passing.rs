//! Requests that pass: what is sent, what comes back, and what happens when one side fails.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use gridshell_connectors::http::{Body, HeaderMap, HeaderValue, Method};
use gridshell_connectors::transport::Repeat;
use gridshell_connectors::upstream::{GroupOptions, PassError, Passage, Passed, UpstreamGroup};
use tokio::sync::mpsc;

use crate::server::{Manner, Server, says};
use crate::{eventually, group, options};

fn passage(method: Method, body: Option<Body>) -> Passage {
    let repeat = if body.is_none() && method.is_safe() { Repeat::Safe } else { Repeat::Unsafe };
    Passage { method, target: "/x".to_owned(), headers: HeaderMap::new(), host: None, body, repeat, affinity: None }
}

async fn get(group: &UpstreamGroup) -> Result<Passed, PassError> {
    group.pass(passage(Method::GET, None)).await
}

/// A body that the test sends piece by piece.
fn body(length: Option<u64>) -> (mpsc::Sender<std::io::Result<Bytes>>, Body) {
    let (sender, receiver) = mpsc::channel(1);
    let pieces = stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
    (sender, Body::Stream { length, pieces: pieces.boxed() })
}

/// What is read of a body, and whether that was all of it.
async fn read(body: Body) -> (String, bool) {
    match body {
        Body::Whole(bytes) => (String::from_utf8(bytes.to_vec()).unwrap(), true),
        Body::Stream { mut pieces, .. } => {
            let mut text = String::new();
            while let Some(piece) = pieces.next().await {
                match piece {
                    Ok(piece) => text.push_str(str::from_utf8(&piece).unwrap()),
                    Err(_) => return (text, false),
                }
            }
            (text, true)
        }
    }
}

#[tokio::test]
async fn heads_go_as_they_are() {
    let server = Server::start(Manner::Good).await;
    let group = group(&format!("{}/base", server.url()), options());
    let mut request = passage(Method::from_bytes(b"MKCOL").unwrap(), None);
    request.target = "/a%2Fb//c/?x=%20".to_owned();
    request.headers.append("x-a", HeaderValue::from_static("1"));
    request.headers.append("x-a", HeaderValue::from_static("2"));
    request.host = Some(HeaderValue::from_static("grid.example"));
    group.pass(request).await.unwrap();
    group.pass(passage(Method::DELETE, Some(Bytes::new().into()))).await.unwrap();
    group.pass(passage(Method::POST, None)).await.unwrap();
    let heads: Vec<String> = server.received().into_iter().map(|request| request.head).collect();
    let host = server.address;
    assert_eq!(
        heads,
        [
            "MKCOL /base/a%2Fb//c/?x=%20 HTTP/1.1\r\nX-A: 1\r\nX-A: 2\r\nHost: grid.example\r\nConnection: keep-alive".to_owned(),
            format!("DELETE /base/x HTTP/1.1\r\nHost: {host}\r\nConnection: keep-alive\r\nContent-Length: 0"),
            format!("POST /base/x HTTP/1.1\r\nHost: {host}\r\nConnection: keep-alive\r\nContent-Length: 0"),
        ]
    );
}

#[tokio::test]
async fn answers_come_as_they_are() {
    let server = Server::start(Manner::Good).await;
    let group = group(&server.url(), options());
    for (method, answer, status, length, body) in [
        (Method::GET, "200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, Some(5), "hello"),
        (Method::GET, "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", 200, None, "hello"),
        (Method::GET, "200 OK\r\n\r\nhello", 200, None, "hello"),
        (Method::GET, "404 NotFound\r\nContent-Length: 0\r\n\r\n", 404, Some(0), ""),
        (Method::GET, "204 NoContent\r\n\r\n", 204, None, ""),
        (Method::GET, "304 NotModified\r\nContent-Length: 77\r\n\r\n", 304, Some(77), ""),
        (Method::HEAD, "200 OK\r\nContent-Length: 77\r\n\r\n", 200, Some(77), ""),
        (Method::HEAD, "200 OK\r\n\r\n", 200, None, ""),
        (Method::HEAD, "404 NotFound\r\nContent-Length: 5\r\n\r\nhello", 404, Some(5), ""),
    ] {
        server.behave(says(&format!("HTTP/1.1 {answer}")));
        let passed = group.pass(passage(method.clone(), None)).await.unwrap();
        assert_eq!((passed.status.as_u16(), passed.body.length()), (status, length), "{method} {answer}");
        assert_eq!(read(passed.body).await, (body.to_owned(), true), "{method} {answer}");
    }
    server.behave(says(
        "HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nX-Hop: 1\r\nConnection: close, x-hop\r\nServer: S\r\nSet-Cookie: b\r\n\r\n",
    ));
    let passed = get(&group).await.unwrap();
    let headers: Vec<_> = passed.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    assert_eq!(headers, [("set-cookie", "a"), ("set-cookie", "b"), ("server", "S")]);
    assert_eq!(group.state().members[0].failures, 0);
}

#[tokio::test]
async fn what_is_no_whole_answer_is_never_one() {
    let mut server = Server::start(Manner::Good).await;
    let mut options = options();
    options.ejection.failures = 1000;
    let group = group(&server.url(), options);
    for answer in [
        "Content-Length: 9\r\n\r\nhello",
        "Content-Length: 4\r\n\r\nhello",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nz",
    ] {
        server.behave(says(&format!("HTTP/1.1 200 OK\r\n{answer}")));
        let passed = get(&group).await.unwrap();
        assert!(!read(passed.body).await.1, "{answer}");
    }
    let state = &group.state().members[0];
    assert_eq!((state.failures, state.in_flight, state.idle_connections), (4, 0, 0));
    for answer in [
        "",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "SSH-2.0-OpenSSH_9.6\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 101 Other\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nhello",
        "HTTP/1.1 304 NotModified\r\n\r\nhello",
    ] {
        server.behave(says(answer));
        assert!(matches!(get(&group).await, Err(PassError::Broken(_))), "{answer}");
    }
    assert_eq!(group.state().in_flight, 0);
    server.kill();
    eventually("it is gone", || std::net::TcpStream::connect(server.address).is_err()).await;
    assert!(matches!(get(&group).await, Err(PassError::Unavailable(_))));
}

#[tokio::test]
async fn connections_are_used_again_after_whole_answers_and_closed_when_nobody_reads_on() {
    let server = Server::start(Manner::Good).await;
    let group = group(&server.url(), options());
    for _ in 0..3 {
        assert_eq!(read(get(&group).await.unwrap().body).await.0, "/x");
    }
    assert_eq!((server.connections(), group.state().members[0].idle_connections), (1, 1));
    server.behave(Manner::SaysAndStays(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello".to_vec()));
    let passed = get(&group).await.unwrap();
    assert_eq!(group.state().in_flight, 1, "it has its place until its end");
    drop(passed);
    eventually("the upstream notices", || server.closed() == 1).await;
    assert_eq!((group.state().in_flight, group.state().members[0].failures), (0, 0));
}

#[tokio::test]
async fn who_fails_is_followed_by_another_where_that_is_safe() {
    for (manner, others) in [(says(""), 1), (Manner::Hangs, 1), (says("HTTP/1.1 503 Away\r\nContent-Length: 0\r\n\r\n"), 1)] {
        let (first, second) = (Server::start(manner).await, Server::start(Manner::Good).await);
        // Only who hangs is waited for.
        let options = GroupOptions { patience: Duration::from_secs(4), ..options() };
        let group = group(&format!("{}, {}", first.url(), second.url()), options);
        for _ in 0..2 {
            assert_eq!(read(get(&group).await.unwrap().body).await, ("/x".to_owned(), true));
        }
        assert!(second.received().len() == 2 && first.received().len() >= others);
    }
}

#[tokio::test]
async fn what_may_have_been_done_is_not_sent_again() {
    let (first, second) = (Server::start(says("")).await, Server::start(says("")).await);
    let group = group(&format!("{}, {}", first.url(), second.url()), options());
    for body in [Body::from("hello"), body_of(&["hello"])] {
        let before = first.received().len() + second.received().len();
        assert!(group.pass(passage(Method::POST, Some(body))).await.is_err());
        assert_eq!(first.received().len() + second.received().len(), before + 1);
    }
}

fn body_of(pieces: &[&'static str]) -> Body {
    let length = pieces.iter().map(|piece| piece.len() as u64).sum();
    let pieces: Vec<_> = pieces.iter().map(|piece| Ok(Bytes::from(*piece))).collect();
    Body::Stream { length: Some(length), pieces: stream::iter(pieces).boxed() }
}

#[tokio::test]
async fn a_body_that_reached_nobody_goes_to_another() {
    let (mut first, second) = (Server::start(Manner::Good).await, Server::start(Manner::Good).await);
    first.kill();
    eventually("it is gone", || std::net::TcpStream::connect(first.address).is_err()).await;
    let group = group(&format!("{}, {}", first.url(), second.url()), options());
    for number in 0..4 {
        let sent = if number % 2 == 0 { body_of(&["he", "llo"]) } else { Body::from("hello") };
        assert_eq!(read(group.pass(passage(Method::POST, Some(sent))).await.unwrap().body).await.0, "/x");
    }
    assert!(second.received().iter().all(|request| request.body == b"hello") && second.received().len() == 4);
}

#[tokio::test]
async fn bodies_that_break_off_cancel_the_request() {
    let server = Server::start(Manner::Hangs).await;
    let group = group(&server.url(), options());
    for (number, (length, sent)) in
        [(Some(9), vec!["hello"]), (Some(4), vec!["hello"]), (None, vec!["hello", ""])].into_iter().enumerate()
    {
        let (sender, body) = body(length);
        let passing = tokio::spawn({
            let group = group.clone();
            async move { group.pass(passage(Method::PUT, Some(body))).await }
        });
        for piece in sent {
            let piece = if piece.is_empty() { Err(std::io::Error::other("gone")) } else { Ok(Bytes::from(piece)) };
            let _ = sender.send(piece).await;
        }
        drop(sender);
        assert!(matches!(passing.await.unwrap(), Err(PassError::Cancelled(_))), "{length:?}");
        eventually("the upstream notices", || server.closed() == number + 1).await;
    }
    let state = &group.state().members[0];
    assert_eq!((state.failures, state.in_flight), (0, 0));
    assert!(server.received().iter().all(|request| request.body.is_empty()), "what is not whole is not taken for it");
}

#[tokio::test]
async fn an_answer_may_come_before_the_body_is_in() {
    let server = Server::start(Manner::AnswersHeads).await;
    let group = group(&server.url(), options());
    let (sender, body) = body(None);
    sender.send(Ok(Bytes::from("hello"))).await.unwrap();
    let passed = group.pass(passage(Method::POST, Some(body))).await.unwrap();
    assert_eq!(read(passed.body).await, ("early".to_owned(), true));
    sender.closed().await;
    assert_eq!(group.state().members[0].idle_connections, 0, "half a request is no connection for others");
}

#[tokio::test]
async fn a_late_client_is_not_the_upstreams_fault() {
    let server = Server::start(Manner::Hangs).await;
    let group = group(&server.url(), GroupOptions { answer_time: Duration::from_secs(5), ..options() });
    let (sender, body) = body(Some(2));
    let passing = tokio::spawn({
        let group: Arc<UpstreamGroup> = group.clone();
        async move { group.pass(passage(Method::POST, Some(body))).await }
    });
    sender.send(Ok(Bytes::from("x"))).await.unwrap();
    // The first piece is taken. From here on the clock is the test's, and goes on when nobody has anything to do.
    drop(sender.reserve().await.unwrap());
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(!passing.is_finished(), "it waits for the client");
    tokio::time::resume();
    sender.send(Ok(Bytes::from("y"))).await.unwrap();
    assert!(matches!(passing.await.unwrap(), Err(PassError::TimedOut(_))), "now the upstream is late");
    assert_eq!(group.state().members[0].failures, 1);
}
