//! A cache of assets in a folder, for shells in front of others (docs/edge-cache.md).
//!
//! [`CachedAssetService`] stands before another asset service and keeps what it gave in a [`DiskCache`]: one file for each asset, bounded
//! in size, those not used for longest removed first. It survives a restart, and a process that is killed at any moment: a file is put in
//! its place whole, and its checksum is verified each time it is read. Whatever is wrong with the disk, the assets come from the other
//! service as if there were no cache.
//!
//! `format.rs` is the file, `tree.rs` the folder, `state.rs` what is known in memory, `read.rs` how a file is read, `writer.rs` the thread
//! that changes the folder.

mod counts;
mod format;
mod read;
mod service;
mod state;
mod tree;
mod writer;

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::SystemTime;

use bytes::Bytes;
use gridshell_interfaces::asset::Asset;
use tokio::sync::oneshot;
use uuid::Uuid;

pub use service::{CachedAssetOptions, CachedAssetService};

use counts::{Counts, Rarely};
use format::{Damage, Kept};
use state::{Job, Look, Shared, Write};
use tree::Tree;
use writer::Writer;

/// A file that takes more than this part of the whole is not kept: it would drive out too many others.
const LARGEST_PART: u64 = 8;

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DiskCacheError {
    /// The folder, or something in it, cannot be made or opened.
    #[error("the asset cache in {} cannot be used: {error}", folder.display())]
    Unusable {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Another cache is in the folder.
    #[error(
        "the asset cache in {} is in use, by another running shell or twice in this one; each needs a folder of its own. Who holds it: \
         fuser -v {}/lock", folder.display(), folder.display()
    )]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
}

/// How full a cache is, and what happened since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskCacheState {
    /// Assets in the folder.
    pub entries: u64,
    /// What they take of the disk, in bytes.
    pub bytes: u64,
    /// What they may take.
    pub size: u64,
    /// Whether the folder has been looked through; before, `entries` and `bytes` say nothing, and nothing is written.
    pub is_complete: bool,
    /// Look-ups that were answered from a file.
    pub hits: u64,
    /// Look-ups for which the other service was asked.
    pub misses: u64,
    /// Look-ups that were answered from an old file because the other service failed.
    pub stale: u64,
    /// Files that were not what had been written.
    pub damaged: u64,
    /// Files removed to make room.
    pub evicted: u64,
    /// Assets that were not kept, since they are too large or too many were waiting to be written.
    pub not_kept: u64,
    /// Files that could not be read.
    pub read_errors: u64,
    /// Failures to change something in the folder.
    pub write_errors: u64,
}

/// A folder of assets. One process uses it at a time.
pub struct DiskCache {
    tree: Tree,
    shared: Arc<Shared>,
    counts: Arc<Counts>,
    damage_logged: Rarely,
    read_error_logged: Rarely,
    stale_logged: Rarely,
    thread: Option<JoinHandle<()>>,
    /// Held as long as the folder is used; the system gives it back when the process ends, however that happens.
    _lock: File,
}

