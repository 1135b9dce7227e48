//! The baked texture connector and the service on files.

use std::sync::Arc;

use anyhow::Result;
use gridshell_connectors::baked_texture::BakedTextureConnector;
use gridshell_connectors::http::Router;
use gridshell_interfaces::baked_texture::BakedTextureService;
use gridshell_services::baked_texture::FileBakedTextureService;

use super::build::Own;
use super::{ConnectorKind, ConnectorPlan, Planner};
use crate::registry::{Build, Role};
use crate::settings::{BakedTextureOptions, ConnectorOptions};

/// A baked texture service on files.
pub struct BakedTextureServicePlan {
    base_directory: String,
}

/// Plans a baked texture connector over a section.
pub fn plan_baked_texture_connector(planner: &mut Planner<'_>, section: &str) -> Option<ConnectorKind> {
    let module = planner.read(section, ConnectorOptions::read)?;
    let name = &module.module;
    let Build::BakedTextureService(plan) = planner.module(Role::Service, section, "LocalServiceModule", name)?.build else {
        planner.error(section, "LocalServiceModule", format!("{name} is no baked texture service"));
        return None;
    };
    let read_from = planner.section_of(section, "LocalServiceModule", name)?;
    plan(planner, &read_from).map(ConnectorKind::BakedTexture)
}

/// Plans the baked texture service on files over a section.
pub fn plan_baked_texture_service(planner: &mut Planner<'_>, section: &str) -> Option<BakedTextureServicePlan> {
    let options = planner.read(section, BakedTextureOptions::read)?;
    Some(BakedTextureServicePlan { base_directory: options.base_directory })
}

/// Builds the connector and registers its path.
pub fn connect(
    plan: &BakedTextureServicePlan,
    connector: &ConnectorPlan,
    router: &mut Router,
    own: Own<'_>,
) -> Result<Arc<dyn BakedTextureService>> {
    let service = Arc::new(FileBakedTextureService::new(&plan.base_directory));
    let handler = BakedTextureConnector::new(service.clone());
    handler.clone().register(router, connector.protection.clone());
    handler.register(own.router, own.protection);
    Ok(service)
}
