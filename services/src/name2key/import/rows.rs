//! Makes batches of rows out of lines, and keeps account of the bad ones.

use std::sync::{Arc, Mutex, PoisonError};

use gridshell_interfaces::name2key::NameBatch;
use gridshell_interfaces::{Result, ServiceError};
use tokio::sync::mpsc::Sender;

use super::lines::{Line, MAX_LINE_BYTES};
use super::progress::Progress;
use super::row;

/// Rows of a batch: enough that handing it over costs nothing.
const BATCH_ROWS: usize = 8192;

/// So many bad lines are kept.
const KEPT_BAD_LINES: usize = 10;
const EXCERPT_CHARACTERS: usize = 60;

/// What some programs write at the beginning of a text in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A line that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// The first line is 1.
    pub number: u64,
    /// What is wrong with it.
    pub reason: String,
    /// How it begins, with escapes for what could disturb a terminal.
    pub excerpt: String,
}

/// The lines that were passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BadLines {
    /// How many there were.
    pub count: u64,
    /// The first ten.
    pub first: Vec<BadLine>,
}

/// What goes to the one who takes the rows; `None` is the end.
pub(super) type Message = Result<Option<NameBatch>>;

/// Why reading ends early.
#[derive(Debug)]
pub(super) enum Stop {
    /// Nobody takes rows any more.
    Unwanted,
    Fault(ServiceError),
}

impl From<ServiceError> for Stop {
    fn from(error: ServiceError) -> Self {
        Self::Fault(error)
    }
}

/// Takes lines, and sends batches of rows.
pub(super) struct Rows {
    batch: NameBatch,
    out: Sender<Message>,
    progress: Arc<Progress>,
    /// Where bad lines are noted; without it the first one ends the reading.
    bad: Option<Arc<Mutex<BadLines>>>,
    any_lines: bool,
}

impl Rows {
    pub(super) fn new(out: Sender<Message>, progress: Arc<Progress>, bad: Option<Arc<Mutex<BadLines>>>) -> Self {
        Self { batch: NameBatch::default(), out, progress, bad, any_lines: false }
    }

    /// Takes a line. Empty ones mean nothing.
    ///
    /// # Errors
    /// What is wrong with it, unless bad lines are passed over.
    pub(super) fn line(&mut self, number: u64, line: Line<'_>) -> std::result::Result<(), Stop> {
        let bytes = match line {
            Line::Whole(line) => line,
            Line::TooLong(beginning) => {
                return self.bad_line(number, format!("it is longer than {MAX_LINE_BYTES} bytes"), beginning);
            }
        };
        let bytes = if number == 1 { bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes) } else { bytes };
        if bytes.is_empty() {
            return Ok(());
        }
        match row::parse(bytes) {
            Ok((key, name)) => self.batch.push(key, &name),
            Err(reason) => return self.bad_line(number, reason, bytes),
        }
        if self.batch.len() < BATCH_ROWS { Ok(()) } else { self.send_batch() }
    }

    /// Sends what is left, and that this is the end.
    ///
    /// # Errors
    /// There was no line at all.
    pub(super) fn finish(mut self) -> std::result::Result<(), Stop> {
        if !self.batch.is_empty() {
            self.send_batch()?;
        }
        if !self.any_lines {
            return Err(ServiceError::invalid("it holds no names").into());
        }
        self.out.blocking_send(Ok(None)).map_err(|_| Stop::Unwanted)
    }

    fn send_batch(&mut self) -> std::result::Result<(), Stop> {
        self.any_lines = true;
        self.progress.add_rows(self.batch.len() as u64);
        self.out.blocking_send(Ok(Some(std::mem::take(&mut self.batch)))).map_err(|_| Stop::Unwanted)
    }

    fn bad_line(&mut self, number: u64, reason: String, line: &[u8]) -> std::result::Result<(), Stop> {
        self.any_lines = true;
        let Some(bad) = &self.bad else {
            return Err(ServiceError::invalid(format!("line {number}: {reason}: {}", excerpt(line))).into());
        };
        let mut bad = bad.lock().unwrap_or_else(PoisonError::into_inner);
        bad.count += 1;
        if bad.first.len() < KEPT_BAD_LINES {
            bad.first.push(BadLine { number, reason, excerpt: excerpt(line) });
        }
        // When no line is good, nothing else would show that nobody waits any more.
        if self.out.is_closed() { Err(Stop::Unwanted) } else { Ok(()) }
    }
}

fn excerpt(line: &[u8]) -> String {
    let beginning = &line[..line.len().min(4 * EXCERPT_CHARACTERS)];
    let text = String::from_utf8_lossy(beginning);
    let mut excerpt: String = text.chars().take(EXCERPT_CHARACTERS).flat_map(char::escape_debug).collect();
    if text.chars().count() > EXCERPT_CHARACTERS || beginning.len() < line.len() {
        excerpt.push_str("...");
    }
    excerpt
}
