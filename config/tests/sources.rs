//! Includes, environment, command line and their order, on real files in a temporary folder.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::path::Path;

use gridshell_config::{CommandLine, Configuration, MainSource, Problem, Section, Sources};
use tempfile::TempDir;

/// A folder of files, and the world around it.
struct World {
    folder: TempDir,
    variables: HashMap<&'static str, &'static str>,
    pages: HashMap<&'static str, &'static str>,
    fetched: RefCell<Vec<String>>,
}

impl World {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let world = Self { folder, variables: HashMap::new(), pages: HashMap::new(), fetched: RefCell::default() };
        for (name, text) in files {
            world.write(name, text.as_bytes());
        }
        world
    }

    /// Writes a file; `{root}` in its text is the folder.
    fn write(&self, name: &str, text: &[u8]) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match std::str::from_utf8(text) {
            Ok(text) => fs::write(path, text.replace("{root}", self.root())).unwrap(),
            Err(_) => fs::write(path, text).unwrap(),
        }
    }

    fn root(&self) -> &str {
        self.folder.path().to_str().unwrap()
    }

    fn path(&self, name: &str) -> String {
        Path::new(self.root()).join(name).to_str().unwrap().to_owned()
    }

    fn load_from(&self, main: MainSource, arguments: &[&str]) -> Result<Configuration, Vec<Problem>> {
        let command_line = CommandLine::parse(arguments.iter().map(|argument| (*argument).to_owned())).unwrap();
        let environment = |name: &str| self.variables.get(name).map(|value| (*value).to_owned());
        let fetch = |address: &str| {
            self.fetched.borrow_mut().push(address.to_owned());
            self.pages.get(address).map(|page| (*page).to_owned()).ok_or_else(|| "404".to_owned())
        };
        Configuration::load(&Sources { main, command_line: &command_line, environment: &environment, fetch: &fetch })
    }

    fn load(&self, arguments: &[&str]) -> Result<Configuration, Vec<Problem>> {
        self.load_from(MainSource::Location(self.path("main.ini")), arguments)
    }

    /// The problems, without the folder's name.
    fn shown(&self, problems: &[Problem]) -> Vec<String> {
        problems.iter().map(|problem| problem.to_string().replace(self.root(), "")).collect()
    }
}

fn value<'a>(configuration: &'a Configuration, section: &str, key: &str) -> &'a str {
    &configuration.get(section, key).unwrap_or_else(|| panic!("{section}/{key} is missing")).value
}

fn order(configuration: &Configuration) -> Vec<String> {
    let keys = |section: &Section| section.entries().map(|entry| format!("{}/{}", section.name, entry.key)).collect::<Vec<_>>();
    configuration.sections().flat_map(keys).collect()
}

#[test]
fn an_included_file_overrides_the_including_one_key_by_key() {
    let world = World::new(&[
        ("main.ini", "[Startup]\nInclude-A = \"{root}/inc/a.ini\"\n[S]\nx = 1\ny = 1\n[T]\nInclude-B = {root}/inc/b.ini\n"),
        ("inc/a.ini", "[S]\nnew = 2\nx = 2\n[U]\nu = 2\n"),
        ("inc/b.ini", "[U]\nu = 3\n"),
    ]);
    let configuration = world.load(&[]).unwrap();
    assert_eq!(value(&configuration, "S", "x"), "2");
    assert_eq!(value(&configuration, "S", "y"), "1");
    assert_eq!(value(&configuration, "U", "u"), "3");
    assert_eq!(order(&configuration), ["Startup/Include-A", "S/x", "S/y", "S/new", "T/Include-B", "U/u"]);
    let origin = &configuration.get("U", "u").unwrap().origin;
    assert_eq!((origin.source.as_str(), origin.line), (world.path("inc/b.ini").as_str(), Some(2)));
    assert!(configuration.section("Startup").unwrap().get("Include-A").unwrap().is_read());
}

#[test]
fn includes_nest_and_each_file_is_read_once() {
    let world = World::new(&[
        ("main.ini", "[A]\nInclude-1 = {root}/one.ini\nlast = main\n"),
        ("one.ini", "[B]\nInclude-2 = {root}/x/../two.ini\n[A]\nlast = one\n"),
        ("two.ini", "[B]\nInclude-main = {root}/main.ini\nInclude-again = {root}/./one.ini\n[A]\nlast = two\n"),
    ]);
    assert_eq!(value(&world.load(&[]).unwrap(), "A", "last"), "two");
}

