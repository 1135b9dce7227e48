//! A plugin as an IN connector: its routes on a port.

use std::borrow::Cow;
use std::sync::Arc;

use anyhow::{Result, bail};
use async_trait::async_trait;
use gridshell_connectors::http::{HTML, Handler, Request, Response, Router, ServiceAuthentication, StatusCode, TEXT, header};

use super::border::BorrowedCall;
use super::context::Route;
use super::plugin::{Failure, Plugin};

/// One of the services that a plugin listens for.
pub struct PluginConnector {
    plugin: Arc<Plugin>,
    service: String,
}

impl PluginConnector {
    /// Registers the routes that the plugin has for this service, all of them, and gives them back.
    ///
    /// # Errors
    /// It has none, or another connector has one of them.
    pub fn register(
        plugin: Arc<Plugin>,
        service: String,
        protection: &Arc<ServiceAuthentication>,
        port: u16,
        router: &mut Router,
    ) -> Result<Vec<Route>> {
        let routes: Vec<_> = plugin.routes.iter().filter(|route| route.service == service).cloned().collect();
        if routes.is_empty() {
            let hint = if plugin.library.properties.capabilities.http { "" } else { ": it has not the capability http" };
            bail!("the plugin {} has registered no path for {service}{hint}", plugin.name());
        }
        for Route { method, prefix, .. } in &routes {
            if let Some(owner) = router.owner(method, prefix) {
                bail!("the plugin {} cannot have {method} {prefix} on port {port}: {owner} has it already", plugin.name());
            }
        }
        let connector = Arc::new(Self { plugin, service });
        for route in &routes {
            router.stream(route.method.clone(), &route.prefix, Some(protection.clone()), connector.clone());
        }
        Ok(routes)
    }
}

#[async_trait]
impl Handler for PluginConnector {
    fn name(&self) -> &'static str {
        self.plugin.name()
    }

    fn operations(&self) -> &'static [&'static str] {
        &["request"]
    }

    async fn handle(&self, request: &Request) -> Response {
        let call = BorrowedCall {
            service: &self.service,
            method: request.method.as_str(),
            path: &request.path,
            matched: request.path.len() - request.rest().len(),
            query: &request.query,
            headers: &request.headers,
            body: &request.body,
            peer: Some(request.client),
        };
        let response = match self.plugin.answer(call).await {
            Ok(mut reply) => {
                let content_type = reply.headers.remove(header::CONTENT_TYPE);
                let content_type = content_type.and_then(|value| value.to_str().ok().map(|text| Cow::Owned(text.to_owned())));
                let content_type = content_type.unwrap_or(Cow::Borrowed(HTML));
                Response { status: reply.status, headers: reply.headers, ..Response::ok(content_type, reply.body) }
            }
            Err(Failure::Failed | Failure::Panicked) => Response::empty(StatusCode::INTERNAL_SERVER_ERROR, TEXT),
            Err(Failure::TimedOut(_)) => Response::empty(StatusCode::GATEWAY_TIMEOUT, TEXT),
            Err(Failure::Ended) => Response::empty(StatusCode::BAD_GATEWAY, TEXT),
            Err(Failure::Disabled | Failure::Busy | Failure::NotRunning) => {
                Response::empty(StatusCode::SERVICE_UNAVAILABLE, TEXT)
            }
        };
        response.for_operation("request")
    }
}
