//! Reading the options of one module.

use serde::de::DeserializeOwned;

use crate::configuration::{Configuration, Entry};
use crate::problem::Problem;
use crate::suggestion::did_you_mean;
use crate::typing;

/// Reads the typed options of one module from its section and collects the mistakes, so that all are reported at once.
#[derive(Debug)]
pub struct Reader<'a> {
    configuration: &'a Configuration,
    /// The section first, then those that it falls back to.
    sections: Vec<String>,
    empty_falls_back: bool,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    /// Reads from a section. That it is not there is no mistake as long as nothing in it is required.
    pub fn new(configuration: &'a Configuration, section: &str) -> Self {
        configuration.note_asked(section, None);
        Self { configuration, sections: vec![section.to_owned()], empty_falls_back: false, problems: Vec::new() }
    }

    /// A key that is missing so far is looked up in this section, as `AuthType` is in `[Network]`. May be repeated.
    pub fn with_fallback(mut self, section: &str) -> Self {
        self.configuration.note_asked(section, None);
        self.sections.push(section.to_owned());
        self
    }

    /// An empty value counts as missing (shell.md section 11, "Empty falls back").
    pub fn empty_falls_back(mut self) -> Self {
        self.empty_falls_back = true;
        self
    }

    /// The section that is read, without the fallbacks.
    pub fn section(&self) -> &str {
        &self.sections[0]
    }

    /// The value of a key. None if it is missing or, with a problem collected, if it cannot be read as this type.
    pub fn value<T: DeserializeOwned>(&mut self, key: &str) -> Option<T> {
        for section in &self.sections {
            self.configuration.note_asked(section, Some(key));
        }
        let (section, entry) = self.find(key)?;
        match typing::parse(&entry.value) {
            Ok(value) => Some(value),
            Err(message) => {
                let problem = Problem::error(message).at(entry.origin.clone()).in_section(section).on_key(key);
                self.problems.push(problem);
                None
            }
        }
    }

    /// The value of a key that must be there. None always comes with a problem.
    pub fn required<T: DeserializeOwned>(&mut self, key: &str) -> Option<T> {
        if self.find(key).is_none() {
            let problem = self.missing(key);
            self.problems.push(problem);
        }
        self.value(key)
    }

    /// Adds a mistake that the module itself found in a value. It is reported with the place of the value.
    pub fn error(&mut self, key: &str, message: impl Into<String>) {
        let problem = Problem::error(message);
        let problem = match self.find(key) {
            Some((section, entry)) => problem.at(entry.origin.clone()).in_section(section),
            None => problem.in_section(self.section()),
        };
        self.problems.push(problem.on_key(key));
    }

    /// What is wrong so far.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// All mistakes that were collected.
    pub fn finish(self) -> Result<(), Vec<Problem>> {
        if self.problems.is_empty() { Ok(()) } else { Err(self.problems) }
    }

    /// The entry that counts, and its section. Values that it hides are read too: nobody need hear of them.
    fn find(&self, key: &str) -> Option<(&'a str, &'a Entry)> {
        let mut found = None;
        for section in self.sections.iter().filter_map(|section| self.configuration.section(section)) {
            let Some(entry) = section.get(key) else { continue };
            entry.mark_read();
            if found.is_none() && !(self.empty_falls_back && entry.value.is_empty()) {
                found = Some((section.name.as_str(), entry));
            }
        }
        found
    }

    fn missing(&self, key: &str) -> Problem {
        let name = self.section();
        let Some(section) = self.configuration.section(name) else {
            let suggestion = did_you_mean(name, self.configuration.sections().map(|section| section.name.as_str()));
            let message = format!("is required, and there is no section [{name}]{suggestion}");
            return Problem::error(message).in_section(name).on_key(key);
        };
        let message = match section.get(key) {
            Some(_) => "is required and must not be empty".to_owned(),
            None => format!("is required and missing{}", did_you_mean(key, section.entries().map(|entry| entry.key.as_str()))),
        };
        let origin = section.get(key).map_or(&section.origin, |entry| &entry.origin);
        Problem::error(message).at(origin.clone()).in_section(name).on_key(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[Network]\nport = 8003\nAuthType = Basic\n\n[AssetService]\nAllowRemoteDelete = yess\nRealm = \"\"\nLocalServicemodule = x\n\
                        [DatabaseService]\nRealm = r\n";

    fn shown(reader: Reader<'_>) -> Vec<String> {
        reader.finish().unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn mistakes_are_collected_with_their_places() {
        let configuration = Configuration::from_text("Robust.ini", TEXT).unwrap();
        let mut reader = Reader::new(&configuration, "AssetService").with_fallback("Network");
        assert_eq!(reader.section(), "AssetService");
        assert_eq!(reader.value::<bool>("AllowRemoteDelete"), None);
        assert_eq!(reader.required::<u8>("port"), None);
        assert_eq!(reader.required::<String>("LocalServiceModule"), None);
        assert_eq!(reader.value::<String>("Nothing"), None);
        reader.error("Realm", "is odd");
        reader.error("Nothing", "is needed");
        assert_eq!(reader.problems().len(), 5);
        assert_eq!(
            shown(reader),
            [
                "Robust.ini:6: AssetService/AllowRemoteDelete: \"yess\" is neither true nor false",
                "Robust.ini:2: Network/port: \"8003\" is not a whole number from 0 to 255",
                "Robust.ini:5: AssetService/LocalServiceModule: is required and missing; did you mean LocalServicemodule?",
                "Robust.ini:7: AssetService/Realm: is odd",
                "AssetService/Nothing: is needed",
            ]
        );
    }

    #[test]
    fn fallbacks() {
        let configuration = Configuration::from_text("Robust.ini", TEXT).unwrap();
        let present_wins = || Reader::new(&configuration, "AssetService").with_fallback("DatabaseService");
        assert_eq!(present_wins().value::<String>("Realm").as_deref(), Some(""));
        assert_eq!(present_wins().empty_falls_back().value::<String>("Realm").as_deref(), Some("r"));
        let mut alone = Reader::new(&configuration, "AssetService").empty_falls_back();
        assert_eq!(alone.value::<String>("Realm"), None);
        assert_eq!(alone.required::<String>("Realm"), None);
        assert_eq!(shown(alone), ["Robust.ini:7: AssetService/Realm: is required and must not be empty"]);
    }

    #[test]
    fn a_missing_section() {
        let configuration = Configuration::from_text("Robust.ini", TEXT).unwrap();
        let mut reader = Reader::new(&configuration, "network");
        assert_eq!(reader.value::<u16>("port"), None);
        assert_eq!(reader.problems(), []);
        assert_eq!(reader.required::<u16>("port"), None);
        assert_eq!(shown(reader), ["network/port: is required, and there is no section [network]; did you mean Network?"]);
        assert_eq!(Reader::new(&configuration, "Absent").finish(), Ok(()));
    }

    #[test]
    fn values_that_are_hidden_count_as_read() {
        let configuration = Configuration::from_text("a.ini", "[A]\nx = 1\n[B]\nx = 2\n").unwrap();
        assert_eq!(Reader::new(&configuration, "A").with_fallback("B").value("x"), Some(1_u8));
        assert_eq!(configuration.unread(), []);
    }
}