#[test]
fn wildcards_are_read_in_order_of_their_names() {
    let world = World::new(&[
        ("main.ini", "[A]\nInclude-all = {root}/*/*.ini\nInclude-none = {root}/none/*.ini\n"),
        ("b/1.ini", "[A]\nlast = b1\nb1 = 1\n"),
        ("a/2.ini", "[A]\nlast = a2\na2 = 1\n"),
        ("a/1.ini", "[A]\nlast = a1\na1 = 1\n"),
        ("a/1.txt", "no ini file"),
    ]);
    let configuration = world.load(&[]).unwrap();
    assert_eq!(order(&configuration), ["A/Include-all", "A/Include-none", "A/last", "A/a1", "A/a2", "A/b1"]);
    assert_eq!(value(&configuration, "A", "last"), "b1");
    assert_eq!(configuration.warnings(), []);
}

#[test]
fn a_missing_include_is_a_warning_and_an_empty_one_is_none() {
    let world =
        World::new(&[("main.ini", "[A]\nInclude-x = {root}/no.ini\nInclude-y = \"\"\ninclude-z = {root}/case.ini\nx = 1\n")]);
    let configuration = world.load(&[]).unwrap();
    assert_eq!(value(&configuration, "A", "x"), "1");
    assert_eq!(
        world.shown(configuration.warnings()),
        ["/main.ini:2: A/Include-x: [CONFIG]: Could not find include file /no.ini"]
    );
}

#[test]
fn references_are_not_replaced_in_include_paths() {
    let world = World::new(&[("main.ini", "[A]\nname = real\nInclude-x = {root}/${A|name}.ini\n"), ("real.ini", "[A]\nx = 1\n")]);
    let configuration = world.load(&[]).unwrap();
    assert!(configuration.get("A", "x").is_none());
    assert_eq!(configuration.warnings().len(), 1);
}

#[test]
fn mistakes_in_all_files_are_reported_at_once() {
    let world = World::new(&[
        ("main.ini", "[A]\nInclude-1 = {root}/one.ini\nInclude-2 = {root}/two.ini\nbroken\nx = ${No|where}\n"),
        ("one.ini", "x = 1\n"),
        ("two.ini", "[B\n"),
    ]);
    let shown = world.shown(&world.load(&[]).unwrap_err());
    assert_eq!(shown.len(), 3, "{shown:?}");
    assert!(shown[0].starts_with("/main.ini:4: [A]: Expected assignment operator (=)"));
    assert!(shown[1].starts_with("/one.ini:1: x: a key stands before the first [Section]"));
    assert!(shown[2].starts_with("/two.ini:1: Expected section end (])"));
}

#[test]
fn a_main_file_that_cannot_be_read() {
    let world = World::new(&[]);
    let shown = world.shown(&world.load(&[]).unwrap_err());
    assert_eq!(shown, ["Error reading from config source.  /main.ini cannot be read: No such file or directory (os error 2)"]);
}

#[test]
fn addresses_are_fetched_once_and_are_xml() {
    let mut world = World::new(&[("main.ini", "[A]\nx = 1\nInclude-far = \"http://config.test/a.xml\"\n")]);
    world.pages.insert(
        "http://config.test/a.xml",
        "<Nini>\n<Section Name=\"A\"><Key Name=\"x\" Value=\"2\"/>\n<Key Name=\"Include-more\" Value=\"https://config.test/b.xml\"/></Section>\n\
         <Section Name=\"A\"><Key Name=\"x\" Value=\"3\"/></Section></Nini>",
    );
    world.pages.insert(
        "https://config.test/b.xml",
        "<Nini><Section Name=\"B\"><Key Name=\"Include-back\" Value=\"http://config.test/a.xml\"/><Key Name=\"y\" Value=\"${A|x}\"/></Section></Nini>",
    );
    let configuration = world.load(&[]).unwrap();
    assert_eq!(value(&configuration, "A", "x"), "2");
    assert_eq!(value(&configuration, "B", "y"), "2");
    assert_eq!(configuration.get("A", "x").unwrap().origin.to_string(), "http://config.test/a.xml:2");
    assert_eq!(*world.fetched.borrow(), ["http://config.test/a.xml", "https://config.test/b.xml"]);
}

#[test]
fn the_main_source_may_be_an_address_or_a_text() {
    let mut world = World::new(&[("extra.ini", "[A]\nx = extra\n")]);
    world.pages.insert("http://config.test/m.xml", "<Nini><Section Name=\"A\"><Key Name=\"x\" Value=\"far\"/></Section></Nini>");
    let far = world.load_from(MainSource::Location("http://config.test/m.xml".to_owned()), &[]).unwrap();
    assert_eq!(value(&far, "A", "x"), "far");
    let text = format!("[A]\nx = text\nInclude-e = {}\n", world.path("extra.ini"));
    let text = world.load_from(MainSource::Text { name: "built-in".to_owned(), text }, &[]).unwrap();
    assert_eq!(value(&text, "A", "x"), "extra");
}

