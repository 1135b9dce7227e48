//! Connections, byte by byte, over pipes in memory.

use std::io;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use gridshell_connectors::http::{Body, Handler, Request, Response};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::record::{Pairs, Record, kind, put, put_pair};
use super::*;
use crate::answering::testing::limits;

/// Says what it was asked.
struct Echo;

#[async_trait]
impl Handler for Echo {
    fn name(&self) -> &'static str {
        "echo"
    }

    fn operations(&self) -> &'static [&'static str] {
        &["echo"]
    }

    async fn handle(&self, request: &Request) -> Response {
        let pieces = |count: usize| stream::iter((0..count).map(|at| Ok(Bytes::from(vec![b'0' + at as u8; 40_000])))).boxed();
        let text = |body: Body| Response::ok("text/plain", body);
        match request.path.as_str() {
            "/never" => std::future::pending().await,
            "/pieces" => text(Body::Stream { length: None, pieces: pieces(5) }),
            "/known" => text(Body::Stream { length: Some(120_000), pieces: pieces(3) }),
            "/short" => text(Body::Stream { length: Some(120_001), pieces: pieces(3) }),
            "/long" => text(Body::Stream { length: Some(119_999), pieces: pieces(3) }),
            "/fails" => {
                let failure = stream::iter([Err(io::Error::other("the disk is gone"))]);
                text(Body::Stream { length: None, pieces: pieces(1).chain(failure).boxed() })
            }
            "/hangs" => text(Body::Stream { length: None, pieces: pieces(1).chain(stream::pending()).boxed() }),
            _ => {
                let head = format!("{} {}?{} ", request.method, request.path, request.query);
                text([head.as_bytes(), &request.body].concat().into())
            }
        }
    }
}

/// A connection and its task.
struct Peer {
    stream: DuplexStream,
    stopping: watch::Sender<bool>,
    task: JoinHandle<Result<(), Interruption>>,
}

fn connect() -> Peer {
    let mut router = Router::new(Bytes::new());
    router.fallback(Arc::new(Echo));
    let limits = Limits {
        head_time: Duration::from_secs(10),
        request_time: Duration::from_secs(30),
        response_time: Duration::from_secs(180),
        idle_time: Duration::from_secs(60),
        body: 200_000,
        ..limits()
    };
    let answerer = Answerer::new(3000, Arc::new(router), limits, Vec::new(), Arc::new(RequestLog::default()));
    let (stream, other) = duplex(1_000_000);
    let stopping = watch::Sender::new(false);
    let connection = Connection::new(Box::new(other), Arc::new(Current::new(answerer)), 7, stopping.subscribe());
    Peer { stream, stopping, task: tokio::spawn(connection.serve()) }
}

impl Peer {
    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    async fn receive(&mut self, length: usize) -> BytesMut {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).await.unwrap();
        BytesMut::from(&bytes[..])
    }

    /// Reads one record.
    async fn record(&mut self) -> Record {
        let mut bytes = self.receive(8).await;
        let rest = usize::from(u16::from_be_bytes([bytes[4], bytes[5]])) + usize::from(bytes[6]);
        bytes.extend_from_slice(&self.receive(rest).await);
        Record::take(&mut bytes).unwrap().unwrap()
    }

    /// Reads the answer to a request, whole; the header block and the body.
    async fn answer(&mut self, id: u16) -> (String, Vec<u8>) {
        let mut output = Vec::new();
        loop {
            let record = self.record().await;
            assert_eq!((record.kind, record.id), (kind::STDOUT, id));
            if record.content.is_empty() {
                break;
            }
            output.extend_from_slice(&record.content);
        }
        let end = self.record().await;
        assert_eq!((end.kind, end.id, &end.content[..]), (kind::END_REQUEST, id, &[0; 8][..]));
        let at = output.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        let body = output.split_off(at);
        (String::from_utf8(output).unwrap(), body)
    }

    async fn status(&mut self, id: u16) -> String {
        let (block, _) = self.answer(id).await;
        block.lines().next().unwrap().trim_start_matches("Status: ").to_owned()
    }

    /// What arrives until the connection is closed, and how it ended.
    async fn rest(mut self) -> (Vec<u8>, Result<(), Interruption>) {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).await.unwrap();
        (rest, self.task.await.unwrap())
    }
}

