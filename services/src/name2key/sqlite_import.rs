//! Imports into an SQLite file: millions of rows in one transaction, in a thread of its own.
//!
//! The transaction keeps other writers out; readers see the state before it until it is committed. (In a file with an older journal
//! mode than WAL, which only another program can have made, they wait.) It is rolled back when anything fails, when nobody waits for the
//! answer any more, and by itself when the process ends.
//!
//! There are two ways. Into a store that knows little of the grid, rows are appended as they come, and their keys are put into the table
//! of keys at the end, sorted: what is known already or comes twice shows there. Into a store that knows much, each row is looked for
//! first, under its name, since files are sorted by name and so find one page after the other; only what is new or different is kept
//! until the end, in a temporary table.

use std::path::Path;

use gridshell_interfaces::ServiceError;
use gridshell_interfaces::name2key::{Grid, Imported, NameBatch, NameRows, NameSource, canonical_name};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::key_runs::{KeyAt, KeyRuns};
use super::sqlite::{ADD_GRID, DELETE, GRID, INSERT, KNOWN, MOST_RECENT, SET_KEY, read_key};
use super::table::{seen, source_number};
use crate::database::{DatabaseError, Result, SqliteDatabase};

/// Batches that wait to be written. Reading goes on meanwhile.
const QUEUE: usize = 2;
/// The page cache: enough for the pages that grow while rows come in order.
const CACHE_KIB: u32 = 32 * 1024;
/// A store that knows fewer keys of the grid knows little.
const LITTLE: i64 = 100_000;
/// How many keys are written between two looks at whether somebody still waits.
const PATIENCE: u64 = 4096;

const COUNT_OF_GRID: &str = "SELECT count(*) FROM (SELECT 1 FROM name2key_keys WHERE grid = ? LIMIT ?)";
const IS_KNOWN: &str = "SELECT 1 FROM name2key_entries WHERE canonical = ? AND avatar_key = ? AND grid = ?";
const ADD_KEY: &str =
    "INSERT INTO name2key_keys (avatar_key, grid, last_seen) VALUES (?, ?, ?) ON CONFLICT (avatar_key, grid) DO NOTHING";
const CANONICAL: &str = "SELECT canonical FROM name2key_entries WHERE last_seen = ?";
const SET_FIRST_SEEN: &str = "UPDATE name2key_entries SET first_seen = ? WHERE last_seen = ?";
const CREATE_WAITING: &str = "CREATE TEMP TABLE waiting (avatar_key BLOB PRIMARY KEY, position INTEGER NOT NULL, \
    canonical BLOB NOT NULL, seen TEXT) WITHOUT ROWID";
const WAIT: &str = "INSERT OR REPLACE INTO temp.waiting (avatar_key, position, canonical, seen) VALUES (?, ?, ?, ?)";
const WAIT_NO_MORE: &str = "DELETE FROM temp.waiting WHERE avatar_key = ?";
const WAITING: &str = "SELECT avatar_key, position, canonical, seen FROM temp.waiting ORDER BY avatar_key";

enum Message {
    Rows(NameBatch),
    /// There are no more. Without it the import is given up.
    End,
}

/// Where the result goes; closed when nobody waits for it.
type Answer = oneshot::Sender<Result<Option<Imported>>>;

pub(super) async fn import(
    database: &SqliteDatabase,
    grid: &Grid,
    rows: &mut dyn NameRows,
) -> gridshell_interfaces::Result<Imported> {
    let (queue, messages) = mpsc::channel(QUEUE);
    let (mut answer, answered) = oneshot::channel();
    let (database, grid) = (database.clone(), grid.clone());
    let importing = grid.clone();
    tokio::task::spawn_blocking(move || {
        let result = write(&database, &grid, messages, &mut answer);
        // Who has gone away does not want to know.
        let _ = answer.send(result);
    });
    let read = feed(rows, queue).await;
    // In any case until the file is free again.
    let written = answered.await;
    read?;
    let imported = written.map_err(|_| DatabaseError::Panicked).flatten();
    let imported = imported.map_err(|error| error.during(format_args!("importing names of the grid '{importing}'")))?;
    imported.ok_or_else(|| ServiceError::internal("the import was given up, though its rows came to their end"))
}

async fn feed(rows: &mut dyn NameRows, queue: mpsc::Sender<Message>) -> gridshell_interfaces::Result<()> {
    while let Some(batch) = rows.next().await? {
        if queue.send(Message::Rows(batch)).await.is_err() {
            // Writing has failed. Its answer says why.
            return Ok(());
        }
    }
    let _ = queue.send(Message::End).await;
    Ok(())
}

/// Writes all rows. `None` when it was given up, and nothing has changed.
fn write(
    database: &SqliteDatabase,
    grid: &Grid,
    mut messages: mpsc::Receiver<Message>,
    answer: &mut Answer,
) -> Result<Option<Imported>> {
    let mut connection = database.open_to_write(CACHE_KIB)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let Some(imported) = write_in(&transaction, database.file(), grid, &mut messages, answer)? else { return Ok(None) };
    transaction.commit()?;
    // Look-ups are quicker when the rows are where they belong. When a reader is in the way, a later write does this.
    let in_the_way = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0))?;
    tracing::debug!(in_the_way, "the import is in the file");
    Ok(Some(imported))
}

