//! Who may register a name, how often, and the log of who did (name2key.md section 12.1).

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use gridshell_interfaces::name2key::{Name2KeyService, Registration};
use gridshell_interfaces::{ErrorKind, ServiceError};

use super::Network;
use super::face;
use super::rate_limit::RateLimit;
use super::refusal::Refusal;
use crate::http::{HeaderName, Request, equal_in_constant_time};

/// The header that may carry the secret instead of the parameter `secret`; it stays out of the logs of proxies.
const SECRET: HeaderName = HeaderName::from_static("x-name2key-secret");

/// Who may register names.
#[derive(Clone, PartialEq, Eq)]
pub enum RegistrationPolicy {
    /// Anybody, as with gosl-basics.
    Open,
    /// Requests from these networks, those of the operator's own regions. Without networks, nobody.
    Regions(Vec<Network>),
    /// Who knows this secret, as the parameter `secret` or the header `X-Name2Key-Secret`. An empty one is nobody's.
    Secret(String),
    /// Nobody.
    Off,
}

// By hand, since the secret belongs in no log.
impl fmt::Debug for RegistrationPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("Open"),
            Self::Regions(networks) => f.debug_tuple("Regions").field(networks).finish(),
            Self::Secret(_) => f.write_str("Secret"),
            Self::Off => f.write_str("Off"),
        }
    }
}

/// What registrations are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrationOptions {
    /// Who may register.
    pub policy: RegistrationPolicy,
    /// How often a minute each address may; 0 is no limit.
    pub per_minute: u32,
}

impl Default for RegistrationOptions {
    /// Nobody, until there are networks; 60 a minute.
    fn default() -> Self {
        Self { policy: RegistrationPolicy::Regions(Vec::new()), per_minute: 60 }
    }
}

/// Takes registrations for a service.
pub(super) struct Registrar {
    service: Arc<dyn Name2KeyService>,
    policy: RegistrationPolicy,
    limit: Option<RateLimit>,
}

impl Registrar {
    pub(super) fn new(service: Arc<dyn Name2KeyService>, options: RegistrationOptions) -> Self {
        Self { service, policy: options.policy, limit: RateLimit::per_minute(options.per_minute) }
    }

    /// Stores a registration, which has been checked, and logs it. `secret` is the parameter of that name.
    ///
    /// # Errors
    /// It is not permitted, there have been too many, or the service fails.
    pub(super) async fn register(
        &self,
        registration: &Registration,
        request: &Request,
        secret: Option<&str>,
    ) -> Result<(), Refusal> {
        let secret = secret.or_else(|| request.header(SECRET));
        if !self.policy.allows(request.client, secret) {
            return Err(refused(registration, request, "who asks may not register"));
        }
        if let Some(limit) = &self.limit
            && let Err(wait) = limit.check(request.client)
        {
            tracing::warn!(client = %request.client, "refused a registration: too many from this address");
            return Err(Refusal::TooMany { what: "registrations", wait });
        }
        match self.service.register(registration).await {
            Ok(true) => {
                log(registration, request);
                Ok(())
            }
            Ok(false) => Err(refused(registration, request, "a verified entry of this key says otherwise")),
            Err(ServiceError { kind: ErrorKind::Invalid | ErrorKind::Refused, message }) => {
                Err(refused(registration, request, &message))
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl RegistrationPolicy {
    fn allows(&self, client: IpAddr, secret: Option<&str>) -> bool {
        match self {
            Self::Open => true,
            Self::Regions(networks) => networks.iter().any(|network| network.contains(client)),
            Self::Secret(expected) => {
                !expected.is_empty() && secret.is_some_and(|given| equal_in_constant_time(given.as_bytes(), expected.as_bytes()))
            }
            Self::Off => false,
        }
    }
}

fn refused(registration: &Registration, request: &Request, reason: &str) -> Refusal {
    let Registration { name, key, grid, .. } = registration;
    tracing::warn!(?name, %key, grid = ?grid.0, client = %request.client, reason, "refused a registration");
    Refusal::NotAllowed
}

/// Says who registered what. The headers are what the object that asked says of itself, no proof (name2key.md section 10).
fn log(registration: &Registration, request: &Request) {
    let header = |name| face::header_text(request, HeaderName::from_static(name));
    tracing::info!(
        name = ?registration.name,
        key = %registration.key,
        grid = ?registration.grid.0,
        client = %request.client,
        owner = ?header("x-secondlife-owner-name"),
        owner_key = ?header("x-secondlife-owner-key"),
        object = ?header("x-secondlife-object-name"),
        object_key = ?header("x-secondlife-object-key"),
        region = ?header("x-secondlife-region"),
        "registered a name"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_register() {
        let here: IpAddr = "192.0.2.7".parse().unwrap();
        let regions = |network: &str| RegistrationPolicy::Regions(vec!["::1".parse().unwrap(), network.parse().unwrap()]);
        let secret = |secret: &str| RegistrationPolicy::Secret(secret.to_owned());
        for (policy, given, allowed) in [
            (RegistrationPolicy::Open, None, true),
            (regions("192.0.2.0/24"), None, true),
            (regions("192.0.3.0/24"), Some("x"), false),
            (RegistrationPolicy::Regions(Vec::new()), None, false),
            (secret("open sesame"), Some("open sesame"), true),
            (secret("open sesame"), Some("open sesamf"), false),
            (secret("open sesame"), Some("open"), false),
            (secret("open sesame"), None, false),
            (secret(""), Some(""), false),
            (RegistrationPolicy::Off, Some("x"), false),
        ] {
            assert_eq!(policy.allows(here, given), allowed, "{policy:?} {given:?}");
        }
    }

    #[test]
    fn the_secret_is_not_shown() {
        assert_eq!(format!("{:?}", RegistrationPolicy::Secret("open sesame".to_owned())), "Secret");
    }
}
