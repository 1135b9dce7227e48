//! The documents of .NET's XmlSerializer: how they are written, those of single values and lists, and the types of their elements
//! (transport.md section 7, assets.md section 2).

use std::str::FromStr;

use bytes::Bytes;
use gridshell_interfaces::ids::parse_uuid;
use uuid::Uuid;

use super::error::WireError;
use super::xml_reader::{XmlReader, XmlText};
use super::xml_writer::{Sink, in_one_allocation, put_text};

/// How many elements a list may have.
const MAX_LIST: usize = 100_000;

const PROLOG: &[u8] = b"\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"utf-8\"?>";
const NAMESPACES: &[u8] =
    b" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\"";

/// How a document is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Each element on a line of its own, two blanks per level, lines ended by LF: the answers of a server.
    Indented,
    /// All on one line: the requests of a client.
    Compact,
}

/// Writes a document: byte order mark, declaration, elements. An element without content is written `<Name />`.
pub struct DocumentWriter<'s> {
    sink: &'s mut dyn Sink,
    style: Style,
    depth: usize,
}

impl<'s> DocumentWriter<'s> {
    /// Writes what stands before the root.
    pub fn new(sink: &'s mut dyn Sink, style: Style) -> Self {
        sink.put(PROLOG);
        if style == Style::Indented {
            sink.put(b"\n");
        }
        Self { sink, style, depth: 0 }
    }

    /// The root of an object or a list, with its two namespace declarations; `content` writes its children.
    pub fn root(&mut self, name: &str, content: impl FnOnce(&mut Self)) {
        self.put(&[b"<", name.as_bytes(), NAMESPACES, b">"]);
        self.content(name, content);
    }

    /// The root of a list without elements.
    pub fn empty_root(&mut self, name: &str) {
        self.put(&[b"<", name.as_bytes(), NAMESPACES, b" />"]);
    }

    /// The root of a single value. It has no namespace declarations.
    pub fn scalar_root(&mut self, name: &str, text: &str) {
        self.text_here(name, text);
    }

    /// An element with children, which `content` writes.
    pub fn element(&mut self, name: &str, content: impl FnOnce(&mut Self)) {
        self.new_line();
        self.put(&[b"<", name.as_bytes(), b">"]);
        self.content(name, content);
    }

    /// An element with text.
    pub fn text(&mut self, name: &str, text: &str) {
        self.new_line();
        self.text_here(name, text);
    }

    /// An element with `true` or `false`.
    pub fn boolean(&mut self, name: &str, value: bool) {
        self.text(name, boolean_text(value));
    }

    /// An element with base64.
    pub fn base64(&mut self, name: &str, data: &[u8]) {
        self.new_line();
        if data.is_empty() {
            self.put(&[b"<", name.as_bytes(), b" />"]);
            return;
        }
        self.put(&[b"<", name.as_bytes(), b">"]);
        self.sink.put_base64(data);
        self.put(&[b"</", name.as_bytes(), b">"]);
    }

    fn text_here(&mut self, name: &str, text: &str) {
        if text.is_empty() {
            self.put(&[b"<", name.as_bytes(), b" />"]);
            return;
        }
        self.put(&[b"<", name.as_bytes(), b">"]);
        put_text(self.sink, text);
        self.put(&[b"</", name.as_bytes(), b">"]);
    }

    fn content(&mut self, name: &str, content: impl FnOnce(&mut Self)) {
        self.depth += 1;
        content(self);
        self.depth -= 1;
        self.new_line();
        self.put(&[b"</", name.as_bytes(), b">"]);
    }

    fn new_line(&mut self) {
        if self.style == Style::Indented {
            self.sink.put(b"\n");
            for _ in 0..self.depth {
                self.sink.put(b"  ");
            }
        }
    }

    fn put(&mut self, parts: &[&[u8]]) {
        for part in parts {
            self.sink.put(part);
        }
    }
}

fn boolean_text(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

/// `<string>text</string>`, indented.
pub fn string_document(text: &str) -> Bytes {
    in_one_allocation(|sink| DocumentWriter::new(sink, Style::Indented).scalar_root("string", text))
}

/// `<boolean>true</boolean>`, indented.
pub fn boolean_document(value: bool) -> Bytes {
    in_one_allocation(|sink| DocumentWriter::new(sink, Style::Indented).scalar_root("boolean", boolean_text(value)))
}

/// `ArrayOfBoolean`, indented: the answer of `/get_assets_exist` (assets.md section 5).
pub fn boolean_array_document(values: &[bool]) -> Bytes {
    array_document("ArrayOfBoolean", "boolean", Style::Indented, values.iter().map(|value| boolean_text(*value)))
}

/// `ArrayOfString`, compact: the request of `/get_assets_exist` (assets.md section 5).
pub fn string_array_document(texts: &[String]) -> Bytes {
    array_document("ArrayOfString", "string", Style::Compact, texts.iter().map(String::as_str))
}

fn array_document<'t>(root: &str, name: &str, style: Style, texts: impl ExactSizeIterator<Item = &'t str> + Clone) -> Bytes {
    in_one_allocation(|sink| {
        let mut document = DocumentWriter::new(sink, style);
        if texts.len() == 0 {
            document.empty_root(root);
        } else {
            document.root(root, |document| texts.clone().for_each(|text| document.text(name, text)));
        }
    })
}

