//! What every name2key service promises, whatever stands between it and its database.

use std::collections::VecDeque;

use async_trait::async_trait;
use gridshell_interfaces::name2key::{
    Grid, Imported, MAX_GRID_BYTES, MAX_LOOK_UPS_OF_ONE_CALL, MAX_MATCHES, MAX_NAME_BYTES, Name2KeyService, NameBatch, NameEntry,
    NameRows, NameSource, PRODUCTION, Registration,
};
use gridshell_interfaces::{ErrorKind, Result, ServiceError};
use uuid::Uuid;

/// No key.
pub const NOBODY: [Uuid; 0] = [];

/// The grid of this name.
pub fn grid(text: &str) -> Grid {
    Grid(text.to_owned())
}

/// A name that nobody has yet.
pub fn new_name() -> String {
    format!("N{} Tester", Uuid::new_v4().simple())
}

/// A claim that is not verified.
pub fn claim(name: &str, key: Uuid, on: &str) -> Registration {
    Registration { name: name.to_owned(), key, grid: grid(on), verified: false }
}

/// Registers, and checks that it was taken.
pub async fn register(service: &dyn Name2KeyService, name: &str, key: Uuid, on: &str) {
    assert!(service.register(&claim(name, key, on)).await.expect("register"), "{name} {key} {on}");
}

/// The keys that a name has, best first.
pub async fn keys(service: &dyn Name2KeyService, name: &str, asker: Option<&str>) -> Vec<Uuid> {
    let found = service.by_name(name, asker.map(grid).as_ref()).await.expect("by_name");
    found.iter().map(|entry| entry.key).collect()
}

/// The names that a key has, best first, each with its grid as it was told.
pub async fn names(service: &dyn Name2KeyService, key: Uuid, asker: Option<&str>) -> Vec<String> {
    let found = service.by_key(key, asker.map(grid).as_ref()).await.expect("by_key");
    found.iter().map(|entry| format!("{} @{}", entry.name, entry.grid)).collect()
}

/// Rows of an import, in batches, with an error at the end if one is wanted.
pub struct Rows {
    batches: VecDeque<NameBatch>,
    fault: Option<ServiceError>,
}

impl Rows {
    /// Batches of three rows.
    pub fn of<'a>(rows: impl IntoIterator<Item = (Uuid, &'a str)>) -> Self {
        Self::in_batches(rows, 3)
    }

    /// Batches of this many rows.
    pub fn in_batches<'a>(rows: impl IntoIterator<Item = (Uuid, &'a str)>, length: usize) -> Self {
        let mut batches = VecDeque::new();
        let mut batch = NameBatch::default();
        for (key, name) in rows {
            batch.push(key, name);
            if batch.len() == length {
                batches.push_back(std::mem::take(&mut batch));
            }
        }
        batches.extend((!batch.is_empty()).then_some(batch));
        Self { batches, fault: None }
    }

    /// Ends with an error instead of the end.
    pub fn that_fail(mut self) -> Self {
        self.fault = Some(ServiceError::invalid("line 4 is bad"));
        self
    }
}

#[async_trait]
impl NameRows for Rows {
    async fn next(&mut self) -> Result<Option<NameBatch>> {
        match (self.batches.pop_front(), self.fault.take()) {
            (Some(batch), fault) => {
                self.fault = fault;
                Ok(Some(batch))
            }
            (None, Some(fault)) => Err(fault),
            (None, None) => Ok(None),
        }
    }
}

/// Checks the promises but those about imports.
pub async fn battery(service: &dyn Name2KeyService) {
    what_is_registered_is_found(service).await;
    names_are_compared_by_their_canonical_form(service).await;
    names_are_found_in_any_script(service).await;
    what_is_unknown_is_an_empty_list(service).await;
    many_at_once_keep_their_order(service).await;
    several_avatars_of_one_name(service).await;
    one_key_on_several_grids(service).await;
    a_rename_moves_the_key(service).await;
    what_is_verified_stays(service).await;
    bad_registrations_change_nothing(service).await;
    too_many_matches_are_cut(service).await;
    beginnings_of_names(service).await;
    what_is_forgotten_is_gone(service).await;
}

