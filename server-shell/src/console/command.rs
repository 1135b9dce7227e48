//! Commands: what one is, and the registry that finds and runs them.

use std::any::Any;
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard};

use async_trait::async_trait;

use super::help;
use super::output::Output;
use super::tree::Node;
use super::words::split_words;

/// What a handler answers: nothing, since it has printed what it had to say, or an error, which is printed.
pub type CommandResult = anyhow::Result<()>;

/// What is known about a command.
#[derive(Clone, Debug)]
pub struct Command {
    /// The group that it is listed in, such as `General`.
    pub category: String,
    /// The words that it is called by, separated by blanks: `show asset`.
    pub words: String,
    /// How it is written with its arguments: `show asset <ID>`.
    pub syntax: String,
    /// What it does, in one line.
    pub help: String,
    /// More about it, may be empty, may have several lines.
    pub long_help: String,
    /// True when further handlers for the same words are left out because one does for all (shell.md section 8.2).
    pub shared: bool,
}

impl Command {
    /// A command that is not shared and has no long help.
    pub fn new(category: &str, words: &str, syntax: &str, help: &str) -> Self {
        let [category, words, syntax, help] = [category, words, syntax, help].map(str::to_owned);
        Self { category, words, syntax, help, long_help: String::new(), shared: false }
    }

    /// The same command with a long help.
    pub fn with_long_help(mut self, long_help: &str) -> Self {
        self.long_help = long_help.to_owned();
        self
    }
}

/// Does the work of a command. A closure `Fn(&[String], &Output) -> CommandResult` is one, for work that does not wait.
#[async_trait]
pub trait CommandHandler: Send + Sync {
    /// Runs the command; `arguments` are the words after its own.
    ///
    /// # Errors
    /// What went wrong; it is printed as `Command error: ...`.
    async fn run(&self, arguments: &[String], output: &Output) -> CommandResult;
}

#[async_trait]
impl<F> CommandHandler for F
where
    F: Fn(&[String], &Output) -> CommandResult + Send + Sync,
{
    async fn run(&self, arguments: &[String], output: &Output) -> CommandResult {
        self(arguments, output)
    }
}

/// All commands of the program.
#[derive(Default)]
pub struct Commands {
    tree: RwLock<Node>,
    /// Those that stay when others are replaced.
    lasting: OnceLock<Node>,
}

impl Commands {
    /// Adds a command. If its words are taken already, both handlers run, unless the command there is shared: then the new one
    /// is left out.
    pub fn register(&self, command: Command, handler: impl CommandHandler + 'static) {
        self.tree.write().unwrap_or_else(PoisonError::into_inner).insert(command, Arc::new(handler));
    }

    /// Puts the commands of services in place of those that the last call has registered. What was registered before the first call stays.
    pub fn replace_services(&self, register: impl FnOnce(&Commands)) {
        let lasting = self.lasting.get_or_init(|| self.tree().clone());
        let replacement = Commands { tree: RwLock::new(lasting.clone()), lasting: OnceLock::new() };
        register(&replacement);
        let tree = replacement.tree.into_inner().unwrap_or_else(PoisonError::into_inner);
        *self.tree.write().unwrap_or_else(PoisonError::into_inner) = tree;
    }

    /// Runs one line. Whatever happens is said on the console; a handler that fails or panics ends nothing but itself.
    pub async fn execute(&self, line: &str, output: &Output) {
        let words = split_words(line);
        if words.is_empty() {
            return;
        }
        let found = self.tree().find(&words).map(|(entry, used)| (entry.handlers.clone(), used));
        let Some((handlers, used)) = found else {
            output.line("Invalid command");
            return;
        };
        for handler in handlers {
            let (arguments, handler_output) = (words[used..].to_vec(), output.clone());
            // A task of its own, so that a panic comes back as a value.
            let outcome = tokio::spawn(async move { handler.run(&arguments, &handler_output).await }).await;
            match outcome {
                Ok(Ok(())) => {}
                Ok(Err(error)) => output.error(&format!("Command error: {error:#}")),
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => output.error(&format!("Command error: {}", panic_text(panic.as_ref()))),
                    Err(cancelled) => output.error(&format!("Command error: {cancelled}")),
                },
            }
        }
    }

    /// The lines that `help` prints for these arguments.
    pub fn help(&self, arguments: &[String]) -> Vec<String> {
        help::help_lines(&self.tree(), arguments)
    }

    /// The commands as the `<HelpTree>` element of the REST console.
    pub fn help_tree(&self) -> String {
        help::help_tree(&self.tree())
    }

    /// What can be typed after `text`, for the `?` of the local console.
    pub fn context_help(&self, text: &str) -> String {
        let (words, beginning) = split_unfinished(text);
        self.tree().context_help(&words, &beginning)
    }

    /// The words that the unfinished last word of `text` can become.
    pub fn completions(&self, text: &str) -> Vec<String> {
        let (words, beginning) = split_unfinished(text);
        self.tree().completions(&words, &beginning).into_iter().map(str::to_owned).collect()
    }

    fn tree(&self) -> RwLockReadGuard<'_, Node> {
        self.tree.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The finished words of a line, and the last one as far as it is typed (empty after a blank).
