//! The ready-made configurations that need no other shell: one server for all, an asset server, an inventory server.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use common::{LEVELS, Shell, asset_document, post_form, run, try_get, workspace};
use tempfile::TempDir;

const ID: &str = "a55e7000-0000-4000-8000-0000000000a1";
const USER: &str = "PRINCIPAL=a55e7000-0000-4000-8000-0000000000a2";

/// A file of `config/`.
fn read(file: &str) -> String {
    fs::read_to_string(workspace("config").join(file)).unwrap()
}

/// Starts a shell with a file of `config/`, with the ports of the test in the place of its own.
fn start(file: &str, port: &str, admin_port: Option<&str>) -> Shell {
    let mut ini = read(file);
    for (text, by) in [(Some(port), "port = ${port}"), (admin_port, "Port = ${admin}")] {
        let Some(text) = text else { continue };
        assert!(ini.contains(text), "{file}: {text}");
        ini = ini.replace(text, by);
    }
    if admin_port.is_none() {
        ini.push_str("\n[Admin]\n    Port = ${admin}\n");
    }
    Shell::start(&(ini + LEVELS))
}

fn has_assets(shell: &Shell) {
    assert_eq!(shell.post("/assets/", asset_document(ID, "aGVsbG8=").as_bytes()).status, 200);
    assert_eq!(shell.get(&format!("/assets/{ID}/data")).text(), "hello");
    assert_eq!(shell.post(&format!("/bakes/{ID}"), b"<BakedAppearance />").status, 200);
    assert_eq!(shell.get(&format!("/bakes/{ID}")).text(), "<BakedAppearance />");
}

fn has_inventories(shell: &Shell) {
    assert!(post_form(shell, "/xinventory", &format!("METHOD=CREATEUSERINVENTORY&{USER}")).text().contains("True"));
    assert!(post_form(shell, "/xinventory", &format!("METHOD=GETROOTFOLDER&{USER}")).text().contains("My Inventory"));
}

/// Nothing is said that an operator would have to think about, and all files are in one folder.
fn is_tidy(shell: &Shell) {
    shell.has_no_complaints();
    let mut files: Vec<_> = fs::read_dir(shell.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["Robust.ini", "data", "output.txt"]);
}

#[test]
fn one_server_for_all_runs() {
    let shell = start("standalone.ini", "port = 8003", None);
    has_assets(&shell);
    has_inventories(&shell);
    is_tidy(&shell);
}

#[test]
fn an_asset_server_and_an_inventory_server_run_side_by_side() {
    let assets = start("asset-server.ini", "port = 8403", Some("Port = 8409"));
    let inventories = start("inventory-server.ini", "port = 8503", Some("Port = 8509"));
    has_assets(&assets);
    has_inventories(&inventories);
    assert_eq!(assets.get("/xinventory").status, 404, "inventories are elsewhere");
    assert_eq!(inventories.get(&format!("/assets/{ID}")).status, 404, "assets are elsewhere");
    for (shell, file) in [(&assets, "assets.db"), (&inventories, "inventory.db")] {
        is_tidy(shell);
        let ready = try_get(shell.admin_port, "/readyz").unwrap();
        assert_eq!(ready.text(), format!("ready\nsqlite:data/{file}: ok\n"));
    }
}

#[test]
fn the_lines_for_other_databases_are_right() {
    for file in ["asset-server.ini", "inventory-server.ini"] {
        for provider in ["mysql", "postgres"] {
            let ini = read(file);
            let (before, rest) = ini.split_once(&format!("; StorageProvider = \"{provider}\"")).unwrap();
            let rest = rest.replacen("; ConnectionString", "ConnectionString", 1);
            // Those of SQLite give way.
            let before = before.replace("StorageProvider = \"sqlite\"", "").replace("ConnectionString = \"URI", "; = \"URI");
            let folder = TempDir::new().unwrap();
            fs::write(folder.path().join("Robust.ini"), format!("{before}StorageProvider = \"{provider}\"{rest}")).unwrap();
            let checked = run(folder.path(), &["check", "-inifile=Robust.ini"]);
            assert_eq!(checked, (Some(0), "0 errors, 0 warnings\n".to_owned()), "{file}, {provider}");
        }
    }
}

/// The ports of a file of `config/`.
fn ports(ini: &str) -> BTreeSet<u16> {
    let (mut section, mut ports, mut admin) = ("", BTreeSet::new(), 8009);
    for line in ini.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
        }
        let Some((key, value)) = line.split_once('=').map(|(key, value)| (key.trim(), value.trim().trim_matches('"'))) else {
            continue;
        };
        match (section, key) {
            ("[Network]", "port") => ports.extend(value.parse::<u16>()),
            ("[Admin]", "Port") => admin = value.parse().unwrap(),
            // Name@port/connector
            ("[ServiceList]", key) if !key.starts_with(';') => {
                let connector = value.split_once('@').map_or(value, |(_, connector)| connector);
                ports.extend(connector.split_once('/').and_then(|(port, _)| port.parse::<u16>().ok()));
            }
            _ => {}
        }
    }
    ports.insert(admin);
    ports
}

#[test]
fn all_of_them_can_run_on_one_machine() {
    let mut users: BTreeMap<u16, PathBuf> = BTreeMap::new();
    for path in fs::read_dir(workspace("config")).unwrap().map(|entry| entry.unwrap().path()) {
        if path.extension().is_none_or(|extension| extension != "ini") {
            continue;
        }
        for port in ports(&fs::read_to_string(&path).unwrap()) {
            if let Some(other) = users.insert(port, path.clone()) {
                panic!("port {port} is that of {} and of {}", path.display(), other.display());
            }
        }
    }
    for port in [8003, 8009, 8103, 8109, 8203, 8209, 8015, 8019, 3000, 8403, 8409, 8503, 8509] {
        assert!(users.contains_key(&port), "port {port} is nobody's: {users:?}");
    }
}
