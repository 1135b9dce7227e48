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

#[test]
fn two_files_are_not_the_same_plugin() {
    let mut plugins = Plugins::new().with("x", &[]).with("good", &[]);
    // Another version, under the name without lib.
    let other = plugins.directory().join("x.so");
    compile(plugins.folder.path(), "x", &["VERSION=\"2\""]);
    fs::rename(plugins.folder.path().join("libx.so"), &other).unwrap();
    plugins.files.insert(1, "x.so".to_owned());
    let refusal = "plugin x.so refused at step 5: the plugin's name: expected one that is not loaded yet, found x, which is libx.so (code 5)";
    let said = check(&plugins, "a = \"libx.so\"\nb = \"x.so\"", "");
    assert!(said.contains(&format!("ServiceList/b: {refusal}")) && said.contains("1 errors, 0 warnings"), "{said}");
    // The plugin that the program needs is there.
    let shell = plugins.start("[Plugin:x]\nRequired = true\n");
    shell.wait_for_output(refusal);
    assert_eq!([text(&shell, "/x"), text(&shell, "/good")], ["hello from 1.0.0", "hello from 1.0.0"]);
    assert!(console(&shell, "plugin list").contains(refusal));

    // In the other's place it is loaded.
    let said = edit_and_reload(&shell, "libx.so = \"libx.so\"", "");
    assert!(said.contains("is in force") && !said.contains("still not loaded"), "{said}");
    assert_eq!(text(&shell, "/x"), "hello from 2");
}

#[test]
fn a_path_belongs_to_one() {
    let (early, bakes, front) = (common::free_port(), common::free_port(), common::free_port());
    let plugins = Plugins::new()
        .with("first", &["ROUTE=\"/greeting\""])
        .with("second", &["ROUTE=\"/greeting\""])
        .with("assets", &["ROUTE=\"/assets\""])
        .with("longer", &["ROUTE=\"/assets/special\""])
        .with("bakes", &["ROUTE=\"/bakes/x\""]);
    let bakes_connector = "OpenSim.Server.Handlers.dll:XBakesConnector";
    let entries = format!(
        "a = \"libfirst.so\"\n b = \"libsecond.so\"\n c = \"libassets.so\"\n d = \"liblonger.so\"\n e = \"{bakes_connector}\"\n \
         f = \"libbakes.so\"\n g = \"{early}/libassets.so\"\n h = \"{early}/asset\"\n i = \"{bakes}/libbakes.so\"\n \
         j = \"{bakes}/{bakes_connector}\"\n k = \"{front}/forward\"\n l = \"{front}/libfirst.so\""
    );
    let sections = "[BakedTextureService]\nLocalServiceModule = \"OpenSim.Server.Handlers.dll:XBakes\"\nBaseDirectory = bakes\n\
                    [Forward]\nURI = \"http://127.0.0.1:1\"\nPath = \"/greeting, /\"\n";
    let ini = plugins.ini_with(&entries, sections);
    let shell = plugins.start_with(&ini);
    let (port, output) = (shell.port, shell.output());
    let refusals = [
        ("second", format!("the plugin second cannot have GET /greeting on port {port}: first has it already")),
        ("assets", format!("the plugin assets cannot have GET /assets on port {port}: asset has it already")),
        ("bakes", format!("the plugin bakes cannot have GET /bakes/x on port {port}: baked_texture has it already")),
    ];
    for (name, refusal) in &refusals {
        assert!(output.contains(refusal) && output.contains(&format!("Failed to load lib{name}.so")), "{refusal}\n{output}");
    }
    for warning in [
        format!("{early}/asset does not answer GET /assets on port {early}: {early}/libassets.so does"),
        format!("{early}/asset does not answer POST /assets on port {early}: {early}/libassets.so does"),
        format!("{bakes}/libbakes.so does not answer GET /bakes/x on port {bakes}: baked_texture does"),
        format!("{front}/forward does not answer GET /greeting on port {front}: {front}/libfirst.so does"),
    ] {
        assert!(output.contains(&warning), "{warning}\n{output}");
    }
    assert_eq!(output.matches(" does not answer ").count(), 6, "{output}");
    assert_eq!(text(&shell, "/greeting"), "hello from 1.0.0");
    assert_eq!(text(&shell, "/assets/special"), "hello from 1.0.0");
    assets_are_well(&shell);
    // Nothing of a connector that was refused is there: its other path neither.
    assert_eq!(shell.get("/since-1.0.0/second").status, 404);
    for (port, path) in [(early, "/assets"), (front, "/greeting")] {
        assert_eq!(common::try_get(port, path).unwrap().text(), "hello from 1.0.0");
    }
    let ready = common::try_get(shell.admin_port, "/readyz").unwrap();
    assert!(ready.text().contains("libsecond.so: could not be loaded"), "{}", ready.text());
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
