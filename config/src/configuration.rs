//! The merged configuration: every section and key with its final value, and where that came from.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use config::Map;

use crate::layers::{Layer, merge};
use crate::lexer::lex;
use crate::problem::{Origin, Problem};
use crate::sources::{self, Sources};
use crate::substitution;
use crate::suggestion::did_you_mean;

/// Names that modules asked for are kept for suggestions, this many per section at most: some are made from requests.
const MOST_ASKED_NAMES: usize = 500;

/// All sections with their final values: files merged, environment and command line applied, references replaced.
#[derive(Debug, Default)]
pub struct Configuration {
    sections: Map<String, Section>,
    warnings: Vec<Problem>,
    /// Which keys were asked for in which section, whether they are there or not.
    asked: Mutex<BTreeMap<String, BTreeSet<String>>>,
}

/// A section: its keys in order.
#[derive(Debug)]
pub struct Section {
    /// Its name; case matters.
    pub name: String,
    /// Where its first header stands.
    pub origin: Origin,
    entries: Map<String, Entry>,
}

/// A key with its final value.
#[derive(Debug)]
pub struct Entry {
    /// The key; case matters.
    pub key: String,
    /// The value.
    pub value: String,
    /// Where the value was written, or the reference that became it.
    pub origin: Origin,
    read: AtomicBool,
}

impl Configuration {
    /// Reads all sources: the main file, its includes, the environment and the command line.
    ///
    /// # Errors
    /// All mistakes at once: of every file that can be reached the syntax errors; if there is none, the references that lead nowhere.
    /// Warnings come with them.
    pub fn load(sources: &Sources<'_>) -> Result<Self, Vec<Problem>> {
        sources::load(sources)
    }

    /// Reads one text. Its `Include-` keys are not followed and `[Environment]` has no meaning in it.
    ///
    /// # Errors
    /// All syntax errors at once; if there is none, the references that lead nowhere. Warnings come with them.
    pub fn from_text(name: &str, text: &str) -> Result<Self, Vec<Problem>> {
        let (document, mut problems) = lex(name, text);
        if problems.iter().any(Problem::is_error) {
            return Err(problems);
        }
        let mut configuration = merge(&[Layer::from_document(&document)]).map_err(|problem| vec![problem])?;
        let outcome = substitution::expand_all(&mut configuration);
        if !outcome.problems.is_empty() {
            problems.extend(outcome.problems);
            return Err(problems);
        }
        configuration.mark_used(&outcome.used);
        configuration.warnings = problems;
        Ok(configuration)
    }

    /// What is worth a look but stops nothing: an include that is not there, a key given twice.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// All sections in order. Does not count as reading.
    pub fn sections(&self) -> impl Iterator<Item = &Section> {
        self.sections.values()
    }

    /// A section by its exact name. Does not count as reading.
    pub fn section(&self, section: &str) -> Option<&Section> {
        self.sections.get(section)
    }

    /// An entry by its exact names. Counts as reading it.
    pub fn get(&self, section: &str, key: &str) -> Option<&Entry> {
        let entry = self.peek(section, key)?;
        entry.mark_read();
        Some(entry)
    }

    /// Sets a value in memory, making key and section where needed (console `config set`, shell.md section 8.3). References in the
    /// value are not replaced.
    pub fn set(&mut self, section: &str, key: &str, value: &str) {
        self.insert(section, key, value.to_owned(), Origin::whole("console"));
    }

    /// A warning for each entry that nobody read, and for each section that nobody asked about, with the nearest name that somebody
    /// did ask for. Meaningful once all modules are built; free-form sections such as `[Const]` are for the caller to leave out.
    pub fn unread(&self) -> Vec<Problem> {
        let asked = self.asked();
        let mut problems = Vec::new();
        for section in self.sections.values() {
            let asked_keys = asked.get(&section.name);
            if asked_keys.is_none() && section.entries().all(|entry| !entry.is_read()) {
                let suggestion = did_you_mean(&section.name, asked.keys().map(String::as_str));
                let problem = Problem::warning(format!("nobody reads this section{suggestion}"));
                problems.push(problem.at(section.origin.clone()).in_section(&section.name));
                continue;
            }
            for entry in section.entries().filter(|entry| !entry.is_read()) {
                let suggestion = did_you_mean(&entry.key, asked_keys.into_iter().flatten().map(String::as_str));
                let problem = Problem::warning(format!("nobody reads this key{suggestion}"));
                problems.push(problem.at(entry.origin.clone()).in_section(&section.name).on_key(&entry.key));
            }
        }
        problems
    }

    /// Notes that a module asked for a key, for suggestions; without a key, that it uses the section.
    pub(crate) fn note_asked(&self, section: &str, key: Option<&str>) {
        let mut asked = self.asked();
        if !asked.contains_key(section) {
            asked.insert(section.to_owned(), BTreeSet::new());
        }
        if let (Some(keys), Some(key)) = (asked.get_mut(section), key)
            && keys.len() < MOST_ASKED_NAMES
            && !keys.contains(key)
        {
            keys.insert(key.to_owned());
        }
    }

