//! `gridshell name2key import, export, lookup, stats, forget, shell`, on a file of its own and on that of a configuration.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

use tempfile::TempDir;

use crate::common::PATIENCE;
use crate::{FACES, NAMES, Running, SORTED, name2key, name2key_typed, succeed};

const MASAKAZU: &str = "a27b84f0-2757-4176-9579-43a181d4a5a0";

/// A folder with the names of the vectors in `name2key.db`.
fn imported() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("names.csv"), NAMES).unwrap();
    let output = succeed(folder.path(), &["import", "names.csv"]);
    assert!(output.starts_with("3 rows in ") && output.ends_with("3 new, 0 changed, 0 known already\n"), "{output}");
    folder
}

fn exported(folder: &Path) -> String {
    succeed(folder, &["export"])
}

#[test]
fn every_kind_of_file_goes_in_and_out() {
    let folder = imported();
    let folder = folder.path();
    assert_eq!(exported(folder), SORTED);
    for file in ["out.csv", "out.csv.gz", "out.csv.bz2"] {
        let ended = name2key(folder, &["export", file]);
        assert_eq!((ended.status, ended.output.as_str(), ended.errors.as_str()), (Some(0), "", "3 lines\n"), "{file}");
        let bytes = fs::read(folder.join(file)).unwrap();
        let beginning: &[u8] = match file {
            "out.csv.gz" => &[0x1f, 0x8b],
            "out.csv.bz2" => b"BZh",
            _ => &SORTED.as_bytes()[..8],
        };
        assert!(bytes.starts_with(beginning), "{file}: {:?}", &bytes[..8]);
        // What was written is read again.
        let store = format!("--database=from-{file}.db");
        succeed(folder, &["import", file, &store]);
        assert_eq!(succeed(folder, &["export", &store]), SORTED, "{file}");
    }
    assert_eq!(
        fs::read_dir(folder).unwrap().filter(|entry| entry.as_ref().unwrap().path().extension() == Some("part".as_ref())).count(),
        0
    );
    // What programs other than ours compress, too.
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(NAMES.as_bytes()).unwrap();
    let mut bz2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bz2.write_all(NAMES.as_bytes()).unwrap();
    for (file, bytes) in [("a.gz", gz.finish().unwrap()), ("a.bz2", bz2.finish().unwrap())] {
        fs::write(folder.join(file), bytes).unwrap();
        succeed(folder, &["import", file, "--database", file.replace('.', "-").as_str()]);
        assert_eq!(succeed(folder, &["export", "--database", file.replace('.', "-").as_str()]), SORTED);
    }
}

#[test]
fn a_second_import_changes_nothing() {
    let folder = imported();
    let everything = |folder: &Path| succeed(folder, &["export", "--all"]);
    let before = everything(folder.path());
    let output = succeed(folder.path(), &["import", "names.csv"]);
    assert!(output.ends_with("0 new, 0 changed, 3 known already\n"), "{output}");
    assert_eq!(everything(folder.path()), before);
    let line = before.lines().find(|line| line.starts_with(MASAKAZU)).unwrap();
    let fields: Vec<_> = line.split(',').collect();
    assert_eq!(
        (fields.len(), &fields[1..3], &fields[5..]),
        (7, &["Masakazu Kojima", "Production"][..], &["import", "false"][..])
    );
    assert_eq!(fields[3], fields[4], "seen once");
}

#[test]
fn bad_lines_stop_an_import_or_are_left_out() {
    let folder = imported();
    let bad = format!("{MASAKAZU},Somebody Else\nnot-a-uuid,No One\n3d6181b0-6a4b-97ef-18d8-722652995cf1,A,B\n");
    fs::write(folder.path().join("bad.csv"), bad).unwrap();
    let ended = name2key(folder.path(), &["import", "bad.csv"]);
    assert_eq!((ended.status, ended.output.as_str()), (Some(1), ""), "{ended:?}");
    assert!(ended.errors.contains("bad.csv") && ended.errors.contains('2'), "the line is named: {}", ended.errors);
    assert!(ended.errors.ends_with("nothing of bad.csv was stored\n"), "{}", ended.errors);
    assert_eq!(exported(folder.path()), SORTED);

    let output = succeed(folder.path(), &["import", "bad.csv", "--skip-bad"]);
    assert!(output.contains("0 new, 1 changed") && output.contains("2 bad lines were left out"), "{output}");
    assert_eq!(output.lines().count(), 4, "the bad lines are shown: {output}");
    assert_eq!(exported(folder.path()), SORTED.replace("Masakazu Kojima", "Somebody Else"));

    for file in ["gone.csv", "."] {
        let ended = name2key(folder.path(), &["import", file]);
        assert_eq!(ended.status, Some(1), "{file}: {ended:?}");
    }
}

