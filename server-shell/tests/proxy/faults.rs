//! Storage shells that fail: what is said at the edge, and that nobody restarts it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use gridshell_services::database::Backend;
use nix::sys::signal::Signal;

use crate::common::{PATIENCE, Shell, asset_document, connect, post_form, request, try_get};
use crate::databases::proxy::Proxy;
use crate::databases::{TestDatabase, execute};
use crate::{EDGE, QUICK, STORAGE, edge_of, readiness, storage, storage_on, wait_until, without_cache_keys};

const KEPT: &str = "a55e7000-0000-4000-8000-0000000000e1";
const LATE: &str = "a55e7000-0000-4000-8000-0000000000e2";

/// Far less than the times of the options, of which none may be waited for.
const QUICKLY: Duration = Duration::from_secs(25);

/// Method, path and body of each kind of request about assets.
fn requests() -> Vec<(&'static str, String, String)> {
    vec![
        ("GET", format!("/assets/{KEPT}"), String::new()),
        ("GET", format!("/assets/{KEPT}/data"), String::new()),
        ("GET", format!("/assets/{KEPT}/metadata"), String::new()),
        ("POST", "/get_assets_exist".to_owned(), format!("<ArrayOfString><string>{KEPT}</string></ArrayOfString>")),
        ("POST", "/assets/".to_owned(), asset_document(LATE, "bGF0ZQ==")),
        ("DELETE", format!("/assets/{KEPT}"), String::new()),
    ]
}

/// Every request gets this status, and soon.
fn all_are(edge: &Shell, status: u16, how: &str) {
    thread::scope(|scope| {
        for (method, path, body) in requests() {
            scope.spawn(move || {
                let asked = Instant::now();
                let answer = request(&mut connect(edge.port).unwrap(), method, &path, "", body.as_bytes()).unwrap();
                assert_eq!(answer.status, status, "{how}: {method} {path}; the output:\n{}", edge.output());
                assert!(asked.elapsed() < QUICKLY, "{how}: {method} {path} took {:?}", asked.elapsed());
            });
        }
    });
}

/// Inventories have no status for it (inventory.md section 2): a look-up fails, and finds neither nothing nor an inventory without folders.
fn inventories_fail(edge: &Shell, how: &str) {
    thread::scope(|scope| {
        for method in ["GETINVENTORYSKELETON", "GETROOTFOLDER", "CREATEUSERINVENTORY"] {
            scope.spawn(move || {
                let form = format!("METHOD={method}&PRINCIPAL=a55e7000-0000-4000-8000-0000000000e3");
                let answer = post_form(edge, "/xinventory", &form);
                assert!(answer.text().contains("<RESULT>False</RESULT>"), "{how}: {method}: {} {}", answer.status, answer.text());
            });
        }
    });
}

fn is_found(shell: &Shell) -> bool {
    shell.get(&format!("/assets/{KEPT}/data")).body == b"hello"
}

fn keep(shell: &Shell) {
    assert_eq!(shell.post("/assets/", asset_document(KEPT, "aGVsbG8=").as_bytes()).status, 200);
}

#[test]
fn a_killed_shell_is_503_quickly_and_comes_back_without_a_restart() {
    let mut storage = storage();
    let edge = Shell::start(&edge_of(&[&storage], QUICK));
    keep(&edge);
    assert!(is_found(&edge) && readiness(&edge).0 == 200);

    storage.signal(Signal::SIGKILL);
    storage.wait();
    all_are(&edge, 503, "killed");
    inventories_fail(&edge, "killed");
    wait_until("readyz 503", &edge, || readiness(&edge) == (503, "upstreams of AssetService: none can be used\n".to_owned()));

    storage.restart();
    wait_until("the recovery", &edge, || is_found(&edge));
    wait_until("readyz 200", &edge, || readiness(&edge).0 == 200);
    let late = asset_document(LATE, "bGF0ZQ==");
    assert_eq!(edge.get(&format!("/assets/{LATE}")).status, 404, "what was answered 503 was not stored");
    assert_eq!(edge.post("/assets/", late.as_bytes()).status, 200);
}

