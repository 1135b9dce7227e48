//! Another version of a plugin, and another configuration, while the program runs (plugins.md sections 5.7 and 5.9, item 8).

use std::sync::atomic::{AtomicBool, AtomicU64};

use std::sync::atomic::Ordering::Relaxed;

use super::*;

/// Clients that ask all the time, until they are told to end. Every answer must have status 200.
fn under_load(shell: &Shell, path: &str, work: impl FnOnce(&AtomicU64)) {
    let (stop, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    let client = || {
        let mut stream = shell.connect();
        while !stop.load(Relaxed) {
            let answer = request(&mut stream, "GET", path, "", b"").unwrap();
            assert_eq!(answer.status, 200, "{}", answer.head);
            answered.fetch_add(1, Relaxed);
        }
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(client)).collect();
        // Also when the work fails, so that the test ends.
        let end = End(&stop);
        work(&answered);
        drop(end);
        clients.into_iter().for_each(|client| client.join().unwrap());
    });
}

/// Tells the clients to end when it is dropped.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

fn go_on(shell: &Shell, answered: &AtomicU64) {
    let goal = answered.load(Relaxed) + 200;
    wait_until("that requests are answered", shell, || answered.load(Relaxed) >= goal);
}

#[test]
fn a_new_version_loses_no_request() {
    let shell = Plugins::new().with("good", &[]).start("[Plugin:good]\nMaxConcurrent = 100\n");
    let directory = shell.folder.path().join("plugins");
    under_load(&shell, "/good", |answered| {
        go_on(&shell, answered);
        for (version, count) in [("2.0.0", 2), ("3.0.0", 3), ("4.0.0", 4)] {
            compile(&directory, "good", &[&format!("VERSION=\"{version}\"")]);
            let said = console(&shell, "plugin reload good");
            let answer =
                format!("the plugin good was loaded again and answers; {count} of at most 17 versions of its code are in memory");
            assert!(said.contains(&answer), "{said}\n{}", shell.output());
            assert_eq!(text(&shell, "/good"), format!("hello from {version}"));
            // Paths are the new one's, too.
            assert_eq!(ask(&shell, &format!("/since-{version}/good")).0, 200);
            go_on(&shell, answered);
        }
    });
    assert_eq!(shell.get("/since-1.0.0/good").status, 404);
    for version in ["1.0.0", "2.0.0", "3.0.0"] {
        shell.wait_for_output(&format!("[PLUGIN good]: destroyed {version}"));
    }
    assert!(!shell.output().contains("destroyed 4.0.0"));
    wait_until("that the old ones have ended", &shell, || console(&shell, "plugin list").matches("replaced").count() == 3);
    let list = console(&shell, "plugin list");
    assert!(list.contains("good: 4 of at most 17 versions of its code are in memory"), "{list}");
    assert!(["1.0.0", "2.0.0", "3.0.0", "4.0.0", "running"].iter().all(|text| list.contains(text)), "{list}");
    // A copy of each that was loaded later, named by its hash.
    let copies = fs::read_dir(shell.folder.path().join("data/plugins")).unwrap();
    let copies: Vec<String> = copies.map(|copy| copy.unwrap().file_name().into_string().unwrap()).collect();
    assert!(copies.len() == 3 && copies.iter().all(|name| name.len() == 67 && name.ends_with(".so")), "{copies:?}");
}

#[test]
fn a_new_version_in_a_process_of_its_own_loses_none_either() {
    let shell = Plugins::new().with("good", &[]).start("[Plugin:good]\nMaxConcurrent = 100\nIsolation = process\n");
    let directory = shell.folder.path().join("plugins");
    under_load(&shell, "/good", |answered| {
        for version in ["2.0.0", "3.0.0", "4.0.0"] {
            go_on(&shell, answered);
            compile(&directory, "good", &[&format!("VERSION=\"{version}\"")]);
            let said = console(&shell, "plugin reload good");
            assert!(said.contains("the plugin good was loaded again and answers</Line>"), "{said}\n{}", shell.output());
            assert_eq!(text(&shell, "/good"), format!("hello from {version}"));
        }
        go_on(&shell, answered);
    });
    for version in ["1.0.0", "2.0.0", "3.0.0"] {
        shell.wait_for_output(&format!("[PLUGIN good]: destroyed {version}"));
    }
    assert!(!shell.output().contains("destroyed 4.0.0"));
}