impl DiskCache {
    /// Opens the cache in a folder, which is made when it is missing. Its files will take at most `size` bytes of the disk. The folder is
    /// looked through in the background; what is in it can be read at once.
    ///
    /// # Errors
    /// The folder cannot be made, or somebody else uses it.
    pub fn open(folder: &Path, size: u64) -> Result<Arc<Self>, DiskCacheError> {
        let unusable = |error| DiskCacheError::Unusable { folder: folder.to_owned(), error };
        let tree = Tree::below(folder);
        fs::create_dir_all(folder).map_err(unusable)?;
        let lock = File::options().create(true).truncate(false).write(true).open(folder.join("lock")).map_err(unusable)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => DiskCacheError::InUse { folder: folder.to_owned() },
            TryLockError::Error(error) => unusable(error),
        })?;
        tree.make().map_err(unusable)?;
        let (shared, counts) = (Arc::new(Shared::new(size)), Arc::new(Counts::of(folder)));
        let writer = Writer { tree: tree.clone(), shared: shared.clone(), counts: counts.clone(), failures: Rarely::default() };
        let thread = std::thread::Builder::new().name("asset-cache".to_owned()).spawn(|| writer.run()).map_err(unusable)?;
        Ok(Arc::new(Self {
            tree,
            shared,
            counts,
            damage_logged: Rarely::default(),
            read_error_logged: Rarely::default(),
            stale_logged: Rarely::default(),
            thread: Some(thread),
            _lock: lock,
        }))
    }

    /// Lets the files take so many bytes from now on.
    pub fn set_size(&self, size: u64) {
        self.shared.set_size(size);
    }

    /// How full it is, and what happened.
    pub fn state(&self) -> DiskCacheState {
        let counts = &self.counts;
        let state = self.shared.lock();
        DiskCacheState {
            entries: state.entries.len() as u64,
            bytes: state.bytes,
            size: self.shared.size(),
            is_complete: state.is_complete,
            hits: counts.hits.get(),
            misses: counts.misses.get(),
            stale: counts.stale.get(),
            damaged: counts.damaged.get(),
            evicted: counts.evicted.get(),
            not_kept: counts.not_kept.get(),
            read_errors: counts.read_errors.get(),
            write_errors: counts.write_errors.get(),
        }
    }

    /// Removes everything, also what is on its way to the disk.
    pub async fn clear(&self) {
        let (done, cleared) = oneshot::channel();
        self.shared.add(Job::Clear(done));
        // An error is a thread that has ended: then nothing is removed, which `state` shows.
        let _ = cleared.await;
    }

    /// Waits until the folder is looked through, and until everything that was to be kept before is written or given up.
    pub async fn settled(&self) {
        let (done, told) = oneshot::channel();
        self.shared.add(Job::Tell(done));
        // As above.
        let _ = told.await;
    }

    /// What is kept of an asset. Whatever is wrong with its file, it is as if there were none.
    async fn get(&self, id: Uuid) -> Option<Kept> {
        let now = SystemTime::now();
        let (look, is_to_be_noted) = self.shared.lock().look_up(id, now);
        if is_to_be_noted {
            self.shared.add(Job::Touch(id, now));
        }
        let Look::Perhaps { is_known } = look else { return None };
        let kept = match read::read(self.tree.path(id), self.shared.size() / LARGEST_PART).await {
            Ok(Some(file)) => format::decode(&Bytes::from(file), id),
            Ok(None) => {
                self.file_is_gone(id);
                return None;
            }
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Err(Damage::Length),
            Err(error) => {
                self.counts.read_errors.add();
                if let Some(left_out) = self.read_error_logged.tell() {
                    tracing::error!(%error, asset_id = %id, left_out, "[ASSET CACHE]: cannot read a file in {}", self.tree);
                }
                return None;
            }
        };
        match kept {
            Ok(kept) => {
                if !is_known && let Some(entry) = self.shared.lock().entries.get_mut(&id) {
                    entry.is_immutable = Some(!kept.asset.metadata.flags.may_change());
                }
                Some(kept)
            }
            Err(damage) => {
                self.file_is_damaged(id, damage);
                None
            }
        }
    }

    /// Files of the list can go away when the operator removes them.
    fn file_is_gone(&self, id: Uuid) {
        let mut state = self.shared.lock();
        let is_listed = state.entries.contains_key(&id) && state.avoided.insert(id);
        drop(state);
        if is_listed {
            self.shared.urge(Job::Remove(id, None));
        }
    }

    fn file_is_damaged(&self, id: Uuid, damage: Damage) {
        if !self.shared.lock().avoided.insert(id) {
            // Another look-up has seen it too.
            return;
        }
        self.counts.damaged.add();
        if let Some(left_out) = self.damage_logged.tell() {
            tracing::error!(asset_id = %id, %damage, left_out, "[ASSET CACHE]: a file in {} is damaged, and is fetched anew", self.tree);
        }
        self.shared.urge(Job::Remove(id, None));
    }

    /// Begins a fetch whose outcome can be kept if the asset does not change meanwhile.
    fn begin_fetch(&self, id: Uuid) -> Fetch<'_> {
        let number = self.shared.lock().begin_fetch(id);
        Fetch { cache: self, id, number, is_handed_on: false }
    }

    /// What is kept of an asset is not so any more. When this returns nobody reads it, and the file is gone unless the disk fails.
    async fn forget(&self, id: Uuid) {
        if self.shared.lock().forget(id) {
            let (done, removed) = oneshot::channel();
            self.shared.urge(Job::Remove(id, Some(done)));
            // An error is a thread that has ended; the file is avoided nevertheless.
            let _ = removed.await;
        }
    }

    /// As [`DiskCache::forget`], for who cannot wait.
    fn forget_soon(&self, id: Uuid) {
        if self.shared.lock().forget(id) {
            self.shared.urge(Job::Remove(id, None));
        }
    }
}

impl Drop for DiskCache {
    fn drop(&mut self) {
        self.shared.close();
        if let Some(thread) = self.thread.take() {
            // It is at most at one file. A panic of its has been told by the panic itself.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for DiskCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskCache").field("tree", &self.tree).field("size", &self.shared.size()).finish_non_exhaustive()
    }
}

/// An asset that is being fetched from the other service.
struct Fetch<'a> {
    cache: &'a DiskCache,
    id: Uuid,
    number: u64,
    /// Whether the writing thread ends it.
    is_handed_on: bool,
}

impl Fetch<'_> {
    /// Hands the asset to the writing thread, if it can be kept. `fetched` is when it was asked for.
    fn keep(mut self, asset: &Asset, fetched: SystemTime) {
        let Some(data) = asset.data.clone() else { return };
        let is_small = data.len() as u64 <= self.cache.shared.size() / LARGEST_PART;
        let write = Write { metadata: asset.metadata.clone(), data, fetched, fetch: self.number };
        if is_small && self.cache.shared.accept(write) {
            self.is_handed_on = true;
        } else {
            self.cache.counts.not_kept.add();
        }
    }
}

impl Drop for Fetch<'_> {
    fn drop(&mut self) {
        if !self.is_handed_on {
            self.cache.shared.lock().end_fetch(self.id, self.number);
        }
    }
}
