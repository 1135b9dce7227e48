//! The tables in an SQLite file.
//!
//! Rows are read by direct connections: a look-up costs less than the way to a connection's thread. Each thing that is asked for takes
//! a run of one prepared statement, which here is a function call, not a round trip.

use async_trait::async_trait;
use gridshell_interfaces::name2key::{Grid, Imported, NameRows, NameStatistics};
use rusqlite::{Connection, Params, ToSql};
use sqlx::sqlite::SqliteConnection;
use sqlx::{query, query_as, query_scalar};
use uuid::Uuid;

use super::sqlite_import;
use super::table::{Fresh, Known, MAX_ENTRIES_OF_ONE, NameTable, Page, Registered, Row, text};
use crate::database::migrations::{Column, Schema, Table};
use crate::database::{Result, SqliteDatabase};

/// Look-ups of more things than this in one call run in another thread.
const FEW: usize = 16;

// `last_seen` is in microseconds, different in each row, and so orders and names the rows. What most rows have alike is NULL: a name as
// seen that can be rebuilt, a grid as told in the same words as the first time, a first time that is the last.
pub(super) const SCHEMA: Schema = Schema {
    version: 1,
    tables: &[
        Table {
            name: "name2key_grids",
            create: &["CREATE TABLE IF NOT EXISTS name2key_grids (
                number INTEGER PRIMARY KEY,
                id BLOB NOT NULL UNIQUE,
                told TEXT NOT NULL
            )"],
            columns: &[
                Column { name: "number", add: None },
                Column { name: "id", add: None },
                Column { name: "told", add: None },
            ],
            repairs: &[],
        },
        Table {
            name: "name2key_entries",
            create: &[
                "CREATE TABLE IF NOT EXISTS name2key_entries (
                    last_seen INTEGER PRIMARY KEY,
                    canonical BLOB NOT NULL,
                    avatar_key BLOB NOT NULL,
                    grid INTEGER NOT NULL,
                    seen TEXT,
                    told TEXT,
                    first_seen INTEGER,
                    source INTEGER NOT NULL,
                    verified INTEGER NOT NULL
                )",
                "CREATE INDEX IF NOT EXISTS name2key_names ON name2key_entries (canonical)",
            ],
            columns: &[
                Column { name: "last_seen", add: None },
                Column { name: "canonical", add: None },
                Column { name: "avatar_key", add: None },
                Column { name: "grid", add: None },
                Column { name: "seen", add: None },
                Column { name: "told", add: None },
                Column { name: "first_seen", add: None },
                Column { name: "source", add: None },
                Column { name: "verified", add: None },
            ],
            repairs: &[],
        },
        // An index by key. It is a table because a table can be filled in the order of its keys (sqlite_import.rs).
        Table {
            name: "name2key_keys",
            create: &["CREATE TABLE IF NOT EXISTS name2key_keys (
                avatar_key BLOB NOT NULL,
                grid INTEGER NOT NULL,
                last_seen INTEGER NOT NULL,
                PRIMARY KEY (avatar_key, grid)
            ) WITHOUT ROWID"],
            columns: &[
                Column { name: "avatar_key", add: None },
                Column { name: "grid", add: None },
                Column { name: "last_seen", add: None },
            ],
            repairs: &[],
        },
    ],
    steps: &[],
};

// CROSS JOIN keeps the order of the tables: without statistics SQLite might begin with the grids.

const ROW: &str = "SELECT e.avatar_key, e.canonical, e.seen, g.id, coalesce(e.told, g.told), e.first_seen, e.last_seen, e.source, \
    e.verified FROM ";
const BY_NAME: &str = "name2key_entries AS e CROSS JOIN name2key_grids AS g ON g.number = e.grid WHERE e.canonical = ?";
const BY_KEY: &str = "name2key_keys AS k CROSS JOIN name2key_entries AS e ON e.last_seen = k.last_seen \
    CROSS JOIN name2key_grids AS g ON g.number = e.grid WHERE k.avatar_key = ?";
const BY_PREFIX: &str = "name2key_entries AS e CROSS JOIN name2key_grids AS g ON g.number = e.grid \
    WHERE e.canonical >= ?1 AND e.canonical < ?2 ORDER BY e.canonical, e.last_seen DESC LIMIT ?3 OFFSET ?4";
const ENTRIES_AFTER: &str = "name2key_keys AS k CROSS JOIN name2key_entries AS e ON e.last_seen = k.last_seen \
    CROSS JOIN name2key_grids AS g ON g.number = e.grid WHERE k.avatar_key >= ?1 AND (k.avatar_key > ?1 OR g.id > ?2) \
    ORDER BY k.avatar_key, g.id LIMIT ?3";
const COUNT_BY_GRID: &str = "SELECT g.id, count(*) FROM name2key_entries AS e CROSS JOIN name2key_grids AS g ON g.number = e.grid \
    GROUP BY g.number ORDER BY 2 DESC, 1";
