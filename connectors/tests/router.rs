//! How the router chooses among connectors, and what it does when one of them fails.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use gridshell_connectors::http::{
    Body, Handler, HeaderMap, HeaderValue, Method, PassHandler, PassingRequest, Request, Response, Router, TEXT, header,
};

/// Answers with its name and what followed its path.
struct Echo(&'static str);

#[async_trait]
impl Handler for Echo {
    fn name(&self) -> &'static str {
        self.0
    }

    fn operations(&self) -> &'static [&'static str] {
        &["echo"]
    }

    async fn handle(&self, request: &Request) -> Response {
        assert!(!request.rest().contains("panic"), "asked to");
        Response::ok(TEXT, format!("{} {}", self.0, request.rest())).for_operation("echo")
    }
}

fn router() -> Router {
    let mut router = Router::new(Bytes::from_static(b"page"));
    router.stream(Method::GET, "/map", None, Arc::new(Echo("map")));
    router.stream(Method::GET, "/mapitems", None, Arc::new(Echo("mapitems")));
    router.stream(Method::GET, "/map", None, Arc::new(Echo("second map")));
    router.stream(Method::POST, "/map", None, Arc::new(Echo("post map")));
    router.variable("/bakes", None, Arc::new(Echo("bakes")));
    router.legacy("/StartSession", Arc::new(Echo("session")));
    router
}

#[test]
fn it_is_known_who_has_a_route() {
    let router = router();
    for (method, path, owner) in [
        (Method::GET, "/map", Some("map")),
        (Method::POST, "/map", Some("post map")),
        (Method::PUT, "/map", None),
        // Longer ones are others.
        (Method::GET, "/map/", None),
        (Method::GET, "/bakes", Some("bakes")),
        (Method::PUT, "/bakes/x", Some("bakes")),
        (Method::GET, "/bakesx", None),
        (Method::GET, "/", None),
    ] {
        assert_eq!(router.owner(&method, path), owner, "{method} {path}");
    }
}

async fn send(router: &Router, method: Method, target: &str, content_type: Option<&str>) -> (u16, String) {
    let mut headers = HeaderMap::new();
    if let Some(content_type) = content_type {
        headers.insert("content-type", content_type.parse().unwrap());
    }
    let request = Request::new(method, target, headers, Bytes::new(), IpAddr::V4(Ipv4Addr::LOCALHOST));
    let answer = router.dispatch(request).await;
    (answer.status.as_u16(), String::from_utf8(answer.body.bytes().to_vec()).unwrap())
}

#[tokio::test]
async fn the_longest_prefix_and_the_first_registration_win() {
    let router = router();
    for (method, target, expected) in [
        (Method::GET, "/map/1/2", (200, "map /1/2")),
        (Method::GET, "/mapitems?x=1", (200, "mapitems ")),
        (Method::GET, "/mapx", (200, "map x")),
        (Method::POST, "/map/", (200, "post map ")),
        (Method::PUT, "/map", (404, "page")),
        (Method::DELETE, "/bakes/x/y", (200, "bakes /x/y")),
        (Method::GET, "/bakes", (404, "page")),
        (Method::GET, "/bakes/", (404, "page")),
        (Method::GET, "/bakesx/y", (404, "page")),
        (Method::POST, "/startsession/", (200, "session ")),
        (Method::GET, "/STARTSESSIONS", (200, "session S")),
    ] {
        let (status, body) = send(&router, method.clone(), target, None).await;
        assert_eq!((status, body.as_str()), expected, "{method} {target}");
    }
    let llsd = Some("application/llsd+xml");
    assert_eq!(send(&router, Method::POST, "/StartSession", llsd).await, (404, String::new()), "legacy handlers get no LLSD");
}

#[tokio::test]
async fn a_panic_is_a_500_and_the_router_goes_on() {
    let router = router();
    assert_eq!(send(&router, Method::GET, "/map/panic", None).await, (500, String::new()));
    assert_eq!(send(&router, Method::GET, "/map/x", None).await, (200, "map /x".to_owned()));
}

