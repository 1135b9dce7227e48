//! The switches of the command line (shell.md section 2).

use crate::problem::{Origin, Problem, quoted};

/// The source name of values that come from here.
pub(crate) const COMMAND_LINE: &str = "command line";

/// A switch that is known: its long name, which is its key in `[Startup]`, and its short name.
struct Switch {
    long: &'static str,
    short: &'static str,
}

const SWITCHES: [Switch; 5] = [
    Switch { long: "inifile", short: "i" },
    Switch { long: "console", short: "c" },
    Switch { long: "logfile", short: "l" },
    Switch { long: "logconfig", short: "g" },
    Switch { long: "prompt", short: "p" },
];

/// The switches that were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandLine {
    values: Vec<(&'static str, String)>,
    unknown: Vec<String>,
}

/// A switch with its value as far as it is read.
struct Given {
    /// Name as written, without dashes, in lower case.
    name: String,
    known: Option<&'static str>,
    value: Option<String>,
}

impl CommandLine {
    /// Reads the arguments, without the name of the program.
    ///
    /// `-name=value`, `-name:value`, `-name value`, with `-`, `--` or `/`, in any case, by long or short name. More lenient than the
    /// original in one point: a separate value may begin with `/` (`-inifile /etc/robust.ini`) as long as it is not a known switch.
    ///
    /// # Errors
    /// A known switch that is given twice.
    pub fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, Problem> {
        let mut given: Vec<Given> = Vec::new();
        let mut unknown = Vec::new();
        for argument in arguments {
            match read_switch(&argument) {
                Some(switch) if switch.known.is_some() || !is_value_of_last(&argument, &given) => {
                    if switch.known.is_some() && given.iter().any(|earlier| earlier.name == switch.name) {
                        let problem = Problem::error(format!("the switch -{} is given twice; give it once", switch.name));
                        return Err(problem.at(Origin::whole(COMMAND_LINE)));
                    }
                    if switch.known.is_none() {
                        unknown.push(argument);
                    }
                    given.push(switch);
                }
                // A further argument overwrites the one before it, as in the original.
                _ => match given.last_mut() {
                    Some(last) => last.value = Some(argument),
                    None => unknown.push(argument),
                },
            }
        }
        let values = SWITCHES.iter().filter_map(|switch| Some((switch.long, value_of(switch, &given)?))).collect();
        Ok(Self { values, unknown })
    }

    /// The value of a switch, by its long name; empty if it was given without one.
    pub fn get(&self, long_name: &str) -> Option<&str> {
        self.values.iter().find(|(name, _)| *name == long_name).map(|(_, value)| value.as_str())
    }

    /// Arguments that are no known switch nor the value of a switch. They have no effect.
    pub fn unknown(&self) -> &[String] {
        &self.unknown
    }

    /// A warning for each argument that has no effect.
    pub fn warnings(&self) -> Vec<Problem> {
        let switches = SWITCHES.map(|switch| format!("-{}", switch.long)).join(", ");
        let warn =
            |argument: &String| Problem::warning(format!("{} has no effect; the switches are {switches}", quoted(argument)));
        self.unknown.iter().map(|argument| warn(argument).at(Origin::whole(COMMAND_LINE))).collect()
    }

    /// All values by long name, as they go into `[Startup]`.
    pub(crate) fn values(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(name, value)| (*name, value.as_str()))
    }
}

/// The long form wins over the short one.
fn value_of(switch: &Switch, given: &[Given]) -> Option<String> {
    let by_name = |name: &str| given.iter().find(|given| given.name == name);
    let given = by_name(switch.long).or_else(|| by_name(switch.short))?;
    Some(trim_quotes(given.value.as_deref().unwrap_or_default()).to_owned())
}

/// Whether an argument that looks like an unknown switch is the path that the last switch waits for.
fn is_value_of_last(argument: &str, given: &[Given]) -> bool {
    argument.starts_with('/') && given.last().is_some_and(|last| last.known.is_some() && last.value.is_none())
}

/// Reads an argument as a switch: a dash, two or a slash, word characters, then nothing or `=` or `:` and a value.
fn read_switch(argument: &str) -> Option<Given> {
    let rest = argument.strip_prefix("--").or_else(|| argument.strip_prefix(['-', '/']))?;
    let end = rest.find(|character: char| !character.is_alphanumeric() && character != '_').unwrap_or(rest.len());
    if end == 0 {
        return None;
    }
    let name = rest[..end].to_lowercase();
    let after = &rest[end..];
    let value = match after.strip_prefix(['=', ':']).unwrap_or(after) {
        "" => None,
        value => Some(value.to_owned()),
    };
    // Without = or : a slash more makes it a path: /console/robust.ini is not the switch /console.
    let is_path = argument.starts_with('/') && after.starts_with(['/', '.']);
    let switch = SWITCHES.iter().find(|switch| switch.long == name || switch.short == name);
    Some(Given { known: switch.filter(|_| !is_path).map(|switch| switch.long), name, value })
}

