//! Whether two answers say the same, by the rules of the wire: XML as a tree, JSON as a value, everything else by its bytes.

use bytes::Bytes;
use serde_json::Value;

use crate::http::{HeaderMap, StatusCode, header};
use crate::wire::WireError;
use crate::wire::xml_reader::{Node, XmlReader, XmlText};

/// What is quoted of a value that differs, in characters.
const QUOTED: usize = 60;

/// An answer, as far as it is compared.
#[derive(Clone, Debug)]
pub(super) struct Compared {
    pub(super) status: StatusCode,
    media_type: String,
    body: Bytes,
}

impl Compared {
    pub(super) fn new(status: StatusCode, headers: &HeaderMap, body: Bytes) -> Self {
        let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        Self { status, media_type, body }
    }
}

/// How values that differ are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Values {
    /// Their beginnings.
    Quoted,
    /// Only how long they are: they may be secrets.
    Measured,
}

/// The first place where `other` says something else than `answer`; `None` when both say the same.
pub(super) fn difference(answer: &Compared, other: &Compared, values: Values) -> Option<String> {
    if answer.status != other.status {
        return Some(format!("status: {} instead of {}", other.status.as_u16(), answer.status.as_u16()));
    }
    if answer.media_type != other.media_type {
        return Some(format!("content type: {:?} instead of {:?}", other.media_type, answer.media_type));
    }
    if answer.body == other.body {
        return None;
    }
    // What a body is, its beginning says better than its type: ROBUST says text/html of much (transport.md section 1.3).
    let begins_with = |begin: &[u8]| {
        [answer, other].iter().all(|it| it.body.trim_ascii_start().first().is_some_and(|first| begin.contains(first)))
    };
    if begins_with(b"<\xef\xff\xfe")
        && let Ok(difference) = difference_of_xml(&answer.body, &other.body, values)
    {
        return difference;
    }
    if begins_with(b"{[")
        && let (Ok(ours), Ok(theirs)) = (serde_json::from_slice(&answer.body), serde_json::from_slice(&other.body))
    {
        return difference_of_json("", &ours, &theirs, values);
    }
    let same = answer.body.iter().zip(&other.body).take_while(|(ours, theirs)| ours == theirs).count();
    Some(format!("body: {} bytes instead of {}, which differ from byte {same} on", other.body.len(), answer.body.len()))
}

impl Values {
    fn show(self, text: &str) -> String {
        if self == Self::Measured {
            return format!("{} characters", text.chars().count());
        }
        let rest = if text.chars().nth(QUOTED).is_some() { "..." } else { "" };
        format!("{:?}{rest}", text.chars().take(QUOTED).collect::<String>())
    }

    fn show_attributes(self, attributes: &[(String, String)]) -> String {
        let attributes: Vec<String> = attributes.iter().map(|(name, value)| format!("{name}={}", self.show(value))).collect();
        format!("[{}]", attributes.join(", "))
    }
}

