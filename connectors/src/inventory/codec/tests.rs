use gridshell_interfaces::inventory::{
    FolderContent, FolderType, InventoryFolder, InventoryItem, ItemMove, MAX_FOLDERS_OF_ONE_CALL, MAX_IDS_OF_ONE_CALL,
};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::wire::WireError;
use crate::wire::form::Form;

const USER: Uuid = Uuid::from_u128(0xa55e7010_0000_4000_8000_000000000001);
const FOLDER: Uuid = Uuid::from_u128(0xa55e7011_0000_4000_8000_000000000002);
const ITEM: Uuid = Uuid::from_u128(0xa55e7012_0000_4000_8000_000000000003);

fn folder() -> InventoryFolder {
    InventoryFolder {
        id: FOLDER,
        parent: Uuid::nil(),
        owner: USER,
        folder_type: FolderType::NONE,
        version: 7,
        name: "Möbel & <Türen>".to_owned(),
    }
}

fn item() -> InventoryItem {
    InventoryItem {
        id: ITEM,
        asset_id: Uuid::from_u128(0xa55e7013_0000_4000_8000_000000000004),
        asset_type: 6,
        inventory_type: 6,
        folder: FOLDER,
        owner: USER,
        creator_id: USER.to_string(),
        creator_data: String::new(),
        name: "Chair".to_owned(),
        description: "sit & <rest>".to_owned(),
        next_permissions: 532_480,
        current_permissions: 647_168,
        base_permissions: 0x7FFF_FFFF,
        everyone_permissions: 32_768,
        group_permissions: 16_384,
        group_id: Uuid::nil(),
        group_owned: true,
        sale_price: -10,
        sale_type: 2,
        flags: 1_048_576,
        creation_date: 1_234_567_890,
    }
}

fn decode(body: &[u8]) -> Result<Call, CodecError> {
    let form = Form::decode(body)?;
    Call::decode(Method::of(&form)?, &form)
}

fn text(body: &[u8]) -> &str {
    std::str::from_utf8(body).unwrap()
}

#[test]
fn names_of_the_methods() {
    let mut names: Vec<_> = Method::ALL.iter().map(|method| method.name()).collect();
    assert!(Method::ALL.iter().all(|method| method.name().to_lowercase() == method.operation()));
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 21);
    let of = |body: &str| Method::of(&Form::decode(body.as_bytes()).unwrap());
    assert_eq!(of("METHOD=GETITEM&METHOD=GETFOLDER"), Ok(Method::GetItem));
    assert_eq!(of("METHOD[]=GETITEM"), Err(CodecError::Missing("METHOD")));
    assert_eq!(of(""), Err(CodecError::Missing("METHOD")));
    assert!(matches!(of("METHOD=getitem"), Err(CodecError::Wire(WireError::Value { element: "METHOD", .. }))));
}

#[test]
fn requests_are_written_as_simulators_do() {
    let item = InventoryItem { description: String::new(), name: "Größe <5>".to_owned(), ..item() };
    assert_eq!(
        text(&Call::AddItem(Box::new(item)).encode()),
        "METHOD=ADDITEM&AssetID=a55e7013-0000-4000-8000-000000000004&AssetType=6&BasePermissions=2147483647\
         &CreationDate=1234567890&CreatorId=a55e7010-0000-4000-8000-000000000001&CreatorData&CurrentPermissions=647168\
         &Description&EveryOnePermissions=32768&Flags=1048576&Folder=a55e7011-0000-4000-8000-000000000002\
         &GroupID=00000000-0000-0000-0000-000000000000&GroupOwned=True&GroupPermissions=16384\
         &ID=a55e7012-0000-4000-8000-000000000003&InvType=6&Name=Gr%c3%b6%c3%9fe+%3c5%3e&NextPermissions=532480\
         &Owner=a55e7010-0000-4000-8000-000000000001&SalePrice=-10&SaleType=2"
    );
    let moves = vec![ItemMove { item: ITEM, folder: FOLDER }];
    assert_eq!(
        text(&Call::MoveItems { principal: None, moves }.encode()),
        "METHOD=MOVEITEMS&PRINCIPAL=00000000-0000-0000-0000-000000000000&IDLIST[]=a55e7012-0000-4000-8000-000000000003\
         &DESTLIST[]=a55e7011-0000-4000-8000-000000000002"
    );
    assert_eq!(
        text(&Call::GetMultipleFoldersContent { principal: Some(USER), folders: vec![FOLDER, USER] }.encode()),
        "METHOD=GETMULTIPLEFOLDERSCONTENT&PRINCIPAL=a55e7010-0000-4000-8000-000000000001\
         &FOLDERS=a55e7011-0000-4000-8000-000000000002%2ca55e7010-0000-4000-8000-000000000001&COUNT=2"
    );
    assert_eq!(
        text(&Call::PurgeFolder { principal: None, folder: FOLDER }.encode()),
        "METHOD=PURGEFOLDER&ID=a55e7011-0000-4000-8000-000000000002"
    );
}

