//! W-Hat's face (name2key.md section 7), with the vectors of section 13.

use gridshell_connectors::http::{Method, StatusCode};
use gridshell_connectors::name2key::WebOptions;
use gridshell_interfaces::ServiceError;

use super::{FORM, GOVERNOR, MASAKAZU, Subject, TEST_USER, ZERO, header, pieces, text};

fn subject() -> Subject {
    Subject::web(WebOptions::default())
}

#[tokio::test]
async fn one_name() {
    let subject = subject();
    for (target, status, body) in [
        ("/name2key?terse=1&name=goVeRnoR.linDEN", 200, GOVERNOR),
        ("/name2key?terse&name=Governor+Linden", 200, GOVERNOR),
        ("/name2key?name=Governor%20Linden&terse=0", 200, GOVERNOR),
        ("/name2key?terse=&name=fake01", 200, "00000000-0000-0000-0000-000000000001"),
        ("/name2key?name=goVeRnoR.linDEN", 200, "goVeRnoR.linDEN 3d6181b0-6a4b-97ef-18d8-722652995cf1"),
        ("/name2key/?name=Fake01+Resident", 200, "Fake01 Resident 00000000-0000-0000-0000-000000000001"),
        ("/name2key?name=No+One", 200, "None found"),
        ("/name2key?name=No+One&terse=1", 200, ZERO),
        ("/name2key/governor.linden", 200, GOVERNOR),
        ("/name2key/Governor%20Linden", 200, GOVERNOR),
        ("/name2key/Governor+Linden/", 200, GOVERNOR),
        ("/name2key/a", 404, ZERO),
        ("/name2key/username.a.a.a", 400, "Invalid name"),
    ] {
        let answer = subject.ask(target).await;
        assert_eq!((answer.0, answer.1.as_str()), (status, body), "{target}");
    }
}

#[tokio::test]
async fn invalid_names() {
    let subject = subject();
    let long = "a".repeat(10_000);
    for name in [
        "",
        "%20",
        "username.a.a.a",
        "Two++Spaces",
        "Jo-Ann+X",
        "a+b+c",
        "%00",
        "a%00b",
        "%c3%a9",
        "%ff",
        "%zz",
        "%",
        "a%4",
        "a;b",
        "a@b",
        &long,
    ] {
        for target in [format!("/name2key?name={name}"), format!("/name2key?terse=1&name={name}"), format!("/name2key/{name}")] {
            if target != "/name2key/" {
                assert_eq!(subject.ask(&target).await, (400, "Invalid name".to_owned()), "{target}");
            }
        }
    }
    for names in ["", "%20,;", "%c3%a9", &long] {
        assert_eq!(subject.ask(&format!("/name2key?names={names}")).await, (400, "Invalid name".to_owned()));
    }
}

#[tokio::test]
async fn several_names() {
    let subject = subject();
    let terse = subject.get("/name2key?terse=1&names=Masakazu%20Kojima,governor.linden,a").await;
    assert_eq!(text(&terse), format!("{MASAKAZU}\n{GOVERNOR}\n{ZERO}"));
    assert_eq!((terse.status, text(&terse).len(), header(&terse, "cache-control")), (StatusCode::OK, 110, Some("no-cache")));
    let long = subject.get("/name2key?names=Masakazu+Kojima;Governor.LINDEN").await;
    assert_eq!(text(&long), format!("Masakazu Kojima {MASAKAZU}\nGovernor.LINDEN {GOVERNOR}"));
    assert_eq!(header(&long, "cache-control"), Some("max-age=60"));
    let fifty = subject.get(&format!("/name2key?terse&names={}", "governor.linden%0A".repeat(60))).await;
    assert_eq!(text(&fifty), [GOVERNOR; 50].join("\n"));
    assert_eq!(text(&fifty).len(), 1849);
}

#[tokio::test]
async fn keys_are_counted() {
    let subject = subject();
    let before = subject.service.entries();
    let keys = format!("{MASAKAZU},{TEST_USER};{TEST_USER}+{GOVERNOR}x{ZERO},{}", "A27B84F0-2757-4176-9579-43A181D4A5A0");
    assert_eq!(subject.ask(&format!("/name2key?keys={keys}")).await, (200, "1 new keys.".to_owned()));
    assert_eq!(subject.ask("/name2key?keys=").await, (200, "0 new keys.".to_owned()));
    let text_body = ("content-type", "text/plain");
    for (target, headers, body, answer) in [
        ("/name2key", &[][..], keys.as_str(), (200, "1 new keys.")),
        ("/name2key", &[text_body], "nothing", (200, "0 new keys.")),
        ("/name2key", &[FORM], &format!("keys={TEST_USER}&name=governor.linden"), (200, "1 new keys.")),
        (&format!("/name2key?keys={MASAKAZU}"), &[text_body], TEST_USER, (200, "0 new keys.")),
        ("/name2key", &[FORM], "name=governor.linden&terse", (200, GOVERNOR)),
        ("/name2key?terse=1", &[FORM], "name=No+One", (200, ZERO)),
        ("/name2key?name=No+One", &[text_body], TEST_USER, (200, "None found")),
        ("/name2key", &[FORM], TEST_USER, (200, "1 new keys.")),
        ("/name2key", &[FORM], "names=governor.linden", (200, "0 new keys.")),
        ("/name2key", &[FORM], "name=a.b.c", (400, "Invalid name")),
        ("/name2key", &[], "", (400, "")),
        ("/name2key?names=governor.linden", &[FORM], "", (400, "")),
    ] {
        let response = subject.send(Method::POST, target, headers, body.to_owned()).await;
        assert_eq!((response.status.as_u16(), text(&response).as_str()), answer, "{target} {body}");
    }
    assert_eq!(subject.service.entries(), before);
}

