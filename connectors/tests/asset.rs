//! The asset connector behind its router, over a service in memory: what the wire says for each outcome, and what the cache does.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use gridshell_connectors::asset::{AssetCache, AssetConnector, AssetConnectorOptions, CacheOptions};
use gridshell_connectors::http::{HeaderMap, Method, Request, Response, Router, ServiceAuthentication, header};
use gridshell_interfaces::asset::{Asset, AssetFlags, AssetMetadata, AssetService};
use gridshell_interfaces::{Result, ServiceError};
use tokio::sync::Semaphore;
use uuid::Uuid;

const ID: &str = "11111111-2222-3333-4444-555555555555";
const NOT_FOUND_PAGE: &str = "<HTML>not here</HTML>";

/// A service in memory that counts look-ups, can fail, and can be held.
#[derive(Debug)]
struct Memory {
    assets: Mutex<HashMap<Uuid, Asset>>,
    look_ups: AtomicUsize,
    failure: Mutex<Option<ServiceError>>,
    /// A look-up takes one permit and gives none back.
    gate: Semaphore,
}

impl Memory {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            assets: Mutex::default(),
            look_ups: AtomicUsize::new(0),
            failure: Mutex::default(),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
        })
    }

    fn fail_with(&self, error: ServiceError) {
        *self.failure.lock().unwrap() = Some(error);
    }

    fn check(&self) -> Result<()> {
        self.failure.lock().unwrap().clone().map_or(Ok(()), Err)
    }
}

#[async_trait]
impl AssetService for Memory {
    async fn get(&self, id: Uuid) -> Result<Option<Asset>> {
        self.look_ups.fetch_add(1, Ordering::SeqCst);
        let found = self.assets.lock().unwrap().get(&id).cloned();
        self.gate.acquire().await.unwrap().forget();
        self.check()?;
        Ok(found)
    }

    async fn exist(&self, ids: &[Uuid]) -> Result<Vec<bool>> {
        self.check()?;
        let assets = self.assets.lock().unwrap();
        Ok(ids.iter().map(|id| assets.contains_key(id)).collect())
    }

    async fn store(&self, asset: Asset) -> Result<Uuid> {
        self.check()?;
        let id = asset.metadata.id;
        self.assets.lock().unwrap().entry(id).or_insert(asset);
        Ok(id)
    }

    async fn delete(&self, id: Uuid) -> Result<bool> {
        self.check()?;
        self.assets.lock().unwrap().remove(&id);
        Ok(true)
    }
}

fn asset(data: &'static [u8], flags: AssetFlags) -> Asset {
    let metadata = AssetMetadata {
        id: ID.parse().unwrap(),
        name: "a <name>".into(),
        description: String::new(),
        created: None,
        asset_type: 0,
        local: false,
        temporary: false,
        creator: Some(String::new()),
        flags,
    };
    Asset { metadata, data: Some(Bytes::from_static(data)) }
}

/// A listener with the asset connector, and the service behind it.
struct Subject {
    service: Arc<Memory>,
    router: Arc<Router>,
    cache: Arc<AssetCache>,
}

impl Subject {
    fn new() -> Self {
        Self::with(AssetConnectorOptions::default(), ServiceAuthentication::none(false))
    }

    fn with(options: AssetConnectorOptions, protection: ServiceAuthentication) -> Self {
        Self::with_cache(AssetCache::new(1024 * 1024), options, protection)
    }

    fn with_cache(cache: Arc<AssetCache>, options: AssetConnectorOptions, protection: ServiceAuthentication) -> Self {
        let service = Memory::new();
        let mut router = Router::new(Bytes::from_static(NOT_FOUND_PAGE.as_bytes()));
        AssetConnector::new(service.clone(), cache.clone(), options).register(&mut router, Arc::new(protection));
        Self { service, router: Arc::new(router), cache }
    }

    fn holding(asset: Asset) -> Self {
        let subject = Self::new();
        subject.service.assets.lock().unwrap().insert(asset.metadata.id, asset);
        subject
    }

