//! Requests and answers as CGI has them (RFC 3875): parameters in, a header block out.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::str;

use bytes::{BufMut, Bytes, BytesMut};
use gridshell_connectors::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http::uri::Uri;
use jiff::Timestamp;

use super::record::{Malformed, Pairs};
use crate::answering::{Answerer, Refusal, bad};

/// Headers of one request; as many as the HTTP listeners take.
const MAX_HEADERS: usize = 96;

/// What precedes the body of a request.
#[derive(Debug)]
pub struct Head {
    /// The request without its body.
    pub request: Request,
    /// The request target as it was sent.
    pub target: String,
    /// Who has sent it to the web server; unspecified when that does not say.
    pub peer: IpAddr,
}

/// The parameters that matter, as they stand. The last of a name counts.
#[derive(Default)]
struct Parameters<'a> {
    method: &'a [u8],
    uri: Option<&'a [u8]>,
    script: &'a [u8],
    path: &'a [u8],
    query: &'a [u8],
    content_type: &'a [u8],
    content_length: &'a [u8],
    address: &'a [u8],
    headers: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> Parameters<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut parameters = Self::default();
        for pair in (Pairs { rest: bytes }) {
            let (name, value) = pair?;
            match name {
                b"REQUEST_METHOD" => parameters.method = value,
                b"REQUEST_URI" => parameters.uri = Some(value),
                b"SCRIPT_NAME" => parameters.script = value,
                b"PATH_INFO" => parameters.path = value,
                b"QUERY_STRING" => parameters.query = value,
                b"CONTENT_TYPE" => parameters.content_type = value,
                b"CONTENT_LENGTH" => parameters.content_length = value,
                b"REMOTE_ADDR" => parameters.address = value,
                // The body's form on its way to the web server; the parameters above say how it comes here.
                b"HTTP_CONTENT_TYPE" | b"HTTP_CONTENT_LENGTH" | b"HTTP_TRANSFER_ENCODING" => {}
                _ => parameters.headers.extend(name.strip_prefix(b"HTTP_").map(|name| (name, value))),
            }
        }
        Ok(parameters)
    }

    /// The request target. Without `REQUEST_URI` it is put together from parts, of which the path is decoded.
    fn target(&self) -> Vec<u8> {
        if let Some(uri) = self.uri {
            return uri.to_vec();
        }
        let mut target = Vec::with_capacity(self.script.len() + self.path.len() + self.query.len() + 1);
        for byte in self.script.iter().chain(self.path) {
            match byte {
                b'%' | b'?' | b'#' | ..=b' ' | 0x7f.. => target.extend(format!("%{byte:02X}").bytes()),
                _ => target.push(*byte),
            }
        }
        if target.first() != Some(&b'/') {
            target.insert(0, b'/');
        }
        if !self.query.is_empty() {
            target.push(b'?');
            target.extend(self.query);
        }
        target
    }
}

/// The head of a request, from its parameters.
///
/// # Errors
/// The outer error: the parameters are none. The inner one: the request is over the limits of transport.md section 1.2, or malformed.
pub fn read(parameters: &[u8], answerer: &Answerer) -> Result<Result<Head, Refusal>, Malformed> {
    let parameters = Parameters::read(parameters)?;
    Ok(check(&parameters, answerer))
}

fn check(parameters: &Parameters<'_>, answerer: &Answerer) -> Result<Head, Refusal> {
    let limits = &answerer.limits;
    let target = parameters.target();
    if target.len() > limits.target {
        return Err(bad("the request target is too long"));
    }
    // As strict as the HTTP listeners are.
    let uri = Uri::try_from(target.as_slice()).map_err(|_| bad("the request target is malformed"))?;
    let target = uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let method = Method::from_bytes(parameters.method).map_err(|_| bad("the verb is malformed"))?;
    if parameters.headers.len() > MAX_HEADERS {
        return Err(bad("there are too many headers"));
    }
    let mut headers = HeaderMap::with_capacity(parameters.headers.len() + 2);
    for (name, value) in &parameters.headers {
        let name: Vec<u8> = name.iter().map(|byte| if *byte == b'_' { b'-' } else { *byte }).collect();
        let (name, value) = limits.header(&name, value)?;
        headers.append(name, value);
    }
    // What a request does not have, web servers send empty.
    for (name, value) in [("content-type", parameters.content_type), ("content-length", parameters.content_length)] {
        if !value.is_empty() {
            let (name, value) = limits.header(name.as_bytes(), value)?;
            headers.insert(name, value);
        }
    }
    // A web server that is reached over a Unix socket itself knows no address.
    let peer = str::from_utf8(parameters.address).ok().and_then(|address| address.parse().ok());
    let peer = peer.unwrap_or(IpAddr::from([0, 0, 0, 0]));
    let client = answerer.client(peer, &headers);
    Ok(Head { request: Request::new(method, &target, headers, Bytes::new(), client), target, peer })
}

