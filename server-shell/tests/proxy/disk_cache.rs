//! A shell with a disk cache in front of another: whatever happens to it and to its folder, nobody gets a wrong byte.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::common::rest_console::{self, NEXT_PROMPT, open_session, read_until};
use crate::common::{PATIENCE, Shell, connect, noise, request, run, try_get};
use crate::operator::ask;
use crate::{QUICK, edge_of, storage, wait_until};

/// The folder is the only memory.
const ON_DISK: &str = "DiskCache = \"cache\"";

fn edge_with(storage: &Shell, keys: &str) -> String {
    let ini = edge_of(&[storage], QUICK);
    ini.replacen("    AssetServerURI", &format!("    {keys}\n    AssetServerURI"), 1)
}

/// The id of the asset of a number.
fn id(number: usize) -> String {
    // The first digits name the folder: there are few.
    format!("{:02x}5e7000-0000-4000-8000-{number:012x}", number % 5)
}

/// What the asset of a number contains.
fn content(number: usize) -> Vec<u8> {
    noise(number as u64, 500 + number * 731 % 40_000)
}

/// The storage gets these assets.
fn fill(storage: &Shell, count: usize) {
    let mut stream = storage.connect();
    for number in 0..count {
        if number % 19 == 0 {
            stream = storage.connect();
        }
        let (id, data) = (id(number), base64(&content(number)));
        let document = format!("<AssetBase><Data>{data}</Data><ID>{id}</ID><Name>{number}</Name><Type>0</Type></AssetBase>");
        let answer = request(&mut stream, "POST", "/assets/", "Content-Type: text/xml\r\n", document.as_bytes()).unwrap();
        assert_eq!(answer.status, 200);
    }
}

fn base64(data: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in data.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            let is_there = digit <= chunk.len();
            text.push(if is_there { DIGITS[(bits >> (18 - 6 * digit) & 63) as usize] as char } else { '=' });
        }
    }
    text
}

fn metric(shell: &Shell, name: &str, label: &str) -> f64 {
    let metrics = try_get(shell.admin_port, "/metrics").unwrap();
    let name = format!("gridshell_asset_disk_cache_{name}{{");
    let line = metrics.text().lines().find(|line| line.starts_with(&name) && line.contains(label));
    line.map_or(0.0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

fn entries(shell: &Shell) -> f64 {
    metric(shell, "entries", "")
}

/// The files of the cache, without those that are being written.
fn files(shell: &Shell) -> Vec<PathBuf> {
    let Ok(folders) = fs::read_dir(shell.folder.path().join("cache/v1")) else { return Vec::new() };
    let folders = folders.map(|entry| entry.unwrap().path()).filter(|path| !path.ends_with("tmp"));
    folders.flat_map(|folder| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path())).collect()
}

/// Asks for the data of an asset on an open connection. True when it came; what comes must be right.
fn is_served(stream: &mut std::net::TcpStream, number: usize) -> std::io::Result<bool> {
    let answer = request(stream, "GET", &format!("/assets/{}/data", id(number)), "", b"")?;
    match answer.status {
        200 => assert!(answer.body == content(number), "asset {number} has wrong bytes"),
        status => assert_eq!(status, 503, "asset {number}: {}", answer.head),
    }
    Ok(answer.status == 200)
}

#[test]
fn killed_at_any_moment_restarted_damaged_and_alone() {
    const ASSETS: usize = 150;
    const KILLS: usize = 8;
    let mut storage = storage();
    fill(&storage, ASSETS);
    let mut edge = Shell::start(&edge_with(&storage, ON_DISK));
    for round in 0..KILLS {
        let (stop, answers) = (AtomicBool::new(false), AtomicUsize::new(0));
        thread::scope(|scope| {
            for reader in 0..4 {
                let (stop, answers, port) = (&stop, &answers, edge.port);
                scope.spawn(move || {
                    let mut next = reader * 31 + round * 17;
                    let Ok(mut stream) = connect(port) else { return };
                    // An error is the end of the edge.
                    while !stop.load(Ordering::Relaxed) && is_served(&mut stream, next % ASSETS).is_ok() {
                        answers.fetch_add(1, Ordering::Relaxed);
                        next += 7;
                    }
                });
            }
            // Each time at another moment of the storm, the first while hardly anything is kept.
            let deadline = Instant::now() + PATIENCE;
            while answers.load(Ordering::Relaxed) < 10 + round * 40 && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(1));
            }
            edge.signal(Signal::SIGKILL);
            stop.store(true, Ordering::Relaxed);
        });
        assert!(answers.into_inner() >= 10, "{}", edge.output());
        edge.wait();
        // What a killed process or a bad disk may leave: bits that flipped, files cut off, a file that was being written.
        for (number, file) in files(&edge).into_iter().enumerate() {
            let mut bytes = fs::read(&file).unwrap();
            let position = noise(round as u64, 8).iter().fold(number, |sum, byte| sum * 31 + usize::from(*byte)) % bytes.len();
            match number % 5 {
                0 => bytes[position] ^= 1 << (position % 8),
                1 => bytes.truncate(position),
                _ => continue,
            }
            fs::write(file, bytes).unwrap();
        }
        fs::write(edge.folder.path().join("cache/v1/tmp/new"), noise(7, 5000)).unwrap();
        edge.restart();
    }
    wait_until("everything kept", &edge, || {
        let (mut stream, before) = (edge.connect(), metric(&edge, "requests_total", "hit"));
        (0..ASSETS).for_each(|number| assert!(is_served(&mut stream, number).unwrap()));
        metric(&edge, "requests_total", "hit") - before == ASSETS as f64
    });
    assert!(metric(&edge, "damaged_total", "") > 0.0, "the damage of the last round has been seen");

    // Alone, after one more start: everything that is kept is served, and what is damaged is an error.
    edge.signal(Signal::SIGKILL);
    edge.wait();
    storage.signal(Signal::SIGKILL);
    storage.wait();
    let all = files(&edge);
    assert_eq!(all.len(), ASSETS);
    for file in &all[..20] {
        let mut bytes = fs::read(file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 4;
        fs::write(file, bytes).unwrap();
    }
    edge.restart_unready();
    // An answer that is an error closes its connection (transport.md section 1.3).
    let served = (0..ASSETS).filter(|number| is_served(&mut edge.connect(), *number).unwrap()).count();
    assert_eq!(served, ASSETS - 20);
    let document = edge.get(&format!("/assets/{}", id(number_of(&all[20]))));
    assert!(document.text().contains(&base64(&content(number_of(&all[20])))), "the document is made of the file");
    assert_eq!(edge.get(&format!("/assets/{}/metadata", id(number_of(&all[20])))).status, 200);
    storage.restart();
    wait_until("the recovery", &edge, || (0..ASSETS).all(|number| is_served(&mut edge.connect(), number).unwrap()));
}

