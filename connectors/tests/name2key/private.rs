//! The private face, `/xname2key`.

use gridshell_connectors::http::{Handler, Method, StatusCode};
use gridshell_connectors::name2key::Name2KeyConnector;
use gridshell_connectors::name2key::codec::{self, Call, CodecError};
use gridshell_interfaces::name2key::{Grid, NameEntry, NameSource, Registration};
use gridshell_interfaces::{ErrorKind, ServiceError};
use uuid::Uuid;

use super::{FAKE, GOVERNOR, MASAKAZU, Subject, TEST_USER};

pub const INVALID: &str =
    "<?xml version=\"1.0\"?>\n<ServerResponse>\n  <RESULT>False</RESULT>\n  <ERROR>invalid</ERROR>\n</ServerResponse>";

impl Subject {
    /// The body of the answer to a request; checks what all answers have in common.
    pub async fn post(&self, body: impl Into<bytes::Bytes>) -> String {
        let response = self.send(Method::POST, "/xname2key", &[], body).await;
        assert_eq!((response.status, &*response.content_type), (StatusCode::OK, "application/xml"));
        String::from_utf8(response.body.bytes().to_vec()).unwrap()
    }

    async fn call(&self, call: Call) -> String {
        self.post(call.encode()).await
    }
}

/// One valid request for each METHOD.
pub fn every_request() -> Vec<String> {
    [
        "get_key&NAME=governor.linden".to_owned(),
        "get_keys&NAMES[]=governor.linden&NAMES[]=No+One".to_owned(),
        format!("get_name&KEY={GOVERNOR}"),
        format!("get_names&KEYS[]={GOVERNOR}&KEYS[]={TEST_USER}"),
        "find&PREFIX=gov&LIMIT=10".to_owned(),
        format!("register&NAME=Test+User&KEY={TEST_USER}&GRID=OpenSim"),
        format!("forget&KEY={MASAKAZU}"),
        "entries&LIMIT=2".to_owned(),
        "statistics".to_owned(),
    ]
    .iter()
    .map(|request| format!("METHOD={request}"))
    .collect()
}

#[tokio::test]
async fn a_look_up_byte_for_byte() {
    let subject = Subject::private();
    assert_eq!(
        subject.post("METHOD=get_key&NAME=governor.linden").await,
        "<?xml version=\"1.0\"?><ServerResponse><ENTRIES type=\"List\"><entry_0 type=\"List\">\
         <KEY>3d6181b0-6a4b-97ef-18d8-722652995cf1</KEY><NAME>Governor Linden</NAME><GRID>Production</GRID>\
         <FIRSTSEEN>1700000000</FIRSTSEEN><LASTSEEN>1700000001</LASTSEEN><SOURCE>import</SOURCE><VERIFIED>False</VERIFIED>\
         </entry_0></ENTRIES></ServerResponse>"
    );
    let nothing = "<?xml version=\"1.0\"?><ServerResponse><ENTRIES type=\"List\" /></ServerResponse>";
    assert_eq!(subject.post("METHOD=get_key&NAME=No+One").await, nothing);
    assert_eq!(subject.post(format!("METHOD=get_name&KEY={TEST_USER}")).await, nothing);
}

#[tokio::test]
async fn what_the_service_knows_comes_back() {
    let subject = Subject::private();
    let grid = Grid("MyGrid".to_owned());
    let test_user: Uuid = TEST_USER.parse().unwrap();
    let registration = Registration { name: "Governor Linden".to_owned(), key: test_user, grid: grid.clone(), verified: true };
    assert_eq!(codec::decode_registered(subject.call(Call::Register(registration.clone())).await.as_bytes()), Ok(true));
    let entry = subject.service.entries().pop().unwrap();
    assert_eq!((entry.key, &entry.grid, entry.source, entry.verified), (test_user, &grid, NameSource::Registration, true));
    let other = Registration { name: "Other".to_owned(), verified: false, ..registration };
    assert_eq!(codec::decode_registered(subject.call(Call::Register(other)).await.as_bytes()), Ok(false));

    let entries = |document: String| codec::decode_entries(document.as_bytes()).unwrap();
    let keys = |entries: &[NameEntry]| entries.iter().map(|entry| entry.key.to_string()).collect::<Vec<_>>();
    let name = "GOVERNOR LINDEN".to_owned();
    let found = entries(subject.call(Call::GetKey { name: name.clone(), asker: Some(Grid("production".to_owned())) }).await);
    assert_eq!(keys(&found), [GOVERNOR, TEST_USER]);
    let found = entries(subject.call(Call::GetKey { name, asker: Some(grid.clone()) }).await);
    assert_eq!(keys(&found), [TEST_USER, GOVERNOR]);
    assert_eq!(found[0], entry);
    let found = entries(subject.call(Call::Find { prefix: "G".to_owned(), limit: 1 }).await);
    assert_eq!(keys(&found), [GOVERNOR]);
    let found = entries(subject.call(Call::Entries { after: None, limit: 2 }).await);
    assert_eq!(keys(&found), [FAKE, TEST_USER]);
    let after = Some((test_user, grid));
    assert_eq!(keys(&entries(subject.call(Call::Entries { after, limit: 9 }).await)), [GOVERNOR, MASAKAZU]);

    let statistics = codec::decode_statistics(subject.call(Call::Statistics).await.as_bytes()).unwrap();
    assert_eq!(statistics.entries, [("production".to_owned(), 4)]);
    let forget = |grid: &str| Call::Forget { key: test_user, grid: Some(Grid(grid.to_owned())) };
    assert_eq!(codec::decode_forgotten(subject.call(forget("")).await.as_bytes()), Ok(0));
    assert_eq!(codec::decode_forgotten(subject.call(forget("mygrid")).await.as_bytes()), Ok(1));
    assert_eq!(subject.service.entries().len(), 3);
}

