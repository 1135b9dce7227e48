//! The `ServerResponse` document, the answer of every form connector (transport.md section 5).

use std::ops::Range;

use bytes::Bytes;
use uuid::Uuid;

use super::error::WireError;
use super::xml_name;
use super::xml_reader::{XmlReader, XmlText};
use super::xml_writer::put_text;

/// The longest document that is read, in bytes.
const MAX_LENGTH: usize = 50_000_000;
/// How many elements a document may have.
const MAX_ELEMENTS: usize = 2_000_000;

const DECLARATION: &str = "<?xml version=\"1.0\"?>";
const ROOT: &str = "ServerResponse";

/// Writes a document in the data form, on one line (transport.md section 5.1). Names can be any text: characters that no element
/// name has are encoded. An absent value is simply not written.
#[derive(Clone, Debug)]
pub struct ServerResponseWriter {
    document: Vec<u8>,
    /// Where the names of the elements stand that are not ended yet, the root's first.
    open: Vec<Range<usize>>,
    /// True when the start tag of the innermost of them still lacks its `>`.
    in_tag: bool,
    name: String,
}

impl Default for ServerResponseWriter {
    fn default() -> Self {
        Self::new()
    }
}

impl ServerResponseWriter {
    /// A document without elements.
    pub fn new() -> Self {
        Self::with_capacity(512)
    }

    /// The same, with room for a document of so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        let mut document = Vec::with_capacity(bytes);
        document.extend_from_slice(DECLARATION.as_bytes());
        document.push(b'<');
        let root = document.len()..document.len() + ROOT.len();
        document.extend_from_slice(ROOT.as_bytes());
        Self { document, open: vec![root], in_tag: true, name: String::new() }
    }

    /// An element with text; an empty text gives `<name></name>`.
    pub fn text(&mut self, name: &str, text: &str) {
        self.element(name, text.len(), |document| put_text(document, text));
    }

    /// An element with a number.
    pub fn number(&mut self, name: &str, value: impl itoa::Integer) {
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(value);
        self.element(name, digits.len(), |document| document.extend_from_slice(digits.as_bytes()));
    }

    /// An element with a UUID in lower case.
    pub fn id(&mut self, name: &str, value: Uuid) {
        let mut text = Uuid::encode_buffer();
        let text = value.as_hyphenated().encode_lower(&mut text);
        self.element(name, text.len(), |document| document.extend_from_slice(text.as_bytes()));
    }

    /// An element with `True` or `False`.
    pub fn boolean(&mut self, name: &str, value: bool) {
        self.text(name, if value { "True" } else { "False" });
    }

    /// Begins a nested dictionary; what is written up to [`Self::end_list`] belongs to it. An empty one is
    /// `<name type="List" />`.
    pub fn begin_list(&mut self, name: &str) {
        let range = self.start_tag(name);
        self.document.extend_from_slice(b" type=\"List\"");
        self.open.push(range);
        self.in_tag = true;
    }

    /// Ends the dictionary that was begun last. Without one it does nothing.
    pub fn end_list(&mut self) {
        if self.open.len() > 1 {
            self.end_innermost();
        }
    }

    /// The document, with all that is still open ended.
    pub fn finish(mut self) -> Bytes {
        while !self.open.is_empty() {
            self.end_innermost();
        }
        Bytes::from(self.document)
    }

    /// `length` is that of the content; more may come by escaping.
    fn element(&mut self, name: &str, length: usize, content: impl FnOnce(&mut Vec<u8>)) {
        self.document.reserve(2 * name.len() + length + "<></>".len());
        let range = self.start_tag(name);
        self.document.push(b'>');
        content(&mut self.document);
        self.end_tag(range);
    }

    /// Writes `<name` and gives the place of the name.
    fn start_tag(&mut self, name: &str) -> Range<usize> {
        if std::mem::take(&mut self.in_tag) {
            self.document.push(b'>');
        }
        self.document.push(b'<');
        let start = self.document.len();
        if xml_name::is_plain(name) {
            self.document.extend_from_slice(name.as_bytes());
        } else {
            self.name.clear();
            xml_name::push_encoded(&mut self.name, name);
            if self.name.is_empty() {
                // No element has an empty name. The original fails on one; here it costs only the name.
                self.name.push('_');
            }
            self.document.extend_from_slice(self.name.as_bytes());
        }
        start..self.document.len()
    }

    fn end_tag(&mut self, name: Range<usize>) {
        self.document.extend_from_slice(b"</");
        self.document.extend_from_within(name);
        self.document.push(b'>');
    }

    fn end_innermost(&mut self) {
        let Some(name) = self.open.pop() else { return };
        if std::mem::take(&mut self.in_tag) {
            self.document.extend_from_slice(b" />");
        } else {
            self.end_tag(name);
        }
    }
}

