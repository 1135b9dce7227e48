//! Names and keys in texts, by W-Hat's patterns (name2key.md sections 7.1 and 7.2).

use gridshell_interfaces::name2key::MAX_NAME_BYTES;
use uuid::Uuid;

use crate::name2key::face::key_of;

/// True for a whole name: two words with one blank between them, or one or two with a dot. Too long is no name either.
pub(super) fn is_name(text: &str) -> bool {
    text.len() <= MAX_NAME_BYTES && names_in(text).next() == Some(text)
}

/// The names in a text, in their order. Whatever is not part of a name separates them.
pub(super) fn names_in(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|character| !is_of_word(character));
        let first = word_length(rest);
        let second = rest[first..].strip_prefix([' ', '.']).map_or(0, word_length);
        let length = if second > 0 { first + 1 + second } else { first };
        let name;
        (name, rest) = rest.split_at(length);
        (!name.is_empty()).then_some(name)
    })
}

fn is_of_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

fn word_length(text: &str) -> usize {
    text.find(|character| !is_of_word(character)).unwrap_or(text.len())
}

/// The keys in a text, in their order: only those in lower case.
pub(super) fn keys_in(text: &[u8]) -> impl Iterator<Item = Uuid> {
    let mut rest = text;
    std::iter::from_fn(move || {
        while let Some(piece) = rest.get(..36) {
            match lower_case_key(piece) {
                Some(key) => {
                    rest = &rest[36..];
                    return Some(key);
                }
                None => rest = &rest[1..],
            }
        }
        None
    })
}

fn lower_case_key(text: &[u8]) -> Option<Uuid> {
    if !text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-')) {
        return None;
    }
    key_of(std::str::from_utf8(text).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in ["First Last", "first", "first.last", "FIRST.Resident", "_a 9", "a", &"a".repeat(255)] {
            assert!(is_name(name), "{name:?}");
        }
        for name in [
            "",
            " ",
            "username.a.a.a",
            "Two  Spaces",
            "Jo-Ann X",
            "a b c",
            " a",
            "a ",
            "a.",
            ".a",
            "é",
            "a.é",
            "a\0b",
            "a\tb",
            "a+b",
            "a@b",
            &"a".repeat(256),
        ] {
            assert!(!is_name(name), "{name:?}");
        }
    }

    #[test]
    fn names_in_texts() {
        for (text, names) in [
            ("Masakazu Kojima,governor.linden,a", &["Masakazu Kojima", "governor.linden", "a"][..]),
            ("a;b\nc|d  e", &["a", "b", "c", "d", "e"]),
            ("a b c", &["a b", "c"]),
            ("a.b.c", &["a.b", "c"]),
            ("a. b, .c.", &["a", "b", "c"]),
            ("Jo-Ann Xé Y", &["Jo", "Ann X", "Y"]),
            (" ,;é", &[]),
            ("", &[]),
        ] {
            assert_eq!(names_in(text).collect::<Vec<_>>(), names, "{text:?}");
        }
    }

    #[test]
    fn keys_in_texts() {
        let (one, two) = ("a27b84f0-2757-4176-9579-43a181d4a5a0", "3d6181b0-6a4b-97ef-18d8-722652995cf1");
        let keys = |text: &str| keys_in(text.as_bytes()).map(|key| key.to_string()).collect::<Vec<_>>();
        assert_eq!(keys(&format!("x{one},{two}\n-{one}")), [one, two, one]);
        assert_eq!(keys(&format!("{one}{two}")), [one, two]);
        assert_eq!(keys(&format!("é-{}", one.to_uppercase())), [""; 0]);
        assert_eq!(keys(&one[1..]), [""; 0]);
        assert_eq!(keys("a27b84f02757-4176-9579-43a181d4a5a0-"), [""; 0]);
        assert_eq!(keys(""), [""; 0]);
        assert_eq!(keys_in(&[0xff; 100]).count(), 0);
    }
}
