//! The text of one .ini file, read line by line (shell.md sections 3.1 to 3.3).

use std::collections::HashMap;

use crate::document::{Document, DocumentEntry, DocumentSection};
use crate::problem::{Origin, Problem};

/// A file that is no .ini file at all would give an error per line; after this many the rest is left out.
const MOST_PROBLEMS: usize = 100;

/// Reads the text of one file. `source` is the file's name for messages.
///
/// All syntax errors are found, each with its line; the lines that have one are left out of the document. Things that the dialect
/// allows but that are rarely meant (a key or section given twice, a value cut by an unquoted `;`) are warnings.
pub fn lex(source: &str, text: &str) -> (Document, Vec<Problem>) {
    let mut lexer = Lexer {
        source,
        sections: Vec::new(),
        seen_keys: HashMap::new(),
        problems: Vec::new(),
        left_out: 0,
        error_left_out: false,
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (index, line) in text.split('\n').enumerate() {
        lexer.line(index + 1, line);
    }
    lexer.finish()
}

struct Lexer<'a> {
    source: &'a str,
    sections: Vec<DocumentSection>,
    /// Keys of the current section, and their lines.
    seen_keys: HashMap<String, usize>,
    problems: Vec<Problem>,
    left_out: usize,
    error_left_out: bool,
}

/// What one line says.
#[derive(Debug, PartialEq)]
pub(crate) enum Line<'a> {
    Nothing,
    Section(&'a str),
    Entry { key: &'a str, value: &'a str, cut_at: Option<char> },
    Wrong(&'static str),
}

impl Lexer<'_> {
    fn line(&mut self, number: usize, line: &str) {
        match lex_line(line) {
            Line::Nothing => {}
            Line::Section(name) => {
                self.seen_keys.clear();
                self.sections.push(DocumentSection { name: name.to_owned(), line: number, entries: Vec::new() });
            }
            Line::Entry { key, value, cut_at } => self.entry(number, key, value, cut_at),
            Line::Wrong(what) => {
                let problem = Problem::error(what);
                self.problem(number, None, problem);
            }
        }
    }

    fn entry(&mut self, number: usize, key: &str, value: &str, cut_at: Option<char>) {
        let Some(section) = self.sections.last_mut() else {
            let problem = Problem::error("a key stands before the first [Section]; put it under the section that it belongs to");
            return self.problem(number, Some(key), problem);
        };
        if let Some(first) = self.seen_keys.get(key) {
            let problem = Problem::warning(format!("is given twice; the first, in line {first}, counts"));
            return self.problem(number, Some(key), problem);
        }
        self.seen_keys.insert(key.to_owned(), number);
        section.entries.push(DocumentEntry { key: key.to_owned(), value: value.to_owned(), line: number });
        if let Some(character) = cut_at {
            let what =
                format!("the value ends at the {character} in it and the rest is dropped; quotes around a value keep a ; inside");
            self.problem(number, Some(key), Problem::warning(what));
        }
    }

    fn problem(&mut self, line: usize, key: Option<&str>, mut problem: Problem) {
        if self.problems.len() >= MOST_PROBLEMS {
            self.left_out += 1;
            self.error_left_out |= problem.is_error();
            return;
        }
        problem.origin = Some(Origin::line(self.source, line));
        problem.section = self.sections.last().map(|section| section.name.clone());
        problem.key = key.map(str::to_owned);
        self.problems.push(problem);
    }

    fn finish(self) -> (Document, Vec<Problem>) {
        let mut problems = self.problems;
        let mut document = Document { source: self.source.to_owned(), sections: self.sections };
        for dropped in document.keep_last_of_each_name().into_iter().take(MOST_PROBLEMS) {
            problems.push(
                Problem::warning("this section is replaced completely by one of the same name further down")
                    .at(Origin::line(self.source, dropped.line))
                    .in_section(&dropped.name),
            );
        }
        if self.left_out > 0 {
            let what = format!("{} more problems in this file are not shown; is it an .ini file?", self.left_out);
            let problem = if self.error_left_out { Problem::error(what) } else { Problem::warning(what) };
            problems.push(problem.at(Origin::whole(self.source)));
        }
        (document, problems)
    }
}

