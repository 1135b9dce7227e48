//! A memory cache of encoded asset answers.
//!
//! An answer is encoded once and then served as the same bytes. Assets are immutable, so an entry is good until its asset is
//! deleted or updated through this program. Concurrent misses of one answer make one look-up, whose outcome all of them get.
//!
//! In front of another shell the cache can do more ([`CacheOptions`]): let answers about assets that may change grow old, serve them
//! nevertheless while the shell is away, and remember for a short time that there is no such asset.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use gridshell_interfaces::{ErrorKind, Result};
use metrics::{Counter, Gauge};
use quick_cache::{Weighter, sync::Cache};
use tokio::runtime;
use tokio::time::Instant;
use uuid::Uuid;

/// How many assets are remembered as missing.
const MISSING: usize = 10_000;

/// What a cache keeps, and how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheOptions {
    /// The most bytes of answers; 0 keeps nothing, but concurrent misses are still joined.
    pub capacity: u64,
    /// How long answers about assets with the flags Maptile and Rewritable are good; `None` is until they change through this program.
    pub mutable_time: Option<Duration>,
    /// How long it is remembered that there is no such asset; zero is not at all.
    pub missing_time: Duration,
    /// Answer with what has grown old when the service cannot be reached.
    pub serve_stale: bool,
    /// What the service answers may be a piece of something larger, or belong to somebody who would have to live as long: what is kept is a
    /// copy.
    pub copies: bool,
}

impl CacheOptions {
    fn remembers_missing(&self) -> bool {
        self.capacity > 0 && !self.missing_time.is_zero()
    }
}

/// How full a cache is, and what happened since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheState {
    /// Answers that are kept.
    pub entries: u64,
    /// What they take, in bytes.
    pub bytes: u64,
    /// What they may take.
    pub capacity: u64,
    /// Requests that were answered from memory.
    pub hits: u64,
    /// Requests for which the service was asked, alone or together with others.
    pub misses: u64,
    /// Requests about assets that were remembered as missing.
    pub missing: u64,
    /// Look-ups that failed and were answered with what had grown old.
    pub stale: u64,
}

/// What of an asset an answer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Form {
    /// The AssetBase document.
    Document,
    /// The content alone.
    Data,
    /// The AssetMetadata document.
    Metadata,
}

/// An encoded answer.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) body: Bytes,
    pub(super) content_type: &'static str,
    /// The entity tag with its quotes; only answers of [`Form::Data`] have one.
    pub(super) tag: Option<http::HeaderValue>,
    /// Whether the asset may change.
    pub(super) is_mutable: bool,
}

/// An answer in the cache.
#[derive(Clone)]
struct Kept {
    answer: Answer,
    /// When it has grown old; `None` is never.
    expiry: Option<Instant>,
}

type Key = (Uuid, Form);
type Outcome = Result<Option<Answer>>;

/// The cache of one asset service. All connectors and console commands over the same service share one.
pub struct AssetCache {
    answers: Cache<Key, Kept, ByteWeight>,
    /// Assets that are not there, and until when that is believed; made when it is wanted.
    missing: OnceLock<Cache<Uuid, Instant>>,
    flights: Mutex<Flights>,
    options: RwLock<CacheOptions>,
    hits: Count,
    misses: Count,
    missing_hits: Count,
    stale: Count,
    bytes: Gauge,
}

/// Look-ups under way. A look-up leaves its answer in the cache only if it is still listed when it ends; [`AssetCache::forget`]
/// takes it off the list, so that an answer that was read before a change is never kept, nor joined, after it.
#[derive(Default)]
struct Flights {
    under_way: HashMap<Key, Flight>,
    started: u64,
}

struct Flight {
    number: u64,
    /// The runtime that it began in, and that drives its connections.
    runtime: Option<runtime::Id>,
    // Weak, so that a look-up ends when the last caller goes away, and with it its hold on the database.
    outcome: WeakShared<BoxFuture<'static, Outcome>>,
}

/// Which look-ups under way are joined.
#[derive(Clone, Copy, PartialEq)]
enum Join {
    /// All.
    All,
    /// Those that began in the runtime of the caller.
    Own,
}

impl AssetCache {
    /// A cache that holds at most `capacity` bytes of answers and lets none grow old; 0 keeps nothing, but still joins concurrent misses.
    pub fn new(capacity: u64) -> Arc<Self> {
        Self::with_options(CacheOptions { capacity, ..CacheOptions::default() })
    }

