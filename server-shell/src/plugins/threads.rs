//! Threads for functions of plugins, which may wait, or never return.

use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How long a thread waits for the next request before it ends.
const IDLE: Duration = Duration::from_secs(10);

/// A piece of work.
pub type Job = Box<dyn FnOnce() + Send>;

/// Does `work` in a thread of its own and waits for it. What comes too late is dropped in that thread, which goes on.
///
/// # Errors
/// It takes longer, or there is no thread.
pub fn run_within<T: Send + 'static>(name: &str, time: Duration, work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let (done, outcome) = mpsc::sync_channel(1);
    let thread = thread::Builder::new().name(name.to_owned());
    // Who waited may be gone.
    thread.spawn(move || drop(done.send(work())))?;
    outcome.recv_timeout(time).map_err(|error| match error {
        RecvTimeoutError::Timeout => io::Error::new(io::ErrorKind::TimedOut, format!("nothing after {} s", time.as_secs_f64())),
        RecvTimeoutError::Disconnected => io::Error::other("a panic"),
    })
}

/// The same for those who must not wait in their thread.
///
/// # Errors
/// As [`run_within`].
pub async fn run_beside<T: Send + 'static>(
    name: &str,
    time: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let name = name.to_owned();
    tokio::task::spawn_blocking(move || run_within(&name, time, work)).await.map_err(io::Error::other)?
}

/// Locks a mutex. One that a panic has left is used all the same: what it guards is never left half done.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Threads that are started when they are needed, and end when they are not.
pub struct Pool {
    name: String,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
    is_over: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// What a thread does all its life.
    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                job();
                state = self.lock();
                continue;
            }
            if state.is_over {
                break;
            }
            state.idle += 1;
            let (guard, waited) = self.wake.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
            state = guard;
            state.idle -= 1;
            if waited.timed_out() && state.jobs.is_empty() {
                break;
            }
        }
        state.threads -= 1;
    }
}

impl Pool {
    /// No threads yet.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), shared: Arc::new(Shared { state: Mutex::default(), wake: Condvar::new() }) }
    }

    /// Does the job as soon as one of `most` threads is free. The job must not panic. Who calls bounds how many jobs wait.
    ///
    /// # Errors
    /// There is no thread, and the system gives none. The job is dropped.
    pub fn run(&self, job: Job, most: usize) -> io::Result<()> {
        let mut state = self.shared.lock();
        state.jobs.push_back(job);
        if state.idle >= state.jobs.len() {
            drop(state);
            self.shared.wake.notify_one();
            return Ok(());
        }
        if state.threads >= most {
            return Ok(());
        }
        state.threads += 1;
        drop(state);
        let shared = self.shared.clone();
        let started = thread::Builder::new().name(self.name.clone()).spawn(move || shared.work());
        let Err(error) = started else { return Ok(()) };
        let mut state = self.shared.lock();
        state.threads -= 1;
        // Another thread will do it.
        if state.threads > 0 {
            return Ok(());
        }
        let given_up = std::mem::take(&mut state.jobs);
        drop(state);
        drop(given_up);
        Err(error)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.wake.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn as_many_threads_as_are_needed_and_allowed() {
        const JOBS: usize = 50;
        let pool = Pool::new("test");
        let (done, all) = mpsc::channel();
        let running = Arc::new(AtomicUsize::new(0));
        // Each of the first four waits until all four run: with fewer threads this would not end.
        let together = Arc::new(std::sync::Barrier::new(4));
        for number in 0..JOBS {
            let (done, running, together) = (done.clone(), running.clone(), together.clone());
            let job = move || {
                assert!(running.fetch_add(1, Ordering::SeqCst) < 4);
                if number < 4 {
                    together.wait();
                }
                running.fetch_sub(1, Ordering::SeqCst);
                done.send(number).unwrap();
            };
            pool.run(Box::new(job), 4).unwrap();
        }
        let mut numbers: Vec<usize> = all.iter().take(JOBS).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..JOBS).collect::<Vec<_>>());
    }

    #[test]
    fn what_takes_too_long_is_left_alone() {
        let (go, gate) = mpsc::channel::<()>();
        let (left, end) = mpsc::channel();
        let error = run_within("test", Duration::from_millis(1), move || {
            let _ = gate.recv();
            left.send(()).unwrap();
        });
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(go);
        end.recv().unwrap();
        assert_eq!(run_within("test", Duration::from_secs(60), || 7).unwrap(), 7);
    }
}
