//! A service in memory, with the trait's rules as far as the faces need them.

use std::collections::HashSet;
use std::sync::Mutex;

use async_trait::async_trait;
use gridshell_interfaces::name2key::{
    Grid, Imported, MAX_LOOK_UPS_OF_ONE_CALL, MAX_MATCHES, Name2KeyService, NameEntry, NameRows, NameSource, NameStatistics,
    Registration, canonical_name,
};
use gridshell_interfaces::{Result, ServiceError};
use uuid::Uuid;

/// Entries in the order in which they were registered.
#[derive(Debug, Default)]
pub struct Memory {
    entries: Mutex<Vec<NameEntry>>,
    failure: Mutex<Option<ServiceError>>,
}

impl Memory {
    /// From now on every call fails with this, or none any more.
    pub fn fail_with(&self, error: Option<ServiceError>) {
        *self.failure.lock().unwrap() = error;
    }

    pub fn entries(&self) -> Vec<NameEntry> {
        self.entries.lock().unwrap().clone()
    }

    /// Adds an entry as it is.
    pub fn put(&self, key: &str, name: &str, grid: &str, verified: bool) {
        self.entries.lock().unwrap().push(NameEntry {
            key: key.parse().unwrap(),
            name: name.to_owned(),
            grid: Grid(grid.to_owned()),
            first_seen: 1_700_000_000,
            last_seen: 1_700_000_001,
            source: NameSource::Import,
            verified,
        });
    }

    fn access<T>(&self, work: impl FnOnce(&mut Vec<NameEntry>) -> T) -> Result<T> {
        match self.failure.lock().unwrap().clone() {
            Some(error) => Err(error),
            None => Ok(work(&mut self.entries.lock().unwrap())),
        }
    }

    fn matches<T>(&self, asked: &[T], asker: Option<&Grid>, is: impl Fn(&T, &NameEntry) -> bool) -> Result<Vec<Vec<NameEntry>>> {
        if asked.len() > MAX_LOOK_UPS_OF_ONE_CALL {
            return Err(ServiceError::invalid("too many"));
        }
        self.access(|entries| {
            let one = |asked: &T| {
                let mut matches: Vec<NameEntry> = entries.iter().rev().filter(|entry| is(asked, entry)).cloned().collect();
                matches.sort_by_key(|entry| !asker.is_some_and(|asker| asker.is(&entry.grid)));
                matches.truncate(MAX_MATCHES);
                matches
            };
            asked.iter().map(one).collect()
        })
    }
}

#[async_trait]
impl Name2KeyService for Memory {
    async fn by_names(&self, names: &[&str], asker: Option<&Grid>) -> Result<Vec<Vec<NameEntry>>> {
        // Most names of the tests with thousands are unknown.
        let known: HashSet<String> = self.entries().iter().map(|entry| canonical_name(&entry.name)).collect();
        self.matches(names, asker, |name, entry| {
            let name = canonical_name(name);
            known.contains(&name) && canonical_name(&entry.name) == name
        })
    }

    async fn by_keys(&self, keys: &[Uuid], asker: Option<&Grid>) -> Result<Vec<Vec<NameEntry>>> {
        self.matches(keys, asker, |key, entry| entry.key == *key)
    }

    async fn by_prefix(&self, prefix: &str, limit: usize) -> Result<Vec<NameEntry>> {
        let prefix = canonical_name(prefix);
        self.access(|entries| {
            let mut found: Vec<NameEntry> = entries.clone();
            found.retain(|entry| !prefix.is_empty() && canonical_name(&entry.name).starts_with(&prefix));
            found.sort_by_key(|entry| canonical_name(&entry.name));
            found.truncate(limit);
            found
        })
    }

    async fn register(&self, registration: &Registration) -> Result<bool> {
        registration.check()?;
        let Registration { name, key, grid, verified } = registration.clone();
        self.access(|entries| {
            let known = entries.iter().position(|entry| entry.key == key && entry.grid.is(&grid));
            if known.is_some_and(|at| entries[at].verified && !verified && entries[at].name != name) {
                return false;
            }
            let first_seen = known.map_or(1_700_000_002, |at| entries.remove(at).first_seen);
            let (last_seen, source) = (1_700_000_002, NameSource::Registration);
            entries.push(NameEntry { key, name, grid, first_seen, last_seen, source, verified });
            true
        })
    }

    async fn import(&self, _: &Grid, _: &mut dyn NameRows) -> Result<Imported> {
        Err(ServiceError::refused("no imports here"))
    }

    async fn forget(&self, key: Uuid, grid: Option<&Grid>) -> Result<u64> {
        self.access(|entries| {
            let before = entries.len();
            entries.retain(|entry| entry.key != key || grid.is_some_and(|grid| !grid.is(&entry.grid)));
            (before - entries.len()) as u64
        })
    }

    async fn entries_after(&self, after: Option<(Uuid, &str)>, limit: usize) -> Result<Vec<NameEntry>> {
        self.access(|entries| {
            let place = |entry: &NameEntry| (entry.key, entry.grid.id());
            let mut rest: Vec<NameEntry> = entries.clone();
            rest.retain(|entry| after.is_none_or(|(key, grid)| place(entry) > (key, grid.to_owned())));
            rest.sort_by_key(place);
            rest.truncate(limit);
            rest
        })
    }

    async fn statistics(&self) -> Result<NameStatistics> {
        self.access(|entries| NameStatistics {
            entries: vec![("production".to_owned(), entries.len() as u64)],
            shared_names: 0,
            bytes: None,
        })
    }
}