// First the index alone, then the few names that occur twice.
const COUNT_SHARED: &str = "SELECT count(*) FROM (SELECT canonical FROM name2key_entries GROUP BY canonical HAVING count(*) > 1) AS d \
    WHERE (SELECT min(avatar_key) <> max(avatar_key) FROM name2key_entries AS e WHERE e.canonical = d.canonical)";
const SIZE: &str = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
pub(super) const KNOWN: &str = "SELECT e.last_seen, e.canonical, e.seen, coalesce(e.first_seen, e.last_seen / 1000000), e.source, e.verified \
    FROM name2key_keys AS k CROSS JOIN name2key_entries AS e ON e.last_seen = k.last_seen WHERE k.avatar_key = ? AND k.grid = ?";
const COUNT_OF_NAME: &str = "SELECT count(*) FROM (SELECT 1 FROM name2key_entries WHERE canonical = ? LIMIT ?)";
const COUNT_OF_KEY: &str = "SELECT count(*) FROM (SELECT 1 FROM name2key_keys WHERE avatar_key = ? LIMIT ?)";
pub(super) const ADD_GRID: &str = "INSERT INTO name2key_grids (id, told) VALUES (?, ?)";
pub(super) const GRID: &str = "SELECT number, told FROM name2key_grids WHERE id = ?";
pub(super) const MOST_RECENT: &str = "SELECT coalesce(max(last_seen), 0) FROM name2key_entries";
pub(super) const INSERT: &str = "INSERT INTO name2key_entries (last_seen, canonical, avatar_key, grid, seen, told, first_seen, source, verified) \
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
pub(super) const SET_KEY: &str = "INSERT INTO name2key_keys (avatar_key, grid, last_seen) VALUES (?, ?, ?) \
    ON CONFLICT (avatar_key, grid) DO UPDATE SET last_seen = excluded.last_seen";
pub(super) const DELETE: &str = "DELETE FROM name2key_entries WHERE last_seen = ?";
const FORGET: &str = "DELETE FROM name2key_entries WHERE last_seen IN (SELECT k.last_seen FROM name2key_keys AS k \
    CROSS JOIN name2key_grids AS g ON g.number = k.grid WHERE k.avatar_key = ?1 AND (?2 IS NULL OR g.id = ?2))";
const FORGET_KEY: &str = "DELETE FROM name2key_keys WHERE avatar_key = ?1 \
    AND (?2 IS NULL OR grid = (SELECT number FROM name2key_grids WHERE id = ?2))";

#[derive(Debug)]
pub(super) struct Names {
    database: SqliteDatabase,
}

impl Names {
    pub(super) fn new(database: SqliteDatabase) -> Self {
        Self { database }
    }

    /// The rows of each of these things, found by one statement for each.
    async fn rows_of_each<K>(&self, condition: &'static str, wanted: Vec<K>) -> Result<Vec<Vec<Row>>>
    where
        K: AsRef<[u8]> + Send + 'static,
    {
        let few = wanted.len() <= FEW;
        let read = move |connection: &Connection| {
            // All of them from one state of the file.
            let _transaction = if wanted.len() > 1 { Some(connection.unchecked_transaction()?) } else { None };
            wanted.iter().map(|wanted| rows(connection, condition, [wanted.as_ref()])).collect()
        };
        if few { self.database.look_up(read).await } else { self.database.read_aside(move |connection| read(connection)).await }
    }
}

fn rows(connection: &Connection, condition: &str, parameters: impl Params) -> rusqlite::Result<Vec<Row>> {
    let mut statement = connection.prepare_cached(&format!("{ROW}{condition}"))?;
    statement.query_map(parameters, read_row)?.collect()
}

fn read_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let last_seen: i64 = row.get(6)?;
    Ok(Row {
        key: read_key(row, 0)?,
        canonical: text(row.get_ref(1)?.as_blob()?),
        seen: row.get(2)?,
        grid_id: text(row.get_ref(3)?.as_blob()?),
        grid: row.get(4)?,
        first_seen: row.get::<_, Option<i64>>(5)?.unwrap_or(last_seen / super::table::MICROSECONDS),
        last_seen,
        source: row.get(7)?,
        verified: row.get(8)?,
    })
}

