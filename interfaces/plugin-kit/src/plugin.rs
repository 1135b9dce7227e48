//! What a plugin is.

use std::fmt;

use crate::{Config, Host, Request, Response};

/// A plugin. One value of the type is one instance; the server may make several.
///
/// All functions are called from threads of the server. [`handle`](Self::handle) runs in many of them at the same time, unless
/// [`THREADING`](Self::THREADING) says otherwise; it may wait for what it needs. Dropping the value ends the instance: threads
/// that it has started must be joined there.
pub trait Plugin: Send + Sync + Sized + 'static {
    /// The services that it fulfils or listens for: `asset`, `name2key`, or a name of its own.
    const SERVICES: &'static [&'static str];

    /// What it may do beside answering. The server refuses what is not named here.
    const CAPABILITIES: &'static [Capability] = &[];

    /// The keys that it reads from its section. The server warns about others. `None`: no key is checked.
    const CONFIG_KEYS: Option<&'static [&'static str]> = None;

    /// Whether requests may come at the same time.
    const THREADING: Threading = Threading::Concurrent;

    /// Whether [`handle`](Self::handle) may wait: for a disk, for another server, for [`Host::call_service`]. `false` promises
    /// that it returns at once; it may then run in the thread that serves the request, which costs far less than a thread of its
    /// own.
    const BLOCKING: bool = true;

    /// Makes an instance: the place to read the configuration, open files, start threads and register routes. `host` may be kept,
    /// and cloned.
    ///
    /// # Errors
    /// What is wrong, for the server's log. The plugin is not used then.
    fn create(host: Host, config: &Config<'_>) -> Result<Self, String>;

    /// Answers a request. It cannot fail: what goes wrong becomes a response of the service's wire.
    fn handle(&self, request: &Request<'_>) -> Response;

    /// Takes over a changed configuration, wholly or not at all.
    ///
    /// # Errors
    /// It is not supported, or the configuration is not usable; the old one goes on.
    fn reconfigure(&self, _config: &Config<'_>) -> Result<(), Failure> {
        Err(Failure::NotSupported)
    }

    /// How it is, for `plugin list` on the console. Must not take long.
    fn health(&self) -> Health {
        Health::Unknown
    }

    /// Does a line of the console, without the words `plugin NAME`, and writes to the console. Needs [`Capability::Console`].
    ///
    /// # Errors
    /// It has no commands, or this one failed.
    fn command(&self, _line: &str, _console: &mut dyn fmt::Write) -> Result<(), Failure> {
        Err(Failure::NotSupported)
    }
}

/// What a plugin may do beside answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// It listens: [`Host::register_route`].
    Http,
    /// It has console commands: [`Plugin::command`].
    Console,
    /// It asks services of the server: [`Host::call_service`].
    CallService,
}

/// Whether requests may come at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threading {
    /// As many as the operator permits.
    Concurrent,
    /// One after the other.
    Serial,
}

/// How an instance is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It does not tell.
    Unknown,
    /// Well; with details for people, or an empty text.
    Well(String),
    /// Not well, and why.
    Unwell(String),
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// This plugin cannot do it at all.
    NotSupported,
    /// It was tried and failed; with what to tell people.
    Failed(String),
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::Failed(message)
    }
}

impl From<fmt::Error> for Failure {
    /// Writing to the console failed.
    fn from(_: fmt::Error) -> Self {
        Self::Failed("cannot write to the console".to_owned())
    }
}
