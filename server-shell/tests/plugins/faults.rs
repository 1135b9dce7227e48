//! Panics (plugins.md section 5.9, item 4).

use std::os::unix::process::ExitStatusExt;

use super::*;

#[test]
fn a_plugin_that_panics_is_disabled_and_the_others_go_on() {
    let shell = Plugins::new().with("bad", &[]).with("good", &[]).start("");
    let statuses: Vec<u16> = (0..10).map(|_| shell.get("/bad/panic").status).collect();
    assert_eq!(statuses, [500, 500, 500, 503, 503, 503, 503, 503, 503, 503]);
    shell.wait_for_output("bad has panicked 3 times within 60 s and is disabled");
    assert_eq!(shell.get("/bad").status, 503);
    shell.wait_for_output("[PLUGIN bad]: destroyed 1.0.0");
    assert_eq!(text(&shell, "/good"), "hello from 1.0.0");
    assets_are_well(&shell);
    let list = console(&shell, "plugin list");
    assert!(list.contains("disabled") && list.contains("running"), "{list}");
    // The same file begins anew: its code is there, and is not loaded twice.
    assert!(console(&shell, "plugin reload bad").contains("the plugin bad was loaded again and answers"));
    assert_eq!(text(&shell, "/bad"), "hello from 1.0.0");
    assert!(!console(&shell, "plugin list").contains("disabled"));
}

#[test]
fn a_panic_that_nobody_waits_for_counts() {
    for isolation in ["none", "process"] {
        let shell =
            Plugins::new().with("bad", &[]).start(&format!("[Plugin:bad]\nRequestTimeout = 3\nIsolation = {isolation}\n"));
        let readiness = || common::try_get(shell.admin_port, "/readyz").unwrap();
        assert!(readiness().status == 200 && readiness().text().contains("plugin bad: ok"), "{}", readiness().text());
        let end = shell.folder.path().join("end");
        for _ in 0..2 {
            assert_eq!(shell.get(&until("bad", &end)).status, 504);
        }
        // Also when who has asked went before.
        let go = shell.folder.path().join("go");
        ask_and_go(&shell, "bad", &go);
        write_at_once(&end, "!");
        wait_until("that both have panicked", &shell, || counts(&shell, "gridshell_plugin_panics_total{plugin=\"bad\"} 2"));
        assert_eq!(text(&shell, "/bad"), "hello from 1.0.0");
        write_at_once(&go, "!");
        shell.wait_for_output("bad has panicked 3 times within 60 s and is disabled");
        assert_eq!(shell.get("/bad").status, 503);
        assert_eq!(readiness().status, 503);
        assert!(readiness().text().contains("plugin bad: disabled"), "{}", readiness().text());
    }
}

#[test]
fn a_panic_of_any_function_counts() {
    for isolation in ["none", "process"] {
        let shell = Plugins::new().with("bad", &[]).start(&format!("[Plugin:bad]\nIsolation = {isolation}\nWord = sick\n"));
        assert!(console(&shell, "plugin bad panic").contains("bad has panicked"));
        assert!(console(&shell, "plugin list").contains("not well (status 255)"));
        let said = edit_and_reload(&shell, "Word = sick", "Word = panic");
        assert!(said.contains("bad cannot use its changed section: status 255"), "{said}");
        for when in ["at a command", "when it was asked how it is", "at its changed section"] {
            shell.wait_for_output(&format!("[PLUGINS]: bad has panicked {when}"));
        }
        assert!(counts(&shell, "gridshell_plugin_panics_total{plugin=\"bad\"} 3"));
        shell.wait_for_output("bad has panicked 3 times within 60 s and is disabled");
        assert_eq!(shell.get("/bad").status, 503);
    }
}

#[test]
fn two_panics_make_it_suspect() {
    let shell = Plugins::new().with("bad", &[]).start("");
    assert_eq!([shell.get("/bad/panic").status, shell.get("/bad/panic").status], [500, 500]);
    assert_eq!(text(&shell, "/bad"), "hello from 1.0.0");
    assert!(console(&shell, "plugin list").contains("suspect"));
    let metrics = common::try_get(shell.admin_port, "/metrics").unwrap();
    assert!(metrics.text().contains("gridshell_plugin_panics_total{plugin=\"bad\"} 2"), "{}", metrics.text());
}

