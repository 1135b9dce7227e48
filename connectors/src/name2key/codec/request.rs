//! Requests: form bodies, both directions.

use std::borrow::Cow;

use bytes::Bytes;
use gridshell_interfaces::ids::parse_uuid;
use gridshell_interfaces::name2key::{Grid, MAX_GRID_BYTES, MAX_LOOK_UPS_OF_ONE_CALL, MAX_NAME_BYTES, Registration};
use uuid::Uuid;

use super::error::CodecError;
use super::method::Method;
use crate::wire::WireError;
use crate::wire::form::{Form, FormWriter};

/// A request. `asker` is the grid of who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the `Method` of its name, with that method's parameters")]
pub enum Call {
    GetKey { name: String, asker: Option<Grid> },
    GetKeys { names: Vec<String>, asker: Option<Grid> },
    GetName { key: Uuid, asker: Option<Grid> },
    GetNames { keys: Vec<Uuid>, asker: Option<Grid> },
    Find { prefix: String, limit: usize },
    Register(Registration),
    Forget { key: Uuid, grid: Option<Grid> },
    Entries { after: Option<(Uuid, Grid)>, limit: usize },
    Statistics,
}

impl Call {
    /// Reads the parameters of an operation.
    ///
    /// # Errors
    /// One is missing, malformed or too long, or a list has too many elements.
    pub fn decode(method: Method, form: &Form<'_>) -> Result<Self, CodecError> {
        let asker = || optional_grid(form);
        Ok(match method {
            Method::GetKey => Self::GetKey { name: name(required(form, "NAME")?)?, asker: asker()? },
            Method::GetKeys => Self::GetKeys { names: listed(form, "NAMES", name)?, asker: asker()? },
            Method::GetName => Self::GetName { key: key("KEY", required(form, "KEY")?)?, asker: asker()? },
            Method::GetNames => Self::GetNames { keys: listed(form, "KEYS", |text| key("KEYS", text))?, asker: asker()? },
            Method::Find => Self::Find { prefix: name(required(form, "PREFIX")?)?, limit: limit(form)? },
            Method::Register => Self::Register(Registration {
                name: name(required(form, "NAME")?)?,
                key: key("KEY", required(form, "KEY")?)?,
                grid: grid(required(form, "GRID")?)?,
                verified: match optional(form, "VERIFIED")? {
                    None => false,
                    Some(text) if text.eq_ignore_ascii_case("true") => true,
                    Some(text) if text.eq_ignore_ascii_case("false") => false,
                    Some(text) => return Err(WireError::value("VERIFIED", "boolean", text).into()),
                },
            }),
            Method::Forget => Self::Forget { key: key("KEY", required(form, "KEY")?)?, grid: optional_grid(form)? },
            Method::Entries => {
                let after = match optional(form, "AFTER")? {
                    None => None,
                    Some(text) => Some((key("AFTER", text)?, grid(required(form, "AFTERGRID")?)?)),
                };
                Self::Entries { after, limit: limit(form)? }
            }
            Method::Statistics => Self::Statistics,
        })
    }

    /// The operation.
    pub fn method(&self) -> Method {
        match self {
            Self::GetKey { .. } => Method::GetKey,
            Self::GetKeys { .. } => Method::GetKeys,
            Self::GetName { .. } => Method::GetName,
            Self::GetNames { .. } => Method::GetNames,
            Self::Find { .. } => Method::Find,
            Self::Register(_) => Method::Register,
            Self::Forget { .. } => Method::Forget,
            Self::Entries { .. } => Method::Entries,
            Self::Statistics => Method::Statistics,
        }
    }

    /// The request's body. An empty list leaves no trace in a form, so nobody understands a call with one: there is nothing to ask
    /// then.
    pub fn encode(&self) -> Bytes {
        let mut form = FormWriter::new();
        form.text("METHOD", self.method().name());
        match self {
            Self::GetKey { name, asker } => {
                form.text("NAME", name);
                put_grid(&mut form, asker.as_ref());
            }
            Self::GetKeys { names, asker } => {
                form.list("NAMES", names);
                put_grid(&mut form, asker.as_ref());
            }
            Self::GetName { key, asker: grid } | Self::Forget { key, grid } => {
                form.text("KEY", &key.to_string());
                put_grid(&mut form, grid.as_ref());
            }
            Self::GetNames { keys, asker } => {
                form.list("KEYS", keys.iter().map(Uuid::to_string));
                put_grid(&mut form, asker.as_ref());
            }
            Self::Find { prefix, limit } => {
                form.text("PREFIX", prefix);
                form.text("LIMIT", &limit.to_string());
            }
            Self::Register(Registration { name, key, grid, verified }) => {
                form.text("NAME", name);
                form.text("KEY", &key.to_string());
                put_grid(&mut form, Some(grid));
                form.text("VERIFIED", if *verified { "True" } else { "False" });
            }
            Self::Entries { after, limit } => {
                if let Some((key, grid)) = after {
                    form.text("AFTER", &key.to_string());
                    form.text("AFTERGRID", &grid.0);
                }
                form.text("LIMIT", &limit.to_string());
            }
            Self::Statistics => {}
        }
        form.finish()
    }
}

fn put_grid(form: &mut FormWriter, grid: Option<&Grid>) {
    if let Some(grid) = grid {
        form.text("GRID", &grid.0);
    }
}

fn required<'a>(form: &'a Form<'_>, name: &'static str) -> Result<&'a str, CodecError> {
    form.get(name).ok_or(CodecError::Missing(name))
}

fn name(text: &str) -> Result<String, CodecError> {
    bounded(text, "bytes of a name", MAX_NAME_BYTES)
}

fn grid(text: &str) -> Result<Grid, CodecError> {
    bounded(text, "bytes of a grid", MAX_GRID_BYTES).map(Grid)
}

/// A text that may be absent, but not be a list.
fn optional<'a>(form: &'a Form<'_>, name: &'static str) -> Result<Option<&'a str>, CodecError> {
    match form.list(name) {
        Some(_) => Err(CodecError::Missing(name)),
        None => Ok(form.get(name)),
    }
}

fn optional_grid(form: &Form<'_>) -> Result<Option<Grid>, CodecError> {
    optional(form, "GRID")?.map(grid).transpose()
}

fn bounded(text: &str, what: &'static str, limit: usize) -> Result<String, CodecError> {
    if text.len() > limit { Err(WireError::TooMuch { what, limit }.into()) } else { Ok(text.to_owned()) }
}

fn key(name: &'static str, text: &str) -> Result<Uuid, CodecError> {
    parse_uuid(text).ok_or_else(|| WireError::value(name, "UUID", text).into())
}

fn listed<T>(form: &Form<'_>, name: &'static str, read: impl Fn(&str) -> Result<T, CodecError>) -> Result<Vec<T>, CodecError> {
    let texts: &[Cow<'_, str>] = form.list(name).ok_or(CodecError::Missing(name))?;
    if texts.len() > MAX_LOOK_UPS_OF_ONE_CALL {
        return Err(WireError::TooMuch { what: "look-ups of one request", limit: MAX_LOOK_UPS_OF_ONE_CALL }.into());
    }
    texts.iter().map(|text| read(text)).collect()
}

fn limit(form: &Form<'_>) -> Result<usize, CodecError> {
    let text = required(form, "LIMIT")?;
    let number = text.parse().ok().filter(|number| (1..=MAX_LOOK_UPS_OF_ONE_CALL).contains(number));
    number.ok_or_else(|| WireError::value("LIMIT", "number from 1 to 10000", text).into())
}
