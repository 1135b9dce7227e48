//! The OUT connector of `/xname2key`, over the IN connector and a service in memory, once and twice.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use gridshell_connectors::http::{Router, ServiceAuthentication};
use gridshell_connectors::name2key::Name2KeyConnector;
use gridshell_connectors::name2key::outbound::RemoteName2KeyService;
use gridshell_connectors::transport::{InProcess, TransportError};
use gridshell_interfaces::name2key::{
    Grid, MAX_LOOK_UPS_OF_ONE_CALL, Name2KeyService, NameBatch, NameEntry, NameRows, Registration,
};
use gridshell_interfaces::{ErrorKind, Result, ServiceError};
use uuid::Uuid;

use super::name2key_memory::Memory;
use super::script::{READ, Script, WRITE, WRITE_ONCE, answer, on_the_wire};
use super::{FAILURES, NOT_FOUND_PAGE, kind};

pub const MASAKAZU: &str = "a27b84f0-2757-4176-9579-43a181d4a5a0";
pub const GOVERNOR: &str = "3d6181b0-6a4b-97ef-18d8-722652995cf1";
const KEY: Uuid = Uuid::from_u128(0x11111111_2222_3333_4444_555555555555);

/// A service that reaches `service` over IN and OUT.
fn over_the_wire(service: Arc<dyn Name2KeyService>) -> Arc<dyn Name2KeyService> {
    let mut router = Router::new(Bytes::new());
    Name2KeyConnector::new(service).register(&mut router, Arc::new(ServiceAuthentication::none(false)));
    Arc::new(RemoteName2KeyService::new(Arc::new(InProcess::new(Arc::new(router)))))
}

/// The same over two shells, and the service at the end.
fn subject() -> (Arc<Memory>, Arc<dyn Name2KeyService>) {
    let memory = Arc::new(Memory::default());
    memory.put(MASAKAZU, "Masakazu Kojima", "Production", false);
    memory.put(GOVERNOR, "Governor Linden", "Production", true);
    (memory.clone(), over_the_wire(over_the_wire(memory)))
}

fn grid(text: &str) -> Grid {
    Grid(text.to_owned())
}

fn registration(name: &str) -> Registration {
    Registration { name: name.to_owned(), key: KEY, grid: grid("MyGrid"), verified: false }
}

struct NoRows;

#[async_trait]
impl NameRows for NoRows {
    async fn next(&mut self) -> Result<Option<NameBatch>> {
        Ok(None)
    }
}

#[tokio::test]
async fn two_hops_lose_nothing() {
    let (memory, service) = subject();
    let mut odd = registration("Ñandú <&> \"日本\" 😀");
    odd.verified = true;
    assert!(service.register(&odd).await.unwrap());
    assert!(!service.register(&registration("Other")).await.unwrap());
    let entry = memory.entries().pop().unwrap();
    assert_eq!((entry.name.as_str(), entry.verified, &entry.grid), (odd.name.as_str(), true, &odd.grid));
    assert_eq!(service.by_key(KEY, None).await.unwrap(), std::slice::from_ref(&entry));
    assert_eq!(service.by_name(&odd.name.to_uppercase(), None).await.unwrap(), std::slice::from_ref(&entry));
    let governor: Uuid = GOVERNOR.parse().unwrap();
    let keys = service.by_keys(&[governor, Uuid::max(), KEY], Some(&grid("mygrid"))).await.unwrap();
    assert_eq!(keys, [vec![memory.entries().remove(1)], vec![], vec![entry.clone()]]);
    assert_eq!(service.by_prefix("GOV", 5).await.unwrap(), keys[0]);
    assert_eq!(service.entries_after(None, 100_000).await.unwrap().len(), 3);
    assert_eq!(service.entries_after(Some((governor, "production")), 10).await.unwrap().len(), 1);
    assert_eq!(service.statistics().await.unwrap(), memory.statistics().await.unwrap());
    assert_eq!(service.forget(KEY, Some(&grid("elsewhere"))).await.unwrap(), 0);
    assert_eq!(service.forget(KEY, None).await.unwrap(), 1);
    assert_eq!(service.by_key(KEY, None).await.unwrap(), []);
}

#[tokio::test]
async fn who_asks_comes_first() {
    let (memory, service) = subject();
    memory.put(&KEY.to_string(), "Governor Linden", "MyGrid", false);
    let first = async |asker: &str| service.by_name("governor.linden", Some(&grid(asker))).await.unwrap()[0].key;
    assert_eq!((first("mygrid").await, first("Production").await), (KEY, GOVERNOR.parse().unwrap()));
    // A grid that nobody can be of is as good as none.
    assert_eq!(first(&"g".repeat(1_000)).await, KEY);
    let found = service.by_names(&["governor.linden"], Some(&grid("PRODUCTION"))).await.unwrap();
    assert_eq!(found[0].iter().map(|entry| entry.key.to_string()).collect::<Vec<_>>(), [GOVERNOR.to_owned(), KEY.to_string()]);
}

#[tokio::test]
async fn long_lists_are_divided() {
    let (memory, service) = subject();
    for number in 0..100 {
        memory.put(&format!("aaaaaaaa-0000-4000-8000-{number:012}"), "Ann Bee", "Production", false);
    }
    // More matches than fit into one answer of the wire.
    let mut names = vec!["Ann Bee"; 1_200];
    let too_long = "x".repeat(10_000);
    names[7] = "No One";
    names[8] = &too_long;
    let found = service.by_names(&names, None).await.unwrap();
    let counts: Vec<usize> = found.iter().map(Vec::len).collect();
    let expected: Vec<usize> = (0..1_200).map(|place| if matches!(place, 7 | 8) { 0 } else { 100 }).collect();
    assert_eq!(counts, expected);
    let mut keys = vec![Uuid::max(); MAX_LOOK_UPS_OF_ONE_CALL];
    keys[9_999] = MASAKAZU.parse().unwrap();
    let found = service.by_keys(&keys, None).await.unwrap();
    assert_eq!((found.len(), found[9_999][0].name.as_str()), (MAX_LOOK_UPS_OF_ONE_CALL, "Masakazu Kojima"));
    assert!(found[..9_999].iter().all(Vec::is_empty));
}