async fn what_is_registered_is_found(service: &dyn Name2KeyService) {
    let (name, key) = (new_name(), Uuid::new_v4());
    register(service, &name, key, "OpenSim").await;
    let found = service.by_name(&name, None).await.expect("by_name");
    let [entry] = found.as_slice() else { panic!("{found:?}") };
    let seen = (entry.first_seen, entry.last_seen);
    let expected = NameEntry {
        key,
        name: name.clone(),
        grid: grid("OpenSim"),
        first_seen: seen.0,
        last_seen: seen.1,
        source: NameSource::Registration,
        verified: false,
    };
    assert_eq!(*entry, expected);
    assert!(seen.0 > 1_600_000_000 && seen.0 <= seen.1 && seen.1 < 5_000_000_000, "seconds: {seen:?}");
    assert_eq!(service.by_key(key, None).await.expect("by_key"), found);

    // The same again is no second entry.
    register(service, &name, key, "opensim").await;
    assert_eq!(names(service, key, None).await, [format!("{name} @opensim")]);
}

async fn names_are_compared_by_their_canonical_form(service: &dyn Name2KeyService) {
    let (tag, key, other) = (Uuid::new_v4().simple().to_string(), Uuid::new_v4(), Uuid::new_v4());
    register(service, &format!("McFoo{tag} Resident"), key, "a").await;
    for form in ["McFoo{} Resident", "mcfoo{}", "MCFOO{}.resident", "mcfoo{}+Resident", " McFoo{} "] {
        assert_eq!(keys(service, &form.replace("{}", &tag), None).await, [key], "{form}");
    }
    assert_eq!(names(service, key, None).await, [format!("McFoo{tag} Resident @a")], "as it was seen");
    // A name that is the beginning of another one is another one.
    register(service, &format!("McFoo{tag}x"), other, "a").await;
    assert_eq!(keys(service, &format!("mcfoo{tag}"), None).await, [key]);
    // A grid is one in any letter case.
    assert_eq!(service.by_key(key, Some(&grid("A"))).await.expect("by_key").len(), 1);
}

async fn names_are_found_in_any_script(service: &dyn Name2KeyService) {
    let tag = Uuid::new_v4().simple().to_string();
    // 255 bytes that are 383 in lower case.
    let growing = format!("{}{}", &tag[..3], "\u{23A}".repeat(126));
    assert_eq!((growing.len(), growing.to_lowercase().len()), (MAX_NAME_BYTES, 381));
    for name in
        [format!("Ñandú{tag} Ü"), format!("日本 {tag}"), format!("😀 {tag}"), format!("{tag} O'Neil % _ \\ \" ;"), growing]
    {
        let key = Uuid::new_v4();
        register(service, &name, key, "日本").await;
        assert_eq!(keys(service, &name.to_uppercase(), None).await, [key], "{name}");
        assert_eq!(names(service, key, None).await, [format!("{name} @日本")]);
    }
    // Letters that some collations take for the same.
    for other in [format!("Nandu{tag} U"), format!("ñandu{tag} Ü"), format!("Ñandú{tag} Ü Ü")] {
        assert_eq!(keys(service, &other, None).await, NOBODY, "{other}");
    }
}

async fn what_is_unknown_is_an_empty_list(service: &dyn Name2KeyService) {
    assert_eq!(keys(service, &new_name(), None).await, NOBODY);
    assert_eq!(service.by_key(Uuid::new_v4(), None).await.expect("by_key"), []);
    assert_eq!(service.by_key(Uuid::nil(), None).await.expect("by_key"), []);
    // What no name can be.
    for name in ["", "  ", "\0", "a\0b", "a\nb", &"x".repeat(10_000)] {
        assert_eq!(keys(service, name, None).await, NOBODY, "{name:?}");
    }
    assert_eq!(service.by_names(&[], None).await.expect("none"), Vec::<Vec<NameEntry>>::new());
    assert_eq!(service.by_keys(&[], None).await.expect("none"), Vec::<Vec<NameEntry>>::new());
}

