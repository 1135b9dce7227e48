//! The three name2key connectors, and the name2key services: on a database, and of other shells.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use gridshell_connectors::http::Router;
use gridshell_connectors::name2key::outbound::RemoteName2KeyService;
use gridshell_connectors::name2key::outbound_web::RemoteName2KeyWebService;
use gridshell_connectors::name2key::{
    GoslOptions, GridOfAddresses, Name2KeyConnector, Name2KeyGoslConnector, Name2KeyWebConnector, Network, RegistrationOptions,
    RegistrationPolicy, Spelling, WebOptions,
};
use gridshell_interfaces::name2key::{Grid, Name2KeyService};
use gridshell_services::database::Database;
use gridshell_services::name2key::{Name2KeyOptions, Name2KeySources, SqlName2KeyService};
use uuid::Uuid;

use super::build::{Own, Resources};
use super::database::{DatabasePlan, plan_database};
use super::opt_out::read_opt_out;
use super::plugin::{PluginService, is_plugin, plan_plugin_service};
use super::shared::Shared;
use super::upstream::{UpstreamPlan, plan_upstreams};
use super::{ConnectorKind, ConnectorPlan, Plan, Planner};
use crate::registry::{Build, Role};
use crate::settings::{ConnectorOptions, GoslSpelling, Name2KeyFaceOptions, Name2KeyServiceOptions, RegistrationKind};

/// A name2key connector.
pub struct Name2KeyConnectorPlan {
    face: Face,
    service: Name2KeyServicePlan,
}

/// Which wire it speaks.
enum Face {
    /// METHODs at `/xname2key`.
    Private,
    /// W-Hat's.
    Web(WebOptions),
    /// That of gosl-basics.
    Gosl(GoslOptions),
}

/// A name2key service. Connectors with the same plan share one.
#[derive(Clone, PartialEq)]
pub enum Name2KeyServicePlan {
    /// On a database.
    Local(LocalName2KeyPlan),
    /// That of other shells.
    Remote(UpstreamPlan),
    /// That of servers with W-Hat's addresses.
    RemoteWeb(UpstreamPlan),
    /// That of a plugin.
    Plugin(PluginService),
}

/// A name2key service on a database.
#[derive(Clone, PartialEq)]
pub struct LocalName2KeyPlan {
    database: DatabasePlan,
    default_grids: Vec<Grid>,
    opt_out: HashSet<Uuid>,
    remember: Duration,
    /// The service that is asked before this one.
    first: Option<Box<Name2KeyServicePlan>>,
}

impl Name2KeyServicePlan {
    /// The plugins that the service stands on.
    pub fn plugins(&self) -> impl Iterator<Item = &str> {
        let first = match self {
            Self::Local(plan) => plan.first.as_deref(),
            Self::Remote(_) | Self::RemoteWeb(_) | Self::Plugin(_) => None,
        };
        [Some(self), first].into_iter().flatten().filter_map(|plan| match plan {
            Self::Plugin(service) => Some(service.plugin.as_str()),
            Self::Local(_) | Self::Remote(_) | Self::RemoteWeb(_) => None,
        })
    }

    /// Asks for what the service stands on, so that it counts as wanted also where the service exists already.
    async fn want(&self, resources: &mut Resources) -> Result<()> {
        let mut next = Some(self);
        while let Some(plan) = next {
            next = match plan {
                Self::Local(plan) => {
                    resources.databases.open(&plan.database).await?;
                    plan.first.as_deref()
                }
                Self::Remote(upstreams) | Self::RemoteWeb(upstreams) => {
                    resources.upstreams.join(upstreams)?;
                    None
                }
                // Plugins are built before their users.
                Self::Plugin(_) => None,
            };
        }
        Ok(())
    }
}

impl Name2KeyConnectorPlan {
    /// What the connector answers on its port; empty for everything else.
    pub fn path(&self) -> &str {
        match &self.face {
            Face::Private => "/xname2key",
            Face::Web(_) => "/name2key",
            Face::Gosl(options) => options.path.as_deref().unwrap_or_default(),
        }
    }

    /// The plugins that it stands on.
    pub fn plugins(&self) -> impl Iterator<Item = &str> {
        self.service.plugins()
    }
}

/// Plans the private connector over a section.
pub fn plan_name2key_connector(planner: &mut Planner<'_>, section: &str) -> Option<ConnectorKind> {
    // The keys of the other faces may stand in the same section; they are checked with it.
    planner.read(section, Name2KeyFaceOptions::read);
    plan_face(planner, section, Some(Face::Private))
}

/// Plans W-Hat's face over a section.
pub fn plan_name2key_web_connector(planner: &mut Planner<'_>, section: &str) -> Option<ConnectorKind> {
    let options = planner.read(section, Name2KeyFaceOptions::read);
    let face = options.and_then(|options| {
        let grids = plan_grids(planner, section, &options)?;
        Some(Face::Web(WebOptions { grids, look_ups_per_minute: options.look_ups_per_minute }))
    });
    plan_face(planner, section, face)
}

