//! W-Hat's interface as an upstream: against its literal answers, and against our own face of it.

use std::sync::Arc;

use bytes::Bytes;
use gridshell_connectors::http::Router;
use gridshell_connectors::name2key::outbound_web::RemoteName2KeyWebService;
use gridshell_connectors::name2key::{Name2KeyWebConnector, WebOptions};
use gridshell_connectors::transport::{InProcess, TransportError};
use gridshell_interfaces::name2key::{Grid, Name2KeyService, NameEntry, NameSource, Registration};
use gridshell_interfaces::{ErrorKind, ServiceError};
use uuid::Uuid;

use super::name2key::{GOVERNOR, MASAKAZU};
use super::name2key_memory::Memory;
use super::script::{READ, Script, answer, on_the_wire};
use super::{FAILURES, NOT_FOUND_PAGE, kind};

const ZERO: &str = "00000000-0000-0000-0000-000000000000";

fn service(script: &Arc<Script>) -> RemoteName2KeyWebService {
    RemoteName2KeyWebService::new(script.clone())
}

fn entry(key: &str, name: &str) -> NameEntry {
    NameEntry {
        key: key.parse().unwrap(),
        name: name.to_owned(),
        grid: Grid("Production".to_owned()),
        first_seen: 0,
        last_seen: 0,
        source: NameSource::Import,
        verified: false,
    }
}

#[tokio::test]
async fn one_name() {
    // The last two from servers that do not know `terse`, or end lines.
    for found in [GOVERNOR.to_owned(), format!("goVeRnoR.linDEN {GOVERNOR}"), format!("\u{feff}{}\r\n", GOVERNOR.to_uppercase())]
    {
        let script = Script::answering(200, found);
        let entries = service(&script).by_name("goVeRnoR LINDEN", Some(&Grid("elsewhere".to_owned()))).await.unwrap();
        assert_eq!(entries, [entry(GOVERNOR, "Governor Linden")]);
        let request = script.request();
        assert_eq!(on_the_wire(&request), ("GET /name2key?terse=1&name=governor.linden".to_owned(), String::new()));
        assert_eq!((request.kind, request.repeat), READ);
    }
    for unknown in [answer(200, ZERO), answer(200, "None found"), answer(404, ZERO), answer(404, "")] {
        let script = Script::new([Ok(unknown)]);
        assert_eq!(service(&script).by_name("No One", None).await.unwrap(), []);
    }
    let script = Script::answering(200, MASAKAZU);
    assert_eq!(service(&script).by_name("Foo Resident", None).await.unwrap(), [entry(MASAKAZU, "Foo Resident")]);
    assert_eq!(on_the_wire(&script.request()).0, "GET /name2key?terse=1&name=foo");
}

#[tokio::test]
async fn one_key() {
    let key = GOVERNOR.parse().unwrap();
    let script = Script::answering(200, "governor.linden");
    assert_eq!(service(&script).by_key(key, None).await.unwrap(), [entry(GOVERNOR, "Governor Linden")]);
    assert_eq!(on_the_wire(&script.request()), (format!("GET /key2name/{GOVERNOR}"), String::new()));
    assert_eq!(service(&Script::answering(404, "")).by_key(key, None).await.unwrap(), []);
    for garbage in ["", NOT_FOUND_PAGE, "None found here"] {
        assert_eq!(kind(service(&Script::answering(200, garbage)).by_key(key, None).await), ErrorKind::Internal, "{garbage}");
    }
    let keys: Vec<Uuid> = (1..=20).map(Uuid::from_u128).collect();
    let one = |number: usize| if number.is_multiple_of(4) { answer(404, "") } else { answer(200, format!("name{number}")) };
    let script = Script::new((0..20).map(|number| Ok(one(number))));
    let found = service(&script).by_keys(&keys, None).await.unwrap();
    for (number, entries) in found.iter().enumerate() {
        let expected = (number % 4 != 0).then(|| entry(&keys[number].to_string(), &format!("Name{number} Resident")));
        assert_eq!(*entries, Vec::from_iter(expected));
    }
    assert_eq!(script.sent().len(), 20);
}

#[tokio::test]
async fn fifty_names_at_a_time() {
    let names: Vec<String> = (0..120).map(|number| format!("Name{number} Tester")).collect();
    let mut asked: Vec<&str> = names.iter().map(String::as_str).collect();
    // What no name of that server can be is not asked for.
    asked.insert(3, "Jo-Ann X");
    let key =
        |number: usize| if number.is_multiple_of(10) { ZERO.to_owned() } else { Uuid::from_u128(number as u128).to_string() };
    let lines = |numbers: std::ops::Range<usize>| numbers.map(key).collect::<Vec<_>>().join("\n");
    let script = Script::new([0..50, 50..100, 100..120].map(|numbers| Ok(answer(200, lines(numbers)))));
    let mut found = service(&script).by_names(&asked, None).await.unwrap();
    assert_eq!(found.remove(3), []);
    for (number, entries) in found.iter().enumerate() {
        let expected = (number % 10 != 0).then(|| entry(&key(number), &names[number]));
        assert_eq!(*entries, Vec::from_iter(expected), "{number}");
    }
    let targets: Vec<String> = script.sent().iter().map(|request| on_the_wire(request).0).collect();
    let list =
        |numbers: std::ops::Range<usize>| numbers.map(|number| format!("name{number}.tester")).collect::<Vec<_>>().join(",");
    assert_eq!(targets, [0..50, 50..100, 100..120].map(|numbers| format!("GET /name2key?terse=1&names={}", list(numbers))));

    // Long names make short lists.
    let long = "x".repeat(255);
    let script = Script::new([7, 7, 6].map(|count| Ok(answer(200, vec![MASAKAZU; count].join("\n")))));
    let found = service(&script).by_names(&[long.as_str(); 20], None).await.unwrap();
    assert!(found.iter().all(|entries| entries.len() == 1));
    assert!(script.sent().iter().all(|request| request.target.len() < 2_100));
}