/// A document in the indented result form, for success and failure (transport.md section 5.2):
/// `result_document(&[("Result", "Failure"), ("Message", "Unknown region")])`. An element with an empty text has, oddly, its end
/// tag on the next line.
pub fn result_document(elements: &[(&str, &str)]) -> Bytes {
    let mut document = Vec::with_capacity(128);
    document.extend_from_slice(DECLARATION.as_bytes());
    document.extend_from_slice(b"\n<ServerResponse>\n");
    for (name, text) in elements {
        let mut encoded = String::with_capacity(name.len());
        xml_name::push_encoded(&mut encoded, name);
        document.extend_from_slice(format!("  <{encoded}>").as_bytes());
        if text.is_empty() {
            document.extend_from_slice(b"\n  ");
        }
        put_text(&mut document, text);
        document.extend_from_slice(format!("</{encoded}>\n").as_bytes());
    }
    document.extend_from_slice(b"</ServerResponse>");
    Bytes::from(document)
}

/// The value of a name in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// An element with text.
    Text(String),
    /// An element with `type="List"`.
    List(List),
}

impl Value {
    /// The text, unless it is a list.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::List(_) => None,
        }
    }

    /// The list, unless it is a text. Clients take a text where a list belongs for "nothing found" (transport.md section 6).
    pub fn list(&self) -> Option<&List> {
        match self {
            Self::Text(_) => None,
            Self::List(list) => Some(list),
        }
    }
}

/// A dictionary: names with values, in the order of the document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List(Vec<(String, Value)>);

impl List {
    /// The value of a name. Looks at one entry after the other: made for the few fields of a record.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value)
    }

    /// The text of a name; `None` when it is absent or a list.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.text()
    }

    /// The list of a name; `None` when it is absent or a text.
    pub fn list(&self, name: &str) -> Option<&List> {
        self.get(name)?.list()
    }

    /// All names with their values.
    pub fn entries(&self) -> &[(String, Value)] {
        &self.0
    }

    /// Gives each name its last value, at the place of its first.
    fn from_elements(mut elements: Vec<(String, Value)>) -> Self {
        let mut order: Vec<usize> = (0..elements.len()).collect();
        order.sort_by(|&a, &b| elements[a].0.cmp(&elements[b].0));
        let mut superseded = vec![false; elements.len()];
        for same in order.chunk_by(|&a, &b| elements[a].0 == elements[b].0).filter(|same| same.len() > 1).collect::<Vec<_>>() {
            let (first, last) = (same[0], same[same.len() - 1]);
            let value = std::mem::replace(&mut elements[last].1, Value::Text(String::new()));
            elements[first].1 = value;
            same[1..].iter().for_each(|&later| superseded[later] = true);
        }
        let mut superseded = superseded.into_iter();
        elements.retain(|_| !superseded.next().unwrap_or_default());
        Self(elements)
    }
}

impl FromIterator<(String, Value)> for List {
    fn from_iter<T: IntoIterator<Item = (String, Value)>>(elements: T) -> Self {
        Self::from_elements(elements.into_iter().collect())
    }
}

/// Reads a document of any form: the first element `ServerResponse`, wherever it stands, up to its end (transport.md section 5.4).
///
/// # Errors
/// There is no such element, the XML is malformed up to there, an element that is no list has children, or the document is longer
/// than 50 000 000 bytes or has more than 2 000 000 elements.
pub fn read(body: &[u8]) -> Result<List, WireError> {
    if body.len() > MAX_LENGTH {
        return Err(WireError::TooMuch { what: "bytes of a ServerResponse", limit: MAX_LENGTH });
    }
    let document = XmlText::decode(body)?;
    let mut reader = document.reader();
    while reader.next_start()?.name() != ROOT {}
    read_list(&mut reader, &mut 0)
}

/// The nesting is bounded by the reader.
fn read_list(reader: &mut XmlReader<'_>, count: &mut usize) -> Result<List, WireError> {
    let mut elements = Vec::new();
    while let Some(child) = reader.next_child()? {
        *count += 1;
        if *count > MAX_ELEMENTS {
            return Err(WireError::TooMuch { what: "elements of a ServerResponse", limit: MAX_ELEMENTS });
        }
        let name = xml_name::decode(child.name());
        let value = match child.has_attribute("type", "List") {
            true => Value::List(read_list(reader, count)?),
            false => Value::Text(reader.text()?.into_owned()),
        };
        elements.push((name, value));
    }
    Ok(List::from_elements(elements))
}

#[cfg(test)]
mod tests;