const BEGIN: &[u8] = b"\x01\x01\x00\x01\x00\x08\x00\x00\x00\x01\x00\0\0\0\0\0";
const BEGIN_AND_KEEP: &[u8] = b"\x01\x01\x00\x01\x00\x08\x00\x00\x00\x01\x01\0\0\0\0\0";
const ABORT: &[u8] = b"\x01\x02\x00\x01\x00\x00\x00\x00";
const END_OF_PARAMS: &[u8] = b"\x01\x04\x00\x01\x00\x00\x00\x00";
const END_OF_STDIN: &[u8] = b"\x01\x05\x00\x01\x00\x00\x00\x00";

fn params(pairs: &[(&str, &str)]) -> BytesMut {
    let mut content = BytesMut::new();
    for (name, value) in pairs {
        put_pair(&mut content, name.as_bytes(), value.as_bytes());
    }
    let mut output = BytesMut::new();
    put(&mut output, kind::PARAMS, 1, &content);
    output
}

fn stdin(body: &[u8]) -> BytesMut {
    let mut output = BytesMut::new();
    for piece in body.chunks(30_000) {
        put(&mut output, kind::STDIN, 1, piece);
    }
    output
}

/// A whole request with id 1 on a connection that is kept.
fn request(method: &str, uri: &str, body: &[u8]) -> Vec<u8> {
    let params = params(&[("REQUEST_METHOD", method), ("REQUEST_URI", uri)]);
    [BEGIN_AND_KEEP, &params, END_OF_PARAMS, &stdin(body), END_OF_STDIN].concat()
}

#[tokio::test]
async fn a_request_and_its_answer_in_literal_bytes() {
    let mut peer = connect();
    let params = b"\x01\x04\x00\x01\x00\x28\x02\x00\x0e\x04REQUEST_METHODPOST\x0b\x07REQUEST_URI/a?b=c1";
    peer.send(BEGIN).await;
    peer.send(params).await;
    // The padding comes later.
    peer.send(b"\0\0").await;
    peer.send(END_OF_PARAMS).await;
    peer.send(b"\x01\x05\x00\x01\x00\x05\x03\x00helloPAD").await;
    peer.send(END_OF_STDIN).await;
    let (bytes, ended) = peer.rest().await;
    ended.unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (before, date) = text.split_once("Date: ").unwrap();
    assert_eq!(before, "\x01\x06\x00\x01\x00\x65\x03\x00Status: 200 OK\r\nContent-Type: text/plain\r\n");
    assert_eq!(
        &date["Sun, 06 Nov 1994 08:49:37".len()..],
        " GMT\r\nContent-Length: 18\r\n\r\n\0\0\0\
         \x01\x06\x00\x01\x00\x12\x06\x00POST /a?b=c1 hello\0\0\0\0\0\0\
         \x01\x06\x00\x01\x00\x00\x00\x00\
         \x01\x03\x00\x01\x00\x08\x00\x00\0\0\0\0\0\0\0\0"
    );
}

