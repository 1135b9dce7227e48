//! The last lines of the console, numbered, and their document (shell.md section 9.2).

use std::collections::VecDeque;

use super::super::terminal::Level;
use super::super::xml::escape_text;

/// Lines that are kept.
pub const SCROLLBACK_LINES: usize = 1000;

/// Bytes that are kept of a line; an operator's terminal has no use for more.
const MAX_LINE_BYTES: usize = 16 * 1024;

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// Something that was said.
    Message,
    /// The main prompt.
    CommandPrompt,
    /// A question.
    Question,
    /// What a client typed.
    Echo,
}

struct Line {
    level: Level,
    kind: LineKind,
    text: String,
}

/// The lines. They are numbered from 1 for as long as the program runs.
#[derive(Default)]
pub struct Scrollback {
    lines: VecDeque<Line>,
    last_number: u64,
}

impl Scrollback {
    /// Adds a line; gives its number.
    pub fn push(&mut self, level: Level, kind: LineKind, text: &str) -> u64 {
        if self.lines.len() == SCROLLBACK_LINES {
            self.lines.pop_front();
        }
        let text = text[..text.floor_char_boundary(MAX_LINE_BYTES)].to_owned();
        self.lines.push_back(Line { level, kind, text });
        self.last_number += 1;
        self.last_number
    }

    /// The number of the newest line; 0 when there was none yet.
    pub fn last_number(&self) -> u64 {
        self.last_number
    }

    /// The document with the lines after number `seen`, as far as they are kept; `None` when there is none. On a session's first
    /// read all but the last line are old: whether one of them was a prompt is left out, so that no client answers it.
    pub fn document(&self, seen: u64, first_read: bool) -> Option<String> {
        let before_kept = self.last_number - self.lines.len() as u64;
        let skipped = seen.saturating_sub(before_kept);
        let new = self.lines.iter().skip(usize::try_from(skipped).unwrap_or(usize::MAX));
        if self.last_number <= seen {
            return None;
        }
        let mut xml = String::from("<?xml version=\"1.0\"?><ConsoleSession>");
        for (line, number) in new.zip(before_kept + skipped + 1..) {
            let brief = first_read && number < self.last_number;
            line.write(&mut xml, number, brief);
        }
        xml.push_str("</ConsoleSession>");
        Some(xml)
    }
}

impl Line {
    fn write(&self, xml: &mut String, number: u64, brief: bool) {
        let level = self.level.name();
        let is_command = self.kind == LineKind::CommandPrompt;
        let is_prompt = is_command || self.kind == LineKind::Question;
        let is_echo = self.kind == LineKind::Echo;
        let prompt = if brief { String::new() } else { format!(" Prompt=\"{is_prompt}\" Command=\"{is_command}\"") };
        let text = escape_text(&self.text);
        xml.push_str(&format!("<Line Number=\"{number}\" Level=\"{level}\"{prompt} Input=\"{is_echo}\">{text}</Line>"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_whole() {
        let mut scrollback = Scrollback::default();
        assert_eq!(scrollback.document(0, true), None);
        scrollback.push(Level::Normal, LineKind::Message, "Version: OpenSim <1> & \"more\"\x1b");
        scrollback.push(Level::Plain, LineKind::Question, "First name [Default]: ");
        scrollback.push(Level::Plain, LineKind::Echo, "Ada");
        scrollback.push(Level::Error, LineKind::Message, "");
        scrollback.push(Level::Plain, LineKind::CommandPrompt, "R.O.B.U.S.T.# ");
        assert_eq!(
            scrollback.document(0, true).unwrap(),
            "<?xml version=\"1.0\"?><ConsoleSession>\
             <Line Number=\"1\" Level=\"normal\" Input=\"false\">Version: OpenSim &lt;1&gt; &amp; \"more\"</Line>\
             <Line Number=\"2\" Level=\"\" Input=\"false\">First name [Default]: </Line>\
             <Line Number=\"3\" Level=\"\" Input=\"true\">Ada</Line>\
             <Line Number=\"4\" Level=\"error\" Input=\"false\"></Line>\
             <Line Number=\"5\" Level=\"\" Prompt=\"true\" Command=\"true\" Input=\"false\">R.O.B.U.S.T.# </Line>\
             </ConsoleSession>"
        );
        assert_eq!(
            scrollback.document(1, false).unwrap(),
            "<?xml version=\"1.0\"?><ConsoleSession>\
             <Line Number=\"2\" Level=\"\" Prompt=\"true\" Command=\"false\" Input=\"false\">First name [Default]: </Line>\
             <Line Number=\"3\" Level=\"\" Prompt=\"false\" Command=\"false\" Input=\"true\">Ada</Line>\
             <Line Number=\"4\" Level=\"error\" Prompt=\"false\" Command=\"false\" Input=\"false\"></Line>\
             <Line Number=\"5\" Level=\"\" Prompt=\"true\" Command=\"true\" Input=\"false\">R.O.B.U.S.T.# </Line>\
             </ConsoleSession>"
        );
        assert_eq!(scrollback.document(5, false), None);
    }

    #[test]
    fn a_thousand_lines_are_kept_and_the_numbers_go_on() {
        let mut scrollback = Scrollback::default();
        for number in 1..=1003 {
            scrollback.push(Level::Normal, LineKind::Message, &format!("line {number}"));
        }
        let document = scrollback.document(0, true).unwrap();
        assert_eq!(document.matches("<Line ").count(), 1000);
        assert!(document.contains("<Line Number=\"4\" Level=\"normal\" Input=\"false\">line 4</Line>"));
        assert!(document.contains(">line 1003</Line></ConsoleSession>"));
        let document = scrollback.document(1002, false).unwrap();
        assert!(document.contains("<Line Number=\"1003\"") && !document.contains("line 1002"));
        assert_eq!(scrollback.push(Level::Normal, LineKind::Message, &"é".repeat(MAX_LINE_BYTES)), 1004);
        assert_eq!(scrollback.document(1003, false).unwrap().matches('é').count(), MAX_LINE_BYTES / 2);
    }
}
