//! An IN connector that greets: `GET /greeting/Ann` is answered with `Hello, Ann!`. The key `Greeting` of its section has another
//! word.
#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicU64, Ordering};

use gridshell_plugin::{Capability, Config, Health, Host, Level, Plugin, Request, Response, plugin};

/// Longer names are refused.
const MAX_NAME_BYTES: usize = 64;

/// The connector.
pub struct Greeting {
    host: Host,
    word: String,
    greeted: AtomicU64,
}

impl Plugin for Greeting {
    const SERVICES: &'static [&'static str] = &["greeting"];
    const CAPABILITIES: &'static [Capability] = &[Capability::Http];
    const CONFIG_KEYS: Option<&'static [&'static str]> = Some(&["Greeting"]);
    const BLOCKING: bool = false;

    fn create(host: Host, config: &Config<'_>) -> Result<Self, String> {
        let word = config.get("Greeting").unwrap_or("Hello").to_owned();
        if word.is_empty() {
            return Err(format!("[{}] Greeting is empty; leave the key out, or give a word", config.section));
        }
        host.register_route("greeting", "GET", "/greeting").map_err(|error| format!("cannot listen on /greeting: {error}"))?;
        host.log(Level::Info, &format!("greets with {word:?}"));
        Ok(Self { host, word, greeted: AtomicU64::new(0) })
    }

    fn handle(&self, request: &Request<'_>) -> Response {
        let name = match request.rest.strip_prefix('/') {
            None if request.rest.is_empty() => "world",
            Some(name) if (1..=MAX_NAME_BYTES).contains(&name.len()) => name,
            _ => return Response::new(404),
        };
        self.greeted.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = self.host.metric_add("greeted", 1) {
            self.host.log(Level::Warn, &format!("cannot count: {error}"));
        }
        Response::text(format!("{}, {name}!\n", self.word))
    }

    fn health(&self) -> Health {
        Health::Well(format!("{} greeted", self.greeted.load(Ordering::Relaxed)))
    }
}

plugin!(Greeting);

#[cfg(test)]
mod tests {
    use gridshell_plugin::testing::FakeServer;

    use super::*;

    fn greet(greeting: &Greeting, rest: &str) -> (u16, String) {
        let path = format!("/greeting{rest}");
        let response = greeting.handle(&Request { rest, ..Request::new("GET", &path) });
        (response.status, String::from_utf8(response.body).unwrap())
    }

    #[test]
    fn it_greets() {
        let server = FakeServer::new();
        let greeting = server.create::<Greeting>("Plugin:greeting", &[]).unwrap();
        assert_eq!(server.routes(), [("greeting".to_owned(), "GET".to_owned(), "/greeting".to_owned())]);
        assert_eq!(greet(&greeting, ""), (200, "Hello, world!\n".to_owned()));
        assert_eq!(greet(&greeting, "/Ann"), (200, "Hello, Ann!\n".to_owned()));
        assert_eq!(server.metric("greeted"), 2);
        assert_eq!(greeting.health(), Health::Well("2 greeted".to_owned()));
    }

    #[test]
    fn other_paths_and_long_names_are_not_found() {
        let server = FakeServer::new();
        let greeting = server.create::<Greeting>("Plugin:greeting", &[]).unwrap();
        for rest in ["s", "/", &format!("/{}", "x".repeat(65))] {
            assert_eq!(greet(&greeting, rest), (404, String::new()), "{rest}");
        }
        assert_eq!(server.metric("greeted"), 0);
    }

    #[test]
    fn the_word_is_the_operators() {
        let server = FakeServer::new();
        let greeting = server.create::<Greeting>("Plugin:greeting", &[("Greeting", "Moin")]).unwrap();
        assert_eq!(greet(&greeting, "/Ann"), (200, "Moin, Ann!\n".to_owned()));
        assert_eq!(server.log_lines(), [(Level::Info, "greets with \"Moin\"".to_owned())]);
        let refused = server.create::<Greeting>("Plugin:greeting", &[("Greeting", "")]).err();
        assert_eq!(refused.as_deref(), Some("[Plugin:greeting] Greeting is empty; leave the key out, or give a word"));
    }
}
