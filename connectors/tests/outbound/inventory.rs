//! What the inventory OUT connector sends.

use std::sync::Arc;

use gridshell_connectors::inventory::outbound::RemoteInventoryService;
use gridshell_interfaces::inventory::{
    FolderType, InventoryFolder, InventoryItem, InventoryService, ItemMove, MAX_FOLDERS_OF_ONE_CALL, MAX_IDS_OF_ONE_CALL,
};
use gridshell_interfaces::{ErrorKind, Result};
use uuid::Uuid;

use super::kind;
use super::script::{READ, Script, WRITE, WRITE_ONCE, answer, on_the_wire};

pub const ADA: Uuid = Uuid::from_u128(0xa55e7010_0000_4000_8000_000000000001);
pub const ROOT: Uuid = Uuid::from_u128(0xa55e7011_0000_4000_8000_000000000080);
pub const TRASH: Uuid = Uuid::from_u128(0xa55e7011_0000_4000_8000_000000000081);
pub const ITEM: Uuid = Uuid::from_u128(0xa55e7012_0000_4000_8000_000000000080);
const ASSET: Uuid = Uuid::from_u128(0xa55e7013_0000_4000_8000_000000000001);
const ZERO: Uuid = Uuid::nil();

pub const TRUE: &str = "<?xml version=\"1.0\"?>\n<ServerResponse>\n  <RESULT>True</RESULT>\n</ServerResponse>";
pub const FALSE: &str = "<?xml version=\"1.0\"?>\n<ServerResponse>\n  <RESULT>False</RESULT>\n</ServerResponse>";
pub const NOTHING: &str = "<?xml version=\"1.0\"?><ServerResponse />";

pub fn trash() -> InventoryFolder {
    InventoryFolder {
        id: TRASH,
        parent: ROOT,
        owner: ADA,
        folder_type: FolderType::TRASH,
        version: 3,
        name: "Tr & <sh>".to_owned(),
    }
}

pub fn item() -> InventoryItem {
    InventoryItem {
        id: ITEM,
        asset_id: ASSET,
        asset_type: 0,
        inventory_type: 0,
        folder: TRASH,
        owner: ADA,
        creator_id: ADA.to_string(),
        creator_data: String::new(),
        name: "a (n) 'é' & <x>".to_owned(),
        description: String::new(),
        next_permissions: 532_480,
        current_permissions: 581_632,
        base_permissions: 647_168,
        everyone_permissions: 0,
        group_permissions: 0,
        group_id: ZERO,
        group_owned: true,
        sale_price: -1,
        sale_type: 2,
        flags: 5,
        creation_date: 1_700_000_000,
    }
}

pub fn service(script: &Arc<Script>) -> RemoteInventoryService {
    RemoteInventoryService::new(script.clone())
}

