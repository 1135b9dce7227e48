//! Reading an SQLite file without a hand-over to another thread.
//!
//! A connection of the pool lives in a thread of its own. The way there and back costs several times what a small look-up does, so
//! look-ups of single rows run in the thread that asks, on connections of their own that only read. The page cache of the operating
//! system keeps the file; where it does not, a thread waits for the disk: for a look-up through an index and its table that is about
//! three pages. On a slow disk with little memory this is felt by the other requests of that thread; there the pool is better.
//!
//! Files are read, never mapped into memory: an I/O error in a mapped file would end the process, and what is mapped counts as the
//! process's memory.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, InterruptHandle, OpenFlags};
use sqlx::SqliteConnection;
use sqlx::sqlite::LockedSqliteHandle;
use tokio::sync::Semaphore;

use super::{DatabaseError, DatabaseOptions, Result};

/// Connections that are kept when nobody uses them. There are never more in use than threads that ask.
const MAX_IDLE: usize = 16;

/// The connections to a file that need no other thread. Clones share them.
#[derive(Clone)]
pub(super) struct DirectConnections {
    file: PathBuf,
    patience: Duration,
    statement_timeout: Duration,
    idle: Arc<Mutex<Idle>>,
    /// A permit is the turn to read for long.
    turns: Arc<Semaphore>,
}

#[derive(Default)]
struct Idle {
    /// For look-ups; they wait for nobody.
    connections: Vec<Connection>,
    /// For long reads; at most as many as there are turns.
    patient: Vec<Connection>,
    closed: bool,
}

impl DirectConnections {
    /// Opens nothing yet. `long_reads` is how many long reads are under way at once.
    pub(super) fn new(file: &Path, options: &DatabaseOptions, long_reads: usize) -> Self {
        Self {
            file: file.to_owned(),
            patience: options.acquire_timeout,
            statement_timeout: options.statement_timeout,
            idle: Arc::default(),
            turns: Arc::new(Semaphore::new(long_reads)),
        }
    }

    /// Runs a short look-up here and now. No lock is held meanwhile, and nobody waits for a connection. When another process has the
    /// file for itself, the look-up waits for it in a thread where waiting harms nobody.
    pub(super) async fn look_up<T, F>(&self, look_up: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let connection = match self.take()? {
            Some(connection) => Ok(connection),
            None => {
                let connection = self.connect(OpenFlags::SQLITE_OPEN_READ_ONLY, Duration::ZERO)?;
                set_up_to_read(&connection).map(|()| connection)
            }
        };
        match connection.and_then(|connection| Ok((look_up(&connection)?, connection))) {
            Ok((found, connection)) => {
                self.give_back(connection);
                Ok(found)
            }
            Err(error) if is_busy(&error) => self.read_aside(move |connection| look_up(connection)).await,
            // The connection is not trusted any more.
            Err(error) => Err(error.into()),
        }
    }

    /// Runs a long read in another thread; it is interrupted at the statement time limit, and when the caller gives up.
    pub(super) async fn read_aside<T, E, F>(&self, read: F) -> Result<T>
    where
        T: Send + 'static,
        E: Into<DatabaseError> + Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
    {
        let turn = tokio::time::timeout(self.patience, Arc::clone(&self.turns).acquire_owned());
        let turn = turn.await.map_err(|_| DatabaseError::Timeout(self.patience))?.map_err(|_| DatabaseError::Closed)?;
        let idle = self.lock().patient.pop();
        let is_new = idle.is_none();
        let mut connection = match idle {
            Some(connection) => connection,
            None => self.connect(OpenFlags::SQLITE_OPEN_READ_ONLY, self.patience)?,
        };
        let mut interrupt = InterruptOnDrop(Some(connection.get_interrupt_handle()));
        let reading = tokio::task::spawn_blocking(move || {
            // Until the read is really over.
            let _turn = turn;
            if is_new {
                set_up_to_read(&connection)?;
            }
            read(&mut connection).map(|found| (found, connection)).map_err(Into::into)
        });
        let result = tokio::time::timeout(self.statement_timeout, reading).await;
        let result = result.map_err(|_| DatabaseError::Timeout(self.statement_timeout))?;
        interrupt.0 = None;
        let (found, connection) = result.map_err(|_| DatabaseError::Panicked)??;
        // Only now can nobody interrupt it any more.
        let mut idle = self.lock();
        if !idle.closed {
            idle.patient.push(connection);
        }
        Ok(found)
    }

    /// A connection for a write that takes minutes, with a page cache of this many KiB. It opens no transaction yet. What it commits
    /// is on disk; what it has committed stays in the WAL file until it says `PRAGMA wal_checkpoint`.
    pub(super) fn open_to_write(&self, cache_kib: u32) -> Result<Connection> {
        let connection = self.connect(OpenFlags::SQLITE_OPEN_READ_WRITE, self.patience)?;
        connection.execute_batch(&format!(
            "PRAGMA synchronous = EXTRA; PRAGMA cache_size = -{cache_kib}; PRAGMA wal_autocheckpoint = 0; \
             PRAGMA journal_size_limit = 67108864; PRAGMA foreign_keys = OFF"
        ))?;
        Ok(connection)
    }

