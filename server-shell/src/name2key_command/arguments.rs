//! The words after `gridshell name2key`.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use gridshell_connectors::name2key::Spelling;
use gridshell_interfaces::ids::parse_uuid;
use gridshell_interfaces::name2key::{Grid, PRODUCTION};
use uuid::Uuid;

/// What is to be done, and with which store.
#[derive(Debug)]
pub struct Arguments {
    /// What is to be done.
    pub task: Task,
    /// The SQLite file that `--database` names.
    pub database: Option<PathBuf>,
    /// The switches that choose a configuration, as the shell itself takes them.
    pub switches: Vec<String>,
}

/// What is to be done.
#[derive(Debug, PartialEq)]
pub enum Task {
    /// Take in a file of names.
    Import { file: PathBuf, grid: Grid, skip_bad: bool },
    /// Write all names to a file, or to standard output.
    Export { file: Option<PathBuf>, grid: Option<Grid>, all: bool },
    /// Say what is known of names, keys and beginnings of names.
    LookUp { asked: Vec<String>, grid: Option<Grid>, json: bool },
    /// Say what the store holds.
    Statistics { json: bool },
    /// Remove the entries of keys.
    Forget { keys: Vec<Uuid>, grid: Option<Grid> },
    /// Look up what is typed.
    Shell { spelling: Spelling },
}

/// The shell's switches; a value may be a word of its own (shell.md section 2).
const SWITCHES: [&str; 10] = ["inifile", "i", "console", "c", "logfile", "l", "logconfig", "g", "prompt", "p"];

impl Arguments {
    /// Reads the words.
    ///
    /// # Errors
    /// Words that are not understood.
    pub fn parse(words: &[String]) -> Result<Self> {
        let Some((command, words)) = words.split_first() else { bail!("say what is to be done") };
        let (task, words) = match command.as_str() {
            "import" => {
                let mut words = Words::read(words, &["skip-bad"], &["grid", "database"])?;
                let file = words.one("the file to import")?;
                let grid = words.grid()?.unwrap_or_else(|| Grid(PRODUCTION.to_owned()));
                (Task::Import { file: file.into(), grid, skip_bad: words.has("skip-bad") }, words)
            }
            "export" => {
                let mut words = Words::read(words, &["all"], &["grid", "database"])?;
                ensure!(words.plain.len() <= 1, "one file, or none for standard output");
                let file = words.plain.pop().filter(|file| file != "-").map(PathBuf::from);
                (Task::Export { file, grid: words.grid()?, all: words.has("all") }, words)
            }
            "lookup" => {
                let mut words = Words::read(words, &["json"], &["grid", "database"])?;
                ensure!(!words.plain.is_empty(), "say a name, a UUID, or the beginning of a name with * behind it");
                let asked = std::mem::take(&mut words.plain);
                (Task::LookUp { asked, grid: words.grid()?, json: words.has("json") }, words)
            }
            "stats" => {
                let words = Words::read(words, &["json"], &["database"])?;
                words.none()?;
                (Task::Statistics { json: words.has("json") }, words)
            }
            "forget" => {
                let mut words = Words::read(words, &[], &["grid", "database"])?;
                ensure!(!words.plain.is_empty(), "say the UUID that is to be forgotten");
                let key = |word: &String| parse_uuid(word).with_context(|| format!("{word} is no UUID"));
                let keys = words.plain.iter().map(key).collect::<Result<_>>()?;
                (Task::Forget { keys, grid: words.grid()? }, words)
            }
            "shell" => {
                let mut words = Words::read(words, &[], &["spelling", "database"])?;
                words.none()?;
                let spelling = match words.value("spelling").as_deref() {
                    None | Some("2017") => Spelling::Of2017,
                    Some("2025") => Spelling::Of2025,
                    Some(other) => bail!("--spelling is 2017 or 2025, not {other}"),
                };
                (Task::Shell { spelling }, words)
            }
            other => bail!("there is no gridshell name2key {other}"),
        };
        let mut words = words;
        let database = words.value("database").map(PathBuf::from);
        ensure!(database.is_none() || words.switches.is_empty(), "a configuration or --database; not both");
        Ok(Self { task, database, switches: words.switches })
    }
}

