//! `help`, `show info`, `show version`, `show uptime`, `show checks`, `quit` and `shutdown`.

use std::sync::Arc;

use jiff::{SignedDuration, Zoned};

use super::general;
use crate::console::command::{Command, Commands};
use crate::console::output::Output;
use crate::console::shell::Shell;

pub fn register(commands: &Arc<Commands>, shell: &Arc<dyn Shell>) {
    // Weak, because the registry owns the handler.
    let registry = Arc::downgrade(commands);
    commands.register(
        Command::new(
            "Help",
            "help",
            "help [<item>]",
            "Display help on a particular command or on a list of commands in a category",
        ),
        move |arguments: &[String], output: &Output| {
            if let Some(registry) = registry.upgrade() {
                registry.help(arguments).iter().for_each(|line| output.line(line));
            }
            Ok(())
        },
    );
    let program = shell.clone();
    commands.register(
        general("show info", "show info", "Show general information about the server"),
        move |_: &[String], output: &Output| {
            output.line(&version_line(&*program));
            output.line(&format!("Startup directory: {}", std::env::current_dir()?.display()));
            output.line(&format!("Console log level: {}", program.log_level().name()));
            Ok(())
        },
    );
    let program = shell.clone();
    commands.register(general("show version", "show version", "Show server version"), move |_: &[String], output: &Output| {
        output.line(&version_line(&*program));
        Ok(())
    });
    let program = shell.clone();
    commands.register(general("show uptime", "show uptime", "Show server uptime"), move |_: &[String], output: &Output| {
        uptime_lines(&program.now(), &program.started_at()).iter().for_each(|line| output.line(line));
        Ok(())
    });
    commands.register(
        general("show checks", "show checks [list]", "Show checks configured for this server"),
        |arguments: &[String], output: &Output| {
            // ROBUST has no checks, so there is a list without names.
            if arguments.first().is_some_and(|word| word == "list") {
                output.line("check categories available are:");
            }
            Ok(())
        },
    );
    for (word, help) in [("quit", "Quit the application"), ("shutdown", "Quit the application")] {
        let program = shell.clone();
        commands.register(general(word, word, help), move |_: &[String], _: &Output| {
            program.request_stop();
            Ok(())
        });
    }
}

fn version_line(shell: &dyn Shell) -> String {
    format!("Version: {} (SIM-0.3/0.8)", shell.version())
}

fn uptime_lines(now: &Zoned, started_at: &Zoned) -> [String; 3] {
    [
        format!("Time now is {}", now.strftime("%Y-%m-%d %H:%M:%S")),
        format!("Server has been running since {}", started_at.strftime("%A, %Y-%m-%d %H:%M:%S")),
        format!("That is an elapsed time of {}", elapsed(now.duration_since(started_at))),
    ]
}

/// `[d.]hh:mm:ss[.fffffff]`: days and fractions only when there are any. A clock that was set back counts as no time.
fn elapsed(time: SignedDuration) -> String {
    let time = time.max(SignedDuration::ZERO);
    let seconds = time.as_secs();
    let days = match seconds / 86_400 {
        0 => String::new(),
        days => format!("{days}."),
    };
    let fraction = match time.subsec_nanos() / 100 {
        0 => String::new(),
        fraction => format!(".{fraction:07}"),
    };
    let (hours, minutes, seconds) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{days}{hours:02}:{minutes:02}:{seconds:02}{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::shell::testing::FakeShell;
    use crate::console::testing::run_line;

    fn commands() -> (Arc<Commands>, Arc<FakeShell>) {
        let (commands, shell) = (Arc::new(Commands::default()), Arc::new(FakeShell::default()));
        register(&commands, &(shell.clone() as Arc<dyn Shell>));
        (commands, shell)
    }

    #[tokio::test]
    async fn information() {
        let (commands, _) = commands();
        let version = "Version: OpenSim 0.9.3.1 Nessie Dev (SIM-0.3/0.8)";
        assert_eq!(run_line(&commands, "show version").await, [version]);
        let folder = format!("Startup directory: {}", std::env::current_dir().unwrap().display());
        assert_eq!(run_line(&commands, "show info").await, [version, &folder, "Console log level: ALL"]);
        assert_eq!(
            run_line(&commands, "show uptime").await,
            [
                "Time now is 2026-07-20 11:22:33",
                "Server has been running since Monday, 2026-07-20 09:00:00",
                "That is an elapsed time of 02:22:33.1234567",
            ]
        );
        assert!(run_line(&commands, "show checks").await.is_empty());
        assert_eq!(run_line(&commands, "show checks list").await, ["check categories available are:"]);
        let expected = ["", "quit", "Quit the application", ""];
        assert_eq!(run_line(&commands, "help quit").await, expected);
    }

    #[test]
    fn elapsed_times() {
        assert_eq!(elapsed(SignedDuration::from_secs(5)), "00:00:05");
        assert_eq!(elapsed(SignedDuration::from_hours(12 * 24) + SignedDuration::from_mins(61)), "12.01:01:00");
        assert_eq!(elapsed(SignedDuration::from_nanos(100)), "00:00:00.0000001");
        assert_eq!(elapsed(SignedDuration::from_secs(-5)), "00:00:00");
    }

    #[tokio::test]
    async fn quit_and_shutdown_request_the_stop() {
        let (commands, shell) = commands();
        run_line(&commands, "quit").await;
        run_line(&commands, "shut").await;
        assert_eq!(shell.stops(), 2);
    }
}
