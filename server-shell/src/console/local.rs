//! The local console: a terminal with line editing, history, completion and context help.
//!
//! A thread of its own sits in the line editor; lines that are printed meanwhile go above the prompt through the editor's printer.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Zoned;
use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Editor, ExternalPrinter, Helper};
use tokio::sync::oneshot;

use super::command::Commands;
use super::history::{HistoryFile, HistoryOptions};
use super::printer::{Colours, Printer, write_stdout};
use super::terminal::{Input, Level, MAX_INPUT_BYTES, Prompt, Terminal};

/// The editor draws lines above the prompt in its own time and does not tell when it is done; this is plenty.
const DRAWING_TIME: Duration = Duration::from_millis(50);

/// Ends the mode in which a terminal marks what is pasted.
const BRACKETED_PASTE_OFF: &str = "\x1b[?2004l";

/// Commands that the arrow keys go back to (shell.md section 8.1).
const HISTORY_ENTRIES: usize = 100;

/// Ctrl-D this many times in a row, or a terminal that went away, ends the input.
const MAX_ENDS_IN_A_ROW: u8 = 3;

/// An interactive terminal.
pub struct LocalTerminal {
    printer: Arc<Printer>,
    requests: Sender<Request>,
    /// The terminal as it was found, to be given back when the program ends in the middle of a line.
    found: Mutex<Termios>,
    closed: Arc<AtomicBool>,
    /// True while the cursor may stand behind a prompt.
    reading: AtomicBool,
}

/// A prompt for the editor's thread, and where the answer goes.
struct Request {
    prompt: String,
    command: bool,
    answer: oneshot::Sender<Input>,
}

/// True when stdin and stdout are a terminal that can be edited on; otherwise a local console is a basic one.
pub fn is_possible() -> bool {
    let plain = std::env::var("TERM").is_ok_and(|term| ["dumb", "cons25", "emacs"].contains(&term.as_str()));
    io::stdin().is_terminal() && io::stdout().is_terminal() && !plain
}

impl LocalTerminal {
    /// Takes the terminal on stdin and stdout. A history file that cannot be used is said and left out.
    ///
    /// # Errors
    /// When the terminal cannot be used or the system starts no thread.
    pub fn open(commands: Arc<Commands>, history: Option<HistoryOptions>) -> io::Result<Self> {
        let found = tcgetattr(io::stdin())?;
        let config = Config::builder()
            .max_history_size(HISTORY_ENTRIES)
            .map_err(io::Error::other)?
            .completion_type(CompletionType::List)
            .bracketed_paste(true)
            .build();
        let mut editor = Editor::with_config(config).map_err(io::Error::other)?;
        editor.set_helper(Some(CommandHelper { commands, active: false }));
        let mut above_prompt = editor.create_external_printer().map_err(io::Error::other)?;

        let closed = Arc::new(AtomicBool::new(false));
        let direct = closed.clone();
        let printer = Arc::new(Printer::start(Colours::ByLevel, move |text| {
            // Once the terminal is given back nobody edits any more, so there is no prompt to print above.
            if direct.load(Ordering::SeqCst) || above_prompt.print(text.to_owned()).is_err() {
                write_stdout(text);
            }
        })?);
        let reader = Reader {
            history: open_history(&mut editor, &printer, history),
            editor,
            printer: printer.clone(),
            pasted: VecDeque::new(),
        };
        let (requests, received) = channel();
        // Not a task of the runtime: a thread that waits for a key would keep the runtime from ending.
        thread::Builder::new().name("console-in".to_owned()).spawn(move || reader.serve(&received))?;
        Ok(Self { printer, requests, found: Mutex::new(found), closed, reading: AtomicBool::new(false) })
    }
}

#[async_trait]
impl Terminal for LocalTerminal {
    fn print(&self, level: Level, line: &str) {
        self.printer.line(level, line);
    }

    async fn read(&self, prompt: Prompt<'_>) -> Input {
        // What a command has printed comes before the next prompt.
        self.printer.flush().await;
        let (answer, answered) = oneshot::channel();
        let request = Request { prompt: prompt.text().to_owned(), command: prompt.is_command(), answer };
        if self.requests.send(request).is_err() {
            return Input::Closed;
        }
        self.reading.store(true, Ordering::SeqCst);
        let input = answered.await.unwrap_or(Input::Closed);
        self.reading.store(false, Ordering::SeqCst);
        input
    }

    fn close(&self) {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = tcsetattr(io::stdin(), SetArg::TCSANOW, &found) {
            self.printer.line(Level::Warn, &format!("[CONSOLE]: cannot reset the terminal: {error}"));
        }
        // What was printed before still goes above the prompt.
        let (closed, reading) = (self.closed.clone(), self.reading.load(Ordering::SeqCst));
        self.printer.then(move || {
            if reading {
                thread::sleep(DRAWING_TIME);
            }
            closed.store(true, Ordering::SeqCst);
            if reading {
                write_stdout(&format!("{BRACKETED_PASTE_OFF}\n"));
            }
        });
    }

    async fn flush(&self) {
        self.printer.flush().await;
    }
}

