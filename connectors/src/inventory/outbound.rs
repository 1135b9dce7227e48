//! The inventory OUT connector: an inventory service that asks another shell (inventory.md section 9).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use gridshell_interfaces::inventory::{
    FolderContent, FolderType, InventoryFolder, InventoryItem, InventoryService, ItemMove, MAX_FOLDERS_OF_ONE_CALL,
    MAX_IDS_OF_ONE_CALL,
};
use gridshell_interfaces::{Result, ServiceError};
use uuid::Uuid;

use super::codec::{self, Call, CodecError, Method};
use crate::outbound::{self, Effect, FORM, unreadable};
use crate::transport::Transport;

const PATH: &str = "/xinventory";

/// How many items, and how many folders with their content, are asked for in one request. Longer lists are asked for in pieces: an answer
/// of all at once could be longer than what is read of one (transport.md section 5.4).
const ITEMS_OF_ONE_REQUEST: usize = 10_000;
const FOLDERS_OF_ONE_REQUEST: usize = 1_000;

/// Moves in one request at most: each is two terms of a form, of which an upstream takes 100 000. They are never divided, since all or none
/// of them happen.
const MOVES_OF_ONE_REQUEST: usize = 49_000;

/// The inventories of another shell, gridshell or ROBUST.
///
/// Principals are checked there. The wire of inventories leaves some things out, so of the promises of [`InventoryService`]
///
/// - *a look-up that fails* is known to have failed, but not why: it is `Unavailable`. The requests are well-formed, so what fails behind
///   an upstream that answers is what it stands on;
/// - *a change that fails*, or that the store refuses, looks like one that the rules do not allow: it is `Ok(false)`. Only of
///   [`InventoryService::create_user_inventory`] the answers differ;
/// - *the owner of [`InventoryService::folder_content`]* is not told: it is the principal, or the zero UUID without one.
///   [`InventoryService::folders_content`] has the true one;
/// - *texts of blanks only* come back empty.
#[derive(Debug)]
pub struct RemoteInventoryService {
    transport: Arc<dyn Transport>,
}

impl RemoteInventoryService {
    /// The service that `transport` leads to. Credentials are the transport's business.
    pub fn new(transport: Arc<dyn Transport>) -> Self {
        Self { transport }
    }

    /// Sends a call and reads its answer.
    async fn ask<T, D>(&self, call: Call, decode: D) -> Result<T>
    where
        T: Send + 'static,
        D: Fn(&[u8]) -> std::result::Result<T, CodecError> + Send + Sync + 'static,
    {
        let operation = call.method().name();
        let request = outbound::post(PATH, FORM, call.encode(), effect(call.method()), user_of(&call));
        let read = move |body: &Bytes| {
            decode(body).map_err(|error| match error {
                CodecError::Failure => ServiceError::unavailable(format!("{operation}: the upstream answered that it failed")),
                _ => unreadable(operation, body, error),
            })
        };
        outbound::ask(&*self.transport, request, operation, read).await
    }

    /// Sends a change.
    async fn change(&self, call: Call) -> Result<bool> {
        self.ask(call, codec::decode_result).await
    }
}

/// Changes raise versions of folders each time, and some are answered otherwise when they are done already, so none of them is repeated
/// but deletions.
fn effect(method: Method) -> Effect {
    match method {
        Method::CreateUserInventory
        | Method::AddFolder
        | Method::UpdateFolder
        | Method::MoveFolder
        | Method::AddItem
        | Method::UpdateItem
        | Method::MoveItems => Effect::WriteOnce,
        Method::DeleteFolders | Method::PurgeFolder | Method::DeleteItems => Effect::Write,
        Method::GetInventorySkeleton
        | Method::GetRootFolder
        | Method::GetFolderForType
        | Method::GetFolderContent
        | Method::GetMultipleFoldersContent
        | Method::GetFolderItems
        | Method::GetItem
        | Method::GetMultipleItems
        | Method::GetFolder
        | Method::GetActiveGestures
        | Method::GetAssetPermissions => Effect::Read,
    }
}

