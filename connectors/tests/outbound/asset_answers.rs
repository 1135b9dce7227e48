//! What the asset OUT connector makes of answers.

use bytes::Bytes;
use gridshell_connectors::asset::AssetDocuments;
use gridshell_connectors::http::{HeaderMap, HeaderValue, header};
use gridshell_connectors::transport::{Answer, TransportError};
use gridshell_interfaces::ErrorKind;
use gridshell_interfaces::asset::{AssetFlags, AssetService};
use uuid::Uuid;

use super::asset::{ID, booleans, every_call, scalar, service, texture};
use super::script::{Script, answer};
use super::{FAILURES, NAMESPACES, NOT_FOUND_PAGE, OLD_NAMESPACES, PROLOG, kind};

/// An AssetBase as ROBUST writes it.
fn asset_base(namespaces: &str) -> String {
    format!(
        "{PROLOG}\n<AssetBase {namespaces}>\n  <Data>AAECAwQF</Data>\n  <FullID>\n    <Guid>{ID}</Guid>\n  </FullID>\n  \
         <ID>{ID}</ID>\n  <Name>my &lt;texture&gt;</Name>\n  <Description />\n  <Type>0</Type>\n  \
         <UploadAttempts>0</UploadAttempts>\n  <Local>false</Local>\n  <Temporary>false</Temporary>\n  \
         <CreatorID>aaaaaaaa-0000-0000-0000-000000000001</CreatorID>\n  <Flags>Normal</Flags>\n</AssetBase>"
    )
}

/// An AssetMetadata of FSAssets, which has a date and no creator.
fn asset_metadata() -> String {
    format!(
        "{PROLOG}\n<AssetMetadata {NAMESPACES}>\n  <FullID>\n    <Guid>{ID}</Guid>\n  </FullID>\n  <ID>{ID}</ID>\n  \
         <Name>my &lt;texture&gt;</Name>\n  <Description />\n  <CreationDate>2017-07-14T02:40:00Z</CreationDate>\n  <Type>0</Type>\n  \
         <ContentType>image/x-j2c</ContentType>\n  <Local>false</Local>\n  <Temporary>false</Temporary>\n  \
         <Flags>Maptile Collectable</Flags>\n</AssetMetadata>"
    )
}

#[tokio::test]
async fn assets_of_a_robust() {
    for namespaces in [NAMESPACES, OLD_NAMESPACES] {
        let found = service(&Script::answering(200, asset_base(namespaces))).get(ID).await.unwrap();
        assert_eq!(found, Some(texture()));
    }
    // On Windows, from a store without creators, of an asset without content.
    let windows = asset_base(NAMESPACES)
        .replace('\n', "\r\n")
        .replace("  <CreatorID>aaaaaaaa-0000-0000-0000-000000000001</CreatorID>\r\n", "")
        .replace("  <Data>AAECAwQF</Data>\r\n", "  <Data />\r\n");
    let found = service(&Script::answering(200, windows)).get(ID).await.unwrap().unwrap();
    assert_eq!((found.metadata.creator, found.data), (None, Some(Bytes::new())));

    let found = service(&Script::answering(200, asset_metadata())).metadata(ID).await.unwrap().unwrap();
    assert_eq!((found.id, found.created, found.creator), (ID, Some(1_500_000_000), None));
    assert_eq!((found.name.as_str(), found.flags), ("my <texture>", AssetFlags(5)));

    for data in [&b"\xff\x4f\0<x>"[..], b""] {
        let found = service(&Script::answering(200, data)).data(ID).await.unwrap();
        assert_eq!(found.as_deref(), Some(data), "zero bytes are a content like any other");
    }
}

#[tokio::test]
async fn documents_are_passed_on_as_they_are() {
    let document = async |status, body: String| service(&Script::answering(status, body)).document(ID).await;
    let windows = asset_base(OLD_NAMESPACES).replace('\n', "\r\n");
    assert_eq!(document(200, windows.clone()).await.unwrap().as_deref(), Some(windows.as_bytes()));
    assert_eq!(document(404, NOT_FOUND_PAGE.to_owned()).await.unwrap(), None);
    let other = asset_base(NAMESPACES).replace(&ID.to_string(), "a55e7000-0000-4000-8000-000000000001");
    for (status, body, expected) in [
        (200, NOT_FOUND_PAGE.to_owned(), ErrorKind::Internal),
        (200, windows[..windows.len() - 20].to_owned(), ErrorKind::Internal),
        (200, other, ErrorKind::Internal),
        (503, String::new(), ErrorKind::Unavailable),
    ] {
        assert_eq!(document(status, body.clone()).await.unwrap_err().kind, expected, "{status} {body}");
    }
}

