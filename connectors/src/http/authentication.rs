//! The protection of private connectors (transport.md section 11).

use http::{HeaderName, HeaderValue, StatusCode, header};

use super::{Request, Response};

/// The header that simulators add to the requests of in-world scripts.
const SHARD: HeaderName = HeaderName::from_static("x-secondlife-shard");

/// What a private connector checks before it looks at anything else.
#[derive(Clone)]
pub struct ServiceAuthentication {
    /// Let requests of in-world scripts through (`AllowllHTTPRequestIn`).
    pub allow_scripts: bool,
    /// The credentials that `BasicHttpAuthentication` asks for, as `user:password`; `None` asks for none.
    basic: Option<Vec<u8>>,
    /// That there are no credentials is what the operator wants.
    public: bool,
}

impl ServiceAuthentication {
    /// Without credentials: whoever reaches the port is served.
    pub fn none(allow_scripts: bool) -> Self {
        Self { allow_scripts, basic: None, public: false }
    }

    /// With HTTP Basic credentials.
    pub fn basic(allow_scripts: bool, user: &str, password: &str) -> Self {
        Self { allow_scripts, basic: Some(format!("{user}:{password}").into_bytes()), public: false }
    }

    /// The same, for a connector that is public on purpose.
    pub fn on_purpose(self) -> Self {
        Self { public: true, ..self }
    }

    /// True when anybody is served and the operator has not said that this is meant.
    pub fn is_open(&self) -> bool {
        self.basic.is_none() && !self.public
    }

    /// The refusal, or `None` when the request may pass. `content_type` is that of the kind of handler (transport.md section 1.3).
    pub(super) fn refuse(&self, request: &Request, content_type: &'static str) -> Option<Response> {
        if !self.allow_scripts && request.headers.contains_key(SHARD) {
            return Some(Response::empty(StatusCode::FORBIDDEN, content_type));
        }
        let expected = self.basic.as_ref()?;
        if given_credentials(request).is_some_and(|given| equal_in_constant_time(&given, expected)) {
            return None;
        }
        // The realm is this literal for all services, blanks included (transport.md section 11.2).
        let realm = HeaderValue::from_static("Basic realm = \"Asset Server\"");
        Some(Response::empty(StatusCode::UNAUTHORIZED, content_type).with_header(header::WWW_AUTHENTICATE, realm))
    }
}

fn given_credentials(request: &Request) -> Option<Vec<u8>> {
    let encoded = request.header(header::AUTHORIZATION)?.trim().strip_prefix("Basic ")?;
    base64_simd::STANDARD.decode_to_vec(encoded.trim()).ok()
}

/// Compares what is secret: how long it takes says nothing of where the difference is.
pub(crate) fn equal_in_constant_time(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}