/// The header block of an answer, as name2key.md section 6.3 has it: status, type and date first. What concerns the connection to the
/// client is the web server's business, as is its name.
pub fn header_block(response: &Response) -> BytesMut {
    let mut block = BytesMut::with_capacity(512);
    let reason = response.status.canonical_reason().unwrap_or("Unknown");
    // Writing to memory cannot fail.
    let _ = write!(block, "Status: {} {reason}\r\n", response.status.as_u16());
    if let (false, Ok(content_type)) = (response.verbatim, HeaderValue::from_str(&response.content_type)) {
        put(&mut block, "content-type", content_type.as_bytes());
    }
    match response.headers.get(header::DATE).filter(|_| response.verbatim) {
        Some(date) => put(&mut block, "date", date.as_bytes()),
        None => _ = write!(block, "Date: {}\r\n", date(Timestamp::now())),
    }
    for (name, value) in &response.headers {
        if !is_of_the_connection(name) {
            put(&mut block, name.as_str(), value.as_bytes());
        }
    }
    if let Some(length) = response.body.length().filter(|_| response.status != StatusCode::NO_CONTENT || !response.verbatim) {
        let _ = write!(block, "Content-Length: {length}\r\n");
    }
    block.put_slice(b"\r\n");
    block
}

fn is_of_the_connection(name: &HeaderName) -> bool {
    [header::CONNECTION, header::CONTENT_LENGTH, header::DATE, header::TRANSFER_ENCODING].contains(name)
}

/// A header with each word of its name capitalised, as the HTTP listeners send it. (Such a value has no line ends.)
fn put(block: &mut BytesMut, name: &str, value: &[u8]) {
    let mut begins = true;
    for byte in name.bytes() {
        block.put_u8(if begins { byte.to_ascii_uppercase() } else { byte });
        begins = byte == b'-';
    }
    block.put_slice(b": ");
    block.put_slice(value);
    block.put_slice(b"\r\n");
}

