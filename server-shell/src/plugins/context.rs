//! What the server does for an instance of a plugin: its log, its configuration, its routes, its counters, and the shell's own services.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use gridshell_connectors::http::Method;
use gridshell_plugin_abi::{INVALID, LOG_DEBUG, LOG_ERROR, LOG_INFO, LOG_WARN, OK, REFUSED, UNAVAILABLE, UNKNOWN};
use metrics::Counter;

use super::own_services::{ServiceAnswer, ServiceRequest, ShellServices};
use super::properties::Capabilities;
use super::threads::lock;

/// How many routes an instance may register, and how many counters a plugin may have.
const MAX_ROUTES: usize = 256;
const MAX_COUNTERS: usize = 100;
const MAX_COUNTER_NAME: usize = 100;

/// The metric that the counters of plugins are; its label `name` is the plugin's name for it.
pub const COUNTER: &str = "gridshell_plugin_counter_total";

/// What lines of a plugin's log begin with.
pub fn log_prefix(plugin: &str) -> String {
    format!("[PLUGIN {plugin}]: ")
}

/// Keys and values of a section, in order.
pub type Entries = Vec<(String, String)>;

/// What of the configuration a plugin may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Texts {
    /// The name of its section.
    pub section: String,
    /// Its section.
    pub entries: Entries,
    /// The other sections that the operator lets it read.
    pub others: BTreeMap<String, Entries>,
}

/// A path of an IN connector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The service that it is for.
    pub service: String,
    /// The verb.
    pub method: Method,
    /// How the path begins.
    pub prefix: String,
}

/// The importance of a line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Something is broken.
    Error,
    /// Something is odd.
    Warn,
    /// What an operator wants to see.
    Info,
    /// What helps to find mistakes.
    Debug,
    /// Every step.
    Trace,
}

impl Level {
    /// The level that a plugin means.
    pub fn of_code(code: i32) -> Self {
        match code {
            LOG_ERROR => Self::Error,
            LOG_WARN => Self::Warn,
            LOG_INFO => Self::Info,
            LOG_DEBUG => Self::Debug,
            _ => Self::Trace,
        }
    }
}

/// Whom the server does something for.
#[derive(Clone)]
pub struct Client {
    /// The plugin's name.
    pub plugin: String,
    /// What it may do.
    pub capabilities: Capabilities,
    /// The services that it has.
    pub services: Vec<String>,
    /// Its counters.
    pub counters: Arc<Counters>,
    /// The services of the shell.
    pub shell: Arc<dyn ShellServices>,
}

/// The server, as one instance sees it.
pub struct Context {
    plugin: String,
    /// `None` for the entry function, which may only write to the log.
    client: Option<Client>,
    /// The newest last. None is dropped, since the plugin may still have its texts.
    texts: Mutex<Vec<Arc<Texts>>>,
    is_created: AtomicBool,
    routes: Mutex<Vec<Route>>,
}

impl Context {
    /// For the entry function, which gets nothing but the log and the time.
    pub fn of_entry(plugin: &str) -> Self {
        Self {
            plugin: plugin.to_owned(),
            client: None,
            texts: Mutex::default(),
            is_created: AtomicBool::new(true),
            routes: Mutex::default(),
        }
    }

    /// For an instance that is going to be made.
    pub fn new(client: Client, texts: Arc<Texts>) -> Self {
        Self {
            plugin: client.plugin.clone(),
            client: Some(client),
            texts: Mutex::new(vec![texts]),
            is_created: AtomicBool::new(false),
            routes: Mutex::default(),
        }
    }

    /// From now on no route can be registered.
    pub fn creation_is_over(&self) {
        self.is_created.store(true, Ordering::Release);
    }

    /// The routes that were registered.
    pub fn routes(&self) -> Vec<Route> {
        lock(&self.routes).clone()
    }

    /// Reads these texts from now on.
    pub fn change_texts(&self, texts: Arc<Texts>) {
        lock(&self.texts).push(texts);
    }

    /// Takes back the last change.
    pub fn change_texts_back(&self) {
        let mut texts = lock(&self.texts);
        // The one before is repeated, since the plugin may have texts of the last.
        if let Some(before) = texts.len().checked_sub(2).map(|index| texts[index].clone()) {
            texts.push(before);
        }
    }

