//! Groups of which a member fails.

use std::time::Duration;

use gridshell_connectors::http::StatusCode;
use gridshell_connectors::transport::{Answer, Check, Outgoing, Transport, TransportError};
use gridshell_connectors::upstream::{CheckOptions, EjectionOptions, GroupOptions, Policy, RetryOptions, Standing};

use crate::server::{Manner, Server, says};
use crate::{eventually, get, group, options, read, write};

const UNAVAILABLE: &str = "HTTP/1.1 503 ServiceUnavailable\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbusy";

/// Everything that a server can do wrong.
fn faults() -> Vec<Manner> {
    let texts = [
        "",
        "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\ntoo long",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nhalf",
        "what?\r\n\r\n",
        UNAVAILABLE,
        "HTTP/1.1 502 BadGateway\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 504 GatewayTimeout\r\nContent-Length: 0\r\n\r\n",
    ];
    let half = b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf".to_vec();
    texts.into_iter().map(says).chain([Manner::Hangs, Manner::SaysAndStays(half)]).collect()
}

#[tokio::test]
async fn no_read_fails_while_one_member_is_healthy() {
    // All at once: where a member hangs, each failure lasts as long as the patience.
    futures_util::future::join_all(faults().into_iter().map(no_read_fails)).await;
}

async fn no_read_fails(fault: Manner) {
    let good = Server::start(Manner::Good).await;
    let (bad, worse) = (Server::start(fault.clone()).await, Server::start(fault.clone()).await);
    let addresses = format!("{},{},{}", bad.url(), good.url(), worse.url());
    let group = group(&addresses, GroupOptions { patience: Duration::from_secs(4), ..options() });
    for number in 0..12 {
        let answer = get(&group, &format!("/{number}")).await;
        assert_eq!(answer.unwrap().body, format!("/{number}"), "{fault:?}");
    }
    let state = group.state();
    // Three failures each, and then they are left alone.
    assert_eq!((bad.targets().len(), worse.targets().len(), good.targets().len()), (3, 3, 12), "{fault:?}");
    assert!(matches!(state.members[0].standing, Standing::Ejected(_)), "{fault:?}");
    assert_eq!((state.members[0].failures, state.members[0].ejections, state.retries), (3, 1, 6), "{fault:?}");
    assert!(state.members[0].last_failure.is_some());
    assert_eq!((state.members[1].standing, state.members[1].failures), (Standing::Healthy, 0));
}

#[tokio::test]
async fn an_answer_to_something_else_is_asked_of_another_member() {
    let page = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nIt works!";
    let (wrong, good) = (Server::start(says(page)).await, Server::start(Manner::Good).await);
    let options = GroupOptions { policy: Policy::RoundRobin, ..options() };
    let group = group(&format!("{},{}", wrong.url(), good.url()), options);
    let is_path = |answer: &Answer| if answer.body.starts_with(b"/") { Ok(()) } else { Err("it is no path".to_owned()) };
    for number in 0..8 {
        let target = format!("/{number}");
        let answer = group.send(Outgoing { check: Some(Check::new(is_path)), ..read(&target) }).await.unwrap();
        assert_eq!(answer.body, target);
    }
    let state = group.state();
    assert_eq!((wrong.targets().len(), state.members[0].failures), (3, 3), "it is left alone after three of them");
    assert_eq!(state.members[0].last_failure.as_deref(), Some("it is no path"));
    // What must not be done twice is not: the answer may be wrong, and the work done.
    group.send(Outgoing { check: Some(Check::new(|_| Err("no".to_owned()))), ..write("/x", "") }).await.unwrap_err();
    assert_eq!(good.targets().iter().filter(|target| *target == "/x").count(), 1);
}

#[tokio::test]
async fn what_must_not_be_done_twice_is_sent_once() {
    // All at once, as above.
    futures_util::future::join_all(faults().into_iter().map(no_write_is_sent_twice)).await;
}

async fn no_write_is_sent_twice(fault: Manner) {
    let (bad, good) = (Server::start(fault.clone()).await, Server::start(Manner::Good).await);
    let options = GroupOptions { policy: Policy::RoundRobin, answer_time: Duration::from_secs(5), ..options() };
    let group = group(&format!("{},{}", bad.url(), good.url()), options);
    let outcomes = [group.send(write("/0", "x")).await, group.send(write("/1", "x")).await];
    assert!(!outcomes[0].as_ref().is_ok_and(|answer| answer.status == StatusCode::OK), "{fault:?}");
    assert!(outcomes[1].is_ok(), "{fault:?}");
    assert_eq!((bad.targets(), good.targets()), (vec!["/0".to_owned()], vec!["/1".to_owned()]), "{fault:?}");
}

