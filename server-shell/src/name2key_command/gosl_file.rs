//! The configuration file of gosl-basics: `config.toml` and `config.ini` (name2key.md section 5).

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use gridshell_config::lex;

/// Larger files are no such configuration.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// The names that are looked for when none is given.
const NAMES: [&str; 2] = ["config.toml", "config.ini"];

/// The places that are looked through, the folders below the home directory in the order of the program's age.
const PLACES_AT_HOME: [&str; 3] =
    [".config/gosl-basics", "go/src/gosl-basics", "go/src/git.gwynethllewelyn.net/GwynethLlewelyn/gosl-basics"];

/// All keys of a configuration file with their values as text.
#[derive(Debug, Default)]
pub struct GoslFile {
    /// The file, for messages.
    pub path: PathBuf,
    /// Section, key, value.
    entries: Vec<(String, String, String)>,
}

impl GoslFile {
    /// Finds and reads the configuration: the file of this name, else, in all places, this name or one of [`NAMES`]. `None` when there is
    /// none.
    ///
    /// # Errors
    /// A file that is there and cannot be read, is too large, or is not what its ending says.
    pub fn find(name: Option<&str>, home: Option<&Path>) -> Result<Option<Self>> {
        let places =
            || std::iter::once(PathBuf::new()).chain(home.into_iter().flat_map(|home| PLACES_AT_HOME.map(|it| home.join(it))));
        let names = name.map_or(NAMES.to_vec(), |name| vec![name]);
        let mut candidates = places().flat_map(|place| names.iter().map(move |name| place.join(name)).collect::<Vec<_>>());
        candidates.find(|path| path.is_file()).map(|path| Self::read(&path)).transpose()
    }

    fn read(path: &Path) -> Result<Self> {
        let text = read_text(path).with_context(|| format!("cannot read {}", path.display()))?;
        let entries = match path.extension().and_then(|extension| extension.to_str()) {
            Some("toml") => toml_entries(&text),
            Some("ini") => ini_entries(path, &text),
            _ => bail!("{}: a configuration file's name ends in .toml or .ini", path.display()),
        };
        Ok(Self { path: path.to_owned(), entries: entries.with_context(|| format!("{} makes no sense", path.display()))? })
    }

    /// The value of a key, whatever the case of its letters: from the first of these sections that has it.
    pub fn get(&self, places: &[(&str, &str)]) -> Option<&str> {
        places.iter().find_map(|(section, key)| {
            let is_it = |(its_section, its_key, _): &&(String, String, String)| {
                its_section.eq_ignore_ascii_case(section) && its_key.eq_ignore_ascii_case(key)
            };
            self.entries.iter().find(is_it).map(|(_, _, value)| value.as_str())
        })
    }
}

fn read_text(path: &Path) -> Result<String> {
    let mut text = String::new();
    fs::File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_string(&mut text)?;
    ensure!(text.len() as u64 <= MAX_FILE_BYTES, "it has more than {MAX_FILE_BYTES} bytes");
    Ok(text)
}

fn toml_entries(text: &str) -> Result<Vec<(String, String, String)>> {
    let mut entries = Vec::new();
    for (section, table) in text.parse::<toml::Table>()? {
        // A key outside of all sections is none of gosl-basics'.
        let toml::Value::Table(table) = table else { continue };
        for (key, value) in table {
            let value = match value {
                toml::Value::String(text) => text,
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Boolean(switch) => switch.to_string(),
                other => bail!("{section}.{key} is {}; a text, a whole number, true or false is meant", other.type_str()),
            };
            entries.push((section.clone(), key, value));
        }
    }
    Ok(entries)
}

