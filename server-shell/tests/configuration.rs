//! What the program makes of an .ini file: `check`, `options`, the switches, and what it says of mistakes.

mod common;

use std::fs;

use common::{Shell, free_port, run};
use tempfile::TempDir;

/// A folder with a Robust.ini.
fn folder(ini: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("Robust.ini"), ini).unwrap();
    folder
}

/// The number of the line that contains a text.
fn line_of(ini: &str, text: &str) -> usize {
    ini.lines().position(|line| line.contains(text)).unwrap_or_else(|| panic!("no line has {text:?}")) + 1
}

/// The smallest configuration that works, on SQLite.
const SMALL: &str = r#"
[Network]
    port = 9999
[ServiceList]
    AssetServiceConnector = "OpenSim.Server.Handlers.dll:AssetServiceConnector"
[DatabaseService]
    StorageProvider = "OpenSim.Data.SQLite.dll"
    ConnectionString = "URI=file:test.db"
[AssetService]
    LocalServiceModule = "OpenSim.Services.AssetService.dll:AssetService"
[Admin]
    Port = 0
"#;

#[test]
fn check_finds_nothing_in_a_good_file_and_touches_nothing() {
    let folder = folder(SMALL);
    assert_eq!(run(folder.path(), &["check"]), (Some(0), "0 errors, 0 warnings\n".to_owned()));
    let files: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files, ["Robust.ini"], "no database, no log, no PID file");
}

#[test]
fn check_tells_all_mistakes_at_once_each_with_its_line() {
    let ini = r#"
[Startup]
    ConsoleHistoryFileLines = many
[Network]
    port = 8003x
    https_main = on
    BindAddresses = "127.0.0.1, localhost"
    Portt = 1
[ServiceList]
    One = "8003/OpenSim.Server.Handlers.dll:AssetServiceConector"
    Two = "notaport/OpenSim.Server.Handlers.dll:AssetServiceConnector"
    Three = "OpenSim.Server.Handlers.dll:AssetServiceConnector"
    Four = "NoSuchSection@8003/OpenSim.Server.Handlers.dll:AssetServiceConnector"
[DatabaseService]
    StorageProvider = "OpenSim.Data.MySQL5.dll"
    ConnectionString = "Data Source=localhost;Database=opensim;User ID=opensim;Password=hush-hush"
[AssetService]
    LocalServiceModule = "OpenSim.Services.AssetService.dll:AssetService"
    AllowRemoteDelete = perhaps
[Logging]
    Rotation = weekly
"#;
    let (code, output) = run(folder(ini).path(), &["check"]);
    assert_eq!(code, Some(1), "{output}");
    for (severity, at, what, hint) in [
        ("error", "ConsoleHistoryFileLines", "Startup/ConsoleHistoryFileLines", "\"many\""),
        ("error", "8003x", "Network/port", "\"8003x\""),
        ("error", "https_main", "Network/https_main", "\"on\" is neither true nor false"),
        ("error", "localhost\"", "Network/BindAddresses", "localhost"),
        ("warning", "Portt", "Network/Portt", "port"),
        ("error", "AssetServiceConector", "ServiceList/One", "OpenSim.Server.Handlers.dll:AssetServiceConnector"),
        ("error", "notaport", "ServiceList/Two", "notaport"),
        ("error", "NoSuchSection", "ServiceList/Four", "[NoSuchSection]"),
        ("error", "MySQL5", "DatabaseService/StorageProvider", "OpenSim.Data.MySQL.dll"),
        ("error", "perhaps", "AssetService/AllowRemoteDelete", "\"perhaps\" is neither true nor false"),
        ("error", "weekly", "Logging/Rotation", "never, hourly, daily"),
    ] {
        let beginning = format!("{severity}: Robust.ini:{}: {what}: ", line_of(ini, at));
        let line = output.lines().find(|line| line.starts_with(&beginning));
        let line = line.unwrap_or_else(|| panic!("no line begins with {beginning:?}:\n{output}"));
        assert!(line[beginning.len()..].contains(hint), "{line:?} does not speak of {hint:?}");
    }
    assert!(output.ends_with("10 errors, 1 warnings\n"), "{output}");
    assert!(!output.contains("hush-hush"), "a password is shown:\n{output}");
}

