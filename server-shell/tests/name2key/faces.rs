//! The test vectors (name2key.md section 13) and what else the faces promise, through sockets, on each database.

use std::fs;
use std::net::TcpStream;
use std::thread;

use gridshell_services::database::Backend;
use tempfile::TempDir;

use crate::common::rest_console::{self, command, open_session, read_until};
use crate::common::{Answer, Shell, connect, free_port, post_form, request, try_get};
use crate::databases::TestDatabase;
use crate::{FACES, NAMES, many_names, name2key, succeed};

/// A shell with all faces.
struct Faces {
    shell: Shell,
    gosl: u16,
}

impl Faces {
    fn start(ini: &str) -> Self {
        let gosl = free_port();
        Self { shell: Shell::start(&ini.replace("${gosl}", &gosl.to_string())), gosl }
    }

    fn import(&self, content: &str) {
        let folder = self.shell.folder.path();
        fs::write(folder.join("names.csv"), content).unwrap();
        succeed(folder, &["import", "names.csv", "-inifile=Robust.ini"]);
    }

    fn gosl(&self, path: &str) -> Answer {
        try_get(self.gosl, path).unwrap()
    }
}

/// Checks an answer: status, body, and that its length is told.
fn assert_answer(answer: &Answer, status: u16, body: &str, what: &str) {
    assert_eq!((answer.status, answer.text()), (status, body), "{what}: {}", answer.head);
    assert_eq!(answer.header("Content-Length"), Some(body.len().to_string().as_str()), "{what}");
    assert_eq!(answer.header("Content-Type"), Some("text/plain; charset=utf-8"), "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_on_sqlite() {
    vectors(TestDatabase::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_on_mysql() {
    if let Some(test) = TestDatabase::mysql().await {
        vectors(test).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_on_postgres() {
    if let Some(test) = TestDatabase::postgres().await {
        vectors(test).await;
    }
}

async fn vectors(test: TestDatabase) {
    let provider = match test.backend {
        Backend::Sqlite => "sqlite",
        Backend::MySql => "mysql",
        Backend::Postgres => "postgres",
    };
    let ini = FACES.replace("\"sqlite\"", provider).replace("URI=file:test.db", &test.connection_string);
    tokio::task::spawn_blocking(move || all_vectors(&ini)).await.unwrap();
    test.remove().await;
}

fn all_vectors(ini: &str) {
    const MASAKAZU: &str = "a27b84f0-2757-4176-9579-43a181d4a5a0";
    const GOVERNOR: &str = "3d6181b0-6a4b-97ef-18d8-722652995cf1";
    const NIL: &str = "00000000-0000-0000-0000-000000000000";
    const TEST_USER: &str = "11111111-2222-3333-4444-555555555555";
    let faces = Faces::start(ini);
    faces.import(NAMES);

    let nothing = "Empty avatar name and UUID key received, cannot proceed\n";
    let long = |name: &str, key: &str, grid: &str| format!("UUID for '{name}' is: {key} from grid: '{grid}'");
    for (path, status, length, body) in [
        ("/?name=Masakazu%20Kojima", 200, 36, MASAKAZU),
        ("/?name=Masakazu+Kojima&compat=false", 200, 91, &long("Masakazu Kojima", MASAKAZU, "Production")),
        ("/?name=No%20One", 200, 36, NIL),
        ("/?name=No%20One&compat=false", 200, 72, &long("No One", NIL, "")),
        (&format!("/?key={MASAKAZU}"), 200, 15, "Masakazu Kojima"),
        (&format!("/?key={TEST_USER}"), 200, 0, ""),
        ("/", 404, 56, nothing),
        ("/?name=X%20Y&key=notauuid", 400, 23, "invalid key \"notauuid\"\n"),
    ] {
        assert_eq!(body.len(), length, "{path}");
        assert_answer(&faces.gosl(path), status, body, path);
    }
    let post = |content_type: &str| {
        let headers = format!("Content-Type: {content_type}\r\n");
        request(&mut connect(faces.gosl).unwrap(), "POST", "/", &headers, b"name=Governor Linden").unwrap()
    };
    assert_answer(&post("application/x-www-form-urlencoded"), 200, GOVERNOR, "a form");
    assert_answer(&post("text/plain"), 404, nothing, "text");

    let added = |grid: &str| format!("Added new entry for 'Test User' which is: {TEST_USER} from grid: '{grid}'");
    let register = |separator: &str, headers: &str| {
        let path = format!("/touch/?name=Test%20User{separator}key={TEST_USER}");
        request(&mut connect(faces.gosl).unwrap(), "GET", &path, headers, b"").unwrap()
    };
    assert_eq!((added("OpenSim").len(), added("").len()), (99, 92));
    assert_answer(&register("&", "X-SecondLife-Shard: OpenSim\r\n"), 200, &added("OpenSim"), "registration");
    assert_answer(&register("&amp;", ""), 200, &added(""), "registration as the published script sends it");
    assert_answer(&faces.gosl("/?name=test+user"), 200, TEST_USER, "what was registered");
    assert_answer(&faces.gosl(&format!("/?key={TEST_USER}")), 200, "Test User", "and back");

    for (path, status, length, body) in [
        ("/name2key?terse=1&name=goVeRnoR.linDEN", 200, 36, GOVERNOR),
        ("/name2key?name=No+One", 200, 10, "None found"),
        ("/name2key/a", 404, 36, NIL),
        ("/name2key/username.a.a.a", 400, 12, "Invalid name"),
        ("/name2key?terse=1&names=Masakazu%20Kojima,governor.linden,a", 200, 110, &format!("{MASAKAZU}\n{GOVERNOR}\n{NIL}")),
    ] {
        assert_eq!(body.len(), length, "{path}");
        assert_answer(&faces.shell.get(path), status, body, path);
    }
    let private = post_form(&faces.shell, "/xname2key", "METHOD=get_key&NAME=Masakazu+Kojima");
    assert!(
        private.text().contains(&format!("<KEY>{MASAKAZU}</KEY><NAME>Masakazu Kojima</NAME><GRID>Production</GRID>")),
        "{}",
        private.text()
    );

    let asked: Vec<_> = (0..20)
        .map(|_| {
            let port = faces.gosl;
            thread::spawn(move || try_get(port, "/?name=Masakazu%20Kojima").unwrap())
        })
        .collect();
    for answer in asked {
        assert_answer(&answer.join().unwrap(), 200, MASAKAZU, "20 at once");
    }
}

#[test]
fn look_ups_during_an_import_never_fail_and_see_all_of_it_or_nothing() {
    const ROWS: u32 = 60_000;
    let faces = Faces::start(FACES);
    faces.import(NAMES);
    let folder = faces.shell.folder.path();
    fs::write(folder.join("many.csv"), many_names(ROWS, "Linden")).unwrap();
    let importer =
        crate::Running::start(folder, &["name2key", "import", "many.csv", "-inifile=Robust.ini"], std::process::Stdio::null());
    let nil = uuid::Uuid::nil();
    let key = |number: u32| uuid::Uuid::from_u128(u128::from(number) << 64 | 0xabcd);
    let old = format!("{nil}\n{nil}\n3d6181b0-6a4b-97ef-18d8-722652995cf1");
    let new = format!("{}\n{}\n3d6181b0-6a4b-97ef-18d8-722652995cf1", key(1), key(ROWS));
    let path = format!("/name2key?terse=1&names=Many1+Linden,Many{ROWS}+Linden,Governor+Linden");
    let (imported, is_imported) = (std::sync::atomic::AtomicBool::new(false), std::sync::atomic::Ordering::SeqCst);
    thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                let mut stream: TcpStream = faces.shell.connect();
                let mut is_new = false;
                loop {
                    let last = imported.load(is_imported);
                    let answer = request(&mut stream, "GET", &path, "", b"").unwrap();
                    assert_eq!(answer.status, 200, "{}", answer.head);
                    assert!(answer.text() == new || !is_new && answer.text() == old, "neither old nor new: {}", answer.text());
                    is_new = answer.text() == new;
                    if last {
                        assert!(is_new, "the import is over");
                        return;
                    }
                }
            });
        }
        let ended = importer.end();
        assert_eq!(ended.status, Some(0), "{ended:?}");
        imported.store(true, is_imported);
    });
}

