//! The ready-made configuration in front of a ROBUST.

use std::fs;

use crate::common::{LEVELS, SQLITE, Shell, asset_document, free_port, request, workspace};
use crate::{counted, wait_until};

#[test]
fn in_front_of_a_robust() {
    let (robust, assets) = (Shell::start(SQLITE), Shell::start(SQLITE));
    let public = free_port();
    let address = |shell: &Shell| format!("\"http://127.0.0.1:{}\"", shell.port);
    let mut ini = fs::read_to_string(workspace("config/before-robust.ini")).unwrap();
    for (text, by) in [
        ("port = 8303", "port = ${port}"),
        ("Port = 8309", "Port = ${admin}"),
        ("@8302/", &format!("@{public}/")),
        ("\"http://127.0.0.1:8003\"", &address(&robust)),
        ("\"http://127.0.0.1:8002\"", &address(&robust)),
        ("\"http://127.0.0.1:8013\"", &address(&assets)),
    ] {
        assert!(ini.contains(text), "{text}");
        ini = ini.replace(text, by);
    }
    ini.push_str(LEVELS);
    let start = |ini: &str| {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("data")).unwrap();
        Shell::start_in(folder, ini)
    };
    let shell = start(&ini);
    let id = "a55e7000-0000-4000-8000-0000000000f3";
    let document = asset_document(id, "aGVsbG8=");
    assert_eq!(shell.post("/assets/", document.as_bytes()).status, 200);
    let data = format!("/assets/{id}/data");
    assert_eq!(shell.get(&data).text(), "hello");
    let same = |result: &str| counted(&shell, &format!("gridshell_shadows_total{{shadow=\"Shadow\",result=\"{result}\"}}"));
    wait_until("it is compared", &shell, || same("different") == 1);
    assert_eq!(assets.get(&data).status, 404, "nothing is written to the shadow");
    assert_eq!(assets.post("/assets/", document.as_bytes()).status, 200);
    assert_eq!(shell.get(&data).text(), "hello");
    wait_until("it is compared", &shell, || same("same") == 1);
    let mut stream = crate::common::connect(public).unwrap();
    assert_eq!(request(&mut stream, "GET", &data, "", b"").unwrap().text(), "hello");
    assert_eq!(shell.get("/nowhere").body, robust.get("/nowhere").body);

    // The next step, as it is described there.
    let next = ini
        .replace("    Assets = \"shadow\"", "")
        .replace("    ; Assets = \"asset\"", "    Assets = \"asset\"")
        .replace("; [AssetService]", "[AssetService]")
        .replace(";     LocalServiceModule", "    LocalServiceModule")
        .replace(";     AssetServerURI", "    AssetServerURI")
        .replace(&format!("@{public}/"), &format!("@{}/", free_port()));
    let shell = start(&next.replace(&format!("port = {}", shell.port), "port = ${port}"));
    assert_eq!(shell.get(&data).text(), "hello");
    assert_eq!(counted(&shell, "gridshell_requests_total{connector=\"asset\""), 1, "{}", shell.output());
    shell.has_no_complaints();
}
