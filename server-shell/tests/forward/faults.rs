//! Upstreams that fail: no wrong answer, and nothing done twice that must not be.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::Signal;

use crate::common::{SQLITE, Shell, asset_document, connect, read_head};
use crate::upstream::Upstream;
use crate::{PLAIN, counted, exchange, forward_to, wait_until};

const GET: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";

#[test]
fn half_an_answer_is_never_a_whole_one() {
    for answer in [
        "Content-Length: 10\r\n\r\nhello",
        "Content-Length: 4\r\n\r\nhello",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nno chunk",
    ] {
        let upstream = Upstream::says_and_closes(&format!("HTTP/1.1 200 OK\r\n{answer}"));
        let shell = Shell::start(&forward_to(&[upstream.url()], PLAIN));
        for request in [GET, POST] {
            let error = exchange(&shell, request).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof, "{answer}: {error}");
        }
        wait_until("both are dealt with", &shell, || upstream.closed() == 2);
        assert_eq!(upstream.received().len(), 2, "what has begun is not begun again");
    }
}

#[test]
fn what_is_no_answer_is_502_and_what_does_not_come_is_504() {
    for (answer, status) in [
        ("", 502),
        ("garbage\r\n\r\n", 502),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 502),
        ("HTTP/1.1 200 OK\r\nContent-Le", 502),
    ] {
        let upstream = Upstream::says_and_closes(answer);
        let shell = Shell::start(&forward_to(&[upstream.url()], PLAIN));
        for request in [GET, POST] {
            let got = exchange(&shell, request).unwrap();
            assert_eq!((got.status, got.text()), (status, ""), "{answer:?}");
        }
        let posts = || upstream.received().iter().filter(|request| request.line().starts_with("POST")).count();
        wait_until("all are dealt with", &shell, || posts() > 0);
        assert_eq!(posts(), 1, "{answer:?}");
        shell.wait_for_output("a request could not be passed on");
    }
    let hung = Upstream::start(|connection| {
        connection.wait_for_the_end();
        Ok(false)
    });
    let shell = Shell::start(&forward_to(&[hung.url()], &format!("{PLAIN}\n    AnswerTimeout = 0.2")));
    for request in [GET, POST] {
        assert_eq!(exchange(&shell, request).unwrap().status, 504);
    }
    wait_until("the upstream is left alone", &shell, || hung.closed() == 2);
}

#[test]
fn who_stops_in_the_middle_is_cut_off() {
    let hung = Upstream::start(|connection| {
        connection.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")?;
        connection.wait_for_the_end();
        Ok(false)
    });
    let shell = Shell::start(&forward_to(&[hung.url()], &format!("{PLAIN}\n    AnswerTimeout = 3")));
    assert!(exchange(&shell, GET).is_err());
    wait_until("the upstream is left alone", &shell, || hung.closed() == 1);
}

#[test]
fn a_killed_shell_is_503_and_comes_back() {
    let mut storage = Shell::start(SQLITE);
    let address = format!("http://127.0.0.1:{}", storage.port);
    let quick = "HealthCheckInterval = 0.2\n    EjectTime = 0.2\n    MaxEjectTime = 0.5";
    let shell = Shell::start(&forward_to(&[address], quick));
    let id = "a55e7000-0000-4000-8000-0000000000f2";
    let post = || shell.post("/assets/", asset_document(id, "aGVsbG8=").as_bytes()).status;
    assert_eq!(post(), 200);
    storage.signal(Signal::SIGKILL);
    storage.wait();
    assert_eq!((post(), shell.get(&format!("/assets/{id}")).status), (503, 503));
    let readiness = || crate::common::try_get(shell.admin_port, "/readyz").unwrap().status;
    wait_until("readyz 503", &shell, || readiness() == 503);
    storage.restart();
    wait_until("the recovery", &shell, || shell.get(&format!("/assets/{id}/data")).body == b"hello" && readiness() == 200);
}

#[test]
fn reads_go_to_another_and_writes_are_not_done_twice() {
    let dies = Arc::new(AtomicBool::new(false));
    let upstream = || {
        let dies = dies.clone();
        Upstream::start(move |connection| {
            connection.read_body()?;
            // It has done what it was asked for, and dies before it says so.
            if dies.load(Ordering::SeqCst) {
                return Ok(false);
            }
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
            Ok(true)
        })
    };
    let well = Upstream::says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let dying = upstream();
    let shell = Shell::start(&forward_to(&[dying.url(), well.url()], &format!("{PLAIN}\n    Policy = round-robin")));
    for _ in 0..4 {
        assert_eq!(exchange(&shell, GET).unwrap().text(), "ok");
    }
    assert!(!dying.received().is_empty() && !well.received().is_empty());
    dies.store(true, Ordering::SeqCst);
    let before = dying.received().len() + well.received().len();
    let long = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{}", "x".repeat(100_000));
    let (mut answered, mut lost) = (0, 0);
    for number in 0..20 {
        assert_eq!(exchange(&shell, GET).unwrap().text(), "ok", "a read finds somebody");
        match exchange(&shell, if number % 2 == 0 { POST } else { &long }).unwrap().status {
            200 => answered += 1,
            502 => lost += 1,
            other => panic!("{other}"),
        }
    }
    let writes = |upstream: &Upstream| upstream.received().iter().filter(|it| it.line().starts_with("POST")).count();
    assert!(lost > 0 && writes(&dying) + writes(&well) == 20 && writes(&well) == answered, "{answered} {lost}");
    assert!(dying.received().len() + well.received().len() > before + 40, "reads were repeated");

    // One that is not there at all costs nobody anything.
    let nobody = format!("http://127.0.0.1:{}", crate::common::free_port());
    let shell = Shell::start(&forward_to(&[nobody, well.url()], &format!("{PLAIN}\n    Policy = round-robin")));
    let before = writes(&well);
    for number in 0..10 {
        assert_eq!(exchange(&shell, if number % 2 == 0 { POST } else { &long }).unwrap().text(), "ok");
    }
    assert_eq!(writes(&well), before + 10);
}

#[test]
fn more_than_may_be_under_way_is_503() {
    let hung = Upstream::start(|connection| {
        connection.wait_for_the_end();
        Ok(false)
    });
    let shell = Shell::start(&forward_to(&[hung.url()], &format!("{PLAIN}\n    MaxRequestsUnderWay = 1")));
    let mut first = connect(shell.port).unwrap();
    first.write_all(GET.as_bytes()).unwrap();
    wait_until("it is under way", &shell, || counted(&shell, "gridshell_upstream_in_flight") == 1);
    assert_eq!(exchange(&shell, GET).unwrap().status, 503);
    drop(first);
    wait_until("it has gone", &shell, || counted(&shell, "gridshell_upstream_in_flight") == 0);
    let mut third = connect(shell.port).unwrap();
    third.write_all(POST.as_bytes()).unwrap();
    wait_until("there is room again", &shell, || counted(&shell, "gridshell_upstream_in_flight") == 1);
    third.shutdown(std::net::Shutdown::Both).unwrap();
    assert!(read_head(&mut third).is_err());
}
