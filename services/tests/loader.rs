//! The default asset loader.

mod common;

use std::fs;
use std::path::Path;

use bytes::Bytes;
use common::{TestDatabase, texts};
use gridshell_interfaces::ErrorKind;
use gridshell_interfaces::asset::AssetService;
use gridshell_services::asset::{LoadSummary, SqlAssetService, load_default_assets};
use uuid::Uuid;

const ALPHA: Uuid = Uuid::from_u128(0x1578a2b1_5179_4b53_b618_fe00ca5a5594);
const TWICE: Uuid = Uuid::from_u128(0x1578a2b1_5179_4b53_b618_fe00ca5a5597);
const EMPTY: Uuid = Uuid::from_u128(0x1578a2b1_5179_4b53_b618_fe00ca5a5595);

fn write(directory: &Path, name: &str, content: impl AsRef<[u8]>) {
    let file = directory.join(name);
    fs::create_dir_all(file.parent().expect("parent")).expect("directory");
    fs::write(file, content).expect("file");
}

fn entry(section: &str, id: &str, file: &str) -> String {
    format!(
        r#"<Section Name="{section}"><Key Name="assetID" Value="{id}"/><Key Name="name" Value="{section}"/>
           <Key Name="assetType" Value="0"/><Key Name="inventoryType" Value="0"/><Key Name="fileName" Value="{file}"/></Section>"#
    )
}

fn make_sets(directory: &Path) {
    let sets = ["Textures", "Broken", "Missing", "Empty"].map(|name| {
        format!(r#"<Section Name="{name} AssetSet"><Key Name="file" Value="{name}AssetSet/{name}AssetSet.xml"/></Section>"#)
    });
    write(directory, "AssetSets.xml", format!("<Nini>{}<Section Name=\"No file\"/></Nini>", sets.concat()));
    write(directory, "BrokenAssetSet/BrokenAssetSet.xml", "<Nini>\n<Section Name=\"A\">\n</Nini>");
    write(directory, "EmptyAssetSet/EmptyAssetSet.xml", "<Nini><!-- nothing --></Nini>");
    let mut textures = String::from("<Nini>");
    textures += &entry("alpha", &ALPHA.to_string(), "alpha.jp2");
    textures += &entry("alpha", "1578a2b1-5179-4b53-b618-fe00ca5a5599", "alpha.jp2");
    textures += &entry("no file", &EMPTY.to_string(), "");
    textures += &entry("missing file", "1578a2b1-5179-4b53-b618-fe00ca5a5596", "nowhere.jp2");
    textures += &entry("bad id", "not-a-uuid", "alpha.jp2");
    textures += &entry("twice", &TWICE.to_string(), "alpha.jp2");
    textures += &entry("twice, later", &TWICE.to_string(), "many.jp2");
    for number in 0..120 {
        textures += &entry(&format!("texture {number}"), &Uuid::from_u128(number).to_string(), "many.jp2");
    }
    write(directory, "TexturesAssetSet/TexturesAssetSet.xml", textures + "</Nini>");
    write(directory, "TexturesAssetSet/alpha.jp2", b"alpha \x00\xff");
    write(directory, "TexturesAssetSet/many.jp2", b"many");
}

#[tokio::test(flavor = "multi_thread")]
async fn sets_are_loaded_once_and_changes_again() {
    for test in TestDatabase::all().await {
        let files = tempfile::tempdir().expect("temporary directory");
        make_sets(files.path());
        let control = files.path().join("AssetSets.xml");
        let database = test.open().await;
        let service = SqlAssetService::open(database.clone()).await.expect("service");

        let first = load_default_assets(&service, &control).await.expect("load");
        // The second "alpha" of the file does not count at all.
        assert_eq!(first, LoadSummary { sets: 2, total: 126, written: 123, unchanged: 0, skipped: 3 });
        let alpha = service.get(ALPHA).await.expect("get").expect("loaded");
        assert_eq!(alpha.data, Some(Bytes::from_static(b"alpha \x00\xff")));
        assert_eq!(alpha.metadata.name, "alpha");
        assert_eq!(alpha.metadata.creator.as_deref(), Some("11111111-1111-0000-0000-000100bba000"));
        assert_eq!(service.metadata(TWICE).await.expect("get").expect("loaded").name, "twice, later");
        assert_eq!(service.data(EMPTY).await.expect("get"), Some(Bytes::new()));

        let second = load_default_assets(&service, &control).await.expect("load again");
        assert_eq!(second, LoadSummary { sets: 2, total: 126, written: 0, unchanged: 123, skipped: 3 });

        write(files.path(), "TexturesAssetSet/alpha.jp2", b"changed");
        service.delete(EMPTY).await.expect("delete");
        let third = load_default_assets(&service, &control).await.expect("load changes");
        assert_eq!(third, LoadSummary { sets: 2, total: 126, written: 2, unchanged: 121, skipped: 3 });
        assert_eq!(service.data(ALPHA).await.expect("get"), Some(Bytes::from_static(b"changed")));
        let count = texts(&database, "SELECT concat_ws('', count(*)) FROM assets").await;
        assert_eq!(count, ["123"]);
        database.close().await;
        test.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_control_file_loads_nothing_and_a_closed_database_is_an_error() {
    let test = TestDatabase::sqlite();
    let files = tempfile::tempdir().expect("temporary directory");
    let database = test.open().await;
    let service = SqlAssetService::open(database.clone()).await.expect("service");
    let control = files.path().join("AssetSets.xml");
    assert_eq!(load_default_assets(&service, &control).await.expect("nothing"), LoadSummary::default());
    make_sets(files.path());
    database.close().await;
    let error = load_default_assets(&service, &control).await.expect_err("closed");
    assert_eq!(error.kind, ErrorKind::Unavailable);
}
