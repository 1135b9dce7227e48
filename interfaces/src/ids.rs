//! UUIDs as OpenSimulator reads them.

use uuid::Uuid;

/// Reads a UUID by the original's rules (assets.md section 3): leading blanks skipped, then either 36 characters with hyphens
/// at 8, 13, 18 and 23 or 32 hex digits, in any case; only blanks may follow. `None` for anything else.
pub fn parse_uuid(text: &str) -> Option<Uuid> {
    let text = text.trim();
    // `Uuid::try_parse` also takes braces and "urn:uuid:", which are longer than both forms.
    matches!(text.len(), 32 | 36).then(|| Uuid::try_parse(text).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_in_any_case_with_blanks_around() {
        let id = Uuid::from_u128(0xa55e7000_0000_4000_8000_00000000abcd);
        for text in [
            "a55e7000-0000-4000-8000-00000000abcd",
            "A55E7000-0000-4000-8000-00000000ABCD",
            "a55e700000004000800000000000abcd",
            "  a55e7000-0000-4000-8000-00000000abcd ",
        ] {
            assert_eq!(parse_uuid(text), Some(id), "{text:?}");
        }
    }

    #[test]
    fn anything_else_is_none() {
        for text in [
            "",
            "not-a-uuid",
            "a55e7000-0000-4000-8000-00000000",
            "a55e7000-0000-4000-8000-00000000abcdx",
            "{a55e700000004000800000000000abcd}",
            "urn:uuid:a55e7000-0000-4000-8000-00000000abcd",
            "a55e70000-000-4000-8000-00000000abcd",
            "g55e7000-0000-4000-8000-00000000abcd",
        ] {
            assert_eq!(parse_uuid(text), None, "{text:?}");
        }
    }
}
