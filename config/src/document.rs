//! One source as it was read: sections and keys in order, with their lines.

use std::collections::HashSet;

/// A whole file or answer, before any layering.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// The file or address as the operator named it.
    pub source: String,
    /// The sections in order.
    pub sections: Vec<DocumentSection>,
}

/// A section of a [`Document`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DocumentSection {
    /// Its name; case matters.
    pub name: String,
    /// Line of its header, counted from 1.
    pub line: usize,
    /// Its keys in order; no key occurs twice.
    pub entries: Vec<DocumentEntry>,
}

/// A key with its value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DocumentEntry {
    /// The key; case matters.
    pub key: String,
    /// The value, without quotes.
    pub value: String,
    /// Its line, counted from 1.
    pub line: usize,
}

impl Document {
    /// Drops every section whose name occurred before: only the first of a name counts in Nini XML (assets.md section 8).
    pub fn keep_first_of_each_name(&mut self) {
        let mut names = HashSet::new();
        self.sections.retain(|section| names.insert(section.name.clone()));
    }

    /// Drops every section whose name occurs again later: in an .ini file the later one replaces the earlier completely and takes
    /// its place at the end (shell.md section 3.3). Gives back what was dropped.
    pub fn keep_last_of_each_name(&mut self) -> Vec<DocumentSection> {
        let mut names = HashSet::new();
        self.sections.reverse();
        let (mut kept, mut dropped): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.sections).into_iter().partition(|section| names.insert(section.name.clone()));
        kept.reverse();
        dropped.reverse();
        self.sections = kept;
        dropped
    }
}

impl DocumentSection {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(names: &[&str]) -> Document {
        let sections = names.iter().enumerate().map(|(index, name)| DocumentSection {
            name: (*name).to_owned(),
            line: index + 1,
            entries: Vec::new(),
        });
        Document { source: "x".to_owned(), sections: sections.collect() }
    }

    fn lines(sections: &[DocumentSection]) -> Vec<usize> {
        sections.iter().map(|section| section.line).collect()
    }

    #[test]
    fn first_or_last_of_each_name() {
        let mut first = document(&["a", "b", "a", "c"]);
        first.keep_first_of_each_name();
        assert_eq!(lines(&first.sections), [1, 2, 4]);

        let mut last = document(&["a", "b", "a", "c"]);
        assert_eq!(lines(&last.keep_last_of_each_name()), [1]);
        assert_eq!(lines(&last.sections), [2, 3, 4]);
    }
}
