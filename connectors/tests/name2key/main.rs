//! The three faces of name2key behind their routers, over a service in memory: what the wire says for each request and each outcome.

mod bad_input;
mod gosl;
mod memory;
mod private;
mod registration;
mod web;

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use gridshell_connectors::http::{Body, HeaderMap, Method, Request, Response, Router, ServiceAuthentication};
use gridshell_connectors::name2key::{
    GoslOptions, Name2KeyConnector, Name2KeyGoslConnector, Name2KeyWebConnector, RegistrationOptions, RegistrationPolicy,
    WebOptions,
};

use memory::Memory;

const FAKE: &str = "00000000-0000-0000-0000-000000000001";
const MASAKAZU: &str = "a27b84f0-2757-4176-9579-43a181d4a5a0";
const GOVERNOR: &str = "3d6181b0-6a4b-97ef-18d8-722652995cf1";
const TEST_USER: &str = "11111111-2222-3333-4444-555555555555";
const ZERO: &str = "00000000-0000-0000-0000-000000000000";

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// Registrations by anybody, as the vectors need them.
fn open() -> GoslOptions {
    GoslOptions {
        registration: RegistrationOptions { policy: RegistrationPolicy::Open, per_minute: 0 },
        ..GoslOptions::default()
    }
}

/// A listener with one of the faces, and the service behind it, which knows the names of name2key.md section 13.
struct Subject {
    service: Arc<Memory>,
    router: Router,
    client: IpAddr,
}

impl Subject {
    fn new(register: impl FnOnce(Arc<Memory>, &mut Router)) -> Self {
        let service = Arc::new(Memory::default());
        for (key, name) in [(FAKE, "Fake01 Resident"), (MASAKAZU, "Masakazu Kojima"), (GOVERNOR, "Governor Linden")] {
            service.put(key, name, "Production", false);
        }
        let mut router = Router::new(Bytes::from_static(b"page"));
        register(service.clone(), &mut router);
        Self { service, router, client: "192.0.2.7".parse().unwrap() }
    }

    fn gosl(options: GoslOptions) -> Self {
        Self::new(|service, router| Name2KeyGoslConnector::new(service, options).register(router))
    }

    fn web(options: WebOptions) -> Self {
        Self::new(|service, router| Name2KeyWebConnector::new(service, options).register(router))
    }

    fn private() -> Self {
        let protection = Arc::new(ServiceAuthentication::none(false));
        Self::new(|service, router| Name2KeyConnector::new(service).register(router, protection))
    }

    fn from(self, client: &str) -> Self {
        Self { client: client.parse().unwrap(), ..self }
    }

    async fn send(&self, method: Method, target: &str, headers: &[(&'static str, &str)], body: impl Into<Bytes>) -> Response {
        let headers: HeaderMap = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        self.router.dispatch(Request::new(method, target, headers, body.into(), self.client)).await
    }

    async fn get(&self, target: &str) -> Response {
        self.send(Method::GET, target, &[], "").await
    }

    /// Status and body of a GET.
    async fn ask(&self, target: &str) -> (u16, String) {
        let response = self.get(target).await;
        (response.status.as_u16(), text(&response))
    }
}

/// The body; checks what all answers of the faces for scripts have in common.
fn text(response: &Response) -> String {
    assert_eq!(response.content_type, "text/plain; charset=utf-8");
    assert!(response.headers.contains_key("cache-control"));
    String::from_utf8(response.body.bytes().to_vec()).unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers.get(name).map(|value| value.to_str().unwrap())
}

/// All pieces of a stream, up to an error if there is one.
async fn pieces(response: Response) -> Vec<std::io::Result<Bytes>> {
    match response.body {
        Body::Stream { pieces, .. } => pieces.collect().await,
        Body::Whole(_) => panic!("the body is no stream"),
    }
}
