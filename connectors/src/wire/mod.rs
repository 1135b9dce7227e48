//! The encodings that all services share (transport.md sections 3 to 7).
//!
//! - [`form`]: `application/x-www-form-urlencoded` requests
//! - [`server_response`]: the `ServerResponse` documents that answer them
//! - [`dotnet`]: the documents of .NET's XmlSerializer, which carry assets; [`dotnet_date`] is how they write dates
//! - [`xml_rpc`], [`json_rpc`]: the dispatchers at `/`
//!
//! They stand on [`xml_reader`], [`xml_writer`], [`xml_name`] and [`base64`]. Every decoder takes bytes from outside: it never panics, bounds
//! what it builds, and gives a [`WireError`] for what it cannot read.

pub mod base64;
pub mod dotnet;
pub mod dotnet_date;
mod error;
pub mod form;
pub mod json_rpc;
pub mod server_response;
pub mod xml_name;
pub mod xml_reader;
pub mod xml_rpc;
pub mod xml_writer;

pub use error::WireError;
