//! The example plugins as the services that they fulfil, behind the program's own connectors.

use gridshell_connectors::asset::outbound::RemoteAssetService;
use gridshell_connectors::name2key::outbound::RemoteName2KeyService;
use gridshell_interfaces::ErrorKind;
use gridshell_interfaces::name2key::{Grid, Name2KeyService, Registration};
use gridshell_services::database::Backend;
use uuid::Uuid;

use super::common::client::HttpTransport;
use super::databases::asset_battery;
use super::*;

/// The asset plugin in C.
pub fn asset_files(plugins: Plugins) -> Plugins {
    let file = plugins.path("asset_files");
    compile_c(&workspace("examples/plugins/asset-files-c/asset_files.c"), &file, &[]);
    Plugins { files: vec!["libasset_files.so".to_owned()], ..plugins }
}

/// A shell whose assets are those of the plugin in C; `cache` is the value of CacheMegabytes, `keys` go into the plugin's section.
pub fn assets_in_files(cache: u32, keys: &str) -> Shell {
    let plugins = asset_files(Plugins::new());
    let assets = plugins.folder.path().join("assets");
    fs::create_dir(&assets).unwrap();
    let ini = plugins.ini_with("", &format!("[Plugin:asset_files]\nDirectory = {}\n{keys}\n", assets.display()));
    let service = format!(
        "[AssetService]\n    LocalServiceModule = \"libasset_files.so:asset\"\n    CacheMegabytes = {cache}\n    AllowRemoteDelete = true\n    \
         AllowRemoteDeleteAllTypes = true\n"
    );
    let ini = ini.replace("[AssetService]\n    LocalServiceModule = \"asset\"\n    CacheMegabytes = 0\n", &service);
    plugins.start_with(&ini)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_asset_plugin_in_c_keeps_the_promises_of_the_service() {
    for cache in [64, 0] {
        let shell = assets_in_files(cache, "");
        let service = RemoteAssetService::new(HttpTransport::new(shell.port));
        asset_battery::battery(&service, Backend::Sqlite).await;
        assert!(!shell.output().contains("[PLUGINS]: asset_files has"), "{}", shell.output());
    }
}

/// Answers that are in the cache must not keep an instance that was replaced.
#[test]
fn what_is_remembered_of_a_plugin_goes_with_it() {
    let shell = assets_in_files(64, "");
    assets_are_well(&shell);
    assets_are_well(&shell);
    let source = fs::read_to_string(workspace("examples/plugins/asset-files-c/asset_files.c")).unwrap();
    let changed = source.replace("{GS_PROPERTY_LICENSE, \"BSD-3-Clause\"}", "{GS_PROPERTY_LICENSE, \"another\"}");
    assert_ne!(source, changed);
    let file = shell.folder.path().join("asset_files.c");
    fs::write(&file, changed).unwrap();
    let headers = format!("-I{}", workspace("examples/plugins/asset-files-c").display());
    compile_c(&file, &shell.folder.path().join("plugins/libasset_files.so"), &[headers]);
    let said = console(&shell, "plugin reload asset_files");
    assert!(said.contains("was loaded again and answers"), "{said}\n{}", shell.output());
    assets_are_well(&shell);
    wait_until("that the old instance ends", &shell, || console(&shell, "plugin list").contains("replaced"));
}

/// Answers that are in the cache must not keep the last instance either, when the program ends.
#[test]
fn what_is_remembered_of_a_plugin_does_not_hold_the_program_up() {
    let mut shell = assets_in_files(64, "");
    assets_are_well(&shell);
    assets_are_well(&shell);
    shell.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(shell.wait().success());
    assert!(!shell.output().contains("asset_files has not ended"), "{}", shell.output());
}

/// Names and keys out of the CSV file, through the program's private connector: the reading half of what name2key promises.
#[tokio::test(flavor = "multi_thread")]
async fn the_name2key_plugin_in_rust_is_read_like_any_source() {
    let plugins = Plugins::new().with_file("name2key_csv", &rust_plugin("name2key_csv"));
    let csv = plugins.folder.path().join("names.csv");
    let keys: Vec<Uuid> = (1..=100).map(|number| Uuid::from_u128(number << 64 | 7)).collect();
    let lines = keys.iter().enumerate().map(|(number, key)| format!("{key},Avatar{number} Tester\n"));
    fs::write(&csv, lines.chain(["a55e7010-0000-4000-8000-000000000001,Ñandú Resident\n".to_owned()]).collect::<String>())
        .unwrap();
    let sections = format!(
        "[Plugin:name2key_csv]\nPath = {}\nGrid = csv.example\n[Name2KeyService]\nLocalServiceModule = libname2key_csv.so\n",
        csv.display()
    );
    let shell = {
        let ini = plugins.ini_with("n = \"name2key\"\n    w = \"name2key_web\"", &sections);
        plugins.start_with(&ini)
    };
    let service = RemoteName2KeyService::new(HttpTransport::new(shell.port));
    for name in ["Avatar3 Tester", "avatar3.tester", "AVATAR3 TESTER"] {
        let found = service.by_name(name, None).await.unwrap();
        assert_eq!(found.iter().map(|entry| entry.key).collect::<Vec<_>>(), [keys[3]], "{name}");
        assert_eq!((found[0].name.as_str(), found[0].grid.0.as_str()), ("Avatar3 Tester", "csv.example"));
    }
    let found = service.by_key(keys[7], Some(&Grid("other".to_owned()))).await.unwrap();
    assert_eq!(found[0].name, "Avatar7 Tester");
    assert_eq!(service.by_name("ñandú", None).await.unwrap().len(), 1);
    assert_eq!(service.by_name("Nobody Tester", None).await.unwrap(), []);
    assert_eq!(service.by_key(Uuid::from_u128(5), None).await.unwrap(), []);

    let names: Vec<String> = (0..100).rev().map(|number| format!("Avatar{number} Tester")).collect();
    let asked: Vec<&str> = names.iter().map(String::as_str).chain(["Nobody"]).collect();
    let many = service.by_names(&asked, None).await.unwrap();
    assert!(many[..100].iter().zip(keys.iter().rev()).all(|(found, key)| found[0].key == *key) && many[100].is_empty());
    let many = service.by_keys(&keys, None).await.unwrap();
    assert!(many.iter().enumerate().all(|(number, found)| found[0].name == format!("Avatar{number} Tester")));
    assert_eq!(service.by_prefix("avatar9", 5).await.unwrap().len(), 5);
    assert_eq!(service.statistics().await.unwrap().entries, [("csv.example".to_owned(), 101)]);

    // Scripts in the world read it, too; nobody changes it.
    assert_eq!(text(&shell, "/name2key?name=Avatar3+Tester"), format!("Avatar3 Tester {}", keys[3]));
    let claim =
        Registration { name: "New Tester".to_owned(), key: Uuid::from_u128(9), grid: Grid("g".to_owned()), verified: false };
    assert_eq!(service.register(&claim).await.unwrap_err().kind, ErrorKind::Refused);
    assert_eq!(service.by_name("New Tester", None).await.unwrap(), []);

    // Something else has changed the file: it is read again when the operator says so, and not with a configuration that is the same.
    fs::write(&csv, "a55e7010-0000-4000-8000-000000000002,New Tester\n").unwrap();
    console(&shell, "config reload");
    assert_eq!(service.by_name("New Tester", None).await.unwrap(), []);
    let said = console(&shell, "plugin reload name2key_csv");
    assert!(said.contains("was loaded again and answers"), "{said}\n{}", shell.output());
    let found = service.by_name("New Tester", None).await.unwrap();
    assert_eq!(found.iter().map(|entry| entry.key).collect::<Vec<_>>(), [uuid::uuid!("a55e7010-0000-4000-8000-000000000002")]);
    assert_eq!(service.by_name("Avatar3 Tester", None).await.unwrap(), []);
    // A file that cannot be read changes nothing.
    fs::write(&csv, "no key,Bad Tester\n").unwrap();
    assert!(console(&shell, "plugin reload name2key_csv").contains("the old one goes on"));
    assert_eq!(service.by_name("New Tester", None).await.unwrap().len(), 1);
}
