//! Start and stop of the real program: what it prints and writes, what ends it, and what it finishes before.

mod common;

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use common::{PATIENCE, SQLITE, Shell, asset_document, connect, free_port, read_answer, request, run};
use gridshell_services::database::Backend;
use nix::sys::signal::Signal;
use tempfile::TempDir;

const ID: &str = "a55e7000-0000-4000-8000-000000000001";

/// The configuration of [`SQLITE`], with more keys in a section.
fn with(section: &str, keys: &str) -> String {
    let header = format!("[{section}]\n");
    if SQLITE.contains(&header) {
        SQLITE.replace(&header, &format!("{header}{keys}\n"))
    } else {
        format!("{header}{keys}\n{SQLITE}")
    }
}

fn launch(ini: &str, switches: &[&str]) -> Shell {
    let mut shell = Shell::launch_in(TempDir::new().unwrap(), ini, switches, Stdio::null());
    shell.wait_until_ready();
    shell
}

#[test]
fn the_start_is_told_in_the_words_that_scripts_wait_for() {
    let shell = Shell::start(SQLITE);
    shell.wait_for_output("[SERVER]: ready after ");
    let output = shell.output();
    let port = shell.port;
    let mut rest = output.as_str();
    for line in [
        "[SERVER BASE]: Starting in ".to_owned(),
        "[SERVER BASE]: gridshell version: ".to_owned(),
        format!("[SERVER]: Loading AssetServiceConnector on port {port}\n"),
        "[SERVER]: AssetServiceConnector loaded successfully\n".to_owned(),
        format!("[SERVER]: Loading XBakesConnector on port {port}\n"),
        "[SERVER]: XBakesConnector loaded successfully\n".to_owned(),
        format!("[BASE HTTP SERVER]: Starting HTTP server on port {port}\n"),
        format!("[SERVER]: port {port} serves AssetServiceConnector, XBakesConnector\n"),
        format!("[SERVER]: try it: curl -i http://127.0.0.1:{port}/assets/"),
        "[SERVER]: ready after ".to_owned(),
    ] {
        let at = rest.find(&line).unwrap_or_else(|| panic!("{line:?} is missing, or in another order:\n{output}"));
        rest = &rest[at + line.len()..];
    }
    // The console's form, HH:mm:ss - message.
    for line in output.lines() {
        let (time, _) = line.split_once(" - ").unwrap_or_else(|| panic!("{line:?}"));
        assert!(looks_like(time, "00:00:00"), "{line:?}");
    }
}

/// Whether a text has digits where the pattern has zeros, and is the same elsewhere.
fn looks_like(text: &str, pattern: &str) -> bool {
    text.len() == pattern.len()
        && text
            .bytes()
            .zip(pattern.bytes())
            .all(|(found, wanted)| if wanted == b'0' { found.is_ascii_digit() } else { found == wanted })
}

#[test]
fn the_pid_file_lasts_as_long_as_the_program() {
    let mut shell = Shell::start(&with("Startup", "PIDFile = \"robust.pid\""));
    let file = shell.folder.path().join("robust.pid");
    assert_eq!(fs::read_to_string(&file).unwrap(), shell.pid().to_string());
    assert!(!shell.output().contains("Previous pid file"));
    shell.signal(Signal::SIGTERM);
    assert_eq!(shell.wait().code(), Some(0));
    assert!(!file.exists(), "deleted in good order");

    shell.restart();
    shell.signal(Signal::SIGKILL);
    shell.wait();
    assert!(file.exists(), "left by a kill");
    shell.restart();
    let warning = "[SERVER BASE]: Previous pid file robust.pid still exists on startup.  Possibly previously unclean shutdown.";
    shell.wait_for_output(warning);
    assert_eq!(fs::read_to_string(&file).unwrap(), shell.pid().to_string(), "the new program's own");
}

#[test]
fn sigterm_finishes_the_request_under_way() {
    a_signal_finishes_the_request_under_way(Signal::SIGTERM);
}

#[test]
fn sigint_finishes_the_request_under_way() {
    a_signal_finishes_the_request_under_way(Signal::SIGINT);
}

fn a_signal_finishes_the_request_under_way(signal: Signal) {
    let mut shell = Shell::start(SQLITE);
    let body = asset_document(ID, "aGVsbG8=");
    let (first, second) = body.split_at(body.len() / 2);
    let mut under_way = shell.connect();
    write!(under_way, "POST /assets/ HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{first}", body.len()).unwrap();
    // The program has read the beginning of the request for certain when it has answered another one that came later on each of
    // its threads; a connection that merely waits to be accepted is not under way.
    for _ in 0..50 {
        assert_eq!(shell.get("/assets/").status, 200);
    }
    shell.signal(signal);
    shell.wait_for_output("[CONSOLE] Quitting");
    let deadline = Instant::now() + PATIENCE;
    while connect(shell.port).is_ok() {
        assert!(Instant::now() < deadline, "new connections are still accepted");
        thread::sleep(Duration::from_millis(10));
    }
    under_way.write_all(second.as_bytes()).unwrap();
    let answer = read_answer(&mut under_way).unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.text().contains(&format!("<string>{ID}</string>")), "{}", answer.text());
    assert_eq!(shell.wait().code(), Some(0));
    shell.restart();
    assert_eq!(shell.get(&format!("/assets/{ID}/data")).text(), "hello");
}

