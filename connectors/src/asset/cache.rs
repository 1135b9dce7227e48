//! A memory cache of encoded asset answers.
//!
//! An answer is encoded once and then served as the same bytes. Assets are immutable, so an entry is good until its asset is
//! deleted or updated through this program. Concurrent misses of one answer make one look-up, whose outcome all of them get.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use gridshell_interfaces::Result;
use metrics::{Counter, Gauge};
use quick_cache::{Weighter, sync::Cache};
use uuid::Uuid;

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
}

type Key = (Uuid, Form);
type Outcome = Result<Option<Answer>>;

/// The cache of one asset service. All connectors and console commands over the same service share one.
pub struct AssetCache {
    answers: Cache<Key, Answer, ByteWeight>,
    flights: Mutex<Flights>,
    hits: Counter,
    misses: Counter,
    bytes: Gauge,
}

/// Look-ups under way. A look-up leaves its answer in the cache only if it is still listed when it ends; [`AssetCache::forget`]
/// takes it off the list, so that an answer that was read before a change is never kept, nor joined, after it.
#[derive(Default)]
struct Flights {
    // Weak, so that a look-up ends when the last caller goes away, and with it its hold on the database.
    under_way: HashMap<Key, (u64, WeakShared<BoxFuture<'static, Outcome>>)>,
    started: u64,
}

impl AssetCache {
    /// A cache that holds at most `capacity` bytes of answers; 0 keeps nothing, but still joins concurrent misses.
    pub fn new(capacity: u64) -> Arc<Self> {
        // Most assets are textures of some ten kilobytes; the estimate only sizes the index.
        let estimated_items = (capacity / 32_768).clamp(16, 1_000_000) as usize;
        Arc::new(Self {
            answers: Cache::with_weighter(estimated_items, capacity, ByteWeight),
            flights: Mutex::default(),
            hits: metrics::counter!("gridshell_asset_cache_requests_total", "result" => "hit"),
            misses: metrics::counter!("gridshell_asset_cache_requests_total", "result" => "miss"),
            bytes: metrics::gauge!("gridshell_asset_cache_bytes"),
        })
    }

    /// The kept answer, else the outcome of `load`, which other callers that ask meanwhile wait for and share.
    pub(super) async fn get_or_load<F>(self: &Arc<Self>, id: Uuid, form: Form, load: impl FnOnce() -> F) -> Outcome
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let key = (id, form);
        if let Some(answer) = self.answers.get(&key) {
            self.hits.increment(1);
            return Ok(Some(answer));
        }
        self.misses.increment(1);
        self.join_or_start(key, load).await
    }

    fn join_or_start<F>(self: &Arc<Self>, key: Key, load: impl FnOnce() -> F) -> Shared<BoxFuture<'static, Outcome>>
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let mut flights = self.lock();
        if let Some(flight) = flights.under_way.get(&key).and_then(|(_, flight)| flight.upgrade()) {
            return flight;
        }
        flights.started += 1;
        let number = flights.started;
        let landing = Landing { cache: Arc::downgrade(self), key, number };
        let outcome = load();
        let flight = async move {
            let outcome = outcome.await;
            if let Ok(Some(answer)) = &outcome {
                landing.keep(answer);
            }
            outcome
        };
        let flight = flight.boxed().shared();
        if let Some(weak) = flight.downgrade() {
            flights.under_way.insert(key, (number, weak));
        }
        flight
    }

    /// Drops what is known of an asset. To be called after it was stored, updated or deleted, before the change is answered.
    pub fn forget(&self, id: Uuid) {
        let mut flights = self.lock();
        for form in [Form::Document, Form::Data, Form::Metadata] {
            flights.under_way.remove(&(id, form));
            self.answers.remove(&(id, form));
        }
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
    fn keep(&self, answer: &Answer) {
        let Some(cache) = self.cache.upgrade() else { return };
        // Under the lock, so that a `forget` comes either before (and this look-up is not listed any more) or after.
        let flights = cache.lock();
        if flights.under_way.get(&self.key).is_some_and(|(number, _)| *number == self.number) {
            cache.answers.insert(self.key, answer.clone());
            cache.bytes.set(cache.answers.weight() as f64);
        }
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        let Some(cache) = self.cache.upgrade() else { return };
        let mut flights = cache.lock();
        if flights.under_way.get(&self.key).is_some_and(|(number, _)| *number == self.number) {
            flights.under_way.remove(&self.key);
        }
    }
}

#[derive(Clone)]
struct ByteWeight;

impl Weighter<Key, Answer> for ByteWeight {
    fn weight(&self, _key: &Key, answer: &Answer) -> u64 {
        /// What an entry costs besides its body, roughly.
        const OVERHEAD: u64 = 200;
        answer.body.len() as u64 + OVERHEAD
    }
}