/// One level of surrounding quotes is no part of a value.
fn trim_quotes(value: &str) -> &str {
    ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote)).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(arguments: &[&str]) -> Result<CommandLine, Problem> {
        CommandLine::parse(arguments.iter().map(|argument| (*argument).to_owned()))
    }

    fn get(arguments: &[&str], name: &str) -> Option<String> {
        parse(arguments).unwrap().get(name).map(str::to_owned)
    }

    #[test]
    fn every_form_of_a_switch() {
        for arguments in [
            &["-inifile=x.ini"][..],
            &["-inifile:x.ini"],
            &["--inifile=x.ini"],
            &["--inifile", "x.ini"],
            &["/inifile=x.ini"],
            &["/inifile:x.ini"],
            &["-i", "x.ini"],
            &["--i=x.ini"],
            &["/i", "x.ini"],
            &["-inifile", "x.ini"],
            &["-INIFILE=x.ini"],
            &["-inifile=\"x.ini\""],
            &["-inifile", "'x.ini'"],
            &["-inifile", "other.ini", "x.ini"],
            &["-inifile=x.ini", "-i=y.ini"],
            &["-i=y.ini", "-inifile=x.ini"],
            &["first", "-inifile=x.ini"],
        ] {
            assert_eq!(get(arguments, "inifile").as_deref(), Some("x.ini"), "{arguments:?}");
        }
    }

    #[test]
    fn every_switch_by_both_names() {
        for (long, short) in [("inifile", "-i"), ("console", "-c"), ("logfile", "-l"), ("logconfig", "-g"), ("prompt", "-p")] {
            assert_eq!(get(&[short, "v"], long).as_deref(), Some("v"));
            assert_eq!(get(&[&format!("-{long}"), "v"], long).as_deref(), Some("v"));
        }
    }

    #[test]
    fn a_switch_without_value_has_the_empty_one() {
        assert_eq!(get(&["-console"], "console").as_deref(), Some(""));
        assert_eq!(get(&["-console="], "console").as_deref(), Some(""));
        assert_eq!(get(&["-console", "-inifile=x"], "console").as_deref(), Some(""));
        assert_eq!(get(&[], "console"), None);
    }

    #[test]
    fn values_keep_what_is_theirs() {
        assert_eq!(get(&["-prompt==x"], "prompt").as_deref(), Some("=x"));
        assert_eq!(get(&["-prompt=\"'a'\""], "prompt").as_deref(), Some("'a'"));
        assert_eq!(get(&["-prompt=\""], "prompt").as_deref(), Some("\""));
        assert_eq!(get(&["-prompt", "-> "], "prompt").as_deref(), Some("-> "));
        assert_eq!(get(&["-inifile=/etc/robust.ini"], "inifile").as_deref(), Some("/etc/robust.ini"));
        assert_eq!(get(&["-inifile=http://host:8/x.xml"], "inifile").as_deref(), Some("http://host:8/x.xml"));
    }

    #[test]
    fn an_absolute_path_may_be_a_separate_value() {
        assert_eq!(get(&["-inifile", "/etc/robust.ini"], "inifile").as_deref(), Some("/etc/robust.ini"));
        assert_eq!(get(&["-i", "/console/robust.ini"], "inifile").as_deref(), Some("/console/robust.ini"));
        let both = parse(&["-inifile", "/console=rest"]).unwrap();
        assert_eq!((both.get("inifile"), both.get("console")), (Some(""), Some("rest")));
    }

    #[test]
    fn unknown_arguments_are_listed_and_take_their_values_with_them() {
        let line = parse(&["loose", "-background", "true", "-console=rest", "/hypergrid"]).unwrap();
        assert_eq!(line.unknown(), ["loose", "-background", "/hypergrid"]);
        assert_eq!(line.get("console"), Some("rest"));
        assert_eq!(line.get("background"), None);
        assert_eq!(
            line.warnings()[1].to_string(),
            "command line: \"-background\" has no effect; the switches are -inifile, -console, -logfile, -logconfig, -prompt"
        );
    }

    #[test]
    fn twice_is_an_error() {
        let problem = parse(&["-inifile=a", "--IniFile=b"]).unwrap_err();
        assert_eq!(problem.to_string(), "command line: the switch -inifile is given twice; give it once");
        assert!(parse(&["-i=a", "-i=b"]).is_err());
    }

    proptest! {
        #[test]
        fn no_arguments_panic(arguments in proptest::collection::vec("[-/=:'\"a-zé_ ]{0,12}|-i|/inifile|.{0,8}", 0..6)) {
            let _ = CommandLine::parse(arguments.into_iter());
        }
    }
}
