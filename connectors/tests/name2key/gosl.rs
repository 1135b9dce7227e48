//! gosl-basics' face: the vectors of name2key.md section 13, and what else section 2 says.

use gridshell_connectors::http::{Method, StatusCode};
use gridshell_connectors::name2key::{GoslOptions, Spelling};
use gridshell_interfaces::ServiceError;

use super::{FORM, GOVERNOR, MASAKAZU, Subject, TEST_USER, ZERO, header, open, text};

#[tokio::test]
async fn the_vectors() {
    let subject = Subject::gosl(open());
    let empty = "Empty avatar name and UUID key received, cannot proceed\n";
    for (target, status, length, body) in [
        ("/?name=Masakazu%20Kojima", 200, 36, MASAKAZU),
        (
            "/?name=Masakazu+Kojima&compat=false",
            200,
            91,
            "UUID for 'Masakazu Kojima' is: a27b84f0-2757-4176-9579-43a181d4a5a0 from grid: 'Production'",
        ),
        ("/?name=No%20One", 200, 36, ZERO),
        ("/?name=No%20One&compat=false", 200, 72, "UUID for 'No One' is: 00000000-0000-0000-0000-000000000000 from grid: ''"),
        ("/?key=a27b84f0-2757-4176-9579-43a181d4a5a0", 200, 15, "Masakazu Kojima"),
        ("/?key=11111111-2222-3333-4444-555555555555", 200, 0, ""),
        ("/", 404, 56, empty),
        ("/?name=X%20Y&key=notauuid", 400, 23, "invalid key \"notauuid\"\n"),
        (
            "/touch/?name=Test%20User&amp;key=11111111-2222-3333-4444-555555555555",
            200,
            92,
            "Added new entry for 'Test User' which is: 11111111-2222-3333-4444-555555555555 from grid: ''",
        ),
    ] {
        let answer = subject.ask(target).await;
        assert_eq!((answer.0, answer.1.as_str()), (status, body), "{target}");
        assert_eq!(body.len(), length, "{target}");
    }
    let shard = [("X-SecondLife-Shard", "OpenSim")];
    for target in [
        "/touch/?name=Test%20User&key=11111111-2222-3333-4444-555555555555",
        "/touch/?name=Test%20User&amp;key=11111111-2222-3333-4444-555555555555",
    ] {
        let answer = subject.send(Method::GET, target, &shard, "").await;
        let expected = "Added new entry for 'Test User' which is: 11111111-2222-3333-4444-555555555555 from grid: 'OpenSim'";
        assert_eq!((answer.status, text(&answer).as_str()), (StatusCode::OK, expected));
        assert_eq!(expected.len(), 99);
    }
    let body = "name=Governor Linden";
    let answer = subject.send(Method::POST, "/", &[FORM], body).await;
    assert_eq!((answer.status, text(&answer).as_str()), (StatusCode::OK, GOVERNOR));
    let answer = subject.send(Method::POST, "/", &[("content-type", "text/plain")], body).await;
    assert_eq!((answer.status, text(&answer).as_str()), (StatusCode::NOT_FOUND, empty));
}

#[tokio::test]
async fn twenty_look_ups_at_once() {
    let subject = Subject::gosl(open());
    let answers = futures_util::future::join_all((0..20).map(|_| subject.ask("/?name=Masakazu%20Kojima"))).await;
    assert!(answers.iter().all(|answer| answer == &(200, MASAKAZU.to_owned())));
}