#[test]
fn a_new_version_that_is_refused_changes_nothing() {
    let shell = Plugins::new().with("good", &[]).start("");
    let directory = shell.folder.path().join("plugins");
    for (switch, step) in [("NOTE_MAGIC=7", 4), ("UNDEFINED", 7), ("CREATE_STATUS=7", 10)] {
        compile(&directory, "good", &[switch]);
        let said = console(&shell, "plugin reload good");
        assert!(said.contains(&format!("the old one goes on: plugin libgood.so refused at step {step}")), "{said}");
        assert_eq!(text(&shell, "/good"), "hello from 1.0.0");
    }
    assert!(!shell.output().contains("destroyed"));
    assert!(console(&shell, "plugin reload other").contains("there is no plugin other in use"));
}

#[test]
fn old_code_is_bounded() {
    let shell = Plugins::new().with("good", &[]).start("");
    let directory = shell.folder.path().join("plugins");
    for version in 1..=16 {
        compile(&directory, "good", &[&format!("VERSION=\"{version}\"")]);
        assert!(console(&shell, "plugin reload good").contains("was loaded again"), "{}", shell.output());
    }
    compile(&directory, "good", &["VERSION=\"17\""]);
    let said = console(&shell, "plugin reload good");
    assert!(said.contains("libgood.so was loaded 16 times anew"), "{said}");
    assert_eq!(text(&shell, "/good"), "hello from 16");
    // What is in memory already can come back.
    compile(&directory, "good", &["VERSION=\"3\""]);
    assert!(console(&shell, "plugin reload good").contains("answers; 17 of at most 17 versions"));
    assert_eq!(text(&shell, "/good"), "hello from 3");
}

#[test]
fn code_in_a_process_of_its_own_is_not_counted() {
    let shell = Plugins::new().with("apart", &[]).start("[Plugin:apart]\nIsolation = process\n");
    compile(&shell.folder.path().join("plugins"), "apart", &["VERSION=\"2\""]);
    let said = console(&shell, "plugin reload apart");
    assert!(said.contains("the plugin apart was loaded again and answers") && !said.contains("in memory"), "{said}");
    assert!(!console(&shell, "plugin list").contains("in memory"));
}

