//! Answers of plugins: what goes in and comes out, of which size, and that all memory is given back (plugins.md section 5.9, items 1, 5
//! and 6).

use std::fs;

use super::*;

#[test]
fn plugins_of_c_and_of_rust_answer_the_same_request() {
    let folder = TempDir::new().unwrap();
    // The Rust plugin of this build, and once more by another compiler, where there is one.
    let by_another = Other::find().map(|other| other.build(folder.path()));
    for rust in [Some(rust_plugin("greeting")), by_another].into_iter().flatten() {
        let plugins = Plugins::new().with("good", &[]).with_file("greeting", &rust);
        let shell = plugins.start("[Plugin:greeting]\nGreeting = Moin\n");
        assert_eq!(text(&shell, "/greeting/Ann"), "Moin, Ann!\n");
        assert_eq!(text(&shell, "/good"), "hello from 1.0.0");
        let list = console(&shell, "plugin list");
        assert!(list.contains("greeting: 1 greeted") && list.contains("good: in good health"), "{list}");
    }
}

/// Another Rust compiler than that of the program: rustup's nightly, when it has one, which scripts/test tells.
struct Other;

impl Other {
    fn find() -> Option<Self> {
        let found = Command::new("rustup").args(["run", "nightly", "rustc", "--version"]).output();
        found.is_ok_and(|found| found.status.success()).then_some(Self)
    }

    fn build(&self, target: &Path) -> PathBuf {
        let built = Command::new("rustup")
            .args(["run", "nightly", "cargo", "build", "--offline", "--package", "greeting", "--lib", "--target-dir"])
            .arg(target.join("other"))
            .current_dir(workspace("."))
            .env_remove("RUSTC")
            .env_remove("RUSTFLAGS")
            .output()
            .unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        target.join("other/debug/libgreeting.so")
    }
}

#[test]
fn a_request_arrives_whole() {
    let shell = Plugins::new().with("good", &[]).start("");
    let answer = ask_with(&shell, "POST", "/good/%65cho/?a=%62&c", "X-Test: Grün\r\n", "Möbel".as_bytes());
    assert_eq!(answer.text(), "test|POST|/good/echo|/echo|a=%62&c|Grün|Möbel|127.0.0.1");
    assert_eq!(ask_with(&shell, "DELETE", "/good/echo", "", b"").status, 404, "only what was registered arrives");
    assert_eq!(ask(&shell, "/good/missing"), (404, "not here".to_owned()));
    assert_eq!(text(&shell, "/since-1.0.0/good"), "hello from 1.0.0");
    let metrics = common::try_get(shell.admin_port, "/metrics").unwrap();
    assert!(metrics.text().contains("gridshell_plugin_requests_total{plugin=\"good\",result=\"ok\"} 3"), "{}", metrics.text());
}

#[test]
fn responses_of_all_sizes_come_through_and_are_given_back() {
    responses_come_through(&Plugins::new().with("good", &[]).start(""));
}

/// Responses of the plugin `good`, good and bad; all that were good are given back.
pub fn responses_come_through(shell: &Shell) {
    let empty = shell.get("/good/empty");
    assert_eq!((empty.status, empty.header("Content-Length"), empty.body.len()), (200, Some("0"), 0));
    assert_eq!(empty.header("Content-Type"), Some("text/html;charset=UTF-8"));
    let big = shell.get("/good/big");
    assert_eq!(big.body.len(), 64 << 20);
    assert!(big.body.iter().enumerate().all(|(i, byte)| *byte == (i * 7 + (i >> 8)) as u8));
    let many = shell.get("/good/headers");
    assert_eq!(
        (many.text(), many.header("X-Plugin"), many.header("Content-Type")),
        ("headers", Some("yes"), Some("text/x-test"))
    );
    assert_eq!(many.head.matches("x-many: value").count() + many.head.matches("X-Many: value").count(), 496);
    assert!(!many.head.contains("upgrade"), "what is the server's stays the server's");
    for (path, why) in [("/good/status", "status 99, not 200 to 599"), ("/good/too-many-headers", "1500 headers, more than 1000")]
    {
        assert_eq!(ask(shell, path), (500, String::new()), "{path}");
        shell.wait_for_output(&format!("a response of good cannot be used: {why}; answered 500"));
    }
    // What failed was not handled, and must not be given back.
    for path in ["/good/seven", "/good/refused", "/good/panic"] {
        assert_eq!(ask(shell, path), (500, String::new()), "{path}");
    }
    shell.wait_for_output("good has failed with status 7 at a request");
    wait_until("that all is given back", shell, || {
        let (handled, all_back) = counts(shell);
        handled > 5 && all_back
    });
}

/// How many requests were handled, and whether as many responses were given back. The request that asks is not among them.
fn counts(shell: &Shell) -> (u64, bool) {
    let text = text(shell, "/good/counts");
    let number = |word: &str| common::rest_console::between(&text, word, " ").parse::<u64>().unwrap();
    (number("handled "), number("handled ") == number("released "))
}

/// Exactly one `release` for each successful `handle`, wherever it runs. `GRIDSHELL_PLUGIN_REQUESTS` asks for another number of requests.
#[test]
fn nothing_is_lost_over_many_requests() {
    let most: u64 = std::env::var("GRIDSHELL_PLUGIN_REQUESTS").map_or(100_000, |text| text.parse().unwrap());
    for (switches, keys, requests) in
        [(&["NOT_BLOCKING"][..], "", most), (&[], "", most / 10), (&[], "Isolation = process\n", most / 10)]
    {
        let switches: Vec<&str> = switches.iter().copied().chain(["CAPABILITIES=\"http\""]).collect();
        let shell = Plugins::new().with("good", &switches).start(&format!("[Plugin:good]\nMaxConcurrent = 64\n{keys}"));
        nothing_is_lost_over(requests, &shell);
    }
}

