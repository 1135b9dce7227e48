//! The console: how an operator speaks with the running program (shell.md sections 8 and 9).
//!
//! A [`Console`] joins a kind of terminal ([`ConsoleKind`]) with the registry of [`Commands`]. Everything that is said goes through
//! [`Output`], everything that is typed comes through one queue, whichever kind it is. Commands of the program itself are in
//! [`commands`]; what they need from the program is the trait [`Shell`].

mod basic;
mod command;
pub mod commands;
mod help;
mod history;
mod local;
mod output;
mod printer;
mod rest;
mod shell;
mod terminal;
#[cfg(test)]
mod testing;
mod tree;
mod words;
mod xml;

use std::io;
use std::sync::Arc;

pub use command::Commands;
pub use history::HistoryOptions;
pub use rest::{RestConsole, RestOptions, RestReply, RestTimes};
pub use shell::{ConfigSection, HttpDirection, LogLevel, Shell, Statistic};
pub use terminal::Level;

use basic::BasicTerminal;
use local::LocalTerminal;
use output::Output;
use printer::{Colours, Printer, write_stdout};
use terminal::{Input, Prompt, Terminal};

/// The kinds of console (`[Startup] console`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsoleKind {
    /// A terminal with line editing; a basic console where stdin or stdout is no such terminal.
    Local,
    /// Plain stdin and stdout.
    Basic,
    /// Over HTTP; prints to stdout too.
    Rest,
    /// Prints to stdout, reads nothing.
    None,
}

impl ConsoleKind {
    /// The kind of this name: `local`, `basic`, `rest`, and `none` or the original's `mock`. `None` for any other name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "local" => Some(Self::Local),
            "basic" => Some(Self::Basic),
            "rest" => Some(Self::Rest),
            "none" | "mock" => Some(Self::None),
            _ => None,
        }
    }
}

/// How the console is set up.
#[derive(Clone, Debug)]
pub struct ConsoleOptions {
    /// Which kind.
    pub kind: ConsoleKind,
    /// The prompt without the `# ` (`[Startup] Prompt`, `R.O.B.U.S.T.` where it is not set).
    pub prompt: String,
    /// The history file of a local console, if it keeps one.
    pub history: Option<HistoryOptions>,
    /// Log-in and headers of a REST console.
    pub rest: RestOptions,
    /// Times of a REST console.
    pub rest_times: RestTimes,
}

/// The console of the program.
pub struct Console {
    commands: Arc<Commands>,
    output: Output,
    prompt: String,
    rest: Option<Arc<RestConsole>>,
}

impl Console {
    /// Takes the terminal. Nothing is read before [`run`](Self::run); what is printed appears at once.
    ///
    /// # Errors
    /// When the terminal cannot be used or the system starts no thread.
    pub fn open(options: ConsoleOptions) -> io::Result<Self> {
        let commands = Arc::new(Commands::default());
        let mut rest = None;
        let terminal: Arc<dyn Terminal> = match options.kind {
            ConsoleKind::Local if local::is_possible() => Arc::new(LocalTerminal::open(commands.clone(), options.history)?),
            ConsoleKind::Local | ConsoleKind::Basic => Arc::new(BasicTerminal::open()?),
            ConsoleKind::None => Arc::new(BasicTerminal::printing_only()?),
            ConsoleKind::Rest => {
                let printer = Printer::start(Colours::Off, write_stdout)?;
                let prompt = options.prompt.clone();
                let console = RestConsole::new(options.rest, options.rest_times, prompt, commands.clone(), printer);
                rest.insert(Arc::new(console)).clone()
            }
        };
        Ok(Self { commands, output: Output::new(terminal), prompt: format!("{}# ", options.prompt), rest })
    }

    /// The registry of commands.
    pub fn commands(&self) -> &Arc<Commands> {
        &self.commands
    }

    /// The HTTP side of a REST console; `None` for other kinds.
    pub fn rest(&self) -> Option<&Arc<RestConsole>> {
        self.rest.as_ref()
    }

    /// The way to print and to stop from elsewhere.
    pub fn handle(&self) -> ConsoleHandle {
        ConsoleHandle { output: self.output.clone() }
    }

    /// Reads commands and runs them one after the other, until the console is stopped or there is no more input: the program then
    /// goes on serving without. Ctrl-C at a prompt requests the stop of the program.
    pub async fn run(&self, shell: &dyn Shell) {
        tokio::select! {
            biased;
            () = self.output.stopped() => {}
            () = self.output.interrupted() => shell.request_stop(),
            () = self.serve(shell) => {}
        }
    }

