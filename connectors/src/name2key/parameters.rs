//! Parameters of the faces for scripts: query strings and form bodies as Go and W-Hat's server read them. (The forms of the
//! original's services have other rules, [`crate::wire::form`].)

use std::borrow::Cow;

use crate::http::{Method, Request, header};

/// The longest form body that is read, in bytes (name2key.md section 2.1), and the longest text that is searched for keys.
pub(super) const MAX_TEXT: usize = 10_000_000;

/// How many parameters a request may have.
const MAX_PARAMETERS: usize = 1_000;

/// A request's parameters cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

/// Names with values, those of the body first.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Parameters<'a> {
    /// As gosl-basics reads them: `;` separates as `&` does, and `&amp;`, too, hence (name2key.md sections 2.1 and 2.5).
    ///
    /// # Errors
    /// A malformed escape, something that is no UTF-8, a form that is too long, too many parameters.
    pub(super) fn of_gosl(request: &'a Request) -> Result<Self, Unreadable> {
        let mut parameters = Self::default();
        for text in [form_body(request)?, request.query.as_bytes()] {
            parameters.add(text, b"&;", strictly)?;
        }
        Ok(parameters)
    }

    /// As W-Hat's server reads them: a malformed escape stands for itself, and what is no UTF-8 for U+FFFD. Neither is part of a
    /// name or a key there.
    ///
    /// # Errors
    /// A form that is too long, too many parameters.
    pub(super) fn of_web(request: &'a Request) -> Result<Self, Unreadable> {
        let mut parameters = Self::default();
        for text in [form_body(request)?, request.query.as_bytes()] {
            parameters.add(text, b"&", |text| Ok(decode(text)))?;
        }
        Ok(parameters)
    }

    /// The first value of a name. Names are case-sensitive.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| &**value)
    }

    /// The first value of a name, where empty is as good as absent.
    pub(super) fn filled(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    fn add(
        &mut self,
        text: &'a [u8],
        separators: &[u8],
        decode: impl Fn(&'a [u8]) -> Result<Cow<'a, str>, Unreadable>,
    ) -> Result<(), Unreadable> {
        for term in text.split(|byte| separators.contains(byte)).filter(|term| !term.is_empty()) {
            if self.0.len() == MAX_PARAMETERS {
                return Err(Unreadable);
            }
            let equals = term.iter().position(|&byte| byte == b'=');
            let (name, value) = equals.map_or((term, &b""[..]), |at| (&term[..at], &term[at + 1..]));
            self.0.push((decode(name)?, decode(value)?));
        }
        Ok(())
    }
}

/// The body when it is a form, else nothing.
fn form_body(request: &Request) -> Result<&[u8], Unreadable> {
    let content_type = request.header(header::CONTENT_TYPE).unwrap_or_default();
    let content_type = content_type.split(';').next().unwrap_or_default().trim();
    let has_form = matches!(request.method, Method::POST | Method::PUT | Method::PATCH)
        && content_type.eq_ignore_ascii_case("application/x-www-form-urlencoded");
    match has_form {
        true if request.body.len() > MAX_TEXT => Err(Unreadable),
        true => Ok(&request.body),
        false => Ok(&[]),
    }
}

/// Decodes `+` and `%xx`. A malformed escape stays as it is; what is no UTF-8 becomes U+FFFD.
pub(super) fn decode(text: &[u8]) -> Cow<'_, str> {
    match unescape(text).0 {
        Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

fn strictly(text: &[u8]) -> Result<Cow<'_, str>, Unreadable> {
    let (bytes, true) = unescape(text) else { return Err(Unreadable) };
    match bytes {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| Unreadable),
        Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).map_err(|_| Unreadable),
    }
}