/// Blanks that are skipped before anything; a CR alone is one of them.
const LEADING: [char; 3] = [' ', '\t', '\r'];

/// Reads one line, without its line feed.
pub(crate) fn lex_line(line: &str) -> Line<'_> {
    let line = line.strip_suffix('\r').unwrap_or(line).trim_start_matches(LEADING);
    if line.is_empty() || line.starts_with(';') {
        return Line::Nothing;
    }
    if let Some(header) = line.strip_prefix('[') {
        return match header.split_once(']') {
            Some((name, _)) => Line::Section(name.trim_end()),
            None => Line::Wrong("Expected section end (]): a section header is [Name]"),
        };
    }
    let Some((key, rest)) = line.split_once('=') else {
        return Line::Wrong("Expected assignment operator (=): a line is key = value, [Section] or ; comment");
    };
    let rest = rest.trim_start_matches(LEADING);
    match rest.strip_prefix('"') {
        Some(quoted) => match quoted.split_once('"') {
            Some((value, _)) => Line::Entry { key: key.trim_end(), value, cut_at: None },
            None => Line::Wrong("Expected closing quote (\"): a quoted value ends on its line"),
        },
        None => {
            let end = rest.find([';', '"']).unwrap_or(rest.len());
            Line::Entry { key: key.trim_end(), value: rest[..end].trim_end(), cut_at: cut_at(rest, end) }
        }
    }
}

