//! Sorting the keys of an import in little memory.
//!
//! An index is quick to fill in the order of its keys, and a page of the disk for each row in any other order. The keys of millions of
//! rows are more than may be held in memory, so they are sorted a million at a time, kept in files, and merged at the end.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use uuid::Uuid;

/// Keys that are sorted in memory: 20 MB.
const RUN: usize = 1 << 20;
/// Files at most, each of a run. They are open all the while.
const MAX_FILES: usize = 512;
/// Bytes of a key and a position in a file.
const RECORD: usize = 20;

/// A key, and at which row of the import it stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct KeyAt {
    key: [u8; 16],
    pub(super) position: u32,
}

impl KeyAt {
    pub(super) fn key(&self) -> Uuid {
        Uuid::from_bytes(self.key)
    }
}

/// Collects keys with their positions.
#[derive(Debug)]
pub(super) struct KeyRuns {
    folder: PathBuf,
    run_length: usize,
    current: Vec<KeyAt>,
    files: Vec<File>,
}

impl KeyRuns {
    /// The files are made in this folder and have no names, so that they are gone with the process, however it ends.
    pub(super) fn new(folder: &Path) -> Self {
        Self::with_run_length(folder, RUN)
    }

    fn with_run_length(folder: &Path, run_length: usize) -> Self {
        Self { folder: folder.to_owned(), run_length, current: Vec::new(), files: Vec::new() }
    }

    /// Adds a key.
    ///
    /// # Errors
    /// When a file cannot be written, or there are more than half a milliard keys.
    pub(super) fn push(&mut self, key: Uuid, position: u32) -> io::Result<()> {
        if self.current.len() == self.run_length {
            self.spill()?;
        }
        self.current.push(KeyAt { key: key.into_bytes(), position });
        Ok(())
    }

    fn spill(&mut self) -> io::Result<()> {
        if self.files.len() == MAX_FILES {
            return Err(io::Error::other(format!("an import has at most {} rows", MAX_FILES * self.run_length)));
        }
        self.current.sort_unstable();
        let mut file = BufWriter::new(tempfile::tempfile_in(&self.folder)?);
        for record in self.current.drain(..) {
            file.write_all(&record.key)?;
            file.write_all(&record.position.to_le_bytes())?;
        }
        let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        self.files.push(file);
        Ok(())
    }

    /// All keys in order; those of one key by their positions.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(super) fn sorted(mut self) -> io::Result<SortedKeys> {
        self.current.sort_unstable();
        let files = self.files.into_iter().map(|file| Run::File(BufReader::new(file)));
        let mut runs: Vec<_> = files.chain([Run::Memory(self.current.into_iter())]).collect();
        let mut heads = BinaryHeap::with_capacity(runs.len());
        for (number, run) in runs.iter_mut().enumerate() {
            heads.extend(run.next()?.map(|head| Reverse((head, number))));
        }
        Ok(SortedKeys { runs, heads })
    }
}

/// Keys in order.
pub(super) struct SortedKeys {
    runs: Vec<Run>,
    /// The next key of each run that has one, the smallest on top.
    heads: BinaryHeap<Reverse<(KeyAt, usize)>>,
}

impl SortedKeys {
    /// The next key, `None` at the end.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(super) fn next(&mut self) -> io::Result<Option<KeyAt>> {
        let Some(mut head) = self.heads.peek_mut() else { return Ok(None) };
        let Reverse((smallest, number)) = *head;
        match self.runs[number].next()? {
            Some(next) => head.0.0 = next,
            None => {
                PeekMut::pop(head);
            }
        }
        Ok(Some(smallest))
    }
}

enum Run {
    File(BufReader<File>),
    Memory(std::vec::IntoIter<KeyAt>),
}

impl Run {
    fn next(&mut self) -> io::Result<Option<KeyAt>> {
        let file = match self {
            Self::File(file) => file,
            Self::Memory(keys) => return Ok(keys.next()),
        };
        let mut record = [0; RECORD];
        match file.read_exact(&mut record) {
            Ok(()) => {}
            // A file holds whole records.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        let mut at = KeyAt { key: [0; 16], position: 0 };
        at.key.copy_from_slice(&record[..16]);
        let mut position = [0; 4];
        position.copy_from_slice(&record[16..]);
        at.position = u32::from_le_bytes(position);
        Ok(Some(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_out_in_order_however_many_runs_there_are() {
        let folder = tempfile::tempdir().expect("folder");
        for count in [0, 1, 99, 100, 101, 1000, 1050] {
            let mut runs = KeyRuns::with_run_length(folder.path(), 100);
            let mut expected = Vec::new();
            for position in 0..count {
                // Each key twice, far from each other.
                let key = Uuid::from_u128(u128::from(position % 500).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835));
                runs.push(key, position).expect("push");
                expected.push((key, position));
            }
            expected.sort();
            let mut sorted = runs.sorted().expect("sorted");
            let mut found = Vec::new();
            while let Some(at) = sorted.next().expect("next") {
                found.push((at.key(), at.position));
            }
            assert_eq!(found, expected, "{count}");
        }
        assert_eq!(folder.path().read_dir().expect("folder").count(), 0, "the files have no names");
    }
}
