//! Writing to the terminal from a thread of its own, so that a paused terminal or a full pipe holds up nobody else.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use super::terminal::Level;

/// Lines that may wait to be written; when that many wait, further ones are left out and counted.
const QUEUE_LINES: usize = 10_000;

const FLUSH_TIME: Duration = Duration::from_secs(1);

const RED: &str = "\x1b[31m";
const YELLOW: &str = "\x1b[33m";
const RESET: &str = "\x1b[0m";

/// Whether lines are coloured by their level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    /// Errors red, warnings yellow.
    ByLevel,
    /// None.
    Off,
}

enum Item {
    Line(Level, String),
    /// Text without line end, after which the operator types.
    Prompt(String),
    /// A line was read after the prompt; true when the terminal has shown it and its line end.
    Answered(bool),
    Then(Box<dyn FnOnce() + Send>),
}

/// Prints through a thread. Dropping it ends the thread after what is queued.
pub struct Printer {
    queue: SyncSender<Item>,
    left_out: AtomicUsize,
}

impl Printer {
    /// Starts the thread; `write` gets whole lines with their line end, and prompts.
    ///
    /// # Errors
    /// When the system starts no thread.
    pub fn start(colours: Colours, write: impl FnMut(&str) + Send + 'static) -> std::io::Result<Self> {
        let (queue, items) = sync_channel(QUEUE_LINES);
        thread::Builder::new().name("console-out".to_owned()).spawn(move || write_items(&items, colours, write))?;
        Ok(Self { queue, left_out: AtomicUsize::new(0) })
    }

    /// Prints a line.
    pub fn line(&self, level: Level, line: &str) {
        let left_out = self.left_out.swap(0, Ordering::Relaxed);
        if left_out > 0 {
            let message = format!("[CONSOLE]: {left_out} lines were left out because the terminal was too slow");
            if !self.put(Item::Line(Level::Warn, message)) {
                self.left_out.fetch_add(left_out, Ordering::Relaxed);
            }
        }
        if !self.put(Item::Line(level, line.to_owned())) {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Prints a prompt, without line end.
    pub fn prompt(&self, text: &str) {
        self.put(Item::Prompt(text.to_owned()));
    }

    /// Says that a line was read after the prompt; `echoed` when the terminal has shown it with its line end.
    pub fn answered(&self, echoed: bool) {
        self.put(Item::Answered(echoed));
    }

    /// Does something on the thread once everything that was queued is written. False when it will not be done, because the
    /// terminal is stuck.
    pub fn then(&self, action: impl FnOnce() + Send + 'static) -> bool {
        self.put(Item::Then(Box::new(action)))
    }

    /// Waits until everything that was queued is written, at most a second.
    pub async fn flush(&self) {
        let (done, written) = oneshot::channel();
        let tell = move || {
            // Nobody may wait any more.
            let _ = done.send(());
        };
        if self.then(tell) {
            // A terminal that is paused for good must not hold up the end of the program.
            let _ = tokio::time::timeout(FLUSH_TIME, written).await;
        }
    }

    fn put(&self, item: Item) -> bool {
        match self.queue.try_send(item) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        }
    }
}

fn write_items(items: &Receiver<Item>, colours: Colours, mut write: impl FnMut(&str)) {
    let mut after_prompt = false;
    for item in items {
        match item {
            Item::Line(level, line) => {
                let start = if after_prompt { "\n" } else { "" };
                after_prompt = false;
                match colour(level).filter(|_| colours == Colours::ByLevel) {
                    Some(colour) => write(&format!("{start}{colour}{line}{RESET}\n")),
                    None => write(&format!("{start}{line}\n")),
                }
            }
            Item::Prompt(text) => {
                write(&text);
                after_prompt = true;
            }
            Item::Answered(echoed) => after_prompt &= !echoed,
            Item::Then(action) => action(),
        }
    }
}

fn colour(level: Level) -> Option<&'static str> {
    match level {
        Level::Error => Some(RED),
        Level::Warn => Some(YELLOW),
        Level::Normal | Level::Plain => None,
    }
}

/// Writes to stdout at once. A closed stdout is no reason to stop serving, so a failure is passed over.
pub fn write_stdout(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Barrier, Mutex};

    use super::*;

    fn start(colours: Colours) -> (Printer, Arc<Mutex<String>>) {
        let written = Arc::new(Mutex::new(String::new()));
        let sink = written.clone();
        let printer = Printer::start(colours, move |text| sink.lock().unwrap().push_str(text)).unwrap();
        (printer, written)
    }

    #[tokio::test]
    async fn lines_start_on_a_line_of_their_own() {
        let (printer, written) = start(Colours::Off);
        printer.prompt("> ");
        printer.line(Level::Normal, "log");
        printer.prompt("> ");
        printer.answered(true);
        printer.line(Level::Error, "typed at a terminal");
        printer.prompt("> ");
        printer.answered(false);
        printer.line(Level::Normal, "from a pipe");
        printer.flush().await;
        assert_eq!(*written.lock().unwrap(), "> \nlog\n> typed at a terminal\n> \nfrom a pipe\n");
    }

    #[tokio::test]
    async fn colours_by_level() {
        let (printer, written) = start(Colours::ByLevel);
        printer.line(Level::Error, "e");
        printer.line(Level::Warn, "w");
        printer.line(Level::Normal, "n");
        printer.flush().await;
        assert_eq!(*written.lock().unwrap(), "\x1b[31me\x1b[0m\n\x1b[33mw\x1b[0m\nn\n");
    }

    #[tokio::test]
    async fn a_stuck_terminal_costs_lines_but_no_time() {
        let (enter, leave) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
        let (thread_enter, thread_leave) = (enter.clone(), leave.clone());
        let written = Arc::new(Mutex::new(Vec::new()));
        let sink = written.clone();
        let mut stuck = true;
        let printer = Printer::start(Colours::Off, move |text| {
            if std::mem::take(&mut stuck) {
                thread_enter.wait();
                thread_leave.wait();
            }
            sink.lock().unwrap().push(text.to_owned());
        })
        .unwrap();
        printer.line(Level::Normal, "first");
        enter.wait();
        for _ in 0..QUEUE_LINES + 5 {
            printer.line(Level::Normal, "x");
        }
        leave.wait();
        while written.lock().unwrap().len() < QUEUE_LINES {
            tokio::task::yield_now().await;
        }
        printer.flush().await;
        printer.line(Level::Normal, "last");
        printer.flush().await;
        let written = written.lock().unwrap();
        let tail = &written[written.len() - 2..];
        assert_eq!(tail, ["[CONSOLE]: 5 lines were left out because the terminal was too slow\n", "last\n"]);
        assert_eq!(written.len(), 1 + QUEUE_LINES + 2);
    }
}
