//! `plugin list`, `plugin reload`, and `plugin NAME ...`: the shared libraries that the program has loaded. They are ours.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, bail};
use async_trait::async_trait;

use crate::console::command::{Command, CommandHandler, CommandResult, Commands};
use crate::console::output::Output;
use crate::console::shell::Shell;
use crate::plugins::Plugin;
use crate::wiring::PluginsView;

const CATEGORY: &str = "Plugins";

/// How much of a hash is shown.
const SHOWN_HASH: usize = 16;

/// Longer lines of plugins are printed in pieces.
const LONGEST_LINE: usize = 4000;

/// Registers the commands for these plugins.
pub fn register_plugin_commands(commands: &Commands, view: PluginsView, shell: Arc<dyn Shell>) {
    let list = Command::new(CATEGORY, "plugin list", "plugin list", "Show the plugins").with_long_help(
        "State: running; suspect (it has panicked, or waited though it says that it does not); disabled (it has panicked too often, or \
         no new instance could be made after a panic); restarting (a new instance, or its process, is being started); ended; \
         ending (replaced, and busy with the last requests); replaced (nothing of it runs, but its code stays in memory until the \
         program ends). Instances are those that were not ended yet.",
    );
    commands.register(list, List { view: view.clone() });
    let reload = Command::new(CATEGORY, "plugin reload", "plugin reload <name>", "Load a plugin from its file again").with_long_help(
        "A new instance of the file as it is now takes the place of the old one, which ends with its last request. When the new file is \
         refused the old one goes on. At most 16 times, since old code stays in memory. Nothing else is tried again; `config reload` does that.",
    );
    commands.register(reload, Reload { shell });
    let own = Command::new(CATEGORY, "plugin", "plugin <name> <words>", "Do a command of a plugin");
    commands.register(own, Own { view });
}

struct List {
    view: PluginsView,
}

#[async_trait]
impl CommandHandler for List {
    async fn run(&self, _: &[String], output: &Output) -> CommandResult {
        let mut rows =
            vec![["Name", "Version", "Services", "State", "Requests", "Failures", "Instances", "SHA-256"].map(str::to_owned)];
        for library in &self.view.libraries {
            let living = library.living.load(Ordering::Acquire);
            let current = self.view.current.iter().find(|plugin| Arc::ptr_eq(&plugin.library, library));
            let state = match (current, living) {
                (Some(plugin), _) => plugin.state(),
                // Nothing is left of it.
                (None, 0) if library.is_apart() => continue,
                (None, 0) => "replaced",
                (None, _) => "ending",
            };
            let (requests, failures) = library.tally.numbers();
            let properties = &library.properties;
            let version = if properties.version.is_empty() { "-" } else { &properties.version };
            rows.push([
                library.name.to_owned(),
                version.to_owned(),
                properties.services.join(","),
                state.to_owned(),
                requests.to_string(),
                failures.to_string(),
                living.to_string(),
                library.sha256.chars().take(SHOWN_HASH).collect(),
            ]);
        }
        if rows.len() > 1 {
            table(&rows).iter().for_each(|line| output.line(line));
        } else {
            output.line("No plugin is loaded");
        }
        for plugin in &self.view.current {
            if let Some(health) = plugin.health().await {
                output.line(&format!("{}: {health}", plugin.name()));
            }
        }
        self.view.versions.iter().chain(&self.view.refused).for_each(|line| output.line(line));
        Ok(())
    }
}

/// Rows with columns of the same width.
fn table<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |row: &[String; N]| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

struct Reload {
    shell: Arc<dyn Shell>,
}

#[async_trait]
impl CommandHandler for Reload {
    async fn run(&self, arguments: &[String], output: &Output) -> CommandResult {
        let [name] = arguments else {
            output.line("Syntax: plugin reload <name>");
            return Ok(());
        };
        self.shell.reload_plugin(name).await?.iter().for_each(|line| output.line(line));
        Ok(())
    }
}

struct Own {
    view: PluginsView,
}

impl Own {
    fn find(&self, name: &str) -> Option<&Arc<Plugin>> {
        self.view.current.iter().find(|plugin| plugin.name() == name)
    }
}

#[async_trait]
impl CommandHandler for Own {
    async fn run(&self, arguments: &[String], output: &Output) -> CommandResult {
        let [name, words @ ..] = arguments else {
            output.line("Syntax: plugin list | plugin reload <name> | plugin <name> <words>");
            return Ok(());
        };
        let plugin =
            self.find(name).with_context(|| format!("there is no plugin {name}; `plugin list` shows those there are"))?;
        if words.is_empty() {
            bail!("no words for the plugin {name}");
        }
        // Printed line by line, as it comes.
        let unfinished = Arc::new(Mutex::new(String::new()));
        let (text, printer) = (unfinished.clone(), output.clone());
        let write = move |piece: &str| {
            let mut text = text.lock().unwrap_or_else(PoisonError::into_inner);
            text.push_str(piece);
            while let Some(end) = text.find('\n') {
                printer.line(&text[..end]);
                text.drain(..=end);
            }
            if text.len() > LONGEST_LINE {
                printer.line(&std::mem::take(&mut *text));
            }
        };
        let outcome = plugin.command(&words.join(" "), write).await;
        let rest = std::mem::take(&mut *unfinished.lock().unwrap_or_else(PoisonError::into_inner));
        if !rest.is_empty() {
            output.line(&rest);
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::shell::testing::FakeShell;
    use crate::console::testing::run_line;

    #[tokio::test]
    async fn without_plugins() {
        let commands = Commands::default();
        let view = PluginsView { refused: vec!["plugin libx.so refused at step 1: ...".to_owned()], ..PluginsView::default() };
        register_plugin_commands(&commands, view, Arc::new(FakeShell::default()));
        assert_eq!(run_line(&commands, "plugin list").await, ["No plugin is loaded", "plugin libx.so refused at step 1: ..."]);
        assert_eq!(run_line(&commands, "plugin reload x").await, ["the plugin x was loaded again and answers"]);
        assert_eq!(run_line(&commands, "plugin reload").await, ["Syntax: plugin reload <name>"]);
        let unknown = ["Command error: there is no plugin y; `plugin list` shows those there are"];
        assert_eq!(run_line(&commands, "plugin y do").await, unknown);
        assert_eq!(run_line(&commands, "plugin").await.len(), 1);
    }

    #[test]
    fn columns_have_one_width() {
        let rows = [["a", "bb"], ["ccc", "d"]].map(|row| row.map(str::to_owned));
        assert_eq!(table(&rows), ["a    bb", "ccc  d"]);
    }
}