fn split_unfinished(text: &str) -> (Vec<String>, String) {
    let mut words = split_words(text);
    let finished = text.is_empty() || text.ends_with(char::is_whitespace);
    let beginning = if finished { None } else { words.pop() };
    (words, beginning.unwrap_or_default())
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "the command panicked".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::testing::{Recorder, run_line};

    fn echo(name: &'static str) -> impl CommandHandler {
        move |arguments: &[String], output: &Output| {
            output.line(&format!("{name}{arguments:?}"));
            Ok(())
        }
    }

    fn commands() -> Commands {
        let commands = Commands::default();
        for words in ["show info", "show infamy", "show in", "show uptime", "set log level", "stats", "stats show"] {
            commands.register(Command::new("General", words, words, "Does it"), echo(words));
        }
        commands
    }

    #[tokio::test]
    async fn words_may_be_abbreviated_while_they_are_unique() {
        let commands = commands();
        for (line, expected) in [
            ("show info", "show info[]"),
            ("sh u", "show uptime[]"),
            ("show in", "show in[]"),
            ("show inf", "Invalid command"),
            ("s u", "Invalid command"),
            ("show", "Invalid command"),
            ("Show info", "Invalid command"),
            ("nothing", "Invalid command"),
            ("\"\"", "Invalid command"),
            ("set l l \"a b\" c", "set log level[\"a b\", \"c\"]"),
            ("stats x", "stats[\"x\"]"),
            ("stats s", "stats show[]"),
        ] {
            assert_eq!(run_line(&commands, line).await, [expected], "{line}");
        }
        assert!(run_line(&commands, "   ").await.is_empty());
    }

    #[tokio::test]
    async fn two_handlers_both_run_unless_the_command_is_shared() {
        let commands = Commands::default();
        for shared in [false, true] {
            for name in ["first", "second"] {
                let words = if shared { "b" } else { "a" };
                commands.register(Command { shared, ..Command::new("General", words, words, "") }, echo(name));
            }
        }
        assert_eq!(run_line(&commands, "a").await, ["first[]", "second[]"]);
        assert_eq!(run_line(&commands, "b").await, ["first[]"]);
    }

    #[tokio::test]
    async fn errors_and_panics_are_printed_and_the_next_handler_runs() {
        let commands = Commands::default();
        let command = || Command::new("General", "go", "go", "");
        commands.register(command(), |_: &[String], _: &Output| Err(anyhow::anyhow!("disk full").context("cannot write")));
        commands.register(command(), |_: &[String], _: &Output| panic!("out of {}", "luck"));
        commands.register(command(), echo("still here"));
        let recorder = Recorder::default();
        commands.execute("go", &recorder.output()).await;
        let lines = recorder.levelled();
        assert_eq!(
            lines,
            ["error Command error: cannot write: disk full", "error Command error: out of luck", "normal still here[]"]
        );
    }

    #[test]
    fn completion_and_help_in_the_middle_of_a_line() {
        let commands = commands();
        assert_eq!(commands.completions("s"), ["set", "show", "stats"]);
        assert_eq!(commands.completions("sh in"), ["in", "infamy", "info"]);
        assert_eq!(commands.completions("stats sh"), ["show"]);
        assert!(commands.completions("show info x").is_empty());
        assert_eq!(commands.context_help(""), "Options: set show stats");
        assert_eq!(commands.context_help("show "), "Options: in infamy info uptime");
        assert_eq!(commands.context_help("show inf"), "Options: infamy info");
        assert_eq!(commands.context_help("stats "), "Options: show <cr>");
        assert_eq!(commands.context_help("set log level "), "Command help: set log level");
        assert_eq!(commands.context_help("set log level DEB"), "Command help: set log level");
        assert_eq!(commands.context_help("what "), "Invalid command");
    }
}
