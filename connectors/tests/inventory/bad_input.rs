//! Requests that cannot be understood: the failure document, and nothing is changed.

use super::{ADA, FAILURE, ITEM, ROOT, Subject, TRASH, item_request};

/// Sends requests that must fail, each with a name for the reader.
async fn all_fail(requests: &[(&str, String)]) {
    let subject = Subject::with_inventory().await;
    let before = subject.service.state();
    for (name, request) in requests {
        assert_eq!(subject.ask(request).await, FAILURE, "{name}: {request}");
    }
    assert_eq!(subject.service.state(), before);
}

#[tokio::test]
async fn without_a_known_method() {
    all_fail(&[
        ("empty body", String::new()),
        ("no METHOD", format!("PRINCIPAL={ADA}")),
        ("empty METHOD", format!("METHOD&PRINCIPAL={ADA}")),
        ("unknown METHOD", format!("METHOD=GETEVERYTHING&PRINCIPAL={ADA}")),
        ("METHOD in lower case", format!("METHOD=getrootfolder&PRINCIPAL={ADA}")),
        ("METHOD with a blank", format!("METHOD=GETROOTFOLDER+&PRINCIPAL={ADA}")),
        ("METHOD as a list", format!("METHOD[]=GETROOTFOLDER&PRINCIPAL={ADA}")),
        ("JSON", "{\"METHOD\": \"GETROOTFOLDER\"}".into()),
        ("XML", "<METHOD>GETROOTFOLDER</METHOD>".into()),
        ("more terms than a form may have", "a&".repeat(100_001)),
    ])
    .await;
}

#[tokio::test]
async fn without_a_required_parameter() {
    let mut requests = Vec::new();
    for complete in super::every_request() {
        let terms: Vec<&str> = complete.split('&').collect();
        for left_out in 1..terms.len() {
            let name = terms[left_out].split('=').next().unwrap();
            let optional = (terms[0] == "METHOD=GETMULTIPLEITEMS" && name == "COUNT") || terms[left_out].is_empty();
            let mut terms = terms.clone();
            terms.remove(left_out);
            let request = terms.join("&");
            // The key in another case, a list instead of a text, a text instead of a list: none of them is the parameter.
            let other_case = format!("{request}&{}=1", name.to_lowercase());
            let other_kind = match name.strip_suffix("[]") {
                Some(name) => format!("{request}&{name}={ITEM}"),
                None => format!("{request}&{name}[]=1"),
            };
            if !optional {
                requests.extend([("absent", request), ("in lower case", other_case), ("of the other kind", other_kind)]);
            }
        }
    }
    assert!(requests.len() > 200);
    all_fail(&requests).await;
}

#[tokio::test]
async fn malformed_uuids_where_they_must_be_right() {
    let folder = |parent: &str, owner: &str, id: &str| {
        format!("METHOD=ADDFOLDER&ParentID={parent}&Type=-1&Version=1&Name=x&Owner={owner}&ID={id}")
    };
    all_fail(&[
        ("CREATEUSERINVENTORY, too short", "METHOD=CREATEUSERINVENTORY&PRINCIPAL=1234".into()),
        ("CREATEUSERINVENTORY, empty", "METHOD=CREATEUSERINVENTORY&PRINCIPAL=".into()),
        ("CREATEUSERINVENTORY, braces", format!("METHOD=CREATEUSERINVENTORY&PRINCIPAL={{{ADA}}}")),
        ("GETINVENTORYSKELETON", "METHOD=GETINVENTORYSKELETON&PRINCIPAL=x".into()),
        ("ADDFOLDER, parent", folder("root", ADA, ITEM)),
        ("ADDFOLDER, owner", folder(ROOT, "me", ITEM)),
        ("ADDFOLDER, id", folder(ROOT, ADA, "a55e7011")),
        ("ADDITEM, asset", item_request("ADDITEM", &[("AssetID", "asset")])),
        ("ADDITEM, owner", item_request("ADDITEM", &[("Owner", "me")])),
        ("ADDITEM, id", item_request("ADDITEM", &[("ID", "12")])),
        ("ADDITEM, folder", item_request("ADDITEM", &[("Folder", "here")])),
        ("ADDITEM, group", item_request("ADDITEM", &[("GroupID", "none")])),
        ("UPDATEITEM, id", item_request("UPDATEITEM", &[("ID", "")])),
        ("MOVEFOLDER, id", format!("METHOD=MOVEFOLDER&PRINCIPAL={ADA}&ID=x&ParentID={ROOT}")),
        ("MOVEFOLDER, parent", format!("METHOD=MOVEFOLDER&PRINCIPAL={ADA}&ID={TRASH}&ParentID=x")),
        ("PURGEFOLDER, id", "METHOD=PURGEFOLDER&ID=trash".into()),
    ])
    .await;
}