/// Plans the face of gosl-basics over a section.
pub fn plan_name2key_gosl_connector(planner: &mut Planner<'_>, section: &str) -> Option<ConnectorKind> {
    let options = planner.read(section, Name2KeyFaceOptions::read);
    let face = options.and_then(|options| plan_gosl(planner, section, options)).map(Face::Gosl);
    plan_face(planner, section, face)
}

fn plan_gosl(planner: &mut Planner<'_>, section: &str, options: Name2KeyFaceOptions) -> Option<GoslOptions> {
    let grids = plan_grids(planner, section, &options);
    let policy = plan_policy(planner, section, &options);
    let path = Some(options.gosl_path).filter(|path| !path.is_empty());
    if let Some(path) = &path
        && (!path.starts_with('/') || path.len() < 2)
    {
        planner.error(section, "GoslPath", format!("{path:?} is no path such as /gosl"));
        return None;
    }
    Some(GoslOptions {
        spelling: match options.spelling {
            GoslSpelling::Of2017 => Spelling::Of2017,
            GoslSpelling::Of2025 => Spelling::Of2025,
        },
        path,
        grids: grids?,
        look_ups_per_minute: options.look_ups_per_minute,
        registration: RegistrationOptions { policy: policy?, per_minute: options.registrations_per_minute },
    })
}

fn plan_grids(planner: &mut Planner<'_>, section: &str, options: &Name2KeyFaceOptions) -> Option<GridOfAddresses> {
    let grids = options.grid_of_addresses.parse::<GridOfAddresses>();
    grids.map_err(|error| planner.error(section, "GridOfAddresses", error.to_string())).ok()
}

fn plan_policy(planner: &mut Planner<'_>, section: &str, options: &Name2KeyFaceOptions) -> Option<RegistrationPolicy> {
    let networks: Result<Vec<Network>, _> = options.region_addresses.iter().map(|text| text.parse()).collect();
    let networks = networks.map_err(|error| planner.error(section, "RegionAddresses", error.to_string())).ok()?;
    match options.registration {
        RegistrationKind::Open => Some(RegistrationPolicy::Open),
        RegistrationKind::Regions => {
            if networks.is_empty() {
                planner.warn(
                    section,
                    "RegionAddresses",
                    "there is no address of a region, so nobody can register names".to_owned(),
                );
            }
            Some(RegistrationPolicy::Regions(networks))
        }
        RegistrationKind::Secret if options.registration_secret.is_empty() => {
            let message = "is needed, since Registration is secret".to_owned();
            planner.error(section, "RegistrationSecret", message);
            None
        }
        RegistrationKind::Secret => Some(RegistrationPolicy::Secret(options.registration_secret.expose().to_owned())),
        RegistrationKind::Off => Some(RegistrationPolicy::Off),
    }
}

fn plan_face(planner: &mut Planner<'_>, section: &str, face: Option<Face>) -> Option<ConnectorKind> {
    let service = plan_service_of(planner, section);
    Some(ConnectorKind::Name2Key(Name2KeyConnectorPlan { face: face?, service: service? }))
}

/// The service that a section names.
fn plan_service_of(planner: &mut Planner<'_>, section: &str) -> Option<Name2KeyServicePlan> {
    let module = planner.read(section, ConnectorOptions::read)?;
    let name = &module.module;
    if is_plugin(&name.library) {
        return plan_plugin_service(planner, section, "LocalServiceModule", name).map(Name2KeyServicePlan::Plugin);
    }
    let Build::Name2KeyService(plan) = planner.module(Role::Service, section, "LocalServiceModule", name)?.build else {
        planner.error(section, "LocalServiceModule", format!("{name} is no name2key service"));
        return None;
    };
    let read_from = planner.section_of(section, "LocalServiceModule", name)?;
    plan(planner, &read_from)
}

/// Plans the name2key service of other shells over a section.
pub fn plan_remote_name2key_service(planner: &mut Planner<'_>, section: &str) -> Option<Name2KeyServicePlan> {
    plan_upstreams(planner, section, "Name2KeyServerURI").map(Name2KeyServicePlan::Remote)
}

/// Plans the name2key service of servers with W-Hat's addresses over a section.
pub fn plan_remote_name2key_web_service(planner: &mut Planner<'_>, section: &str) -> Option<Name2KeyServicePlan> {
    plan_upstreams(planner, section, "Name2KeyServerURI").map(Name2KeyServicePlan::RemoteWeb)
}