    /// Opens a connection; nothing is read from the file yet.
    fn connect(&self, access: OpenFlags, patience: Duration) -> Result<Connection> {
        if self.lock().closed {
            return Err(DatabaseError::Closed);
        }
        let connection = Connection::open_with_flags(&self.file, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(patience)?;
        Ok(connection)
    }

    fn take(&self) -> Result<Option<Connection>> {
        let mut idle = self.lock();
        if idle.closed { Err(DatabaseError::Closed) } else { Ok(idle.connections.pop()) }
    }

    fn give_back(&self, connection: Connection) {
        let mut idle = self.lock();
        if !idle.closed && idle.connections.len() < MAX_IDLE {
            idle.connections.push(connection);
        }
    }

    /// Closes what is idle, and what is in use when it is given back. Later calls fail.
    pub(super) fn close(&self) {
        let idle = {
            let mut idle = self.lock();
            idle.closed = true;
            (std::mem::take(&mut idle.connections), std::mem::take(&mut idle.patient))
        };
        drop(idle);
        self.turns.close();
    }

    // It guards a list for a moment; nothing can panic meanwhile, but for a lack of memory.
    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection of sqlx that is used without its thread for a while. Transactions are begun and ended by sqlx, which keeps count of
/// them.
pub(crate) struct BorrowedConnection<'c> {
    // Dropped before the lock is given back.
    connection: Connection,
    _handle: LockedSqliteHandle<'c>,
}

impl<'c> BorrowedConnection<'c> {
    /// Takes the connection from its thread.
    pub(crate) async fn new(connection: &'c mut SqliteConnection) -> Result<Self> {
        let mut handle = connection.lock_handle().await?;
        // SAFETY: the handle is open, stays so as long as it is locked, and nobody else uses it meanwhile. A connection that is made
        // from a handle does not close it.
        let connection = unsafe { Connection::from_handle(handle.as_raw_handle().as_ptr()) }?;
        Ok(Self { connection, _handle: handle })
    }

    /// The connection.
    pub(crate) fn get(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

/// Ends what a connection is doing.
struct InterruptOnDrop(Option<InterruptHandle>);

impl Drop for InterruptOnDrop {
    fn drop(&mut self) {
        if let Some(handle) = &self.0 {
            handle.interrupt();
        }
    }
}

/// 8 MiB of pages hold the inner pages of the indexes of ten million rows.
fn set_up_to_read(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("PRAGMA cache_size = -8192")
}

fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(options: &DatabaseOptions) -> (tempfile::TempDir, DirectConnections) {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("test.db");
        let connection = Connection::open(&file).expect("file");
        connection.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1)").expect("table");
        (folder, DirectConnections::new(&file, options, 1))
    }

    fn sum(connection: &Connection) -> rusqlite::Result<i64> {
        connection.prepare_cached("SELECT sum(x) FROM t")?.query_row([], |row| row.get(0))
    }

    #[tokio::test]
    async fn connections_are_used_again_and_see_what_others_write() {
        let (_folder, connections) = connections(&DatabaseOptions::default());
        assert_eq!(connections.look_up(sum).await.expect("sum"), 1);
        let writer = connections.open_to_write(1024).expect("writer");
        for expected in 2..10 {
            writer.execute("INSERT INTO t VALUES (1)", []).expect("insert");
            assert_eq!(connections.look_up(sum).await.expect("sum"), expected);
            assert_eq!(connections.read_aside(|connection| sum(connection)).await.expect("sum"), expected);
        }
        assert_eq!(connections.lock().connections.len(), 1);
        connections.close();
        assert!(matches!(connections.look_up(sum).await, Err(DatabaseError::Closed)));
        assert!(matches!(connections.read_aside(|connection| sum(connection)).await, Err(DatabaseError::Closed)));
        assert!(matches!(connections.open_to_write(1024), Err(DatabaseError::Closed)));
    }

    #[tokio::test]
    async fn only_reading_is_possible() {
        let (_folder, connections) = connections(&DatabaseOptions::default());
        let write = |connection: &Connection| connection.execute("INSERT INTO t VALUES (1)", []);
        assert!(connections.look_up(write).await.is_err());
        assert_eq!(connections.look_up(sum).await.expect("sum"), 1);
    }

    #[tokio::test]
    async fn a_look_up_waits_elsewhere_for_who_has_the_file_for_itself() {
        let (_folder, connections) = connections(&DatabaseOptions::default());
        let other = connections.open_to_write(1024).expect("writer");
        other.execute_batch("PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE; INSERT INTO t VALUES (1)").expect("lock");
        let waiting = tokio::spawn({
            let connections = connections.clone();
            async move { connections.look_up(sum).await }
        });
        // This test has one thread: were the look-up waiting in it, nobody could commit.
        tokio::task::yield_now().await;
        other.execute_batch("COMMIT").expect("commit");
        assert_eq!(waiting.await.expect("task").expect("sum"), 2);
    }

    #[tokio::test]
    async fn a_read_that_takes_too_long_is_interrupted() {
        let options = DatabaseOptions { statement_timeout: Duration::from_millis(50), ..DatabaseOptions::default() };
        let (_folder, connections) = connections(&options);
        let endless = |connection: &mut Connection| {
            let sql = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n";
            connection.query_row(sql, [], |row| row.get::<_, i64>(0))
        };
        assert!(matches!(connections.read_aside(endless).await, Err(DatabaseError::Timeout(_))));
        // There is one turn: it was given back, so the read has ended.
        let patient = DirectConnections { statement_timeout: Duration::from_secs(60), ..connections.clone() };
        assert_eq!(patient.read_aside(|connection| sum(connection)).await.expect("sum"), 1);
    }
}
