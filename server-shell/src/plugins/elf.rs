//! What a library's file says before any of its code runs (plugins.md section 5.4, step 4): for which machine it is, the note, the
//! exported symbols. A pure function over bytes, which are anybody's.

use std::fmt;

use gridshell_plugin_abi::{ABI_MAJOR, ABI_MINOR, NOTE_MAGIC, NOTE_OWNER, NOTE_SECTION, NOTE_TYPE, symbol};
use object::elf;
use object::read::elf::{FileHeader, SectionHeader, SectionTable, Sym};
use object::{Endianness, ReadRef};

#[cfg(target_pointer_width = "64")]
type Header = elf::FileHeader64<Endianness>;
#[cfg(target_pointer_width = "32")]
type Header = elf::FileHeader32<Endianness>;

/// What a plugin must export.
const SYMBOLS: [&str; 3] = [symbol::ABI_MAJOR, symbol::ABI_MINOR, symbol::ENTRY];

/// How much of a text of the file is shown.
const SHOWN: usize = 40;

/// The version that a note tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotedVersion {
    /// The major version that the plugin was built against.
    pub major: u16,
    /// The minor version that the plugin was built against.
    pub minor: u16,
}

/// Why a file is no plugin for this program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// What was looked at.
    pub what: &'static str,
    /// What it should be.
    pub expected: String,
    /// What it is.
    pub found: String,
}

impl Misfit {
    fn new(what: &'static str, expected: impl fmt::Display, found: impl fmt::Display) -> Self {
        Self { what, expected: expected.to_string(), found: found.to_string() }
    }
}

/// Looks at the bytes of a file. Gives the version of its note; `None` when it has no note, which `note_required` forbids.
///
/// # Errors
/// The first thing that does not fit.
pub fn examine(bytes: &[u8], note_required: bool) -> Result<Option<NotedVersion>, Misfit> {
    check_identity(bytes)?;
    let malformed = |error: object::read::Error| Misfit::new("the ELF file", "a well-formed one", error);
    let header = Header::parse(bytes).map_err(malformed)?;
    let endian = header.endian().map_err(malformed)?;
    check_machine(header.e_machine(endian).0)?;
    let kind = header.e_type(endian);
    if kind != elf::ET_DYN {
        return Err(Misfit::new("the kind of ELF file", "a shared object (ET_DYN)", kind_name(kind.0)));
    }
    let sections = header.sections(endian, bytes).map_err(malformed)?;
    let version = read_note(endian, &sections, bytes)?;
    if version.is_none() && note_required {
        return Err(Misfit::new("the note of plugins", format_args!("one in the section {NOTE_SECTION}"), "none"));
    }
    check_symbols(endian, &sections, bytes)?;
    Ok(version)
}

/// Class and byte order, which the rest is read by.
fn check_identity(bytes: &[u8]) -> Result<(), Misfit> {
    let [0x7f, b'E', b'L', b'F', class, order, ..] = bytes else {
        let beginning = String::from_utf8_lossy(&bytes[..bytes.len().min(4)]).into_owned();
        return Err(Misfit::new("the kind of file", "an ELF file", format_args!("one that begins with {beginning:?}")));
    };
    let class_name = |class| match class {
        1 => "32 bits".to_owned(),
        2 => "64 bits".to_owned(),
        other => format!("class {other}"),
    };
    let wanted = if cfg!(target_pointer_width = "64") { 2 } else { 1 };
    if *class != wanted {
        return Err(Misfit::new("the class of the ELF file", class_name(wanted), class_name(*class)));
    }
    let order_name = |order| match order {
        1 => "little-endian".to_owned(),
        2 => "big-endian".to_owned(),
        other => format!("order {other}"),
    };
    let wanted = if cfg!(target_endian = "little") { 1 } else { 2 };
    if *order != wanted {
        return Err(Misfit::new("the byte order", order_name(wanted), order_name(*order)));
    }
    Ok(())
}

fn check_machine(found: u16) -> Result<(), Misfit> {
    const MACHINES: [(&str, u16); 10] = [
        ("x86", 3),
        ("powerpc", 20),
        ("powerpc64", 21),
        ("s390x", 22),
        ("arm", 40),
        ("x86_64", 62),
        ("aarch64", 183),
        ("riscv64", 243),
        ("riscv32", 243),
        ("loongarch64", 258),
    ];
    let here = std::env::consts::ARCH;
    let wanted = MACHINES.iter().find(|(name, _)| *name == here).map(|(_, number)| *number);
    if wanted == Some(found) {
        return Ok(());
    }
    let name = MACHINES.iter().find(|(_, number)| *number == found).map_or("an unknown machine", |(name, _)| name);
    Err(Misfit::new("the machine", here, format_args!("{name} (number {found})")))
}

fn kind_name(kind: u16) -> String {
    match kind {
        1 => "an object file (ET_REL)".to_owned(),
        2 => "a program (ET_EXEC)".to_owned(),
        4 => "a core dump (ET_CORE)".to_owned(),
        other => format!("kind {other}"),
    }
}