#[tokio::test]
async fn a_connection_that_is_kept_carries_one_request_after_the_other() {
    let mut peer = connect();
    for round in 0..50 {
        let body = vec![b'x'; round * 4_000];
        peer.send(request("POST", "/a", &body)).await;
        let (block, answer) = peer.answer(1).await;
        assert!(block.starts_with("Status: 200 OK\r\n"), "{block}");
        assert_eq!(answer, [b"POST /a? ", &body[..]].concat());
    }
    drop(peer.stream);
    peer.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn pieces_of_any_size() {
    let mut peer = connect();
    for piece in request("PUT", "/pieces-of-one-byte", b"abc").chunks(1) {
        peer.send(piece).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(peer.answer(1).await.1, b"PUT /pieces-of-one-byte? abc");
    // A pair of parameters may go on in the next record.
    let whole = params(&[("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/x")]);
    peer.send(BEGIN).await;
    for byte in &whole[8..8 + usize::from(u16::from_be_bytes([whole[4], whole[5]]))] {
        peer.send(b"\x01\x04\x00\x01\x00\x01\x00\x00").await;
        peer.send([*byte]).await;
    }
    peer.send([END_OF_PARAMS, END_OF_STDIN].concat()).await;
    assert_eq!(peer.answer(1).await.1, b"GET /x? ");
}

#[tokio::test]
async fn head_has_a_length_and_no_body() {
    let mut peer = connect();
    peer.send(request("HEAD", "/a", b"")).await;
    let (block, body) = peer.answer(1).await;
    assert!(block.contains("Content-Length: 9\r\n"), "{block}");
    assert_eq!(body, b"");
}

#[tokio::test]
async fn streams() {
    let mut peer = connect();
    let piece = |digit: u8| vec![digit; 40_000];
    peer.send(request("GET", "/pieces", b"")).await;
    let (block, body) = peer.answer(1).await;
    assert!(!block.contains("Content-Length"), "{block}");
    assert_eq!(body, [piece(b'0'), piece(b'1'), piece(b'2'), piece(b'3'), piece(b'4')].concat());
    peer.send(request("GET", "/known", b"")).await;
    let (block, body) = peer.answer(1).await;
    assert!(block.contains("Content-Length: 120000\r\n"), "{block}");
    assert_eq!(body, [piece(b'0'), piece(b'1'), piece(b'2')].concat());
}

#[tokio::test]
async fn an_answer_that_is_cut_off_is_not_ended() {
    for (path, reason) in
        [("/fails", "the disk is gone"), ("/short", "it is shorter than announced"), ("/long", "it is longer than announced")]
    {
        let mut peer = connect();
        peer.send(request("GET", path, b"")).await;
        let (bytes, ended) = peer.rest().await;
        assert_eq!(ended.unwrap_err().to_string(), format!("an answer could not be completed: {reason}"), "{path}");
        let mut arrived = BytesMut::from(&bytes[..]);
        while let Some(record) = Record::take(&mut arrived).unwrap() {
            assert!(record.kind == kind::STDOUT && !record.content.is_empty(), "{path}: {record:?}");
        }
    }
}

#[tokio::test]
async fn other_roles_and_second_requests_are_refused() {
    let mut peer = connect();
    // An authorizer (2).
    peer.send(b"\x01\x01\x00\x09\x00\x08\x00\x00\x00\x02\x01\0\0\0\0\0").await;
    assert_eq!(peer.receive(16).await, b"\x01\x03\x00\x09\x00\x08\x00\x00\0\0\0\0\x03\0\0\0"[..]);
    // What it goes on to send is passed over.
    peer.send(b"\x01\x04\x00\x09\x00\x04\x00\x00junk\x01\x05\x00\x09\x00\x00\x00\x00").await;
    // A second one while the first is under way.
    peer.send([BEGIN_AND_KEEP, &params(&[("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/a")])].concat()).await;
    peer.send(b"\x01\x01\x00\x02\x00\x08\x00\x00\x00\x01\x01\0\0\0\0\0\x01\x04\x00\x02\x00\x00\x00\x00").await;
    assert_eq!(peer.receive(16).await, b"\x01\x03\x00\x02\x00\x08\x00\x00\0\0\0\0\x01\0\0\0"[..]);
    peer.send([END_OF_PARAMS, END_OF_STDIN].concat()).await;
    assert_eq!(peer.answer(1).await.1, b"GET /a? ");
    // Also while the first is answered.
    peer.send(request("GET", "/never", b"")).await;
    peer.send(b"\x01\x01\x00\x03\x00\x08\x00\x00\x00\x01\x01\0\0\0\0\0").await;
    assert_eq!(peer.receive(16).await, b"\x01\x03\x00\x03\x00\x08\x00\x00\0\0\0\0\x01\0\0\0"[..]);
    // An unknown role without the wish to keep the connection.
    let mut peer = connect();
    peer.send(b"\x01\x01\x00\x09\x00\x08\x00\x00\x12\x34\x00\0\0\0\0\0").await;
    let (bytes, ended) = peer.rest().await;
    assert_eq!(bytes, b"\x01\x03\x00\x09\x00\x08\x00\x00\0\0\0\0\x03\0\0\0");
    ended.unwrap();
}

#[tokio::test]
async fn an_abort_ends_the_request_and_not_the_connection() {
    let mut peer = connect();
    let end = b"\x01\x03\x00\x01\x00\x08\x00\x00\0\0\0\0\0\0\0\0";
    for begun in [
        BEGIN_AND_KEEP.to_vec(),
        [BEGIN_AND_KEEP, END_OF_PARAMS].concat(),
        [BEGIN_AND_KEEP, END_OF_PARAMS, b"\x01\x05\x00\x01\x00\x01\x00\x00x"].concat(),
        request("GET", "/never", b""),
    ] {
        peer.send(begun).await;
        peer.send(ABORT).await;
        assert_eq!(peer.receive(16).await, end[..]);
    }
    // In the middle of an answer: what was written of it may come before.
    peer.send([&request("GET", "/hangs", b""), ABORT].concat()).await;
    while peer.record().await.kind != kind::END_REQUEST {}
    peer.send(request("GET", "/a", b"")).await;
    assert_eq!(peer.answer(1).await.1, b"GET /a? ");
}

#[tokio::test]
async fn a_web_server_that_goes_away_ends_the_work() {
    for uri in ["/never", "/hangs"] {
        let mut peer = connect();
        peer.send(request("GET", uri, b"")).await;
        drop(peer.stream);
        assert!(matches!(peer.task.await.unwrap(), Err(Interruption::Closed | Interruption::Failed(_))), "{uri}");
    }
}

#[tokio::test]
async fn records_of_the_connection_are_answered_at_any_time() {
    let mut question = BytesMut::new();
    put_pair(&mut question, b"FCGI_MAX_CONNS", b"");
    put_pair(&mut question, b"FCGI_MPXS_CONNS", b"");
    let mut values = BytesMut::new();
    put(&mut values, kind::GET_VALUES, 0, &question);
    let mut peer = connect();
    let parts = [BEGIN_AND_KEEP, &params(&[("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/never")]), END_OF_PARAMS, END_OF_STDIN];
    for part in [b"".as_slice()].into_iter().chain(parts) {
        peer.send(part).await;
        peer.send(&values).await;
        let answer = peer.record().await;
        assert_eq!((answer.kind, answer.id), (kind::GET_VALUES_RESULT, 0));
        let pairs: Vec<_> = Pairs { rest: &answer.content }.map(Result::unwrap).collect();
        assert_eq!(pairs, [(&b"FCGI_MAX_CONNS"[..], &b"7"[..]), (b"FCGI_MPXS_CONNS", b"0")]);
        peer.send(b"\x01\x63\x00\x00\x00\x00\x00\x00").await;
        assert_eq!(peer.receive(16).await, b"\x01\x0b\x00\x00\x00\x08\x00\x00\x63\0\0\0\0\0\0\0"[..]);
    }
}

#[tokio::test]
async fn malformed_records_close_the_connection() {
    let whole = request("GET", "/never", b"");
    let cases: [(&str, Vec<u8>); 12] = [
        ("HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()),
        ("another version", b"\x02\x01\x00\x01\x00\x00\x00\x00".to_vec()),
        ("an answer", b"\x01\x06\x00\x01\x00\x00\x00\x00".to_vec()),
        ("an unknown type", b"\x01\x63\x00\x01\x00\x00\x00\x00".to_vec()),
        ("a short beginning", b"\x01\x01\x00\x01\x00\x00\x00\x00".to_vec()),
        ("values that are cut off", b"\x01\x09\x00\x00\x00\x01\x00\x00\x05".to_vec()),
        ("parameters that are cut off", [BEGIN, b"\x01\x04\x00\x01\x00\x01\x00\x00\x05", END_OF_PARAMS].concat()),
        ("a beginning in a beginning", [BEGIN, BEGIN].concat()),
        ("a body before the parameters", [BEGIN, END_OF_STDIN].concat()),
        ("parameters after their end", [BEGIN, END_OF_PARAMS, END_OF_PARAMS].concat()),
        ("a body after its end", [&whole[..], END_OF_STDIN].concat()),
        ("another version in a request", [&whole[..], b"\0"].concat()),
    ];
    for (name, bytes) in cases {
        let mut peer = connect();
        peer.send(bytes).await;
        let (answer, ended) = peer.rest().await;
        assert!(matches!(ended, Err(Interruption::Malformed(_))), "{name}: {ended:?}");
        assert_eq!(answer, b"", "{name}");
    }
}

#[tokio::test]
async fn what_is_too_much_is_refused_and_the_connection_goes_on() {
    let mut peer = connect();
    let of = |pairs: &[(&str, &str)], count: usize, body: usize| {
        let params = params(pairs).repeat(count);
        [BEGIN_AND_KEEP, &params, END_OF_PARAMS, &stdin(&vec![b'x'; body]), END_OF_STDIN].concat()
    };
    let many = "x".repeat(60_000);
    let post = [("REQUEST_METHOD", "POST"), ("REQUEST_URI", "/a")];
    for (name, bytes, status) in [
        ("parameters of 300 KB", of(&[("OTHER", &many)], 5, 0), "400 Bad Request"),
        ("parameters of 240 KB", of(&[post[0], post[1], ("OTHER", &many)], 4, 0), "200 OK"),
        ("a header of 60 KB", of(&[post[0], post[1], ("HTTP_OTHER", &many)], 1, 5), "400 Bad Request"),
        ("a body over the limit", of(&post, 1, 200_001), "400 Bad Request"),
        ("the longest body", of(&post, 1, 200_000), "200 OK"),
        ("a length over the limit", of(&[post[0], post[1], ("CONTENT_LENGTH", "200001")], 1, 5), "400 Bad Request"),
        ("a length that is no number", of(&[post[0], post[1], ("CONTENT_LENGTH", "5x")], 1, 5), "400 Bad Request"),
        ("a body that is too short", of(&[post[0], post[1], ("CONTENT_LENGTH", "5")], 1, 4), "400 Bad Request"),
        ("a body that is too long", of(&[post[0], post[1], ("CONTENT_LENGTH", "5")], 1, 6), "400 Bad Request"),
        ("a body as long as announced", of(&[post[0], post[1], ("CONTENT_LENGTH", "5")], 1, 5), "200 OK"),
        ("no parameters", of(&[], 0, 0), "400 Bad Request"),
    ] {
        peer.send(bytes).await;
        assert_eq!(peer.status(1).await, status, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn slow_requests_are_answered_408_and_cut_off() {
    let begun = [BEGIN_AND_KEEP, &params(&[("REQUEST_METHOD", "POST"), ("REQUEST_URI", "/a")])].concat();
    for (bytes, seconds) in [(begun.clone(), 10), ([&begun[..], END_OF_PARAMS, &stdin(b"x")].concat(), 30)] {
        let mut peer = connect();
        let started = tokio::time::Instant::now();
        peer.send(bytes).await;
        assert_eq!(peer.status(1).await, "408 Request Timeout");
        assert_eq!(started.elapsed().as_secs(), seconds);
        let (rest, ended) = peer.rest().await;
        assert!(rest.is_empty() && matches!(ended, Err(Interruption::TooSlow)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_in_drops_has_no_more_time_than_others() {
    let mut peer = connect();
    peer.send([BEGIN_AND_KEEP, END_OF_PARAMS].concat()).await;
    let drops = async {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if peer.stream.write_all(b"\x01\x05\x00\x01\x00\x01\x00\x00x").await.is_err() {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(35), drops).await.unwrap();
    assert!(matches!(peer.task.await.unwrap(), Err(Interruption::TooSlow)));
}

#[tokio::test(start_paused = true)]
async fn idle_connections_are_closed() {
    for sent in [&b""[..], b"\x01\x01\x00"] {
        let mut peer = connect();
        peer.send(sent).await;
        let started = tokio::time::Instant::now();
        let (rest, ended) = peer.rest().await;
        ended.unwrap();
        assert!(rest.is_empty());
        assert_eq!(started.elapsed().as_secs(), 60);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_has_its_time_and_no_more() {
    let mut peer = connect();
    peer.send(request("GET", "/never", b"")).await;
    assert_eq!(peer.status(1).await, "503 Service Unavailable");
    // A stream whose next piece does not come.
    peer.send(request("GET", "/hangs", b"")).await;
    let (_, ended) = peer.rest().await;
    assert!(matches!(ended, Err(Interruption::CutOff(_))), "{ended:?}");
}

#[tokio::test]
async fn a_stop_ends_idle_connections_and_finishes_requests_under_way() {
    let peer = connect();
    peer.stopping.send_replace(true);
    let (rest, ended) = peer.rest().await;
    ended.unwrap();
    assert!(rest.is_empty());

    let mut peer = connect();
    let request = request("POST", "/a", b"hello");
    let (first, second) = request.split_at(request.len() - 4);
    // Its answer shows that the connection has read the request's beginning.
    peer.send([b"\x01\x63\x00\x00\x00\x00\x00\x00", first].concat()).await;
    peer.receive(16).await;
    peer.stopping.send_replace(true);
    tokio::task::yield_now().await;
    peer.send(second).await;
    assert_eq!(peer.answer(1).await.1, b"POST /a? hello");
    let (rest, ended) = peer.rest().await;
    ended.unwrap();
    assert!(rest.is_empty(), "though the web server wished to keep the connection");
}

/// Sends bytes, closes, and reads what comes back; the connection must come to its end.
fn survives(bytes: &[u8]) -> Vec<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut peer = connect();
        // The connection may be closed before all is read.
        let _ = peer.stream.write_all(bytes).await;
        let _ = peer.stream.shutdown().await;
        peer.rest().await.0
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn arbitrary_bytes_are_survived(bytes: Vec<u8>) {
        survives(&bytes);
    }

    #[test]
    fn arbitrary_records_are_survived(records in prop::collection::vec((0u8..13, 0u16..3, any::<Vec<u8>>()), 0..20)) {
        let mut bytes = BytesMut::new();
        for (kind, id, content) in &records {
            put(&mut bytes, *kind, *id, content);
        }
        let mut answered = BytesMut::from(&survives(&bytes)[..]);
        while let Some(record) = Record::take(&mut answered).unwrap() {
            prop_assert!([3, 6, 10, 11].contains(&record.kind));
        }
        prop_assert!(answered.is_empty());
    }

    #[test]
    fn damaged_requests_are_survived(at in 0usize..100, byte: u8) {
        let mut bytes = request("POST", "/a", b"hello").repeat(2);
        let at = at % bytes.len();
        bytes[at] = byte;
        survives(&bytes);
    }
}
