//! The asset connector and the asset service on a database.

use std::sync::Arc;

use anyhow::{Context, Result};
use gridshell_connectors::asset::{AssetCache, AssetConnector, AssetConnectorOptions as Options};
use gridshell_connectors::http::Router;
use gridshell_interfaces::asset::AssetService;
use gridshell_services::asset::{SqlAssetService, load_default_assets};

use super::database::{DatabasePlan, Databases, plan_database};
use super::{ConnectorKind, ConnectorPlan, Planner};
use crate::registry::{Build, Role};
use crate::settings::{AssetConnectorOptions, AssetServiceOptions, ConnectorOptions};

/// The asset connector.
pub struct AssetConnectorPlan {
    service: AssetServicePlan,
    options: Options,
    cache_bytes: u64,
}

/// An asset service.
pub struct AssetServicePlan {
    database: DatabasePlan,
    /// The control file of the default assets.
    default_assets: Option<String>,
}

/// Plans an asset connector over a section.
pub fn plan_asset_connector(planner: &mut Planner<'_>, section: &str) -> Option<ConnectorKind> {
    let options = planner.read(section, AssetConnectorOptions::read);
    let module = planner.read(section, ConnectorOptions::read)?;
    let name = &module.module;
    let Build::AssetService(plan) = planner.module(Role::Service, section, "LocalServiceModule", name)?.build else {
        planner.error(section, "LocalServiceModule", format!("{name} is no asset service"));
        return None;
    };
    let service = plan(planner, section)?;
    let options = options?;
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

/// Plans the asset service on a database over a section.
pub fn plan_asset_service(planner: &mut Planner<'_>, section: &str) -> Option<AssetServicePlan> {
    let database = plan_database(planner, section);
    let options = planner.read(section, AssetServiceOptions::read)?;
    let mut default_assets = None;
    if let (true, Some(loader)) = (options.loader_enabled, options.loader.0) {
        planner.module(Role::AssetLoader, section, "DefaultAssetLoader", &loader)?;
        default_assets = Some(options.loader_file);
    }
    Some(AssetServicePlan { database: database?, default_assets })
}

/// The asset services that exist. Connectors over the same database share one, since a cache must hear of every deletion.
#[derive(Default)]
pub struct AssetServices {
    by_database: Vec<(DatabasePlan, SharedAssets)>,
}

/// An asset service and the cache that all its users share.
#[derive(Clone)]
pub struct SharedAssets {
    /// The service.
    pub service: Arc<dyn AssetService>,
    /// The cache of its encoded answers.
    pub cache: Arc<AssetCache>,
}

impl AssetServices {
    /// Builds the connector and registers its paths.
    pub async fn connect(
        &mut self,
        plan: &AssetConnectorPlan,
        connector: &ConnectorPlan,
        databases: &mut Databases,
        router: &mut Router,
    ) -> Result<()> {
        let assets = self.get_or_build(plan, databases).await?;
        AssetConnector::new(assets.service, assets.cache, plan.options.clone()).register(router, connector.protection.clone());
        Ok(())
    }

    async fn get_or_build(&mut self, plan: &AssetConnectorPlan, databases: &mut Databases) -> Result<SharedAssets> {
        if let Some((_, assets)) = self.by_database.iter().find(|(database, _)| *database == plan.service.database) {
            return Ok(assets.clone());
        }
        let database = databases.open(&plan.service.database).await?;
        let service = SqlAssetService::open(database).await?;
        if let Some(file) = &plan.service.default_assets {
            load_default_assets(&service, file.as_ref()).await.context("could not load the default assets")?;
        }
        let assets = SharedAssets { service: Arc::new(service), cache: AssetCache::new(plan.cache_bytes) };
        self.by_database.push((plan.service.database.clone(), assets.clone()));
        Ok(assets)
    }

    /// All of them, for the console.
    pub fn into_all(self) -> Vec<SharedAssets> {
        self.by_database.into_iter().map(|(_, assets)| assets).collect()
    }
}
