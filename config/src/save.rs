//! Writing a configuration as .ini text (console `config save`, shell.md section 8.3).

use crate::configuration::Configuration;
use crate::lexer::{Line, lex_line};
use crate::problem::{Origin, Problem};

impl Configuration {
    /// All sections and keys in order, as text that reads back to the same.
    ///
    /// The dialect has no escapes, so some things cannot be written: a value with a double quote or a line break, a key with `=`, a
    /// name that begins or ends in blanks and the like. They can come from XML, the environment or the console. Each is left out with a
    /// comment in its place, and a warning.
    pub fn to_ini(&self) -> (String, Vec<Problem>) {
        let mut text = String::new();
        let mut problems = Vec::new();
        for section in self.sections() {
            let header = format!("[{}]", section.name);
            if header.contains('\n') || lex_line(&header) != Line::Section(&section.name) {
                text.push_str("; a section is left out here: its name cannot be written\n\n");
                problems.push(cannot_write("this section", "its name", &section.origin).in_section(&section.name));
                continue;
            }
            text.push_str(&header);
            text.push('\n');
            for entry in section.entries() {
                match entry_line(&entry.key, &entry.value) {
                    Some(line) => {
                        text.push_str(&line);
                        text.push('\n');
                    }
                    None => {
                        text.push_str("; a key is left out here: it or its value cannot be written\n");
                        let problem = cannot_write("this key", "its name or value", &entry.origin);
                        problems.push(problem.in_section(&section.name).on_key(&entry.key));
                    }
                }
            }
            text.push('\n');
        }
        (text, problems)
    }
}

/// The first form of a line, plain or quoted, that reads back to this key and value.
fn entry_line(key: &str, value: &str) -> Option<String> {
    let forms = [format!("{key} = {value}"), format!("{key} = \"{value}\"")];
    let reads_back = |line: &String| {
        let entry = lex_line(line);
        !line.contains('\n') && matches!(entry, Line::Entry { key: k, value: v, .. } if k == key && v == value)
    };
    forms.into_iter().find(reads_back)
}

fn cannot_write(what: &str, which: &str, origin: &Origin) -> Problem {
    let message =
        format!("{what} is not saved: the dialect has no way to write {which} (a double quote, a line break, = in a key)");
    Problem::warning(message).at(origin.clone())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::lexer::lex;

    #[test]
    fn plain_where_possible_and_quoted_where_needed() {
        let mut configuration = Configuration::default();
        for (key, value) in [
            ("plain", "a b=c"),
            ("empty", ""),
            ("cut", "Data Source=x;Database=y;"),
            ("blanks", " a "),
            ("quotes", "'x'"),
            ("ref", "${A"),
        ] {
            configuration.set("A.B", key, value);
        }
        configuration.set("C", "bad", "say \"x\"");
        configuration.set("C", "a=b", "1");
        configuration.set("C", "; c", "1");
        configuration.set("C", "lines", "1\n2");
        configuration.set("D]", "k", "1");
        let (text, problems) = configuration.to_ini();
        let left_out = "; a key is left out here: it or its value cannot be written\n";
        assert_eq!(
            text,
            format!(
                "[A.B]\nplain = a b=c\nempty = \ncut = \"Data Source=x;Database=y;\"\nblanks = \" a \"\nquotes = 'x'\nref = \
                 ${{A\n\n[C]\n{left_out}{left_out}{left_out}{left_out}\n; a section is left out here: its name cannot be written\n\n"
            )
        );
        let shown: Vec<_> = problems.iter().map(|problem| (problem.section.as_deref(), problem.key.as_deref())).collect();
        let c = Some("C");
        assert_eq!(shown, [(c, Some("bad")), (c, Some("a=b")), (c, Some("; c")), (c, Some("lines")), (Some("D]"), None)]);
    }

    fn names_and_values(configuration: &Configuration) -> Vec<(String, Vec<(String, String)>)> {
        let of_section = |section: &crate::Section| {
            section.entries().map(|entry| (entry.key.clone(), entry.value.clone())).collect::<Vec<_>>()
        };
        configuration.sections().map(|section| (section.name.clone(), of_section(section))).collect()
    }

    proptest! {
        #[test]
        fn what_is_saved_reads_back(entries in proptest::collection::vec(("[a-c. \\]\\t\u{a0}]{0,4}", "[a-c=;\\[# \\r]{0,4}", "[a\"; \\n\\r\\tb\u{a0}'$\\{=\\[]{0,6}"), 0..12)) {
            let mut configuration = Configuration::default();
            for (section, key, value) in &entries {
                configuration.set(section, key, value);
            }
            let (text, problems) = configuration.to_ini();
            let (document, mistakes) = lex("saved.ini", &text);
            prop_assert!(mistakes.iter().all(|problem| !problem.is_error()), "{mistakes:?}");
            let left_out = |section: &str, key: Option<&str>| problems.iter().any(|problem| problem.section.as_deref() == Some(section) && problem.key.as_deref() == key);
            let mut expected = names_and_values(&configuration);
            expected.retain(|(section, _)| !left_out(section, None));
            for (section, entries) in &mut expected {
                entries.retain(|(key, _)| !left_out(section, Some(key)));
            }
            let read: Vec<_> = document.sections.into_iter().map(|section| (section.name, section.entries.into_iter().map(|entry| (entry.key, entry.value)).collect::<Vec<_>>())).collect();
            prop_assert_eq!(read, expected);
        }

        #[test]
        fn what_was_read_is_saved_whole(text in "(\\[[A-C]\\]\n|[a-c] = ([a-z;' ]{0,5}|\"[a-z; ]{0,5}\")\n|;.{0,5}\n){0,20}") {
            if let Ok(configuration) = Configuration::from_text("a.ini", &text) {
                let (saved, problems) = configuration.to_ini();
                prop_assert_eq!(problems, []);
                let again = Configuration::from_text("saved.ini", &saved).unwrap();
                prop_assert_eq!(names_and_values(&again), names_and_values(&configuration));
            }
        }
    }
}
