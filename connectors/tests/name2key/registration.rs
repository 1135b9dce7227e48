//! Who may register what through gosl-basics' face (name2key.md section 12.1).

use std::io::Write;
use std::sync::{Arc, Mutex};

use gridshell_connectors::http::{Method, StatusCode};
use gridshell_connectors::name2key::{GoslOptions, RegistrationOptions, RegistrationPolicy};
use gridshell_interfaces::ServiceError;
use gridshell_interfaces::name2key::{Grid, NameSource};

use super::{GOVERNOR, MASAKAZU, Subject, TEST_USER, ZERO, header, open, text};

const REFUSED: (u16, &str) = (403, "registration not allowed\n");

fn with_policy(policy: RegistrationPolicy) -> Subject {
    let registration = RegistrationOptions { policy, per_minute: 0 };
    Subject::gosl(GoslOptions { registration, ..GoslOptions::default() })
}

async fn register(subject: &Subject, more: &str) -> (u16, String) {
    subject.ask(&format!("/touch/?name=Test+User&key={TEST_USER}{more}")).await
}

async fn is_refused(subject: &Subject, more: &str) {
    let before = subject.service.entries();
    let (status, body) = register(subject, more).await;
    assert_eq!((status, body.as_str()), REFUSED, "{more}");
    assert_eq!(subject.service.entries(), before);
}

#[tokio::test]
async fn policies() {
    is_refused(&Subject::gosl(GoslOptions::default()), "").await;
    is_refused(&with_policy(RegistrationPolicy::Off), "").await;
    let regions = || RegistrationPolicy::Regions(vec!["192.0.2.0/24".parse().unwrap()]);
    assert_eq!(register(&with_policy(regions()), "").await.0, 200);
    is_refused(&with_policy(regions()).from("198.51.100.1"), "").await;
    // Headers of scripts prove nothing.
    let from_outside = with_policy(regions()).from("198.51.100.1");
    let headers = [("x-secondlife-shard", "Production"), ("x-forwarded-for", "192.0.2.7")];
    let target = format!("/?name=Test+User&key={TEST_USER}");
    assert_eq!(from_outside.send(Method::GET, &target, &headers, "").await.status, StatusCode::FORBIDDEN);

    let subject = with_policy(RegistrationPolicy::Secret("open sesame".to_owned()));
    for wrong in ["", "&secret=", "&secret=open", "&secret=open+sesame+", "&Secret=open+sesame"] {
        is_refused(&subject, wrong).await;
    }
    assert_eq!(register(&subject, "&secret=open+sesame").await.0, 200);
    for (given, status) in [("open sesame", 200), ("open sesamf", 403)] {
        let answer = subject.send(Method::GET, &target, &[("x-name2key-secret", given)], "").await;
        assert_eq!(answer.status.as_u16(), status);
    }
    // Look-ups need nothing.
    assert_eq!(with_policy(RegistrationPolicy::Off).ask("/?name=governor.linden").await, (200, GOVERNOR.to_owned()));
}