/// The character that cut an unquoted value at `end`, if it looks as if that was not meant: text directly on both sides of a `;`, or a
/// quote after text.
fn cut_at(rest: &str, end: usize) -> Option<char> {
    let character = rest[end..].chars().next()?;
    let touches_before = rest[..end].ends_with(|before: char| !before.is_whitespace());
    let touches_after = rest[end + 1..].starts_with(|after: char| !after.is_whitespace() && after != ';');
    (character == '"' || (touches_before && touches_after)).then_some(character)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(line: &str) -> String {
        match lex_line(line) {
            Line::Entry { value, .. } => value.to_owned(),
            other => panic!("{line}: {other:?}"),
        }
    }

    fn names(document: &Document) -> Vec<&str> {
        document.sections.iter().map(|section| section.name.as_str()).collect()
    }

    #[test]
    fn values_of_the_table() {
        for (line, expected) in [
            (r#"a = "x;y" ; note"#, "x;y"),
            (r#"a = "x";"#, "x"),
            ("a = x ; note", "x"),
            ("a = x;y", "x"),
            ("a =", ""),
            (r#"a = """#, ""),
            ("a = b=c", "b=c"),
            ("a = 'x'", "'x'"),
            (r#"a = x "y""#, "x"),
            ("MaxOfflineIMs = 25;", "25"),
            ("ConnectionString = Data Source=localhost;Database=x", "Data Source=localhost"),
            (r#"a = "  inner blanks  ""#, "  inner blanks  "),
            (r#"a = "back\slash\""#, r"back\slash\"),
            ("\t a\t=\t x y \t", "x y"),
            ("a = x\r", "x"),
            (r#"a = "x""y""#, "x"),
        ] {
            assert_eq!(value(line), expected, "{line}");
        }
    }

    #[test]
    fn keys_run_to_the_first_equals_sign() {
        for (line, expected) in [
            ("key with blanks  = 1", "key with blanks"),
            ("a;b = 1", "a;b"),
            ("# foo = 1", "# foo"),
            ("a:b=c", "a:b"),
            ("=1", ""),
        ] {
            assert!(matches!(lex_line(line), Line::Entry { key, .. } if key == expected), "{line}");
        }
    }

    #[test]
    fn headers_comments_and_empty_lines() {
        assert_eq!(lex_line("  [Network]  trailing ] text"), Line::Section("Network"));
        assert_eq!(lex_line("[ Network  ]"), Line::Section(" Network"));
        assert_eq!(lex_line("[a ; b]"), Line::Section("a ; b"));
        assert_eq!(lex_line("[]"), Line::Section(""));
        for nothing in ["", "   \t", "\r", "; comment", "   ;; a = b"] {
            assert_eq!(lex_line(nothing), Line::Nothing, "{nothing:?}");
        }
    }

    #[test]
    fn every_syntax_error_is_reported_with_its_line() {
        let text = "early = 1\n[Open\n[A]\n# foo\ngood = 1\nbad = \"x\nplain\n";
        let (document, problems) = lex("a.ini", text);
        let shown: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "a.ini:1: early: a key stands before the first [Section]; put it under the section that it belongs to",
                "a.ini:2: Expected section end (]): a section header is [Name]",
                "a.ini:4: [A]: Expected assignment operator (=): a line is key = value, [Section] or ; comment",
                "a.ini:6: [A]: Expected closing quote (\"): a quoted value ends on its line",
                "a.ini:7: [A]: Expected assignment operator (=): a line is key = value, [Section] or ; comment",
            ]
        );
        assert!(problems.iter().all(Problem::is_error));
        assert_eq!(document.sections[0].get("good"), Some("1"));
    }

    #[test]
    fn byte_order_mark_and_both_line_ends() {
        let (document, problems) = lex("a.ini", "\u{feff}[A]\r\nx = 1\r\ny = \"2\"\r\n\r\n[B]\nz = 3");
        assert_eq!(problems, []);
        assert_eq!(names(&document), ["A", "B"]);
        assert_eq!(document.sections[0].get("x"), Some("1"));
        assert_eq!(document.sections[0].get("y"), Some("2"));
        assert_eq!(document.sections[1].entries[0].line, 6);
    }

    #[test]
    fn first_key_and_last_section_win() {
        let text = "[A]\na = 1\na = 2\n[B]\nb = 1\n[A]\nc = 3\n[a]\nA = 1\n";
        let (document, problems) = lex("a.ini", text);
        assert_eq!(names(&document), ["B", "A", "a"]);
        assert_eq!(document.sections[1].get("a"), None);
        assert_eq!(document.sections[1].get("c"), Some("3"));
        let shown: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "a.ini:3: A/a: is given twice; the first, in line 2, counts",
                "a.ini:1: [A]: this section is replaced completely by one of the same name further down",
            ]
        );
        assert!(!problems.iter().any(Problem::is_error));

        let (document, _) = lex("a.ini", "[A]\na = 1\na = 2\n");
        assert_eq!(document.sections[0].get("a"), Some("1"));
    }

    #[test]
    fn a_value_that_was_cut_is_worth_a_warning() {
        let warned = |line: &str| !lex("a.ini", &format!("[A]\n{line}\n")).1.is_empty();
        assert!(warned("ConnectionString = Data Source=localhost;Database=x"));
        assert!(warned(r#"a = x "y""#));
        for fine in ["a = 25;", "a = x ; note", "a = x; note", r#"a = "x;y" ; note"#, "a = ;note", "a = x ;note", "a = x;; note"]
        {
            assert!(!warned(fine), "{fine}");
        }
    }

    #[test]
    fn a_file_of_another_kind_gives_a_bounded_number_of_problems() {
        let (_, problems) = lex("a.bin", &"nonsense\n".repeat(5000));
        assert_eq!(problems.len(), MOST_PROBLEMS + 1);
        assert!(problems[MOST_PROBLEMS].message.contains("4900 more problems"));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".*") {
            lex("a.ini", &text);
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            lex("a.ini", &String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn no_mixture_of_the_dialect_panics(text in "[\\[\\]=\";\\r\\n \tab|$\\{\\}\u{feff}é]*") {
            let (document, _) = lex("a.ini", &text);
            for section in &document.sections {
                for entry in &section.entries {
                    prop_assert!(!entry.value.contains(['\n', '"']));
                }
            }
        }
    }
}