    /// A cache that keeps what the options say.
    pub fn with_options(options: CacheOptions) -> Arc<Self> {
        // Most assets are textures of some ten kilobytes; the estimate only sizes the index.
        let estimated_items = (options.capacity / 32_768).clamp(16, 1_000_000) as usize;
        Arc::new(Self {
            answers: Cache::with_weighter(estimated_items, options.capacity, ByteWeight),
            missing: OnceLock::new(),
            flights: Mutex::default(),
            options: RwLock::new(options),
            hits: Count::of("hit"),
            misses: Count::of("miss"),
            missing_hits: Count::of("missing"),
            stale: Count::of("stale"),
            bytes: metrics::gauge!("gridshell_asset_cache_bytes"),
        })
    }

    /// Keeps what these options say from now on. What is kept already grows old as it was meant to.
    pub fn set_options(&self, options: CacheOptions) {
        *self.options.write().unwrap_or_else(PoisonError::into_inner) = options;
        self.answers.set_capacity(options.capacity);
        if let Some(missing) = self.missing.get().filter(|_| !options.remembers_missing()) {
            missing.clear();
        }
        self.bytes.set(self.answers.weight() as f64);
    }

    fn options(&self) -> CacheOptions {
        *self.options.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// How full it is, and what happened.
    pub fn state(&self) -> CacheState {
        CacheState {
            entries: self.answers.len() as u64,
            bytes: self.answers.weight(),
            capacity: self.options().capacity,
            hits: self.hits.get(),
            misses: self.misses.get(),
            missing: self.missing_hits.get(),
            stale: self.stale.get(),
        }
    }

    /// Whether answers have to tell if their asset may change.
    pub(super) fn tells_mutable_apart(&self) -> bool {
        let options = self.options();
        options.capacity > 0 && options.mutable_time.is_some()
    }

    /// The kept answer, else the outcome of `load`, which other callers that ask meanwhile wait for and share.
    pub(super) async fn get_or_load<F>(self: &Arc<Self>, id: Uuid, form: Form, load: impl Fn() -> F) -> Outcome
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let key = (id, form);
        let mut old = None;
        if let Some(Kept { answer, expiry }) = self.answers.get(&key) {
            if expiry.is_none_or(|expiry| Instant::now() < expiry) {
                self.hits.add();
                return Ok(Some(answer));
            }
            old = Some(answer).filter(|_| self.options().serve_stale);
        }
        if self.is_missing(id) {
            self.missing_hits.add();
            return Ok(None);
        }
        self.misses.add();
        let (outcome, is_foreign) = self.join_or_start(key, &load, old.clone(), Join::All);
        match outcome.await {
            // Its runtime may have ended, when its listener was removed; that is not the service's failure.
            Err(error) if error.kind == ErrorKind::Unavailable && is_foreign => {
                self.join_or_start(key, &load, old, Join::Own).0.await
            }
            outcome => outcome,
        }
    }

    /// A look-up, and whether it began in another runtime than the caller's.
    fn join_or_start<F>(
        self: &Arc<Self>,
        key: Key,
        load: impl Fn() -> F,
        old: Option<Answer>,
        join: Join,
    ) -> (Shared<BoxFuture<'static, Outcome>>, bool)
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let runtime = runtime::Handle::try_current().ok().map(|runtime| runtime.id());
        let mut flights = self.lock();
        if let Some(flight) = flights.under_way.get(&key)
            && (join == Join::All || flight.runtime == runtime)
            && let Some(outcome) = flight.outcome.upgrade()
        {
            return (outcome, flight.runtime != runtime);
        }
        flights.started += 1;
        let number = flights.started;
        let landing = Landing { cache: Arc::downgrade(self), key, number };
        let outcome = load();
        let outcome = async move {
            let outcome = landing.or_stale(landing.to_be_kept(outcome.await), old);
            landing.keep(&outcome);
            outcome
        };
        let outcome = outcome.boxed().shared();
        if let Some(weak) = outcome.downgrade() {
            flights.under_way.insert(key, Flight { number, runtime, outcome: weak });
        }
        (outcome, false)
    }

