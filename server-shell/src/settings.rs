//! The options of the program itself; those of modules stand beside the modules.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

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
    /// The service authentication of private connectors, and of OUT connectors at the shells that they ask. Looked up in the connector's
    /// section, then in [Network].
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

impl AuthenticationOptions {
    /// Whether there are credentials at all.
    pub fn is_basic(&self) -> bool {
        self.auth_type == "BasicHttpAuthentication"
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

impl AdminOptions {
    /// Where the admin listener listens; nowhere when its port is 0.
    pub fn socket_addresses(&self) -> Vec<SocketAddr> {
        let addresses = self.addresses.0.iter().filter(|_| self.port != 0);
        addresses.map(|address| SocketAddr::new(*address, self.port)).collect()
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
        /// The module that answers, as `[section@]library:class`, one of our own names, or `libx.so:service` for a plugin.
        "LocalServiceModule" => pub module: ModuleName, required;
    }
}

options! {
    /// How OUT connectors check the certificates of the shells that they ask (shell.md section 7.6).
    pub struct CertificateOptions {
        /// Believe certificates of other shells that lead to no known root.
        "NoVerifyCertChain" => pub any_chain: bool = false;
        /// Believe certificates of other shells that are for another name.
        "NoVerifyCertHostname" => pub any_name: bool = false;
    }
}

options! {
    /// The shells behind an OUT connector. Addresses are written as `http://a:8003, http://b:8003*3`: separated by commas, behind `*` a
    /// weight from 1 to 100. Times are in seconds.
    pub struct UpstreamOptions {
        /// Addresses that take what changes something; empty for those that are read from.
        "WriteURI" => pub write_uri: String = "";
        /// With WriteURI: how long after a write reads of the same thing go where it went; 0 is never.
        "ReadYourWrites" => pub read_your_writes: Seconds = 10.0;
        /// How an address is chosen: least-busy, round-robin, or hash (the same asset or user at the same address).
        "Policy" => pub policy: UpstreamPolicy = "least-busy";
        /// Time to connect.
        "ConnectTimeout" => pub connect_time: Seconds = 4.0;
        /// How long nothing may come of an answer until another address is asked, where that is safe and there is one.
        "Patience" => pub patience: Seconds = 5.0;
        /// How long nothing may come at all.
        "AnswerTimeout" => pub answer_time: Seconds = 30.0;
        /// Whole seconds for AnswerTimeout, under the original's name; -1 or 0 for AnswerTimeout itself.
        "RemoteRequestTimeout" => pub remote_request_timeout: i32 = -1;
        /// Time for everything: all attempts, and the whole answer.
        "TotalTimeout" => pub total_time: Seconds = 60.0;
        /// Largest answer in bytes.
        "MaxAnswerBytes" => pub answer_size: usize = 83_886_080;
        /// Requests under way at all addresses together; one more is refused with 503 at once.
        "MaxRequestsUnderWay" => pub in_flight: u32 = 1024;
        /// Idle connections kept for each address and each worker of a listener.
        "IdleConnections" => pub idle_connections: usize = 32;
        /// How long a connection may be idle.
        "IdleConnectionTime" => pub idle_time: Seconds = 25.0;
        /// Attempts for a request, each at another address.
        "Attempts" => pub attempts: u32 = 4;
        /// Share of requests that may be repeated in the long run.
        "RetryShare" => pub retry_share: f64 = 0.2;
        /// Repetitions in a second that are allowed besides.
        "RetriesPerSecond" => pub retries_per_second: f64 = 10.0;
        /// How many repetitions can be saved up for a bad moment.
        "RetryBurst" => pub retry_burst: f64 = 500.0;
        /// Failures in a row after which an address is left alone for a while.
        "EjectAfter" => pub eject_after: u32 = 3;
        /// How long the first time; each time that follows is twice as long.
        "EjectTime" => pub eject_time: Seconds = 2.0;
        /// The longest of these times.
        "MaxEjectTime" => pub max_eject_time: Seconds = 30.0;
        /// Ask every address again and again whether it is there.
        "HealthCheck" => pub check: bool = true;
        /// What is asked for.
        "HealthCheckPath" => pub check_path: String = "/";
        /// Time between checks.
        "HealthCheckInterval" => pub check_interval: Seconds = 5.0;
        /// Time that a check may take.
        "HealthCheckTimeout" => pub check_time: Seconds = 2.0;
        /// Failing checks in a row until an address counts as away.
        "HealthCheckFailures" => pub check_failures: u32 = 2;
        /// Passing checks in a row until it counts as back.
        "HealthCheckSuccesses" => pub check_successes: u32 = 1;
        /// Only an answer with a status of success passes; else any answer does, since the original answers 404 at `/`.
        "HealthCheckSuccessOnly" => pub check_success_only: bool = false;
    }
}

options! {
    /// The connector that passes requests on as they are. Of TotalTimeout it is the beginning of the answer that counts, and
    /// MaxAnswerBytes is no limit to it.
    pub struct ForwardOptions {
        /// Paths that are passed on, separated by commas: all that begins so and belongs to no longer path of the port; `/` is everything
        /// that no other connector answers.
        "Path" => pub path: String = "/";
        /// The Host header that the other shell sees: client (as the client has sent it) or upstream (its own address).
        "Host" => pub host: HostOption = "client";
        /// Add who asks to the header X-Forwarded-For, which is the only one that is touched.
        "ForwardedFor" => pub forwarded_for: bool = true;
        /// Largest request body, in megabytes.
        "MaxBodyMegabytes" => pub max_body_megabytes: u64 = 256;
    }
}

options! {
    /// The connector that passes requests on and compares the answer with another shell's. Up to three times MaxShadowKilobytes is kept in
    /// memory for each of MaxShadows.
    pub struct ShadowOptions {
        /// Verbs whose requests are sent to ShadowURI too, separated by commas. Add POST and DELETE only where the two sides have data of
        /// their own: where they share a database, what changes something would be done twice.
        "Verbs" => pub verbs: String = "GET, HEAD";
        /// Longest body of a request or answer that is copied and compared, in kilobytes. What is longer is answered all the same.
        "MaxShadowKilobytes" => pub max_shadow_kilobytes: usize = 1024;
        /// Copies under way; while there are so many, requests are answered without a copy.
        "MaxShadows" => pub max_shadows: usize = 64;
        /// Log the beginnings of values that differ, and not only where and how long they are. They may be secrets, such as tokens.
        "LogValues" => pub log_values: bool = false;
    }
}

/// Which Host header goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HostOption {
    /// The client's.
    Client,
    /// The upstream's.
    Upstream,
}

impl DefaultFor<HostOption> for &str {
    fn into_default(self) -> HostOption {
        if self == "upstream" { HostOption::Upstream } else { HostOption::Client }
    }
}

/// A time from 0 to a day; in the .ini in seconds, fractions allowed.
#[derive(Clone, Copy, Debug, PartialEq, serde::Deserialize)]
#[serde(try_from = "f64")]
pub struct Seconds(pub Duration);

impl TryFrom<f64> for Seconds {
    type Error = &'static str;