#[test]
fn a_cache_that_another_section_has_the_size_of_is_told() {
    let second = "Other = \"Other@8004/OpenSim.Server.Handlers.dll:AssetServiceConnector\"\n[DatabaseService]";
    let other = |key: &str| {
        SMALL.replace("[DatabaseService]", second)
            + "[Other]\nLocalServiceModule = \"OpenSim.Services.AssetService.dll:AssetService\"\n"
            + key
    };
    assert_eq!(run(folder(&other("CacheMegabytes = 64\n")).path(), &["check"]), (Some(0), "0 errors, 0 warnings\n".to_owned()));
    let ini = other("CacheMegabytes = 0\n");
    let (code, output) = run(folder(&ini).path(), &["check"]);
    let line = line_of(&ini, "CacheMegabytes");
    let message = "Other/CacheMegabytes: [AssetService] has the same assets, and its cache of 64 MB is used here too";
    assert!(code == Some(0) && output.contains(&format!("warning: Robust.ini:{line}: {message}")), "{output}");
}

#[test]
fn what_makes_a_start_impossible_ends_with_1_and_says_where() {
    for (name, ini, at, messages) in [
        ("no [Network]", SMALL.replace("[Network]", "[Netz]"), None, vec!["Section [Network] not found, server can't start"]),
        ("no port", SMALL.replace("port = 9999", ""), Some("[Network]"), vec!["Network/port", "required and missing"]),
        ("port 0", SMALL.replace("9999", "0"), Some("port = 0"), vec!["Network/port", "No 'port' entry found in [Network]"]),
        ("a port in words", SMALL.replace("9999", "nine"), Some("nine"), vec!["Network/port", "\"nine\""]),
        (
            "a bad boolean",
            SMALL.replace("[ServiceList]", "https_listener = ja\n[ServiceList]"),
            Some("ja"),
            vec!["Network/https_listener", "\"ja\" is neither true nor false"],
        ),
        ("a line without =", SMALL.replace("port = 9999", "port = 9999\nnonsense"), Some("nonsense"), vec!["="]),
        ("an open quote", SMALL.replace("test.db\"", "test.db"), Some("test.db"), vec!["\""]),
        ("a section that does not end", SMALL.replace("[Admin]", "[Admin"), Some("[Admin"), vec!["]"]),
        ("a circle", SMALL.replace("9999", "${Network|a}\na = ${Network|port}"), Some("port = ${"), vec!["Network"]),
        ("an unknown reference", SMALL.replace("9999", "${Const|Port}"), Some("${Const|Port}"), vec!["Const"]),
    ] {
        for arguments in [&["-console=none"][..], &["check"]] {
            let (code, output) = run(folder(&ini).path(), arguments);
            assert_eq!(code, Some(1), "{name}, {arguments:?}: {output}");
            let place = at.map_or(String::new(), |at| format!("Robust.ini:{}: ", line_of(&ini, at)));
            let found = output.lines().any(|line| {
                line.starts_with(&format!("error: {place}")) && messages.iter().all(|message| line.contains(message))
            });
            assert!(found, "{name}, {arguments:?}: no line has {place:?} and {messages:?}:\n{output}");
        }
    }
}

#[test]
fn a_configuration_that_is_not_there_is_named() {
    let folder = TempDir::new().unwrap();
    for arguments in [&["-inifile=Nowhere.ini"][..], &["check", "-inifile=Nowhere.ini"]] {
        let (code, output) = run(folder.path(), arguments);
        assert_eq!(code, Some(1), "{output}");
        assert!(output.contains("Nowhere.ini"), "{output}");
    }
}

