//! Choosing, checking and retrying the shells that OUT connectors send to.
//!
//! [`UpstreamGroup`] is the [`Transport`](crate::transport::Transport) to one or several shells that do the same work. Its parts know
//! nothing of each other: `balance` chooses, `health` remembers who fails, `retry` bounds repetitions, `client` speaks HTTP to one
//! address; `group` joins them, and `course` is one request's way through it. `passage` lets requests and answers through while they
//! are on their way. [`SplitTransport`] sends reads and writes to different groups.

mod address;
mod balance;
mod client;
mod course;
mod group;
mod health;
mod member;
mod options;
mod passage;
mod retry;
mod split;
mod state;

pub use address::{Address, AddressError, WeightedAddress};
pub use balance::Policy;
pub use client::Trust;
pub(crate) use client::without_those_of_the_connection;
pub use group::{GroupError, UpstreamGroup};
pub use health::Standing;
pub use options::{CheckOptions, Credentials, EjectionOptions, GroupOptions, RetryOptions};
pub use passage::{PassError, Passage, Passed};
pub use split::SplitTransport;
pub use state::{GroupState, MemberState};