#[tokio::test]
async fn precedence_of_a_get() {
    let subject = subject();
    let all = format!("names=Masakazu+Kojima&name=Governor+Linden&terse&keys={TEST_USER}");
    assert_eq!(subject.ask(&format!("/name2key?{all}")).await.1, "1 new keys.");
    assert_eq!(subject.ask("/name2key?terse&names=Masakazu+Kojima&name=Governor+Linden").await.1, GOVERNOR);
    for target in ["/name2key", "/name2key/", "/name2key?terse=1", "/name2key?name2=x"] {
        let answer = subject.get(target).await;
        assert_eq!((answer.status.as_u16(), header(&answer, "location"), text(&answer).as_str()), (302, Some("/#name2key"), ""));
    }
}

#[tokio::test]
async fn names_of_keys() {
    let subject = subject();
    let answer = subject.get(&format!("/key2name/{GOVERNOR}")).await;
    assert_eq!((answer.status, text(&answer).as_str()), (StatusCode::OK, "governor.linden"));
    assert_eq!((header(&answer, "cache-control"), header(&answer, "x-name2key-grid")), (Some("max-age=60"), Some("Production")));
    assert_eq!(subject.ask("/key2name/00000000-0000-0000-0000-000000000001").await, (200, "fake01".to_owned()));
    assert_eq!(subject.ask(&format!("/key2name/{}/", MASAKAZU.to_uppercase())).await, (200, "masakazu.kojima".to_owned()));
    for unknown in [TEST_USER, ZERO] {
        assert_eq!(subject.ask(&format!("/key2name/{unknown}")).await, (404, String::new()));
    }
}

#[tokio::test]
async fn other_paths_and_verbs() {
    let subject = subject();
    for target in [
        "/key2name",
        "/key2name/",
        "/key2name/x",
        "/key2name/%00",
        "/key2name/a27b84f0275741769579-43a181d4a5a0aaaa",
        "/name2key/a/b",
        "/name2keys",
        "/name2key.txt",
        "/name2key.csv/x",
    ] {
        assert_eq!(subject.ask(target).await, (404, "Not Found".to_owned()), "{target}");
    }
    for verb in ["PUT", "PATCH", "DELETE"] {
        let method = Method::from_bytes(verb.as_bytes()).unwrap();
        let answer = subject.send(method, "/name2key?terse&name=governor.linden", &[("content-type", "text/plain")], "x").await;
        assert_eq!((answer.status.as_u16(), text(&answer).as_str()), (404, "Not Found"), "{verb}");
    }
    let posted = subject.send(Method::POST, "/name2key/governor.linden", &[], "").await;
    assert_eq!((posted.status.as_u16(), text(&posted).as_str()), (404, "Not Found"));
    let head = subject.send(Method::HEAD, "/name2key/governor.linden", &[], "").await;
    assert_eq!((head.status, head.body.length()), (StatusCode::OK, Some(36)));
}

#[tokio::test]
async fn headers_and_grids() {
    let subject = Subject::web(WebOptions { grids: "198.51.100.0/24 MyGrid".parse().unwrap(), ..WebOptions::default() });
    subject.service.put(TEST_USER, "Governor Linden", "mygrid", false);
    let production = [("x-secondlife-shard", "Production")];
    for (target, key, grid) in [
        ("/name2key/governor.linden", GOVERNOR, "Production"),
        ("/name2key/governor.linden?grid=mygrid", TEST_USER, "mygrid"),
        ("/name2key?terse&name=governor.linden", GOVERNOR, "Production"),
    ] {
        let answer = subject.send(Method::GET, target, &production, "").await;
        assert_eq!((text(&answer).as_str(), header(&answer, "x-name2key-grid")), (key, Some(grid)), "{target}");
        assert_eq!((header(&answer, "x-name2key-matches"), header(&answer, "cache-control")), (Some("2"), Some("max-age=60")));
    }
    let all = subject.send(Method::GET, "/name2key?name=governor.linden&all=1", &production, "").await;
    assert_eq!(text(&all), format!("{GOVERNOR} Production\n{TEST_USER} mygrid"));
    let unknown = subject.get("/name2key/a").await;
    assert_eq!((header(&unknown, "cache-control"), header(&unknown, "x-name2key-matches")), (Some("no-cache"), Some("0")));
    let at_home = subject.from("198.51.100.1");
    let answer = at_home.send(Method::GET, "/name2key?terse&names=governor.linden", &production, "").await;
    assert_eq!(text(&answer), TEST_USER);
}

