//! Connectors that pass requests on untouched: all verbs, all headers, bodies of any length, there and back.
//!
//! They have no protection of their own and understand nothing of what passes: who answers checks. `relay` is one way there and back;
//! [`ForwardConnector`] has one, [`ShadowConnector`] one that answers and one that is compared with it (`compare`).

mod compare;
mod connector;
mod copy;
mod read_ahead;
mod relay;
mod report;
mod shadow;

pub use connector::{ForwardConnector, ForwardOptions};
pub use relay::HostHeader;
pub use shadow::{ShadowConnector, ShadowOptions};
