//! The baked texture IN connector.

use std::sync::Arc;

use async_trait::async_trait;
use gridshell_interfaces::ServiceError;
use gridshell_interfaces::baked_texture::BakedTextureService;
use gridshell_interfaces::ids::parse_uuid;
use uuid::Uuid;

use crate::http::{HTML, Handler, Method, Request, Response, Router, ServiceAuthentication, StatusCode};

/// Answers `/bakes/<agent id>` from a baked texture service.
pub struct BakedTextureConnector {
    service: Arc<dyn BakedTextureService>,
}

impl BakedTextureConnector {
    /// A connector over `service`.
    pub fn new(service: Arc<dyn BakedTextureService>) -> Arc<Self> {
        Arc::new(Self { service })
    }

    /// Registers the connector's path.
    pub fn register(self: Arc<Self>, router: &mut Router, protection: Arc<ServiceAuthentication>) {
        router.variable("/bakes", Some(protection), self);
    }

    async fn get(&self, agent: Uuid) -> Response {
        match self.service.get(agent).await {
            // Nothing stored is an empty document, which a region takes for "no bakes".
            Ok(document) => Response::ok(HTML, document.unwrap_or_default()),
            Err(error) => failure(agent, &error),
        }
    }

    async fn store(&self, agent: Uuid, request: &Request) -> Response {
        match self.service.store(agent, request.body.clone()).await {
            Ok(()) => Response::empty(StatusCode::OK, HTML),
            Err(error) => failure(agent, &error),
        }
    }
}

#[async_trait]
impl Handler for BakedTextureConnector {
    fn name(&self) -> &'static str {
        "baked_texture"
    }

    fn operations(&self) -> &'static [&'static str] {
        &["get", "store", "other"]
    }

    async fn handle(&self, request: &Request) -> Response {
        let agent = request.rest().split('/').find(|piece| !piece.is_empty()).and_then(parse_uuid);
        match (&request.method, agent) {
            (&Method::GET | &Method::POST, None) => {
                // The original takes any text as a file name; only UUIDs are avatars (assets.md section 12).
                tracing::warn!(path = %request.path.escape_debug(), "asked for baked textures of an id that is no UUID");
                Response::empty(StatusCode::BAD_REQUEST, HTML).for_operation("other")
            }
            (&Method::GET, Some(agent)) => self.get(agent).await.for_operation("get"),
            (&Method::POST, Some(agent)) => self.store(agent, request).await.for_operation("store"),
            _ => Response::empty(StatusCode::METHOD_NOT_ALLOWED, HTML).for_operation("other"),
        }
    }
}

fn failure(agent: Uuid, error: &ServiceError) -> Response {
    tracing::error!(%agent, kind = ?error.kind, %error, "could not read or write baked textures");
    Response::failure(error, HTML)
}
