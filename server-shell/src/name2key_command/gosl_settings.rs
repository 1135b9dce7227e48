//! The flags and settings of gosl-basics, both generations (name2key.md section 5): built-in default, configuration file, command line,
//! the later the stronger.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::gosl_file::GoslFile;

/// How to call it.
pub const USAGE: &str = "\
gridshell name2key serve [FLAGS]

Serves names and keys as gosl-basics does, with its flags and its configuration file. Without --server and --shell it is a FastCGI
responder on descriptor 0, which must be a listening socket.

      --server               web server of its own
      --shell                look up what is typed; wins over --server
  -p, --port PORT            port of --server (default 3000)
      --dir FOLDER           folder of the store (default slkvdb)
  -n, --databaseName NAME    the store is FOLDER/NAME.sqlite (default FOLDER/name2key.db)
  -i, --import FILE          import a file of names before anything else
      --config FILE          configuration file (default config.toml or config.ini, here or where gosl-basics looks)
  -d, --debug LEVEL          what is logged: DEBUG, INFO, NOTICE or ERROR (default INFO)
      --database KIND        without effect: the store is always SQLite
      --nomemory             without effect
  -l, --loopbatch N          without effect
  -b, --batchblock N         without effect
      --help                 this text
";

/// One setting: its flag, and where it stands in the configuration file.
struct Setting {
    name: &'static str,
    short: Option<char>,
    /// A switch, whose value may be left out.
    switch: bool,
    /// As the shipped files have it first, then as the program of 2017 reads it.
    file: &'static [(&'static str, &'static str)],
}

const fn setting(
    name: &'static str,
    short: Option<char>,
    switch: bool,
    file: &'static [(&'static str, &'static str)],
) -> Setting {
    Setting { name, short, switch, file }
}

#[rustfmt::skip]
const FLAGS: &[Setting] = &[
    setting("port", Some('p'), false, &[("config", "myPort")]),
    setting("dir", None, false, &[("config", "myDir")]),
    setting("server", None, true, &[("config", "isServer")]),
    setting("shell", None, true, &[("config", "isShell")]),
    setting("import", Some('i'), false, &[("options", "importFilename"), ("config", "importFilename")]),
    setting("database", None, false, &[("config", "database")]),
    setting("nomemory", None, true, &[("options", "noMemory"), ("config", "noMemory")]),
    setting("config", None, false, &[]),
    setting("databaseName", Some('n'), false, &[("config", "databaseName")]),
    setting("debug", Some('d'), false, &[("log", "logLevel"), ("config", "logLevel")]),
    setting("loopbatch", Some('l'), false, &[("config", "loopBatch")]),
    setting("batchblock", Some('b'), false, &[("config", "BATCH_BLOCK")]),
    setting("help", Some('h'), true, &[]),
];

/// Settings of the file alone. Logs are not turned over by their size here, so that these numbers have no effect.
#[rustfmt::skip]
const OF_THE_FILE: &[Setting] = &[
    setting("log file", None, false, &[("log", "Filename"), ("config", "logFilename")]),
    setting("log size", None, false, &[("log", "MaxSize"), ("config", "maxSize")]),
    setting("log backups", None, false, &[("log", "MaxBackups"), ("config", "maxBackups")]),
    setting("log age", None, false, &[("log", "MaxAge"), ("config", "maxAge")]),
];

/// What the program shall do.
#[derive(Debug, PartialEq)]
pub struct GoslSettings {
    /// How names are asked for.
    pub mode: Mode,
    /// Port of the web server.
    pub port: u16,
    /// The SQLite file; its folder may have to be made.
    pub store: PathBuf,
    /// The file that is imported first.
    pub import: Option<PathBuf>,
    /// The log file; empty for none.
    pub log_file: String,
    /// What is logged, as `[Logging] Levels` has it.
    pub levels: &'static str,
    /// What has no effect, or could not be found.
    pub warnings: Vec<String>,
}

