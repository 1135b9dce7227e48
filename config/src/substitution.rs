//! References `${Section|Key}` in values (shell.md section 4.3).

use std::collections::HashSet;

use crate::configuration::Configuration;
use crate::problem::Problem;
use crate::suggestion::did_you_mean;

/// A value whose references write more than this is a mistake; it also bounds the time.
const LONGEST_VALUE: usize = 64 * 1024;

/// The most references that are replaced in one value.
const MOST_REFERENCES: usize = 1000;

/// What the expansion of a whole configuration found.
#[derive(Default)]
pub(crate) struct Outcome {
    /// References that lead nowhere or in a circle. Their values are left as they were.
    pub problems: Vec<Problem>,
    /// Section and key of each value that was referred to.
    pub used: HashSet<(String, String)>,
}

/// Replaces the references in every value of every section, in order.
///
/// Each value is written back before the next is expanded, as in the original: a chain gives the same result in any order.
pub(crate) fn expand_all(configuration: &mut Configuration) -> Outcome {
    let mut outcome = Outcome::default();
    for (section, key) in configuration.places() {
        let Some(entry) = configuration.peek(&section, &key) else { continue };
        if !entry.value.contains("${") {
            continue;
        }
        match expand(configuration, &section, &key, &entry.value, &mut outcome.used) {
            Ok(value) => configuration.replace_value(&section, &key, value),
            Err(message) => {
                outcome.problems.push(Problem::error(message).at(entry.origin.clone()).in_section(&section).on_key(&key));
            }
        }
    }
    outcome
}

/// A reference whose replacement is being scanned.
struct Open<'a> {
    section: &'a str,
    key: &'a str,
    /// How much text follows the replacement; the replacement ends there.
    tail: usize,
}

/// The value of a key with all references replaced. A replacement is scanned again, so references chain.
fn expand<'a>(
    configuration: &'a Configuration,
    section: &str,
    key: &str,
    value: &str,
    used: &mut HashSet<(String, String)>,
) -> Result<String, String> {
    let mut text = value.to_owned();
    let mut open: Vec<Open<'a>> = Vec::new();
    for _ in 0..MOST_REFERENCES {
        let Some(start) = text.find("${") else { return Ok(text) };
        // Without its end it is no reference, and neither is any later one.
        let Some(length) = text[start..].find('}') else { return Ok(text) };
        open.retain(|reference| text.len() - start > reference.tail);
        let name = &text[start + 2..start + length];
        let (named_section, named_key) = match name.split_once('|') {
            // With more than one | only the first two parts count.
            Some((section, rest)) => (section, rest.split('|').next().unwrap_or_default()),
            None => (section, name),
        };
        let itself = (named_section, named_key) == (section, key);
        if itself || open.iter().any(|reference| (reference.section, reference.key) == (named_section, named_key)) {
            let chain: String = open.iter().map(|reference| format!("{}/{} -> ", reference.section, reference.key)).collect();
            let circle = format!("{section}/{key} -> {chain}{named_section}/{named_key}");
            return Err(format!(
                "Key cannot have a expand value of itself: {named_key}: the references go in a circle, {circle}"
            ));
        }
        let (section_found, key_found, value_found) = look_up(configuration, named_section, named_key, name.contains('|'))?;
        used.insert((named_section.to_owned(), named_key.to_owned()));
        let tail = text.len() - start - length - 1;
        text.replace_range(start..=start + length, value_found);
        if text.len() > LONGEST_VALUE {
            return Err(format!("its references write more than {LONGEST_VALUE} bytes"));
        }
        open.push(Open { section: section_found, key: key_found, tail });
    }
    Err(format!("it holds more than {MOST_REFERENCES} references"))
}

