//! Whole conversations, each answer to the byte.

use super::{ADA, BOB, FAILURE, ITEM, NOTHING, ROOT, SUCCESS, Subject, TRASH, ZERO, item_request};

const ROOT_FIELDS: &str = "<ParentID>00000000-0000-0000-0000-000000000000</ParentID><Type>-1</Type><Version>1</Version>\
    <Name>My Inventory</Name><Owner>a55e7010-0000-4000-8000-000000000001</Owner><ID>a55e7011-0000-4000-8000-000000000080</ID>";
const TRASH_FIELDS: &str = "<ParentID>a55e7011-0000-4000-8000-000000000080</ParentID><Type>14</Type><Version>1</Version>\
    <Name>Trash</Name><Owner>a55e7010-0000-4000-8000-000000000001</Owner><ID>a55e7011-0000-4000-8000-000000000081</ID>";
const ITEM_FIELDS: &str = "<AssetID>a55e7013-0000-4000-8000-000000000001</AssetID><AssetType>0</AssetType>\
    <BasePermissions>581632</BasePermissions><CreationDate>1700000000</CreationDate>\
    <CreatorId>a55e7010-0000-4000-8000-000000000001</CreatorId><CreatorData></CreatorData>\
    <CurrentPermissions>581632</CurrentPermissions><Description>a \"b\" 'c'</Description>\
    <EveryOnePermissions>0</EveryOnePermissions><Flags>0</Flags><Folder>a55e7011-0000-4000-8000-000000000081</Folder>\
    <GroupID>00000000-0000-0000-0000-000000000000</GroupID><GroupOwned>False</GroupOwned>\
    <GroupPermissions>0</GroupPermissions><ID>a55e7012-0000-4000-8000-000000000080</ID><InvType>0</InvType>\
    <Name>é &amp; &lt;x&gt;</Name><NextPermissions>581632</NextPermissions><Owner>a55e7010-0000-4000-8000-000000000001</Owner>\
    <SalePrice>0</SalePrice><SaleType>0</SaleType>";

fn document(content: &str) -> String {
    format!("<?xml version=\"1.0\"?><ServerResponse>{content}</ServerResponse>")
}

/// Sends each request, and compares each answer.
async fn converse(subject: &Subject, exchanges: &[(String, String)]) {
    for (request, answer) in exchanges {
        assert_eq!(&subject.ask(request).await, answer, "{request}");
    }
}

#[tokio::test]
async fn an_inventory_is_created_once() {
    let created = Subject::new();
    let root = "<folder type=\"List\"><ParentID>00000000-0000-0000-0000-000000000000</ParentID><Type>8</Type><Version>1</Version>\
        <Name>My Inventory</Name><Owner>a55e7010-0000-4000-8000-000000000001</Owner><ID>a55e7010-0000-4000-8000-00000000fffe</ID>\
        </folder>";
    converse(
        &created,
        &[
            (format!("METHOD=GETROOTFOLDER&PRINCIPAL={ADA}"), NOTHING.into()),
            (format!("METHOD=GETFOLDERFORTYPE&PRINCIPAL={ADA}&TYPE=14"), NOTHING.into()),
            (format!("METHOD=GETINVENTORYSKELETON&PRINCIPAL={ADA}"), document("<FOLDERS type=\"List\" />")),
            (format!("METHOD=CREATEUSERINVENTORY&PRINCIPAL={ADA}"), document("<RESULT>True</RESULT>")),
            (format!("METHOD=CREATEUSERINVENTORY&PRINCIPAL={ADA}"), document("<RESULT>False</RESULT>")),
            (format!("METHOD=GETROOTFOLDER&PRINCIPAL={ADA}"), document(root)),
            (format!("METHOD=GETFOLDERFORTYPE&PRINCIPAL={ADA}&TYPE=8"), document(root)),
            (format!("METHOD=GETROOTFOLDER&PRINCIPAL={BOB}"), NOTHING.into()),
        ],
    )
    .await;
}