async fn many_at_once_keep_their_order(service: &dyn Name2KeyService) {
    let known: Vec<(String, Uuid)> = (0..30).map(|_| (new_name(), Uuid::new_v4())).collect();
    for (name, key) in &known {
        register(service, name, *key, "a").await;
    }
    let unknown = new_name();
    let mut asked: Vec<&str> = (0..MAX_LOOK_UPS_OF_ONE_CALL).map(|number| known[number % 30].0.as_str()).collect();
    asked[17] = &unknown;
    let found = service.by_names(&asked, None).await.expect("by_names");
    let found: Vec<Option<Uuid>> = found.iter().map(|entries| entries.first().map(|entry| entry.key)).collect();
    let expected = (0..asked.len()).map(|number| (number != 17).then(|| known[number % 30].1));
    assert_eq!(found, expected.collect::<Vec<_>>());

    let mut asked: Vec<Uuid> = (0..MAX_LOOK_UPS_OF_ONE_CALL).map(|number| known[number % 30].1).collect();
    asked[9_999] = Uuid::new_v4();
    let found = service.by_keys(&asked, None).await.expect("by_keys");
    let found: Vec<Option<&str>> = found.iter().map(|entries| entries.first().map(|entry| entry.name.as_str())).collect();
    let expected = (0..asked.len()).map(|number| (number != 9_999).then(|| known[number % 30].0.as_str()));
    assert_eq!(found, expected.collect::<Vec<_>>());

    let too_many = vec!["Ann Bee"; MAX_LOOK_UPS_OF_ONE_CALL + 1];
    assert_eq!(service.by_names(&too_many, None).await.expect_err("too many").kind, ErrorKind::Invalid);
    let too_many = vec![Uuid::max(); MAX_LOOK_UPS_OF_ONE_CALL + 1];
    assert_eq!(service.by_keys(&too_many, None).await.expect_err("too many").kind, ErrorKind::Invalid);
}

async fn several_avatars_of_one_name(service: &dyn Name2KeyService) {
    let name = new_name();
    let [first, second, third] = [Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4()];
    register(service, &name, first, "first.example:8002").await;
    register(service, &name, second, "Second").await;
    register(service, &name, third, "Second").await;
    assert_eq!(keys(service, &name, None).await, [third, second, first], "the most recent first");
    assert_eq!(keys(service, &name, Some("FIRST.example:8002")).await, [first, third, second], "the asker's grid first");
    assert_eq!(keys(service, &name, Some("second")).await, [third, second, first]);
    assert_eq!(keys(service, &name, Some("elsewhere")).await, [third, second, first]);
    register(service, &name, first, "first.example:8002").await;
    assert_eq!(keys(service, &name, None).await, [first, third, second], "registered again is most recent");
    assert_eq!(keys(service, &name, Some("second")).await, [third, second, first]);
}

async fn one_key_on_several_grids(service: &dyn Name2KeyService) {
    let (here, there, key) = (new_name(), new_name(), Uuid::new_v4());
    register(service, &here, key, "Here").await;
    register(service, &there, key, "There").await;
    let both = [format!("{there} @There"), format!("{here} @Here")];
    assert_eq!(names(service, key, None).await, both);
    assert_eq!(names(service, key, Some("here")).await, [both[1].clone(), both[0].clone()]);
    assert_eq!(names(service, key, Some("there")).await, both);
    assert_eq!(keys(service, &here, None).await, [key]);
    assert_eq!(keys(service, &there, None).await, [key]);
}

async fn a_rename_moves_the_key(service: &dyn Name2KeyService) {
    let (old, new, key) = (new_name(), new_name(), Uuid::new_v4());
    register(service, &old, key, "a").await;
    let first_seen = service.by_key(key, None).await.expect("by_key")[0].first_seen;
    register(service, &new, key, "a").await;
    assert_eq!(keys(service, &old, None).await, NOBODY);
    assert_eq!(keys(service, &new, None).await, [key]);
    assert_eq!(names(service, key, None).await, [format!("{new} @a")]);
    assert_eq!(service.by_key(key, None).await.expect("by_key")[0].first_seen, first_seen);
}

async fn what_is_verified_stays(service: &dyn Name2KeyService) {
    let (name, other, key) = (new_name(), new_name(), Uuid::new_v4());
    register(service, &name, key, "a").await;
    let verified = Registration { verified: true, ..claim(&name, key, "a") };
    assert!(service.register(&verified).await.expect("register"));
    assert!(!service.register(&claim(&other, key, "a")).await.expect("no error"), "a claim that says otherwise");
    assert_eq!(keys(service, &other, None).await, NOBODY);
    register(service, &name.to_uppercase(), key, "a").await;
    let entry = service.by_key(key, None).await.expect("by_key").pop().expect("an entry");
    assert_eq!((entry.name.as_str(), entry.verified), (name.as_str(), true));
    register(service, &other, key, "b").await;
    assert_eq!(names(service, key, Some("a")).await, [format!("{name} @a"), format!("{other} @b")], "elsewhere it may");
    let renamed = Registration { verified: true, ..claim(&other, key, "a") };
    assert!(service.register(&renamed).await.expect("register"), "who is trusted may say otherwise");
    assert_eq!(names(service, key, Some("a")).await, [format!("{other} @a"), format!("{other} @b")]);
    assert_eq!(keys(service, &name, None).await, NOBODY);
}

