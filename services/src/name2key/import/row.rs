//! One line of a name file: `UUID,Avatar Name`, quoted as RFC 4180 has it (name2key.md section 4).

use std::borrow::Cow;

use gridshell_interfaces::name2key::{MAX_NAME_BYTES, check_name};
use uuid::Uuid;

/// The length of a UUID's text, 8-4-4-4-12 hexadecimal digits.
const KEY_BYTES: usize = 36;

/// Reads a line. The name is as it is written, blanks and capitals included.
///
/// # Errors
/// What is wrong with it.
pub(super) fn parse(line: &[u8]) -> Result<(Uuid, Cow<'_, str>), String> {
    match parse_plain(line) {
        Some((key, name)) => Ok((key, Cow::Borrowed(name))),
        None => parse_any(line),
    }
}

/// A line as nearly all are: nothing quoted, the name printable ASCII.
fn parse_plain(line: &[u8]) -> Option<(Uuid, &str)> {
    let (key, rest) = line.split_first_chunk::<KEY_BYTES>()?;
    let name = rest.strip_prefix(b",")?;
    if name.first()? == &b' ' || name.len() > MAX_NAME_BYTES || !name.iter().all(|&byte| PLAIN[usize::from(byte)]) {
        return None;
    }
    let key = parse_key(key)?;
    if key.is_nil() { None } else { Some((key, str::from_utf8(name).ok()?)) }
}

fn parse_any(line: &[u8]) -> Result<(Uuid, Cow<'_, str>), String> {
    let fields = fields(line)?;
    let [key, name] = <[_; 2]>::try_from(fields)
        .map_err(|fields| format!("two fields are wanted, a UUID and a name, and there {}", is_or_are(fields.len())))?;
    let key = key
        .first_chunk()
        .filter(|_| key.len() == KEY_BYTES)
        .and_then(parse_key)
        .ok_or("the first field is not a UUID of 8-4-4-4-12 hexadecimal digits")?;
    if key.is_nil() {
        return Err("the zero UUID is nobody's key".to_owned());
    }
    let name = match name {
        Cow::Borrowed(name) => str::from_utf8(name).map(Cow::Borrowed).ok(),
        Cow::Owned(name) => String::from_utf8(name).map(Cow::Owned).ok(),
    }
    .ok_or("the name is not UTF-8")?;
    check_name(&name)?;
    Ok((key, name))
}

fn is_or_are(count: usize) -> String {
    if count == 1 { "is one".to_owned() } else { format!("are {count}") }
}

/// The fields of a line. A line break within quotes is no part of a field here, since no name has one.
fn fields(line: &[u8]) -> Result<Vec<Cow<'_, [u8]>>, String> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, behind) = match rest.strip_prefix(b"\"") {
            Some(quoted) => quoted_field(quoted)?,
            None => plain_field(rest)?,
        };
        fields.push(field);
        match behind.split_first() {
            None => return Ok(fields),
            Some((b',', next)) => rest = next,
            Some(_) => return Err("something stands between a closing quote and the comma".to_owned()),
        }
    }
}

fn plain_field(text: &[u8]) -> Result<(Cow<'_, [u8]>, &[u8]), String> {
    let end = text.iter().position(|&byte| byte == b',').unwrap_or(text.len());
    let (field, behind) = text.split_at(end);
    if field.contains(&b'"') {
        return Err("a quote stands within a field that does not begin with one".to_owned());
    }
    Ok((Cow::Borrowed(field), behind))
}

/// `text` begins behind the opening quote.
fn quoted_field(text: &[u8]) -> Result<(Cow<'_, [u8]>, &[u8]), String> {
    let mut field = Vec::new();
    let mut rest = text;
    loop {
        let end = rest.iter().position(|&byte| byte == b'"').ok_or("a quote is not closed")?;
        field.extend_from_slice(&rest[..end]);
        rest = &rest[end + 1..];
        // Two quotes stand for one.
        match rest.strip_prefix(b"\"") {
            Some(behind) => {
                field.push(b'"');
                rest = behind;
            }
            None => return Ok((Cow::Owned(field), rest)),
        }
    }
}

/// A UUID in either case; the zero UUID is one, too.
fn parse_key(text: &[u8; KEY_BYTES]) -> Option<Uuid> {
    const PAIRS: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
    let mut bytes = [0; 16];
    let mut seen = 0;
    for (byte, at) in bytes.iter_mut().zip(PAIRS) {
        let (high, low) = (DIGITS[usize::from(text[at])], DIGITS[usize::from(text[at + 1])]);
        seen |= high | low;
        *byte = high << 4 | low;
    }
    let hyphens = [8, 13, 18, 23].into_iter().all(|at| text[at] == b'-');
    (hyphens && seen < 16).then(|| Uuid::from_bytes(bytes))
}

