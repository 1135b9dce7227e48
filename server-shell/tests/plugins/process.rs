//! Plugins in processes of their own (plugins.md sections 5.5 and 5.9, item 9).

use std::sync::atomic::{AtomicUsize, Ordering};

use gridshell_connectors::asset::outbound::RemoteAssetService;
use gridshell_interfaces::ErrorKind;
use gridshell_interfaces::asset::AssetService;
use gridshell_services::database::Backend;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::answers::{commands_are_answered, responses_come_through, what_it_asks_is_answered};
use super::common::client::HttpTransport;
use super::databases::asset_battery;
use super::examples::assets_in_files;
use super::*;

/// What a section has for that.
const APART: &str = "Isolation = process\n";

/// A shell with the test plugin `name` in a process of its own, and `beside` in the server's.
fn apart(name: &str, switches: &[&str], keys: &str) -> Shell {
    Plugins::new().with(name, switches).with("beside", &[]).start(&format!("[Plugin:{name}]\n{APART}{keys}\n"))
}

fn pid_of(shell: &Shell, name: &str) -> Pid {
    Pid::from_raw(text(shell, &format!("/{name}/pid")).parse().unwrap())
}

/// Whether a process runs; one that has ended may have nobody to say so to.
fn runs(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

/// Processes that the shell has started and that were not ended.
fn children(shell: &Shell) -> Vec<Pid> {
    let processes =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok().map(Pid::from_raw));
    let is_child = |pid: &Pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(')').is_some_and(|(_, rest)| rest.split_whitespace().nth(1) == Some(&shell.pid().to_string()))
    };
    processes.filter(|pid| is_child(pid) && runs(*pid)).collect()
}

/// Waits until a plugin answers again.
fn until_it_answers(shell: &Shell, name: &str) {
    wait_until("that the plugin answers again", shell, || shell.get(&format!("/{name}")).status == 200);
}

fn others_are_well(shell: &Shell) {
    assert_eq!(text(shell, "/beside"), "hello from 1.0.0");
    assets_are_well(shell);
}

#[test]
fn it_answers_as_in_the_servers_process() {
    let plugins = Plugins::new().with("good", &[]).with("beside", &[]).with_file("greeting", &rust_plugin("greeting"));
    let shell = plugins.start(&format!("[Plugin:good]\n{APART}[Plugin:greeting]\n{APART}Greeting = Moin\n"));
    assert_ne!(pid_of(&shell, "good"), shell.pid());
    assert_eq!(pid_of(&shell, "beside"), shell.pid());
    assert_eq!(children(&shell).len(), 2);
    assert_eq!(text(&shell, "/greeting/Ann"), "Moin, Ann!\n");

    let answer = ask_with(&shell, "POST", "/good/%65cho/?a=%62&c", "X-Test: Grün\r\n", "Möbel".as_bytes());
    assert_eq!(answer.text(), "test|POST|/good/echo|/echo|a=%62&c|Grün|Möbel|127.0.0.1");
    assert_eq!(ask(&shell, "/good/missing"), (404, "not here".to_owned()));
    assert_eq!(text(&shell, "/since-1.0.0/good"), "hello from 1.0.0");
    responses_come_through(&shell);
    others_are_well(&shell);
}

/// Large bodies, several at the same time.
#[test]
fn bodies_arrive_whole() {
    let shell = apart("good", &[], "MaxConcurrent = 64\n");
    let ask = |client: usize| {
        let mut stream = shell.connect();
        for length in [0, 1, 65_535, 65_536, 3_000_000] {
            let body = common::noise(7, length + client);
            let sum = body.iter().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
            let answer = request(&mut stream, "POST", "/good/sum", "", &body).unwrap();
            assert_eq!((answer.status, answer.text()), (200, sum.to_string().as_str()), "{length}");
        }
    };
    thread::scope(|scope| {
        (0..8).for_each(|client| {
            drop(scope.spawn({
                let ask = &ask;
                move || ask(client)
            }))
        })
    });
}

