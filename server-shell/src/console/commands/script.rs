//! `command-script`: runs the commands of a file.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use anyhow::{Context, ensure};
use async_trait::async_trait;
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use super::general;
use crate::console::command::{CommandHandler, CommandResult, Commands};
use crate::console::output::{Output, Question};

/// Bytes of a script file.
const MAX_SCRIPT_BYTES: u64 = 1024 * 1024;

/// Scripts that may run inside one another; a script that runs itself ends here.
const MAX_DEPTH: usize = 8;

pub fn register(commands: &Arc<Commands>) {
    // Weak, because the registry owns the handler.
    let script = Script { commands: Arc::downgrade(commands), depth: AtomicUsize::new(0) };
    commands.register(general("command-script", "command-script [<path>]", "Run the commands of a file"), script);
}

struct Script {
    commands: Weak<Commands>,
    /// Scripts that are running now. Commands run one at a time, so these are inside one another.
    depth: AtomicUsize,
}

#[async_trait]
impl CommandHandler for Script {
    async fn run(&self, arguments: &[String], output: &Output) -> CommandResult {
        let path = match arguments.first() {
            Some(path) => path.clone(),
            None => output.ask(&Question { text: "Path of the script", ..Question::default() }).await?,
        };
        let text = read(&path).await.with_context(|| format!("cannot read {path}"))?;
        let Some(commands) = self.commands.upgrade() else { return Ok(()) };
        let _running = Running::begin(&self.depth)?;
        for line in text.lines().map(str::trim) {
            if !line.is_empty() && ![";", "//", "#"].iter().any(|start| line.starts_with(start)) {
                commands.execute(line, output).await;
            }
        }
        Ok(())
    }
}

async fn read(path: &str) -> anyhow::Result<String> {
    let mut text = String::new();
    File::open(path).await?.take(MAX_SCRIPT_BYTES + 1).read_to_string(&mut text).await?;
    ensure!(text.len() as u64 <= MAX_SCRIPT_BYTES, "it is longer than {MAX_SCRIPT_BYTES} bytes");
    Ok(text)
}

/// A running script; its end is counted however it comes.
struct Running<'a>(&'a AtomicUsize);

impl<'a> Running<'a> {
    fn begin(depth: &'a AtomicUsize) -> anyhow::Result<Self> {
        let running = Self(depth);
        ensure!(depth.fetch_add(1, Ordering::SeqCst) < MAX_DEPTH, "more than {MAX_DEPTH} scripts inside one another");
        Ok(running)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::command::Command;
    use crate::console::testing::{Recorder, run_line};

    fn commands() -> Arc<Commands> {
        let commands = Arc::new(Commands::default());
        register(&commands);
        commands.register(Command::new("General", "say", "say", ""), |arguments: &[String], output: &Output| {
            output.line(&arguments.join(" "));
            Ok(())
        });
        commands
    }

    #[tokio::test]
    async fn comments_and_empty_lines_are_left_out() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "\n  say \"one  two\"\r\n; say no\n\t// say no\n# say no\nwhat\nsay three").unwrap();
        let printed = run_line(&commands(), &format!("command-script {}", file.path().display())).await;
        assert_eq!(printed, ["one  two", "Invalid command", "three"]);
    }

    #[tokio::test]
    async fn a_script_that_runs_itself_ends_and_leaves_room_for_others() {
        let (commands, file) = (commands(), tempfile::NamedTempFile::new().unwrap());
        let line = format!("command-script {}", file.path().display());
        std::fs::write(&file, format!("say again\n{line}\n")).unwrap();
        for _ in 0..2 {
            let printed = run_line(&commands, &line).await;
            assert_eq!(printed.len(), MAX_DEPTH + 1);
            assert_eq!(printed[MAX_DEPTH], "Command error: more than 8 scripts inside one another");
        }
    }

    #[tokio::test]
    async fn a_path_that_is_missing_is_asked_for() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "say hello").unwrap();
        let recorder = Recorder::typing(&[file.path().to_str().unwrap()]);
        commands().execute("command-script", &recorder.output()).await;
        assert_eq!(recorder.lines(), ["Path of the script: ", "hello"]);
        let nobody = ["Path of the script: ", "Command error: no answer to \"Path of the script\": there is no more input"];
        assert_eq!(run_line(&commands(), "command-script").await, nobody);
    }

    #[tokio::test]
    async fn files_that_cannot_be_read() {
        let commands = commands();
        let printed = run_line(&commands, "command-script /no/such/file").await;
        assert_eq!(printed, ["Command error: cannot read /no/such/file: No such file or directory (os error 2)"]);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "x".repeat(1024 * 1024 + 1)).unwrap();
        let printed = run_line(&commands, &format!("command-script {}", file.path().display())).await;
        assert!(printed[0].ends_with("it is longer than 1048576 bytes"), "{printed:?}");
    }
}
