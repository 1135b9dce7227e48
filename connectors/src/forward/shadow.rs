//! Answers from one side, sends a copy of the request to another, and compares what both say. Of that other side the client notices nothing.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use metrics::Counter;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::ForwardOptions;
use super::compare::{Compared, Values, difference};
use super::copy::{Copied, copied};
use super::relay::Relay;
use super::report::Report;
use crate::http::{Body, Method, PassHandler, PassingRequest, Response, Router};
use crate::upstream::{PassError, UpstreamGroup};

/// How long a shadow may take, whatever its group allows, until its place is given to another.
const LONGEST: Duration = Duration::from_secs(120);

/// What an operator can choose.
#[derive(Clone, Debug, PartialEq)]
pub struct ShadowOptions {
    /// As for requests that are forwarded.
    pub forward: ForwardOptions,
    /// The verbs whose requests are copied.
    pub verbs: Vec<Method>,
    /// The largest body that is kept to be copied or compared, in bytes.
    pub largest_copy: usize,
    /// Copies under way, from the beginning of the request to the end of the comparison.
    pub most: usize,
    /// Values that differ stand in the log; they may be secrets.
    pub log_values: bool,
}

/// The connector.
pub struct ShadowConnector {
    answering: Relay,
    largest_body: u64,
    verbs: Vec<Method>,
    places: Arc<Semaphore>,
    shadows: Arc<Shadows>,
}

/// The other side.
struct Shadows {
    relay: Relay,
    largest_copy: usize,
    runtime: Handle,
    report: Report,
    values: Values,
    counts: Counts,
}

/// What has come of copies.
struct Counts {
    same: Counter,
    different: Counter,
    failed: Counter,
    not_compared: Counter,
}

/// A request that has been answered, to be sent once more.
struct Copy {
    request: PassingRequest,
    body: oneshot::Receiver<Copied>,
    _place: OwnedSemaphorePermit,
}

/// Why there is nothing to compare with.
enum NoComparison {
    /// The shadow has not answered.
    Failed(String),
    /// It cannot be known whether it would have said the same.
    Impossible(&'static str),
}

impl ShadowConnector {
    /// Answers with what `answering` says, and sends copies to `shadow`, in tasks of the runtime that this is called in. `name` stands in
    /// metrics.
    pub fn new(name: &str, answering: Arc<UpstreamGroup>, shadow: Arc<UpstreamGroup>, options: ShadowOptions) -> Self {
        let ShadowOptions { forward, verbs, largest_copy, most, log_values } = options;
        let shadows = Shadows {
            relay: Relay::new(shadow, &forward),
            largest_copy,
            runtime: Handle::current(),
            report: Report::new(),
            values: if log_values { Values::Quoted } else { Values::Measured },
            counts: Counts::new(name),
        };
        Self {
            answering: Relay::new(answering, &forward),
            largest_body: forward.largest_body,
            verbs,
            places: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))),
            shadows: Arc::new(shadows),
        }
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
impl PassHandler for ShadowConnector {
    fn name(&self) -> &'static str {
        "shadow"
    }

    fn operation(&self) -> &'static str {
        "shadow"
    }

    fn largest_body(&self) -> u64 {
        self.largest_body
    }

    async fn pass(&self, mut request: PassingRequest) -> Response {
        if !self.verbs.contains(&request.method) {
            return self.answering.pass(request, self.name()).await;
        }
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            self.shadows.counts.not_compared.increment(1);
            return self.answering.pass(request, self.name()).await;
        };
        let PassingRequest { method, target, headers, client, peer, .. } = &request;
        let again = PassingRequest {
            method: method.clone(),
            target: target.clone(),
            headers: headers.clone(),
            body: Bytes::new().into(),
            client: *client,
            peer: *peer,
        };
        let largest = self.shadows.largest_copy;
        let (sender, body) = oneshot::channel();
        // When nobody waits for the copy, the request was not answered.
        request.body = copied(request.body, largest, move |copied| drop(sender.send(copied)));
        let is_head = request.method == Method::HEAD;
        let mut response = self.answering.pass(request, self.name()).await;
        if !response.verbatim {
            self.shadows.counts.not_compared.increment(1);
            return response;
        }
        let copy = Copy { request: again, body, _place: place };
        let (status, headers, shadows) = (response.status, response.headers.clone(), self.shadows.clone());
        let done = move |answer: Copied| {
            let runtime = shadows.runtime.clone();
            runtime.spawn(async move {
                match answer {
                    Copied::Whole(body) => shadows.compare(copy, Compared::new(status, &headers, body)).await,
                    Copied::TooLong | Copied::CutOff => shadows.counts.not_compared.increment(1),
                }
            });
        };
        if is_head || response.has_no_body() {
            done(Copied::Whole(Bytes::new()));
        } else {
            response.body = copied(response.body, largest, done);
        }
        response
    }
}

