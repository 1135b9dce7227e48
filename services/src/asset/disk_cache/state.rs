//! What is known of the folder and what is to be done in it, under one lock. Nothing here touches the disk.
//!
//! Reading threads look things up and leave jobs; one writing thread does the jobs, one after the other, and is the only one that changes
//! the folder. So a file that is put in its place and the removal of the same file have an order without a lock that is held meanwhile.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use gridshell_interfaces::asset::AssetMetadata;
use hashlink::LinkedHashMap;
use tokio::sync::oneshot;
use uuid::Uuid;

/// Assets that wait to be written: their number, and their bytes, which are memory. Of what is longer than that, one alone may wait.
const WAITING: usize = 1024;
const WAITING_BYTES: usize = 64 * 1024 * 1024;

/// Uses that wait to be noted. They only keep the order over a restart.
const WAITING_TOUCHES: usize = 1024;

/// How often a use is noted in the time of a file.
const TOUCH_INTERVAL: Duration = Duration::from_secs(3600);

/// A file of the folder.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// What it takes of the disk.
    pub(super) bytes: u64,
    /// Its time of modification, which is that of a use.
    pub(super) used: SystemTime,
    /// Whether the asset never changes. `None` while nobody has read the file.
    pub(super) is_immutable: Option<bool>,
}

/// An asset that is to be kept.
pub(super) struct Write {
    pub(super) metadata: AssetMetadata,
    pub(super) data: Bytes,
    pub(super) fetched: SystemTime,
    /// The fetch that it comes from.
    pub(super) fetch: u64,
}

/// Something for the writing thread.
pub(super) enum Job {
    /// Put a file in its place.
    Write(Write),
    /// Remove a file, and tell when it is gone.
    Remove(Uuid, Option<oneshot::Sender<()>>),
    /// Note a use.
    Touch(Uuid, SystemTime),
    /// Remove all files.
    Clear(oneshot::Sender<()>),
    /// Tell that everything before is done.
    Tell(oneshot::Sender<()>),
    /// Remove what does not fit any more.
    MakeRoom,
}

/// What a look-up says before the disk is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// There is none.
    Nothing,
    /// There may be one, and whether it is known if its asset never changes.
    Perhaps { is_known: bool },
}

/// The state with its lock, and the bell for the writing thread.
#[derive(Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    work: Condvar,
    /// What the files may take of the disk, in bytes.
    size: AtomicU64,
}

impl Shared {
    pub(super) fn new(size: u64) -> Self {
        Self { size: AtomicU64::new(size), ..Self::default() }
    }

    pub(super) fn size(&self) -> u64 {
        self.size.load(Ordering::Relaxed)
    }

    pub(super) fn set_size(&self, size: u64) {
        self.size.store(size, Ordering::Relaxed);
        self.add(Job::MakeRoom);
    }

    // The lists are whole whenever the lock is free, so a panic elsewhere does not spoil them.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves a job that nothing else comes before. When there is no writing thread any more the job is dropped.
    pub(super) fn urge(&self, job: Job) {
        let mut state = self.lock();
        if !state.is_closed {
            state.urgent.push_back(job);
            self.work.notify_one();
        }
    }

    /// Leaves a job that waits for those before it. As above.
    pub(super) fn add(&self, job: Job) {
        let mut state = self.lock();
        if !state.is_closed {
            state.jobs.push_back(job);
            self.work.notify_one();
        }
    }

    /// Takes an asset to be written; false when too much is waiting.
    pub(super) fn accept(&self, write: Write) -> bool {
        let is_accepted = self.lock().accept(write);
        if is_accepted {
            self.work.notify_one();
        }
        is_accepted
    }

    /// The next job; waits for one. `None` at the end of the cache.
    pub(super) fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if state.is_closed {
                return None;
            }
            if let Some(job) = state.next() {
                return Some(job);
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The writing thread comes to an end after the job that it is at. Whoever waits for another job need not wait any more.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        state.urgent.clear();
        state.jobs.clear();
        self.work.notify_one();
    }
}