#[tokio::test]
async fn numbers_and_booleans() {
    let folder = |folder_type: &str, version: &str| {
        format!("METHOD=ADDFOLDER&ParentID={ROOT}&Type={folder_type}&Version={version}&Name=x&Owner={ADA}&ID={ITEM}")
    };
    let mut requests = vec![
        ("folder type, a word", folder("Trash", "1")),
        ("folder type, above 16 bits", folder("32768", "1")),
        ("folder type, below 16 bits", folder("-32769", "1")),
        ("folder version, negative", folder("-1", "-1")),
        ("folder version, above 16 bits", folder("-1", "65536")),
        ("folder version, empty", folder("-1", "")),
    ];
    for (name, value) in [
        ("AssetType", "texture"),
        ("AssetType", "2147483648"),
        ("InvType", ""),
        ("InvType", "-2147483649"),
        ("GroupOwned", "1"),
        ("GroupOwned", "yes"),
        ("GroupOwned", ""),
        ("SaleType", "256"),
        ("SaleType", "-1"),
        ("SalePrice", "free"),
        ("SalePrice", "1,000"),
        ("SalePrice", "%2d%2d1"),
        ("Flags", "-1"),
        ("Flags", "4294967296"),
        ("CreationDate", "now"),
        ("CreationDate", "99999999999999999999999"),
        ("NextPermissions", "-1"),
        ("CurrentPermissions", "all"),
        ("BasePermissions", "4294967296"),
        ("EveryOnePermissions", "0x8000"),
        ("GroupPermissions", "1.5"),
        ("GroupPermissions", "1e3"),
    ] {
        requests.push((name, item_request("ADDITEM", &[(name, value)])));
        requests.push((name, item_request("UPDATEITEM", &[(name, value)])));
    }
    all_fail(&requests).await;
}

#[tokio::test]
async fn lists_that_do_not_fit() {
    let several =
        |folders: &str, count: &str| format!("METHOD=GETMULTIPLEFOLDERSCONTENT&PRINCIPAL={ADA}&FOLDERS={folders}&COUNT={count}");
    let moves = |lists: &str| format!("METHOD=MOVEITEMS&PRINCIPAL={ADA}{lists}");
    let (item, to_root) = (format!("&IDLIST[]={ITEM}"), format!("&DESTLIST[]={ROOT}"));
    let many = |name: &str, count: usize| format!("&{name}[]={TRASH}").repeat(count);
    all_fail(&[
        ("COUNT too small", several(&format!("{TRASH},{ROOT}"), "1")),
        ("COUNT 0", several(TRASH, "0")),
        ("COUNT malformed", several(TRASH, "one")),
        ("COUNT empty", several(TRASH, "")),
        ("COUNT negative", several(TRASH, "-1")),
        ("COUNT negative, nothing asked", several("", "-1")),
        ("COUNT absurd", several(TRASH, "2147483647")),
        ("COUNT above the range of its type", several(TRASH, "4294967297")),
        ("fewer destinations than items", moves(&format!("{item}{item}{to_root}"))),
        ("more destinations than items", moves(&format!("{item}{to_root}{to_root}"))),
        ("malformed item among others", moves(&format!("&IDLIST[]=x{item}{to_root}{to_root}"))),
        ("malformed destination", moves(&format!("{item}&DESTLIST[]=x"))),
        (
            "more folders to delete than one request may name",
            format!("METHOD=DELETEFOLDERS&PRINCIPAL={ADA}{}", many("FOLDERS", 65_537)),
        ),
        (
            "more items to delete than one request may name",
            format!("METHOD=DELETEITEMS&PRINCIPAL={ADA}{}", many("ITEMS", 65_537)),
        ),
        (
            "more items than one request may ask for",
            format!("METHOD=GETMULTIPLEITEMS&PRINCIPAL={ADA}&ITEMS={}", ",".repeat(65_536)),
        ),
        ("more items and destinations than a form may have", moves(&(many("IDLIST", 60_000) + &many("DESTLIST", 60_000)))),
    ])
    .await;
}