#[test]
fn reads_go_on_while_one_of_two_shells_is_killed_and_started_again() {
    const READERS: usize = 8;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shared.db");
    let shared = storage_on(file.to_str().unwrap());
    let (first, mut second) = (Shell::start(&shared), Shell::start(&shared));
    let balancer = Shell::start(&edge_of(&[&first, &second], QUICK));
    keep(&balancer);

    let (stop, reads) = (AtomicBool::new(false), AtomicUsize::new(0));
    let more_reads = |count: usize| {
        let goal = reads.load(Ordering::Relaxed) + count;
        let deadline = Instant::now() + PATIENCE;
        while reads.load(Ordering::Relaxed) < goal && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
    };
    thread::scope(|scope| {
        for _ in 0..READERS {
            scope.spawn(|| {
                let mut stream = connect(balancer.port).unwrap();
                while !stop.load(Ordering::Relaxed) {
                    let answer = request(&mut stream, "GET", &format!("/assets/{KEPT}/data"), "", b"").unwrap();
                    assert_eq!((answer.status, answer.body.as_slice()), (200, b"hello".as_slice()), "{}", balancer.output());
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        more_reads(200);
        second.signal(Signal::SIGKILL);
        second.wait();
        more_reads(400);
        second.restart();
        more_reads(400);
        stop.store(true, Ordering::Relaxed);
    });
    assert!(reads.load(Ordering::Relaxed) >= 1000, "only {reads:?} reads");
    wait_until("both healthy", &balancer, || {
        // Who was ejected proves itself by a request.
        assert!(is_found(&balancer));
        let metrics = try_get(balancer.admin_port, "/metrics").unwrap();
        metrics.text().lines().filter(|line| line.starts_with("gridshell_upstream_healthy{") && line.ends_with(" 1")).count() == 2
    });
}

#[test]
fn an_answer_503_stays_503() {
    // A shell whose database is away, as its connectors show it.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut reader = BufReader::new(stream);
                loop {
                    let (mut length, mut line) = (0, String::new());
                    while line != "\r\n" {
                        line.clear();
                        if !reader.read_line(&mut line).is_ok_and(|read| read > 0) {
                            return;
                        }
                        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                            length = value.trim().parse().unwrap();
                        }
                    }
                    let mut body = vec![0; length];
                    let answer = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
                    if reader.read_exact(&mut body).is_err() || reader.get_mut().write_all(answer).is_err() {
                        return;
                    }
                }
            });
        }
    });
    let middle = without_cache_keys(&EDGE.replace("${upstreams}", &upstream).replace("${keys}", QUICK));
    let middle = Shell::start(&middle);
    let edge = Shell::start(&edge_of(&[&middle], QUICK));
    all_are(&edge, 503, "over two hops");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_table_is_never_not_found() {
    let test = TestDatabase::sqlite();
    let file = test.connection_string.strip_prefix("Data Source=").unwrap();
    let storage = Shell::start(&storage_on(file));
    let middle = Shell::start(&edge_of(&[&storage], QUICK));
    let edge = Shell::start(&edge_of(&[&middle], QUICK));
    keep(&edge);
    let database = test.open().await;
    execute(&database, "ALTER TABLE assets RENAME TO elsewhere").await;
    execute(&database, "ALTER TABLE inventoryfolders RENAME TO nowhere").await;
    for (shell, how) in [(&middle, "a lost table, one hop"), (&edge, "a lost table, two hops")] {
        all_are(shell, 500, how);
        inventories_fail(shell, how);
    }
    execute(&database, "ALTER TABLE elsewhere RENAME TO assets").await;
    assert!(is_found(&edge), "the asset was not deleted either");
    database.close().await;
}

/// The database of the storage shell goes away and comes back.
async fn an_outage_of_the_database(test: TestDatabase) {
    let value = |key: &str| {
        let mut pairs = test.connection_string.split(';').filter_map(|pair| pair.split_once('='));
        pairs.find(|pair| pair.0.trim() == key).unwrap().1.to_owned()
    };
    let mut proxy = Proxy::start(&format!("{}:{}", value("Server"), value("Port"))).await;
    let limits = "Connection Timeout=8;Default Command Timeout=8;Max Pool Size=4";
    let behind = format!("{};Host=127.0.0.1;Port={};{limits}", test.connection_string, proxy.port());
    let provider = if test.backend == Backend::MySql { "mysql" } else { "postgres" };
    let storage = Shell::start(&STORAGE.replace("${provider}", provider).replace("${database}", &behind));
    let middle = Shell::start(&edge_of(&[&storage], QUICK));
    let edge = Shell::start(&edge_of(&[&middle], QUICK));
    keep(&edge);
    proxy.go_down().await;
    for (shell, how) in [(&middle, "no database behind one hop"), (&edge, "no database behind two hops")] {
        all_are(shell, 503, how);
        inventories_fail(shell, how);
    }
    proxy.come_back().await;
    wait_until("the recovery", &edge, || is_found(&edge));
    drop((edge, middle, storage));
    test.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn an_outage_of_mysql_is_503_at_the_edge() {
    if let Some(test) = TestDatabase::mysql().await {
        an_outage_of_the_database(test).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn an_outage_of_postgres_is_503_at_the_edge() {
    if let Some(test) = TestDatabase::postgres().await {
        an_outage_of_the_database(test).await;
    }
}
