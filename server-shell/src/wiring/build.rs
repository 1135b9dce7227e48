//! The building step: opens databases, joins groups of other shells, and constructs services and connectors by plan.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use bytes::Bytes;
use gridshell_connectors::http::Router;
use gridshell_connectors::upstream::UpstreamGroup;
use gridshell_interfaces::baked_texture::BakedTextureService;
use gridshell_interfaces::library::LibraryService;
use gridshell_interfaces::name2key::Name2KeyService;
use gridshell_services::database::Database;
use gridshell_services::library::FileLibraryService;

use super::asset::{AssetServices, SharedAssets};
use super::database::Databases;
use super::name2key::Name2KeyServices;
use super::upstream::Upstreams;
use super::{BuiltInventory, ConnectorKind, ConnectorPlan, Plan, baked_texture, forward, inventory};

/// Everything that was built, not listening yet.
pub struct Built {
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
}

/// What services stand on; each thing exists once.
#[derive(Default)]
pub struct Resources {
    /// The open databases.
    pub databases: Databases,
    /// The groups of other shells.
    pub upstreams: Upstreams,
}

/// Builds all connectors. One that cannot be built is said in the log and left out; the others go on (shell.md section 6.3).
/// `not_found_page` is the body of 404 answers.
pub async fn build(plan: &Plan, not_found_page: &Bytes) -> Built {
    let mut builder = Builder {
        resources: Resources::default(),
        assets: AssetServices::default(),
        baked_textures: Vec::new(),
        inventories: Vec::new(),
        name2keys: Name2KeyServices::default(),
    };
    let mut routers = BTreeMap::new();
    // The main listener exists whether or not a connector is on it (shell.md section 5).
    routers.insert(plan.network.port, Router::new(not_found_page.clone()));
    for text in &plan.failed {
        tracing::error!("[SERVER]: Failed to load {text}");
    }
    for connector in &plan.connectors {
        let router = routers.entry(connector.port).or_insert_with(|| Router::new(not_found_page.clone()));
        tracing::info!("[SERVER]: Loading {} on port {}", connector.name, connector.port);
        match builder.connect(connector, router).await {
            Ok(()) => tracing::info!("[SERVER]: {} loaded successfully", connector.name),
            Err(error) => {
                tracing::error!("[SERVER UTILS]: {error:#}");
                tracing::error!("[SERVER]: Failed to load {}", connector.text);
            }
        }
    }
    let library: Option<Arc<dyn LibraryService>> = match &plan.library {
        Some(options) => Some(Arc::new(FileLibraryService::load(options).await)),
        None => None,
    };
    let Builder { resources, assets, baked_textures, inventories, name2keys } = builder;
    Built {
        routers,
        databases: resources.databases.into_named(),
        needed_upstreams: resources.upstreams.needed(),
        upstreams: resources.upstreams.into_groups(),
        assets: assets.into_all(),
        baked_textures,
        inventories,
        name2keys: name2keys.into_all(),
        library,
    }
}

struct Builder<'a> {
    resources: Resources,
    assets: AssetServices<'a>,
    baked_textures: Vec<Arc<dyn BakedTextureService>>,
    inventories: Vec<BuiltInventory>,
    name2keys: Name2KeyServices,
}

impl<'a> Builder<'a> {
    async fn connect(&mut self, connector: &'a ConnectorPlan, router: &mut Router) -> Result<()> {
        match &connector.kind {
            ConnectorKind::Asset(plan) => self.assets.connect(plan, connector, &mut self.resources, router).await,
            ConnectorKind::BakedTexture(plan) => {
                self.baked_textures.push(baked_texture::connect(plan, connector, router)?);
                Ok(())
            }
            ConnectorKind::Forward(plan) => forward::connect(plan, &mut self.resources, router),
            ConnectorKind::Inventory(plan) => {
                let service = inventory::connect(plan, connector, &mut self.resources, router).await?;
                self.inventories.push(service);
                Ok(())
            }
            ConnectorKind::Name2Key(plan) => self.name2keys.connect(plan, connector, &mut self.resources, router).await,
        }
    }
}
