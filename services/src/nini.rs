//! The XML form of a configuration (Nini), in which OpenSimulator's asset sets are written (assets.md section 8).
//!
//! ```xml
//! <Nini>
//!   <Section Name="Default Alpha">
//!     <Key Name="assetID" Value="1578a2b1-5179-4b53-b618-fe00ca5a5594" />
//!   </Section>
//! </Nini>
//! ```

use std::collections::HashSet;

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

/// More elements in one file are not read.
const MAX_ELEMENTS: usize = 1_000_000;

/// A section: its name and its keys.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Section {
    /// The name; unique in a file.
    pub(crate) name: String,
    keys: Vec<(String, String)>,
}

impl Section {
    /// The value of a key, whose letter case counts.
    pub(crate) fn value(&self, key: &str) -> Option<&str> {
        self.keys.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }
}

/// What is wrong with a file, and in which line (from 1).
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("line {line}: {message}")]
pub(crate) struct NiniError {
    pub(crate) line: usize,
    message: String,
}

/// Reads a file. Of two sections with one name the first counts; unknown elements are skipped.
///
/// # Errors
/// For text that is not well-formed XML, or whose root is not `Nini`.
pub(crate) fn parse(text: &str) -> Result<Vec<Section>, NiniError> {
    let mut reader = Reader::from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    reader.config_mut().expand_empty_elements = true;
    let mut sections: Vec<Section> = Vec::new();
    let mut names = HashSet::new();
    // The reader itself checks that end tags have the right names.
    let mut depth = 0_usize;
    // The section that keys go into; `None` inside of an unknown element.
    let mut current: Option<Section> = None;
    let mut has_root = false;
    for _ in 0..MAX_ELEMENTS {
        let event = reader
            .read_event()
            .map_err(|error| NiniError { line: line_at(text, reader.error_position()), message: error.to_string() })?;
        let read = match event {
            Event::Start(element) => {
                let read = open(&element, depth, has_root, &mut current);
                has_root = true;
                depth += 1;
                read
            }
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                if depth == 1
                    && let Some(section) = current.take()
                    && names.insert(section.name.clone())
                {
                    sections.push(section);
                }
                Ok(())
            }
            Event::Eof if !has_root => Err("there is no root element".to_owned()),
            Event::Eof if depth > 0 => Err("the file ends inside of an element".to_owned()),
            Event::Eof => return Ok(sections),
            _ => Ok(()),
        };
        read.map_err(|message| NiniError { line: line_at(text, reader.buffer_position()), message })?;
    }
    Err(NiniError { line: line_at(text, reader.buffer_position()), message: "the file has too many elements".to_owned() })
}

fn open(element: &BytesStart<'_>, depth: usize, has_root: bool, current: &mut Option<Section>) -> Result<(), String> {
    let name = element.name();
    let name = name.as_ref();
    match depth {
        0 if has_root => Err("there is a second root element".to_owned()),
        0 if name != "Nini" => Err(format!("the root element is '{name}', not 'Nini'")),
        1 if name == "Section" => {
            let name = attribute(element, "Name")?.ok_or("a Section has no Name")?;
            *current = Some(Section { name, keys: Vec::new() });
            Ok(())
        }
        2 if name == "Key" => {
            let key = attribute(element, "Name")?.ok_or("a Key has no Name")?;
            let value = attribute(element, "Value")?.ok_or_else(|| format!("the Key '{key}' has no Value"))?;
            if let Some(section) = current {
                section.keys.push((key, value));
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Result<Option<String>, String> {
    let found = element.try_get_attribute(name).map_err(|error| error.to_string())?;
    let value = found.map(|attribute| attribute.normalized_value(XmlVersion::Implicit1_0).map(|value| value.into_owned()));
    value.transpose().map_err(|error| error.to_string())
}

fn line_at(text: &str, position: u64) -> usize {
    let end = usize::try_from(position).unwrap_or(text.len()).min(text.len());
    1 + text.as_bytes()[..end].iter().filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_keys_and_what_is_skipped() {
        let text = "\u{feff}<?xml version=\"1.0\"?>\n<!-- a comment -->\n<Nini>\n\
            <Section Name=\"A &amp; B\"><Key Name=\"assetID\" Value=\"1\"/><!-- x --><Key Name=\"AssetID\" Value=\"2\"></Key>\n\
            <Other><Key Name=\"deep\" Value=\"no\"/></Other></Section>\n\
            <Key Name=\"loose\" Value=\"no\"/>\n\
            <Section Name=\"Empty\"/>\n\
            <Section Name=\"A &amp; B\"><Key Name=\"assetID\" Value=\"second\"/></Section>\n</Nini>\n";
        let sections = parse(text).expect("well-formed");
        assert_eq!(sections.iter().map(|section| section.name.as_str()).collect::<Vec<_>>(), ["A & B", "Empty"]);
        assert_eq!(sections[0].value("assetID"), Some("1"));
        assert_eq!(sections[0].value("AssetID"), Some("2"));
        assert_eq!(sections[0].value("deep"), None);
        assert_eq!(sections[1].value("assetID"), None);
    }

    #[test]
    fn errors_name_the_line() {
        for (text, line) in [
            ("<Nini>\n<Section Name=\"A\">\n</Nini>", 3),
            ("<Nini>\n<Section Name=\"A\">", 2),
            ("<Nini>\n\n<Section></Section></Nini>", 3),
            ("<Nini>\n<Section Name=\"A\">\n<Key Name=\"a\"/></Section></Nini>", 3),
            ("<Nini>\n<Section Name=\"&nosuch;\"/></Nini>", 2),
            ("<Wrong/>", 1),
            ("<Nini/>\n<Nini/>", 2),
            ("", 1),
        ] {
            assert_eq!(parse(text).expect_err(text).line, line, "{text}");
        }
    }
}
