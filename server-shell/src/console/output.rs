//! How commands speak with the operator: lines out, questions and answers.

use std::sync::Arc;

use anyhow::bail;
use tokio::sync::{Notify, watch};

use super::terminal::{Input, Level, Prompt, Terminal};

/// The way out for lines, and in for answers. Clones speak with the same console.
#[derive(Clone)]
pub struct Output {
    terminal: Arc<dyn Terminal>,
    stop: Arc<watch::Sender<bool>>,
    interrupted: Arc<Notify>,
}

/// A question to the operator.
#[derive(Clone, Copy, Debug, Default)]
pub struct Question<'a> {
    /// What is asked for; shown as `<text>: ` or `<text> [<default>]: `.
    pub text: &'a str,
    /// What an empty answer means.
    pub default: Option<&'a str>,
    /// The only answers that are taken; empty takes any.
    pub options: &'a [&'a str],
    /// Characters that no answer may contain.
    pub forbidden: &'a [char],
}

impl Output {
    /// Speaks through this terminal.
    pub(super) fn new(terminal: Arc<dyn Terminal>) -> Self {
        Self { terminal, stop: Arc::new(watch::Sender::new(false)), interrupted: Arc::new(Notify::new()) }
    }

    /// Prints a text; each of its lines by itself.
    pub fn line(&self, text: &str) {
        self.print(Level::Normal, text);
    }

    /// Prints something that failed.
    pub fn error(&self, text: &str) {
        self.print(Level::Error, text);
    }

    /// Prints with a level.
    pub fn print(&self, level: Level, text: &str) {
        for line in text.split('\n') {
            self.terminal.print(level, line.strip_suffix('\r').unwrap_or(line));
        }
    }

    /// Asks, and asks again until the answer is one that is taken (shell.md section 8.2).
    ///
    /// # Errors
    /// When there is nobody to answer any more: the input ended, or the program stops.
    pub async fn ask(&self, question: &Question<'_>) -> anyhow::Result<String> {
        let prompt = match question.default {
            None => format!("{}: ", question.text),
            Some(default) => format!("{} [{default}]: ", question.text),
        };
        loop {
            let typed = match self.read(Prompt::Question(&prompt)).await {
                Input::Line(line) => line,
                Input::Interrupted => {
                    self.interrupted.notify_one();
                    bail!("no answer to \"{}\": interrupted", question.text);
                }
                Input::Closed => bail!("no answer to \"{}\": there is no more input", question.text),
            };
            let answer = if typed.is_empty() { question.default.unwrap_or_default().to_owned() } else { typed };
            if let Some(c) = answer.chars().find(|c| question.forbidden.contains(c)) {
                self.line(&format!("The character \"{c}\" is not permitted."));
            } else if !question.options.is_empty() && !question.options.contains(&answer.as_str()) {
                self.line(&format!("Valid options are {}", question.options.join(" ")));
            } else {
                return Ok(answer);
            }
        }
    }

    /// Reads a line; `Closed` once the console stops.
    pub(super) async fn read(&self, prompt: Prompt<'_>) -> Input {
        tokio::select! {
            biased;
            () = self.stopped() => Input::Closed,
            input = self.terminal.read(prompt) => input,
        }
    }

    /// Ends the console; see [`ConsoleHandle::stop`](super::ConsoleHandle::stop).
    pub(super) fn stop(&self) {
        if !self.stop.send_replace(true) {
            self.terminal.close();
        }
    }

    /// Waits until the console is stopped.
    pub(super) async fn stopped(&self) {
        // The sender lives in self, so waiting cannot fail.
        let _ = self.stop.subscribe().wait_for(|stopped| *stopped).await;
    }

    /// Waits until a question is answered by Ctrl-C.
    pub(super) async fn interrupted(&self) {
        self.interrupted.notified().await;
    }

    /// Waits until everything that was printed is out, at most a second.
    pub(super) async fn flush(&self) {
        self.terminal.flush().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::testing::Recorder;

    async fn ask(question: Question<'_>, typed: &[&str]) -> (anyhow::Result<String>, Vec<String>) {
        let recorder = Recorder::typing(typed);
        let answer = recorder.output().ask(&question).await;
        (answer, recorder.lines())
    }

    #[tokio::test]
    async fn defaults_options_and_forbidden_characters() {
        let question = Question { text: "First name", default: Some("Default"), ..Question::default() };
        let (answer, lines) = ask(question, &[""]).await;
        assert_eq!((answer.unwrap().as_str(), lines), ("Default", vec!["First name [Default]: ".to_owned()]));

        let question = Question { text: "Sure", options: &["yes", "no"], forbidden: &['!'], ..Question::default() };
        let (answer, lines) = ask(question, &["", "yes!", "no"]).await;
        assert_eq!(answer.unwrap(), "no");
        let expected = ["Sure: ", "Valid options are yes no", "Sure: ", "The character \"!\" is not permitted.", "Sure: "];
        assert_eq!(lines, expected);
    }

    #[tokio::test]
    async fn no_more_input_is_an_error() {
        let (answer, _) = ask(Question { text: "Who", ..Question::default() }, &[]).await;
        assert_eq!(answer.unwrap_err().to_string(), "no answer to \"Who\": there is no more input");
    }
}
