//! What every asset service promises, whatever stands between it and its database.

use bytes::Bytes;
use gridshell_interfaces::ErrorKind;
use gridshell_interfaces::asset::{AssetFlags, AssetService};
use gridshell_services::database::Backend;
use uuid::Uuid;

use super::asset;

/// Checks the promises on a service over a database of this kind.
pub async fn battery(service: &dyn AssetService, backend: Backend) {
    what_is_stored_comes_back(service).await;
    what_was_never_stored_is_none(service).await;
    nothing_is_overwritten(service).await;
    texts_are_cut(service).await;
    what_no_store_takes_is_refused(service).await;
    characters_that_a_column_cannot_hold(service, backend).await;
    existence_keeps_the_order(service).await;
    a_deleted_asset_is_gone(service).await;
    the_same_asset_many_times_at_once(service).await;
    large_content(service, backend).await;
}

async fn what_is_stored_comes_back(service: &dyn AssetService) {
    let mut plain = asset((0..=255).collect::<Vec<u8>>());
    plain.metadata.name = "Möbel, \"quoted\" <&> 'single' \\ 日本".to_owned();
    plain.metadata.description = " blanks around ".to_owned();
    let mut odd = asset(Bytes::new());
    odd.metadata.asset_type = -1;
    odd.metadata.local = true;
    odd.metadata.temporary = true;
    odd.metadata.flags = AssetFlags(AssetFlags::MAPTILE.0 | AssetFlags::COLLECTABLE.0);
    odd.metadata.creator = Some(format!("aaaaaaaa-0000-0000-0000-000000000001;{}", "x".repeat(91)));
    let mut zero = asset(vec![0; 10]);
    zero.metadata.asset_type = 127;
    zero.metadata.name = String::new();
    zero.metadata.creator = Some(String::new());
    for asset in [plain, odd, zero] {
        let id = asset.metadata.id;
        assert_eq!(service.store(asset.clone()).await.expect("store"), id);
        assert_eq!(service.get(id).await.expect("get"), Some(asset.clone()));
        assert_eq!(service.metadata(id).await.expect("metadata"), Some(asset.metadata));
        assert_eq!(service.data(id).await.expect("data"), asset.data);
    }
}

async fn what_was_never_stored_is_none(service: &dyn AssetService) {
    let id = Uuid::new_v4();
    assert_eq!(service.get(id).await.expect("get"), None);
    assert_eq!(service.metadata(id).await.expect("metadata"), None);
    assert_eq!(service.data(id).await.expect("data"), None);
}

async fn nothing_is_overwritten(service: &dyn AssetService) {
    let first = asset("first");
    let id = service.store(first.clone()).await.expect("store");
    let mut second = asset("second");
    second.metadata.id = id;
    assert_eq!(service.store(second.clone()).await.expect("an existing id is a success"), id);
    second.data = None;
    assert_eq!(service.store(second.clone()).await.expect("whatever comes with it"), id);
    second.data = Some(Bytes::new());
    second.metadata.creator = Some("x".repeat(129));
    assert_eq!(service.store(second).await.expect("whatever comes with it"), id);
    assert_eq!(service.get(id).await.expect("get"), Some(first));
    assert!(!service.update_content(id, Bytes::from_static(b"third")).await.expect("update"));
}

async fn texts_are_cut(service: &dyn AssetService) {
    let mut asset = asset("x");
    asset.metadata.name = "n".repeat(65);
    asset.metadata.description = "é".repeat(200);
    let id = service.store(asset).await.expect("store");
    let metadata = service.metadata(id).await.expect("metadata").expect("stored");
    assert_eq!(metadata.name, "n".repeat(64));
    assert_eq!(metadata.description, "é".repeat(64));
}

async fn what_no_store_takes_is_refused(service: &dyn AssetService) {
    let mut without_data = asset("");
    without_data.data = None;
    let mut long_creator = asset("x");
    long_creator.metadata.creator = Some("x".repeat(129));
    for asset in [without_data, long_creator] {
        let id = asset.metadata.id;
        assert_eq!(service.store(asset).await.expect_err("refused").kind, ErrorKind::Refused);
        assert_eq!(service.exist(&[id]).await.expect("exist"), [false]);
    }
}

async fn characters_that_a_column_cannot_hold(service: &dyn AssetService, backend: Backend) {
    // The table of MySQL holds characters of up to three bytes.
    for (text, refusing) in [("smile 😀", Some(Backend::MySql)), ("日本", None)] {
        for field in 0..3 {
            let mut asset = asset("x");
            match field {
                0 => asset.metadata.name = text.to_owned(),
                1 => asset.metadata.description = text.to_owned(),
                _ => asset.metadata.creator = Some(text.to_owned()),
            }
            let id = asset.metadata.id;
            let stored = service.store(asset.clone()).await;
            if refusing == Some(backend) {
                assert_eq!(stored.expect_err(text).kind, ErrorKind::Refused, "{text:?}");
                assert_eq!(service.get(id).await.expect("get"), None);
            } else {
                assert_eq!(stored.expect(text), id);
                assert_eq!(service.get(id).await.expect("get"), Some(asset));
            }
        }
    }
}

async fn existence_keeps_the_order(service: &dyn AssetService) {
    let here = service.store(asset("here")).await.expect("store");
    let there = service.store(asset("there")).await.expect("store");
    assert_eq!(service.exist(&[]).await.expect("exist"), Vec::<bool>::new());
    let asked = [here, Uuid::new_v4(), there, here, Uuid::nil()];
    assert_eq!(service.exist(&asked).await.expect("exist"), [true, false, true, true, false]);

    let mut many: Vec<Uuid> = (0..9000).map(|_| Uuid::new_v4()).collect();
    many[17] = here;
    many[8999] = there;
    let expected: Vec<bool> = (0..9000).map(|index| index == 17 || index == 8999).collect();
    assert_eq!(service.exist(&many).await.expect("exist"), expected);
}

async fn a_deleted_asset_is_gone(service: &dyn AssetService) {
    let id = service.store(asset("short life")).await.expect("store");
    assert!(service.delete(id).await.expect("delete"));
    assert_eq!(service.get(id).await.expect("get"), None);
    assert_eq!(service.metadata(id).await.expect("metadata"), None);
    assert_eq!(service.data(id).await.expect("data"), None);
    assert_eq!(service.exist(&[id]).await.expect("exist"), [false]);
}

async fn the_same_asset_many_times_at_once(service: &dyn AssetService) {
    let asset = asset(vec![7; 2000]);
    let id = asset.metadata.id;
    let stores = (0..16).map(|_| service.store(asset.clone()));
    for stored in futures_util::future::join_all(stores).await {
        assert_eq!(stored.expect("store"), id);
    }
    assert_eq!(service.get(id).await.expect("get"), Some(asset));
}

async fn large_content(service: &dyn AssetService, backend: Backend) {
    // More than MySQL puts into one packet of its protocol, when the server takes it; else it must say no and go on.
    let data: Vec<u8> = (0..17_000_000_u32).map(|index| (index % 251) as u8).collect();
    let asset = asset(data);
    let id = asset.metadata.id;
    match service.store(asset.clone()).await {
        Ok(_) => assert!(service.get(id).await.expect("get") == Some(asset)),
        Err(error) => {
            assert_eq!((error.kind, backend), (ErrorKind::Refused, Backend::MySql), "{error}");
            assert_eq!(service.get(id).await.expect("get"), None);
        }
    }
}