#[test]
fn who_may_register() {
    let register = "/?name=Test+User&key=11111111-2222-3333-4444-555555555555";
    let refused = "registration not allowed\n";
    for (keys, path, status) in [
        ("", "", 200),
        ("Registration = regions\n    RegionAddresses = \"192.0.2.0/24\"", "", 403),
        ("Registration = off", "", 403),
        ("Registration = open", "", 200),
        ("Registration = secret\n    RegistrationSecret = \"open sesame\"", "&secret=open", 403),
        ("Registration = secret\n    RegistrationSecret = \"open sesame\"", "&secret=open+sesame", 200),
    ] {
        let ini = match keys {
            "" => FACES.to_owned(),
            keys => FACES.replace("RegionAddresses = \"127.0.0.1\"", keys),
        };
        let faces = Faces::start(&ini);
        let answer = faces.gosl(&format!("{register}{path}"));
        assert_eq!(answer.status, status, "{keys} {path}: {}", answer.text());
        let known = faces.gosl("/?name=Test+User").text() != "00000000-0000-0000-0000-000000000000";
        assert_eq!(known, status == 200, "{keys} {path}");
        if status == 403 {
            assert_answer(&answer, 403, refused, keys);
        } else {
            faces.shell.wait_for_output("registered a name");
        }
        assert!(!faces.shell.output().contains("sesame"), "the secret is in no log");
    }
}

