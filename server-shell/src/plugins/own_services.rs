//! The shell's own services, for plugins that ask them (`call_service`): the IN connectors in the same process, without protection.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use gridshell_connectors::http::{Body, HeaderMap, Method, Request, Router};
use gridshell_plugin_abi::{FAILED, UNAVAILABLE, UNKNOWN};
use tokio::runtime::Handle;

/// How long a plugin waits for a service at most.
const MOST_TIME: Duration = Duration::from_secs(60);

/// The connectors of each service, by the service's name.
pub type ServiceRouters = BTreeMap<&'static str, Router>;

/// A request of a plugin to a service of the shell.
#[derive(Debug)]
pub struct ServiceRequest {
    /// The verb.
    pub method: Method,
    /// Path and query string.
    pub target: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// What the service answers.
#[derive(Debug)]
pub struct ServiceAnswer {
    /// The status.
    pub status: u16,
    /// The headers that are text, with the content type.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

/// Asks services of the shell for a plugin.
pub trait ShellServices: Send + Sync {
    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// A status of plugins: the service is not there, or cannot be asked, as from a thread that must not wait.
    fn call(&self, service: &str, request: ServiceRequest) -> Result<ServiceAnswer, i32>;
}

/// The services that the shell has now.
pub struct OwnServices {
    /// Where the answers are waited for.
    runtime: Option<Handle>,
    /// `None` while they are being built.
    routers: RwLock<Option<Arc<ServiceRouters>>>,
}

impl OwnServices {
    /// No services yet. Has to be called within the runtime that answers, if anything is to be.
    pub fn none() -> Self {
        Self { runtime: Handle::try_current().ok(), routers: RwLock::default() }
    }

    /// These are the services from now on.
    pub fn change(&self, routers: Option<ServiceRouters>) {
        let old = std::mem::replace(&mut *self.routers.write().unwrap_or_else(PoisonError::into_inner), routers.map(Arc::new));
        // Outside of the lock: a plugin may end with it.
        drop(old);
    }

    /// The runtime that answers, when there is one.
    pub fn runtime(&self) -> Option<&Handle> {
        self.runtime.as_ref()
    }

    /// Asks. The answer takes a minute at most.
    ///
    /// # Errors
    /// A status of plugins: the service is not there, or cannot be asked.
    pub async fn ask(&self, service: &str, request: ServiceRequest) -> Result<ServiceAnswer, i32> {
        let routers = self.routers.read().unwrap_or_else(PoisonError::into_inner).clone().ok_or(UNAVAILABLE)?;
        let router = routers.get(service).ok_or(UNKNOWN)?;
        let ServiceRequest { method, target, headers, body } = request;
        let request = Request::new(method, &target, headers, body, IpAddr::V4(Ipv4Addr::LOCALHOST));
        let answer = tokio::time::timeout(MOST_TIME, router.dispatch(request)).await;
        let response = answer.map_err(|_| UNAVAILABLE)?;
        let Body::Whole(body) = response.body else { return Err(FAILED) };
        let texts = response.headers.iter().filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())));
        let content_type = ("content-type".to_owned(), response.content_type.into_owned());
        Ok(ServiceAnswer {
            status: response.status.as_u16(),
            headers: std::iter::once(content_type).chain(texts).collect(),
            body,
        })
    }
}

impl ShellServices for OwnServices {
    fn call(&self, service: &str, request: ServiceRequest) -> Result<ServiceAnswer, i32> {
        // Who serves requests in this thread cannot wait in it.
        let runtime = self.runtime.as_ref().filter(|_| Handle::try_current().is_err()).ok_or(UNAVAILABLE)?;
        runtime.block_on(self.ask(service, request))
    }
}
