//! The example plugin in C, `asset_files`: what the asset service promises, through the plugin's C functions.

#[path = "../../services/tests/common/mod.rs"]
mod databases;

use std::ffi::c_void;
use std::path::Path;
use std::process::Command;
use std::ptr;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use databases::asset_battery;
use gridshell_connectors::asset::outbound::RemoteAssetService;
use gridshell_connectors::http::{HeaderMap, Method, StatusCode};
use gridshell_connectors::transport::{Answer, Kind, Outgoing, Repeat, Transport, TransportError};
use gridshell_plugin_abi::{self as abi, Config, Entry, Host, Pair, Plugin, Request, Response, Str};
use gridshell_services::database::Backend;
use libloading::Library;
use tempfile::TempDir;

const ID: &str = "a55e7000-0000-4000-8000-00000000abcd";

/// The plugin, built as its README says, with an instance that keeps its assets in a folder of its own.
#[derive(Debug)]
struct AssetFiles {
    plugin: Plugin,
    host: Box<Host>,
    log: Box<Mutex<Vec<String>>>,
    instance: *mut c_void,
    assets: TempDir,
    // Last, since the fields before it use its code.
    _library: (Library, TempDir),
}

// SAFETY: the plugin lets its functions be called from any thread, and says that `handle` may run in several.
unsafe impl Send for AssetFiles {}
// SAFETY: as above.
unsafe impl Sync for AssetFiles {}

unsafe extern "C" fn log(ctx: *mut c_void, _level: i32, text: Str) {
    // SAFETY: the table's context; the plugin's text.
    let (log, text) = unsafe { (&*ctx.cast::<Mutex<Vec<String>>>(), text.as_str()) };
    log.lock().unwrap().push(text.unwrap().to_owned());
}

impl AssetFiles {
    fn start() -> Self {
        let assets = tempfile::tempdir().unwrap();
        let directory = assets.path().to_str().unwrap().to_owned();
        Self::create(assets, &[("Directory", &directory), ("Directory", "/the/first/counts")]).unwrap()
    }

    /// An instance, or what was logged when there is none.
    fn create(assets: TempDir, entries: &[(&str, &str)]) -> Result<Self, Vec<String>> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("libasset_files.so");
        let compiled = Command::new("cc")
            .args(["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror", "-O2", "-shared", "-fPIC", "-o"])
            .arg(&file)
            .arg("-I")
            .arg(root.join("interfaces/plugin-abi/include"))
            .arg(root.join("examples/plugins/asset-files-c/asset_files.c"))
            .output()
            .expect("this test needs a C compiler that is called cc");
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));

        let log_lines = Box::<Mutex<Vec<String>>>::default();
        // A plugin that asks for nothing but the log gets nothing else.
        let host = Box::new(Host {
            struct_size: size_of::<Host>() as u32,
            abi_minor: 0,
            ctx: (&raw const *log_lines).cast_mut().cast(),
            log: Some(log),
            config_get: None,
            now_ms: None,
            call_service: None,
            release_response: None,
            register_route: None,
            metric_add: None,
        });
        let pairs: Vec<Pair> =
            entries.iter().map(|(name, value)| Pair { name: Str::new(name), value: Str::new(value) }).collect();
        let config = Config {
            struct_size: size_of::<Config>() as u32,
            section: Str::new("Plugin:asset_files"),
            entries: pairs.as_ptr(),
            entry_count: pairs.len(),
        };
        let mut instance = ptr::null_mut();
        // SAFETY: the library keeps to the header; table and configuration live long enough.
        let (library, plugin, status) = unsafe {
            let library = Library::new(&file).unwrap();
            let plugin = *library.get::<Entry>(abi::symbol::ENTRY).unwrap()(&*host);
            let status = plugin.create.unwrap()(&*host, &config, &mut instance);
            (library, plugin, status)
        };
        let files = Self { plugin, host, log: log_lines, instance, assets, _library: (library, folder) };
        if status == abi::OK { Ok(files) } else { Err(files.said()) }
    }

    fn said(&self) -> Vec<String> {
        std::mem::take(&mut *self.log.lock().unwrap())
    }

    fn handle(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        let request = Request {
            struct_size: size_of::<Request>() as u32,
            service: Str::new("asset"),
            method: Str::new(method),
            path: Str::new(path),
            rest: Str::new(path),
            query: Str::EMPTY,
            headers: ptr::null(),
            header_count: 0,
            body: abi::Bytes::new(body),
            peer: Str::EMPTY,
        };
        let mut response = Response::EMPTY;
        // SAFETY: the instance lives; the request lives during the call; the response is released once.
        unsafe {
            assert_eq!(self.plugin.handle.unwrap()(self.instance, &request, &mut response), abi::OK);
            let answer = Answer {
                status: StatusCode::from_u16(response.status.try_into().unwrap()).unwrap(),
                headers: HeaderMap::new(),
                body: Bytes::copy_from_slice(response.body.as_slice().unwrap()),
            };
            self.plugin.release.unwrap()(self.instance, &mut response);
            answer
        }
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let answer = self.handle(method, path, body.as_bytes());
        (answer.status.as_u16(), String::from_utf8(answer.body.to_vec()).unwrap())
    }

    fn files(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.assets.path()).unwrap();
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
    }
}