fn date(now: Timestamp) -> String {
    now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::StreamExt;
    use gridshell_connectors::http::{Body, Router};
    use proptest::prelude::*;

    use super::super::record::put_pair;
    use super::*;
    use crate::answering::testing::limits;
    use crate::request_log::RequestLog;

    fn answerer() -> Answerer {
        let router = Arc::new(Router::new(Bytes::new()));
        Answerer::new(8003, router, limits(), vec![IpAddr::from([10, 0, 0, 1])], Arc::new(RequestLog::default()))
    }

    type Given<'a> = &'a [(&'a str, &'a str)];

    fn parameters(pairs: Given<'_>) -> BytesMut {
        let mut bytes = BytesMut::new();
        for (name, value) in pairs {
            put_pair(&mut bytes, name.as_bytes(), value.as_bytes());
        }
        bytes
    }

    fn request(pairs: Given<'_>) -> Result<Request, Refusal> {
        let head = read(&parameters(pairs), &answerer()).unwrap()?;
        answerer().limits.body(&head.request.headers)?;
        Ok(head.request)
    }

    #[test]
    fn a_request_of_nginx() {
        let request = request(&[
            ("QUERY_STRING", "name=A%20B"),
            ("REQUEST_METHOD", "POST"),
            ("CONTENT_TYPE", "text/xml"),
            ("CONTENT_LENGTH", "12"),
            ("SCRIPT_NAME", "/other"),
            ("REQUEST_URI", "/touch/?name=A%20B"),
            ("DOCUMENT_ROOT", "/usr/share/nginx/html"),
            ("GATEWAY_INTERFACE", "CGI/1.1"),
            ("REMOTE_ADDR", "192.0.2.7"),
            ("REMOTE_PORT", "4711"),
            ("HTTP_HOST", "grid.example"),
            ("HTTP_X_SECONDLIFE_SHARD", "Größe"),
            ("HTTP_CONTENT_LENGTH", "99"),
            ("HTTP_CONTENT_TYPE", "other"),
            ("HTTP_TRANSFER_ENCODING", "chunked"),
            ("HTTP_VIA", "one"),
            ("HTTP_VIA", "two"),
        ])
        .unwrap();
        assert_eq!((request.method, request.path.as_str(), request.query.as_str()), (Method::POST, "/touch", "name=A%20B"));
        assert_eq!(request.client, IpAddr::from([192, 0, 2, 7]));
        let mut headers: Vec<_> = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        headers.sort_unstable();
        assert_eq!(
            headers,
            [
                ("content-length", &b"12"[..]),
                ("content-type", b"text/xml"),
                ("host", b"grid.example"),
                ("via", b"one"),
                ("via", b"two"),
                ("x-secondlife-shard", "Größe".as_bytes()),
            ]
        );
    }

    #[test]
    fn the_target() {
        let cases: [(Given<'_>, &str, &str); 10] = [
            (&[("REQUEST_URI", "/a/b?c=d&e")], "/a/b", "c=d&e"),
            (&[("REQUEST_URI", "http://host:80/a?b")], "/a", "b"),
            (&[("REQUEST_URI", "/ä")], "/ä", ""),
            (&[("REQUEST_URI", "/a"), ("SCRIPT_NAME", "/b"), ("QUERY_STRING", "c")], "/a", ""),
            (&[("SCRIPT_NAME", "/a"), ("PATH_INFO", "/b"), ("QUERY_STRING", "c=%20")], "/a/b", "c=%20"),
            (&[("PATH_INFO", "/first last?#%41")], "/first%20last%3F%23%2541", ""),
            (&[("SCRIPT_NAME", "/ä")], "/%C3%A4", ""),
            (&[("SCRIPT_NAME", "a")], "/a", ""),
            (&[("SCRIPT_NAME", "")], "/", ""),
            (&[], "/", ""),
        ];
        for (pairs, path, query) in cases {
            let mut pairs = pairs.to_vec();
            pairs.push(("REQUEST_METHOD", "GET"));
            let request = request(&pairs).unwrap();
            assert_eq!((request.path.as_str(), request.query.as_str()), (path, query), "{pairs:?}");
        }
    }

    #[test]
    fn the_client_is_whom_the_web_server_names() {
        let client = |pairs: Given<'_>| {
            let mut pairs = pairs.to_vec();
            pairs.push(("REQUEST_METHOD", "GET"));
            request(&pairs).unwrap().client.to_string()
        };
        assert_eq!(client(&[("REMOTE_ADDR", "192.0.2.7"), ("HTTP_X_FORWARDED_FOR", "192.0.2.9")]), "192.0.2.7");
        assert_eq!(client(&[("REMOTE_ADDR", "10.0.0.1"), ("HTTP_X_FORWARDED_FOR", "192.0.2.9, 10.0.0.2")]), "192.0.2.9");
        assert_eq!(client(&[("REMOTE_ADDR", "2001:db8::1")]), "2001:db8::1");
        assert_eq!(client(&[("REMOTE_ADDR", "::ffff:192.0.2.7")]), "192.0.2.7");
        assert_eq!(client(&[("REMOTE_ADDR", "unix:")]), "0.0.0.0");
        assert_eq!(client(&[]), "0.0.0.0");
    }

    #[test]
    fn refusals_by_name() {
        let long = "/".repeat(101);
        let wide = "x".repeat(31);
        let name = format!("HTTP_{}", "X".repeat(21));
        let cases: [(Given<'_>, &str); 11] = [
            (&[("REQUEST_URI", &long)], "the request target is too long"),
            (&[("SCRIPT_NAME", &long)], "the request target is too long"),
            (&[("REQUEST_URI", "/a b")], "the request target is malformed"),
            (&[("REQUEST_URI", "")], "the request target is malformed"),
            (&[("REQUEST_URI", "/a\0")], "the request target is malformed"),
            (&[("QUERY_STRING", "a b")], "the request target is malformed"),
            (&[("HTTP_X", &wide)], "a header's value is too long"),
            (&[(&name, "")], "a header's name is too long"),
            (&[("HTTP_", "x")], "a header's name is malformed"),
            (&[("CONTENT_LENGTH", "many")], "the Content-Length is no number"),
            (&[("CONTENT_LENGTH", "1001")], "the body is too long"),
        ];
        for (pairs, reason) in cases {
            let mut pairs = pairs.to_vec();
            pairs.push(("REQUEST_METHOD", "GET"));
            assert_eq!(request(&pairs).unwrap_err(), bad(reason), "{pairs:?}");
        }
        assert_eq!(request(&[("REQUEST_URI", "/")]).unwrap_err(), bad("the verb is malformed"));
        assert_eq!(request(&[("REQUEST_METHOD", "G T")]).unwrap_err(), bad("the verb is malformed"));
        let many = vec![("HTTP_X", "y"); 97];
        assert_eq!(request(&[&[("REQUEST_METHOD", "GET")], &many[..]].concat()).unwrap_err(), bad("there are too many headers"));
        request(&[&[("REQUEST_METHOD", "GET")], &many[..96]].concat()).unwrap();
        read(b"\x05", &answerer()).unwrap_err();
    }

    /// The block without the date itself.
    fn block(response: &Response) -> String {
        let text = String::from_utf8(header_block(response).to_vec()).unwrap();
        let (before, date) = text.split_once("Date: ").unwrap();
        let (date, after) = date.split_at("Sun, 06 Nov 1994 08:49:37 GMT".len());
        assert!(date.ends_with(" GMT"), "{text}");
        format!("{before}Date: ...{after}")
    }

    #[test]
    fn header_blocks() {
        assert_eq!(
            block(&Response::ok("text/plain; charset=utf-8", "hello")),
            "Status: 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nDate: ...\r\nContent-Length: 5\r\n\r\n"
        );
        let refused = Response::empty(StatusCode::NOT_FOUND, "text/plain")
            .with_header(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"))
            .with_header(header::CONNECTION, HeaderValue::from_static("close"))
            .with_header(header::CONTENT_LENGTH, HeaderValue::from_static("7"));
        assert_eq!(
            block(&refused),
            "Status: 404 Not Found\r\nContent-Type: text/plain\r\nDate: ...\r\nX-Content-Type-Options: nosniff\r\nContent-Length: 0\r\n\r\n"
        );
        let pieces = futures_util::stream::empty().boxed();
        let unknown_length = Response::ok("text/csv", Body::Stream { length: None, pieces });
        assert_eq!(block(&unknown_length), "Status: 200 OK\r\nContent-Type: text/csv\r\nDate: ...\r\n\r\n");
        // Nothing that a service says becomes a header of its own.
        assert_eq!(block(&Response::ok("a\r\nb: c", "")), "Status: 200 OK\r\nDate: ...\r\nContent-Length: 0\r\n\r\n");
    }

    #[test]
    fn dates() {
        assert_eq!(date(Timestamp::from_second(784_111_777).unwrap()), "Sun, 06 Nov 1994 08:49:37 GMT");
    }

    proptest! {
        #[test]
        fn arbitrary_parameters_never_panic(values: [Vec<u8>; 5], name: Vec<u8>) {
            let mut bytes = BytesMut::new();
            let name = [b"HTTP_", &name[..]].concat();
            let names: [&[u8]; 5] = [b"REQUEST_METHOD", b"REQUEST_URI", b"CONTENT_LENGTH", b"REMOTE_ADDR", &name];
            for (name, value) in names.into_iter().zip(&values) {
                put_pair(&mut bytes, name, value);
            }
            if let Ok(head) = read(&bytes, &answerer()).unwrap() {
                prop_assert!(head.request.path.starts_with('/'));
            }
        }
    }
}