#[test]
fn idle_connections_do_not_hold_up_the_stop() {
    // Longer than a test may take, so that a stop that waits for the idle connections is noticed.
    let mut shell = Shell::start(&with("Network", "StopTimeout = 300\nIdleTimeout = 300"));
    let mut idle = shell.connect();
    assert_eq!(request(&mut idle, "GET", "/assets/", "", b"").unwrap().status, 200);
    let _silent = shell.connect();
    shell.signal(Signal::SIGTERM);
    assert_eq!(shell.wait().code(), Some(0));
}

#[test]
fn a_signal_ends_the_wait_for_a_database() {
    let nobody = free_port();
    let ini = common::on_database(Backend::MySql, &format!("Server=127.0.0.1;Port={nobody};Database=x;User ID=x;Password=x"));
    let ini = ini.replace("[Network]", "[Startup]\nPIDFile = robust.pid\n[Network]");
    let mut shell = Shell::launch_in(TempDir::new().unwrap(), &ini, &["-console=none"], Stdio::null());
    shell.wait_for_output(&format!("the database does not answer yet; trying again database=mysql:127.0.0.1:{nobody}/x"));
    let pid_file = shell.folder.path().join("robust.pid");
    assert!(pid_file.exists());
    shell.signal(Signal::SIGTERM);
    assert_eq!(shell.wait().code(), Some(0));
    assert!(!pid_file.exists());
    assert!(shell.output().contains("[CONSOLE] Quitting") && !shell.output().contains("Failed to load"), "{}", shell.output());
}

#[test]
fn a_port_that_is_taken_ends_the_program() {
    let taken = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let main = SQLITE.replace("${port}", &port.to_string()).replace("${admin}", "0");
    let own = with("ServiceList", &format!("Another = \"{port}/asset\""))
        .replace("${port}", &free_port().to_string())
        .replace("${admin}", "0");
    let admin = SQLITE.replace("${port}", &free_port().to_string()).replace("${admin}", &port.to_string());
    for (name, ini) in [("the main port", main), ("a connector's own port", own), ("the chosen admin port", admin)] {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("Robust.ini"), ini).unwrap();
        let (code, output) = run(folder.path(), &["-console=none"]);
        assert_eq!(code, Some(1), "{name}: {output}");
        let last = output.lines().last().unwrap_or_default();
        assert!(last.starts_with("gridshell: ") && last.contains(&port.to_string()), "{name}: {output}");
    }
}

#[test]
fn the_basic_console_runs_what_it_reads() {
    let folder = TempDir::new().unwrap();
    let mut shell = Shell::launch_in(folder, SQLITE, &["-console=basic"], Stdio::piped());
    let mut input = shell.input();
    input.write_all(b"show version\nquit\n").unwrap();
    drop(input);
    assert_eq!(shell.wait().code(), Some(0));
    let output = shell.output();
    assert!(output.contains("R.O.B.U.S.T.# "), "{output}");
    assert!(output.contains(&format!("Version: gridshell {} (SIM-0.3/0.8)\n", env!("CARGO_PKG_VERSION"))), "{output}");
}

#[test]
fn the_end_of_the_consoles_input_is_not_the_end_of_the_program() {
    let mut shell = launch(SQLITE, &["-console=basic"]);
    shell.wait_for_output("[SERVER]: ready after ");
    shell.wait_for_output("R.O.B.U.S.T.# ");
    assert_eq!(shell.post("/assets/", asset_document(ID, "aGVsbG8=").as_bytes()).status, 200);
    assert_eq!(shell.get(&format!("/assets/{ID}/data")).text(), "hello");
    assert_eq!(shell.output().matches("R.O.B.U.S.T.# ").count(), 1, "one prompt, not one after the other");
    shell.signal(Signal::SIGTERM);
    assert_eq!(shell.wait().code(), Some(0));
}

#[test]
fn the_prompt_is_the_configured_one() {
    let folder = TempDir::new().unwrap();
    let mut shell = Shell::launch_in(folder, SQLITE, &["-console=basic", "-prompt=grid one"], Stdio::piped());
    let mut input = shell.input();
    input.write_all(b"quit\n").unwrap();
    assert_eq!(shell.wait().code(), Some(0));
    assert!(shell.output().contains("grid one# "), "{}", shell.output());
}

#[test]
fn an_unknown_kind_of_console_ends_the_program() {
    let folder = TempDir::new().unwrap();
    let ini = SQLITE.replace("${port}", &free_port().to_string()).replace("${admin}", "0");
    fs::write(folder.path().join("Robust.ini"), ini).unwrap();
    let (code, output) = run(folder.path(), &["-console=graphical"]);
    assert_eq!(code, Some(1), "{output}");
    assert!(
        output.contains("[Startup] console: there is no kind \"graphical\"; there are local, basic, rest and none"),
        "{output}"
    );
}