#[test]
fn one_address_registers_and_asks_so_often() {
    let limits = "RegionAddresses = \"127.0.0.1\"\n    RegistrationsPerMinute = 1\n    LookUpsPerMinute = 2";
    let faces = Faces::start(&FACES.replace("RegionAddresses = \"127.0.0.1\"", limits));
    let register = |number: u128| faces.gosl(&format!("/?name=Test+User&key={}", uuid::Uuid::from_u128(number))).status;
    assert_eq!((register(1), register(2)), (200, 429));
    let ask = || faces.gosl("/?name=Test+User").status;
    assert_eq!((ask(), ask(), ask()), (200, 200, 429));
}

#[test]
fn several_avatars_of_one_name() {
    let more = "RegionAddresses = \"127.0.0.1\"\n    DefaultGrids = \"beta, gamma\"\n    OptOutFile = \"opt-out.txt\"";
    let folder = TempDir::new().unwrap();
    let (alpha, beta, gamma, hidden) = ("0a", "0b", "0c", "0d");
    let key = |end: &str| format!("00000000-0000-0000-0000-0000000000{end}");
    fs::write(folder.path().join("opt-out.txt"), format!("# who asked us\n{}\n", key(hidden))).unwrap();
    let gosl = free_port();
    let ini = FACES.replace("RegionAddresses = \"127.0.0.1\"", more).replace("${gosl}", &gosl.to_string());
    let faces = Faces { shell: Shell::start_in(folder, &ini), gosl };
    for (end, grid) in [(beta, "beta"), (gamma, "gamma"), (alpha, "Alpha")] {
        assert_eq!(faces.gosl(&format!("/?name=Ann+Bee&key={}&grid={grid}", key(end))).status, 200);
    }
    assert_eq!(faces.gosl(&format!("/?name=Ann+Bee&key={}", key(hidden))).status, 403, "who opted out is not registered");
    let ask = |query: &str| faces.gosl(&format!("/?name=ann.bee{query}"));
    assert_answer(&ask(""), 200, &key(beta), "the first of the default grids");
    assert_answer(&ask("&grid=alpha"), 200, &key(alpha), "the asker's grid");
    assert_answer(&ask("&grid=gamma"), 200, &key(gamma), "the asker's grid");
    assert_eq!(ask("").header("X-Name2Key-Grid"), Some("beta"));
    assert_eq!(ask("").header("X-Name2Key-Matches"), Some("3"));
    assert_eq!(ask("&all=1").text(), format!("{} beta\n{} gamma\n{} Alpha", key(beta), key(gamma), key(alpha)));
    let looked_up = name2key(faces.shell.folder.path(), &["lookup", "Ann Bee", "--grid=Alpha", "-inifile=Robust.ini"]);
    let line = |end: &str, grid: &str| format!("{} Ann Bee ({grid})\n", key(end));
    assert_eq!(looked_up.output, [line(alpha, "Alpha"), line(beta, "beta"), line(gamma, "gamma")].concat());
}

