//! The SQLite writer: many writes in one transaction, each for itself.

mod common;

use common::{TestDatabase, execute, texts};
use futures_util::FutureExt;
use gridshell_interfaces::ErrorKind;
use gridshell_services::database::{Database, DatabaseError, SqliteDatabase};
use sqlx::{Executor, query};

async fn open(test: &TestDatabase) -> (Database, SqliteDatabase) {
    let database = test.open().await;
    execute(&database, "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT NOT NULL)").await;
    let Database::Sqlite(sqlite) = database.clone() else { panic!("SQLite") };
    (database, sqlite)
}

/// Two statements, of which the second fails when there is such a row already.
async fn insert_two(sqlite: SqliteDatabase, first: i64, second: i64) -> Result<i64, DatabaseError> {
    let write = sqlite.write(move |connection| {
        Box::pin(async move {
            query("INSERT INTO t VALUES (?, 'first')").bind(first).execute(&mut *connection).await?;
            query("INSERT INTO t VALUES (?, 'second')").bind(second).execute(&mut *connection).await?;
            Ok(first)
        })
    });
    write.await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_fails_is_undone_alone() {
    let test = TestDatabase::sqlite();
    let (database, sqlite) = open(&test).await;
    execute(&database, "INSERT INTO t VALUES (0, 'there already')").await;
    // Every third one collides with the row 0 in its second statement.
    let writes = (1..=300).map(|number| {
        let second = if number % 3 == 0 { 0 } else { number + 1000 };
        tokio::spawn(insert_two(sqlite.clone(), number, second))
    });
    let results = futures_util::future::join_all(writes).await;
    for (number, result) in (1..=300).zip(results) {
        match result.expect("task") {
            Ok(first) => assert!(first == number && number % 3 != 0),
            Err(error) => {
                assert_eq!(number % 3, 0, "{error}");
                assert_eq!(error.kind(), ErrorKind::Refused);
            }
        }
    }
    assert_eq!(texts(&database, "SELECT count(*) || ' ' || count(DISTINCT a % 1000) FROM t").await, ["401 201"]);
    assert_eq!(texts(&database, "SELECT count(*) || '' FROM t WHERE a % 3 = 0 AND a < 1000").await, ["1"]);
    database.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_an_error_and_the_writer_goes_on() {
    let test = TestDatabase::sqlite();
    let (database, sqlite) = open(&test).await;
    let panics = sqlite.write::<(), _>(|connection| {
        Box::pin(async move {
            connection.execute("INSERT INTO t VALUES (1, 'half')").await?;
            panic!("a defect");
        })
    });
    let panics_at_once = sqlite.write::<(), _>(|_| panic!("a defect before the first await"));
    let (panicked, panicked_at_once, good) = tokio::join!(panics, panics_at_once, insert_two(sqlite.clone(), 2, 3));
    assert!(matches!(panicked, Err(DatabaseError::Panicked)));
    assert!(matches!(panicked_at_once, Err(DatabaseError::Panicked)));
    good.expect("the other write");
    assert_eq!(texts(&database, "SELECT group_concat(a) FROM t").await, ["2,3"]);
    database.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_breaks_fails_all_of_it() {
    let test = TestDatabase::sqlite();
    let (database, sqlite) = open(&test).await;
    // What a full disk does: SQLite rolls the whole transaction back under the writer's feet.
    let breaks = sqlite.write(|connection| {
        Box::pin(async move {
            connection.execute("ROLLBACK").await?;
            Ok(())
        })
    });
    let (good, broken) = tokio::join!(insert_two(sqlite.clone(), 1, 2), breaks);
    let error = broken.expect_err("nothing was committed");
    assert!(matches!(error, DatabaseError::NotCommitted(_)), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    // Whether the other one was in the same transaction is up to the scheduler; what it was told must be true.
    let stored = texts(&database, "SELECT a || '' FROM t").await;
    assert_eq!(good.is_ok(), stored == ["1", "2"], "{good:?} {stored:?}");
    insert_two(sqlite.clone(), 11, 12).await.expect("a new connection");
    database.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_answered_is_there_after_closing_and_opening_again() {
    let test = TestDatabase::sqlite();
    let (database, sqlite) = open(&test).await;
    insert_two(sqlite.clone(), 1, 2).await.expect("write");
    // Sent, but its answer is not waited for; it may be there all the same.
    let answered = insert_two(sqlite.clone(), 3, 4).now_or_never();
    assert!(matches!(answered, None | Some(Ok(3))), "{answered:?}");
    database.close().await;
    assert!(matches!(insert_two(sqlite, 5, 6).await, Err(DatabaseError::Closed)));

    let database = test.open().await;
    let stored = texts(&database, "SELECT group_concat(a) FROM t").await;
    let is_there = stored == ["1,2,3,4"];
    assert!(is_there || answered.is_none() && stored == ["1,2"], "all or nothing of a write that nobody waited for: {stored:?}");
    assert_eq!(texts(&database, "SELECT journal_mode FROM pragma_journal_mode").await, ["wal"]);
    database.close().await;
}