fn open_history(
    editor: &mut Editor<CommandHelper, DefaultHistory>,
    printer: &Printer,
    options: Option<HistoryOptions>,
) -> Option<HistoryFile> {
    let options = options?;
    let path = options.path.clone();
    let opened = HistoryFile::open(options).and_then(|(file, commands)| {
        for command in commands {
            editor.add_history_entry(command).map_err(io::Error::other)?;
        }
        Ok(file)
    });
    let explain = |error| printer.line(Level::Warn, &format!("[CONSOLE]: no history from {}: {error}", path.display()));
    opened.map_err(explain).ok()
}

/// The editor and its thread.
struct Reader {
    editor: Editor<CommandHelper, DefaultHistory>,
    printer: Arc<Printer>,
    history: Option<HistoryFile>,
    /// Further lines of a text that was pasted; they are typed at the next prompts.
    pasted: VecDeque<String>,
}

impl Reader {
    /// Answers prompts until the console is gone or the terminal is.
    fn serve(mut self, requests: &Receiver<Request>) {
        for request in requests {
            let input = self.read(&request);
            let over = input == Input::Closed;
            if request.answer.send(input).is_err() || over {
                return;
            }
        }
    }

    fn read(&mut self, request: &Request) -> Input {
        if let Some(helper) = self.editor.helper_mut() {
            helper.active = request.command;
        }
        let mut start = String::new();
        loop {
            let line = match self.pasted.pop_front() {
                Some(line) => {
                    self.printer.line(Level::Plain, &format!("{}{line}", request.prompt));
                    line
                }
                None => match self.edit(&request.prompt, &start) {
                    Input::Line(line) => line,
                    other => return other,
                },
            };
            start.clear();
            if line.len() > MAX_INPUT_BYTES {
                self.printer.line(Level::Error, "The line is too long.");
                continue;
            }
            if !request.command {
                return Input::Line(line);
            }
            if let Some(text) = asks_for_help(&line) {
                if let Some(helper) = self.editor.helper() {
                    self.printer.line(Level::Normal, &helper.commands.context_help(text));
                }
                start = text.to_owned();
                continue;
            }
            self.remember(&line);
            return Input::Line(line);
        }
    }

    /// Lets the operator edit a line that begins with `start`. Of a text of several lines the first is given.
    fn edit(&mut self, prompt: &str, start: &str) -> Input {
        for _ in 0..MAX_ENDS_IN_A_ROW {
            match self.editor.readline_with_initial(prompt, (start, "")) {
                Ok(text) => {
                    let mut lines = text.strip_suffix('\n').unwrap_or(&text).split('\n').map(str::to_owned);
                    let first = lines.next().unwrap_or_default();
                    self.pasted.extend(lines);
                    return Input::Line(first);
                }
                Err(ReadlineError::Interrupted) => return Input::Interrupted,
                Err(ReadlineError::Eof) => {
                    self.printer.line(Level::Normal, "Type quit or press Ctrl-C to stop the program.");
                }
                Err(error) => {
                    self.printer.line(Level::Error, &format!("[CONSOLE]: the terminal cannot be read: {error}"));
                    return Input::Closed;
                }
            }
        }
        self.printer.line(Level::Warn, "[CONSOLE]: end of input");
        Input::Closed
    }

    fn remember(&mut self, line: &str) {
        if line.trim().is_empty() {
            return;
        }
        // Only a failing history back end could refuse, and this one is in memory.
        let _ = self.editor.add_history_entry(line);
        let Some(history) = &self.history else { return };
        if let Err(error) = history.append(line, &Zoned::now()) {
            self.printer.line(Level::Warn, &format!("[CONSOLE]: the history is no longer written: {error}"));
            self.history = None;
        }
    }
}

/// The text before a `?` at the end of the line; `None` for other lines and when the last word is a web address, in which a `?` is
/// a character like others.
fn asks_for_help(line: &str) -> Option<&str> {
    let text = line.trim_end().strip_suffix('?')?;
    let last = text.rsplit(char::is_whitespace).next().unwrap_or_default();
    (!last.starts_with("http")).then_some(text)
}

/// Completes command words.
struct CommandHelper {
    commands: Arc<Commands>,
    /// False while a question is answered.
    active: bool,
}

impl Completer for CommandHelper {
    type Candidate = String;

    fn complete(&self, line: &str, position: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let text = &line[..position];
        if !self.active || text.contains('"') {
            return Ok((position, Vec::new()));
        }
        let unfinished = text.rsplit(char::is_whitespace).next().unwrap_or_default();
        let words = self.commands.completions(text).into_iter().map(|word| word + " ").collect();
        Ok((text.len() - unfinished.len(), words))
    }
}

impl Highlighter for CommandHelper {
    fn highlight_candidate<'c>(&self, candidate: &'c str, _: CompletionType) -> Cow<'c, str> {
        Cow::Borrowed(candidate)
    }
}

impl Hinter for CommandHelper {
    type Hint = String;
}

impl Validator for CommandHelper {}

impl Helper for CommandHelper {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_mark_at_the_end_asks_for_help() {
        assert_eq!(asks_for_help("?"), Some(""));
        assert_eq!(asks_for_help("show ?"), Some("show "));
        assert_eq!(asks_for_help("show inf?  "), Some("show inf"));
        assert_eq!(asks_for_help("link-region http://grid.example/?"), None);
        assert_eq!(asks_for_help("show ? info"), None);
    }
}