#[test]
fn grids_are_kept_apart() {
    let folder = imported();
    let folder = folder.path();
    fs::write(
        folder.join("other.csv"),
        format!("{MASAKAZU},Masakazu Other\n00000000-0000-0000-0000-0000000000ff,Masakazu Kojima\n"),
    )
    .unwrap();
    succeed(folder, &["import", "other.csv", "--grid", "My Grid"]);
    assert_eq!(
        succeed(folder, &["export", "--grid=my grid"]),
        format!("00000000-0000-0000-0000-0000000000ff,Masakazu Kojima\n{MASAKAZU},Masakazu Other\n")
    );
    assert_eq!(succeed(folder, &["export", "--grid=production"]), SORTED);
    assert_eq!(exported(folder).lines().count(), 4, "each key once");
    assert_eq!(succeed(folder, &["export", "--all"]).lines().count(), 5, "each entry");
    let stats = succeed(folder, &["stats"]);
    for line in ["production: 3 entries", "my grid: 2 entries", "all grids: 5 entries", "names that more than one key has: 1"] {
        assert!(stats.lines().any(|said| said == line), "{line:?} is not in {stats}");
    }
    let stats: serde_json::Value = serde_json::from_str(&succeed(folder, &["stats", "--json"])).unwrap();
    assert_eq!(stats["grids"], serde_json::json!([{"grid": "production", "entries": 3}, {"grid": "my grid", "entries": 2}]));

    assert_eq!(succeed(folder, &["forget", MASAKAZU, "--grid", "My Grid"]), format!("{MASAKAZU}: 1 entry forgotten\n"));
    assert_eq!(succeed(folder, &["lookup", MASAKAZU]), format!("{MASAKAZU} Masakazu Kojima (Production)\n"));
    assert_eq!(succeed(folder, &["forget", MASAKAZU]), format!("{MASAKAZU}: 1 entry forgotten\n"));
    let ended = name2key(folder, &["forget", MASAKAZU]);
    assert_eq!((ended.status, ended.output), (Some(1), format!("{MASAKAZU}: unknown\n")));
}

#[test]
fn look_ups_by_name_key_and_beginning() {
    let folder = imported();
    let folder = folder.path();
    let line = "3d6181b0-6a4b-97ef-18d8-722652995cf1 Governor Linden (Production)\n";
    for asked in
        ["Governor Linden", "governor.linden", "GOVERNOR+LINDEN", "3D6181B0-6a4b-97ef-18d8-722652995cf1", "gov*", "Governor L*"]
    {
        assert_eq!(succeed(folder, &["lookup", asked]), line, "{asked}");
    }
    let ended = name2key(folder, &["lookup", "No One", "Governor Linden", "x*", &"x".repeat(10_000)]);
    assert_eq!(ended.status, Some(1), "{ended:?}");
    assert!(ended.output.starts_with(&format!("No One: unknown\n{line}x*: unknown\n")), "{ended:?}");
    let ended = name2key(folder, &["lookup", "--json", "fake01", "nobody"]);
    let said: Vec<serde_json::Value> = ended.output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((said.len(), &said[0]["asked"], said[1]["matches"].as_array().unwrap().len()), (2, &"fake01".into(), 0));
    let found = &said[0]["matches"][0];
    assert_eq!(found["key"], "00000000-0000-0000-0000-000000000001");
    assert_eq!(
        (&found["name"], &found["grid"], &found["source"]),
        (&"Fake01 Resident".into(), &"Production".into(), &"import".into())
    );
    assert!(found["first_seen"].as_i64().unwrap() > 1_700_000_000);
}

#[test]
fn the_shell_speaks_as_gosl_basics_does() {
    let folder = imported();
    let typed = format!(
        "Masakazu Kojima\n{MASAKAZU}\n\n  governor linden \nNo One\n11111111-2222-3333-4444-555555555555\nquit\nnever read\n"
    );
    let masakazu = format!("Masakazu Kojima which has UUID: {MASAKAZU} comes from grid: Production\n");
    let governor = "Governor Linden which has UUID: 3d6181b0-6a4b-97ef-18d8-722652995cf1 comes from grid: Production\n";
    let ended = name2key_typed(folder.path(), &["shell"], &typed);
    assert_eq!((ended.status, ended.errors.as_str()), (Some(0), ""));
    assert_eq!(
        ended.output,
        format!(
            "Ctrl-C to quit.\n{masakazu}{masakazu}{governor}Sorry, unknown input No One\n\
             Sorry, unknown input 11111111-2222-3333-4444-555555555555\n"
        )
    );
    let ended = name2key_typed(folder.path(), &["shell", "--spelling=2025"], "fake01\nNo One");
    assert_eq!(ended.status, Some(0), "the end of the input is the end");
    assert_eq!(
        ended.output,
        "Ctrl-C to quit, or just type \"quit\".\n\
         Fake01 Resident which has UUID: 00000000-0000-0000-0000-000000000001 comes from grid: Production\n\
         sorry, unknown input No One\n"
    );
}

