//! The inventory connector and the inventory service on a database.

use std::sync::Arc;

use anyhow::Result;
use gridshell_connectors::http::Router;
use gridshell_connectors::inventory::InventoryConnector;
use gridshell_services::inventory::{InventoryOptions, SqlInventoryService};

use super::database::{DatabasePlan, Databases, plan_database};
use super::{ConnectorKind, ConnectorPlan, Plan, Planner};
use crate::registry::{Build, Role};
use crate::settings::{ConnectorOptions, InventoryServiceOptions};

/// An inventory service.
pub struct InventoryServicePlan {
    database: DatabasePlan,
    options: InventoryOptions,
}

/// Plans an inventory connector over a section.
pub fn plan_inventory_connector(planner: &mut Planner<'_>, section: &str) -> Option<ConnectorKind> {
    let module = planner.read(section, ConnectorOptions::read)?;
    let name = &module.module;
    let Build::InventoryService(plan) = planner.module(Role::Service, section, "LocalServiceModule", name)?.build else {
        planner.error(section, "LocalServiceModule", format!("{name} is no inventory service"));
        return None;
    };
    plan(planner, section).map(ConnectorKind::Inventory)
}

/// Plans the inventory service on a database over a section.
pub fn plan_inventory_service(planner: &mut Planner<'_>, section: &str) -> Option<InventoryServicePlan> {
    let database = plan_database(planner, section);
    let options = planner.read(section, InventoryServiceOptions::read)?;
    let options = InventoryOptions { allow_delete: options.allow_delete, strict_owner: options.strict_owner };
    Some(InventoryServicePlan { database: database?, options })
}

/// Builds the connector and registers its path.
pub async fn connect(
    plan: &InventoryServicePlan,
    connector: &ConnectorPlan,
    databases: &mut Databases,
    router: &mut Router,
) -> Result<SqlInventoryService> {
    let service = SqlInventoryService::open(databases.open(&plan.database).await?, plan.options).await?;
    InventoryConnector::new(Arc::new(service.clone())).register(router, connector.protection.clone());
    Ok(service)
}

/// Opens the first inventory service of a plan, without listening; `None` when the plan has none.
pub async fn open_inventory(plan: &Plan) -> Result<Option<SqlInventoryService>> {
    let inventory = plan.connectors.iter().find_map(|connector| match &connector.kind {
        ConnectorKind::Inventory(plan) => Some(plan),
        _ => None,
    });
    let Some(inventory) = inventory else { return Ok(None) };
    let database = Databases::default().open(&inventory.database).await?;
    Ok(Some(SqlInventoryService::open(database, inventory.options).await?))
}
