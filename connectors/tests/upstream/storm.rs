//! Many requests at once while members fail, die and come back.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use gridshell_connectors::http::StatusCode;
use gridshell_connectors::transport::{Outgoing, Repeat, Transport};
use gridshell_connectors::upstream::{EjectionOptions, GroupOptions, Policy, Standing, UpstreamGroup};
use tokio::task::JoinSet;

use crate::server::{Manner, Server, says};
use crate::{eventually, get, group, options, read, write};

/// Reads, repeatable writes and others until it is told to stop. Gives back the others that were acknowledged.
async fn client(number: u64, group: Arc<UpstreamGroup>, stop: Arc<AtomicBool>, done: Arc<AtomicU64>) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for round in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let target = format!("/read-{number}-{round}");
        let request = Outgoing { affinity: Some(round), ..read(&target) };
        assert_eq!(group.send(request).await.expect("no read fails").body, target);
        let target = format!("/put-{number}-{round}");
        let request = Outgoing { repeat: Repeat::Safe, ..write(&target, "the same") };
        assert_eq!(group.send(request).await.expect("no repeatable write fails").body, target);
        let target = format!("/once-{number}-{round}");
        if group.send(write(&target, "once")).await.is_ok_and(|answer| answer.status == StatusCode::OK && answer.body == target) {
            acknowledged.push(target);
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_over_failing_members_in_rotation_loses_nothing() {
    storm(Policy::RoundRobin).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_over_failing_members_by_load_loses_nothing() {
    storm(Policy::LeastBusy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_over_failing_members_by_asset_loses_nothing() {
    storm(Policy::Hash).await;
}

async fn storm(policy: Policy) {
    let good = Server::start(Manner::Good).await;
    let failing = Server::start(Manner::Good).await;
    let mut dying = Server::start(Manner::Good).await;
    let ejection = EjectionOptions { failures: 3, first: Duration::from_millis(20), longest: Duration::from_millis(100) };
    // Long enough for a healthy member on a busy machine; only those that hang hold the test up.
    let (patience, answer_time) = (Duration::from_secs(10), Duration::from_secs(10));
    let options = GroupOptions { policy, ejection, patience, answer_time, ..options() };
    let group = group(&format!("{},{},{}", failing.url(), dying.url(), good.url()), options);
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut clients = JoinSet::new();
    for number in 0..16 {
        clients.spawn(client(number, group.clone(), stop.clone(), done.clone()));
    }
    let faults = [
        Manner::ClosesAfter(20),
        says(""),
        says("HTTP/1.1 503 ServiceUnavailable\r\nContent-Length: 0\r\n\r\n"),
        Manner::Hangs,
        says("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"),
        Manner::SaysAndStays(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".to_vec()),
        says("nonsense\r\n\r\n"),
        Manner::ClosesWhenAskedAgain,
        says("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nlonger"),
    ];
    for fault in faults {
        for (misbehaves, lives) in [(true, true), (true, false), (false, true)] {
            failing.behave(if misbehaves { fault.clone() } else { Manner::Good });
            if lives {
                dying.revive().await;
            } else {
                dying.kill();
            }
            let goal = done.load(Ordering::Relaxed) + 100;
            eventually("the clients get on", || done.load(Ordering::Relaxed) >= goal).await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    let acknowledged: Vec<String> = clients.join_all().await.into_iter().flatten().collect();

    let mut executed: HashMap<String, u32> = HashMap::new();
    for target in [&good, &failing, &dying].iter().flat_map(|server| server.targets()) {
        *executed.entry(target).or_default() += 1;
    }
    let twice: Vec<_> = executed.iter().filter(|(target, times)| target.starts_with("/once") && **times > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    assert!(acknowledged.iter().all(|target| executed.contains_key(target)), "what was acknowledged was done");

    for _ in 0..6000 {
        get(&group, "/calm").await.unwrap();
        if group.state().members.iter().all(|member| member.standing == Standing::Healthy) {
            break;
        }
        let request = Outgoing { affinity: Some(done.fetch_add(1, Ordering::Relaxed)), ..read("/calm") };
        group.send(request).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let state = group.state();
    assert!(state.members.iter().all(|member| member.standing == Standing::Healthy), "all recover: {state:?}");
    assert_eq!((state.in_flight, state.refused), (0, 0));
    assert!(state.members.iter().all(|member| member.in_flight == 0 && member.idle_connections <= 32));
}
