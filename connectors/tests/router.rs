//! How the router chooses among connectors, and what it does when one of them fails.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use gridshell_connectors::http::{Handler, HeaderMap, Method, Request, Response, Router, TEXT};

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
