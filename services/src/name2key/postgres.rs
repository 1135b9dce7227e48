//! The table in PostgreSQL.

use async_trait::async_trait;
use gridshell_interfaces::name2key::{Grid, Imported, NameBatch, NameRows, NameStatistics, canonical_name};
use sqlx::postgres::{PgArguments, PgConnection, PgRow, Postgres};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Connection, Executor, Row as _, query, query_scalar};
use uuid::Uuid;

use super::table::{Fresh, Known, MAX_ENTRIES_OF_ONE, NameTable, Page, Registered, Row, SERVER_COLUMNS, by_value, seen, text};
use crate::database::migrations::{Schema, Table};
use crate::database::{DatabaseError, PostgresDatabase, Result};

type SqlResult<T> = std::result::Result<T, sqlx::Error>;

pub(super) const SCHEMA: Schema = Schema {
    version: 1,
    tables: &[Table {
        name: "name2key_entries",
        // What is compared is bytes, whatever the collation of the database.
        create: &[
            "CREATE TABLE IF NOT EXISTS name2key_entries (
                avatar_key uuid NOT NULL,
                grid_id bytea NOT NULL,
                canonical bytea NOT NULL,
                seen text,
                grid text NOT NULL,
                first_seen bigint NOT NULL,
                last_seen bigint NOT NULL,
                source smallint NOT NULL,
                verified boolean NOT NULL,
                PRIMARY KEY (avatar_key, grid_id)
            )",
            "CREATE INDEX IF NOT EXISTS name2key_names ON name2key_entries (canonical)",
        ],
        columns: SERVER_COLUMNS,
        repairs: &[],
    }],
    steps: &[],
};

const ROW: &str =
    "SELECT avatar_key, canonical, seen, grid_id, grid, first_seen, last_seen, source, verified FROM name2key_entries ";
const BY_NAME: &str = "WHERE canonical = ANY($1)";
const BY_KEY: &str = "WHERE avatar_key = ANY($1)";
const BY_PREFIX: &str =
    "WHERE canonical >= $1 AND canonical < $2 ORDER BY canonical, last_seen DESC, avatar_key LIMIT $3 OFFSET $4";
const ENTRIES_AFTER: &str = "WHERE (avatar_key, grid_id) > ($1, $2) ORDER BY avatar_key, grid_id LIMIT $3";
const COUNT_BY_GRID: &str = "SELECT grid_id, count(*) FROM name2key_entries GROUP BY grid_id ORDER BY 2 DESC, 1";
const COUNT_SHARED: &str = "SELECT count(*) FROM (SELECT 1 FROM name2key_entries GROUP BY canonical \
    HAVING count(*) > 1 AND count(DISTINCT avatar_key) > 1) AS shared";
const SIZE: &str = "SELECT pg_total_relation_size('name2key_entries')";
const KNOWN: &str = "SELECT canonical, seen, first_seen, source, verified FROM name2key_entries \
    WHERE avatar_key = $1 AND grid_id = $2 FOR UPDATE";
const COUNT_OF_NAME: &str = "SELECT count(*) FROM (SELECT 1 FROM name2key_entries WHERE canonical = $1 LIMIT $2) AS n";
const COUNT_OF_KEY: &str = "SELECT count(*) FROM (SELECT 1 FROM name2key_entries WHERE avatar_key = $1 LIMIT $2) AS n";
const INSERT: &str = "INSERT INTO name2key_entries (canonical, seen, grid, first_seen, last_seen, source, verified, avatar_key, grid_id) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
const UPDATE: &str = "UPDATE name2key_entries SET canonical = $1, seen = $2, grid = $3, first_seen = $4, last_seen = $5, source = $6, \
    verified = $7 WHERE avatar_key = $8 AND grid_id = $9";
const FORGET: &str = "DELETE FROM name2key_entries WHERE avatar_key = $1 AND ($2::bytea IS NULL OR grid_id = $2)";

