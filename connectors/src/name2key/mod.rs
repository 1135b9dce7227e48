//! Names and keys over HTTP, three faces of one service (name2key.md).
//!
//! - [`Name2KeyConnector`]: `/xname2key`, private, for other shells and programs of the grid; its wire is told in [`codec`]
//! - [`Name2KeyWebConnector`]: W-Hat's addresses, `/name2key`, `/key2name` and `/name2key.csv` (name2key.md section 7)
//! - [`Name2KeyGoslConnector`]: gosl-basics' one address (name2key.md section 2), the only public face that takes registrations
//!
//! The last two are for scripts in the world: text, no protection, look-ups (and registrations) limited for each address.
//!
//! [`outbound`] asks another shell over the first face, [`outbound_web`] any server with W-Hat's addresses.

mod addresses;
pub mod codec;
mod face;
mod gosl;
mod inbound;
pub mod outbound;
pub mod outbound_web;
mod parameters;
mod rate_limit;
mod refusal;
mod registration;
mod web;

pub use addresses::{AddressError, GridOfAddresses, Network};
pub use gosl::{GoslOptions, Name2KeyGoslConnector, Spelling};
pub use inbound::Name2KeyConnector;
pub use registration::{RegistrationOptions, RegistrationPolicy};
pub use web::{Name2KeyWebConnector, WebOptions};