/// # Errors
/// One of them is no XML.
fn difference_of_xml(answer: &[u8], other: &[u8], values: Values) -> Result<Option<String>, WireError> {
    let (ours, theirs) = (XmlText::decode(answer)?, XmlText::decode(other)?);
    let (mut ours, mut theirs) = (Parts::new(ours.reader()), Parts::new(theirs.reader()));
    let mut path: Vec<String> = Vec::new();
    loop {
        let (our, their) = (ours.next()?, theirs.next()?);
        let at = || format!("/{}", path.join("/"));
        if our != their {
            // What is said of an element's attributes, is said at the element.
            return Ok(Some(match (&our, &their) {
                (Part::Start(our, ours), Part::Start(their, theirs)) if our == their => {
                    let separator = if path.is_empty() { "" } else { "/" };
                    let [ours, theirs] = [ours, theirs].map(|attributes| values.show_attributes(attributes));
                    format!("{}{separator}{our}: attributes {theirs} instead of {ours}", at())
                }
                _ => format!("{}: {} instead of {}", at(), their.in_words(values), our.in_words(values)),
            }));
        }
        match our {
            Part::Start(name, _) => path.push(name),
            Part::End => {
                path.pop();
            }
            Part::Text(_) => {}
            Part::Eof => return Ok(None),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    /// A name, and attributes in the order of their names.
    Start(String, Vec<(String, String)>),
    Text(String),
    End,
    Eof,
}

impl Part {
    fn in_words(&self, values: Values) -> String {
        match self {
            Self::Start(name, _) => format!("<{name}>"),
            Self::Text(text) => values.show(text),
            Self::End => "nothing more".to_owned(),
            Self::Eof => "the end".to_owned(),
        }
    }
}

/// A document without what does not count: how characters are written, comments, and white space between elements.
struct Parts<'a> {
    reader: XmlReader<'a>,
    after_start: bool,
    waiting: Option<Part>,
}

impl<'a> Parts<'a> {
    fn new(reader: XmlReader<'a>) -> Self {
        Self { reader, after_start: false, waiting: None }
    }

    fn next(&mut self) -> Result<Part, WireError> {
        if let Some(part) = self.waiting.take() {
            return Ok(part);
        }
        let mut text = String::new();
        let part = loop {
            match self.reader.node()? {
                Node::Text(piece) => text.push_str(&piece),
                Node::Start(element) => break Part::Start(element.name().to_owned(), element.attributes()),
                Node::End => break Part::End,
                Node::Eof => break Part::Eof,
            }
        };
        let is_all_of_an_element = self.after_start && part == Part::End;
        self.after_start = matches!(part, Part::Start(..));
        if text.is_empty() || text.trim_ascii().is_empty() && !is_all_of_an_element {
            return Ok(part);
        }
        self.waiting = Some(part);
        Ok(Part::Text(text))
    }
}

fn difference_of_json(path: &str, ours: &Value, theirs: &Value, values: Values) -> Option<String> {
    let is_same = match (ours, theirs) {
        (Value::Object(our), Value::Object(their)) => {
            let mut inside = our.iter().filter_map(|(key, value)| match their.get(key) {
                Some(other) => difference_of_json(&format!("{path}/{key}"), value, other, values),
                None => Some(format!("{path}/{key}: nothing instead of {}", values.show(&value.to_string()))),
            });
            let more = || {
                let (key, value) = their.iter().find(|(key, _)| !our.contains_key(*key))?;
                Some(format!("{path}/{key}: {} instead of nothing", values.show(&value.to_string())))
            };
            return inside.next().or_else(more);
        }
        (Value::Array(our), Value::Array(their)) if our.len() == their.len() => {
            let mut both = our.iter().zip(their).enumerate();
            return both.find_map(|(at, (our, their))| difference_of_json(&format!("{path}/{at}"), our, their, values));
        }
        // 1 and 1.0 are the same number.
        (Value::Number(our), Value::Number(their)) => {
            our == their || our.as_f64() == their.as_f64() && our.is_f64() != their.is_f64()
        }
        (our, their) => our == their,
    };
    let place = if path.is_empty() { "/" } else { path };
    (!is_same).then(|| format!("{place}: {} instead of {}", values.show(&theirs.to_string()), values.show(&ours.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Compared {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, content_type.parse().unwrap())]);
        Compared::new(StatusCode::from_u16(status).unwrap(), &headers, body.into())
    }

    fn bodies(answer: &'static str, other: &'static str) -> Option<String> {
        difference(&compared(200, "text/html", answer), &compared(200, "text/html", other), Values::Quoted)
    }

    #[test]
    fn heads() {
        let answer = compared(200, "application/xml; charset=utf-8", "");
        assert_eq!(difference(&answer, &compared(200, "Application/XML", ""), Values::Quoted), None);
        assert_eq!(difference(&answer, &compared(404, "text/html", ""), Values::Quoted).unwrap(), "status: 404 instead of 200");
        let other = compared(200, "text/xml", "");
        assert_eq!(
            difference(&answer, &other, Values::Quoted).unwrap(),
            "content type: \"text/xml\" instead of \"application/xml\""
        );
    }

    #[test]
    fn documents_that_are_written_differently_are_the_same() {
        for (answer, other) in [
            ("<?xml version=\"1.0\"?><a/>", "<a></a>"),
            ("<a x=\"1\" y='2'/>", "\u{feff}<a  y=\"2\"\n x=\"1\" />"),
            ("<a><b>1</b><c/></a>", "<a>\n  <b>1</b>\n  <c />\n</a>\n"),
            ("<a>&lt;&#65;&amp;</a>", "<a><![CDATA[<A]]>&#x26;</a>"),
            ("<a>one<!-- two --> three</a>", "<a>one three</a>"),
            ("<a>1\r\n2</a>", "<a>1\n2</a>"),
            ("<a xmlns:i=\"u\" xmlns:d=\"v\"/>", "<a xmlns:d=\"v\" xmlns:i=\"u\"/>"),
        ] {
            assert_eq!(bodies(answer, other), None, "{answer} {other}");
        }
    }

    #[test]
    fn where_documents_differ() {
        for (answer, other, difference) in [
            ("<a><b><c>y</c></b></a>", "<a><b><c>x</c></b></a>", "/a/b/c: \"x\" instead of \"y\""),
            ("<a><b/><c/></a>", "<a><c/><b/></a>", "/a: <c> instead of <b>"),
            ("<a><b/></a>", "<a></a>", "/a: nothing more instead of <b>"),
            ("<a></a>", "<a> </a>", "/a: \" \" instead of nothing more"),
            ("<a/>", "<b/>", "/: <b> instead of <a>"),
            ("<a><b t=\"L\"/></a>", "<a><b/></a>", "/a/b: attributes [] instead of [t=\"L\"]"),
            ("<a x=\"1\"/>", "<a x=\"2\"/>", "/a: attributes [x=\"2\"] instead of [x=\"1\"]"),
            ("<a>", "<a><", "body: 4 bytes instead of 3, which differ from byte 3 on"),
        ] {
            assert_eq!(bodies(answer, other).as_deref(), Some(difference), "{answer} {other}");
        }
        let long = bodies("<a/>", Box::leak(format!("<a>{}</a>", "x".repeat(10_000)).into_boxed_str())).unwrap();
        assert!(long.len() < 200, "{long}");
    }

    #[test]
    fn values_of_json() {
        assert_eq!(bodies("{\"a\":1,\"b\":[true,null]}", " { \"b\": [true, null], \"a\": 1.0 }"), None);
        for (answer, other, difference) in [
            ("{\"a\":{\"b\":[1,2]}}", "{\"a\":{\"b\":[1,3]}}", "/a/b/1: \"3\" instead of \"2\""),
            ("{\"a\":1}", "{}", "/a: nothing instead of \"1\""),
            ("{}", "{\"a\":\"x\"}", "/a: \"\\\"x\\\"\" instead of nothing"),
            ("[1]", "[1,2]", "/: \"[1,2]\" instead of \"[1]\""),
        ] {
            assert_eq!(bodies(answer, other).as_deref(), Some(difference), "{answer} {other}");
        }
    }

    #[test]
    fn values_can_be_kept_out_of_the_log() {
        for (answer, other, place) in [
            ("<a><Token>secret</Token></a>", "<a><Token>hidden</Token></a>", "/a/Token: 6 characters instead of 6 characters"),
            ("<a t=\"secret\"/>", "<a t=\"no\"/>", "/a: attributes [t=2 characters] instead of [t=6 characters]"),
            ("{\"t\":\"secret\"}", "{}", "/t: nothing instead of 8 characters"),
        ] {
            let told = difference(&compared(200, "", answer), &compared(200, "", other), Values::Measured);
            assert_eq!(told.as_deref(), Some(place), "{answer} {other}");
        }
    }

    #[test]
    fn everything_else_is_bytes() {
        assert_eq!(bodies("a=1&b=2", "b=2&a=1").unwrap(), "body: 7 bytes instead of 7, which differ from byte 0 on");
        assert_eq!(bodies("hello", "hello\0").unwrap(), "body: 6 bytes instead of 5, which differ from byte 5 on");
    }
}