/// The number of the asset of a file.
fn number_of(file: &std::path::Path) -> usize {
    usize::from_str_radix(&file.to_str().unwrap()[file.to_str().unwrap().len() - 12..], 16).unwrap()
}

#[test]
fn a_full_disk_stops_nothing() {
    const ASSETS: usize = 60;
    let storage = storage();
    fill(&storage, ASSETS);
    let folder = TempDir::new().unwrap();
    // No file may become longer than 16 KB: to the program that is a disk that has no room for more.
    let script = "trap '' XFSZ; ulimit -f 32; exec \"$0\" \"$@\"";
    let launcher = ["sh", "-c", script];
    let start = Instant::now();
    let mut edge = Shell::launch_by(&launcher, folder, &edge_with(&storage, ON_DISK), &["-console=none"], Stdio::null());
    edge.wait_until_ready();
    let mut stream = edge.connect();
    for _ in 0..2 {
        for number in 0..ASSETS {
            assert!(is_served(&mut stream, number).unwrap(), "asset {number}");
        }
    }
    let fit = (0..ASSETS).filter(|number| content(*number).len() < 15_000).count();
    wait_until("all that fit kept", &edge, || entries(&edge) >= fit as f64);
    assert!(metric(&edge, "write_errors_total", "") > 0.0);
    edge.wait_for_output("cannot write a file");
    let told = edge.output().matches("cannot write a file").count() as u64;
    assert!(told <= 1 + start.elapsed().as_secs() / 60, "the log tells it once a minute: {}", edge.output());
    edge.signal(Signal::SIGTERM);
    assert!(edge.wait().success());
}

#[test]
fn a_deletion_is_seen_also_after_a_restart() {
    let storage = storage();
    fill(&storage, 2);
    let mut edge = Shell::start(&edge_with(&storage, ON_DISK));
    assert!(is_served(&mut edge.connect(), 1).unwrap());
    wait_until("it is kept", &edge, || entries(&edge) == 1.0);
    let deleted = request(&mut edge.connect(), "DELETE", &format!("/assets/{}", id(1)), "", b"").unwrap();
    assert!(deleted.text().contains("true"));
    assert_eq!(edge.get(&format!("/assets/{}/data", id(1))).status, 404);
    edge.signal(Signal::SIGKILL);
    edge.restart();
    assert_eq!(edge.get(&format!("/assets/{}/data", id(1))).status, 404);
}

