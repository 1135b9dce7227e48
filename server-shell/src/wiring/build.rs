//! The building step: opens databases, joins groups of other shells, and constructs services and connectors by plan.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use bytes::Bytes;
use gridshell_connectors::http::{NotLoaded, Router, ServiceAuthentication};
use gridshell_connectors::upstream::UpstreamGroup;
use gridshell_interfaces::baked_texture::BakedTextureService;
use gridshell_interfaces::library::LibraryService;
use gridshell_interfaces::name2key::Name2KeyService;
use gridshell_services::database::Database;
use gridshell_services::library::FileLibraryService;

use super::asset::{AssetServices, SharedAssets};
use super::database::Databases;
use super::name2key::Name2KeyServices;
use super::plugins::{Plugins, PluginsView};
use super::upstream::Upstreams;
use super::{BuiltInventory, ConnectorKind, ConnectorPlan, Plan, baked_texture, forward, inventory};
use crate::plugins::{Route, ServiceRouters};

/// A connector that could not be built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedConnector {
    /// Which of the plan's connectors it is.
    place: usize,
    /// The entry as it is written in the list.
    pub text: String,
    /// What went wrong.
    pub reason: String,
}

/// What was built of one configuration, not listening yet.
#[derive(Default)]
pub struct Built {
    /// Connectors that could not be built. What they would answer is answered with 503.
    pub failed: Vec<FailedConnector>,
    /// The connectors of each port.
    pub routers: BTreeMap<u16, Router>,
    /// The open databases with their names.
    pub databases: Vec<(String, Database)>,
    /// The groups of other shells that are asked.
    pub upstreams: Vec<Arc<UpstreamGroup>>,
    /// Those of them that the program cannot do without.
    pub needed_upstreams: Vec<Arc<UpstreamGroup>>,
    /// The asset services.
    pub assets: Vec<SharedAssets>,
    /// The baked texture services.
    pub baked_textures: Vec<Arc<dyn BakedTextureService>>,
    /// The inventory services.
    pub inventories: Vec<BuiltInventory>,
    /// The name2key services.
    pub name2keys: Vec<Arc<dyn Name2KeyService>>,
    /// The library, for the services that give it to users.
    pub library: Option<Arc<dyn LibraryService>>,
    /// The same services as plugins ask them, without protection.
    pub services: ServiceRouters,
    /// The plugins.
    pub plugins: PluginsView,
    /// Why plugins that the program must not go on without are not there.
    pub missing_required: Vec<String>,
    /// Which of the plan's connectors are plugins that listen, with their names and paths.
    plugin_routes: Vec<(usize, &'static str, Vec<Route>)>,
}

/// What services stand on; each thing exists once.
#[derive(Default)]
pub struct Resources {
    /// The open databases.
    pub databases: Databases,
    /// The groups of other shells.
    pub upstreams: Upstreams,
    /// The plugins.
    pub plugins: Plugins,
}

/// All that was built, each thing once. What a changed configuration still wants outlives the change: open databases, what is known of
/// other shells, caches.
#[derive(Default)]
pub struct Modules {
    resources: Resources,
    assets: AssetServices,
    name2keys: Name2KeyServices,
    /// Connectors of the configuration in force that could not be built.
    failed: Vec<FailedConnector>,
}

impl Modules {
    /// Builds all connectors of a plan. One that cannot be built is said in the log and left out; the others go on (shell.md section
    /// 6.3). `not_found_page` is the body of 404 answers. What came of it has to be told by [`Modules::accept`] or
    /// [`Modules::reject`]. The plugin `anew` is loaded from its file again, for the plan that is in force; what could not be built then and
    /// does not stand on this plugin is not tried.
    pub async fn build(&mut self, plan: &Plan, not_found_page: &Bytes, anew: Option<&str>) -> Built {
        let replaced = self.resources.plugins.build(&plan.plugins, anew).await;
        self.resources.databases.shared.begin();
        let is_replaced = |plugin: Option<&str>| plugin.is_some_and(|plugin| replaced.contains(plugin));
        self.resources.upstreams.begin();
        self.assets.begin(is_replaced);
        self.name2keys.shared.begin_without(|plan| plan.plugins().any(|plugin| is_replaced(Some(plugin))));
        let mut built = Built::default();
        // The main listener exists whether or not a connector is on it (shell.md section 5).
        router_of(&mut built.routers, plan.network.port, not_found_page);
        for entry in &plan.failed {
            tracing::error!("[SERVER]: Failed to load {}", entry.text);
        }
        for (place, connector) in plan.connectors.iter().enumerate() {
            let is_left_alone = anew.is_some_and(|plugin| !connector.kind.uses(plugin));
            let outcome = match self.failed.iter().find(|failed| is_left_alone && failed.place == place) {
                Some(failed) => Err(failed.reason.clone()),
                None => self.load(place, connector, &mut built, not_found_page).await,
            };
            if let Err(reason) = outcome {
                built.failed.push(FailedConnector { place, text: connector.text.clone(), reason });
                NotLoaded::register(connector.kind.paths(), router_of(&mut built.routers, connector.port, not_found_page));
            }
        }
        warn_of_paths_of_plugins(plan, &built);
        if let Some(options) = &plan.library {
            built.library = Some(Arc::new(FileLibraryService::load(options).await));
        }
        let databases = self.resources.databases.shared.wanted();
        built.databases = databases.into_iter().map(|database| (database.to_string(), database)).collect();
        built.upstreams = self.resources.upstreams.wanted();
        built.needed_upstreams = self.resources.upstreams.needed();
        built.plugins = self.resources.plugins.view(&plan.refused_plugins);
        built.missing_required = self.resources.plugins.missing_required();
        built.assets = self.assets.wanted();
        built.name2keys = self.name2keys.shared.wanted();
        built
    }