#[test]
fn the_item_document() {
    let document = "<?xml version=\"1.0\"?><ServerResponse><item type=\"List\"><AssetID>a55e7013-0000-4000-8000-000000000004</AssetID>\
        <AssetType>6</AssetType><BasePermissions>2147483647</BasePermissions><CreationDate>1234567890</CreationDate>\
        <CreatorId>a55e7010-0000-4000-8000-000000000001</CreatorId><CreatorData></CreatorData>\
        <CurrentPermissions>647168</CurrentPermissions><Description>sit &amp; &lt;rest&gt;</Description>\
        <EveryOnePermissions>32768</EveryOnePermissions><Flags>1048576</Flags><Folder>a55e7011-0000-4000-8000-000000000002</Folder>\
        <GroupID>00000000-0000-0000-0000-000000000000</GroupID><GroupOwned>True</GroupOwned>\
        <GroupPermissions>16384</GroupPermissions><ID>a55e7012-0000-4000-8000-000000000003</ID><InvType>6</InvType>\
        <Name>Chair</Name><NextPermissions>532480</NextPermissions><Owner>a55e7010-0000-4000-8000-000000000001</Owner>\
        <SalePrice>-10</SalePrice><SaleType>2</SaleType></item></ServerResponse>";
    assert_eq!(text(&encode_item(Some(&item()))), document);
    let without_creator_data = document.replace("<CreatorData></CreatorData>", "");
    for document in [document, &without_creator_data] {
        assert_eq!(decode_item(document.as_bytes()), Ok(Some(item())));
    }
    let without_name = document.replace("<Name>Chair</Name>", "");
    assert_eq!(decode_item(without_name.as_bytes()), Err(CodecError::Missing("Name")));
    let with_list = document.replace("<Name>", "<Name type=\"List\">").replace("Chair", "");
    assert_eq!(decode_item(with_list.as_bytes()), Err(CodecError::Missing("Name")));
    assert!(decode_item(document.replace(">-10<", ">free<").as_bytes()).is_err());
}

#[test]
fn the_folder_documents() {
    let fields = "<ParentID>00000000-0000-0000-0000-000000000000</ParentID><Type>-1</Type><Version>7</Version>\
        <Name>Möbel &amp; &lt;Türen&gt;</Name><Owner>a55e7010-0000-4000-8000-000000000001</Owner>\
        <ID>a55e7011-0000-4000-8000-000000000002</ID>";
    let head = "<?xml version=\"1.0\"?><ServerResponse>";
    let one = format!("{head}<folder type=\"List\">{fields}</folder></ServerResponse>");
    assert_eq!(text(&encode_folder(Some(&folder()))), one);
    assert_eq!(decode_folder(one.as_bytes()), Ok(Some(folder())));
    let skeleton = format!(
        "{head}<FOLDERS type=\"List\"><folder_0 type=\"List\">{fields}</folder_0><folder_1 type=\"List\">{fields}</folder_1></FOLDERS>\
         </ServerResponse>"
    );
    assert_eq!(text(&encode_skeleton(&[folder(), folder()])), skeleton);
    assert_eq!(decode_skeleton(skeleton.as_bytes()), Ok(vec![folder(), folder()]));
}

