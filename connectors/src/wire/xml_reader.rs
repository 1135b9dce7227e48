//! Reading XML from outside: a pull reader that is as strict as .NET's, over quick-xml, which is not.
//!
//! What it adds: no DOCTYPE, no characters that XML forbids (raw or as references), valid names and attributes, declared
//! prefixes, one root element with nothing but comments around it, a bounded depth. Documents are UTF-8, or UTF-16 with a byte
//! order mark.

use std::borrow::Cow;

use quick_xml::events::attributes::Attribute;
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::error::{WireError, beginning};
use super::xml_name::{is_name, is_xml_character};

/// How deep elements may be nested. Nothing that is exchanged goes deeper than ten.
const MAX_DEPTH: usize = 64;
/// How many attributes an element may have.
const MAX_ATTRIBUTES: usize = 64;
/// How many namespace declarations may be in force at one place.
const MAX_NAMESPACES: usize = 64;

const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";
const SCHEMA_INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// The text of a document, out of the bytes of a body.
#[derive(Debug)]
pub struct XmlText<'a> {
    text: Cow<'a, str>,
    utf16: bool,
}

impl<'a> XmlText<'a> {
    /// Decodes a body and looks for characters that no document may contain.
    ///
    /// # Errors
    /// The bytes are no UTF-8 (and no UTF-16 with a byte order mark), or have such a character.
    pub fn decode(body: &'a [u8]) -> Result<Self, WireError> {
        let utf16 = matches!(body, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]);
        let text = if utf16 {
            Cow::Owned(decode_utf16(body)?)
        } else {
            let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
            Cow::Borrowed(std::str::from_utf8(body).map_err(|error| WireError::Encoding(error.to_string()))?)
        };
        match forbidden_character(&text) {
            Some(at) => Err(WireError::Xml { at: at as u64, reason: "a character that XML forbids".to_owned() }),
            None => Ok(Self { text, utf16 }),
        }
    }

    /// A reader at the beginning of the document.
    pub fn reader(&self) -> XmlReader<'_> {
        let mut reader = Reader::from_str(&self.text);
        let config = reader.config_mut();
        config.enable_all_checks(true);
        config.expand_empty_elements = true;
        XmlReader { reader, utf16: self.utf16, depth: 0, at_start: true, namespaces: Vec::new() }
    }
}

fn decode_utf16(body: &[u8]) -> Result<String, WireError> {
    let (units, odd_byte) = body.as_chunks::<2>();
    let big_endian = body.starts_with(&[0xfe, 0xff]);
    let units = units.iter().skip(1).map(|&unit| if big_endian { u16::from_be_bytes(unit) } else { u16::from_le_bytes(unit) });
    match char::decode_utf16(units).collect::<Result<String, _>>() {
        Ok(text) if odd_byte.is_empty() => Ok(text),
        _ => Err(WireError::Encoding("malformed UTF-16".to_owned())),
    }
}

/// Where the first character is that may not stand in a document. One pass that the compiler can vectorise decides nearly
/// always; only a document that has such a character is searched for it.
fn forbidden_character(text: &str) -> Option<usize> {
    let is_control = |byte: u8| byte < 0x20 && !is_blank_byte(byte);
    let has_control = text.bytes().fold(false, |found, byte| found | is_control(byte));
    let suspicious = has_control || text.contains('\u{fffe}') || text.contains('\u{ffff}');
    if suspicious { text.find(|character| !is_xml_character(character)) } else { None }
}

fn is_blank_byte(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(is_blank_byte)
}

/// An element's start tag.
#[derive(Debug)]
pub struct Element<'a> {
    start: BytesStart<'a>,
    in_namespace: bool,
    /// True when it says `xsi:nil="true"`.
    pub nil: bool,
}

impl Element<'_> {
    /// True when it has this name and is in no namespace.
    pub fn is(&self, name: &str) -> bool {
        !self.in_namespace && self.start.local_name().into_inner() == name
    }

    /// The name as written, with its prefix.
    pub fn name(&self) -> &str {
        self.start.name().into_inner()
    }

    /// True when it has this attribute, without prefix, with this value.
    pub fn has_attribute(&self, name: &str, value: &str) -> bool {
        // All attributes were read without error when the element was.
        let attributes = self.start.attributes().flatten();
        attributes
            .filter(|attribute| attribute.key.into_inner() == name)
            .any(|attribute| attribute.normalized_value(XmlVersion::Implicit1_0).is_ok_and(|found| found == value))
    }

    /// Names and values of its attributes in the order of the names, but for declarations of prefixes.
    pub fn attributes(&self) -> Vec<(String, String)> {
        let attributes = self.start.attributes().flatten().filter(|attribute| !attribute.key.into_inner().starts_with("xmlns:"));
        let value =
            |attribute: &Attribute<'_>| attribute.normalized_value(XmlVersion::Implicit1_0).unwrap_or_default().into_owned();
        let mut all: Vec<_> = attributes.map(|attribute| (attribute.key.into_inner().to_owned(), value(&attribute))).collect();
        all.sort_unstable();
        all
    }
}

