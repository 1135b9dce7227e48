//! Connections that are shared: how many, how old, and what happens when one of them turns out to be dead.

use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::pool::{PoolConnection, PoolOptions};
use sqlx::{ConnectOptions, Connection, Pool, SqlSafeStr, SqlStr};

use super::{DatabaseError, DatabaseOptions, PoolState, Result};

/// A connection that was idle for longer is asked for a sign of life before it is used.
const TRUSTED_IDLE: Duration = Duration::from_secs(5);
/// How long to wait for that sign.
const PING_TIMEOUT: Duration = Duration::from_secs(3);
/// How often a transaction that meets others is tried.
const MAX_CONFLICTS: u32 = 20;
/// How long it waits before it is tried again; longer each time.
const CONFLICT_PAUSE: Duration = Duration::from_millis(3);

/// The pool settings of the dialects that talk to a server.
pub(super) fn pool_options<DB: sqlx::Database>(options: &DatabaseOptions) -> PoolOptions<DB> {
    PoolOptions::new()
        .max_connections(options.max_connections)
        .acquire_timeout(options.acquire_timeout)
        // A ping for every use would double the round trips. Connections in steady use are known to be alive, and `run` repeats
        // what fails on a dead one.
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move { Ok(meta.idle_for < TRUSTED_IDLE || answers::<DB>(connection).await) })
        })
}

pub(super) fn pool_state<DB: sqlx::Database>(pool: &Pool<DB>) -> PoolState {
    let size = pool.size();
    let idle = u32::try_from(pool.num_idle()).unwrap_or(u32::MAX).min(size);
    PoolState { size, idle, in_use: size - idle }
}

/// Runs an operation that may be repeated without harm: when its connection proves to be dead, once more on a fresh one. The
/// connection of an operation that takes longer than `limit` is thrown away.
pub(super) async fn run<DB, T, F>(pool: &Pool<DB>, limit: Duration, operation: F) -> Result<T>
where
    DB: sqlx::Database,
    F: for<'c> Fn(&'c mut DB::Connection) -> BoxFuture<'c, Result<T, sqlx::Error>>,
{
    let connection = acquire(pool).await?;
    match attempt(connection, limit, &operation).await {
        Err(error) if error.is_connection_lost() => {
            tracing::debug!(%error, "connection lost; once more on a fresh one");
            let connection = acquire_living(pool).await?;
            attempt(connection, limit, &operation).await
        }
        result => result,
    }
}

async fn attempt<DB, T, F>(mut connection: PoolConnection<DB>, limit: Duration, operation: &F) -> Result<T>
where
    DB: sqlx::Database,
    F: for<'c> Fn(&'c mut DB::Connection) -> BoxFuture<'c, Result<T, sqlx::Error>>,
{
    let result = match tokio::time::timeout(limit, operation(&mut connection)).await {
        Ok(result) => result.map_err(DatabaseError::from),
        Err(_) => {
            // The answer may still come, and would be taken for that of the next statement's wait.
            connection.close_on_drop();
            return Err(DatabaseError::Timeout(limit));
        }
    };
    if result.as_ref().is_err_and(DatabaseError::is_connection_lost) {
        connection.close_on_drop();
    }
    result
}

/// Opens a connection outside of the pool.
pub(super) async fn connect<O>(options: &O, limit: Duration) -> Result<O::Connection>
where
    O: ConnectOptions,
    O::Connection: Sized,
{
    tokio::time::timeout(limit, options.connect()).await.map_err(|_| DatabaseError::Timeout(limit))?.map_err(DatabaseError::from)
}

/// How long an operation may take. The server ends a statement itself when its time is over; waiting a little longer here leaves
/// the connection usable.
pub(super) fn statement_limit(statement_timeout: Duration) -> Duration {
    statement_timeout + Duration::from_secs(2)
}

/// How long a transaction may take, of several statements with this limit each.
pub(super) fn transaction_limit(statement_timeout: Duration) -> Duration {
    statement_timeout * 4 + Duration::from_secs(2)
}

