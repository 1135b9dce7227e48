//! The options of the program itself; those of modules stand beside the modules.

use std::net::IpAddr;

use gridshell_config::{DefaultFor, ModuleName, OptionalModule, Secret, options};

use crate::fastcgi::{ListenerNames, Ports, SocketMode};

options! {
    /// What the program does at start.
    pub struct StartupOptions {
        /// File that holds the process id while the program runs.
        "PIDFile" => pub pid_file: Option<String> = None;
        /// Prompt of the console, without the `# ` that follows it.
        "Prompt" => pub prompt: String = "R.O.B.U.S.T.";
        /// Kind of console: local, basic, rest or none.
        "console" => pub console: String = "local";
        /// Keep the commands typed at the local console in a file.
        "ConsoleHistoryFileEnabled" => pub history_enabled: bool = false;
        /// The file of ConsoleHistoryFileEnabled.
        "ConsoleHistoryFile" => pub history_file: String = "OpenSimConsoleHistory.txt";
        /// Commands kept in ConsoleHistoryFile.
        "ConsoleHistoryFileLines" => pub history_lines: usize = 100;
        /// Put the date and time before each command in ConsoleHistoryFile.
        "ConsoleHistoryTimeStamp" => pub history_time_stamp: bool = false;
        /// Log file; empty for none.
        "logfile" => pub log_file: String = "Robust.log";
        /// File for `stats record`.
        "StatsLogFile" => pub stats_log_file: String = "RobustStats.log";
    }
}

options! {
    /// Ports, addresses and limits of the listeners.
    pub struct NetworkOptions {
        /// Port of the main listener, for connectors that name none.
        "port" => pub port: u16, required;
        /// Addresses that all listeners listen on, separated by commas.
        "BindAddresses" => pub addresses: Addresses = "0.0.0.0, ::";
        /// The main listener speaks TLS.
        "https_main" => pub https_main: bool = false;
        /// Open one more listener, on https_port.
        "https_listener" => pub https_listener: bool = false;
        /// Port of the listener of https_listener.
        "https_port" => pub https_port: u16 = 0;
        /// The listener of https_listener speaks plain HTTP, because a proxy before it speaks TLS.
        "https_external" => pub https_external: bool = false;
        /// Certificate with private key: a PKCS#12 file (.p12, .pfx), or a PEM file.
        "cert_path" => pub cert_path: String = "";
        /// Password of a PKCS#12 file.
        "cert_pass" => pub cert_pass: Secret = "";
        /// Port of the REST console; 0 is the main listener.
        "ConsolePort" => pub console_port: u16 = 0;
        /// User name at the REST console; empty lets nobody in.
        "ConsoleUser" => pub console_user: String = "";
        /// Password at the REST console.
        "ConsolePass" => pub console_pass: Secret = "";
        /// Value of Access-Control-Allow-Origin on answers of the REST console.
        "ConsoleAllowedOrigin" => pub console_allowed_origin: String = "";
        /// Threads that serve requests, for each listener; 0 is one for each processor.
        "Workers" => pub workers: usize = 0;
        /// Largest request body in bytes.
        "MaxBodyBytes" => pub max_body: usize = 78_905_344;
        /// Longest request target in bytes.
        "MaxTargetBytes" => pub max_target: usize = 4196;
        /// Longest header name in bytes.
        "MaxHeaderNameBytes" => pub max_header_name: usize = 200;
        /// Longest header value in bytes.
        "MaxHeaderValueBytes" => pub max_header_value: usize = 8190;
        /// Requests served on one connection; 0 is no limit.
        "MaxRequestsPerConnection" => pub max_requests_per_connection: u32 = 20;
        /// Open connections of a listener, for each worker.
        "MaxConnectionsPerWorker" => pub max_connections_per_worker: usize = 10_000;
        /// Connections that wait to be accepted.
        "Backlog" => pub backlog: u32 = 64;
        /// Seconds from the connection to the end of the first request's head.
        "HeadTimeout" => pub head_timeout: u64 = 10;
        /// Seconds for the body of a request.
        "RequestTimeout" => pub request_timeout: u64 = 30;
        /// Seconds until an answer must be there, and in which a client must take some of it.
        "ResponseTimeout" => pub response_timeout: u64 = 180;
        /// Seconds that a connection may be idle.
        "IdleTimeout" => pub idle_timeout: u64 = 60;
        /// Seconds that requests under way get when the program stops.
        "StopTimeout" => pub stop_timeout: u64 = 30;
        /// Addresses of proxies whose X-Forwarded-For is believed, separated by commas.
        "TrustedProxies" => pub trusted_proxies: Addresses = "";
    }
}