#[tokio::test]
async fn what_is_stored() {
    let subject = Subject::gosl(GoslOptions { grids: "198.51.100.0/24 mygrid".parse().unwrap(), ..open() });
    let stored = |subject: &Subject| {
        let entry = subject.service.entries().pop().unwrap();
        assert_eq!((entry.key.to_string().as_str(), entry.source, entry.verified), (TEST_USER, NameSource::Registration, false));
        (entry.name, entry.grid)
    };
    for (name, more, shard, stored_name, stored_grid, sentence) in [
        ("Test+User", "", "OpenSim", "Test User", "OpenSim", "'Test User' which is: KEY from grid: 'OpenSim'"),
        ("Test+User", "", "Production", "Test User", "Production", "'Test User' which is: KEY from grid: 'Production'"),
        ("Test+User", "", "", "Test User", "", "'Test User' which is: KEY from grid: ''"),
        ("+Test++User", "", "", " Test  User", "", "' Test  User' which is: KEY from grid: ''"),
        ("t%c3%a9st", "&grid=My+Grid", "OpenSim", "tést", "My Grid", "'tést' which is: KEY from grid: 'OpenSim'"),
        (
            "Test.User+@Grid.Example:8002",
            "",
            "OpenSim",
            "Test.User",
            "grid.example:8002",
            "'Test.User @Grid.Example:8002' which is: KEY from grid: 'OpenSim'",
        ),
    ] {
        let target = format!("/?name={name}&key={}{more}", TEST_USER.to_uppercase());
        let answer = subject.send(Method::GET, &target, &[("x-secondlife-shard", shard)], "").await;
        assert_eq!(text(&answer), format!("Added new entry for {}", sentence.replace("KEY", TEST_USER)));
        assert_eq!(stored(&subject), (stored_name.to_owned(), Grid(stored_grid.to_owned())));
    }
    let at_home = subject.from("198.51.100.1");
    let target = format!("/?name=Test+User&key={TEST_USER}");
    let answer = at_home.send(Method::GET, &target, &[("x-secondlife-shard", "OpenSim")], "").await;
    assert!(text(&answer).ends_with(" from grid: 'OpenSim'"));
    assert_eq!(stored(&at_home), ("Test User".to_owned(), Grid("mygrid".to_owned())));
    assert_eq!(at_home.ask("/?name=test.user").await.1, TEST_USER);
}

#[tokio::test]
async fn what_is_verified_stays() {
    let subject = Subject::gosl(open());
    subject.service.put(TEST_USER, "Ann Bee", "", true);
    is_refused(&subject, "").await;
    // On another grid the key may have another name; and what the verified entry says can be said again.
    assert_eq!(register(&subject, "&grid=elsewhere").await.0, 200);
    assert_eq!(subject.ask(&format!("/?name=Ann+Bee&key={TEST_USER}")).await.0, 200);
}

#[tokio::test]
async fn what_the_service_refuses() {
    let subject = Subject::gosl(open());
    for error in [ServiceError::refused("this key is not listed"), ServiceError::invalid("makes no sense")] {
        subject.service.fail_with(Some(error));
        is_refused(&subject, "").await;
    }
}

#[tokio::test]
async fn what_is_no_registration() {
    let subject = Subject::gosl(open());
    let before = subject.service.entries();
    for (target, answer) in [
        ("/?name=X+Y&key=notauuid".to_owned(), "invalid key \"notauuid\"\n".to_owned()),
        (format!("/?name=X+Y&key={ZERO}"), format!("invalid key \"{ZERO}\"\n")),
        (format!("/?name=X+Y&key=%20{TEST_USER}"), format!("invalid key \" {TEST_USER}\"\n")),
        (format!("/?name=X+Y&key={{{}}}", &TEST_USER[..34]), format!("invalid key \"{{{}}}\"\n", &TEST_USER[..34])),
        ("/?name=X+Y&key=a%22b%0a".to_owned(), "invalid key \"a\\\"b\\n\"\n".to_owned()),
        (format!("/?name=X+Y&key={}", "f".repeat(9_000)), format!("invalid key \"{}\"\n", "f".repeat(64))),
        (format!("/?name=%20&key={TEST_USER}"), "invalid name: the name is empty\n".to_owned()),
        (format!("/?name=a%00b&key={TEST_USER}"), "invalid name: a name has no control characters\n".to_owned()),
        (format!("/?name={}&key={TEST_USER}", "a".repeat(256)), "invalid name: a name is at most 255 bytes\n".to_owned()),
        (format!("/?name={}&key={TEST_USER}", "a".repeat(10_000)), "invalid name: a name is at most 255 bytes\n".to_owned()),
        (format!("/?name=X+Y&key={TEST_USER}&grid={}", "g".repeat(256)), "invalid grid\n".to_owned()),
        (format!("/?name=X+Y&key={TEST_USER}&grid=%0a"), "invalid grid\n".to_owned()),
    ] {
        assert_eq!(subject.ask(&target).await, (400, answer), "{target}");
    }
    assert_eq!(subject.service.entries(), before);
    assert_eq!(subject.ask(&format!("/?name={}&key={TEST_USER}", "a".repeat(255))).await.0, 200);
}