/// Reads a `string` document.
///
/// # Errors
/// It is malformed, another document, or nil.
pub fn read_string(body: &[u8]) -> Result<String, WireError> {
    let document = XmlText::decode(body)?;
    let mut reader = document.reader();
    reader.expect_root("string")?;
    let text = reader.text()?.into_owned();
    reader.finish()?;
    Ok(text)
}

/// Reads a `boolean` document.
///
/// # Errors
/// It is malformed, another document, or nil.
pub fn read_boolean(body: &[u8]) -> Result<bool, WireError> {
    let document = XmlText::decode(body)?;
    let mut reader = document.reader();
    reader.expect_root("boolean")?;
    let value = boolean("boolean", &reader.text()?)?;
    reader.finish()?;
    Ok(value)
}

/// Reads an `ArrayOfString` document. A nil string reads as an empty one.
///
/// # Errors
/// It is malformed, another document, or nil, or has more than 100 000 elements.
pub fn read_string_array(body: &[u8]) -> Result<Vec<String>, WireError> {
    read_array(body, "ArrayOfString", "string", |reader, nil| match nil {
        true => reader.skip().map(|()| String::new()),
        false => Ok(reader.text()?.into_owned()),
    })
}

/// Reads an `ArrayOfBoolean` document.
///
/// # Errors
/// As [`read_string_array`].
pub fn read_boolean_array(body: &[u8]) -> Result<Vec<bool>, WireError> {
    read_array(body, "ArrayOfBoolean", "boolean", |reader, _nil| boolean("boolean", &reader.text()?))
}

fn read_array<T>(
    body: &[u8],
    root: &'static str,
    name: &str,
    mut read: impl FnMut(&mut XmlReader<'_>, bool) -> Result<T, WireError>,
) -> Result<Vec<T>, WireError> {
    let document = XmlText::decode(body)?;
    let mut reader = document.reader();
    reader.expect_root(root)?;
    let mut values = Vec::new();
    while let Some(child) = reader.next_child()? {
        if !child.is(name) {
            reader.skip()?;
            continue;
        }
        if values.len() == MAX_LIST {
            return Err(WireError::TooMuch { what: "elements of a list", limit: MAX_LIST });
        }
        values.push(read(&mut reader, child.nil)?);
    }
    reader.finish()?;
    Ok(values)
}

/// The boolean that an element's text is: `true`, `false`, `1` or `0`, blanks around.
pub fn boolean(element: &'static str, text: &str) -> Result<bool, WireError> {
    match text.trim() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(WireError::value(element, "boolean", text)),
    }
}

/// The whole number that an element's text is: decimal, blanks around, within the limits of its type.
pub fn integer<T: FromStr>(element: &'static str, text: &str) -> Result<T, WireError> {
    text.trim().parse().map_err(|_| WireError::value(element, "number of its range", text))
}

