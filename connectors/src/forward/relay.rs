//! One way to a group and back: what changes of a request on the way, and what it means when nobody answers.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use super::ForwardOptions;
use super::read_ahead::read_ahead;
use crate::http::{Body, HeaderMap, HeaderName, HeaderValue, Method, PassingRequest, Response, StatusCode, TEXT, header};
use crate::transport::Repeat;
use crate::upstream::{PassError, Passage, Passed, UpstreamGroup, without_those_of_the_connection};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What the Host header of a request that passes says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostHeader {
    /// What the client has said.
    Client,
    /// The upstream's name.
    Upstream,
}

/// The way to a group.
#[derive(Clone)]
pub(super) struct Relay {
    group: Arc<UpstreamGroup>,
    host: HostHeader,
    forwarded_for: bool,
}

impl Relay {
    pub(super) fn new(group: Arc<UpstreamGroup>, options: &ForwardOptions) -> Self {
        Self { group, host: options.host, forwarded_for: options.forwarded_for }
    }

    /// Passes a request and gives the answer as it is, or one that says why there is none. `connector` is who passes it.
    pub(super) async fn pass(&self, request: PassingRequest, connector: &'static str) -> Response {
        let path = request.target.split('?').next().unwrap_or_default().to_owned();
        let method = request.method.clone();
        let outcome = match self.passage(request).await {
            Ok(passage) => self.group.pass(passage).await,
            Err(response) => return response.for_operation(connector),
        };
        let error = match outcome {
            Ok(Passed { status, headers, body }) => {
                let response = Response { headers, status, verbatim: true, ..Response::ok("", body) };
                return response.for_operation(connector);
            }
            Err(error) => error,
        };
        let status = match error {
            PassError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            PassError::TimedOut(_) => StatusCode::GATEWAY_TIMEOUT,
            PassError::Broken(_) => StatusCode::BAD_GATEWAY,
            // What is wrong with its body, the listener knows.
            PassError::Cancelled(_) => StatusCode::BAD_REQUEST,
        };
        if status.is_server_error() {
            tracing::warn!(connector, %method, path, status = status.as_u16(), %error, "a request could not be passed on");
        }
        Response::empty(status, TEXT).for_operation(connector)
    }

    /// What goes on of a request, or the answer to one that cannot.
    pub(super) async fn passage(&self, request: PassingRequest) -> Result<Passage, Response> {
        let PassingRequest { method, target, headers, body, peer, .. } = request;
        if method == Method::CONNECT {
            return Err(Response::empty(StatusCode::NOT_IMPLEMENTED, TEXT));
        }
        // A listener that cannot know says that there may be one.
        let is_announced = headers.contains_key(header::CONTENT_LENGTH) || headers.contains_key(header::TRANSFER_ENCODING);
        let body = read_ahead(body).await.map_err(|_| Response::empty(StatusCode::BAD_REQUEST, TEXT))?;
        let body = Some(body).filter(|body| is_announced || body.length() != Some(0));
        let is_empty = body.as_ref().is_none_or(|body| matches!(body, Body::Whole(bytes) if bytes.is_empty()));
        let repeat = if is_empty && method.is_safe() { Repeat::Safe } else { Repeat::Unsafe };
        let host = headers.get(header::HOST).filter(|_| self.host == HostHeader::Client).cloned();
        let mut headers = without_those_of_the_connection(&headers);
        if self.forwarded_for && !peer.is_unspecified() {
            forwarded_for(&mut headers, peer);
        }
        let affinity = Some(xxh3_64(target.split('?').next().unwrap_or_default().as_bytes()));
        Ok(Passage { method, target, headers, host, body, repeat, affinity })
    }

    pub(super) fn group(&self) -> &UpstreamGroup {
        &self.group
    }
}

/// Adds who asks to those who are named already.
fn forwarded_for(headers: &mut HeaderMap, peer: IpAddr) {
    let peer = peer.to_canonical().to_string();
    let before: Vec<Cow<'_, str>> =
        headers.get_all(FORWARDED_FOR).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    let all = if before.is_empty() { peer } else { format!("{}, {peer}", before.join(", ")) };
    // What has been a header and an address make a header.
    if let Ok(value) = HeaderValue::try_from(all) {
        headers.insert(FORWARDED_FOR, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_is_added_to_those_before() {
        let mut headers = HeaderMap::new();
        forwarded_for(&mut headers, "::ffff:192.0.2.1".parse().unwrap());
        assert_eq!(headers[FORWARDED_FOR], "192.0.2.1");
        headers.append(FORWARDED_FOR, HeaderValue::from_static("unknown"));
        forwarded_for(&mut headers, "2001:db8::1".parse().unwrap());
        assert_eq!(headers.get_all(FORWARDED_FOR).iter().collect::<Vec<_>>(), ["192.0.2.1, unknown, 2001:db8::1"]);
    }
}