fn nothing_is_lost_over(requests: u64, shell: &Shell) {
    let ask_some = |count: u64| {
        let mut stream = shell.connect();
        for number in 0..count {
            // Some of them fail.
            let path = if number % 100 == 7 { "/good/seven" } else { "/good" };
            let answer = request(&mut stream, "GET", path, "", b"").unwrap();
            assert_eq!(answer.status, if path == "/good" { 200 } else { 500 });
            if answer.status == 500 {
                // Answers that say so end the connection.
                stream = shell.connect();
            }
        }
    };
    ask_some(1000);
    let before = shell.resident_bytes();
    thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(|| ask_some(requests / 8)))));
    wait_until("that all is given back", shell, || counts(shell).1);
    let handled = counts(shell).0;
    assert!(handled > requests / 8 * 8 * 99 / 100, "{handled}");
    let grown = shell.resident_bytes().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes more are in use");
}

#[test]
fn a_newer_and_an_older_plugin_work_as_far_as_both_sides_go() {
    for keys in ["", "Isolation = process\n"] {
        let shell = Plugins::new()
            .with("newer", &["NEWER", "MINOR=9"])
            .with("older", &["OLDER_CALLS", "STRUCT_SIZE=GS_PLUGIN_SIZE_1_0"])
            .start(&format!("[Plugin:newer]\n{keys}[Plugin:older]\n{keys}"));
        assets_are_well(&shell);
        for name in ["newer", "older"] {
            assert_eq!(text(&shell, &format!("/{name}")), "hello from 1.0.0");
            // Its structs are as long as they are; none of version 1.0 is shorter.
            assert_eq!(text(&shell, &format!("/{name}/call?/assets/a55e7000-0000-4000-8000-000000000001/data")), "hello");
            assert_eq!(text(&shell, &format!("/{name}/call-short-request?/assets/")), "status -4");
            assert_eq!(text(&shell, &format!("/{name}/call-short-response?/assets/")), "status -4");
        }
        let list = console(&shell, "plugin list");
        assert!(list.contains("newer: in good health") && !list.contains("older: "), "{list}");
        assert!(console(&shell, "plugin newer say").contains("you said: say"));
        assert!(console(&shell, "plugin older say").contains("older has no commands"));
        fs::metadata(shell.folder.path().join("data")).expect_err("nothing is copied without a reload");
    }
}

#[test]
fn a_plugin_asks_the_shell() {
    let shell = Plugins::new()
        .with("good", &["CONFIG_KEYS=\"Word\""])
        .with("modest", &["CAPABILITIES=\"http\""])
        .start("[Plugin:good]\nConfigSections = Shared\nWord = x\nOdd = 1\n[Shared]\nKey = value\n");
    assets_are_well(&shell);
    what_it_asks_is_answered(&shell);
}

#[test]
fn commands_and_health() {
    let shell = Plugins::new().with("good", &[]).with("modest", &["CAPABILITIES=\"http\""]).start("");
    let list = commands_are_answered(&shell);
    for text in ["Name", "good", "1.0.0", "test", "running", "good: in good health"] {
        assert!(list.contains(text), "{text}: {list}");
    }
    shell.wait_for_output("[PLUGIN good]: made 1.0.0");
}

/// The plugin `good`, which reads its key Word, asks the shell for all that there is; `modest` may not.
pub fn what_it_asks_is_answered(shell: &Shell) {
    // The service answers as over HTTP, without the protection of private connectors.
    assert_eq!(text(shell, "/good/call?/assets/a55e7000-0000-4000-8000-000000000001/data"), "hello");
    assert_eq!(ask(shell, "/good/call?/assets/a55e7000-0000-4000-8000-000000000009/data").0, 404);
    assert_eq!(text(shell, "/good/call-unknown?/"), "status -2");
    assert_eq!(text(shell, "/modest/call?/"), "status -3");
    // Its own section, and those that are listed, alone.
    assert_eq!(text(shell, "/good/config?Plugin:good:Word"), "x");
    assert_eq!(text(shell, "/good/config?Shared:Key"), "value");
    assert_eq!(text(shell, "/good/config?Shared:Other"), "status -2");
    assert_eq!(text(shell, "/good/config?DatabaseService:ConnectionString"), "status -3");
    assert_eq!(text(shell, "/modest/config?Shared:Key"), "status -3");
    shell.wait_for_output("good does not read the key Odd of its section [Plugin:good]");
    assert!(!shell.output().contains("the key Word of its section"));
    // Paths are registered at the beginning.
    assert_eq!(text(shell, "/good/late-route"), "status -3");
    assert_eq!(text(shell, "/good/metric"), "status 0");
    let metrics = common::try_get(shell.admin_port, "/metrics").unwrap();
    let counter = ["plugin=\"good\",name=\"asked\"", "name=\"asked\",plugin=\"good\""];
    let counter = counter.map(|labels| format!("gridshell_plugin_counter_total{{{labels}}} 2"));
    assert!(counter.iter().any(|line| metrics.text().contains(line)), "{}", metrics.text());
}

/// Commands of the plugins `good` and `modest`; gives what `plugin list` prints.
pub fn commands_are_answered(shell: &Shell) -> String {
    let said = console(shell, "plugin good say a few words");
    assert!(said.contains("you said: say a few words") && said.contains("and no more"), "{said}");
    assert!(console(shell, "plugin good fail").contains("good has failed with status 1"));
    assert!(console(shell, "plugin good panic").contains("good has panicked"));
    assert!(console(shell, "plugin modest say").contains("modest has no commands"));
    console(shell, "plugin list")
}