/// A part of a document, for those who look at all of it. Text may come in several pieces.
#[derive(Debug)]
pub enum Node<'a> {
    /// The start tag of an element.
    Start(Element<'a>),
    /// Text, however it is written.
    Text(Cow<'a, str>),
    /// The end of an element.
    End,
    /// The end of the document.
    Eof,
}

enum Token<'a> {
    Start(Element<'a>),
    End,
    /// Character data, line ends already normalised.
    Text(Cow<'a, str>),
    Reference(char),
    CData(Cow<'a, str>),
    /// A comment or a processing instruction.
    Aside,
    Eof,
}

struct Namespace {
    depth: usize,
    /// Empty for the default namespace.
    prefix: String,
    /// Empty for "no namespace".
    uri: String,
}

/// Reads a document from front to back. After an element was given out, exactly one of `next_child` (repeated until it gives
/// `None`), `text` or `skip` reads on to its end.
pub struct XmlReader<'a> {
    reader: Reader<&'a [u8]>,
    utf16: bool,
    depth: usize,
    at_start: bool,
    namespaces: Vec<Namespace>,
}

impl<'a> XmlReader<'a> {
    /// The root element.
    ///
    /// # Errors
    /// There is none, or text before it.
    pub fn root(&mut self) -> Result<Element<'a>, WireError> {
        loop {
            match self.token()? {
                Token::Start(element) => return Ok(element),
                Token::Aside => {}
                Token::Text(text) if is_blank(&text) => {}
                Token::Eof => return Err(self.malformed("there is no root element")),
                _ => return Err(self.malformed("text outside of the root element")),
            }
        }
    }

    /// The root element, which must have this name, be in no namespace and not be nil.
    pub fn expect_root(&mut self, expected: &'static str) -> Result<(), WireError> {
        let root = self.root()?;
        if !root.is(expected) {
            return Err(WireError::Root { expected, found: beginning(root.name()) });
        }
        if root.nil { Err(WireError::NilRoot) } else { Ok(()) }
    }

    /// The next element at any depth.
    ///
    /// # Errors
    /// There is none.
    pub fn next_start(&mut self) -> Result<Element<'a>, WireError> {
        loop {
            match self.token()? {
                Token::Start(element) => return Ok(element),
                Token::Eof => return Err(self.malformed("the element that is looked for is missing")),
                _ => {}
            }
        }
    }

    /// The next child of the element that is being read, or `None` after its end. Text between children is passed over.
    pub fn next_child(&mut self) -> Result<Option<Element<'a>>, WireError> {
        loop {
            match self.token()? {
                Token::Start(element) => return Ok(Some(element)),
                Token::End => return Ok(None),
                Token::Text(_) | Token::Reference(_) | Token::CData(_) | Token::Aside => {}
                Token::Eof => return Err(self.cut_short()),
            }
        }
    }

    /// The text of the element that was just given out. White space alone counts as nothing, also between comments (assets.md
    /// section 2); CDATA is kept as it is.
    ///
    /// # Errors
    /// The element has a child.
    pub fn text(&mut self) -> Result<Cow<'a, str>, WireError> {
        let mut text = Cow::Borrowed("");
        let mut run_start = 0;
        loop {
            match self.token()? {
                Token::Text(piece) => append(&mut text, piece),
                Token::Reference(character) => text.to_mut().push(character),
                Token::CData(piece) => {
                    drop_blank_run(&mut text, run_start);
                    append(&mut text, piece);
                    run_start = text.len();
                }
                Token::Aside => {
                    drop_blank_run(&mut text, run_start);
                    run_start = text.len();
                }
                Token::End => {
                    drop_blank_run(&mut text, run_start);
                    return Ok(text);
                }
                Token::Start(element) => {
                    let name = beginning(element.name());
                    return Err(self.malformed(format!("element {name} inside of text")));
                }
                Token::Eof => return Err(self.cut_short()),
            }
        }
    }

    /// Passes over the rest of the element that was just given out, with all that is in it.
    pub fn skip(&mut self) -> Result<(), WireError> {
        let outside = self.depth.saturating_sub(1);
        while self.depth > outside {
            if let Token::Eof = self.token()? {
                return Err(self.cut_short());
            }
        }
        Ok(())
    }

    /// The next part of the document, whatever it is, but comments. To be used alone.
    ///
    /// # Errors
    /// The document is malformed, or ends inside of an element.
    pub fn node(&mut self) -> Result<Node<'a>, WireError> {
        loop {
            return Ok(match self.token()? {
                Token::Start(element) => Node::Start(element),
                Token::End => Node::End,
                Token::Text(text) | Token::CData(text) => Node::Text(text),
                Token::Reference(character) => Node::Text(character.to_string().into()),
                Token::Aside => continue,
                Token::Eof if self.depth > 0 => return Err(self.cut_short()),
                Token::Eof => Node::Eof,
            });
        }
    }

    /// Checks that nothing but comments and blanks follows the root element.
    pub fn finish(mut self) -> Result<(), WireError> {
        loop {
            match self.token()? {
                Token::Eof => return Ok(()),
                Token::Aside => {}
                Token::Text(text) if is_blank(&text) => {}
                _ => return Err(self.malformed("something follows the root element")),
            }
        }
    }

    /// A [`WireError::Xml`] for the place that was just read.
    pub fn malformed(&self, reason: impl Into<String>) -> WireError {
        WireError::Xml { at: self.reader.buffer_position(), reason: reason.into() }
    }

    fn cut_short(&self) -> WireError {
        self.malformed("the document ends inside of an element")
    }

    fn token(&mut self) -> Result<Token<'a>, WireError> {
        let event = self
            .reader
            .read_event()
            .map_err(|error| WireError::Xml { at: self.reader.error_position(), reason: beginning(&error.to_string()) })?;
        let at_start = std::mem::replace(&mut self.at_start, false);
        match event {
            Event::Start(start) | Event::Empty(start) => self.start(start).map(Token::Start),
            Event::End(_) => {
                while self.namespaces.last().is_some_and(|namespace| namespace.depth == self.depth) {
                    self.namespaces.pop();
                }
                self.depth -= 1;
                Ok(Token::End)
            }
            Event::Text(text) => Ok(Token::Text(normalise_line_ends(text.into_inner()))),
            Event::CData(text) => Ok(Token::CData(normalise_line_ends(text.into_inner()))),
            Event::GeneralRef(reference) => self.reference(&reference).map(Token::Reference),
            Event::Comment(_) => Ok(Token::Aside),
            Event::PI(instruction) if is_name(instruction.target()) => Ok(Token::Aside),
            Event::PI(_) => Err(self.malformed("a processing instruction without a name")),
            Event::Decl(declaration) if at_start => self.check_declaration(&declaration).map(|()| Token::Aside),
            Event::Decl(_) => Err(self.malformed("an XML declaration that is not at the very beginning")),
            Event::DocType(_) => Err(WireError::Doctype),
            Event::Eof => Ok(Token::Eof),
        }
    }

    fn check_declaration(&self, declaration: &BytesDecl<'_>) -> Result<(), WireError> {
        if !declaration.version().is_ok_and(|version| version == "1.0") {
            return Err(self.malformed("the XML declaration has no version 1.0"));
        }
        let encoding = match declaration.encoding() {
            None => return Ok(()),
            Some(encoding) => encoding.map_err(|_| self.malformed("the XML declaration is malformed"))?,
        };
        let name: &str = &encoding;
        let matches = match self.utf16 {
            true => name.eq_ignore_ascii_case("utf-16"),
            // ASCII is a part of UTF-8.
            false => name.eq_ignore_ascii_case("utf-8") || name.eq_ignore_ascii_case("us-ascii"),
        };
        if matches { Ok(()) } else { Err(WireError::Encoding(format!("it claims to be {:?}", beginning(name)))) }
    }

    /// The character that a reference stands for.
    fn reference(&self, reference: &BytesRef<'_>) -> Result<char, WireError> {
        let character = match &**reference {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            _ => reference.resolve_char_ref().ok().flatten(),
        };
        match character {
            Some(character) if is_xml_character(character) => Ok(character),
            _ => Err(self.malformed(format!("the reference &{};", beginning(reference)))),
        }
    }

    fn start(&mut self, start: BytesStart<'a>) -> Result<Element<'a>, WireError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(WireError::TooMuch { what: "nested elements", limit: MAX_DEPTH });
        }
        let has_attributes = !is_blank(start.attributes_raw());
        if has_attributes {
            self.declare_namespaces(&start)?;
        }
        let in_namespace = !self.namespace_of(start.name().into_inner(), true)?.is_empty();
        let nil = has_attributes && self.check_attributes(&start)?;
        Ok(Element { start, in_namespace, nil })
    }

    fn declare_namespaces(&mut self, start: &BytesStart<'_>) -> Result<(), WireError> {
        for (index, attribute) in start.attributes().enumerate() {
            if index == MAX_ATTRIBUTES {
                return Err(WireError::TooMuch { what: "attributes of an element", limit: MAX_ATTRIBUTES });
            }
            let attribute = attribute.map_err(|error| self.malformed(beginning(&error.to_string())))?;
            let prefix = match attribute.key.into_inner() {
                "xmlns" => "",
                name => match name.strip_prefix("xmlns:") {
                    Some(prefix) => prefix,
                    None => continue,
                },
            };
            let uri = self.value(&attribute)?;
            if (uri.is_empty() && !prefix.is_empty()) || prefix == "xmlns" {
                return Err(self.malformed("a namespace declaration that is not allowed"));
            }
            if self.namespaces.len() == MAX_NAMESPACES {
                return Err(WireError::TooMuch { what: "namespace declarations", limit: MAX_NAMESPACES });
            }
            self.namespaces.push(Namespace { depth: self.depth, prefix: prefix.to_owned(), uri: uri.into_owned() });
        }
        Ok(())
    }

    /// Checks all attributes; true when one of them is `xsi:nil` and true.
    fn check_attributes(&self, start: &BytesStart<'_>) -> Result<bool, WireError> {
        let mut nil = false;
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| self.malformed(beginning(&error.to_string())))?;
            let name = attribute.key.into_inner();
            let value = self.value(&attribute)?;
            if name == "xmlns" || name.starts_with("xmlns:") {
                continue;
            }
            if self.namespace_of(name, false)? == SCHEMA_INSTANCE && attribute.key.local_name().into_inner() == "nil" {
                nil = match value.trim_matches([' ', '\t', '\r', '\n']) {
                    "true" | "1" => true,
                    "false" | "0" => false,
                    other => return Err(WireError::value("nil", "boolean", other)),
                };
            }
        }
        Ok(nil)
    }

    fn value<'v>(&self, attribute: &Attribute<'v>) -> Result<Cow<'v, str>, WireError> {
        match attribute.normalized_value(XmlVersion::Implicit1_0) {
            Ok(value) if !attribute.value.contains('<') && value.chars().all(is_xml_character) => Ok(value),
            _ => Err(self.malformed(format!("the value of attribute {}", beginning(attribute.key.into_inner())))),
        }
    }

    /// The namespace of a name, empty for none. The default namespace is for elements only.
    fn namespace_of(&self, name: &str, is_element: bool) -> Result<&str, WireError> {
        let (prefix, local) = match name.split_once(':') {
            Some((prefix, local)) => (Some(prefix), local),
            None => (None, name),
        };
        if local.contains(':') || !is_name(local) || prefix.is_some_and(|prefix| !is_name(prefix)) {
            return Err(self.malformed(format!("{:?} is no name", beginning(name))));
        }
        let declared = |prefix: &str| self.namespaces.iter().rfind(|namespace| namespace.prefix == prefix);
        match prefix {
            Some("xml") => Ok(XML_NAMESPACE),
            Some(prefix) => match declared(prefix) {
                Some(namespace) => Ok(&namespace.uri),
                None => Err(self.malformed(format!("the prefix of {:?} is not declared", beginning(name)))),
            },
            None if is_element => Ok(declared("").map_or("", |namespace| &namespace.uri)),
            None => Ok(""),
        }
    }
}

fn append<'a>(text: &mut Cow<'a, str>, piece: Cow<'a, str>) {
    if text.is_empty() {
        *text = piece;
    } else {
        text.to_mut().push_str(&piece);
    }
}

/// Takes away what was read since `run_start` when it is nothing but white space.
fn drop_blank_run(text: &mut Cow<'_, str>, run_start: usize) {
    if !is_blank(&text[run_start..]) {
        return;
    }
    match text {
        Cow::Borrowed(borrowed) => *borrowed = &borrowed[..run_start],
        Cow::Owned(owned) => owned.truncate(run_start),
    }
}

/// CRLF and lone CR become LF.
fn normalise_line_ends(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.contains('\r') { Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n")) } else { text }
}

#[cfg(test)]
mod tests;