#[tokio::test]
async fn folders() {
    let subject = Subject::with_inventory().await;
    let trash = document(&format!("<folder type=\"List\">{TRASH_FIELDS}</folder>"));
    let skeleton = format!(
        "<FOLDERS type=\"List\"><folder_0 type=\"List\">{ROOT_FIELDS}</folder_0><folder_1 type=\"List\">{TRASH_FIELDS}</folder_1></FOLDERS>"
    );
    let content = format!(
        "<FID>{ROOT}</FID><VERSION>1</VERSION><FOLDERS type=\"List\"><folder_0 type=\"List\">{TRASH_FIELDS}</folder_0></FOLDERS>\
         <ITEMS type=\"List\" />"
    );
    converse(
        &subject,
        &[
            (format!("METHOD=GETINVENTORYSKELETON&PRINCIPAL={ADA}"), document(&skeleton)),
            (format!("METHOD=GETFOLDER&ID={TRASH}&PRINCIPAL={ADA}"), trash.clone()),
            (format!("METHOD=GETFOLDER&ID={TRASH}"), trash.clone()),
            (format!("METHOD=GETFOLDER&ID={TRASH}&PRINCIPAL=x"), trash.clone()),
            (format!("METHOD=GETFOLDER&ID={TRASH}&PRINCIPAL={ZERO}"), trash.clone()),
            (format!("METHOD=GETFOLDER&ID={}", TRASH.to_uppercase().replace('-', "")), trash.clone()),
            (format!("METHOD=GETFOLDERFORTYPE&PRINCIPAL={ADA}&TYPE=+14+"), trash.clone()),
            (format!("METHOD=GETFOLDERFORTYPE&PRINCIPAL={ADA}&TYPE=47"), NOTHING.into()),
            (format!("METHOD=GETFOLDERFORTYPE&PRINCIPAL={ADA}&TYPE=65550"), NOTHING.into()),
            (format!("METHOD=GETFOLDERCONTENT&PRINCIPAL={ADA}&FOLDER={ROOT}"), document(&content)),
            (format!("METHOD=GETFOLDERCONTENT&PRINCIPAL=x&FOLDER={ROOT}"), document(&content)),
            (format!("METHOD=ADDFOLDER&ParentID={ROOT}&Type=-1&Version=1&Name=x&Owner={ADA}&ID={TRASH}"), FAILURE.into()),
            (format!("METHOD=UPDATEFOLDER&ParentID={ROOT}&Type=14&Version=3&Name&Owner={ADA}&ID={TRASH}"), SUCCESS.into()),
            (
                format!("METHOD=GETFOLDER&ID={TRASH}"),
                trash.replace("<Name>Trash<", "<Name><").replace("<Version>1<", "<Version>3<"),
            ),
            (format!("METHOD=PURGEFOLDER&ID={ROOT}"), FAILURE.into()),
            (format!("METHOD=PURGEFOLDER&ID={TRASH}"), SUCCESS.into()),
            (format!("METHOD=GETITEM&ID={ITEM}"), NOTHING.into()),
            (format!("METHOD=MOVEFOLDER&PRINCIPAL={ADA}&ID={TRASH}&ParentID={ZERO}"), SUCCESS.into()),
            (
                format!("METHOD=GETFOLDERCONTENT&PRINCIPAL={ADA}&FOLDER={ROOT}"),
                document(&format!("<FID>{ROOT}</FID><VERSION>1</VERSION><FOLDERS type=\"List\" /><ITEMS type=\"List\" />")),
            ),
            (format!("METHOD=DELETEFOLDERS&PRINCIPAL={ADA}&FOLDERS[]=x&FOLDERS[]={TRASH}"), SUCCESS.into()),
            (format!("METHOD=GETFOLDER&ID={TRASH}"), NOTHING.into()),
        ],
    )
    .await;
}

