//! The plugin: it does what path, key or line say.

use std::fmt;
use std::sync::OnceLock;

use gridshell_plugin::{Capability, Config, Failure, Health, Host, Plugin, Request, Response, Threading, plugin};

/// The last instance's server, which a test goes on using after the instance's end.
pub static KEPT: OnceLock<Host> = OnceLock::new();

struct Probe {
    host: Host,
    on_drop: String,
}

impl Plugin for Probe {
    const SERVICES: &'static [&'static str] = &["probe", "other"];
    const CAPABILITIES: &'static [Capability] = &[Capability::Http, Capability::Console, Capability::CallService];
    const CONFIG_KEYS: Option<&'static [&'static str]> = Some(&["OnCreate", "OnDrop"]);
    const THREADING: Threading = Threading::Serial;

    fn create(host: Host, config: &Config<'_>) -> Result<Self, String> {
        match config.get("OnCreate") {
            Some("panic") => panic!("cannot be made"),
            Some("fail") => Err("there is no such file".to_owned()),
            Some("keep") => {
                KEPT.set(host.clone()).expect("one test does this");
                Err("kept".to_owned())
            }
            _ => Ok(Self { host, on_drop: config.get("OnDrop").unwrap_or_default().to_owned() }),
        }
    }

    fn handle(&self, request: &Request<'_>) -> Response {
        match request.path {
            "/panic" => panic!("in the middle"),
            "/panic/value" => std::panic::panic_any(7),
            "/empty" => Response::new(204),
            "/host" => Response::text(super::host::ask_all(&self.host)),
            _ => Response::with_body("a/b", format!("{request:?}")).with_status(201).with_header("X-Two", "2"),
        }
    }

    fn reconfigure(&self, config: &Config<'_>) -> Result<(), Failure> {
        match config.get("OnCreate") {
            Some("panic") => panic!("cannot be changed"),
            Some("fail") => Err(Failure::Failed(format!("cannot use {config:?}"))),
            Some(_) => Ok(()),
            None => Err(Failure::NotSupported),
        }
    }

    fn health(&self) -> Health {
        match &*self.on_drop {
            "panic" => panic!("not well at all"),
            "" => Health::Well("fine".to_owned()),
            "unknown" => Health::Unknown,
            other => Health::Unwell(other.to_owned()),
        }
    }

    fn command(&self, line: &str, console: &mut dyn fmt::Write) -> Result<(), Failure> {
        match line {
            "panic" => panic!("in a command"),
            "fail" => Err(Failure::Failed("no such thing".to_owned())),
            "nothing" => Err(Failure::NotSupported),
            _ => Ok(writeln!(console, "did {line}")?),
        }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        assert_ne!(self.on_drop, "panic", "on the way out");
    }
}

plugin!(Probe);