/// What each byte is worth as a hexadecimal digit; 255 for those that are none.
const DIGITS: [u8; 256] = {
    let mut digits = [255; 256];
    let mut value = 0;
    while value < 16 {
        digits[b"0123456789abcdef"[value] as usize] = value as u8;
        digits[b"0123456789ABCDEF"[value] as usize] = value as u8;
        value += 1;
    }
    digits
};

/// The bytes that need no second look in a name: printable ASCII without quote and comma.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = b' ' as usize;
    while byte <= b'~' as usize {
        plain[byte] = byte != b'"' as usize && byte != b',' as usize;
        byte += 1;
    }
    plain
};

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "a27b84f0-2757-4176-9579-43a181d4a5a0";

    fn name_of(line: &str) -> String {
        let (key, name) = parse(line.as_bytes()).unwrap_or_else(|reason| panic!("{line:?}: {reason}"));
        assert_eq!(key.to_string(), KEY);
        name.into_owned()
    }

    fn reason(line: impl AsRef<[u8]>) -> String {
        parse(line.as_ref()).expect_err("a bad line")
    }

    #[test]
    fn names_are_kept_as_they_are_written() {
        for name in
            ["Masakazu Kojima", "governor.linden", " Two  Blanks ", "x", "Ñandú 鳥", "O'Neil", "a@b:8002", "+", "Resident"]
        {
            assert_eq!(name_of(&format!("{KEY},{name}")), name);
            assert_eq!(name_of(&format!("{KEY},\"{name}\"")), name);
            assert_eq!(name_of(&format!("\"{KEY}\",{name}")), name);
        }
        assert_eq!(name_of(&format!("{KEY},\"Quoted, Name\"")), "Quoted, Name");
        assert_eq!(name_of(&format!("{KEY},\"The \"\"Great\"\"\"")), "The \"Great\"");
        assert_eq!(name_of(&format!("{},Upper Case", KEY.to_uppercase())), "Upper Case");
        let longest = "n".repeat(MAX_NAME_BYTES);
        assert_eq!(name_of(&format!("{KEY},{longest}")), longest);
        let (key, _) = parse(b"00000000-0000-0000-0000-000000000001,Fake01 Resident").unwrap();
        assert_eq!(key, Uuid::from_u128(1));
    }

    #[test]
    fn a_bad_line_says_what_is_wrong() {
        let with = |name: &str| reason(format!("{KEY},{name}"));
        assert!(reason(KEY).contains("there is one"), "{}", reason(KEY));
        assert!(reason(format!("{KEY},a,b")).contains("there are 3"));
        assert!(reason(" ").contains("there is one"));
        for key in [
            "",
            "notauuid",
            &KEY[1..],
            &format!("{KEY}0"),
            &format!(" {}", &KEY[1..]),
            &KEY.replace('-', "0"),
            &KEY.replace('a', "g"),
        ] {
            assert!(reason(format!("{key},Ann Bee")).contains("not a UUID"), "{key}");
        }
        assert!(reason("00000000-0000-0000-0000-000000000000,Nobody Here").contains("zero UUID"));
        assert!(with("").contains("empty"));
        assert!(with("   ").contains("empty"));
        assert!(with(&"n".repeat(MAX_NAME_BYTES + 1)).contains("255 bytes"));
        assert!(with(&"é".repeat(128)).contains("255 bytes"));
        assert!(with(&"n".repeat(10_000)).contains("255 bytes"));
        for name in ["a\0b", "a\tb", "a\u{7f}", "a\u{85}b", "\r"] {
            assert!(with(name).contains("control characters") || with(name).contains("empty"), "{name:?}");
        }
        assert!(reason([KEY.as_bytes(), b",caf\xe9"].concat()).contains("UTF-8"));
        assert!(reason([KEY.as_bytes(), b",\"caf\xe9\""].concat()).contains("UTF-8"));
        assert!(with("\"open").contains("not closed"));
        assert!(with("\"open\"\"").contains("not closed"));
        assert!(with("mid\"dle").contains("quote stands within"));
        assert!(with("\"a\"b").contains("closing quote"));
    }

    #[test]
    fn every_byte_is_a_digit_or_not() {
        for byte in 0..=255_u8 {
            let mut text = *b"a27b84f0-2757-4176-9579-43a181d4a5a0";
            text[35] = byte;
            let expected = str::from_utf8(&text).ok().and_then(|text| Uuid::try_parse(text).ok());
            assert_eq!(parse_key(&text), expected, "{byte}");
        }
    }
}
