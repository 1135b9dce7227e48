//! Reads files of names: `UUID,Avatar Name` lines, plain or compressed, as W-Hat's export is (name2key.md sections 4 and 7.5).
//!
//! ```text
//! file -> decode.rs -> text in parts -> lines.rs -> row.rs -> rows.rs -> batches of rows
//!          bz2/ zip.rs
//! ```
//!
//! All this runs in a thread of its own, with some more for the blocks of a bzip2 file, ahead of whoever takes the rows by a few
//! batches. Nothing is held whole: neither the file, nor what is decoded, nor a line that is too long. Whatever the file, reading it
//! takes at most about 64 MB.

mod bz2;
mod decode;
mod lines;
mod progress;
mod row;
mod rows;
mod zip;

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use async_trait::async_trait;
use gridshell_interfaces::name2key::{NameBatch, NameRows};
use gridshell_interfaces::{Result, ServiceError};
use tokio::sync::mpsc::{Receiver, channel};

pub use self::decode::Source;
use self::decode::{Growth, text_of};
use self::lines::Lines;
pub use self::progress::Progress;
pub use self::rows::{BadLine, BadLines};
use self::rows::{Message, Rows, Stop};

/// More threads are not used for decoding: this bounds memory, and nothing that takes rows is faster.
const MAX_THREADS: usize = 4;

/// So many batches are read ahead.
const BATCHES_AHEAD: usize = 4;

/// How a file of names is read.
#[derive(Clone, Debug)]
pub struct NameFileOptions {
    /// Bad lines are counted and passed over; otherwise the first one is an error.
    pub skip_bad: bool,
    /// Threads that decode bzip2, at most four; 0 is one for each processor.
    pub threads: usize,
    /// A file that holds more bytes than this when decoded is an error.
    pub max_decoded_bytes: u64,
}

impl Default for NameFileOptions {
    /// No bad lines, a thread for each processor, 64 GiB.
    fn default() -> Self {
        Self { skip_bad: false, threads: 0, max_decoded_bytes: 64 << 30 }
    }
}

/// A file of names that is being read.
///
/// It holds CSV without a header line: a UUID and a name, quoted as RFC 4180 has it where needed, lines that end with LF or CR LF, and
/// perhaps a byte order mark. It is plain text or compressed with gzip, bzip2 (each also several pieces behind each other) or zip (the
/// first `.csv` in it); which, its content says and not its name. Names are kept as they are written, empty lines mean nothing.
///
/// When it is dropped, its threads end.
#[derive(Debug)]
pub struct NameFile {
    rows: Receiver<Message>,
    /// How it has ended.
    end: Option<Result<()>>,
    progress: Arc<Progress>,
    bad: Arc<Mutex<BadLines>>,
}

impl NameFile {
    /// Opens a file and begins to read it.
    ///
    /// # Errors
    /// `Invalid` when it cannot be opened, `Unavailable` when no thread can be started. What is wrong with its content, the rows say.
    pub fn open(path: &Path, options: NameFileOptions) -> Result<Self> {
        let name = path.display().to_string();
        let cannot_open = |error: io::Error| ServiceError::invalid(format!("cannot open {name}: {error}"));
        let file = File::open(path).map_err(cannot_open)?;
        let metadata = file.metadata().map_err(cannot_open)?;
        if metadata.is_dir() {
            return Err(cannot_open(io::ErrorKind::IsADirectory.into()));
        }
        Self::from_source(&name, file, metadata.len(), options)
    }

    /// The same for any source, whose size in bytes is `total` (0 if it is not known), and which is called `name` in errors.
    ///
    /// # Errors
    /// `Unavailable` when no thread can be started.
    pub fn from_source(name: &str, source: impl Source + 'static, total: u64, options: NameFileOptions) -> Result<Self> {
        let growth = Growth { most: options.max_decoded_bytes, free: Growth::FREE, factor: Growth::FACTOR };
        Self::start(name, source, total, &options, growth)
    }

    fn start(name: &str, source: impl Source + 'static, total: u64, options: &NameFileOptions, growth: Growth) -> Result<Self> {
        let (sender, rows) = channel(BATCHES_AHEAD);
        let progress = Arc::new(Progress::new(total));
        let bad = Arc::new(Mutex::new(BadLines::default()));
        let out = Rows::new(sender.clone(), Arc::clone(&progress), options.skip_bad.then(|| Arc::clone(&bad)));
        let (for_thread, threads, name) = (Arc::clone(&progress), threads(options.threads), name.to_owned());
        thread::Builder::new()
            .name("name-file".to_owned())
            .spawn(move || {
                if let Err(Stop::Fault(error)) = read(Box::new(source), threads, &growth, for_thread, out) {
                    let error = ServiceError { kind: error.kind, message: format!("{name}: {}", error.message) };
                    // When this fails nobody wants to know.
                    let _ = sender.blocking_send(Err(error));
                }
            })
            .map_err(|error| ServiceError::unavailable(format!("cannot start a thread: {error}")))?;
        Ok(Self { rows, end: None, progress, bad })
    }

    /// How far the reading is.
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// The lines that were passed over so far. Without [`NameFileOptions::skip_bad`] there are none.
    pub fn bad_lines(&self) -> BadLines {
        self.bad.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl NameRows for NameFile {
    async fn next(&mut self) -> Result<Option<NameBatch>> {
        if let Some(end) = &self.end {
            return end.clone().map(|()| None);
        }
        let end = match self.rows.recv().await {
            Some(Ok(Some(batch))) => return Ok(Some(batch)),
            Some(Ok(None)) => Ok(()),
            Some(Err(error)) => Err(error),
            // Without a word about the end it is none: the thread has failed.
            None => Err(ServiceError::internal("the thread that reads the file of names has ended unexpectedly")),
        };
        self.end = Some(end.clone());
        end.map(|()| None)
    }
}

/// Reads a source from its beginning to its end.
fn read(
    source: Box<dyn Source>,
    threads: usize,
    growth: &Growth,
    progress: Arc<Progress>,
    mut rows: Rows,
) -> std::result::Result<(), Stop> {
    let mut decoded = 0;
    let mut lines = Lines::default();
    for part in text_of(source, Arc::clone(&progress), threads)? {
        let part = part?;
        decoded += part.len() as u64;
        growth.check(decoded, progress.read_bytes())?;
        lines.feed(&part, &mut |number, line| rows.line(number, line))?;
    }
    lines.finish(&mut |number, line| rows.line(number, line))?;
    rows.finish()
}

/// How many threads decode: as many as are wanted, or one for each processor but the one that the store works on. All of them need the
/// caches of a processor for themselves: with two processors two that decode take longer than one.
fn threads(wanted: usize) -> usize {
    let processors = || thread::available_parallelism().map_or(1, usize::from);
    let wanted = if wanted == 0 { processors().saturating_sub(1).max(1) } else { wanted };
    wanted.min(MAX_THREADS)
}

#[cfg(test)]
mod tests;
