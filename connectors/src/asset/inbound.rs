//! The asset IN connector (assets.md sections 1, 3, 4 and 5).

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use gridshell_interfaces::asset::{Asset, AssetFlags, AssetService, content_type_of};
use gridshell_interfaces::ids::parse_uuid;
use gridshell_interfaces::{ErrorKind, Result, ServiceError};
use uuid::Uuid;

use super::AssetCache;
use super::cache::{Answer, Form};
use super::codec;
use crate::http::{
    Handler, HeaderValue, Method, Request, Response, Router, ServiceAuthentication, StatusCode, TEXT, XML, header,
};
use crate::wire::{WireError, dotnet};

const EXIST_PATH: &str = "/get_assets_exist";

/// What the operator can choose of the connector.
#[derive(Clone, Debug, Default)]
pub struct AssetConnectorOptions {
    /// DELETE removes map tiles.
    pub allow_delete: bool,
    /// DELETE removes any asset; only together with `allow_delete`.
    pub allow_delete_all_types: bool,
    /// A 404 of GET becomes a redirect to this address followed by the path.
    pub redirect_url: Option<String>,
}

/// Where assets are documents already: those of another shell.
#[async_trait]
pub trait AssetDocuments: Send + Sync {
    /// The AssetBase document of an asset, as it is to be answered; `None` when there is no such asset.
    ///
    /// # Errors
    /// As [`AssetService::get`].
    async fn document(&self, id: Uuid) -> Result<Option<Bytes>>;
}

/// Answers `/assets` and `/get_assets_exist` from an asset service.
pub struct AssetConnector {
    service: Arc<dyn AssetService>,
    cache: Arc<AssetCache>,
    documents: Option<Arc<dyn AssetDocuments>>,
    options: AssetConnectorOptions,
}

impl AssetConnector {
    /// A connector over `service`. `cache` must be the one that all users of this service share.
    pub fn new(service: Arc<dyn AssetService>, cache: Arc<AssetCache>, options: AssetConnectorOptions) -> Arc<Self> {
        Arc::new(Self { service, cache, documents: None, options })
    }

    /// The same over a service that is at another shell, whose documents are `documents`: where nothing is kept of them, they are passed on
    /// as they are.
    pub fn passing_on(
        service: Arc<dyn AssetService>,
        documents: Arc<dyn AssetDocuments>,
        cache: Arc<AssetCache>,
        options: AssetConnectorOptions,
    ) -> Arc<Self> {
        Arc::new(Self { service, cache, documents: Some(documents), options })
    }

    /// Registers the connector's paths. `/get_assets_exist` is open even where the rest is protected (assets.md section 1).
    pub fn register(self: Arc<Self>, router: &mut Router, protection: Arc<ServiceAuthentication>) {
        for method in [Method::GET, Method::HEAD, Method::POST, Method::DELETE] {
            router.stream(method, "/assets", Some(protection.clone()), self.clone());
        }
        router.stream(Method::POST, EXIST_PATH, None, self);
    }

    /// GET, and HEAD, which the original does not know: the same answer, of which the listener sends the head only.
    async fn get(&self, request: &Request) -> Response {
        let mut pieces = pieces(request.rest());
        let Some(id) = pieces.next() else {
            return Response::empty(StatusCode::OK, XML).for_operation("get");
        };
        let (form, operation) = match pieces.next() {
            None => (Form::Document, "get"),
            Some("data") => (Form::Data, "get_data"),
            Some("metadata") => (Form::Metadata, "get_metadata"),
            Some(_) => return Response::empty(StatusCode::BAD_REQUEST, TEXT).for_operation("get"),
        };
        let response = match self.look_up(id, form).await {
            Ok(Some(answer)) => answer_conditionally(request, answer),
            Ok(None) => self.missing(request),
            Err(error) => failure("could not read an asset", id, &error, TEXT),
        };
        response.for_operation(operation)
    }

    async fn look_up(&self, id: &str, form: Form) -> Result<Option<Answer>> {
        let Some(id) = parse_uuid(id) else {
            tracing::warn!(asset_id = %id.escape_debug(), "asked for an asset whose id is no UUID");
            return Ok(None);
        };
        // What is in the cache needs none of this.
        let load = || {
            let with_flags = self.cache.tells_mutable_apart();
            load(self.service.clone(), self.documents.clone().filter(|_| !with_flags), id, form, with_flags)
        };
        self.cache.get_or_load(id, form, load).await
    }