/// Whose inventory a call is about, when it tells.
fn user_of(call: &Call) -> Option<Uuid> {
    match call {
        Call::CreateUserInventory { user }
        | Call::GetInventorySkeleton { user }
        | Call::GetRootFolder { user }
        | Call::GetFolderForType { user, .. }
        | Call::GetActiveGestures { user }
        | Call::GetAssetPermissions { user, .. } => Some(*user),
        Call::AddFolder(folder) | Call::UpdateFolder(folder) => Some(folder.owner),
        Call::AddItem(item) | Call::UpdateItem(item) => Some(item.owner),
        Call::GetFolderContent { principal, .. }
        | Call::GetMultipleFoldersContent { principal, .. }
        | Call::GetFolderItems { principal, .. }
        | Call::MoveFolder { principal, .. }
        | Call::DeleteFolders { principal, .. }
        | Call::PurgeFolder { principal, .. }
        | Call::MoveItems { principal, .. }
        | Call::DeleteItems { principal, .. }
        | Call::GetItem { principal, .. }
        | Call::GetMultipleItems { principal, .. }
        | Call::GetFolder { principal, .. } => principal.filter(|principal| !principal.is_nil()),
    }
}

#[async_trait]
impl InventoryService for RemoteInventoryService {
    async fn create_user_inventory(&self, user: Uuid) -> Result<bool> {
        self.ask(Call::CreateUserInventory { user }, codec::decode_created).await
    }

    async fn skeleton(&self, user: Uuid) -> Result<Vec<InventoryFolder>> {
        self.ask(Call::GetInventorySkeleton { user }, codec::decode_skeleton).await
    }

    async fn root_folder(&self, user: Uuid) -> Result<Option<InventoryFolder>> {
        self.ask(Call::GetRootFolder { user }, codec::decode_folder).await
    }

    async fn folder_for_type(&self, user: Uuid, folder_type: FolderType) -> Result<Option<InventoryFolder>> {
        self.ask(Call::GetFolderForType { user, folder_type: folder_type.0.into() }, codec::decode_folder).await
    }

    async fn folder_content(&self, folder: Uuid, principal: Option<Uuid>) -> Result<Option<FolderContent>> {
        if folder.is_nil() {
            return Ok(None);
        }
        let owner = principal.unwrap_or_default();
        self.ask(Call::GetFolderContent { principal, folder }, move |body| codec::decode_folder_content(body, owner)).await
    }

    async fn folders_content(&self, folders: &[Uuid], principal: Option<Uuid>) -> Result<Vec<Option<FolderContent>>> {
        at_most(MAX_FOLDERS_OF_ONE_CALL, folders.len())?;
        // An upstream may take the zero UUID for the parent of everybody's root folder (inventory.md section 4).
        let mut seen = HashSet::from([Uuid::nil()]);
        let asked: Vec<Uuid> = folders.iter().copied().filter(|id| seen.insert(*id)).collect();
        let mut found = HashMap::new();
        for some in asked.chunks(FOLDERS_OF_ONE_REQUEST) {
            let folders = some.to_vec();
            let call = Call::GetMultipleFoldersContent { principal, folders: folders.clone() };
            let contents = self.ask(call, move |body| codec::decode_folders_content(body, &folders)).await?;
            found.extend(some.iter().zip(contents).filter_map(|(id, content)| Some((*id, content?))));
        }
        Ok(folders.iter().map(|id| found.remove(id)).collect())
    }

    async fn folder_items(&self, folder: Uuid, principal: Option<Uuid>) -> Result<Vec<InventoryItem>> {
        if folder.is_nil() {
            return Ok(Vec::new());
        }
        self.ask(Call::GetFolderItems { principal, folder }, codec::decode_items).await
    }

    async fn folder(&self, id: Uuid, principal: Option<Uuid>) -> Result<Option<InventoryFolder>> {
        self.ask(Call::GetFolder { principal, folder: id }, codec::decode_folder).await
    }

