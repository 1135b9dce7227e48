//! Reading the form bodies of the REST console (shell.md section 9, transport.md section 4.2).

/// The value of a field; the first one counts. Blanks and quotes need no escape, since the stock client writes none.
pub fn field(body: &str, name: &str) -> Option<String> {
    body.split('&').find_map(|term| {
        // Text after a second "=" is lost.
        let mut parts = term.split('=');
        let found = parts.next().is_some_and(|part| decode(part) == name);
        found.then(|| decode(parts.next().unwrap_or_default()))
    })
}

/// Decodes `+`, `%xx` and `%uXXXX`; malformed escapes stay as they are, bytes that are no UTF-8 become U+FFFD.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    // Half of a character that takes two %uXXXX.
    let mut high_half = None;
    while let Some((&first, after)) = rest.split_first() {
        if let Some((unit, after)) = utf16_escape(rest) {
            rest = after;
            push_unit(&mut bytes, &mut high_half, unit);
            continue;
        }
        close_half(&mut bytes, &mut high_half);
        if let Some((byte, after)) = byte_escape(rest) {
            rest = after;
            bytes.push(byte);
        } else {
            rest = after;
            bytes.push(if first == b'+' { b' ' } else { first });
        }
    }
    close_half(&mut bytes, &mut high_half);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn byte_escape(text: &[u8]) -> Option<(u8, &[u8])> {
    let (value, after) = hex(text.strip_prefix(b"%")?, 2)?;
    Some((u8::try_from(value).ok()?, after))
}

fn utf16_escape(text: &[u8]) -> Option<(u16, &[u8])> {
    let (value, after) = hex(text.strip_prefix(b"%u")?, 4)?;
    Some((u16::try_from(value).ok()?, after))
}

fn hex(text: &[u8], digits: usize) -> Option<(u32, &[u8])> {
    let (number, after) = text.split_at_checked(digits)?;
    let value = number.iter().try_fold(0, |value, digit| Some(value * 16 + char::from(*digit).to_digit(16)?))?;
    Some((value, after))
}

fn push_unit(bytes: &mut Vec<u8>, high_half: &mut Option<u16>, unit: u16) {
    if let Some(high) = *high_half
        && let Some(Ok(c)) = char::decode_utf16([high, unit]).next()
    {
        *high_half = None;
        push_char(bytes, c);
        return;
    }
    close_half(bytes, high_half);
    if (0xd800..0xdc00).contains(&unit) {
        *high_half = Some(unit);
    } else {
        push_char(bytes, char::from_u32(u32::from(unit)).unwrap_or(char::REPLACEMENT_CHARACTER));
    }
}

/// A half that is not followed by the other is no character.
fn close_half(bytes: &mut Vec<u8>, high_half: &mut Option<u16>) {
    if high_half.take().is_some() {
        push_char(bytes, char::REPLACEMENT_CHARACTER);
    }
}

fn push_char(bytes: &mut Vec<u8>, c: char) {
    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes() {
        for (text, expected) in [
            ("a+b%20c", "a b c"),
            ("caf%C3%A9", "café"),
            ("%u00e9%u20AC", "é€"),
            ("%ud83d%ude00!", "😀!"),
            ("%ud83dx%ude00", "\u{fffd}x\u{fffd}"),
            ("100%", "100%"),
            ("%g0%4", "%g0%4"),
            ("%u12", "%u12"),
            ("%ff", "\u{fffd}"),
            ("show \"a b\"", "show \"a b\""),
        ] {
            assert_eq!(decode(text), expected, "{text}");
        }
    }

    #[test]
    fn fields() {
        let body = "ID=1=2&COMMAND=show info&COMMAND=quit&empty&US%45R=x";
        assert_eq!(field(body, "ID").as_deref(), Some("1"));
        assert_eq!(field(body, "COMMAND").as_deref(), Some("show info"));
        assert_eq!(field(body, "empty").as_deref(), Some(""));
        assert_eq!(field(body, "USER").as_deref(), Some("x"));
        assert_eq!(field(body, "command"), None);
        assert_eq!(field("", "ID"), None);
    }
}