    /// A miss, or the redirect in its place: nothing of address and path is normalised (assets.md section 3).
    fn missing(&self, request: &Request) -> Response {
        let location = self.options.redirect_url.as_ref().map(|url| HeaderValue::try_from(format!("{url}{}", request.path)));
        match location {
            Some(Ok(location)) => Response::empty(StatusCode::FOUND, TEXT).with_header(header::LOCATION, location),
            // A path with bytes that no header can carry cannot be an asset's elsewhere either.
            Some(Err(_)) | None => Response::empty(StatusCode::NOT_FOUND, TEXT),
        }
    }

    async fn post(&self, request: &Request) -> Response {
        let decoded = match codec::decode_asset(&request.body) {
            Ok(decoded) => decoded,
            Err(error) => {
                tracing::warn!(client = %request.client, %error, "refused an asset that cannot be understood");
                return Response::empty(status_of_bad_body(&error), XML).for_operation("store");
            }
        };
        match pieces(request.rest()).next() {
            None => self.store(decoded).await.for_operation("store"),
            Some(id) => self.update(id, decoded.asset).await.for_operation("update"),
        }
    }

    async fn store(&self, decoded: codec::DecodedAsset) -> Response {
        let codec::DecodedAsset { asset, id_text } = decoded;
        let id = asset.metadata.id;
        match self.service.store(asset).await {
            Ok(stored) => {
                // A look-up that began before the asset was there must not be joined by one that begins now.
                self.cache.forget(stored);
                let text = if stored == id { id_text } else { stored.to_string() };
                Response::ok(XML, dotnet::string_document(&text))
            }
            Err(error) if matches!(error.kind, ErrorKind::Refused | ErrorKind::Invalid) => {
                tracing::warn!(asset_id = %id, %error, "the store refused an asset");
                Response::ok(XML, dotnet::string_document(&Uuid::nil().to_string()))
            }
            Err(error) => failure("could not store an asset", &id_text, &error, XML),
        }
    }

    async fn update(&self, id: &str, asset: Asset) -> Response {
        // Without an id or without content there is nothing to update; every service of ROBUST refuses the rest as well.
        let updated = match (parse_uuid(id), asset.data) {
            (Some(id), Some(data)) => {
                let updated = self.service.update_content(id, data).await;
                self.cache.forget(id);
                updated
            }
            _ => Ok(false),
        };
        match updated {
            Ok(updated) => Response::ok(XML, dotnet::boolean_document(updated)),
            Err(error) => failure("could not update an asset", id, &error, XML),
        }
    }

    async fn delete(&self, request: &Request) -> Response {
        let id = pieces(request.rest()).next();
        match self.delete_if_allowed(id).await {
            Ok(deleted) => Response::ok(XML, dotnet::boolean_document(deleted)),
            Err(error) => failure("could not delete an asset", id.unwrap_or_default(), &error, XML),
        }
    }

    /// The checks in the original's order (assets.md section 5).
    async fn delete_if_allowed(&self, id: Option<&str>) -> Result<bool> {
        let Some(id) = id.and_then(parse_uuid) else { return Ok(false) };
        if !self.options.allow_delete {
            return Ok(false);
        }
        let Some(metadata) = self.service.metadata(id).await? else { return Ok(false) };
        if !self.options.allow_delete_all_types && !metadata.flags.contains(AssetFlags::MAPTILE) {
            return Ok(false);
        }
        let deleted = self.service.delete(id).await;
        self.cache.forget(id);
        deleted
    }

