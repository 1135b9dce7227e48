//! Texts as columns can hold them.

/// Cuts a text at this many UTF-16 units, never inside of a character (schema.md section 4). True when something was cut off.
pub(crate) fn cut(text: &mut String, max_units: usize) -> bool {
    let mut units = 0;
    let end = text.char_indices().find(|(_, c)| {
        units += c.len_utf16();
        units > max_units
    });
    if let Some((end, _)) = end {
        text.truncate(end);
    }
    end.is_some()
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn texts_are_cut_between_characters() {
        for (text, expected) in [
            ("x".repeat(64), "x".repeat(64)),
            ("x".repeat(65), "x".repeat(64)),
            ("é".repeat(65), "é".repeat(64)),
            // Two units each: the 33rd does not fit, and of an odd one out no half is left.
            ("😀".repeat(33), "😀".repeat(32)),
            (format!("x{}", "😀".repeat(32)), format!("x{}", "😀".repeat(31))),
        ] {
            let mut changed = text.clone();
            assert_eq!(cut(&mut changed, 64), changed != text, "{text}");
            assert_eq!(changed, expected);
        }
    }
}
