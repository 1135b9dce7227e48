//! Requests to a plugin and its responses.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use gridshell_connectors::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use gridshell_plugin_abi::{self as abi, Pair, Str};

use super::RawInstance;

/// Bounds of a response's headers, beyond which it is taken for broken.
const MAX_HEADERS: usize = 1000;
const MAX_HEADER_BYTES: usize = 1024 * 1024;

/// The longest text of an address.
pub const PEER_BYTES: usize = 45;

/// Headers of a response that are the server's business.
const OWN_HEADERS: [HeaderName; 8] = [
    header::CONTENT_LENGTH,
    header::DATE,
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::TRANSFER_ENCODING,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
];

/// A request to a plugin.
#[derive(Clone, Copy, Debug)]
pub struct BorrowedCall<'a> {
    /// The service that is asked.
    pub service: &'a str,
    /// The verb.
    pub method: &'a str,
    /// The normalised path.
    pub path: &'a str,
    /// How much of the path belongs to the route.
    pub matched: usize,
    /// The query string, still encoded.
    pub query: &'a str,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body.
    pub body: &'a Bytes,
    /// Who asks; none is the server itself.
    pub peer: Option<IpAddr>,
}

/// The same, for another thread.
#[derive(Clone, Debug)]
pub struct OwnedCall {
    service: String,
    method: String,
    path: String,
    matched: usize,
    query: String,
    headers: HeaderMap,
    body: Bytes,
    peer: Option<IpAddr>,
}

impl BorrowedCall<'_> {
    /// A copy that can be kept; the body is shared.
    pub fn to_owned(self) -> OwnedCall {
        OwnedCall {
            service: self.service.to_owned(),
            method: self.method.to_owned(),
            path: self.path.to_owned(),
            matched: self.matched,
            query: self.query.to_owned(),
            headers: self.headers.clone(),
            body: self.body.clone(),
            peer: self.peer,
        }
    }

    /// The address of who asks, as a text that has room in `buffer`; empty for the server itself.
    pub fn peer_text<'b>(&self, buffer: &'b mut [u8; PEER_BYTES]) -> &'b str {
        self.peer.map_or("", |peer| text_of(peer, buffer))
    }

    /// Calls `use_it` with the request in the header's form.
    fn lend<R>(&self, use_it: impl FnOnce(&abi::Request) -> R) -> R {
        let text = |value: &HeaderValue| str::from_utf8(value.as_bytes()).ok().map(Str::new);
        let headers: Vec<Pair> = self
            .headers
            .iter()
            .filter_map(|(name, value)| Some(Pair { name: Str::new(name.as_str()), value: text(value)? }))
            .collect();
        let mut buffer = [0; PEER_BYTES];
        use_it(&abi::Request {
            struct_size: size_of::<abi::Request>() as u32,
            service: Str::new(self.service),
            method: Str::new(self.method),
            path: Str::new(self.path),
            rest: Str::new(self.path.get(self.matched..).unwrap_or_default()),
            query: Str::new(self.query),
            headers: headers.as_ptr(),
            header_count: headers.len(),
            body: abi::Bytes::new(self.body),
            peer: Str::new(self.peer_text(&mut buffer)),
        })
    }
}

/// The text of an address, which has room in `buffer`: memory of its own would be got and given back for each request.
fn text_of(peer: IpAddr, buffer: &mut [u8; PEER_BYTES]) -> &str {
    let mut length = 0;
    let mut put = |byte: u8| {
        buffer[length] = byte;
        length += 1;
    };
    match peer {
        // Nearly every request has one, and the formatter takes twenty times as long.
        IpAddr::V4(address) => {
            for (index, octet) in address.octets().into_iter().enumerate() {
                if index > 0 {
                    put(b'.');
                }
                if octet >= 100 {
                    put(b'0' + octet / 100);
                }
                if octet >= 10 {
                    put(b'0' + octet / 10 % 10);
                }
                put(b'0' + octet % 10);
            }
        }
        IpAddr::V6(address) => address.to_string().bytes().for_each(put),
    }
    str::from_utf8(&buffer[..length]).unwrap_or_default()
}

impl OwnedCall {
    /// The request, for a call.
    pub fn borrow(&self) -> BorrowedCall<'_> {
        BorrowedCall {
            service: &self.service,
            method: &self.method,
            path: &self.path,
            matched: self.matched,
            query: &self.query,
            headers: &self.headers,
            body: &self.body,
            peer: self.peer,
        }
    }
}