fn write_in(
    transaction: &Transaction<'_>,
    file: &Path,
    grid: &Grid,
    messages: &mut mpsc::Receiver<Message>,
    answer: &mut Answer,
) -> Result<Option<Imported>> {
    let target = Target::new(transaction, grid)?;
    let known: i64 = transaction.query_row(COUNT_OF_GRID, params![target.grid, LITTLE], |row| row.get(0))?;
    let mut way = if known < LITTLE {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Way::Append(Appending::new(&target, folder)?)
    } else {
        Way::Compare(Comparing::new(transaction)?)
    };
    let mut imported = Imported::default();
    loop {
        match messages.blocking_recv() {
            Some(Message::Rows(batch)) if !answer.is_closed() => {
                for (key, name) in batch.iter() {
                    let position = u32::try_from(imported.rows).map_err(|_| refusal())?;
                    let canonical = canonical_name(name);
                    let row = NewRow { key, position, canonical: canonical.as_bytes(), seen: seen(&canonical, name) };
                    match &mut way {
                        Way::Append(way) => way.take(&target, &row)?,
                        Way::Compare(way) => way.take(&target, &row)?,
                    }
                    imported.rows += 1;
                }
            }
            Some(Message::End) => break,
            Some(Message::Rows(_)) | None => return Ok(None),
        }
    }
    let finished = match way {
        Way::Append(way) => way.finish(&target, &mut imported, answer)?,
        Way::Compare(way) => way.finish(&target, &mut imported, answer)?,
    };
    Ok((finished && !answer.is_closed()).then_some(imported))
}

fn refusal() -> DatabaseError {
    DatabaseError::Refused(format!("an import has at most {} rows", u32::MAX))
}

enum Way<'c> {
    Append(Appending<'c>),
    Compare(Comparing<'c>),
}

/// A row of the import.
struct NewRow<'r> {
    key: Uuid,
    /// Its number, from 0 on.
    position: u32,
    canonical: &'r [u8],
    seen: Option<&'r str>,
}

/// Where the rows go.
struct Target<'c> {
    connection: &'c Connection,
    /// The number of the grid.
    grid: i64,
    /// The grid as it is told now, where that is news.
    told: Option<String>,
    /// When the first row was seen, in microseconds; each that follows one microsecond later.
    start: i64,
}

impl<'c> Target<'c> {
    fn new(connection: &'c Connection, grid: &Grid) -> Result<Self> {
        let id = grid.id();
        let known = connection.query_row(GRID, [id.as_bytes()], |row| Ok((row.get(0)?, row.get::<_, String>(1)?))).optional()?;
        let (number, told) = match known {
            Some((number, told)) => (number, (told != grid.0).then(|| grid.0.clone())),
            None => {
                connection.execute(ADD_GRID, params![id.as_bytes(), grid.0])?;
                (connection.last_insert_rowid(), None)
            }
        };
        let most_recent: i64 = connection.query_row(MOST_RECENT, [], |row| row.get(0))?;
        Ok(Self { connection, grid: number, told, start: super::now().max(most_recent + 1) })
    }

    fn last_seen(&self, position: u32) -> i64 {
        self.start + i64::from(position)
    }

    /// The statement for [`Self::insert`]. What all rows have alike is bound here, once.
    fn prepare_insert(&self) -> Result<CachedStatement<'c>> {
        let mut insert = self.connection.prepare_cached(INSERT)?;
        insert.raw_bind_parameter(4, self.grid)?;
        insert.raw_bind_parameter(6, &self.told)?;
        insert.raw_bind_parameter(8, source_number(NameSource::Import))?;
        insert.raw_bind_parameter(9, false)?;
        Ok(insert)
    }

    fn insert(&self, insert: &mut CachedStatement<'_>, row: &NewRow<'_>, first_seen: Option<i64>) -> Result<()> {
        insert.raw_bind_parameter(1, self.last_seen(row.position))?;
        insert.raw_bind_parameter(2, row.canonical)?;
        insert.raw_bind_parameter(3, row.key.as_bytes())?;
        insert.raw_bind_parameter(5, row.seen)?;
        insert.raw_bind_parameter(7, first_seen)?;
        insert.raw_execute()?;
        Ok(())
    }

    /// What the store knows of a key.
    fn known(&self, key: Uuid) -> Result<Option<Known>> {
        let mut statement = self.connection.prepare_cached(KNOWN)?;
        let known = statement.query_row(params![key.as_bytes(), self.grid], |row| {
            Ok(Known { last_seen: row.get(0)?, canonical: row.get(1)?, first_seen: row.get(3)?, verified: row.get(5)? })
        });
        Ok(known.optional()?)
    }

    fn delete(&self, last_seen: i64) -> Result<()> {
        self.connection.prepare_cached(DELETE)?.execute([last_seen])?;
        Ok(())
    }

    fn set_key(&self, key: Uuid, position: u32) -> Result<()> {
        let parameters = params![key.as_bytes(), self.grid, self.last_seen(position)];
        self.connection.prepare_cached(SET_KEY)?.execute(parameters)?;
        Ok(())
    }
}