#[tokio::test]
async fn lists_of_ten_thousand() {
    let subject = Subject::private();
    let mut names: Vec<String> = (0..10_000).map(|number| format!("Name{number} Resident")).collect();
    names[4_711] = "masakazu kojima".to_owned();
    let document = subject.call(Call::GetKeys { names, asker: None }).await;
    let answers = codec::decode_answers(document.as_bytes(), 10_000).unwrap();
    assert_eq!(answers.iter().filter(|answer| !answer.is_empty()).count(), 1);
    assert_eq!(answers[4_711][0].key.to_string(), MASAKAZU);

    let mut keys: Vec<Uuid> = (0..10_000).map(|number| Uuid::from_u128(number << 64)).collect();
    keys[9_999] = GOVERNOR.parse().unwrap();
    let document = subject.call(Call::GetNames { keys, asker: None }).await;
    let answers = codec::decode_answers(document.as_bytes(), 10_000).unwrap();
    assert_eq!(answers[9_999][0].name, "Governor Linden");
    assert!(answers[..9_999].iter().all(Vec::is_empty));

    let names = |count: usize| format!("METHOD=get_keys{}", "&NAMES[]=a".repeat(count));
    let keys = |count: usize| format!("METHOD=get_names{}", format!("&KEYS[]={GOVERNOR}").repeat(count));
    assert_eq!((subject.post(names(10_001)).await.as_str(), subject.post(keys(10_001)).await.as_str()), (INVALID, INVALID));
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_refused() {
    let subject = Subject::private();
    for number in 0..100 {
        subject.service.put(&format!("aaaaaaaa-0000-4000-8000-{number:012}"), "Ann Bee", "Production", false);
    }
    let ask = |count: usize| Call::GetKeys { names: vec!["Ann Bee".to_owned(); count], asker: None };
    let answers = codec::decode_answers(subject.call(ask(1_000)).await.as_bytes(), 1_000).unwrap();
    assert!(answers.iter().all(|answer| answer.len() == 100));
    let too_long = codec::decode_answers(subject.call(ask(1_001)).await.as_bytes(), 1_001);
    assert_eq!(too_long, Err(CodecError::Failure(ErrorKind::Refused)));
}

#[tokio::test]
async fn failures_keep_their_kind() {
    let subject = Subject::private();
    let before = subject.service.entries();
    for (error, kind) in [
        (ServiceError::unavailable("the database is gone"), "unavailable"),
        (ServiceError::internal("a row cannot be understood"), "internal"),
        (ServiceError::refused("does not fit"), "refused"),
        (ServiceError::invalid("too many"), "invalid"),
    ] {
        subject.service.fail_with(Some(error));
        for request in every_request() {
            assert_eq!(subject.post(request.clone()).await, INVALID.replace("invalid", kind), "{request}");
            let response = subject.send(Method::POST, "/xname2key", &[], request).await;
            assert_eq!(response.failed, matches!(kind, "unavailable" | "internal"));
        }
    }
    subject.service.fail_with(None);
    assert_eq!(subject.service.entries(), before);
}

#[tokio::test]
async fn each_answer_is_labelled_with_its_operation() {
    let subject = Subject::private();
    let operations = Name2KeyConnector::new(subject.service.clone()).operations();
    for request in every_request() {
        let response = subject.send(Method::POST, "/xname2key", &[], request.clone()).await;
        let method = request.strip_prefix("METHOD=").unwrap().split('&').next().unwrap();
        assert_eq!(response.operation, method);
        assert!(operations.contains(&method));
    }
    assert_eq!(subject.send(Method::POST, "/xname2key", &[], "METHOD=other").await.operation, "unknown");
}

#[tokio::test]
async fn scripts_and_other_verbs_are_not_served() {
    let subject = Subject::private();
    let request = "METHOD=get_key&NAME=governor.linden";
    let refused = subject.send(Method::POST, "/xname2key", &[("x-secondlife-shard", "OpenSim")], request).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(subject.get(&format!("/xname2key?{request}")).await.status, StatusCode::NOT_FOUND);
}