/// Runs an operation in a transaction that `begin` opens: as a whole or not at all. It is repeated when the server gave it up in favour
/// of another one, and once when its connection proves to be dead before anything could be committed. When the connection is lost
/// while committing, nobody knows what became of it, and that is an error.
pub(super) async fn transaction<DB, T, F>(pool: &Pool<DB>, limit: Duration, begin: &'static str, operation: F) -> Result<T>
where
    DB: sqlx::Database,
    F: for<'c> Fn(&'c mut DB::Connection) -> BoxFuture<'c, Result<T, sqlx::Error>>,
{
    let begin = begin.into_sql_str();
    let mut connection = acquire(pool).await?;
    let mut lost = false;
    for attempt in 1.. {
        let Ok(result) =
            tokio::time::timeout(limit, in_transaction::<DB, T, F>(&mut connection, begin.clone(), &operation)).await
        else {
            connection.close_on_drop();
            return Err(DatabaseError::Timeout(limit));
        };
        let (stage, error) = match result {
            Ok(value) => return Ok(value),
            Err((stage, error)) => (stage, DatabaseError::from(error)),
        };
        if error.is_conflict() && attempt < MAX_CONFLICTS {
            tracing::debug!(%error, attempt, "the transaction met another one; once more");
            tokio::time::sleep(CONFLICT_PAUSE * attempt).await;
        } else if error.is_connection_lost() {
            connection.close_on_drop();
            if lost || stage == Stage::Commit {
                return Err(error);
            }
            tracing::debug!(%error, "connection lost; once more on a fresh one");
            lost = true;
            connection = acquire_living(pool).await?;
        } else {
            return Err(error);
        }
    }
    Err(DatabaseError::Closed)
}

/// How far a transaction came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Work,
    Commit,
}

async fn in_transaction<DB, T, F>(
    connection: &mut PoolConnection<DB>,
    begin: SqlStr,
    operation: &F,
) -> Result<T, (Stage, sqlx::Error)>
where
    DB: sqlx::Database,
    F: for<'c> Fn(&'c mut DB::Connection) -> BoxFuture<'c, Result<T, sqlx::Error>>,
{
    let working = |error| (Stage::Work, error);
    let mut transaction = connection.begin_with(begin).await.map_err(working)?;
    match operation(&mut transaction).await {
        Ok(value) => {
            transaction.commit().await.map_err(|error| (Stage::Commit, error))?;
            Ok(value)
        }
        Err(error) => {
            // On a connection that is dead this fails too; the first error says more.
            let _ = transaction.rollback().await;
            Err(working(error))
        }
    }
}

async fn acquire<DB: sqlx::Database>(pool: &Pool<DB>) -> Result<PoolConnection<DB>> {
    pool.acquire().await.map_err(|error| match error {
        sqlx::Error::PoolTimedOut => no_connection(pool.options()),
        error => error.into(),
    })
}

/// The pool does not tell which of the two it is.
fn no_connection<DB: sqlx::Database>(options: &PoolOptions<DB>) -> DatabaseError {
    DatabaseError::NoConnection { within: options.get_acquire_timeout(), most: options.get_max_connections() }
}

/// A connection that has just answered. After a restart of the server all pooled connections are dead; each is tried once.
async fn acquire_living<DB: sqlx::Database>(pool: &Pool<DB>) -> Result<PoolConnection<DB>> {
    for _ in 0..pool.options().get_max_connections() {
        let mut connection = acquire(pool).await?;
        if answers::<DB>(&mut connection).await {
            return Ok(connection);
        }
        connection.close_on_drop();
    }
    Err(no_connection(pool.options()))
}

async fn answers<DB: sqlx::Database>(connection: &mut DB::Connection) -> bool {
    matches!(tokio::time::timeout(PING_TIMEOUT, connection.ping()).await, Ok(Ok(())))
}
