//! From the bytes of a file to the text in it: recognises what it is compressed with, by its content.

use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::sync::Arc;

use flate2::bufread::MultiGzDecoder;
use gridshell_interfaces::{Result, ServiceError};

use super::bz2::{self, Bzip2};
use super::progress::Progress;
use super::zip;

/// Text comes in parts of so many bytes, where the decoder does not suggest others.
const PART_BYTES: usize = 256 * 1024;

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];

/// What rows can be read from: a file, or bytes in memory. Only zip files need to be seekable.
pub trait Source: Read + Seek + Send {}

impl<T: Read + Seek + Send> Source for T {}

/// The parts of a text, in order.
pub(super) type Parts = Box<dyn Iterator<Item = Result<Vec<u8>>>>;

/// The text of a file.
///
/// # Errors
/// `Invalid` for what is not understood, `Unavailable` when the file cannot be read. The same for each part.
pub(super) fn text_of(source: Box<dyn Source>, progress: Arc<Progress>, threads: usize) -> Result<Parts> {
    let mut source = Counted { source, progress };
    let mut beginning = Vec::new();
    source.by_ref().take(4).read_to_end(&mut beginning).map_err(|error| cannot_read(&error))?;
    if beginning.is_empty() {
        return Err(ServiceError::invalid("the file is empty"));
    }
    if zip::is_zip(&beginning) {
        return Ok(parts_of(zip::list_in(source)?));
    }
    let is = |magic| beginning.starts_with(magic);
    let (is_bzip2, is_gzip) = (is(bz2::MAGIC), is(GZIP_MAGIC));
    let whole = io::Cursor::new(beginning).chain(source);
    if is_bzip2 {
        Ok(Box::new(Bzip2::new(whole, threads)?))
    } else if is_gzip {
        Ok(parts_of(MultiGzDecoder::new(BufReader::with_capacity(PART_BYTES, whole))))
    } else {
        Ok(parts_of(whole))
    }
}

fn parts_of(mut reader: impl Read + 'static) -> Parts {
    Box::new(std::iter::from_fn(move || {
        let mut part = Vec::with_capacity(PART_BYTES);
        match reader.by_ref().take(PART_BYTES as u64).read_to_end(&mut part) {
            Ok(0) => None,
            Ok(_) => Some(Ok(part)),
            Err(error) => Some(Err(cannot_read(&error))),
        }
    }))
}

/// What a failed read means: the operating system refuses, or a decoder does not understand what it reads.
pub(super) fn cannot_read(error: &io::Error) -> ServiceError {
    if error.raw_os_error().is_some() {
        return ServiceError::unavailable(format!("cannot read the file: {error}"));
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            ServiceError::invalid("the compressed data are cut short, or something else follows them")
        }
        _ => ServiceError::invalid(format!("the compressed data are damaged, or something else follows them: {error}")),
    }
}

/// Counts the bytes that are read.
pub(super) struct Counted {
    source: Box<dyn Source>,
    progress: Arc<Progress>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.source.read(buffer)?;
        self.progress.add_read(length as u64);
        Ok(length)
    }
}

impl Seek for Counted {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.source.seek(position)
    }
}

/// How much a file may grow when it is decoded. What is decoded is never held, so this only ends what would go on for hours.
#[derive(Debug)]
pub(super) struct Growth {
    /// So many bytes at most.
    pub(super) most: u64,
    /// So many bytes whatever the size of the file.
    pub(super) free: u64,
    /// Above that, so many times what has been read.
    pub(super) factor: u64,
}

impl Growth {
    pub(super) const FREE: u64 = 1 << 30;
    pub(super) const FACTOR: u64 = 1000;

    /// # Errors
    /// `Invalid` when it has become too much.
    pub(super) fn check(&self, decoded: u64, read: u64) -> Result<()> {
        if decoded > self.most {
            return Err(ServiceError::invalid(format!(
                "it holds more than {} bytes when decoded, the most that is read",
                self.most
            )));
        }
        if decoded > self.free && decoded / self.factor > read {
            return Err(ServiceError::invalid(format!(
                "{read} bytes of it have become {decoded}, more than {} times as much: this is no list of names",
                self.factor
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_bounded_in_all_and_by_what_was_read() {
        let growth = Growth { most: 10_000, free: 1000, factor: 10 };
        for (decoded, read, fine) in
            [(0, 0, true), (1000, 1, true), (1010, 101, true), (1010, 100, false), (10_000, 5000, true), (10_001, 9000, false)]
        {
            assert_eq!(growth.check(decoded, read).is_ok(), fine, "{decoded} {read}");
        }
    }
}