#[test]
fn it_asks_the_server_over_the_socket() {
    let shell =
        Plugins::new().with("good", &["CONFIG_KEYS=\"Word\""]).with("modest", &["CAPABILITIES=\"http\""]).start(&format!(
            "[Plugin:good]\n{APART}ConfigSections = Shared\nWord = x\nOdd = 1\n[Plugin:modest]\n{APART}[Shared]\nKey = value\n"
        ));
    assets_are_well(&shell);
    what_it_asks_is_answered(&shell);
    shell.wait_for_output("[PLUGIN good]: made 1.0.0");
    let list = commands_are_answered(&shell);
    assert!(list.contains("running") && list.contains("good: in good health"), "{list}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_asset_plugin_keeps_the_promises_of_the_service_and_is_out_of_reach_when_it_has_crashed() {
    let shell = assets_in_files(0, APART);
    let service = RemoteAssetService::new(HttpTransport::new(shell.port));
    asset_battery::battery(&service, Backend::Sqlite).await;
    assets_are_well(&shell);
    let [process] = children(&shell)[..] else { panic!("not one process: {:?}", children(&shell)) };
    kill(process, Signal::SIGKILL).unwrap();
    // Out of reach, which is not lost: whoever asks may ask again.
    let id = "a55e7000-0000-4000-8000-000000000001".parse().unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        match service.get(id).await {
            Ok(asset) => {
                let asset = asset.expect("an asset that is not lost");
                assert_eq!(asset.data.as_deref(), Some("hello".as_bytes()));
                if shell.output().contains("asset_files runs again") {
                    break;
                }
            }
            Err(error) => assert_eq!(error.kind, ErrorKind::Unavailable, "{error}"),
        }
        assert!(Instant::now() < deadline, "{}", shell.output());
    }
    shell.wait_for_output("the process of asset_files has ended: signal 9 (SIGKILL); it is started again in 200ms");
}

#[test]
fn a_crash_is_that_of_the_plugin_alone_and_it_is_started_again() {
    let shell = apart("bad", &[], "");
    let first = pid_of(&shell, "bad");
    // Another request is under way.
    let end = shell.folder.path().join("end");
    thread::scope(|scope| {
        let slow = scope.spawn(|| shell.get(&until("bad", &end)).status);
        wait_until("that it is begun", &shell, || begun(&end) == 1);
        assert_eq!(shell.get("/bad/crash").status, 502);
        assert_eq!(slow.join().unwrap(), 502);
    });
    others_are_well(&shell);
    until_it_answers(&shell, "bad");
    assert_ne!(pid_of(&shell, "bad"), first);
    assert!(!runs(first));
    // Each time it takes longer; who asks meanwhile hears so at once.
    for pause in ["400ms", "800ms", "1.6s", "3.2s", "6.4s"] {
        until_it_answers(&shell, "bad");
        assert_eq!(shell.get("/bad/crash").status, 502);
        shell.wait_for_output(&format!("it is started again in {pause}"));
    }
    assert_eq!(shell.get("/bad").status, 503);
    assert!(console(&shell, "plugin list").contains("restarting"));
    others_are_well(&shell);
    until_it_answers(&shell, "bad");
    wait_until("that all is said", &shell, || shell.output().matches("bad runs again, in a new process").count() == 6);
    let output = shell.output();
    assert_eq!(output.matches("the process of bad has ended: signal 11 (SIGSEGV)").count(), 6, "{output}");
    let metrics = common::try_get(shell.admin_port, "/metrics").unwrap();
    assert!(metrics.text().contains("gridshell_plugin_requests_total{plugin=\"bad\",result=\"lost\"}"), "{}", metrics.text());
}

#[test]
fn while_it_is_started_again_its_section_can_be_changed() {
    let plugins = Plugins::new().with("bad", &[]);
    let (old, new) = (plugins.folder.path().join("old"), plugins.folder.path().join("new"));
    fs::write(&old, "").unwrap();
    let shell = plugins.start(&format!("[Plugin:bad]\n{APART}Needs = {}\n", old.display()));
    // From now on it cannot begin.
    fs::remove_file(&old).unwrap();
    assert_eq!(shell.get("/bad/crash").status, 502);
    shell.wait_for_output(
        "plugin libbad.so refused at step 10: create: expected status 0, found status 9 (code 41); it is tried again in",
    );
    fs::write(&new, "").unwrap();
    let said = edit_and_reload(&shell, old.to_str().unwrap(), new.to_str().unwrap());
    assert!(said.contains("is in force"), "{said}");
    until_it_answers(&shell, "bad");
}