options! {
    /// The FastCGI listeners, for web servers in front of the program. Limits, times and Workers are those of [Network].
    pub struct FastCgiListenerOptions {
        /// Where to listen, and which port's connectors are served there, as `[port/]unix:PATH`, `[port/]ADDRESS:PORT` or `[port/]fd:0`,
        /// separated by commas; without a port those of the main one. Whoever reaches such a socket is believed about who the client is.
        "Listeners" => pub listeners: ListenerNames;
        /// Ports that are served by FastCGI alone: they get no HTTP listener. Separated by commas.
        "OnlyPorts" => pub only_ports: Ports;
        /// Who may use the Unix sockets, as chmod has it.
        "SocketMode" => pub mode: SocketMode = "660";
        /// Connections that a listener has open at the same time; further ones wait.
        "MaxConnections" => pub max_connections: usize = 1000;
    }
}

options! {
    /// The service authentication of private connectors. Looked up in the connector's section, then in [Network].
    pub struct AuthenticationOptions {
        /// Serve requests of in-world scripts, which carry the header X-SecondLife-Shard.
        "AllowllHTTPRequestIn" => pub allow_scripts: bool = false;
        /// None, or BasicHttpAuthentication.
        "AuthType" => pub auth_type: String = "None";
        /// User name of BasicHttpAuthentication.
        "HttpAuthUsername" => pub user: String = "";
        /// Password of BasicHttpAuthentication.
        "HttpAuthPassword" => pub password: Secret = "";
    }
}

options! {
    /// The log.
    pub struct LoggingOptions {
        /// What is logged: a level, and levels of single modules, as in `info,gridshell_services::asset=debug`.
        "Levels" => pub levels: String = "info,actix_server=warn";
        /// Console lines as the original prints them (text), or one JSON object a line (json).
        "ConsoleFormat" => pub console_format: LogFormat = LogFormat::Text;
        /// The same for the log file.
        "FileFormat" => pub file_format: LogFormat = LogFormat::Text;
        /// Start a new log file: never, hourly or daily. Other than never, the date is put behind the file's name.
        "Rotation" => pub rotation: Rotation = Rotation::Never;
        /// Log files kept when Rotation starts new ones; 0 keeps all.
        "KeepFiles" => pub keep_files: usize = 14;
    }
}

options! {
    /// The listener for whoever watches the program: /healthz, /readyz and /metrics.
    pub struct AdminOptions {
        /// Addresses that it listens on, separated by commas.
        "BindAddresses" => pub addresses: Addresses = "127.0.0.1";
        /// Its port; 0 for no such listener.
        "Port" => pub port: u16 = 8009;
    }
}

options! {
    /// Statistics of the process.
    pub struct MonitoringOptions {
        /// Add processor and memory statistics to `stats show`.
        "ServerStatsEnabled" => pub server_stats: bool = false;
    }
}

/// Addresses, in the .ini separated by commas.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(transparent)]
pub struct Addresses(pub Vec<IpAddr>);

impl DefaultFor<Addresses> for &str {
    fn into_default(self) -> Addresses {
        Addresses(self.split(',').filter_map(|address| address.trim().parse().ok()).collect())
    }
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// As the original prints them.
    Text,
    /// One JSON object a line.
    Json,
}

/// Who may register names and keys through the faces for scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RegistrationKind {
    /// Everybody.
    Open,
    /// Who asks from a region's address.
    Regions,
    /// Who knows the secret.
    Secret,
    /// Nobody.
    Off,
}

/// Which generation of gosl-basics' sentences is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
pub enum GoslSpelling {
    /// That of 2017.
    #[serde(rename = "2017")]
    Of2017,
    /// That of 2025.
    #[serde(rename = "2025")]
    Of2025,
}

impl DefaultFor<GoslSpelling> for &str {
    fn into_default(self) -> GoslSpelling {
        if self == "2025" { GoslSpelling::Of2025 } else { GoslSpelling::Of2017 }
    }
}

/// When a new log file is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rotation {
    /// Never.
    Never,
    /// Every hour.
    Hourly,
    /// Every day.
    Daily,
}

options! {
    /// The service behind a connector.
    pub struct ConnectorOptions {
        /// The module that answers, as `[section@]library:class` or one of our own names.
        "LocalServiceModule" => pub module: ModuleName, required;
    }
}

