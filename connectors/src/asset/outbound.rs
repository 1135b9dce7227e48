//! The asset OUT connector: an asset service that asks another shell (assets.md section 9).

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::try_join_all;
use gridshell_interfaces::asset::{Asset, AssetFlags, AssetMetadata, AssetService};
use gridshell_interfaces::ids::parse_uuid;
use gridshell_interfaces::{Result, ServiceError};
use uuid::Uuid;

use super::{AssetDocuments, codec};
use crate::http::{Method, StatusCode, header};
use crate::outbound::{self, Asked, Effect, unreadable};
use crate::transport::{Answer, Outgoing, Transport};
use crate::wire::WireError;
use crate::wire::dotnet::{self, Style};

/// The content type of all bodies that are sent (assets.md section 9).
const XML: &str = "text/xml";

const STORE_PATH: &str = "/assets/";
const EXIST_PATH: &str = "/get_assets_exist";

/// How many ids go into one request for existence. Longer lists are asked for in pieces, far shorter than what an upstream takes.
const IDS_OF_ONE_REQUEST: usize = 10_000;

/// How many look-ups are under way at the same time where existence has to be asked for one by one.
const LOOK_UPS_AT_ONCE: usize = 8;

/// The assets of another shell, gridshell or ROBUST.
///
/// It sends what the original's connector of a region sends. That one keeps assets that are local or temporary to itself, which is the
/// region's business: here they are sent like all others.
///
/// - *Not found* is status 404 and nothing else; what the original also takes for it, any failure, is an error here.
/// - *Refused* is a store that is answered with the zero UUID or with nothing (assets.md section 4). Of an asset whose own id is the zero
///   UUID the answers to success and refusal are the same, so it is always `Refused`, which makes the same answer again.
/// - *Repeated* may be everything: assets do not change, so storing or deleting one twice is like once.
#[derive(Debug)]
pub struct RemoteAssetService {
    transport: Arc<dyn Transport>,
}

impl RemoteAssetService {
    /// The service that `transport` leads to. Credentials are the transport's business.
    pub fn new(transport: Arc<dyn Transport>) -> Self {
        Self { transport }
    }

    /// What `read` makes of the answer to a GET, `None` for 404.
    async fn look_up<T, R>(&self, id: Uuid, target: &str, read: R) -> Result<Option<T>>
    where
        T: Send + 'static,
        R: Fn(&Answer) -> Result<T> + Send + Sync + 'static,
    {
        let request = outbound::plain(Method::GET, target.to_owned(), Effect::Read, Some(id));
        match outbound::ask_for(&*self.transport, request, read).await? {
            Asked::Read(found) => Ok(Some(found)),
            Asked::Other(answer) if answer.status == StatusCode::NOT_FOUND => Ok(None),
            Asked::Other(answer) => Err(outbound::failure(&answer, target)),
        }
    }

    /// What `read` makes of the answer to a change; `what` is the change.
    async fn change<T, R>(&self, request: Outgoing, what: &'static str, read: R) -> Result<T>
    where
        T: Send + 'static,
        R: Fn(&[u8]) -> std::result::Result<T, WireError> + Send + Sync + 'static,
    {
        let asked = format!("{} {}", request.method, request.target);
        let read = move |body: &Bytes| read(body).map_err(|error| unreadable(what, body, error));
        outbound::ask(&*self.transport, request, &asked, read).await
    }

    async fn exist_of_some(&self, ids: &[Uuid]) -> Result<Vec<bool>> {
        // Of several assets there is no one subject.
        let subject = if let [id] = ids { Some(*id) } else { None };
        let texts: Vec<String> = ids.iter().map(Uuid::to_string).collect();
        let request = outbound::post(EXIST_PATH, XML, dotnet::string_array_document(&texts), Effect::Read, subject);
        let expected = ids.len();
        // Old versions do not know the question, and answer it as any unknown path (transport.md section 2.1).
        let read = move |answer: &Answer| match answer.body.is_empty() {
            true => Ok(None),
            false => read_existence(&answer.body, expected).map(Some),
        };
        match outbound::ask_for(&*self.transport, request, read).await? {
            Asked::Read(Some(exist)) => Ok(exist),
            Asked::Read(None) => self.exist_one_by_one(ids).await,
            Asked::Other(answer) if answer.status == StatusCode::NOT_FOUND => self.exist_one_by_one(ids).await,
            Asked::Other(answer) => Err(outbound::failure(&answer, EXIST_PATH)),
        }
    }

    async fn exist_one_by_one(&self, ids: &[Uuid]) -> Result<Vec<bool>> {
        let mut exist = Vec::with_capacity(ids.len());
        for some in ids.chunks(LOOK_UPS_AT_ONCE) {
            let found = try_join_all(some.iter().map(|id| self.metadata(*id))).await?;
            exist.extend(found.iter().map(Option::is_some));
        }
        Ok(exist)
    }
}

#[async_trait]
impl AssetDocuments for RemoteAssetService {
    async fn document(&self, id: Uuid) -> Result<Option<Bytes>> {
        let target = format!("/assets/{id}");
        let asked = target.clone();
        let read = move |Answer { body, .. }: &Answer| match codec::check_document(body, id) {
            Ok(()) => Ok(body.clone()),
            Err(error) => Err(unreadable(&asked, body, error)),
        };
        self.look_up(id, &target, read).await
    }
}

#[async_trait]
impl AssetService for RemoteAssetService {
    async fn get(&self, id: Uuid) -> Result<Option<Asset>> {
        let target = format!("/assets/{id}");
        let asked = target.clone();
        let read = move |Answer { body, .. }: &Answer| {
            let asset = codec::decode_asset_answer(body).map_err(|error| unreadable(&asked, body, error))?.asset;
            check_id(id, asset.metadata.id, &asked, body)?;
            Ok(asset)
        };
        self.look_up(id, &target, read).await
    }