impl Drop for AssetFiles {
    fn drop(&mut self) {
        if !self.instance.is_null() {
            // SAFETY: the last use of the instance.
            unsafe { self.plugin.destroy.unwrap()(self.instance) };
        }
        assert!(self.host.log.is_some(), "the table has outlived the instance");
    }
}

#[async_trait]
impl Transport for AssetFiles {
    async fn send(&self, request: Outgoing) -> Result<Answer, TransportError> {
        let Outgoing { method, target, body, kind, repeat, .. } = request;
        // What is read can be asked again.
        assert!(kind == Kind::Write || repeat == Repeat::Safe);
        assert!(matches!(method, Method::GET | Method::POST | Method::DELETE));
        Ok(self.handle(method.as_str(), &target, &body))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_keeps_the_promises_of_the_asset_service() {
    let files = Arc::new(AssetFiles::start());
    asset_battery::battery(&RemoteAssetService::new(files.clone()), Backend::Sqlite).await;
    assert_eq!(files.said(), [""; 0]);
    let left = files.files();
    assert!(!left.is_empty() && left.iter().all(|name| uuid::Uuid::parse_str(name).is_ok()), "{left:?}");
}

/// An AssetBase document with this inside.
fn document(content: &str) -> String {
    format!("<AssetBase xmlns:xsi='x'>{content}</AssetBase>")
}

#[test]
fn what_it_keeps_is_the_document_of_the_wire() {
    let files = AssetFiles::start();
    let content = format!(
        "<Flags>Maptile Collectable</Flags><Unknown>x</Unknown><Name>a &amp; b&#x20AC;</Name><Data>AAEC\n AwQ</Data>\
         <FullID><Guid>{}</Guid></FullID><Type> 7 </Type><Local>1</Local>",
        ID.replace('-', "").to_uppercase()
    );
    let stored = format!("\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<string>{ID}</string>");
    assert_eq!(files.ask("POST", "/assets", &document(&content)), (200, stored));
    let spaces = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\"";
    let kept = format!(
        "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<AssetBase {spaces}>\n  <Data>AAEC\n AwQ</Data>\n  <FullID>\n    \
         <Guid>{ID}</Guid>\n  </FullID>\n  <ID>{ID}</ID>\n  <Name>a &amp; b&#x20AC;</Name>\n  <Description />\n  <Type>7</Type>\n  \
         <UploadAttempts>0</UploadAttempts>\n  <Local>1</Local>\n  <Temporary>false</Temporary>\n  <CreatorID />\n  \
         <Flags>Maptile Collectable</Flags>\n</AssetBase>"
    );
    assert_eq!(std::fs::read_to_string(files.assets.path().join(ID)).unwrap(), kept);
    assert_eq!(files.ask("GET", &format!("/assets/{ID}"), ""), (200, kept));
    let data = files.handle("GET", &format!("/assets/{ID}/data"), b"");
    assert_eq!((data.status.as_u16(), &data.body[..]), (200, &[0, 1, 2, 3, 4][..]));
    let (status, metadata) = files.ask("GET", &format!("/assets/{ID}/metadata"), "");
    assert_eq!(status, 200);
    assert!(
        !metadata.contains("Data>")
            && metadata.contains("\n  <CreationDate>0001-01-01T00:00:00</CreationDate>\n  <Type>7</Type>")
    );
    let exist = files.ask("POST", "/get_assets_exist", &format!("<ArrayOfString><string>{ID}</string></ArrayOfString>")).1;
    assert!(exist.ends_with(&format!("<ArrayOfBoolean {spaces}>\n  <boolean>true</boolean>\n</ArrayOfBoolean>")), "{exist}");
}

#[test]
fn what_it_cannot_read_is_refused_and_changes_nothing() {
    let files = AssetFiles::start();
    let good = format!("<Data>AAEC</Data><ID>{ID}</ID>");
    for bad in [
        String::new(),
        "<".to_owned(),
        "<AssetBase".to_owned(),
        "<AssetBase/>".to_owned(),
        format!("<AssetBase>{good}"),
        format!("<Asset>{good}</Asset>"),
        document(&good) + "<x/>",
        document(&(good.clone() + "<Name>")),
        document(&(good.clone() + "<Name>a</Nome>")),
        document(&(good.clone() + "<Name><b>a</b></Name>")),
        document(&(good.clone() + "<Name>&auml;</Name>")),
        document(&(good.clone() + "<Name>&amp</Name>")),
        document(&(good.clone() + "<Name>&#1;</Name>")),
        document(&(good.clone() + "<Name>&#x;&#x110000;</Name>")),
        document(&(good.clone() + "<Name>\u{1}</Name>")),
        document(&(good.clone() + "<Description>\u{ffff}</Description>")),
        document(&(good.clone() + "<Name a='b'>x</Name>")),
        document(&(good.clone() + "<Type>128</Type>")),
        document(&(good.clone() + "<Type>-129</Type>")),
        document(&(good.clone() + "<Type/>")),
        document(&(good.clone() + "<Local>True</Local>")),
        document(&(good.clone() + "<Flags>Normal,Maptile</Flags>")),
        document(&(good.clone() + "<FullID><Id/></FullID>")),
        document("<Data>A</Data>"),
        document("<Data>AA=A</Data>"),
        document("<Data>AAA==</Data>"),
        document("<Data>A!AA</Data>"),
        format!("<!DOCTYPE x>{}", document(&good)),
    ] {
        assert_eq!(files.ask("POST", "/assets/", &bad), (400, String::new()), "{bad}");
    }
    for bytes in [&b"\xf6"[..], b"\xc0\xaf", b"\xed\xa0\x80", b"\xfc\x80\x80\x80", b"\xf0\x9f\x98", b"\xf4\x90\x80\x80"] {
        let (before, after) = (b"<AssetBase><Data/><Name>", b"</Name></AssetBase>");
        let body = [&before[..], bytes, after].concat();
        assert_eq!(files.handle("POST", "/assets", &body).status.as_u16(), 400, "{bytes:x?}");
    }
    for (content, why) in [("<Data>AAEC</Data>", "without id"), (&*format!("<ID>{ID}</ID>"), "without data")] {
        let (status, body) = files.ask("POST", "/assets", &document(content));
        assert!(status == 200 && body.ends_with("<string>00000000-0000-0000-0000-000000000000</string>"), "{why}: {body}");
    }
    for list in ["", "<ArrayOfString>", "<ArrayOfString><id>x</id></ArrayOfString>", "<ArrayOfString/><x/>"] {
        assert_eq!(files.ask("POST", "/get_assets_exist", list), (400, String::new()), "{list}");
    }
    assert_eq!(files.files(), [""; 0]);
}

#[test]
fn only_ids_become_names_of_files() {
    let files = AssetFiles::start();
    let elsewhere = tempfile::tempdir().unwrap();
    let outside = elsewhere.path().join("secret");
    std::fs::write(&outside, document("<Data>AAEC</Data>")).unwrap();
    std::fs::copy(&outside, files.assets.path().join("secret")).unwrap();
    for path in ["/assets/secret", "/assets/secret/data", "/assets/..", "/assets/%2e%2e", "/assets/../secret", "/assets/.new-x"] {
        let (status, body) = files.ask("GET", path, "");
        assert!(matches!(status, 400 | 404) && body.is_empty(), "{path}: {status} {body}");
        assert!(files.ask("DELETE", path, "").1.contains("<boolean>false</boolean>"), "{path}");
    }
    // A link is not followed, wherever it leads to.
    std::os::unix::fs::symlink(&outside, files.assets.path().join(ID)).unwrap();
    assert_eq!(files.ask("GET", &format!("/assets/{ID}"), ""), (503, String::new()));
    assert_eq!(files.ask("GET", &format!("/assets/{ID}/other"), ""), (400, String::new()));
    assert_eq!(files.ask("PUT", &format!("/assets/{ID}"), ""), (404, String::new()));
    assert_eq!(files.ask("GET", "/other", ""), (404, String::new()));
    assert_eq!(files.files().len(), 2);
}

#[test]
fn a_damaged_file_and_a_lost_folder_are_failures() {
    let files = AssetFiles::start();
    std::fs::write(files.assets.path().join(ID), "<AssetBase>").unwrap();
    assert_eq!(files.ask("GET", &format!("/assets/{ID}/data"), ""), (503, String::new()));
    assert_eq!(files.said(), [format!("cannot understand asset {ID}: Input/output error")]);
    std::fs::remove_dir_all(files.assets.path()).unwrap();
    let other = document(&format!("<Data>AAEC</Data><ID>{ID}</ID>"));
    assert_eq!(files.ask("POST", "/assets", &other), (503, String::new()));
    assert_eq!(files.said(), [format!("cannot store asset {ID}: No such file or directory")]);
}

#[test]
fn without_a_folder_it_does_not_start() {
    for (directory, why) in [
        ("", "Directory = ?: the absolute path of a folder is needed"),
        ("relative", "Directory = ?: the absolute path of a folder is needed"),
        ("/does/not/exist", "Directory = /does/not/exist: No such file or directory"),
        ("/dev/null", "Directory = /dev/null: Not a directory"),
    ] {
        let said = AssetFiles::create(tempfile::tempdir().unwrap(), &[("Directory", directory)]).unwrap_err();
        assert_eq!(said, [why]);
    }
}
