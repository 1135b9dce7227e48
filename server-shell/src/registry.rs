//! The table of everything that an .ini line can name: connectors, services, storage providers (shell.md section 10).
//!
//! This is the one place that knows names. What is built says how it is planned; the rest is known by name, so that an operator's
//! Robust.ini loads with a warning where it names what does not exist here yet, and with an error only where nobody knows the name.

use gridshell_config::{ConnectorEntry, ModuleName, OptionDescription, nearest, same_library};
use gridshell_services::database::Backend;

use crate::settings::{
    AdminOptions, AssetConnectorOptions, AssetKeepingOptions, AssetServiceOptions, AuthenticationOptions, BakedTextureOptions,
    CertificateOptions, ConnectorOptions, DatabaseOptions, FastCgiListenerOptions, ForwardOptions, InventoryServiceOptions,
    LibraryServiceOptions, LoggingOptions, MonitoringOptions, Name2KeyFaceOptions, Name2KeyServiceOptions, NetworkOptions,
    PluginOptions, PluginsOptions, ShadowOptions, StartupOptions, UpstreamOptions,
};
use crate::wiring::{
    self, AssetServicePlan, BakedTextureServicePlan, ConnectorKind, InventoryServicePlan, Name2KeyServicePlan, Planner,
};

/// Something that an .ini line can name.
pub struct Module {
    /// What it can be named as.
    pub role: Role,
    /// All its names: OpenSimulator's `library:class` first, then ours.
    pub names: &'static [&'static str],
    /// The sections it reads; the first is the default of those that a ConfigName can replace.
    pub sections: &'static [&'static str],
    /// How it is planned.
    pub build: Build,
}

/// Where a module can be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// In the list of connectors.
    InConnector,
    /// As a service, local or remote.
    Service,
    /// As a storage provider.
    StorageProvider,
    /// As a default asset loader.
    AssetLoader,
}