    async fn item(&self, id: Uuid, principal: Option<Uuid>) -> Result<Option<InventoryItem>> {
        self.ask(Call::GetItem { principal, item: id }, codec::decode_item).await
    }

    async fn items(&self, ids: &[Uuid], principal: Option<Uuid>) -> Result<Vec<Option<InventoryItem>>> {
        at_most(MAX_IDS_OF_ONE_CALL, ids.len())?;
        let mut items = Vec::with_capacity(ids.len());
        for some in ids.chunks(ITEMS_OF_ONE_REQUEST) {
            let call = Call::GetMultipleItems { principal, items: some.to_vec() };
            let found = self.ask(call, codec::decode_found_items).await?;
            let found: HashMap<Uuid, InventoryItem> = found.into_iter().map(|item| (item.id, item)).collect();
            items.extend(some.iter().map(|id| found.get(id).cloned()));
        }
        Ok(items)
    }

    async fn active_gestures(&self, user: Uuid) -> Result<Vec<InventoryItem>> {
        self.ask(Call::GetActiveGestures { user }, codec::decode_items).await
    }

    async fn asset_permissions(&self, user: Uuid, asset: Uuid) -> Result<u32> {
        self.ask(Call::GetAssetPermissions { user, asset }, codec::decode_asset_permissions).await
    }

    async fn add_folder(&self, folder: InventoryFolder) -> Result<bool> {
        self.change(Call::AddFolder(folder)).await
    }

    async fn update_folder(&self, folder: InventoryFolder) -> Result<bool> {
        self.change(Call::UpdateFolder(folder)).await
    }

    async fn move_folder(&self, id: Uuid, parent: Uuid, principal: Option<Uuid>) -> Result<bool> {
        self.change(Call::MoveFolder { principal, folder: id, parent }).await
    }

    /// An empty list is not sent (inventory.md section 9), so it is true even where deleting is switched off.
    async fn delete_folders(&self, ids: &[Uuid], principal: Option<Uuid>) -> Result<bool> {
        at_most(MAX_IDS_OF_ONE_CALL, ids.len())?;
        if ids.is_empty() {
            return Ok(true);
        }
        self.change(Call::DeleteFolders { principal, folders: ids.to_vec() }).await
    }

    async fn purge_folder(&self, id: Uuid, principal: Option<Uuid>) -> Result<bool> {
        self.change(Call::PurgeFolder { principal, folder: id }).await
    }

    async fn add_item(&self, item: InventoryItem) -> Result<bool> {
        self.change(Call::AddItem(Box::new(item))).await
    }

    async fn update_item(&self, item: InventoryItem) -> Result<bool> {
        self.change(Call::UpdateItem(Box::new(item))).await
    }

    /// # Errors
    /// Also `Refused` for more moves than fit into one request.
    async fn move_items(&self, moves: &[ItemMove], principal: Option<Uuid>) -> Result<bool> {
        at_most(MAX_IDS_OF_ONE_CALL, moves.len())?;
        match moves.len() {
            0 => Ok(true),
            1..=MOVES_OF_ONE_REQUEST => self.change(Call::MoveItems { principal, moves: moves.to_vec() }).await,
            count => Err(ServiceError::refused(format!("{count} moves do not fit into one request, {MOVES_OF_ONE_REQUEST} do"))),
        }
    }

    async fn delete_items(&self, ids: &[Uuid], principal: Option<Uuid>) -> Result<bool> {
        at_most(MAX_IDS_OF_ONE_CALL, ids.len())?;
        if ids.is_empty() {
            return Ok(true);
        }
        self.change(Call::DeleteItems { principal, items: ids.to_vec() }).await
    }
}

fn at_most(limit: usize, count: usize) -> Result<()> {
    if count > limit { Err(ServiceError::invalid(format!("{count} ids in one call, more than {limit}"))) } else { Ok(()) }
}
