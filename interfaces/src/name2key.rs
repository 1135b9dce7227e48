//! The name2key service: which key (UUID) belongs to an avatar's name, and which name to a key (name2key.md).
//!
//! A name is unique only within a grid, and a key can be known under other names elsewhere, so look-ups give all matches, best first.

mod names;
mod rows;

use std::fmt;

use async_trait::async_trait;
use uuid::Uuid;

pub use names::{canonical_name, resident_name, split_grid};
pub use rows::{NameBatch, NameRows};

use crate::{Result, ServiceError};

/// The longest name that is stored, in bytes (name2key.md section 12.1).
pub const MAX_NAME_BYTES: usize = 255;

/// The longest grid that is stored, in bytes.
pub const MAX_GRID_BYTES: usize = 255;

/// The grid of W-Hat's export, Second Life's main grid (name2key.md section 4).
pub const PRODUCTION: &str = "Production";

/// The most names or keys that one call takes.
pub const MAX_LOOK_UPS_OF_ONE_CALL: usize = 10_000;

/// The most matches that a look-up gives for one name or key.
pub const MAX_MATCHES: usize = 100;

/// A grid as it was told: the text of `X-SecondLife-Shard`, an address `host:port`, or empty when nobody said. Two grids are the
/// same when their [`Grid::id`] is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grid(pub String);

impl Grid {
    /// What the grid is compared by: its text in lower case.
    pub fn id(&self) -> String {
        self.0.to_lowercase()
    }

    /// Checks what every store demands.
    ///
    /// # Errors
    /// `Refused` for a text that is too long, has control characters, or is nothing but white space, which no XML keeps.
    pub fn check(&self) -> Result<()> {
        let is_blank = !self.0.is_empty() && self.0.trim().is_empty();
        if is_blank || self.0.len() > MAX_GRID_BYTES || self.0.chars().any(char::is_control) {
            let message =
                format!("a grid is at most {MAX_GRID_BYTES} bytes without control characters, and not white space alone");
            return Err(ServiceError::refused(message));
        }
        Ok(())
    }

    /// True when both are the same grid.
    pub fn is(&self, other: &Grid) -> bool {
        self.0 == other.0 || self.id() == other.id()
    }
}

impl fmt::Display for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name and a key that belong together on a grid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameEntry {
    /// The avatar's key.
    pub key: Uuid,
    /// The name as it was seen, capitals and all.
    pub name: String,
    /// The grid as it was told.
    pub grid: Grid,
    /// When the entry was made, in seconds since 1970, UTC.
    pub first_seen: i64,
    /// When somebody last said so, in the same.
    pub last_seen: i64,
    /// Where it comes from.
    pub source: NameSource,
    /// It is known to be true; a registration that is not verified cannot change it.
    pub verified: bool,
}

/// Where an entry comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameSource {
    /// A file was imported.
    Import,
    /// Somebody registered it.
    Registration,
    /// The user accounts of a grid.
    Account,
}

impl NameSource {
    /// The source's name on the wire and in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Import => "import",
            Self::Registration => "registration",
            Self::Account => "account",
        }
    }

    /// The source of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Import, Self::Registration, Self::Account].into_iter().find(|source| source.name() == name)
    }
}

/// A name and a key that somebody registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The avatar's name, as it will be shown.
    pub name: String,
    /// Its key; not the zero UUID.
    pub key: Uuid,
    /// The grid as it was told.
    pub grid: Grid,
    /// It is known to be true: who says so is trusted.
    pub verified: bool,
}

impl Registration {
    /// Checks what every store demands.
    ///
    /// # Errors
    /// `Refused` for an empty or too long name, a name with control characters, the zero UUID, and a grid that [`Grid::check`] refuses
    /// (name2key.md section 12.1).
    pub fn check(&self) -> Result<()> {
        check_name(&self.name).map_err(ServiceError::refused)?;
        if self.key.is_nil() {
            return Err(ServiceError::refused("the zero UUID is nobody's key"));
        }
        self.grid.check()
    }
}

