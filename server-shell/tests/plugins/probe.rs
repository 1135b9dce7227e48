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
        assert!(said.contains(&blocked), "{said}");
        compile(&shell.folder.path().join("plugins"), name, &[]);
    }
    // Other bytes are.
    console(&shell, "config reload");
    assert_eq!(text(&shell, "/crash"), "hello from 1.0.0");
    assert_eq!(text(&shell, "/apart"), "hello from 1.0.0");
}

#[test]
fn with_other_bounds_it_is_tried_again() {
    // Less than its process has already: it crashes, or cannot even begin.
    let shell = Plugins::new().with("apart", &[]).start("[Plugin:apart]\nIsolation = process\nMaxMemoryMegabytes = 1\n");
    shell.wait_for_output("libapart.so refused at step 6: the process that loads it: expected ");
    shell.wait_for_output("; it may have 1 MB (MaxMemoryMegabytes) (code 6)");
    let said = edit_and_reload(&shell, "MaxMemoryMegabytes = 1", "MaxMemoryMegabytes = 500");
    assert!(said.contains("is in force"), "{said}");
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

/// A plugin that needs a library which lies in a folder that the system does not know, and the folder. `switches` are the compiler's.
pub fn with_library(plugins: Plugins, name: &str, switches: &[&str]) -> (Plugins, PathBuf) {
    let folder = plugins.folder.path().join("libraries");
    fs::create_dir_all(&folder).unwrap();
    let source = folder.join("needed.c");
    fs::write(&source, "void gridshell_no_such_function(void);\nvoid gridshell_no_such_function(void) {}\n").unwrap();
    compile_c(&source, &folder.join("libneeded.so"), &[]);
    let in_folder = format!("-L{}", folder.display());
    let needs = ["-DUNDEFINED", "-Wno-unused-function", &in_folder, "-Wl,--no-as-needed", "-lneeded"];
    let switches = needs.iter().chain(switches).map(|switch| (*switch).to_owned());
    let switches: Vec<String> = switches.chain([format!("-DNAME=\"{name}\"")]).collect();
    let plugin = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plugins/plugin.c");
    compile_c(&plugin, &plugins.path(name), &switches);
    let files = plugins.files.iter().cloned().chain([format!("lib{name}.so")]).collect();
    (Plugins { files, ..plugins }, folder)
}

/// Starts a shell with this variable of the environment.
fn start_with_path(plugins: Plugins, folder: &Path, ini: &str) -> Shell {
    let variable = format!("LD_LIBRARY_PATH={}", folder.display());
    let shell = Shell::launch_by(&["env", &variable], plugins.folder, ini, &["-console=rest"], Stdio::null());
    shell.wait_for_output("R.O.B.U.S.T.# ");
    shell
}

const WARNING: &str = "[PLUGINS]: LD_LIBRARY_PATH is set, so plugins in the server's process may find libraries there";

#[test]
fn what_a_plugin_needs_is_not_found_by_the_environment() {
    let plugins = Plugins::new().with("good", &[]);
    let run_path = format!("-Wl,-rpath,{}", plugins.folder.path().join("libraries").display());
    let (plugins, _) = with_library(plugins, "lost", &[]);
    let (plugins, _) = with_library(plugins, "apart", &[]);
    let (plugins, folder) = with_library(plugins, "found", &[&run_path]);
    let ini = plugins.ini("[Plugin:apart]\nIsolation = process\n");
    let shell = start_with_path(plugins, &folder, &ini);
    let output = shell.output();
    for name in ["lost", "apart"] {
        let line = format!("plugin lib{name}.so refused at step 7: the system: expected that it loads the library, found ");
        let line = output.lines().find(|found| found.contains(&line)).unwrap_or_else(|| panic!("{line:?}: {output}"));
        assert!(line.contains("libneeded.so: cannot open shared object file"), "{line}");
    }
    assert_eq!([text(&shell, "/found"), text(&shell, "/good")], ["hello from 1.0.0", "hello from 1.0.0"]);
    assert_eq!(output.matches(WARNING).count(), 1, "once, for all of them: {output}");
}

#[test]
fn in_the_server_itself_the_environment_counts_and_that_is_said() {
    let (plugins, folder) = with_library(Plugins::new(), "lost", &[]);
    let ini = plugins.ini("").replace("[Plugins]", "[Plugins]\nProbeInChild = false");
    let shell = start_with_path(plugins, &folder, &ini);
    assert_eq!(text(&shell, "/lost"), "hello from 1.0.0");
    assert_eq!(shell.output().matches(WARNING).count(), 1, "{}", shell.output());
    // Nothing is to be said where plugins have processes of their own, or where it is empty.
    let plugins = Plugins::new().with("good", &[]);
    let ini = plugins.ini("[Plugin:good]\nIsolation = process\n");
    let apart = start_with_path(plugins, &folder, &ini);
    let plugins = Plugins::new().with("good", &[]);
    let ini = plugins.ini("");
    let without = start_with_path(plugins, Path::new(""), &ini);
    for shell in [apart, without] {
        assert_eq!(text(&shell, "/good"), "hello from 1.0.0");
        assert!(!shell.output().contains("LD_LIBRARY_PATH"), "{}", shell.output());
    }
}
