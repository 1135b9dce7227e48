//! What can go wrong with a database, and which kind of service error each fault is. This is the only place that knows error codes.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gridshell_interfaces::{ErrorKind, ServiceError};
use sqlx::mysql::MySqlDatabaseError;
use sqlx::postgres::PgDatabaseError;
use sqlx::sqlite::SqliteError;

/// The result of working with a database.
pub type Result<T, E = DatabaseError> = std::result::Result<T, E>;

/// A fault of a database.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The configuration cannot be used; says what to change.
    #[error("{0}")]
    Configuration(String),
    /// A statement or a connection failed.
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
    /// A file of ours beside the database cannot be written or read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The database did not answer within the statement time limit.
    #[error("the database did not answer within {0:?}")]
    Timeout(Duration),
    /// No connection could be had.
    #[error(
        "no connection to the database within {within:?} (Connection Timeout): it cannot be reached, or all {most} connections (Max Pool \
         Size) are busy"
    )]
    NoConnection {
        /// How long was waited.
        within: Duration,
        /// How many there may be.
        most: u32,
    },
    /// The queue of waiting writes is full and stayed so.
    #[error("too many writes are waiting for the database")]
    QueueFull,
    /// The transaction that carried the write was not committed: nothing of it is stored.
    #[error("the transaction failed: {0}")]
    NotCommitted(Arc<sqlx::Error>),
    /// The writer has been closed.
    #[error("the database has been closed")]
    Closed,
    /// The code of a write panicked; nothing of it is stored.
    #[error("a write panicked and was rolled back")]
    Panicked,
    /// The tables are not in a shape that can be worked with.
    #[error("{0}")]
    Schema(String),
    /// The database will not take the value.
    #[error("{0}")]
    Refused(String),
    /// A query that several look-ups shared failed.
    #[error(transparent)]
    Shared(Arc<DatabaseError>),
}

impl DatabaseError {
    /// What kind of failure it is for the caller of a service.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Sql(error) => kind_of(error),
            Self::Io(_)
            | Self::NotCommitted(_)
            | Self::Timeout(_)
            | Self::NoConnection { .. }
            | Self::QueueFull
            | Self::Closed => ErrorKind::Unavailable,
            Self::Refused(_) => ErrorKind::Refused,
            Self::Shared(error) => error.kind(),
            Self::Configuration(_) | Self::Panicked | Self::Schema(_) => ErrorKind::Internal,
        }
    }

    /// As a service error; `action` says what was being done, like `storing asset 1234`.
    pub fn during(self, action: impl fmt::Display) -> ServiceError {
        ServiceError { kind: self.kind(), message: format!("{action}: {self}") }
    }

    /// The connection is gone: the same on a fresh connection may work.
    pub(crate) fn is_connection_lost(&self) -> bool {
        match self {
            Self::Sql(sqlx::Error::Database(error)) => {
                if let Some(error) = error.try_downcast_ref::<MySqlDatabaseError>() {
                    mysql_class(error.number()) == Class::Lost
                } else if let Some(error) = error.try_downcast_ref::<PgDatabaseError>() {
                    postgres_class(error.code()) == Class::Lost
                } else {
                    false
                }
            }
            // A connection that was cut in the middle of an answer shows as a malformed answer too.
            Self::Sql(sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed | sqlx::Error::Protocol(_)) => true,
            _ => false,
        }
    }

    /// The server gave up a transaction for the sake of another one: the same once more may work.
    pub(crate) fn is_conflict(&self) -> bool {
        let Self::Sql(sqlx::Error::Database(error)) = self else { return false };
        if let Some(error) = error.try_downcast_ref::<MySqlDatabaseError>() {
            // Deadlock; what was read has changed since (MariaDB); a row that another one has just added.
            matches!(error.number(), 1213 | 1020 | 1062)
        } else if let Some(error) = error.try_downcast_ref::<PgDatabaseError>() {
            matches!(error.code(), "40001" | "40P01" | "23505")
        } else {
            false
        }
    }

    /// A row with this key exists already.
    pub(crate) fn is_unique_violation(&self) -> bool {
        matches!(self, Self::Sql(sqlx::Error::Database(error)) if error.is_unique_violation())
    }

    /// Another process has just created the same table or column.
    pub(super) fn is_already_there(&self) -> bool {
        let Self::Sql(sqlx::Error::Database(error)) = self else { return false };
        if let Some(error) = error.try_downcast_ref::<MySqlDatabaseError>() {
            // Table, column, key name.
            matches!(error.number(), 1050 | 1060 | 1061)
        } else if let Some(error) = error.try_downcast_ref::<PgDatabaseError>() {
            // Table, column, other object; a race of two CREATEs shows as a unique violation in the system tables.
            matches!(error.code(), "42P07" | "42701" | "42710" | "23505")
        } else {
            false
        }
    }
}

/// What an error code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// The connection is gone or the server is going down.
    Lost,
    /// The database cannot do it now.
    Unavailable,
    /// The database will not take the value.
    Refused,
    /// Anything else.
    Other,
}

/// A fault on a connection that is used without sqlx, in sqlx's form, so that nobody has to know which it was.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct DirectError(rusqlite::Error);

impl sqlx::error::DatabaseError for DirectError {
    fn message(&self) -> &str {
        match &self.0 {
            rusqlite::Error::SqliteFailure(_, Some(message)) => message,
            _ => "an SQLite file could not be read",
        }
    }

    fn code(&self) -> Option<Cow<'_, str>> {
        self.0.sqlite_error().map(|error| error.extended_code.to_string().into())
    }

    fn as_error(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        self
    }

    fn as_error_mut(&mut self) -> &mut (dyn std::error::Error + Send + Sync + 'static) {
        self
    }

    fn into_error(self: Box<Self>) -> Box<dyn std::error::Error + Send + Sync + 'static> {
        self
    }

    fn kind(&self) -> sqlx::error::ErrorKind {
        sqlx::error::ErrorKind::Other
    }
}