/// The content of a UUID element, `<FullID><Guid>...</Guid></FullID>`: without a `Guid` it is the zero UUID. The first `Guid`
/// counts; text beside it is ignored (assets.md section 2).
pub fn nested_uuid(reader: &mut XmlReader<'_>) -> Result<Uuid, WireError> {
    let mut id = None;
    while let Some(child) = reader.next_child()? {
        if id.is_some() || !child.is("Guid") {
            reader.skip()?;
            continue;
        }
        let text = reader.text()?;
        id = Some(parse_uuid(&text).ok_or_else(|| WireError::value("Guid", "UUID", &text))?);
    }
    Ok(id.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NS: &str = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\"";

    #[test]
    fn scalar_documents() {
        let id = "e786b6a0-6c25-4ffd-8bd6-fa2d0cf4d088";
        let document = string_document(id);
        assert_eq!(document.len(), 95);
        assert_eq!(
            document,
            "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<string>e786b6a0-6c25-4ffd-8bd6-fa2d0cf4d088</string>"
        );
        assert_eq!(read_string(&document).unwrap(), id);
        assert_eq!(string_document(""), "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<string />");
        assert_eq!(boolean_document(false), "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<boolean>false</boolean>");
        assert!(read_boolean(&boolean_document(true)).unwrap());
        assert!(!read_boolean(b"<boolean> 0 </boolean>").unwrap());
    }

    #[test]
    fn array_documents() {
        assert_eq!(
            boolean_array_document(&[true, false]),
            format!(
                "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<ArrayOfBoolean {NS}>\n  <boolean>true</boolean>\n  \
                 <boolean>false</boolean>\n</ArrayOfBoolean>"
            )
        );
        assert_eq!(
            boolean_array_document(&[]),
            format!("\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<ArrayOfBoolean {NS} />")
        );
        assert_eq!(
            string_array_document(&["a<b".to_owned(), String::new()]),
            format!(
                "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><ArrayOfString {NS}><string>a&lt;b</string><string /></ArrayOfString>"
            )
        );
        assert_eq!(
            string_array_document(&[]),
            format!("\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><ArrayOfString {NS} />")
        );
    }

    #[test]
    fn arrays_are_read_leniently() {
        let body = b"<ArrayOfString>\n x <string> a</string><other><string>b</string></other><string/>\
            <string xmlns='urn:x'>c</string><string xmlns:i='http://www.w3.org/2001/XMLSchema-instance' i:nil='true'>d</string>\
            </ArrayOfString>";
        assert_eq!(read_string_array(body).unwrap(), [" a", "", ""]);
        assert_eq!(read_string_array(b"<ArrayOfString/>").unwrap(), Vec::<String>::new());
        assert_eq!(read_boolean_array(b"<ArrayOfBoolean><boolean>1</boolean></ArrayOfBoolean>").unwrap(), [true]);
    }

    #[test]
    fn other_documents_are_refused() {
        for body in ["", "a55e7000-0000-4000-8000-000000000001", "<strings><string>a</string></strings>", "<ArrayOfString>"] {
            assert!(read_string_array(body.as_bytes()).is_err(), "{body}");
        }
        assert_eq!(
            read_string_array(b"<ArrayOfString xmlns='urn:x'/>"),
            Err(WireError::Root { expected: "ArrayOfString", found: "ArrayOfString".to_owned() })
        );
        assert_eq!(read_string_array(format!("<ArrayOfString {NS} xsi:nil='true'/>").as_bytes()), Err(WireError::NilRoot));
        assert!(read_boolean(b"<boolean>True</boolean>").is_err());
        assert!(read_boolean(b"<boolean/>").is_err());
        assert!(read_boolean_array(b"<ArrayOfBoolean><boolean/></ArrayOfBoolean>").is_err());
    }

    #[test]
    fn lists_are_bounded() {
        let list = |count| format!("<ArrayOfString>{}</ArrayOfString>", "<string/>".repeat(count));
        assert_eq!(read_string_array(list(MAX_LIST).as_bytes()).unwrap().len(), MAX_LIST);
        assert!(matches!(read_string_array(list(MAX_LIST + 1).as_bytes()), Err(WireError::TooMuch { .. })));
    }

    /// Text as it comes back: .NET's reader drops white space that stands alone and turns CR into LF.
    fn as_read(text: &str) -> String {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        if text.trim_matches([' ', '\t', '\n']).is_empty() { String::new() } else { text }
    }

    proptest! {
        #[test]
        fn strings_come_back(text in "[^\u{0}-\u{8}\u{b}\u{c}\u{e}-\u{1f}\u{fffe}\u{ffff}]*") {
            prop_assert_eq!(read_string(&string_document(&text)).unwrap(), as_read(&text));
        }

        #[test]
        fn any_text_makes_a_document_that_can_be_read(texts: Vec<String>) {
            prop_assert_eq!(read_string_array(&string_array_document(&texts)).unwrap().len(), texts.len());
        }

        #[test]
        fn booleans_come_back(values: Vec<bool>) {
            prop_assert_eq!(read_boolean_array(&boolean_array_document(&values)).unwrap(), values);
        }

        #[test]
        fn any_bytes_are_read_or_refused(body: Vec<u8>) {
            let _ = read_string(&body);
            let _ = read_boolean(&body);
            let _ = read_string_array(&body);
            let _ = read_boolean_array(&body);
        }

        #[test]
        fn a_changed_byte_is_read_or_refused(at in 0..300_usize, byte: u8) {
            let mut body = string_array_document(&["a".to_owned(), "b".to_owned()]).to_vec();
            let at = at % body.len();
            body[at] = byte;
            let _ = read_string_array(&body);
        }
    }
}