#[tokio::test]
async fn items() {
    let subject = Subject::with_inventory().await;
    let item = document(&format!("<item type=\"List\">{ITEM_FIELDS}</item>"));
    let items = document(&format!("<ITEMS type=\"List\"><item_0 type=\"List\">{ITEM_FIELDS}</item_0></ITEMS>"));
    let no_items = document("<ITEMS type=\"List\" />");
    let several = document(&format!("<item_0>NULL</item_0><item_1 type=\"List\">{ITEM_FIELDS}</item_1><item_2>NULL</item_2>"));
    let renamed =
        item_request("UPDATEITEM", &[("Name", "%e6%97%a5%f0%9f%98%80%01x"), ("Description", "+++"), ("SaleType", "255")]);
    converse(
        &subject,
        &[
            (format!("METHOD=GETITEM&ID={ITEM}&PRINCIPAL={ADA}"), item.clone()),
            (format!("METHOD=GETITEM&ID={ITEM}"), item.clone()),
            (format!("METHOD=GETITEM&ID={ITEM}&PRINCIPAL=x"), item.clone()),
            (format!("METHOD=GETITEM&ID=item&PRINCIPAL={ADA}"), NOTHING.into()),
            (format!("METHOD=GETITEM&ID&PRINCIPAL={ADA}"), NOTHING.into()),
            (format!("METHOD=GETMULTIPLEITEMS&PRINCIPAL={ADA}&ITEMS=x,{ITEM},{ROOT}&COUNT=3"), several.clone()),
            (format!("METHOD=GETMULTIPLEITEMS&PRINCIPAL={ADA}&ITEMS=x,{ITEM},{ROOT}"), several.clone()),
            (format!("METHOD=GETMULTIPLEITEMS&PRINCIPAL={ADA}&ITEMS&COUNT=0"), NOTHING.into()),
            (format!("METHOD=GETMULTIPLEITEMS&PRINCIPAL=x&ITEMS={ITEM}&COUNT=1"), NOTHING.into()),
            (format!("METHOD=GETFOLDERITEMS&PRINCIPAL={ADA}&FOLDER={TRASH}"), items.clone()),
            (format!("METHOD=GETFOLDERITEMS&PRINCIPAL={ADA}&FOLDER={ROOT}"), no_items.clone()),
            (format!("METHOD=GETFOLDERITEMS&PRINCIPAL={ADA}&FOLDER=x"), no_items.clone()),
            (format!("METHOD=GETACTIVEGESTURES&PRINCIPAL={ADA}"), no_items.clone()),
            (
                format!("METHOD=GETASSETPERMISSIONS&PRINCIPAL={ADA}&ASSET=a55e7013-0000-4000-8000-000000000001"),
                document("<RESULT>581632</RESULT>"),
            ),
            (format!("METHOD=GETASSETPERMISSIONS&PRINCIPAL={ADA}&ASSET=x"), document("<RESULT>0</RESULT>")),
            (renamed, SUCCESS.into()),
            (
                // A control character cannot stand in XML; it is dropped.
                format!("METHOD=GETITEM&ID={ITEM}"),
                item.replace("é &amp; &lt;x&gt;", "日\u{1f600}x")
                    .replace("a \"b\" 'c'", "")
                    .replace("<SaleType>0<", "<SaleType>255<"),
            ),
            (item_request("UPDATEITEM", &[("ID", ROOT)]), FAILURE.into()),
            (format!("METHOD=MOVEITEMS&PRINCIPAL={ADA}&IDLIST[]={ITEM}&DESTLIST[]={ROOT}"), SUCCESS.into()),
            (format!("METHOD=GETFOLDERITEMS&PRINCIPAL={ADA}&FOLDER={TRASH}"), no_items.clone()),
            (format!("METHOD=DELETEITEMS&PRINCIPAL={ADA}&ITEMS[]=x&ITEMS[]={ITEM}"), SUCCESS.into()),
            (format!("METHOD=DELETEITEMS&PRINCIPAL={ADA}&ITEMS[]={ITEM}"), SUCCESS.into()),
            (format!("METHOD=GETITEM&ID={ITEM}"), NOTHING.into()),
        ],
    )
    .await;
}