// An import: rows gather in a table that only its connection sees, and that is gone with it. Of several rows of a key the last stays.
const CREATE_WAITING: &str = "CREATE TEMPORARY TABLE name2key_waiting (avatar_key uuid PRIMARY KEY, position bigint NOT NULL, \
    canonical bytea NOT NULL, seen text)";
// One statement must not change a row twice.
const WAIT: &str = "INSERT INTO name2key_waiting SELECT DISTINCT ON (avatar_key) * FROM unnest($1::uuid[], $2::bigint[], $3::bytea[], \
    $4::text[]) AS rows (avatar_key, position, canonical, seen) ORDER BY avatar_key, position DESC \
    ON CONFLICT (avatar_key) DO UPDATE SET position = excluded.position, canonical = excluded.canonical, seen = excluded.seen";
// Others go on reading. Who registers waits, so that the two statements see the same rows.
const LOCK: &str = "LOCK TABLE name2key_entries IN SHARE ROW EXCLUSIVE MODE";
const IMPORT_CHANGED: &str = "UPDATE name2key_entries AS e SET canonical = w.canonical, seen = w.seen, grid = $1, \
    last_seen = $2 + w.position, source = 0 FROM name2key_waiting AS w \
    WHERE w.avatar_key = e.avatar_key AND e.grid_id = $3 AND NOT e.verified AND e.canonical <> w.canonical";
const IMPORT_ADDED: &str = "INSERT INTO name2key_entries (avatar_key, grid_id, canonical, seen, grid, first_seen, last_seen, source, \
    verified) SELECT w.avatar_key, $1, w.canonical, w.seen, $2, $3, $4 + w.position, 0, false FROM name2key_waiting AS w \
    WHERE NOT EXISTS (SELECT FROM name2key_entries AS e WHERE e.avatar_key = w.avatar_key AND e.grid_id = $1)";

#[derive(Debug)]
pub(super) struct Names {
    database: PostgresDatabase,
}

impl Names {
    pub(super) fn new(database: PostgresDatabase) -> Self {
        Self { database }
    }

