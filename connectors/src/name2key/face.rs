//! What the two faces for scripts have in common: whose grid counts, how often an address may ask, and the plain answers
//! (name2key.md section 12).

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use gridshell_interfaces::name2key::{Grid, Name2KeyService, NameEntry};
use uuid::Uuid;

use super::GridOfAddresses;
use super::parameters::Parameters;
use super::rate_limit::RateLimit;
use super::refusal::Refusal;
use crate::http::{HeaderName, HeaderValue, Request, Response, StatusCode, header};

/// The type of all answers. The original guesses it from the text, so that a name can pass for a page; that is not copied
/// (name2key.md section 2.3).
const TEXT: &str = "text/plain; charset=utf-8";

/// The grid that a request of a script comes from (name2key.md section 10).
const SHARD: HeaderName = HeaderName::from_static("x-secondlife-shard");

/// Says which grid an answer is from (name2key.md section 12, number 3).
const GRID: HeaderName = HeaderName::from_static("x-name2key-grid");

/// Says how many matches there are.
const MATCHES: HeaderName = HeaderName::from_static("x-name2key-matches");

/// How long an answer with all matches may be, unless more is asked for: what a script sees of one (name2key.md section 8).
const ALL_MATCHES_BYTES: usize = 2_048;

/// The service with what both faces need to know of who asks.
pub(super) struct Face {
    pub(super) service: Arc<dyn Name2KeyService>,
    grids: GridOfAddresses,
    limit: Option<RateLimit>,
}

impl Face {
    pub(super) fn new(service: Arc<dyn Name2KeyService>, grids: GridOfAddresses, look_ups_per_minute: u32) -> Self {
        Self { service, grids, limit: RateLimit::per_minute(look_ups_per_minute) }
    }

    /// Counts a look-up.
    ///
    /// # Errors
    /// The address has made too many.
    pub(super) fn count_look_up(&self, client: IpAddr) -> Result<(), Refusal> {
        let checked = self.limit.as_ref().map_or(Ok(()), |limit| limit.check(client));
        checked.map_err(|wait| Refusal::TooMany { what: "look-ups", wait })
    }

    /// The grid of a request: what the parameter `grid` says, else the `suffix` of the name, else where the address belongs, else
    /// the shard; empty when nobody says. `OpenSim` is what most grids say, so it is as good as a grid of that name
    /// (name2key.md section 12, number 1).
    ///
    /// # Errors
    /// It is none, as [`Grid::check`] has it.
    pub(super) fn grid(&self, request: &Request, parameters: &Parameters<'_>, suffix: Option<String>) -> Result<Grid, Refusal> {
        let grid = match (parameters.filled("grid"), suffix) {
            (Some(grid), _) => Grid(grid.to_owned()),
            (None, Some(suffix)) => Grid(suffix),
            (None, None) => match self.grids.grid_of(request.client) {
                Some(grid) => grid.clone(),
                None => Grid(shard(request).trim().to_owned()),
            },
        };
        match grid.check() {
            Ok(()) => Ok(grid),
            Err(_) => Err(Refusal::Grid),
        }
    }

    /// The same for a look-up: `None` when nobody says.
    ///
    /// # Errors
    /// As [`Self::grid`].
    pub(super) fn asker(&self, request: &Request, parameters: &Parameters<'_>) -> Result<Option<Grid>, Refusal> {
        let grid = self.grid(request, parameters, None)?;
        Ok(Some(grid).filter(|grid| !grid.0.is_empty()))
    }
}

/// The text of the shard header as it was received; empty when it is absent.
pub(super) fn shard(request: &Request) -> Cow<'_, str> {
    header_text(request, SHARD).unwrap_or_default()
}

/// A header's value. What is no UTF-8 becomes U+FFFD.
pub(super) fn header_text(request: &Request, name: HeaderName) -> Option<Cow<'_, str>> {
    request.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()))
}

/// What is asked for beside the name or key.
pub(super) struct AllMatches {
    /// The most bytes that the answer may have.
    bytes: usize,
}

impl AllMatches {
    /// `None` unless the parameter `all` is `1`.
    ///
    /// # Errors
    /// `max` is no number.
    pub(super) fn asked_for(parameters: &Parameters<'_>) -> Result<Option<Self>, Refusal> {
        let max = match parameters.filled("max") {
            None => 0,
            Some(text) => text.parse().map_err(|_| Refusal::Max(text.to_owned()))?,
        };
        Ok((parameters.get("all") == Some("1")).then_some(Self { bytes: ALL_MATCHES_BYTES.max(max) }))
    }

    /// A line for each match of a name, its key and grid, best first: as many whole ones as there is room for.
    pub(super) fn of_name(&self, matches: &[NameEntry]) -> String {
        self.lines(matches.iter().map(|entry| format!("{} {}", entry.key, entry.grid)))
    }

    /// A line for each match of a key, its name and grid, with an `@` between them as visitors' names have it.
    pub(super) fn of_key(&self, matches: &[NameEntry]) -> String {
        self.lines(matches.iter().map(|entry| format!("{} @{}", entry.name, entry.grid)))
    }

    fn lines(&self, lines: impl Iterator<Item = String>) -> String {
        let mut text = String::new();
        for line in lines {
            let length = text.len() + usize::from(!text.is_empty()) + line.len();
            if length > self.bytes {
                break;
            }
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&line);
        }
        text
    }
}

/// The key that a text is, in the one form that all faces take: 36 characters, of any case.
pub(super) fn key_of(text: &str) -> Option<Uuid> {
    (text.len() == 36).then(|| Uuid::try_parse(text).ok()).flatten()
}

/// An answer that must not be kept by caches on the way: a miss, a registration, an error (name2key.md section 12.1).
pub(super) fn plain(status: StatusCode, body: impl Into<Bytes>) -> Response {
    let body: Bytes = body.into();
    Response { status, ..Response::ok(TEXT, body) }.with_header(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))
}

/// An answer that caches may keep for a minute, each for the scripts of one grid.
pub(super) fn found(body: impl Into<Bytes>) -> Response {
    plain(StatusCode::OK, body)
        .with_header(header::CACHE_CONTROL, HeaderValue::from_static("max-age=60"))
        .with_header(header::VARY, HeaderValue::from_static("X-SecondLife-Shard"))
}

/// The same answer, telling how many matches there are and which grid the best is from. A grid that no header can carry is left
/// out.
pub(super) fn with_matches(response: Response, matches: &[NameEntry]) -> Response {
    let response = response.with_header(MATCHES, HeaderValue::from(matches.len()));
    match matches.first().map(|best| HeaderValue::from_bytes(best.grid.0.as_bytes())) {
        Some(Ok(grid)) => response.with_header(GRID, grid),
        _ => response,
    }
}