/// Plans the name2key service on a database over a section.
pub fn plan_name2key_service(planner: &mut Planner<'_>, section: &str) -> Option<Name2KeyServicePlan> {
    let database = plan_database(planner, section);
    let options = planner.read(section, Name2KeyServiceOptions::read)?;
    if let Some((grid, error)) = options.default_grids.iter().find_map(|grid| Some((grid, Grid(grid.clone()).check().err()?))) {
        planner.error(section, "DefaultGrids", format!("{grid:?}: {}", error.message));
        return None;
    }
    let opt_out = match options.opt_out_file.as_str() {
        "" => Some(HashSet::new()),
        file => read_opt_out(file).map_err(|message| planner.error(section, "OptOutFile", message)).ok(),
    };
    let first = match options.ask_first.as_str() {
        "" => None,
        first => Some(Box::new(plan_first(planner, section, first)?)),
    };
    let default_grids = options.default_grids.into_iter().map(Grid).collect();
    let remember = Duration::from_secs(options.remember_seconds);
    Some(Name2KeyServicePlan::Local(LocalName2KeyPlan { database: database?, default_grids, opt_out: opt_out?, remember, first }))
}

fn plan_first(planner: &mut Planner<'_>, section: &str, first: &str) -> Option<Name2KeyServicePlan> {
    let asks_others = planner.configuration().get(first, "AskFirst").is_some_and(|entry| !entry.value.is_empty());
    if asks_others || planner.configuration().section(first).is_none() {
        let what = if asks_others { "asks another one first itself" } else { "is not there" };
        planner.error(section, "AskFirst", format!("the section [{first}] {what}"));
        return None;
    }
    plan_service_of(planner, first)
}

/// The name2key services that exist.
#[derive(Default)]
pub struct Name2KeyServices {
    /// Each with its plan.
    pub shared: Shared<Name2KeyServicePlan, Arc<dyn Name2KeyService>>,
}

impl Name2KeyServices {
    /// Builds the connector and registers its paths.
    pub async fn connect(
        &mut self,
        plan: &Name2KeyConnectorPlan,
        connector: &ConnectorPlan,
        resources: &mut Resources,
        router: &mut Router,
        own: Own<'_>,
    ) -> Result<()> {
        let service = self.get_or_build(&plan.service, resources).await?;
        match &plan.face {
            Face::Private => {
                let handler = Name2KeyConnector::new(service);
                handler.clone().register(router, connector.protection.clone());
                handler.register(own.router, own.protection);
            }
            Face::Web(options) => Name2KeyWebConnector::new(service, options.clone()).register(router),
            Face::Gosl(options) => Name2KeyGoslConnector::new(service, options.clone()).register(router),
        }
        Ok(())
    }

    async fn get_or_build(&mut self, plan: &Name2KeyServicePlan, resources: &mut Resources) -> Result<Arc<dyn Name2KeyService>> {
        if let Some(service) = self.shared.get(|known| known == plan) {
            plan.want(resources).await?;
            return Ok(service);
        }
        let own = open(plan, resources).await?;
        let service = match plan {
            Name2KeyServicePlan::Local(LocalName2KeyPlan { first: Some(first), .. }) => {
                Arc::new(Name2KeySources::new(open(first, resources).await?, own))
            }
            _ => own,
        };
        Ok(self.shared.insert(plan.clone(), service))
    }
}

/// The service without the one that is asked before it.
async fn open(plan: &Name2KeyServicePlan, resources: &mut Resources) -> Result<Arc<dyn Name2KeyService>> {
    Ok(match plan {
        Name2KeyServicePlan::Local(plan) => {
            let options = Name2KeyOptions {
                default_grids: plan.default_grids.clone(),
                opt_out: plan.opt_out.clone(),
                remember: plan.remember,
            };
            Arc::new(SqlName2KeyService::open(resources.databases.open(&plan.database).await?, options).await?)
        }
        Name2KeyServicePlan::Remote(upstreams) => Arc::new(RemoteName2KeyService::new(resources.upstreams.join(upstreams)?)),
        Name2KeyServicePlan::RemoteWeb(upstreams) => {
            Arc::new(RemoteName2KeyWebService::new(resources.upstreams.join(upstreams)?))
        }
        Name2KeyServicePlan::Plugin(service) => {
            Arc::new(RemoteName2KeyService::new(resources.plugins.transport(service, "name2key")?))
        }
    })
}

/// Opens the service of a plan's first name2key connector, without listening, with its databases; `None` when the plan has none.
pub async fn open_name2key(plan: &Plan) -> Result<Option<(Arc<dyn Name2KeyService>, Vec<Database>)>> {
    let plugins = &plan.plugins;
    let plan = plan.connectors.iter().find_map(|connector| match &connector.kind {
        ConnectorKind::Name2Key(plan) => Some(plan),
        _ => None,
    });
    let Some(plan) = plan else { return Ok(None) };
    let mut resources = Resources::default();
    let wanted: Vec<_> = plugins.iter().filter(|it| plan.service.plugins().any(|name| name == it.name)).cloned().collect();
    resources.plugins.build(&wanted, None).await;
    let service = Name2KeyServices::default().get_or_build(&plan.service, &mut resources).await?;
    Ok(Some((service, resources.databases.shared.wanted())))
}
