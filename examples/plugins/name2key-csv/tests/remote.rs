//! The source behind the server's own OUT connector, which is who asks it.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use gridshell_connectors::http::{HeaderMap, StatusCode};
use gridshell_connectors::name2key::outbound::RemoteName2KeyService;
use gridshell_connectors::transport::{Answer, Outgoing, Transport, TransportError};
use gridshell_interfaces::ErrorKind;
use gridshell_interfaces::name2key::{Grid, Name2KeyService, NameSource, Registration};
use gridshell_plugin::testing::FakeServer;
use gridshell_plugin::{Failure, Health, Level, Plugin, Request};
use name2key_csv::Name2KeyCsv;
use tempfile::TempDir;
use uuid::Uuid;

const SECTION: &str = "Plugin:name2key_csv";

struct Source {
    plugin: Name2KeyCsv,
    server: FakeServer,
    folder: TempDir,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Source")
    }
}

impl Source {
    fn of(csv: &str) -> Arc<Self> {
        let (folder, server) = (tempfile::tempdir().unwrap(), FakeServer::new());
        std::fs::write(folder.path().join("names.csv"), csv).unwrap();
        let path = folder.path().join("names.csv").to_str().unwrap().to_owned();
        let plugin = server.create(SECTION, &[("Path", &path), ("Grid", "Our Grid")]).unwrap();
        Arc::new(Self { plugin, server, folder })
    }

    fn path(&self) -> String {
        self.folder.path().join("names.csv").to_str().unwrap().to_owned()
    }
}

#[async_trait]
impl Transport for Source {
    async fn send(&self, request: Outgoing) -> Result<Answer, TransportError> {
        let body = &request.body;
        let asked = Request { service: "name2key", body, ..Request::new(request.method.as_str(), &request.target) };
        let response = self.plugin.handle(&asked);
        let status = StatusCode::from_u16(response.status).unwrap();
        Ok(Answer { status, headers: HeaderMap::new(), body: Bytes::from(response.body) })
    }
}

/// Thirty avatars, and one with odd letters.
fn names() -> (Vec<Uuid>, String) {
    let keys: Vec<Uuid> = (1..=30).map(|number| Uuid::from_u128(number << 64 | 7)).collect();
    let lines: String = keys.iter().enumerate().map(|(number, key)| format!("{key},Avatar{number} Tester\n")).collect();
    (keys, format!("{lines}a55e7010-0000-4000-8000-000000000001,Ñandú <&> +\"%\n"))
}

#[tokio::test]
async fn look_ups() {
    let (keys, csv) = names();
    let source = Source::of(&csv);
    let service = RemoteName2KeyService::new(source.clone());
    let found = service.by_name("avatar3.TESTER", None).await.unwrap();
    let [entry] = &found[..] else { panic!("{found:?}") };
    assert_eq!((entry.key, &*entry.name, &*entry.grid.0), (keys[3], "Avatar3 Tester", "Our Grid"));
    assert_eq!((entry.source, entry.verified), (NameSource::Import, false));
    assert!(entry.first_seen > 1_600_000_000 && entry.first_seen == entry.last_seen, "when the file was written: {entry:?}");
    assert_eq!(service.by_key(keys[3], None).await.unwrap(), found);

    let odd = service.by_name("ñandú <&>+ \"%", Some(&Grid("elsewhere".to_owned()))).await.unwrap();
    assert_eq!(odd[0].name, "Ñandú <&> +\"%");
    for unknown in ["", "Avatar", "Avatar3 Tester Resident Tester", &"x".repeat(300)] {
        assert_eq!(service.by_name(unknown, None).await.unwrap(), [], "{unknown:?}");
    }
    assert_eq!(service.by_key(Uuid::nil(), None).await.unwrap(), []);

    let asked: Vec<String> = (0..3000).map(|number| format!("Avatar{} Tester", number % 31)).collect();
    let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
    let answers = service.by_names(&asked, None).await.unwrap();
    assert_eq!(answers.len(), 3000);
    for (number, answer) in answers.iter().enumerate() {
        assert_eq!(answer.first().map(|entry| entry.key), keys.get(number % 31).copied());
    }
    let answers = service.by_keys(&[keys[29], Uuid::max(), keys[0]], None).await.unwrap();
    let answers: Vec<Vec<&str>> = answers.iter().map(|it| it.iter().map(|entry| &*entry.name).collect()).collect();
    assert_eq!(answers, [vec!["Avatar29 Tester"], vec![], vec!["Avatar0 Tester"]]);
    assert_eq!(service.by_prefix("AVATAR2", 5).await.unwrap().len(), 5);
    assert_eq!(service.by_prefix("AVATAR2", 50).await.unwrap().len(), 11);
}

