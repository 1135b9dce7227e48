//! The connectors that a shell shall load (shell.md sections 6.1 and 6.2).

use crate::configuration::{Configuration, Entry};
use crate::module_name::split_class;
use crate::problem::{Origin, Problem, quoted};

/// One connector: `[[ConfigName@]port/]library[:class]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectorEntry {
    /// Where it was written.
    pub origin: Origin,
    /// The section it came from: `ServiceList` or `Startup`.
    pub section: String,
    /// The key it came from.
    pub key: String,
    /// The section that the connector shall read instead of its own.
    pub config_name: Option<String>,
    /// The port of its listener; none is the main listener, which is also what port 0 means.
    pub port: Option<u16>,
    /// An OpenSimulator library (`*.dll`), a plain name of our own, or the path of a plugin (`*.so`).
    pub library: String,
    /// The class in it, if one is named.
    pub class: Option<String>,
    /// The whole connector string as written.
    pub text: String,
}

impl ConnectorEntry {
    /// The name that logs use: the class, or the library if there is none.
    pub fn friendly_name(&self) -> &str {
        self.class.as_deref().unwrap_or(&self.library)
    }

    /// A problem with this connector, at its place.
    pub fn problem(&self, message: impl Into<String>) -> Problem {
        Problem::error(message).at(self.origin.clone()).in_section(&self.section).on_key(&self.key)
    }
}

/// An entry that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongEntry {
    /// The entry as it is written.
    pub text: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// All connectors in the order of loading: `[Startup] ServiceConnectors`, then the values of `[ServiceList]` in order of their keys; and
/// entries that cannot be understood.
pub fn connector_entries(configuration: &Configuration) -> (Vec<ConnectorEntry>, Vec<WrongEntry>) {
    let mut entries = Vec::new();
    let mut wrong = Vec::new();
    configuration.note_asked("ServiceList", None);
    let old_style = configuration.get("Startup", "ServiceConnectors").map(|entry| ("Startup", entry));
    let list = configuration.section("ServiceList").into_iter().flat_map(|section| section.read_all());
    for (section, entry) in old_style.into_iter().chain(list.map(|entry| ("ServiceList", entry))) {
        let pieces = entry.value.split([',', ' ', '\n', '\r', '\t']);
        for text in pieces.filter(|piece| !piece.is_empty()) {
            match parse(section, entry, text) {
                Ok(connector) => entries.push(connector),
                Err(message) => {
                    let message = format!("{} {message}; [[ConfigName@]port/]library[:class] is meant", quoted(text));
                    let problem = Problem::error(message).at(entry.origin.clone()).in_section(section).on_key(&entry.key);
                    wrong.push(WrongEntry { text: text.to_owned(), problem });
                }
            }
        }
    }
    (entries, wrong)
}

fn parse(section: &str, entry: &Entry, text: &str) -> Result<ConnectorEntry, String> {
    let (config_name, port, module) = match text.split_once('/') {
        Some((first, rest)) if !is_path(first, rest) => {
            let (config_name, port) = match first.split_once('@') {
                Some((config_name, port)) => (Some(config_name), port),
                None => (None, first),
            };
            (config_name.filter(|name| !name.is_empty()), read_port(port)?, rest)
        }
        _ => (None, None, text),
    };
    if port.is_none() && config_name.is_none() && module.contains('@') {
        return Err("has a ConfigName but no port".to_owned());
    }
    let (library, class) = split_class(module);
    if library.is_empty() {
        return Err("names no library".to_owned());
    }
    Ok(ConnectorEntry {
        origin: entry.origin.clone(),
        section: section.to_owned(),
        key: entry.key.clone(),
        config_name: config_name.map(str::to_owned),
        port,
        library,
        class,
        text: text.to_owned(),
    })
}

/// Whether text with a slash in it is a path alone, without a port.
///
/// The original knows no such thing: what stands before the first slash is the port, and what stands behind a second one is dropped. Paths
/// are ours: the rest after the port is the path whole (`8003/path/to/libx.so:Class`), and without a port a path begins with a slash
/// or a dot, or is a plugin whose first directory can be no port.
fn is_path(first: &str, rest: &str) -> bool {
    let is_number = !first.is_empty() && first.bytes().all(|byte| byte.is_ascii_digit());
    let is_plugin = split_class(rest).0.ends_with(".so");
    matches!(first, "" | "." | "..") || (is_plugin && !is_number && !first.contains('@'))
}