    /// Writes a line into the log.
    pub fn log(&self, level: Level, text: &str) {
        let text = log_prefix(&self.plugin) + &one_line(text);
        match level {
            Level::Error => tracing::error!(target: "gridshell::plugin", "{text}"),
            Level::Warn => tracing::warn!(target: "gridshell::plugin", "{text}"),
            Level::Info => tracing::info!(target: "gridshell::plugin", "{text}"),
            Level::Debug => tracing::debug!(target: "gridshell::plugin", "{text}"),
            Level::Trace => tracing::trace!(target: "gridshell::plugin", "{text}"),
        }
    }

    /// Reads a key of the configuration; `found` gets a text that lives as long as the context.
    pub fn config_get(&self, section: &str, key: &str, found: impl FnOnce(&str)) -> i32 {
        let texts = lock(&self.texts);
        let Some(newest) = texts.last() else { return REFUSED };
        let entries = if section == newest.section { Some(&newest.entries) } else { newest.others.get(section) };
        let Some(entries) = entries else { return REFUSED };
        match entries.iter().find(|(name, _)| name == key) {
            Some((_, value)) => {
                found(value);
                OK
            }
            None => UNKNOWN,
        }
    }

    /// Registers a route, while `create` runs.
    pub fn register_route(&self, service: &str, method: &str, prefix: &str) -> i32 {
        let Some(client) = self.client.as_ref().filter(|client| client.capabilities.http) else { return REFUSED };
        if self.is_created.load(Ordering::Acquire) {
            return REFUSED;
        }
        if !client.services.iter().any(|known| known == service) {
            return UNKNOWN;
        }
        let method = method.bytes().all(|byte| byte.is_ascii_uppercase()).then(|| Method::from_bytes(method.as_bytes()).ok());
        let Some(method) = method.flatten().filter(|_| is_prefix(prefix)) else { return INVALID };
        let mut routes = lock(&self.routes);
        if routes.len() >= MAX_ROUTES {
            return UNAVAILABLE;
        }
        routes.push(Route { service: service.to_owned(), method, prefix: prefix.to_owned() });
        OK
    }

    /// Adds to a counter.
    pub fn metric_add(&self, name: &str, amount: u64) -> i32 {
        self.client.as_ref().map_or(REFUSED, |client| client.counters.add(name, amount))
    }

    /// Asks a service of the shell, and waits for the answer.
    pub fn call_service(&self, service: &str, request: ServiceRequest) -> Result<ServiceAnswer, i32> {
        let client = self.client.as_ref().filter(|client| client.capabilities.call_service).ok_or(REFUSED)?;
        client.shell.call(service, request)
    }
}

/// A prefix that paths can begin with.
fn is_prefix(prefix: &str) -> bool {
    prefix.starts_with('/') && prefix.len() <= 1000 && prefix.bytes().all(|byte| (0x21..0x7f).contains(&byte))
}

/// The counters that a plugin has made.
pub struct Counters {
    plugin: String,
    by_name: Mutex<BTreeMap<String, Counter>>,
}

impl Counters {
    /// None yet.
    pub fn new(plugin: &str) -> Self {
        Self { plugin: plugin.to_owned(), by_name: Mutex::default() }
    }

    /// Adds to one, which is made when it is not there; a status of plugins.
    pub fn add(&self, name: &str, amount: u64) -> i32 {
        let mut by_name = lock(&self.by_name);
        if let Some(counter) = by_name.get(name) {
            counter.increment(amount);
            return OK;
        }
        let begins_well = name.bytes().next().is_some_and(|first| first.is_ascii_lowercase());
        let is_known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if !begins_well || name.len() > MAX_COUNTER_NAME || !name.bytes().all(is_known) {
            return INVALID;
        }
        if by_name.len() >= MAX_COUNTERS {
            return UNAVAILABLE;
        }
        let labels = [("plugin", self.plugin.clone()), ("name", name.to_owned())];
        let counter = metrics::counter!(COUNTER, &labels);
        counter.increment(amount);
        by_name.insert(name.to_owned(), counter);
        OK
    }
}

