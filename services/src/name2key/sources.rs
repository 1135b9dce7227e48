//! One name2key service out of two, of which one knows better.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use gridshell_interfaces::Result;
use gridshell_interfaces::name2key::{
    Grid, Imported, MAX_LOOK_UPS_OF_ONE_CALL, MAX_MATCHES, Name2KeyService, NameEntry, NameRows, NameStatistics, Registration,
    canonical_name,
};
use uuid::Uuid;

/// Two services as one. `first` wins: its matches come first, and what it knows of a key on a grid hides what `then` says about them.
/// A grid's own accounts are to win over registrations in this way (name2key.md section 12). `then` takes registrations, imports and
/// removals.
#[derive(Clone, Debug)]
pub struct Name2KeySources {
    first: Arc<dyn Name2KeyService>,
    then: Arc<dyn Name2KeyService>,
}

impl Name2KeySources {
    /// Asks `first`, and then `then`.
    pub fn new(first: Arc<dyn Name2KeyService>, then: Arc<dyn Name2KeyService>) -> Self {
        Self { first, then }
    }

    /// Which of these entries of `then` the first source has something of its own to say about: key and grid id.
    async fn known_first(&self, entries: impl Iterator<Item = &NameEntry>) -> Result<HashSet<(Uuid, String)>> {
        let keys: HashSet<Uuid> = entries.map(|entry| entry.key).collect();
        let keys: Vec<Uuid> = keys.into_iter().collect();
        let mut known = HashSet::new();
        for keys in keys.chunks(MAX_LOOK_UPS_OF_ONE_CALL) {
            let found = self.first.by_keys(keys, None).await?;
            known.extend(found.iter().flatten().map(place));
        }
        Ok(known)
    }

    /// The answers of both to one list of questions.
    async fn join(&self, first: Vec<Vec<NameEntry>>, then: Vec<Vec<NameEntry>>) -> Result<Vec<Vec<NameEntry>>> {
        let known = self.known_first(then.iter().flatten()).await?;
        let mut then = then.into_iter();
        let join = |mut entries: Vec<NameEntry>| {
            let others = then.next().unwrap_or_default();
            entries.extend(others.into_iter().filter(|entry| !known.contains(&place(entry))));
            entries.truncate(MAX_MATCHES);
            entries
        };
        Ok(first.into_iter().map(join).collect())
    }
}

/// What is unique in a store.
fn place(entry: &NameEntry) -> (Uuid, String) {
    (entry.key, entry.grid.id())
}

#[async_trait]
impl Name2KeyService for Name2KeySources {
    async fn by_names(&self, names: &[&str], asker: Option<&Grid>) -> Result<Vec<Vec<NameEntry>>> {
        let first = self.first.by_names(names, asker).await?;
        let then = self.then.by_names(names, asker).await?;
        self.join(first, then).await
    }

    async fn by_keys(&self, keys: &[Uuid], asker: Option<&Grid>) -> Result<Vec<Vec<NameEntry>>> {
        let first = self.first.by_keys(keys, asker).await?;
        let then = self.then.by_keys(keys, asker).await?;
        self.join(first, then).await
    }

    async fn by_prefix(&self, prefix: &str, limit: usize) -> Result<Vec<NameEntry>> {
        let mut entries = self.first.by_prefix(prefix, limit).await?;
        let then = self.then.by_prefix(prefix, limit).await?;
        let known = self.known_first(then.iter()).await?;
        entries.extend(then.into_iter().filter(|entry| !known.contains(&place(entry))));
        // The sort is stable: of one name the first source's come first.
        entries.sort_by_cached_key(|entry| canonical_name(&entry.name));
        entries.truncate(limit);
        Ok(entries)
    }

    async fn register(&self, registration: &Registration) -> Result<bool> {
        registration.check()?;
        let known = self.first.by_key(registration.key, Some(&registration.grid)).await?;
        match known.iter().find(|entry| entry.grid.is(&registration.grid)) {
            // What is known already needs no second entry.
            Some(entry) => Ok(canonical_name(&entry.name) == canonical_name(&registration.name)),
            None => self.then.register(registration).await,
        }
    }

    async fn import(&self, grid: &Grid, rows: &mut dyn NameRows) -> Result<Imported> {
        self.then.import(grid, rows).await
    }

    async fn forget(&self, key: Uuid, grid: Option<&Grid>) -> Result<u64> {
        self.then.forget(key, grid).await
    }

    async fn entries_after(&self, after: Option<(Uuid, &str)>, limit: usize) -> Result<Vec<NameEntry>> {
        let mut entries = self.first.entries_after(after, limit).await?;
        let mut then = self.then.entries_after(after, limit).await?;
        // Behind the end of the shorter page its source may have something that belongs in between.
        let Some(end) = [entries.last(), then.last()].into_iter().flatten().map(place).min() else { return Ok(Vec::new()) };
        let known = self.known_first(then.iter()).await?;
        then.retain(|entry| !known.contains(&place(entry)));
        entries.extend(then);
        entries.retain(|entry| place(entry) <= end);
        entries.sort_by_cached_key(place);
        entries.truncate(limit);
        Ok(entries)
    }

    async fn statistics(&self) -> Result<NameStatistics> {
        let (first, then) = (self.first.statistics().await?, self.then.statistics().await?);
        let mut entries: HashMap<String, u64> = first.entries.into_iter().collect();
        for (grid, count) in then.entries {
            *entries.entry(grid).or_default() += count;
        }
        let mut entries: Vec<_> = entries.into_iter().collect();
        entries.sort_by(|(grid, count), (other, others)| others.cmp(count).then(grid.cmp(other)));
        Ok(NameStatistics {
            entries,
            shared_names: first.shared_names + then.shared_names,
            bytes: first.bytes.zip(then.bytes).map(|(first, then)| first + then).or(first.bytes).or(then.bytes),
        })
    }
}
