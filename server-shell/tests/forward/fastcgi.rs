//! The same over FastCGI: one way for requests that pass, whatever listener they come in at.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::common::{PATIENCE, Shell, free_port, noise};
use crate::fastcgi_client::{head, read_answer, record, request};
use crate::upstream::Upstream;
use crate::{PLAIN, forward_to, wait_until};

fn start(upstream: &Upstream, keys: &str) -> (Shell, TcpStream) {
    let port = free_port();
    let ini = forward_to(&[upstream.url()], &format!("{PLAIN}\n    {keys}"));
    let shell = Shell::start(&format!("{ini}\n[FastCGI]\n    Listeners = \"127.0.0.1:{port}\"\n"));
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    (shell, stream)
}

#[test]
fn requests_and_answers_pass() {
    let upstream = Upstream::start(|connection| {
        connection.read_body()?;
        let answer = match connection.request.line() {
            line if line.contains("/none") => "HTTP/1.1 304 NotModified\r\nContent-Length: 77\r\nDate: now\r\n\r\n".to_owned(),
            line if line.starts_with("HEAD") => "HTTP/1.1 200 OK\r\nContent-Length: 77\r\nDate: now\r\n\r\n".to_owned(),
            _ => {
                let length = connection.request.body.len().to_string();
                format!(
                    "HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nDate: now\r\nSet-Cookie: b\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{length}\r\n0\r\n\r\n",
                    length.len()
                )
            }
        };
        connection.write(answer)?;
        Ok(true)
    });
    let (_shell, mut stream) = start(&upstream, "");
    for (method, uri, length, block) in [
        ("GET", "/a%2Fb//c/?x=%20", 0, "Status: 200 OK\r\nDate: now\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n0"),
        ("POST", "/x", 5_000_000, "Status: 200 OK\r\nDate: now\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n5000000"),
        ("PROPFIND", "/", 7, "Status: 200 OK\r\nDate: now\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n7"),
        ("HEAD", "/x", 0, "Status: 200 OK\r\nDate: now\r\nContent-Length: 77\r\n\r\n"),
        ("GET", "/none", 0, "Status: 304 Not Modified\r\nDate: now\r\nContent-Length: 77\r\n\r\n"),
    ] {
        let body = noise(3, length);
        let bytes = request(method, uri, &body);
        let mut writer = stream.try_clone().unwrap();
        let writing = std::thread::spawn(move || writer.write_all(&bytes));
        assert_eq!(read_answer(&mut stream).unwrap(), block, "{method} {uri}");
        writing.join().unwrap().unwrap();
        let received = upstream.received().pop().unwrap();
        assert!(received.body == body && received.line() == format!("{method} {uri} HTTP/1.1"), "{}", received.head);
        assert_eq!(received.header("X-Forwarded-For"), Some("192.0.2.7"));
    }
}

#[test]
fn answers_that_break_off_and_web_servers_that_go() {
    let [begun, whole, closed] = std::array::from_fn(|_| Arc::<AtomicUsize>::default());
    let upstream = Upstream::start({
        let (begun, whole, closed) = (begun.clone(), whole.clone(), closed.clone());
        move |connection| {
            begun.fetch_add(1, Ordering::SeqCst);
            let outcome = connection.read_body();
            if outcome.is_ok() {
                whole.fetch_add(1, Ordering::SeqCst);
                connection.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")?;
            }
            closed.fetch_add(1, Ordering::SeqCst);
            Ok(false)
        }
    });
    let (shell, mut stream) = start(&upstream, "MaxBodyMegabytes = 1");
    let address = stream.peer_addr().unwrap();
    stream.write_all(&request("GET", "/", b"")).unwrap();
    read_answer(&mut stream).unwrap_err();
    assert_eq!((whole.load(Ordering::SeqCst), closed.load(Ordering::SeqCst)), (1, 1));

    // Aborted, gone, over the limit: each in the middle of a body.
    let begin = |bytes: &[u8]| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(&head("PUT", "/")).unwrap();
        for piece in bytes.chunks(50_000) {
            stream.write_all(&record(5, piece)).unwrap();
        }
        stream
    };
    let mut aborted = begin(&[b'x'; 200_000]);
    wait_until("it is under way", &shell, || begun.load(Ordering::SeqCst) == 2);
    aborted.write_all(&record(2, b"")).unwrap();
    assert_eq!(read_answer(&mut aborted).unwrap(), "", "it is ended, and the connection goes on");
    wait_until("the upstream notices", &shell, || closed.load(Ordering::SeqCst) == 2);
    let gone = begin(&[b'x'; 200_000]);
    wait_until("it is under way", &shell, || begun.load(Ordering::SeqCst) == 3);
    drop(gone);
    wait_until("the upstream notices", &shell, || closed.load(Ordering::SeqCst) == 3);
    let mut large = begin(&[b'x'; 1_100_000]);
    large.write_all(&record(5, b"")).unwrap();
    assert!(read_answer(&mut large).unwrap().starts_with("Status: 413"));
    wait_until("the upstream notices", &shell, || closed.load(Ordering::SeqCst) == 4);
    assert_eq!(whole.load(Ordering::SeqCst), 1);
    // The connection is good for the next request.
    large.write_all(&request("GET", "/", b"")).unwrap();
    let mut begun = [0; 8];
    large.read_exact(&mut begun).unwrap();
}