/// Starts a shell with more entries in front of the list of connectors; gives what it printed.
fn output_with_entries(entries: &str) -> String {
    let ini = common::SQLITE.replace("[ServiceList]\n", &format!("[ServiceList]\n{entries}\n"));
    let shell = Shell::start(&ini);
    shell.wait_for_output("[SERVER]: ready after ");
    assert_eq!(shell.get("/assets/").status, 200, "the other connectors are there");
    shell.output()
}

#[test]
fn an_unknown_connector_is_an_error_and_the_others_load() {
    let output = output_with_entries("Odd = \"OpenSim.Server.Handlers.dll:AssetServiceConector\"");
    assert!(output.contains("AssetServiceConector; is OpenSim.Server.Handlers.dll:AssetServiceConnector meant?"), "{output}");
    assert!(output.contains("[SERVER]: Failed to load OpenSim.Server.Handlers.dll:AssetServiceConector\n"), "{output}");
    assert!(output.contains("[SERVER]: AssetServiceConnector loaded successfully"), "{output}");
}

#[test]
fn a_connector_of_opensimulator_that_does_not_exist_yet_is_one_warning() {
    let output = output_with_entries("Grid = \"OpenSim.Server.Handlers.dll:GridServiceConnector\"");
    let lines: Vec<_> = output.lines().filter(|line| line.contains("GridServiceConnector")).collect();
    assert_eq!(lines.len(), 1, "{output}");
    let message = "ServiceList/Grid: OpenSim.Server.Handlers.dll:GridServiceConnector does not exist in gridshell yet; the entry is skipped";
    assert!(lines[0].ends_with(message), "{}", lines[0]);
}

#[test]
fn who_asks_for_a_certificate_hears_that_none_is_made() {
    let folder = folder(&format!("[Startup]\n    EnableRobustSelfsignedCertSupport = True\n{SMALL}"));
    let (status, output) = run(folder.path(), &["check"]);
    assert_eq!(status, Some(0));
    let place = "warning: Robust.ini:2: Startup/EnableRobustSelfsignedCertSupport: gridshell makes no certificates";
    assert!(output.contains(place) && output.ends_with("0 errors, 1 warnings\n"), "{output}");
}

#[test]
fn a_key_that_nobody_reads_is_a_warning_with_the_nearest_name() {
    let ini = SMALL.replace("[AssetService]", "[AssetService]\n    AlowRemoteDelete = true\n    Frobnicate = 1");
    let (code, output) = run(folder(&ini).path(), &["check"]);
    assert_eq!(code, Some(0), "{output}");
    assert!(output.ends_with("0 errors, 2 warnings\n"), "{output}");
    let place = |key: &str| format!("warning: Robust.ini:{}: AssetService/{key}: ", line_of(&ini, key));
    let warning =
        |key: &str| output.lines().find(|line| line.starts_with(&place(key))).unwrap_or_else(|| panic!("{key}: {output}"));
    assert!(warning("AlowRemoteDelete").contains("AllowRemoteDelete?"), "{output}");
    assert!(!warning("Frobnicate").contains('?'), "nothing is near: {output}");
}

/// A configuration in the manner of a hypergrid operator's: constants, both ports, entries of connectors that are not built, comments
/// in odd places, quotes, an included file.
const HYPERGRID: &str = r#"; A grid's configuration
[Const]
    ; what changes from grid to grid
    BaseHostname = "127.0.0.1" ;the machine
    BaseURL = "http://${Const|BaseHostname}"
    PublicPort = "${public}"
    PrivatePort = "${private}";

[Startup]
    ; PIDFile = "/tmp/robust.pid"
    RegistryLocation = "."
    ConfigDirectory = "robust-include"
    ConsoleHistoryFileEnabled = true
    ConsoleHistoryFile = "RobustConsoleHistory.txt"
    ConsoleHistoryFileLines = 100
    NoVerifyCertChain = true
    NoVerifyCertHostname = true

