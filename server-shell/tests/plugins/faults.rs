//! Panics (plugins.md section 5.9, item 4).

use std::os::unix::process::ExitStatusExt;

use super::*;

#[test]
fn a_plugin_that_panics_is_disabled_and_the_others_go_on() {
    let shell = Plugins::new().with("bad", &[]).with("good", &[]).start("");
    let statuses: Vec<u16> = (0..10).map(|_| shell.get("/bad/panic").status).collect();
    assert_eq!(statuses, [500, 500, 500, 503, 503, 503, 503, 503, 503, 503]);
    assert!(shell.output().contains("bad has panicked 3 times within 60 s and is disabled"));
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
            Plugins::new().with("bad", &[]).start(&format!("[Plugin:bad]\nRequestTimeout = 0.2\nIsolation = {isolation}\n"));
        let readiness = || common::try_get(shell.admin_port, "/readyz").unwrap();
        assert!(readiness().status == 200 && readiness().text().contains("plugin bad: ok"), "{}", readiness().text());
        for _ in 0..3 {
            assert_eq!(shell.get("/bad/late-panic").status, 504);
        }
        shell.wait_for_output("bad has panicked 3 times within 60 s and is disabled");
        assert_eq!(shell.get("/bad").status, 503);
        assert_eq!(readiness().status, 503);
        assert!(readiness().text().contains("plugin bad: disabled"), "{}", readiness().text());
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
    let shell = Plugins::new().with("bad", &[]).start("[Plugin:bad]\nOnPanic = recreate\n");
    assert_eq!(shell.get("/bad/panic").status, 500);
    shell.wait_for_output("a new instance of bad has taken the place of one that panicked");
    shell.wait_for_output("[PLUGIN bad]: destroyed 1.0.0");
    assert_eq!(text(&shell, "/bad"), "hello from 1.0.0");
    assert!(console(&shell, "plugin list").contains("running"));
    let statuses: Vec<u16> = (0..10).map(|_| shell.get("/bad/panic").status).collect();
    assert_eq!(statuses, [500; 10]);
    assert_eq!(text(&shell, "/bad"), "hello from 1.0.0");
}

#[test]
fn the_program_ends_when_the_operator_wants_that() {
    let mut shell = Plugins::new().with("bad", &[]).start("[Plugin:bad]\nOnPanic = abort\n");
    assert!(common::try_get(shell.port, "/bad/panic").is_err(), "nobody is left to answer");
    assert_eq!(shell.wait().signal(), Some(nix::sys::signal::Signal::SIGABRT as i32));
    assert!(shell.output().contains("the plugin bad has panicked, and OnPanic = abort"));
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