/// How names are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// FastCGI on descriptor 0.
    FastCgi,
    /// HTTP.
    Server,
    /// By typing.
    Shell,
}

/// The values of settings by name, each with the place where it was given.
type Values = BTreeMap<&'static str, (String, String)>;

impl GoslSettings {
    /// Reads flags and file; `None` when only help is wanted. `home` is the home directory.
    ///
    /// # Errors
    /// An unknown flag, or a value that makes no sense.
    pub fn read(words: &[String], home: Option<&Path>) -> Result<Option<Self>> {
        let flags = read_flags(words)?;
        if switch(&flags, "help")? {
            return Ok(None);
        }
        let mut warnings = Vec::new();
        let named = text(&flags, "config").filter(|name| !name.is_empty());
        let file = GoslFile::find(named, home)?;
        if let (None, Some(named)) = (&file, named) {
            warnings.push(format!("there is no configuration file {named}; going on without"));
        }
        let mut values = file.as_ref().map(values_of_file).unwrap_or_default();
        values.extend(flags);
        if let Some((kind, place)) = values.get("database") {
            let sentence = "the store is SQLite, and stores of gosl-basics are not read: import the file of names again";
            warnings.push(format!("{place}: {kind:?} has no effect; {sentence}"));
        }
        for name in ["loopbatch", "batchblock"] {
            if let Some(number) = number::<u64>(&values, name)? {
                ensure!(number > 0, "{}: at least 1", place(&values, name));
            }
        }
        for name in ["log size", "log backups", "log age"] {
            number::<u64>(&values, name)?;
        }
        switch(&values, "nomemory")?;
        Ok(Some(Self {
            mode: match (switch(&values, "shell")?, switch(&values, "server")?) {
                (true, _) => Mode::Shell,
                (false, true) => Mode::Server,
                (false, false) => Mode::FastCgi,
            },
            port: port(&values)?,
            store: store(&values)?,
            import: text(&values, "import").filter(|file| !file.is_empty()).map(PathBuf::from),
            log_file: text(&values, "log file").unwrap_or("gosl.log").to_owned(),
            levels: levels(&values)?,
            warnings,
        }))
    }
}

fn values_of_file(file: &GoslFile) -> Values {
    let value = |setting: &Setting| {
        let (_, key) = setting.file.first()?;
        Some((setting.name, (file.get(setting.file)?.to_owned(), format!("{}: {key}", file.path.display()))))
    };
    FLAGS.iter().chain(OF_THE_FILE).filter_map(value).collect()
}

/// `--name value`, `--name=value`, `-n value`, `-nvalue`, `-n=value`; a switch alone or with `=true`, `=false`.
fn read_flags(words: &[String]) -> Result<Values> {
    let mut values = Values::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let (setting, value) = if let Some(long) = word.strip_prefix("--") {
            let (name, value) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
            (FLAGS.iter().find(|setting| setting.name == name), value)
        } else if let Some(short) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) {
            let letter = short.chars().next();
            let value = letter.map(|letter| &short[letter.len_utf8()..]).filter(|value| !value.is_empty());
            let value = value.map(|value| value.strip_prefix('=').unwrap_or(value));
            (FLAGS.iter().find(|setting| setting.short == letter), value)
        } else {
            bail!("{word} is no flag");
        };
        let setting = setting.with_context(|| format!("there is no flag {word}"))?;
        let value = match value {
            Some(value) => value.to_owned(),
            None if setting.switch => "true".to_owned(),
            None => words.next().cloned().with_context(|| format!("{word} needs a value"))?,
        };
        // The last one counts, as in gosl-basics.
        values.insert(setting.name, (value, format!("--{}", setting.name)));
    }
    Ok(values)
}

fn text<'a>(values: &'a Values, name: &str) -> Option<&'a str> {
    values.get(name).map(|(value, _)| value.as_str())
}

