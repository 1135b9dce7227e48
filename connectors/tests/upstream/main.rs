//! Upstream groups against servers that behave and servers that do not.

mod addresses;
mod exchange;
mod faults;
mod passing;
mod server;
mod storm;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gridshell_connectors::http::{HeaderMap, Method};
use gridshell_connectors::transport::{Answer, Kind, Outgoing, Repeat, Transport, TransportError};
use gridshell_connectors::upstream::{EjectionOptions, GroupOptions, UpstreamGroup, WeightedAddress};

/// Options for tests: nothing is asked but by the test, and nothing recovers by itself.
fn options() -> GroupOptions {
    let forever = Duration::from_secs(3600);
    let ejection = EjectionOptions { failures: 3, first: forever, longest: forever };
    GroupOptions { checks: None, ejection, ..GroupOptions::default() }
}

fn group(addresses: &str, options: GroupOptions) -> Arc<UpstreamGroup> {
    Arc::new(UpstreamGroup::start("assets", WeightedAddress::parse_list(addresses).unwrap(), options).unwrap())
}

fn read(target: &str) -> Outgoing {
    Outgoing {
        method: Method::GET,
        target: target.to_owned(),
        headers: HeaderMap::new(),
        body: Bytes::new(),
        kind: Kind::Read,
        repeat: Repeat::Safe,
        affinity: None,
        check: None,
    }
}

/// A write that must not be done twice.
fn write(target: &str, body: &str) -> Outgoing {
    let body = Bytes::copy_from_slice(body.as_bytes());
    Outgoing { method: Method::POST, body, kind: Kind::Write, repeat: Repeat::Unsafe, ..read(target) }
}

async fn get(group: &UpstreamGroup, target: &str) -> Result<Answer, TransportError> {
    group.send(read(target)).await
}

/// Waits until something is so; fails the test when it does not become so in a time that is long for any machine.
async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..6000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what} does not become so");
}
