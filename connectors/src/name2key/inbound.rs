//! The private name2key IN connector, `POST /xname2key`.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use gridshell_interfaces::name2key::{Name2KeyService, NameEntry, Registration};
use gridshell_interfaces::{ErrorKind, Result, ServiceError};

use super::codec::{self, Call, CodecError, MAX_ENTRIES_OF_ONE_ANSWER, Method};
use crate::http::{self, Handler, Request, Response, Router, ServiceAuthentication, XML};
use crate::wire::form::Form;

/// The label in metrics of requests without a known METHOD.
const UNKNOWN: &str = "unknown";

const OPERATIONS: [&str; Method::ALL.len() + 1] = {
    let mut operations = [UNKNOWN; Method::ALL.len() + 1];
    let mut at = 0;
    while at < Method::ALL.len() {
        operations[at] = Method::ALL[at].name();
        at += 1;
    }
    operations
};

/// Answers `/xname2key` from a name2key service; the wire is told in [`codec`]. Who reaches it may do everything: registrations here
/// can be verified, and entries be removed.
pub struct Name2KeyConnector {
    service: Arc<dyn Name2KeyService>,
}

impl Name2KeyConnector {
    /// A connector over `service`.
    pub fn new(service: Arc<dyn Name2KeyService>) -> Arc<Self> {
        Arc::new(Self { service })
    }

    /// Registers the connector's path.
    pub fn register(self: Arc<Self>, router: &mut Router, protection: Arc<ServiceAuthentication>) {
        router.stream(http::Method::POST, "/xname2key", Some(protection), self);
    }

    async fn answer(&self, call: &Call, client: IpAddr) -> Result<Bytes> {
        let service = &self.service;
        Ok(match call {
            Call::GetKey { name, asker } => codec::encode_entries(&service.by_name(name, asker.as_ref()).await?),
            Call::GetKeys { names, asker } => {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                encode_answers(&service.by_names(&names, asker.as_ref()).await?)?
            }
            Call::GetName { key, asker } => codec::encode_entries(&service.by_key(*key, asker.as_ref()).await?),
            Call::GetNames { keys, asker } => encode_answers(&service.by_keys(keys, asker.as_ref()).await?)?,
            Call::Find { prefix, limit } => codec::encode_entries(&service.by_prefix(prefix, *limit).await?),
            Call::Register(registration) => {
                let taken = service.register(registration).await?;
                log_registration(registration, taken, client);
                codec::encode_registered(taken)
            }
            Call::Forget { key, grid } => {
                let count = service.forget(*key, grid.as_ref()).await?;
                tracing::info!(%key, grid = ?grid.as_ref().map(|grid| &grid.0), count, %client, "removed the names of a key");
                codec::encode_forgotten(count)
            }
            Call::Entries { after, limit } => {
                let after = after.as_ref().map(|(key, grid)| (*key, grid.id()));
                let after = after.as_ref().map(|(key, grid)| (*key, grid.as_str()));
                codec::encode_entries(&service.entries_after(after, *limit).await?)
            }
            Call::Statistics => codec::encode_statistics(&service.statistics().await?),
        })
    }
}

fn encode_answers(answers: &[Vec<NameEntry>]) -> Result<Bytes> {
    let entries: usize = answers.iter().map(Vec::len).sum();
    if entries > MAX_ENTRIES_OF_ONE_ANSWER {
        return Err(ServiceError::refused(format!("{entries} entries do not fit into one answer")));
    }
    Ok(codec::encode_answers(answers))
}

#[async_trait]
impl Handler for Name2KeyConnector {
    fn name(&self) -> &'static str {
        "name2key"
    }

    fn operations(&self) -> &'static [&'static str] {
        &OPERATIONS
    }

    async fn handle(&self, request: &Request) -> Response {
        let (operation, call) = match decode(&request.body) {
            Ok((method, call)) => (method.name(), call),
            Err(error) => (UNKNOWN, Err(error)),
        };
        let response = match call {
            Ok(call) => match self.answer(&call, request.client).await {
                Ok(body) => Response::ok(XML, body),
                Err(error) => failure(operation, &error),
            },
            Err(error) => {
                tracing::warn!(operation, client = %request.client, %error, "refused a name2key request that cannot be understood");
                Response::ok(XML, codec::encode_failure(ErrorKind::Invalid))
            }
        };
        response.for_operation(operation)
    }
}

/// The operation, and its call where that can be understood.
fn decode(body: &[u8]) -> std::result::Result<(Method, std::result::Result<Call, CodecError>), CodecError> {
    let form = Form::decode(body)?;
    let method = Method::of(&form)?;
    Ok((method, Call::decode(method, &form)))
}

/// The log says who registered what, as on the public faces (name2key.md section 12.1).
fn log_registration(registration: &Registration, taken: bool, client: IpAddr) {
    let Registration { name, key, grid, verified } = registration;
    match taken {
        true => tracing::info!(?name, %key, grid = ?grid.0, verified, %client, "registered a name"),
        false => tracing::warn!(?name, %key, grid = ?grid.0, %client, "refused a registration: a verified entry says otherwise"),
    }
}

fn failure(operation: &'static str, error: &ServiceError) -> Response {
    let response = Response::ok(XML, codec::encode_failure(error.kind));
    match error.kind {
        ErrorKind::Invalid | ErrorKind::Refused => {
            tracing::warn!(operation, kind = ?error.kind, %error, "the name2key service refused a request");
            response
        }
        ErrorKind::Unavailable | ErrorKind::Internal => {
            tracing::error!(operation, kind = ?error.kind, %error, "the name2key service failed");
            response.counted_as_failure()
        }
    }
}
