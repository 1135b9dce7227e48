//! What the name2key service promises, checked on every database.

mod common;

use std::collections::HashSet;
use std::sync::Arc;

use common::name2key_battery::{
    self, NOBODY, Rows, VECTORS, claim, everything, grid, import_battery, keys, names, new_name, register,
};
use common::{TestDatabase, execute, versions};
use gridshell_interfaces::ErrorKind;
use gridshell_interfaces::name2key::{Imported, Name2KeyService, PRODUCTION, Registration};
use gridshell_services::database::Database;
use gridshell_services::name2key::{Name2KeyOptions, Name2KeySources, SqlName2KeyService};
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread")]
async fn sqlite() {
    battery(TestDatabase::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_with_utf16_text() {
    let mut test = TestDatabase::sqlite();
    test.connection_string.push_str(";UseUTF16Encoding=True");
    battery(test).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql() {
    if let Some(test) = TestDatabase::mysql().await {
        battery(test).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres() {
    if let Some(test) = TestDatabase::postgres().await {
        battery(test).await;
    }
}

async fn open(database: &Database, options: Name2KeyOptions) -> SqlName2KeyService {
    SqlName2KeyService::open(database.clone(), options).await.expect("service")
}

async fn battery(test: TestDatabase) {
    let database = test.open().await;
    let service = open(&database, Name2KeyOptions::default()).await;
    import_battery(&service).await;
    name2key_battery::battery(&service).await;
    assert_eq!(versions(&database).await, ["Name2KeyStore=1", "migrations=1"]);
    default_grids(&database).await;
    who_opts_out_is_unknown(&database).await;
    two_sources(&test, &database).await;
    a_name_has_only_so_many_entries(&service).await;
    a_second_instance_sees_it_at_once(&service, &test).await;
    a_lost_table_is_an_error(&service, &database).await;
    database.close().await;
    closed(&service).await;
    test.remove().await;
}

async fn default_grids(database: &Database) {
    let options = Name2KeyOptions { default_grids: vec![grid("Second"), grid("FIRST")], ..Name2KeyOptions::default() };
    let service = open(database, options).await;
    let (name, [first, second, third, fourth]) = (new_name(), [(); 4].map(|()| Uuid::new_v4()));
    for (key, on) in [(first, "first"), (second, "second"), (third, "third"), (fourth, "fourth")] {
        register(&service, &name, key, on).await;
    }
    assert_eq!(keys(&service, &name, None).await, [second, first, fourth, third]);
    assert_eq!(keys(&service, &name, Some("third")).await, [third, second, first, fourth]);
    assert_eq!(keys(&service, &name, Some("first")).await, [first, second, fourth, third]);
}

async fn who_opts_out_is_unknown(database: &Database) {
    let before = open(database, Name2KeyOptions::default()).await;
    // Exports in pages of seven have to get over more than seven entries in a row that are not shown.
    let hidden: Vec<Uuid> = (1..=20).map(|number| Uuid::from_u128(number << 32 | 77)).collect();
    let (name, shown) = (new_name(), Uuid::new_v4());
    for key in &hidden {
        register(&before, &name, *key, "a").await;
        register(&before, &name, *key, "b").await;
    }
    register(&before, &format!("{name}x"), shown, "a").await;
    register(&before, &name, shown, "b").await;
    let all = everything(&before).await;

    let options = Name2KeyOptions { opt_out: hidden.iter().copied().collect(), ..Name2KeyOptions::default() };
    let service = open(database, options).await;
    assert_eq!(keys(&service, &name, None).await, [shown]);
    assert_eq!(service.by_keys(&hidden, None).await.expect("by_keys"), vec![Vec::new(); 20]);
    let found = service.by_prefix(&name, 2).await.expect("by_prefix");
    assert_eq!(found.iter().map(|entry| entry.key).collect::<Vec<_>>(), [shown, shown]);
    assert_eq!(everything(&service).await.len(), all.len() - 40);
    let refused = service.register(&claim(&name, hidden[0], "c")).await.expect_err("refused");
    assert_eq!(refused.kind, ErrorKind::Refused);
    let new = Uuid::new_v4();
    let mut rows = Rows::of([(hidden[0], "Some Body"), (new, "Any Body"), (hidden[1], "Some Body")]);
    let imported = service.import(&grid("imported"), &mut rows).await.expect("import");
    assert_eq!(imported, Imported { rows: 3, added: 1, changed: 0 });
    // With the list taken away they are what they were.
    assert_eq!(everything(&before).await.len(), all.len() + 1);
    assert_eq!(names(&before, hidden[0], None).await, [format!("{name} @b"), format!("{name} @a")]);
    assert_eq!(service.forget(hidden[0], None).await.expect("forget"), 2);
}

/// Accounts of the grid "Home" in a database of their own, before the registrations of this one.
async fn two_sources(test: &TestDatabase, database: &Database) {
    let accounts = TestDatabase::sqlite();
    let accounts_database = accounts.open().await;
    let first = Arc::new(open(&accounts_database, Name2KeyOptions::default()).await);
    let then = Arc::new(open(database, Name2KeyOptions::default()).await);
    let both = Name2KeySources::new(first.clone(), then.clone());

    let (name, other, [owner, impostor, elsewhere]) = (new_name(), new_name(), [(); 3].map(|()| Uuid::new_v4()));
    register(&*then, &name, elsewhere, "Away").await;
    register(&*then, &other, owner, "Home").await;
    register(&*first, &name, owner, "Home").await;
    register(&both, &name, impostor, "Home").await;
    assert_eq!(keys(&both, &name, None).await, [owner, impostor, elsewhere], "the first source's first");
    assert_eq!(keys(&both, &name, Some("away")).await, [owner, elsewhere, impostor]);
    assert_eq!(keys(&both, &other, None).await, NOBODY, "what the first source knows otherwise");
    assert_eq!(names(&both, owner, None).await, [format!("{name} @Home")]);
    assert_eq!(keys(&*first, &name, None).await, [owner], "registrations go to the second");

    assert!(!both.register(&claim(&other, owner, "home")).await.expect("no error"));
    assert!(both.register(&claim(&name.to_lowercase(), owner, "HOME")).await.expect("known already"));
    assert!(both.register(&claim(&other, owner, "Away")).await.expect("on another grid"));
    assert_eq!(names(&both, owner, None).await, [format!("{name} @Home"), format!("{other} @Away")]);
    let bad = Registration { key: Uuid::nil(), ..claim(&name, owner, "Home") };
    assert_eq!(both.register(&bad).await.expect_err("refused").kind, ErrorKind::Refused);

    let found = both.by_prefix(&name, 10).await.expect("by_prefix");
    assert_eq!(found.iter().map(|entry| entry.key).collect::<Vec<_>>(), [owner, impostor, elsewhere]);
    assert_eq!(both.by_prefix(&name, 1).await.expect("by_prefix")[0].key, owner);

    // All of both, each place once.
    let mut rows = Rows::of(VECTORS.map(|(key, name)| (Uuid::from_u128(key), name)));
    first.import(&grid(PRODUCTION), &mut rows).await.expect("import");
    let all = everything(&both).await;
    let places: Vec<(Uuid, String)> = all.iter().map(|entry| (entry.key, entry.grid.id())).collect();
    assert!(places.is_sorted());
    let expected: HashSet<(Uuid, String)> =
        everything(&*first).await.iter().chain(&everything(&*then).await).map(|entry| (entry.key, entry.grid.id())).collect();
    assert_eq!((places.len(), places.into_iter().collect::<HashSet<_>>()), (expected.len(), expected));
    let home = async |service: &dyn Name2KeyService| {
        let statistics = service.statistics().await.expect("statistics");
        statistics.entries.iter().find(|(grid, _)| grid == "home").map_or(0, |(_, count)| *count)
    };
    assert_eq!((home(&*first).await, home(&both).await), (1, 1 + home(&*then).await));
    assert_eq!(both.forget(owner, None).await.expect("forget"), 2, "of the second source");
    assert_eq!(names(&both, owner, None).await, [format!("{name} @Home")]);

    // Either source out of order is an error, never half an answer.
    accounts_database.close().await;
    assert_eq!(both.by_name(&name, None).await.expect_err("closed").kind, ErrorKind::Unavailable, "{:?}", test.backend);
    assert_eq!(both.register(&claim(&name, owner, "Home")).await.expect_err("closed").kind, ErrorKind::Unavailable);
}

async fn a_name_has_only_so_many_entries(service: &SqlName2KeyService) {
    const LIMIT: u128 = 10_000;
    let (name, key) = (new_name(), Uuid::new_v4());
    let crowd = (0..LIMIT).map(|number| (Uuid::from_u128(number + (1 << 100)), name.as_str()));
    let imported = service.import(&grid("crowd"), &mut Rows::in_batches(crowd, 1000)).await.expect("import");
    assert_eq!(imported.added, 10_000);
    assert_eq!(service.register(&claim(&name, key, "home")).await.expect_err("too many").kind, ErrorKind::Refused);
    assert_eq!(names(service, key, None).await, Vec::<String>::new());
    // Who is there already is no one more.
    register(service, &name, Uuid::from_u128(1 << 100), "crowd").await;
    assert_eq!(keys(service, &name, None).await[0], Uuid::from_u128(1 << 100));
    assert_eq!(service.forget(Uuid::from_u128((1 << 100) + 1), None).await.expect("forget"), 1);
    register(service, &name, key, "home").await;
    // To be moved to a name of which there are too many is refused too, and leaves the old name.
    let (other, mover) = (new_name(), Uuid::new_v4());
    register(service, &other, mover, "home").await;
    assert_eq!(service.register(&claim(&name, mover, "home")).await.expect_err("too many").kind, ErrorKind::Refused);
    assert_eq!(names(service, mover, None).await, [format!("{other} @home")]);
}

async fn a_second_instance_sees_it_at_once(service: &SqlName2KeyService, test: &TestDatabase) {
    let other = test.open().await;
    let second = open(&other, Name2KeyOptions::default()).await;
    for _ in 0..3 {
        let (name, key) = (new_name(), Uuid::new_v4());
        register(service, &name, key, "a").await;
        assert_eq!(keys(&second, &name, None).await, [key]);
        second.forget(key, None).await.expect("forget");
        assert_eq!(keys(service, &name, None).await, NOBODY);
    }
    other.close().await;
}

async fn a_lost_table_is_an_error(service: &SqlName2KeyService, database: &Database) {
    let (name, key) = (new_name(), Uuid::new_v4());
    register(service, &name, key, "a").await;
    execute(database, "ALTER TABLE name2key_entries RENAME TO elsewhere").await;
    for kind in kinds(service, &name, key).await {
        assert_eq!(kind, ErrorKind::Internal);
    }
    execute(database, "ALTER TABLE elsewhere RENAME TO name2key_entries").await;
    assert_eq!(keys(service, &name, None).await, [key]);
}

async fn closed(service: &SqlName2KeyService) {
    for kind in kinds(service, "Ann Bee", Uuid::new_v4()).await {
        assert_eq!(kind, ErrorKind::Unavailable);
    }
}

/// How each call fails.
async fn kinds(service: &SqlName2KeyService, name: &str, key: Uuid) -> [ErrorKind; 9] {
    let many = vec![name; 100];
    [
        service.by_name(name, None).await.expect_err("never empty").kind,
        service.by_names(&[name; 100], None).await.expect_err("never empty").kind,
        service.by_key(key, None).await.expect_err("never empty").kind,
        service.by_prefix(name, 10).await.expect_err("never empty").kind,
        service.register(&claim(name, key, "a")).await.expect_err("never stored").kind,
        service.import(&grid("a"), &mut Rows::of(many.iter().map(|name| (key, *name)))).await.expect_err("never done").kind,
        service.forget(key, None).await.expect_err("never none").kind,
        service.entries_after(None, 10).await.expect_err("never empty").kind,
        service.statistics().await.expect_err("never zero").kind,
    ]
}
