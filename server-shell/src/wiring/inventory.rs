//! The inventory connector, and the inventory services: on a database, and of other shells.

use std::sync::Arc;

use anyhow::{Result, bail};
use gridshell_connectors::http::Router;
use gridshell_connectors::inventory::InventoryConnector;
use gridshell_connectors::inventory::outbound::RemoteInventoryService;
use gridshell_interfaces::inventory::InventoryService;
use gridshell_services::inventory::{InventoryOptions, SqlInventoryService};

use super::build::{Own, Resources};
use super::database::{DatabasePlan, Databases, plan_database};
use super::plugin::{PluginService, is_plugin, plan_plugin_service};
use super::upstream::{UpstreamPlan, plan_upstreams};
use super::{ConnectorKind, ConnectorPlan, Plan, Planner};
use crate::registry::{Build, Role};
use crate::settings::{ConnectorOptions, InventoryServiceOptions};

/// An inventory service.
pub enum InventoryServicePlan {
    /// On a database.
    Local {
        /// The database.
        database: DatabasePlan,
        /// What the operator has chosen.
        options: InventoryOptions,
    },
    /// That of other shells.
    Remote(UpstreamPlan),
    /// That of a plugin.
    Plugin(PluginService),
}

impl InventoryServicePlan {
    /// The plugin that the service stands on.
    pub fn plugin(&self) -> Option<&str> {
        match self {
            Self::Plugin(service) => Some(&service.plugin),
            Self::Local { .. } | Self::Remote(_) => None,
        }
    }
}

/// An inventory service as the console needs it: checks look into the database, which only a local one has.
pub enum BuiltInventory {
    /// On a database.
    Local(Box<SqlInventoryService>),
    /// Of other shells, with their addresses, or of a plugin.
    Remote(String),
}

/// Plans an inventory connector over a section.
pub fn plan_inventory_connector(planner: &mut Planner<'_>, section: &str) -> Option<ConnectorKind> {
    let module = planner.read(section, ConnectorOptions::read)?;
    let name = &module.module;
    if is_plugin(&name.library) {
        let service = plan_plugin_service(planner, section, "LocalServiceModule", name)?;
        return Some(ConnectorKind::Inventory(InventoryServicePlan::Plugin(service)));
    }
    let Build::InventoryService(plan) = planner.module(Role::Service, section, "LocalServiceModule", name)?.build else {
        planner.error(section, "LocalServiceModule", format!("{name} is no inventory service"));
        return None;
    };
    let read_from = planner.section_of(section, "LocalServiceModule", name)?;
    plan(planner, &read_from).map(ConnectorKind::Inventory)
}

/// Plans the inventory service on a database over a section.
pub fn plan_inventory_service(planner: &mut Planner<'_>, section: &str) -> Option<InventoryServicePlan> {
    let database = plan_database(planner, section);
    let options = planner.read(section, InventoryServiceOptions::read)?;
    let options = InventoryOptions { allow_delete: options.allow_delete, strict_owner: options.strict_owner };
    Some(InventoryServicePlan::Local { database: database?, options })
}

/// Plans the inventory service of other shells over a section.
pub fn plan_remote_inventory_service(planner: &mut Planner<'_>, section: &str) -> Option<InventoryServicePlan> {
    plan_upstreams(planner, section, "InventoryServerURI").map(InventoryServicePlan::Remote)
}

/// Builds the connector and registers its path.
pub async fn connect(
    plan: &InventoryServicePlan,
    connector: &ConnectorPlan,
    resources: &mut Resources,
    router: &mut Router,
    own: Own<'_>,
) -> Result<BuiltInventory> {
    let (service, built): (Arc<dyn InventoryService>, _) = match plan {
        InventoryServicePlan::Local { database, options } => {
            let service = SqlInventoryService::open(resources.databases.open(database).await?, *options).await?;
            (Arc::new(service.clone()), BuiltInventory::Local(Box::new(service)))
        }
        InventoryServicePlan::Remote(upstreams) => {
            let service = RemoteInventoryService::new(resources.upstreams.join(upstreams)?);
            (Arc::new(service), BuiltInventory::Remote(upstreams.place()))
        }
        InventoryServicePlan::Plugin(wanted) => {
            let service = RemoteInventoryService::new(resources.plugins.transport(wanted, "inventory")?);
            (Arc::new(service), BuiltInventory::Remote(format!("the plugin {}", wanted.plugin)))
        }
    };
    let handler = InventoryConnector::new(service);
    handler.clone().register(router, connector.protection.clone());
    handler.register(own.router, own.protection);
    Ok(built)
}

/// Opens the first inventory service of a plan that is on a database, without listening; `None` when the plan has none at all.
///
/// # Errors
/// The database cannot be opened, or the inventories are at other shells only.
pub async fn open_inventory(plan: &Plan) -> Result<Option<SqlInventoryService>> {
    let mut elsewhere = None;
    for connector in &plan.connectors {
        match &connector.kind {
            ConnectorKind::Inventory(InventoryServicePlan::Local { database, options }) => {
                let database = Databases::default().open(database).await?;
                return Ok(Some(SqlInventoryService::open(database, *options).await?));
            }
            ConnectorKind::Inventory(InventoryServicePlan::Remote(upstreams)) => elsewhere = Some(upstreams.place()),
            ConnectorKind::Inventory(InventoryServicePlan::Plugin(service)) => {
                bail!("the inventories are those of the plugin {}, which keeps them itself", service.plugin)
            }
            _ => {}
        }
    }
    if let Some(place) = elsewhere {
        bail!("the inventories are at {place}; use the configuration of the shell there, which has their database");
    }
    Ok(None)
}