/// Reads the note; `None` when there is no section for it.
fn read_note<'data, R: ReadRef<'data>>(
    endian: Endianness,
    sections: &SectionTable<'data, Header, R>,
    bytes: R,
) -> Result<Option<NotedVersion>, Misfit> {
    const WHAT: &str = "the note of plugins";
    let Some((_, section)) = sections.section_by_name(endian, NOTE_SECTION.as_bytes()) else { return Ok(None) };
    let unreadable = |found: &dyn fmt::Display| Misfit::new(WHAT, "a well-formed ELF note", found);
    let mut notes = match section.notes(endian, bytes) {
        Ok(Some(notes)) => notes,
        Ok(None) => return Err(unreadable(&"a section of another kind")),
        Err(error) => return Err(unreadable(&error)),
    };
    let note = match notes.next() {
        Ok(Some(note)) => note,
        Ok(None) => return Err(unreadable(&"an empty section")),
        Err(error) => return Err(unreadable(&error)),
    };
    if note.name() != NOTE_OWNER.as_bytes() {
        let found = String::from_utf8_lossy(&note.name()[..note.name().len().min(SHOWN)]).into_owned();
        return Err(Misfit::new("the owner of the note", NOTE_OWNER, format_args!("{found:?}")));
    }
    if note.n_type(endian).0 != NOTE_TYPE {
        return Err(Misfit::new("the type of the note", NOTE_TYPE, note.n_type(endian).0));
    }
    let content: &[u8; 16] = match note.desc().first_chunk() {
        Some(content) => content,
        None => return Err(Misfit::new("the length of the note", "16 bytes", format_args!("{}", note.desc().len()))),
    };
    let [m0, m1, m2, m3, a0, a1, i0, i1, p0, p1, p2, p3, ..] = *content;
    let magic = u32::from_ne_bytes([m0, m1, m2, m3]);
    if magic != NOTE_MAGIC {
        return Err(Misfit::new("the magic number of the note", format_args!("{NOTE_MAGIC:#x}"), format_args!("{magic:#x}")));
    }
    let version = NotedVersion { major: u16::from_ne_bytes([a0, a1]), minor: u16::from_ne_bytes([i0, i1]) };
    if version.major != ABI_MAJOR {
        let expected = format_args!("ABI {ABI_MAJOR}.x (this server offers {ABI_MAJOR}.{ABI_MINOR})");
        return Err(Misfit::new("the version", expected, format_args!("ABI {}.{}", version.major, version.minor)));
    }
    let pointer_size = u32::from_ne_bytes([p0, p1, p2, p3]);
    if pointer_size as usize != size_of::<usize>() {
        let expected = format_args!("{} bytes", size_of::<usize>());
        return Err(Misfit::new("the size of a pointer", expected, format_args!("{pointer_size} bytes")));
    }
    Ok(Some(version))
}

fn check_symbols<'data, R: ReadRef<'data>>(
    endian: Endianness,
    sections: &SectionTable<'data, Header, R>,
    bytes: R,
) -> Result<(), Misfit> {
    const WHAT: &str = "the exported symbols";
    let symbols =
        sections.symbols(endian, bytes, elf::SHT_DYNSYM).map_err(|error| Misfit::new(WHAT, "a well-formed table", error))?;
    let mut missing = SYMBOLS.to_vec();
    for symbol in symbols.iter() {
        let is_exported = symbol.is_definition(endian, symbols.strings()) && symbol.st_bind() != elf::STB_LOCAL;
        // A name that cannot be read is not one of ours.
        if is_exported && let Ok(name) = symbol.name(endian, symbols.strings()) {
            missing.retain(|wanted| wanted.as_bytes() != name);
        }
    }
    match missing.as_slice() {
        [] => Ok(()),
        missing => Err(Misfit::new(WHAT, SYMBOLS.join(", "), format_args!("no {}", missing.join(", no ")))),
    }
}

#[cfg(test)]
mod tests {
    use gridshell_plugin_abi::Note;
    use proptest::prelude::*;

    use super::*;

