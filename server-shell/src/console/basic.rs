//! The basic console: plain stdin and stdout. The printing half also serves the kinds that read nothing from a terminal.

use std::io::{self, BufRead, IsTerminal, Read};
use std::thread;

use async_trait::async_trait;
use tokio::sync::{Mutex, mpsc};

use super::printer::{Colours, Printer, write_stdout};
use super::terminal::{Input, Level, MAX_INPUT_BYTES, Prompt, Terminal};

/// Lines that are read ahead of the prompts.
const LINES_AHEAD: usize = 16;

/// Prints to stdout; reads lines from stdin, or nothing.
pub struct BasicTerminal {
    printer: Printer,
    /// `None` for a console that reads nothing.
    lines: Option<Mutex<mpsc::Receiver<Typed>>>,
    /// True when the operator's typing is visible on the same screen.
    echoed: bool,
}

/// A line of stdin, or the remark that it was too long.
enum Typed {
    Line(String),
    TooLong,
}

impl BasicTerminal {
    /// A console on stdin and stdout.
    ///
    /// # Errors
    /// When the system starts no thread.
    pub fn open() -> io::Result<Self> {
        let (sender, lines) = mpsc::channel(LINES_AHEAD);
        // Not a task of the runtime: a thread that waits for stdin would keep the runtime from ending.
        thread::Builder::new().name("console-in".to_owned()).spawn(move || read_lines(io::stdin().lock(), &sender))?;
        let printer = Printer::start(Colours::Off, write_stdout)?;
        Ok(Self { printer, lines: Some(Mutex::new(lines)), echoed: io::stdin().is_terminal() })
    }

    /// A console that prints to stdout and reads nothing.
    ///
    /// # Errors
    /// When the system starts no thread.
    pub fn printing_only() -> io::Result<Self> {
        Ok(Self { printer: Printer::start(Colours::Off, write_stdout)?, lines: None, echoed: false })
    }
}

#[async_trait]
impl Terminal for BasicTerminal {
    fn print(&self, level: Level, line: &str) {
        self.printer.line(level, line);
    }

    async fn read(&self, prompt: Prompt<'_>) -> Input {
        let Some(lines) = &self.lines else { return Input::Closed };
        loop {
            self.printer.prompt(prompt.text());
            let typed = lines.lock().await.recv().await;
            self.printer.answered(self.echoed);
            match typed {
                Some(Typed::Line(line)) => return Input::Line(line),
                Some(Typed::TooLong) => self.printer.line(Level::Error, "The line is too long."),
                // End of file means no more input; the program goes on serving (shell.md section 8.1).
                None => return Input::Closed,
            }
        }
    }

    fn close(&self) {}

    async fn flush(&self) {
        self.printer.flush().await;
    }
}

/// Reads lines until the end of the input, a read error, or the end of the console.
fn read_lines(mut input: impl BufRead, sender: &mpsc::Sender<Typed>) {
    let limit = MAX_INPUT_BYTES as u64 + 1;
    let mut skipping = false;
    loop {
        let mut bytes = Vec::new();
        match input.by_ref().take(limit).read_until(b'\n', &mut bytes) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let complete = bytes.last() == Some(&b'\n');
        let too_long = !complete && bytes.len() as u64 == limit;
        // The rest of a line that was refused is part of it.
        let was_skipping = std::mem::replace(&mut skipping, too_long);
        if was_skipping {
            continue;
        }
        let typed = if too_long {
            Typed::TooLong
        } else {
            Typed::Line(String::from_utf8_lossy(&bytes).trim_end_matches(['\n', '\r']).to_owned())
        };
        if sender.blocking_send(typed).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(input: &[u8]) -> Vec<Option<String>> {
        let (sender, mut lines) = mpsc::channel(LINES_AHEAD);
        read_lines(input, &sender);
        drop(sender);
        let mut read = Vec::new();
        while let Ok(typed) = lines.try_recv() {
            read.push(match typed {
                Typed::Line(line) => Some(line),
                Typed::TooLong => None,
            });
        }
        read
    }

    #[test]
    fn lines_end_with_either_line_end_and_the_last_needs_none() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(read_all(b"show info\r\n\nquit"), [some("show info"), some(""), some("quit")]);
        assert_eq!(read_all(b"caf\xe9\n"), [some("caf\u{fffd}")]);
        assert!(read_all(b"").is_empty());
    }

    #[test]
    fn a_line_that_is_too_long_is_refused_whole() {
        let mut input = vec![b'x'; 3 * MAX_INPUT_BYTES];
        input.extend_from_slice(b"\nquit\n");
        assert_eq!(read_all(&input), [None, Some("quit".to_owned())]);
        let longest = "y".repeat(MAX_INPUT_BYTES);
        assert_eq!(read_all(format!("{longest}\nz\n").as_bytes()), [Some(longest), Some("z".to_owned())]);
    }
}
