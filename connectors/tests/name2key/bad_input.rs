//! Requests that cannot be understood: a clear error, and nothing is changed.

use gridshell_connectors::http::Method;
use gridshell_connectors::name2key::WebOptions;

use super::private::{INVALID, every_request};
use super::{FORM, GOVERNOR, Subject, TEST_USER, open, text};

/// Sends requests to the private face that must fail, each with a name for the reader.
async fn all_fail(requests: &[(&str, String)]) {
    let subject = Subject::private();
    let before = subject.service.entries();
    for (name, request) in requests {
        assert_eq!(subject.post(request.clone()).await, INVALID, "{name}: {request}");
    }
    assert_eq!(subject.service.entries(), before);
}

#[tokio::test]
async fn without_a_known_method() {
    all_fail(&[
        ("empty body", String::new()),
        ("no METHOD", "NAME=governor.linden".into()),
        ("empty METHOD", "METHOD&NAME=governor.linden".into()),
        ("unknown METHOD", "METHOD=get_everything".into()),
        ("METHOD in upper case", "METHOD=GET_KEY&NAME=governor.linden".into()),
        ("METHOD as a list", "METHOD[]=get_key&NAME=governor.linden".into()),
        ("JSON", "{\"METHOD\": \"get_key\"}".into()),
        ("more terms than a form may have", "a&".repeat(100_001)),
    ])
    .await;
}

#[tokio::test]
async fn without_a_required_parameter() {
    let mut requests = Vec::new();
    for complete in every_request() {
        let terms: Vec<&str> = complete.split('&').collect();
        for name in terms[1..].iter().map(|term| term.split('=').next().unwrap()) {
            let without: Vec<&str> = terms.iter().copied().filter(|term| !term.starts_with(name)).collect();
            let without = without.join("&");
            let other_kind = match name.strip_suffix("[]") {
                Some(name) => format!("{without}&{name}={GOVERNOR}"),
                None => format!("{without}&{name}[]={GOVERNOR}"),
            };
            requests.push(("in lower case", format!("{without}&{}={GOVERNOR}", name.to_lowercase())));
            requests.push(("of the other kind", other_kind));
            requests.push(("absent", without));
        }
    }
    assert!(requests.len() > 30);
    all_fail(&requests).await;
}

#[tokio::test]
async fn malformed_values() {
    let register =
        |name: &str, key: &str, grid: &str, more: &str| format!("METHOD=register&NAME={name}&KEY={key}&GRID={grid}{more}");
    let long = "a".repeat(256);
    all_fail(&[
        ("key of a look-up", "METHOD=get_name&KEY=governor.linden".into()),
        ("empty key", "METHOD=get_name&KEY=".into()),
        ("key with a letter too much", format!("METHOD=get_name&KEY={GOVERNOR}0")),
        ("one key of many", format!("METHOD=get_names&KEYS[]={GOVERNOR}&KEYS[]=x")),
        ("name of 256 bytes", format!("METHOD=get_key&NAME={long}")),
        ("name of 10 KB", format!("METHOD=get_key&NAME={}", "a".repeat(10_000))),
        ("one long name of many", format!("METHOD=get_keys&NAMES[]=a&NAMES[]={long}")),
        ("long prefix", format!("METHOD=find&PREFIX={long}&LIMIT=1")),
        ("long grid", format!("METHOD=get_key&NAME=a&GRID={long}")),
        ("grid as a list", "METHOD=get_key&NAME=a&GRID[]=x".into()),
        ("grid to forget as a list", format!("METHOD=forget&KEY={GOVERNOR}&GRID[]=Production")),
        ("limit 0", "METHOD=find&PREFIX=a&LIMIT=0".into()),
        ("limit 10001", "METHOD=entries&LIMIT=10001".into()),
        ("limit negative", "METHOD=entries&LIMIT=-1".into()),
        ("limit, a word", "METHOD=entries&LIMIT=all".into()),
        ("after nothing", "METHOD=entries&LIMIT=1&AFTER=&AFTERGRID=".into()),
        ("after a key without its grid", format!("METHOD=entries&LIMIT=1&AFTER={GOVERNOR}")),
        ("after a list", format!("METHOD=entries&LIMIT=1&AFTER[]={GOVERNOR}&AFTERGRID=")),
        ("verified, a list", register("Test+User", TEST_USER, "", "&VERIFIED[]=True")),
        ("verified, a number", register("Test+User", TEST_USER, "", "&VERIFIED=1")),
        ("key to register", register("Test+User", "1234", "", "")),
        ("grid to register, too long", register("Test+User", TEST_USER, &long, "")),
    ])
    .await;
}

