//! Mistakes in the sections of connectors that pass requests on.

use std::fs;

use crate::common::run;

fn check(ini: &str) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("Robust.ini"), ini).unwrap();
    run(folder.path(), &["check", "-inifile=Robust.ini"])
}

#[test]
fn mistakes_name_section_and_key() {
    let forward = |keys: &str| format!("[Network]\nport = 1\n[ServiceList]\nA = \"forward\"\n[Forward]\n{keys}\n");
    let shadow = |keys: &str| {
        format!(
            "[Network]\nport = 1\n[ServiceList]\nA = \"shadow\"\n[Shadow]\nAnswerURI = \"http://a\"\nShadowURI = \"http://b\"\n{keys}\n"
        )
    };
    for (ini, message) in [
        (forward(""), "Forward/URI: "),
        (forward("URI = \"ftp://a\""), "Forward/URI: \"ftp://a\" is no address of a shell"),
        (forward("URI = \"http://a\"\nPath = \"assets\""), "Robust.ini:7: Forward/Path: \"assets\" is no path such as /assets"),
        (forward("URI = \"http://a\"\nPath = \" , \""), "Robust.ini:7: Forward/Path: names no path; / is everything"),
        (forward("URI = \"http://a\"\nHost = other"), "Robust.ini:7: Forward/Host: "),
        (forward("URI = \"http://a\"\nAttempts = 0"), "Robust.ini:7: Forward/Attempts: with 0 nothing is ever sent"),
        (
            forward("URI = \"http://a\"\nWriteURI = \"http://b\""),
            "Robust.ini:7: Forward/WriteURI: what is passed on is not understood",
        ),
        (shadow("Verbs = \"GET, P T\""), "Robust.ini:8: Shadow/Verbs: \"P T\" is no verb"),
        (shadow("Verbs = \",\""), "Robust.ini:8: Shadow/Verbs: without verbs nothing is ever compared"),
        (shadow("MaxShadows = 0"), "Robust.ini:8: Shadow/MaxShadows: is a number from 1 to 10000"),
        (shadow("Path = x"), "Robust.ini:8: Shadow/Path: \"x\" is no path such as /assets"),
    ] {
        let (status, output) = check(&ini);
        assert_eq!(status, Some(1), "{message}: {output}");
        assert!(output.contains(message), "{message}: {output}");
    }
    assert_eq!(check(&shadow("Path = \"/assets/, /bakes\"")).0, Some(0));
}

#[test]
fn paths_that_two_connectors_want() {
    let (status, output) = check(
        "[Network]\nport = 1\n[ServiceList]\nA = \"forward\"\nB = \"Other@1/forward\"\nC = \"2/forward\"\nD = \"Assets@1/forward\"\n\
         E = \"asset\"\n[Forward]\nURI = \"http://a\"\n[Other]\nURI = \"http://b\"\n[Assets]\nPath = \"/assets\"\nURI = \"http://b\"\n\
         [AssetService]\nLocalServiceModule = \"remote_asset\"\nAssetServerURI = \"http://c\"\n",
    );
    assert_eq!(status, Some(0), "{output}");
    for warning in [
        "Other@1/forward answers nothing: on port 1, / (everything else) belongs to forward, which is listed before it",
        "Assets@1/forward answers nothing: on port 1, /assets belongs to asset, which answers it itself",
    ] {
        assert!(output.contains(warning), "{output}");
    }
    assert_eq!(output.matches("answers nothing").count(), 2, "{output}");
}