    async fn exist(&self, request: &Request) -> Response {
        let texts = match dotnet::read_string_array(&request.body) {
            Ok(texts) => texts,
            Err(error) => {
                tracing::warn!(client = %request.client, %error, "refused a list of asset ids that cannot be understood");
                return Response::empty(status_of_bad_body(&error), XML);
            }
        };
        // One text that is no UUID makes the whole answer "none of them" (assets.md section 5).
        let ids: Option<Vec<Uuid>> = texts.iter().map(|text| parse_uuid(text)).collect();
        let exist = match ids {
            Some(ids) => self.service.exist(&ids).await,
            None => Ok(vec![false; texts.len()]),
        };
        match exist {
            Ok(exist) => Response::ok(XML, dotnet::boolean_array_document(&exist)),
            Err(error) => failure("could not look which assets exist", "", &error, XML),
        }
    }
}

#[async_trait]
impl Handler for AssetConnector {
    fn name(&self) -> &'static str {
        "asset"
    }

    fn operations(&self) -> &'static [&'static str] {
        &["get", "get_data", "get_metadata", "store", "update", "delete", "exist"]
    }

    async fn handle(&self, request: &Request) -> Response {
        match request.method {
            Method::POST if request.path.starts_with(EXIST_PATH) => self.exist(request).await.for_operation("exist"),
            Method::POST => self.post(request).await,
            Method::DELETE => self.delete(request).await.for_operation("delete"),
            _ => self.get(request).await,
        }
    }
}

/// A root that says `xsi:nil` is read, as no object at all, and fails the original later (assets.md section 2).
fn status_of_bad_body(error: &WireError) -> StatusCode {
    match error {
        WireError::NilRoot => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    }
}

/// The pieces of what follows `/assets`: an id, a sub command, and what nobody reads (assets.md section 1, path handling).
fn pieces(rest: &str) -> impl Iterator<Item = &str> {
    rest.split(['/', '?', '&']).filter(|piece| !piece.is_empty())
}

/// Asks the service for an answer. The content alone tells nothing of the flags; with `with_flags` the whole asset is asked for instead.
/// Nor do `documents`, which are passed on as they are where there are any.
async fn load(
    service: Arc<dyn AssetService>,
    documents: Option<Arc<dyn AssetDocuments>>,
    id: Uuid,
    form: Form,
    with_flags: bool,
) -> Result<Option<Answer>> {
    match form {
        Form::Document => {
            if let Some(documents) = documents {
                let Some(body) = documents.document(id).await? else { return Ok(None) };
                return Ok(Some(Answer { body, content_type: "text/xml", tag: None, is_mutable: false }));
            }
            let Some(asset) = service.get(id).await? else { return Ok(None) };
            let body = codec::encode_asset(&asset, dotnet::Style::Indented).map_err(|error| unwritable(id, &error))?;
            Ok(Some(Answer { body, content_type: "text/xml", tag: None, is_mutable: asset.metadata.flags.may_change() }))
        }
        Form::Metadata => {
            let Some(metadata) = service.metadata(id).await? else { return Ok(None) };
            let body = codec::encode_metadata(&metadata).map_err(|error| unwritable(id, &error))?;
            let (content_type, is_mutable) = (content_type_of(metadata.asset_type), metadata.flags.may_change());
            // The asset's own type, though the body is XML (assets.md section 3).
            Ok(Some(Answer { body, content_type, tag: None, is_mutable }))
        }
        Form::Data => {
            let (body, is_mutable) = if with_flags {
                let Some(asset) = service.get(id).await? else { return Ok(None) };
                (asset.data.unwrap_or_default(), asset.metadata.flags.may_change())
            } else {
                let Some(body) = service.data(id).await? else { return Ok(None) };
                (body, false)
            };
            let tag = HeaderValue::try_from(format!("\"{:016x}-{:x}\"", xxhash_rust::xxh3::xxh3_64(&body), body.len())).ok();
            Ok(Some(Answer { body, content_type: "application/octet-stream", tag, is_mutable }))
        }
    }
}

fn unwritable(id: Uuid, error: &dyn std::error::Error) -> ServiceError {
    ServiceError::internal(format!("asset {id} cannot be written as XML: {error}"))
}

fn failure(what: &'static str, id: &str, error: &ServiceError, content_type: &'static str) -> Response {
    let response = Response::failure(error, content_type);
    tracing::error!(asset_id = %id.escape_debug(), kind = ?error.kind, %error, status = response.status.as_u16(), "{what}");
    response
}