#[tokio::test]
async fn what_needs_no_answer_is_not_asked() {
    let silent = Script::silent();
    let service = RemoteName2KeyService::new(silent);
    let too_long = "x".repeat(256);
    assert_eq!(service.by_name(&too_long, None).await.unwrap(), []);
    assert_eq!(service.by_names(&[&too_long, &too_long], None).await.unwrap(), [vec![], vec![]]);
    assert_eq!(service.by_names(&[], None).await.unwrap(), Vec::<Vec<NameEntry>>::new());
    assert_eq!(service.by_keys(&[], None).await.unwrap(), Vec::<Vec<NameEntry>>::new());
    assert_eq!(service.by_prefix(&too_long, 9).await.unwrap(), []);
    assert_eq!(service.by_prefix("a", 0).await.unwrap(), []);
    assert_eq!(service.entries_after(None, 0).await.unwrap(), []);
    assert_eq!(kind(service.by_names(&["a"; 10_001], None).await), ErrorKind::Invalid);
    assert_eq!(kind(service.by_keys(&[KEY; 10_001], None).await), ErrorKind::Invalid);
    assert_eq!(kind(service.import(&grid("Production"), &mut NoRows).await), ErrorKind::Refused);
    for bad in ["", " ", "a\0b", too_long.as_str()] {
        assert_eq!(kind(service.register(&registration(bad)).await), ErrorKind::Refused, "{bad:?}");
    }
}

/// Each call that is sent, and what it makes of the answer.
async fn every_call(service: &dyn Name2KeyService) -> Vec<(&'static str, Result<()>)> {
    vec![
        ("get_key", service.by_name("a", None).await.map(|_| ())),
        ("get_keys", service.by_names(&["a"], None).await.map(|_| ())),
        ("get_name", service.by_key(KEY, None).await.map(|_| ())),
        ("get_names", service.by_keys(&[KEY], None).await.map(|_| ())),
        ("find", service.by_prefix("a", 9).await.map(|_| ())),
        ("register", service.register(&registration("a")).await.map(|_| ())),
        ("forget", service.forget(KEY, None).await.map(|_| ())),
        ("entries", service.entries_after(None, 9).await.map(|_| ())),
        ("statistics", service.statistics().await.map(|_| ())),
    ]
}

#[tokio::test]
async fn failures_keep_their_kind_over_two_hops() {
    let (memory, service) = subject();
    for error in [
        ServiceError::unavailable("the database is gone"),
        ServiceError::internal("a row cannot be understood"),
        ServiceError::refused("does not fit"),
        ServiceError::invalid("too many"),
    ] {
        memory.fail_with(Some(error.clone()));
        for (operation, result) in every_call(&*service).await {
            assert_eq!(kind(result), error.kind, "{operation}");
        }
    }
}

#[tokio::test]
async fn requests_and_garbage() {
    let script = Script::new((0..9).map(|_| Ok(answer(200, "<ServerResponse />"))));
    for (operation, result) in every_call(&RemoteName2KeyService::new(script.clone())).await {
        assert_eq!(kind(result), ErrorKind::Internal, "{operation}: nothing is no answer to anything");
    }
    let sent = script.sent();
    let rest = ["get_key&NAME=a", "get_keys&NAMES[]=a", "get_name&KEY={}", "get_names&KEYS[]={}", "find&PREFIX=a&LIMIT=9"];
    let more = ["register&NAME=a&KEY={}&GRID=MyGrid&VERIFIED=False", "forget&KEY={}", "entries&LIMIT=9", "statistics"];
    for (request, expected) in sent.iter().zip(rest.iter().chain(&more)) {
        let (head, body) = on_the_wire(request);
        assert_eq!(head, "POST /xname2key application/x-www-form-urlencoded");
        assert_eq!(body, format!("METHOD={}", expected.replace("{}", &KEY.to_string())));
        let expected = match expected {
            _ if expected.starts_with("register") => WRITE,
            _ if expected.starts_with("forget") => WRITE_ONCE,
            _ => READ,
        };
        assert_eq!((request.kind, request.repeat), expected, "{body}");
    }
    let of_the_key: Vec<Option<u64>> = [2, 5, 6].iter().map(|place: &usize| sent[*place].affinity).collect();
    assert!(of_the_key[0].is_some() && of_the_key == [of_the_key[0]; 3]);

    let failures = FAILURES.into_iter().chain([(404, ErrorKind::Internal)]).map(|(status, kind)| (Ok(answer(status, "")), kind));
    let gone = (Err(TransportError::Unavailable("nobody at a:1".to_owned())), ErrorKind::Unavailable);
    let garbage = ["", "garbage", NOT_FOUND_PAGE, "<ServerResponse><ENTRIES type=\"List\">"]
        .map(|body| (Ok(answer(200, body)), ErrorKind::Internal));
    for (answered, expected) in failures.chain([gone]).chain(garbage) {
        let script = Script::new((0..9).map(|_| answered.clone()));
        for (operation, result) in every_call(&RemoteName2KeyService::new(script)).await {
            assert_eq!(kind(result), expected, "{operation} {answered:?}");
        }
    }
}
