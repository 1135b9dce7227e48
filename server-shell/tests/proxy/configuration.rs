//! What `gridshell check` says of OUT connectors.

use std::fs;

use tempfile::TempDir;

use crate::EDGE;
use crate::common::run;

fn check(ini: &str) -> (Option<i32>, String) {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("Robust.ini"), ini.replace("${port}", "8103").replace("${admin}", "8109")).unwrap();
    let checked = run(folder.path(), &["check", "-inifile=Robust.ini"]);
    let files: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files, ["Robust.ini"]);
    checked
}

#[test]
fn a_good_file_has_no_mistakes() {
    let keys = "WriteURI = \"https://writer.example\"\n    Policy = round-robin\n    ReadYourWrites = 0.5\n    Patience = 2.5";
    let ini = EDGE.replace("${upstreams}", "http://a:8003, http://b:8003*3").replace("${keys}", keys);
    assert_eq!(check(&ini), (Some(0), "0 errors, 0 warnings\n".to_owned()));
    let elsewhere = ini.replace("\"remote_name2key\"", "\"Names@remote_name2key\"");
    let elsewhere = elsewhere.replace("    Name2KeyServerURI", "[Names]\n    Name2KeyServerURI");
    assert_eq!(check(&elsewhere), (Some(0), "0 errors, 0 warnings\n".to_owned()));
}

#[test]
fn the_address_may_be_where_simulators_have_it() {
    let ini = EDGE.replace("    AssetServerURI = \"${upstreams}\"\n", "").replace("${keys}", "");
    let ini = ini.replace("${upstreams}", "http://a:8003");
    let (status, output) = check(&ini);
    assert!(status == Some(1) && output.contains("AssetService/AssetServerURI: is required and missing"), "{output}");
    let ini = ini.replace("[ServiceList]", "    asset_server_url = \"http://a:8003\"\n[ServiceList]");
    assert_eq!(check(&ini), (Some(0), "0 errors, 0 warnings\n".to_owned()));
}

#[test]
fn mistakes_are_told_with_their_lines() {
    for (key, value, message) in [
        ("AssetServerURI", "\"a:8003\"", "\"a:8003\" is no address of a shell: it has to begin with http:// or https://"),
        (
            "AssetServerURI",
            "\"http://a http://b*0\"",
            "\"http://b*0\" is no address of a shell: its weight, behind the *, is not 1 to 100",
        ),
        ("AssetServerURI", "\" , \"", "names no shell; an address such as http://storage:8003 is meant"),
        ("AssetServerURI", "\"http://a, http://a/\"", "upstream group AssetService: it lists http://a twice"),
        ("WriteURI", "\"http://\"", "\"http://\" is no address of a shell: it is malformed"),
        ("Policy", "fastest", "\"fastest\" is none of least-busy, round-robin, hash"),
        ("ReadYourWrites", "-1", "\"-1\": is no time from 0 to 86400 seconds"),
        ("AnswerTimeout", "0", "a time of 0 lets nothing happen"),
        ("Attempts", "0", "with 0 nothing is ever sent"),
        ("RetryShare", "-0.1", "is a number from 0 on"),
        ("HealthCheckPath", "index.html", "begins with / and has no blanks"),
        (
            "LocalServiceModule",
            "\"Nowhere@remote_asset\"",
            "Nowhere@remote_asset reads the section [Nowhere], which is not there",
        ),
        ("LocalServiceModule", "\"remote_inventory\"", "remote_inventory is no asset service"),
        ("LocalServiceModule", "\"remote_assets\"", "there is no service remote_assets; is remote_asset meant?"),
    ] {
        let mut lines = vec![
            "[Network]".to_owned(),
            "port = ${port}".to_owned(),
            "[ServiceList]".to_owned(),
            "Asset = \"asset\"".to_owned(),
            "[AssetService]".to_owned(),
        ];
        let defaults = [("LocalServiceModule", "\"remote_asset\""), ("AssetServerURI", "\"http://a:8003\"")];
        lines.extend(defaults.iter().filter(|default| default.0 != key).map(|(key, value)| format!("{key} = {value}")));
        lines.push(format!("{key} = {value}"));
        let line = lines.len();
        let (status, output) = check(&lines.join("\n"));
        assert_eq!(status, Some(1), "{key} = {value}: {output}");
        assert!(output.contains(&format!("Robust.ini:{line}: AssetService/{key}: {message}")), "{key} = {value}: {output}");
    }
}
