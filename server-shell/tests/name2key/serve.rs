//! `gridshell name2key serve`, which takes the place of gosl-basics: its flags, its files, its three modes (name2key.md sections 5 and
//! 6).

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::common::{PATIENCE, free_port, try_get};
use crate::{Ended, NAMES, Running, name2key, name2key_typed};

const MASAKAZU: &str = "a27b84f0-2757-4176-9579-43a181d4a5a0";
const NIL: &str = "00000000-0000-0000-0000-000000000000";

fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("names.csv"), NAMES).unwrap();
    folder
}

/// Starts a server and waits until it answers.
fn server(folder: &Path, flags: &[&str], port: u16) -> Running {
    let mut running = Running::start(folder, &[&["name2key", "serve"], flags].concat(), Stdio::null());
    let deadline = Instant::now() + PATIENCE;
    while try_get(port, "/").is_err() {
        if running.child.try_wait().unwrap().is_some() {
            panic!("it has ended: {:?}", running.end());
        }
        assert!(Instant::now() < deadline, "it does not answer");
        thread::sleep(Duration::from_millis(20));
    }
    running
}

fn stop(running: Running) -> Ended {
    kill(Pid::from_raw(running.child.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    let ended = running.end();
    assert_eq!(ended.status, Some(0), "{ended:?}");
    ended
}

#[test]
fn flags_of_both_generations() {
    for (flags, store) in [
        (
            &["--server", "--port", "${port}", "--import", "names.csv", "--dir", "kv", "--nomemory", "--database=badger"][..],
            "kv/name2key.db",
        ),
        (
            &["--server=true", "-p${port}", "-i", "names.csv", "-n", "my.db", "-l=5", "-b", "1000", "-d", "DEBUG"],
            "slkvdb/my.db.sqlite",
        ),
    ] {
        let (folder, port) = (folder(), free_port());
        let flags: Vec<_> = flags.iter().map(|flag| flag.replace("${port}", &port.to_string())).collect();
        let flags: Vec<_> = flags.iter().map(String::as_str).collect();
        let running = server(folder.path(), &flags, port);
        assert_eq!(try_get(port, "/?name=Masakazu+Kojima").unwrap().text(), MASAKAZU);
        let key = "11111111-2222-3333-4444-555555555555";
        let answer = try_get(port, &format!("/touch/?name=Test%20User&amp;key={key}")).unwrap();
        assert_eq!(
            (answer.status, answer.text()),
            (200, format!("Added new entry for 'Test User' which is: {key} from grid: ''").as_str()),
            "everybody may register"
        );
        let ended = stop(running);
        assert!(ended.errors.contains("3 rows in"), "{ended:?}");
        assert_eq!(ended.errors.contains("\"badger\" has no effect"), flags.contains(&"--database=badger"), "{ended:?}");
        assert!(folder.path().join(store).exists(), "{store}");
        assert!(fs::read_to_string(folder.path().join("gosl.log")).unwrap().contains("registered a name"));

        // The next start, without an import, still knows what was registered.
        let without_import: Vec<_> =
            flags.iter().copied().filter(|flag| !["--import", "-i", "names.csv"].contains(flag)).collect();
        let running = server(folder.path(), &without_import, port);
        assert_eq!(try_get(port, "/?name=test+user").unwrap().text(), key);
        stop(running);
    }
}

#[test]
fn the_folder_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let ended = name2key_typed(folder.path(), &["serve", "--shell", "--dir", "a/b"], "");
    assert_eq!(ended.status, Some(0), "{ended:?}");
    for made in ["a", "a/b"] {
        assert_eq!(fs::metadata(folder.path().join(made)).unwrap().permissions().mode() & 0o777, 0o700, "{made}");
    }
    fs::write(folder.path().join("file"), "").unwrap();
    let ended = name2key(folder.path(), &["serve", "--shell", "--dir", "file"]);
    assert_eq!(ended.status, Some(1), "{ended:?}");
    assert!(ended.errors.contains("cannot make the folder file"), "{ended:?}");
}

#[test]
fn configuration_files_of_both_layouts() {
    for (name, layout) in [
        (
            "config.toml",
            "[config]\nmyPort = ${port}\nmyDir = \"kv\"\nisServer = true\nBATCH_BLOCK = 100000\n[options]\nimportFilename = \"names.csv\"\n[log]\nFilename = \"names.log\"\nMaxSize = 10\n",
        ),
        (
            "config.toml",
            "[config]\nmyport = ${port}\nmydir = \"kv\"\nisserver = true\nimportFilename = \"names.csv\"\nlogFilename = \"names.log\"\n",
        ),
        (
            "config.ini",
            "# gosl\n[config]\nmyPort = ${port}\nmyDir = kv\nisServer = true\n[options]\nimportFilename = names.csv\n[log]\nFilename = names.log\n",
        ),
    ] {
        let (folder, port) = (folder(), free_port());
        fs::write(folder.path().join(name), layout.replace("${port}", &port.to_string())).unwrap();
        let running = server(folder.path(), &[], port);
        assert_eq!(try_get(port, "/?name=Masakazu+Kojima").unwrap().text(), MASAKAZU, "{name}");
        stop(running);
        assert!(folder.path().join("kv/name2key.db").exists() && folder.path().join("names.log").exists(), "{name}");
        // The command line is stronger.
        let other = free_port();
        let running = server(folder.path(), &["--port", &other.to_string(), "--import="], other);
        assert!(try_get(port, "/").is_err());
        stop(running);
    }
    // At home, and by name.
    let (folder, port) = (folder(), free_port());
    let at_home = folder.path().join(".config/gosl-basics");
    fs::create_dir_all(&at_home).unwrap();
    fs::write(at_home.join("other.toml"), format!("[config]\nmyPort = {port}\nisServer = true\n")).unwrap();
    stop(server(folder.path(), &["--config", "other.toml"], port));
}

#[test]
fn the_shell_mode_wins_over_the_server() {
    let folder = folder();
    let typed = "Masakazu Kojima\nNo One\nquit\n";
    let ended = name2key_typed(folder.path(), &["serve", "--server", "--shell", "--import", "names.csv"], typed);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert_eq!(
        ended.output,
        format!(
            "Ctrl-C to quit.\nMasakazu Kojima which has UUID: {MASAKAZU} comes from grid: Production\n\
             Sorry, unknown input No One\n"
        )
    );
}

#[test]
fn what_ends_it_at_once() {
    let folder = folder();
    for (flags, status, part) in [
        (&["--help"][..], 2, "gridshell name2key serve [FLAGS]"),
        (&["-h"], 2, "gridshell name2key serve [FLAGS]"),
        (&["--prot", "1"], 2, "there is no flag --prot"),
        (&["--port", "x"], 2, "--port: \"x\" is no number"),
        (&["--port"], 2, "--port needs a value"),
        (&["--import", "gone.csv", "--server"], 1, "gone.csv"),
        (&["--config", "names.csv", "--server"], 2, "ends in .toml or .ini"),
    ] {
        let ended = name2key(folder.path(), &[&["serve"], flags].concat());
        assert_eq!((ended.status, ended.output.as_str()), (Some(status), ""), "{flags:?}: {ended:?}");
        assert!(ended.errors.contains(part), "{flags:?}: {ended:?}");
    }
    let taken = TcpListener::bind(("0.0.0.0", free_port())).unwrap();
    let port = taken.local_addr().unwrap().port();
    let ended = name2key(folder.path(), &["serve", "--server", "--port", &port.to_string()]);
    assert_eq!(ended.status, Some(1), "{ended:?}");
    assert!(ended.errors.contains(&format!("port {port} cannot be used")), "{ended:?}");
}

#[test]
fn without_a_mode_it_is_fastcgi_on_descriptor_0() {
    let folder = folder();
    let ended = name2key(folder.path(), &["serve"]);
    assert_eq!((ended.status, ended.output.as_str()), (Some(2), ""), "descriptor 0 is no socket: {ended:?}");

    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let input = Stdio::from(std::os::fd::OwnedFd::from(listener));
    let port = free_port();
    let flags = ["name2key", "serve", "--import", "names.csv", "--port", &port.to_string()];
    let running = Running::start(folder.path(), &flags, input);
    let answer = fastcgi(&path, "name=Masakazu+Kojima");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {answer}"));
    assert!(head.contains("Status: 200"), "{head}");
    assert!(head.contains("Content-Type: text/plain; charset=utf-8"), "{head}");
    assert_eq!(body, MASAKAZU);
    assert_eq!(fastcgi(&path, "name=No+One").split_once("\r\n\r\n").unwrap().1, NIL);
    assert!(try_get(port, "/").is_err(), "no port is open");
    let ended = stop(running);
    assert_eq!(ended.output, "", "the web server may read it");
}

/// One request over FastCGI; gives what comes to standard output.
fn fastcgi(socket: &Path, query: &str) -> String {
    const BEGIN: u8 = 1;
    const END: u8 = 3;
    const PARAMS: u8 = 4;
    const STDIN: u8 = 5;
    const STDOUT: u8 = 6;
    let record = |kind: u8, content: &[u8]| {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[1, kind, 0, 1, length[0], length[1], 0, 0], content].concat()
    };
    let mut params = Vec::new();
    for (name, value) in
        [("REQUEST_METHOD", "GET"), ("REQUEST_URI", &format!("/?{query}")), ("QUERY_STRING", query), ("REMOTE_ADDR", "192.0.2.1")]
    {
        params.extend([u8::try_from(name.len()).unwrap(), u8::try_from(value.len()).unwrap()]);
        params.extend(name.bytes().chain(value.bytes()));
    }
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = [record(BEGIN, &[0, 1, 0, 0, 0, 0, 0, 0]), record(PARAMS, &params), record(PARAMS, &[]), record(STDIN, &[])];
    stream.write_all(&request.concat()).unwrap();
    let mut output = Vec::new();
    loop {
        let mut head = [0; 8];
        stream.read_exact(&mut head).unwrap();
        let length = usize::from(u16::from_be_bytes([head[4], head[5]]));
        let mut content = vec![0; length + usize::from(head[6])];
        stream.read_exact(&mut content).unwrap();
        match head[1] {
            STDOUT => output.extend_from_slice(&content[..length]),
            END => return String::from_utf8(output).unwrap(),
            other => panic!("a record of kind {other}"),
        }
    }
}