#[tokio::test]
async fn what_was_not_sent_may_go_elsewhere() {
    let (mut dead, good) = (Server::start(Manner::Good).await, Server::start(Manner::Good).await);
    dead.kill();
    eventually("it is gone", || std::net::TcpStream::connect(dead.address).is_err()).await;
    // Not even the budget is needed.
    let retry = RetryOptions { share: 0.0, per_second: 0.0, burst: 0.0, ..RetryOptions::default() };
    let options = GroupOptions { policy: Policy::RoundRobin, retry, ..options() };
    let group = group(&format!("{},{}", dead.url(), good.url()), options);
    for number in 0..8 {
        group.send(write(&format!("/{number}"), "x")).await.unwrap();
    }
    assert_eq!(good.targets(), ["/0", "/1", "/2", "/3", "/4", "/5", "/6", "/7"]);
    assert!(matches!(group.state().members[0].standing, Standing::Ejected(_)));
}

#[tokio::test]
async fn an_answer_that_all_members_give_is_given_back() {
    let (one, other) = (Server::start(says(UNAVAILABLE)).await, Server::start(says(UNAVAILABLE)).await);
    let group = group(&format!("{},{}", one.url(), other.url()), options());
    let answer = get(&group, "/").await.unwrap();
    assert_eq!((answer.status, &answer.body[..]), (StatusCode::SERVICE_UNAVAILABLE, &b"busy"[..]));
    assert_eq!((one.targets().len(), other.targets().len()), (1, 1));
    // Also when the last one says nothing at all.
    one.behave(says(""));
    for _ in 0..2 {
        assert_eq!(get(&group, "/").await.unwrap().status, StatusCode::SERVICE_UNAVAILABLE);
    }
    // Other statuses are answers, good or bad.
    one.behave(says("HTTP/1.1 500 InternalServerError\r\nContent-Length: 0\r\n\r\n"));
    other.behave(says("HTTP/1.1 500 InternalServerError\r\nContent-Length: 0\r\n\r\n"));
    let before = one.targets().len() + other.targets().len();
    assert_eq!(get(&group, "/").await.unwrap().status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(one.targets().len() + other.targets().len(), before + 1);
}

#[tokio::test]
async fn repetitions_end_with_the_budget() {
    let (one, other) = (Server::start(says("")).await, Server::start(says("")).await);
    let retry = RetryOptions { attempts: 4, share: 0.25, per_second: 0.0, burst: 2.0 };
    let mut options = GroupOptions { retry, ..options() };
    options.ejection.failures = 1000;
    let group = group(&format!("{},{}", one.url(), other.url()), options);
    for _ in 0..10 {
        assert!(get(&group, "/").await.is_err());
    }
    // Two out of the full budget, two for eight more requests; the first two found it full.
    assert_eq!((group.state().retries, one.targets().len() + other.targets().len()), (4, 14));
}

#[tokio::test]
async fn attempts_are_bounded() {
    let mut servers = Vec::new();
    for _ in 0..4 {
        servers.push(Server::start(says("")).await);
    }
    let addresses: Vec<String> = servers.iter().map(Server::url).collect();
    let retry = RetryOptions { attempts: 3, ..RetryOptions::default() };
    let group = group(&addresses.join(","), GroupOptions { retry, ..options() });
    let error = get(&group, "/").await.unwrap_err().to_string();
    assert_eq!(servers.iter().map(|server| server.targets().len()).sum::<usize>(), 3);
    assert_eq!(addresses.iter().filter(|address| error.contains(*address)).count(), 3);
}

#[tokio::test]
async fn more_requests_than_allowed_are_refused_at_once() {
    let server = Server::start(Manner::Hangs).await;
    let group = group(&server.url(), GroupOptions { in_flight: 2, ..options() });
    let pending: Vec<_> = (0..2)
        .map(|_| {
            let group = group.clone();
            tokio::spawn(async move { get(&group, "/").await })
        })
        .collect();
    eventually("both have arrived", || server.received().len() == 2).await;
    let error = get(&group, "/").await.unwrap_err();
    assert!(matches!(error, TransportError::Unavailable(_)));
    assert_eq!(error.to_string(), "upstream group assets has 2 requests under way and takes no more");
    pending.iter().for_each(|request| request.abort());
    server.behave(Manner::Good);
    eventually("there is room", || group.state().in_flight == 0).await;
    assert_eq!(get(&group, "/x").await.unwrap().body, "/x");
    assert_eq!(group.state().refused, 1);
}

#[tokio::test]
async fn a_slow_member_keeps_its_request_when_nobody_else_is_left() {
    let server = Server::start(Manner::Slow(Duration::from_millis(300))).await;
    let group = group(&server.url(), GroupOptions { patience: Duration::from_millis(20), ..options() });
    assert_eq!(get(&group, "/x").await.unwrap().body, "/x");
    assert_eq!((server.targets().len(), group.state().members[0].failures), (1, 0));
}

#[tokio::test]
async fn an_ejected_member_comes_back_without_help() {
    let (mut one, other) = (Server::start(Manner::Good).await, Server::start(Manner::Good).await);
    let (first, longest) = (Duration::from_millis(20), Duration::from_millis(100));
    let ejection = EjectionOptions { failures: 2, first, longest };
    let options = GroupOptions { policy: Policy::RoundRobin, ejection, ..options() };
    let group = group(&format!("{},{}", one.url(), other.url()), options);
    one.kill();
    for number in 0..50 {
        assert_eq!(get(&group, &format!("/{number}")).await.unwrap().body, format!("/{number}"));
    }
    assert!(group.state().members[0].ejections >= 1);
    one.revive().await;
    let before = one.targets().len();
    for _ in 0..6000 {
        get(&group, "/again").await.unwrap();
        if one.targets().len() > before + 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(group.state().members[0].standing, Standing::Healthy);
}

#[tokio::test]
async fn a_group_whose_members_are_all_ejected_still_tries() {
    let server = Server::start(says("")).await;
    let group = group(&server.url(), options());
    for _ in 0..5 {
        assert!(get(&group, "/").await.is_err());
    }
    assert!(matches!(group.state().members[0].standing, Standing::Ejected(_)));
    server.behave(Manner::Good);
    assert_eq!(get(&group, "/x").await.unwrap().body, "/x");
    assert_eq!(group.state().members[0].standing, Standing::Healthy);
}

#[tokio::test]
async fn checks_find_who_is_away_and_who_is_back() {
    let (one, other) = (Server::start(Manner::Good).await, Server::start(Manner::Good).await);
    let checks = CheckOptions {
        path: "/helo".to_owned(),
        interval: Duration::from_millis(30),
        success_only: true,
        ..CheckOptions::default()
    };
    let group = group(&format!("{},{}", one.url(), other.url()), GroupOptions { checks: Some(checks), ..options() });
    let standing = || group.state().members[0].standing;
    eventually("it was checked", || one.targets().len() > 3).await;
    assert_eq!(standing(), Standing::Healthy);
    assert!(one.received()[0].head.starts_with("GET /helo HTTP/1.1\r\n"));
    assert!(one.received()[0].head.contains("\r\nConnection: close\r\n"));
    one.behave(says("HTTP/1.1 404 NotFound\r\nContent-Length: 0\r\n\r\n"));
    eventually("it is away", || standing() == Standing::Away).await;
    for number in 0..6 {
        assert_eq!(get(&group, &format!("/{number}")).await.unwrap().body, format!("/{number}"));
    }
    assert!(!one.targets().iter().any(|target| target == "/0" || target == "/3"));
    one.behave(Manner::Good);
    eventually("it is back", || standing() == Standing::Healthy).await;
}

#[tokio::test]
async fn the_same_asset_goes_to_the_same_member() {
    let (one, other) = (Server::start(Manner::Good).await, Server::start(Manner::Good).await);
    let group = group(&format!("{},{}", one.url(), other.url()), GroupOptions { policy: Policy::Hash, ..options() });
    for _ in 0..3 {
        for number in 0..20 {
            let request = Outgoing { affinity: Some(number), ..read(&format!("/{number}")) };
            group.send(request).await.unwrap();
        }
    }
    let (mut at_one, mut at_other) = (one.targets(), other.targets());
    assert_eq!(at_one.len() + at_other.len(), 60);
    at_one.sort();
    at_one.dedup();
    at_other.sort();
    at_other.dedup();
    assert_eq!(at_one.len() + at_other.len(), 20, "no asset was asked of both");
    assert!(!at_one.is_empty() && !at_other.is_empty());
}