/// Section, key and value that a reference names.
fn look_up<'a>(
    configuration: &'a Configuration,
    section: &str,
    key: &str,
    with_section: bool,
) -> Result<(&'a str, &'a str, &'a str), String> {
    let Some(found) = configuration.section(section) else {
        let names = configuration.sections().map(|section| section.name.as_str());
        return Err(format!(
            "Expand config not found: {section}: there is no section [{section}]{}",
            did_you_mean(section, names)
        ));
    };
    let Some(entry) = found.get(key) else {
        let text = if with_section { "Expand key not found" } else { "Key not found" };
        let keys = found.entries().map(|entry| entry.key.as_str());
        return Err(format!("{text}: {key}: [{section}] has no such key{}", did_you_mean(key, keys)));
    };
    Ok((&found.name, &entry.key, &entry.value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(text: &str, section: &str, key: &str) -> String {
        Configuration::from_text("a.ini", text).unwrap().get(section, key).unwrap().value.clone()
    }

    fn error(text: &str) -> String {
        let problems = Configuration::from_text("a.ini", text).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        problems[0].to_string()
    }

    #[test]
    fn chains_in_any_order() {
        let constants = "[Const]\nBaseHostname = \"127.0.0.1\"\nBaseURL = \"http://${Const|BaseHostname}\"\nPublicPort = 8002\n";
        let user = "[Login]\nURL = \"${Const|BaseURL}:${Const|PublicPort}/\"\n";
        assert_eq!(value(&format!("{constants}{user}"), "Login", "URL"), "http://127.0.0.1:8002/");
        assert_eq!(value(&format!("{user}{constants}"), "Login", "URL"), "http://127.0.0.1:8002/");
    }

    #[test]
    fn names_are_taken_as_they_are() {
        assert_eq!(value("[A]\na = 1\nb = ${a}2\n", "A", "b"), "12");
        assert_eq!(value("[A]\na = 1\n[B]\nb = ${A|a|c}\n", "B", "b"), "1");
        assert_eq!(value("[A]\nb = ${A|a\n", "A", "b"), "${A|a");
        assert_eq!(value("[A]\na = \"\"\nb = x${A|a}y\n", "A", "b"), "xy");
        assert_eq!(value("[A]\na = $\nb = ${A|a}{c}\nc = 5\n", "A", "b"), "5");
        assert!(error("[A]\na = 1\nb = ${A| a}\n").contains("Expand key not found:  a"));
    }

    #[test]
    fn the_same_value_twice_is_no_circle() {
        assert_eq!(value("[A]\na = ${b}${b}${c}\nb = ${c}\nc = x\n", "A", "a"), "xxx");
    }

    #[test]
    fn nesting_is_not_supported() {
        // The inner brace ends the reference, which then names a key `${B`.
        assert!(error("[A]\na = ${A|${B|c}}\n[B]\nc = 1\n").contains("Expand key not found: ${B"));
    }

    #[test]
    fn references_that_lead_nowhere() {
        assert_eq!(
            error("[Const]\nx = 1\n[A]\n\nb = ${Cosnt|x}\n"),
            "a.ini:5: A/b: Expand config not found: Cosnt: there is no section [Cosnt]; did you mean Const?"
        );
        assert_eq!(
            error("[Const]\nPort = 1\n[A]\nb = ${Const|port}\n"),
            "a.ini:4: A/b: Expand key not found: port: [Const] has no such key; did you mean Port?"
        );
        assert_eq!(error("[A]\nb = ${zzz}\n"), "a.ini:2: A/b: Key not found: zzz: [A] has no such key");
    }

    #[test]
    fn circles() {
        assert_eq!(
            error("[A]\nb = ${b}\n"),
            "a.ini:2: A/b: Key cannot have a expand value of itself: b: the references go in a circle, A/b -> A/b"
        );
        assert!(error("[A]\nb = x${A|b}\n").contains("A/b -> A/b"));
        let problems = Configuration::from_text("a.ini", "[A]\na = 1${B|b}\n[B]\nb = 2${A|a}\n").unwrap_err();
        let shown: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert!(shown[0].ends_with("in a circle, A/a -> B/b -> A/a"), "{shown:?}");
        assert!(shown[1].ends_with("in a circle, B/b -> A/a -> B/b"), "{shown:?}");
    }

    #[test]
    fn growth_is_bounded() {
        let mut text = String::from("[A]\nk0 = xxxxxxxxxx\n");
        for level in 1..40 {
            let before = level - 1;
            text.push_str(&format!("k{level} = ${{k{before}}}${{k{before}}}\n"));
        }
        let problems = Configuration::from_text("a.ini", &text).unwrap_err();
        assert!(problems.iter().all(|problem| problem.message.contains("more than")), "{problems:?}");
        let many = format!("[A]\ne = \"\"\nk = {}\n", "${e}".repeat(1001));
        assert!(error(&many).contains("more than 1000 references"));
    }

    proptest! {
        #[test]
        fn no_references_panic(values in proptest::collection::vec("(\\$\\{[ABab|]{0,4}\\}|\\$|\\{|\\}|\\||x|é){0,8}", 4)) {
            let text = format!("[A]\na = \"{}\"\nb = \"{}\"\n[B]\na = \"{}\"\nb = \"{}\"\n", values[0], values[1], values[2], values[3]);
            let _ = Configuration::from_text("a.ini", &text);
        }
    }
}
