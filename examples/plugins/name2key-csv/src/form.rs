//! Forms: `NAME=value&LIST[]=one&LIST[]=two`, percent-encoded (transport.md section 4).

/// How many terms a form may have.
const MAX_TERMS: usize = 100_000;

/// A decoded form.
pub struct Form {
    texts: Vec<(String, String)>,
    lists: Vec<(String, Vec<String>)>,
}

impl Form {
    /// `None` for a body that is no text, or too long.
    pub fn read(body: &[u8]) -> Option<Self> {
        let mut form = Self { texts: Vec::new(), lists: Vec::new() };
        for (count, term) in str::from_utf8(body).ok()?.split('&').enumerate() {
            if count == MAX_TERMS {
                return None;
            }
            let (name, value) = term.split_once('=').unwrap_or((term, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            match name.strip_suffix("[]") {
                Some(name) => form.add(name, value),
                None => form.texts.push((name, value)),
            }
        }
        Some(form)
    }

    fn add(&mut self, name: &str, value: String) {
        match self.lists.iter_mut().find(|(known, _)| known == name) {
            Some((_, list)) => list.push(value),
            None => self.lists.push((name.to_owned(), vec![value])),
        }
    }

    /// Of several values the first.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.texts.iter().find(|(known, _)| known == name).map(|(_, text)| text.as_str())
    }

    pub fn list(&self, name: &str) -> Option<&[String]> {
        self.lists.iter().find(|(known, _)| known == name).map(|(_, list)| list.as_slice())
    }
}

fn decode(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (high, low) = (char::from(bytes.next()?).to_digit(16)?, char::from(bytes.next()?).to_digit(16)?);
                (high * 16 + low) as u8
            }
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_lists() {
        let form = Form::read(b"METHOD=a&N[]=one+%C3%A4&EMPTY&N[]=%26&METHOD=b&M%5B%5D=x").unwrap();
        assert_eq!(form.text("METHOD"), Some("a"));
        assert_eq!(form.text("EMPTY"), Some(""));
        assert_eq!(form.text("N"), None);
        assert_eq!(form.list("N"), Some(&["one ä".to_owned(), "&".to_owned()][..]));
        assert_eq!(form.list("M"), Some(&["x".to_owned()][..]));
        assert_eq!(form.list("METHOD"), None);
    }

    #[test]
    fn what_is_malformed_is_none() {
        for body in [&b"a=\xff"[..], b"a=%", b"a=%4", b"a=%4g", b"a=%FF"] {
            assert!(Form::read(body).is_none(), "{body:?}");
        }
        assert!(Form::read("a&".repeat(MAX_TERMS).as_bytes()).is_none());
    }
}