/// See [`Shared`].
#[derive(Default)]
pub(super) struct State {
    /// The files, the one that was not used for longest first. Not whole before the folder has been looked through.
    pub(super) entries: LinkedHashMap<Uuid, Entry>,
    /// The sum of their bytes.
    pub(super) bytes: u64,
    /// Whether all files of the folder are listed.
    pub(super) is_complete: bool,
    /// The file that is being put in its place or evicted: the list does not tell about it.
    pub(super) at_work: Option<Uuid>,
    /// Files that must not be read: they are to be removed, or could not be.
    pub(super) avoided: HashSet<Uuid>,
    pub(super) is_closed: bool,
    /// Fetches under way, or waiting to be written. Those of one asset share a number until the asset changes.
    fetches: HashMap<Uuid, Fetches>,
    started: u64,
    urgent: VecDeque<Job>,
    jobs: VecDeque<Job>,
    writes: usize,
    write_bytes: usize,
    touches: usize,
}

struct Fetches {
    number: u64,
    count: usize,
}

impl State {
    /// Whether there may be a file, which counts as a use. True besides when the use should be noted in the file.
    pub(super) fn look_up(&mut self, id: Uuid, now: SystemTime) -> (Look, bool) {
        if self.avoided.contains(&id) {
            return (Look::Nothing, false);
        }
        let Some(entry) = self.entries.to_back(&id) else {
            let look = if self.is_complete { Look::Nothing } else { Look::Perhaps { is_known: true } };
            return (look, false);
        };
        let is_long_ago = now.duration_since(entry.used).is_ok_and(|time| time >= TOUCH_INTERVAL);
        let touch = is_long_ago && self.touches < WAITING_TOUCHES;
        if touch {
            entry.used = now;
            self.touches += 1;
        }
        (Look::Perhaps { is_known: entry.is_immutable.is_some() }, touch)
    }

    /// Whether the asset is there and never changes.
    pub(super) fn is_immutable(&self, id: Uuid) -> bool {
        !self.avoided.contains(&id) && self.entries.get(&id).is_some_and(|entry| entry.is_immutable == Some(true))
    }

    /// The number of a fetch that begins; to be given back by [`State::end_fetch`].
    pub(super) fn begin_fetch(&mut self, id: Uuid) -> u64 {
        let started = &mut self.started;
        let fetches = self.fetches.entry(id).or_insert_with(|| {
            *started += 1;
            Fetches { number: *started, count: 0 }
        });
        fetches.count += 1;
        fetches.number
    }

    /// Whether the asset has not changed since the fetch began.
    pub(super) fn is_current(&self, id: Uuid, fetch: u64) -> bool {
        self.fetches.get(&id).is_some_and(|fetches| fetches.number == fetch)
    }

    pub(super) fn end_fetch(&mut self, id: Uuid, fetch: u64) {
        if let Some(fetches) = self.fetches.get_mut(&id)
            && fetches.number == fetch
        {
            fetches.count -= 1;
            if fetches.count == 0 {
                self.fetches.remove(&id);
            }
        }
    }

    /// What is known of an asset is not so any more: it is not read from now on, and no fetch that began before is kept. True when
    /// there may be a file to remove.
    pub(super) fn forget(&mut self, id: Uuid) -> bool {
        self.fetches.remove(&id);
        let is_file =
            !self.is_complete || self.entries.contains_key(&id) || self.at_work == Some(id) || self.avoided.contains(&id);
        if is_file {
            self.avoided.insert(id);
        }
        is_file
    }

    /// As [`State::forget`], of all.
    pub(super) fn forget_fetches(&mut self) {
        self.fetches.clear();
    }

    fn accept(&mut self, write: Write) -> bool {
        let bytes = write.data.len();
        if self.is_closed || self.writes >= WAITING || self.writes > 0 && self.write_bytes + bytes > WAITING_BYTES {
            return false;
        }
        self.writes += 1;
        self.write_bytes += bytes;
        self.jobs.push_back(Job::Write(write));
        true
    }

    /// What must be done before everything else.
    pub(super) fn next_urgent(&mut self) -> Option<Job> {
        self.urgent.pop_front()
    }