async fn bad_registrations_change_nothing(service: &dyn Name2KeyService) {
    let (name, key) = (new_name(), Uuid::new_v4());
    let good = claim(&name, key, "a");
    for bad in [
        Registration { key: Uuid::nil(), ..good.clone() },
        Registration { name: String::new(), ..good.clone() },
        Registration { name: "  ".to_owned(), ..good.clone() },
        Registration { name: "a\0b".to_owned(), ..good.clone() },
        Registration { name: "x".repeat(MAX_NAME_BYTES + 1), ..good.clone() },
        Registration { name: "n".repeat(10_000), ..good.clone() },
        Registration { grid: grid(&"g".repeat(MAX_GRID_BYTES + 1)), ..good.clone() },
        Registration { grid: grid("a\nb"), ..good.clone() },
        Registration { grid: grid(" "), ..good.clone() },
    ] {
        assert_eq!(service.register(&bad).await.expect_err("refused").kind, ErrorKind::Refused, "{bad:?}");
    }
    assert_eq!(keys(service, &name, None).await, NOBODY);
    assert_eq!(names(service, key, None).await, Vec::<String>::new());
    let longest = Registration { name: "x".repeat(MAX_NAME_BYTES), grid: grid(&"g".repeat(MAX_GRID_BYTES)), ..good };
    assert!(service.register(&longest).await.expect("register"));
    assert_eq!(names(service, key, None).await, [format!("{} @{}", longest.name, longest.grid)]);
}

async fn too_many_matches_are_cut(service: &dyn Name2KeyService) {
    let (name, home) = (new_name(), Uuid::new_v4());
    register(service, &name, home, "home").await;
    let mut crowd = Vec::new();
    for _ in 0..MAX_MATCHES + 5 {
        let key = Uuid::new_v4();
        register(service, &name, key, "crowd").await;
        crowd.insert(0, key);
    }
    assert_eq!(keys(service, &name, None).await, crowd[..MAX_MATCHES]);
    let mut expected = vec![home];
    expected.extend(&crowd[..MAX_MATCHES - 1]);
    assert_eq!(keys(service, &name, Some("home")).await, expected);
}

async fn beginnings_of_names(service: &dyn Name2KeyService) {
    // The tag keeps the names of this run apart from others.
    let tag = Uuid::new_v4().simple().to_string();
    let named = ["Gwyneth Llewelyn", "Gwyn Resident", "gwynx", "Gwyo Resident", "Gwy_n Per", "Gwy%n Per", "Gwyñ Ü", "Gwy\\n Per"];
    for name in named {
        register(service, &format!("{tag}{name}"), Uuid::new_v4(), "a").await;
    }
    let found = async |prefix: &str, limit: usize| {
        let found = service.by_prefix(&format!("{tag}{prefix}"), limit).await.expect("by_prefix");
        found.into_iter().map(|entry| entry.name.replace(&tag, "")).collect::<Vec<_>>()
    };
    assert_eq!(found("Gwyn", 100).await, ["Gwyn Resident", "Gwyneth Llewelyn", "gwynx"]);
    assert_eq!(found("gWYN", 2).await, ["Gwyn Resident", "Gwyneth Llewelyn"]);
    assert_eq!(found("Gwyneth L", 100).await, ["Gwyneth Llewelyn"]);
    assert_eq!(found("Gwyneth.l", 100).await, ["Gwyneth Llewelyn"]);
    assert_eq!(found("Gwy_", 100).await, ["Gwy_n Per"]);
    assert_eq!(found("Gwy%", 100).await, ["Gwy%n Per"]);
    assert_eq!(found("Gwy\\", 100).await, ["Gwy\\n Per"]);
    assert_eq!(found("GWYÑ", 100).await, ["Gwyñ Ü"]);
    assert_eq!(found("Gwy", 100).await.len(), named.len());
    assert_eq!(found("Gwyz", 100).await, Vec::<String>::new());
    assert_eq!(found("Gwy", 0).await, Vec::<String>::new());
    assert_eq!(service.by_prefix("", 10).await.expect("nothing"), []);
    assert_eq!(service.by_prefix(" ", 10).await.expect("nothing"), []);
    assert_eq!(service.by_prefix("\0", 10).await.expect("nothing"), []);
}

