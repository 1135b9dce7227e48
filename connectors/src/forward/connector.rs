//! Passes everything under its paths to a group of upstreams.

use std::sync::Arc;

use async_trait::async_trait;

use super::relay::{HostHeader, Relay};
use crate::http::{PassHandler, PassingRequest, Response, Router};
use crate::upstream::UpstreamGroup;

/// What an operator can choose.
#[derive(Clone, Debug, PartialEq)]
pub struct ForwardOptions {
    /// What the Host header says.
    pub host: HostHeader,
    /// Add who asks to X-Forwarded-For.
    pub forwarded_for: bool,
    /// The largest body of a request, in bytes.
    pub largest_body: u64,
}

/// The connector.
pub struct ForwardConnector {
    relay: Relay,
    largest_body: u64,
}

impl ForwardConnector {
    /// Passes requests to `group`.
    pub fn new(group: Arc<UpstreamGroup>, options: &ForwardOptions) -> Self {
        Self { relay: Relay::new(group, options), largest_body: options.largest_body }
    }

    /// Registers the paths.
    pub fn register(self, router: &mut Router, paths: &[String]) {
        let connector = Arc::new(self);
        for path in paths {
            router.pass(path, connector.clone());
        }
    }
}

#[async_trait]
impl PassHandler for ForwardConnector {
    fn name(&self) -> &'static str {
        "forward"
    }

    fn operation(&self) -> &'static str {
        "forward"
    }

    fn largest_body(&self) -> u64 {
        self.largest_body
    }

    async fn pass(&self, request: PassingRequest) -> Response {
        self.relay.pass(request, self.name()).await
    }
}
