//! What a plugin says of itself (plugins.md section 5.3).

use gridshell_plugin_abi::{capability, property};

use super::refusal::{Refusal, Step};

/// How many services a plugin may name, and how long names may be.
const MAX_NAMES: usize = 64;
const MAX_NAME: usize = 64;

/// What a plugin says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Properties {
    /// Its version; may be empty.
    pub version: String,
    /// The services that it fulfils or listens for; at least one.
    pub services: Vec<String>,
    /// What it may do.
    pub capabilities: Capabilities,
    /// One request at a time.
    pub is_serial: bool,
    /// A request may wait, so that it needs a thread of its own.
    pub is_blocking: bool,
    /// What it was built with; may be empty.
    pub build: String,
    /// The keys that it reads from its section, when it tells.
    pub config_keys: Option<Vec<String>>,
}

/// What a plugin may do beside answering.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Register routes.
    pub http: bool,
    /// Have commands for the console.
    pub console: bool,
    /// Ask services of the shell.
    pub call_service: bool,
}

/// A property that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongProperty {
    /// Its name.
    pub name: &'static str,
    /// What it should be.
    pub expected: String,
    /// What it is.
    pub found: String,
}

impl WrongProperty {
    /// The refusal of the file that has it.
    pub fn refusal(self, file: &str) -> Refusal {
        Refusal::new(file, Step::Properties, format_args!("the property {}", self.name), self.expected, self.found)
    }
}

impl Properties {
    /// Reads all properties by `get`, which gives `None` for one that the plugin does not know. `name` is what the plugin has to be called.
    ///
    /// # Errors
    /// The first that cannot be used.
    pub fn read(name: &str, get: impl Fn(&str) -> Result<Option<String>, String>) -> Result<Self, WrongProperty> {
        let ask = |key: &'static str| get(key).map_err(|found| WrongProperty { name: key, expected: "a text".to_owned(), found });
        let wrong =
            |name, expected: &str, found: &str| WrongProperty { name, expected: expected.to_owned(), found: found.to_owned() };
        let one_of = |key: &'static str, default: bool, yes: &str, no: &str| match ask(key)?.as_deref() {
            None => Ok(default),
            Some(text) if text == yes => Ok(true),
            Some(text) if text == no => Ok(false),
            Some(other) => Err(wrong(key, &format!("{yes} or {no}"), &format!("{other:?}"))),
        };
        match ask(property::NAME)? {
            Some(found) if found == name => {}
            Some(found) => return Err(wrong(property::NAME, &format!("{name:?}, as the file is called"), &format!("{found:?}"))),
            None => return Err(wrong(property::NAME, &format!("{name:?}, as the file is called"), "no such property")),
        }
        let services = ask(property::SERVICES)?.unwrap_or_default();
        let services = names(&services)
            .filter(|services| !services.is_empty())
            .ok_or_else(|| wrong(property::SERVICES, "names of services, separated by commas", &format!("{services:?}")))?;
        let capabilities = ask(property::CAPABILITIES)?.unwrap_or_default();
        let capabilities = Capabilities::read(&capabilities).ok_or_else(|| {
            wrong(property::CAPABILITIES, "names of capabilities, separated by commas", &format!("{capabilities:?}"))
        })?;
        let is_blocking = one_of(property::BLOCKING, true, "yes", "no")?;
        if !is_blocking && capabilities.call_service {
            return Err(wrong(property::BLOCKING, "yes, since the plugin has the capability call-service, which waits", "no"));
        }
        Ok(Self {
            version: ask(property::VERSION)?.unwrap_or_default(),
            services,
            capabilities,
            is_serial: one_of(property::THREADING, false, "serial", "concurrent")?,
            is_blocking,
            build: ask(property::BUILD)?.unwrap_or_default(),
            config_keys: ask(property::CONFIG_KEYS)?.map(|keys| split(&keys).map(str::to_owned).collect()),
        })
    }
}

impl Capabilities {
    /// Reads a list; `None` when it is malformed. What this server does not know yet is left out: the plugin finds out when it tries.
    pub fn read(text: &str) -> Option<Self> {
        let names = names(text)?;
        let has = |name: &str| names.iter().any(|known| known == name);
        Some(Self { http: has(capability::HTTP), console: has(capability::CONSOLE), call_service: has(capability::CALL_SERVICE) })
    }
}

/// Whether a plugin or a service can be called so.
pub fn is_name(text: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(is_known)
}

fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|name| !name.is_empty())
}

fn names(text: &str) -> Option<Vec<String>> {
    let names: Vec<String> = split(text).take(MAX_NAMES + 1).map(str::to_owned).collect();
    (names.len() <= MAX_NAMES && names.iter().all(|name| is_name(name))).then_some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(known: &[(&str, &str)]) -> Result<Properties, WrongProperty> {
        Properties::read("x", |name| {
            if known.contains(&(name, "!")) {
                return Err("status 7".to_owned());
            }
            Ok(known.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
        })
    }

    #[test]
    fn name_and_services_are_enough() {
        let expected = Properties {
            version: String::new(),
            services: vec!["a".to_owned()],
            capabilities: Capabilities::default(),
            is_serial: false,
            is_blocking: true,
            build: String::new(),
            config_keys: None,
        };
        assert_eq!(read(&[("name", "x"), ("services", "a")]), Ok(expected));
        let all = read(&[
            ("name", "x"),
            ("services", "a, b"),
            ("capabilities", "http,call-service,later"),
            ("threading", "serial"),
            ("config-keys", "K, L"),
        ]);
        let all = all.unwrap();
        assert_eq!((all.services.len(), all.is_serial), (2, true));
        assert_eq!(all.capabilities, Capabilities { http: true, console: false, call_service: true });
        assert_eq!(all.config_keys, Some(vec!["K".to_owned(), "L".to_owned()]));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let good = [("name", "x"), ("services", "a")];
        for (wrong, name) in [
            (("name", "y"), "name"),
            (("services", ""), "services"),
            (("services", "a b"), "services"),
            (("services", "!"), "services"),
            (("capabilities", "ht tp"), "capabilities"),
            (("threading", "often"), "threading"),
            (("blocking", "maybe"), "blocking"),
        ] {
            let known: Vec<_> = [wrong].into_iter().chain(good).collect();
            assert_eq!(read(&known).map_err(|wrong| wrong.name), Err(name), "{wrong:?}");
        }
        assert_eq!(read(&[("services", "a")]).unwrap_err().found, "no such property");
        let waits = [("capabilities", "call-service"), ("blocking", "no")];
        assert_eq!(read(&[waits[0], waits[1], good[0], good[1]]).unwrap_err().name, "blocking");
    }
}