[ServiceList]
    AssetServiceConnector = "${Const|PrivatePort}/OpenSim.Server.Handlers.dll:AssetServiceConnector"
    InventoryInConnector = "${Const|PrivatePort}/OpenSim.Server.Handlers.dll:XInventoryInConnector"
    ; VoiceConnector = "8004/OpenSim.Server.Handlers.dll:FreeswitchServerConnector"
    GridServiceConnector = "${Const|PrivatePort}/OpenSim.Server.Handlers.dll:GridServiceConnector"
    GridInfoServerInConnector = "${Const|PublicPort}/OpenSim.Server.Handlers.dll:GridInfoServerInConnector"
    AuthenticationServiceConnector = "${Const|PrivatePort}/OpenSim.Server.Handlers.dll:AuthenticationServiceConnector"
    OpenIdServerConnector = "${Const|PublicPort}/OpenSim.Server.Handlers.dll:OpenIdServerConnector"
    AvatarServiceConnector = "${Const|PrivatePort}/OpenSim.Server.Handlers.dll:AvatarServiceConnector"
    LLLoginServiceInConnector = "${Const|PublicPort}/OpenSim.Server.Handlers.dll:LLLoginServiceInConnector"
    PresenceServiceConnector = "${Const|PrivatePort}/OpenSim.Server.Handlers.dll:PresenceServiceConnector"
    UserAccountServiceConnector = "${Const|PrivatePort}/OpenSim.Server.Handlers.dll:UserAccountServiceConnector"
    GridUserServiceConnector = "${Const|PrivatePort}/OpenSim.Server.Handlers.dll:GridUserServiceConnector"
    AgentPreferencesServiceConnector = "${Const|PrivatePort}/OpenSim.Server.Handlers.dll:AgentPreferencesServiceConnector"
    FriendsServiceConnector = "${Const|PrivatePort}/OpenSim.Server.Handlers.dll:FriendsServiceConnector"
    MapAddServiceConnector = "${Const|PrivatePort}/OpenSim.Server.Handlers.dll:MapAddServiceConnector"
    MapGetServiceConnector = "${Const|PublicPort}/OpenSim.Server.Handlers.dll:MapGetServiceConnector"
    OfflineIMServiceConnector = "${Const|PrivatePort}/OpenSim.Addons.OfflineIM.dll:OfflineIMServiceRobustConnector"
    GroupsServiceConnector = "${Const|PrivatePort}/OpenSim.Addons.Groups.dll:GroupsServiceRobustConnector"
    BakedTextureService = "${Const|PrivatePort}/OpenSim.Server.Handlers.dll:XBakesConnector"
    EstateDataService = "${Const|PrivatePort}/OpenSim.Server.Handlers.dll:EstateDataRobustConnector"
    MuteListConnector = "${Const|PrivatePort}/OpenSim.Server.Handlers.dll:MuteListServiceConnector"
    GatekeeperServiceInConnector = "${Const|PublicPort}/OpenSim.Server.Handlers.dll:GatekeeperServiceInConnector"
    UserAgentServerConnector = "${Const|PublicPort}/OpenSim.Server.Handlers.dll:UserAgentServerConnector"
    HeloServiceInConnector = "${Const|PublicPort}/OpenSim.Server.Handlers.dll:HeloServiceInConnector"
    HGFriendsServerConnector = "${Const|PublicPort}/OpenSim.Server.Handlers.dll:HGFriendsServerConnector"
    InstantMessageServerConnector = "${Const|PublicPort}/OpenSim.Server.Handlers.dll:InstantMessageServerConnector"
    HGInventoryServiceConnector = "HGInventoryService@${Const|PublicPort}/OpenSim.Server.Handlers.dll:XInventoryInConnector"
    HGAssetServiceConnector = "HGAssetService@${Const|PublicPort}/OpenSim.Server.Handlers.dll:AssetServiceConnector"
    HGGroupsServiceConnector = "${Const|PublicPort}/OpenSim.Addons.Groups.dll:HGGroupsServiceRobustConnector"

