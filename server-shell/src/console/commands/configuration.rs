//! `config show`, `config get`, `config set`, `config save`; and `config reload`, which is ours.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;

use super::general;
use crate::console::command::{CommandHandler, CommandResult, Commands};
use crate::console::output::Output;
use crate::console::shell::{ConfigSection, Shell};

pub fn register(commands: &Commands, shell: &Arc<dyn Shell>) {
    for word in ["show", "get"] {
        let program = shell.clone();
        commands.register(
            general(&format!("config {word}"), &format!("config {word} [<section>] [<key>]"), "Show the configuration")
                .with_long_help("Shows everything, passwords included; or one section, or one value."),
            move |arguments: &[String], output: &Output| {
                show(&program.configuration(), arguments).iter().for_each(|line| output.line(line));
                Ok(())
            },
        );
    }
    let program = shell.clone();
    commands.register(
        general("config set", "config set <section> <key> <value>", "Set a configuration value in memory")
            .with_long_help("Only what reads the configuration again sees the new value. It is gone after a restart."),
        move |arguments: &[String], output: &Output| {
            let [section, key, value @ ..] = arguments else { return usage_of_set(output) };
            if value.is_empty() {
                return usage_of_set(output);
            }
            let value = value.join(" ");
            program.config_set(section, key, &value);
            output.line(&format!("In section [{section}], set {key} = {value}"));
            Ok(())
        },
    );
    commands.register(
        general("config save", "config save <path>", "Save the current configuration to a file"),
        Save { shell: shell.clone() },
    );
    commands.register(
        general("config reload", "config reload", "Read the configuration files again and apply what has changed").with_long_help(
            "Connectors, services, addresses of other shells, limits, listeners and log levels change without refusing a request. When \
             something is wrong with the files nothing changes; connectors that were not loaded before either are tried again, and do not \
             hold up the rest. What was set by config set is gone. SIGHUP does the same.",
        ),
        Reload { shell: shell.clone() },
    );
}

fn show(sections: &[ConfigSection], arguments: &[String]) -> Vec<String> {
    let find = |wanted: &str| sections.iter().find(|(name, _)| name == wanted);
    let unknown = |name: &str| vec![format!("Section \"{name}\" does not exist.")];
    match arguments {
        [] => sections.iter().flat_map(section_lines).collect(),
        [section] => find(section).map_or_else(|| unknown(section), section_lines),
        [section, key] => find(section).map_or_else(
            || unknown(section),
            |(_, pairs)| {
                let value = pairs.iter().find(|(name, _)| name == key).map_or("", |(_, value)| value);
                // The word is "get" for both spellings of the command.
                vec![format!("config get {section} {key} : {value}")]
            },
        ),
        _ => vec![
            "Syntax: config <get|show> [<section>] [<key>]".to_owned(),
            "Example: config <get|show> ScriptEngine.DotNetEngine NumberOfScriptThreads".to_owned(),
        ],
    }
}

fn section_lines((name, pairs): &ConfigSection) -> Vec<String> {
    let pairs = pairs.iter().map(|(key, value)| format!("  {key} = {value}"));
    std::iter::once(format!("[{name}]")).chain(pairs).collect()
}

fn usage_of_set(output: &Output) -> CommandResult {
    output.line("Syntax: config set <section> <key> <value>");
    output.line("Example: config set ScriptEngine.DotNetEngine NumberOfScriptThreads 5");
    Ok(())
}

struct Save {
    shell: Arc<dyn Shell>,
}

#[async_trait]
impl CommandHandler for Save {
    async fn run(&self, arguments: &[String], output: &Output) -> CommandResult {
        let [path, ..] = arguments else {
            output.line("Syntax: config save <path>");
            return Ok(());
        };
        output.line(&format!("Saving configuration file: {path}"));
        let (shell, path) = (self.shell.clone(), path.clone());
        tokio::task::spawn_blocking(move || shell.config_save(Path::new(&path))).await?
    }
}

struct Reload {
    shell: Arc<dyn Shell>,
}

#[async_trait]
impl CommandHandler for Reload {
    async fn run(&self, _: &[String], output: &Output) -> CommandResult {
        self.shell.reload().await?.iter().for_each(|line| output.line(line));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::shell::testing::FakeShell;
    use crate::console::testing::run_line;

    fn commands() -> Commands {
        let commands = Commands::default();
        register(&commands, &(Arc::new(FakeShell::default()) as Arc<dyn Shell>));
        commands
    }

    #[tokio::test]
    async fn show_and_get() {
        let commands = commands();
        let all = ["[Startup]", "  console = rest", "  Prompt = R.O.B.U.S.T.", "[Network]", "  port = 8003"];
        assert_eq!(run_line(&commands, "config show").await, all);
        assert_eq!(run_line(&commands, "config get Network").await, ["[Network]", "  port = 8003"]);
        assert_eq!(run_line(&commands, "config show Network port").await, ["config get Network port : 8003"]);
        assert_eq!(run_line(&commands, "config get Network none").await, ["config get Network none : "]);
        assert_eq!(run_line(&commands, "config get network port").await, ["Section \"network\" does not exist."]);
        assert_eq!(
            run_line(&commands, "config get a b c").await,
            [
                "Syntax: config <get|show> [<section>] [<key>]",
                "Example: config <get|show> ScriptEngine.DotNetEngine NumberOfScriptThreads",
            ]
        );
    }

    #[tokio::test]
    async fn set() {
        let commands = commands();
        let set = run_line(&commands, "config set GridService Region_Welcome DefaultRegion, FallbackRegion").await;
        assert_eq!(set, ["In section [GridService], set Region_Welcome = DefaultRegion, FallbackRegion"]);
        let shown = run_line(&commands, "config get GridService Region_Welcome").await;
        assert_eq!(shown, ["config get GridService Region_Welcome : DefaultRegion, FallbackRegion"]);
        let usage = [
            "Syntax: config set <section> <key> <value>",
            "Example: config set ScriptEngine.DotNetEngine NumberOfScriptThreads 5",
        ];
        assert_eq!(run_line(&commands, "config set GridService").await, usage);
        assert_eq!(run_line(&commands, "config set GridService key").await, usage);
    }

    #[tokio::test]
    async fn reload_says_what_is_wrong() {
        let said = run_line(&commands(), "config reload").await;
        assert_eq!(said, ["Command error: Robust.ini, line 3: there is no service asset_"]);
    }

    #[tokio::test]
    async fn save() {
        let (commands, folder) = (commands(), tempfile::tempdir().unwrap());
        let path = folder.path().join("saved.ini").display().to_string();
        let line = format!("config save \"{path}\"");
        assert_eq!(run_line(&commands, &line).await, [format!("Saving configuration file: {path}")]);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "[Startup]\n");
        assert_eq!(run_line(&commands, "config save").await, ["Syntax: config save <path>"]);
        let failed = run_line(&commands, &format!("config save {path}/x")).await;
        assert!(failed[1].starts_with("Command error: Not a directory"), "{failed:?}");
    }
}