/// A call's METHOD, its transport, and what became of it: `Ok(true)` when something was found or done.
pub type Outcome = (&'static str, Arc<Script>, Result<bool>);

/// Each call of the trait, made on a transport of its own.
pub async fn every_call(answered: impl Fn() -> Arc<Script>) -> Vec<Outcome> {
    let ada = Some(ADA);
    let moves = [ItemMove { item: ITEM, folder: ROOT }];
    let mut outcomes = Vec::new();
    for method in METHODS {
        let script = answered();
        let service = service(&script);
        let outcome = match method {
            "CREATEUSERINVENTORY" => service.create_user_inventory(ADA).await,
            "GETINVENTORYSKELETON" => service.skeleton(ADA).await.map(|folders| !folders.is_empty()),
            "GETROOTFOLDER" => service.root_folder(ADA).await.map(|folder| folder.is_some()),
            "GETFOLDERFORTYPE" => service.folder_for_type(ADA, FolderType::TRASH).await.map(|folder| folder.is_some()),
            "GETFOLDERCONTENT" => service.folder_content(TRASH, ada).await.map(|content| content.is_some()),
            "GETMULTIPLEFOLDERSCONTENT" => service.folders_content(&[TRASH], ada).await.map(|contents| contents[0].is_some()),
            "GETFOLDERITEMS" => service.folder_items(TRASH, ada).await.map(|items| !items.is_empty()),
            "GETFOLDER" => service.folder(TRASH, ada).await.map(|folder| folder.is_some()),
            "GETITEM" => service.item(ITEM, ada).await.map(|item| item.is_some()),
            "GETMULTIPLEITEMS" => service.items(&[ITEM], ada).await.map(|items| items[0].is_some()),
            "GETACTIVEGESTURES" => service.active_gestures(ADA).await.map(|items| !items.is_empty()),
            "GETASSETPERMISSIONS" => service.asset_permissions(ADA, ASSET).await.map(|permissions| permissions != 0),
            "ADDFOLDER" => service.add_folder(trash()).await,
            "UPDATEFOLDER" => service.update_folder(trash()).await,
            "MOVEFOLDER" => service.move_folder(TRASH, ROOT, ada).await,
            "DELETEFOLDERS" => service.delete_folders(&[TRASH], ada).await,
            "PURGEFOLDER" => service.purge_folder(TRASH, ada).await,
            "ADDITEM" => service.add_item(item()).await,
            "UPDATEITEM" => service.update_item(item()).await,
            "MOVEITEMS" => service.move_items(&moves, ada).await,
            "DELETEITEMS" => service.delete_items(&[ITEM], ada).await,
            other => panic!("{other}"),
        };
        outcomes.push((method, script, outcome));
    }
    outcomes
}

const METHODS: [&str; 21] = [
    "CREATEUSERINVENTORY",
    "GETINVENTORYSKELETON",
    "GETROOTFOLDER",
    "GETFOLDERFORTYPE",
    "GETFOLDERCONTENT",
    "GETMULTIPLEFOLDERSCONTENT",
    "GETFOLDERITEMS",
    "GETFOLDER",
    "GETITEM",
    "GETMULTIPLEITEMS",
    "GETACTIVEGESTURES",
    "GETASSETPERMISSIONS",
    "ADDFOLDER",
    "UPDATEFOLDER",
    "MOVEFOLDER",
    "DELETEFOLDERS",
    "PURGEFOLDER",
    "ADDITEM",
    "UPDATEITEM",
    "MOVEITEMS",
    "DELETEITEMS",
];

#[tokio::test]
async fn requests_are_forms() {
    let ada = ADA.to_string();
    let folder = format!("ParentID={ROOT}&Type=14&Version=3&Name=Tr+%26+%3csh%3e&Owner={ada}&ID={TRASH}");
    // Empty values are bare names.
    let item = format!(
        "AssetID={ASSET}&AssetType=0&BasePermissions=647168&CreationDate=1700000000&CreatorId={ada}&CreatorData\
         &CurrentPermissions=581632&Description&EveryOnePermissions=0&Flags=5&Folder={TRASH}&GroupID={ZERO}&GroupOwned=True\
         &GroupPermissions=0&ID={ITEM}&InvType=0&Name=a+(n)+%27%c3%a9%27+%26+%3cx%3e&NextPermissions=532480&Owner={ada}\
         &SalePrice=-1&SaleType=2"
    );
    let user = format!("PRINCIPAL={ada}");
    let parameters = |operation: &str| match operation {
        "CREATEUSERINVENTORY" | "GETINVENTORYSKELETON" | "GETROOTFOLDER" | "GETACTIVEGESTURES" => user.clone(),
        "GETFOLDERFORTYPE" => format!("{user}&TYPE=14"),
        "GETFOLDERCONTENT" | "GETFOLDERITEMS" => format!("{user}&FOLDER={TRASH}"),
        "GETMULTIPLEFOLDERSCONTENT" => format!("{user}&FOLDERS={TRASH}&COUNT=1"),
        "GETFOLDER" | "PURGEFOLDER" => format!("ID={TRASH}&{user}"),
        "GETITEM" => format!("ID={ITEM}&{user}"),
        "GETMULTIPLEITEMS" => format!("{user}&ITEMS={ITEM}&COUNT=1"),
        "GETASSETPERMISSIONS" => format!("{user}&ASSET={ASSET}"),
        "ADDFOLDER" | "UPDATEFOLDER" => folder.clone(),
        "MOVEFOLDER" => format!("ParentID={ROOT}&ID={TRASH}&{user}"),
        "DELETEFOLDERS" => format!("{user}&FOLDERS[]={TRASH}"),
        "ADDITEM" | "UPDATEITEM" => item.clone(),
        "MOVEITEMS" => format!("{user}&IDLIST[]={ITEM}&DESTLIST[]={ROOT}"),
        "DELETEITEMS" => format!("{user}&ITEMS[]={ITEM}"),
        other => panic!("{other}"),
    };
    let outcomes = every_call(|| Script::answering(200, TRUE)).await;
    let mut numbers = Vec::new();
    for (operation, script, _) in outcomes {
        let request = script.request();
        let (head, body) = on_the_wire(&request);
        assert_eq!(head, "POST /xinventory application/x-www-form-urlencoded");
        assert_eq!(body, format!("METHOD={operation}&{}", parameters(operation)));
        let expected = match operation {
            operation if operation.starts_with("GET") => READ,
            "DELETEFOLDERS" | "PURGEFOLDER" | "DELETEITEMS" => WRITE,
            _ => WRITE_ONCE,
        };
        assert_eq!((request.kind, request.repeat), expected, "{operation}");
        numbers.push(request.affinity);
    }
    assert!(numbers[0].is_some());
    assert_eq!(numbers, [numbers[0]; 21], "all of them are about Ada's inventory");
}

#[tokio::test]
async fn nobody_in_particular() {
    let script = Script::new([Ok(answer(200, NOTHING)), Ok(answer(200, NOTHING)), Ok(answer(200, NOTHING))]);
    let service = service(&script);
    assert_eq!(service.item(ITEM, None).await.unwrap(), None);
    assert_eq!(service.folder_content(TRASH, None).await.unwrap(), None);
    assert_eq!(service.folder(TRASH, Some(ZERO)).await.unwrap(), None);
    let sent = script.sent();
    let bodies: Vec<String> = sent.iter().map(|request| on_the_wire(request).1).collect();
    assert_eq!(bodies[0], format!("METHOD=GETITEM&ID={ITEM}"));
    assert_eq!(bodies[1], format!("METHOD=GETFOLDERCONTENT&PRINCIPAL={ZERO}&FOLDER={TRASH}"));
    assert_eq!(bodies[2], format!("METHOD=GETFOLDER&ID={TRASH}&PRINCIPAL={ZERO}"));
    assert!(sent.iter().all(|request| request.affinity.is_none()));
}

#[tokio::test]
async fn what_needs_no_answer_is_not_asked() {
    let silent = Script::silent();
    let service = service(&silent);
    assert_eq!(service.items(&[], Some(ADA)).await.unwrap(), []);
    assert_eq!(service.folders_content(&[], Some(ADA)).await.unwrap(), []);
    assert!(service.delete_folders(&[], Some(ADA)).await.unwrap());
    assert!(service.delete_items(&[], Some(ADA)).await.unwrap());
    assert!(service.move_items(&[], Some(ADA)).await.unwrap());
    // Older versions of ROBUST would tell everybody's root folders.
    assert_eq!(service.folder_content(ZERO, Some(ADA)).await.unwrap(), None);
    assert_eq!(service.folders_content(&[ZERO, ZERO], None).await.unwrap(), [None, None]);
    assert_eq!(service.folder_items(ZERO, None).await.unwrap(), []);

    let (too_many, moves) = (vec![ITEM; MAX_IDS_OF_ONE_CALL + 1], vec![ItemMove { item: ITEM, folder: ROOT }; 49_001]);
    assert_eq!(kind(service.items(&too_many, None).await), ErrorKind::Invalid);
    assert_eq!(kind(service.folders_content(&too_many[..=MAX_FOLDERS_OF_ONE_CALL], None).await), ErrorKind::Invalid);
    assert_eq!(kind(service.delete_folders(&too_many, None).await), ErrorKind::Invalid);
    assert_eq!(kind(service.delete_items(&too_many, None).await), ErrorKind::Invalid);
    assert_eq!(kind(service.move_items(&moves, None).await), ErrorKind::Refused);
    assert_eq!(kind(service.move_items(&vec![moves[0]; MAX_IDS_OF_ONE_CALL + 1], None).await), ErrorKind::Invalid);
}

#[tokio::test]
async fn long_look_ups_are_divided() {
    let count = |request: &gridshell_connectors::transport::Outgoing| {
        on_the_wire(request).1.rsplit("COUNT=").next().unwrap().parse::<usize>().unwrap()
    };
    let ids: Vec<Uuid> = (1..=25_000).map(Uuid::from_u128).collect();
    let script = Script::new((0..3).map(|_| Ok(answer(200, NOTHING))));
    assert_eq!(service(&script).items(&ids, None).await.unwrap(), vec![None; 25_000]);
    assert_eq!(script.sent().iter().map(count).collect::<Vec<_>>(), [10_000, 10_000, 5_000]);
    // A folder that is asked for again is asked for once.
    let mut ids = ids[..2_500].to_vec();
    ids.extend_from_within(..100);
    let script = Script::new((0..3).map(|_| Ok(answer(200, NOTHING))));
    assert_eq!(service(&script).folders_content(&ids, None).await.unwrap(), vec![None; 2_600]);
    assert_eq!(script.sent().iter().map(count).collect::<Vec<_>>(), [1_000, 1_000, 500]);
}