struct Known {
    last_seen: i64,
    canonical: Vec<u8>,
    first_seen: i64,
    verified: bool,
}

/// Rows are written as they come.
struct Appending<'c> {
    insert: CachedStatement<'c>,
    keys: KeyRuns,
}

impl<'c> Appending<'c> {
    fn new(target: &Target<'c>, folder: &Path) -> Result<Self> {
        Ok(Self { insert: target.prepare_insert()?, keys: KeyRuns::new(folder) })
    }

    fn take(&mut self, target: &Target<'_>, row: &NewRow<'_>) -> Result<()> {
        target.insert(&mut self.insert, row, None)?;
        Ok(self.keys.push(row.key, row.position)?)
    }

    /// False when nobody waits any more.
    fn finish(self, target: &Target<'_>, imported: &mut Imported, answer: &Answer) -> Result<bool> {
        let mut add_key = target.connection.prepare_cached(ADD_KEY)?;
        let mut keys = self.keys.sorted()?;
        let mut next = keys.next()?;
        let mut count = 0_u64;
        while let Some(at) = next {
            count += 1;
            if count.is_multiple_of(PATIENCE) && answer.is_closed() {
                return Ok(false);
            }
            next = keys.next()?;
            if next.is_some_and(|next| next.key() == at.key()) {
                // The last row of a key counts.
                target.delete(target.last_seen(at.position))?;
            } else if add_key.execute(params![at.key().as_bytes(), target.grid, target.last_seen(at.position)])? == 1 {
                imported.added += 1;
            } else if replace_known(target, at)? {
                imported.changed += 1;
            }
        }
        Ok(true)
    }
}

/// Decides between a row that was appended and what was known of its key. True when the new one stays.
fn replace_known(target: &Target<'_>, at: KeyAt) -> Result<bool> {
    let last_seen = target.last_seen(at.position);
    let Some(known) = target.known(at.key())? else {
        return Err(DatabaseError::Schema(format!("the key {} has no entry, though it is in the table of keys", at.key())));
    };
    let canonical: Vec<u8> = target.connection.prepare_cached(CANONICAL)?.query_row([last_seen], |row| row.get(0))?;
    if known.verified || known.canonical == canonical {
        target.delete(last_seen)?;
        return Ok(false);
    }
    target.delete(known.last_seen)?;
    target.connection.prepare_cached(SET_FIRST_SEEN)?.execute([known.first_seen, last_seen])?;
    target.set_key(at.key(), at.position)?;
    Ok(true)
}

/// Rows are looked for; what is not known waits for the end, since the last row of its key counts.
struct Comparing<'c> {
    is_known: CachedStatement<'c>,
    wait: CachedStatement<'c>,
    wait_no_more: CachedStatement<'c>,
    somebody_waits: bool,
}

impl<'c> Comparing<'c> {
    fn new(connection: &'c Connection) -> Result<Self> {
        connection.execute(CREATE_WAITING, [])?;
        Ok(Self {
            is_known: connection.prepare_cached(IS_KNOWN)?,
            wait: connection.prepare_cached(WAIT)?,
            wait_no_more: connection.prepare_cached(WAIT_NO_MORE)?,
            somebody_waits: false,
        })
    }

    fn take(&mut self, target: &Target<'_>, row: &NewRow<'_>) -> Result<()> {
        if !self.is_known.exists(params![row.canonical, row.key.as_bytes(), target.grid])? {
            self.wait.execute(params![row.key.as_bytes(), row.position, row.canonical, row.seen])?;
            self.somebody_waits = true;
        } else if self.somebody_waits {
            self.wait_no_more.execute([row.key.as_bytes()])?;
        }
        Ok(())
    }

    /// False when nobody waits any more.
    fn finish(self, target: &Target<'_>, imported: &mut Imported, answer: &Answer) -> Result<bool> {
        let mut insert = target.prepare_insert()?;
        let mut waiting = target.connection.prepare_cached(WAITING)?;
        let mut waiting = waiting.query([])?;
        let mut count = 0_u64;
        while let Some(waiting) = waiting.next()? {
            count += 1;
            if count.is_multiple_of(PATIENCE) && answer.is_closed() {
                return Ok(false);
            }
            let row = read_waiting(waiting)?;
            let first_seen = match target.known(row.key)? {
                Some(known) if known.verified => continue,
                Some(known) => {
                    target.delete(known.last_seen)?;
                    imported.changed += 1;
                    Some(known.first_seen)
                }
                None => {
                    imported.added += 1;
                    None
                }
            };
            target.insert(&mut insert, &row, first_seen)?;
            target.set_key(row.key, row.position)?;
        }
        Ok(true)
    }
}

fn read_waiting<'r>(row: &'r rusqlite::Row<'_>) -> rusqlite::Result<NewRow<'r>> {
    Ok(NewRow {
        key: read_key(row, 0)?,
        position: row.get(1)?,
        canonical: row.get_ref(2)?.as_blob()?,
        seen: row.get_ref(3)?.as_str_or_null()?,
    })
}
