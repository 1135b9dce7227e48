//! The asset OUT connector: an asset service that asks another shell (assets.md section 9).

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::try_join_all;
use gridshell_interfaces::asset::{Asset, AssetFlags, AssetMetadata, AssetService};
use gridshell_interfaces::ids::parse_uuid;
use gridshell_interfaces::{Result, ServiceError};
use uuid::Uuid;

use super::codec;
use crate::http::{Method, StatusCode};
use crate::outbound::{self, Effect, unreadable};
use crate::transport::{Outgoing, Transport};
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

    /// The body of a GET, `None` for 404.
    async fn look_up(&self, id: Uuid, target: &str) -> Result<Option<Bytes>> {
        let request = outbound::plain(Method::GET, target.to_owned(), Effect::Read, Some(id));
        let answer = self.transport.send(request).await?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => Ok(Some(answer.body)),
            _ => Err(outbound::failure(&answer, target)),
        }
    }

    async fn ask(&self, request: Outgoing) -> Result<Bytes> {
        let asked = format!("{} {}", request.method, request.target);
        outbound::ask(&*self.transport, request, &asked).await
    }

    async fn exist_of_some(&self, ids: &[Uuid]) -> Result<Vec<bool>> {
        // Of several assets there is no one subject.
        let subject = if let [id] = ids { Some(*id) } else { None };
        let texts: Vec<String> = ids.iter().map(Uuid::to_string).collect();
        let request = outbound::post(EXIST_PATH, XML, dotnet::string_array_document(&texts), Effect::Read, subject);
        let answer = self.transport.send(request).await?;
        match answer.status {
            // Old versions do not know the question, and answer it as any unknown path (transport.md section 2.1).
            StatusCode::NOT_FOUND => self.exist_one_by_one(ids).await,
            status if status.is_success() && answer.body.is_empty() => self.exist_one_by_one(ids).await,
            status if status.is_success() => {
                let exist = dotnet::read_boolean_array(&answer.body);
                let exist = exist.map_err(|error| unreadable(EXIST_PATH, &answer.body, error))?;
                if exist.len() != ids.len() {
                    let wrong = format!("{} values instead of {}", exist.len(), ids.len());
                    return Err(unreadable(EXIST_PATH, &answer.body, wrong));
                }
                Ok(exist)
            }
            _ => Err(outbound::failure(&answer, EXIST_PATH)),
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
impl AssetService for RemoteAssetService {
    async fn get(&self, id: Uuid) -> Result<Option<Asset>> {
        let target = format!("/assets/{id}");
        let Some(body) = self.look_up(id, &target).await? else { return Ok(None) };
        let asset = codec::decode_asset_answer(&body).map_err(|error| unreadable(&target, &body, error))?.asset;
        check_id(id, asset.metadata.id, &target, &body)?;
        Ok(Some(asset))
    }

    async fn metadata(&self, id: Uuid) -> Result<Option<AssetMetadata>> {
        let target = format!("/assets/{id}/metadata");
        let Some(body) = self.look_up(id, &target).await? else { return Ok(None) };
        let metadata = codec::decode_metadata(&body).map_err(|error| unreadable(&target, &body, error))?;
        check_id(id, metadata.id, &target, &body)?;
        Ok(Some(metadata))
    }

    async fn data(&self, id: Uuid) -> Result<Option<Bytes>> {
        self.look_up(id, &format!("/assets/{id}/data")).await
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
        let body = self.ask(outbound::post(STORE_PATH, XML, document, Effect::Write, Some(id))).await?;
        let text = dotnet::read_string(&body).map_err(|error| unreadable("the store of an asset", &body, error))?;
        match parse_uuid(&text) {
            Some(stored) if !stored.is_nil() => Ok(stored),
            None if !text.trim().is_empty() => Err(unreadable("the store of an asset", &body, "its id is no UUID")),
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
        let body = self.ask(outbound::post(format!("/assets/{id}"), XML, document, Effect::Write, Some(id))).await?;
        dotnet::read_boolean(&body).map_err(|error| unreadable("the update of an asset", &body, error))
    }

    /// False also where the upstream does not let assets be deleted, and when there was none: its IN connector says so.
    async fn delete(&self, id: Uuid) -> Result<bool> {
        let body = self.ask(outbound::plain(Method::DELETE, format!("/assets/{id}"), Effect::Write, Some(id))).await?;
        dotnet::read_boolean(&body).map_err(|error| unreadable("the deletion of an asset", &body, error))
    }
}

/// An answer about another asset, or without any id, must never pass for this one.
fn check_id(asked: Uuid, found: Uuid, target: &str, body: &[u8]) -> Result<()> {
    if asked == found { Ok(()) } else { Err(unreadable(target, body, format!("it is about {found}"))) }
}