    fn asked(&self) -> MutexGuard<'_, BTreeMap<String, BTreeSet<String>>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An entry, without counting as reading it.
    pub(crate) fn peek(&self, section: &str, key: &str) -> Option<&Entry> {
        self.sections.get(section)?.get(key)
    }

    /// Section and key of every entry, in order.
    pub(crate) fn places(&self) -> Vec<(String, String)> {
        let of_section =
            |section: &'_ Section| section.entries().map(|entry| (section.name.clone(), entry.key.clone())).collect();
        self.sections.values().flat_map(|section| -> Vec<_> { of_section(section) }).collect()
    }

    /// Adds a section if there is none of this name.
    pub(crate) fn add_section(&mut self, section: &str, origin: Origin) {
        let empty = || Section { name: section.to_owned(), origin, entries: Map::new() };
        self.sections.entry(section.to_owned()).or_insert_with(empty);
    }

    /// Adds or replaces an entry; an existing one keeps its place.
    pub(crate) fn insert(&mut self, section: &str, key: &str, value: String, origin: Origin) {
        self.add_section(section, origin.clone());
        if let Some(section) = self.sections.get_mut(section) {
            let entry = Entry { key: key.to_owned(), value, origin, read: AtomicBool::new(false) };
            section.entries.insert(key.to_owned(), entry);
        }
    }

    /// Replaces the value of an entry that exists; its origin stays.
    pub(crate) fn replace_value(&mut self, section: &str, key: &str, value: String) {
        if let Some(entry) = self.sections.get_mut(section).and_then(|section| section.entries.get_mut(key)) {
            entry.value = value;
        }
    }

    /// Marks entries as read.
    pub(crate) fn mark_used(&self, used: &HashSet<(String, String)>) {
        for entry in used.iter().filter_map(|(section, key)| self.peek(section, key)) {
            entry.mark_read();
        }
    }

    pub(crate) fn with_warnings(mut self, warnings: Vec<Problem>) -> Self {
        self.warnings = warnings;
        self
    }
}

impl Section {
    /// Its entries in order. Does not count as reading.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// An entry by its exact key. Does not count as reading.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// Its entries in order, all counted as read: for a section whose keys are free.
    pub fn read_all(&self) -> impl Iterator<Item = &Entry> {
        self.entries().inspect(|entry| entry.mark_read())
    }
}

impl Entry {
    /// Whether somebody read it.
    pub fn is_read(&self) -> bool {
        self.read.load(Ordering::Relaxed)
    }

    pub(crate) fn mark_read(&self) {
        self.read.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reader;

    #[test]
    fn set_changes_in_place_and_appends() {
        let mut configuration = Configuration::from_text("a.ini", "[A]\nx = 1\ny = 2\n").unwrap();
        configuration.set("A", "x", "${A|y}");
        configuration.set("A", "z", "3");
        configuration.set("B", "w", "4");
        let all: Vec<_> = configuration.sections().flat_map(Section::entries).map(|entry| (&*entry.key, &*entry.value)).collect();
        assert_eq!(all, [("x", "${A|y}"), ("y", "2"), ("z", "3"), ("w", "4")]);
        assert_eq!(configuration.get("B", "w").unwrap().origin.to_string(), "console");
    }

    #[test]
    fn names_are_case_sensitive() {
        let configuration = Configuration::from_text("a.ini", "[Network]\nport = 1\n").unwrap();
        assert!(configuration.section("network").is_none());
        assert!(configuration.get("Network", "Port").is_none());
        assert_eq!(configuration.get("Network", "port").unwrap().value, "1");
    }

    #[test]
    fn unread_entries_come_with_the_nearest_name_that_was_asked_for() {
        let text = "[Const]\nHost = x\n[Network]\nport = 1\nhtps_main = true\nurl = ${Const|Host}\n[AsetService]\na = 1\nb = 2\n[Other]\nq = 1\n";
        let configuration = Configuration::from_text("a.ini", text).unwrap();
        let mut network = Reader::new(&configuration, "Network");
        assert_eq!(network.value("port"), Some(1_u16));
        assert_eq!(network.value::<bool>("https_main"), None);
        let _ = Reader::new(&configuration, "AssetService");
        for entry in configuration.section("Other").unwrap().read_all() {
            assert_eq!(entry.value, "1");
        }
        let shown: Vec<_> = configuration.unread().iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "a.ini:5: Network/htps_main: nobody reads this key; did you mean https_main?",
                "a.ini:6: Network/url: nobody reads this key",
                "a.ini:7: [AsetService]: nobody reads this section; did you mean AssetService?",
            ]
        );
    }

    #[test]
    fn duplicates_are_warnings() {
        let configuration = Configuration::from_text("a.ini", "[A]\nx = 1\nx = 2\n").unwrap();
        assert_eq!(configuration.warnings().len(), 1);
        assert_eq!(configuration.get("A", "x").unwrap().value, "1");
    }
}
