//! The layering: each source is a layer, and a later layer wins key by key (shell.md section 3.3).
//!
//! The crate `config` does the merging. Its path expressions must not see the names of sections, which may hold dots and brackets; they
//! only ever look at the outermost key, so everything goes under one such key.

use config::{Config, ConfigError, Map, Source, Value, ValueKind};

use crate::configuration::Configuration;
use crate::document::Document;
use crate::problem::{Origin, Problem};

const OUTERMOST: &str = "ini";

/// One source, ready for merging.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    sections: Map<String, Map<String, Value>>,
    /// Where each section begins. `config` keeps the origin of values, but not of tables.
    headers: Vec<(String, Origin)>,
}

impl Layer {
    /// A file.
    pub fn from_document(document: &Document) -> Self {
        let mut layer = Self::empty();
        for section in &document.sections {
            layer.section(&section.name, Origin::line(&document.source, section.line));
            for entry in &section.entries {
                layer.value(&section.name, &entry.key, &entry.value, &Origin::line(&document.source, entry.line));
            }
        }
        layer
    }

    /// The values of one section from a source without lines.
    pub fn from_values<'a>(source: &str, section: &str, values: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut layer = Self::empty();
        layer.section(section, Origin::whole(source));
        for (key, value) in values {
            layer.value(section, key, value, &Origin::whole(source));
        }
        layer
    }

    /// What was merged before.
    pub fn from_configuration(configuration: &Configuration) -> Self {
        let mut layer = Self::empty();
        for section in configuration.sections() {
            layer.section(&section.name, section.origin.clone());
            for entry in section.entries() {
                layer.value(&section.name, &entry.key, &entry.value, &entry.origin);
            }
        }
        layer
    }

    fn empty() -> Self {
        Self { sections: Map::new(), headers: Vec::new() }
    }

    fn section(&mut self, name: &str, origin: Origin) {
        self.sections.entry(name.to_owned()).or_default();
        self.headers.push((name.to_owned(), origin));
    }

    fn value(&mut self, section: &str, key: &str, value: &str, origin: &Origin) {
        let value = Value::new(Some(&origin.to_string()), value);
        self.sections.entry(section.to_owned()).or_default().insert(key.to_owned(), value);
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        let sections: Map<String, Value> =
            self.sections.iter().map(|(name, entries)| (name.clone(), Value::new(None, entries.clone()))).collect();
        Ok(Map::from_iter([(OUTERMOST.to_owned(), Value::new(None, sections))]))
    }
}

/// Merges layers, the lowest first: an existing key keeps its place, new keys and sections are appended.
pub(crate) fn merge(layers: &[Layer]) -> Result<Configuration, Problem> {
    let merged = layers.iter().fold(Config::builder(), |builder, layer| builder.add_source(layer.clone())).build();
    let merged = merged.and_then(|merged| merged.cache.into_table()).map_err(cannot_merge)?;
    let mut configuration = Configuration::default();
    // Headers first, so that each section has the origin of its first header; they are in the order of the merged sections.
    for (section, origin) in layers.iter().flat_map(|layer| &layer.headers) {
        configuration.add_section(section, origin.clone());
    }
    let Some(sections) = merged.into_values().next() else { return Ok(configuration) };
    for (section, entries) in sections.into_table().map_err(cannot_merge)? {
        let ValueKind::Table(entries) = entries.kind else { continue };
        for (key, value) in entries {
            let origin = Origin::from_text(value.origin().unwrap_or_default());
            configuration.insert(&section, &key, value.into_string().map_err(cannot_merge)?, origin);
        }
    }
    Ok(configuration)
}

fn cannot_merge(error: ConfigError) -> Problem {
    Problem::error(format!("the configuration cannot be merged: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lexer::lex;

    fn layer(source: &str, text: &str) -> Layer {
        Layer::from_document(&lex(source, text).0)
    }

    fn shown(configuration: &Configuration) -> Vec<String> {
        let of_section = |section: &crate::Section| -> Vec<String> {
            let entries = section.entries().map(|entry| format!("{}={}@{}", entry.key, entry.value, entry.origin));
            std::iter::once(format!("[{}]@{}", section.name, section.origin)).chain(entries).collect()
        };
        configuration.sections().flat_map(of_section).collect()
    }

    #[test]
    fn later_layers_win_and_places_are_kept() {
        let base = layer("base.ini", "[A]\nx = 1\ny = 2\n[B]\nz = 3\n");
        let over = layer("over.ini", "[C]\nn = 6\n[B]\nz = \"\"\n[A]\nw = 5\ny = 4\n");
        let line = Layer::from_values("command line", "A", [("x", "9")].into_iter());
        let expected = [
            "[A]@base.ini:1",
            "x=9@command line",
            "y=4@over.ini:7",
            "w=5@over.ini:6",
            "[B]@base.ini:4",
            "z=@over.ini:4",
            "[C]@over.ini:1",
            "n=6@over.ini:2",
        ];
        let merged = merge(&[base, over, line]).unwrap();
        assert_eq!(shown(&merged), expected);
        assert_eq!(shown(&merge(&[Layer::from_configuration(&merged)]).unwrap()), expected);
    }

    #[test]
    fn names_that_look_like_paths_are_names() {
        let text = "[ScriptEngine.DotNetEngine]\na.b = 1\nc[0] = 2\n[x[1]\ny = 3\n[]\n = 4\n[Empty]\n";
        let merged = merge(&[layer("a.ini", text), layer("b.ini", "[ScriptEngine.DotNetEngine]\na.b = 5\n")]).unwrap();
        assert_eq!(
            shown(&merged),
            [
                "[ScriptEngine.DotNetEngine]@a.ini:1",
                "a.b=5@b.ini:2",
                "c[0]=2@a.ini:3",
                "[x[1]@a.ini:4",
                "y=3@a.ini:5",
                "[]@a.ini:6",
                "=4@a.ini:7",
                "[Empty]@a.ini:8"
            ]
        );
    }
}