    async fn serve(&self, shell: &dyn Shell) {
        loop {
            match self.output.read(Prompt::Command(&self.prompt)).await {
                Input::Line(line) => self.commands.execute(&line, &self.output).await,
                Input::Interrupted => return shell.request_stop(),
                Input::Closed => return,
            }
        }
    }
}

/// Prints on the console and stops it, from anywhere.
#[derive(Clone)]
pub struct ConsoleHandle {
    output: Output,
}

impl ConsoleHandle {
    /// Prints a log line above the prompt. Never waits.
    pub fn log_line(&self, level: Level, text: &str) {
        self.output.print(level, text);
    }

    /// Ends the reading of commands and gives the terminal back as it was found; polls of a REST console that are held are
    /// answered. What is printed later still appears. Call it at the beginning of an orderly stop.
    pub fn stop(&self) {
        self.output.stop();
    }

    /// Waits until everything that was printed is out, at most a second. Call it last, before the process ends.
    pub async fn flush(&self) {
        self.output.flush().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::command::{Command, CommandHandler, CommandResult};
    use super::output::Question;
    use super::testing::Recorder;
    use super::*;
    use crate::console::shell::testing::FakeShell;

    fn console(terminal: Arc<dyn Terminal>) -> Console {
        let commands = Arc::new(Commands::default());
        Console { commands, output: Output::new(terminal), prompt: "R.O.B.U.S.T.# ".to_owned(), rest: None }
    }

    #[tokio::test]
    async fn commands_run_until_the_input_ends() {
        let recorder = Recorder::typing(&["fail", "", "nonsense"]);
        let console = console(Arc::new(recorder.clone()));
        let fail = |_: &[String], _: &Output| Err(anyhow::anyhow!("no"));
        console.commands().register(Command::new("General", "fail", "fail", "Fail"), fail);
        let shell = FakeShell::default();
        console.run(&shell).await;
        let prompt = "R.O.B.U.S.T.# ";
        assert_eq!(recorder.lines(), [prompt, "Command error: no", prompt, prompt, "Invalid command", prompt]);
        assert_eq!(shell.stops(), 0);
    }

    /// A terminal where the operator presses Ctrl-C at the second prompt.
    #[derive(Default)]
    struct CtrlC(AtomicUsize);

    #[async_trait::async_trait]
    impl Terminal for CtrlC {
        fn print(&self, _: Level, _: &str) {}

        async fn read(&self, _: Prompt<'_>) -> Input {
            if self.0.fetch_add(1, Ordering::SeqCst) == 0 { Input::Line("ask".to_owned()) } else { Input::Interrupted }
        }

        fn close(&self) {}

        async fn flush(&self) {}
    }

    struct Ask;

    #[async_trait::async_trait]
    impl CommandHandler for Ask {
        async fn run(&self, _: &[String], output: &Output) -> CommandResult {
            output.ask(&Question { text: "Sure", ..Question::default() }).await.map(drop)
        }
    }

    #[tokio::test]
    async fn ctrl_c_at_a_prompt_or_a_question_requests_the_stop_once() {
        let at_prompt = console(Arc::new(CtrlC::default()));
        let shell = FakeShell::default();
        at_prompt.run(&shell).await;
        assert_eq!(shell.stops(), 1);

        let at_question = console(Arc::new(CtrlC::default()));
        at_question.commands().register(Command::new("General", "ask", "ask", "Ask"), Ask);
        let shell = FakeShell::default();
        at_question.run(&shell).await;
        assert_eq!(shell.stops(), 1);
    }

    /// A terminal at which nobody ever types.
    struct Silent;

    #[async_trait::async_trait]
    impl Terminal for Silent {
        fn print(&self, _: Level, _: &str) {}

        async fn read(&self, _: Prompt<'_>) -> Input {
            std::future::pending().await
        }

        fn close(&self) {}

        async fn flush(&self) {}
    }

    #[tokio::test]
    async fn a_stop_ends_a_console_that_waits() {
        let console = console(Arc::new(Silent));
        let handle = console.handle();
        let running = tokio::spawn(async move { console.run(&FakeShell::default()).await });
        tokio::task::yield_now().await;
        handle.stop();
        handle.flush().await;
        running.await.unwrap();
    }
}