#[tokio::test]
async fn every_field_of_an_item() {
    let subject = Subject::with_inventory().await;
    let gesture = item_request(
        "ADDITEM",
        &[
            ("ID", "a55e7012000040008000000000000008"),
            ("AssetType", "21"),
            ("InvType", "-1"),
            ("CreatorId", BOB),
            ("CreatorData", "http%3a%2f%2fhome.example%3a8002%2f%3bFar+Away"),
            ("Description", ""),
            ("NextPermissions", "+532480"),
            ("CurrentPermissions", "4294967295"),
            ("BasePermissions", "2147483647"),
            ("EveryOnePermissions", "32768"),
            ("GroupPermissions", "16384"),
            ("GroupID", BOB),
            ("GroupOwned", "+tRUE+"),
            ("SalePrice", "-10"),
            ("SaleType", "2"),
            ("Flags", "1048577"),
            ("CreationDate", "-1"),
        ],
    );
    let fields = "<AssetID>a55e7013-0000-4000-8000-000000000001</AssetID><AssetType>21</AssetType>\
        <BasePermissions>2147483647</BasePermissions><CreationDate>-1</CreationDate>\
        <CreatorId>a55e7010-0000-4000-8000-000000000002</CreatorId><CreatorData>http://home.example:8002/;Far Away</CreatorData>\
        <CurrentPermissions>4294967295</CurrentPermissions><Description></Description>\
        <EveryOnePermissions>32768</EveryOnePermissions><Flags>1048577</Flags><Folder>a55e7011-0000-4000-8000-000000000081</Folder>\
        <GroupID>a55e7010-0000-4000-8000-000000000002</GroupID><GroupOwned>True</GroupOwned>\
        <GroupPermissions>16384</GroupPermissions><ID>a55e7012-0000-4000-8000-000000000008</ID><InvType>-1</InvType>\
        <Name>é &amp; &lt;x&gt;</Name><NextPermissions>532480</NextPermissions><Owner>a55e7010-0000-4000-8000-000000000001</Owner>\
        <SalePrice>-10</SalePrice><SaleType>2</SaleType>";
    let gestures = document(&format!("<ITEMS type=\"List\"><item_0 type=\"List\">{fields}</item_0></ITEMS>"));
    converse(&subject, &[(gesture, SUCCESS.into()), (format!("METHOD=GETACTIVEGESTURES&PRINCIPAL={ADA}"), gestures)]).await;
}

#[tokio::test]
async fn contents_of_several_folders() {
    let subject = Subject::with_inventory().await;
    let trash = format!(
        "<F_{TRASH} type=\"List\"><FID>{TRASH}</FID><VERSION>1</VERSION><OWNER>{ADA}</OWNER><FOLDERS type=\"List\" />\
         <ITEMS type=\"List\"><item_0 type=\"List\">{ITEM_FIELDS}</item_0></ITEMS></F_{TRASH}>"
    );
    let none = |id: &str| {
        format!(
            "<F_{id} type=\"List\"><FID>{ZERO}</FID><VERSION>0</VERSION><OWNER>{ADA}</OWNER><FOLDERS type=\"List\" />\
             <ITEMS type=\"List\" /></F_{id}>"
        )
    };
    let request =
        |folders: &str, count: &str| format!("METHOD=GETMULTIPLEFOLDERSCONTENT&PRINCIPAL={ADA}&FOLDERS={folders}&COUNT={count}");
    converse(
        &subject,
        &[
            (request(TRASH, "1"), document(&trash)),
            (request(&format!("{ITEM},{TRASH}"), "2"), document(&(none(ITEM) + &trash))),
            (request(&format!("{TRASH},{TRASH}"), "2"), document(&trash)),
            (request(&format!("x,{TRASH}"), "2"), document(&(none(ZERO) + &trash))),
            // Fewer than the count: the rest are zero UUIDs. A malformed one beyond the count is not missed.
            (request(TRASH, "3"), document(&(trash.clone() + &none(ZERO)))),
            (request(&format!("{TRASH},x"), "1"), document(&trash)),
            (request("", "0"), NOTHING.into()),
            (request("x", "many"), NOTHING.into()),
        ],
    )
    .await;
}