#[test]
fn what_is_refused_holds_up_no_other() {
    let shell = Plugins::new()
        .with("good", &[])
        .with("seven", &["CREATE_STATUS=7"])
        .with("magic", &["NOTE_MAGIC=7"])
        .with("second", &["ROUTE=\"/good\""])
        .start("[Plugin:good]\nWord = one\n[Plugin:seven]\n[Plugin:magic]\n");
    let directory = shell.folder.path().join("plugins");
    let edit = |from: &str, to: &str| edit_and_reload(&shell, from, to);
    let seven = "libseven.so: plugin libseven.so refused at step 10: create: expected status 0, found status 7";
    let asked = "[PLUGIN seven]: will not be made";
    assert_eq!(shell.output().matches(asked).count(), 1);

    // Another plugin is loaded anew, and nothing else is tried.
    compile(&directory, "good", &["VERSION=\"2\""]);
    let said = console(&shell, "plugin reload good");
    assert!(said.contains("the plugin good was loaded again and answers") && !said.contains(asked), "{said}");
    assert_eq!(text(&shell, "/good"), "hello from 2");
    let list = console(&shell, "plugin list");
    assert!(
        list.contains("plugin libseven.so refused at step 10") && list.contains("plugin libmagic.so refused at step 4"),
        "{list}"
    );

    // A changed configuration is applied, and says what is still not there.
    let said = edit("Word = one", "Word = two");
    let magic = "still not loaded: libmagic.so: ";
    assert!(said.contains("is in force") && said.contains(&format!("still not loaded: {seven}")), "{said}");
    assert!(said.contains(magic) && said.contains("refused at step 4: the magic number"), "{said}");
    assert!(said.contains(&format!("[RELOAD]: still not loaded: {seven}")), "{said}");
    assert_eq!(said.matches(asked).count(), 1, "it was tried again: {said}");
    assert_eq!(text(&shell, "/good/word"), "two");

    // What has worked, what is new, and what is required do hold it up.
    for (from, to, message) in [
        ("Word = two", "Word = bad", "libgood.so cannot be loaded: "),
        ("[DatabaseService]", "again = \"8999/libseven.so\"\n[DatabaseService]", "8999/libseven.so cannot be loaded: "),
        ("[DatabaseService]", "twice = \"libmagic.so\"\n[DatabaseService]", "the configuration has mistakes"),
        ("[Plugin:seven]", "[Plugin:seven]\nRequired = true", "plugin libseven.so refused at step 10"),
        ("[Plugin:magic]", "[Plugin:magic]\nRequired = true", "plugin libmagic.so refused at step 4"),
    ] {
        let said = edit(from, to);
        assert!(said.contains("the old one stays") && said.contains(message), "{message}: {said}");
        assert!(!said.contains("is in force"), "{said}");
        assert_eq!(text(&shell, "/good/word"), "two");
        common::edit(&shell, to, from);
    }
    // One that is in use, though its connector could not be loaded, is not said to be replaced when it is not.
    compile(&directory, "second", &["CREATE_STATUS=7"]);
    let said = console(&shell, "plugin reload second");
    assert!(said.contains("the old one goes on: plugin libsecond.so refused at step 10"), "{said}");

    // Put right, all of them come.
    for name in ["seven", "magic", "second"] {
        compile(&directory, name, &[]);
    }
    let said = console(&shell, "config reload");
    assert!(said.contains("is in force"), "{said}");
    assert_eq!(said.matches("still not loaded: ").count(), 2, "the second, in the log and in the answer: {said}");
    assert!(said.contains("still not loaded: libsecond.so: the plugin second cannot have GET /good"), "{said}");
    assert_eq!([text(&shell, "/seven"), text(&shell, "/magic")], ["hello from 1.0.0", "hello from 1.0.0"]);
    assert_eq!(common::try_get(shell.admin_port, "/readyz").unwrap().status, 503, "the code of the second is that in memory");
    assert!(console(&shell, "plugin reload second").contains("was loaded again and answers"));
    assert_eq!(text(&shell, "/second"), "hello from 1.0.0");
    assert_eq!(common::try_get(shell.admin_port, "/readyz").unwrap().status, 200);
}

#[test]
fn copies_of_an_earlier_run_are_removed_at_the_start() {
    let plugins = Plugins::new().with("good", &[]);
    let copies = plugins.folder.path().join("data/plugins");
    fs::create_dir_all(&copies).unwrap();
    let old = ["so", "new"].map(|end| copies.join(format!("{}.{end}", "0123456789abcdef".repeat(4))));
    let other = copies.join("libmine.so");
    for file in old.iter().chain([&other]) {
        fs::write(file, "x").unwrap();
    }
    let mut shell = plugins.start("");
    assert!(old.iter().all(|file| !file.exists()) && other.exists());
    shell.wait_for_output("removed 2 copies of plugins that an earlier run has left in data/plugins");
    // Those of this run stay as long as it does.
    let count = || fs::read_dir(&copies).unwrap().count();
    compile(&shell.folder.path().join("plugins"), "good", &["VERSION=\"2\""]);
    assert!(console(&shell, "plugin reload good").contains("was loaded again"));
    assert!(console(&shell, "config reload").contains("is in force"));
    assert_eq!(count(), 2);
    shell.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(shell.wait().success());
    shell.restart();
    assert_eq!(count(), 1);
    assert_eq!(text(&shell, "/good"), "hello from 2");
}

