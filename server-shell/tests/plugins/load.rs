//! Many requests at the same time (plugins.md section 5.9, item 7).

use super::*;

const CLIENTS: usize = 64;

/// What many clients get for this path, all at the same time.
fn together(shell: &Shell, path: &str) -> Vec<u16> {
    let barrier = std::sync::Barrier::new(CLIENTS);
    let ask = || {
        let mut stream = shell.connect();
        barrier.wait();
        request(&mut stream, "GET", path, "", b"").unwrap().status
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(ask)).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    })
}

fn most(shell: &Shell, name: &str) -> usize {
    let text = text(shell, &format!("/{name}/counts"));
    common::rest_console::between(&text, "most ", " ").parse().unwrap()
}

#[test]
fn many_at_once_and_one_after_the_other() {
    let shell = Plugins::new()
        .with("many", &[])
        .with("one", &["SERIAL"])
        .start(&format!("[Plugin:many]\nMaxConcurrent = {CLIENTS}\n[Plugin:one]\nMaxConcurrent = {CLIENTS}\n"));
    // None is answered before all are under way.
    assert_eq!(together(&shell, &format!("/many/gather?{CLIENTS}")), [200; CLIENTS]);
    assert_eq!(most(&shell, "many"), CLIENTS);
    assert_eq!(together(&shell, "/one/sleep?2"), [200; CLIENTS]);
    assert_eq!(most(&shell, "one"), 1);
}

#[test]
fn what_does_not_wait_runs_where_the_request_is() {
    let switches = ["NOT_BLOCKING", "CAPABILITIES=\"http\""];
    let serial = [switches[0], switches[1], "SERIAL"];
    let shell = Plugins::new().with("many", &switches).with("one", &serial).start("[Plugin:many]\nRequestTimeout = 0.05\n");
    assert!(together(&shell, "/one/sleep?1").iter().all(|status| [200, 503].contains(status)));
    assert_eq!(most(&shell, "one"), 1);
    // It has promised not to do that; the answer comes, late, and the operator hears of it.
    assert_eq!(text(&shell, "/many/sleep?200"), "slept");
    shell.wait_for_output("many has waited, though it says that it is not blocking");
    assert!(console(&shell, "plugin list").contains("suspect"));
}

#[test]
fn beyond_the_bounds_is_504_and_503() {
    let slow = "[Plugin:slow]\nMaxConcurrent = 2\nRequestTimeout = 3\n";
    for switches in [&[][..], &["SERIAL"]] {
        let shell = Plugins::new().with("slow", switches).with("good", &[]).start(slow);
        let end = shell.folder.path().join("end");
        // One has its place until it ends, though its client has heard that it takes too long.
        assert_eq!(shell.get(&until("slow", &end)).status, 504);
        assert_eq!(begun(&end), 1);
        // One that nobody waits for any more is not begun when it is its turn.
        assert_eq!(shell.get(&until("slow", &end)).status, 504);
        assert_eq!(ask(&shell, "/slow"), (503, String::new()));
        shell.wait_for_output(
            "slow has 2 requests under way, as many as it may have (MaxConcurrent), 2 of them for more than 3s (RequestTimeout); more are \
             answered 503",
        );
        assert_eq!(text(&shell, "/good"), "hello from 1.0.0");
        assert!(counts(&shell, "gridshell_plugin_requests_total{plugin=\"slow\",result=\"timeout\"} 2"));
        fs::write(&end, "").unwrap();
        wait_until("that there is room again", &shell, || ask(&shell, "/slow").0 == 200);
        // One place was enough for that answer: the other of the two that are late may still have its own.
        wait_until("that none is under way", &shell, || counts(&shell, "gridshell_plugin_in_flight{plugin=\"slow\"} 0"));
        assert_eq!(begun(&end), if switches.is_empty() { 2 } else { 1 });
        // What came of them late was given back.
        wait_until("that all is given back", &shell, || {
            let (status, counts) = ask(&shell, "/slow/counts");
            let number = |word: &str| common::rest_console::between(&counts, word, " ").parse::<u64>().unwrap();
            status == 200 && number("handled ") == number("released ")
        });
    }
}

#[test]
fn a_request_whose_client_has_gone_has_its_place_until_it_ends() {
    let shell = Plugins::new().with("slow", &[]).start("[Plugin:slow]\nMaxConcurrent = 1\n");
    let end = shell.folder.path().join("end");
    ask_and_go(&shell, "slow", &end);
    let gone = "gridshell_plugin_requests_total{plugin=\"slow\",result=\"abandoned\"} 1";
    wait_until("that the server knows", &shell, || counts(&shell, gone));
    assert_eq!(shell.get("/slow").status, 503);
    shell.wait_for_output("slow has 1 requests under way, as many as it may have (MaxConcurrent), 0 of them for more than 30s");
    fs::write(&end, "").unwrap();
    wait_until("that there is room again", &shell, || ask(&shell, "/slow").0 == 200);
    assert!(counts(&shell, gone));
}