#[tokio::test]
async fn names_that_nobody_can_have() {
    let silent = Script::silent();
    let names = ["", " ", "a.b.c", "Jo-Ann X", "é", "a@b", "a,b", "a&b=c", "a\nb", &"x".repeat(256), "a/../b", "%41"];
    let found = service(&silent).by_names(&names, None).await.unwrap();
    assert!(found.len() == names.len() && found.iter().all(Vec::is_empty));
    for name in names {
        assert_eq!(service(&silent).by_name(name, None).await.unwrap(), [], "{name:?}");
    }
    assert_eq!(kind(service(&silent).by_names(&["a"; 10_001], None).await), ErrorKind::Invalid);
    assert_eq!(kind(service(&silent).by_keys(&[Uuid::max(); 10_001], None).await), ErrorKind::Invalid);
}

#[tokio::test]
async fn everything_else_is_refused() {
    let silent = service(&Script::silent());
    let registration =
        Registration { name: "a".to_owned(), key: Uuid::max(), grid: Grid("Production".to_owned()), verified: true };
    assert_eq!(kind(silent.register(&registration).await), ErrorKind::Refused);
    assert_eq!(kind(silent.forget(Uuid::max(), None).await), ErrorKind::Refused);
    assert_eq!(kind(silent.by_prefix("a", 9).await), ErrorKind::Refused);
    assert_eq!(kind(silent.entries_after(None, 9).await), ErrorKind::Refused);
    assert_eq!(kind(silent.statistics().await), ErrorKind::Refused);
}

#[tokio::test]
async fn garbage_and_failures() {
    for body in ["", NOT_FOUND_PAGE, "stored", "a27b84f0-2757-4176-9579-43a181d4a5a", &format!("{ZERO}\n{ZERO}")] {
        let found = service(&Script::answering(200, body.to_owned())).by_name("a", None).await;
        assert_eq!(kind(found), ErrorKind::Internal, "{body:?}");
    }
    assert_eq!(kind(service(&Script::answering(200, ZERO)).by_names(&["a", "b"], None).await), ErrorKind::Internal);
    assert_eq!(kind(service(&Script::answering(200, &b"\xff"[..])).by_name("a", None).await), ErrorKind::Internal);
    for (status, expected) in FAILURES {
        assert_eq!(kind(service(&Script::answering(status, ZERO)).by_name("a", None).await), expected, "{status}");
        assert_eq!(kind(service(&Script::answering(status, ZERO)).by_key(Uuid::max(), None).await), expected, "{status}");
    }
    let gone = TransportError::Unavailable("nobody at a:1".to_owned());
    assert_eq!(kind(service(&Script::new([Err(gone)])).by_name("a", None).await), ErrorKind::Unavailable);
}

#[tokio::test]
async fn against_our_own_face() {
    let memory = Arc::new(Memory::default());
    memory.put(MASAKAZU, "Masakazu Kojima", "Production", false);
    memory.put(GOVERNOR, "Governor Linden", "Production", false);
    let mut router = Router::new(Bytes::new());
    Name2KeyWebConnector::new(memory.clone(), WebOptions::default()).register(&mut router);
    let service = RemoteName2KeyWebService::new(Arc::new(InProcess::new(Arc::new(router))));
    let names: Vec<String> = (0..60).map(|number| format!("Nobody{number} Tester")).collect();
    let mut asked: Vec<&str> = names.iter().map(String::as_str).collect();
    asked[17] = "masakazu.KOJIMA";
    asked[55] = "Governor Linden";
    let found = service.by_names(&asked, None).await.unwrap();
    for (place, entries) in found.iter().enumerate() {
        let expected = match place {
            17 => vec![entry(MASAKAZU, "Masakazu Kojima")],
            55 => vec![entry(GOVERNOR, "Governor Linden")],
            _ => vec![],
        };
        assert_eq!(*entries, expected);
    }
    assert_eq!(service.by_name("No One", None).await.unwrap(), []);
    let keys = [Uuid::max(), GOVERNOR.parse().unwrap()];
    assert_eq!(service.by_keys(&keys, None).await.unwrap(), [vec![], vec![entry(GOVERNOR, "Governor Linden")]]);
    memory.fail_with(Some(ServiceError::unavailable("the database is gone")));
    assert_eq!(kind(service.by_name("No One", None).await), ErrorKind::Unavailable);
    assert_eq!(kind(service.by_keys(&keys, None).await), ErrorKind::Unavailable);
}