/// The words of one command, by what they are.
struct Words {
    plain: Vec<String>,
    flags: Vec<&'static str>,
    values: Vec<(&'static str, String)>,
    switches: Vec<String>,
}

impl Words {
    /// Sorts the words. `flags` stand alone; `values` have a value, behind `=` or as the next word. What follows `--` is plain.
    fn read(words: &[String], flags: &[&'static str], values: &[&'static str]) -> Result<Self> {
        let mut sorted = Self { plain: Vec::new(), flags: Vec::new(), values: Vec::new(), switches: Vec::new() };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let Some(option) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) else {
                sorted.plain.push(word.clone());
                continue;
            };
            if option == "-" {
                sorted.plain.extend(words.by_ref().cloned());
                break;
            }
            let option = option.strip_prefix('-').unwrap_or(option);
            let (name, value) = match option.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (option, None),
            };
            if let Some(flag) = flags.iter().find(|flag| **flag == name) {
                ensure!(value.is_none(), "--{flag} takes no value");
                sorted.flags.push(flag);
            } else if let Some(key) = values.iter().find(|key| **key == name) {
                ensure!(sorted.values.iter().all(|(known, _)| known != key), "--{key} is given twice");
                let value = value.or_else(|| words.next().cloned()).with_context(|| format!("--{key} needs a value"))?;
                sorted.values.push((key, value));
            } else if is_switch(option) {
                sorted.switches.push(word.clone());
                if !option.contains(['=', ':']) {
                    sorted.switches.push(words.next().cloned().with_context(|| format!("{word} needs a value"))?);
                }
            } else {
                bail!("there is no option {word}");
            }
        }
        Ok(sorted)
    }

    fn has(&self, flag: &str) -> bool {
        self.flags.contains(&flag)
    }

    fn value(&mut self, key: &str) -> Option<String> {
        let at = self.values.iter().position(|(known, _)| *known == key)?;
        Some(self.values.swap_remove(at).1)
    }

    fn grid(&mut self) -> Result<Option<Grid>> {
        let Some(grid) = self.value("grid") else { return Ok(None) };
        let grid = Grid(grid);
        grid.check().map_err(|error| anyhow::anyhow!(error.message))?;
        Ok(Some(grid))
    }

    /// The only plain word.
    fn one(&mut self, what: &str) -> Result<String> {
        ensure!(self.plain.len() < 2, "{} is one word too many", self.plain[1]);
        self.plain.pop().with_context(|| format!("{what} is missing"))
    }

    fn none(&self) -> Result<()> {
        match self.plain.first() {
            Some(word) => bail!("{word} is one word too many"),
            None => Ok(()),
        }
    }
}

/// Whether a word without its dashes is a switch of the shell.
fn is_switch(option: &str) -> bool {
    let name = option.split(['=', ':']).next().unwrap_or(option);
    SWITCHES.iter().any(|switch| name.eq_ignore_ascii_case(switch))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Arguments> {
        Arguments::parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    fn task(words: &[&str]) -> Task {
        parse(words).unwrap().task
    }

    #[test]
    fn every_command() {
        let grid = |text: &str| Grid(text.to_owned());
        assert_eq!(
            task(&["import", "n.csv", "--grid", "My Grid", "--skip-bad"]),
            Task::Import { file: "n.csv".into(), grid: grid("My Grid"), skip_bad: true }
        );
        assert_eq!(
            task(&["import", "/x/n.csv"]),
            Task::Import { file: "/x/n.csv".into(), grid: grid("Production"), skip_bad: false }
        );
        assert_eq!(task(&["export"]), Task::Export { file: None, grid: None, all: false });
        assert_eq!(task(&["export", "-"]), Task::Export { file: None, grid: None, all: false });
        assert_eq!(
            task(&["export", "--grid=a", "--all", "x.gz"]),
            Task::Export { file: Some("x.gz".into()), grid: Some(grid("a")), all: true }
        );
        assert_eq!(
            task(&["lookup", "Ann Bee", "--json", "Gwyn*", "--", "--odd"]),
            Task::LookUp { asked: ["Ann Bee", "Gwyn*", "--odd"].map(str::to_owned).to_vec(), grid: None, json: true }
        );
        assert_eq!(task(&["stats"]), Task::Statistics { json: false });
        let key = "a27b84f0-2757-4176-9579-43a181d4a5a0";
        assert_eq!(task(&["forget", key]), Task::Forget { keys: vec![key.parse().unwrap()], grid: None });
        assert_eq!(task(&["shell", "--spelling=2025"]), Task::Shell { spelling: Spelling::Of2025 });
    }

    #[test]
    fn the_store_is_chosen_by_switches_or_by_a_file() {
        assert_eq!(parse(&["stats", "-inifile", "x.ini", "--json"]).unwrap().switches, ["-inifile", "x.ini"]);
        assert_eq!(parse(&["stats", "--INIFILE=x.ini", "-l:log"]).unwrap().switches, ["--INIFILE=x.ini", "-l:log"]);
        assert_eq!(parse(&["lookup", "a", "--database", "n.db"]).unwrap().database, Some("n.db".into()));
    }

    #[test]
    fn what_is_not_understood() {
        for (words, part) in [
            (&[][..], "what is to be done"),
            (&["frobnicate"], "no gridshell name2key frobnicate"),
            (&["import"], "file to import is missing"),
            (&["import", "a", "b"], "b is one word too many"),
            (&["import", "a", "--skipbad"], "no option --skipbad"),
            (&["import", "a", "--grid"], "--grid needs a value"),
            (&["import", "a", "--grid=a", "--grid=b"], "twice"),
            (&["import", "a", "--skip-bad=1"], "takes no value"),
            (&["import", "a", "--grid", "a\u{7}"], "control characters"),
            (&["export", "a", "b"], "one file"),
            (&["lookup"], "say a name"),
            (&["stats", "x"], "one word too many"),
            (&["stats", "-i"], "-i needs a value"),
            (&["stats", "-i=x", "--database=y"], "not both"),
            (&["forget"], "UUID"),
            (&["forget", "Ann Bee"], "is no UUID"),
            (&["shell", "--spelling=1999"], "2017 or 2025"),
        ] {
            let error = parse(words).expect_err(&format!("{words:?}")).to_string();
            assert!(error.contains(part), "{words:?}: {error}");
        }
    }
}
