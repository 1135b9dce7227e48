//! Libraries that crash or hang when they are loaded (plugins.md sections 5.4, step 6, and 5.9, item 3).

use super::*;

#[test]
fn a_constructor_that_crashes_or_hangs_is_refused_before_it_runs_in_the_server() {
    let shell = Plugins::new()
        .with("unmarked", &["CRASH", "NO_NOTE"])
        .with("crash", &["CRASH"])
        .with("apart", &["CRASH"])
        .with("hang", &["HANG"])
        .with("good", &[])
        .start("[Plugin:apart]\nIsolation = process\n");
    let output = shell.output();
    for message in [
        // Its code never ran.
        "plugin libunmarked.so refused at step 4: the note of plugins: ",
        "plugin libcrash.so refused at step 6: the process that loads it: expected that it loads the library within 10 s, found signal 6 (SIGABRT) (code 6)",
        "libcrash.so with the SHA-256 ",
        "plugin libapart.so refused at step 6: the process that loads it: expected that it loads the library within 10 s, found signal 6 (SIGABRT) (code 6)",
        "plugin libhang.so refused at step 6: the process that loads it: expected that it loads the library within 10 s, found it took too long (code 6)",
    ] {
        assert!(output.contains(message), "{message:?} is not in\n{output}");
    }
    assert!(!output.contains("libunmarked.so with the SHA-256"));
    assert_eq!(text(&shell, "/good"), "hello from 1.0.0");
    assets_are_well(&shell);
}

#[test]
fn what_has_crashed_is_not_tried_again() {
    let shell = Plugins::new().with("crash", &["CRASH"]).with("apart", &["CRASH"]).start("[Plugin:apart]\nIsolation = process\n");
    let said = console(&shell, "config reload");
    for name in ["crash", "apart"] {
        let blocked = format!(
            "plugin lib{name}.so refused at step 6: the process that loads it: expected that it loads the library within 10 s, found \
             signal 6 (SIGABRT); it is blocked until the program is started again (code 6)"
        );
        assert!(shell.output().contains(&blocked), "{said}\n{}", shell.output());
        compile(&shell.folder.path().join("plugins"), name, &[]);
    }
    // Other bytes are.
    console(&shell, "config reload");
    assert_eq!(text(&shell, "/crash"), "hello from 1.0.0");
    assert_eq!(text(&shell, "/apart"), "hello from 1.0.0");
}

#[test]
fn the_probe_finds_what_the_later_steps_would() {
    // Nothing of these has run in the server: not even their entry functions, which write to the log.
    let shell = Plugins::new()
        .with("null", &["ENTRY_NULL"])
        .with("noservice", &["SERVICES=\"\""])
        .with("good", &[])
        .start("[Logging]\nLevels = debug\n");
    let output = shell.output();
    for message in ["plugin libnull.so refused at step 8", "plugin libnoservice.so refused at step 9"] {
        assert!(output.contains(message), "{message:?} is not in\n{output}");
    }
    let entered = |name: &str| output.matches(&format!("[PLUGIN {name}]: entered")).count();
    assert_eq!(["null", "noservice", "good"].map(entered), [1, 1, 2]);
}