[Network]
    port = ${Const|PrivatePort}
    BindAddresses = "127.0.0.1"
    AllowllHTTPRequestIn = false
    ;ConsoleUser = "Test"

[Hypergrid]
    HomeURI = "${Const|BaseURL}:${Const|PublicPort}"
    GatekeeperURI = "${Const|BaseURL}:${Const|PublicPort}"

[AccessControl]
    ; AllowedClients = ""
    DeniedClients = "Imprudence|CopyBot|Twisted|Crawler"

[DatabaseService]
    StorageProvider = "OpenSim.Data.SQLite.dll" ; first
    StorageProvider = "OpenSim.Data.MySQL.dll"  ; a second one in the same section does not count
    ConnectionString = "URI=file:grid.db;UseUTF16Encoding=True"

[AssetService]
    LocalServiceModule = "OpenSim.Services.AssetService.dll:AssetService"
    AssetLoaderArgs = "./assets/AssetSets.xml"
    AllowRemoteDelete = true
    AllowRemoteDeleteAllTypes = false

[InventoryService]
    LocalServiceModule = "OpenSim.Services.InventoryService.dll:XInventoryService"
    AllowDelete = true

[GridService]
    LocalServiceModule = "OpenSim.Services.GridService.dll:GridService"
    HypergridLinker = true
    Region_Welcome_Area = "DefaultRegion, FallbackRegion"

[GridInfoService]
    login = ${Const|BaseURL}:${Const|PublicPort}/
    gridname = "the lost continent of hippo"
    gridnick = "hippogrid"

[LoginService]
    LocalServiceModule = "OpenSim.Services.LLLoginService.dll:LLLoginService"
    WelcomeMessage = "Welcome, Avatar! (1; 2)"
    SRV_HomeURI = "${Const|BaseURL}:${Const|PublicPort}"

[BakedTextureService]
    LocalServiceModule = "OpenSim.Server.Handlers.dll:XBakes"
    BaseDirectory = "./bakes"

[HGAssetService]
    LocalServiceModule = "OpenSim.Services.HypergridService.dll:HGAssetService"
    UserAccountsService = "OpenSim.Services.UserAccountService.dll:UserAccountService"
    AuthType = None

[HGInventoryService]
    LocalServiceModule = "OpenSim.Services.HypergridService.dll:HGSuitcaseInventoryService"
    UserAccountsService = "OpenSim.Services.UserAccountService.dll:UserAccountService"
    AvatarService = "OpenSim.Services.AvatarService.dll:AvatarService"
    AuthType = None

[LibraryService]
    LibraryName = "OpenSim Library"
    DefaultLibrary = "./inventory/Libraries.xml"

[Admin]
    Port = ${admin}
"#;

#[test]
fn a_hypergrid_configuration_checks_and_starts() {
    let (public, private) = (free_port(), free_port());
    // The harness asks the main port, which is the private one.
    let ini = HYPERGRID.replace("${public}", &public.to_string()).replace("\"${private}\"", "\"${port}\"");
    let checked = folder(&ini.replace("${port}", &private.to_string()).replace("${admin}", "0"));
    let (code, output) = run(checked.path(), &["check"]);
    assert_eq!(code, Some(0), "{output}");
    assert!(output.lines().last().unwrap().starts_with("0 errors, "), "{output}");
    // One for each connector that is not built, and none for keys and sections of those.
    let (skipped, others): (Vec<_>, Vec<_>) = output
        .lines()
        .filter(|line| line.starts_with("warning: "))
        .partition(|line| line.contains("does not exist in gridshell yet; "));
    let entries = ini
        .lines()
        .filter(|line| line.trim_start().starts_with(char::is_alphabetic) && line.contains(".dll:") && line.contains("Port}/"))
        .count();
    assert_eq!(skipped.len(), entries - 3, "all but those of assets, baked textures and inventories: {output}");
    assert_eq!(others.len(), 1, "{output}");
    assert!(others[0].contains("DatabaseService/StorageProvider: is given twice; the first, in line "), "{output}");

    let shell = Shell::start(&ini);
    assert_eq!(shell.get("/assets/").status, 200);
    let bake = "/bakes/11111111-2222-3333-4444-555555555555";
    assert_eq!(shell.post(bake, b"<BakedAppearance />").status, 200);
    assert_eq!(shell.get(bake).text(), "<BakedAppearance />");
    let user = "METHOD=CREATEUSERINVENTORY&PRINCIPAL=11111111-2222-3333-4444-555555555555";
    assert!(shell.post("/xinventory", user.as_bytes()).text().contains("<RESULT>True</RESULT>"));
    shell.wait_for_output("[SERVER]: ready after ");
    assert!(shell.folder.path().join("grid.db").exists());
}

