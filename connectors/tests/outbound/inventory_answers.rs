//! What the inventory OUT connector makes of answers.

use gridshell_connectors::transport::TransportError;
use gridshell_interfaces::ErrorKind;
use gridshell_interfaces::inventory::{FolderContent, InventoryItem, InventoryService};
use uuid::Uuid;

use super::inventory::{ADA, FALSE, ITEM, NOTHING, ROOT, TRASH, TRUE, every_call, item, service, trash};
use super::script::Script;
use super::{FAILURES, NOT_FOUND_PAGE, kind};

const OTHER: Uuid = Uuid::from_u128(0xa55e7012_0000_4000_8000_000000000081);
const ZERO: Uuid = Uuid::nil();

const FOLDER_FIELDS: &str = "<ParentID>a55e7011-0000-4000-8000-000000000080</ParentID><Type>14</Type><Version>3</Version>\
    <Name>Tr &amp; &lt;sh&gt;</Name><Owner>a55e7010-0000-4000-8000-000000000001</Owner><ID>a55e7011-0000-4000-8000-000000000081</ID>";

const ITEM_FIELDS: &str = "<AssetID>a55e7013-0000-4000-8000-000000000001</AssetID><AssetType>0</AssetType>\
    <BasePermissions>647168</BasePermissions><CreationDate>1700000000</CreationDate>\
    <CreatorId>a55e7010-0000-4000-8000-000000000001</CreatorId><CreatorData></CreatorData>\
    <CurrentPermissions>581632</CurrentPermissions><Description></Description><EveryOnePermissions>0</EveryOnePermissions>\
    <Flags>5</Flags><Folder>a55e7011-0000-4000-8000-000000000081</Folder><GroupID>00000000-0000-0000-0000-000000000000</GroupID>\
    <GroupOwned>True</GroupOwned><GroupPermissions>0</GroupPermissions><ID>a55e7012-0000-4000-8000-000000000080</ID>\
    <InvType>0</InvType><Name>a (n) 'é' &amp; &lt;x&gt;</Name><NextPermissions>532480</NextPermissions>\
    <Owner>a55e7010-0000-4000-8000-000000000001</Owner><SalePrice>-1</SalePrice><SaleType>2</SaleType>";

fn response(elements: &str) -> String {
    format!("<?xml version=\"1.0\"?><ServerResponse>{elements}</ServerResponse>")
}

fn list(name: &str, elements: &str) -> String {
    format!("<{name} type=\"List\">{elements}</{name}>")
}

#[tokio::test]
async fn what_a_robust_finds() {
    let folder = response(&list("folder", FOLDER_FIELDS));
    let answered = || Script::answering(200, folder.clone());
    assert_eq!(service(&answered()).root_folder(ADA).await.unwrap(), Some(trash()));
    assert_eq!(service(&answered()).folder(TRASH, None).await.unwrap(), Some(trash()));
    let one_item = response(&list("item", ITEM_FIELDS));
    assert_eq!(service(&Script::answering(200, one_item.clone())).item(ITEM, None).await.unwrap(), Some(item()));
    // The one field that may be absent.
    let without = one_item.replace("<CreatorData></CreatorData>", "");
    assert_eq!(service(&Script::answering(200, without)).item(ITEM, None).await.unwrap(), Some(item()));
    // With a mark and line ends, as from behind something that lays XML out.
    let odd = format!("\u{feff}{}", one_item.replace("><", ">\r\n <"));
    assert_eq!(service(&Script::answering(200, odd)).item(ITEM, None).await.unwrap(), Some(item()));

    let folders = list("FOLDERS", &list("folder_0", FOLDER_FIELDS));
    let items = list("ITEMS", &list("item_0", ITEM_FIELDS));
    assert_eq!(service(&Script::answering(200, response(&folders))).skeleton(ADA).await.unwrap(), [trash()]);
    assert_eq!(service(&Script::answering(200, response(&items))).folder_items(TRASH, None).await.unwrap(), [item()]);
    assert_eq!(service(&Script::answering(200, response(&items))).active_gestures(ADA).await.unwrap(), [item()]);
    let permissions = response("<RESULT>581632</RESULT>");
    assert_eq!(service(&Script::answering(200, permissions)).asset_permissions(ADA, ITEM).await.unwrap(), 581_632);

    let content = FolderContent { folder: ROOT, owner: ADA, version: 19, folders: vec![trash()], items: vec![item()] };
    let in_folder = format!("<FID>{ROOT}</FID><VERSION>19</VERSION>");
    let body = response(&format!("{in_folder}{folders}{items}"));
    assert_eq!(service(&Script::answering(200, body)).folder_content(ROOT, Some(ADA)).await.unwrap(), Some(content.clone()));
    let body = list(&format!("F_{ROOT}"), &format!("{in_folder}<OWNER>{ADA}</OWNER>{folders}{items}"));
    let none =
        format!("<FID>{ZERO}</FID><VERSION>0</VERSION><OWNER>{ADA}</OWNER><FOLDERS type=\"List\" /><ITEMS type=\"List\" />");
    let body = response(&format!("{}{body}", list(&format!("F_{TRASH}"), &none)));
    let contents = service(&Script::answering(200, body)).folders_content(&[ROOT, TRASH, ROOT], Some(ADA)).await.unwrap();
    assert_eq!(contents, [Some(content), None, None]);
}

