//! What the asset OUT connector sends.

use bytes::Bytes;
use gridshell_connectors::asset::outbound::RemoteAssetService;
use gridshell_interfaces::asset::{Asset, AssetFlags, AssetMetadata, AssetService};
use gridshell_interfaces::{ErrorKind, Result};
use uuid::Uuid;

use super::script::{READ, Script, WRITE, answer, on_the_wire};
use super::{NAMESPACES, NOT_FOUND_PAGE, OLD_NAMESPACES, PROLOG, kind};

pub const ID: Uuid = Uuid::from_u128(0x11111111_2222_3333_4444_555555555555);

pub fn texture() -> Asset {
    let metadata = AssetMetadata {
        id: ID,
        name: "my <texture>".to_owned(),
        description: String::new(),
        created: None,
        asset_type: 0,
        local: false,
        temporary: false,
        creator: Some("aaaaaaaa-0000-0000-0000-000000000001".to_owned()),
        flags: AssetFlags::NORMAL,
    };
    Asset { metadata, data: Some(Bytes::from_static(&[0, 1, 2, 3, 4, 5])) }
}

pub fn scalar(name: &str, text: &str) -> String {
    format!("{PROLOG}\n<{name}>{text}</{name}>")
}

pub fn booleans(values: &[bool]) -> String {
    let elements: String = values.iter().map(|value| format!("\n  <boolean>{value}</boolean>")).collect();
    format!("{PROLOG}\n<ArrayOfBoolean {NAMESPACES}>{elements}\n</ArrayOfBoolean>")
}

pub fn service(script: &std::sync::Arc<Script>) -> RemoteAssetService {
    RemoteAssetService::new(script.clone())
}

#[tokio::test]
async fn look_ups_are_those_of_a_region() {
    let id = ID.to_string();
    for tail in ["", "/metadata", "/data"] {
        let script = Script::answering(404, "");
        let service = service(&script);
        let found = match tail {
            "" => service.get(ID).await.unwrap().is_some(),
            "/metadata" => service.metadata(ID).await.unwrap().is_some(),
            _ => service.data(ID).await.unwrap().is_some(),
        };
        assert!(!found);
        let request = script.request();
        assert_eq!(on_the_wire(&request), (format!("GET /assets/{id}{tail}"), String::new()));
        assert_eq!((request.kind, request.repeat), READ);
    }
}

#[tokio::test]
async fn changes_are_those_of_a_region() {
    let document = |elements: &str| format!("{PROLOG}<AssetBase {NAMESPACES}>{elements}</AssetBase>");
    let script = Script::answering(200, scalar("string", &ID.to_string()));
    assert_eq!(service(&script).store(texture()).await.unwrap(), ID);
    let request = script.request();
    let body = document(
        "<Data>AAECAwQF</Data><FullID><Guid>11111111-2222-3333-4444-555555555555</Guid></FullID>\
         <ID>11111111-2222-3333-4444-555555555555</ID><Name>my &lt;texture&gt;</Name><Description /><Type>0</Type>\
         <UploadAttempts>0</UploadAttempts><Local>false</Local><Temporary>false</Temporary>\
         <CreatorID>aaaaaaaa-0000-0000-0000-000000000001</CreatorID><Flags>Normal</Flags>",
    );
    assert_eq!(on_the_wire(&request), ("POST /assets/ text/xml".to_owned(), body));
    assert_eq!((request.kind, request.repeat), WRITE);

    let script = Script::answering(200, scalar("boolean", "true"));
    assert!(service(&script).update_content(ID, Bytes::from_static(b"new")).await.unwrap());
    let request = script.request();
    let (head, body) = on_the_wire(&request);
    assert_eq!(head, format!("POST /assets/{ID} text/xml"));
    assert!(body.starts_with(&format!("{PROLOG}<AssetBase {NAMESPACES}><Data>bmV3</Data><FullID><Guid>{ID}</Guid>")), "{body}");
    assert_eq!((request.kind, request.repeat), WRITE);

    let script = Script::answering(200, scalar("boolean", "true"));
    assert!(service(&script).delete(ID).await.unwrap());
    let request = script.request();
    assert_eq!(on_the_wire(&request), (format!("DELETE /assets/{ID}"), String::new()));
    assert_eq!((request.kind, request.repeat), WRITE);
}