#[test]
fn a_changed_section_is_handed_over_or_makes_a_new_instance() {
    let shell = Plugins::new()
        .with("soft", &[])
        .with("hard", &["NO_RECONFIGURE"])
        .start("[Plugin:soft]\nWord = one\n[Plugin:hard]\nWord = one\n[Plugin:third]\n");
    let edit = |from: &str, to: &str| edit_and_reload(&shell, from, to);
    let words = || (text(&shell, "/soft/word"), text(&shell, "/hard/word"));
    let pair = |soft: &str, hard: &str| (soft.to_owned(), hard.to_owned());
    assert_eq!(words(), pair("one", "one"));
    under_load(&shell, "/hard/word", |_| assert!(edit("Word = one", "Word = two").contains("is in force")));
    assert_eq!(words(), pair("two", "two"));
    shell.wait_for_output("[PLUGIN soft]: reconfigured");
    assert_eq!(shell.output().matches("[PLUGIN soft]: reconfigured").count(), 1);
    assert!(!shell.output().contains("[PLUGIN soft]: destroyed"));
    shell.wait_for_output("[PLUGIN hard]: destroyed 1.0.0");

    // What one cannot use, none gets: what was handed over is taken back.
    let said = edit("[Plugin:hard]\nWord = two", "[Plugin:hard]\nWord = bad");
    assert!(said.contains("the old one stays"), "{said}");
    assert_eq!(words(), pair("two", "two"));
    assert!(edit("[Plugin:soft]\nWord = two", "[Plugin:soft]\nWord = three").contains("the old one stays"));
    assert_eq!(words(), pair("two", "two"));
    assert!(edit("Word = bad", "Word = four").contains("is in force"));
    assert_eq!(words(), pair("three", "four"));

    // Bounds change without a new instance.
    wait_until("that the replaced one ends", &shell, || shell.output().matches("[PLUGIN hard]: destroyed 1.0.0").count() == 2);
    let destroyed = shell.output().matches("destroyed").count();
    assert!(edit("Word = three", "Word = three\nRequestTimeout = 0.1").contains("is in force"));
    let end = shell.folder.path().join("end");
    assert_eq!(shell.get(&until("soft", &end)).status, 504);
    fs::write(&end, "").unwrap();
    assert!(edit("RequestTimeout = 0.1", "RequestTimeout = 60").contains("is in force"));
    assert_eq!(shell.output().matches("destroyed").count(), destroyed);

    // Without its connector a plugin ends; with it, the code that is there begins anew.
    assert!(edit("libsoft.so = \"libsoft.so\"", ";libsoft").contains("is in force"));
    shell.wait_for_output("[PLUGIN soft]: destroyed 1.0.0");
    assert_eq!(shell.get("/soft").status, 404);
    assert!(edit(";libsoft", "libsoft.so = \"libsoft.so\"").contains("is in force"));
    assert_eq!(text(&shell, "/soft/word"), "three");
}

#[test]
fn a_section_that_is_taken_over_too_late_is_taken_back() {
    for isolation in ["none", "process"] {
        let shell = Plugins::new()
            .with("slow", &[])
            .start(&format!("[Plugin:slow]\nIsolation = {isolation}\nStartTimeout = 3\nWord = old\nUntil = \n"));
        let end = shell.folder.path().join("end");
        let changed = format!("Word = new\nUntil = {}\n", end.display());
        let said = edit_and_reload(&shell, "Word = old\nUntil = \n", &changed);
        assert!(said.contains("slow does not take its changed section over: nothing after 3 s"), "{said}");
        // It does so later.
        fs::write(&end, "").unwrap();
        wait_until("that it takes the old one back", &shell, || {
            shell.output().matches("[PLUGIN slow]: reconfigured").count() == 2
        });
        assert_eq!(text(&shell, "/slow/word"), "old");
        assert!(console(&shell, "config reload").contains("is in force"));
        assert_eq!(text(&shell, "/slow/word"), "new");
    }
}

#[test]
fn instances_end_with_the_program() {
    let mut shell = Plugins::new().with("good", &[]).start("");
    assert_eq!(text(&shell, "/good"), "hello from 1.0.0");
    shell.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(shell.wait().success());
    shell.wait_for_output("[PLUGIN good]: destroyed 1.0.0");
}
