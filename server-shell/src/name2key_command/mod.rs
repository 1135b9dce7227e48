//! `gridshell name2key`: the store of names and keys from the command line, and the place of gosl-basics (name2key.md sections 4 to 6).

pub mod answer;
mod arguments;
mod export;
mod gosl_file;
mod gosl_settings;
mod import;
mod serve;
mod shell;
mod signals;
mod store;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use gridshell_interfaces::name2key::Grid;
use tokio::runtime::Runtime;

use answer::Found;
use arguments::{Arguments, Task};
use export::ExportOptions;
use import::Outcome;
use signals::Signals;
use store::Store;

/// How to call it.
const USAGE: &str = "\
gridshell name2key import FILE [--grid NAME] [--skip-bad]   takes in a file of names: UUID,Name lines, plain, gz, bz2 or zip
gridshell name2key export [FILE] [--grid NAME] [--all]      writes one, compressed as its ending .gz or .bz2 says; else to stdout
gridshell name2key lookup WHAT... [--grid NAME] [--json]    says what is known of names, UUIDs, and beginnings of names (Gwyn*)
gridshell name2key stats [--json]                           says what the store holds
gridshell name2key forget UUID... [--grid NAME]             removes what is known of a key
gridshell name2key shell [--spelling 2017|2025]             looks up what is typed
gridshell name2key serve [FLAGS]                            takes the place of gosl-basics; --help says how

All but serve take --database FILE, an SQLite file, or the switches that name a configuration (-inifile=x): the store is that of its
first name2key connector. Without both, and where the shell finds no configuration, it is the file name2key.db here.

import stores all rows or, when a line is bad or it is stopped, none; --skip-bad leaves bad lines out and says so. The rows belong to
the grid NAME, without --grid to Production. With export and forget NAME means entries of this grid alone, with lookup those come first.
export --all writes every entry as key,name,grid,first_seen,last_seen,source,verified with times in seconds since 1970.

Status: 0 done; 1 something is unknown (lookup, forget) or the file is bad (import); 2 it could not be done; 130 and 143 it was stopped.
";

/// Does what the words after `gridshell name2key` say.
pub fn main(words: &[String]) -> ExitCode {
    match words.first().map(String::as_str) {
        Some("serve") => return serve::main(&words[1..]),
        Some("help" | "--help" | "-h") => return crate::print(USAGE),
        _ => {}
    }
    let arguments = match Arguments::parse(words) {
        Ok(arguments) => arguments,
        Err(error) => {
            crate::say(&format!("gridshell: {error:#}\n\n{USAGE}"));
            return ExitCode::from(2);
        }
    };
    run(arguments).unwrap_or_else(|error| {
        if error.chain().any(is_broken_pipe) {
            // A reader that has seen enough, as in `gridshell name2key export | head`.
            return ExitCode::SUCCESS;
        }
        crate::say(&format!("gridshell: {error:#}\n"));
        ExitCode::from(2)
    })
}

fn is_broken_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn run(arguments: Arguments) -> Result<ExitCode> {
    let Arguments { task, database, switches } = arguments;
    let makes_the_store = matches!(task, Task::Import { .. });
    let configuration = store::configuration(database.as_deref(), &switches, makes_the_store)?;
    let runtime = runtime()?;
    let store = runtime.block_on(Store::open(&configuration))?;
    let status = match task {
        Task::Import { file, grid, skip_bad } => import_file(&runtime, &store, &file, &grid, skip_bad, print)?,
        Task::Shell { spelling } => look_up_what_is_typed(&runtime, &store, spelling)?,
        other => runtime.block_on(do_task(&store, other))?,
    };
    runtime.block_on(store.close());
    Ok(status)
}

fn runtime() -> Result<Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

/// Imports a file; the summary goes to `say`.
fn import_file(
    runtime: &Runtime,
    store: &Store,
    file: &Path,
    grid: &Grid,
    skip_bad: bool,
    say: impl FnOnce(&[String]) -> Result<()>,
) -> Result<ExitCode> {
    match runtime.block_on(import::import(store.service.as_ref(), file, grid, skip_bad))? {
        Outcome::Done(lines) => {
            say(&lines)?;
            Ok(ExitCode::SUCCESS)
        }
        Outcome::Bad(message) => {
            crate::say(&format!("gridshell: {message}\nnothing of {} was stored\n", file.display()));
            Ok(ExitCode::FAILURE)
        }
        Outcome::Stopped(status) => {
            crate::say(&format!("gridshell: stopped; nothing of {} was stored\n", file.display()));
            Ok(ExitCode::from(status))
        }
    }
}

fn look_up_what_is_typed(
    runtime: &Runtime,
    store: &Store,
    spelling: gridshell_connectors::name2key::Spelling,
) -> Result<ExitCode> {
    // An import before has taken the signals from the system, so that they have to end the program here. There is nothing to lose.
    let mut signals = runtime.block_on(async { Signals::listen() })?;
    runtime.spawn(async move { std::process::exit(signals.received().await.into()) });
    shell::run(store.service.as_ref(), spelling, runtime.handle())?;
    Ok(ExitCode::SUCCESS)
}

async fn do_task(store: &Store, task: Task) -> Result<ExitCode> {
    let service = store.service.as_ref();
    let mut something_is_unknown = false;
    match task {
        Task::LookUp { asked, grid, json } => {
            for asked in asked {
                let found = Found::look_up(service, &asked, grid.as_ref()).await?;
                something_is_unknown |= found.matches.is_empty();
                print(&if json { vec![found.json().to_string()] } else { found.lines() })?;
            }
        }
        Task::Statistics { json } => {
            let statistics = service.statistics().await?;
            print(&if json {
                vec![answer::statistics_json(&statistics).to_string()]
            } else {
                answer::statistics_lines(&statistics)
            })?;
        }
        Task::Forget { keys, grid } => {
            for key in keys {
                let entries = service.forget(key, grid.as_ref()).await?;
                something_is_unknown |= entries == 0;
                print(&[answer::forgotten(key, entries)])?;
            }
        }
        Task::Export { file, grid, all } => {
            let lines = export::export(service, file.as_deref(), &ExportOptions { grid, all }).await?;
            crate::say(&format!("{lines} lines\n"));
        }
        Task::Import { .. } | Task::Shell { .. } => {}
    }
    Ok(if something_is_unknown { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn print(lines: &[String]) -> Result<()> {
    let mut out = io::stdout().lock();
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(())
}