/// Says what is wrong with a name, if something is: it is empty, too long, or has control characters.
///
/// # Errors
/// A sentence for whoever sent it.
pub fn check_name(name: &str) -> std::result::Result<(), String> {
    if canonical_name(name).is_empty() {
        return Err("the name is empty".to_owned());
    }
    if name.len() > MAX_NAME_BYTES {
        return Err(format!("a name is at most {MAX_NAME_BYTES} bytes"));
    }
    if name.chars().any(char::is_control) {
        return Err("a name has no control characters".to_owned());
    }
    Ok(())
}

/// What an import has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Rows read.
    pub rows: u64,
    /// Entries that are new.
    pub added: u64,
    /// Entries whose name has changed.
    pub changed: u64,
}

/// What a store holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameStatistics {
    /// Entries of each grid (its id, lower case), most first.
    pub entries: Vec<(String, u64)>,
    /// Canonical names that more than one key has.
    pub shared_names: u64,
    /// The size of the store in bytes, where it can be told.
    pub bytes: Option<u64>,
}

/// Knows avatars' names and keys.
///
/// Names are compared by [`canonical_name`]. The order of matches is that of name2key.md section 12: entries of the asker's grid
/// first, then those of the service's default grids in their order, then the others; within each, the most recent first.
///
/// A fault of the store is an error, never an empty list.
#[async_trait]
pub trait Name2KeyService: Send + Sync + fmt::Debug {
    /// All entries of each of these names, in the order of the names; at most [`MAX_MATCHES`] each, and at most
    /// [`MAX_LOOK_UPS_OF_ONE_CALL`] names. A bounded number of queries, however many names. `asker` is the grid of who asks, where it
    /// is known.
    ///
    /// # Errors
    /// `Invalid` for too many names.
    async fn by_names(&self, names: &[&str], asker: Option<&Grid>) -> Result<Vec<Vec<NameEntry>>>;

    /// The same for keys.
    ///
    /// # Errors
    /// `Invalid` for too many keys.
    async fn by_keys(&self, keys: &[Uuid], asker: Option<&Grid>) -> Result<Vec<Vec<NameEntry>>>;

    /// All entries of a name, best first.
    async fn by_name(&self, name: &str, asker: Option<&Grid>) -> Result<Vec<NameEntry>> {
        Ok(self.by_names(&[name], asker).await?.pop().unwrap_or_default())
    }

    /// All entries of a key, best first.
    async fn by_key(&self, key: Uuid, asker: Option<&Grid>) -> Result<Vec<NameEntry>> {
        Ok(self.by_keys(&[key], asker).await?.pop().unwrap_or_default())
    }

    /// Entries whose canonical name begins with the canonical form of `prefix`, in the order of canonical names; at most `limit`, and
    /// at most [`MAX_LOOK_UPS_OF_ONE_CALL`]. An empty prefix finds nothing.
    async fn by_prefix(&self, prefix: &str, limit: usize) -> Result<Vec<NameEntry>>;

    /// Stores a name with its key and grid. What was known of the key on that grid has this name from now on; other keys of the name
    /// stay, behind this one. `false` when a verified entry of that key on that grid says otherwise and this one is not verified:
    /// nothing has changed then. When this returns the entry is durable.
    ///
    /// # Errors
    /// What [`Registration::check`] gives; `Refused` for a key that does not want to be found, and for a name or key that has too
    /// many entries already.
    async fn register(&self, registration: &Registration) -> Result<bool>;

    /// Stores all rows, or none when this fails or is stopped. Rows are taken in their order, as unverified registrations: of
    /// several rows of one key the last counts, of several keys of one name the last comes first. A key that is known on the grid by
    /// the same canonical name stays as it is, capitals and times, so that a second import of the same rows changes nothing.
    ///
    /// # Errors
    /// What the rows give; `Refused` when this service takes no imports.
    async fn import(&self, grid: &Grid, rows: &mut dyn NameRows) -> Result<Imported>;

    /// Removes the entries of a key: on one grid, or on all. Gives how many there were.
    async fn forget(&self, key: Uuid, grid: Option<&Grid>) -> Result<u64>;

    /// At most `limit` entries in the order of their keys and grid ids, from the one after `after` (a key and a grid id) on: exports
    /// go through the whole store with it. Fewer than `limit` are not the end yet; none are.
    async fn entries_after(&self, after: Option<(Uuid, &str)>, limit: usize) -> Result<Vec<NameEntry>>;

    /// What there is.
    async fn statistics(&self) -> Result<NameStatistics>;
}