async fn what_is_forgotten_is_gone(service: &dyn Name2KeyService) {
    let (name, key, other) = (new_name(), Uuid::new_v4(), Uuid::new_v4());
    for on in ["A", "B", "C"] {
        register(service, &name, key, on).await;
    }
    register(service, &name, other, "A").await;
    assert_eq!(service.forget(key, Some(&grid("b"))).await.expect("forget"), 1);
    assert_eq!(names(service, key, None).await, [format!("{name} @C"), format!("{name} @A")]);
    assert_eq!(service.forget(key, Some(&grid("b"))).await.expect("forget"), 0);
    assert_eq!(service.forget(key, None).await.expect("forget"), 2);
    assert_eq!(service.forget(key, None).await.expect("forget"), 0);
    assert_eq!(names(service, key, None).await, Vec::<String>::new());
    assert_eq!(keys(service, &name, None).await, [other]);
    register(service, &name, key, "A").await;
    assert_eq!(keys(service, &name, None).await, [key, other]);
}

/// Checks the promises about imports, exports and statistics, on a store that is empty.
pub async fn import_battery(service: &dyn Name2KeyService) {
    assert_eq!(service.entries_after(None, 10).await.expect("none"), []);
    assert_eq!(service.statistics().await.expect("statistics").entries, []);
    the_file_of_the_vectors(service).await;
    the_last_row_counts(service).await;
    an_import_meets_registrations(service).await;
    rows_that_fail_leave_nothing(service).await;
    everything_page_by_page(service).await;
}

/// name2key.md section 13.
pub const VECTORS: [(u128, &str); 3] = [
    (1, "Fake01 Resident"),
    (0xa27b84f0_2757_4176_9579_43a181d4a5a0, "Masakazu Kojima"),
    (0x3d6181b0_6a4b_97ef_18d8_722652995cf1, "Governor Linden"),
];

async fn import(service: &dyn Name2KeyService, on: &str, rows: &[(Uuid, &str)]) -> Imported {
    service.import(&grid(on), &mut Rows::of(rows.iter().copied())).await.expect("import")
}

