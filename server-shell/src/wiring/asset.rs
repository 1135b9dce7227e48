//! The asset connector, and the asset services: on a database, and of other shells.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use gridshell_config::ModuleName;
use gridshell_connectors::asset::outbound::RemoteAssetService;
use gridshell_connectors::asset::{AssetCache, AssetConnector, AssetConnectorOptions as Options, AssetDocuments, CacheOptions};
use gridshell_connectors::http::Router;
use gridshell_interfaces::asset::AssetService;
use gridshell_services::asset::disk_cache::DiskCache;
use gridshell_services::asset::{SqlAssetService, load_default_assets};

use super::asset_keeping::{KeepingPlan, check_keeping};
use super::build::{Own, Resources};
use super::database::{DatabasePlan, plan_database};
use super::plugin::{PluginService, is_plugin, plan_plugin_service};
use super::shared::Shared;
use super::upstream::{UpstreamPlan, plan_upstreams, plan_upstreams_at};
use super::{ConnectorKind, ConnectorPlan, Planner};
use crate::registry::{Build, Role};
use crate::settings::{AssetConnectorOptions, AssetServiceOptions, ConnectorOptions};

/// The asset connector.
pub struct AssetConnectorPlan {
    service: AssetServicePlan,
    options: Options,
    cache_bytes: u64,
}

impl AssetConnectorPlan {
    /// The plugin that it stands on.
    pub fn plugin(&self) -> Option<&str> {
        self.service.plugin()
    }
}

/// An asset service.
#[derive(Clone)]
pub enum AssetServicePlan {
    /// On a database.
    Local {
        /// The database.
        database: DatabasePlan,
        /// The control file of the default assets.
        default_assets: Option<String>,
    },
    /// That of other shells.
    Remote {
        /// The shells.
        upstreams: UpstreamPlan,
        /// What is kept of their assets.
        keeping: KeepingPlan,
    },
    /// That of a plugin.
    Plugin(PluginService),
}

impl AssetServicePlan {
    /// Whether both are of the same assets. Then they also keep the same of them: planning has checked it.
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Local { database, .. }, Self::Local { database: other, .. }) => database == other,
            (Self::Remote { upstreams, .. }, Self::Remote { upstreams: other, .. }) => upstreams == other,
            (Self::Plugin(service), Self::Plugin(other)) => service == other,
            (Self::Local { .. } | Self::Remote { .. } | Self::Plugin(_), _) => false,
        }
    }

    /// The plugin that the service stands on.
    pub fn plugin(&self) -> Option<&str> {
        match self {
            Self::Plugin(service) => Some(&service.plugin),
            Self::Local { .. } | Self::Remote { .. } => None,
        }
    }

    /// Whether one can do for the other as it is.
    fn is_equal(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Remote { keeping, .. }, Self::Remote { keeping: other_keeping, .. }) => {
                self.is_same(other) && keeping.is_equal(other_keeping)
            }
            _ => self.is_same(other),
        }
    }

    /// Asks for what the service stands on, so that it counts as wanted also where the service exists already.
    async fn want(&self, resources: &mut Resources) -> Result<()> {
        match self {
            Self::Local { database, .. } => resources.databases.open(database).await.map(drop),
            Self::Remote { upstreams, .. } => resources.upstreams.join(upstreams).map(drop),
            // Plugins are built before their users.
            Self::Plugin(_) => Ok(()),
        }
    }

    /// What is kept in memory, within this capacity.
    fn memory(&self, capacity: u64) -> CacheOptions {
        let memory = CacheOptions { capacity, ..CacheOptions::default() };
        match self {
            Self::Local { .. } => memory,
            Self::Plugin(_) => CacheOptions { copies: true, ..memory },
            Self::Remote { keeping, .. } => keeping.memory(memory),
        }
    }
}

/// Plans an asset connector over a section.
pub fn plan_asset_connector(planner: &mut Planner<'_>, section: &str) -> Option<ConnectorKind> {
    let options = planner.read(section, AssetConnectorOptions::read);
    let module = planner.read(section, ConnectorOptions::read)?;
    let name = &module.module;
    let service = plan_service_of(planner, section, name)?;
    let options = options?;
    warn_of_other_cache(planner, section, &service, options.cache_megabytes);
    Some(ConnectorKind::Asset(AssetConnectorPlan {
        service,
        cache_bytes: options.cache_megabytes.saturating_mul(1024 * 1024),
        options: Options {
            allow_delete: options.allow_delete,
            allow_delete_all_types: options.allow_delete_all_types,
            redirect_url: Some(options.redirect_url).filter(|url| !url.is_empty()),
        },
    }))
}

