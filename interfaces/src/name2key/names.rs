//! The forms of an avatar's name (name2key.md sections 7.4, 7.5 and 12).

/// What names are compared by: lower case, every blank and `+` a dot, without `.resident` at the end. `Foo Resident`, `foo` and
/// `FOO.resident` are one name. (name2key.md section 7.4; W-Hat removes `.resident` anywhere, section 12.1 only as the last part.)
pub fn canonical_name(name: &str) -> String {
    let mut canonical = String::with_capacity(name.len());
    for character in name.trim().chars() {
        match character {
            ' ' | '+' => canonical.push('.'),
            ascii if ascii.is_ascii() => canonical.push(ascii.to_ascii_lowercase()),
            other => canonical.extend(other.to_lowercase()),
        }
    }
    const LAST_NAME_OF_NONE: &str = ".resident";
    if canonical.len() > LAST_NAME_OF_NONE.len() && canonical.ends_with(LAST_NAME_OF_NONE) {
        canonical.truncate(canonical.len() - LAST_NAME_OF_NONE.len());
    }
    canonical
}

/// The name as W-Hat's export writes it, rebuilt from its canonical form: each of the two words with a capital, `Resident` where
/// there is no last name (name2key.md section 7.5).
pub fn resident_name(canonical: &str) -> String {
    let (first, last) = canonical.split_once('.').unwrap_or((canonical, "resident"));
    let mut name = String::with_capacity(canonical.len() + 9);
    capitalise(&mut name, first);
    name.push(' ');
    capitalise(&mut name, last);
    name
}

fn capitalise(name: &mut String, word: &str) {
    let mut characters = word.chars();
    name.extend(characters.next().into_iter().flat_map(char::to_uppercase));
    name.push_str(characters.as_str());
}

/// The name and the grid of a visitor's name, `First.Last @host:port` or `First Last@host`, the host in lower case; a name without
/// a grid is given back as it is (name2key.md section 12).
pub fn split_grid(name: &str) -> (&str, Option<String>) {
    match name.rsplit_once('@') {
        Some((name, host)) if !name.trim().is_empty() && is_host(host.trim()) => {
            (name.trim_end(), Some(host.trim().to_lowercase()))
        }
        _ => (name, None),
    }
}

fn is_host(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|character| character.is_alphanumeric() || matches!(character, '.' | '-' | ':' | '[' | ']' | '_' | '/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_has_one_canonical_form() {
        for name in ["Governor Linden", "governor.linden", "goVeRnoR.linDEN", "Governor+Linden", "  Governor Linden "] {
            assert_eq!(canonical_name(name), "governor.linden", "{name:?}");
        }
        for name in ["Foo Resident", "foo", "Foo.RESIDENT", "FOO+resident"] {
            assert_eq!(canonical_name(name), "foo", "{name:?}");
        }
        // Only as the last part, and only behind a first name.
        assert_eq!(canonical_name("foo.resident.bar"), "foo.resident.bar");
        assert_eq!(canonical_name("Resident"), "resident");
        assert_eq!(canonical_name("Residenta Residential"), "residenta.residential");
        assert_eq!(canonical_name("ÄÖÜ Ñandú"), "äöü.ñandú");
        assert_eq!(canonical_name(" "), "");
    }

    #[test]
    fn names_are_rebuilt_as_the_export_has_them() {
        for (canonical, name) in
            [("foo", "Foo Resident"), ("mccoy.smith", "Mccoy Smith"), ("fake01", "Fake01 Resident"), ("é.ä", "É Ä"), ("a.", "A ")]
        {
            assert_eq!(resident_name(canonical), name);
        }
    }

    #[test]
    fn visitors_carry_their_grid() {
        let grid = |text: &str| Some(text.to_owned());
        assert_eq!(split_grid("Ann.Bee @Grid.Example:8002"), ("Ann.Bee", grid("grid.example:8002")));
        assert_eq!(split_grid("Ann Bee@grid.example"), ("Ann Bee", grid("grid.example")));
        for name in ["Ann Bee", "@grid.example", "Ann@", "Ann @ two words", " @x"] {
            assert_eq!(split_grid(name), (name, None), "{name:?}");
        }
    }
}
