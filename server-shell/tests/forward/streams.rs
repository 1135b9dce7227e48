//! Bodies of any length, while they are on their way: bounded memory, and nobody works for who has gone.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::common::{Shell, connect, noise, read_head};
use crate::upstream::{Connection, Upstream};
use crate::{PLAIN, exchange, forward_to, read_body, wait_until};

const MEGABYTE: usize = 1024 * 1024;
const LARGE: usize = 80;

/// What memory may grow by, whatever passes.
const BOUND: usize = 60 * MEGABYTE;

/// The most memory that the program ever had, in bytes.
fn peak(shell: &Shell) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", shell.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

/// Reads a body that consists of `block` again and again; how long it is.
fn take(connection: &mut Connection, block: &[u8]) -> std::io::Result<usize> {
    let (mut length, mut left) = (0, None);
    while let Some(piece) = connection.piece(&mut left)? {
        for byte in piece {
            assert_eq!(byte, block[length % block.len()], "at {length}");
            length += 1;
        }
    }
    Ok(length)
}

#[test]
fn eighty_megabytes_up_in_bounded_memory() {
    let block: Arc<Vec<u8>> = Arc::new(noise(1, MEGABYTE));
    let expected = block.clone();
    let upstream = Upstream::start(move |connection| {
        let length = take(connection, &expected)?.to_string();
        connection.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{length}", length.len()))?;
        Ok(true)
    });
    let shell = Shell::start(&forward_to(&[upstream.url()], PLAIN));
    let before = peak(&shell);
    for is_chunked in [false, true] {
        let mut stream = connect(shell.port).unwrap();
        let form =
            if is_chunked { "Transfer-Encoding: chunked".to_owned() } else { format!("Content-Length: {}", LARGE * MEGABYTE) };
        write!(stream, "POST /assets HTTP/1.1\r\nHost: x\r\n{form}\r\n\r\n").unwrap();
        for _ in 0..LARGE {
            if is_chunked {
                write!(stream, "{MEGABYTE:x}\r\n").unwrap();
            }
            stream.write_all(&block).unwrap();
            stream.write_all(if is_chunked { b"\r\n" } else { b"" }).unwrap();
        }
        stream.write_all(if is_chunked { b"0\r\n\r\n" } else { b"" }).unwrap();
        let head = read_head(&mut stream).unwrap();
        let body = read_body(&mut stream, &head).unwrap();
        assert_eq!((head.status, body), (200, (LARGE * MEGABYTE).to_string().into_bytes()), "{}", shell.output());
        assert!(peak(&shell) < before + BOUND, "{} after {before}", peak(&shell));
    }
}

#[test]
fn eighty_megabytes_down_in_bounded_memory_at_the_pace_of_the_reader() {
    let block: Arc<Vec<u8>> = Arc::new(noise(2, MEGABYTE));
    let (sent, stalled) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
    let upstream = Upstream::start({
        let (block, sent, stalled) = (block.clone(), sent.clone(), stalled.clone());
        move |connection| {
            let is_chunked = connection.request.line().contains("chunked");
            let form = if is_chunked {
                "Transfer-Encoding: chunked".to_owned()
            } else {
                format!("Content-Length: {}", LARGE * MEGABYTE)
            };
            connection.write(format!("HTTP/1.1 200 OK\r\n{form}\r\n\r\n"))?;
            connection.socket().set_write_timeout(Some(Duration::from_millis(300)))?;
            for _ in 0..LARGE {
                let framed = match is_chunked {
                    true => [format!("{MEGABYTE:x}\r\n").as_bytes(), &block, b"\r\n"].concat(),
                    false => block.to_vec(),
                };
                let mut left = framed.as_slice();
                while !left.is_empty() {
                    match connection.socket().write(left) {
                        Ok(written) => {
                            sent.fetch_add(written, Ordering::SeqCst);
                            left = &left[written..];
                        }
                        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                            stalled.store(true, Ordering::SeqCst);
                        }
                        Err(error) => return Err(error),
                    }
                }
            }
            connection.socket().set_write_timeout(None)?;
            connection.write(if is_chunked { "0\r\n\r\n" } else { "" })?;
            Ok(true)
        }
    });
    let shell = Shell::start(&forward_to(&[upstream.url()], PLAIN));
    let before = peak(&shell);
    for target in ["/length", "/chunked"] {
        sent.store(0, Ordering::SeqCst);
        stalled.store(false, Ordering::SeqCst);
        let mut stream = connect(shell.port).unwrap();
        write!(stream, "GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let head = read_head(&mut stream).unwrap();
        wait_until("the upstream waits for the reader", &shell, || stalled.load(Ordering::SeqCst));
        assert!(sent.load(Ordering::SeqCst) < LARGE * MEGABYTE / 2, "{sent:?} bytes are under way to somebody who reads nothing");
        let body = read_body(&mut stream, &head).unwrap();
        assert!(body.len() == LARGE * MEGABYTE && body.chunks(MEGABYTE).all(|piece| piece == *block), "{target}");
        assert!(peak(&shell) < before + BOUND, "{} after {before}", peak(&shell));
    }
}