#[test]
fn the_shell_prompts_at_a_terminal() {
    let folder = imported();
    let nix::pty::OpenptyResult { master, slave } = nix::pty::openpty(None, None).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_gridshell"))
        .args(["name2key", "shell"])
        .current_dir(folder.path())
        .env("TERM", "xterm")
        .stdin(slave.try_clone().unwrap())
        .stdout(slave)
        .stderr(Stdio::null())
        .spawn();
    let running = Running { child: child.unwrap(), output: tempfile::tempfile().unwrap(), errors: tempfile::tempfile().unwrap() };
    let (mut keyboard, mut screen) = (fs::File::from(master.try_clone().unwrap()), fs::File::from(master));
    let (sender, shown) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        // It ends with an error when nobody holds the other side any more.
        while let Ok(length @ 1..) = screen.read(&mut bytes) {
            if sender.send(String::from_utf8_lossy(&bytes[..length]).into_owned()).is_err() {
                return;
            }
        }
    });
    let mut seen = String::new();
    let mut type_after = |text: &str, keys: &str| {
        let end = loop {
            match seen.find(text) {
                Some(at) => break at + text.len(),
                None => seen.push_str(&shown.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no {text:?}: {seen:?}"))),
            }
        };
        seen.drain(..end);
        keyboard.write_all(keys.as_bytes()).unwrap();
    };
    type_after("Enter avatar name or UUID: ", "Masakazu Kojima\r");
    type_after(&format!("which has UUID: {MASAKAZU}"), "");
    type_after("Enter avatar name or UUID: ", "quit\r");
    assert_eq!(running.end().status, Some(0));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let folder = imported();
    for task in [&["export"][..], &["lookup", "Governor Linden"], &["stats"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_gridshell"));
        let ended = command.arg("name2key").args(task).current_dir(folder.path()).stdout(writer).output().unwrap();
        assert!(ended.status.success() && ended.stderr.is_empty(), "{task:?}: {ended:?}");
    }
}

#[test]
fn the_store_is_that_of_the_configuration_when_there_is_one() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    fs::write(folder.join("names.csv"), NAMES).unwrap();
    let ini = FACES.replace("${port}", "8003").replace("${gosl}", "3000").replace("${admin}", "8009");
    fs::write(folder.join("Robust.ini"), &ini).unwrap();
    succeed(folder, &["import", "names.csv"]);
    assert!(folder.join("test.db").exists() && !folder.join("name2key.db").exists());
    assert_eq!(exported(folder), SORTED);
    assert_eq!(succeed(folder, &["export", "-inifile", "Robust.ini"]), SORTED);
    assert_eq!(succeed(folder, &["export", "--database", "test.db"]), SORTED);

    fs::write(folder.join("Robust.ini"), ini.replace("name2key", "asset")).unwrap();
    let ended = name2key(folder, &["stats"]);
    assert_eq!(ended.status, Some(2));
    assert!(ended.errors.contains("lists no name2key connector"), "{}", ended.errors);
    fs::write(folder.join("Robust.ini"), "[Network\n").unwrap();
    let ended = name2key(folder, &["stats"]);
    assert_eq!(ended.status, Some(2));
    assert!(ended.errors.contains("Robust.ini:1"), "{}", ended.errors);
}

#[test]
fn what_cannot_be_done_has_status_2() {
    let folder = TempDir::new().unwrap();
    for arguments in [&[][..], &["frobnicate"], &["lookup"], &["import"], &["stats", "--jsn"], &["forget", "nobody"]] {
        let ended = name2key(folder.path(), arguments);
        assert_eq!((ended.status, ended.output.as_str()), (Some(2), ""), "{arguments:?}: {ended:?}");
        assert!(ended.errors.contains("gridshell name2key import FILE"), "{arguments:?}: {ended:?}");
    }
    let ended = name2key(folder.path(), &["lookup", "Ann Bee"]);
    assert_eq!(ended.status, Some(2));
    assert!(ended.errors.contains("there is no file name2key.db"), "{}", ended.errors);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made");
    let help = name2key(folder.path(), &["--help"]);
    assert_eq!((help.status, help.errors.as_str()), (Some(0), ""));
    fs::write(folder.path().join("text.db"), "this is no database, but a text that is long enough to be looked at").unwrap();
    let ended = name2key(folder.path(), &["stats", "--database", "text.db"]);
    assert_eq!(ended.status, Some(2), "{ended:?}");
}