/// The bytes that a text stands for, and whether all of its escapes are well-formed.
fn unescape(text: &[u8]) -> (Cow<'_, [u8]>, bool) {
    if !text.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return (Cow::Borrowed(text), true);
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut well_formed = true;
    let mut rest = text;
    while let [first, after @ ..] = rest {
        let escaped = if *first == b'%' { escaped_byte(after) } else { None };
        match (first, escaped) {
            (_, Some(byte)) => {
                decoded.push(byte);
                rest = &after[2..];
                continue;
            }
            (b'+', _) => decoded.push(b' '),
            (other, _) => {
                well_formed &= *other != b'%';
                decoded.push(*other);
            }
        }
        rest = after;
    }
    (Cow::Owned(decoded), well_formed)
}

fn escaped_byte(text: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
    u8::try_from(digit(0)? << 4 | digit(1)?).ok()
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use bytes::Bytes;

    use super::*;
    use crate::http::HeaderMap;

    fn request(method: Method, target: &str, content_type: &str, body: impl Into<Bytes>) -> Request {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, content_type.parse().unwrap())]);
        Request::new(method, target, headers, body.into(), IpAddr::V4(Ipv4Addr::LOCALHOST))
    }

    const FORM: &str = "application/x-www-form-urlencoded";

    #[test]
    fn gosl_separates_by_semicolons_too() {
        let request = request(Method::GET, "/?name=Test%20User&amp;key=a+b;x&&y=1=2&name=other&%6eul=%C3%a9", "", "");
        let parameters = Parameters::of_gosl(&request).unwrap();
        for (name, value) in [("name", "Test User"), ("amp", ""), ("key", "a b"), ("x", ""), ("y", "1=2"), ("nul", "é")] {
            assert_eq!(parameters.get(name), Some(value), "{name}");
        }
        assert_eq!((parameters.get("Name"), parameters.filled("x"), parameters.filled("y")), (None, None, Some("1=2")));
    }

    #[test]
    fn whats_server_does_not() {
        let request = request(Method::GET, "/name2key?names=Ann+Bee;c&amp;x=%zz%ff%4", "", "");
        let parameters = Parameters::of_web(&request).unwrap();
        assert_eq!((parameters.get("names"), parameters.get("amp;x")), (Some("Ann Bee;c"), Some("%zz\u{fffd}%4")));
    }

    #[test]
    fn what_gosl_cannot_read() {
        for query in ["name=%", "name=%4", "name=%zz", "a=b&%", "x=%ff", "name=%c3", "%+1=x"] {
            let request = request(Method::GET, &format!("/?{query}"), "", "");
            assert_eq!(Parameters::of_gosl(&request), Err(Unreadable), "{query}");
        }
        let many = request(Method::POST, "/", FORM, "a&".repeat(MAX_PARAMETERS + 1));
        assert_eq!((Parameters::of_gosl(&many), Parameters::of_web(&many)), (Err(Unreadable), Err(Unreadable)));
        let long = request(Method::POST, "/", FORM, vec![b'a'; MAX_TEXT + 1]);
        assert_eq!((Parameters::of_gosl(&long), Parameters::of_web(&long)), (Err(Unreadable), Err(Unreadable)));
    }

    #[test]
    fn bodies_count_when_they_are_forms_of_the_right_verbs() {
        for (method, content_type, value) in [
            (Method::POST, FORM, "body"),
            (Method::PUT, "Application/X-WWW-Form-Urlencoded; charset=utf-8", "body"),
            (Method::PATCH, FORM, "body"),
            (Method::GET, FORM, "query"),
            (Method::DELETE, FORM, "query"),
            (Method::POST, "text/plain", "query"),
            (Method::POST, "multipart/form-data", "query"),
            (Method::POST, "", "query"),
        ] {
            let request = request(method.clone(), "/?name=query&other=1", content_type, "name=body");
            let parameters = Parameters::of_gosl(&request).unwrap();
            assert_eq!((parameters.get("name"), parameters.get("other")), (Some(value), Some("1")), "{method} {content_type}");
        }
    }
}
