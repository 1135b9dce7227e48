//! The threads that decode blocks.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use gridshell_interfaces::{Result, ServiceError};

use super::bits::Bits;
use super::block::{BlockDecoder, NoBlock, Part};

/// What comes of a block: parts up to the last one, or up to a failure.
pub(super) type Decoded = std::result::Result<Part, NoBlock>;

struct Job {
    block: Arc<Bits>,
    parts: SyncSender<Decoded>,
}

/// Threads that wait for blocks. When this is dropped they end, and it waits for that; nobody may wait for their parts then.
pub(super) struct Workers {
    /// `None` when there are no more blocks.
    jobs: Option<SyncSender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Starts some threads; so many blocks can wait for them.
    ///
    /// # Errors
    /// `Unavailable` when they cannot be started.
    pub(super) fn start(threads: usize, waiting: usize) -> Result<Self> {
        let (jobs, taken) = sync_channel(waiting);
        let taken = Arc::new(Mutex::new(taken));
        let mut workers = Self { jobs: Some(jobs), threads: Vec::with_capacity(threads) };
        for number in 1..=threads {
            let jobs = Arc::clone(&taken);
            let thread = thread::Builder::new()
                .name(format!("bzip2-{number}"))
                .spawn(move || work(&jobs))
                .map_err(|error| ServiceError::unavailable(format!("cannot start a thread: {error}")))?;
            workers.threads.push(thread);
        }
        Ok(workers)
    }

    /// Has a block decoded; blocks are begun in the order in which they come. One part is decoded ahead.
    ///
    /// # Errors
    /// `Internal` when all threads have failed.
    pub(super) fn decode(&self, block: &Arc<Bits>) -> Result<Receiver<Decoded>> {
        let (parts, receiver) = sync_channel(1);
        let job = Job { block: Arc::clone(block), parts };
        match self.jobs.as_ref().map(|jobs| jobs.send(job)) {
            Some(Ok(())) => Ok(receiver),
            _ => Err(ServiceError::internal("the threads that decode bzip2 have ended unexpectedly")),
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // One that has failed has left its block without a last part, which is an error there.
            let _ = thread.join();
        }
    }
}

/// Decodes blocks until there are no more.
fn work(jobs: &Mutex<Receiver<Job>>) {
    loop {
        // The others wait for the lock while this one waits for a block.
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { block, parts }) = job else { return };
        let mut decoder = BlockDecoder::new(block);
        loop {
            let part = decoder.as_mut().map_err(|&mut NoBlock| NoBlock).and_then(BlockDecoder::next);
            let more = matches!(part, Ok(Part::Some(_)));
            // A send fails when nobody waits for the block any more.
            if parts.send(part).is_err() || !more {
                break;
            }
        }
    }
}
