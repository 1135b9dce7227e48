//! The inventory connector behind its router, over a service in memory: what the wire says for each request and each outcome.

mod bad_input;
mod documents;
mod memory;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bytes::Bytes;
use gridshell_connectors::http::{Handler, HeaderMap, Method, Request, Response, Router, ServiceAuthentication, header};
use gridshell_connectors::inventory::{InventoryConnector, codec};
use gridshell_interfaces::ServiceError;

use memory::Memory;

const ADA: &str = "a55e7010-0000-4000-8000-000000000001";
const BOB: &str = "a55e7010-0000-4000-8000-000000000002";
const ROOT: &str = "a55e7011-0000-4000-8000-000000000080";
const TRASH: &str = "a55e7011-0000-4000-8000-000000000081";
const ITEM: &str = "a55e7012-0000-4000-8000-000000000080";
const ZERO: &str = "00000000-0000-0000-0000-000000000000";

const FAILURE: &str = "<?xml version=\"1.0\"?>\n<ServerResponse>\n  <RESULT>False</RESULT>\n</ServerResponse>";
const SUCCESS: &str = "<?xml version=\"1.0\"?>\n<ServerResponse>\n  <RESULT>True</RESULT>\n</ServerResponse>";
const NOTHING: &str = "<?xml version=\"1.0\"?><ServerResponse />";

/// A listener with the inventory connector, and the service behind it.
struct Subject {
    service: Arc<Memory>,
    router: Router,
}

impl Subject {
    fn new() -> Self {
        Self::protected_by(ServiceAuthentication::none(false))
    }

    fn protected_by(protection: ServiceAuthentication) -> Self {
        let service = Arc::new(Memory::default());
        let mut router = Router::new(Bytes::from_static(b"page"));
        InventoryConnector::new(service.clone()).register(&mut router, Arc::new(protection));
        Self { service, router }
    }

    /// A subject in which Ada has a root folder, a trash and an item in the trash.
    async fn with_inventory() -> Self {
        let subject = Self::new();
        for (id, parent, folder_type, name) in [(ROOT, ZERO, -1, "My Inventory"), (TRASH, ROOT, 14, "Trash")] {
            let body = format!("METHOD=ADDFOLDER&ParentID={parent}&Type={folder_type}&Version=1&Name={name}&Owner={ADA}&ID={id}");
            assert_eq!(subject.ask(&body).await, SUCCESS);
        }
        assert_eq!(subject.ask(&item_request("ADDITEM", &[])).await, SUCCESS);
        subject
    }