#[test]
fn answers_without_anything() {
    let nothing = "<?xml version=\"1.0\"?><ServerResponse />";
    assert_eq!(text(&encode_folder(None)), nothing);
    assert_eq!(text(&encode_item(None)), nothing);
    assert_eq!(text(&encode_several_items(&[])), nothing);
    assert_eq!(text(&encode_folders_content(&[], &[], USER)), nothing);
    assert_eq!(decode_folder(nothing.as_bytes()), Ok(None));
    assert_eq!(decode_item(nothing.as_bytes()), Ok(None));
    assert_eq!(decode_skeleton(nothing.as_bytes()), Ok(vec![]));
    assert_eq!(decode_items(nothing.as_bytes()), Ok(vec![]));
    assert_eq!(decode_found_items(nothing.as_bytes()), Ok(vec![]));
    assert_eq!(decode_folder_content(nothing.as_bytes(), USER), Ok(None));
    assert_eq!(decode_folders_content(nothing.as_bytes(), &[FOLDER, USER]), Ok(vec![None, None]));

    let no_folders = "<?xml version=\"1.0\"?><ServerResponse><FOLDERS type=\"List\" /></ServerResponse>";
    assert_eq!(text(&encode_skeleton(&[])), no_folders);
    let no_items = "<?xml version=\"1.0\"?><ServerResponse><ITEMS type=\"List\" /></ServerResponse>";
    assert_eq!(text(&encode_items(&[])), no_items);
    assert_eq!(decode_items(no_folders.as_bytes()), Err(CodecError::Missing("ITEMS")));
    assert_eq!(decode_skeleton(no_items.as_bytes()), Err(CodecError::Missing("FOLDERS")));

    // The public inventory of other grids leaves out the lists for a folder that is not to be seen (inventory.md section 6).
    let hidden = "<ServerResponse><FID>00000000-0000-0000-0000-000000000000</FID><VERSION>0</VERSION></ServerResponse>";
    assert_eq!(decode_folder_content(hidden.as_bytes(), USER), Ok(None));
}

#[test]
fn contents_of_folders() {
    let content = FolderContent { folder: FOLDER, owner: USER, version: 3, folders: vec![], items: vec![] };
    assert_eq!(
        text(&encode_folder_content(Some(&content))),
        "<?xml version=\"1.0\"?><ServerResponse><FID>a55e7011-0000-4000-8000-000000000002</FID><VERSION>3</VERSION>\
         <FOLDERS type=\"List\" /><ITEMS type=\"List\" /></ServerResponse>"
    );
    // A folder without a row of its own has no owner; then the principal stands there, as for one that was not found.
    let contents = [Some(FolderContent { owner: Uuid::nil(), ..content.clone() }), None];
    let document = encode_folders_content(&[FOLDER, ITEM], &contents, USER);
    assert_eq!(
        text(&document),
        "<?xml version=\"1.0\"?><ServerResponse><F_a55e7011-0000-4000-8000-000000000002 type=\"List\">\
         <FID>a55e7011-0000-4000-8000-000000000002</FID><VERSION>3</VERSION><OWNER>a55e7010-0000-4000-8000-000000000001</OWNER>\
         <FOLDERS type=\"List\" /><ITEMS type=\"List\" /></F_a55e7011-0000-4000-8000-000000000002>\
         <F_a55e7012-0000-4000-8000-000000000003 type=\"List\"><FID>00000000-0000-0000-0000-000000000000</FID><VERSION>0</VERSION>\
         <OWNER>a55e7010-0000-4000-8000-000000000001</OWNER><FOLDERS type=\"List\" /><ITEMS type=\"List\" />\
         </F_a55e7012-0000-4000-8000-000000000003></ServerResponse>"
    );
    assert_eq!(decode_folders_content(&document, &[ITEM, FOLDER]), Ok(vec![None, Some(content)]));
    assert_eq!(decode_folders_content(&document, &[USER]), Err(CodecError::Missing("an F_ entry")));
}

