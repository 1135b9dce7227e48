//! The keys of `[Name2KeyService]`, and the ready-made configuration.

use std::fs;

use tempfile::TempDir;

use crate::common::{LEVELS, Shell, free_port, run, try_get, workspace};
use crate::{FACES, NAMES, succeed};

/// What `gridshell check` says of a configuration, with its status.
fn check(ini: &str) -> (Option<i32>, String) {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("opt-out.txt"), "# nobody\n\nnot a key\n").unwrap();
    let ini = ini.replace("${port}", "8003").replace("${gosl}", "3000").replace("${admin}", "8009");
    fs::write(folder.path().join("Robust.ini"), ini).unwrap();
    let checked = run(folder.path(), &["check"]);
    assert!(!folder.path().join("test.db").exists(), "checking opens nothing");
    checked
}

fn with(keys: &str) -> String {
    FACES.replace("RegionAddresses = \"127.0.0.1\"", keys)
}

#[test]
fn good_keys_and_wrong_ones() {
    assert_eq!(check(FACES), (Some(0), "0 errors, 0 warnings\n".to_owned()));
    assert_eq!(
        check(&with("")).1,
        "warning: Name2KeyService/RegionAddresses: there is no address of a region, so nobody can register names\n0 errors, 1 warnings\n"
    );
    let all = "Registration = secret\nRegistrationSecret = x\nRegistrationsPerMinute = 5\nLookUpsPerMinute = 100\nSpelling = 2025\n\
               GridOfAddresses = \"192.0.2.0/24 mygrid, 2001:db8::/32 other.example:8002\"\nGoslPath = \"/gosl\"\nDefaultGrids = \"a, b\"";
    assert_eq!(check(&with(all)), (Some(0), "0 errors, 0 warnings\n".to_owned()));
    for (keys, said) in [
        ("Registration = everybody", "Name2KeyService/Registration: \"everybody\" is none of open, regions, secret, off"),
        ("Registration = secret", "Name2KeyService/RegistrationSecret: is needed"),
        ("RegionAddresses = \"127.0.0.1, localhost\"", "Name2KeyService/RegionAddresses: \"localhost\" is no address"),
        ("RegistrationsPerMinute = many", "Name2KeyService/RegistrationsPerMinute: \"many\""),
        ("GridOfAddresses = 192.0.2.1", "Name2KeyService/GridOfAddresses: \"192.0.2.1\" lacks the grid"),
        ("Spelling = 1999", "Name2KeyService/Spelling: \"1999\" is none of 2017, 2025"),
        ("GoslPath = gosl", "Name2KeyService/GoslPath: \"gosl\" is no path"),
        ("OptOutFile = opt-out.txt", "Name2KeyService/OptOutFile: opt-out.txt:3: \"not a key\" is no UUID"),
        ("OptOutFile = gone.txt", "Name2KeyService/OptOutFile: cannot read gone.txt"),
        ("AskFirst = Other", "Name2KeyService/AskFirst: the section [Other] is not there"),
        ("AskFirst = Name2KeyService", "Name2KeyService/AskFirst: the section [Name2KeyService] asks another one first itself"),
        ("AskFirst = Other\n[Other]\nStorageProvider = sqlite", "Other/LocalServiceModule: is required"),
        ("AskFirst = Other\n[Other]\nLocalServiceModule = asset", "Other/LocalServiceModule: asset is no name2key service"),
    ] {
        let (status, output) = check(&with(keys));
        assert_eq!(status, Some(1), "{keys}: {output}");
        assert!(output.contains(said), "{keys}: {output}");
        assert!(output.contains("error: Robust.ini:") || keys.ends_with("secret"), "the line is named: {output}");
    }
}

#[test]
fn options_are_listed() {
    let (status, output) = run(TempDir::new().unwrap().path(), &["options"]);
    assert_eq!(status, Some(0));
    let section = output.split("[Name2KeyService]\n").nth(1).unwrap().split("\n[").next().unwrap();
    for line in [
        "    Registration (RegistrationKind, regions)",
        "    RegistrationSecret (secret, \"\")",
        "    RegistrationsPerMinute (int, 60)",
        "    Spelling (GoslSpelling, \"2017\")",
        "    DefaultGrids (list, none)",
        "    OptOutFile (string, \"\")",
        "    ConnectionString (secret, \"\")",
    ] {
        assert!(section.lines().any(|said| said == line), "{line:?} is not in:\n{section}");
    }
}

#[test]
fn two_faces_on_one_place_are_a_warning() {
    let ini = FACES.replace("[DatabaseService]", "    Again = \"${gosl}/name2key_gosl\"\n[DatabaseService]");
    let (status, output) = check(&ini);
    assert_eq!(status, Some(0));
    assert!(output.contains("3000/name2key_gosl answers nothing"), "{output}");
}

#[test]
fn the_ready_made_configuration_runs() {
    let ini = fs::read_to_string(workspace("config/name2key.ini")).unwrap();
    let gosl = free_port();
    for text in ["port = 8015", "\"3000/name2key_gosl\"", "Port = 8019"] {
        assert!(ini.contains(text), "{text}");
    }
    let ini = ini.replace("port = 8015", "port = ${port}").replace("\"3000/", &format!("\"{gosl}/"));
    let shell = Shell::start(&(ini.replace("Port = 8019", "Port = ${admin}") + LEVELS));
    let folder = shell.folder.path();
    fs::write(folder.join("names.csv"), NAMES).unwrap();
    succeed(folder, &["import", "names.csv", "-inifile=Robust.ini"]);
    assert_eq!(shell.get("/name2key?name=Governor+Linden").text(), "Governor Linden 3d6181b0-6a4b-97ef-18d8-722652995cf1");
    assert_eq!(try_get(gosl, "/?name=Governor+Linden").unwrap().text(), "3d6181b0-6a4b-97ef-18d8-722652995cf1");
    assert_eq!(try_get(gosl, "/?name=Test+User&key=00000000-0000-0000-0000-0000000000f1").unwrap().status, 200);
    shell.has_no_complaints();
}
