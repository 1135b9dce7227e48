//! gridshell: a grid server shell that takes the place of OpenSimulator's ROBUST.
//!
//! `main` reads the command line and the configuration, and hands over to [`program`], which runs the shell.

mod admin;
mod answering;
mod console;
mod fastcgi;
mod inventory_command;
mod listener;
mod listening;
mod logging;
mod name2key_command;
mod passing;
mod plugins;
mod process;
mod program;
mod registry;
mod reload;

mod request_log;
mod settings;
mod shell_view;
mod tls;
mod wiring;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use gridshell_config::{CommandLine, Configuration, MainSource, Problem, Sources};

use crate::inventory_command::InventoryCommand;

const USAGE: &str = "\
gridshell: a grid server shell that takes the place of OpenSimulator's ROBUST

gridshell [SWITCHES]           runs the shell
gridshell check [SWITCHES]     reads the configuration, says all that is wrong with it, and ends; status 1 on errors
gridshell inventory check ...  looks for what is wrong with inventories; without more words says how
gridshell name2key ...         names and keys of avatars: import, look up, serve; without more words says how
gridshell plugin check FILE    looks whether a plugin can be used; without more words says how
gridshell options              prints every option of every module
gridshell version              prints the version

Switches, as -name=value or --name value:
  inifile, i     the configuration: a file, or the http(s) address of one
                 (default: Robust.ini, else config/standalone.ini, else a built-in copy of the latter)
  console, c     local, basic, rest or none
  logfile, l     the log file
  prompt, p      the console's prompt
";

/// What runs when there is no configuration at all.
const BUILT_IN: &str = include_str!("../../config/standalone.ini");
const DEFAULT_FILES: [&str; 2] = ["Robust.ini", "config/standalone.ini"];

/// The largest configuration that is fetched from an address, and how long that may take.
const FETCH_LIMIT: u64 = 8 * 1024 * 1024;
const FETCH_TIME: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| [plugins::HOST_SWITCH, plugins::PROBE_SWITCH].contains(&first.as_str())) {
        return plugins::worker_main();
    }
    let command = match arguments.first() {
        Some(first) if !first.starts_with(['-', '/']) => arguments.remove(0),
        Some(first) if matches!(first.trim_start_matches('-'), "help" | "h" | "version") => {
            arguments.remove(0).trim_start_matches('-').to_owned()
        }
        _ => "run".to_owned(),
    };
    match command.as_str() {
        "run" => run(arguments),
        "check" => check(arguments),
        "inventory" => inventory(&arguments),
        "name2key" => name2key_command::main(&arguments),
        "plugin" => plugin(&arguments),
        "options" => print(&options()),
        "version" => print(&format!("gridshell {}\n", env!("CARGO_PKG_VERSION"))),
        "help" | "h" => print(USAGE),
        other => {
            say(&format!("gridshell: there is no command {other}\n\n{USAGE}"));
            ExitCode::from(2)
        }
    }
}

fn run(arguments: Vec<String>) -> ExitCode {
    let source: program::Source = Arc::new(move || load(arguments.clone()));
    match source() {
        Ok(configuration) => run_shell(configuration, source),
        Err(problems) => {
            report(&problems);
            ExitCode::FAILURE
        }
    }
}

/// Runs the shell until it is told to stop. `source` reads the configuration again.
fn run_shell(configuration: Configuration, source: program::Source) -> ExitCode {
    match program::run(configuration, source) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("gridshell: {error:#}\n"));
            // Process managers tell by this status that nothing was passed (name2key.md section 6.3).
            if error.is::<fastcgi::NoSocket>() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