    async fn metadata(&self, id: Uuid) -> Result<Option<AssetMetadata>> {
        let target = format!("/assets/{id}/metadata");
        let asked = target.clone();
        let read = move |Answer { body, .. }: &Answer| {
            let metadata = codec::decode_metadata(body).map_err(|error| unreadable(&asked, body, error))?;
            check_id(id, metadata.id, &asked, body)?;
            Ok(metadata)
        };
        self.look_up(id, &target, read).await
    }

    async fn data(&self, id: Uuid) -> Result<Option<Bytes>> {
        let target = format!("/assets/{id}/data");
        let asked = target.clone();
        let read = move |answer: &Answer| {
            // Nothing in the bytes shows whether they are the asset's. They are application/octet-stream (assets.md section 3); what servers
            // that are no shells say of themselves is a page.
            let content_type = answer.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
            match content_type {
                Some(page) if page.starts_with("text/html") => Err(unreadable(&asked, &answer.body, "it is a page")),
                _ => Ok(answer.body.clone()),
            }
        };
        self.look_up(id, &target, read).await
    }

    async fn exist(&self, ids: &[Uuid]) -> Result<Vec<bool>> {
        let mut exist = Vec::with_capacity(ids.len());
        for some in ids.chunks(IDS_OF_ONE_REQUEST) {
            exist.extend(self.exist_of_some(some).await?);
        }
        Ok(exist)
    }

    /// # Errors
    /// Also `Refused` when the flags have bits that no document can carry.
    async fn store(&self, asset: Asset) -> Result<Uuid> {
        let id = asset.metadata.id;
        let document = codec::encode_asset(&asset, Style::Compact)
            .map_err(|error| ServiceError::refused(format!("asset {id} cannot be sent: {error}")))?;
        let request = outbound::post(STORE_PATH, XML, document, Effect::Write, Some(id));
        let text = self.change(request, "the store of an asset", dotnet::read_string).await?;
        match parse_uuid(&text) {
            Some(stored) if !stored.is_nil() => Ok(stored),
            None if !text.trim().is_empty() => Err(unreadable("the store of an asset", text.as_bytes(), "its id is no UUID")),
            // The zero UUID, or nothing at all where the type may not be imported.
            _ => Err(ServiceError::refused(format!("the upstream will not take asset {id}"))),
        }
    }

    async fn update_content(&self, id: Uuid, data: Bytes) -> Result<bool> {
        // Nothing of the document counts but the content (assets.md section 4).
        let metadata = AssetMetadata {
            id,
            name: String::new(),
            description: String::new(),
            created: None,
            asset_type: 0,
            local: false,
            temporary: false,
            creator: Some(String::new()),
            flags: AssetFlags::NORMAL,
        };
        let document = codec::encode_asset(&Asset { metadata, data: Some(data) }, Style::Compact)
            .map_err(|error| ServiceError::internal(format!("asset {id} cannot be sent: {error}")))?;
        let request = outbound::post(format!("/assets/{id}"), XML, document, Effect::Write, Some(id));
        self.change(request, "the update of an asset", dotnet::read_boolean).await
    }

    /// False also where the upstream does not let assets be deleted, and when there was none: its IN connector says so.
    async fn delete(&self, id: Uuid) -> Result<bool> {
        let request = outbound::plain(Method::DELETE, format!("/assets/{id}"), Effect::Write, Some(id));
        self.change(request, "the deletion of an asset", dotnet::read_boolean).await
    }
}

fn read_existence(body: &[u8], expected: usize) -> Result<Vec<bool>> {
    let exist = dotnet::read_boolean_array(body).map_err(|error| unreadable(EXIST_PATH, body, error))?;
    if exist.len() != expected {
        return Err(unreadable(EXIST_PATH, body, format!("{} values instead of {expected}", exist.len())));
    }
    Ok(exist)
}

/// An answer about another asset, or without any id, must never pass for this one.
fn check_id(asked: Uuid, found: Uuid, target: &str, body: &[u8]) -> Result<()> {
    if asked == found { Ok(()) } else { Err(unreadable(target, body, format!("it is about {found}"))) }
}