fn place<'a>(values: &'a Values, name: &'a str) -> &'a str {
    values.get(name).map_or(name, |(_, place)| place.as_str())
}

fn switch(values: &Values, name: &str) -> Result<bool> {
    match text(values, name) {
        None => Ok(false),
        Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
        Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
        Some(other) => bail!("{}: {other:?} is neither true nor false", place(values, name)),
    }
}

fn number<T: std::str::FromStr>(values: &Values, name: &str) -> Result<Option<T>> {
    let Some(text) = text(values, name) else { return Ok(None) };
    let number = text.trim().parse().ok().with_context(|| format!("{}: {text:?} is no number that fits", place(values, name)))?;
    Ok(Some(number))
}

fn port(values: &Values) -> Result<u16> {
    let port = number(values, "port")?.unwrap_or(3000);
    ensure!(port != 0, "{}: a port is 1 to 65535", place(values, "port"));
    Ok(port)
}

/// The SQLite file. With a name of its own it has an ending more, so that it is never gosl-basics' store, which may lie there.
fn store(values: &Values) -> Result<PathBuf> {
    let folder = Path::new(text(values, "dir").filter(|dir| !dir.is_empty()).unwrap_or("slkvdb"));
    let Some(name) = text(values, "databaseName").filter(|name| !name.is_empty()) else {
        return Ok(folder.join("name2key.db"));
    };
    ensure!(!name.contains('/'), "{}: {name:?} is no name of a file", place(values, "databaseName"));
    Ok(folder.join(format!("{name}.sqlite")))
}

