//! `get log level` and `set log level`.

use std::sync::Arc;

use super::general;
use crate::console::command::Commands;
use crate::console::output::Output;
use crate::console::shell::{LogLevel, Shell};

pub fn register(commands: &Commands, shell: &Arc<dyn Shell>) {
    let program = shell.clone();
    commands.register(
        general("get log level", "get log level", "Get the current console logging level"),
        move |_: &[String], output: &Output| {
            output.line(&current_level(&*program));
            Ok(())
        },
    );
    let program = shell.clone();
    commands.register(
        general("set log level", "set log level <level>", "Set the console logging level for this session"),
        move |arguments: &[String], output: &Output| {
            let [name] = arguments else {
                output.line("Usage: set log level <level>");
                return Ok(());
            };
            match LogLevel::from_name(name) {
                Some(level) => program.set_log_level(level)?,
                None => {
                    let names = LogLevel::ALL.map(LogLevel::name).join(", ");
                    output.line(&format!("{name} is not a valid logging level.  Valid logging levels are {names}"));
                }
            }
            output.line(&current_level(&*program));
            Ok(())
        },
    );
}

fn current_level(shell: &dyn Shell) -> String {
    format!("Console log level is {}", shell.log_level().name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::shell::testing::FakeShell;
    use crate::console::testing::run_line;

    #[tokio::test]
    async fn levels() {
        let commands = Commands::default();
        register(&commands, &(Arc::new(FakeShell::default()) as Arc<dyn Shell>));
        assert_eq!(run_line(&commands, "get log level").await, ["Console log level is ALL"]);
        assert_eq!(run_line(&commands, "set log level wArn").await, ["Console log level is WARN"]);
        assert_eq!(
            run_line(&commands, "set log level loud").await,
            [
                "loud is not a valid logging level.  Valid logging levels are ALL, DEBUG, INFO, WARN, ERROR, FATAL, OFF",
                "Console log level is WARN",
            ]
        );
        assert_eq!(run_line(&commands, "set log level").await, ["Usage: set log level <level>"]);
    }
}
