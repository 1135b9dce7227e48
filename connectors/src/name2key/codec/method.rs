//! The operations of the name2key connector.

use super::error::CodecError;
use crate::wire::WireError;
use crate::wire::form::Form;

/// The operation that a request asks for, its key `METHOD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The entries of a name.
    GetKey,
    /// The entries of each of several names.
    GetKeys,
    /// The entries of a key.
    GetName,
    /// The entries of each of several keys.
    GetNames,
    /// Entries whose names begin alike.
    Find,
    /// Store a name with its key.
    Register,
    /// Remove the entries of a key.
    Forget,
    /// A piece of all there is.
    Entries,
    /// What there is.
    Statistics,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::GetKey,
        Self::GetKeys,
        Self::GetName,
        Self::GetNames,
        Self::Find,
        Self::Register,
        Self::Forget,
        Self::Entries,
        Self::Statistics,
    ];

    /// The operation of a request. Case counts; of several `METHOD` the first does.
    ///
    /// # Errors
    /// There is none, or one that nobody knows.
    pub fn of(form: &Form<'_>) -> Result<Self, CodecError> {
        let name = form.get("METHOD").ok_or(CodecError::Missing("METHOD"))?;
        let known = Self::ALL.into_iter().find(|method| method.name() == name);
        known.ok_or_else(|| WireError::value("METHOD", "operation of name2key", name).into())
    }

    /// The value of `METHOD`, and the label in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::GetKey => "get_key",
            Self::GetKeys => "get_keys",
            Self::GetName => "get_name",
            Self::GetNames => "get_names",
            Self::Find => "find",
            Self::Register => "register",
            Self::Forget => "forget",
            Self::Entries => "entries",
            Self::Statistics => "statistics",
        }
    }
}
