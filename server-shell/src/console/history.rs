//! The history file of the local console (shell.md section 8.1): a plain text file, one command per line.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Zoned;

/// A file that is larger is not read; it cannot be a history.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// Where and how commands are kept.
#[derive(Clone, Debug)]
pub struct HistoryOptions {
    /// The file.
    pub path: PathBuf,
    /// How many commands the file keeps; older ones go at the next start.
    pub lines: usize,
    /// Whether each command is written with `[<short date> <short time>]:> ` before it.
    pub time_stamps: bool,
}

/// The open history file.
pub struct HistoryFile {
    options: HistoryOptions,
}

impl HistoryFile {
    /// Reads the file, if there is one, and cuts it to its newest lines. Gives the commands, oldest first, without their time
    /// stamps.
    ///
    /// # Errors
    /// When the file cannot be read or written, or is too large to be a history.
    pub fn open(options: HistoryOptions) -> io::Result<(Self, Vec<String>)> {
        let text = read_if_any(&options.path)?;
        let all: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let kept = &all[all.len().saturating_sub(options.lines)..];
        if kept.len() < all.len() {
            let lines: String = kept.iter().map(|line| format!("{line}\n")).collect();
            fs::write(&options.path, lines)?;
        }
        let commands = kept.iter().map(|line| without_time_stamp(line).to_owned()).collect();
        Ok((Self { options }, commands))
    }

    /// Adds a command at the end.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn append(&self, command: &str, now: &Zoned) -> io::Result<()> {
        // Commands can hold passwords, so the file is the operator's own.
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.options.path)?;
        let stamp = if self.options.time_stamps { time_stamp(now) } else { String::new() };
        file.write_all(format!("{stamp}{command}\n").as_bytes())
    }
}

fn read_if_any(path: &Path) -> io::Result<String> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error),
        Ok(metadata) if metadata.len() > MAX_FILE_BYTES => Err(io::Error::other("the file is too large for a history")),
        Ok(_) => Ok(String::from_utf8_lossy(&fs::read(path)?).into_owned()),
    }
}

/// `[7/20/2026 9:05 AM]:> `: the short date and time of the en-US culture (shell.md section 1).
fn time_stamp(now: &Zoned) -> String {
    now.strftime("[%-m/%-d/%Y %-I:%M %p]:> ").to_string()
}

fn without_time_stamp(line: &str) -> &str {
    match line.split_once("]:> ") {
        Some((stamp, command)) if stamp.starts_with('[') => command,
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(folder: &tempfile::TempDir, time_stamps: bool) -> HistoryOptions {
        HistoryOptions { path: folder.path().join("history.txt"), lines: 3, time_stamps }
    }

    fn at(time: &str) -> Zoned {
        time.parse().unwrap()
    }

    #[test]
    fn commands_come_back_and_old_ones_go() {
        let folder = tempfile::tempdir().unwrap();
        let now = at("2026-07-20T09:05+02:00[+02:00]");
        let (file, commands) = HistoryFile::open(options(&folder, false)).unwrap();
        assert!(commands.is_empty());
        for command in ["one", "two", "three", "four"] {
            file.append(command, &now).unwrap();
        }
        let path = folder.path().join("history.txt");
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\nthree\nfour\n");
        let (_, commands) = HistoryFile::open(options(&folder, false)).unwrap();
        assert_eq!(commands, ["two", "three", "four"]);
        assert_eq!(fs::read_to_string(&path).unwrap(), "two\nthree\nfour\n");
    }

    #[test]
    fn time_stamps_are_local_and_stay_out_of_the_commands() {
        let folder = tempfile::tempdir().unwrap();
        let (file, _) = HistoryFile::open(options(&folder, true)).unwrap();
        file.append("show info", &at("2026-07-20T09:05+02:00[+02:00]")).unwrap();
        file.append("quit", &at("2026-12-02T00:30+02:00[+02:00]")).unwrap();
        let text = fs::read_to_string(folder.path().join("history.txt")).unwrap();
        assert_eq!(text, "[7/20/2026 9:05 AM]:> show info\n[12/2/2026 12:30 AM]:> quit\n");
        let (_, commands) = HistoryFile::open(options(&folder, true)).unwrap();
        assert_eq!(commands, ["show info", "quit"]);
    }
}
