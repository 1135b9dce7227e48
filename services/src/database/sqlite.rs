//! SQLite: one connection that writes, several that read.
//!
//! New files are kept in WAL mode, in which readers and the writer do not wait for each other. A file that exists keeps its
//! journal mode and text encoding, because OpenSimulator may use it too (schema.md section 8, 17).

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Executor};

use super::connection_string::{COMMAND_TIMEOUT, CONNECTION_TIMEOUT, POOL_SIZE};
use super::direct::DirectConnections;
use super::{ConnectionString, DatabaseError, DatabaseOptions, PoolState, Result, Writer, pool};

const URI: &[&str] = &["uri"];
const DATA_SOURCE: &[&str] = &["datasource", "filename"];
const UTF16: &[&str] = &["useutf16encoding"];
const WITHOUT_EFFECT: &[&str] = &["version", "pooling"];

/// A connection string, read.
pub(super) struct Settings {
    file: PathBuf,
    /// Text encoding of a file that is created.
    utf16: bool,
    /// What the operator should know about the string.
    pub(super) warnings: Vec<String>,
}

impl Settings {
    /// Reads a connection string by schema.md section 2.4. A string without a file means the file of the options.
    pub(super) fn read(string: &ConnectionString, options: &DatabaseOptions) -> Result<Self> {
        let named = string.value(URI).or_else(|| string.value(DATA_SOURCE));
        let file = match named {
            // What follows a comma belongs to the original's client library: `file:Asset.db,version=3`.
            Some(name) => PathBuf::from(name.split(',').next().unwrap_or(name).trim().trim_start_matches("file:")),
            None => options.sqlite_file.clone(),
        };
        if file.as_os_str().is_empty() || file == Path::new(":memory:") {
            return Err(DatabaseError::Configuration("the connection string names no SQLite file".to_owned()));
        }
        let known = [URI, DATA_SOURCE, UTF16, POOL_SIZE, CONNECTION_TIMEOUT, COMMAND_TIMEOUT, WITHOUT_EFFECT];
        Ok(Self { file, utf16: string.switch(UTF16), warnings: string.unknown_keys(&known) })
    }

    /// Where it is, for messages.
    pub(super) fn place(&self) -> String {
        format!("sqlite:{}", self.file.display())
    }
}

/// One SQLite file. Clones share the connections.
#[derive(Clone)]
pub struct SqliteDatabase {
    readers: SqlitePool,
    direct: DirectConnections,
    writer: Writer,
    statement_timeout: Duration,
    file: PathBuf,
}

impl SqliteDatabase {
    pub(super) async fn open(settings: Settings, options: &DatabaseOptions) -> Result<Self> {
        if tokio::fs::metadata(&settings.file).await.map_or(0, |metadata| metadata.len()) == 0 {
            create(&settings, options.acquire_timeout).await?;
        }
        let writing = connect_options(&settings.file, options);
        let connection = writing.connect().await?;
        let writer = Writer::start(connection, writing, options);

        let cores = std::thread::available_parallelism().map_or(2, |cores| cores.get());
        let readers = cores.max(2);
        let direct = DirectConnections::new(&settings.file, options, readers);
        let readers = SqlitePoolOptions::new()
            .max_connections(u32::try_from(readers).unwrap_or(u32::MAX))
            .acquire_timeout(options.acquire_timeout)
            // There is no network between us and the file that could cut a connection.
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(connect_options(&settings.file, options).pragma("query_only", "ON"));
        Ok(Self { readers, direct, writer, statement_timeout: options.statement_timeout, file: settings.file })
    }

    /// Runs an operation that only reads on one of the reading connections.
    ///
    /// # Errors
    /// What the operation gives; `Timeout` after the statement time limit; `Sql` when there is no connection.
    pub async fn read<T, F>(&self, operation: F) -> Result<T>
    where
        F: for<'c> Fn(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, sqlx::Error>>,
    {
        pool::run(&self.readers, self.statement_timeout, operation).await
    }

    /// Runs a look-up of a few rows in this thread, without the hand-over to a connection's thread that costs more than the look-up.
    /// It runs twice when another process has the file for itself; the second time it waits, in another thread.
    ///
    /// # Errors
    /// What the look-up gives; `Closed`.
    pub async fn look_up<T, F>(&self, look_up: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        self.direct.look_up(look_up).await
    }

    /// Runs what reads for long in a thread of its own.
    ///
    /// # Errors
    /// What it gives; `Timeout` after the statement time limit, or when too many others read for long; `Closed`, `Panicked`.
    pub async fn read_aside<T, E, F>(&self, read: F) -> Result<T>
    where
        T: Send + 'static,
        E: Into<DatabaseError> + Send + 'static,
        F: FnOnce(&mut rusqlite::Connection) -> Result<T, E> + Send + 'static,
    {
        self.direct.read_aside(read).await
    }

