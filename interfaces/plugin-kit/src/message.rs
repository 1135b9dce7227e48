//! Requests and responses.

use std::borrow::Cow;
use std::ffi::c_void;

use crate::abi::{self, Bytes, Pair, Str};

/// A request: from the server in [`Plugin::handle`](crate::Plugin::handle), to it in
/// [`Host::call_service`](crate::Host::call_service).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request<'a> {
    /// The service that is asked. Not used by `call_service`, which has it as an argument.
    pub service: &'a str,
    /// `GET`, `POST`, ... in capitals.
    pub method: &'a str,
    /// The absolute path, without query string and without one trailing slash. Percent codes are decoded where they stand for
    /// letters, digits and `-._~`.
    pub path: &'a str,
    /// What follows the registered prefix in `path`; all of it where the plugin fulfils a service. Not used by `call_service`.
    pub rest: &'a str,
    /// The query string, without `?`, still encoded.
    pub query: &'a str,
    /// The headers; names in lower case.
    pub headers: Vec<(&'a str, &'a str)>,
    /// The body.
    pub body: &'a [u8],
    /// The address of who asks, without port; empty when the server itself asks. Not used by `call_service`.
    pub peer: &'a str,
}

impl<'a> Request<'a> {
    /// A request to a service: a method and a path, and nothing else.
    pub fn new(method: &'a str, path: &'a str) -> Self {
        Self { method, path, ..Self::default() }
    }

    /// The value of a header; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.iter().find(|(header, _)| *header == name).map(|(_, value)| *value)
    }

    /// What the server has handed over, or `None` when it breaks the rules.
    ///
    /// # Safety
    /// A pointer that is not null points to a request of the header's form, which nobody changes meanwhile; what that points to, nobody
    /// changes during `'a`.
    pub(crate) unsafe fn read(request: *const abi::Request) -> Option<Self> {
        // SAFETY: promised by the caller.
        let request = unsafe { abi::read(request) }.ok()?;
        // SAFETY: promised by the caller.
        unsafe {
            Some(Self {
                service: request.service.as_str()?,
                method: request.method.as_str()?,
                path: request.path.as_str()?,
                rest: request.rest.as_str()?,
                query: request.query.as_str()?,
                headers: texts(abi::pairs(request.headers, request.header_count)?)?,
                body: request.body.as_slice()?,
                peer: request.peer.as_str()?,
            })
        }
    }

    /// Calls `use_it` with the request in the header's form.
    pub(crate) fn lend<R>(&self, use_it: impl FnOnce(&abi::Request) -> R) -> R {
        let headers = pairs(self.headers.iter().copied());
        use_it(&abi::Request {
            struct_size: size_of::<abi::Request>() as u32,
            service: Str::new(self.service),
            method: Str::new(self.method),
            path: Str::new(self.path),
            rest: Str::new(self.rest),
            query: Str::new(self.query),
            headers: headers.as_ptr(),
            header_count: headers.len(),
            body: Bytes::new(self.body),
            peer: Str::new(self.peer),
        })
    }
}

/// A response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status, 200 to 599.
    pub status: u16,
    /// The headers. Content-Length, Date and those of the connection are the server's.
    pub headers: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// A status without a body.
    pub fn new(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// Status 200 with a body of this content type.
    pub fn with_body(content_type: impl Into<Cow<'static, str>>, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..Self::new(200) }.with_header("Content-Type", content_type)
    }

    /// Status 200 with plain text.
    pub fn text(body: impl Into<String>) -> Self {
        Self::with_body("text/plain; charset=utf-8", body.into())
    }

    /// The same response with another status.
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The same response with a further header.
    pub fn with_header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Cow<'static, str>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The response for the server, who has it until [`take_back`].
    pub(crate) fn hand_over(self) -> abi::Response {
        let held = Box::new(Held { pairs: pairs(self.headers.iter().map(|(name, value)| (&**name, &**value))), response: self });
        abi::Response {
            status: held.response.status.into(),
            headers: held.pairs.as_ptr(),
            header_count: held.pairs.len(),
            body: Bytes::new(&held.response.body),
            owner_token: Box::into_raw(held).cast::<c_void>(),
            ..abi::Response::EMPTY
        }
    }

    /// A copy of a response of the server, or `None` when it breaks the rules.
    ///
    /// # Safety
    /// The response is of the header's form, and not given back yet.
    pub(crate) unsafe fn copy(response: &abi::Response) -> Option<Self> {
        // SAFETY: promised by the caller.
        let (headers, body) =
            unsafe { (texts(abi::pairs(response.headers, response.header_count)?)?, response.body.as_slice()?) };
        Some(Self {
            status: u16::try_from(response.status).ok()?,
            headers: headers.into_iter().map(|(name, value)| (name.to_owned().into(), value.to_owned().into())).collect(),
            body: body.to_vec(),
        })
    }
}

/// What the server holds: the pairs point into the response.
struct Held {
    pairs: Vec<Pair>,
    response: Response,
}

/// Frees what [`Response::hand_over`] has put into a response. Does nothing for one without.
///
/// # Safety
/// A pointer that is not null points to a response of the header's form, whose token is that of `hand_over`, or null.
pub(crate) unsafe fn take_back(response: *mut abi::Response) {
    // SAFETY: promised by the caller.
    let held = unsafe { abi::Response::take_token(response) }.cast::<Held>();
    if !held.is_null() {
        // SAFETY: it is the box of `hand_over`, and the token was removed, so nobody frees it twice.
        drop(unsafe { Box::from_raw(held) });
    }
}

fn pairs<'t>(texts: impl Iterator<Item = (&'t str, &'t str)>) -> Vec<Pair> {
    texts.map(|(name, value)| Pair { name: Str::new(name), value: Str::new(value) }).collect()
}

/// # Safety
/// The texts of the pairs are valid as long as the pairs.
pub(crate) unsafe fn texts(pairs: &[Pair]) -> Option<Vec<(&str, &str)>> {
    // SAFETY: promised by the caller.
    pairs.iter().map(|pair| unsafe { Some((pair.name.as_str()?, pair.value.as_str()?)) }).collect()
}