fn ini_entries(path: &Path, text: &str) -> Result<Vec<(String, String, String)>> {
    // Go's readers of .ini files take # for the beginning of a comment, too. The lines stay, for their numbers.
    let text: String =
        text.lines().map(|line| if line.trim_start().starts_with('#') { "\n".into() } else { format!("{line}\n") }).collect();
    let (document, problems) = lex(&path.display().to_string(), &text);
    if let Some(problem) = problems.iter().find(|problem| problem.is_error()) {
        bail!("{problem}");
    }
    let of_section = |section: gridshell_config::DocumentSection| {
        let name = section.name;
        section.entries.into_iter().map(move |entry| (name.clone(), entry.key, plain_value(&entry.value).to_owned()))
    };
    Ok(document.sections.into_iter().flat_map(of_section).collect())
}

/// A value without a comment behind it, and without the other two kinds of quotes.
fn plain_value(value: &str) -> &str {
    let value = value.split(" #").next().unwrap_or(value).trim();
    ['`', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote)).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOML: &str = "# gosl\n[config]\nBATCH_BLOCK = 100_000\nmyPort = 3001 # the port\nmyDir = \"slkvdb\"\nisServer = true\n\
                        [options]\nimportFilename = \"\"\nnoMemory = true\n[BuntDB]\ndbNamePath = \"\"\n[log]\nFilename = \"a # b.log\"\n";
    const INI: &str = "# gosl\n; more\n[config]\nBATCH_BLOCK = 100000\nmyPort=3001 # the port\nmyDir = 'slkvdb'\nisServer = true\n\
                       [options]\nimportFilename = \"\"\n[log]\nFilename = \"gosl.log\"\n";

    fn file(folder: &Path, name: &str, text: &str) -> Result<GoslFile> {
        fs::write(folder.join(name), text).unwrap();
        GoslFile::read(&folder.join(name))
    }

    #[test]
    fn both_layouts_in_any_letter_case() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("config.toml", TOML), ("config.ini", INI)] {
            let file = file(folder.path(), name, text).unwrap();
            for (place, value) in [
                (("config", "batch_block"), Some("100000")),
                (("config", "myport"), Some("3001")),
                (("Config", "MYDIR"), Some("slkvdb")),
                (("config", "isServer"), Some("true")),
                (("options", "importFilename"), Some("")),
                (("config", "importFilename"), None),
            ] {
                assert_eq!(file.get(&[place]), value, "{name} {place:?}");
            }
            assert_eq!(file.get(&[("log", "maxSize"), ("config", "myPort")]), Some("3001"), "the second place");
        }
        assert_eq!(file(folder.path(), "c.toml", TOML).unwrap().get(&[("log", "filename")]), Some("a # b.log"));
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text, part) in [
            ("a.toml", "[config\n", "a.toml makes no sense"),
            ("a.toml", "[config]\nmyPort = [3000]\n", "config.myPort is array"),
            ("a.ini", "[config]\nmyPort\n", "a.ini:2"),
            ("a.yaml", "", "ends in .toml or .ini"),
        ] {
            let error = format!("{:#}", file(folder.path(), name, text).unwrap_err());
            assert!(error.contains(part), "{text:?}: {error}");
        }
        fs::write(folder.path().join("big.ini"), vec![b';'; MAX_FILE_BYTES as usize + 1]).unwrap();
        assert!(GoslFile::read(&folder.path().join("big.ini")).is_err());
        fs::write(folder.path().join("bytes.ini"), b"\xff").unwrap();
        assert!(GoslFile::read(&folder.path().join("bytes.ini")).is_err());
    }

    #[test]
    fn places_at_home_are_looked_through_in_order() {
        let home = tempfile::tempdir().unwrap();
        let found = || GoslFile::find(Some("gosl-test.ini"), Some(home.path())).unwrap().map(|file| file.path);
        assert_eq!(found(), None);
        let mut expected = Vec::new();
        for place in PLACES_AT_HOME.iter().rev() {
            let folder = home.path().join(place);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("gosl-test.ini"), "").unwrap();
            expected.push(folder.join("gosl-test.ini"));
            assert_eq!(found().as_ref(), expected.last());
        }
    }
}