impl Shadows {
    async fn compare(&self, copy: Copy, answer: Compared) {
        let Copy { request, body, _place } = copy;
        let (method, target) = (request.method.clone(), request.target.clone());
        let shadow = tokio::time::timeout(LONGEST, self.send(request, body)).await;
        let shadow = shadow.unwrap_or_else(|_| Err(NoComparison::Failed(format!("no whole answer within {LONGEST:?}"))));
        let (other, said) = match shadow {
            Ok(other) => match difference(&answer, &other, self.values) {
                None => return self.counts.same.increment(1),
                Some(difference) => (Some(other.status.as_u16()), difference),
            },
            Err(NoComparison::Failed(reason)) => (None, reason),
            Err(NoComparison::Impossible(reason)) => {
                tracing::debug!(%method, target, reason, "a shadow was not compared");
                return self.counts.not_compared.increment(1);
            }
        };
        let counter = if other.is_some() { &self.counts.different } else { &self.counts.failed };
        counter.increment(1);
        let Some(left_out) = self.report.next() else { return };
        if left_out > 0 {
            tracing::warn!(left_out, "further differences of shadows were not logged");
        }
        let status = answer.status.as_u16();
        match other {
            Some(other) => {
                tracing::warn!(%method, target, status, shadow_status = other, difference = said, "a shadow differs from the answer");
            }
            None => tracing::warn!(%method, target, status, reason = said, "a shadow has not answered"),
        }
    }

    async fn send(&self, mut request: PassingRequest, body: oneshot::Receiver<Copied>) -> Result<Compared, NoComparison> {
        let Ok(Copied::Whole(body)) = body.await else {
            return Err(NoComparison::Impossible("the request was too long, or not read whole"));
        };
        request.body = body.into();
        let passage = self.relay.passage(request).await.map_err(|_| NoComparison::Impossible("it cannot be passed"))?;
        let failed = |error: PassError| NoComparison::Failed(error.to_string());
        let passed = self.relay.group().pass(passage).await.map_err(failed)?;
        let mut whole = BytesMut::new();
        match passed.body {
            Body::Whole(bytes) => whole.extend_from_slice(&bytes),
            Body::Stream { mut pieces, .. } => {
                while let Some(piece) = pieces.next().await {
                    let piece = piece.map_err(|error| NoComparison::Failed(error.to_string()))?;
                    if whole.len() + piece.len() > self.largest_copy {
                        return Err(NoComparison::Impossible("the shadow's answer is too long"));
                    }
                    whole.extend_from_slice(&piece);
                }
            }
        }
        Ok(Compared::new(passed.status, &passed.headers, whole.freeze()))
    }
}

impl Counts {
    fn new(name: &str) -> Self {
        let count =
            |result: &'static str| metrics::counter!("gridshell_shadows_total", "shadow" => name.to_owned(), "result" => result);
        Self { same: count("same"), different: count("different"), failed: count("failed"), not_compared: count("not_compared") }
    }
}
