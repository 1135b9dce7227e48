//! Text inside the XML documents of the REST console.

/// An element's text: `&`, `<` and `>` escaped, quotes literal (transport.md section 5.1), without the characters that XML 1.0
/// cannot hold.
pub fn escape_text(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\t' | '\n' | '\r' => escaped.push(c),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            _ => escaped.push(c),
        }
    }
    escaped
}

/// The value of an attribute that stands between `"`.
pub fn escape_attribute(text: &str) -> String {
    escape_text(text).replace('"', "&quot;")
}
