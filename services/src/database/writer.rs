//! The one connection that writes to an SQLite file, and group commit.
//!
//! What a durable write costs is the wait for the disk, not the work. So all writes that are waiting go into one transaction,
//! and share one wait. Each has a savepoint of its own: one that fails is undone alone. Nobody is answered before the
//! transaction is on disk.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Executor};
use tokio::sync::{mpsc, oneshot};

use super::{DatabaseError, DatabaseOptions, Result};

/// Writes that may wait for their turn; more callers wait outside of the queue.
const QUEUE_LENGTH: usize = 1024;
/// Writes in one transaction at most.
const MAX_BATCH: usize = 128;

/// A handle to the writing connection. Clones share it.
#[derive(Clone, Debug)]
pub struct Writer {
    queue: mpsc::Sender<Message>,
    queue_timeout: Duration,
    statement_timeout: Duration,
}

enum Message {
    Write(Box<dyn Job>),
    /// Everything that was sent before is done first.
    Close(oneshot::Sender<()>),
}

impl Writer {
    /// Starts the task that owns the connection. `reconnect` opens another one after a fault.
    pub(super) fn start(connection: SqliteConnection, reconnect: SqliteConnectOptions, options: &DatabaseOptions) -> Self {
        let (queue, messages) = mpsc::channel(QUEUE_LENGTH);
        tokio::spawn(Task { connection: Some(connection), reconnect }.serve(messages));
        Self { queue, queue_timeout: options.acquire_timeout, statement_timeout: options.statement_timeout }
    }

    /// Runs an operation, as a whole or not at all. When this returns `Ok` it is on disk. When the caller gives up waiting, the
    /// operation either is skipped or runs to its end. Operations must not begin or end transactions.
    ///
    /// # Errors
    /// What the operation gives; `NotCommitted` when the transaction failed, `QueueFull` and `Timeout` when it takes too long,
    /// `Panicked`, `Closed`.
    pub async fn write<T, F>(&self, operation: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T>> + Send + 'static,
    {
        let limit = self.statement_timeout;
        tokio::time::timeout(limit, self.write_without_limit(operation)).await.map_err(|_| DatabaseError::Timeout(limit))?
    }

    /// Like [`Self::write`], but waits for as long as it takes once it is in the queue.
    pub(super) async fn write_without_limit<T, F>(&self, operation: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T>> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(TypedJob { operation: Some(operation), outcome: None, answer });
        tokio::time::timeout(self.queue_timeout, self.queue.send(Message::Write(job)))
            .await
            .map_err(|_| DatabaseError::QueueFull)?
            .map_err(|_| DatabaseError::Closed)?;
        answered.await.map_err(|_| DatabaseError::Closed)?
    }

    /// Finishes the writes that are waiting, then closes the connection.
    pub(super) async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.queue.send(Message::Close(done)).await.is_ok() {
            // An error only says that the task has ended already.
            let _ = closed.await;
        }
    }
}

/// One write of any result type.
#[async_trait]
trait Job: Send {
    /// Nobody waits for the answer any more.
    fn is_abandoned(&self) -> bool;

    /// Runs the operation and keeps its outcome; true when it went well.
    async fn run(&mut self, connection: &mut SqliteConnection) -> bool;

    /// Tells the caller: the outcome when the transaction was committed, else why not.
    fn answer(self: Box<Self>, committed: &Result<(), Arc<sqlx::Error>>);
}

struct TypedJob<T, F> {
    operation: Option<F>,
    outcome: Option<Result<T>>,
    answer: oneshot::Sender<Result<T>>,
}

#[async_trait]
impl<T, F> Job for TypedJob<T, F>
where
    T: Send,
    F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T>> + Send,
{
    fn is_abandoned(&self) -> bool {
        self.answer.is_closed()
    }

    async fn run(&mut self, connection: &mut SqliteConnection) -> bool {
        let Some(operation) = self.operation.take() else { return false };
        // The inner future, too, is made inside of the guard: the operation may panic before its first await.
        let guarded = AssertUnwindSafe(async { operation(connection).await }).catch_unwind();
        let outcome = guarded.await.unwrap_or(Err(DatabaseError::Panicked));
        let well = outcome.is_ok();
        self.outcome = Some(outcome);
        well
    }

    fn answer(self: Box<Self>, committed: &Result<(), Arc<sqlx::Error>>) {
        let result = match (committed, self.outcome) {
            (Ok(()), Some(outcome)) => outcome,
            // What failed by itself keeps its own reason.
            (Err(_), Some(Err(error))) => Err(error),
            (Err(error), _) => Err(DatabaseError::NotCommitted(Arc::clone(error))),
            (Ok(()), None) => Err(DatabaseError::Closed),
        };
        // A caller that has gone away does not want to know.
        let _ = self.answer.send(result);
    }
}

struct Task {
    /// `None` after a fault, until the next write.
    connection: Option<SqliteConnection>,
    reconnect: SqliteConnectOptions,
}

impl Task {
    async fn serve(mut self, mut messages: mpsc::Receiver<Message>) {
        let mut closing = None;
        while closing.is_none() {
            let Some(first) = messages.recv().await else { break };
            let mut batch = Vec::new();
            let mut next = Some(first);
            while let Some(message) = next.take() {
                match message {
                    Message::Write(job) if job.is_abandoned() => {}
                    Message::Write(job) => batch.push(job),
                    Message::Close(done) => {
                        closing = Some(done);
                        break;
                    }
                }
                if batch.len() < MAX_BATCH {
                    next = messages.try_recv().ok();
                }
            }
            if !batch.is_empty() {
                let committed = self.run_batch(&mut batch).await.map_err(Arc::new);
                batch.into_iter().for_each(|job| job.answer(&committed));
            }
        }
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "[DATABASE]: closing the SQLite file failed");
        }
        if let Some(done) = closing {
            // Whoever asked may have gone away.
            let _ = done.send(());
        }
    }

    /// Runs all jobs in one transaction. After an error nothing of it is stored.
    async fn run_batch(&mut self, batch: &mut [Box<dyn Job>]) -> Result<(), sqlx::Error> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.reconnect.connect().await?,
        };
        let result = transaction(&mut connection, batch).await;
        match &result {
            Ok(()) => self.connection = Some(connection),
            Err(error) => {
                // Its state is unknown. Closing it rolls back whatever is open; the next batch gets another one.
                tracing::error!(%error, writes = batch.len(), "[DATABASE]: SQLite transaction failed");
                if let Err(error) = connection.close().await {
                    tracing::debug!(%error, "closing the connection of the failed transaction failed too");
                }
            }
        }
        result
    }
}

async fn transaction(connection: &mut SqliteConnection, batch: &mut [Box<dyn Job>]) -> Result<(), sqlx::Error> {
    connection.execute("BEGIN IMMEDIATE").await?;
    for job in batch {
        connection.execute("SAVEPOINT job").await?;
        if !job.run(connection).await {
            connection.execute("ROLLBACK TO job").await?;
        }
        connection.execute("RELEASE job").await?;
    }
    connection.execute("COMMIT").await?;
    Ok(())
}