    /// The rows that a condition on one list finds.
    async fn rows_in<L>(&self, condition: &'static str, list: L) -> Result<Vec<Row>>
    where
        L: Clone + Send + Sync + 'static,
        for<'q> L: sqlx::Encode<'q, Postgres> + sqlx::Type<Postgres>,
    {
        let read = self.database.run(move |connection| {
            let list = list.clone();
            Box::pin(async move { rows(connection, condition, |query| query.bind(list)).await })
        });
        read.await
    }
}

type PgQuery = Query<'static, Postgres, PgArguments>;

async fn rows(connection: &mut PgConnection, condition: &str, bind: impl FnOnce(PgQuery) -> PgQuery) -> SqlResult<Vec<Row>> {
    let select = query(AssertSqlSafe(format!("{ROW}{condition}")));
    bind(select).fetch_all(connection).await?.iter().map(read_row).collect()
}

fn read_row(row: &PgRow) -> SqlResult<Row> {
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
fn number(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[async_trait]
impl NameTable for Names {
    async fn by_canonical(&self, names: Vec<String>) -> Result<Vec<Vec<Row>>> {
        let asked: Vec<Vec<u8>> = names.iter().map(|name| name.clone().into_bytes()).collect();
        let found = self.rows_in(BY_NAME, asked).await?;
        Ok(by_value(&names, found, |row| row.canonical.clone()))
    }

    async fn by_keys(&self, keys: Vec<Uuid>) -> Result<Vec<Vec<Row>>> {
        let found = self.rows_in(BY_KEY, keys.clone()).await?;
        Ok(by_value(&keys, found, |row| row.key))
    }

    async fn by_prefix(&self, prefix: String, page: Page) -> Result<Vec<Row>> {
        let from = prefix.into_bytes();
        // No byte of UTF-8 is as great.
        let to = [from.as_slice(), &[0xff]].concat();
        let read = self.database.run(move |connection| {
            let (from, to) = (from.clone(), to.clone());
            Box::pin(async move {
                let bind = |query: PgQuery| query.bind(from).bind(to).bind(number(page.limit)).bind(number(page.offset));
                rows(connection, BY_PREFIX, bind).await
            })
        });
        read.await
    }

    async fn register(&self, fresh: Fresh) -> Result<Registered> {
        let transaction = self.database.transaction(move |connection| {
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
        let taken_over = take_over(&mut connection, grid, super::now()).await;
        (imported.changed, imported.added) = taken_over.map_err(|error| failed(error.into()))?;
        // The connection is done with; a failure to say goodbye changes nothing.
        let _ = connection.close().await;
        Ok(imported)
    }

    async fn forget(&self, key: Uuid, grid: Option<String>) -> Result<u64> {
        let transaction = self.database.transaction(move |connection| {
            let grid = grid.clone().map(String::into_bytes);
            Box::pin(async move { Ok(query(FORGET).bind(key).bind(grid).execute(connection).await?.rows_affected()) })
        });
        transaction.await
    }

    async fn entries_after(&self, key: Uuid, grid: String, limit: usize) -> Result<Vec<Row>> {
        let read = self.database.run(move |connection| {
            let grid = grid.clone().into_bytes();
            Box::pin(async move { rows(connection, ENTRIES_AFTER, |query| query.bind(key).bind(grid).bind(number(limit))).await })
        });
        read.await
    }

    async fn statistics(&self) -> Result<NameStatistics> {
        let read = self.database.run(|connection| {
            Box::pin(async move {
                let by_grid = query(COUNT_BY_GRID).fetch_all(&mut *connection).await?;
                let by_grid = by_grid.iter().map(|row| Ok((text(row.try_get(0)?), row.try_get::<i64, _>(1)?.unsigned_abs())));
                let shared: i64 = query_scalar(COUNT_SHARED).fetch_one(&mut *connection).await?;
                let size: i64 = query_scalar(SIZE).fetch_one(&mut *connection).await?;
                Ok(NameStatistics {
                    entries: by_grid.collect::<SqlResult<_>>()?,
                    shared_names: shared.unsigned_abs(),
                    bytes: Some(size.unsigned_abs()),
                })
            })
        });
        read.await
    }
}

async fn register(connection: &mut PgConnection, fresh: Fresh) -> SqlResult<Registered> {
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
    let limit = number(MAX_ENTRIES_OF_ONE);
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
async fn wait(connection: &mut PgConnection, batch: &NameBatch, before: u64) -> SqlResult<()> {
    let (mut keys, mut positions, mut names, mut all_seen) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (position, (key, name)) in (before..).zip(batch.iter()) {
        let canonical = canonical_name(name);
        all_seen.push(seen(&canonical, name));
        keys.push(key);
        positions.push(i64::try_from(position).unwrap_or(i64::MAX));
        names.push(canonical.into_bytes());
    }
    query(WAIT).bind(keys).bind(positions).bind(names).bind(all_seen).execute(connection).await?;
    Ok(())
}

/// Takes what waits over into the entries, in one transaction; gives how many were changed and added.
async fn take_over(connection: &mut PgConnection, grid: &Grid, now: i64) -> SqlResult<(u64, u64)> {
    let id = grid.id().into_bytes();
    // Without it the server would plan as if the table were empty.
    connection.execute("ANALYZE name2key_waiting").await?;
    let mut transaction = connection.begin().await?;
    transaction.execute(LOCK).await?;
    let changed = query(IMPORT_CHANGED).bind(&grid.0).bind(now).bind(&id).execute(&mut *transaction).await?;
    let seconds = now / super::table::MICROSECONDS;
    let added = query(IMPORT_ADDED).bind(&id).bind(&grid.0).bind(seconds).bind(now).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok((changed.rows_affected(), added.rows_affected()))
}
