//! Why bytes from outside could not be decoded, or a value not be encoded.

/// What is wrong with a body. The text is for the log; no wire dialect sends it to a client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The body is no well-formed XML, or no XML that the original's reader takes.
    #[error("malformed XML at byte {at}: {reason}")]
    Xml {
        /// Bytes from the start of the document, without its byte order mark.
        at: u64,
        /// What is wrong there.
        reason: String,
    },
    /// The document has a DOCTYPE, which is refused whatever is in it.
    #[error("the document has a DOCTYPE")]
    Doctype,
    /// The bytes are not text in the encoding that they have or claim.
    #[error("the document's encoding cannot be read: {0}")]
    Encoding(String),
    /// The document is of another kind.
    #[error("the root element is {found:?} instead of {expected:?}")]
    Root {
        /// The root element that is understood here.
        expected: &'static str,
        /// The one that is there.
        found: String,
    },
    /// The root says `xsi:nil="true"`: a document that stands for no object. The original fails on it later than on a malformed
    /// one, and answers 500 (assets.md section 2).
    #[error("the document is nil")]
    NilRoot,
    /// The text of an element is not of its type.
    #[error("element {element}: {text:?} is no {expected}")]
    Value {
        /// The element's name.
        element: &'static str,
        /// What should be there: `UUID`, `boolean`, ...
        expected: &'static str,
        /// The beginning of what is there.
        text: String,
    },
    /// More than is taken of something that is counted.
    #[error("more than {limit} {what}")]
    TooMuch {
        /// What is counted, in the plural.
        what: &'static str,
        /// How many of it are taken.
        limit: usize,
    },
    /// An asset has flag bits without a name, so its document cannot be written; the original answers 500 (assets.md section 2).
    #[error("asset flags {0:#x} have bits that have no name")]
    NamelessFlags(i32),
    /// The body is JSON, but no object.
    #[error("the JSON text is no object")]
    NotAnObject,
}

impl WireError {
    /// A [`WireError::Value`]; keeps only the beginning of a long text.
    pub fn value(element: &'static str, expected: &'static str, text: &str) -> Self {
        Self::Value { element, expected, text: beginning(text) }
    }
}

/// The first characters of a text that comes from outside, so that nobody can fill the log with it.
pub(super) fn beginning(text: &str) -> String {
    const SHOWN: usize = 64;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters() {
        let error = WireError::value("Name", "UUID", &"é".repeat(100)).to_string();
        assert_eq!(error, format!("element Name: \"{}...\" is no UUID", "é".repeat(64)));
    }
}