#[tokio::test]
async fn both_spellings() {
    let known = format!("/?key={MASAKAZU}&compat=false");
    let unknown = format!("/?key={TEST_USER}&compat=false");
    let of_2017 = Subject::gosl(open());
    let of_2025 = Subject::gosl(GoslOptions { spelling: Spelling::Of2025, ..open() });
    for (target, spelled_2017, spelled_2025) in [
        (
            known.as_str(),
            "Avatar name for a27b84f0-2757-4176-9579-43a181d4a5a0 is 'Masakazu Kojima' on grid: 'Production'",
            "avatar name for 'a27b84f0-2757-4176-9579-43a181d4a5a0' is 'Masakazu Kojima' on grid: 'Production'",
        ),
        (
            unknown.as_str(),
            "Avatar name for 11111111-2222-3333-4444-555555555555 is '' on grid: ''",
            "avatar name for '11111111-2222-3333-4444-555555555555' is '' on grid: ''",
        ),
        (
            "/",
            "Empty avatar name and UUID key received, cannot proceed\n",
            "empty avatar name and UUID key received, cannot proceed\n",
        ),
        ("/?name=%zz", "No avatar and/or UUID received\n", "no avatar and/or UUID received\n"),
        (
            "/?name=Masakazu+Kojima&compat=false",
            "UUID for 'Masakazu Kojima' is: a27b84f0-2757-4176-9579-43a181d4a5a0 from grid: 'Production'",
            "UUID for 'Masakazu Kojima' is: a27b84f0-2757-4176-9579-43a181d4a5a0 from grid: 'Production'",
        ),
    ] {
        assert_eq!(of_2017.ask(target).await.1, spelled_2017, "{target}");
        assert_eq!(of_2025.ask(target).await.1, spelled_2025, "{target}");
    }
}

#[tokio::test]
async fn compat_counts_when_it_is_exactly_false() {
    let subject = Subject::gosl(open());
    for value in ["", "=", "=true", "=False", "=FALSE", "=0", "=false%20"] {
        let target = format!("/?name=Masakazu+Kojima&compat{value}");
        assert_eq!(subject.ask(&target).await, (200, MASAKAZU.to_owned()), "{target}");
    }
    let target = format!("/?name=Test+User&key={TEST_USER}&compat=false");
    assert!(subject.ask(&target).await.1.starts_with("Added new entry for 'Test User' which is: "));
}

#[tokio::test]
async fn headers_of_answers() {
    let subject = Subject::gosl(open());
    let found = subject.get("/?name=governor.linden").await;
    assert_eq!(header(&found, "cache-control"), Some("max-age=60"));
    assert_eq!(header(&found, "vary"), Some("X-SecondLife-Shard"));
    assert_eq!((header(&found, "x-name2key-grid"), header(&found, "x-name2key-matches")), (Some("Production"), Some("1")));
    assert_eq!(header(&found, "x-content-type-options"), None);
    for target in ["/?name=No+One", "/?key=11111111-2222-3333-4444-555555555555"] {
        let unknown = subject.get(target).await;
        assert_eq!((unknown.status, header(&unknown, "cache-control")), (StatusCode::OK, Some("no-cache")));
        assert_eq!((header(&unknown, "x-name2key-grid"), header(&unknown, "x-name2key-matches")), (None, Some("0")));
    }
    for target in ["/", "/?name=%", "/?name=x&key=y", "/?name=a%00"] {
        let error = subject.get(target).await;
        assert!(error.status.is_client_error(), "{target}");
        assert_eq!(header(&error, "x-content-type-options"), Some("nosniff"), "{target}");
        assert_eq!(header(&error, "cache-control"), Some("no-cache"), "{target}");
        assert!(text(&error).ends_with('\n'), "{target}");
    }
    let registered = subject.get(&format!("/?name=Test+User&key={TEST_USER}")).await;
    assert_eq!((registered.status, header(&registered, "cache-control")), (StatusCode::OK, Some("no-cache")));
}