    /// What was built last is in force, without the connectors that have `failed`; plugins ask `services` from now on. Gives the databases
    /// that nobody wants any more; they are to be closed when the last request that has them is answered.
    pub fn accept(&mut self, services: ServiceRouters, failed: Vec<FailedConnector>) -> Vec<Database> {
        self.failed = failed;
        self.resources.plugins.accept(services);
        self.name2keys.shared.accept();
        self.assets.accept();
        self.resources.upstreams.accept();
        self.resources.databases.shared.accept()
    }

    /// What was built last is given up. Gives the databases that were opened for it.
    pub async fn reject(&mut self) -> Vec<Database> {
        self.resources.plugins.reject().await;
        self.name2keys.shared.reject();
        self.assets.reject();
        self.resources.upstreams.reject();
        self.resources.databases.shared.reject()
    }

    /// Connectors of the configuration in force that could not be built.
    pub fn failed(&self) -> &[FailedConnector] {
        &self.failed
    }

    /// The plugins.
    pub fn plugins(&self) -> &Plugins {
        &self.resources.plugins
    }

    /// Ends the plugins, when nobody asks them any more.
    pub async fn stop(&mut self) {
        self.resources.plugins.stop().await;
    }

    /// Builds a connector, and says what came of it.
    async fn load(&mut self, place: usize, connector: &ConnectorPlan, built: &mut Built, page: &Bytes) -> Result<(), String> {
        tracing::info!("[SERVER]: Loading {} on port {}", connector.name, connector.port);
        match self.connect(place, connector, built, page).await {
            Ok(()) => {
                tracing::info!("[SERVER]: {} loaded successfully", connector.name);
                Ok(())
            }
            Err(error) => {
                tracing::error!("[SERVER UTILS]: {error:#}");
                tracing::error!("[SERVER]: Failed to load {}", connector.text);
                Err(format!("{error:#}"))
            }
        }
    }

