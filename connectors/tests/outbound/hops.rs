//! Failures of assets and inventories over two shells: OUT, IN, OUT, IN, a service that fails.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use gridshell_connectors::asset::outbound::RemoteAssetService;
use gridshell_connectors::asset::{AssetCache, AssetConnector, AssetConnectorOptions};
use gridshell_connectors::http::{HeaderMap, Method, Request, Response, Router, ServiceAuthentication};
use gridshell_connectors::inventory::InventoryConnector;
use gridshell_connectors::inventory::outbound::RemoteInventoryService;
use gridshell_connectors::transport::InProcess;
use gridshell_interfaces::asset::{Asset, AssetService};
use gridshell_interfaces::inventory::{FolderType, InventoryService, ROOT_FOLDER_NAME};
use gridshell_interfaces::{ErrorKind, Result, ServiceError};
use uuid::Uuid;

use super::asset::{ID, texture};
use super::inventory::{ADA, FALSE, ITEM, NOTHING, TRASH, item, trash};
use super::inventory_memory::Memory;
use super::kind;

/// A service that only fails.
#[derive(Debug)]
struct Failing(ServiceError);

#[async_trait]
impl AssetService for Failing {
    async fn get(&self, _: Uuid) -> Result<Option<Asset>> {
        Err(self.0.clone())
    }

    async fn exist(&self, _: &[Uuid]) -> Result<Vec<bool>> {
        Err(self.0.clone())
    }

    async fn store(&self, _: Asset) -> Result<Uuid> {
        Err(self.0.clone())
    }

    async fn update_content(&self, _: Uuid, _: Bytes) -> Result<bool> {
        Err(self.0.clone())
    }

    async fn delete(&self, _: Uuid) -> Result<bool> {
        Err(self.0.clone())
    }
}

fn open() -> Arc<ServiceAuthentication> {
    Arc::new(ServiceAuthentication::none(false))
}

fn asset_router(service: Arc<dyn AssetService>) -> Arc<Router> {
    let mut router = Router::new(Bytes::new());
    let options = AssetConnectorOptions { allow_delete: true, allow_delete_all_types: true, redirect_url: None };
    AssetConnector::new(service, AssetCache::new(0), options).register(&mut router, open());
    Arc::new(router)
}

fn remote_assets(service: Arc<dyn AssetService>) -> Arc<dyn AssetService> {
    Arc::new(RemoteAssetService::new(Arc::new(InProcess::new(asset_router(service)))))
}

fn inventory_router(service: Arc<dyn InventoryService>) -> Arc<Router> {
    let mut router = Router::new(Bytes::new());
    InventoryConnector::new(service).register(&mut router, open());
    Arc::new(router)
}

fn remote_inventories(service: Arc<dyn InventoryService>) -> Arc<dyn InventoryService> {
    Arc::new(RemoteInventoryService::new(Arc::new(InProcess::new(inventory_router(service)))))
}

async fn send(router: &Router, method: Method, target: &str, body: impl Into<Bytes>) -> Response {
    router.dispatch(Request::new(method, target, HeaderMap::new(), body.into(), [127, 0, 0, 1].into())).await
}

#[tokio::test]
async fn failures_of_assets_keep_their_kind() {
    for (failure, of_look_ups, of_stores) in [
        (ServiceError::unavailable("gone"), ErrorKind::Unavailable, ErrorKind::Unavailable),
        (ServiceError::internal("broken"), ErrorKind::Internal, ErrorKind::Internal),
        // Of these the wire has a word for stores only, the same for both.
        (ServiceError::refused("too long"), ErrorKind::Internal, ErrorKind::Refused),
        (ServiceError::invalid("no"), ErrorKind::Internal, ErrorKind::Refused),
    ] {
        let service = remote_assets(remote_assets(Arc::new(Failing(failure.clone()))));
        assert_eq!(kind(service.get(ID).await), of_look_ups, "{failure}");
        assert_eq!(kind(service.metadata(ID).await), of_look_ups, "{failure}");
        assert_eq!(kind(service.data(ID).await), of_look_ups, "{failure}");
        assert_eq!(kind(service.exist(&[ID]).await), of_look_ups, "{failure}");
        assert_eq!(kind(service.store(texture()).await), of_stores, "{failure}");
        assert_eq!(kind(service.update_content(ID, Bytes::new()).await), of_look_ups, "{failure}");
        assert_eq!(kind(service.delete(ID).await), of_look_ups, "{failure}");
    }
    // And a client at the edge sees what it would see at the end.
    let (far, service) =
        (asset_router(Arc::new(Failing(ServiceError::unavailable("gone")))), Failing(ServiceError::unavailable("gone")));
    let edge = asset_router(remote_assets(Arc::new(service)));
    for (method, target) in [(Method::GET, format!("/assets/{ID}/data")), (Method::DELETE, format!("/assets/{ID}"))] {
        let (near, far) = (send(&edge, method.clone(), &target, "").await, send(&far, method, &target, "").await);
        assert_eq!((near.status.as_u16(), near.status), (503, far.status), "{target}");
        assert_eq!(near.body.bytes(), far.body.bytes());
    }
}