#[test]
fn results() {
    let indented = "<?xml version=\"1.0\"?>\n<ServerResponse>\n  <RESULT>True</RESULT>\n</ServerResponse>";
    assert_eq!(text(&encode_result(true)), indented);
    assert_eq!(text(&encode_result(false)), indented.replace("True", "False"));
    let compact = "<?xml version=\"1.0\"?><ServerResponse><RESULT>False</RESULT></ServerResponse>";
    assert_eq!(text(&encode_created(false)), compact);
    assert_eq!(text(&encode_created(true)), compact.replace("False", "True"));
    assert_eq!(text(&encode_asset_permissions(581_632)), compact.replace("False", "581632"));
    for value in ["True", "true", "TRUE"] {
        assert_eq!(decode_result(compact.replace("False", value).as_bytes()), Ok(true));
    }
    for value in ["False", "", "1", "Success"] {
        assert_eq!(decode_result(compact.replace("False", value).as_bytes()), Ok(false));
    }
    assert_eq!(decode_result(b"<ServerResponse />"), Err(CodecError::Missing("RESULT")));
    assert_eq!(decode_asset_permissions(b"<ServerResponse />"), Err(CodecError::Missing("RESULT")));
}

#[test]
fn the_failure_document_is_no_answer_to_a_look_up() {
    let failure = encode_result(false);
    assert_eq!(decode_folder(&failure), Err(CodecError::Failure));
    assert_eq!(decode_item(&failure), Err(CodecError::Failure));
    assert_eq!(decode_skeleton(&failure), Err(CodecError::Failure));
    assert_eq!(decode_items(&failure), Err(CodecError::Failure));
    assert_eq!(decode_found_items(&failure), Err(CodecError::Failure));
    assert_eq!(decode_folder_content(&failure, USER), Err(CodecError::Failure));
    assert_eq!(decode_folders_content(&failure, &[FOLDER]), Err(CodecError::Failure));
    assert_eq!(decode_asset_permissions(&failure), Err(CodecError::Failure));
}

#[test]
fn items_that_were_not_found_keep_their_places() {
    let document = encode_several_items(&[Some(item()), None]);
    assert!(text(&document).ends_with("</item_0><item_1>NULL</item_1></ServerResponse>"));
    assert_eq!(decode_found_items(&document), Ok(vec![item()]));
}

#[test]
fn lists_are_bounded() {
    let ids = |name: &str, count: usize| format!("&{name}[]={ITEM}").repeat(count);
    let body = |count| format!("METHOD=DELETEITEMS&PRINCIPAL={USER}{}", ids("ITEMS", count));
    let Ok(Call::DeleteItems { items, .. }) = decode(body(MAX_IDS_OF_ONE_CALL).as_bytes()) else { panic!("refused") };
    assert_eq!(items.len(), MAX_IDS_OF_ONE_CALL);
    let too_many = Err(CodecError::Wire(WireError::TooMuch { what: "ids in one request", limit: MAX_IDS_OF_ONE_CALL }));
    assert_eq!(decode(body(MAX_IDS_OF_ONE_CALL + 1).as_bytes()), too_many);
    let commas = |count| format!("METHOD=GETMULTIPLEITEMS&PRINCIPAL={USER}&ITEMS={}x", ",".repeat(count));
    assert!(decode(commas(MAX_IDS_OF_ONE_CALL - 1).as_bytes()).is_ok());
    assert_eq!(decode(commas(MAX_IDS_OF_ONE_CALL).as_bytes()), too_many);
    let count = |count: &str| decode(format!("METHOD=GETMULTIPLEFOLDERSCONTENT&PRINCIPAL=x&FOLDERS=&COUNT={count}").as_bytes());
    let folders = vec![Uuid::nil()];
    assert_eq!(count(&MAX_FOLDERS_OF_ONE_CALL.to_string()), Ok(Call::GetMultipleFoldersContent { principal: None, folders }));
    for absurd in [MAX_FOLDERS_OF_ONE_CALL as i32 + 1, i32::MAX, -1, i32::MIN] {
        assert!(count(&absurd.to_string()).is_err(), "{absurd}");
    }
    // Above the range of the number it is malformed, which counts as 0.
    let none = Ok(Call::GetMultipleFoldersContent { principal: None, folders: vec![] });
    assert_eq!(count("99999999999999999999"), none);
}