fn levels(values: &Values) -> Result<&'static str> {
    let Some(level) = text(values, "debug").filter(|level| !level.is_empty()) else { return Ok("info,actix_server=warn") };
    match level.to_ascii_uppercase().as_str() {
        "DEBUG" => Ok("info,gridshell=debug,gridshell_services=debug,gridshell_connectors=debug"),
        "INFO" | "NOTICE" => Ok("info,actix_server=warn"),
        "WARNING" => Ok("warn"),
        "ERROR" | "CRITICAL" => Ok("error"),
        _ => bail!("{}: {level:?} is none of DEBUG, INFO, NOTICE, ERROR", place(values, "debug")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str], home: &Path) -> Result<GoslSettings> {
        let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
        GoslSettings::read(&words, Some(home)).map(|settings| settings.expect("no help is asked for"))
    }

    fn with_file(words: &[&str], name: &str, content: &str) -> Result<GoslSettings> {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(".config/gosl-basics");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name), content).unwrap();
        read(words, home.path())
    }

    fn without_file(words: &[&str]) -> Result<GoslSettings> {
        read(words, tempfile::tempdir().unwrap().path())
    }

    #[test]
    fn defaults_are_fastcgi_without_import() {
        assert_eq!(
            without_file(&[]).unwrap(),
            GoslSettings {
                mode: Mode::FastCgi,
                port: 3000,
                store: "slkvdb/name2key.db".into(),
                import: None,
                log_file: "gosl.log".to_owned(),
                levels: "info,actix_server=warn",
                warnings: Vec::new(),
            }
        );
    }

    #[test]
    fn every_form_of_a_flag() {
        for words in [
            &["--port", "4444", "--server", "--import", "n.csv"][..],
            &["--port=4444", "--server=true", "--import=n.csv"],
            &["-p", "4444", "--server=1", "-i", "n.csv"],
            &["-p4444", "--server", "-in.csv"],
            &["-p=4444", "--server", "-i=n.csv", "--nomemory=false", "-l", "5", "-b=1", "--shell=false"],
            &["-p", "1", "--port=4444", "--server", "-i", "x", "-i", "n.csv"],
        ] {
            let settings = without_file(words).unwrap();
            assert_eq!((settings.mode, settings.port, settings.import), (Mode::Server, 4444, Some("n.csv".into())), "{words:?}");
        }
        assert_eq!(without_file(&["--shell", "--server"]).unwrap().mode, Mode::Shell);
        assert_eq!(
            without_file(&["--dir", "d", "-n", "gosl-database.db"]).unwrap().store,
            Path::new("d/gosl-database.db.sqlite")
        );
        assert_eq!(without_file(&["-d", "debug"]).unwrap().levels.split(',').next(), Some("info"));
        assert_eq!(without_file(&["-dERROR"]).unwrap().levels, "error");
        for words in [["--help"], ["-h"]] {
            assert_eq!(GoslSettings::read(&words.map(str::to_owned), None).unwrap(), None);
        }
    }

    #[test]
    fn wrong_flags() {
        for (words, part) in [
            (&["--prot", "1"][..], "there is no flag --prot"),
            (&["-x"], "there is no flag -x"),
            (&["serve"], "serve is no flag"),
            (&["--port"], "--port needs a value"),
            (&["--port", "x"], "--port: \"x\" is no number"),
            (&["--port", "65536"], "--port: \"65536\" is no number"),
            (&["--port", "0"], "1 to 65535"),
            (&["--server=maybe"], "--server: \"maybe\" is neither"),
            (&["--batchblock", "0"], "--batchblock: at least 1"),
            (&["--loopbatch", "-1"], "--loopbatch: \"-1\""),
            (&["-d", "loud"], "none of DEBUG"),
            (&["-n", "../x"], "no name of a file"),
        ] {
            let error = without_file(words).unwrap_err().to_string();
            assert!(error.contains(part), "{words:?}: {error}");
        }
    }

    #[test]
    fn the_file_is_stronger_than_defaults_and_weaker_than_flags() {
        let shipped = "[config]\nmyPort = 4444\nmyDir = \"kv\"\nisServer = true\ndatabase = \"badger\"\nBATCH_BLOCK = 100000\n\
                       [options]\nimportFilename = \"a.csv\"\nnoMemory = true\n[log]\nFilename = \"x.log\"\nMaxSize = 10\n";
        let read_by_2017 = "[config]\nmyPort = 4444\nmyDir = \"kv\"\nisServer = true\ndatabase = \"badger\"\nimportFilename = \"a.csv\"\n\
                            logFilename = \"x.log\"\nmaxSize = 10\n";
        for text in [shipped, read_by_2017] {
            for name in ["config.toml", "config.ini"] {
                let settings = with_file(&[], name, text).unwrap();
                assert_eq!((settings.mode, settings.port), (Mode::Server, 4444), "{name}");
                assert_eq!((settings.store, settings.import), ("kv/name2key.db".into(), Some("a.csv".into())));
                assert_eq!(settings.log_file, "x.log");
                assert!(settings.warnings[0].contains("database: \"badger\" has no effect"), "{:?}", settings.warnings);
                let settings = with_file(&["--port=5", "--server=false", "--import="], name, text).unwrap();
                assert_eq!((settings.mode, settings.port, settings.import), (Mode::FastCgi, 5, None));
            }
        }
        // The shipped place wins over the one that was read.
        let both = "[options]\nimportFilename = \"a\"\n[config]\nimportFilename = \"b\"\n";
        assert_eq!(with_file(&[], "config.toml", both).unwrap().import, Some("a".into()));
        let error = with_file(&[], "config.ini", "[config]\nmyPort = many\n").unwrap_err().to_string();
        assert!(error.contains("config.ini: myPort: \"many\" is no number"), "{error}");
    }

    #[test]
    fn a_named_file_that_is_not_there_is_a_warning() {
        let settings = without_file(&["--config", "gone.toml"]).unwrap();
        assert_eq!(settings.warnings, ["there is no configuration file gone.toml; going on without"]);
        assert_eq!(with_file(&["--config=other.toml"], "other.toml", "[config]\nmyPort = 7\n").unwrap().port, 7);
    }
}