/// Keys that belong to sections which are always read, with their types and defaults as they are printed.
#[test]
fn options_tells_key_type_default_and_meaning() {
    let folder = TempDir::new().unwrap();
    let (code, output) = run(folder.path(), &["options"]);
    assert_eq!(code, Some(0));
    for (section, option) in [
        ("Startup", "PIDFile (string, none)"),
        ("Startup", "Prompt (string, \"R.O.B.U.S.T.\")"),
        ("Startup", "ConsoleHistoryFileLines (int, 100)"),
        ("Network", "port (int, required)"),
        ("Network", "https_main (bool, false)"),
        ("Network", "cert_pass (secret, \"\")"),
        ("Network", "MaxRequestsPerConnection (int, 20)"),
        ("Network", "MaxBodyBytes (int, 78905344)"),
        ("Network", "AuthType (string, \"None\")"),
        ("Logging", "Levels (string, "),
        ("Logging", "Rotation (Rotation, never)"),
        ("Admin", "Port (int, 8009)"),
        ("Monitoring", "ServerStatsEnabled (bool, false)"),
        ("DatabaseService", "StorageProvider (module, required)"),
        ("DatabaseService", "ConnectionString (secret, \"\")"),
        ("AssetService", "LocalServiceModule (module, required)"),
        ("AssetService", "AllowRemoteDelete (bool, false)"),
        ("AssetService", "RedirectURL (string, \"\")"),
        ("AssetService", "DefaultAssetLoader (module, none)"),
        ("AssetService", "CacheMegabytes (int, 64)"),
        ("AssetService", "HttpAuthPassword (secret, \"\")"),
        ("InventoryService", "AllowDelete (bool, true)"),
        ("InventoryService", "StrictOwner (bool, true)"),
        ("LibraryService", "DefaultLibrary (string, \"inventory/Libraries.xml\")"),
        ("BakedTextureService", "BaseDirectory (string, required)"),
    ] {
        let after = output.split(&format!("[{section}]\n")).nth(1).unwrap_or_else(|| panic!("no [{section}]:\n{output}"));
        let of_section = after.split("\n[").next().unwrap();
        assert!(
            of_section.contains(&format!("\n    {option}")) || of_section.starts_with(&format!("    {option}")),
            "[{section}] {option}:\n{output}"
        );
    }
    // Every key is followed by its meaning, a sentence or more.
    let lines: Vec<_> = output.lines().filter(|line| !line.starts_with('[')).collect();
    for pair in lines.chunks(2) {
        assert!(pair[0].starts_with("    ") && pair[0].ends_with(')'), "{pair:?}");
        assert!(pair[1].starts_with("        ") && pair[1].trim().len() > 5 && pair[1].ends_with('.'), "{pair:?}");
    }
    let headers: Vec<_> = output.lines().filter(|line| line.starts_with('[')).collect();
    assert_eq!(headers.len(), headers.iter().collect::<std::collections::BTreeSet<_>>().len(), "each section once");
}