options! {
    /// The asset connector.
    pub struct AssetConnectorOptions {
        /// Let DELETE remove map tiles.
        "AllowRemoteDelete" => pub allow_delete: bool = false;
        /// Let DELETE remove assets of all types; only together with AllowRemoteDelete.
        "AllowRemoteDeleteAllTypes" => pub allow_delete_all_types: bool = false;
        /// Answer a miss with a redirect to this address followed by the path.
        "RedirectURL" => pub redirect_url: String = "";
        /// Memory for encoded answers, in megabytes; 0 keeps none.
        "CacheMegabytes" => pub cache_megabytes: u64 = 64;
    }
}

options! {
    /// The asset service on a database.
    pub struct AssetServiceOptions {
        /// Loader of default assets; empty for none.
        "DefaultAssetLoader" => pub loader: OptionalModule;
        /// Control file of the loader.
        "AssetLoaderArgs" => pub loader_file: String = "";
        /// Load the default assets at start.
        "AssetLoaderEnabled" => pub loader_enabled: bool = true;
    }
}

options! {
    /// The inventory service on a database.
    pub struct InventoryServiceOptions {
        /// Folders and items may be deleted; where not, only links are.
        "AllowDelete" => pub allow_delete: bool = true;
        /// What belongs to another user than the one that a request names does not exist for it. When false that user is ignored, as
        /// newer versions of OpenSimulator do.
        "StrictOwner" => pub strict_owner: bool = true;
    }
}

options! {
    /// The name2key service on a database.
    pub struct Name2KeyServiceOptions {
        /// Grids whose avatars come first when several have a name, in this order, separated by commas; the asker's grid is before them.
        "DefaultGrids" => pub default_grids: Vec<String>;
        /// File of keys, a UUID a line, that are answered as unknown; `#` and `;` begin comments. Empty for none.
        "OptOutFile" => pub opt_out_file: String = "";
        /// Seconds for which what was found is answered again without asking the database. Changes that come through this shell are
        /// seen at once; those of others, such as an import, after this time. 0 asks each time.
        "RememberSeconds" => pub remember_seconds: u64 = 30;
        /// Section of another name2key service that is asked first, and wins over what is stored here. Empty for none.
        "AskFirst" => pub ask_first: String = "";
    }
}

options! {
    /// The faces of name2key for scripts in the world.
    pub struct Name2KeyFaceOptions {
        /// Who may register through name2key_gosl: open (everybody), regions (RegionAddresses), secret (who knows RegistrationSecret),
        /// off (nobody).
        "Registration" => pub registration: RegistrationKind = RegistrationKind::Regions;
        /// Addresses and networks of regions, as in `192.0.2.7, 198.51.100.0/24`.
        "RegionAddresses" => pub region_addresses: Vec<String>;
        /// What the parameter `secret` of a registration must be.
        "RegistrationSecret" => pub registration_secret: Secret = "";
        /// Registrations that one address may send in a minute; 0 is no limit.
        "RegistrationsPerMinute" => pub registrations_per_minute: u32 = 60;
        /// Look-ups that one address may send in a minute; 0 is no limit.
        "LookUpsPerMinute" => pub look_ups_per_minute: u32 = 0;
        /// Grids of addresses and networks, as in `192.0.2.0/24 mygrid, 198.51.100.7 other.example:8002`.
        "GridOfAddresses" => pub grid_of_addresses: String = "";
        /// The sentences of name2key_gosl: 2017 or 2025.
        "Spelling" => pub spelling: GoslSpelling = "2017";
        /// Path that name2key_gosl answers under, as in `/gosl`; empty for everything that no other connector of its port answers.
        "GoslPath" => pub gosl_path: String = "";
    }
}

options! {
    /// The library of files, which every user sees. It is loaded when there is a section [LibraryService].
    pub struct LibraryServiceOptions {
        /// Name of the library's root folder.
        "LibraryName" => pub name: String = "OpenSim Library";
        /// Control file that lists the library's files.
        "DefaultLibrary" => pub control_file: String = "inventory/Libraries.xml";
    }
}

options! {
    /// The database. Looked up in the service's section, then in [DatabaseService].
    pub struct DatabaseOptions {
        /// Kind of database: sqlite, mysql or postgres, or OpenSimulator's names for them.
        "StorageProvider" => pub provider: ModuleName, required;
        /// How the database is reached, as `key=value;key=value`; the keys are those of the .NET drivers.
        "ConnectionString" => pub connection_string: Secret = "";
    }
}

options! {
    /// The baked texture service on files.
    pub struct BakedTextureOptions {
        /// Folder of the documents; made when it is missing.
        "BaseDirectory" => pub base_directory: String, required;
    }
}
