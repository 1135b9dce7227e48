//! `gridshell plugin check`.

use super::*;

fn check(plugins: &Plugins, words: &[&str]) -> (Option<i32>, String) {
    common::run(plugins.folder.path(), &[&["plugin", "check"], words].concat())
}

#[test]
fn a_good_file_is_shown_step_by_step() {
    let plugins = Plugins::new().with("good", &["CONFIG_KEYS=\"Word, Other\""]);
    let (status, said) = check(&plugins, &["plugins/libgood.so"]);
    assert_eq!(status, Some(0), "{said}");
    let hash = common::rest_console::between(&said, "SHA-256 ", "\n");
    assert!(hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{said}");
    let build = common::rest_console::between(&said, "build           ", "\n");
    let expected = format!(
        "plugins/libgood.so\n\n\
         step  1  name and list               ok\n\
         step  2  owner, mode, size           ok\n\
         step  3  hash                        ok, SHA-256 {hash}\n\
         step  4  kind of file, note, symbols ok, ABI 1.0\n\
         step  5  not loaded yet              left to the server, which does it when it starts\n\
         step  6  process of its own          ok\n\
         step  7  loading                     ok\n\
         step  8  functions                   ok\n\
         step  9  properties                  ok\n\
         step 10  instance                    left to the server, which does it when it starts\n\n\
         name            good\n\
         version         1.0.0\n\
         services        test\n\
         capabilities    http,console,call-service\n\
         build           {build}\n\
         config-keys     Word, Other\n"
    );
    assert_eq!(said, expected);
}

#[test]
fn a_bad_file_is_refused_at_its_step() {
    let plugins = Plugins::new()
        .with("major", &["NOTE_MAJOR=2"])
        .with("crash", &["CRASH"])
        .with("null", &["ENTRY_NULL"])
        .with("other", &[])
        .with("waits", &["NOT_BLOCKING"]);
    fs::rename(plugins.path("other"), plugins.path("named")).unwrap();
    fs::write(plugins.path("text"), "no library\n".repeat(1000)).unwrap();
    for (file, step, verdict) in [
        ("plugins/libmissing.so", 2, "the file: expected one that can be opened, found "),
        ("plugins/libtext.so", 4, "the kind of file: expected an ELF file, found one that begins with \"no l\" (code 4)"),
        ("plugins/libmajor.so", 4, "the version: expected ABI 1.x (this server offers 1.0), found ABI 2.0 (code 4)"),
        (
            "plugins/libcrash.so",
            6,
            "the process that loads it: expected that it loads the library within 10 s, found signal 6 (SIGABRT) (code 6)",
        ),
        ("plugins/libnull.so", 8, "the entry function: expected a table of functions, found null: the plugin refuses (code 22)"),
        ("plugins/libnamed.so", 9, "the property name: expected \"named\", as the file is called, found \"other\" (code 30)"),
        ("plugins/libwaits.so", 9, "the property blocking: expected yes, "),
        ("plugins/plugin.txt", 1, "the name: expected letters, digits and -_. before .so, found \"plugin.txt\" (code 1)"),
    ] {
        let (status, said) = check(&plugins, &[file]);
        assert_eq!(status, Some(1), "{said}");
        let steps: Vec<&str> = said.lines().filter(|line| line.starts_with("step ")).collect();
        assert_eq!(steps.len(), 10, "{said}");
        assert!(steps[step - 1].contains(&format!("REFUSED: {verdict}")), "{said}");
        assert!(steps[..step - 1].iter().all(|line| !line.contains("REFUSED")), "{said}");
        assert!(steps[step..].iter().all(|line| line.ends_with("not reached")), "{said}");
    }
}

#[test]
fn what_a_plugin_needs_is_not_found_by_the_environment() {
    let (plugins, folder) = probe::with_library(Plugins::new(), "lost", &[]);
    let check = Command::new(env!("CARGO_BIN_EXE_gridshell"))
        .args(["plugin", "check", "plugins/liblost.so"])
        .env("LD_LIBRARY_PATH", folder)
        .current_dir(plugins.folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8(check.stdout).unwrap();
    assert_eq!(check.status.code(), Some(1), "{said}");
    let step = said.lines().find(|line| line.starts_with("step  7")).unwrap();
    assert!(step.contains("REFUSED: ") && step.contains("libneeded.so: cannot open shared object file"), "{said}");
}

/// Only root can give a file away. For all others that is what is seen here; the rule itself is tested beside the code.
#[test]
fn what_belongs_to_another_user_is_refused() {
    const OTHER: u32 = 54_321;
    let plugins = Plugins::new().with("good", &[]);
    let (file, folder) = (plugins.path("good"), plugins.directory());
    let is_root = nix::unistd::geteuid().is_root();
    for (path, what) in [(&file, "file"), (&folder, "folder")] {
        let given = std::os::unix::fs::chown(path, Some(OTHER), None);
        let (status, said) = check(&plugins, &["plugins/libgood.so"]);
        if is_root {
            given.unwrap();
            let refusal =
                format!("REFUSED: the owner of the {what}: expected root or the server's user (0), found user {OTHER} (code 2)");
            assert!(status == Some(1) && said.contains(&refusal), "{said}");
        } else {
            assert_eq!(given.unwrap_err().kind(), std::io::ErrorKind::PermissionDenied);
            assert_eq!(status, Some(0), "{said}");
        }
        // Back to whose it was.
        std::os::unix::fs::chown(path, Some(nix::unistd::geteuid().as_raw()), None).unwrap();
    }
}

#[test]
fn with_a_configuration_the_operators_rules_count() {
    let plugins = Plugins::new().with("good", &[]).with("bad", &[]);
    let ini = plugins.ini_with("", "[Plugin:bad]\nSha256 = 0000000000000000000000000000000000000000000000000000000000000000\n");
    fs::write(plugins.folder.path().join("check.ini"), ini.replace("${port}", "8003").replace("${admin}", "8009")).unwrap();
    compile(&plugins.directory(), "unlisted", &[]);
    let with_ini = |file: &str| check(&plugins, &[file, "-inifile=check.ini"]);
    // A name is one of its folder.
    let (status, said) = with_ini("libgood.so");
    assert_eq!(status, Some(0), "{said}");
    assert!(said.starts_with(plugins.path("good").to_str().unwrap()), "{said}");
    let (status, said) = with_ini("libunlisted.so");
    assert!(status == Some(1) && said.contains("step  1  name and list               REFUSED: "), "{said}");
    let (status, said) = with_ini("libbad.so");
    assert!(
        status == Some(1) && said.contains("step  3  hash                        REFUSED: the SHA-256: expected 0000"),
        "{said}"
    );
    // A path is a file that is to be put there.
    let candidates = plugins.folder.path().join("candidates");
    fs::create_dir(&candidates).unwrap();
    fs::set_permissions(&candidates, fs::Permissions::from_mode(0o755)).unwrap();
    compile(&candidates, "good", &[]);
    assert_eq!(with_ini("candidates/libgood.so").0, Some(0));

    fs::write(plugins.folder.path().join("check.ini"), "[Plugins]\nDirectory = here\n").unwrap();
    let (status, said) = with_ini("libgood.so");
    assert!(status == Some(2) && said.contains("Plugins/Directory: is needed for plugins"), "{said}");
}

#[test]
fn what_is_not_understood_is_said() {
    let folder = TempDir::new().unwrap();
    for (words, message) in [
        (&["plugin"][..], "gridshell plugin check FILE [SWITCHES]"),
        (&["plugin", "check"], "gridshell plugin check FILE [SWITCHES]"),
        (&["plugin", "load", "libx.so"], "there is only gridshell plugin check FILE"),
        // Commands for the program itself.
        (&["--plugin-host", "libx.so"], "this command is for the server itself"),
        (&["--probe-plugin", "libx.so"], "this command is for the server itself"),
    ] {
        let (status, said) = common::run(folder.path(), words);
        assert!(status.is_some_and(|status| status != 0) && said.contains(message), "{words:?}: {said}");
    }
}
