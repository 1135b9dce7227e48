//! A console for tests: keeps what is printed, types what it was given.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::command::Commands;
use super::output::Output;
use super::terminal::{Input, Level, Prompt, Terminal};

#[derive(Clone, Default)]
pub struct Recorder {
    printed: Arc<Mutex<Vec<(Level, String)>>>,
    typed: Arc<Mutex<VecDeque<String>>>,
}

impl Recorder {
    /// An operator who types these lines and then goes away.
    pub fn typing(lines: &[&str]) -> Self {
        let recorder = Self::default();
        recorder.typed.lock().unwrap().extend(lines.iter().map(|line| (*line).to_owned()));
        recorder
    }

    pub fn output(&self) -> Output {
        Output::new(Arc::new(self.clone()))
    }

    /// Everything that was printed, prompts included.
    pub fn lines(&self) -> Vec<String> {
        self.printed.lock().unwrap().iter().map(|(_, line)| line.clone()).collect()
    }

    /// The same, each line with its level before it.
    pub fn levelled(&self) -> Vec<String> {
        self.printed.lock().unwrap().iter().map(|(level, line)| format!("{} {line}", level.name())).collect()
    }
}

#[async_trait]
impl Terminal for Recorder {
    fn print(&self, level: Level, line: &str) {
        self.printed.lock().unwrap().push((level, line.to_owned()));
    }

    async fn read(&self, prompt: Prompt<'_>) -> Input {
        self.print(Level::Plain, prompt.text());
        self.typed.lock().unwrap().pop_front().map_or(Input::Closed, Input::Line)
    }

    fn close(&self) {}

    async fn flush(&self) {}
}

/// What this command prints.
pub async fn run_line(commands: &Commands, line: &str) -> Vec<String> {
    let recorder = Recorder::default();
    commands.execute(line, &recorder.output()).await;
    recorder.lines()
}
