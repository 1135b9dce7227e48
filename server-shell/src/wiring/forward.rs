//! The connectors that pass requests on: forward, and shadow, which compares as well.

use anyhow::Result;
use gridshell_connectors::forward::{ForwardConnector, ForwardOptions, HostHeader, ShadowConnector, ShadowOptions};
use gridshell_connectors::http::{Method, Router};

use super::build::Resources;
use super::upstream::{UpstreamPlan, plan_group};
use super::{ConnectorKind, Planner};
use crate::settings::{self, HostOption};

/// The largest number of copies under way.
const MOST_SHADOWS: usize = 10_000;

/// A connector that passes requests on.
pub struct ForwardPlan {
    paths: Vec<String>,
    kind: Kind,
}

enum Kind {
    Forward { upstreams: UpstreamPlan, options: ForwardOptions },
    Shadow { name: String, answering: UpstreamPlan, shadow: UpstreamPlan, options: ShadowOptions },
}

impl ForwardPlan {
    /// What the connector answers on its port; empty for everything else.
    pub fn paths(&self) -> Vec<&str> {
        self.paths.iter().map(|path| if path == "/" { "" } else { path.as_str() }).collect()
    }
}

/// Plans a forward connector over a section.
pub fn plan_forward_connector(planner: &mut Planner<'_>, section: &str) -> Option<ConnectorKind> {
    let upstreams = plan_group(planner, section, "URI", section);
    let (paths, options) = plan_options(planner, section)?;
    Some(ConnectorKind::Forward(ForwardPlan { paths, kind: Kind::Forward { upstreams: upstreams?, options } }))
}

/// Plans a shadow connector over a section.
pub fn plan_shadow_connector(planner: &mut Planner<'_>, section: &str) -> Option<ConnectorKind> {
    let answering = plan_group(planner, section, "AnswerURI", section);
    let shadow = plan_group(planner, section, "ShadowURI", &format!("{section} shadow"));
    let forward = plan_options(planner, section);
    let shadows = planner.read(section, |reader| {
        let options = settings::ShadowOptions::read(reader)?;
        if !(1..=MOST_SHADOWS).contains(&options.max_shadows) {
            reader.error("MaxShadows", format!("is a number from 1 to {MOST_SHADOWS}"));
        }
        let verbs = list(&options.verbs).map(|verb| Method::from_bytes(verb.as_bytes()).map_err(|_| verb.to_owned()));
        match verbs.collect::<Result<Vec<Method>, String>>() {
            Ok(verbs) if verbs.is_empty() => reader.error("Verbs", "without verbs nothing is ever compared"),
            Ok(verbs) => return Some((verbs, options)),
            Err(verb) => reader.error("Verbs", format!("{verb:?} is no verb")),
        }
        None
    });
    let (paths, forward) = forward?;
    let (verbs, settings::ShadowOptions { max_shadow_kilobytes, max_shadows, log_values, .. }) = shadows?;
    let largest_copy = max_shadow_kilobytes.saturating_mul(1024);
    let options = ShadowOptions { forward, verbs, largest_copy, most: max_shadows, log_values };
    let kind = Kind::Shadow { name: section.to_owned(), answering: answering?, shadow: shadow?, options };
    Some(ConnectorKind::Forward(ForwardPlan { paths, kind }))
}

/// The paths and options that both have.
fn plan_options(planner: &mut Planner<'_>, section: &str) -> Option<(Vec<String>, ForwardOptions)> {
    planner.read(section, |reader| {
        let options = settings::ForwardOptions::read(reader)?;
        let without_slash = |path: &str| if path.len() > 1 { path.trim_end_matches('/').to_owned() } else { path.to_owned() };
        let paths: Vec<String> = list(&options.path).map(without_slash).collect();
        if paths.is_empty() {
            reader.error("Path", "names no path; / is everything");
        }
        for path in &paths {
            if !path.starts_with('/') || path.contains(char::is_whitespace) || path.contains(['?', '\\']) {
                reader.error("Path", format!("{path:?} is no path such as /assets"));
            }
        }
        let host = match options.host {
            HostOption::Client => HostHeader::Client,
            HostOption::Upstream => HostHeader::Upstream,
        };
        let largest_body = options.max_body_megabytes.saturating_mul(1024 * 1024);
        Some((paths, ForwardOptions { host, forwarded_for: options.forwarded_for, largest_body }))
    })
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// Builds the connector and registers its paths. Has to be called within the runtime that sends copies.
pub fn connect(plan: &ForwardPlan, resources: &mut Resources, router: &mut Router) -> Result<()> {
    let upstreams = &mut resources.upstreams;
    match &plan.kind {
        Kind::Forward { upstreams: plan_of_group, options } => {
            ForwardConnector::new(upstreams.join_group(plan_of_group, true)?, options).register(router, &plan.paths);
        }
        Kind::Shadow { name, answering, shadow, options } => {
            let (answering, shadow) = (upstreams.join_group(answering, true)?, upstreams.join_group(shadow, false)?);
            ShadowConnector::new(name, answering, shadow, options.clone()).register(router, &plan.paths);
        }
    }
    Ok(())
}