    async fn send(&self, method: Method, target: &str, headers: &[(&'static str, &str)], body: &str) -> Response {
        let headers: HeaderMap = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let request = Request::new(method, target, headers, Bytes::from(body.to_owned()), IpAddr::V4(Ipv4Addr::LOCALHOST));
        self.router.dispatch(request).await
    }

    /// The body of the answer to a request; checks what all answers have in common.
    async fn ask(&self, body: &str) -> String {
        let response = self.send(Method::POST, "/xinventory", &[], body).await;
        assert_eq!((response.status.as_u16(), &*response.content_type), (200, "application/xml"), "{body}");
        String::from_utf8(response.body.bytes().to_vec()).unwrap()
    }
}

/// A request with all fields of an item, as simulators send it, some of them replaced.
fn item_request(method: &str, replaced: &[(&str, &str)]) -> String {
    let mut fields = vec![
        ("METHOD", method),
        ("AssetID", "a55e7013-0000-4000-8000-000000000001"),
        ("AssetType", "0"),
        ("Name", "%c3%a9+%26+%3cx%3e"),
        ("Owner", ADA),
        ("ID", ITEM),
        ("InvType", "0"),
        ("Folder", TRASH),
        ("CreatorId", ADA),
        ("CreatorData", ""),
        ("Description", "a+%22b%22+%27c%27"),
        ("NextPermissions", "581632"),
        ("CurrentPermissions", "581632"),
        ("BasePermissions", "581632"),
        ("EveryOnePermissions", "0"),
        ("GroupPermissions", "0"),
        ("GroupID", ZERO),
        ("GroupOwned", "False"),
        ("SalePrice", "0"),
        ("SaleType", "0"),
        ("Flags", "0"),
        ("CreationDate", "1700000000"),
    ];
    for (name, value) in replaced {
        fields.iter_mut().find(|field| field.0 == *name).unwrap().1 = value;
    }
    let term = |(name, value): &(&str, &str)| if value.is_empty() { name.to_string() } else { format!("{name}={value}") };
    fields.iter().map(term).collect::<Vec<_>>().join("&")
}

/// One valid request for each METHOD.
fn every_request() -> Vec<String> {
    let mut requests: Vec<String> = [
        format!("CREATEUSERINVENTORY&PRINCIPAL={ADA}"),
        format!("GETINVENTORYSKELETON&PRINCIPAL={ADA}"),
        format!("GETROOTFOLDER&PRINCIPAL={ADA}"),
        format!("GETFOLDERFORTYPE&PRINCIPAL={ADA}&TYPE=14"),
        format!("GETFOLDERCONTENT&PRINCIPAL={ADA}&FOLDER={TRASH}"),
        format!("GETMULTIPLEFOLDERSCONTENT&PRINCIPAL={ADA}&FOLDERS={TRASH}&COUNT=1"),
        format!("GETFOLDERITEMS&PRINCIPAL={ADA}&FOLDER={TRASH}"),
        format!("ADDFOLDER&ParentID={ROOT}&Type=-1&Version=1&Name=x&Owner={ADA}&ID={ITEM}"),
        format!("UPDATEFOLDER&ParentID={ROOT}&Type=14&Version=9&Name=x&Owner={ADA}&ID={TRASH}"),
        format!("MOVEFOLDER&ParentID={ROOT}&ID={TRASH}&PRINCIPAL={ADA}"),
        format!("DELETEFOLDERS&PRINCIPAL={ADA}&FOLDERS[]={TRASH}"),
        format!("PURGEFOLDER&ID={TRASH}"),
        format!("MOVEITEMS&PRINCIPAL={ADA}&IDLIST[]={ITEM}&DESTLIST[]={ROOT}"),
        format!("DELETEITEMS&PRINCIPAL={ADA}&ITEMS[]={ITEM}"),
        format!("GETITEM&ID={ITEM}"),
        format!("GETMULTIPLEITEMS&PRINCIPAL={ADA}&ITEMS={ITEM}&COUNT=1"),
        format!("GETFOLDER&ID={TRASH}"),
        format!("GETACTIVEGESTURES&PRINCIPAL={ADA}"),
        format!("GETASSETPERMISSIONS&PRINCIPAL={ADA}&ASSET=a55e7013-0000-4000-8000-000000000001"),
    ]
    .iter()
    .map(|request| format!("METHOD={request}"))
    .collect();
    requests.extend([item_request("ADDITEM", &[]), item_request("UPDATEITEM", &[])]);
    requests
}

#[tokio::test]
async fn a_fault_of_the_service_is_the_failure_document_and_never_nothing() {
    let subject = Subject::with_inventory().await;
    let before = subject.service.state();
    for error in [
        ServiceError::unavailable("the database is gone"),
        ServiceError::internal("a row cannot be understood"),
        ServiceError::refused("does not fit"),
        ServiceError::invalid("too many"),
    ] {
        subject.service.fail_with(Some(error));
        for request in every_request() {
            assert_eq!(subject.ask(&request).await, FAILURE, "{request}");
        }
    }
    subject.service.fail_with(None);
    assert_eq!(subject.service.state(), before);
    for request in every_request() {
        assert_ne!(Subject::with_inventory().await.ask(&request).await, NOTHING, "{request}");
    }
}

#[tokio::test]
async fn each_answer_is_labelled_with_its_operation() {
    let subject = Subject::with_inventory().await;
    let connector = InventoryConnector::new(subject.service.clone());
    let mut labels = Vec::new();
    for request in every_request() {
        let operation = subject.send(Method::POST, "/xinventory", &[], &request).await.operation;
        let name = request["METHOD=".len()..].split('&').next().unwrap();
        assert_eq!(operation, name.to_lowercase());
        let malformed = subject.send(Method::POST, "/xinventory", &[], &format!("METHOD={name}")).await;
        assert_eq!(malformed.operation, operation);
        labels.push(operation);
    }
    assert_eq!(subject.send(Method::POST, "/xinventory", &[], "METHOD=x").await.operation, "unknown");
    labels.push("unknown");
    let mut operations = connector.operations().to_vec();
    labels.sort_unstable();
    operations.sort_unstable();
    assert_eq!(operations, labels);
}

#[tokio::test]
async fn what_belongs_to_another_principal_is_not_there() {
    let subject = Subject::with_inventory().await;
    for (request, answer) in [
        (format!("GETITEM&ID={ITEM}&PRINCIPAL={BOB}"), NOTHING),
        (format!("GETFOLDER&ID={TRASH}&PRINCIPAL={BOB}"), NOTHING),
        (
            format!("GETMULTIPLEITEMS&PRINCIPAL={BOB}&ITEMS={ITEM}&COUNT=1"),
            "<?xml version=\"1.0\"?><ServerResponse><item_0>NULL</item_0></ServerResponse>",
        ),
        (
            format!("GETFOLDERCONTENT&PRINCIPAL={BOB}&FOLDER={TRASH}"),
            "<?xml version=\"1.0\"?><ServerResponse><FID>00000000-0000-0000-0000-000000000000</FID><VERSION>0</VERSION>\
             <FOLDERS type=\"List\" /><ITEMS type=\"List\" /></ServerResponse>",
        ),
        (
            format!("GETMULTIPLEFOLDERSCONTENT&PRINCIPAL={BOB}&FOLDERS={TRASH}&COUNT=1"),
            "<?xml version=\"1.0\"?><ServerResponse><F_a55e7011-0000-4000-8000-000000000081 type=\"List\">\
             <FID>00000000-0000-0000-0000-000000000000</FID><VERSION>0</VERSION><OWNER>a55e7010-0000-4000-8000-000000000002</OWNER>\
             <FOLDERS type=\"List\" /><ITEMS type=\"List\" /></F_a55e7011-0000-4000-8000-000000000081></ServerResponse>",
        ),
        (
            format!("GETFOLDERITEMS&PRINCIPAL={BOB}&FOLDER={TRASH}"),
            "<?xml version=\"1.0\"?><ServerResponse><ITEMS type=\"List\" /></ServerResponse>",
        ),
        (format!("MOVEFOLDER&PRINCIPAL={BOB}&ID={TRASH}&ParentID={ZERO}"), FAILURE),
        (format!("PURGEFOLDER&PRINCIPAL={BOB}&ID={TRASH}"), FAILURE),
    ] {
        assert_eq!(subject.ask(&format!("METHOD={request}")).await, answer, "{request}");
    }
    let before = subject.service.state();
    for request in [
        format!("DELETEITEMS&PRINCIPAL={BOB}&ITEMS[]={ITEM}"),
        format!("DELETEFOLDERS&PRINCIPAL={BOB}&FOLDERS[]={TRASH}"),
        format!("MOVEITEMS&PRINCIPAL={BOB}&IDLIST[]={ITEM}&DESTLIST[]={ROOT}"),
    ] {
        assert_eq!(subject.ask(&format!("METHOD={request}")).await, SUCCESS, "{request}");
    }
    assert_eq!(subject.service.state(), before);
}

#[tokio::test]
async fn credentials_scripts_verbs_and_paths() {
    let request = format!("METHOD=GETROOTFOLDER&PRINCIPAL={ADA}");
    let subject = Subject::protected_by(ServiceAuthentication::basic(false, "user", "password"));
    let refused = subject.send(Method::POST, "/xinventory", &[], &request).await;
    assert_eq!((refused.status.as_u16(), &*refused.content_type, refused.body.bytes().len()), (401, "text/plain", 0));
    assert_eq!(refused.headers[header::WWW_AUTHENTICATE], "Basic realm = \"Asset Server\"");
    let credentials = [("authorization", "Basic dXNlcjpwYXNzd29yZA==")];
    assert_eq!(subject.send(Method::POST, "/xinventory", &credentials, &request).await.body.bytes(), NOTHING.as_bytes());

    let subject = Subject::new();
    let script = [("x-secondlife-shard", "OpenSim")];
    let refused = subject.send(Method::POST, "/xinventory", &script, &request).await;
    assert_eq!((refused.status.as_u16(), &*refused.content_type, refused.body.bytes().len()), (403, "text/plain", 0));
    for target in ["/xinventory/", "/xinventory/x?y=z", "/xinventoryx"] {
        let answer = subject.send(Method::POST, target, &[("content-type", "text/plain")], &request).await;
        assert_eq!((answer.status.as_u16(), answer.body.bytes()), (200, NOTHING.as_bytes()), "{target}");
    }
    assert_eq!(subject.send(Method::GET, &format!("/xinventory?{request}"), &[], "").await.status.as_u16(), 404);
}

#[tokio::test]
async fn lists_of_ten_thousand() {
    let subject = Subject::with_inventory().await;
    let id = |number: usize| format!("a55e7012-0000-4000-8000-{number:012x}");
    let ids: Vec<String> = (0..10_000).map(|number| id(number + 0x1000)).collect();
    for id in &ids {
        assert_eq!(subject.ask(&item_request("ADDITEM", &[("ID", id)])).await, SUCCESS);
    }
    let moves: String = ids.iter().map(|id| format!("&IDLIST[]={id}&DESTLIST[]={ROOT}")).collect();
    assert_eq!(subject.ask(&format!("METHOD=MOVEITEMS&PRINCIPAL={ADA}{moves}")).await, SUCCESS);

    let request = format!("METHOD=GETMULTIPLEITEMS&PRINCIPAL={ADA}&COUNT=10000&ITEMS={}", ids.join("%2c"));
    let found = codec::decode_found_items(subject.ask(&request).await.as_bytes()).unwrap();
    assert_eq!(found.len(), ids.len());
    for (item, id) in found.iter().zip(&ids) {
        assert_eq!((item.id.to_string(), item.folder.to_string()), (id.clone(), ROOT.to_owned()));
    }

    let request = format!("METHOD=GETMULTIPLEFOLDERSCONTENT&PRINCIPAL={ADA}&COUNT=10001&FOLDERS={},{ROOT}", ids.join(","));
    let mut asked: Vec<_> = ids.iter().map(|id| id.parse().unwrap()).collect();
    asked.push(ROOT.parse().unwrap());
    let contents = codec::decode_folders_content(subject.ask(&request).await.as_bytes(), &asked).unwrap();
    assert!(contents[..10_000].iter().all(Option::is_none));
    assert_eq!(contents[10_000].as_ref().unwrap().items.len(), 10_000);

    let deletions: String = ids.iter().map(|id| format!("&ITEMS[]={id}")).collect();
    assert_eq!(subject.ask(&format!("METHOD=DELETEITEMS&PRINCIPAL={ADA}{deletions}")).await, SUCCESS);
    assert_eq!(subject.service.state().1.len(), 1);
}