#[tokio::test]
async fn registrations_that_no_store_takes() {
    let subject = Subject::private();
    let before = subject.service.entries();
    let refused = INVALID.replace("invalid", "refused");
    for request in [
        format!("METHOD=register&NAME=&KEY={TEST_USER}&GRID="),
        format!("METHOD=register&NAME=+&KEY={TEST_USER}&GRID="),
        format!("METHOD=register&NAME=a%00b&KEY={TEST_USER}&GRID="),
        format!("METHOD=register&NAME=a&KEY={TEST_USER}&GRID=%0a"),
        "METHOD=register&NAME=a&KEY=00000000-0000-0000-0000-000000000000&GRID=".to_owned(),
    ] {
        assert_eq!(subject.post(request.clone()).await, refused, "{request}");
    }
    assert_eq!(subject.service.entries(), before);
}

#[tokio::test]
async fn what_gosls_face_cannot_read() {
    let subject = Subject::gosl(open());
    let before = subject.service.entries();
    let unreadable = (404, "No avatar and/or UUID received\n".to_owned());
    for query in [
        "name=%",
        "name=%z",
        "name=a%4",
        "x=%zz&name=governor.linden",
        "name=%ff",
        "name=%c3%28",
        &format!("name=%ff&key={TEST_USER}"),
    ] {
        assert_eq!(subject.ask(&format!("/?{query}")).await, unreadable, "{query}");
    }
    for body in [&b"name=%zz"[..], b"name=\xff", &b"a&".repeat(1_001), &vec![b'a'; 10_000_001]] {
        let answer = subject.send(Method::POST, "/", &[FORM], body.to_vec()).await;
        assert_eq!((answer.status.as_u16(), text(&answer)), unreadable);
    }
    for (query, sentence) in [
        ("name=%00", "invalid name: a name has no control characters\n"),
        ("name=a%0Ab", "invalid name: a name has no control characters\n"),
        ("key=%00", "invalid key \"\\0\"\n"),
        (&format!("name={}", "a".repeat(10_000)), "invalid name: a name is at most 255 bytes\n"),
        (&format!("key={}", "a".repeat(10_000)), &format!("invalid key \"{}\"\n", "a".repeat(64))),
        (&format!("name=a&grid={}", "g".repeat(256)), "invalid grid\n"),
        ("name=a&grid=%01", "invalid grid\n"),
        ("name=a&all=1&max=many", "invalid max \"many\"\n"),
        ("name=a&max=-1", "invalid max \"-1\"\n"),
    ] {
        assert_eq!(subject.ask(&format!("/?{query}")).await, (400, sentence.to_owned()), "{query}");
    }
    let long_shard = "g".repeat(256);
    let answer = subject.send(Method::GET, "/?name=a", &[("x-secondlife-shard", &long_shard)], "").await;
    assert_eq!((answer.status.as_u16(), text(&answer).as_str()), (400, "invalid grid\n"));
    assert_eq!(subject.service.entries(), before);
}

#[tokio::test]
async fn what_whats_face_cannot_read() {
    let subject = Subject::web(WebOptions::default());
    for (target, answer) in [
        (format!("/name2key?{}", "a&".repeat(1_001)), "Too many parameters"),
        ("/name2key?name=a&max=x".to_owned(), "invalid max \"x\"\n"),
        (format!("/name2key?name=a&grid={}", "g".repeat(256)), "invalid grid\n"),
        (format!("/key2name/{GOVERNOR}?grid=%01"), "invalid grid\n"),
    ] {
        assert_eq!(subject.ask(&target).await, (400, answer.to_owned()), "{target}");
    }
    let keys: String = (0..10_001_u32).map(|number| format!("{number:08x}-0000-4000-8000-000000000000\n")).collect();
    let ten_thousand = &keys[..370_000];
    let answer = subject.send(Method::POST, "/name2key", &[], ten_thousand.to_owned()).await;
    assert_eq!((answer.status.as_u16(), text(&answer).as_str()), (200, "10000 new keys."));
    for body in [keys, "-".repeat(10_000_001)] {
        let answer = subject.send(Method::POST, "/name2key", &[], body).await;
        assert_eq!((answer.status.as_u16(), text(&answer).as_str()), (400, "Too many keys"));
    }
}