/// Text as a reader of XML gives it: without CR, not only white space, and without what no document can contain.
fn any_text() -> impl Strategy<Value = String> {
    let text = "[^\u{0}-\u{8}\u{b}-\u{1f}\u{fffe}\u{ffff}]{0,20}";
    text.prop_map(|text| if text.trim().is_empty() { String::new() } else { text })
}

fn any_id() -> impl Strategy<Value = Uuid> {
    prop_oneof![Just(Uuid::nil()), any::<u128>().prop_map(Uuid::from_u128)]
}

fn any_folder() -> impl Strategy<Value = InventoryFolder> {
    (any_id(), any_id(), any_id(), any::<i16>(), any::<u16>(), any_text()).prop_map(
        |(id, parent, owner, folder_type, version, name)| InventoryFolder {
            id,
            parent,
            owner,
            folder_type: FolderType(folder_type),
            version,
            name,
        },
    )
}

fn any_item() -> impl Strategy<Value = InventoryItem> {
    let ids = prop::array::uniform5(any_id());
    let texts = prop::array::uniform4(any_text());
    let masks = prop::array::uniform6(any::<u32>());
    let numbers = prop::array::uniform4(any::<i32>());
    (ids, texts, masks, numbers, any::<bool>(), any::<u8>()).prop_map(|(ids, texts, masks, numbers, group_owned, sale_type)| {
        let [creator_id, creator_data, name, description] = texts;
        InventoryItem {
            id: ids[0],
            asset_id: ids[1],
            asset_type: numbers[0],
            inventory_type: numbers[1],
            folder: ids[2],
            owner: ids[3],
            creator_id,
            creator_data,
            name,
            description,
            next_permissions: masks[0],
            current_permissions: masks[1],
            base_permissions: masks[2],
            everyone_permissions: masks[3],
            group_permissions: masks[4],
            group_id: ids[4],
            group_owned,
            sale_price: numbers[2],
            sale_type,
            flags: masks[5],
            creation_date: numbers[3],
        }
    })
}

fn any_content() -> impl Strategy<Value = FolderContent> {
    let (folders, items) = (prop::collection::vec(any_folder(), 0..4), prop::collection::vec(any_item(), 0..4));
    let (folder, owner) = (1..=u128::MAX, 1..=u128::MAX);
    (folder, owner, any::<u16>(), folders, items).prop_map(|(folder, owner, version, folders, items)| FolderContent {
        folder: Uuid::from_u128(folder),
        owner: Uuid::from_u128(owner),
        version,
        folders,
        items,
    })
}