#[test]
fn a_new_instance_takes_the_place_of_one_that_panicked() {
    for isolation in ["none", "process"] {
        let shell =
            Plugins::new().with("bad", &[]).start(&format!("[Plugin:bad]\nOnPanic = recreate\nIsolation = {isolation}\n"));
        assert_eq!(shell.get("/bad/panic").status, 500);
        shell.wait_for_output("a new instance of bad has taken the place of one that panicked");
        // The old one first, since both may want what only one can have.
        let output = shell.output();
        let places: Vec<usize> = ["made", "destroyed", "made"]
            .iter()
            .scan(0, |from, what| {
                *from += output[*from..].find(&format!("[PLUGIN bad]: {what} 1.0.0"))? + 1;
                Some(*from)
            })
            .collect();
        assert_eq!(places.len(), 3, "{output}");
        assert_eq!(text(&shell, "/bad"), "hello from 1.0.0");
        assert!(console(&shell, "plugin list").contains("running"));
    }
}

#[test]
fn one_that_was_replaced_meanwhile_begins_no_more() {
    let mut shell = Plugins::new().with("bad", &[]).start("[Plugin:bad]\nOnPanic = recreate\n");
    let end = shell.folder.path().join("end");
    // The suspect instance cannot end before this request.
    ask_and_go(&shell, "bad", &end);
    assert_eq!(shell.get("/bad/panic").status, 500);
    assert_eq!(shell.get("/bad").status, 503);
    assert!(console(&shell, "plugin list").contains("restarting"));
    assert!(console(&shell, "plugin reload bad").contains("was loaded again and answers"));
    assert_eq!(text(&shell, "/bad"), "hello from 1.0.0");
    fs::write(&end, "").unwrap();
    shell.wait_for_output("[PLUGIN bad]: destroyed 1.0.0");
    shell.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(shell.wait().success());
    let output = shell.output();
    assert_eq!(output.matches("[PLUGIN bad]: made 1.0.0").count(), 2, "{output}");
}

#[test]
fn without_new_instance_it_is_disabled() {
    let plugins = Plugins::new().with("bad", &[]);
    let needed = plugins.folder.path().join("needed");
    fs::write(&needed, "").unwrap();
    let shell = plugins.start(&format!("[Plugin:bad]\nOnPanic = recreate\nNeeds = {}\n", needed.display()));
    fs::remove_file(&needed).unwrap();
    assert_eq!(shell.get("/bad/panic").status, 500);
    shell.wait_for_output(
        "no new instance of bad, which is disabled; `plugin reload bad` begins anew: plugin libbad.so refused at step 10",
    );
    assert_eq!(shell.get("/bad").status, 503);
    assert!(console(&shell, "plugin list").contains("disabled"));
    fs::write(&needed, "").unwrap();
    assert!(console(&shell, "plugin reload bad").contains("was loaded again and answers"));
    assert_eq!(text(&shell, "/bad"), "hello from 1.0.0");
}

#[test]
fn the_program_ends_when_the_operator_wants_that() {
    let mut shell = Plugins::new().with("bad", &[]).start("[Plugin:bad]\nOnPanic = abort\n");
    assert!(common::try_get(shell.port, "/bad/panic").is_err(), "nobody is left to answer");
    assert_eq!(shell.wait().signal(), Some(nix::sys::signal::Signal::SIGABRT as i32));
    shell.wait_for_output("the plugin bad has panicked, and OnPanic = abort");
}

#[test]
fn panics_outside_of_requests_are_refusals() {
    let shell = Plugins::new()
        .with("create", &["CREATE_STATUS=255"])
        .with("property", &["PROPERTY_STATUS=255"])
        .with_file("greeting", &rust_plugin("greeting"))
        .start("[Plugin:greeting]\nGreeting = \"\"\n");
    let output = shell.output();
    for message in [
        "plugin libcreate.so refused at step 10: create: expected status 0, found a panic (status 255); built with: cc ",
        "plugin libproperty.so refused at step 9: the property services: expected a text, found a panic (status 255) (code 30)",
        "[PLUGIN greeting]: [Plugin:greeting] Greeting is empty; leave the key out, or give a word",
        "plugin libgreeting.so refused at step 10: create: expected status 0, found status 1; built with: rustc ",
    ] {
        assert!(output.contains(message), "{message:?} is not in\n{output}");
    }
    assets_are_well(&shell);
}