#[tokio::test]
async fn all_paths_and_verbs_are_one() {
    let subject = Subject::gosl(open());
    let verbs = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "SEARCH"];
    for verb in verbs {
        for path in ["/", "/touch/", "/a//b/../c", "/name2key", "/%zz", "/xname2key"] {
            let method = Method::from_bytes(verb.as_bytes()).unwrap();
            let answer = subject.send(method, &format!("{path}?name=Governor%20Linden"), &[], "").await;
            assert_eq!((answer.status, text(&answer).as_str()), (StatusCode::OK, GOVERNOR), "{verb} {path}");
        }
    }
    let behind_a_path = Subject::gosl(GoslOptions { path: Some("/gosl/".to_owned()), ..open() });
    for target in ["/gosl?name=governor.linden", "/gosl/touch/?name=governor.linden"] {
        for verb in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] {
            let method = Method::from_bytes(verb.as_bytes()).unwrap();
            assert_eq!(text(&behind_a_path.send(method, target, &[], "").await), GOVERNOR, "{verb} {target}");
        }
    }
    assert_eq!(behind_a_path.get("/other?name=governor.linden").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_body_comes_before_the_query() {
    let subject = Subject::gosl(open());
    for (method, target, body, expected) in [
        (Method::POST, "/?name=Masakazu+Kojima", "name=Governor+Linden", GOVERNOR),
        (Method::PUT, "/?name=Masakazu+Kojima", "x=1", MASAKAZU),
        (Method::PATCH, "/", "name=Governor%20Linden;compat=true", GOVERNOR),
        (Method::GET, "/?name=Masakazu+Kojima", "name=Governor+Linden", MASAKAZU),
        (Method::GET, "/?name=Masakazu+Kojima&name=Governor+Linden", "", MASAKAZU),
    ] {
        let answer = subject.send(method, target, &[FORM], body).await;
        assert_eq!(text(&answer), expected, "{target} {body}");
    }
    // The first value counts, also when it is empty, and empty is as good as absent.
    let answer = subject.send(Method::POST, "/?name=Masakazu+Kojima", &[FORM], "name=").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(subject.ask(&format!("/?name=&key={MASAKAZU}")).await, (200, "Masakazu Kojima".to_owned()));
}

#[tokio::test]
async fn names_and_keys_of_any_case_and_in_each_others_place() {
    let subject = Subject::gosl(open());
    for name in ["masakazu%20kojima", "MASAKAZU.KOJIMA", "%20Masakazu+Kojima%20", "a27b84f0-2757-4176-9579-43a181d4a5a0"] {
        assert_eq!(subject.ask(&format!("/?name={name}")).await, (200, MASAKAZU.to_owned()), "{name}");
    }
    for key in ["A27B84F0-2757-4176-9579-43A181D4A5A0", "+a27b84f0-2757-4176-9579-43a181d4a5a0+", "masakazu+kojima"] {
        assert_eq!(subject.ask(&format!("/?key={key}")).await, (200, "Masakazu Kojima".to_owned()), "{key}");
    }
    for key in ["notauuid", "a27b84f02757417695794 3a181d4a5a0", ZERO, "+"] {
        assert_eq!(subject.ask(&format!("/?key={}", key.replace(' ', "%20"))).await, (200, String::new()), "{key}");
    }
    assert_eq!(
        subject.ask("/?key=A27B84F0-2757-4176-9579-43A181D4A5A0&compat=false").await.1,
        "Avatar name for a27b84f0-2757-4176-9579-43a181d4a5a0 is 'Masakazu Kojima' on grid: 'Production'"
    );
    for blank in ["/?name=%20", "/?name=Fake01+Residents"] {
        assert_eq!(subject.ask(blank).await, (200, ZERO.to_owned()));
    }
}

#[tokio::test]
async fn percent_signs_stay() {
    let subject = Subject::gosl(open());
    let name = "100% %d %s";
    let target = format!("/?name=100%25%20%25d%20%25s&key={TEST_USER}");
    assert_eq!(subject.ask(&target).await.1, format!("Added new entry for '{name}' which is: {TEST_USER} from grid: ''"));
    assert_eq!(subject.ask(&format!("/?key={TEST_USER}")).await.1, name);
    assert_eq!(
        subject.ask("/?name=100%25+%25d+%25s&compat=false").await.1,
        format!("UUID for '{name}' is: {TEST_USER} from grid: ''")
    );
}

#[tokio::test]
async fn several_avatars_of_one_name() {
    let subject = Subject::gosl(GoslOptions { grids: "198.51.100.0/24 mygrid".parse().unwrap(), ..open() });
    let (sl, mine, host) =
        ("aaaaaaaa-0000-4000-8000-000000000001", "aaaaaaaa-0000-4000-8000-000000000002", "aaaaaaaa-0000-4000-8000-000000000003");
    subject.service.put(host, "Ann Bee", "Grid.Example:8002", false);
    subject.service.put(mine, "Ann Bee", "MyGrid", false);
    subject.service.put(sl, "Ann Bee", "Production", false);
    let production = [("x-secondlife-shard", "Production")];
    let opensim = [("x-secondlife-shard", "OpenSim")];
    for (target, headers, key, grid) in [
        ("/?name=Ann+Bee", &[][..], sl, "Production"),
        ("/?name=Ann+Bee", &opensim, sl, "Production"),
        ("/?name=Ann+Bee", &production, sl, "Production"),
        ("/?name=Ann+Bee&grid=MYGRID", &production, mine, "MyGrid"),
        ("/?name=Ann+Bee&grid=nowhere", &production, sl, "Production"),
        ("/?name=Ann.Bee+@GRID.example:8002", &production, host, "Grid.Example:8002"),
    ] {
        let answer = subject.send(Method::GET, target, headers, "").await;
        assert_eq!(text(&answer), key, "{target}");
        assert_eq!(header(&answer, "x-name2key-grid"), Some(grid), "{target}");
    }
    let answer = subject.get("/?name=Ann+Bee").await;
    assert_eq!(header(&answer, "x-name2key-matches"), Some("3"));
    // A visitor of a grid that is not known is nobody else.
    assert_eq!(subject.ask("/?name=Ann+Bee@elsewhere.example").await, (200, ZERO.to_owned()));
    subject.service.put(TEST_USER, "Ann Bee @elsewhere.example", "Production", false);
    assert_eq!(subject.ask("/?name=Ann.Bee+@elsewhere.example").await.1, TEST_USER);

    let all = subject.get("/?name=Ann+Bee&all=1&grid=mygrid").await;
    assert_eq!(text(&all), format!("{mine} MyGrid\n{sl} Production\n{host} Grid.Example:8002"));
    assert_eq!(subject.ask("/?name=Ann+Bee&all=0").await.1, sl);
    assert_eq!(subject.ask("/?name=No+One&all=1").await, (200, ZERO.to_owned()));

    let at_home = subject.from("198.51.100.9");
    let answer = at_home.send(Method::GET, "/?name=Ann+Bee&compat=false", &production, "").await;
    assert_eq!(text(&answer), format!("UUID for 'Ann Bee' is: {mine} from grid: 'MyGrid'"));
}

#[tokio::test]
async fn one_key_under_several_names() {
    let subject = Subject::gosl(open());
    subject.service.put(TEST_USER, "Ann Bee", "Production", false);
    subject.service.put(TEST_USER, "Ann Other", "grid.example:8002", false);
    let target = format!("/?key={TEST_USER}");
    assert_eq!(subject.ask(&target).await.1, "Ann Other");
    assert_eq!(subject.ask(&format!("{target}&grid=production")).await.1, "Ann Bee");
    assert_eq!(subject.ask(&format!("{target}&all=1")).await.1, "Ann Other @grid.example:8002\nAnn Bee @Production");
}

#[tokio::test]
async fn all_matches_fit_into_what_a_script_sees() {
    let subject = Subject::gosl(open());
    for number in 0..100 {
        subject.service.put(&format!("aaaaaaaa-0000-4000-8000-{number:012}"), "Ann Bee", &format!("grid{number:02}"), false);
    }
    let line = |number: usize| format!("aaaaaaaa-0000-4000-8000-{number:012} grid{number:02}");
    let lines = |count: usize| (100 - count..100).rev().map(line).collect::<Vec<_>>().join("\n");
    // A line has 43 bytes, and one more for its end: 46 of them are 2 023 bytes.
    assert_eq!(subject.ask("/?name=Ann+Bee&all=1").await.1, lines(46));
    assert_eq!(subject.ask("/?name=Ann+Bee&all=1&max=10").await.1, lines(46));
    assert_eq!(subject.ask("/?name=Ann+Bee&all=1&max=2066").await.1, lines(46));
    assert_eq!(subject.ask("/?name=Ann+Bee&all=1&max=2067").await.1, lines(47));
    assert_eq!(subject.ask("/?name=Ann+Bee&all=1&max=16384").await.1, lines(100));
    let answer = subject.get("/?name=Ann+Bee&all=1").await;
    assert_eq!(header(&answer, "x-name2key-matches"), Some("100"));
}

#[tokio::test]
async fn a_fault_of_the_service_is_never_an_answer() {
    let subject = Subject::gosl(open());
    for error in [ServiceError::unavailable("the database is gone"), ServiceError::internal("a row cannot be understood")] {
        subject.service.fail_with(Some(error));
        for target in ["/?name=Ann+Bee", "/?key=Ann", &format!("/?key={MASAKAZU}"), &format!("/?name=a&key={TEST_USER}")] {
            let failure = subject.get(target).await;
            assert_eq!((failure.status.as_u16(), text(&failure).as_str()), (503, "name2key is not available\n"), "{target}");
            assert_eq!(header(&failure, "cache-control"), Some("no-cache"));
        }
    }
}
