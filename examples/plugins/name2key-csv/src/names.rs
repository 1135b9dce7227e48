//! The names of a file, by name and by key.

use std::collections::BTreeMap;
use std::ops::Bound;

/// A UUID. Its order is that of its text.
pub type Key = u128;

/// The most keys that are given for one name.
const MAX_MATCHES: usize = 100;

/// All names of a grid.
pub struct Names {
    grid: String,
    seen: u64,
    by_key: BTreeMap<Key, String>,
    /// The keys of each canonical name, those that come later in the file first.
    by_name: BTreeMap<String, Vec<Key>>,
}

impl Names {
    /// Reads lines `KEY,NAME`; empty ones mean nothing. Of several lines of one key the last counts. `seen` is when all this was
    /// so, in seconds since 1970.
    ///
    /// # Errors
    /// The first line that cannot be read.
    pub fn read(text: &str, grid: &str, seen: u64) -> Result<Self, String> {
        let mut last = BTreeMap::new();
        for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            if line.trim().is_empty() {
                continue;
            }
            let wrong = |what| format!("line {}: {what}", number + 1);
            let (key, name) = line.split_once(',').ok_or_else(|| wrong("it has no comma"))?;
            let key = read_key(key).filter(|key| *key != 0).ok_or_else(|| wrong("it does not begin with a key"))?;
            let name = name.trim();
            if canonical(name).is_empty() || name.len() > super::MAX_TEXT_BYTES || name.chars().any(char::is_control) {
                return Err(wrong("a name has 1 to 255 bytes and no control characters"));
            }
            last.insert(key, (number, name));
        }
        let mut in_order: Vec<(usize, Key, &str)> = last.into_iter().map(|(key, (number, name))| (number, key, name)).collect();
        in_order.sort_unstable();
        let mut names = Self { grid: grid.to_owned(), seen, by_key: BTreeMap::new(), by_name: BTreeMap::new() };
        for (_, key, name) in in_order.into_iter().rev() {
            names.by_key.insert(key, name.to_owned());
            names.by_name.entry(canonical(name)).or_default().push(key);
        }
        Ok(names)
    }

    pub fn grid(&self) -> &str {
        &self.grid
    }

    pub fn seen(&self) -> u64 {
        self.seen
    }

    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// How many canonical names several keys have.
    pub fn shared(&self) -> usize {
        self.by_name.values().filter(|keys| keys.len() > 1).count()
    }

    pub fn name_of(&self, key: Key) -> Option<&str> {
        self.by_key.get(&key).map(String::as_str)
    }

    pub fn keys_of(&self, name: &str) -> Vec<Key> {
        self.by_name.get(&canonical(name)).into_iter().flatten().copied().take(MAX_MATCHES).collect()
    }

    /// The key itself, when it is known.
    pub fn only(&self, key: Key) -> Vec<Key> {
        self.name_of(key).map(|_| key).into_iter().collect()
    }

    /// Keys whose names begin so, in the order of names. Nothing begins with nothing.
    pub fn beginning_with(&self, prefix: &str, limit: usize) -> Vec<Key> {
        let prefix = canonical(prefix);
        if prefix.is_empty() {
            return Vec::new();
        }
        let from = self.by_name.range(prefix.clone()..).take_while(|(name, _)| name.starts_with(&prefix));
        from.flat_map(|(_, keys)| keys).copied().take(limit).collect()
    }

    /// Keys in their order, from the one after a key and a grid on.
    pub fn after(&self, after: Option<(Key, &str)>, limit: usize) -> Vec<Key> {
        let from = match after {
            None => Bound::Unbounded,
            // The grid is one in any letter case.
            Some((key, grid)) if *grid.to_lowercase() < *self.grid.to_lowercase() => Bound::Included(key),
            Some((key, _)) => Bound::Excluded(key),
        };
        self.by_key.range((from, Bound::Unbounded)).map(|(key, _)| *key).take(limit).collect()
    }
}

/// 32 hexadecimal digits, with hyphens at their places or without.
pub fn read_key(text: &str) -> Option<Key> {
    let text = text.trim();
    let hyphens: Vec<usize> = text.bytes().enumerate().filter(|(_, byte)| *byte == b'-').map(|(at, _)| at).collect();
    let digits: String = text.chars().filter(|character| *character != '-').collect();
    let well_placed = hyphens.is_empty() || hyphens == [8, 13, 18, 23];
    let all_digits = digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    if well_placed && all_digits { Key::from_str_radix(&digits, 16).ok() } else { None }
}

/// What names are compared by: lower case, blanks and `+` are dots, without `.resident` at the end (name2key.md section 7.4).
fn canonical(name: &str) -> String {
    let canonical = name.trim().to_lowercase().replace([' ', '+'], ".");
    match canonical.strip_suffix(".resident") {
        Some(first) if !first.is_empty() => first.to_owned(),
        _ => canonical,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\u{feff}00000000-0000-4000-8000-000000000001,Ann Bee\r\n\n\
        00000000-0000-4000-8000-000000000002,Cee Resident\n\
        00000000000040008000000000000003, ann.bee \n\
        00000000-0000-4000-8000-000000000002,Dee\n";
    const FIRST: Key = 0x4000_8000_0000_0000_0001;

    #[test]
    fn the_last_line_of_a_key_counts_and_the_last_key_of_a_name_comes_first() {
        let names = Names::read(FILE, "Grid", 7).unwrap();
        assert_eq!((names.len(), names.shared(), names.grid(), names.seen()), (3, 1, "Grid", 7));
        assert_eq!(names.keys_of("ANN+BEE"), [FIRST + 2, FIRST]);
        assert_eq!(names.keys_of("cee"), [0; 0]);
        assert_eq!(names.keys_of("Dee Resident"), [FIRST + 1]);
        assert_eq!(names.name_of(FIRST + 2), Some("ann.bee"));
        assert_eq!(names.only(FIRST), [FIRST]);
        assert_eq!(names.only(9), [0; 0]);
    }

    #[test]
    fn pages_and_beginnings() {
        let names = Names::read(FILE, "Grid", 7).unwrap();
        assert_eq!(names.beginning_with("ANN", 9), [FIRST + 2, FIRST]);
        assert_eq!(names.beginning_with("", 9), [0; 0]);
        assert_eq!(names.beginning_with("ann", 1), [FIRST + 2]);
        assert_eq!(names.after(None, 2), [FIRST, FIRST + 1]);
        assert_eq!(names.after(Some((FIRST + 1, "GRID")), 2), [FIRST + 2]);
        assert_eq!(names.after(Some((FIRST + 1, "a")), 2), [FIRST + 1, FIRST + 2]);
        assert_eq!(names.after(Some((Key::MAX, "")), 2), [0; 0]);
    }

    #[test]
    fn bad_lines_are_named() {
        let key = "00000000-0000-4000-8000-000000000001";
        for (text, error) in [
            ("x", "line 1: it has no comma"),
            ("\nx,Ann Bee", "line 2: it does not begin with a key"),
            ("00000000-0000-0000-0000-000000000000,Ann", "line 1: it does not begin with a key"),
            ("00000000-00004-000-8000-000000000001,Ann", "line 1: it does not begin with a key"),
            (&format!("{key}, "), "line 1: a name has 1 to 255 bytes and no control characters"),
            (&format!("{key},a\tb"), "line 1: a name has 1 to 255 bytes and no control characters"),
            (&format!("{key},{}", "x".repeat(256)), "line 1: a name has 1 to 255 bytes and no control characters"),
        ] {
            assert_eq!(Names::read(text, "", 0).err().as_deref(), Some(error), "{text:?}");
        }
    }
}