fn any_call() -> impl Strategy<Value = Call> {
    let principal = prop::option::of((1..=u128::MAX).prop_map(Uuid::from_u128));
    let ids = prop::collection::vec(any_id(), 1..10);
    let records = (any_folder(), any_item().prop_map(Box::new), prop::collection::vec((any_id(), any_id()), 1..10));
    (0..Method::ALL.len(), any_id(), any_id(), principal, ids, any::<i32>(), records).prop_map(
        |(method, user, id, principal, ids, number, (folder, item, moves))| match Method::ALL[method] {
            Method::CreateUserInventory => Call::CreateUserInventory { user },
            Method::GetInventorySkeleton => Call::GetInventorySkeleton { user },
            Method::GetRootFolder => Call::GetRootFolder { user },
            Method::GetFolderForType => Call::GetFolderForType { user, folder_type: number },
            Method::GetFolderContent => Call::GetFolderContent { principal, folder: id },
            Method::GetMultipleFoldersContent => {
                let mut folders = ids;
                folders.sort_unstable();
                folders.dedup();
                Call::GetMultipleFoldersContent { principal, folders }
            }
            Method::GetFolderItems => Call::GetFolderItems { principal, folder: id },
            Method::AddFolder => Call::AddFolder(folder),
            Method::UpdateFolder => Call::UpdateFolder(folder),
            Method::MoveFolder => Call::MoveFolder { principal, folder: id, parent: user },
            Method::DeleteFolders => Call::DeleteFolders { principal, folders: ids },
            Method::PurgeFolder => Call::PurgeFolder { principal, folder: id },
            Method::AddItem => Call::AddItem(item),
            Method::UpdateItem => Call::UpdateItem(item),
            Method::MoveItems => {
                Call::MoveItems { principal, moves: moves.into_iter().map(|(item, folder)| ItemMove { item, folder }).collect() }
            }
            Method::DeleteItems => Call::DeleteItems { principal, items: ids },
            Method::GetItem => Call::GetItem { principal, item: id },
            Method::GetMultipleItems => Call::GetMultipleItems { principal, items: ids },
            Method::GetFolder => Call::GetFolder { principal, folder: id },
            Method::GetActiveGestures => Call::GetActiveGestures { user },
            Method::GetAssetPermissions => Call::GetAssetPermissions { user, asset: id },
        },
    )
}

proptest! {
    #[test]
    fn requests_come_back(call in any_call()) {
        prop_assert_eq!(decode(&call.encode()), Ok(call));
    }

    #[test]
    fn folders_come_back(folders in prop::collection::vec(any_folder(), 0..20)) {
        prop_assert_eq!(decode_folder(&encode_folder(folders.first())), Ok(folders.first().cloned()));
        prop_assert_eq!(decode_skeleton(&encode_skeleton(&folders)), Ok(folders));
    }

    #[test]
    fn items_come_back(items in prop::collection::vec(prop::option::of(any_item()), 0..12)) {
        let found: Vec<_> = items.iter().flatten().cloned().collect();
        prop_assert_eq!(decode_found_items(&encode_several_items(&items)), Ok(found.clone()));
        let items = found;
        prop_assert_eq!(decode_item(&encode_item(items.first())), Ok(items.first().cloned()));
        prop_assert_eq!(decode_items(&encode_items(&items)), Ok(items));
    }

    #[test]
    fn contents_come_back(contents in prop::collection::btree_map(any_id(), prop::option::of(any_content()), 0..6)) {
        let (asked, contents): (Vec<_>, Vec<_>) = contents.into_iter().unzip();
        let document = encode_folders_content(&asked, &contents, USER);
        prop_assert_eq!(decode_folders_content(&document, &asked), Ok(contents.clone()));
        for content in contents {
            let owner = content.as_ref().map(|content| content.owner).unwrap_or_default();
            prop_assert_eq!(decode_folder_content(&encode_folder_content(content.as_ref()), owner), Ok(content));
        }
    }

    #[test]
    fn permissions_come_back(permissions: u32, created: bool) {
        prop_assert_eq!(decode_asset_permissions(&encode_asset_permissions(permissions)), Ok(permissions));
        prop_assert_eq!(decode_result(&encode_created(created)), Ok(created));
        prop_assert_eq!(decode_result(&encode_result(created)), Ok(created));
    }

    #[test]
    fn anything_like_a_request_is_read_or_refused(
        method in 0..Method::ALL.len(),
        rest in "(&(PRINCIPAL|FOLDERS?|COUNT|ITEMS|IDLIST|DESTLIST|TYPE|ID|ParentID|ASSET)(\\[\\])?(=(x|,|-?[0-9]{1,11}|a55e701000004000800000000000000[0-9])?)?){0,8}",
    ) {
        let _ = decode(format!("METHOD={}{rest}", Method::ALL[method].name()).as_bytes());
    }
}
