//! `show stats`, `stats show`, `stats save` and `stats record` (shell.md section 8.5).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use jiff::Zoned;
use tokio::fs::OpenOptions;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinHandle;

use super::general;
use crate::console::command::{CommandHandler, CommandResult, Commands};
use crate::console::output::Output;
use crate::console::shell::{Shell, Statistic};

/// The log target of recorded statistics, which have a log file of their own (shell.md section 7.1).
pub const STATISTICS_TARGET: &str = "gridshell::statistics";

/// How often statistics are recorded.
pub const RECORD_INTERVAL: Duration = Duration::from_secs(5);

pub fn register(commands: &Commands, shell: &Arc<dyn Shell>, record_interval: Duration) {
    for words in ["stats show", "show stats"] {
        let program = shell.clone();
        let syntax = format!("{words} [list|all|(<category>[.<container>[.<statistic>]])+]");
        commands.register(
            general(words, &syntax, "Show statistical information for this server").with_long_help(
                "'list' shows the categories, 'all' or nothing shows everything; a category, container or statistic shows that part.",
            ),
            move |arguments: &[String], output: &Output| {
                show(sorted(program.statistics()), arguments).iter().for_each(|line| output.line(line));
                Ok(())
            },
        );
    }
    commands
        .register(general("stats save", "stats save <path>", "Append the statistics to a file"), Save { shell: shell.clone() });
    let recorder = Recorder { shell: shell.clone(), interval: record_interval, task: Mutex::new(None) };
    commands.register(
        general("stats record", "stats record start|stop", "Record the statistics to the statistics log file"),
        move |arguments: &[String], output: &Output| {
            output.line(&recorder.run(arguments));
            Ok(())
        },
    );
}

fn sorted(mut statistics: Vec<Statistic>) -> Vec<Statistic> {
    statistics.sort_by(|a, b| (&a.category, &a.container, &a.name).cmp(&(&b.category, &b.container, &b.name)));
    statistics
}

fn show(statistics: Vec<Statistic>, arguments: &[String]) -> Vec<String> {
    if arguments.is_empty() {
        return statistics.iter().map(line_of).chain(memory_report()).collect();
    }
    arguments.iter().flat_map(|argument| show_one(&statistics, argument)).collect()
}

fn show_one(statistics: &[Statistic], argument: &str) -> Vec<String> {
    match argument {
        "all" => return statistics.iter().map(line_of).collect(),
        "list" => {
            let mut names: Vec<_> = statistics.iter().map(|statistic| format!("  {}", statistic.category)).collect();
            names.dedup();
            return std::iter::once("Statistic categories available are:".to_owned()).chain(names).collect();
        }
        _ => {}
    }
    // Names of statistics may contain dots themselves.
    let mut parts = argument.splitn(3, '.');
    let category = parts.next().unwrap_or_default();
    let (container, name) = (parts.next(), parts.next());
    let mut chosen: Vec<_> = statistics.iter().filter(|statistic| statistic.category == category).collect();
    if chosen.is_empty() {
        return vec![format!("No such category as {category}")];
    }
    if let Some(container) = container {
        chosen.retain(|statistic| statistic.container == container);
        if chosen.is_empty() {
            return vec![format!("No such container {container} in category {category}")];
        }
        if let Some(name) = name {
            chosen.retain(|statistic| statistic.name == name);
            if chosen.is_empty() {
                return vec![format!("No such stat {name} in {category}.{container}")];
            }
        }
    }
    chosen.into_iter().map(line_of).collect()
}

/// `<category>.<container>.<short name> : <value>[ <unit>]`.
fn line_of(statistic: &Statistic) -> String {
    let Statistic { category, container, name, value, unit } = statistic;
    let blank = if unit.is_empty() { "" } else { " " };
    format!("{category}.{container}.{name} : {}{blank}{unit}", number(*value))
}