/// Connectors over the same assets share one cache, which is as large as the first of them wants.
fn warn_of_other_cache(planner: &mut Planner<'_>, section: &str, service: &AssetServicePlan, megabytes: u64) {
    match planner.asset_caches.iter().find(|(_, known, _)| known.is_same(service)) {
        Some((first, _, size)) if *size != megabytes => {
            let message = format!("[{first}] has the same assets, and its cache of {size} MB is used here too");
            planner.warn(section, "CacheMegabytes", message);
        }
        Some(_) => {}
        None => planner.asset_caches.push((section.to_owned(), service.clone(), megabytes)),
    }
}

/// The service that a section names.
fn plan_service_of(planner: &mut Planner<'_>, section: &str, name: &ModuleName) -> Option<AssetServicePlan> {
    const KEY: &str = "LocalServiceModule";
    if is_plugin(&name.library) {
        return plan_plugin_service(planner, section, KEY, name).map(AssetServicePlan::Plugin);
    }
    let Build::AssetService(plan) = planner.module(Role::Service, section, KEY, name)?.build else {
        planner.error(section, KEY, format!("{name} is no asset service"));
        return None;
    };
    let read_from = planner.section_of(section, KEY, name)?;
    plan(planner, &read_from)
}

/// Plans the asset service on a database over a section.
pub fn plan_asset_service(planner: &mut Planner<'_>, section: &str) -> Option<AssetServicePlan> {
    let database = plan_database(planner, section);
    let options = planner.read(section, AssetServiceOptions::read)?;
    let mut default_assets = None;
    if let (true, Some(loader)) = (options.loader_enabled, options.loader.0) {
        planner.module(Role::AssetLoader, section, "DefaultAssetLoader", &loader)?;
        default_assets = Some(options.loader_file);
    }
    Some(AssetServicePlan::Local { database: database?, default_assets })
}

/// Plans the asset service of other shells over a section. Their addresses may also be where simulators have them (shell.md section
/// 10.3).
pub fn plan_remote_asset_service(planner: &mut Planner<'_>, section: &str) -> Option<AssetServicePlan> {
    let is_set =
        |section: &str, key: &str| planner.configuration().get(section, key).is_some_and(|entry| !entry.value.is_empty());
    let upstreams = if !is_set(section, "AssetServerURI") && is_set("Network", "asset_server_url") {
        plan_upstreams_at(planner, section, "Network", "asset_server_url")
    } else {
        plan_upstreams(planner, section, "AssetServerURI")
    };
    let keeping = planner.read(section, KeepingPlan::read);
    let (upstreams, keeping) = (upstreams?, keeping?);
    check_keeping(planner, section, &upstreams, &keeping)?;
    Some(AssetServicePlan::Remote { upstreams, keeping })
}

/// The asset services that exist. Connectors over the same assets share one, since a cache must hear of every deletion.
#[derive(Default)]
pub struct AssetServices {
    /// Each with its plan.
    shared: Shared<AssetServicePlan, SharedAssets>,
    /// The caches on the disk, by their folders.
    disks: Shared<PathBuf, Arc<DiskCache>>,
}

/// An asset service and the cache that all its users share.
#[derive(Clone)]
pub struct SharedAssets {
    /// The service.
    pub service: Arc<dyn AssetService>,
    /// Its documents, where they are those of other shells and nothing is between.
    documents: Option<Arc<dyn AssetDocuments>>,
    /// The cache of its encoded answers.
    pub cache: Arc<AssetCache>,
    /// What the cache keeps, as soon as the configuration is in force.
    memory: CacheOptions,
    /// The cache on the disk, where there is one.
    pub disk: Option<Arc<DiskCache>>,
    /// What its files may take of the disk then, in bytes.
    disk_size: u64,
    /// Where the assets are, for people.
    pub place: String,
}

impl AssetServices {
    /// Another configuration is going to be built, in which these plugins are replaced.
    pub fn begin(&mut self, is_replaced: impl Fn(Option<&str>) -> bool) {
        self.shared.begin_without(|plan| is_replaced(plan.plugin()));
        self.disks.begin();
    }

