//! `show threads` and `threads show`: the threads of the process, as the system knows them.

use std::fs;
use std::path::Path;

use anyhow::Context;

use super::general;
use crate::console::command::Commands;
use crate::console::output::Output;

const TASKS: &str = "/proc/self/task";

pub fn register(commands: &Commands) {
    for words in ["show threads", "threads show"] {
        let command = general(words, words, "Show thread status");
        commands.register(command, |_: &[String], output: &Output| {
            report(&threads(Path::new(TASKS))?).iter().for_each(|line| output.line(line));
            Ok(())
        });
    }
}

struct Thread {
    id: u64,
    name: String,
    state: &'static str,
}

/// The threads, by id. One that ends while it is looked at is left out.
fn threads(folder: &Path) -> anyhow::Result<Vec<Thread>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut threads: Vec<_> = entries
        .flatten()
        .filter_map(|entry| {
            let id = entry.file_name().to_str()?.parse().ok()?;
            let name = fs::read_to_string(entry.path().join("comm")).ok()?.trim_end().to_owned();
            let state = state(&fs::read_to_string(entry.path().join("stat")).ok()?)?;
            Some(Thread { id, name, state })
        })
        .collect();
    threads.sort_by_key(|thread| thread.id);
    Ok(threads)
}

/// The state in a line of `stat`: the letter after the name, which is in brackets and may contain brackets itself.
fn state(stat: &str) -> Option<&'static str> {
    let (_, rest) = stat.rsplit_once(") ")?;
    Some(match rest.chars().next()? {
        'R' => "Running",
        'S' => "Sleeping",
        'D' => "Waiting for disk",
        'T' | 't' => "Stopped",
        'I' => "Idle",
        'Z' | 'X' => "Ended",
        _ => "Unknown",
    })
}

/// The original's heading and column widths. Its columns `LAST UPDATE`, `LIFETIME` and `PRIORITY` and its thread pool report are left
/// out: nothing of the kind exists here.
fn report(threads: &[Thread]) -> Vec<String> {
    let row = |id: &str, name: &str, state: &str| format!("{id:>6}   {name:>35}   {state:>30}");
    let mut lines = vec![format!("{} threads are being tracked:", threads.len()), row("ID", "NAME", "STATE")];
    lines.extend(threads.iter().map(|thread| row(&thread.id.to_string(), &thread.name, thread.state)));
    lines.push(format!("Total process threads: {}", threads.len()));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report() {
        let folder = tempfile::tempdir().unwrap();
        for (id, name, letter) in [(105, "worker (1) x", 'S'), (20, "gridshell", 'R')] {
            let task = folder.path().join(id.to_string());
            fs::create_dir(&task).unwrap();
            fs::write(task.join("comm"), format!("{name}\n")).unwrap();
            fs::write(task.join("stat"), format!("{id} ({name}) {letter} 1 2 3\n")).unwrap();
        }
        fs::create_dir(folder.path().join("7")).unwrap();
        let lines = report(&threads(folder.path()).unwrap());
        assert_eq!(
            lines.join("\n"),
            "2 threads are being tracked:\n    ID                                  NAME                            STATE
    20                             gridshell                          Running
   105                          worker (1) x                         Sleeping
Total process threads: 2"
        );
    }

    #[tokio::test]
    async fn this_process_has_threads() {
        let commands = Commands::default();
        register(&commands);
        let lines = crate::console::testing::run_line(&commands, "threads show").await;
        assert!(lines.len() >= 4 && lines[0].ends_with(" threads are being tracked:"), "{lines:?}");
    }
}
