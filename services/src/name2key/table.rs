//! What the service needs from a dialect, rows on their way in and out, and which registrations win.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use async_trait::async_trait;
use gridshell_interfaces::name2key::{
    Grid, Imported, MAX_MATCHES, NameEntry, NameRows, NameSource, NameStatistics, Registration, canonical_name, resident_name,
};
use uuid::Uuid;

use crate::database::Result;
use crate::database::migrations::Column;

/// A name may have this many entries, and so may a key; a registration that would add one more is refused. Whoever wants to hide an
/// avatar behind others of its name comes to an end, and so does the work of a look-up. Imports are not bounded.
pub(super) const MAX_ENTRIES_OF_ONE: usize = 10_000;

/// Microseconds in a second.
pub(super) const MICROSECONDS: i64 = 1_000_000;

/// The columns of the one table that MariaDB, MySQL and PostgreSQL have. Times are in seconds, the last one in microseconds.
pub(super) const SERVER_COLUMNS: &[Column] = &[
    Column { name: "avatar_key", add: None },
    Column { name: "grid_id", add: None },
    Column { name: "canonical", add: None },
    Column { name: "seen", add: None },
    Column { name: "grid", add: None },
    Column { name: "first_seen", add: None },
    Column { name: "last_seen", add: None },
    Column { name: "source", add: None },
    Column { name: "verified", add: None },
];

/// The statements on the tables, in one dialect. Names are canonical, grids are ids.
#[async_trait]
pub(super) trait NameTable: Send + Sync + std::fmt::Debug {
    /// The rows of each of these different names, in any order.
    async fn by_canonical(&self, names: Vec<String>) -> Result<Vec<Vec<Row>>>;
    /// The rows of each of these different keys, in any order.
    async fn by_keys(&self, keys: Vec<Uuid>) -> Result<Vec<Vec<Row>>>;
    /// Rows whose name begins like this, in the order of names, the most recent first.
    async fn by_prefix(&self, prefix: String, page: Page) -> Result<Vec<Row>>;
    async fn register(&self, fresh: Fresh) -> Result<Registered>;
    async fn import(&self, grid: &Grid, rows: &mut dyn NameRows) -> gridshell_interfaces::Result<Imported>;
    /// Removes the rows of a key on one grid or all; gives how many.
    async fn forget(&self, key: Uuid, grid: Option<String>) -> Result<u64>;
    /// Rows behind this key and grid, in the order of both.
    async fn entries_after(&self, key: Uuid, grid: String, limit: usize) -> Result<Vec<Row>>;
    async fn statistics(&self) -> Result<NameStatistics>;
}

/// A part of a long answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    /// How many rows come before it.
    pub(super) offset: usize,
    pub(super) limit: usize,
}

/// What became of a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Registered {
    Stored,
    /// A verified row says otherwise.
    Contradicted,
    /// [`MAX_ENTRIES_OF_ONE`] are there already.
    TooMany,
}

/// A row as it is read.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) key: Uuid,
    pub(super) canonical: String,
    /// `None` when it is what [`resident_name`] makes of the canonical one.
    pub(super) seen: Option<String>,
    pub(super) grid_id: String,
    pub(super) grid: String,
    /// In seconds.
    pub(super) first_seen: i64,
    /// In microseconds: the order of what was seen in one second counts.
    pub(super) last_seen: i64,
    pub(super) source: i64,
    pub(super) verified: bool,
}

impl Row {
    pub(super) fn into_entry(self) -> NameEntry {
        NameEntry {
            key: self.key,
            name: self.seen.unwrap_or_else(|| resident_name(&self.canonical)),
            grid: Grid(self.grid),
            first_seen: self.first_seen,
            last_seen: self.last_seen / MICROSECONDS,
            source: source_of(self.source),
            verified: self.verified,
        }
    }
}

/// A source as the tables hold it.
pub(super) fn source_number(source: NameSource) -> i16 {
    match source {
        NameSource::Import => 0,
        NameSource::Registration => 1,
        NameSource::Account => 2,
    }
}

/// A number that a later version has written is a claim like any other.
fn source_of(number: i64) -> NameSource {
    let sources = [NameSource::Import, NameSource::Registration, NameSource::Account];
    sources.into_iter().find(|source| i64::from(source_number(*source)) == number).unwrap_or(NameSource::Registration)
}

/// The name as it is stored beside its canonical form: nothing where it can be rebuilt, as most names of an export can.
pub(super) fn seen<'a>(canonical: &str, name: &'a str) -> Option<&'a str> {
    (resident_name(canonical) != name).then_some(name)
}

/// A name as bytes of a column. The columns hold what was UTF-8 once.
pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A registration on its way in.
#[derive(Clone, Debug)]
pub(super) struct Fresh {
    pub(super) key: Uuid,
    pub(super) canonical: String,
    pub(super) seen: Option<String>,
    pub(super) grid_id: String,
    pub(super) grid: String,
    pub(super) source: i16,
    pub(super) verified: bool,
    /// In seconds.
    pub(super) first_seen: i64,
    /// In microseconds.
    pub(super) last_seen: i64,
}

impl Fresh {
    /// `now` is in microseconds since 1970.
    pub(super) fn new(registration: &Registration, now: i64) -> Self {
        let canonical = canonical_name(&registration.name);
        Self {
            key: registration.key,
            seen: seen(&canonical, &registration.name).map(str::to_owned),
            canonical,
            grid_id: registration.grid.id(),
            grid: registration.grid.0.clone(),
            source: source_number(NameSource::Registration),
            verified: registration.verified,
            first_seen: now / MICROSECONDS,
            last_seen: now,
        }
    }