#[tokio::test]
async fn what_a_robust_does_not_find() {
    let empty_list = |name: &str| response(&format!("<{name} type=\"List\" />"));
    for (operation, script, outcome) in every_call(|| Script::answering(200, NOTHING)).await {
        script.request();
        match operation {
            // An answer without a result says nothing.
            "CREATEUSERINVENTORY" | "GETASSETPERMISSIONS" => assert_eq!(kind(outcome), ErrorKind::Internal),
            operation if operation.starts_with("GET") => assert!(!outcome.unwrap(), "{operation}"),
            _ => assert_eq!(kind(outcome), ErrorKind::Internal, "{operation}"),
        }
    }
    assert_eq!(service(&Script::answering(200, empty_list("FOLDERS"))).skeleton(ADA).await.unwrap(), []);
    assert_eq!(service(&Script::answering(200, empty_list("ITEMS"))).folder_items(TRASH, None).await.unwrap(), []);
    // The suitcase's answer for a folder outside of it has no lists (inventory.md section 6).
    let outside = response(&format!("<FID>{ZERO}</FID><VERSION>0</VERSION>"));
    assert_eq!(service(&Script::answering(200, outside)).folder_content(TRASH, Some(ADA)).await.unwrap(), None);
    let without_lists = response(&format!("<FID>{TRASH}</FID><VERSION>0</VERSION>"));
    let content = service(&Script::answering(200, without_lists)).folder_content(TRASH, Some(ADA)).await.unwrap();
    assert_eq!(content.map(|content| (content.folders.len(), content.items.len())), Some((0, 0)));
}

/// Master answers in the order of the request, 0.9.2.2 in any, without what it has not found (inventory.md sections 3 and 4).
#[tokio::test]
async fn several_items_of_both_versions() {
    let other = InventoryItem { id: OTHER, ..item() };
    let other_fields = ITEM_FIELDS.replace("7012-0000-4000-8000-000000000080", "7012-0000-4000-8000-000000000081");
    let asked = [ITEM, ROOT, OTHER, ITEM];
    let expected = [Some(item()), None, Some(other), Some(item())];
    let (one, two) = (list("item_0", ITEM_FIELDS), list("item_2", &other_fields));
    let master = response(&format!("{one}<item_1>NULL</item_1>{two}{}", list("item_3", ITEM_FIELDS)));
    let (one, two) = (list("item_1", ITEM_FIELDS), list("item_0", &other_fields));
    let old = response(&format!("{two}{one}<item_2>NULL</item_2>"));
    for body in [master, old] {
        assert_eq!(service(&Script::answering(200, body)).items(&asked, Some(ADA)).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn results_of_changes() {
    for (operation, _, outcome) in every_call(|| Script::answering(200, TRUE)).await {
        match operation {
            // Where something is looked up, a result is no answer.
            operation if operation.starts_with("GET") => assert!(outcome.is_err(), "{operation}"),
            _ => assert!(outcome.unwrap(), "{operation}"),
        }
    }
    // Whether a change has failed or was not allowed is not told. Of an inventory that exists already it is, by the layout.
    for failure in [FALSE.to_owned(), FALSE.replace('\n', "\r\n")] {
        for (operation, _, outcome) in every_call(|| Script::answering(200, failure.clone())).await {
            match operation {
                operation if operation.starts_with("GET") => assert_eq!(kind(outcome), ErrorKind::Unavailable, "{operation}"),
                "CREATEUSERINVENTORY" => assert_eq!(kind(outcome), ErrorKind::Unavailable),
                _ => assert!(!outcome.unwrap(), "{operation}"),
            }
        }
    }
    for (value, created) in [("True", true), ("False", false)] {
        let body = response(&format!("<RESULT>{value}</RESULT>"));
        assert_eq!(service(&Script::answering(200, body)).create_user_inventory(ADA).await.unwrap(), created);
    }
}

#[tokio::test]
async fn garbage_and_failures() {
    let malformed_folder = response(&list("folder", &FOLDER_FIELDS.replace("<Type>14<", "<Type>fourteen<")));
    for garbage in ["", "garbage", NOT_FOUND_PAGE, "<ServerResponse>", "<Other />", "\0", &TRUE[..TRUE.len() - 30]] {
        for (operation, _, outcome) in every_call(|| Script::answering(200, garbage.to_owned())).await {
            assert_eq!(kind(outcome), ErrorKind::Internal, "{operation} {garbage:?}");
        }
    }
    assert_eq!(kind(service(&Script::answering(200, malformed_folder)).folder(TRASH, None).await), ErrorKind::Internal);
    for (status, expected) in FAILURES.into_iter().chain([(404, ErrorKind::Internal)]) {
        for (operation, _, outcome) in every_call(|| Script::answering(status, NOTHING)).await {
            assert_eq!(kind(outcome), expected, "{operation} {status}");
        }
    }
    let gone = TransportError::Unavailable("nobody at a:1".to_owned());
    for (operation, _, outcome) in every_call(|| Script::new([Err(gone.clone())])).await {
        assert_eq!(kind(outcome), ErrorKind::Unavailable, "{operation}");
    }
}

#[tokio::test]
async fn what_is_cut_short_is_garbage() {
    let body = response(&format!("{}{}", list("FOLDERS", &list("folder_0", FOLDER_FIELDS)), list("ITEMS", "")));
    // The end tag of the root is where reading ends.
    for cut in 0..body.len() {
        let answered = Script::answering(200, body.as_bytes()[..cut].to_vec());
        assert_eq!(kind(service(&answered).skeleton(ADA).await), ErrorKind::Internal, "{cut}");
    }
    for cut in 0..TRUE.len() {
        let answered = Script::answering(200, TRUE.as_bytes()[..cut].to_vec());
        assert_eq!(kind(service(&answered).delete_items(&[ITEM], None).await), ErrorKind::Internal, "{cut}");
    }
}