/// At most three decimals, none of them a trailing zero.
fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    if value.is_finite() { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// What the system says about the memory of the process; nothing where it says nothing.
fn memory_report() -> Vec<String> {
    std::fs::read_to_string("/proc/self/status").map(|status| memory_lines(&status)).unwrap_or_default()
}

fn memory_lines(status: &str) -> Vec<String> {
    let line = |(field, title): (&str, &str)| {
        let value = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
        let kilobytes: f64 = value.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(format!("{title}: {} MB", number(kilobytes / 1024.0)))
    };
    let fields = [("VmRSS", "Resident memory"), ("VmHWM", "Peak resident memory"), ("VmSize", "Virtual memory")];
    fields.into_iter().filter_map(line).collect()
}

/// The lines of a saved or recorded report.
fn report(shell: &dyn Shell) -> Vec<String> {
    let heading = format!("*** STATS REPORT AT {} ***", date_time(&shell.now()));
    std::iter::once(heading).chain(sorted(shell.statistics()).iter().map(line_of)).collect()
}

/// `7/20/2026 11:22:33 AM`, the general format of the en-US culture (shell.md section 1).
fn date_time(now: &Zoned) -> String {
    now.strftime("%-m/%-d/%Y %-I:%M:%S %p").to_string()
}

struct Save {
    shell: Arc<dyn Shell>,
}

#[async_trait]
impl CommandHandler for Save {
    async fn run(&self, arguments: &[String], output: &Output) -> CommandResult {
        let [path, ..] = arguments else {
            output.line("Usage: stats save <path>");
            return Ok(());
        };
        let text = report(&*self.shell).join("\n") + "\n";
        append(path, &text).await.with_context(|| format!("cannot write {path}"))?;
        output.line(&format!("Stats saved to file {path}"));
        Ok(())
    }
}

async fn append(path: &str, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(path).await?;
    file.write_all(text.as_bytes()).await?;
    file.flush().await
}

/// Writes the statistics to the log from time to time.
struct Recorder {
    shell: Arc<dyn Shell>,
    interval: Duration,
    /// The task that writes, while recording is on.
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Recorder {
    fn run(&self, arguments: &[String]) -> String {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        let word = arguments.first().map(String::as_str);
        let running = task.take().inspect(|running| {
            if word == Some("stop") {
                running.abort();
            }
        });
        match word {
            Some("start") => {
                *task = Some(running.unwrap_or_else(|| tokio::spawn(record(self.shell.clone(), self.interval))));
                format!("Now recording all stats to file every {}ms", self.interval.as_millis())
            }
            Some("stop") => "Stopped recording stats to file.".to_owned(),
            _ => {
                *task = running;
                "Usage: stats record start|stop".to_owned()
            }
        }
    }
}

async fn record(shell: Arc<dyn Shell>, interval: Duration) {
    let mut ticks = tokio::time::interval(interval);
    loop {
        ticks.tick().await;
        report(&*shell).iter().for_each(|line| tracing::info!(target: STATISTICS_TARGET, "{line}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::shell::testing::FakeShell;
    use crate::console::testing::run_line;

    fn commands() -> Commands {
        let commands = Commands::default();
        register(&commands, &(Arc::new(FakeShell::default()) as Arc<dyn Shell>), Duration::from_secs(5));
        commands
    }

    const SERVED: &str = "httpserver.8003.HTTPRequestsServed : 17";
    const MEMORY: &str = "server.memory.ProcessMemory : 12.346 MB";
    const RECEIVED: &str = "server.network.BytesRcvd/eth0.1 : 0.5 KB";

    #[tokio::test]
    async fn show_all_and_parts() {
        let commands = commands();
        assert_eq!(run_line(&commands, "stats show all").await, [SERVED, MEMORY, RECEIVED]);
        assert_eq!(
            run_line(&commands, "show stats list").await,
            ["Statistic categories available are:", "  httpserver", "  server"]
        );
        assert_eq!(run_line(&commands, "show stats server.memory httpserver").await, [MEMORY, SERVED]);
        assert_eq!(run_line(&commands, "show stats server.network.BytesRcvd/eth0.1").await, [RECEIVED]);
        assert_eq!(run_line(&commands, "show stats x").await, ["No such category as x"]);
        assert_eq!(run_line(&commands, "show stats server.x").await, ["No such container x in category server"]);
        assert_eq!(run_line(&commands, "show stats server.memory.x").await, ["No such stat x in server.memory"]);
        let everything = run_line(&commands, "stats show").await;
        assert_eq!(everything[..3], [SERVED, MEMORY, RECEIVED]);
    }

    #[test]
    fn numbers() {
        for (value, expected) in
            [(0.0, "0"), (100.0, "100"), (1.5, "1.5"), (0.0004, "0"), (-2.25, "-2.25"), (1e15, "1000000000000000")]
        {
            assert_eq!(number(value), expected);
        }
    }

    #[test]
    fn memory() {
        let status = "Name:\tgridshell\nVmSize:\t  204800 kB\nVmHWM:\t   1536 kB\nVmRSS:\t    1024 kB\n";
        let expected = ["Resident memory: 1 MB", "Peak resident memory: 1.5 MB", "Virtual memory: 200 MB"];
        assert_eq!(memory_lines(status), expected);
    }

    #[tokio::test]
    async fn save_appends() {
        let (commands, folder) = (commands(), tempfile::tempdir().unwrap());
        let path = folder.path().join("stats.txt").display().to_string();
        for _ in 0..2 {
            let saved = run_line(&commands, &format!("stats save {path}")).await;
            assert_eq!(saved, [format!("Stats saved to file {path}")]);
        }
        let report = format!("*** STATS REPORT AT 7/20/2026 11:22:33 AM ***\n{SERVED}\n{MEMORY}\n{RECEIVED}\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), report.repeat(2));
        assert_eq!(run_line(&commands, "stats save").await, ["Usage: stats save <path>"]);
    }

    #[tokio::test]
    async fn record_can_be_started_twice_and_stopped() {
        let recorder =
            Recorder { shell: Arc::new(FakeShell::default()), interval: Duration::from_secs(5), task: Mutex::new(None) };
        let run = |word: &str| recorder.run(&[word.to_owned()]);
        assert_eq!(run("start"), "Now recording all stats to file every 5000ms");
        let first = recorder.task.lock().unwrap().as_ref().unwrap().id();
        assert_eq!(run("start"), "Now recording all stats to file every 5000ms");
        assert_eq!(recorder.task.lock().unwrap().as_ref().unwrap().id(), first);
        assert_eq!(run("pause"), "Usage: stats record start|stop");
        assert!(recorder.task.lock().unwrap().is_some());
        assert_eq!(run("stop"), "Stopped recording stats to file.");
        assert!(recorder.task.lock().unwrap().is_none());
        assert_eq!(recorder.run(&[]), "Usage: stats record start|stop");
    }
}