/// The keys of each section that `gridshell options` prints, with their defaults.
fn listed_options() -> Vec<(String, Vec<(String, String)>)> {
    let folder = TempDir::new().unwrap();
    let (_, output) = run(folder.path(), &["options"]);
    let mut sections: Vec<(String, Vec<(String, String)>)> = Vec::new();
    for line in output.lines() {
        if let Some(section) = line.strip_prefix('[') {
            sections.push((section.trim_end_matches(']').to_owned(), Vec::new()));
        } else if let Some((key, rest)) =
            line.strip_prefix("    ").filter(|line| !line.starts_with(' ')).and_then(|line| line.split_once(" ("))
        {
            let default = rest.trim_end_matches(')').split_once(", ").unwrap().1;
            sections.last_mut().unwrap().1.push((key.to_owned(), default.to_owned()));
        }
    }
    sections
}

/// The keys of ROBUST's own sections that the built services read (shell.md sections 5 and 11) must all be explained.
#[test]
fn options_lists_every_key_that_is_read() {
    let listed = listed_options();
    for (section, keys) in [
        (
            "Startup",
            "PIDFile Prompt console logfile StatsLogFile ConsoleHistoryFileEnabled ConsoleHistoryFile ConsoleHistoryFileLines \
                     ConsoleHistoryTimeStamp",
        ),
        (
            "Network",
            "port https_main https_listener https_port https_external cert_path cert_pass ConsolePort ConsoleUser ConsolePass \
                     ConsoleAllowedOrigin AuthType HttpAuthUsername HttpAuthPassword AllowllHTTPRequestIn",
        ),
        ("DatabaseService", "StorageProvider ConnectionString"),
        (
            "AssetService",
            "LocalServiceModule AllowRemoteDelete AllowRemoteDeleteAllTypes RedirectURL DefaultAssetLoader AssetLoaderArgs \
                          AssetLoaderEnabled StorageProvider ConnectionString AuthType HttpAuthUsername HttpAuthPassword \
                          AllowllHTTPRequestIn",
        ),
        (
            "InventoryService",
            "LocalServiceModule AllowDelete StorageProvider ConnectionString AuthType HttpAuthUsername HttpAuthPassword \
             AllowllHTTPRequestIn",
        ),
        ("LibraryService", "LibraryName DefaultLibrary"),
        (
            "BakedTextureService",
            "LocalServiceModule BaseDirectory AuthType HttpAuthUsername HttpAuthPassword AllowllHTTPRequestIn",
        ),
        ("Monitoring", "ServerStatsEnabled"),
    ] {
        let (_, listed) = listed.iter().find(|(name, _)| name == section).unwrap_or_else(|| panic!("[{section}]"));
        for key in keys.split(' ') {
            assert!(listed.iter().any(|(name, _)| name == key), "[{section}] {key} is not printed");
        }
    }
}

/// The other way round: all that is printed is read, and its defaults are what one writes.
#[test]
fn every_listed_option_is_read_and_its_default_can_be_written() {
    let mut sections = listed_options();
    // Its keys are free, so there is nothing in it that could go unread.
    sections.retain(|(section, _)| section != "ServiceList");
    // Those of plugins are read where a plugin is named; the tests of plugins look at them.
    sections.retain(|(section, _)| !section.starts_with("Plugin"));
    // Some options are those of local services, some those of OUT connectors.
    let (local, remote) = (unread_options(&sections, ""), unread_options(&sections, "remote_"));
    let unread: Vec<_> = local.iter().filter(|line| remote.contains(*line)).collect();
    assert_eq!(unread.len(), sections.len(), "{unread:#?}");
    assert!(unread.iter().all(|line| line.ends_with("/Nonsense: nobody reads this key")), "{unread:#?}");
}