/// What a plugin answers.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status, 200 to 599.
    pub status: StatusCode,
    /// The headers, without those that are the server's.
    pub headers: HeaderMap,
    /// The body, still in the plugin's memory, which gets it back with the last copy of this.
    pub body: Bytes,
}

/// There is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// The status that `handle` returned instead of 0.
    Status(i32),
    /// What is wrong with the response.
    Malformed(String),
}

/// Lets an instance answer a request. `holder` keeps the instance until the last byte of the response is given back.
///
/// # Errors
/// The plugin fails, or its response breaks the rules; that is given back all the same.
pub fn handle<H>(holder: &Arc<H>, call: &BorrowedCall<'_>) -> Result<Reply, CallError>
where
    H: AsRef<RawInstance> + Send + Sync + 'static,
{
    let mut response = abi::Response::EMPTY;
    let status = call.lend(|request| (**holder).as_ref().call_handle(request, &mut response));
    if status != abi::OK {
        return Err(CallError::Status(status));
    }
    Held { holder: holder.clone(), response }.read().map_err(CallError::Malformed)
}

/// A response that the plugin has filled in. Dropping it gives it back, which happens exactly once.
struct Held<H: AsRef<RawInstance>> {
    holder: Arc<H>,
    response: abi::Response,
}

// SAFETY: the plugin's memory stays as it is until it is given back, which may happen in any thread; nothing else has the pointers.
unsafe impl<H: AsRef<RawInstance> + Send + Sync> Send for Held<H> {}
// SAFETY: as above; what is shared is only read.
unsafe impl<H: AsRef<RawInstance> + Send + Sync> Sync for Held<H> {}

impl<H: AsRef<RawInstance>> Drop for Held<H> {
    fn drop(&mut self) {
        let Self { holder, response } = self;
        // SAFETY: it is one of a `handle` that returned 0, and this is the one place that gives it back.
        unsafe { (**holder).as_ref().call_release(response) };
    }
}

impl<H: AsRef<RawInstance>> AsRef<[u8]> for Held<H> {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the memory is valid until it is given back. That there is a pointer, `read` has seen.
        unsafe { self.response.body.as_slice() }.unwrap_or_default()
    }
}

impl<H: AsRef<RawInstance> + Send + Sync + 'static> Held<H> {
    fn read(self) -> Result<Reply, String> {
        let response = &self.response;
        let status = u16::try_from(response.status).ok().filter(|status| (200..600).contains(status));
        let status = status.and_then(|status| StatusCode::from_u16(status).ok());
        let status = status.ok_or_else(|| format!("status {}, not 200 to 599", response.status))?;
        if response.header_count > MAX_HEADERS {
            return Err(format!("{} headers, more than {MAX_HEADERS}", response.header_count));
        }
        // SAFETY: the array is valid until it is given back.
        let pairs = unsafe { abi::pairs(response.headers, response.header_count) }.ok_or("headers without a pointer")?;
        let headers = read_headers(pairs)?;
        // SAFETY: the body is valid until it is given back.
        let body = unsafe { response.body.as_slice() }.ok_or("a body without a pointer")?;
        let body = if body.is_empty() { Bytes::new() } else { Bytes::from_owner(self) };
        Ok(Reply { status, headers, body })
    }
}

fn read_headers(pairs: &[Pair]) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::with_capacity(pairs.len());
    let mut bytes = 0_usize;
    for Pair { name, value } in pairs {
        bytes = bytes.saturating_add(name.len).saturating_add(value.len);
        if bytes > MAX_HEADER_BYTES {
            return Err(format!("headers of more than {MAX_HEADER_BYTES} bytes"));
        }
        // SAFETY: the texts are valid as long as the pairs, and copied here.
        let (name, value) = unsafe { (name.as_str(), value.as_str()) };
        let name = name.and_then(|name| HeaderName::from_bytes(name.as_bytes()).ok()).ok_or("a header whose name is none")?;
        let value = value.and_then(|value| HeaderValue::from_bytes(value.as_bytes()).ok());
        let value = value.ok_or_else(|| format!("a value of the header {name} that is none"))?;
        if !OWN_HEADERS.contains(&name) {
            headers.append(name, value);
        }
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_everywhere() {
        let written = |peer: IpAddr| text_of(peer, &mut [0; PEER_BYTES]).to_owned();
        for octet in 0..=255 {
            let peer = IpAddr::from([octet, 0, 255 - octet, octet / 2]);
            assert_eq!(written(peer), peer.to_string());
        }
        for text in ["::1", "::ffff:255.255.255.255", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"] {
            assert_eq!(written(text.parse().unwrap()), text);
        }
    }
}
