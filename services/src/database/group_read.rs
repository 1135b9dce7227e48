//! Look-ups by key that wait are done together.
//!
//! What a small look-up in an SQLite file costs is the way to the connection's thread and back, not the work there. So while one
//! query is under way, the keys that are asked for meanwhile gather, and go into the next query all together. A key that is asked for
//! while nothing else is goes off at once, alone. It is for reading what [`Writer`](super::Writer) is for writing.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, oneshot};

use super::{DatabaseError, Result};

/// Keys in one query at most.
const MAX_BATCH: usize = 32;

type Answer<V> = std::result::Result<Option<V>, Arc<DatabaseError>>;

/// Look-ups of one kind.
#[derive(Debug)]
pub struct GroupRead<K, V> {
    waiting: Mutex<VecDeque<(K, oneshot::Sender<Answer<V>>)>>,
    /// A permit is the turn to run a query.
    turns: Semaphore,
}

impl<K, V> GroupRead<K, V>
where
    K: Clone + Eq + Hash,
    V: Clone,
{
    /// At most `queries` queries are under way at once.
    pub fn new(queries: usize) -> Self {
        Self { waiting: Mutex::default(), turns: Semaphore::new(queries) }
    }

    /// The value of a key, or `None` when there is none. `query` finds those of several keys that exist; it runs for this key or,
    /// with somebody else's, for others that wait.
    ///
    /// # Errors
    /// What the query gives that the key was part of.
    pub async fn get<F, Q>(&self, key: K, query: F) -> Result<Option<V>>
    where
        F: Fn(Vec<K>) -> Q,
        Q: Future<Output = Result<HashMap<K, V>>>,
    {
        loop {
            let (sender, mut answer) = oneshot::channel();
            self.lock().push_back((key.clone(), sender));
            tokio::select! {
                biased;
                // Gone without an answer: who had the turn has gone away in the middle of the query.
                answered = &mut answer => match answered {
                    Ok(answered) => return answered.map_err(DatabaseError::Shared),
                    Err(_) => continue,
                },
                turn = self.turns.acquire() => {
                    let _turn = turn.map_err(|_| DatabaseError::Closed)?;
                    self.answer_waiting(&query).await;
                }
            }
            // Somebody else may have taken this key along before this turn came.
            if let Ok(answered) = answer.await {
                return answered.map_err(DatabaseError::Shared);
            }
        }
    }

    async fn answer_waiting<F, Q>(&self, query: &F)
    where
        F: Fn(Vec<K>) -> Q,
        Q: Future<Output = Result<HashMap<K, V>>>,
    {
        let batch: Vec<_> = {
            let mut waiting = self.lock();
            let count = waiting.len().min(MAX_BATCH);
            // Who has gone away meanwhile is left out.
            waiting.drain(..count).filter(|(_, sender)| !sender.is_closed()).collect()
        };
        if batch.is_empty() {
            return;
        }
        let found = query(batch.iter().map(|(key, _)| key.clone()).collect()).await.map_err(Arc::new);
        for (key, sender) in batch {
            let answer = match &found {
                Ok(found) => Ok(found.get(&key).cloned()),
                Err(error) => Err(Arc::clone(error)),
            };
            // Who does not wait any more does not want to know.
            let _ = sender.send(answer);
        }
    }

    // Nothing can panic while the lock is held, but for a lack of memory.
    fn lock(&self) -> MutexGuard<'_, VecDeque<(K, oneshot::Sender<Answer<V>>)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Even numbers exist, each as its text. Counts the queries, and waits at a gate in each.
    struct Numbers {
        queries: AtomicUsize,
        gate: Semaphore,
    }

    impl Numbers {
        fn new(open: usize) -> Arc<Self> {
            Arc::new(Self { queries: AtomicUsize::new(0), gate: Semaphore::new(open) })
        }

        async fn query(&self, keys: Vec<u32>) -> Result<HashMap<u32, String>> {
            self.queries.fetch_add(1, Ordering::SeqCst);
            self.gate.acquire().await.expect("open").forget();
            if keys.contains(&13) {
                return Err(DatabaseError::Schema("13".to_owned()));
            }
            Ok(keys.into_iter().filter(|key| key % 2 == 0).map(|key| (key, key.to_string())).collect())
        }
    }

    async fn turns(count: usize) {
        for _ in 0..count {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn what_waits_goes_together() {
        let (group, numbers) = (Arc::new(GroupRead::new(1)), Numbers::new(0));
        let get = |key: u32| {
            let (group, numbers) = (group.clone(), numbers.clone());
            tokio::spawn(async move { group.get(key, |keys| numbers.query(keys)).await })
        };
        let first = get(0);
        turns(5).await;
        let others: Vec<_> = (1..=20).chain([2, 2]).map(get).collect();
        turns(100).await;
        assert_eq!(numbers.queries.load(Ordering::SeqCst), 1, "the first goes alone, the others wait");
        numbers.gate.add_permits(100);
        assert_eq!(first.await.expect("task").expect("answer"), Some("0".to_owned()));
        // 13 is among them: all of its query share the error.
        for other in others {
            let error = other.await.expect("task").expect_err("13 fails");
            assert!(matches!(error, DatabaseError::Shared(_)), "{error}");
        }
        assert_eq!(numbers.queries.load(Ordering::SeqCst), 2);
        for (key, expected) in [(2, Some("2")), (3, None)] {
            let found = get(key).await.expect("task").expect("answer");
            assert_eq!(found.as_deref(), expected);
        }
    }

    #[tokio::test]
    async fn nobody_is_left_behind_by_one_who_goes_away() {
        let (group, numbers) = (Arc::new(GroupRead::new(1)), Numbers::new(0));
        let get = |key: u32| {
            let (group, numbers) = (group.clone(), numbers.clone());
            tokio::spawn(async move { group.get(key, |keys| numbers.query(keys)).await })
        };
        let first = get(0);
        turns(5).await;
        let leader = get(2);
        turns(5).await;
        let follower = get(4);
        turns(5).await;
        // The first is done; the leader takes the follower's key along and waits at the gate.
        numbers.gate.add_permits(1);
        first.await.expect("task").expect("answer");
        turns(20).await;
        assert_eq!(numbers.queries.load(Ordering::SeqCst), 2);
        leader.abort();
        turns(5).await;
        numbers.gate.add_permits(100);
        assert_eq!(follower.await.expect("task").expect("answer"), Some("4".to_owned()));
        assert_eq!(numbers.queries.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn queries_are_bounded() {
        let (group, numbers) = (Arc::new(GroupRead::new(4)), Numbers::new(1000));
        let gets: Vec<_> = (0..1000)
            .map(|key| {
                let (group, numbers) = (group.clone(), numbers.clone());
                tokio::spawn(async move { group.get(key * 2, |keys| numbers.query(keys)).await })
            })
            .collect();
        for (key, get) in gets.into_iter().enumerate() {
            assert_eq!(get.await.expect("task").expect("answer"), Some((key * 2).to_string()));
        }
    }
}
