//! How plugins are named, and what `gridshell check` says of it.

use super::*;

/// What `gridshell check` says, without the configuration's name.
fn check(plugins: &Plugins, entries: &str, sections: &str) -> String {
    let ini = plugins.ini_with(entries, sections).replace("${port}", "8003").replace("${admin}", "8009");
    fs::write(plugins.folder.path().join("check.ini"), ini).unwrap();
    common::run(plugins.folder.path(), &["check", "-inifile=check.ini"]).1
}

#[test]
fn mistakes_are_found_without_loading_anything() {
    // Its code would end the program.
    let plugins = Plugins::new().with("good", &["CRASH"]).with("magic", &["NOTE_MAGIC=7"]);
    let said = check(&plugins, "a = \"8004/libgood.so:test\"", "[Plugin:good]\nWord = x\nAuthType = None\n");
    assert!(said.contains("0 errors, 0 warnings"), "{said}");
    for (entries, sections, message) in [
        ("a = \"Foo@8004/libgood.so\"", "[Foo]\n", "a plugin reads the section of its own name; leave Foo@ out"),
        (
            "a = \"libmagic.so\"",
            "",
            "check.ini:10: ServiceList/a: plugin libmagic.so refused at step 4: the magic number of the note",
        ),
        ("a = \"libnone.so\"", "", "plugin libnone.so refused at step 1: the name: expected one that [Plugins] Allow lists"),
        ("a = \"/opt/libgood.so\"", "", "refused at step 1: the name: expected a plain file name, found \"/opt/libgood.so\""),
        ("a = \"libgood.so\"", "[Plugin:good]\nMaxConcurrent = 0\n", "Plugin:good/MaxConcurrent: is a number from 1 to 1000"),
        (
            "a = \"libgood.so\"",
            "[Plugin:good]\nRequestTimeout = 0\n",
            "Plugin:good/RequestTimeout: a time of 0 lets nothing happen",
        ),
        ("a = \"libgood.so\"", "[Plugin:good]\nSha256 = abc\n", "Plugin:good/Sha256: has 64 hexadecimal digits"),
        ("a = \"libgood.so\"", "[Plugin:good]\nOnPanic = pray\n", "Plugin:good/OnPanic"),
        ("a = \"libgood.so\"", "[Plugin:good]\nConfigSections = Nowhere\n", "there is no section [Nowhere]"),
        ("a = \"8004/asset\"", "[Plugin:good]\nWord = x\n", "[Plugin:good]: nobody reads this section"),
    ] {
        let said = check(&plugins, entries, sections);
        assert!(said.contains(message), "{message:?} is not in\n{said}");
    }
    let ini = "[Network]\nport = 1\n[ServiceList]\na = libgood.so\n[Plugins]\nAllow = libgood.so\nDirectory = plugins\n";
    fs::write(plugins.folder.path().join("check.ini"), ini).unwrap();
    let said = common::run(plugins.folder.path(), &["check", "-inifile=check.ini"]).1;
    assert!(said.contains("Plugins/Directory: is needed for plugins: the absolute path of their folder"), "{said}");
}

#[test]
fn a_plugin_listens_on_the_port_of_its_entry() {
    let port = common::free_port();
    let plugins = Plugins::new().with("good", &[]).with("two", &["SERVICES=\"a,b\"", "CAPABILITIES=\"\""]);
    let entries = format!(
        "a = \"{port}/libgood.so:test\"\n    b = \"libtwo.so\"\n    c = \"libtwo.so:c\"\n    d = \"libtwo.so:a\"\n    e = \"libgood.so:other\""
    );
    let ini = plugins
        .ini_with(&entries, "[Plugin:good]\nAuthType = BasicHttpAuthentication\nHttpAuthUsername = u\nHttpAuthPassword = p\n");
    let shell = plugins.start_with(&ini);
    assert_eq!(shell.get("/good").status, 404);
    let asked = |headers: &str| request(&mut common::connect(port).unwrap(), "GET", "/good", headers, b"").unwrap();
    assert_eq!(asked("").status, 401, "it is protected as other private connectors are");
    let answer = asked("Authorization: Basic dTpw\r\n");
    assert_eq!((answer.status, answer.text()), (200, "hello from 1.0.0"));
    let output = shell.output();
    for message in [
        "libtwo.so has several services; write libtwo.so:a, or another",
        "the plugin two has no service c; it has a, b",
        "the plugin two has registered no path for a: it has not the capability http",
        "the plugin good has no service other; it has test",
    ] {
        assert!(output.contains(message), "{message:?} is not in\n{output}");
    }
}

/// All that is printed is read, and the defaults are what one writes.
#[test]
fn all_options_are_printed_and_read() {
    let (status, options) = common::run(TempDir::new().unwrap().path(), &["options"]);
    assert_eq!(status, Some(0));
    for text in
        ["[Plugins]\n    Directory (string, \"\")", "AllowUnmarked (bool, false)", "[Plugin:<name>]\n    Sha256", "    OnPanic ("]
    {
        assert!(options.contains(text), "{text:?} is not in\n{options}");
    }
    // As `Key = default`, without those that the configuration has already.
    let defaults = |section: &str| -> String {
        let lines = options.lines().skip_while(|line| *line != section).skip(1).take_while(|line| !line.starts_with('['));
        let keys = lines.filter_map(|line| line.strip_prefix("    ").filter(|line| !line.starts_with(' ')));
        let pairs = keys.filter_map(|line| line.strip_suffix(')')?.split_once(" (")?.1.split_once(", ").map(|it| (line, it.1)));
        let pairs = pairs.map(|(line, default)| (line.split(' ').next().unwrap(), if default == "none" { "" } else { default }));
        pairs
            .filter(|(key, _)| !["Directory", "Allow"].contains(key))
            .map(|(key, default)| format!("{key} = {default}\n"))
            .collect()
    };
    let plugins = Plugins::new().with("good", &[]);
    let sections = format!("{}[Plugin:good]\n{}", defaults("[Plugins]"), defaults("[Plugin:<name>]"));
    assert!(sections.contains("AllowUnmarked = false\n") && sections.contains("AuthType = \"None\"\n"), "{sections}");
    let said = check(&plugins, "a = \"libgood.so\"", &sections);
    assert!(said.contains("0 errors, 0 warnings"), "{said}");
    let said = check(&plugins, "a = \"libgood.so\"", "Nonsense = 1\n");
    assert!(said.contains("Plugins/Nonsense: nobody reads this key"), "{said}");
}