#[test]
fn a_folder_that_cannot_be_used_is_said() {
    let storage = storage();
    let folder = TempDir::new().unwrap();
    let shared = format!("DiskCache = \"{}\"", folder.path().join("cache").display());
    let first = Shell::start(&edge_with(&storage, &shared));
    let launch = |keys: &str| {
        let ini = edge_with(&storage, keys);
        let shell = Shell::launch_in(TempDir::new().unwrap(), &ini, &["-console=none"], Stdio::null());
        shell.wait_for_output("[SERVER]: ready after");
        shell
    };
    let second = launch(&shared);
    assert!(!first.output().contains("Failed to load"), "{}", first.output());
    let expected = format!("the asset cache in {} is in use", folder.path().join("cache").display());
    second.wait_for_output(&expected);
    second.wait_for_output("Failed to load");
    assert_eq!(second.get(&format!("/assets/{}", id(0))).status, 503);

    fs::write(folder.path().join("file"), "").unwrap();
    let file = format!("DiskCache = \"{}\"", folder.path().join("file").display());
    let third = launch(&file);
    let expected = format!("the asset cache in {} cannot be used: ", folder.path().join("file").display());
    third.wait_for_output(&expected);
}

#[test]
fn the_console_shows_and_clears_it() {
    let storage = storage();
    fill(&storage, 3);
    let edge = rest_console::start_with(&edge_with(&storage, ON_DISK), rest_console::KEYS);
    let mut stream = edge.connect();
    for number in [0, 1, 2] {
        assert!(is_served(&mut stream, number).unwrap());
    }
    wait_until("all are kept", &edge, || entries(&edge) == 3.0);
    assert!(is_served(&mut stream, 1).unwrap());
    let session = open_session(&edge);
    read_until(&edge, &session, NEXT_PROMPT);
    let shown = ask(&edge, &session, "show asset cache");
    assert!(shown.contains("Disk: 3 assets, ") && shown.contains("1 hits, 3 misses, 0 stale"), "{shown}");
    let cleared = ask(&edge, &session, "asset cache clear");
    assert!(cleared.contains(&format!("of the assets of http://127.0.0.1:{}", storage.port)), "{cleared}");
    assert!(files(&edge).is_empty());
    assert!(ask(&edge, &session, "show asset cache").contains("Disk: 0 assets, 0.0 of 10240.0 MB"));
    assert!(is_served(&mut stream, 1).unwrap());
}

fn check(ini: &str) -> (Option<i32>, String) {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("Robust.ini"), ini.replace("${port}", "8103").replace("${admin}", "8109")).unwrap();
    run(folder.path(), &["check", "-inifile=Robust.ini"])
}

#[test]
fn mistakes_are_told_with_their_lines() {
    let head = "[Network]\nport = ${port}\n[ServiceList]\nA = \"asset\"\nB = \"Other@8104/asset\"\n";
    let section = |name: &str, address: &str, keys: &str| {
        format!("[{name}]\nLocalServiceModule = \"remote_asset\"\nAssetServerURI = \"http://{address}\"\n{keys}\n")
    };
    for (first, second, message) in [
        (
            ("a", "DiskCacheMegabytes = 0"),
            ("a", ""),
            "Robust.ini:9: AssetService/DiskCacheMegabytes: nothing can be kept in 0 megabytes",
        ),
        (
            ("a", "RevalidateSeconds = -1"),
            ("a", ""),
            "Robust.ini:9: AssetService/RevalidateSeconds: \"-1\": is no time from 0 to 86400",
        ),
        (("a", "MissingSeconds = soon"), ("a", ""), "Robust.ini:9: AssetService/MissingSeconds: "),
        (("a", "ServeStale = perhaps"), ("a", ""), "Robust.ini:9: AssetService/ServeStale: "),
        (("a", "DiskCache = x"), ("b", "DiskCache = ./x"), "Robust.ini:13: Other/DiskCache: "),
        (
            ("a", "DiskCache = x"),
            ("a", "DiskCache = y"),
            "Robust.ini:13: Other/DiskCache: [AssetService] asks the same shells and shares its cache with this one, but has another DiskCache",
        ),
        (("a", "ServeStale = true"), ("a", ""), "Other/ServeStale: [AssetService] asks the same shells"),
    ] {
        let ini = [head, &section("AssetService", first.0, first.1), &section("Other", second.0, second.1)].concat();
        let (status, output) = check(&ini);
        assert!(status == Some(1) && output.contains(message), "{message}\n{output}");
    }
    let good = [
        head,
        &section("AssetService", "a", "DiskCache = x\nMissingSeconds = 0\nRevalidateSeconds = 0.5\nServeStale = true"),
        &section("Other", "b", "DiskCache = y\nDiskCacheMegabytes = 1"),
    ];
    assert_eq!(check(&good.concat()), (Some(0), "0 errors, 0 warnings\n".to_owned()));
    let same = section("AssetService", "a", "DiskCache = x") + &section("Other", "a", "DiskCache = ./x");
    assert_eq!(check(&[head, &same].concat()), (Some(0), "0 errors, 0 warnings\n".to_owned()));
}