/// All entries.
pub async fn everything(service: &dyn Name2KeyService) -> Vec<NameEntry> {
    let mut all: Vec<NameEntry> = Vec::new();
    loop {
        let after = all.last().map(|entry| (entry.key, entry.grid.id()));
        let page = service.entries_after(after.as_ref().map(|(key, grid)| (*key, grid.as_str())), 7).await.expect("page");
        assert!(page.len() <= 7);
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

async fn the_file_of_the_vectors(service: &dyn Name2KeyService) {
    let rows = VECTORS.map(|(key, name)| (Uuid::from_u128(key), name));
    assert_eq!(import(service, PRODUCTION, &rows).await, Imported { rows: 3, added: 3, changed: 0 });
    let before = everything(service).await;
    assert_eq!(import(service, PRODUCTION, &rows).await, Imported { rows: 3, added: 0, changed: 0 });
    assert_eq!(everything(service).await, before, "the second time changes nothing");
    for (key, name) in rows {
        assert_eq!(keys(service, name, None).await, [key]);
        assert_eq!(names(service, key, None).await, [format!("{name} @Production")]);
    }
    assert_eq!(keys(service, "goVeRnoR.linDEN", None).await, [rows[2].0]);
    let entry = service.by_key(rows[1].0, None).await.expect("by_key").pop().expect("entry");
    assert_eq!((entry.source, entry.verified, entry.first_seen), (NameSource::Import, false, entry.last_seen));
    let statistics = service.statistics().await.expect("statistics");
    assert_eq!((statistics.entries, statistics.shared_names), (vec![("production".to_owned(), 3)], 0));
    assert!(statistics.bytes.is_none_or(|bytes| bytes > 0));
}

async fn the_last_row_counts(service: &dyn Name2KeyService) {
    let (old, shared) = (new_name(), new_name());
    let [a, b, c, d] = [Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4()];
    let odd = new_name().to_uppercase();
    let rows = [(a, old.as_str()), (c, "mccoy SMITH"), (b, &shared), (a, &shared), (c, &old), (c, &shared), (d, &odd), (d, &odd)];
    assert_eq!(import(service, "Twice", &rows).await, Imported { rows: 8, added: 4, changed: 0 });
    let check = async || {
        assert_eq!(keys(service, &old, None).await, NOBODY);
        assert_eq!(keys(service, "McCoy Smith", None).await, NOBODY);
        assert_eq!(keys(service, &shared, None).await, [c, a, b], "the last of a name comes first");
        assert_eq!(names(service, d, None).await, [format!("{odd} @Twice")]);
    };
    check().await;
    let before = everything(service).await;
    assert_eq!(import(service, "tWICE", &rows).await, Imported { rows: 8, added: 0, changed: 0 });
    check().await;
    assert_eq!(everything(service).await, before);
    // Renamed, in a file that says it twice, and once otherwise.
    let (new, newest) = (new_name(), new_name());
    let rows = [(a, new.as_str()), (a, &newest), (b, &new), (b, &shared)];
    assert_eq!(import(service, "Twice", &rows).await, Imported { rows: 4, added: 0, changed: 1 });
    assert_eq!(keys(service, &new, None).await, NOBODY);
    assert_eq!(keys(service, &newest, None).await, [a]);
    assert_eq!(keys(service, &shared, None).await, [c, b]);
    assert_eq!(service.statistics().await.expect("statistics").shared_names, 1);
}

async fn an_import_meets_registrations(service: &dyn Name2KeyService) {
    let [verified, claimed, capitals] = [Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4()];
    let (true_name, old, new) = (new_name(), new_name(), new_name());
    let trusted = Registration { verified: true, ..claim(&true_name, verified, "Mixed") };
    assert!(service.register(&trusted).await.expect("register"));
    register(service, &old, claimed, "Mixed").await;
    register(service, &true_name.to_uppercase(), capitals, "Mixed").await;
    register(service, &old, claimed, "Other").await;
    let first_seen = service.by_key(claimed, None).await.expect("by_key")[0].first_seen;
    let rows = [(verified, new.as_str()), (claimed, &new), (capitals, &true_name)];
    assert_eq!(import(service, "Mixed", &rows).await, Imported { rows: 3, added: 0, changed: 1 });
    assert_eq!(names(service, verified, None).await, [format!("{true_name} @Mixed")]);
    assert_eq!(names(service, claimed, Some("mixed")).await, [format!("{new} @Mixed"), format!("{old} @Other")]);
    assert_eq!(names(service, capitals, None).await, [format!("{} @Mixed", true_name.to_uppercase())], "known already");
    let changed = &service.by_key(claimed, Some(&grid("mixed"))).await.expect("by_key")[0];
    assert_eq!((changed.source, changed.first_seen), (NameSource::Import, first_seen));
    // And registrations meet imports.
    register(service, &true_name, claimed, "Mixed").await;
    assert_eq!(keys(service, &new, None).await, NOBODY);
    assert_eq!(keys(service, &true_name, None).await, [claimed, capitals, verified]);
}

async fn rows_that_fail_leave_nothing(service: &dyn Name2KeyService) {
    let before = everything(service).await;
    let known = before[0].key;
    let names: Vec<(Uuid, String)> = (0..20).map(|_| (Uuid::new_v4(), new_name())).collect();
    let rows = names.iter().map(|(key, name)| (*key, name.as_str())).chain([(known, "Somebody Else")]);
    let failed = service.import(&grid("Production"), &mut Rows::of(rows).that_fail()).await.expect_err("a bad row");
    assert_eq!((failed.kind, failed.message.as_str()), (ErrorKind::Invalid, "line 4 is bad"));
    assert_eq!(everything(service).await, before);
    let bad = service.import(&grid("bad\ngrid"), &mut Rows::of([(known, "Somebody Else")])).await;
    assert_eq!(bad.expect_err("a bad grid").kind, ErrorKind::Refused);
    assert_eq!(import(service, "Production", &[]).await, Imported::default());
    assert_eq!(everything(service).await, before);
    // Nothing is in the way of who comes next.
    register(service, &names[0].1, names[0].0, "Production").await;
    assert_eq!(service.forget(names[0].0, None).await.expect("forget"), 1);
}

async fn everything_page_by_page(service: &dyn Name2KeyService) {
    // A key on more grids than a page has entries.
    let (name, key) = (new_name(), Uuid::new_v4());
    for number in 0..17 {
        register(service, &name, key, &format!("Grid{number}")).await;
    }
    let all = everything(service).await;
    let places: Vec<(Uuid, String)> = all.iter().map(|entry| (entry.key, entry.grid.id())).collect();
    assert!(places.is_sorted() && places.windows(2).all(|pair| pair[0] != pair[1]), "in order, and each once");
    assert_eq!(all.iter().filter(|entry| entry.key == key).count(), 17);
    let statistics = service.statistics().await.expect("statistics");
    assert_eq!(statistics.entries.iter().map(|(_, count)| count).sum::<u64>(), all.len() as u64);
    assert!(statistics.entries.is_sorted_by(|(_, count), (_, next)| count >= next), "{:?}", statistics.entries);
}