    /// All that this configuration has wanted.
    pub fn wanted(&self) -> Vec<SharedAssets> {
        self.shared.wanted()
    }

    /// This configuration is in force: what is kept follows its options.
    pub fn accept(&mut self) {
        self.shared.accept();
        self.disks.accept();
        for assets in self.shared.wanted() {
            assets.cache.set_options(assets.memory);
            if let Some(disk) = &assets.disk {
                disk.set_size(assets.disk_size);
            }
        }
    }

    /// This configuration is given up.
    pub fn reject(&mut self) {
        self.shared.reject();
        self.disks.reject();
    }

    /// Builds the connector and registers its paths.
    pub async fn connect(
        &mut self,
        plan: &AssetConnectorPlan,
        connector: &ConnectorPlan,
        resources: &mut Resources,
        router: &mut Router,
        own: Own<'_>,
    ) -> Result<()> {
        let SharedAssets { service, documents, cache, .. } = self.get_or_build(plan, resources).await?;
        let options = plan.options.clone();
        let asset_connector = match documents {
            Some(documents) => AssetConnector::passing_on(service, documents, cache, options),
            None => AssetConnector::new(service, cache, options),
        };
        asset_connector.clone().register(router, connector.protection.clone());
        asset_connector.register(own.router, own.protection);
        Ok(())
    }

    async fn get_or_build(&mut self, plan: &AssetConnectorPlan, resources: &mut Resources) -> Result<SharedAssets> {
        // The first connector's options count for all.
        if let Some(assets) = self.shared.of_now(|known| known.is_same(&plan.service)) {
            return Ok(assets);
        }
        let memory = plan.service.memory(plan.cache_bytes);
        let disk = match &plan.service {
            AssetServicePlan::Local { .. } | AssetServicePlan::Plugin(_) => None,
            AssetServicePlan::Remote { keeping, .. } => self.open_disk(keeping)?,
        };
        if let Some(mut assets) = self.shared.get(|known| known.is_equal(&plan.service)) {
            plan.service.want(resources).await?;
            assets.memory = memory;
            self.shared.replace(assets.clone(), |known| known.is_equal(&plan.service));
            return Ok(assets);
        }
        let (service, documents, place, disk_size) = match &plan.service {
            AssetServicePlan::Local { database, default_assets } => {
                let database = resources.databases.open(database).await?;
                let place = database.to_string();
                let service = SqlAssetService::open(database).await?;
                if let Some(file) = default_assets {
                    load_default_assets(&service, file.as_ref()).await.context("could not load the default assets")?;
                }
                (Arc::new(service) as Arc<dyn AssetService>, None, place, 0)
            }
            AssetServicePlan::Remote { upstreams, keeping } => {
                let remote = Arc::new(RemoteAssetService::new(resources.upstreams.join(upstreams)?));
                let documents = disk.is_none().then(|| remote.clone() as Arc<dyn AssetDocuments>);
                (keeping.before(remote, disk.as_ref()), documents, upstreams.place(), keeping.disk_size())
            }
            AssetServicePlan::Plugin(service) => {
                let remote = RemoteAssetService::new(resources.plugins.transport(service, "asset")?);
                (Arc::new(remote) as Arc<dyn AssetService>, None, service.plugin.clone(), 0)
            }
        };
        // What is in memory of the same assets stays, but for that of a plugin, whose instance is another one.
        let is_earlier = |known: &AssetServicePlan| known.plugin().is_none() && known.is_same(&plan.service);
        let earlier = self.shared.earlier(is_earlier);
        let cache = earlier.map_or_else(|| AssetCache::with_options(memory), |earlier| earlier.cache);
        let assets = SharedAssets { service, documents, cache, memory, disk, disk_size, place };
        Ok(self.shared.insert(plan.service.clone(), assets))
    }

    /// The cache on the disk, where one is wanted.
    fn open_disk(&mut self, keeping: &KeepingPlan) -> Result<Option<Arc<DiskCache>>> {
        let Some(folder) = keeping.folder() else { return Ok(None) };
        if let Some(disk) = self.disks.get(|known| *known == folder) {
            return Ok(Some(disk));
        }
        let disk = DiskCache::open(&folder, keeping.disk_size()).context("[AssetService] DiskCache")?;
        Ok(Some(self.disks.insert(folder, disk)))
    }
}