#[tokio::test]
async fn what_is_asked_of_one_asset_has_one_number() {
    let other = Uuid::from_u128(7);
    let script = Script::new([
        Ok(answer(404, "")),
        Ok(answer(404, "")),
        Ok(answer(200, scalar("string", &ID.to_string()))),
        Ok(answer(200, booleans(&[true]))),
        Ok(answer(404, "")),
        Ok(answer(200, booleans(&[true, true]))),
    ]);
    let service = service(&script);
    service.get(ID).await.unwrap();
    service.data(ID).await.unwrap();
    service.store(texture()).await.unwrap();
    service.exist(&[ID]).await.unwrap();
    service.get(other).await.unwrap();
    service.exist(&[ID, other]).await.unwrap();
    let numbers: Vec<Option<u64>> = script.sent().iter().map(|request| request.affinity).collect();
    assert!(numbers[0].is_some());
    assert_eq!(numbers[..4], [numbers[0]; 4]);
    assert!(numbers[4].is_some_and(|number| Some(number) != numbers[0]));
    assert_eq!(numbers[5], None, "several assets are nobody's");
}

#[tokio::test]
async fn existence_of_many() {
    let script = Script::answering(200, booleans(&[true, false]));
    let other = Uuid::from_u128(7);
    assert_eq!(service(&script).exist(&[ID, other]).await.unwrap(), [true, false]);
    let request = script.request();
    let body = format!("{PROLOG}<ArrayOfString {NAMESPACES}><string>{ID}</string><string>{other}</string></ArrayOfString>");
    assert_eq!(on_the_wire(&request), ("POST /get_assets_exist text/xml".to_owned(), body));
    assert_eq!((request.kind, request.repeat), READ);
    assert_eq!(service(&Script::silent()).exist(&[]).await.unwrap(), Vec::<bool>::new());

    // Old declarations, and a list that needs more than one request.
    let ids: Vec<Uuid> = (0..25_000).map(Uuid::from_u128).collect();
    let exist: Vec<bool> = (0..25_000).map(|number| number % 3 == 0).collect();
    let pieces = exist.chunks(10_000).map(|piece| Ok(answer(200, booleans(piece).replace(NAMESPACES, OLD_NAMESPACES))));
    let script = Script::new(pieces);
    assert_eq!(service(&script).exist(&ids).await.unwrap(), exist);
    let asked: Vec<usize> = script.sent().iter().map(|request| on_the_wire(request).1.matches("<string>").count()).collect();
    assert_eq!(asked, [10_000, 10_000, 5_000]);
}

/// Versions that do not know the question answer it with nothing, or with the page; then each asset is asked for.
#[tokio::test]
async fn existence_at_an_old_upstream() {
    let ids: Vec<Uuid> = (1..=20).map(Uuid::from_u128).collect();
    let metadata = |id: &Uuid| {
        format!("{PROLOG}\n<AssetMetadata {NAMESPACES}>\n  <FullID>\n    <Guid>{id}</Guid>\n  </FullID>\n</AssetMetadata>")
    };
    let is_there = |id: &Uuid| id.as_u128().is_multiple_of(3);
    for unknown in [answer(200, ""), answer(404, ""), answer(404, NOT_FOUND_PAGE)] {
        let one = |id| if is_there(id) { answer(200, metadata(id)) } else { answer(404, "") };
        let script = Script::new(std::iter::once(unknown).chain(ids.iter().map(one)).map(Ok));
        assert_eq!(service(&script).exist(&ids).await.unwrap(), ids.iter().map(is_there).collect::<Vec<_>>());
        let asked: Vec<String> = script.sent()[1..].iter().map(|request| on_the_wire(request).0).collect();
        assert_eq!(asked, ids.iter().map(|id| format!("GET /assets/{id}/metadata")).collect::<Vec<_>>());
    }
    let script = Script::new([Ok(answer(200, "")), Ok(answer(404, "")), Ok(answer(503, ""))]);
    assert_eq!(kind(service(&script).exist(&ids[..2]).await), ErrorKind::Unavailable, "never \"does not exist\"");
}

/// Flags without a name cannot be written into a document.
#[tokio::test]
async fn an_asset_that_cannot_be_sent_is_refused() {
    let mut odd = texture();
    odd.metadata.flags = AssetFlags(8);
    assert_eq!(kind(service(&Script::silent()).store(odd).await), ErrorKind::Refused);
}

/// What a call of each kind makes of an answer. Found and stored things become nothing, since nobody of those who ask expects them.
pub async fn every_call(answered: impl Fn() -> std::sync::Arc<Script>) -> [(&'static str, Result<()>); 7] {
    let one = || service(&answered());
    [
        ("get", one().get(ID).await.map(|_| ())),
        ("metadata", one().metadata(ID).await.map(|_| ())),
        ("data", one().data(ID).await.map(|_| ())),
        ("exist", one().exist(&[ID]).await.map(|_| ())),
        ("store", one().store(texture()).await.map(|_| ())),
        ("update", one().update_content(ID, Bytes::new()).await.map(|_| ())),
        ("delete", one().delete(ID).await.map(|_| ())),
    ]
}
