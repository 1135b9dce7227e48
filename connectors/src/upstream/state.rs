//! A group as an operator sees it.

use super::{Policy, Standing};

/// A group at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupState {
    /// Its name.
    pub name: String,
    /// How members are chosen.
    pub policy: Policy,
    /// Requests under way.
    pub in_flight: u32,
    /// The most that may be under way.
    pub in_flight_limit: u32,
    /// Requests that were refused because so many were.
    pub refused: u64,
    /// Requests that were sent again to another member.
    pub retries: u64,
    /// The members, in the order of the configuration.
    pub members: Vec<MemberState>,
}

/// A member at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberState {
    /// Its address.
    pub address: String,
    /// Its share.
    pub weight: u32,
    /// Whether it is used.
    pub standing: Standing,
    /// Requests under way.
    pub in_flight: u32,
    /// Connections kept for later requests.
    pub idle_connections: usize,
    /// Attempts since the start.
    pub requests: u64,
    /// Of these, how many failed through its fault.
    pub failures: u64,
    /// How often it was ejected.
    pub ejections: u64,
    /// The last failure, in words.
    pub last_failure: Option<String>,
}