    fn next(&mut self) -> Option<Job> {
        let job = self.urgent.pop_front().or_else(|| self.jobs.pop_front());
        match &job {
            Some(Job::Write(write)) => {
                self.writes -= 1;
                self.write_bytes -= write.data.len();
            }
            Some(Job::Touch(..)) => self.touches -= 1,
            _ => {}
        }
        job
    }

    /// Puts a file on the list, as the one used last.
    pub(super) fn insert(&mut self, id: Uuid, entry: Entry) {
        self.bytes += entry.bytes;
        if let Some(old) = self.entries.insert(id, entry) {
            self.bytes -= old.bytes;
        }
    }

    /// Takes a file off the list.
    pub(super) fn remove(&mut self, id: Uuid) {
        if let Some(entry) = self.entries.remove(&id) {
            self.bytes -= entry.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use gridshell_interfaces::asset::AssetFlags;

    use super::*;

    const A: Uuid = Uuid::from_u128(1);
    const B: Uuid = Uuid::from_u128(2);

    fn entry(bytes: u64) -> Entry {
        Entry { bytes, used: UNIX_EPOCH, is_immutable: None }
    }

    fn complete() -> State {
        State { is_complete: true, ..State::default() }
    }

    fn write(length: usize) -> Write {
        let metadata = AssetMetadata {
            id: A,
            name: String::new(),
            description: String::new(),
            created: None,
            asset_type: 0,
            local: false,
            temporary: false,
            creator: None,
            flags: AssetFlags::NORMAL,
        };
        Write { metadata, data: vec![0; length].into(), fetched: UNIX_EPOCH, fetch: 1 }
    }

    #[test]
    fn the_list_keeps_order_and_sum() {
        let mut state = complete();
        state.insert(A, entry(10));
        state.insert(B, entry(20));
        state.insert(A, entry(5));
        assert_eq!((state.bytes, state.entries.front().map(|(id, _)| *id)), (25, Some(B)));
        state.look_up(B, UNIX_EPOCH);
        assert_eq!(state.entries.front().map(|(id, _)| *id), Some(A));
        state.remove(A);
        state.remove(A);
        assert_eq!(state.bytes, 20);
    }

    #[test]
    fn a_use_is_noted_once_an_hour() {
        let mut state = complete();
        state.insert(A, entry(1));
        let mut is_noted = |seconds| state.look_up(A, UNIX_EPOCH + Duration::from_secs(seconds)).1;
        assert_eq!([0, 3599, 3600, 3601, 7199, 7200].map(&mut is_noted), [false, false, true, false, false, true]);
    }

    #[test]
    fn before_the_list_is_complete_everything_may_be_there() {
        let mut state = State::default();
        assert_eq!(state.look_up(A, UNIX_EPOCH).0, Look::Perhaps { is_known: true });
        assert!(state.forget(A));
        assert_eq!(state.look_up(A, UNIX_EPOCH).0, Look::Nothing);
        state.is_complete = true;
        assert_eq!(state.look_up(B, UNIX_EPOCH).0, Look::Nothing);
        assert!(!state.forget(B), "there is nothing to remove");
        state.at_work = Some(B);
        assert!(state.forget(B), "it may just be put there");
    }

    #[test]
    fn a_change_makes_fetches_under_way_void() {
        let mut state = complete();
        let first = state.begin_fetch(A);
        assert_eq!(state.begin_fetch(A), first);
        state.forget(A);
        let second = state.begin_fetch(A);
        assert!(!state.is_current(A, first) && state.is_current(A, second));
        state.end_fetch(A, first);
        state.end_fetch(A, first);
        assert!(state.is_current(A, second));
        state.end_fetch(A, second);
        assert!(!state.is_current(A, second) && state.fetches.is_empty());
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut state = complete();
        assert!(state.accept(write(WAITING_BYTES + 1)), "one alone may be longer");
        assert!(!state.accept(write(0)));
        assert!(matches!(state.next(), Some(Job::Write(_))));
        let accepted = (0..).take_while(|_| state.accept(write(1))).count();
        assert_eq!((accepted, state.write_bytes), (WAITING, WAITING));
        while state.next().is_some() {}
        assert_eq!((state.writes, state.write_bytes), (0, 0));
        assert!(state.accept(write(1)));
    }
}