    /// A connection for one write that takes minutes, with a page cache of this many KiB. While its transaction is open all other
    /// writes to the file wait, and fail when their patience is over. What is committed stays in the WAL file until the
    /// connection checkpoints it.
    ///
    /// # Errors
    /// When the file cannot be opened; `Closed`.
    pub fn open_to_write(&self, cache_kib: u32) -> Result<rusqlite::Connection> {
        self.direct.open_to_write(cache_kib)
    }

    /// The file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// How many operations can read at once.
    pub fn parallel_reads(&self) -> usize {
        usize::try_from(self.readers.options().get_max_connections()).unwrap_or(usize::MAX)
    }

    /// Runs an operation on the writing connection, as a whole or not at all. When this returns `Ok` it is on disk. See
    /// [`Writer::write`].
    ///
    /// # Errors
    /// What the operation gives; `NotCommitted`, `QueueFull`, `Timeout`, `Panicked`, `Closed`.
    pub async fn write<T, F>(&self, operation: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T>> + Send + 'static,
    {
        self.writer.write(operation).await
    }

    /// Like [`Self::write`], for as long as it takes: table upgrades.
    pub(super) async fn write_without_limit<T, F>(&self, operation: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T>> + Send + 'static,
    {
        self.writer.write_without_limit(operation).await
    }

    pub(super) async fn ping(&self) -> Result<()> {
        self.read(|connection| {
            // Unlike `SELECT 1` this has to look into the file.
            Box::pin(async move { connection.execute("SELECT count(*) FROM sqlite_schema").await.map(|_| ()) })
        })
        .await
    }

    pub(super) fn pool_state(&self) -> PoolState {
        pool::pool_state(&self.readers)
    }

    pub(super) async fn close(&self) {
        // The writer last: closing the last connection moves what is in the WAL into the file.
        self.direct.close();
        self.readers.close().await;
        self.writer.close().await;
    }
}

fn connect_options(file: &Path, options: &DatabaseOptions) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .busy_timeout(options.acquire_timeout)
        // What is committed survives a power cut, in WAL mode and in the older journal modes.
        .synchronous(SqliteSynchronous::Extra)
        // OpenSimulator's tables have no foreign keys.
        .foreign_keys(false)
        // 8 MiB of pages per connection. Memory mapping stays off: an I/O error in a mapped file would end the process.
        .pragma("cache_size", "-8192")
        // After a burst of writes the WAL file shrinks back to this many bytes.
        .pragma("journal_size_limit", "67108864")
        .disable_statement_logging()
}

/// Makes a WAL file out of one that is empty or does not exist.
async fn create(settings: &Settings, patience: Duration) -> Result<()> {
    // Few options: several of them would settle the text encoding before it is chosen.
    let options = SqliteConnectOptions::new().filename(&settings.file).create_if_missing(true).busy_timeout(patience);
    let mut connection = options.foreign_keys(false).disable_statement_logging().connect().await?;
    if settings.utf16 {
        // The choice is written down with the first table.
        connection.execute("PRAGMA encoding = 'UTF-16'").await?;
        connection.execute("BEGIN IMMEDIATE; CREATE TABLE first (x); DROP TABLE first; COMMIT").await?;
    }
    // SQLite does not wait for another process here, whatever the busy time-out: two processes may create the file at once.
    const PAUSE: Duration = Duration::from_millis(50);
    let mut waited = Duration::ZERO;
    loop {
        match connection.execute("PRAGMA journal_mode = WAL").await {
            Err(error) if is_busy(&error) && waited < patience => {
                tokio::time::sleep(PAUSE).await;
                waited += PAUSE;
            }
            result => {
                connection.close().await?;
                result?;
                return Ok(());
            }
        }
    }
}

fn is_busy(error: &sqlx::Error) -> bool {
    const BUSY: i32 = 5;
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<i32>().ok());
    code.is_some_and(|code| code & 0xff == BUSY)
}

impl fmt::Display for SqliteDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sqlite:{}", self.file.display())
    }
}

impl fmt::Debug for SqliteDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SqliteDatabase({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Settings {
        Settings::read(&ConnectionString::parse(text).expect(text), &DatabaseOptions::default()).expect(text)
    }

    #[test]
    fn the_file_is_named_in_several_ways() {
        for (text, file) in [
            ("URI=file:OpenSim.db;UseUTF16Encoding=True", "OpenSim.db"),
            ("URI=file:Asset.db,version=3", "Asset.db"),
            ("Data Source=/var/lib/grid/assets.db;Version=3", "/var/lib/grid/assets.db"),
            ("", "Asset.db"),
        ] {
            assert_eq!(read(text).file, Path::new(file), "{text}");
        }
        assert!(read("URI=file:OpenSim.db;UseUTF16Encoding=True").utf16);
        assert!(!read("URI=file:Asset.db").utf16);
    }

    #[test]
    fn a_database_in_memory_is_refused() {
        let string = ConnectionString::parse("Data Source=:memory:").expect("pairs");
        assert!(Settings::read(&string, &DatabaseOptions::default()).is_err());
    }
}
