//! How far the reading of a file is.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How far the reading of a file is; can be asked from any thread at any time.
#[derive(Debug)]
pub struct Progress {
    total: u64,
    read: AtomicU64,
    rows: AtomicU64,
}

impl Progress {
    pub(super) fn new(total: u64) -> Self {
        Self { total, read: AtomicU64::new(0), rows: AtomicU64::new(0) }
    }

    /// The size of the file in bytes, as it lies on the disk; 0 when it cannot be told, as for a pipe.
    pub fn total_bytes(&self) -> u64 {
        self.total
    }

    /// How many of these have been read.
    pub fn read_bytes(&self) -> u64 {
        // The table of contents of a zip file is read first, and some bytes twice.
        let read = self.read.load(Relaxed);
        if self.total == 0 { read } else { read.min(self.total) }
    }

    /// Rows read so far. Those that [`NameRows::next`](gridshell_interfaces::name2key::NameRows::next) has not given yet count, too.
    pub fn rows(&self) -> u64 {
        self.rows.load(Relaxed)
    }

    pub(super) fn add_read(&self, bytes: u64) {
        self.read.fetch_add(bytes, Relaxed);
    }

    pub(super) fn add_rows(&self, rows: u64) {
        self.rows.fetch_add(rows, Relaxed);
    }
}