/// Text of others, for one line of the log: without control characters, and not endless.
fn one_line(text: &str) -> String {
    const MOST: usize = 4000;
    text.trim_end().chars().take(MOST).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugins::own_services::OwnServices;

    fn entries(pairs: &[(&str, &str)]) -> Entries {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn context(capabilities: &str) -> Context {
        let texts = Texts {
            section: "Plugin:x".to_owned(),
            entries: entries(&[("a", "1"), ("a", "2")]),
            others: BTreeMap::from([("Shared".to_owned(), entries(&[("b", "3")]))]),
        };
        let client = Client {
            plugin: "x".to_owned(),
            capabilities: Capabilities::read(capabilities).unwrap(),
            services: vec!["greeting".to_owned()],
            counters: Arc::new(Counters::new("x")),
            shell: Arc::new(OwnServices::none()),
        };
        Context::new(client, Arc::new(texts))
    }

    fn get(context: &Context, section: &str, key: &str) -> Result<String, i32> {
        let mut found = None;
        match context.config_get(section, key, |value| found = Some(value.to_owned())) {
            OK => Ok(found.unwrap()),
            status => Err(status),
        }
    }

    #[test]
    fn only_its_own_sections_can_be_read() {
        let context = context("");
        assert_eq!(get(&context, "Plugin:x", "a").as_deref(), Ok("1"), "the first counts");
        assert_eq!(get(&context, "Shared", "b").as_deref(), Ok("3"));
        assert_eq!(get(&context, "Shared", "c"), Err(UNKNOWN));
        assert_eq!(get(&context, "DatabaseService", "ConnectionString"), Err(REFUSED));
        let changed = Texts { section: "Plugin:x".to_owned(), entries: entries(&[("a", "9")]), others: BTreeMap::new() };
        context.change_texts(Arc::new(changed));
        assert_eq!((get(&context, "Plugin:x", "a").as_deref(), get(&context, "Shared", "b")), (Ok("9"), Err(REFUSED)));
        context.change_texts_back();
        assert_eq!(get(&context, "Shared", "b").as_deref(), Ok("3"));
    }

    #[test]
    fn routes_are_registered_while_it_is_made_and_with_the_capability() {
        let refused = context("console");
        assert_eq!(refused.register_route("greeting", "GET", "/a"), REFUSED);
        let context = context("http");
        assert_eq!(context.register_route("other", "GET", "/a"), UNKNOWN);
        for (method, prefix) in [("", "/a"), ("get", "/a"), ("G T", "/a"), ("GET", "a"), ("GET", ""), ("GET", "/a b")] {
            assert_eq!(context.register_route("greeting", method, prefix), INVALID, "{method} {prefix}");
        }
        assert_eq!(context.register_route("greeting", "GET", "/a"), OK);
        context.creation_is_over();
        assert_eq!(context.register_route("greeting", "GET", "/b"), REFUSED);
        assert_eq!(context.routes(), [Route { service: "greeting".to_owned(), method: Method::GET, prefix: "/a".to_owned() }]);
        for _ in 0..2 * MAX_ROUTES {
            context.is_created.store(false, Ordering::Release);
            context.register_route("greeting", "GET", "/a");
        }
        assert_eq!(context.routes().len(), MAX_ROUTES);
    }

    #[test]
    fn counters_have_plain_names_and_are_few() {
        let context = context("");
        for name in ["", "1a", "_a", "A", "a-b", "ä", &"a".repeat(101)] {
            assert_eq!(context.metric_add(name, 1), INVALID, "{name}");
        }
        let statuses: Vec<i32> = (0..=MAX_COUNTERS).map(|number| context.metric_add(&format!("c{number}"), 1)).collect();
        assert!(statuses[..MAX_COUNTERS].iter().all(|status| *status == OK));
        assert_eq!((statuses[MAX_COUNTERS], context.metric_add("c0", 1)), (UNAVAILABLE, OK));
    }

    #[test]
    fn the_entry_function_gets_the_log_alone() {
        let context = Context::of_entry("x");
        assert_eq!(get(&context, "Plugin:x", "a"), Err(REFUSED));
        assert_eq!((context.register_route("x", "GET", "/"), context.metric_add("a", 1)), (REFUSED, REFUSED));
    }

    #[test]
    fn services_need_the_capability_and_have_to_be_there() {
        let request = || ServiceRequest {
            method: Method::GET,
            target: "/".to_owned(),
            headers: gridshell_connectors::http::HeaderMap::new(),
            body: bytes::Bytes::new(),
        };
        assert_eq!(context("http").call_service("asset", request()).err(), Some(REFUSED));
        assert_eq!(context("call-service").call_service("asset", request()).err(), Some(UNAVAILABLE));
    }
}