/// How a module is planned: its options are read and checked, nothing is opened.
#[derive(Clone, Copy)]
pub enum Build {
    /// An IN connector, over the section of this name.
    InConnector(fn(&mut Planner<'_>, &str) -> Option<ConnectorKind>),
    /// An asset service, over the section of this name.
    AssetService(fn(&mut Planner<'_>, &str) -> Option<AssetServicePlan>),
    /// A baked texture service, over the section of this name.
    BakedTextureService(fn(&mut Planner<'_>, &str) -> Option<BakedTextureServicePlan>),
    /// An inventory service, over the section of this name.
    InventoryService(fn(&mut Planner<'_>, &str) -> Option<InventoryServicePlan>),
    /// A name2key service, over the section of this name.
    Name2KeyService(fn(&mut Planner<'_>, &str) -> Option<Name2KeyServicePlan>),
    /// The library; it is planned with the program, from its own section.
    Library,
    /// A database.
    Database(Backend),
    /// The loader of default assets from files.
    AssetLoader,
    /// OpenSimulator has it, gridshell has not yet.
    NotYet,
}

use Build::NotYet;
use Role::{InConnector, Service, StorageProvider};

const fn not_yet(role: Role, names: &'static [&'static str], sections: &'static [&'static str]) -> Module {
    Module { role, names, sections, build: NotYet }
}

/// The table.
#[rustfmt::skip]
pub const MODULES: &[Module] = &[
    // IN connectors (shell.md section 10.1)
    Module {
        role: InConnector,
        names: &["OpenSim.Server.Handlers.dll:AssetServiceConnector", "asset"],
        sections: &["AssetService"],
        build: Build::InConnector(wiring::plan_asset_connector),
    },
    Module {
        role: InConnector,
        names: &["OpenSim.Server.Handlers.dll:XBakesConnector", "baked_texture"],
        sections: &["BakedTextureService"],
        build: Build::InConnector(wiring::plan_baked_texture_connector),
    },
    Module {
        role: InConnector,
        names: &["OpenSim.Server.Handlers.dll:XInventoryInConnector", "inventory"],
        sections: &["InventoryService"],
        build: Build::InConnector(wiring::plan_inventory_connector),
    },
    Module {
        role: InConnector,
        names: &["name2key"],
        sections: &["Name2KeyService"],
        build: Build::InConnector(wiring::plan_name2key_connector),
    },
    Module {
        role: InConnector,
        names: &["name2key_web"],
        sections: &["Name2KeyService"],
        build: Build::InConnector(wiring::plan_name2key_web_connector),
    },
    Module {
        role: InConnector,
        names: &["name2key_gosl"],
        sections: &["Name2KeyService"],
        build: Build::InConnector(wiring::plan_name2key_gosl_connector),
    },
    Module {
        role: InConnector,
        names: &["forward"],
        sections: &["Forward"],
        build: Build::InConnector(wiring::plan_forward_connector),
    },
    Module {
        role: InConnector,
        names: &["shadow"],
        sections: &["Shadow"],
        build: Build::InConnector(wiring::plan_shadow_connector),
    },
    not_yet(InConnector, &["OpenSim.Server.Handlers.dll:InventoryServiceInConnector"], &["InventoryService"]),
    not_yet(InConnector, &["OpenSim.Server.Handlers.dll:GridServiceConnector"], &["GridService"]),
    not_yet(InConnector, &["OpenSim.Server.Handlers.dll:GridInfoServerInConnector"], &["GridInfoService", "GridInfo", "SimulatorFeatures", "Economy"]),
    not_yet(InConnector, &["OpenSim.Server.Handlers.dll:AuthenticationServiceConnector"], &["AuthenticationService"]),
    not_yet(InConnector, &["OpenSim.Server.Handlers.dll:OpenIdServerConnector"], &["OpenIdService"]),
    not_yet(InConnector, &["OpenSim.Server.Handlers.dll:AuthorizationServerConnector"], &["AuthorizationService"]),
    not_yet(InConnector, &["OpenSim.Server.Handlers.dll:AvatarServiceConnector"], &["AvatarService"]),
    not_yet(InConnector, &["OpenSim.Server.Handlers.dll:LLLoginServiceInConnector"], &["LoginService", "AccessControl", "Messaging", "Hypergrid"]),
    not_yet(InConnector, &["OpenSim.Server.Handlers.dll:PresenceServiceConnector"], &["PresenceService"]),
    not_yet(InConnector, &["OpenSim.Server.Handlers.dll:UserAccountServiceConnector"], &["UserAccountService"]),
    not_yet(InConnector, &["OpenSim.Server.Handlers.dll:GridUserServiceConnector"], &["GridUserService"]),
    not_yet(InConnector, &["OpenSim.Server.Handlers.dll:AgentPreferencesServiceConnector"], &["AgentPreferencesService"]),
    not_yet(InConnector, &["OpenSim.Server.Handlers.dll:FriendsServiceConnector"], &["FriendsService"]),
    not_yet(InConnector, &["OpenSim.Server.Handlers.dll:MuteListServiceConnector"], &["MuteListService", "MuteListStore"]),
    not_yet(InConnector, &["OpenSim.Server.Handlers.dll:MapAddServiceConnector"], &["MapImageService"]),
    not_yet(InConnector, &["OpenSim.Server.Handlers.dll:MapRemoveServiceConnector"], &["MapImageService"]),
    not_yet(InConnector, &["OpenSim.Server.Handlers.dll:MapGetServiceConnector"], &["MapImageService"]),
    not_yet(InConnector, &["OpenSim.Server.Handlers.dll:EstateDataRobustConnector"], &["EstateService", "EstateDataStore"]),
    not_yet(InConnector, &["OpenSim.Server.Handlers.dll:UserProfilesConnector"], &["UserProfilesService"]),
    not_yet(InConnector, &["OpenSim.Server.Handlers.dll:FreeswitchServerConnector"], &["FreeswitchService", "FreeSwitchVoice"]),
    not_yet(InConnector, &["OpenSim.Server.Handlers.dll:GatekeeperServiceInConnector"], &["GatekeeperService", "Hypergrid"]),
    not_yet(InConnector, &["OpenSim.Server.Handlers.dll:UserAgentServerConnector"], &["UserAgentService"]),
    not_yet(InConnector, &["OpenSim.Server.Handlers.dll:HeloServiceInConnector"], &[]),
    not_yet(InConnector, &["OpenSim.Server.Handlers.dll:HGFriendsServerConnector"], &["HGFriendsService"]),
    not_yet(InConnector, &["OpenSim.Server.Handlers.dll:InstantMessageServerConnector"], &["HGInstantMessageService", "Messaging"]),
    not_yet(InConnector, &["OpenSim.Addons.Groups.dll:GroupsServiceRobustConnector"], &["Groups"]),
    not_yet(InConnector, &["OpenSim.Addons.Groups.dll:HGGroupsServiceRobustConnector"], &["Groups"]),
    not_yet(InConnector, &["OpenSim.Addons.OfflineIM.dll:OfflineIMServiceRobustConnector"], &["Messaging"]),
    not_yet(InConnector, &["WebRtcVoice.dll:WebRtcVoiceServerConnector"], &["WebRtcVoice", "JanusWebRtcVoice"]),
    not_yet(InConnector, &["OpenSim.Capabilities.Handlers.dll:GetTextureServerConnector"], &["CapsService"]),
    not_yet(InConnector, &["OpenSim.Capabilities.Handlers.dll:GetMeshServerConnector"], &["CapsService"]),
    not_yet(InConnector, &["OpenSim.Capabilities.Handlers.dll:FetchInvDescServerConnector"], &["CapsService"]),
    not_yet(InConnector, &["OpenSim.Capabilities.Handlers.dll:FetchInventory2ServerConnector"], &["CapsService"]),

    // Local services (shell.md section 10.2)
    Module {
        role: Service,
        names: &["OpenSim.Services.AssetService.dll:AssetService", "asset"],
        sections: &["AssetService", "DatabaseService"],
        build: Build::AssetService(wiring::plan_asset_service),
    },
    Module {
        role: Service,
        names: &["OpenSim.Server.Handlers.dll:XBakes", "baked_texture"],
        sections: &["BakedTextureService"],
        build: Build::BakedTextureService(wiring::plan_baked_texture_service),
    },
    not_yet(Service, &["OpenSim.Services.AssetService.dll:XAssetService"], &["AssetService"]),
    not_yet(Service, &["OpenSim.Services.FSAssetService.dll:FSAssetConnector"], &["AssetService"]),
    Module {
        role: Service,
        names: &["OpenSim.Services.InventoryService.dll:XInventoryService", "inventory"],
        sections: &["InventoryService", "DatabaseService"],
        build: Build::InventoryService(wiring::plan_inventory_service),
    },
    Module {
        role: Service,
        names: &["name2key"],
        sections: &["Name2KeyService", "DatabaseService"],
        build: Build::Name2KeyService(wiring::plan_name2key_service),
    },
    Module {
        role: Service,
        names: &["OpenSim.Services.InventoryService.dll:LibraryService", "library"],
        sections: &["LibraryService"],
        build: Build::Library,
    },
    not_yet(Service, &["OpenSim.Services.GridService.dll:GridService"], &["GridService"]),
    not_yet(Service, &["OpenSim.Services.PresenceService.dll:PresenceService"], &["PresenceService"]),
    not_yet(Service, &["OpenSim.Services.UserAccountService.dll:UserAccountService"], &["UserAccountService"]),
    not_yet(Service, &["OpenSim.Services.UserAccountService.dll:GridUserService"], &["GridUserService"]),
    not_yet(Service, &["OpenSim.Services.UserAccountService.dll:AgentPreferencesService"], &["AgentPreferencesService"]),
    not_yet(Service, &["OpenSim.Services.AuthenticationService.dll:PasswordAuthenticationService"], &["AuthenticationService"]),
    not_yet(Service, &["OpenSim.Services.AuthenticationService.dll:WebkeyAuthenticationService"], &["AuthenticationService"]),
    not_yet(Service, &["OpenSim.Services.AuthenticationService.dll:WebkeyOrPasswordAuthenticationService"], &["AuthenticationService"]),
    not_yet(Service, &["OpenSim.Services.AuthorizationService.dll:AuthorizationService"], &["AuthorizationService"]),
    not_yet(Service, &["OpenSim.Services.AvatarService.dll:AvatarService"], &["AvatarService"]),
    not_yet(Service, &["OpenSim.Services.FriendsService.dll:FriendsService"], &["FriendsService"]),
    not_yet(Service, &["OpenSim.Services.EstateService.dll:EstateDataService"], &["EstateService"]),
    not_yet(Service, &["OpenSim.Services.SimulationService.dll:SimulationDataService"], &["SimulationDataStore"]),
    not_yet(Service, &["OpenSim.Services.MapImageService.dll:MapImageService"], &["MapImageService"]),
    not_yet(Service, &["OpenSim.Services.MuteListService.dll:MuteListService"], &["MuteListService"]),
    not_yet(Service, &["OpenSim.Services.FreeswitchService.dll:FreeswitchService"], &["FreeswitchService"]),
    not_yet(Service, &["OpenSim.Services.LLLoginService.dll:LLLoginService"], &["LoginService"]),
    not_yet(Service, &["OpenSim.Services.UserProfilesService.dll:UserProfilesService"], &["UserProfilesService"]),
    not_yet(Service, &["OpenSim.Services.HypergridService.dll:GatekeeperService"], &["GatekeeperService"]),
    not_yet(Service, &["OpenSim.Services.HypergridService.dll:UserAgentService"], &["UserAgentService"]),
    not_yet(Service, &["OpenSim.Services.HypergridService.dll:HGAssetService"], &["HGAssetService"]),
    not_yet(Service, &["OpenSim.Services.HypergridService.dll:HGFSAssetService"], &["HGAssetService"]),
    not_yet(Service, &["OpenSim.Services.HypergridService.dll:HGRemoteAssetService"], &["HGAssetService"]),
    not_yet(Service, &["OpenSim.Services.HypergridService.dll:HGSuitcaseInventoryService"], &["HGInventoryService"]),
    not_yet(Service, &["OpenSim.Services.HypergridService.dll:HGInventoryService"], &["HGInventoryService"]),
    not_yet(Service, &["OpenSim.Services.HypergridService.dll:HGFriendsService"], &["HGFriendsService"]),
    not_yet(Service, &["OpenSim.Services.HypergridService.dll:HGInstantMessageService"], &["HGInstantMessageService"]),
    not_yet(Service, &["OpenSim.Addons.OfflineIM.dll:OfflineIMService"], &["Messaging"]),
    not_yet(Service, &["WebRtcVoiceServiceModule.dll:WebRtcVoiceServiceModule"], &["WebRtcVoice"]),
    not_yet(Service, &["WebRtcJanusService.dll:WebRtcJanusService"], &["JanusWebRtcVoice"]),

    // OUT connectors (shell.md section 10.3)
    Module {
        role: Service,
        names: &["OpenSim.Services.Connectors.dll:AssetServicesConnector", "remote_asset"],
        sections: &["AssetService"],
        build: Build::AssetService(wiring::plan_remote_asset_service),
    },
    not_yet(Service, &["OpenSim.Services.Connectors.dll:HGAssetServiceConnector"], &[]),
    Module {
        role: Service,
        names: &["OpenSim.Services.Connectors.dll:XInventoryServicesConnector", "remote_inventory"],
        sections: &["InventoryService"],
        build: Build::InventoryService(wiring::plan_remote_inventory_service),
    },
    Module {
        role: Service,
        names: &["remote_name2key"],
        sections: &["Name2KeyService"],
        build: Build::Name2KeyService(wiring::plan_remote_name2key_service),
    },
    Module {
        role: Service,
        names: &["remote_name2key_web"],
        sections: &["Name2KeyService"],
        build: Build::Name2KeyService(wiring::plan_remote_name2key_web_service),
    },
    not_yet(Service, &["OpenSim.Services.Connectors.dll:GridServicesConnector"], &["GridService"]),
    not_yet(Service, &["OpenSim.Services.Connectors.dll:PresenceServicesConnector"], &["PresenceService"]),
    not_yet(Service, &["OpenSim.Services.Connectors.dll:UserAccountServicesConnector"], &["UserAccountService"]),
    not_yet(Service, &["OpenSim.Services.Connectors.dll:GridUserServicesConnector"], &["GridUserService"]),
    not_yet(Service, &["OpenSim.Services.Connectors.dll:AgentPreferencesServicesConnector"], &["AgentPreferencesService"]),
    not_yet(Service, &["OpenSim.Services.Connectors.dll:AuthenticationServicesConnector"], &["AuthenticationService"]),
    not_yet(Service, &["OpenSim.Services.Connectors.dll:AuthorizationServicesConnector"], &["AuthorizationService"]),
    not_yet(Service, &["OpenSim.Services.Connectors.dll:AvatarServicesConnector"], &["AvatarService"]),
    not_yet(Service, &["OpenSim.Services.Connectors.dll:FriendsServicesConnector"], &["FriendsService"]),
    not_yet(Service, &["OpenSim.Services.Connectors.dll:EstateDataRemoteConnector"], &["EstateService"]),
    not_yet(Service, &["OpenSim.Services.Connectors.dll:MuteListServicesConnector"], &["MuteListService"]),
    not_yet(Service, &["OpenSim.Services.Connectors.dll:MapImageServicesConnector"], &["MapImageService"]),
    not_yet(Service, &["OpenSim.Services.Connectors.dll:RemoteFreeswitchConnector"], &["FreeSwitchVoice"]),
    not_yet(Service, &["OpenSim.Services.Connectors.dll:SimulationServiceConnector"], &[]),
    not_yet(Service, &["OpenSim.Services.Connectors.dll:UserAgentServiceConnector"], &[]),
    not_yet(Service, &["OpenSim.Services.Connectors.dll:NeighbourServicesConnector"], &[]),
    not_yet(Service, &["OpenSim.Services.Connectors.dll:LandServicesConnector"], &[]),
    not_yet(Service, &["OpenSim.Addons.OfflineIM.dll:OfflineIMServiceRemoteConnector"], &["Messaging"]),
    not_yet(Service, &["WebRtcVoice.dll:WebRtcVoiceServiceConnector"], &["WebRtcVoice"]),

    // Storage providers and the asset loader (shell.md section 10.4)
    Module { role: StorageProvider, names: &["OpenSim.Data.SQLite.dll", "sqlite"], sections: &[], build: Build::Database(Backend::Sqlite) },
    Module { role: StorageProvider, names: &["OpenSim.Data.MySQL.dll", "mysql"], sections: &[], build: Build::Database(Backend::MySql) },
    Module { role: StorageProvider, names: &["OpenSim.Data.PGSQL.dll", "postgres"], sections: &[], build: Build::Database(Backend::Postgres) },
    not_yet(StorageProvider, &["OpenSim.Data.Null.dll"], &[]),
    Module {
        role: Role::AssetLoader,
        names: &["OpenSim.Framework.AssetLoader.Filesystem.dll", "files"],
        sections: &[],
        build: Build::AssetLoader,
    },
];

/// Finds the module of this role that a name names. The folder of a library, a leading `./` and the class of a storage provider do
/// not count; a name without class takes the first module of the library (shell.md sections 6.4 and 10.4).
pub fn find(role: Role, name: &ModuleName) -> Result<&'static Module, Unknown> {
    let class = if matches!(role, StorageProvider | Role::AssetLoader) { None } else { name.class.as_deref() };
    let is_named = |known: &str| {
        let (library, known_class) = known.split_once(':').map_or((known, None), |(library, class)| (library, Some(class)));
        same_library(&name.library, library) && (class.is_none() || class == known_class)
    };
    let of_role = || MODULES.iter().filter(move |module| module.role == role);
    of_role()
        .find(|module| module.names.iter().any(|known| is_named(known)))
        .ok_or_else(|| Unknown { nearest: nearest(&name.to_string(), of_role().flat_map(|module| module.names).copied()) })
}

/// The module that an entry of the connector list names.
pub fn find_connector(entry: &ConnectorEntry) -> Result<&'static Module, Unknown> {
    find(InConnector, &ModuleName { arguments: Vec::new(), library: entry.library.clone(), class: entry.class.clone() })
}

/// A name that no module has.
pub struct Unknown {
    /// The known name that is most like it.
    pub nearest: Option<&'static str>,
}

/// Whether an entry that nobody read is nevertheless no mistake: its section is free-form, or belongs to modules that do not exist
/// here yet, or the original reads the key. An empty `key` asks for the section: one of a module that exists but is not loaded.
pub fn accepts(section: &str, key: &str) -> bool {
    let free = matches!(section, "Const" | "Environment" | "ServiceList") || key.starts_with("Include-");
    let of_the_future = || MODULES.iter().any(|module| matches!(module.build, NotYet) && module.sections.contains(&section));
    let of_today = || options().iter().any(|(known, _)| *known == section);
    let accepted = || ACCEPTED.iter().any(|(known, keys)| *known == section && keys.contains(&key));
    free || accepted() || of_the_future() && !of_today() || key.is_empty() && of_today()
}

/// Keys that are no options of a struct, since they make up lists.
const STARTUP_LISTS: &[OptionDescription] = &[
    OptionDescription {
        key: "ServiceConnectors",
        type_name: "list",
        default: "none",
        meaning: "IN connectors, as in [ServiceList], separated by commas; the older way. They are loaded first.",
    },
    OptionDescription {
        key: "Include-<any name>",
        type_name: "string",
        default: "none",
        meaning: "Another file, files by a pattern with * and ?, or an http(s) address; in any section. What is included wins.",
    },
];
const SERVICE_LIST: &[OptionDescription] = &[OptionDescription {
    key: "<any name>",
    type_name: "connector",
    default: "none",
    meaning: "An IN connector, as [[section@]port/]library[:class], [[section@]port/]name, or [port/]libx.so[:service] for a plugin. Loaded in this \
              order.",
}];

/// Where the shells behind OUT connectors are. The keys' names are the modules', so that each has its own.
const ASSET_UPSTREAMS: &[OptionDescription] = &[OptionDescription {
    key: "AssetServerURI",
    type_name: "addresses",
    default: "[Network] asset_server_url",
    meaning: "The shells that remote_asset asks, as `http://a:8003, http://b:8003*3`; behind `*` a weight.",
}];
const INVENTORY_UPSTREAMS: &[OptionDescription] = &[OptionDescription {
    key: "InventoryServerURI",
    type_name: "addresses",
    default: "required",
    meaning: "The shells that remote_inventory asks, as `http://a:8003, http://b:8003*3`; behind `*` a weight.",
}];
const NAME2KEY_UPSTREAMS: &[OptionDescription] = &[OptionDescription {
    key: "Name2KeyServerURI",
    type_name: "addresses",
    default: "required",
    meaning: "The servers that remote_name2key and remote_name2key_web ask, as `http://a:8016, http://b:8016*3`; behind `*` a weight.",
}];

const FORWARD_UPSTREAMS: &[OptionDescription] = &[OptionDescription {
    key: "URI",
    type_name: "addresses",
    default: "required",
    meaning: "The shells that requests are passed on to, as `http://a:8003, http://b:8003*3`; behind `*` a weight.",
}];
const SHADOW_UPSTREAMS: &[OptionDescription] = &[
    OptionDescription {
        key: "AnswerURI",
        type_name: "addresses",
        default: "required",
        meaning: "The shells whose answers the client gets, as `http://a:8003, http://b:8003*3`; behind `*` a weight.",
    },
    OptionDescription {
        key: "ShadowURI",
        type_name: "addresses",
        default: "required",
        meaning: "The shells that get a copy of the request, and whose answers are compared with those.",
    },
];

/// The option structs that are read from a section; the list behind `gridshell options`.
pub fn options() -> Vec<(&'static str, &'static [OptionDescription])> {
    vec![
        ("Startup", StartupOptions::DESCRIPTIONS),
        ("Startup", STARTUP_LISTS),
        ("Startup", CertificateOptions::DESCRIPTIONS),
        ("ServiceList", SERVICE_LIST),
        ("Network", NetworkOptions::DESCRIPTIONS),
        ("Network", AuthenticationOptions::DESCRIPTIONS),
        ("FastCGI", FastCgiListenerOptions::DESCRIPTIONS),
        ("Logging", LoggingOptions::DESCRIPTIONS),
        ("Admin", AdminOptions::DESCRIPTIONS),
        ("Monitoring", MonitoringOptions::DESCRIPTIONS),
        ("DatabaseService", DatabaseOptions::DESCRIPTIONS),
        ("AssetService", ConnectorOptions::DESCRIPTIONS),
        ("AssetService", AssetConnectorOptions::DESCRIPTIONS),
        ("AssetService", AssetServiceOptions::DESCRIPTIONS),
        ("AssetService", DatabaseOptions::DESCRIPTIONS),
        ("AssetService", AuthenticationOptions::DESCRIPTIONS),
        ("AssetService", ASSET_UPSTREAMS),
        ("AssetService", UpstreamOptions::DESCRIPTIONS),
        ("AssetService", AssetKeepingOptions::DESCRIPTIONS),
        ("InventoryService", ConnectorOptions::DESCRIPTIONS),
        ("InventoryService", InventoryServiceOptions::DESCRIPTIONS),
        ("InventoryService", DatabaseOptions::DESCRIPTIONS),
        ("InventoryService", AuthenticationOptions::DESCRIPTIONS),
        ("InventoryService", INVENTORY_UPSTREAMS),
        ("InventoryService", UpstreamOptions::DESCRIPTIONS),
        ("Name2KeyService", ConnectorOptions::DESCRIPTIONS),
        ("Name2KeyService", Name2KeyServiceOptions::DESCRIPTIONS),
        ("Name2KeyService", Name2KeyFaceOptions::DESCRIPTIONS),
        ("Name2KeyService", DatabaseOptions::DESCRIPTIONS),
        ("Name2KeyService", AuthenticationOptions::DESCRIPTIONS),
        ("Name2KeyService", NAME2KEY_UPSTREAMS),
        ("Name2KeyService", UpstreamOptions::DESCRIPTIONS),
        ("Forward", FORWARD_UPSTREAMS),
        ("Forward", ForwardOptions::DESCRIPTIONS),
        ("Forward", AuthenticationOptions::DESCRIPTIONS),
        ("Forward", UpstreamOptions::DESCRIPTIONS),
        ("Shadow", SHADOW_UPSTREAMS),
        ("Shadow", ShadowOptions::DESCRIPTIONS),
        ("Shadow", ForwardOptions::DESCRIPTIONS),
        ("Shadow", AuthenticationOptions::DESCRIPTIONS),
        ("Shadow", UpstreamOptions::DESCRIPTIONS),
        ("LibraryService", LibraryServiceOptions::DESCRIPTIONS),
        ("BakedTextureService", ConnectorOptions::DESCRIPTIONS),
        ("BakedTextureService", BakedTextureOptions::DESCRIPTIONS),
        ("BakedTextureService", AuthenticationOptions::DESCRIPTIONS),
        ("Plugins", PluginsOptions::DESCRIPTIONS),
        ("Plugin:<name>", PluginOptions::DESCRIPTIONS),
        ("Plugin:<name>", AuthenticationOptions::DESCRIPTIONS),
    ]
}

/// Keys of the original that are accepted without effect: what they control does not exist in this program, or belongs to modules
/// that do not exist here yet.
#[rustfmt::skip]
pub const ACCEPTED: &[(&str, &[&str])] = &[
    ("Startup", &[
        // add-ins are .NET libraries (shell.md section 7.5)
        "RegistryLocation", "ConfigDirectory",
        // the command line's own keys
        "inifile", "logconfig", "prompt",
        // certificates are made by the operator's tools
        "EnableRobustSelfsignedCertSupport", "RobustCertRenewOnStartup", "RobustCertFileName", "RobustCertHostName",
        "RobustCertHostIp", "RobustCertPassword",
        // outgoing connections
        "DnsTimeout",
        // hypergrid services
        "HomeURI", "GatekeeperURI", "HomeURIAlias", "GatekeeperURIAlias",
    ]),
    ("Network", &["http_listener_port", "asset_server_url"]),
    ("DatabaseService", &["EstateConnectionString", "MuteConnectionString"]),
    ("Monitoring", &["NetworkInterfaceTypes"]),
    // how other modules name it
    ("LibraryService", &["LocalServiceModule"]),
    // the legacy connector, and the connector to other shells
    ("InventoryService", &["UserServerURI", "SessionAuthentication", "InventoryServerURI", "RemoteRequestTimeout"]),
    ("AssetService", &[
        // other asset services
        "BaseDirectory", "SpoolDirectory", "UseOsgridFormat", "SecondaryInstance", "FallbackService", "ShowConsoleStats",
        "DaysBetweenAccessTimeUpdates", "Realm", "ChainedServiceModule", "AssetServerURI",
    ]),
];