#[tokio::test]
async fn the_console_shows_what_is_registered() {
    let expected = "* HTTP (1):\n\t/StartSession\n* StreamHandlers (3):\n\tGET:/mapitems\n\tGET:/map\n\tPOST:/map\n\
                    * SimpleStreamHandlers (1):\n\t***:/bakes\n";
    assert_eq!(router().handlers(), expected);
}

/// Answers with its name and what it was given.
struct Through(&'static str);

#[async_trait]
impl PassHandler for Through {
    fn name(&self) -> &'static str {
        self.0
    }

    fn operation(&self) -> &'static str {
        "through"
    }

    fn largest_body(&self) -> u64 {
        7
    }

    async fn pass(&self, request: PassingRequest) -> Response {
        assert!(!request.target.contains("panic"), "asked to");
        Response::ok(TEXT, format!("{} {}", self.0, request.target))
    }
}

/// Who a request passes through; `-` when it is answered here.
async fn passes(router: &Router, method: Method, target: &str) -> String {
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let request = Request::new(method.clone(), target, HeaderMap::new(), Bytes::new(), address);
    let Some(route) = router.passing(&request) else { return "-".to_owned() };
    assert_eq!(route.largest_body(), 7);
    let (headers, target) = (HeaderMap::new(), target.to_owned());
    let body = Body::from(Bytes::new());
    let response = route.pass(PassingRequest { method, target, headers, body, client: address, peer: address }).await;
    format!("{} {}", response.status.as_u16(), String::from_utf8_lossy(response.body.bytes()))
}

#[tokio::test]
async fn the_longest_prefix_passes() {
    let mut router = router();
    assert!(!router.has_passing());
    router.pass("/map", Arc::new(Through("map")));
    router.pass("/map", Arc::new(Through("second map")));
    router.pass("/mapi/", Arc::new(Through("mapi")));
    assert!(router.has_passing());
    for (method, target, expected) in [
        (Method::GET, "/map/1", "-"),
        (Method::GET, "/mapi/1", "200 mapi /mapi/1"),
        (Method::GET, "/mapitems", "-"),
        (Method::PUT, "/map%2F/../map//x/?a=%20", "200 map /map%2F/../map//x/?a=%20"),
        (Method::OPTIONS, "/map", "200 map /map"),
        (Method::GET, "/%6dapi", "200 mapi /%6dapi"),
        (Method::GET, "/mapi/../other", "-"),
        (Method::GET, "/mapi\\..\\other", "-"),
        (Method::GET, "/bakes/x", "-"),
        (Method::GET, "/", "-"),
        (Method::PUT, "/map/panic", "500 "),
    ] {
        assert_eq!(passes(&router, method.clone(), target).await, expected, "{method} {target}");
    }
    assert!(router.handlers().contains("* Passing (2):\n\t***:/mapi/* mapi\n\t***:/map/* map\n"), "{}", router.handlers());
}

#[tokio::test]
async fn what_nobody_answers_passes_unless_somebody_answers_everything() {
    let mut router = router();
    router.pass("/", Arc::new(Through("all")));
    for (method, target, expected) in [
        (Method::GET, "/map/1", "-"),
        (Method::PUT, "/map/1", "200 all /map/1"),
        (Method::GET, "/", "200 all /"),
        (Method::OPTIONS, "/anything", "200 all /anything"),
        (Method::POST, "/startsession", "-"),
        (Method::GET, "/a\\b", "200 all /a\\b"),
    ] {
        assert_eq!(passes(&router, method.clone(), target).await, expected, "{method} {target}");
    }
    let json = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("application/json-rpc"))]);
    let request = Request::new(Method::POST, "/", json, Bytes::new(), IpAddr::V4(Ipv4Addr::LOCALHOST));
    assert!(router.passing(&request).is_some());
    router.fallback(Arc::new(Echo("fallback")));
    assert_eq!(passes(&router, Method::GET, "/other").await, "-");
}
