//! The file of those who do not want to be found: a UUID a line.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;

use gridshell_interfaces::ids::parse_uuid;
use uuid::Uuid;

/// Longer files are not read; this is room for more than 200,000 keys.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// The keys of a file. `#` and `;` begin a comment, empty lines are none.
///
/// # Errors
/// What is wrong, with the file and, where there is one, the line.
pub fn read_opt_out(file: &str) -> Result<HashSet<Uuid>, String> {
    let mut text = String::new();
    let read = File::open(file).and_then(|opened| opened.take(MAX_BYTES + 1).read_to_string(&mut text));
    read.map_err(|error| format!("cannot read {file}: {error}"))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(format!("{file} has more than {MAX_BYTES} bytes"));
    }
    let keys = text.lines().enumerate().filter_map(|(index, line)| {
        let line = line.split(['#', ';']).next().unwrap_or(line).trim();
        let key = || parse_uuid(line).ok_or_else(|| format!("{file}:{}: {line:?} is no UUID", index + 1));
        (!line.is_empty()).then(key)
    });
    keys.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &[u8]) -> Result<HashSet<Uuid>, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("opt-out.txt");
        std::fs::write(&file, content).unwrap();
        read_opt_out(file.to_str().unwrap())
    }

    #[test]
    fn keys_comments_and_empty_lines() {
        let text = "# who asked us\n\n00000000-0000-0000-0000-000000000001\n  00000000-0000-0000-0000-00000000000A ; Ann\r\n;\n";
        assert_eq!(read(text.as_bytes()), Ok(HashSet::from([Uuid::from_u128(1), Uuid::from_u128(10)])));
        assert_eq!(read(b""), Ok(HashSet::new()));
    }

    #[test]
    fn mistakes_name_file_and_line() {
        let error = read(b"00000000-0000-0000-0000-000000000001\nAnn Bee\n").unwrap_err();
        assert!(error.ends_with("opt-out.txt:2: \"Ann Bee\" is no UUID"), "{error}");
        assert!(read(b"\xff\xfe").unwrap_err().contains("cannot read"));
        assert!(read(&vec![b'\n'; MAX_BYTES as usize + 1]).unwrap_err().contains("more than"));
        assert!(read_opt_out("/does/not/exist").unwrap_err().contains("cannot read /does/not/exist"));
    }
}
