//! The interactive mode: names and keys are typed, and looked up (name2key.md section 6.1).

use std::io::{self, BufRead, IsTerminal, Read, Write};

use anyhow::{Context, Result};
use gridshell_connectors::name2key::Spelling;
use gridshell_interfaces::name2key::{MAX_NAME_BYTES, Name2KeyService, NameEntry};
use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;
use tokio::runtime::Handle;

use super::answer;

/// Longer lines are neither a name nor a key.
const MAX_LINE_BYTES: u64 = 64 * 1024;

/// What is said, in the words of either generation of gosl-basics.
struct Sentences {
    welcome: &'static str,
    prompt: &'static str,
    unknown: &'static str,
}

const OF_2017: Sentences =
    Sentences { welcome: "Ctrl-C to quit.", prompt: "Enter avatar name or UUID: ", unknown: "Sorry, unknown input" };
const OF_2025: Sentences = Sentences {
    welcome: "Ctrl-C to quit, or just type \"quit\".",
    prompt: "enter avatar name or UUID: ",
    unknown: "sorry, unknown input",
};

/// Answers lines until `quit`, Ctrl-C, or the end of the input. Runs outside of the runtime, since it waits for keys.
///
/// # Errors
/// The input or the output fails. A fault of the store is said, and the next line is read.
pub fn run(service: &dyn Name2KeyService, spelling: Spelling, runtime: &Handle) -> Result<()> {
    let sentences = match spelling {
        Spelling::Of2017 => OF_2017,
        Spelling::Of2025 => OF_2025,
    };
    say(sentences.welcome)?;
    let mut lines = Lines::open(sentences.prompt)?;
    while let Some(line) = lines.next()? {
        match line.trim() {
            "" => {}
            "quit" => break,
            line => match runtime.block_on(answers(service, &sentences, line)) {
                Ok(answers) => answers.iter().try_for_each(|answer| say(answer))?,
                Err(error) => crate::say(&format!("gridshell: {error}\n")),
            },
        }
    }
    Ok(())
}

/// What is said to a line: a sentence for each match, best first.
async fn answers(service: &dyn Name2KeyService, sentences: &Sentences, line: &str) -> gridshell_interfaces::Result<Vec<String>> {
    let matches = if line.len() > MAX_NAME_BYTES { Vec::new() } else { answer::matches_of(service, line, None).await? };
    if matches.is_empty() {
        return Ok(vec![format!("{} {line}", sentences.unknown)]);
    }
    let found = |entry: &NameEntry| format!("{} which has UUID: {} comes from grid: {}", entry.name, entry.key, entry.grid);
    Ok(matches.iter().map(found).collect())
}

/// The lines that are typed: with editing and history at a terminal, else as they come, without a prompt.
enum Lines {
    Typed { editor: Box<DefaultEditor>, prompt: &'static str },
    Piped,
}

impl Lines {
    fn open(prompt: &'static str) -> Result<Self> {
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            return Ok(Self::Piped);
        }
        let editor = DefaultEditor::new().context("the terminal cannot be used")?;
        Ok(Self::Typed { editor: Box::new(editor), prompt })
    }

    /// The next line; `None` when there are no more.
    fn next(&mut self) -> Result<Option<String>> {
        match self {
            Self::Typed { editor, prompt } => match editor.readline(*prompt) {
                Ok(line) => {
                    editor.add_history_entry(&line)?;
                    Ok(Some(line))
                }
                Err(ReadlineError::Eof | ReadlineError::Interrupted) => Ok(None),
                Err(error) => Err(error).context("the terminal cannot be read"),
            },
            Self::Piped => read_line(&mut io::stdin().lock()),
        }
    }
}

/// One line, without its end; what is beyond [`MAX_LINE_BYTES`] is dropped.
fn read_line(input: &mut impl BufRead) -> Result<Option<String>> {
    let mut bytes = Vec::new();
    let read = input.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut bytes).context("the input cannot be read")?;
    if read == 0 {
        return Ok(None);
    }
    if bytes.pop_if(|last| *last == b'\n').is_none() {
        input.skip_until(b'\n').context("the input cannot be read")?;
    }
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

fn say(line: &str) -> Result<()> {
    writeln!(io::stdout(), "{line}").context("the output cannot be written")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_cut_and_the_next_is_whole() {
        let long = vec![b'x'; 3 * MAX_LINE_BYTES as usize];
        let text = [b"Ann Bee\r\n\n".as_slice(), &long, b"\nnext\n\xff end"].concat();
        let mut input = text.as_slice();
        let mut lines = Vec::new();
        while let Some(line) = read_line(&mut input).unwrap() {
            lines.push(line);
        }
        assert_eq!((lines[0].as_str(), lines[1].as_str(), lines[2].len()), ("Ann Bee\r", "", MAX_LINE_BYTES as usize));
        assert_eq!(lines[3..], ["next", "\u{fffd} end"]);
    }
}
