//! `inventory check`, which looks for what is wrong with a user's inventory, and `show library`. They are ours; the original has no
//! inventory commands.

use std::sync::Arc;

use async_trait::async_trait;
use gridshell_interfaces::ids::parse_uuid;
use gridshell_interfaces::library::LibraryService;

use crate::console::command::{Command, CommandHandler, CommandResult, Commands};
use crate::console::output::{Output, Question};
use crate::inventory_command::lines;
use crate::wiring::BuiltInventory;

/// Registers the command for one inventory service.
pub fn register_inventory_commands(commands: &Commands, service: BuiltInventory) {
    let command =
        Command::new("Inventory", "inventory check", "inventory check <USER>", "Look for what is wrong with an inventory");
    let command = command.with_long_help(
        "Finds missing and duplicate system folders, folders and items whose folder does not exist, and folders inside of themselves. \
         Asks before it repairs anything; what cannot be reached is put into Lost And Found.",
    );
    commands.register(command, Check { service });
}

/// Registers the command for the library.
pub fn register_library_commands(commands: &Commands, library: Arc<dyn LibraryService>) {
    let command = Command::new("Inventory", "show library", "show library", "Show the folders of the library");
    commands.register(command, move |_: &[String], output: &Output| {
        for folder in library.folders() {
            output.line(&format!("{} {} ({} items)", folder.id, folder.name, library.items_in(folder.id).len()));
        }
        Ok(())
    });
}

struct Check {
    service: BuiltInventory,
}

#[async_trait]
impl CommandHandler for Check {
    async fn run(&self, arguments: &[String], output: &Output) -> CommandResult {
        let [user, ..] = arguments else {
            output.line("Syntax: inventory check <USER>");
            return Ok(());
        };
        let Some(user) = parse_uuid(user) else {
            output.error(&format!("ERROR: {user} is not a valid ID format"));
            return Ok(());
        };
        let service = match &self.service {
            BuiltInventory::Local(service) => service,
            BuiltInventory::Remote(place) => {
                output.error(&format!("The inventories are at {place}, and can be checked at the console there only"));
                return Ok(());
            }
        };
        let report = service.check(user).await?;
        if report.findings.is_empty() {
            output.line(&format!("{user}: {} folders, {} items, all is well", report.folders, report.items));
            return Ok(());
        }
        lines(&report).iter().for_each(|line| output.line(line));
        let question = Question { text: "Repair it", default: Some("no"), options: &["yes", "no"], ..Question::default() };
        if output.ask(&question).await? == "yes" {
            let repaired = service.repair(&report).await?;
            output.line(if repaired { "Repaired" } else { "Not repaired: the inventory has changed meanwhile" });
        }
        Ok(())
    }
}
