//! Mistakes in a configuration, and where they stand.

use std::fmt;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The file or address as the operator named it, or `environment`, `command line`, `console`.
    pub source: String,
    /// Line in the file, counted from 1; none where there are no lines.
    pub line: Option<usize>,
}

impl Origin {
    /// A line of a file.
    pub fn line(source: &str, line: usize) -> Self {
        Self { source: source.to_owned(), line: Some(line) }
    }

    /// A whole file, or a source without lines.
    pub fn whole(source: &str) -> Self {
        Self { source: source.to_owned(), line: None }
    }

    /// Reads back what `Display` wrote. The layering keeps origins as text; every source that has a colon in its name has lines, so
    /// the last colon always stands before a line number.
    pub(crate) fn from_text(text: &str) -> Self {
        match text.rsplit_once(':').and_then(|(source, line)| Some((source, line.parse().ok()?))) {
            Some((source, line)) => Self::line(source, line),
            None => Self::whole(text),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}", self.source),
            None => f.write_str(&self.source),
        }
    }
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The shell cannot start, or a module cannot be built.
    Error,
    /// Worth a look; nothing is stopped by it.
    Warning,
}

/// One mistake: where it stands, what is wrong and what is meant.
///
/// Displays as `file:line: Section/Key: message`, without the parts that are not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// Where it stands.
    pub origin: Option<Origin>,
    /// The section concerned.
    pub section: Option<String>,
    /// The key concerned.
    pub key: Option<String>,
    /// What is wrong and, where it can be said, what is meant. One line.
    pub message: String,
}

impl Problem {
    /// An error without a place.
    pub fn error(message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, origin: None, section: None, key: None, message: message.into() }
    }

    /// A warning without a place.
    pub fn warning(message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(message) }
    }

    /// Adds the place.
    pub fn at(mut self, origin: Origin) -> Self {
        self.origin = Some(origin);
        self
    }

    /// Adds the section.
    pub fn in_section(mut self, section: &str) -> Self {
        self.section = Some(section.to_owned());
        self
    }

    /// Adds the key.
    pub fn on_key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    /// Whether it is an error, not a mere warning.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.origin {
            write!(f, "{origin}: ")?;
        }
        match (&self.section, &self.key) {
            (Some(section), Some(key)) => write!(f, "{section}/{key}: ")?,
            (Some(section), None) => write!(f, "[{section}]: ")?,
            (None, Some(key)) => write!(f, "{key}: ")?,
            (None, None) => {}
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

/// A text from outside as messages show it: in quotes, on one line, cut when long.
pub(crate) fn quoted(text: &str) -> String {
    const SHOWN: usize = 80;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displays_every_part_that_is_known() {
        let bare = Problem::error("is wrong");
        assert_eq!(bare.to_string(), "is wrong");
        let placed = bare.at(Origin::line("Robust.ini", 31));
        assert_eq!(placed.to_string(), "Robust.ini:31: is wrong");
        let in_section = placed.in_section("AssetService");
        assert_eq!(in_section.to_string(), "Robust.ini:31: [AssetService]: is wrong");
        assert_eq!(in_section.on_key("Realm").to_string(), "Robust.ini:31: AssetService/Realm: is wrong");
    }

    #[test]
    fn origins_survive_their_text() {
        for origin in [
            Origin::line("a.ini", 3),
            Origin::line("http://host:80/x.xml", 4),
            Origin::line("odd:7", 1),
            Origin::whole("command line"),
        ] {
            assert_eq!(Origin::from_text(&origin.to_string()), origin);
        }
    }

    #[test]
    fn long_texts_are_cut_in_messages() {
        assert_eq!(quoted("a\nb"), r#""a\nb""#);
        assert_eq!(quoted(&"é".repeat(200)), format!("\"{}\"...", "é".repeat(80)));
    }
}