/// An answer as the client wants it. These are ours, the original knows none of them (assets.md section 1): If-None-Match, and
/// Range. A bare `Range` header is ignored as in the original; it counts together with `If-Range` and the current entity tag, which
/// only a client that has read our entity tags can send.
fn answer_conditionally(request: &Request, answer: Answer) -> Response {
    let Some(tag) = answer.tag else {
        return Response::ok(answer.content_type, answer.body);
    };
    let tag_text = tag.to_str().unwrap_or_default();
    if request.header(header::IF_NONE_MATCH).is_some_and(|tags| matches_tag(tags, tag_text)) {
        return Response::empty(StatusCode::NOT_MODIFIED, answer.content_type).with_header(header::ETAG, tag);
    }
    let range = match (request.header(header::RANGE), request.header(header::IF_RANGE)) {
        (Some(range), Some(expected)) if expected.trim() == tag_text => Range::of(range, answer.body.len()),
        _ => Range::Whole,
    };
    let total = answer.body.len();
    match range {
        Range::Whole => Response::ok(answer.content_type, answer.body),
        Range::Part { start, end } => {
            let mut response = Response::ok(answer.content_type, answer.body.slice(start..end));
            response.status = StatusCode::PARTIAL_CONTENT;
            with_content_range(response, format!("bytes {start}-{}/{total}", end - 1))
        }
        Range::Unsatisfiable => with_content_range(
            Response::empty(StatusCode::RANGE_NOT_SATISFIABLE, answer.content_type),
            format!("bytes */{total}"),
        ),
    }
    .with_header(header::ETAG, tag)
}

fn with_content_range(response: Response, value: String) -> Response {
    match HeaderValue::try_from(value) {
        Ok(value) => response.with_header(header::CONTENT_RANGE, value),
        Err(_) => response,
    }
}

fn matches_tag(tags: &str, tag: &str) -> bool {
    tags.split(',').map(str::trim).any(|given| given == "*" || given.strip_prefix("W/").unwrap_or(given) == tag)
}

/// The part of a body that a Range header asks for.
#[derive(Debug, PartialEq)]
enum Range {
    Whole,
    Part { start: usize, end: usize },
    Unsatisfiable,
}

impl Range {
    /// One range of bytes. Several ranges, other units and malformed headers are ignored, as RFC 9110 section 14.2 permits.
    fn of(text: &str, total: usize) -> Self {
        let Some((first, last)) = text.trim().strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
            return Self::Whole;
        };
        let (start, end) = match (first.parse::<usize>(), last.parse::<usize>()) {
            (Ok(start), Ok(last)) if start <= last => (start, last.saturating_add(1).min(total)),
            (Ok(start), Err(_)) if last.is_empty() => (start, total),
            (Err(_), Ok(count)) if first.is_empty() => (total.saturating_sub(count), total),
            _ => return Self::Whole,
        };
        if start < end { Self::Part { start, end } } else { Self::Unsatisfiable }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (text, expected) in [
            ("bytes=0-3", Range::Part { start: 0, end: 4 }),
            ("bytes=8-", Range::Part { start: 8, end: 10 }),
            ("bytes=8-100", Range::Part { start: 8, end: 10 }),
            ("bytes=-3", Range::Part { start: 7, end: 10 }),
            ("bytes=-100", Range::Part { start: 0, end: 10 }),
            ("bytes=10-", Range::Unsatisfiable),
            ("bytes=-0", Range::Unsatisfiable),
            ("bytes=3-2", Range::Whole),
            ("bytes=0-1,3-4", Range::Whole),
            ("bytes=", Range::Whole),
            ("bytes=-", Range::Whole),
            ("lines=0-3", Range::Whole),
        ] {
            assert_eq!(Range::of(text, 10), expected, "{text}");
        }
    }

    #[test]
    fn entity_tags() {
        assert!(matches_tag("\"a\", W/\"b\"", "\"b\""));
        assert!(matches_tag("*", "\"b\""));
        assert!(!matches_tag("\"a\"", "\"b\""));
    }

    #[test]
    fn pieces_of_paths() {
        assert_eq!(pieces("//x/data/y").collect::<Vec<_>>(), ["x", "data", "y"]);
        assert_eq!(pieces("/a?b&c").collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(pieces("").count(), 0);
    }
}
