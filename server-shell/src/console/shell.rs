//! What the console commands need from the program.

use std::path::Path;

use async_trait::async_trait;
use jiff::Zoned;

/// A section of the configuration: its name, and its keys with their values in order.
pub type ConfigSection = (String, Vec<(String, String)>);

/// The program, as its commands see it.
#[async_trait]
pub trait Shell: Send + Sync {
    /// The version text, such as `OpenSim 0.9.3.1 Nessie Dev` (shell.md section 7.2).
    fn version(&self) -> String;

    /// The time now, in local time.
    fn now(&self) -> Zoned;

    /// When the program was started, in local time.
    fn started_at(&self) -> Zoned;

    /// The level from which log lines appear on the console.
    fn log_level(&self) -> LogLevel;

    /// Sets the level from which log lines appear on the console; log files keep theirs.
    ///
    /// # Errors
    /// When the log cannot be changed any more.
    fn set_log_level(&self, level: LogLevel) -> anyhow::Result<()>;

    /// The merged and expanded configuration, with passwords.
    fn configuration(&self) -> Vec<ConfigSection>;

    /// Sets a value in memory; a section that does not exist is made.
    fn config_set(&self, section: &str, key: &str, value: &str);

    /// Writes the merged configuration as an ini file. May wait for the disk.
    ///
    /// # Errors
    /// When the file cannot be written.
    fn config_save(&self, path: &Path) -> anyhow::Result<()>;

    /// Reads the configuration again and applies it. Gives what was done, line by line.
    ///
    /// # Errors
    /// It has mistakes or cannot be applied. Then nothing has changed.
    async fn reload(&self) -> anyhow::Result<Vec<String>>;

    /// Loads a plugin from its file again. Gives what was done, line by line.
    ///
    /// # Errors
    /// There is no such plugin, or it cannot be loaded. Then the old one goes on.
    async fn reload_plugin(&self, plugin: &str) -> anyhow::Result<Vec<String>>;

    /// The handlers of all listeners, in the form that `show http-handlers` prints (shell.md section 8.3).
    fn http_handlers(&self) -> String;

    /// All statistics, with their values now.
    fn statistics(&self) -> Vec<Statistic>;

    /// How much is logged about requests: 0 (nothing) to 6 (whole bodies), shell.md section 8.3.
    fn http_debug_level(&self, direction: HttpDirection) -> u8;

    /// Sets how much is logged about requests, 0 to 6.
    fn set_http_debug_level(&self, direction: HttpDirection, level: u8);

    /// Asks for an orderly stop of the program.
    fn request_stop(&self);
}

/// A number that the program counts or measures.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistic {
    /// The category, such as `httpserver`.
    pub category: String,
    /// The container in it, such as a port.
    pub container: String,
    /// The short name in that.
    pub name: String,
    /// The value.
    pub value: f64,
    /// The unit, may be empty.
    pub unit: String,
}

/// Which requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpDirection {
    /// Those that come in.
    In,
    /// Those that go out.
    Out,
}

/// The log levels of the console (shell.md section 8.3), most to least said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Everything.
    All,
    /// From debugging messages on.
    Debug,
    /// From informational messages on.
    Info,
    /// From warnings on.
    Warn,
    /// From errors on.
    Error,
    /// Only what ends the program.
    Fatal,
    /// Nothing.
    Off,
}

impl LogLevel {
    /// All levels in order.
    pub const ALL: [LogLevel; 7] = [Self::All, Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Fatal, Self::Off];

    /// The name in upper case.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "ALL",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
            Self::Off => "OFF",
        }
    }

    /// The level of this name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name().eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
pub mod testing {
    //! A program for tests.

    use std::sync::Mutex;

    use super::*;

    #[derive(Debug)]
    struct State {
        level: LogLevel,
        configuration: Vec<ConfigSection>,
        http_in: u8,
        http_out: u8,
        stops: usize,
    }

    #[derive(Debug)]
    pub struct FakeShell(Mutex<State>);

    impl Default for FakeShell {
        fn default() -> Self {
            let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
            let configuration = vec![
                ("Startup".to_owned(), vec![pair("console", "rest"), pair("Prompt", "R.O.B.U.S.T.")]),
                ("Network".to_owned(), vec![pair("port", "8003")]),
            ];
            Self(Mutex::new(State { level: LogLevel::All, configuration, http_in: 0, http_out: 0, stops: 0 }))
        }
    }

    impl FakeShell {
        pub fn stops(&self) -> usize {
            self.0.lock().unwrap().stops
        }
    }

    #[async_trait]
    impl Shell for FakeShell {
        fn version(&self) -> String {
            "OpenSim 0.9.3.1 Nessie Dev".to_owned()
        }

        fn now(&self) -> Zoned {
            "2026-07-20T11:22:33.1234567+02:00[+02:00]".parse().unwrap()
        }

        fn started_at(&self) -> Zoned {
            "2026-07-20T09:00:00+02:00[+02:00]".parse().unwrap()
        }

        fn log_level(&self) -> LogLevel {
            self.0.lock().unwrap().level
        }

        fn set_log_level(&self, level: LogLevel) -> anyhow::Result<()> {
            self.0.lock().unwrap().level = level;
            Ok(())
        }

        fn configuration(&self) -> Vec<ConfigSection> {
            self.0.lock().unwrap().configuration.clone()
        }

        fn config_set(&self, section: &str, key: &str, value: &str) {
            let pairs = vec![(key.to_owned(), value.to_owned())];
            self.0.lock().unwrap().configuration.push((section.to_owned(), pairs));
        }

        fn config_save(&self, path: &Path) -> anyhow::Result<()> {
            Ok(std::fs::write(path, "[Startup]\n")?)
        }

        async fn reload(&self) -> anyhow::Result<Vec<String>> {
            anyhow::bail!("Robust.ini, line 3: there is no service asset_")
        }

        async fn reload_plugin(&self, plugin: &str) -> anyhow::Result<Vec<String>> {
            Ok(vec![format!("the plugin {plugin} was loaded again and answers")])
        }

        fn http_handlers(&self) -> String {
            "Registered HTTP Handlers for server at 0.0.0.0:8002\n* StreamHandlers (1):\n\tGET:/map\n".to_owned()
        }

        fn statistics(&self) -> Vec<Statistic> {
            let statistic = |category: &str, container: &str, name: &str, value, unit: &str| Statistic {
                category: category.to_owned(),
                container: container.to_owned(),
                name: name.to_owned(),
                value,
                unit: unit.to_owned(),
            };
            vec![
                statistic("server", "memory", "ProcessMemory", 12.34567, "MB"),
                statistic("httpserver", "8003", "HTTPRequestsServed", 17.0, ""),
                statistic("server", "network", "BytesRcvd/eth0.1", 0.5, "KB"),
            ]
        }

        fn http_debug_level(&self, direction: HttpDirection) -> u8 {
            let state = self.0.lock().unwrap();
            if direction == HttpDirection::In { state.http_in } else { state.http_out }
        }

        fn set_http_debug_level(&self, direction: HttpDirection, level: u8) {
            let mut state = self.0.lock().unwrap();
            *(if direction == HttpDirection::In { &mut state.http_in } else { &mut state.http_out }) = level;
        }

        fn request_stop(&self) {
            self.0.lock().unwrap().stops += 1;
        }
    }
}