    /// What is to be written in the place of the row that is known of the key on the grid; `None` when that one forbids it
    /// (name2key.md section 12.1).
    pub(super) fn in_place_of(&self, known: &Known) -> Option<Self> {
        let mut fresh = Self { first_seen: known.first_seen, ..self.clone() };
        if known.verified && !self.verified {
            if known.canonical != self.canonical {
                return None;
            }
            // The same again, from somebody who knows less: only the time is news.
            fresh.seen = known.seen.clone();
            fresh.source = known.source;
            fresh.verified = true;
        }
        Some(fresh)
    }
}

/// The part of a known row that decides about a registration.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) canonical: String,
    pub(super) seen: Option<String>,
    pub(super) first_seen: i64,
    pub(super) source: i16,
    pub(super) verified: bool,
}

/// Sorts rows into a list for each value, in the order of the values.
pub(super) fn by_value<K: Eq + Hash>(wanted: &[K], rows: Vec<Row>, value: impl Fn(&Row) -> K) -> Vec<Vec<Row>> {
    let places: HashMap<&K, usize> = wanted.iter().enumerate().map(|(place, wanted)| (wanted, place)).collect();
    let mut found = vec![Vec::new(); wanted.len()];
    for row in rows {
        if let Some(place) = places.get(&value(&row)) {
            found[*place].push(row);
        }
    }
    found
}

/// The matches of one name or key, best first: the preferred grids in their order, then the others; within each the most recent
/// first (name2key.md section 12).
pub(super) fn best_first(mut rows: Vec<Row>, preferred: &[String], hidden: &HashSet<Uuid>) -> Vec<NameEntry> {
    rows.retain(|row| !hidden.contains(&row.key));
    if rows.len() > 1 {
        let rank = |grid: &str| preferred.iter().position(|preferred| preferred == grid).unwrap_or(preferred.len());
        rows.sort_by_cached_key(|row| (rank(&row.grid_id), Reverse(row.last_seen), row.key));
        rows.truncate(MAX_MATCHES);
    }
    rows.into_iter().map(Row::into_entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: u128, grid: &str, last_seen: i64) -> Row {
        Row {
            key: Uuid::from_u128(key),
            canonical: "ann.bee".to_owned(),
            seen: None,
            grid_id: grid.to_owned(),
            grid: grid.to_uppercase(),
            first_seen: 1,
            last_seen,
            source: 0,
            verified: false,
        }
    }

    #[test]
    fn preferred_grids_come_first_and_then_the_most_recent() {
        let rows =
            vec![row(1, "a", 10), row(2, "b", 20), row(3, "c", 30), row(4, "b", 40), row(5, "d", 50), row(6, "hidden", 60)];
        let keys = |preferred: &[&str]| {
            let preferred: Vec<_> = preferred.iter().map(|grid| (*grid).to_owned()).collect();
            let best = best_first(rows.clone(), &preferred, &HashSet::from([Uuid::from_u128(6)]));
            best.iter().map(|entry| entry.key.as_u128()).collect::<Vec<_>>()
        };
        assert_eq!(keys(&[]), [5, 4, 3, 2, 1]);
        assert_eq!(keys(&["b", "a"]), [4, 2, 1, 5, 3]);
        assert_eq!(keys(&["nowhere", "a"]), [1, 5, 4, 3, 2]);
    }

    #[test]
    fn old_entries_of_the_askers_grid_are_not_cut_off() {
        let mut rows: Vec<_> = (2..500).map(|number| row(number, "crowd", 1_000 + number as i64)).collect();
        rows.push(row(1, "home", 1));
        let best = best_first(rows, &["home".to_owned()], &HashSet::new());
        assert_eq!((best.len(), best[0].key.as_u128(), best[1].key.as_u128()), (MAX_MATCHES, 1, 499));
    }

    #[test]
    fn what_is_verified_gives_way_only_to_what_is_verified() {
        let registration = |name: &str, verified| Registration {
            name: name.to_owned(),
            key: Uuid::from_u128(1),
            grid: Grid("Home".to_owned()),
            verified,
        };
        let known = |verified| Known {
            canonical: "mccoy.smith".to_owned(),
            seen: Some("McCoy Smith".to_owned()),
            first_seen: 5,
            source: 2,
            verified,
        };
        let written = |name: &str, verified, known_verified| {
            let fresh = Fresh::new(&registration(name, verified), 7 * MICROSECONDS);
            let fresh = fresh.in_place_of(&known(known_verified))?;
            assert_eq!((fresh.first_seen, fresh.last_seen), (5, 7 * MICROSECONDS));
            Some((fresh.canonical, fresh.seen, fresh.source, fresh.verified))
        };
        let same = ("mccoy.smith".to_owned(), Some("McCoy Smith".to_owned()), 2, true);
        assert_eq!(written("MCCOY SMITH", false, true), Some(same));
        assert_eq!(written("Ann Bee", false, true), None);
        assert_eq!(written("Ann Bee", true, true), Some(("ann.bee".to_owned(), None, 1, true)));
        assert_eq!(written("Ann Bee", true, false), Some(("ann.bee".to_owned(), None, 1, true)));
        assert_eq!(written("ann bee", false, false), Some(("ann.bee".to_owned(), Some("ann bee".to_owned()), 1, false)));
    }
}
