//! Nini XML: `<Nini><Section Name="..."><Key Name="..." Value="..."/></Section></Nini>`.
//!
//! Includes that are fetched over HTTP are written in it (shell.md section 4.1), and so are the control files of the default asset
//! loader (assets.md section 8).

use std::collections::HashSet;

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use crate::document::{Document, DocumentEntry, DocumentSection};
use crate::problem::{Origin, Problem};

/// Reads a Nini XML document: sections and keys in order, with their lines. `source` is its name for messages.
///
/// Sections of the same name are all given; [`Document::keep_first_of_each_name`] leaves the first. Of a key given twice in a section the
/// first counts. Other elements, comments and text are ignored.
///
/// # Errors
/// The first mistake: not well-formed, a root element other than `Nini`, a section without name, a key without name or value.
pub fn parse(source: &str, text: &str) -> Result<Document, Problem> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader::from_str(text);
    let mut lines = Lines { text, position: 0, line: 1 };
    let mut document = Document { source: source.to_owned(), sections: Vec::new() };
    let mut seen_keys = HashSet::new();
    // Names of the open elements would be the general answer; the depth is enough, since the reader itself checks that tags match.
    let mut depth = 0_usize;
    let mut in_section = false;
    let mut root_seen = false;
    loop {
        // Nothing is buffered between events, so the position is where the next tag begins.
        let line = lines.at(reader.buffer_position());
        let wrong = |message: String| Problem::error(message).at(Origin::line(source, line));
        let event = reader.read_event().map_err(|error| wrong(format!("is not well-formed XML: {error}")))?;
        let (element, closed) = match event {
            Event::Start(element) => (element, false),
            Event::Empty(element) => (element, true),
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                in_section = in_section && depth > 1;
                continue;
            }
            Event::Eof if depth > 0 => return Err(wrong("is not well-formed XML: it ends inside an element".to_owned())),
            Event::Eof if !root_seen => return Err(wrong("has no root element; <Nini> is meant".to_owned())),
            Event::Eof => return Ok(document),
            _ => continue,
        };
        match (depth, element.name().as_ref()) {
            (0, "Nini") if !root_seen => root_seen = true,
            (0, other) => return Err(wrong(format!("the root element is <{other}>; one <Nini> is meant"))),
            (1, "Section") => {
                let name = attribute(&element, "Name").map_err(wrong)?;
                document.sections.push(DocumentSection { name, line, entries: Vec::new() });
                seen_keys.clear();
                in_section = !closed;
            }
            (2, "Key") if in_section => {
                let key = attribute(&element, "Name").map_err(wrong)?;
                let value = attribute(&element, "Value").map_err(wrong)?;
                if let Some(section) = document.sections.last_mut()
                    && seen_keys.insert(key.clone())
                {
                    section.entries.push(DocumentEntry { key, value, line });
                }
            }
            _ => {}
        }
        if !closed {
            depth += 1;
        }
    }
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Result<String, String> {
    let tag = element.name();
    let tag = tag.as_ref();
    let attribute = element
        .try_get_attribute(name)
        .map_err(|error| format!("<{tag}> is not well-formed: {error}"))?
        .ok_or_else(|| format!("<{tag}> has no attribute {name}"))?;
    let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| format!("<{tag} {name}>: {error}"))?;
    Ok(value.into_owned())
}

/// Turns growing positions into line numbers, looking at each byte once.
struct Lines<'a> {
    text: &'a str,
    position: usize,
    line: usize,
}

impl Lines<'_> {
    fn at(&mut self, position: u64) -> usize {
        let position = usize::try_from(position).unwrap_or(usize::MAX).min(self.text.len());
        if position > self.position {
            let passed = &self.text.as_bytes()[self.position..position];
            self.line += passed.iter().filter(|byte| **byte == b'\n').count();
            self.position = position;
        }
        self.line
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sections_and_keys_in_order_with_lines() {
        let text = "\u{feff}<?xml version=\"1.0\"?>\n<!-- a set -->\n<Nini>\n  <Section Name=\"Cypress 1\">\n    <Key Name=\"name\" \
                    Value=\"a &amp; &quot;b&quot;\"/>\n    <Key Name=\"name\" Value=\"second\"></Key>\n    <Other><Key Name=\"deep\" \
                    Value=\"no\"/></Other>\n    <Key Value=\"0\"\n      Name=\"assetType\" />\n  </Section>\n  <Key Name=\"loose\" \
                    Value=\"x\"/>\n  <Section Name=\"Cypress 1\"/>\n  <Section Name=\"empty\"></Section>\n</Nini>\n";
        let mut document = parse("set.xml", text).unwrap();
        assert_eq!(document.source, "set.xml");
        let entry = |key: &str, value: &str, line| DocumentEntry { key: key.to_owned(), value: value.to_owned(), line };
        let section = |name: &str, line, entries| DocumentSection { name: name.to_owned(), line, entries };
        let first = section("Cypress 1", 4, vec![entry("name", "a & \"b\"", 5), entry("assetType", "0", 8)]);
        assert_eq!(document.sections, [first.clone(), section("Cypress 1", 12, vec![]), section("empty", 13, vec![])]);
        document.keep_first_of_each_name();
        assert_eq!(document.sections, [first, section("empty", 13, vec![])]);
    }

    #[test]
    fn mistakes_have_a_line() {
        for (text, expected) in [
            ("", "x.xml:1: has no root element; <Nini> is meant"),
            ("<Other/>", "x.xml:1: the root element is <Other>; one <Nini> is meant"),
            ("<Nini/>\n<Nini/>", "x.xml:2: the root element is <Nini>; one <Nini> is meant"),
            ("<Nini>\n<Section/></Nini>", "x.xml:2: <Section> has no attribute Name"),
            ("<Nini><Section Name='a'>\n\n<Key Name='b'/></Section></Nini>", "x.xml:3: <Key> has no attribute Value"),
            ("<Nini>\n<Section Name='a'>", "x.xml:2: is not well-formed XML: it ends inside an element"),
        ] {
            assert_eq!(parse("x.xml", text).unwrap_err().to_string(), expected);
        }
        for text in
            ["<Nini></Other>", "<Nini><Section Name=\"a></Nini>", "<Nini><Section Name='&nosuch;'/></Nini>", "[Ini]\na = b"]
        {
            assert!(parse("x.xml", text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(<|>|/|Nini|Section|Key| Name=\"a\"| Value='b'|&amp;|\n|x)*") {
            let _ = parse("x.xml", &text);
        }
    }
}
