//! A whole configuration file, read the way the shell reads it.

use gridshell_config::{CommandLine, Configuration, MainSource, OptionalModule, Reader, Sources, connector_entries, options};

options! {
    /// Where a service keeps its data.
    pub struct DatabaseOptions {
        /// Library that speaks the database's dialect.
        "StorageProvider" => pub provider: String, required;
        /// How to reach the database.
        "ConnectionString" => pub connection: String, required;
    }
}

options! {
    /// The asset connector.
    pub struct AssetOptions {
        /// The asset service.
        "LocalServiceModule" => pub service: OptionalModule, required;
        /// Whether map tiles may be deleted.
        "AllowRemoteDelete" => pub allow_remote_delete: bool = false;
        /// Control file of the loader.
        "AssetLoaderArgs" => pub loader_arguments: String = "./assets/AssetSets.xml";
    }
}

fn load(main: MainSource, arguments: &[&str]) -> Configuration {
    let command_line = CommandLine::parse(arguments.iter().map(|argument| (*argument).to_owned())).unwrap();
    let environment = |_: &str| None;
    let fetch = |address: &str| Err(format!("{address} is not served here"));
    Configuration::load(&Sources { main, command_line: &command_line, environment: &environment, fetch: &fetch }).unwrap()
}

fn grid_ini() -> MainSource {
    MainSource::Location(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/grid.ini").to_owned())
}

#[test]
fn the_connectors_of_a_grid() {
    let configuration = load(grid_ini(), &[]);
    assert_eq!(configuration.warnings(), []);
    let (connectors, problems) = connector_entries(&configuration);
    assert_eq!(problems, []);
    let shown: Vec<_> = connectors
        .iter()
        .map(|connector| (connector.port, connector.config_name.as_deref(), &*connector.library, connector.friendly_name()))
        .collect();
    let handlers = "OpenSim.Server.Handlers.dll";
    assert_eq!(
        shown,
        [
            (Some(8003), None, handlers, "AssetServiceConnector"),
            (Some(8002), Some("HGAssetService"), handlers, "AssetServiceConnector"),
            (None, None, handlers, "XBakesConnector"),
        ]
    );
}

#[test]
fn typed_options_of_a_grid() {
    let configuration = load(grid_ini(), &["-console=basic", "-i", "x"]);
    let mut asset = Reader::new(&configuration, "AssetService");
    let options = AssetOptions::read(&mut asset).unwrap();
    assert!(options.service.0.unwrap().is("OpenSim.Services.AssetService.dll", "AssetService"));
    assert!(!options.allow_remote_delete);
    assert_eq!(options.loader_arguments, "./assets/AssetSets.xml");

    let mut database = Reader::new(&configuration, "AssetService").with_fallback("DatabaseService").empty_falls_back();
    let options = DatabaseOptions::read(&mut database).unwrap();
    assert_eq!(options.provider, "OpenSim.Data.MySQL.dll");
    assert_eq!(options.connection, "Data Source=localhost;Database=opensim;User ID=opensim;Password=***;Old Guids=true;");

    let value = |section, key| configuration.get(section, key).unwrap().value.as_str();
    assert_eq!(value("Network", "port"), "8003");
    assert_eq!(value("LoginService", "MapTileURL"), "http://grid.example.org:8002/");
    assert_eq!(value("LoginService", "WelcomeMessage"), "Welcome; it's 'ours' [now]");
    assert_eq!(value("Startup", "NoVerifyCertChain"), "true");
    assert_eq!(value("Startup", "console"), "basic");
    assert_eq!(value("Startup", "inifile"), "x");
}

#[test]
fn a_saved_configuration_loads_again() {
    let configuration = load(grid_ini(), &[]);
    let (text, problems) = configuration.to_ini();
    assert_eq!(problems, []);
    let again = load(MainSource::Text { name: "saved.ini".to_owned(), text }, &[]);
    let all = |configuration: &Configuration| -> Vec<String> {
        let lines = |section: &gridshell_config::Section| {
            section.entries().map(|entry| format!("{}/{}={}", section.name, entry.key, entry.value)).collect::<Vec<_>>()
        };
        configuration.sections().flat_map(lines).collect()
    };
    assert_eq!(all(&again), all(&configuration));
    assert_eq!(all(&configuration).len(), 21);
}
