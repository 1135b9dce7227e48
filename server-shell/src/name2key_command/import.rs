//! Taking in a file of names, and showing how far it is.

use std::io::{IsTerminal, stderr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use gridshell_interfaces::name2key::{Grid, Imported, Name2KeyService};
use gridshell_interfaces::{ErrorKind, ServiceError};
use gridshell_services::name2key::import::{NameFile, NameFileOptions, Progress};
use indicatif::{HumanDuration, ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;

use super::signals::Signals;

/// How often the progress bar moves.
const TICK: Duration = Duration::from_millis(200);

/// How an import ended.
pub enum Outcome {
    /// Everything is stored; what there is to say.
    Done(Vec<String>),
    /// The file cannot be read, so nothing of it is stored; why.
    Bad(String),
    /// It was told to stop, so nothing of it is stored; the exit status.
    Stopped(u8),
}

/// Imports a file, all of it or nothing.
///
/// # Errors
/// A fault of the store. Nothing is stored then, either.
pub async fn import(service: &dyn Name2KeyService, file: &Path, grid: &Grid, skip_bad: bool) -> Result<Outcome> {
    let started = Instant::now();
    let mut rows = match NameFile::open(file, NameFileOptions { skip_bad, ..NameFileOptions::default() }) {
        Ok(rows) => rows,
        Err(error) => return bad(error),
    };
    // Not before: opening a pipe waits for its other side, and can be ended by Ctrl-C as it is.
    let mut signals = Signals::listen()?;
    let bar = Bar::show(rows.progress());
    let imported = tokio::select! {
        // What is stored is stored, whatever came at the same moment.
        biased;
        imported = service.import(grid, &mut rows) => imported,
        status = signals.received() => return Ok(Outcome::Stopped(status)),
    };
    drop(bar);
    match imported {
        Ok(imported) => Ok(Outcome::Done(summary(&imported, started.elapsed(), &rows))),
        Err(error) => bad(error),
    }
}

/// What cannot be read is the file's fault, and told apart from those of the store.
fn bad(error: ServiceError) -> Result<Outcome> {
    match error.kind {
        ErrorKind::Invalid | ErrorKind::Refused => Ok(Outcome::Bad(error.message)),
        ErrorKind::Unavailable | ErrorKind::Internal => bail!(error),
    }
}

fn summary(imported: &Imported, took: Duration, file: &NameFile) -> Vec<String> {
    let Imported { rows, added, changed } = *imported;
    let seconds = took.as_secs_f64();
    let mut lines = vec![format!(
        "{rows} rows in {seconds:.1} s ({:.0} rows/s): {added} new, {changed} changed, {} known already",
        rows as f64 / seconds.max(0.001),
        rows.saturating_sub(added + changed)
    )];
    let bad = file.bad_lines();
    if bad.count > 0 {
        lines.push(format!("{} bad lines were left out; the first of them:", bad.count));
        lines.extend(bad.first.iter().map(|line| format!("  line {}: {}: {}", line.number, line.reason, line.excerpt)));
    }
    lines
}

/// The progress bar, on standard error when that is a terminal. Gone when this is dropped.
struct Bar {
    bar: ProgressBar,
    mover: JoinHandle<()>,
}

impl Bar {
    fn show(progress: Arc<Progress>) -> Self {
        let bar = if stderr().is_terminal() { ProgressBar::new(progress.total_bytes()) } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {percent}% {msg}") {
            bar.set_style(style);
        }
        let mover = tokio::spawn(keep_moving(bar.clone(), progress));
        Self { bar, mover }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.mover.abort();
        self.bar.finish_and_clear();
    }
}

async fn keep_moving(bar: ProgressBar, progress: Arc<Progress>) {
    let started = Instant::now();
    loop {
        let (read, total, rows) = (progress.read_bytes(), progress.total_bytes(), progress.rows());
        let speed = rows as f64 / started.elapsed().as_secs_f64().max(0.001);
        let left = match total {
            // A pipe: nobody knows how much there is to come.
            0 => String::new(),
            _ if read < total => format!(", {} left", HumanDuration(bar.eta())),
            // The file is read; what is left is the store's work.
            _ => ", finishing".to_owned(),
        };
        bar.set_position(read);
        bar.set_message(format!("{rows} rows, {speed:.0} rows/s{left}"));
        tokio::time::sleep(TICK).await;
    }
}
