//! `name2key lookup`, `name2key stats` and `name2key forget`, which are ours.

use std::sync::Arc;

use async_trait::async_trait;
use gridshell_interfaces::ids::parse_uuid;
use gridshell_interfaces::name2key::{Grid, Name2KeyService};

use crate::console::command::{Command, CommandHandler, CommandResult, Commands};
use crate::console::output::Output;
use crate::name2key_command::answer::{self, Found};

const CATEGORY: &str = "Name2Key";

/// Registers the commands for one name2key service.
pub fn register_name2key_commands(commands: &Commands, service: Arc<dyn Name2KeyService>) {
    let look_up =
        Command::new(CATEGORY, "name2key lookup", "name2key lookup <NAME, UUID or NAME*>", "Show what is known of an avatar")
            .with_long_help("With * at the end: all names that begin so.");
    commands.register(look_up, LookUp { service: service.clone() });
    let stats = Command::new(CATEGORY, "name2key stats", "name2key stats", "Show what the store of names holds");
    commands.register(stats, Statistics { service: service.clone() });
    let forget =
        Command::new(CATEGORY, "name2key forget", "name2key forget <UUID> [<GRID>]", "Remove what is known of an avatar's key")
            .with_long_help(
                "On one grid, or on all. It can be registered and imported again; [Name2KeyService] OptOutFile prevents that.",
            );
    commands.register(forget, Forget { service });
}

struct LookUp {
    service: Arc<dyn Name2KeyService>,
}

#[async_trait]
impl CommandHandler for LookUp {
    async fn run(&self, arguments: &[String], output: &Output) -> CommandResult {
        if arguments.is_empty() {
            output.line("Syntax: name2key lookup <NAME, UUID or NAME*>");
            return Ok(());
        }
        // Names have blanks.
        let found = Found::look_up(self.service.as_ref(), &arguments.join(" "), None).await?;
        found.lines().iter().for_each(|line| output.line(line));
        Ok(())
    }
}

struct Statistics {
    service: Arc<dyn Name2KeyService>,
}

#[async_trait]
impl CommandHandler for Statistics {
    async fn run(&self, _: &[String], output: &Output) -> CommandResult {
        let statistics = self.service.statistics().await?;
        answer::statistics_lines(&statistics).iter().for_each(|line| output.line(line));
        Ok(())
    }
}

struct Forget {
    service: Arc<dyn Name2KeyService>,
}

#[async_trait]
impl CommandHandler for Forget {
    async fn run(&self, arguments: &[String], output: &Output) -> CommandResult {
        let [key, grid @ ..] = arguments else {
            output.line("Syntax: name2key forget <UUID> [<GRID>]");
            return Ok(());
        };
        let Some(key) = parse_uuid(key) else {
            output.error(&format!("ERROR: {key} is not a valid ID format"));
            return Ok(());
        };
        let grid = (!grid.is_empty()).then(|| Grid(grid.join(" ")));
        output.line(&answer::forgotten(key, self.service.forget(key, grid.as_ref()).await?));
        Ok(())
    }
}