    async fn connect(
        &mut self,
        place: usize,
        connector: &ConnectorPlan,
        built: &mut Built,
        not_found_page: &Bytes,
    ) -> Result<()> {
        let router = router_of(&mut built.routers, connector.port, not_found_page);
        let services = &mut built.services;
        match &connector.kind {
            ConnectorKind::Asset(plan) => {
                self.assets
                    .connect(plan, connector, &mut self.resources, router, Own::of("asset", services, not_found_page))
                    .await
            }
            ConnectorKind::BakedTexture(plan) => {
                built.baked_textures.push(baked_texture::connect(
                    plan,
                    connector,
                    router,
                    Own::of("baked_texture", services, not_found_page),
                )?);
                Ok(())
            }
            ConnectorKind::Forward(plan) => forward::connect(plan, &mut self.resources, router),
            ConnectorKind::Inventory(plan) => {
                let service = inventory::connect(
                    plan,
                    connector,
                    &mut self.resources,
                    router,
                    Own::of("inventory", services, not_found_page),
                )
                .await?;
                built.inventories.push(service);
                Ok(())
            }
            ConnectorKind::Name2Key(plan) => {
                self.name2keys
                    .connect(plan, connector, &mut self.resources, router, Own::of("name2key", services, not_found_page))
                    .await
            }
            ConnectorKind::Plugin(service) => {
                let (name, routes) = self.resources.plugins.connect(service, connector, router)?;
                built.plugin_routes.push((place, name, routes));
                Ok(())
            }
        }
    }
}

/// The router of a port, made when it is the first time that it is asked for.
fn router_of<'a>(routers: &'a mut BTreeMap<u16, Router>, port: u16, not_found_page: &Bytes) -> &'a mut Router {
    routers.entry(port).or_insert_with(|| Router::new(not_found_page.clone()))
}

/// A plugin is refused the paths that a connector before it has. A connector of the program that comes after it, or one that passes requests
/// on, is not refused the plugin's, since a front may well answer a part itself; but the operator should know. Planning cannot say it, since
/// the paths of plugins are not known there.
fn warn_of_paths_of_plugins(plan: &Plan, built: &Built) {
    let is_plugin = |connector: &ConnectorPlan| matches!(connector.kind, ConnectorKind::Plugin(_));
    let passes = |connector: &ConnectorPlan| matches!(connector.kind, ConnectorKind::Forward(_));
    for (place, name, routes) in &built.plugin_routes {
        let ConnectorPlan { text, port, .. } = &plan.connectors[*place];
        let later = plan.connectors.iter().enumerate().filter(|(at, other)| at > place || passes(other));
        let others: Vec<_> = later.map(|(_, other)| other).filter(|other| other.port == *port && !is_plugin(other)).collect();
        for Route { method, prefix, .. } in routes {
            let router = built.routers.get(port);
            if let Some(owner) = router.and_then(|router| router.owner(method, prefix)).filter(|owner| owner != name) {
                tracing::warn!("[SERVER]: {text} does not answer {method} {prefix} on port {port}: {owner} does");
                continue;
            }
            let path = if prefix == "/" { "" } else { prefix };
            for other in others.iter().filter(|other| other.kind.paths().contains(&path)) {
                tracing::warn!("[SERVER]: {} does not answer {method} {prefix} on port {port}: {text} does", other.text);
            }
        }
    }
}

/// Where plugins ask a service. The first connector of the service answers there.
pub struct Own<'a> {
    /// For nothing but the service.
    pub router: &'a mut Router,
    /// None: whoever asks is in the process.
    pub protection: Arc<ServiceAuthentication>,
}

impl<'a> Own<'a> {
    fn of(service: &'static str, services: &'a mut ServiceRouters, not_found_page: &Bytes) -> Self {
        Self {
            router: services.entry(service).or_insert_with(|| Router::new(not_found_page.clone())),
            protection: Arc::new(ServiceAuthentication::none(true)),
        }
    }
}