pub(super) fn read_key(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Uuid> {
    row.get(column).map(Uuid::from_bytes)
}

fn count(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get(column).map(i64::unsigned_abs)
}

/// A number as SQLite takes it.
fn number(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[async_trait]
impl NameTable for Names {
    async fn by_canonical(&self, names: Vec<String>) -> Result<Vec<Vec<Row>>> {
        self.rows_of_each(BY_NAME, names).await
    }

    async fn by_keys(&self, keys: Vec<Uuid>) -> Result<Vec<Vec<Row>>> {
        self.rows_of_each(BY_KEY, keys).await
    }

    async fn by_prefix(&self, prefix: String, page: Page) -> Result<Vec<Row>> {
        let from = prefix.into_bytes();
        // No byte of UTF-8 is as great.
        let to = [from.as_slice(), &[0xff]].concat();
        let read = move |connection: &mut Connection| {
            let parameters: [&dyn ToSql; 4] = [&from, &to, &number(page.limit), &number(page.offset)];
            rows(connection, BY_PREFIX, parameters)
        };
        self.database.read_aside(read).await
    }

    async fn register(&self, fresh: Fresh) -> Result<Registered> {
        self.database.write(move |connection| Box::pin(async move { register(connection, fresh).await })).await
    }

    async fn import(&self, grid: &Grid, rows: &mut dyn NameRows) -> gridshell_interfaces::Result<Imported> {
        sqlite_import::import(&self.database, grid, rows).await
    }

    async fn forget(&self, key: Uuid, grid: Option<String>) -> Result<u64> {
        let write = self.database.write(move |connection| {
            Box::pin(async move {
                let (key, grid) = (key.as_bytes().as_slice(), grid.as_deref().map(str::as_bytes));
                let forgotten = query(FORGET).bind(key).bind(grid).execute(&mut *connection).await?.rows_affected();
                query(FORGET_KEY).bind(key).bind(grid).execute(connection).await?;
                Ok(forgotten)
            })
        });
        write.await
    }

    async fn entries_after(&self, key: Uuid, grid: String, limit: usize) -> Result<Vec<Row>> {
        let read = move |connection: &mut Connection| {
            let parameters: [&dyn ToSql; 3] = [&key.as_bytes(), &grid.as_bytes(), &number(limit)];
            rows(connection, ENTRIES_AFTER, parameters)
        };
        self.database.read_aside(read).await
    }

    async fn statistics(&self) -> Result<NameStatistics> {
        let read = |connection: &mut Connection| {
            let _transaction = connection.unchecked_transaction()?;
            let mut by_grid = connection.prepare(COUNT_BY_GRID)?;
            let by_grid = by_grid.query_map([], |row| Ok((text(row.get_ref(0)?.as_blob()?), count(row, 1)?)))?;
            Ok::<_, rusqlite::Error>(NameStatistics {
                entries: by_grid.collect::<rusqlite::Result<_>>()?,
                shared_names: connection.query_row(COUNT_SHARED, [], |row| count(row, 0))?,
                bytes: Some(connection.query_row(SIZE, [], |row| count(row, 0))?),
            })
        };
        self.database.read_aside(read).await
    }
}

/// The known row of a key on a grid: when it was last seen, canonical name, name as seen, first seen, source, verified.
type KnownRow = (i64, Vec<u8>, Option<String>, i64, i16, bool);

async fn register(connection: &mut SqliteConnection, fresh: Fresh) -> Result<Registered> {
    let key = fresh.key.into_bytes();
    let grid: Option<(i64, String)> = query_as(GRID).bind(fresh.grid_id.as_bytes()).fetch_optional(&mut *connection).await?;
    let known: Option<KnownRow> = match &grid {
        Some((grid, _)) => query_as(KNOWN).bind(&key[..]).bind(grid).fetch_optional(&mut *connection).await?,
        None => None,
    };
    let is_new = known.is_none();
    let old = known.as_ref().map(|known| known.0);
    let (row, is_renamed) = match known {
        None => (fresh, true),
        Some((_, canonical, seen, first_seen, source, verified)) => {
            let known = Known { canonical: text(&canonical), seen, first_seen, source, verified };
            let Some(row) = fresh.in_place_of(&known) else { return Ok(Registered::Contradicted) };
            let is_renamed = row.canonical != known.canonical;
            (row, is_renamed)
        }
    };
    let limit = number(MAX_ENTRIES_OF_ONE);
    let of_name = query_scalar::<_, i64>(COUNT_OF_NAME).bind(row.canonical.as_bytes()).bind(limit);
    let of_key = query_scalar::<_, i64>(COUNT_OF_KEY).bind(&key[..]).bind(limit);
    if is_renamed && of_name.fetch_one(&mut *connection).await? >= limit
        || is_new && of_key.fetch_one(&mut *connection).await? >= limit
    {
        return Ok(Registered::TooMany);
    }

    let (grid, told) = match grid {
        Some(grid) => grid,
        None => {
            let added = query(ADD_GRID).bind(row.grid_id.as_bytes()).bind(&row.grid).execute(&mut *connection).await?;
            (added.last_insert_rowid(), row.grid.clone())
        }
    };
    if let Some(old) = old {
        query(DELETE).bind(old).execute(&mut *connection).await?;
    }
    let most_recent: i64 = query_scalar(MOST_RECENT).fetch_one(&mut *connection).await?;
    let last_seen = row.last_seen.max(most_recent + 1);
    query(INSERT)
        .bind(last_seen)
        .bind(row.canonical.as_bytes())
        .bind(&key[..])
        .bind(grid)
        .bind(&row.seen)
        .bind((row.grid != told).then_some(&row.grid))
        .bind(row.first_seen)
        .bind(row.source)
        .bind(row.verified)
        .execute(&mut *connection)
        .await?;
    query(SET_KEY).bind(&key[..]).bind(grid).bind(last_seen).execute(connection).await?;
    Ok(Registered::Stored)
}