#[test]
fn who_goes_away_is_worked_for_no_longer() {
    // Never answers; begins an answer; reads a body.
    let upstream = Upstream::start(|connection| {
        if connection.request.line().contains("/begun") {
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")?;
        }
        connection.wait_for_the_end();
        Ok(false)
    });
    let shell = Shell::start(&forward_to(&[upstream.url()], PLAIN));
    let requests = [
        "GET /hung HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /hung HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
        "GET /begun HTTP/1.1\r\nHost: x\r\n\r\n",
        "PUT /hung HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nhello",
        "PUT /hung HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n20000\r\n",
    ];
    for (number, request) in requests.iter().enumerate() {
        let mut stream = connect(shell.port).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        if request.contains("chunked") {
            stream.write_all(&[b'x'; 100_000]).unwrap();
        }
        let under_way = || crate::counted(&shell, "gridshell_upstream_in_flight");
        wait_until("it is under way", &shell, || under_way() == 1);
        if request.contains("/begun") {
            read_head(&mut stream).unwrap();
            stream.read_exact(&mut [0; 5]).unwrap();
        }
        drop(stream);
        wait_until("the upstream notices", &shell, || upstream.closed() == number + 1 && under_way() == 0);
    }
    assert_eq!(crate::counted(&shell, "gridshell_upstream_requests_total{"), requests.len() as u64, "nothing was sent twice");
}

#[test]
fn an_answer_may_come_before_the_body_is_read() {
    let upstream = Upstream::start(|connection| {
        connection.write("HTTP/1.1 413 Large\r\nContent-Length: 8\r\nConnection: close\r\n\r\ntoo much")?;
        connection.wait_for_the_end();
        Ok(false)
    });
    let shell = Shell::start(&forward_to(&[upstream.url()], PLAIN));
    let head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n";
    let answer = exchange(&shell, [head.as_bytes(), &[b'x'; 200_000]].concat()).unwrap();
    assert_eq!((answer.status, answer.text(), answer.header("Connection")), (413, "too much", Some("close")));
}

#[test]
fn both_ways_at_the_same_time() {
    let upstream = Upstream::start(|connection| {
        connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        let mut left = None;
        while let Some(piece) = connection.piece(&mut left)? {
            connection.write([format!("{:x}\r\n", piece.len()).as_bytes(), &piece, b"\r\n"].concat())?;
        }
        connection.write("0\r\n\r\n")?;
        Ok(true)
    });
    let shell = Shell::start(&forward_to(&[upstream.url()], PLAIN));
    let mut stream = connect(shell.port).unwrap();
    stream.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
    // Short bodies are sent on when they are whole; this one is not short.
    let first = [b"11170\r\n".as_slice(), &[b'x'; 70_000], b"\r\n"].concat();
    stream.write_all(&first).unwrap();
    let head = read_head(&mut stream).unwrap();
    assert_eq!(head.status, 200);
    let mut echo = vec![0; 70_000];
    stream.read_exact(&mut echo).unwrap();
    stream.write_all(b"4\r\nlast\r\n0\r\n\r\n").unwrap();
    while !echo.ends_with(b"\r\n0\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        echo.push(byte[0]);
    }
    assert!(String::from_utf8(echo).unwrap().contains("\r\nlast\r\n"));
}

#[test]
fn a_body_that_is_cut_short_is_never_whole_to_the_upstream() {
    let whole = Arc::<AtomicUsize>::default();
    let upstream = Upstream::start({
        let whole = whole.clone();
        move |connection| {
            connection.read_body()?;
            whole.fetch_add(1, Ordering::SeqCst);
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
            Ok(true)
        }
    });
    let shell = Shell::start(&forward_to(&[upstream.url()], &format!("{PLAIN}\n    MaxBodyMegabytes = 1")));
    let large = "x".repeat(2_000_000);
    for (rest, status) in [
        // Over the limit; no chunks, after which nobody can say where the connection stands.
        (format!("1e8480\r\n{large}\r\n0\r\n\r\n"), Some(413)),
        ("zz\r\n".to_owned(), None),
    ] {
        let mut stream = connect(shell.port).unwrap();
        let begun = format!("15f90\r\n{}\r\n", &large[..90_000]);
        write!(stream, "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{begun}").unwrap();
        wait_until("it is under way", &shell, || crate::counted(&shell, "gridshell_upstream_in_flight") == 1);
        // The rest of what is refused may find a closed door.
        let _ = stream.write_all(rest.as_bytes());
        let answer = read_head(&mut stream).ok().map(|answer| answer.status);
        assert_eq!(answer, status, "{}", shell.output());
        wait_until("it is over", &shell, || crate::counted(&shell, "gridshell_upstream_in_flight") == 0);
    }
    wait_until("the upstream notices", &shell, || upstream.closed() == 2);
    assert_eq!(whole.load(Ordering::SeqCst), 0);
    assert_eq!(crate::counted(&shell, "gridshell_upstream_requests_total{"), 2);
}