    async fn send(&self, method: Method, target: &str, headers: &[(&'static str, &str)], body: &str) -> Response {
        let headers: HeaderMap = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let request = Request::new(method, target, headers, Bytes::from(body.to_owned()), IpAddr::V4(Ipv4Addr::LOCALHOST));
        self.router.dispatch(request).await
    }

    async fn get(&self, target: &str) -> Response {
        self.send(Method::GET, target, &[], "").await
    }
}

fn status_type_body(response: &Response) -> (u16, &str, &str) {
    (response.status.as_u16(), &response.content_type, std::str::from_utf8(response.body.bytes()).unwrap())
}

#[tokio::test]
async fn fault_of_the_database_is_never_not_found() {
    let subject = Subject::holding(asset(b"x", AssetFlags::NORMAL));
    subject.service.fail_with(ServiceError::unavailable("the database is gone"));
    for target in ["", "/data", "/metadata"] {
        assert_eq!(subject.get(&format!("/assets/{ID}{target}")).await.status.as_u16(), 503, "{target}");
    }
    let body = format!("<AssetBase><Data>eA==</Data><ID>{ID}</ID></AssetBase>");
    assert_eq!(status_type_body(&subject.send(Method::POST, "/assets/", &[], &body).await), (503, "application/xml", ""));
    let ids = format!("<ArrayOfString><string>{ID}</string></ArrayOfString>");
    assert_eq!(subject.send(Method::POST, "/get_assets_exist", &[], &ids).await.status.as_u16(), 503);
    // The failed look-up is not remembered.
    *subject.service.failure.lock().unwrap() = None;
    assert_eq!(subject.get(&format!("/assets/{ID}/data")).await.status.as_u16(), 200);
}

#[tokio::test]
async fn refusal_of_the_store_is_the_zero_uuid() {
    let subject = Subject::new();
    subject.service.fail_with(ServiceError::refused("too long"));
    let body = format!("<AssetBase><Data>eA==</Data><ID>{ID}</ID></AssetBase>");
    let answer = subject.send(Method::POST, "/assets/", &[], &body).await;
    let expected = "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<string>00000000-0000-0000-0000-000000000000</string>";
    assert_eq!(status_type_body(&answer), (200, "application/xml", expected));
}

#[tokio::test]
async fn flags_without_a_name_cannot_be_written() {
    let subject = Subject::holding(asset(b"x", AssetFlags(64)));
    assert_eq!(subject.get(&format!("/assets/{ID}")).await.status.as_u16(), 500);
    assert_eq!(subject.get(&format!("/assets/{ID}/data")).await.status.as_u16(), 200);
}

#[tokio::test]
async fn a_miss_is_redirected_where_the_operator_says_so() {
    let options = AssetConnectorOptions { redirect_url: Some("http://other.example/".into()), ..Default::default() };
    let subject = Subject::with(options, ServiceAuthentication::none(false));
    let answer = subject.get(&format!("/assets/{ID}/data/")).await;
    assert_eq!(answer.status.as_u16(), 302);
    // Nothing is normalised, so there are two slashes (assets.md section 3).
    assert_eq!(answer.headers[header::LOCATION], format!("http://other.example//assets/{ID}/data"));
    assert_eq!(subject.get("/assets/x/nonsense").await.status.as_u16(), 400);
}

#[tokio::test]
async fn delete_asks_its_permissions() {
    let permitted =
        |all_types| AssetConnectorOptions { allow_delete: true, allow_delete_all_types: all_types, redirect_url: None };
    for (options, flags, deleted) in [
        (AssetConnectorOptions::default(), AssetFlags::MAPTILE, false),
        (permitted(false), AssetFlags::NORMAL, false),
        (permitted(false), AssetFlags(5), true),
        (permitted(true), AssetFlags::NORMAL, true),
    ] {
        let subject = Subject::with(options, ServiceAuthentication::none(false));
        subject.service.assets.lock().unwrap().insert(ID.parse().unwrap(), asset(b"x", flags));
        assert_eq!(subject.get(&format!("/assets/{ID}/data")).await.status.as_u16(), 200);
        let answer = subject.send(Method::DELETE, &format!("/assets/{}", ID.replace('-', "")), &[], "").await;
        assert!(answer.body.bytes().ends_with(format!("<boolean>{deleted}</boolean>").as_bytes()), "{flags:?}");
        let expected = if deleted { 404 } else { 200 };
        assert_eq!(subject.get(&format!("/assets/{ID}/data")).await.status.as_u16(), expected);
    }
}

#[tokio::test]
async fn credentials_and_scripts() {
    let subject = Subject::with(AssetConnectorOptions::default(), ServiceAuthentication::basic(false, "user", "pass:word"));
    let target = format!("/assets/{ID}");
    let refused = subject.get(&target).await;
    assert_eq!(status_type_body(&refused), (401, "text/plain", ""));
    assert_eq!(refused.headers[header::WWW_AUTHENTICATE], "Basic realm = \"Asset Server\"");
    for (credentials, status) in [
        ("Basic dXNlcjpwYXNzOndvcmQ=", 404),
        ("  Basic dXNlcjpwYXNzOndvcmQ= ", 404),
        ("basic dXNlcjpwYXNzOndvcmQ=", 401),
        ("Basic dXNlcjpwYXNz", 401),
        ("Basic !!!", 401),
        ("Basic ", 401),
    ] {
        let answer = subject.send(Method::GET, &target, &[("authorization", credentials)], "").await;
        assert_eq!(answer.status.as_u16(), status, "{credentials:?}");
    }
    let script = [("authorization", "Basic dXNlcjpwYXNzOndvcmQ="), ("x-secondlife-shard", "Production")];
    assert_eq!(subject.send(Method::GET, &target, &script, "").await.status.as_u16(), 403);
    let exist = subject.send(Method::POST, "/get_assets_exist", &script[1..], "<ArrayOfString />").await;
    assert_eq!(exist.status.as_u16(), 200, "existence is asked without credentials");
}

#[tokio::test]
async fn paths_and_verbs_without_a_connector() {
    let subject = Subject::new();
    let form = [("content-type", "application/x-www-form-urlencoded")];
    for (method, target, headers, status, content_type, body) in [
        (Method::GET, "/nothing", &[][..], 404, "text/html", NOT_FOUND_PAGE),
        (Method::PUT, "/assets/x", &[], 404, "text/html", NOT_FOUND_PAGE),
        (Method::PUT, "/assets/x", &form, 200, "text/html;charset=UTF-8", ""),
        (Method::POST, "/presence", &form, 200, "text/html;charset=UTF-8", ""),
        (Method::POST, "/x", &[("content-type", "application/llsd+xml")], 404, "text/html;charset=UTF-8", ""),
        (Method::GET, "/Assets/x", &[], 404, "text/html", NOT_FOUND_PAGE),
        // Matching is textual: this reaches the asset connector, with the id "foo".
        (Method::GET, "/assetsfoo", &[], 404, "text/plain", ""),
        (Method::OPTIONS, "/anything", &[], 200, "text/html;charset=UTF-8", ""),
        (Method::GET, "/", &[], 404, "text/html;charset=UTF-8", ""),
    ] {
        let answer = subject.send(method.clone(), target, headers, "").await;
        assert_eq!(status_type_body(&answer), (status, content_type, body), "{method} {target} {headers:?}");
    }
}

#[tokio::test]
async fn unknown_methods_at_the_root() {
    let subject = Subject::new();
    let call = "<?xml version=\"1.0\"?><methodCall><methodName>foo</methodName><params /></methodCall>";
    let answer = subject.send(Method::POST, "/", &[("content-type", "text/xml")], call).await;
    let fault = "<?xml version=\"1.0\" encoding=\"utf-8\"?><methodResponse><fault><value><struct><member><name>faultCode</name><value>\
                 <i4>-32601</i4></value></member><member><name>faultString</name><value><string>Requested method [foo] not found</string>\
                 </value></member></struct></value></fault></methodResponse>";
    assert_eq!(status_type_body(&answer), (200, "text/xml", fault));
    assert_eq!(answer.headers[header::CONNECTION], "close");
    let call = r#"{"id":"7","jsonrpc":"2.0","method":"foo","params":{}}"#;
    let answer = subject.send(Method::POST, "/", &[("content-type", "application/json-rpc")], call).await;
    let error = r#"{"id":"7","jsonrpc":"2.0","error":{"code":-32600,"message":"No handler defined for foo"}}"#;
    assert_eq!(status_type_body(&answer), (200, "text/html;charset=UTF-8", error));
}

#[tokio::test]
async fn entity_tags_and_ranges_of_data() {
    let subject = Subject::holding(asset(b"0123456789", AssetFlags::NORMAL));
    let target = format!("/assets/{ID}/data");
    let whole = subject.get(&target).await;
    let tag = whole.headers[header::ETAG].to_str().unwrap().to_owned();
    assert_eq!(whole.body.bytes(), b"0123456789");

    let unchanged = subject.send(Method::GET, &target, &[("if-none-match", &tag)], "").await;
    assert_eq!((unchanged.status.as_u16(), unchanged.body.bytes().len()), (304, 0));
    let part = subject.send(Method::GET, &target, &[("range", "bytes=2-4"), ("if-range", &tag)], "").await;
    assert_eq!((part.status.as_u16(), part.body.bytes()), (206, &b"234"[..]));
    assert_eq!(part.headers[header::CONTENT_RANGE], "bytes 2-4/10");
    let beyond = subject.send(Method::GET, &target, &[("range", "bytes=10-"), ("if-range", &tag)], "").await;
    assert_eq!((beyond.status.as_u16(), beyond.headers[header::CONTENT_RANGE].to_str().unwrap()), (416, "bytes */10"));
    // As the original does, for whoever does not know our tags.
    for headers in [&[("range", "bytes=2-4")][..], &[("range", "bytes=2-4"), ("if-range", "\"other\"")]] {
        let answer = subject.send(Method::GET, &target, headers, "").await;
        assert_eq!((answer.status.as_u16(), answer.body.bytes()), (200, &b"0123456789"[..]));
    }
    assert!(subject.get(&format!("/assets/{ID}")).await.headers.get(header::ETAG).is_none());
}

#[tokio::test]
async fn hits_ask_nobody() {
    let subject = Subject::holding(asset(b"x", AssetFlags::NORMAL));
    let first = subject.get(&format!("/assets/{ID}")).await;
    let second = subject.get(&format!("/assets/{}", ID.to_uppercase())).await;
    assert_eq!(first.body.bytes(), second.body.bytes());
    assert_eq!(subject.service.look_ups.load(Ordering::SeqCst), 1);
}

/// Sends `count` GETs that all wait in the service, and gives their answers once `then` has run and the service goes on.
async fn held_gets(subject: &Subject, count: usize, then: impl Future<Output = ()>) -> Vec<Response> {
    subject.service.gate.forget_permits(Semaphore::MAX_PERMITS);
    let gets: Vec<_> = (0..count)
        .map(|_| {
            let (router, headers, client) = (subject.router.clone(), HeaderMap::new(), IpAddr::V4(Ipv4Addr::LOCALHOST));
            let request = Request::new(Method::GET, &format!("/assets/{ID}/data"), headers, Bytes::new(), client);
            tokio::spawn(async move { router.dispatch(request).await })
        })
        .collect();
    while subject.service.look_ups.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    // The test runs on one thread: after these turns every task has reached the service or joined one that has.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    then.await;
    subject.service.gate.add_permits(1000);
    let mut answers = Vec::new();
    for get in gets {
        answers.push(get.await.unwrap());
    }
    answers
}

#[tokio::test]
async fn concurrent_misses_make_one_look_up_whatever_it_finds() {
    let subject = Subject::holding(asset(b"x", AssetFlags::NORMAL));
    let answers = held_gets(&subject, 64, async {}).await;
    assert!(answers.iter().all(|answer| answer.status.as_u16() == 200));
    assert_eq!(subject.service.look_ups.load(Ordering::SeqCst), 1);

    let subject = Subject::new();
    let answers = held_gets(&subject, 64, async {}).await;
    assert!(answers.iter().all(|answer| answer.status.as_u16() == 404));
    assert_eq!(subject.service.look_ups.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_look_up_from_before_a_change_is_neither_kept_nor_joined_after_it() {
    // Read before the deletion, finished after it.
    let subject = Subject::holding(asset(b"x", AssetFlags::NORMAL));
    held_gets(&subject, 1, async {
        subject.service.assets.lock().unwrap().clear();
        subject.cache.forget(ID.parse().unwrap());
    })
    .await;
    assert_eq!(subject.get(&format!("/assets/{ID}/data")).await.status.as_u16(), 404, "the deleted asset was kept");

    // Missed before the store; a GET after the answer of the POST must find it, though the old look-up is still under way.
    let subject = Subject::new();
    let late = std::cell::RefCell::new(None);
    held_gets(&subject, 1, async {
        let body = format!("<AssetBase><Data>eA==</Data><ID>{ID}</ID></AssetBase>");
        assert_eq!(subject.send(Method::POST, "/assets/", &[], &body).await.status.as_u16(), 200);
        let router = subject.router.clone();
        let target = format!("/assets/{ID}/data");
        let request = Request::new(Method::GET, &target, HeaderMap::new(), Bytes::new(), IpAddr::V4(Ipv4Addr::LOCALHOST));
        *late.borrow_mut() = Some(tokio::spawn(async move { router.dispatch(request).await }));
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let late = late.into_inner().unwrap().await.unwrap();
    assert_eq!(late.status.as_u16(), 200, "the stored asset was not found");
}

#[tokio::test]
async fn a_look_up_that_everybody_has_left_is_started_anew() {
    let subject = Subject::holding(asset(b"x", AssetFlags::NORMAL));
    subject.service.gate.forget_permits(Semaphore::MAX_PERMITS);
    let target = format!("/assets/{ID}/data");
    {
        let mut get = Box::pin(subject.get(&target));
        assert!(futures_util::poll!(&mut get).is_pending());
    }
    subject.service.gate.add_permits(1000);
    assert_eq!(subject.get(&target).await.status.as_u16(), 200);
    assert_eq!(subject.service.look_ups.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn at_an_edge_every_answer_about_what_may_change_grows_old() {
    let options = CacheOptions { capacity: 1024 * 1024, mutable_time: Some(Duration::from_secs(60)), ..CacheOptions::default() };
    for (flags, grows_old) in [(AssetFlags::NORMAL, false), (AssetFlags::MAPTILE, true), (AssetFlags::REWRITABLE, true)] {
        let cache = AssetCache::with_options(options);
        let subject = Subject::with_cache(cache, AssetConnectorOptions::default(), ServiceAuthentication::none(false));
        let put = |data| subject.service.assets.lock().unwrap().insert(ID.parse().unwrap(), asset(data, flags));
        put(b"old");
        let targets = ["", "/data", "/metadata"].map(|form| format!("/assets/{ID}{form}"));
        for target in &targets {
            assert_eq!(subject.get(target).await.status.as_u16(), 200);
        }
        put(b"new");
        assert_eq!(subject.get(&targets[1]).await.body.bytes(), b"old");
        assert_eq!(subject.service.look_ups.load(Ordering::SeqCst), 3);
        tokio::time::advance(Duration::from_secs(60)).await;
        for target in &targets {
            assert_eq!(subject.get(target).await.status.as_u16(), 200);
        }
        assert_eq!(subject.get(&targets[1]).await.body.bytes(), if grows_old { b"new" } else { b"old" });
        assert_eq!(subject.service.look_ups.load(Ordering::SeqCst), if grows_old { 6 } else { 3 }, "{flags:?}");
    }
}