fn read_port(port: &str) -> Result<Option<u16>, String> {
    let digits_only = port.bytes().all(|byte| byte.is_ascii_digit());
    let number: u16 =
        port.parse().ok().filter(|_| digits_only).ok_or_else(|| format!("has the port {}, not 0 to 65535", quoted(port)))?;
    Ok(Some(number).filter(|number| *number != 0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> (Vec<ConnectorEntry>, Vec<WrongEntry>) {
        connector_entries(&Configuration::from_text("Robust.ini", text).unwrap())
    }

    /// Port, ConfigName, library and class of one connector string.
    fn one(text: &str) -> (Option<u16>, Option<String>, String, Option<String>) {
        let (mut entries, problems) = read(&format!("[ServiceList]\nx = \"{text}\"\n"));
        assert_eq!(problems, []);
        assert_eq!(entries.len(), 1);
        let entry = entries.remove(0);
        assert_eq!(entry.text, text);
        (entry.port, entry.config_name, entry.library, entry.class)
    }

    fn expected(port: u16, config: &str, library: &str, class: &str) -> (Option<u16>, Option<String>, String, Option<String>) {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        ((port != 0).then_some(port), given(config), library.to_owned(), given(class))
    }

    const HANDLERS: &str = "OpenSim.Server.Handlers.dll";

    #[test]
    fn the_grammar() {
        let asset = "AssetServiceConnector";
        for (text, wanted) in [
            (format!("{HANDLERS}:{asset}"), expected(0, "", HANDLERS, asset)),
            (format!("8002/{HANDLERS}:{asset}"), expected(8002, "", HANDLERS, asset)),
            (format!("HGAssetService@8002/{HANDLERS}:{asset}"), expected(8002, "HGAssetService", HANDLERS, asset)),
            ("8002/Some.Addon.dll".to_owned(), expected(8002, "", "Some.Addon.dll", "")),
            (format!("0/{HANDLERS}:{asset}"), expected(0, "", HANDLERS, asset)),
            (format!("HGAssetService@0/{HANDLERS}:{asset}"), expected(0, "HGAssetService", HANDLERS, asset)),
            (format!("@8002/{HANDLERS}"), expected(8002, "", HANDLERS, "")),
            ("asset".to_owned(), expected(0, "", "asset", "")),
        ] {
            assert_eq!(one(&text), wanted, "{text}");
        }
    }

    #[test]
    fn paths_of_plugins() {
        assert_eq!(one("8003/path/to/libx.so:Class"), expected(8003, "", "path/to/libx.so", "Class"));
        assert_eq!(one("8003//opt/libx.so"), expected(8003, "", "/opt/libx.so", ""));
        assert_eq!(one("A@8003/./libx.so:Class"), expected(8003, "A", "./libx.so", "Class"));
        assert_eq!(one("/opt/x/libx.so:Class"), expected(0, "", "/opt/x/libx.so", "Class"));
        assert_eq!(one("./libx.so"), expected(0, "", "./libx.so", ""));
        assert_eq!(one("plugins/libx.so:Class"), expected(0, "", "plugins/libx.so", "Class"));
        assert_eq!(one("./x.dll:Class"), expected(0, "", "./x.dll", "Class"));
    }

    #[test]
    fn mistakes() {
        let text = format!(
            "[ServiceList]\na = 80o3/{HANDLERS}:X\nb = A@70000/{HANDLERS}\nc = A@{HANDLERS}\nd = 8002/:X\ne = A@x/libx.so\nf = +80/{HANDLERS}\ng = 8002/\n"
        );
        let (entries, problems) = read(&text);
        assert_eq!(entries, []);
        let shown: Vec<_> = problems.iter().map(|wrong| wrong.problem.to_string()).collect();
        assert_eq!(
            shown[0],
            "Robust.ini:2: ServiceList/a: \"80o3/OpenSim.Server.Handlers.dll:X\" has the port \"80o3\", not 0 to 65535; \
             [[ConfigName@]port/]library[:class] is meant"
        );
        assert!(shown[1].contains("has the port \"70000\""));
        assert!(shown[2].contains("has a ConfigName but no port"));
        assert!(shown[3].contains("names no library"));
        assert!(shown[4].contains("has the port \"x\""));
        assert!(shown[5].contains("has the port \"+80\""));
        assert!(shown[6].contains("names no library"));
        assert_eq!(shown.len(), 7);
    }

    #[test]
    fn the_order_of_loading() {
        let text = "[ServiceList]\nz = \"8002/b.dll:B, c.dll\td.dll\"\noff = \"\"\na = e.dll\n[Startup]\nServiceConnectors = \"a.dll:A,\"\n";
        let configuration = Configuration::from_text("Robust.ini", text).unwrap();
        let (entries, problems) = connector_entries(&configuration);
        assert_eq!(problems, []);
        let shown: Vec<_> = entries
            .iter()
            .map(|entry| format!("{} {}/{} {}", entry.origin, entry.section, entry.key, entry.friendly_name()))
            .collect();
        assert_eq!(
            shown,
            [
                "Robust.ini:6 Startup/ServiceConnectors A",
                "Robust.ini:2 ServiceList/z B",
                "Robust.ini:2 ServiceList/z c.dll",
                "Robust.ini:2 ServiceList/z d.dll",
                "Robust.ini:4 ServiceList/a e.dll",
            ]
        );
        assert_eq!(configuration.unread(), []);
        assert_eq!(entries[1].problem("is odd").to_string(), "Robust.ini:2: ServiceList/z: is odd");
    }

    #[test]
    fn neither_section_is_needed() {
        assert_eq!(read("[Network]\nport = 1\n"), (vec![], vec![]));
    }

    proptest! {
        #[test]
        fn no_list_panics(text in "[a0-9@:/., ]{0,30}") {
            let mut configuration = Configuration::default();
            configuration.set("ServiceList", "x", &text);
            connector_entries(&configuration);
        }
    }
}