#[test]
fn one_that_hangs_is_ended_though_who_asked_has_gone() {
    let shell = apart("slow", &[], "MaxConcurrent = 2\nRequestTimeout = 3\n");
    let first = pid_of(&shell, "slow");
    let never = shell.folder.path().join("never");
    ask_and_go(&shell, "slow", &never);
    ask_and_go(&shell, "slow", &never);
    wait_until("that the server knows", &shell, || {
        counts(&shell, "gridshell_plugin_requests_total{plugin=\"slow\",result=\"abandoned\"} 2")
    });
    until_it_answers(&shell, "slow");
    shell.wait_for_output("slow answers none of the 2 requests that it has; its process is ended");
    assert_ne!(pid_of(&shell, "slow"), first);
    assert!(!runs(first));
}

#[test]
fn one_that_is_replaced_ends_though_it_hangs() {
    let mut shell = apart("slow", &[], "RequestTimeout = 3\n");
    let first = pid_of(&shell, "slow");
    let never = shell.folder.path().join("never");
    assert_eq!(shell.get(&until("slow", &never)).status, 504);
    ask_and_go(&shell, "slow", &never);
    assert!(console(&shell, "plugin reload slow").contains("was loaded again and answers"));
    let second = pid_of(&shell, "slow");
    assert_ne!(second, first);
    wait_until("that the old process ends", &shell, || !runs(first));
    // Nor does it hold the program up.
    assert_eq!(shell.get(&until("slow", &never)).status, 504);
    shell.signal(Signal::SIGTERM);
    assert!(shell.wait().success());
    assert!(!runs(second));
    assert!(!shell.output().contains("slow has not ended"), "{}", shell.output());
}