#[tokio::test]
async fn the_export() {
    let subject = subject();
    subject.service.put(TEST_USER, "McCoy Smith", "Production", false);
    subject.service.put(TEST_USER, "mccoy.smith", "elsewhere", false);
    subject.service.put("ffffffff-0000-4000-8000-000000000001", "Ann, \"Bee\"", "Production", false);
    let response = subject.get("/name2key.csv").await;
    assert_eq!((response.status, response.content_type.as_ref()), (StatusCode::OK, "text/plain; charset=utf-8"));
    let pieces = pieces(response).await;
    let text: Vec<u8> = pieces.into_iter().flat_map(|piece| piece.unwrap().to_vec()).collect();
    assert_eq!(
        String::from_utf8(text).unwrap(),
        "00000000-0000-0000-0000-000000000001,Fake01 Resident\n\
         11111111-2222-3333-4444-555555555555,Mccoy Smith\n\
         3d6181b0-6a4b-97ef-18d8-722652995cf1,Governor Linden\n\
         a27b84f0-2757-4176-9579-43a181d4a5a0,Masakazu Kojima\n\
         ffffffff-0000-4000-8000-000000000001,\"Ann, \"\"Bee\"\"\"\n"
    );
}

#[tokio::test]
async fn the_export_goes_through_all_pages() {
    let subject = subject();
    for number in 0..5_000 {
        subject.service.put(&format!("eeeeeeee-0000-4000-8000-{number:012}"), &format!("Name{number}"), "Production", false);
    }
    let pieces = pieces(subject.get("/name2key.csv").await).await;
    assert!(pieces.len() > 2);
    let pieces: Vec<_> = pieces.into_iter().map(Result::unwrap).collect();
    assert!(pieces.iter().all(|piece| !piece.is_empty() && piece.len() < 1_000_000 && piece.ends_with(b"\n")));
    let lines: Vec<&[u8]> =
        pieces.iter().flat_map(|piece| piece.split(|byte| *byte == b'\n')).filter(|line| !line.is_empty()).collect();
    assert_eq!(lines.len(), 5_003);
    assert!(lines.is_sorted());
    assert_eq!(lines[5_002], b"eeeeeeee-0000-4000-8000-000000004999,Name4999 Resident");

    // A key with so many grids that a whole page of them makes no line of its own: no empty piece, which would be the end.
    for number in 0..5_000 {
        subject.service.put("ffffffff-0000-4000-8000-000000000000", "Last One", &format!("grid{number}"), false);
    }
    let with_repetitions = super::pieces(subject.get("/name2key.csv").await).await;
    let with_repetitions: Vec<_> = with_repetitions.into_iter().map(Result::unwrap).collect();
    assert!(with_repetitions.iter().all(|piece| !piece.is_empty()));
    assert_eq!(with_repetitions.concat().iter().filter(|byte| **byte == b'\n').count(), 5_004);
}

#[tokio::test]
async fn an_export_that_fails_is_cut() {
    let subject = subject();
    for number in 0..5_000 {
        subject.service.put(&format!("eeeeeeee-0000-4000-8000-{number:012}"), "Name", "Production", false);
    }
    let response = subject.get("/name2key.csv").await;
    subject.service.fail_with(Some(ServiceError::unavailable("the database is gone")));
    let pieces = pieces(response).await;
    assert!(pieces.last().unwrap().is_err());
}

#[tokio::test]
async fn a_fault_of_the_service_is_never_an_answer() {
    let subject = subject();
    for error in [
        ServiceError::unavailable("the database is gone"),
        ServiceError::internal("a row cannot be understood"),
        ServiceError::invalid("too many"),
    ] {
        subject.service.fail_with(Some(error));
        for target in [
            "/name2key?name=a",
            "/name2key?name=a&terse",
            "/name2key?names=a,b",
            "/name2key?keys=x",
            "/name2key/a",
            "/name2key.csv",
            &format!("/key2name/{GOVERNOR}"),
        ] {
            let failure = subject.get(target).await;
            assert_eq!((failure.status.as_u16(), text(&failure).as_str()), (503, "name2key is not available\n"), "{target}");
            assert_eq!(header(&failure, "cache-control"), Some("no-cache"));
        }
    }
}

#[tokio::test]
async fn who_asks_too_often() {
    let subject = Subject::web(WebOptions { look_ups_per_minute: 1, ..WebOptions::default() });
    assert_eq!(subject.ask("/name2key/governor.linden").await.0, 200);
    for target in ["/name2key/governor.linden", "/name2key.csv", "/key2name/x"] {
        assert_eq!(subject.ask(target).await, (429, "too many look-ups, try again later\n".to_owned()));
    }
}
