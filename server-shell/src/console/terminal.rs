//! What a kind of console is to the rest: a place that prints lines and reads lines.

use async_trait::async_trait;

/// How important a line is. The local console colours by it, the REST console passes it on (shell.md section 9.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Something failed.
    Error,
    /// Something needs attention.
    Warn,
    /// Everything else that is said.
    Normal,
    /// No message: a prompt, or the echo of what was typed.
    Plain,
}

impl Level {
    /// The name on the wire: `error`, `warn`, `normal` or nothing.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Normal => "normal",
            Self::Plain => "",
        }
    }
}

/// What is asked for, with the text that asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prompt<'a> {
    /// The main prompt: what is typed runs as a command.
    Command(&'a str),
    /// A question of a running command: what is typed is its answer.
    Question(&'a str),
}

impl Prompt<'_> {
    /// The text that is shown.
    pub fn text(&self) -> &str {
        match self {
            Self::Command(text) | Self::Question(text) => text,
        }
    }

    /// True when what is typed runs as a command.
    pub fn is_command(&self) -> bool {
        matches!(self, Self::Command(_))
    }
}

/// What comes back from a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A line, without its line end.
    Line(String),
    /// The operator wants the program to stop (Ctrl-C).
    Interrupted,
    /// No line will ever come again.
    Closed,
}

/// The longest line that is read, in bytes; a longer one is refused with a message.
pub const MAX_INPUT_BYTES: usize = 64 * 1024;

/// A kind of console.
#[async_trait]
pub trait Terminal: Send + Sync {
    /// Prints one line (no line ends inside). Never waits for a slow reader.
    fn print(&self, level: Level, line: &str);

    /// Shows the prompt and waits for a line.
    async fn read(&self, prompt: Prompt<'_>) -> Input;

    /// Ends reading and gives a terminal back as it was found. What is printed later still appears.
    fn close(&self);

    /// Waits until everything that was printed is out, at most a second.
    async fn flush(&self);
}