#[tokio::test]
async fn all_entries_in_pages() {
    let source = Source::of(&names().1);
    let service = RemoteName2KeyService::new(source);
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page =
            service.entries_after(after.as_ref().map(|(key, grid): &(Uuid, String)| (*key, grid.as_str())), 7).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some((last.key, last.grid.id()));
        all.extend(page.iter().map(|entry| entry.key));
    }
    assert_eq!(all.len(), 31);
    assert!(all.is_sorted());
    let statistics = service.statistics().await.unwrap();
    assert_eq!((statistics.entries, statistics.shared_names, statistics.bytes), (vec![("our grid".to_owned(), 31)], 0, None));
}

#[tokio::test]
async fn nothing_is_written() {
    let source = Source::of(&names().1);
    let service = RemoteName2KeyService::new(source.clone());
    let registration =
        Registration { name: "New Name".to_owned(), key: Uuid::from_u128(1), grid: Grid("Our Grid".to_owned()), verified: false };
    assert_eq!(service.register(&registration).await.unwrap_err().kind, ErrorKind::Refused);
    assert_eq!(service.forget(Uuid::from_u128(1 << 64 | 7), None).await.unwrap_err().kind, ErrorKind::Refused);
    assert_eq!(source.plugin.health(), Health::Well("31 names".to_owned()));
}

#[test]
fn what_cannot_be_understood_is_invalid() {
    let source = Source::of("");
    for body in [
        "",
        "METHOD=other",
        "METHOD=get_key",
        "METHOD=get_key&NAME[]=x",
        "METHOD=get_name&KEY=x",
        "METHOD=get_keys",
        "METHOD=get_names&KEYS[]=x",
        "METHOD=find&PREFIX=x&LIMIT=0",
        "METHOD=find&PREFIX=x&LIMIT=10001",
        "METHOD=entries&LIMIT=1&AFTER=00000000-0000-4000-8000-000000000001",
        "METHOD=get_key&NAME=%",
        &format!("METHOD=get_keys{}", "&NAMES[]=x".repeat(10_001)),
    ] {
        let request = Request { body: body.as_bytes(), ..Request::new("POST", "/xname2key") };
        let response = source.plugin.handle(&request);
        let text = String::from_utf8(response.body).unwrap();
        assert!(response.status == 200 && text.contains("<RESULT>False</RESULT><ERROR>invalid</ERROR>"), "{body}: {text}");
    }
    assert_eq!(source.plugin.handle(&Request::new("GET", "/xname2key")).status, 404);
    assert_eq!(source.plugin.handle(&Request::new("POST", "/other")).status, 404);
}

#[test]
fn the_file_is_read_again_or_the_old_names_stay() {
    let source = Source::of(&names().1);
    assert_eq!(source.server.log_lines(), [(Level::Info, format!("31 names of {}", source.path()))]);
    let config = |path| gridshell_plugin::Config { section: SECTION, entries: vec![("Path", path)] };
    let path = source.path();
    std::fs::write(&path, "00000000-0000-4000-8000-000000000001,Ann Bee\nbad\n").unwrap();
    let failure = Failure::Failed(format!("[{SECTION}] Path = {path}: line 2: it has no comma"));
    assert_eq!(source.plugin.reconfigure(&config(&path)), Err(failure));
    assert_eq!(source.plugin.health(), Health::Well("31 names".to_owned()));
    std::fs::write(&path, "00000000-0000-4000-8000-000000000001,Ann Bee\n").unwrap();
    assert_eq!(source.plugin.reconfigure(&config(&path)), Ok(()));
    assert_eq!(source.plugin.health(), Health::Well("1 names".to_owned()));
}

#[test]
fn a_bad_configuration_is_named() {
    let server = FakeServer::new();
    let folder = tempfile::tempdir().unwrap();
    let (folder, long) = (folder.path().to_str().unwrap(), "x".repeat(256));
    for (entries, error) in [
        (vec![], "Path = \"\": the absolute path of a CSV file is needed".to_owned()),
        (vec![("Path", "names.csv")], "Path = \"names.csv\": the absolute path of a CSV file is needed".to_owned()),
        (vec![("Path", "/no/such/file")], "Path = /no/such/file: No such file or directory (os error 2)".to_owned()),
        (vec![("Path", folder)], format!("Path = {folder}: it is no file of at most 536870912 bytes")),
        (vec![("Path", folder), ("Grid", &long)], "Grid: at most 255 bytes without control characters".to_owned()),
    ] {
        let refused = server.create::<Name2KeyCsv>(SECTION, &entries).err();
        assert_eq!(refused, Some(format!("[{SECTION}] {error}")));
    }
}
