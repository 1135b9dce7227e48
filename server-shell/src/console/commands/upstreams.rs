//! `show upstreams`, which is ours: the other shells that this one asks, and how they do.

use std::sync::Arc;

use gridshell_connectors::upstream::{GroupState, MemberState, Policy, Standing, UpstreamGroup};

use crate::console::command::{Command, Commands};
use crate::console::output::Output;

/// Registers the command for all groups of other shells.
pub fn register_upstream_commands(commands: &Commands, groups: Vec<Arc<UpstreamGroup>>) {
    let command = Command::new("Comms", "show upstreams", "show upstreams", "Show the other shells that this one asks");
    let command = command.with_long_help(
        "State: healthy; trial (it failed, and the next request shows whether it is well again); ejected (it failed too often and is \
         left alone for so long); away (checks say that it is not there). Busy are requests under way, Idle connections kept open.",
    );
    commands.register(command, move |_: &[String], output: &Output| {
        if groups.is_empty() {
            output.line("This shell asks no other shells");
        }
        for group in &groups {
            lines(&group.state()).iter().for_each(|line| output.line(line));
        }
        Ok(())
    });
}

fn lines(group: &GroupState) -> Vec<String> {
    let GroupState { name, policy, in_flight, in_flight_limit, refused, retries, members } = group;
    let policy = match policy {
        Policy::RoundRobin => "round-robin",
        Policy::LeastBusy => "least-busy",
        Policy::Hash => "hash",
    };
    let head =
        format!("{name}: {policy}, {in_flight} of {in_flight_limit} requests under way, {refused} refused, {retries} repeated");
    let width = members.iter().map(|member| member.address.len()).max().unwrap_or_default().max("Address".len());
    let titles = format!(
        "  {:width$}  Weight  {:13}  {:>5}  {:>5}  {:>10}  {:>8}  {:>7}  Last failure",
        "Address", "State", "Busy", "Idle", "Requests", "Failures", "Ejected"
    );
    let rows = members.iter().map(|member| {
        let MemberState { address, weight, standing, in_flight, idle_connections, requests, failures, ejections, last_failure } =
            member;
        let state = state_text(*standing);
        let last_failure = last_failure.as_deref().unwrap_or("-");
        format!(
            "  {address:width$}  {weight:>6}  {state:13}  {in_flight:>5}  {idle_connections:>5}  {requests:>10}  {failures:>8}  \
             {ejections:>7}  {last_failure}"
        )
    });
    [head, titles].into_iter().chain(rows).collect()
}

fn state_text(standing: Standing) -> String {
    match standing {
        Standing::Healthy => "healthy".to_owned(),
        Standing::Trial => "trial".to_owned(),
        Standing::Ejected(time) => format!("ejected {:.1} s", time.as_secs_f64()),
        Standing::Away => "away".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_group_is_a_table() {
        let well = MemberState {
            address: "http://a:8003".to_owned(),
            weight: 1,
            standing: Standing::Healthy,
            in_flight: 2,
            idle_connections: 3,
            requests: 1234,
            failures: 0,
            ejections: 0,
            last_failure: None,
        };
        let ill = MemberState {
            address: "http://storage-b:8003".to_owned(),
            weight: 10,
            standing: Standing::Ejected(Duration::from_millis(1500)),
            in_flight: 0,
            idle_connections: 0,
            requests: 9,
            failures: 3,
            ejections: 1,
            last_failure: Some("it answers 503 Service Unavailable".to_owned()),
        };
        let group = GroupState {
            name: "AssetService".to_owned(),
            policy: Policy::LeastBusy,
            in_flight: 2,
            in_flight_limit: 1024,
            refused: 0,
            retries: 3,
            members: vec![well, ill],
        };
        let expected = [
            "AssetService: least-busy, 2 of 1024 requests under way, 0 refused, 3 repeated",
            "  Address                Weight  State           Busy   Idle    Requests  Failures  Ejected  Last failure",
            "  http://a:8003               1  healthy            2      3        1234         0        0  -",
            "  http://storage-b:8003      10  ejected 1.5 s      0      0           9         3        1  it answers 503 \
             Service Unavailable",
        ];
        assert_eq!(lines(&group), expected);
    }
}