#[tokio::test]
async fn failures_of_inventories_are_never_nothing() {
    let memory = Arc::new(Memory::default());
    let service = remote_inventories(remote_inventories(memory.clone()));
    assert!(service.create_user_inventory(ADA).await.unwrap());
    assert!(!service.create_user_inventory(ADA).await.unwrap());
    assert_eq!(service.root_folder(ADA).await.unwrap().unwrap().name, ROOT_FOLDER_NAME);
    for failure in [ServiceError::unavailable("gone"), ServiceError::internal("broken")] {
        memory.fail_with(Some(failure));
        let kinds = [
            kind(service.create_user_inventory(ADA).await),
            kind(service.skeleton(ADA).await),
            kind(service.root_folder(ADA).await),
            kind(service.folder_for_type(ADA, FolderType::TRASH).await),
            kind(service.folder_content(TRASH, Some(ADA)).await),
            kind(service.folders_content(&[TRASH], Some(ADA)).await),
            kind(service.folder_items(TRASH, Some(ADA)).await),
            kind(service.folder(TRASH, Some(ADA)).await),
            kind(service.item(ITEM, Some(ADA)).await),
            kind(service.items(&[ITEM], Some(ADA)).await),
            kind(service.active_gestures(ADA).await),
            kind(service.asset_permissions(ADA, ITEM).await),
        ];
        assert_eq!(kinds, [ErrorKind::Unavailable; 12]);
        assert!(!service.add_folder(trash()).await.unwrap(), "a change that failed cannot be told from one that is not allowed");
    }
    memory.fail_with(None);
    assert!(service.add_folder(trash()).await.unwrap());
    assert!(service.add_item(item()).await.unwrap());
    assert_eq!(service.items(&[TRASH, ITEM], Some(ADA)).await.unwrap(), [None, Some(item())]);
}

/// A client sees no difference between the edge and the end, in success and failure.
#[tokio::test]
async fn the_edge_answers_as_the_end() {
    let memory = Arc::new(Memory::default());
    let end = inventory_router(memory.clone());
    let edge = inventory_router(remote_inventories(memory.clone()));
    let ask = async |router: &Router, request: &str| {
        let answer = send(router, Method::POST, "/xinventory", format!("METHOD={request}")).await;
        (answer.status.as_u16(), String::from_utf8(answer.body.bytes().to_vec()).unwrap())
    };
    assert_eq!(ask(&edge, &format!("GETROOTFOLDER&PRINCIPAL={ADA}")).await, (200, NOTHING.to_owned()));
    memory.create_user_inventory(ADA).await.unwrap();
    memory.add_folder(trash()).await.unwrap();
    memory.add_item(item()).await.unwrap();
    let requests = [
        format!("CREATEUSERINVENTORY&PRINCIPAL={ADA}"),
        format!("GETINVENTORYSKELETON&PRINCIPAL={ADA}"),
        format!("GETROOTFOLDER&PRINCIPAL={ADA}"),
        format!("GETFOLDERFORTYPE&PRINCIPAL={ADA}&TYPE=8"),
        format!("GETFOLDERCONTENT&PRINCIPAL={ADA}&FOLDER={TRASH}"),
        format!("GETFOLDERCONTENT&PRINCIPAL={ADA}&FOLDER={ITEM}"),
        format!("GETMULTIPLEFOLDERSCONTENT&PRINCIPAL={ADA}&FOLDERS={TRASH},{ITEM}&COUNT=3"),
        format!("GETFOLDERITEMS&PRINCIPAL={ADA}&FOLDER={TRASH}"),
        format!("GETITEM&ID={ITEM}"),
        format!("GETMULTIPLEITEMS&PRINCIPAL={ADA}&ITEMS={TRASH},{ITEM},x&COUNT=3"),
        format!("GETFOLDER&ID={TRASH}&PRINCIPAL={ADA}"),
        format!("GETACTIVEGESTURES&PRINCIPAL={ADA}"),
        format!("GETASSETPERMISSIONS&PRINCIPAL={ADA}&ASSET={}", item().asset_id),
        format!("MOVEFOLDER&ParentID={TRASH}&ID={ITEM}&PRINCIPAL={ADA}"),
        "DELETEITEMS".to_owned(),
        format!("DELETEITEMS&PRINCIPAL={ADA}&ITEMS[]=x"),
    ];
    for request in &requests {
        assert_eq!(ask(&edge, request).await, ask(&end, request).await, "{request}");
    }
    memory.fail_with(Some(ServiceError::unavailable("gone")));
    for request in &requests[..14] {
        assert_eq!(ask(&edge, request).await, (200, FALSE.to_owned()), "{request}");
        assert_eq!(ask(&end, request).await, (200, FALSE.to_owned()), "{request}");
    }
}
