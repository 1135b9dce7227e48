//! `gridshell name2key serve`: takes the place of gosl-basics, with its flags and its configuration file.
//!
//! It makes a configuration of them and runs the shell as always.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use gridshell_config::{Configuration, Problem};
use gridshell_connectors::name2key::Spelling;
use gridshell_interfaces::name2key::{Grid, PRODUCTION};

use super::gosl_settings::{GoslSettings, Mode, USAGE};
use super::store::{Store, connection_string};

/// What does not depend on flags. As with gosl-basics, everybody may register, and nothing else is open.
const ALWAYS: &str = "\
[Startup]
console = none
StatsLogFile =
[Network]
MaxRequestsPerConnection = 0
[ServiceList]
Gosl = name2key_gosl
[Name2KeyService]
LocalServiceModule = name2key
Registration = open
[DatabaseService]
StorageProvider = sqlite
[Admin]
Port = 0
";

/// Does what the flags say.
pub fn main(words: &[String]) -> ExitCode {
    let settings = match read_settings(words) {
        Ok(Some(settings)) => settings,
        Ok(None) => {
            crate::say(USAGE);
            return ExitCode::from(2);
        }
        Err(error) => {
            crate::say(&format!("gridshell: {error:#}\n\n{USAGE}"));
            return ExitCode::from(2);
        }
    };
    for warning in &settings.warnings {
        crate::say(&format!("warning: {warning}\n"));
    }
    serve(&settings, words).unwrap_or_else(|error| {
        crate::say(&format!("gridshell: {error:#}\n"));
        ExitCode::FAILURE
    })
}

fn serve(settings: &GoslSettings, words: &[String]) -> Result<ExitCode> {
    make_folder(&settings.store)?;
    let configuration = configuration(settings)?;
    if settings.import.is_some() || settings.mode == Mode::Shell {
        let runtime = super::runtime()?;
        let store = runtime.block_on(Store::open(&configuration))?;
        if let Some(file) = &settings.import {
            let grid = Grid(PRODUCTION.to_owned());
            // Standard output may be the web server's.
            let say = |lines: &[String]| {
                crate::say(&format!("{}\n", lines.join("\n")));
                Ok(())
            };
            let status = super::import_file(&runtime, &store, file, &grid, false, say)?;
            if status != ExitCode::SUCCESS {
                return Ok(status);
            }
        }
        if settings.mode == Mode::Shell {
            return super::look_up_what_is_typed(&runtime, &store, Spelling::Of2017);
        }
        runtime.block_on(store.close());
    }
    let words = words.to_vec();
    Ok(crate::run_shell(
        configuration,
        Arc::new(move || read_again(&words).map_err(|error| vec![Problem::error(format!("{error:#}"))])),
    ))
}

fn read_again(words: &[String]) -> Result<Configuration> {
    let settings = read_settings(words)?.context("the flags ask for help")?;
    configuration(&settings)
}

fn read_settings(words: &[String]) -> Result<Option<GoslSettings>> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    GoslSettings::read(words, home.as_deref())
}

/// The store's folder, which only its owner may look into (name2key.md section 3).
fn make_folder(store: &Path) -> Result<()> {
    let Some(folder) = store.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    match DirBuilder::new().recursive(true).mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists || !folder.is_dir() => {
            Err(error).with_context(|| format!("cannot make the folder {}", folder.display()))
        }
        _ => Ok(()),
    }
}

fn configuration(settings: &GoslSettings) -> Result<Configuration> {
    let configuration = Configuration::from_text("built-in configuration", ALWAYS);
    let mut configuration = configuration.map_err(|_| anyhow!("the built-in configuration makes no sense"))?;
    let port = settings.port.to_string();
    configuration.set("Startup", "logfile", &settings.log_file);
    configuration.set("Logging", "Levels", settings.levels);
    configuration.set("Network", "port", &port);
    configuration.set("DatabaseService", "ConnectionString", &connection_string(&settings.store)?);
    if settings.mode == Mode::FastCgi {
        configuration.set("FastCGI", "Listeners", &format!("{port}/fd:0"));
        configuration.set("FastCGI", "OnlyPorts", &port);
    }
    Ok(configuration)
}