    fn is_missing(&self, id: Uuid) -> bool {
        let until = self.missing.get().and_then(|missing| missing.get(&id));
        until.is_some_and(|until| Instant::now() < until)
    }

    /// Drops what is known of an asset. To be called after it was stored, updated or deleted, before the change is answered.
    pub fn forget(&self, id: Uuid) {
        let mut flights = self.lock();
        for form in [Form::Document, Form::Data, Form::Metadata] {
            flights.under_way.remove(&(id, form));
            self.answers.remove(&(id, form));
        }
        if let Some(missing) = self.missing.get() {
            missing.remove(&id);
        }
    }

    /// Drops what is known of all assets.
    pub fn clear(&self) {
        let mut flights = self.lock();
        flights.under_way.clear();
        self.answers.clear();
        if let Some(missing) = self.missing.get() {
            missing.clear();
        }
        self.bytes.set(0.0);
    }

    // The map is whole whenever the lock is free, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, Flights> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes its look-up off the list when it is dropped: at the end, or when every caller has gone away.
struct Landing {
    cache: Weak<AssetCache>,
    key: Key,
    number: u64,
}

impl Landing {
    /// The outcome, in memory that may be kept.
    fn to_be_kept(&self, mut outcome: Outcome) -> Outcome {
        let options = self.cache.upgrade().map(|cache| cache.options()).unwrap_or_default();
        if let Ok(Some(answer)) = &mut outcome
            && options.copies
            && answer.body.len() as u64 <= options.capacity
        {
            answer.body = Bytes::copy_from_slice(&answer.body);
        }
        outcome
    }

    /// The outcome; where the service cannot be reached, what has grown old, if that is wanted.
    fn or_stale(&self, outcome: Outcome, old: Option<Answer>) -> Outcome {
        match (outcome, old) {
            (Err(error), Some(old)) if error.kind == ErrorKind::Unavailable => {
                tracing::debug!(asset_id = %self.key.0, %error, "an old answer is given, since it cannot be had anew");
                if let Some(cache) = self.cache.upgrade() {
                    cache.stale.add();
                }
                Ok(Some(old))
            }
            (outcome, _) => outcome,
        }
    }

    /// Keeps what was found. That is also what has grown old: it is not asked for at every request while nobody answers.
    fn keep(&self, outcome: &Outcome) {
        let (Some(cache), Ok(found)) = (self.cache.upgrade(), outcome) else { return };
        // Under the lock, so that a `forget` comes either before (and this look-up is not listed any more) or after.
        let flights = cache.lock();
        if flights.under_way.get(&self.key).is_none_or(|flight| flight.number != self.number) {
            return;
        }
        let options = cache.options();
        match found {
            Some(answer) => {
                let time = options.mutable_time.filter(|_| answer.is_mutable);
                let kept = Kept { answer: answer.clone(), expiry: time.map(|time| Instant::now() + time) };
                cache.answers.insert(self.key, kept);
            }
            None => {
                cache.answers.remove(&self.key);
                if options.remembers_missing() {
                    let missing = cache.missing.get_or_init(|| Cache::new(MISSING));
                    missing.insert(self.key.0, Instant::now() + options.missing_time);
                }
            }
        }
        cache.bytes.set(cache.answers.weight() as f64);
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        let Some(cache) = self.cache.upgrade() else { return };
        let mut flights = cache.lock();
        if flights.under_way.get(&self.key).is_some_and(|flight| flight.number == self.number) {
            flights.under_way.remove(&self.key);
        }
    }
}

#[derive(Clone)]
struct ByteWeight;

impl Weighter<Key, Kept> for ByteWeight {
    fn weight(&self, _key: &Key, kept: &Kept) -> u64 {
        /// What an entry costs besides its body, roughly.
        const OVERHEAD: u64 = 200;
        kept.answer.body.len() as u64 + OVERHEAD
    }
}

/// A number that only grows, in the metrics and to be read.
struct Count {
    value: AtomicU64,
    metric: Counter,
}

impl Count {
    fn of(result: &'static str) -> Self {
        let metric = metrics::counter!("gridshell_asset_cache_requests_total", "result" => result);
        Self { value: AtomicU64::new(0), metric }
    }

    fn add(&self) {
        self.value.fetch_add(1, Ordering::Relaxed);
        self.metric.increment(1);
    }

    fn get(&self) -> u64 {
        self.value.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;
