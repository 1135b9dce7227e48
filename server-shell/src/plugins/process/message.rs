//! What the server and a plugin's process say to each other: the messages, which borrow what they were read from. `frame.rs` is their form
//! on the socket.

use gridshell_connectors::http::{HeaderMap, HeaderName, HeaderValue};

/// A name and a value: a header, a property, or a key of a section.
pub type Pair<'a> = (&'a str, &'a str);

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// To the plugin, first of all: load the library. Answered by [`Loaded`](Self::Loaded) or [`Refused`](Self::Refused).
    Load(Load<'a>),
    /// To the server: the library is loaded. Its properties, and whether it has commands for the console.
    Loaded { properties: Vec<Pair<'a>>, has_commands: bool },
    /// To the server: the library is refused, by the code of a step.
    Refused { code: u8, what: &'a str, expected: &'a str, found: &'a str },

    /// To the plugin: make the instance. Answered by [`Created`](Self::Created).
    Create(Texts<'a>),
    /// To the server: a status, and the paths that the plugin has registered.
    Created { status: i32, routes: Vec<Route<'a>> },
    /// To the plugin: answer a request. Answered by [`Served`](Self::Served) or [`Broken`](Self::Broken).
    Handle(Request<'a>),
    /// To the plugin: take over a configuration. Answered by [`Done`](Self::Done).
    Reconfigure(Texts<'a>),
    /// To the plugin: how it is. Answered by [`Text`](Self::Text).
    Health,
    /// To the plugin: a line of the console. Answered by any number of [`Output`](Self::Output), then [`Done`](Self::Done).
    Command(&'a str),
    /// To the plugin: end the instance, and the process. Answered by the end of the connection.
    Destroy,

    /// To the server: a line for the log. Not answered.
    Log { level: i32, text: &'a str },
    /// To the server: output of a command, with its id. Not answered.
    Output(&'a str),
    /// To the server: add to a counter. Not answered.
    MetricAdd { name: &'a str, amount: u64 },
    /// To the server: ask a service. Answered by [`Served`](Self::Served).
    CallService(Request<'a>),

    /// An answer that is a status of the interface.
    Done(i32),
    /// An answer that is a status and a text.
    Text { status: i32, text: &'a str },
    /// An answer that is a status and a response, which is empty when the status is not 0.
    Served { status: i32, response: Response<'a> },
    /// An answer that says what is wrong with a response.
    Broken(&'a str),
}

/// What a process needs to know to load its library.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Load<'a> {
    /// What the file is called.
    pub file: &'a str,
    /// The hash that it has.
    pub sha256: &'a str,
    /// It may be without note.
    pub allow_unmarked: bool,
    /// Most memory, in bytes; 0 is as much as there is.
    pub memory: u64,
    /// Most open files; 0 is as many as the server may have.
    pub open_files: u64,
}

/// What of the configuration a plugin may read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts<'a> {
    /// Its section.
    pub own: Section<'a>,
    /// Others.
    pub others: Vec<Section<'a>>,
}

/// A section of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its keys, in their order.
    pub entries: Vec<Pair<'a>>,
}

/// A path of an IN connector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Route<'a> {
    /// The service that it is for.
    pub service: &'a str,
    /// The verb.
    pub method: &'a str,
    /// How the path begins.
    pub prefix: &'a str,
}

/// A request to a plugin, or of a plugin to a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request<'a> {
    /// The service that is asked.
    pub service: &'a str,
    /// The verb.
    pub method: &'a str,
    /// The path; of requests to services with the query string.
    pub path: &'a str,
    /// How much of the path belongs to the route, in bytes.
    pub matched: u32,
    /// The query string, still encoded.
    pub query: &'a str,
    /// The address of who asks; empty for the server itself.
    pub peer: &'a str,
    /// The headers.
    pub headers: Vec<Pair<'a>>,
    /// The body.
    pub body: &'a [u8],
}

/// A response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<Pair<'a>>,
    /// The body.
    pub body: &'a [u8],
}

impl<'a> Message<'a> {
    /// What is sent after head and fields.
    pub fn body(&self) -> &'a [u8] {
        match self {
            Self::Handle(request) | Self::CallService(request) => request.body,
            Self::Served { response, .. } => response.body,
            _ => &[],
        }
    }
}

/// Headers for a message, without those whose value is no text.
pub fn pairs_of(headers: &HeaderMap) -> Vec<Pair<'_>> {
    headers.iter().filter_map(|(name, value)| Some((name.as_str(), str::from_utf8(value.as_bytes()).ok()?))).collect()
}

/// The headers of a message; who has sent it has checked them. `None` when there are more than there can be.
pub fn header_map(pairs: &[Pair<'_>]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(pairs.len().min(64));
    for (name, value) in pairs {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value.as_bytes())) {
            headers.try_append(name, value).ok()?;
        }
    }
    Some(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_without_end_are_refused() {
        let names: Vec<String> = (0..40_000).map(|number| format!("x-{number}")).collect();
        let pairs: Vec<Pair<'_>> = names.iter().map(|name| (name.as_str(), "")).collect();
        assert_eq!(header_map(&pairs[..100]).map(|headers| headers.len()), Some(100));
        assert!(header_map(&pairs).is_none());
        // Those of one name are no end either.
        assert_eq!(header_map(&[("x", ""); 40_000]).map(|headers| headers.len()), Some(40_000));
    }
}