    fn try_from(seconds: f64) -> Result<Self, Self::Error> {
        let time = Duration::try_from_secs_f64(seconds).ok().filter(|time| *time <= Duration::from_secs(86_400));
        time.map(Self).ok_or("is no time from 0 to 86400 seconds")
    }
}

impl DefaultFor<Seconds> for f64 {
    fn into_default(self) -> Seconds {
        Seconds(Duration::from_secs_f64(self))
    }
}

/// How one of several addresses is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpstreamPolicy {
    /// The one with the fewest requests under way for its weight.
    LeastBusy,
    /// One after the other.
    RoundRobin,
    /// By what the request is about.
    Hash,
}

impl DefaultFor<UpstreamPolicy> for &str {
    fn into_default(self) -> UpstreamPolicy {
        match self {
            "round-robin" => UpstreamPolicy::RoundRobin,
            "hash" => UpstreamPolicy::Hash,
            _ => UpstreamPolicy::LeastBusy,
        }
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
    /// What is kept of the assets of other shells, so that they need not be asked again.
    pub struct AssetKeepingOptions {
        /// Folder of a cache on the disk, which survives restarts. It belongs to this shell alone. Empty for none.
        "DiskCache" => pub disk_cache: String = "";
        /// What the files in DiskCache may take of the disk, in megabytes.
        "DiskCacheMegabytes" => pub disk_cache_megabytes: u64 = 10_240;
        /// Seconds for which assets that may change, those with the flags Maptile and Rewritable, are served without asking again, from
        /// memory and from the disk each.
        "RevalidateSeconds" => pub revalidate: Seconds = 60.0;
        /// Seconds for which it is remembered, in memory, that there is no such asset; 0 is not at all.
        "MissingSeconds" => pub missing: Seconds = 5.0;
        /// Serve what is older than RevalidateSeconds when no shell can be asked.
        "ServeStale" => pub serve_stale: bool = false;
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

options! {
    /// Plugins: libraries that fulfil a service or listen for one. A plugin is named by its file, as in `libx.so:service`, where any other
    /// module is.
    pub struct PluginsOptions {
        /// Folder of the plugins; absolute. It and the files belong to root or the server's user, and nobody else may write to them.
        "Directory" => pub directory: String = "";
        /// Files that may be loaded, separated by commas.
        "Allow" => pub allow: Vec<String>;
        /// Let a process of its own load a library first, so that one that crashes does not crash the program.
        "ProbeInChild" => pub probe: bool = true;
        /// Load libraries that have no note of plugins. For development only.
        "AllowUnmarked" => pub allow_unmarked: bool = false;
        /// Folder for what the program keeps; the copies that `plugin reload` loads are in `plugins` in it.
        "StateDirectory" => pub state_directory: String = "data";
    }
}

options! {
    /// One plugin. It reads its own keys from the same section.
    pub struct PluginOptions {
        /// SHA-256 of the file, in hexadecimal; empty for any.
        "Sha256" => pub sha256: String = "";
        /// The program does not start without the plugin.
        "Required" => pub required: bool = false;
        /// Where the plugin runs: none, in the program's process, or process, in one of its own, which is started anew when it ends.
        "Isolation" => pub isolation: Isolation = "none";
        /// With Isolation = process: megabytes of memory that it can write to; 0 is no limit.
        "MaxMemoryMegabytes" => pub most_memory: u64 = 0;
        /// With Isolation = process: files that it may have open; 0 is as many as the program may have.
        "MaxOpenFiles" => pub most_files: u64 = 0;
        /// What becomes of the plugin when it panics: disable (at the third time in a minute), recreate (a new instance takes the place
        /// of the one that panicked), or abort (the program ends).
        "OnPanic" => pub on_panic: OnPanic = "disable";
        /// Requests at the same time; one more is refused with 503 at once.
        "MaxConcurrent" => pub most_requests: usize = 16;
        /// Seconds for a request, after which the client gets 504.
        "RequestTimeout" => pub request_time: Seconds = 30.0;
        /// Seconds that the plugin has to begin.
        "StartTimeout" => pub start_time: Seconds = 30.0;
        /// Sections that the plugin may read besides its own, separated by commas.
        "ConfigSections" => pub config_sections: Vec<String>;
    }
}

/// The keys that sections of plugins may have for the program itself.
pub fn keys_of_plugin_sections() -> Vec<&'static str> {
    PluginOptions::DESCRIPTIONS.iter().chain(AuthenticationOptions::DESCRIPTIONS).map(|option| option.key).collect()
}

/// Where a plugin runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// In the program's process.
    None,
    /// In one of its own.
    Process,
}

impl DefaultFor<Isolation> for &str {
    fn into_default(self) -> Isolation {
        match self {
            "process" => Isolation::Process,
            _ => Isolation::None,
        }
    }
}

/// What becomes of a plugin that panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnPanic {
    /// It answers nothing any more, when it happens too often.
    Disable,
    /// It begins anew.
    Recreate,
    /// The program ends.
    Abort,
}

impl DefaultFor<OnPanic> for &str {
    fn into_default(self) -> OnPanic {
        match self {
            "recreate" => OnPanic::Recreate,
            "abort" => OnPanic::Abort,
            _ => OnPanic::Disable,
        }
    }
}
