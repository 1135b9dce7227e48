//! The inventory IN connector, `POST /xinventory` (inventory.md sections 1 to 3).

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use gridshell_interfaces::inventory::{FolderType, InventoryService};
use gridshell_interfaces::{ErrorKind, Result, ServiceError};

use super::codec::{self, Call, CodecError, Method};
use crate::http::{self, Handler, Request, Response, Router, ServiceAuthentication, XML};
use crate::wire::form::Form;

/// The label in metrics of requests without a known METHOD.
const UNKNOWN: &str = "unknown";

const OPERATIONS: [&str; Method::ALL.len() + 1] = {
    let mut operations = [UNKNOWN; Method::ALL.len() + 1];
    let mut at = 0;
    while at < Method::ALL.len() {
        operations[at] = Method::ALL[at].operation();
        at += 1;
    }
    operations
};

/// Answers `/xinventory` from an inventory service.
///
/// Every answer has status 200. Whatever goes wrong, a fault of the service's database too, is the failure document, since
/// simulators do not expect other status codes here (inventory.md section 9). It differs from what says "nothing there": an empty
/// document, or empty lists.
pub struct InventoryConnector {
    service: Arc<dyn InventoryService>,
}

impl InventoryConnector {
    /// A connector over `service`. Whether a request may see and change what is not its principal's is for the service to say.
    pub fn new(service: Arc<dyn InventoryService>) -> Arc<Self> {
        Arc::new(Self { service })
    }

    /// Registers the connector's path.
    pub fn register(self: Arc<Self>, router: &mut Router, protection: Arc<ServiceAuthentication>) {
        router.stream(http::Method::POST, "/xinventory", Some(protection), self);
    }

    async fn answer(&self, call: Call) -> Result<Bytes> {
        let service = &self.service;
        Ok(match call {
            Call::CreateUserInventory { user } => codec::encode_created(service.create_user_inventory(user).await?),
            Call::GetInventorySkeleton { user } => codec::encode_skeleton(&service.skeleton(user).await?),
            Call::GetRootFolder { user } => codec::encode_folder(service.root_folder(user).await?.as_ref()),
            Call::GetFolderForType { user, folder_type } => match i16::try_from(folder_type) {
                Ok(number) => codec::encode_folder(service.folder_for_type(user, FolderType(number)).await?.as_ref()),
                // No folder can have such a type.
                Err(_) => codec::encode_folder(None),
            },
            Call::GetFolderContent { principal, folder } => {
                codec::encode_folder_content(service.folder_content(folder, principal).await?.as_ref())
            }
            Call::GetMultipleFoldersContent { principal, folders } => {
                let contents = service.folders_content(&folders, principal).await?;
                codec::encode_folders_content(&folders, &contents, principal.unwrap_or_default())
            }
            Call::GetFolderItems { principal, folder } => codec::encode_items(&service.folder_items(folder, principal).await?),
            Call::AddFolder(folder) => codec::encode_result(service.add_folder(folder).await?),
            Call::UpdateFolder(folder) => codec::encode_result(service.update_folder(folder).await?),
            Call::MoveFolder { principal, folder, parent } => {
                codec::encode_result(service.move_folder(folder, parent, principal).await?)
            }
            Call::DeleteFolders { principal, folders } => {
                codec::encode_result(service.delete_folders(&folders, principal).await?)
            }
            Call::PurgeFolder { principal, folder } => codec::encode_result(service.purge_folder(folder, principal).await?),
            Call::AddItem(item) => codec::encode_result(service.add_item(*item).await?),
            Call::UpdateItem(item) => codec::encode_result(service.update_item(*item).await?),
            Call::MoveItems { principal, moves } => codec::encode_result(service.move_items(&moves, principal).await?),
            Call::DeleteItems { principal, items } => codec::encode_result(service.delete_items(&items, principal).await?),
            Call::GetItem { principal, item } => codec::encode_item(service.item(item, principal).await?.as_ref()),
            Call::GetMultipleItems { principal, items } => codec::encode_several_items(&service.items(&items, principal).await?),
            Call::GetFolder { principal, folder } => codec::encode_folder(service.folder(folder, principal).await?.as_ref()),
            Call::GetActiveGestures { user } => codec::encode_items(&service.active_gestures(user).await?),
            Call::GetAssetPermissions { user, asset } => {
                codec::encode_asset_permissions(service.asset_permissions(user, asset).await?)
            }
        })
    }
}

#[async_trait]
impl Handler for InventoryConnector {
    fn name(&self) -> &'static str {
        "inventory"
    }

    fn operations(&self) -> &'static [&'static str] {
        &OPERATIONS
    }

    async fn handle(&self, request: &Request) -> Response {
        let (operation, call) = match decode(&request.body) {
            Ok((method, call)) => (method.operation(), call),
            Err(error) => (UNKNOWN, Err(error)),
        };
        let response = match call {
            Ok(call) => match self.answer(call).await {
                Ok(body) => Response::ok(XML, body),
                Err(error) => failure(operation, &error),
            },
            Err(error) => {
                tracing::warn!(operation, client = %request.client, %error, "refused an inventory request that cannot be understood");
                Response::ok(XML, codec::encode_result(false))
            }
        };
        response.for_operation(operation)
    }
}

/// The operation, and its call where that can be understood.
fn decode(body: &[u8]) -> std::result::Result<(Method, std::result::Result<Call, CodecError>), CodecError> {
    let form = Form::decode(body)?;
    let method = Method::of(&form)?;
    Ok((method, Call::decode(method, &form)))
}

fn failure(operation: &'static str, error: &ServiceError) -> Response {
    let response = Response::ok(XML, codec::encode_result(false));
    match error.kind {
        ErrorKind::Invalid | ErrorKind::Refused => {
            tracing::warn!(operation, kind = ?error.kind, %error, "the inventory service refused a request");
            response
        }
        ErrorKind::Unavailable | ErrorKind::Internal => {
            tracing::error!(operation, kind = ?error.kind, %error, "the inventory service failed");
            response.counted_as_failure()
        }
    }
}