/// An error of a connection that is used without sqlx.
pub(crate) fn direct(error: rusqlite::Error) -> sqlx::Error {
    sqlx::Error::Database(Box::new(DirectError(error)))
}

impl From<rusqlite::Error> for DatabaseError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(direct(error))
    }
}

fn kind_of(error: &sqlx::Error) -> ErrorKind {
    let class = match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Protocol(_) => Class::Lost,
        sqlx::Error::Database(error) => {
            if let Some(error) = error.try_downcast_ref::<MySqlDatabaseError>() {
                mysql_class(error.number())
            } else if let Some(error) = error.try_downcast_ref::<PgDatabaseError>() {
                postgres_class(error.code())
            } else if error.try_downcast_ref::<SqliteError>().is_some() || error.try_downcast_ref::<DirectError>().is_some() {
                sqlite_class(error.code().and_then(|code| code.parse().ok()).unwrap_or(0))
            } else {
                Class::Other
            }
        }
        _ => Class::Other,
    };
    service_kind(class)
}

fn service_kind(class: Class) -> ErrorKind {
    match class {
        Class::Lost | Class::Unavailable => ErrorKind::Unavailable,
        Class::Refused => ErrorKind::Refused,
        Class::Other => ErrorKind::Internal,
    }
}

/// Error numbers of MySQL and MariaDB.
fn mysql_class(number: u16) -> Class {
    match number {
        // Shutdown, aborted and killed connections, network faults, idle connection dropped.
        1053 | 1077 | 1079 | 1080 | 1152 | 1158..=1161 | 1184 | 1927 | 4031 => Class::Lost,
        // Disk or table full, out of memory, engine fault (usually the disk), too many connections.
        1021 | 1030 | 1037 | 1038 | 1040 | 1041 | 1114 | 1135 | 1203 | 1226 => Class::Unavailable,
        // Access denied, unknown database, host not allowed: to be put right by the operator, not by the client.
        1044 | 1045 | 1049 | 1129 | 1130 | 1142 | 1143 | 1698 => Class::Unavailable,
        // Lock wait, deadlock, read-only server, statement killed or over its time limit.
        1205 | 1213 | 1290 | 1317 | 1836 | 1969 | 3024 => Class::Unavailable,
        // NULL, duplicate key, range, missing default, character that the column cannot hold, too long, packet too large.
        1048 | 1062 | 1153 | 1264 | 1301 | 1364 | 1366 | 1406 | 3819 | 3854 | 3988 | 4025 => Class::Refused,
        _ => Class::Other,
    }
}

/// SQLSTATE codes of PostgreSQL.
fn postgres_class(code: &str) -> Class {
    match code {
        // Shutdown, crash, database dropped, idle session dropped, and the class "connection exception".
        "57P01" | "57P02" | "57P04" | "57P05" => Class::Lost,
        _ if code.starts_with("08") => Class::Lost,
        // Starting up, cancelled or over the time limit, lock not available, serialization, deadlock, read-only, no such
        // database, no privilege; the classes "insufficient resources", "system error" and "invalid authorization".
        "57P03" | "57014" | "55P03" | "40001" | "40P01" | "25006" | "3D000" | "42501" => Class::Unavailable,
        _ if ["53", "58", "28"].iter().any(|class| code.starts_with(class)) => Class::Unavailable,
        // The classes "data exception", "integrity constraint violation", "program limit exceeded".
        _ if ["22", "23", "54"].iter().any(|class| code.starts_with(class)) => Class::Refused,
        _ => Class::Other,
    }
}

/// Result codes of SQLite; the low byte is the primary code.
fn sqlite_class(code: i32) -> Class {
    match code & 0xff {
        // BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, FULL, CANTOPEN, PROTOCOL (a lock race).
        5..=10 | 13..=15 => Class::Unavailable,
        // TOOBIG, CONSTRAINT, MISMATCH.
        18..=20 => Class::Refused,
        _ => Class::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_codes_have_the_class_that_the_caller_can_act_on() {
        assert_eq!(mysql_class(1927), Class::Lost);
        assert_eq!(mysql_class(1021), Class::Unavailable);
        assert_eq!(mysql_class(1366), Class::Refused);
        assert_eq!(mysql_class(1146), Class::Other);
        assert_eq!(postgres_class("57P01"), Class::Lost);
        assert_eq!(postgres_class("53100"), Class::Unavailable);
        assert_eq!(postgres_class("22021"), Class::Refused);
        assert_eq!(postgres_class("42P01"), Class::Other);
        assert_eq!(sqlite_class(5), Class::Unavailable);
        assert_eq!(sqlite_class(10 | (3 << 8)), Class::Unavailable, "extended codes carry more bits");
        assert_eq!(sqlite_class(19 | (6 << 8)), Class::Refused);
        assert_eq!(sqlite_class(11), Class::Other, "a corrupt file");
    }

    #[test]
    fn faults_outside_of_a_statement_are_unavailable() {
        for error in [
            DatabaseError::Timeout(Duration::from_secs(1)),
            DatabaseError::QueueFull,
            DatabaseError::Closed,
            DatabaseError::NoConnection { within: Duration::from_secs(1), most: 1 },
            DatabaseError::NotCommitted(Arc::new(sqlx::Error::WorkerCrashed)),
        ] {
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        }
        let error = DatabaseError::Closed.during("storing asset 1");
        assert_eq!(
            (error.kind, error.message.as_str()),
            (ErrorKind::Unavailable, "storing asset 1: the database has been closed")
        );
    }
}
