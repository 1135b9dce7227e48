//! The writing thread: the only one that changes the folder.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::oneshot;
use uuid::Uuid;

use super::counts::{Counts, Rarely};
use super::state::{Entry, Job, Shared, Write};
use super::tree::{Found, Tree};
use super::{LARGEST_PART, format};

/// Files take whole blocks; this is the size of nearly all file systems.
const BLOCK: u64 = 4096;

pub(super) struct Writer {
    pub(super) tree: Tree,
    pub(super) shared: Arc<Shared>,
    pub(super) counts: Arc<Counts>,
    pub(super) failures: Rarely,
}

impl Drop for Writer {
    /// However the thread ends, nobody waits for it.
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl Writer {
    /// Works until the cache is closed.
    pub(super) fn run(self) {
        if let Err(error) = self.tree.remove_temporary_files() {
            self.failed("remove the temporary files", &error);
        }
        self.list_files();
        while let Some(job) = self.shared.next() {
            match job {
                Job::Write(write) => self.write(write),
                Job::Remove(id, done) => self.remove(id, done),
                Job::Touch(id, time) => self.touch(id, time),
                Job::Clear(done) => self.clear(done),
                // Nobody waits any more when this fails.
                Job::Tell(done) => drop(done.send(())),
                Job::MakeRoom => self.keep_to_size(),
            }
            self.show_size();
        }
    }

    /// Fills the list from the folder. Removals are not kept waiting meanwhile; writes are, since it is not known yet how much room there
    /// is.
    fn list_files(&self) {
        let between = |found: &mut HashMap<Uuid, Found>| {
            self.do_urgent_jobs(|id| {
                found.remove(&id);
            });
            !self.shared.lock().is_closed
        };
        let found = self.tree.scan(between, |error| self.failed("look through all", &error));
        let mut found: Vec<(Uuid, Found)> = found.into_iter().collect();
        found.sort_unstable_by_key(|(_, found)| found.used);
        let mut state = self.shared.lock();
        for (id, Found { length, used }) in found {
            state.insert(id, Entry { bytes: blocks(length), used, is_immutable: None });
        }
        state.is_complete = true;
        drop(state);
        // The operator may have made the cache smaller.
        self.keep_to_size();
        self.show_size();
    }

    fn keep_to_size(&self) {
        if let Err(error) = self.make_room(0) {
            self.failed("remove a file", &error);
        }
    }

    fn do_urgent_jobs(&self, mut removed: impl FnMut(Uuid)) {
        loop {
            let job = self.shared.lock().next_urgent();
            let Some(Job::Remove(id, done)) = job else { return };
            self.remove(id, done);
            removed(id);
        }
    }

    fn remove(&self, id: Uuid, done: Option<oneshot::Sender<()>>) {
        let removed = self.tree.remove(id);
        {
            let mut state = self.shared.lock();
            if removed.is_ok() {
                state.remove(id);
                state.avoided.remove(&id);
            }
        }
        if let Err(error) = &removed {
            // It stays among those that must not be read.
            self.failed("remove a file", error);
        }
        if let Some(done) = done {
            // Who has gone away need not be told.
            let _ = done.send(());
        }
    }

    fn write(&self, write: Write) {
        let (id, fetch) = (write.metadata.id, write.fetch);
        if let Err(error) = self.try_write(write) {
            self.failed("write a file", &error);
        }
        self.shared.lock().end_fetch(id, fetch);
    }

    fn try_write(&self, write: Write) -> io::Result<()> {
        let Write { metadata, data, fetched, fetch } = write;
        let id = metadata.id;
        let Some(head) = format::encode_head(&metadata, &data, fetched) else {
            return Err(io::Error::other("no file can hold this asset"));
        };
        let length = head.len() as u64 + data.len() as u64;
        if length > self.shared.size() / LARGEST_PART {
            self.counts.not_kept.add();
            return Ok(());
        }
        let bytes = blocks(length);
        if !self.shared.lock().is_current(id, fetch) {
            return Ok(());
        }
        self.make_room(bytes)?;
        let temporary = self.tree.write_temporary(&[&head, &data])?;
        {
            let mut state = self.shared.lock();
            if !state.is_current(id, fetch) {
                drop(state);
                return std::fs::remove_file(temporary);
            }
            // A change from now on leaves a removal, which comes after this.
            state.at_work = Some(id);
        }
        let placed = self.tree.place(&temporary, id);
        let mut state = self.shared.lock();
        state.at_work = None;
        if placed.is_ok() {
            let is_immutable = Some(!metadata.flags.may_change());
            state.insert(id, Entry { bytes, used: SystemTime::now(), is_immutable });
            if state.is_current(id, fetch) {
                state.avoided.remove(&id);
            }
        }
        placed
    }

    /// Removes what was not used for longest until this many bytes fit.
    fn make_room(&self, bytes: u64) -> io::Result<()> {
        loop {
            let (id, entry) = {
                let mut state = self.shared.lock();
                if state.bytes + bytes <= self.shared.size() {
                    return Ok(());
                }
                let Some((id, entry)) = state.entries.pop_front() else { return Ok(()) };
                state.at_work = Some(id);
                (id, entry)
            };
            let removed = self.tree.remove(id);
            let mut state = self.shared.lock();
            state.at_work = None;
            match removed {
                Ok(()) => {
                    state.bytes -= entry.bytes;
                    self.counts.evicted.add();
                }
                Err(error) => {
                    // It is still there and takes its room.
                    state.entries.insert(id, entry);
                    return Err(error);
                }
            }
        }
    }

    fn touch(&self, id: Uuid, time: SystemTime) {
        if let Err(error) = self.tree.touch(id, time) {
            self.failed("note the use of a file", &error);
        }
    }

    /// Removes all files that are there now, and those on their way. Removals that somebody waits for go between.
    fn clear(&self, done: oneshot::Sender<()>) {
        let ids: Vec<Uuid> = {
            let mut state = self.shared.lock();
            state.forget_fetches();
            state.entries.keys().copied().collect()
        };
        for id in ids {
            self.remove(id, None);
            self.do_urgent_jobs(|_| {});
            if self.shared.lock().is_closed {
                return;
            }
        }
        // The console may have gone away.
        let _ = done.send(());
    }

    fn failed(&self, what: &str, error: &io::Error) {
        self.counts.write_errors.add();
        if let Some(left_out) = self.failures.tell() {
            tracing::error!(%error, left_out, "[ASSET CACHE]: cannot {what} in {}; assets are served without it", self.tree);
        }
    }

    fn show_size(&self) {
        let state = self.shared.lock();
        self.counts.bytes.set(state.bytes as f64);
        self.counts.entries.set(state.entries.len() as f64);
    }
}

/// What a file of this length takes of the disk.
fn blocks(length: u64) -> u64 {
    length.div_ceil(BLOCK) * BLOCK
}
