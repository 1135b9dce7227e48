//! `show http-handlers` and `debug http`.

use std::sync::Arc;

use super::DEBUG;
use crate::console::command::{Command, CommandResult, Commands};
use crate::console::output::Output;
use crate::console::shell::{HttpDirection, Shell};

const MAX_LEVEL: i32 = 6;

pub fn register(commands: &Commands, shell: &Arc<dyn Shell>) {
    let program = shell.clone();
    commands.register(
        Command::new("Comms", "show http-handlers", "show http-handlers", "Show all registered http handlers"),
        move |arguments: &[String], output: &Output| {
            if arguments.is_empty() {
                output.line(program.http_handlers().trim_end());
            } else {
                output.line("Usage: show http-handlers");
            }
            Ok(())
        },
    );
    let program = shell.clone();
    commands.register(
        Command::new(DEBUG, "debug http", "debug http <in|out|all> [<level>]", "Turn on http request logging").with_long_help(
            "Levels: 0 nothing; 1 short and 2 long warnings about bad input; 3 one line for each request; 4 adds how long it took;\n\
             5 adds the first 200 characters of the bodies; 6 adds the whole bodies. Without a level the present one is shown.",
        ),
        move |arguments: &[String], output: &Output| debug_http(&*program, arguments, output),
    );
}

fn debug_http(shell: &dyn Shell, arguments: &[String], output: &Output) -> CommandResult {
    let [directions, level @ ..] = arguments else {
        output.line("Usage: debug http <in|out|all> 0..6");
        return Ok(());
    };
    let directions: &[(HttpDirection, &str)] = match directions.to_lowercase().as_str() {
        "in" => &[(HttpDirection::In, "IN")],
        "out" => &[(HttpDirection::Out, "OUT")],
        "all" => &[(HttpDirection::In, "IN"), (HttpDirection::Out, "OUT")],
        _ => {
            output.line("You must specify in, out or all");
            return Ok(());
        }
    };
    let Some(level) = level.first() else {
        for (direction, name) in directions {
            output.line(&format!("Current {name} debug level is {}", shell.http_debug_level(*direction)));
        }
        return Ok(());
    };
    let Ok(number) = level.parse::<i32>() else {
        output.line(&format!("{level} is not a valid debug level"));
        return Ok(());
    };
    let Some(level) = u8::try_from(number).ok().filter(|_| number <= MAX_LEVEL) else {
        output.line(&format!("{number} is outside the valid debug level range of 0..6"));
        return Ok(());
    };
    for (direction, name) in directions {
        shell.set_http_debug_level(*direction, level);
        output.line(&format!("{name} debug level set to {level}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::shell::testing::FakeShell;
    use crate::console::testing::run_line;

    #[tokio::test]
    async fn texts() {
        let commands = Commands::default();
        register(&commands, &(Arc::new(FakeShell::default()) as Arc<dyn Shell>));
        let cases: [(&str, &[&str]); 11] = [
            (
                "show http-handlers",
                &["Registered HTTP Handlers for server at 0.0.0.0:8002", "* StreamHandlers (1):", "\tGET:/map"],
            ),
            ("show http-handlers all", &["Usage: show http-handlers"]),
            ("debug http", &["Usage: debug http <in|out|all> 0..6"]),
            ("debug http both 3", &["You must specify in, out or all"]),
            ("debug http in x", &["x is not a valid debug level"]),
            ("debug http in 7", &["7 is outside the valid debug level range of 0..6"]),
            ("debug http in -1", &["-1 is outside the valid debug level range of 0..6"]),
            ("debug http in 3", &["IN debug level set to 3"]),
            ("debug http all", &["Current IN debug level is 3", "Current OUT debug level is 0"]),
            ("debug http all 6", &["IN debug level set to 6", "OUT debug level set to 6"]),
            ("debug http OUT", &["Current OUT debug level is 6"]),
        ];
        for (line, expected) in cases {
            assert_eq!(run_line(&commands, line).await, expected, "{line}");
        }
    }
}