#[test]
fn an_address_that_fails_or_is_no_xml_is_an_error() {
    let mut world = World::new(&[("main.ini", "[A]\nInclude-1 = http://config.test/gone\nInclude-2 = http://config.test/bad\n")]);
    world.pages.insert("http://config.test/bad", "[A]\nx = 1\n");
    let shown = world.shown(&world.load(&[]).unwrap_err());
    assert_eq!(
        shown[0],
        "/main.ini:2: A/Include-1: Error reading from config source.  http://config.test/gone cannot be fetched: 404"
    );
    assert!(shown[1].starts_with("http://config.test/bad:"), "{shown:?}");
    assert_eq!(shown.len(), 2);
}

#[test]
fn includes_that_never_end_are_an_error() {
    let world = World::new(&[("main.ini", "[A]\nInclude-0 = {root}/0.ini\n")]);
    for level in 0..30 {
        world.write(&format!("{level}.ini"), format!("[A]\nInclude-{} = {{root}}/{}.ini\n", level + 1, level + 1).as_bytes());
    }
    let shown = world.shown(&world.load(&[]).unwrap_err());
    assert_eq!(shown, ["files include further files more than 20 levels deep"]);
}

#[test]
fn environment_variables_replace_what_the_file_says() {
    let mut world = World::new(&[(
        "main.ini",
        "[Environment]\nDB_PASSWORD = \"default\"\nNOT_SET = \"default\"\n[DatabaseService]\nConnectionString = \"Password=${Environment|DB_PASSWORD};x=${Environment|NOT_SET}\"\n",
    )]);
    world.variables.insert("DB_PASSWORD", "se;cret");
    world.variables.insert("ConnectionString", "never used");
    let configuration = world.load(&[]).unwrap();
    assert_eq!(value(&configuration, "DatabaseService", "ConnectionString"), "Password=se;cret;x=");
    assert_eq!(configuration.get("Environment", "DB_PASSWORD").unwrap().origin.to_string(), "environment");
    let unread: Vec<_> =
        configuration.unread().into_iter().filter(|problem| problem.section.as_deref() == Some("Environment")).collect();
    assert_eq!(unread, []);
}

#[test]
fn without_the_section_the_environment_is_not_looked_at() {
    let mut world = World::new(&[("main.ini", "[A]\nHOME = file\n")]);
    world.variables.insert("HOME", "variable");
    let configuration = world.load(&[]).unwrap();
    assert_eq!(value(&configuration, "A", "HOME"), "file");
    assert!(configuration.section("Environment").is_none());
}

#[test]
fn the_command_line_is_the_highest_layer() {
    let world = World::new(&[("main.ini", "[Startup]\nconsole = local\nPrompt = File\n[A]\nkind = ${Startup|console}\n")]);
    let configuration = world.load(&["-console=basic", "-prompt=Line", "-background"]).unwrap();
    assert_eq!(value(&configuration, "Startup", "console"), "basic");
    assert_eq!(value(&configuration, "Startup", "prompt"), "Line");
    assert_eq!(value(&configuration, "Startup", "Prompt"), "File");
    assert_eq!(value(&configuration, "A", "kind"), "basic");
    assert!(configuration.get("Startup", "background").is_none());
    assert_eq!(configuration.get("Startup", "console").unwrap().origin.to_string(), "command line");
    assert!(world.shown(configuration.warnings())[0].starts_with("command line: \"-background\" has no effect"));
}

#[test]
fn startup_always_exists() {
    let world = World::new(&[("main.ini", "[A]\nx = 1\n")]);
    assert!(world.load(&[]).unwrap().section("Startup").is_some());
}

#[test]
fn with_an_environment_section_references_see_the_values_below_the_command_line() {
    let world = World::new(&[("main.ini", "[Environment]\n[Startup]\nconsole = local\n[A]\nkind = ${Startup|console}\n")]);
    let configuration = world.load(&["-console=basic"]).unwrap();
    assert_eq!(value(&configuration, "Startup", "console"), "basic");
    assert_eq!(value(&configuration, "A", "kind"), "local");
}

#[test]
fn a_reference_that_leads_nowhere_is_reported_once() {
    let world = World::new(&[("main.ini", "[Environment]\n[A]\nx = ${No|x}\n")]);
    let shown = world.shown(&world.load(&[]).unwrap_err());
    assert_eq!(shown, ["/main.ini:3: A/x: Expand config not found: No: there is no section [No]"]);
}

#[test]
fn bytes_that_are_not_utf8_do_not_stop_a_start() {
    let world = World::new(&[]);
    world.write("main.ini", b"[A]\n; caf\xe9\nx = 1\n");
    let configuration = world.load(&[]).unwrap();
    assert_eq!(value(&configuration, "A", "x"), "1");
    assert_eq!(world.shown(configuration.warnings()), ["/main.ini:2: holds bytes that are not UTF-8; they are read as \u{fffd}"]);
}