/// The warnings when every option is set to its default and services are the modules whose names begin so; there are no others than that
/// nobody reads a key.
fn unread_options(sections: &[(String, Vec<(String, String)>)], prefix: &str) -> Vec<String> {
    // One service is local always, so that there is somebody who reads what is said of databases.
    let mut ini = "[ServiceList]\nA = \"asset\"\nB = \"baked_texture\"\nI = \"inventory\"\nN = \"8010/name2key_gosl\"\n\
         L = \"Local@8011/asset\"\nF = \"8012/forward\"\nS = \"8013/shadow\"\n[Local]\nLocalServiceModule = asset\n"
        .to_owned();
    let module = |name: &str| format!("{prefix}{name}");
    let modules = ["asset", "inventory", "name2key"].map(module);
    for (section, options) in sections {
        ini.push_str(&format!("[{section}]\n"));
        for (key, default) in options.iter().filter(|(key, _)| !key.contains('<')) {
            let value = match (section.as_str(), key.as_str(), default.as_str()) {
                (_, "port", _) => "9999",
                ("AssetService", "LocalServiceModule", _) => &modules[0],
                ("BakedTextureService", "LocalServiceModule", _) => "baked_texture",
                ("InventoryService", "LocalServiceModule", _) => &modules[1],
                ("Name2KeyService", "LocalServiceModule", _) => &modules[2],
                (_, "AssetServerURI" | "InventoryServerURI" | "Name2KeyServerURI", _) => "http://storage:8003",
                (_, "URI" | "AnswerURI" | "ShadowURI", _) => "http://storage:8003",
                // Without one nobody could register, which is a warning.
                ("Name2KeyService", "RegionAddresses", _) => "127.0.0.1",
                (_, "StorageProvider", _) => "sqlite",
                (_, "BaseDirectory", _) => "bakes",
                (_, _, "none") => "",
                (_, _, default) => default,
            };
            ini.push_str(&format!("{key} = {value}\n"));
        }
        // Proves that a key that nobody reads would be noticed.
        ini.push_str("Nonsense = 1\n");
    }
    let (code, output) = run(folder(&ini).path(), &["check"]);
    assert_eq!(code, Some(0), "{output}");
    let (unread, rest): (Vec<_>, Vec<_>) = output.lines().partition(|line| line.contains(": nobody reads this key"));
    assert_eq!(rest, [format!("0 errors, {} warnings", unread.len())], "{output}");
    unread.into_iter().map(str::to_owned).collect()
}

#[test]
fn switches_take_one_dash_or_two() {
    let folder = folder(SMALL);
    let other = folder.path().join("Other.ini");
    fs::write(&other, SMALL.replace("9999", "other")).unwrap();
    for switches in [
        &["-inifile=Other.ini"][..],
        &["--inifile=Other.ini"],
        &["-inifile:Other.ini"],
        &["-inifile", "Other.ini"],
        &["--inifile", "Other.ini"],
        &["-i", "Other.ini"],
        &["-i=Other.ini"],
        &["--i=Other.ini"],
        &["/inifile=Other.ini"],
        &["-INIFILE=Other.ini"],
        &["-inifile=\"Other.ini\""],
        &["-i=Robust.ini", "-inifile=Other.ini"],
        &["-inifile", other.to_str().unwrap()],
    ] {
        let arguments = [&["check"][..], switches].concat();
        let (code, output) = run(folder.path(), &arguments);
        assert!(code == Some(1) && output.contains("\"other\""), "{switches:?} is not understood: {output}");
    }
    let (code, output) = run(folder.path(), &["check", "-inifile=a.ini", "-inifile=b.ini"]);
    assert!(code == Some(1) && output.contains("inifile"), "the same switch twice: {output}");
}

#[test]
fn commands_of_the_command_line() {
    let folder = TempDir::new().unwrap();
    let version = format!("gridshell {}\n", env!("CARGO_PKG_VERSION"));
    for arguments in [["version"], ["--version"], ["-version"]] {
        assert_eq!(run(folder.path(), &arguments), (Some(0), version.clone()));
    }
    for arguments in [["help"], ["--help"], ["-h"]] {
        let (code, output) = run(folder.path(), &arguments);
        assert!(code == Some(0) && output.contains("gridshell check"), "{output}");
    }
    let (code, output) = run(folder.path(), &["chek"]);
    assert!(code == Some(2) && output.contains("there is no command chek"), "{output}");
}
