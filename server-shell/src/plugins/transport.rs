//! A plugin as the way of an OUT connector: what fulfils the service speaks its wire, over a C call instead of a socket.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use gridshell_connectors::http::path::normalise;
use gridshell_connectors::http::{HeaderMap, StatusCode};
use gridshell_connectors::transport::{Answer, Outgoing, Transport, TransportError};

use super::border::{BorrowedCall, Reply};
use super::plugin::{Failure, Plugin};

/// The way to a service of a plugin.
#[derive(Debug)]
pub struct PluginTransport {
    plugin: Arc<Plugin>,
    service: String,
}

impl PluginTransport {
    /// The way to this service.
    pub fn new(plugin: Arc<Plugin>, service: String) -> Self {
        Self { plugin, service }
    }
}

#[async_trait]
impl Transport for PluginTransport {
    async fn send(&self, request: Outgoing) -> Result<Answer, TransportError> {
        let (path, query) = normalise(&request.target);
        let call = BorrowedCall {
            service: &self.service,
            method: request.method.as_str(),
            path: &path,
            matched: 0,
            query,
            headers: &request.headers,
            body: &request.body,
            peer: None,
        };
        match self.plugin.answer(call).await {
            Ok(Reply { status, headers, body }) => Ok(Answer { status, headers, body }),
            // As over HTTP: a service that is broken answers 500, which is no reason to ask another.
            Err(Failure::Failed | Failure::Panicked) => {
                Ok(Answer { status: StatusCode::INTERNAL_SERVER_ERROR, headers: HeaderMap::new(), body: Bytes::new() })
            }
            Err(failure) => Err(TransportError::Unavailable(format!("the plugin {} {failure}", self.plugin.name()))),
        }
    }
}