/// The lines of a log file once the program has ended.
fn log_lines(folder: &Path, name: &str) -> Vec<String> {
    let text = fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    text.lines().map(str::to_owned).collect()
}

#[test]
fn the_log_file_has_the_originals_form_and_is_appended_to() {
    let mut shell = launch(SQLITE, &["-console=none", "-logfile=logs/own.log"]);
    shell.signal(Signal::SIGTERM);
    shell.wait();
    let lines = log_lines(shell.folder.path(), "logs/own.log");
    assert!(lines.iter().any(|line| line.contains("[SERVER]: AssetServiceConnector loaded successfully")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.ends_with("[CONSOLE] Quitting")), "{lines:#?}");
    for line in &lines {
        // %date %-5level (%thread) - %logger %message
        let (date, rest) = line.split_at(23);
        assert!(looks_like(date, "0000-00-00 00:00:00,000"), "{line:?}");
        let (level, rest) = rest.split_at(7);
        assert!([" INFO  ", " WARN  ", " ERROR ", " DEBUG "].contains(&level), "{line:?}");
        let (thread, rest) = rest.split_once(" - ").unwrap_or_else(|| panic!("{line:?}"));
        assert!(thread.starts_with('(') && thread.ends_with(')'), "{line:?}");
        assert!(rest.split_once(' ').is_some_and(|(logger, _)| logger.starts_with("gridshell")), "{line:?}");
    }

    shell.restart();
    shell.signal(Signal::SIGTERM);
    shell.wait();
    let appended = log_lines(shell.folder.path(), "logs/own.log");
    assert_eq!(appended[..lines.len()], lines);
    assert!(appended.len() > lines.len());
}

#[test]
fn rotation_names_log_files_by_date() {
    for (rotation, date) in [("daily", "Robust.log.0000-00-00"), ("hourly", "Robust.log.0000-00-00-00"), ("never", "Robust.log")]
    {
        let mut shell = Shell::start(&with("Logging", &format!("Rotation = {rotation}")));
        shell.signal(Signal::SIGTERM);
        shell.wait();
        let files: Vec<_> =
            fs::read_dir(shell.folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        let logs: Vec<_> = files.iter().filter(|name| name.starts_with("Robust.log")).collect();
        assert!(!logs.is_empty() && logs.iter().all(|name| looks_like(name, date)), "{rotation}: {files:?}");
    }
}

#[test]
fn the_log_file_may_be_json() {
    let mut shell = Shell::start(&with("Logging", "FileFormat = json\nConsoleFormat = json"));
    shell.signal(Signal::SIGTERM);
    shell.wait();
    for (place, lines) in
        [("file", log_lines(shell.folder.path(), "Robust.log")), ("console", shell.output().lines().map(str::to_owned).collect())]
    {
        let objects: Vec<serde_json::Value> = lines.iter().map(|line| serde_json::from_str(line).expect(line)).collect();
        let loaded =
            objects.iter().find(|object| object["fields"]["message"] == "[SERVER]: AssetServiceConnector loaded successfully");
        assert_eq!(loaded.unwrap_or_else(|| panic!("{place}"))["level"], "INFO", "{place}");
    }
}

#[test]
fn an_open_private_listener_is_warned_of_loudly() {
    let open = SQLITE.replace("\"127.0.0.1\"", "\"0.0.0.0\"");
    let credentials = "AuthType = BasicHttpAuthentication\nHttpAuthUsername = a\nHttpAuthPassword = b\n";
    // Of the two connectors in the configuration.
    let of_both = |keys: &str| {
        open.replace("[AssetService]\n", &format!("[AssetService]\n{keys}\n"))
            .replace("[BakedTextureService]\n", &format!("[BakedTextureService]\n{keys}\n"))
    };
    for (name, ini, warned) in [
        ("open to all", open.clone(), Some("asset, baked_texture asks")),
        ("loopback", SQLITE.to_owned(), None),
        ("credentials for all", open.replace("[ServiceList]", &format!("{credentials}[ServiceList]")), None),
        (
            "credentials for one",
            open.replace("[AssetService]\n", &format!("[AssetService]\n{credentials}")),
            Some(": baked_texture asks"),
        ),
        ("public on purpose", of_both("AuthType = None"), None),
        ("None for all", open.replace("[ServiceList]", "AuthType = None\n[ServiceList]"), Some("asset, baked_texture asks")),
    ] {
        let shell = Shell::start(&ini);
        shell.wait_for_output("[SERVER]: ready after ");
        let output = shell.output();
        let warnings: Vec<_> = output.lines().filter(|line| line.contains("[SECURITY]")).collect();
        match warned {
            None => assert!(warnings.is_empty(), "{name}: {warnings:?}"),
            Some(names) => {
                assert_eq!(warnings.len(), 1, "{name}: {output}");
                let loud = format!("WHOEVER REACHES PORT {} can read and store everything", shell.port);
                assert!(warnings[0].contains(&loud) && warnings[0].contains(names), "{name}: {warnings:?}");
            }
        }
    }
}
