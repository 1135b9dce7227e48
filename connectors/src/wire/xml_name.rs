//! What may be the name of an XML element, and how .NET writes any text as one.

use std::fmt::Write;

/// True when the text is a name in the sense of XML 1.0, colons included.
pub fn is_name(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(is_name_start) && characters.all(is_name_character)
}

/// True for a character that may stand in an XML 1.0 document, itself or as a reference.
pub fn is_xml_character(character: char) -> bool {
    !matches!(character, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}')
}

fn is_name_start(character: char) -> bool {
    matches!(character,
        'a'..='z' | 'A'..='Z' | '_' | ':'
        | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}' | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}'
        | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}' | '\u{2c00}'..='\u{2fef}' | '\u{3001}'..='\u{d7ff}'
        | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}' | '\u{10000}'..='\u{effff}')
}

fn is_name_character(character: char) -> bool {
    is_name_start(character)
        || matches!(character,
            '0'..='9' | '-' | '.' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
}

/// Appends the text as a local name: what a name may not contain becomes `_xHHHH_`, and an underscore that could be taken for
/// the beginning of such becomes `_x005F_` (transport.md section 5.1).
///
/// .NET knows the letters of an older edition of XML than others do. Here only those of the common European alphabets and the
/// CJK blocks stay as they are, and all others are escaped, which every reader of such names undoes.
pub fn push_encoded(out: &mut String, text: &str) {
    if is_plain(text) {
        out.push_str(text);
        return;
    }
    for (at, character) in text.char_indices() {
        let allowed = match character {
            '_' => escape_at(&text[at..]).is_none(),
            'a'..='z' | 'A'..='Z' => true,
            '0'..='9' | '-' | '.' => at > 0,
            '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{131}' | '\u{141}'..='\u{148}' | '\u{14a}'..='\u{17e}' => {
                true
            }
            '\u{3b1}'..='\u{3ce}' | '\u{410}'..='\u{44f}' => true,
            '\u{3041}'..='\u{3094}' | '\u{30a1}'..='\u{30fa}' | '\u{4e00}'..='\u{9fa5}' | '\u{ac00}'..='\u{d7a3}' => true,
            _ => false,
        };
        if allowed {
            out.push(character);
        } else {
            // Writing to a String cannot fail.
            let width = if u32::from(character) > 0xffff { 8 } else { 4 };
            let _ = write!(out, "_x{:0width$X}_", u32::from(character));
        }
    }
}

/// True for ASCII letters and digits that begin with a letter: nothing to encode. Nearly all names are such, and documents have
/// many.
pub fn is_plain(text: &str) -> bool {
    text.bytes().next().is_some_and(|first| first.is_ascii_alphabetic()) && text.bytes().all(|byte| PLAIN[usize::from(byte)])
}

/// The bytes that [`is_plain`] takes. It is asked for every element of documents that have ten thousands.
const PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric();
        byte += 1;
    }
    table
};

/// The text that a local name stands for: `_x0020_` and `_x00000020_` become a blank. What only looks similar stays.
pub fn decode(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(at) = rest.find('_') {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        match escape_at(rest).and_then(|(value, length)| Some((char::from_u32(value)?, length))) {
            Some((character, length)) => {
                text.push(character);
                rest = &rest[length..];
            }
            None => {
                text.push('_');
                rest = &rest[1..];
            }
        }
    }
    text.push_str(rest);
    text
}

/// The number and the length of the escape that the text begins with.
fn escape_at(text: &str) -> Option<(u32, usize)> {
    let digits = text.strip_prefix("_x").or_else(|| text.strip_prefix("_X"))?.as_bytes();
    let count = [4, 8].into_iter().find(|&count| digits.get(count) == Some(&b'_'))?;
    let value = digits[..count].iter().try_fold(0, |value, &digit| Some(value << 4 | char::from(digit).to_digit(16)?))?;
    Some((value, count + 3))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encode(text: &str) -> String {
        let mut name = String::new();
        push_encoded(&mut name, text);
        name
    }

    #[test]
    fn characters_that_no_name_has_are_escaped() {
        for (text, name) in [
            ("a b", "a_x0020_b"),
            ("1abc", "_x0031_abc"),
            ("Wearable 0:0", "Wearable_x0020_0_x003A_0"),
            ("_x0020_", "_x005F_x0020_"),
            ("_x0020", "_x0020"),
            ("_ap_101", "_ap_101"),
            ("map-server-url", "map-server-url"),
            ("Größe", "Größe"),
            ("a\u{1f600}", "a_x0001F600_"),
            ("", ""),
        ] {
            assert_eq!(encode(text), name);
            assert_eq!(decode(name), text);
        }
    }

    #[test]
    fn only_whole_escapes_are_decoded() {
        for name in ["_x002_", "_x00g0_", "_xD800_", "_", "__", "_x", "_xé020_"] {
            assert_eq!(decode(name), name);
        }
        assert_eq!(decode("a_X0041_b"), "aAb");
        assert_eq!(decode("__x0041_"), "_A");
    }

    proptest! {
        #[test]
        fn any_text_becomes_a_name_and_comes_back(text in ".+") {
            let name = encode(&text);
            prop_assert!(is_name(&name), "{}", name);
            prop_assert_eq!(decode(&name), text);
        }

        #[test]
        fn any_name_is_decoded(name: String) {
            decode(&name);
        }
    }
}
