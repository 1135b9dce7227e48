//! Names and addresses: who is there, who is not, and groups that cannot be.

use std::time::Duration;

use gridshell_connectors::transport::{Transport, TransportError};
use gridshell_connectors::upstream::{GroupOptions, RetryOptions, UpstreamGroup, WeightedAddress};

use crate::server::{Manner, Server};
use crate::{get, group, options, write};

/// A name that no resolver knows.
const NOWHERE: &str = "http://upstream.invalid:8003";

#[tokio::test]
async fn names_are_looked_up_and_all_their_addresses_tried() {
    // The name has an IPv6 address too on most machines, where nobody listens.
    let server = Server::start(Manner::Good).await;
    let group = group(&format!("http://localhost:{}", server.address.port()), options());
    assert_eq!(get(&group, "/x").await.unwrap().body, "/x");
    assert!(server.received()[0].head.contains(&format!("\r\nHost: localhost:{}\r\n", server.address.port())));
}

#[tokio::test]
async fn a_name_that_is_gone_is_a_failure_to_connect() {
    let alone = group(NOWHERE, GroupOptions { connect_time: Duration::from_secs(20), ..options() });
    let error = get(&alone, "/").await.unwrap_err();
    assert!(matches!(error, TransportError::Unavailable(_)));
    assert!(error.to_string().contains(&format!("{NOWHERE}: the name was not found")), "{error}");
    // Even a write that must not be done twice goes to another member, since it was not sent.
    let server = Server::start(Manner::Good).await;
    let both = group(&format!("{NOWHERE},{}", server.url()), options());
    for number in 0..6 {
        both.send(write(&format!("/{number}"), "x")).await.unwrap();
    }
    assert_eq!(server.targets(), ["/0", "/1", "/2", "/3", "/4", "/5"]);
}

#[tokio::test]
async fn all_addresses_are_named_when_nobody_is_there() {
    let (mut one, mut other) = (Server::start(Manner::Good).await, Server::start(Manner::Good).await);
    let group = group(&format!("{},{}", one.url(), other.url()), options());
    one.kill();
    other.kill();
    crate::eventually("both are gone", || {
        [one.address, other.address].iter().all(|address| std::net::TcpStream::connect(address).is_err())
    })
    .await;
    let error = group.send(write("/", "x")).await.unwrap_err().to_string();
    for address in [one.address, other.address] {
        assert!(error.contains(&format!("http://{address}: {address}: Connection refused")), "{error}");
    }
}

#[tokio::test]
async fn groups_that_cannot_work_are_refused() {
    let start = |addresses: &str, options: GroupOptions| {
        let addresses = WeightedAddress::parse_list(addresses).unwrap();
        UpstreamGroup::start("assets", addresses, options).unwrap_err().to_string()
    };
    let many: String = (0..65).map(|number| format!("http://shell-{number} ")).collect();
    assert_eq!(start("", options()), "upstream group assets: it needs 1 to 64 addresses");
    assert_eq!(start(&many, options()), "upstream group assets: it needs 1 to 64 addresses");
    assert_eq!(start("http://a:80/ http://A", options()), "upstream group assets: it lists http://a twice");
    let retry = |retry| GroupOptions { retry, ..options() };
    for (options, mistake) in [
        (GroupOptions { answer_time: Duration::ZERO, ..options() }, "a time of 0 lets nothing happen"),
        (GroupOptions { in_flight: 0, ..options() }, "with 0 requests under way nothing is ever sent"),
        (retry(RetryOptions { attempts: 0, ..RetryOptions::default() }), "with 0 attempts nothing is ever sent"),
        (retry(RetryOptions { share: f64::NAN, ..RetryOptions::default() }), "a retry budget is a number from 0 on"),
    ] {
        assert_eq!(start("http://a", options), format!("upstream group assets: {mistake}"));
    }
}
