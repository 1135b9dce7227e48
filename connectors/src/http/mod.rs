//! What an HTTP exchange is to a connector, and how a request finds the connector that answers it (transport.md sections 1, 2 and
//! 11). The listener behind it may be a socket, a test, or another connector in the same process.

mod authentication;
mod body;
mod message;
mod not_loaded;
mod passing;
pub mod path;
mod router;

pub use authentication::ServiceAuthentication;
pub(crate) use authentication::equal_in_constant_time;
pub use body::Body;
pub use message::{HTML, Request, Response, TEXT, XML};
pub use not_loaded::NotLoaded;
pub use passing::{PassHandler, PassRoute, PassingRequest};
pub use router::{Handler, Router};

// The vocabulary of requests and responses, so that users need not name the crate.
pub use ::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
