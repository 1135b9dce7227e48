//! The table in MariaDB and MySQL.

use std::hash::Hash;

use async_trait::async_trait;
use gridshell_interfaces::name2key::{Grid, Imported, NameBatch, NameRows, NameStatistics, canonical_name};
use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::{Connection, Executor, MySql, QueryBuilder, Row as _, query, query_scalar};
use uuid::Uuid;

use super::table::{Fresh, Known, MAX_ENTRIES_OF_ONE, NameTable, Page, Registered, Row, SERVER_COLUMNS, by_value, seen, text};
use crate::database::migrations::{Schema, Table};
use crate::database::{DatabaseError, Isolation, MySqlDatabase, Result};

type SqlResult<T> = std::result::Result<T, sqlx::Error>;

/// How many things are looked for by one statement.
const CHUNK: usize = 4096;
/// How many rows of an import are sent in one statement. It has four places for each, and at most 65,535.
const ROWS: usize = 4096;
/// How often the end of an import is tried when the server gives it up in favour of registrations.
const MAX_CONFLICTS: u32 = 20;

pub(super) const SCHEMA: Schema = Schema {
    version: 1,
    tables: &[Table {
        name: "name2key_entries",
        // What is compared is binary: no collation, no blanks that do not count. Lower case may be longer than what it was made of.
        create: &["CREATE TABLE IF NOT EXISTS name2key_entries (
            avatar_key BINARY(16) NOT NULL,
            grid_id VARBINARY(400) NOT NULL,
            canonical VARBINARY(400) NOT NULL,
            seen VARCHAR(255) NULL,
            grid VARCHAR(255) NOT NULL,
            first_seen BIGINT NOT NULL,
            last_seen BIGINT NOT NULL,
            source SMALLINT NOT NULL,
            verified TINYINT(1) NOT NULL,
            PRIMARY KEY (avatar_key, grid_id),
            KEY name2key_names (canonical)
        ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"],
        columns: SERVER_COLUMNS,
        repairs: &[],
    }],
    steps: &[],
};

const ROW: &str =
    "SELECT avatar_key, canonical, seen, grid_id, grid, first_seen, last_seen, source, verified FROM name2key_entries ";
const COUNT_BY_GRID: &str = "SELECT grid_id, COUNT(*) FROM name2key_entries GROUP BY grid_id ORDER BY 2 DESC, 1";
const COUNT_SHARED: &str = "SELECT COUNT(*) FROM (SELECT canonical FROM name2key_entries GROUP BY canonical \
    HAVING COUNT(*) > 1 AND MIN(avatar_key) <> MAX(avatar_key)) AS shared";
const SIZE: &str = "SELECT CAST(data_length + index_length AS SIGNED) FROM information_schema.tables \
    WHERE table_schema = DATABASE() AND table_name = 'name2key_entries'";
const KNOWN: &str = "SELECT canonical, seen, first_seen, source, verified FROM name2key_entries \
    WHERE avatar_key = ? AND grid_id = ? FOR UPDATE";
const COUNT_OF_NAME: &str = "SELECT COUNT(*) FROM (SELECT 1 FROM name2key_entries WHERE canonical = ? LIMIT ?) AS n";
const COUNT_OF_KEY: &str = "SELECT COUNT(*) FROM (SELECT 1 FROM name2key_entries WHERE avatar_key = ? LIMIT ?) AS n";
const INSERT: &str = "INSERT INTO name2key_entries (canonical, seen, grid, first_seen, last_seen, source, verified, avatar_key, grid_id) \
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
const UPDATE: &str = "UPDATE name2key_entries SET canonical = ?, seen = ?, grid = ?, first_seen = ?, last_seen = ?, source = ?, \
    verified = ? WHERE avatar_key = ? AND grid_id = ?";
const FORGET: &str = "DELETE FROM name2key_entries WHERE avatar_key = ?";
const FORGET_ON_GRID: &str = "DELETE FROM name2key_entries WHERE avatar_key = ? AND grid_id = ?";

// An import: rows gather in a table that only its connection sees, and that is gone with it. Of several rows of a key the last stays.
const CREATE_WAITING: &str = "CREATE TEMPORARY TABLE name2key_waiting (avatar_key BINARY(16) NOT NULL PRIMARY KEY, \
    position BIGINT NOT NULL, canonical VARBINARY(400) NOT NULL, seen VARCHAR(255) NULL) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4";
const WAIT: &str = "INSERT INTO name2key_waiting (avatar_key, position, canonical, seen) ";
const WAIT_ANEW: &str =
    " ON DUPLICATE KEY UPDATE position = VALUES(position), canonical = VALUES(canonical), seen = VALUES(seen)";
const IMPORT_CHANGED: &str = "UPDATE name2key_entries AS e JOIN name2key_waiting AS w ON w.avatar_key = e.avatar_key \
    SET e.canonical = w.canonical, e.seen = w.seen, e.grid = ?, e.last_seen = ? + w.position, e.source = 0 \
    WHERE e.grid_id = ? AND e.verified = 0 AND e.canonical <> w.canonical";
const IMPORT_ADDED: &str = "INSERT INTO name2key_entries (avatar_key, grid_id, canonical, seen, grid, first_seen, last_seen, source, \
    verified) SELECT w.avatar_key, ?, w.canonical, w.seen, ?, ?, ? + w.position, 0, 0 FROM name2key_waiting AS w \
    LEFT JOIN name2key_entries AS e ON e.avatar_key = w.avatar_key AND e.grid_id = ? WHERE e.avatar_key IS NULL";

#[derive(Debug)]
pub(super) struct Names {
    database: MySqlDatabase,
}

impl Names {
    pub(super) fn new(database: MySqlDatabase) -> Self {
        Self { database }
    }

    /// The rows that have one of these values in the column, by value.
    async fn rows_of_each<K, F>(&self, column: &'static str, wanted: Vec<K>, value: F) -> Result<Vec<Vec<Row>>>
    where
        K: AsRef<[u8]> + Clone + Eq + Hash + Send + Sync + 'static,
        F: Fn(&Row) -> K,
    {
        let asked = wanted.clone();
        let read = self.database.run(move |connection| {
            let asked = asked.clone();
            Box::pin(async move {
                let mut found = Vec::new();
                for chunk in asked.chunks(CHUNK) {
                    let mut sql = QueryBuilder::<MySql>::new(ROW);
                    sql.push(format_args!("WHERE {column} IN ("));
                    let mut places = sql.separated(", ");
                    for wanted in chunk {
                        places.push_bind(wanted.as_ref());
                    }
                    sql.push(")");
                    found.extend(read_rows(&sql.build().fetch_all(&mut *connection).await?)?);
                }
                Ok(found)
            })
        });
        Ok(by_value(&wanted, read.await?, value))
    }
}

fn read_rows(rows: &[MySqlRow]) -> SqlResult<Vec<Row>> {
    rows.iter().map(read_row).collect()
}

fn read_row(row: &MySqlRow) -> SqlResult<Row> {
    Ok(Row {
        key: row.try_get(0)?,
        canonical: text(row.try_get(1)?),
        seen: row.try_get(2)?,
        grid_id: text(row.try_get(3)?),
        grid: row.try_get(4)?,
        first_seen: row.try_get(5)?,
        last_seen: row.try_get(6)?,
        source: row.try_get::<i16, _>(7)?.into(),
        verified: row.try_get(8)?,
    })
}

/// A number as the server takes it.
fn number(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[async_trait]
impl NameTable for Names {
    async fn by_canonical(&self, names: Vec<String>) -> Result<Vec<Vec<Row>>> {
        self.rows_of_each("canonical", names, |row| row.canonical.clone()).await
    }

    async fn by_keys(&self, keys: Vec<Uuid>) -> Result<Vec<Vec<Row>>> {
        self.rows_of_each("avatar_key", keys, |row| row.key).await
    }

    async fn by_prefix(&self, prefix: String, page: Page) -> Result<Vec<Row>> {
        let from = prefix.into_bytes();
        // No byte of UTF-8 is as great.
        let to = [from.as_slice(), &[0xff]].concat();
        let read = self.database.run(move |connection| {
            let (from, to) = (from.clone(), to.clone());
            Box::pin(async move {
                let mut sql = QueryBuilder::<MySql>::new(ROW);
                sql.push("WHERE canonical >= ").push_bind(from).push(" AND canonical < ").push_bind(to);
                sql.push(" ORDER BY canonical, last_seen DESC, avatar_key LIMIT ").push_bind(number(page.limit));
                sql.push(" OFFSET ").push_bind(number(page.offset));
                read_rows(&sql.build().fetch_all(connection).await?)
            })
        });
        read.await
    }

    async fn register(&self, fresh: Fresh) -> Result<Registered> {
        let transaction = self.database.transaction(Isolation::ReadCommitted, move |connection| {
            let fresh = fresh.clone();
            Box::pin(async move { register(connection, fresh).await })
        });
        transaction.await
    }

    async fn import(&self, grid: &Grid, rows: &mut dyn NameRows) -> gridshell_interfaces::Result<Imported> {
        let failed = |error: DatabaseError| error.during(format_args!("importing names of the grid '{grid}'"));
        let mut connection = self.database.connect_without_limit().await.map_err(failed)?;
        connection.execute(CREATE_WAITING).await.map_err(|error| failed(error.into()))?;
        let mut imported = Imported::default();
        while let Some(batch) = rows.next().await? {
            wait(&mut connection, &batch, imported.rows).await.map_err(|error| failed(error.into()))?;
            imported.rows += batch.len() as u64;
        }
        let now = super::now();
        let mut attempt = 1;
        (imported.changed, imported.added) = loop {
            match take_over(&mut connection, grid, now).await.map_err(DatabaseError::from) {
                Err(error) if error.is_conflict() && attempt < MAX_CONFLICTS => attempt += 1,
                result => break result.map_err(failed)?,
            }
        };
        // The connection is done with; a failure to say goodbye changes nothing.
        let _ = connection.close().await;
        Ok(imported)
    }

    async fn forget(&self, key: Uuid, grid: Option<String>) -> Result<u64> {
        let run = self.database.transaction(Isolation::ReadCommitted, move |connection| {
            let grid = grid.clone();
            Box::pin(async move {
                let forget = match grid {
                    Some(grid) => query(FORGET_ON_GRID).bind(key).bind(grid.into_bytes()),
                    None => query(FORGET).bind(key),
                };
                Ok(forget.execute(connection).await?.rows_affected())
            })
        });
        run.await
    }

    async fn entries_after(&self, key: Uuid, grid: String, limit: usize) -> Result<Vec<Row>> {
        let read = self.database.run(move |connection| {
            let grid = grid.clone().into_bytes();
            Box::pin(async move {
                let mut sql = QueryBuilder::<MySql>::new(ROW);
                sql.push("WHERE avatar_key >= ").push_bind(key);
                sql.push(" AND (avatar_key > ").push_bind(key).push(" OR grid_id > ").push_bind(grid);
                sql.push(") ORDER BY avatar_key, grid_id LIMIT ").push_bind(number(limit));
                read_rows(&sql.build().fetch_all(connection).await?)
            })
        });
        read.await
    }

    async fn statistics(&self) -> Result<NameStatistics> {
        let read = self.database.run(|connection| {
            Box::pin(async move {
                let by_grid = query(COUNT_BY_GRID).fetch_all(&mut *connection).await?;
                let by_grid = by_grid.iter().map(|row| Ok((text(row.try_get(0)?), row.try_get::<i64, _>(1)?.unsigned_abs())));
                let shared: i64 = query_scalar(COUNT_SHARED).fetch_one(&mut *connection).await?;
                let size: Option<i64> = query_scalar(SIZE).fetch_one(&mut *connection).await?;
                Ok(NameStatistics {
                    entries: by_grid.collect::<SqlResult<_>>()?,
                    shared_names: shared.unsigned_abs(),
                    bytes: size.map(i64::unsigned_abs),
                })
            })
        });
        read.await
    }
}

async fn register(connection: &mut MySqlConnection, fresh: Fresh) -> SqlResult<Registered> {
    let known = query(KNOWN).bind(fresh.key).bind(fresh.grid_id.as_bytes()).fetch_optional(&mut *connection).await?;
    let is_new = known.is_none();
    let (row, is_renamed) = match known {
        None => (fresh, true),
        Some(known) => {
            let known = Known {
                canonical: text(known.try_get(0)?),
                seen: known.try_get(1)?,
                first_seen: known.try_get(2)?,
                source: known.try_get(3)?,
                verified: known.try_get(4)?,
            };
            let Some(row) = fresh.in_place_of(&known) else { return Ok(Registered::Contradicted) };
            let is_renamed = row.canonical != known.canonical;
            (row, is_renamed)
        }
    };
    let limit = i64::try_from(MAX_ENTRIES_OF_ONE).unwrap_or(i64::MAX);
    let of_name = query_scalar::<_, i64>(COUNT_OF_NAME).bind(row.canonical.as_bytes()).bind(limit);
    let of_key = query_scalar::<_, i64>(COUNT_OF_KEY).bind(row.key).bind(limit);
    if is_renamed && of_name.fetch_one(&mut *connection).await? >= limit
        || is_new && of_key.fetch_one(&mut *connection).await? >= limit
    {
        return Ok(Registered::TooMany);
    }
    query(if is_new { INSERT } else { UPDATE })
        .bind(row.canonical.as_bytes())
        .bind(&row.seen)
        .bind(&row.grid)
        .bind(row.first_seen)
        .bind(row.last_seen)
        .bind(row.source)
        .bind(row.verified)
        .bind(row.key)
        .bind(row.grid_id.as_bytes())
        .execute(connection)
        .await?;
    Ok(Registered::Stored)
}

/// Puts rows into the table of the import. `before` is how many rows came before them.
async fn wait(connection: &mut MySqlConnection, batch: &NameBatch, before: u64) -> SqlResult<()> {
    let rows: Vec<_> = (before..).zip(batch.iter()).collect();
    for rows in rows.chunks(ROWS) {
        let mut sql = QueryBuilder::<MySql>::new(WAIT);
        sql.push_values(rows, |mut places, (position, (key, name))| {
            let canonical = canonical_name(name);
            let seen = seen(&canonical, name);
            places.push_bind(key).push_bind(*position).push_bind(canonical.into_bytes()).push_bind(seen);
        });
        sql.push(WAIT_ANEW);
        sql.build().persistent(false).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Takes what waits over into the entries, in one transaction; gives how many were changed and added.
async fn take_over(connection: &mut MySqlConnection, grid: &Grid, now: i64) -> SqlResult<(u64, u64)> {
    let id = grid.id().into_bytes();
    let mut transaction = connection.begin().await?;
    let changed = query(IMPORT_CHANGED).bind(&grid.0).bind(now).bind(&id).execute(&mut *transaction).await?;
    let seconds = now / super::table::MICROSECONDS;
    let added = query(IMPORT_ADDED).bind(&id).bind(&grid.0).bind(seconds).bind(now).bind(&id);
    let added = added.execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok((changed.rows_affected(), added.rows_affected()))
}
