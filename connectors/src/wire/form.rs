//! Form bodies, `application/x-www-form-urlencoded`, with the original's rules (transport.md section 4).

use std::borrow::Cow;
use std::collections::HashMap;

use bytes::Bytes;

use super::error::WireError;

/// How many terms a body may have.
const MAX_TERMS: usize = 100_000;

/// The value of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormValue<'a> {
    /// From `name=value`, or a bare `name`, which is an empty text.
    Text(Cow<'a, str>),
    /// From one or more `name[]=value`.
    List(Vec<Cow<'a, str>>),
}

/// A decoded body. Names and values without escapes are borrowed from it.
#[derive(Clone, Debug, Default)]
pub struct Form<'a> {
    terms: Vec<(Cow<'a, str>, FormValue<'a>)>,
    positions: HashMap<Cow<'a, str>, usize>,
}

impl<'a> Form<'a> {
    /// Decodes a body (transport.md section 4.2). Everything is a form of some kind, so only its size can be wrong. Bytes that are
    /// no UTF-8 become U+FFFD.
    ///
    /// # Errors
    /// More than 100 000 terms.
    pub fn decode(body: &'a [u8]) -> Result<Self, WireError> {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        match std::str::from_utf8(body) {
            Ok(text) => Form::decode_text(text),
            Err(_) => Form::decode_text(&String::from_utf8_lossy(body)).map(Form::into_owned),
        }
    }

    fn decode_text(text: &'a str) -> Result<Self, WireError> {
        let mut form = Self::default();
        let terms = text.trim().split('&').filter(|term| !term.is_empty());
        for (count, term) in terms.enumerate() {
            if count == MAX_TERMS {
                return Err(WireError::TooMuch { what: "form terms", limit: MAX_TERMS });
            }
            // What stands after a second '=' is dropped.
            let mut parts = term.split('=');
            let name = unescape(parts.next().unwrap_or_default());
            let value = unescape(parts.next().unwrap_or_default());
            if !name.is_empty() {
                form.insert(name, value);
            }
        }
        Ok(form)
    }

    /// For a scalar the first term counts. List terms are collected, unless the name is known as a scalar.
    fn insert(&mut self, name: Cow<'a, str>, value: Cow<'a, str>) {
        let is_list = name.ends_with("[]");
        let name = if is_list { without_brackets(name) } else { name };
        match self.positions.get(&name).map(|&position| &mut self.terms[position].1) {
            Some(FormValue::List(values)) if is_list => values.push(value),
            Some(_) => {}
            None => {
                self.positions.insert(name.clone(), self.terms.len());
                self.terms.push((name, if is_list { FormValue::List(vec![value]) } else { FormValue::Text(value) }));
            }
        }
    }

    /// The text of a name; `None` when it is absent or a list. Names are case-sensitive.
    pub fn get(&self, name: &str) -> Option<&str> {
        match self.value(name)? {
            FormValue::Text(text) => Some(text),
            FormValue::List(_) => None,
        }
    }

    /// The list of a name (given without `[]`); `None` when it is absent or a text.
    pub fn list(&self, name: &str) -> Option<&[Cow<'a, str>]> {
        match self.value(name)? {
            FormValue::Text(_) => None,
            FormValue::List(values) => Some(values),
        }
    }

    /// All names with their values, in the order of their first terms.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &FormValue<'a>)> {
        self.terms.iter().map(|(name, value)| (&**name, value))
    }

    /// The same form, independent of the body.
    pub fn into_owned(self) -> Form<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        let terms = self.terms.into_iter().map(|(name, value)| {
            let value = match value {
                FormValue::Text(text) => FormValue::Text(owned(text)),
                FormValue::List(values) => FormValue::List(values.into_iter().map(owned).collect()),
            };
            (owned(name), value)
        });
        let positions = self.positions.into_iter().map(|(name, position)| (owned(name), position));
        Form { terms: terms.collect(), positions: positions.collect() }
    }

    fn value(&self, name: &str) -> Option<&FormValue<'a>> {
        self.positions.get(name).map(|&position| &self.terms[position].1)
    }
}

