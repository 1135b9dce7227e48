//! What stands in the place of a connector that could not be loaded.

use std::sync::Arc;

use async_trait::async_trait;
use http::{Method, StatusCode};

use super::{Handler, Request, Response, Router, TEXT};

/// Answers 503 where a connector should be. Without it, what the connector keeps would be "not found" (status 404, or 200 and nothing:
/// transport.md section 2.1), though it is only out of reach.
pub struct NotLoaded;

impl NotLoaded {
    /// Takes these paths; an empty one is everything that no other connector of the port answers.
    pub fn register<'a>(paths: impl IntoIterator<Item = &'a str>, router: &mut Router) {
        let handler: Arc<dyn Handler> = Arc::new(Self);
        for path in paths {
            if path.is_empty() {
                router.fallback(handler.clone());
                continue;
            }
            for method in [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE] {
                router.stream(method, path, None, handler.clone());
            }
        }
    }
}

#[async_trait]
impl Handler for NotLoaded {
    fn name(&self) -> &'static str {
        "not_loaded"
    }

    fn operations(&self) -> &'static [&'static str] {
        &["request"]
    }

    async fn handle(&self, _: &Request) -> Response {
        Response::empty(StatusCode::SERVICE_UNAVAILABLE, TEXT).for_operation("request")
    }
}