#[tokio::test]
async fn stores_of_a_robust() {
    let store = async |body: String| service(&Script::answering(200, body)).store(texture()).await;
    let other = Uuid::from_u128(7);
    assert_eq!(store(scalar("string", &ID.to_string())).await.unwrap(), ID);
    assert_eq!(store(scalar("string", &other.to_string())).await.unwrap(), other, "the client takes the id that it is told");
    let nothing = format!("{PROLOG}\n<string />");
    for refusal in [scalar("string", &Uuid::nil().to_string()), nothing, scalar("string", "  ")] {
        assert_eq!(kind(store(refusal.clone()).await), ErrorKind::Refused, "{refusal}");
    }
    for garbage in [scalar("string", "stored"), scalar("boolean", "true"), String::new()] {
        assert_eq!(kind(store(garbage.clone()).await), ErrorKind::Internal, "{garbage}");
    }
    for value in [true, false] {
        let answered = || Script::answering(200, scalar("boolean", &value.to_string()));
        assert_eq!(service(&answered()).delete(ID).await.unwrap(), value);
        assert_eq!(service(&answered()).update_content(ID, Bytes::new()).await.unwrap(), value);
    }
}

#[tokio::test]
async fn only_404_is_not_found() {
    for body in ["", NOT_FOUND_PAGE] {
        assert_eq!(service(&Script::answering(404, body)).get(ID).await.unwrap(), None);
        assert_eq!(service(&Script::answering(404, body)).metadata(ID).await.unwrap(), None);
        assert_eq!(service(&Script::answering(404, body)).data(ID).await.unwrap(), None);
        // To everything else it means that nobody is there who could do it.
        assert_eq!(kind(service(&Script::answering(404, body)).store(texture()).await), ErrorKind::Internal);
        assert_eq!(kind(service(&Script::answering(404, body)).delete(ID).await), ErrorKind::Internal);
    }
    for (status, expected) in FAILURES {
        for (call, result) in every_call(|| Script::answering(status, asset_base(NAMESPACES))).await {
            assert_eq!(kind(result), expected, "{call} {status}");
        }
    }
}

#[tokio::test]
async fn nobody_answers() {
    let errors = [TransportError::Unavailable("nobody at a:1".to_owned()), TransportError::Malformed("no HTTP".to_owned())];
    for error in errors {
        for (call, result) in every_call(|| Script::new([Err(error.clone())])).await {
            let failure = result.expect_err(call);
            assert_eq!((failure.kind, failure.message), (ErrorKind::Unavailable, error.to_string()), "{call}");
        }
    }
}

#[tokio::test]
async fn messages_name_what_to_do() {
    let message = async |answer: Answer| service(&Script::new([Ok(answer)])).get(ID).await.unwrap_err().message;
    let unauthorized = message(answer(401, "")).await;
    assert!(unauthorized.contains("401 Unauthorized") && unauthorized.contains("password"), "{unauthorized}");
    let headers = HeaderMap::from_iter([(header::LOCATION, HeaderValue::from_static("http://other.example:8003/assets/x"))]);
    let redirected = message(Answer { headers, ..answer(302, "") }).await;
    assert!(redirected.contains("http://other.example:8003/assets/x"), "{redirected}");
    let empty = message(answer(200, "")).await;
    assert!(empty.contains("without this connector") && empty.contains(&ID.to_string()), "{empty}");
}

#[tokio::test]
async fn garbage_is_neither_found_nor_stored() {
    let other_asset = asset_base(NAMESPACES).replace("11111111-2222", "11111111-9999");
    let other_metadata = asset_metadata().replace("11111111-2222", "11111111-9999");
    for body in ["garbage", NOT_FOUND_PAGE, "<AssetBase />", "<AssetMetadata />", &other_asset, &other_metadata, "\u{feff}", "\0"]
    {
        for (call, result) in every_call(|| Script::answering(200, body.to_owned())).await {
            // Content can be anything.
            if call != "data" {
                assert_eq!(kind(result), ErrorKind::Internal, "{call} {body}");
            }
        }
    }
    for values in [&[][..], &[true, false]] {
        let found = service(&Script::answering(200, booleans(values))).exist(&[ID]).await;
        assert_eq!(kind(found), ErrorKind::Internal, "{values:?}");
    }
}

#[tokio::test]
async fn what_is_cut_short_is_garbage() {
    // Up to the byte before the last, which alone ends the document.
    for cut in 0..asset_base(NAMESPACES).len() {
        let answered = Script::answering(200, asset_base(NAMESPACES).as_bytes()[..cut].to_vec());
        assert_eq!(kind(service(&answered).get(ID).await), ErrorKind::Internal, "{cut}");
    }
    for cut in 0..asset_metadata().len() {
        let answered = Script::answering(200, asset_metadata().as_bytes()[..cut].to_vec());
        assert_eq!(kind(service(&answered).metadata(ID).await), ErrorKind::Internal, "{cut}");
    }
    let stored = scalar("string", &ID.to_string());
    for cut in 0..stored.len() {
        let answered = Script::answering(200, stored.as_bytes()[..cut].to_vec());
        assert_eq!(kind(service(&answered).store(texture()).await), ErrorKind::Internal, "{cut}");
    }
    let exist = booleans(&[true]);
    for cut in 1..exist.len() {
        let answered = Script::answering(200, exist.as_bytes()[..cut].to_vec());
        assert_eq!(kind(service(&answered).exist(&[ID]).await), ErrorKind::Internal, "{cut}");
    }
}