fn without_brackets(name: Cow<'_, str>) -> Cow<'_, str> {
    match name {
        Cow::Borrowed(name) => Cow::Borrowed(&name[..name.len() - 2]),
        Cow::Owned(mut name) => {
            name.truncate(name.len() - 2);
            Cow::Owned(name)
        }
    }
}

/// Decodes `+`, `%xx` and `%uXXXX`. A malformed escape stays as it is.
fn unescape(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|byte| byte == b'%' || byte == b'+') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let rest = &bytes[at..];
        if let Some(unit) = utf16_escape(rest) {
            let low = rest.get(6..).and_then(utf16_escape);
            let (character, length) = character_of(unit, low);
            decoded.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            at += length;
        } else if let Some(escaped) = byte_escape(rest) {
            decoded.push(escaped);
            at += 3;
        } else {
            decoded.push(if byte == b'+' { b' ' } else { byte });
            at += 1;
        }
    }
    Cow::Owned(String::from_utf8(decoded).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

/// The character of one `%uXXXX`, or of two that are a surrogate pair, and the length of what it was made of.
fn character_of(unit: u16, next: Option<u16>) -> (char, usize) {
    match char::decode_utf16([unit].into_iter().chain(next)).next() {
        Some(Ok(character)) => (character, if character.len_utf16() == 2 { 12 } else { 6 }),
        _ => (char::REPLACEMENT_CHARACTER, 6),
    }
}

fn utf16_escape(text: &[u8]) -> Option<u16> {
    match text {
        [b'%', b'u', digits @ ..] => {
            digits.get(..4)?.iter().try_fold(0, |value, &digit| Some(value << 4 | u16::from(hex(digit)?)))
        }
        _ => None,
    }
}

fn byte_escape(text: &[u8]) -> Option<u8> {
    match *text {
        [b'%', high, low, ..] => Some(hex(high)? << 4 | hex(low)?),
        _ => None,
    }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

/// Writes a body as the original's clients do (transport.md section 4.1).
#[derive(Clone, Debug, Default)]
pub struct FormWriter {
    body: String,
}

impl FormWriter {
    /// An empty body.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a name with its value; an empty value is written as the bare name.
    pub fn text(&mut self, name: &str, value: &str) {
        self.begin(name);
        if !value.is_empty() {
            self.body.push('=');
            escape(&mut self.body, value);
        }
    }

    /// Appends a list, one `name[]=value` for each element: nothing for an empty one.
    pub fn list(&mut self, name: &str, values: impl IntoIterator<Item = impl AsRef<str>>) {
        for value in values {
            self.begin(name);
            self.body.push_str("[]=");
            escape(&mut self.body, value.as_ref());
        }
    }

    /// The finished body.
    pub fn finish(self) -> Bytes {
        Bytes::from(self.body)
    }

    fn begin(&mut self, name: &str) {
        if !self.body.is_empty() {
            self.body.push('&');
        }
        escape(&mut self.body, name);
    }
}

fn escape(body: &mut String, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'!' | b'*' | b'(' | b')' => {
                body.push(char::from(byte))
            }
            b' ' => body.push('+'),
            _ => {
                body.push('%');
                body.push(char::from(HEX[usize::from(byte >> 4)]));
                body.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(body: &str) -> String {
        Form::decode(body.as_bytes()).unwrap().get("a").unwrap().to_owned()
    }

    #[test]
    fn values_are_unescaped() {
        for (body, value) in [
            ("a=b+c", "b c"),
            ("a=%3c128%2C+128%2c+25.96%3E", "<128, 128, 25.96>"),
            ("a=%c3%a9%e6%97%a5", "é日"),
            ("a=é", "é"),
            ("a=%u00e9%u65E5", "é日"),
            ("a=%uD83D%uDE00x", "\u{1f600}x"),
            ("a=%uD83Dx", "\u{fffd}x"),
            ("a=%uDE00%uD83D", "\u{fffd}\u{fffd}"),
            ("a=100%", "100%"),
            ("a=%zz%1%u12g4%u12", "%zz%1%u12g4%u12"),
            ("a=%ff", "\u{fffd}"),
            ("a=x=y", "x"),
            ("a=", ""),
            ("a", ""),
            ("%61=b", "b"),
            ("a=1&a=2", "1"),
            ("=x&&a=1&", "1"),
            (" \r\n a=1 \r\n", "1"),
            ("\u{feff}a=1", "1"),
            ("a=1&a[]=2", "1"),
        ] {
            assert_eq!(text(body), value, "{body}");
        }
        let form = Form::decode(b"b=2&a=\xff%c3%a9").unwrap();
        assert_eq!(form.get("a"), Some("\u{fffd}é"));
    }

    #[test]
    fn lists_are_collected() {
        let form = Form::decode(b"METHOD=getagents&uuids[]=1&other=x&uuids[]=2&uuids=3&one%5b%5D=&other[]=y").unwrap();
        assert_eq!(form.list("uuids").unwrap(), ["1", "2"]);
        assert_eq!(form.list("one").unwrap(), [""]);
        assert_eq!((form.get("uuids"), form.list("other"), form.get("other")), (None, None, Some("x")));
        assert_eq!((form.get("method"), form.list("none")), (None, None));
        let names: Vec<&str> = form.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["METHOD", "uuids", "other", "one"]);
    }

    #[test]
    fn plain_terms_are_not_copied() {
        let form = Form::decode(b"METHOD=getinfo&ids[]=1").unwrap();
        assert!(matches!(form.value("METHOD"), Some(FormValue::Text(Cow::Borrowed("getinfo")))));
        assert!(matches!(form.list("ids"), Some([Cow::Borrowed("1")])));
    }

    #[test]
    fn terms_are_bounded() {
        assert!(Form::decode("a&".repeat(MAX_TERMS).as_bytes()).is_ok());
        let error = Form::decode("a&".repeat(MAX_TERMS + 1).as_bytes()).unwrap_err();
        assert_eq!(error, WireError::TooMuch { what: "form terms", limit: MAX_TERMS });
    }

    #[test]
    fn bodies_are_written_as_the_original_does() {
        let mut form = FormWriter::new();
        form.text("VERSIONMIN", "1");
        form.text("METHOD", "setposition");
        form.text("Position", "<128, 128, 25.96>");
        form.text("odd name'~", "-_.!*()é");
        form.text("empty", "");
        form.list("uuids", ["1c6fb9c9", ""]);
        form.list("none", [""; 0]);
        assert_eq!(
            form.finish(),
            "VERSIONMIN=1&METHOD=setposition&Position=%3c128%2c+128%2c+25.96%3e&odd+name%27%7e=-_.!*()%c3%a9&empty\
             &uuids[]=1c6fb9c9&uuids[]="
        );
        assert_eq!(FormWriter::new().finish(), "");
    }

    proptest! {
        #[test]
        fn what_was_written_comes_back(texts in prop::collection::btree_map("[^\\[\\]]+", ".*", 0..8), lists in prop::collection::vec(".*", 1..8)) {
            let mut writer = FormWriter::new();
            for (name, value) in &texts {
                writer.text(name, value);
            }
            writer.list("[list]", &lists);
            let body = writer.finish();
            let form = Form::decode(&body).unwrap();
            for (name, value) in &texts {
                prop_assert_eq!(form.get(name), Some(&**value));
            }
            prop_assert_eq!(form.list("[list]").unwrap(), &lists[..]);
            prop_assert_eq!(form.iter().count(), texts.len() + 1);
        }

        #[test]
        fn any_bytes_are_a_form(body: Vec<u8>) {
            Form::decode(&body).unwrap();
        }

        #[test]
        fn anything_like_a_form_is_one(body in "([a-c]|=|&|\\+|%|u|D83D|DE00|[0-9a-f]{1,4}|\\[\\]|é){0,40}") {
            Form::decode(body.as_bytes()).unwrap();
        }
    }
}
