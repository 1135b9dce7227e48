//! `gridshell plugin check`: whether a file can be used as a plugin, and what it says of itself.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::load::{CheckedFile, Permission, PluginLibrary, check_file};
use super::refusal::Refusal;

/// How to call it.
pub const USAGE: &str = "\
gridshell plugin check FILE [SWITCHES]

Does with a plugin what the server does before it uses it, step by step, and says what it has found. The code of the plugin runs in a process
of its own. Without the switch inifile FILE is a path. With it, [Plugins] says what is permitted, and FILE is a name in its Directory, or
a path to a file that is to be put there. Status: 0 it can be used; 1 it is refused; 2 it could not be looked at.
";

/// The steps, with what each looks at.
const STEPS: [&str; 10] = [
    "name and list",
    "owner, mode, size",
    "hash",
    "kind of file, note, symbols",
    "not loaded yet",
    "process of its own",
    "loading",
    "functions",
    "properties",
    "instance",
];

/// Looks at a file. Gives what is to be printed, and whether it can be used. `permission` is the operator's, with the hash; without, every
/// file that keeps the rules is permitted.
pub fn check(file: &str, permission: Option<(Permission, Option<String>)>) -> (String, bool) {
    let path = Path::new(file);
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or(file);
    let has_folder = file.contains('/');
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).map_or_else(|| PathBuf::from("."), Path::to_owned);
    let (permission, sha256) = match permission {
        Some((permission, sha256)) if has_folder => (Permission { directory: folder, ..permission }, sha256),
        Some(permitted) => permitted,
        None => (Permission { directory: folder, allow: vec![name.to_owned()], allow_unmarked: false }, None),
    };
    let mut report = format!("{}\n\n", permission.directory.join(name).display());
    let outcome =
        check_file(name, &permission, sha256.as_deref()).and_then(|checked| Ok((PluginLibrary::probe(&checked)?, checked)));
    match outcome {
        Ok((properties, checked)) => {
            steps(&mut report, &Ok(&checked));
            report.push('\n');
            for (name, value) in &properties {
                let _ = writeln!(report, "{name:<16}{}", value.escape_debug());
            }
            (report, true)
        }
        Err(refusal) => {
            steps(&mut report, &Err(&refusal));
            (report, false)
        }
    }
}

/// A line for each step.
fn steps(report: &mut String, outcome: &Result<&CheckedFile, &Refusal>) {
    for (number, title) in (1..).zip(STEPS) {
        let verdict = match (number, outcome) {
            (number, Err(refusal)) if number == refusal.step.number() => {
                let Refusal { step, what, expected, found, .. } = refusal;
                format!("REFUSED: {what}: expected {expected}, found {found} (code {})", step.code())
            }
            (number, Err(refusal)) if number > refusal.step.number() => "not reached".to_owned(),
            (5 | 10, _) => "left to the server, which does it when it starts".to_owned(),
            (3, Ok(checked)) => format!("ok, SHA-256 {}", checked.sha256),
            (4, Ok(checked)) => match checked.noted_version() {
                Some(version) => format!("ok, ABI {}.{}", version.major, version.minor),
                None => "ok, without note".to_owned(),
            },
            _ => "ok".to_owned(),
        };
        let _ = writeln!(report, "step {number:>2}  {title:<28}{verdict}");
    }
}