    /// The smallest file with what is looked for: header, contents, section headers.
    fn library(note: &[u8], symbols: &[&str]) -> Vec<u8> {
        let mut names = vec![0];
        let mut name = |text: &str| {
            let at = names.len() as u32;
            names.extend_from_slice(text.as_bytes());
            names.push(0);
            at
        };
        let mut table = vec![0; 24];
        for symbol in symbols {
            table.extend_from_slice(&name(symbol).to_ne_bytes());
            // A global function in section 1.
            table.extend_from_slice(&[0x12, 0, 1, 0]);
            table.extend_from_slice(&[0; 16]);
        }
        let (note_name, table_name, names_name) = (name(NOTE_SECTION), name(".dynsym"), name(".dynstr"));
        let mut file = vec![0; 64];
        let mut sections = vec![0; 64];
        let mut section = |name: u32, kind: u32, link: u32, entry: u64, content: &[u8]| {
            for word in [name, kind] {
                sections.extend_from_slice(&word.to_ne_bytes());
            }
            for word in [2, 0, file.len() as u64, content.len() as u64] {
                sections.extend_from_slice(&word.to_ne_bytes());
            }
            sections.extend_from_slice(&link.to_ne_bytes());
            sections.extend_from_slice(&1_u32.to_ne_bytes());
            for word in [4_u64, entry] {
                sections.extend_from_slice(&word.to_ne_bytes());
            }
            file.extend_from_slice(content);
            file.resize(file.len().next_multiple_of(8), 0);
        };
        section(note_name, 7, 0, 0, note);
        section(table_name, 11, 3, 24, &table);
        section(names_name, 3, 0, 0, &names);
        let start = file.len() as u64;
        file.extend_from_slice(&sections);
        let order = if cfg!(target_endian = "little") { 1 } else { 2 };
        file[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, order, 1]);
        let machine = if cfg!(target_arch = "x86_64") { 62_u16 } else { 183 };
        for (at, value) in [(16, 3), (18, machine), (20, 1), (52, 64), (58, 64), (60, 4), (62, 3)] {
            file[at..at + 2].copy_from_slice(&value.to_ne_bytes());
        }
        file[40..48].copy_from_slice(&start.to_ne_bytes());
        file
    }

    fn note(change: impl FnOnce(&mut Note)) -> Vec<u8> {
        let mut note = Note::OURS;
        change(&mut note);
        let mut bytes = Vec::new();
        for word in [note.owner_size, note.content_size, note.kind] {
            bytes.extend_from_slice(&word.to_ne_bytes());
        }
        bytes.extend_from_slice(&note.owner);
        bytes.extend_from_slice(&note.magic.to_ne_bytes());
        bytes.extend_from_slice(&note.major.to_ne_bytes());
        bytes.extend_from_slice(&note.minor.to_ne_bytes());
        bytes.extend_from_slice(&note.pointer_size.to_ne_bytes());
        bytes.extend_from_slice(&note.flags.to_ne_bytes());
        bytes
    }

    #[test]
    fn a_library_with_everything() {
        let version = NotedVersion { major: 1, minor: 7 };
        assert_eq!(examine(&library(&note(|note| note.minor = 7), &SYMBOLS), true), Ok(Some(version)));
        let with_others = [&["other"][..], &SYMBOLS].concat();
        assert!(examine(&library(&note(|_| {}), &with_others), true).is_ok());
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let what = |file: &[u8]| examine(file, true).unwrap_err().what;
        for (change, expected) in [
            ((|note| note.owner[0] = b'X') as fn(&mut Note), "the owner of the note"),
            (|note| note.kind = 2, "the type of the note"),
            (|note| note.content_size = 12, "the length of the note"),
            (|note| note.owner_size = 0xffff_fff0, "the note of plugins"),
            (|note| note.magic = 1, "the magic number of the note"),
            (|note| note.major = 2, "the version"),
            (|note| note.pointer_size = 4, "the size of a pointer"),
        ] {
            assert_eq!(what(&library(&note(change), &SYMBOLS)), expected);
        }
        let misfit = examine(&library(&note(|_| {}), &SYMBOLS[..2]), true).unwrap_err();
        assert_eq!((misfit.what, misfit.found.as_str()), ("the exported symbols", "no gridshell_plugin_entry_v1"));
        assert_eq!(what(b"#!/bin/sh\n"), "the kind of file");
        assert_eq!(what(b""), "the kind of file");
        assert_eq!(what(&library(b"", &SYMBOLS)), "the note of plugins");
    }

    #[test]
    fn without_a_note_only_where_that_is_allowed() {
        let mut file = library(&note(|_| {}), &SYMBOLS);
        // The section has another name then.
        let at = file.windows(NOTE_SECTION.len()).position(|part| part == NOTE_SECTION.as_bytes()).unwrap();
        file[at] = b'x';
        assert_eq!(examine(&file, true).unwrap_err().found, "none");
        assert_eq!(examine(&file, false), Ok(None));
        let program = std::fs::read("/proc/self/exe").unwrap();
        assert!(examine(&program, false).is_err());
    }

    proptest! {
        #[test]
        fn no_file_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = examine(&bytes, true);
        }

        #[test]
        fn no_damage_panics(changes in proptest::collection::vec((any::<u16>(), any::<u8>()), 1..6), cut in any::<u16>()) {
            let mut file = library(&note(|_| {}), &SYMBOLS);
            for (at, value) in changes {
                let at = usize::from(at) % file.len();
                file[at] = value;
            }
            let _ = examine(&file, true);
            file.truncate(usize::from(cut) % file.len());
            let _ = examine(&file, false);
        }
    }
}