#[test]
fn one_that_hangs_is_ended_when_it_has_no_place_left() {
    let shell = apart("slow", &[], "MaxConcurrent = 2\nRequestTimeout = 5\n");
    let first = pid_of(&shell, "slow");
    assert_eq!(shell.get("/slow/sleep?600000").status, 504);
    // The other place still works.
    assert_eq!(pid_of(&shell, "slow"), first);
    assert_eq!(shell.get("/slow/sleep?600000").status, 504);
    shell.wait_for_output("slow answers none of the 2 requests that it has; its process is ended");
    until_it_answers(&shell, "slow");
    assert_ne!(pid_of(&shell, "slow"), first);
    assert!(!runs(first));
    others_are_well(&shell);
    // All places are free again: neither is answered before both are under way.
    let statuses: Vec<u16> = thread::scope(|scope| {
        let both: Vec<_> = (0..2).map(|_| scope.spawn(|| shell.get("/slow/gather?2").status)).collect();
        both.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(statuses, [200, 200]);
}

#[test]
fn one_that_is_replaced_ends_though_a_function_for_the_operator_hangs() {
    let mut shell = apart("slow", &[], "Word = stuck\n");
    let first = pid_of(&shell, "slow");
    assert!(console(&shell, "plugin list").contains("slow: does not tell: nothing after 5 s"));
    assert!(console(&shell, "plugin reload slow").contains("was loaded again and answers"));
    wait_until("that the old process ends", &shell, || !runs(first));
    assert!(console(&shell, "plugin list").contains("slow: does not tell: nothing after 5 s"));
    shell.signal(Signal::SIGTERM);
    assert!(shell.wait().success());
    assert!(!shell.output().contains("slow has not ended"), "{}", shell.output());
}

#[test]
fn requests_at_the_same_time_are_those_of_the_plugin() {
    let shell = Plugins::new()
        .with("many", &[])
        .with("one", &["SERIAL"])
        .with("direct", &["NOT_BLOCKING", "CAPABILITIES=\"http\""])
        .start(&format!("[Plugin:many]\n{APART}MaxConcurrent = 8\n[Plugin:one]\n{APART}[Plugin:direct]\n{APART}"));
    let most = |name: &str| {
        common::rest_console::between(&text(&shell, &format!("/{name}/counts")), "most ", " ").parse::<u32>().unwrap()
    };
    let together = |path: &str| -> Vec<u16> {
        thread::scope(|scope| {
            let clients: Vec<_> = (0..8).map(|_| scope.spawn(|| shell.get(path).status)).collect();
            clients.into_iter().map(|client| client.join().unwrap()).collect()
        })
    };
    // None is answered before all are under way.
    assert_eq!(together("/many/gather?8"), [200; 8]);
    assert_eq!(most("many"), 8);
    assert_eq!(together("/one/sleep?5"), [200; 8]);
    assert_eq!(together("/direct"), [200; 8]);
    assert_eq!((most("one"), most("direct")), (1, 1));
    // More than there are places are refused at once.
    let end = shell.folder.path().join("end");
    let path = until("many", &end);
    let refused = AtomicUsize::new(0);
    let ask = || {
        let status = shell.get(&path).status;
        if status == 503 && refused.fetch_add(1, Ordering::Relaxed) == 3 {
            fs::write(&end, "").unwrap();
        }
        status
    };
    let statuses: Vec<u16> = thread::scope(|scope| {
        let clients: Vec<_> = (0..12).map(|_| scope.spawn(ask)).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    assert_eq!([200, 503].map(|status| statuses.iter().filter(|found| **found == status).count()), [8, 4]);
}

#[test]
fn memory_and_files_are_limited() {
    let shell = Plugins::new()
        .with("bounded", &[])
        .with("free", &[])
        .start(&format!("[Plugin:bounded]\n{APART}MaxMemoryMegabytes = 60\nMaxOpenFiles = 50\n[Plugin:free]\n{APART}"));
    assert_eq!(shell.get("/free/big").status, 200);
    assert_eq!(shell.get("/bounded/big").status, 500, "64 MB are more than it may have");
    assert_eq!(text(&shell, "/bounded"), "hello from 1.0.0");
    let files = |name: &str| text(&shell, &format!("/{name}/files")).parse::<u32>().unwrap();
    assert!((1..50).contains(&files("bounded")), "{}", files("bounded"));
    assert!(files("free") >= 100);
}

#[test]
fn panics_are_those_of_any_plugin() {
    let shell = apart("bad", &[], "");
    let statuses: Vec<u16> = (0..5).map(|_| shell.get("/bad/panic").status).collect();
    assert_eq!(statuses, [500, 500, 500, 503, 503]);
    shell.wait_for_output("[PLUGIN bad]: destroyed 1.0.0");
    wait_until("that the process ends", &shell, || children(&shell).is_empty());
    assert!(console(&shell, "plugin reload bad").contains("the plugin bad was loaded again and answers"));
    assert_eq!(text(&shell, "/bad"), "hello from 1.0.0");

    // What ends is the plugin's process.
    let shell = apart("bad", &[], "OnPanic = abort\n");
    assert_eq!(shell.get("/bad/panic").status, 500);
    shell.wait_for_output("the process of bad has ended: signal 9 (SIGKILL)");
    others_are_well(&shell);
    until_it_answers(&shell, "bad");
}

#[test]
fn what_fails_at_the_beginning_is_refused() {
    let shell = Plugins::new()
        .with("seven", &["CREATE_STATUS=7"])
        .with("slow", &["SLOW_CREATE=60000"])
        .with("good", &[])
        .start(&format!("[Plugin:seven]\n{APART}[Plugin:slow]\n{APART}StartTimeout = 5\n"));
    let output = shell.output();
    for message in [
        "[PLUGIN seven]: will not be made",
        "plugin libseven.so refused at step 10: create: expected status 0, found status 7",
        "plugin libslow.so refused at step 10: create: expected status 0, found nothing after 5 s",
    ] {
        assert!(output.contains(message), "{message:?} is not in\n{output}");
    }
    assert_eq!(text(&shell, "/good"), "hello from 1.0.0");
    assert_eq!(children(&shell), []);
}

#[test]
fn a_reload_leaves_nothing_of_the_old_code() {
    let shell = apart("good", &[], "");
    let directory = shell.folder.path().join("plugins");
    let first = pid_of(&shell, "good");
    // More often than a plugin in the server's process could be.
    for version in 1..=18 {
        compile(&directory, "good", &[&format!("VERSION=\"{version}\"")]);
        assert!(console(&shell, "plugin reload good").contains("was loaded again"), "{}", shell.output());
        assert_eq!(text(&shell, "/good"), format!("hello from {version}"));
    }
    shell.wait_for_output("[PLUGIN good]: destroyed 17");
    wait_until("that the old processes end", &shell, || children(&shell) == [pid_of(&shell, "good")]);
    assert!(!runs(first));
    assert!(!shell.output().contains("destroyed 18"));
    let list = console(&shell, "plugin list");
    assert!(!list.contains("replaced") && list.contains("18"), "{list}");
    // The same file begins anew, in a new process.
    let before = pid_of(&shell, "good");
    assert!(console(&shell, "plugin reload good").contains("was loaded again"));
    assert_ne!(pid_of(&shell, "good"), before);
    fs::metadata(shell.folder.path().join("data")).expect_err("nothing has to be copied");
}

#[test]
fn a_changed_configuration_reaches_it() {
    let shell = Plugins::new()
        .with("soft", &[])
        .with("hard", &["NO_RECONFIGURE"])
        .start(&format!("[Plugin:soft]\n{APART}Word = one\n[Plugin:hard]\n{APART}Word = one\n"));
    let edit = |from: &str, to: &str| {
        let said = edit_and_reload(&shell, from, to);
        assert!(said.contains("is in force"), "{said}");
    };
    let words = || (text(&shell, "/soft/word"), text(&shell, "/hard/word"));
    let pair = |soft: &str, hard: &str| (soft.to_owned(), hard.to_owned());
    let (soft, hard) = (pid_of(&shell, "soft"), pid_of(&shell, "hard"));
    edit("Word = one", "Word = two");
    assert_eq!(words(), pair("two", "two"));
    assert_eq!(pid_of(&shell, "soft"), soft);
    assert_ne!(pid_of(&shell, "hard"), hard);
    wait_until("that the old process ends", &shell, || !runs(hard));
    // A process that is started later has the configuration that is in force.
    kill(soft, Signal::SIGKILL).unwrap();
    until_it_answers(&shell, "soft");
    wait_until("that it is another process", &shell, || shell.get("/soft").status == 200 && pid_of(&shell, "soft") != soft);
    assert_eq!(words(), pair("two", "two"));
    // Into the server's process and out of it again.
    edit("[Plugin:soft]\nIsolation = process", "[Plugin:soft]\nIsolation = none");
    assert_eq!(pid_of(&shell, "soft"), shell.pid());
    assert_eq!(words(), pair("two", "two"));
    edit("[Plugin:soft]\nIsolation = none", "[Plugin:soft]\nIsolation = process\nMaxOpenFiles = 40");
    assert_ne!(pid_of(&shell, "soft"), shell.pid());
    assert!(text(&shell, "/soft/files").parse::<u32>().unwrap() < 40);
}

#[test]
fn it_ends_with_the_server_however_that_ends() {
    let mut shell = apart("good", &[], "");
    let process = pid_of(&shell, "good");
    shell.signal(Signal::SIGTERM);
    assert!(shell.wait().success());
    shell.wait_for_output("[PLUGIN good]: destroyed 1.0.0");
    assert!(!runs(process));

    let mut shell = apart("good", &[], "");
    let process = pid_of(&shell, "good");
    // What tells the server to reload or to stop is not for the plugin.
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT] {
        kill(process, signal).unwrap();
    }
    assert_eq!(pid_of(&shell, "good"), process);
    // Also when it is busy.
    let mut stream = shell.connect();
    common::write_request(&mut stream, "GET", "/good/sleep?600000", "", b"").unwrap();
    shell.signal(Signal::SIGKILL);
    shell.wait();
    let deadline = Instant::now() + PATIENCE;
    while runs(process) {
        assert!(Instant::now() < deadline, "the process of the plugin goes on");
        thread::sleep(Duration::from_millis(10));
    }
}
