//! Finds the list in a zip file: the first file whose name ends with `.csv`. W-Hat's holds `tmp/name2key.csv` (name2key.md section 7.5).
//!
//! Only the table of contents at the file's end is believed, as all programs do that read zip files. Files of 4 GiB and more (ZIP64)
//! are not read.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use flate2::Crc;
use flate2::bufread::DeflateDecoder;
use gridshell_interfaces::{Result, ServiceError};

use super::decode::{Counted, cannot_read};

const FILE_MAGIC: [u8; 4] = *b"PK\x03\x04";
const CONTENTS_MAGIC: [u8; 4] = *b"PK\x01\x02";
const END_MAGIC: [u8; 4] = *b"PK\x05\x06";

const END_BYTES: usize = 22;
const ENTRY_BYTES: usize = 46;
const FILE_HEADER_BYTES: usize = 30;

const BUFFER_BYTES: usize = 128 * 1024;

/// Stands in place of a number that is too large for its field.
const ELSEWHERE: u32 = u32::MAX;

const STORED: u16 = 0;
const DEFLATED: u16 = 8;
const ENCRYPTED_FLAG: u16 = 1;

/// True for what begins as a zip file does, also one that holds nothing.
pub(super) fn is_zip(beginning: &[u8]) -> bool {
    beginning.starts_with(&FILE_MAGIC) || beginning.starts_with(&END_MAGIC)
}

/// The text of the list in a zip file. It is checked at its end: its size and checksum are those of the table of contents.
///
/// # Errors
/// `Invalid` when there is none, or it cannot be read.
pub(super) fn list_in(source: Counted) -> Result<impl Read + use<>> {
    let mut source = BufReader::with_capacity(BUFFER_BYTES, source);
    let entry = find_list(&mut source)?;
    let unusable = |why: String| ServiceError::invalid(format!("the list {} in the zip file {why}", entry.name.escape_debug()));
    if entry.flags & ENCRYPTED_FLAG != 0 {
        return Err(unusable("is encrypted".to_owned()));
    }
    if [entry.offset, entry.compressed, entry.size].contains(&ELSEWHERE) {
        return Err(unusable("is in the ZIP64 form, which is not read: unpack it, or use gzip or bzip2".to_owned()));
    }
    seek(&mut source, SeekFrom::Start(entry.offset.into()))?;
    let header = read::<FILE_HEADER_BYTES>(&mut source)?;
    if header[..4] != FILE_MAGIC {
        return Err(damaged("a file does not begin where the table of contents says"));
    }
    seek(&mut source, SeekFrom::Current(i64::from(u16_at(&header, 26)) + i64::from(u16_at(&header, 28))))?;
    let packed = source.take(entry.compressed.into());
    let unpacked = match entry.method {
        STORED => Unpacked::Stored(packed),
        DEFLATED => Unpacked::Deflated(Box::new(DeflateDecoder::new(packed))),
        other => return Err(unusable(format!("is compressed by method {other}, which is not read"))),
    };
    Ok(Checked { reader: unpacked, crc: Crc::new(), expected: entry, size: 0 })
}

/// A file as the table of contents has it.
struct Entry {
    name: String,
    flags: u16,
    method: u16,
    crc: u32,
    compressed: u32,
    size: u32,
    /// Where its header stands.
    offset: u32,
}

fn find_list(source: &mut BufReader<Counted>) -> Result<Entry> {
    let (entries, offset) = find_contents(source)?;
    seek(source, SeekFrom::Start(offset.into()))?;
    for _ in 0..entries {
        let entry = read::<ENTRY_BYTES>(source)?;
        if entry[..4] != CONTENTS_MAGIC {
            return Err(damaged("its table of contents is not understood"));
        }
        let mut name = vec![0; u16_at(&entry, 28).into()];
        source.read_exact(&mut name).map_err(|error| cannot_read(&error))?;
        let name = String::from_utf8_lossy(&name).into_owned();
        if name.to_ascii_lowercase().ends_with(".csv") {
            return Ok(Entry {
                name,
                flags: u16_at(&entry, 8),
                method: u16_at(&entry, 10),
                crc: u32_at(&entry, 16),
                compressed: u32_at(&entry, 20),
                size: u32_at(&entry, 24),
                offset: u32_at(&entry, 42),
            });
        }
        let rest = i64::from(u16_at(&entry, 30)) + i64::from(u16_at(&entry, 32));
        source.seek_relative(rest).map_err(|error| cannot_read(&error))?;
    }
    Err(ServiceError::invalid("the zip file holds no file whose name ends with .csv"))
}

/// How many entries the table of contents has, and where it begins. Behind the end record there may be a comment of at most 64 KiB.
fn find_contents(source: &mut BufReader<Counted>) -> Result<(u16, u32)> {
    let length = seek(source, SeekFrom::End(0))?;
    let begin = length.saturating_sub((END_BYTES + usize::from(u16::MAX)) as u64);
    seek(source, SeekFrom::Start(begin))?;
    let mut tail = Vec::new();
    source.take(length - begin).read_to_end(&mut tail).map_err(|error| cannot_read(&error))?;
    let is_end = |end: &&[u8]| end[..4] == END_MAGIC && usize::from(u16_at(end, 20)) == end.len() - END_BYTES;
    let end = (END_BYTES..=tail.len())
        .map(|bytes| &tail[tail.len() - bytes..])
        .find(is_end)
        .ok_or_else(|| ServiceError::invalid("the zip file is cut short, or something else follows it: it has no end record"))?;
    Ok((u16_at(end, 10), u32_at(end, 16)))
}

fn read<const N: usize>(source: &mut impl Read) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    source.read_exact(&mut bytes).map_err(|error| cannot_read(&error))?;
    Ok(bytes)
}

fn seek(source: &mut BufReader<Counted>, position: SeekFrom) -> Result<u64> {
    source.seek(position).map_err(|error| cannot_read(&error))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn damaged(why: &str) -> ServiceError {
    ServiceError::invalid(format!("the zip file is damaged: {why}"))
}

enum Unpacked<R> {
    Stored(R),
    Deflated(Box<DeflateDecoder<R>>),
}

/// A file, compared with its entry when it ends.
struct Checked<R> {
    reader: Unpacked<R>,
    crc: Crc,
    expected: Entry,
    size: u64,
}

impl<R: io::BufRead> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = match &mut self.reader {
            Unpacked::Stored(reader) => reader.read(buffer)?,
            Unpacked::Deflated(reader) => reader.read(buffer)?,
        };
        self.crc.update(&buffer[..length]);
        self.size += length as u64;
        let is_over = length == 0 && !buffer.is_empty();
        if self.size > self.expected.size.into() || is_over && self.size < self.expected.size.into() {
            return Err(io::Error::other("its size is not that of the table of contents"));
        }
        if is_over && self.crc.sum() != self.expected.crc {
            return Err(io::Error::other("its checksum is wrong"));
        }
        Ok(length)
    }
}