#[test]
fn a_service_that_is_asked_first_wins() {
    let first = "RegionAddresses = \"127.0.0.1\"\n    AskFirst = \"Verified\"\n[Verified]\n    LocalServiceModule = \"name2key\"\n    \
                 StorageProvider = \"sqlite\"\n    ConnectionString = \"URI=file:first.db\"";
    let faces = Faces::start(&FACES.replace("RegionAddresses = \"127.0.0.1\"", first));
    let folder = faces.shell.folder.path();
    fs::write(folder.join("first.csv"), "00000000-0000-0000-0000-0000000000f1,Ann Bee\n").unwrap();
    succeed(folder, &["import", "first.csv", "--database", "first.db", "--grid=home"]);
    assert_eq!(faces.gosl("/?name=Ann+Bee&key=00000000-0000-0000-0000-0000000000f2&grid=away").status, 200);
    assert_answer(&faces.gosl("/?name=Ann+Bee"), 200, "00000000-0000-0000-0000-0000000000f1", "first");
    assert_eq!(faces.gosl("/?name=Bob+Cee&key=00000000-0000-0000-0000-0000000000f1&grid=home").status, 403);
}

#[test]
fn the_gosl_face_can_be_kept_to_a_path() {
    let ini = FACES.replace("\"${gosl}/name2key_gosl\"", "\"name2key_gosl\"");
    let faces = Faces::start(&ini.replace("RegionAddresses", "GoslPath = \"/gosl\"\n    Spelling = 2025\n    RegionAddresses"));
    assert_answer(&faces.shell.get("/gosl?name=No+One"), 200, "00000000-0000-0000-0000-000000000000", "its path");
    assert_answer(&faces.shell.get("/gosl/touch/"), 404, "empty avatar name and UUID key received, cannot proceed\n", "below");
    assert_ne!(faces.shell.get("/?name=No+One").status, 200, "not its path");
    assert_eq!(faces.shell.get("/name2key?name=No+One").text(), "None found");
}

#[test]
fn the_console_looks_up_counts_and_forgets() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("names.csv"), NAMES).unwrap();
    succeed(folder.path(), &["import", "names.csv", "--database=test.db"]);
    let ini = FACES.replace("${gosl}", &free_port().to_string());
    let shell = rest_console::start_in(folder, &ini, rest_console::KEYS);
    let session = open_session(&shell);
    read_until(&shell, &session, rest_console::NEXT_PROMPT);
    for (line, answer) in [
        ("name2key lookup Masakazu Kojima", "a27b84f0-2757-4176-9579-43a181d4a5a0 Masakazu Kojima (Production)</Line>"),
        ("name2key lookup gov*", "3d6181b0-6a4b-97ef-18d8-722652995cf1 Governor Linden (Production)</Line>"),
        ("name2key lookup No One", ">No One: unknown</Line>"),
        ("name2key lookup", "Syntax: name2key lookup"),
        ("name2key stats", ">all grids: 3 entries</Line>"),
        ("name2key forget nobody", "ERROR: nobody is not a valid ID format"),
        ("name2key forget", "Syntax: name2key forget"),
        ("name2key forget a27b84f0-2757-4176-9579-43a181d4a5a0 elsewhere", "5a0: unknown</Line>"),
        ("name2key forget a27b84f0-2757-4176-9579-43a181d4a5a0", "5a0: 1 entry forgotten</Line>"),
        ("name2key lookup masakazu.kojima", ">masakazu.kojima: unknown</Line>"),
    ] {
        command(&shell, &session, line);
        let said = read_until(&shell, &session, rest_console::NEXT_PROMPT);
        assert!(said.contains(answer), "{line}: {said}");
    }
}