#[tokio::test]
async fn registrations_and_look_ups_are_counted_apart() {
    let registration = RegistrationOptions { policy: RegistrationPolicy::Open, per_minute: 1 };
    let mut subject = Subject::gosl(GoslOptions { registration, look_ups_per_minute: 2, ..GoslOptions::default() });
    assert_eq!(register(&subject, "").await.0, 200);
    let before = subject.service.entries();
    let refused = subject.get(&format!("/?name=Other&key={MASAKAZU}")).await;
    assert_eq!((refused.status.as_u16(), text(&refused).as_str()), (429, "too many registrations, try again later\n"));
    let wait: u64 = header(&refused, "retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait));
    assert_eq!(subject.service.entries(), before);

    for _ in 0..2 {
        assert_eq!(subject.ask("/?name=governor.linden").await.0, 200);
    }
    let refused = subject.get("/?name=governor.linden").await;
    assert_eq!((refused.status.as_u16(), text(&refused).as_str()), (429, "too many look-ups, try again later\n"));
    assert!(header(&refused, "retry-after").is_some());
    subject = subject.from("192.0.2.8");
    assert_eq!(subject.ask("/?name=governor.linden").await.0, 200);
    assert_eq!(register(&subject, "").await.0, 200);
}

/// What is logged while it lives.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn lines(&self) -> Vec<String> {
        let log = std::mem::take(&mut *self.0.lock().unwrap());
        String::from_utf8(log).unwrap().lines().map(str::to_owned).collect()
    }
}

impl Write for Log {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(text)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_says_who_registered_what_and_never_the_secret() {
    let log = Log::default();
    let writer = log.clone();
    // A library that logs asks, once for each place that does so, who is interested: as long as there is one subscriber in the program,
    // that of the thread that comes by first, which is another test's. With two it asks all.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let subscriber =
        tracing_subscriber::fmt().with_ansi(false).without_time().with_target(false).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let subject = with_policy(RegistrationPolicy::Secret("open sesame".to_owned()));
    let headers = [
        ("x-secondlife-shard", "OpenSim"),
        ("x-secondlife-owner-name", "Zeb \"Z\" Wyler"),
        ("x-secondlife-owner-key", MASAKAZU),
        ("x-secondlife-object-name", "Touch me"),
        ("x-secondlife-object-key", GOVERNOR),
        ("x-secondlife-region", "Jin Ho (264448, 233984)"),
        ("x-name2key-secret", "open sesame"),
    ];
    let target = format!("/?name=Test%0AUser&key={TEST_USER}");
    assert_eq!(subject.send(Method::GET, &target, &headers, "").await.status, StatusCode::BAD_REQUEST);
    let target = format!("/?name=Test+User&key={TEST_USER}");
    assert_eq!(subject.send(Method::GET, &target, &headers, "").await.status, StatusCode::OK);
    let expected = format!(
        "INFO registered a name name=\"Test User\" key={TEST_USER} grid=\"OpenSim\" client=192.0.2.7 \
         owner=Some(\"Zeb \\\"Z\\\" Wyler\") owner_key=Some(\"{MASAKAZU}\") object=Some(\"Touch me\") \
         object_key=Some(\"{GOVERNOR}\") region=Some(\"Jin Ho (264448, 233984)\")"
    );
    assert_eq!(log.lines().iter().map(|line| line.trim()).collect::<Vec<_>>(), [expected]);

    assert_eq!(subject.ask(&format!("{target}&secret=open+sesamf")).await.0, 403);
    let expected = format!(
        "WARN refused a registration name=\"Test User\" key={TEST_USER} grid=\"\" client=192.0.2.7 \
         reason=\"who asks may not register\""
    );
    assert_eq!(log.lines().iter().map(|line| line.trim()).collect::<Vec<_>>(), [expected]);
}