fn check(arguments: Vec<String>) -> ExitCode {
    let problems = match load(arguments) {
        Ok(configuration) => wiring::plan(&configuration).1,
        Err(problems) => problems,
    };
    report(&problems);
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    say(&format!("{errors} errors, {} warnings\n", problems.len() - errors));
    if errors > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn inventory(arguments: &[String]) -> ExitCode {
    let command = match InventoryCommand::parse(arguments) {
        Ok(command) => command,
        Err(error) => {
            say(&format!("gridshell: {error:#}\n\n{}", inventory_command::USAGE));
            return ExitCode::from(2);
        }
    };
    let configuration = match load(command.switches.clone()) {
        Ok(configuration) => configuration,
        Err(problems) => {
            report(&problems);
            return ExitCode::from(2);
        }
    };
    command.run(&configuration).unwrap_or_else(|error| {
        say(&format!("gridshell: {error:#}\n"));
        ExitCode::from(2)
    })
}

fn plugin(arguments: &[String]) -> ExitCode {
    let [command, file, switches @ ..] = arguments else {
        say(plugins::check_command::USAGE);
        return ExitCode::from(2);
    };
    if command != "check" || file.starts_with('-') {
        say(&format!("gridshell: there is only gridshell plugin check FILE\n\n{}", plugins::check_command::USAGE));
        return ExitCode::from(2);
    }
    let permission = if switches.is_empty() {
        None
    } else {
        match load(switches.to_vec()).and_then(|configuration| wiring::plugin_permission(&configuration, file)) {
            Ok(permission) => Some(permission),
            Err(problems) => {
                report(&problems);
                return ExitCode::from(2);
            }
        }
    };
    let (text, can_be_used) = plugins::check_command::check(file, permission);
    let printed = print(&text);
    if can_be_used { printed } else { ExitCode::FAILURE }
}

/// The configuration that the command line names.
fn load(arguments: Vec<String>) -> Result<Configuration, Vec<Problem>> {
    let command_line = CommandLine::parse(arguments.into_iter()).map_err(|problem| vec![problem])?;
    let main = match command_line.get("inifile") {
        Some(file) => MainSource::Location(file.to_owned()),
        None => match default_file() {
            Some(file) => MainSource::Location(file.to_owned()),
            None => MainSource::Text { name: "built-in standalone.ini".to_owned(), text: BUILT_IN.to_owned() },
        },
    };
    let sources = Sources {
        main,
        command_line: &command_line,
        environment: &|name| std::env::var(name).ok(),
        fetch: &|address| fetch(address).map_err(|error| format!("{error:#}")),
    };
    Configuration::load(&sources)
}

/// The configuration that is read where none is named, when there is one.
fn default_file() -> Option<&'static str> {
    DEFAULT_FILES.into_iter().find(|file| Path::new(file).exists())
}

/// Fetches a configuration from an address.
fn fetch(address: &str) -> anyhow::Result<String> {
    use std::io::Read;
    // The process's provider of cryptography; a second fetch finds it installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::blocking::Client::builder().timeout(FETCH_TIME).build()?;
    let answer = client.get(address).send()?.error_for_status()?;
    let mut text = String::new();
    answer.take(FETCH_LIMIT).read_to_string(&mut text)?;
    Ok(text)
}

/// Every option of every module, from the documentation of the option structs.
fn options() -> String {
    let mut text = String::new();
    let mut last_section = "";
    for (section, options) in registry::options() {
        if section != last_section {
            text.push_str(&format!("[{section}]\n"));
            last_section = section;
        }
        for option in options {
            let default = as_in_a_file(option.default);
            text.push_str(&format!("    {} ({}, {default})\n        {}\n", option.key, option.type_name, option.meaning));
        }
    }
    text
}

/// A default as one writes it in a file, not as the source has it: `10_000` is 10000, `Rotation::Never` is never.
fn as_in_a_file(default: &str) -> String {
    if default.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_') {
        return default.replace('_', "");
    }
    match default.split_once("::") {
        Some((_, variant)) if !default.starts_with('"') => variant.to_lowercase(),
        _ => default.to_owned(),
    }
}

fn report(problems: &[Problem]) {
    for problem in problems {
        let severity = if problem.is_error() { "error" } else { "warning" };
        say(&format!("{severity}: {problem}\n"));
    }
}

/// Writes to standard error. That it is closed is no reason to fail.
fn say(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

fn print(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        // A reader that has seen enough, as in `gridshell options | head`.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
