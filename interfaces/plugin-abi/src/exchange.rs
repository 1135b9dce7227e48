//! One request and its response.

use std::ffi::c_void;
use std::mem::offset_of;
use std::ptr;

use crate::{Bytes, Pair, Str, read, write};

/// A request: the server's for `handle`, the plugin's for `call_service`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// `size_of::<Request>()` of who made it.
    pub struct_size: u32,
    /// The service that is asked. `call_service` has it as an argument and ignores it here.
    pub service: Str,
    /// `GET`, `POST`, ... in capitals.
    pub method: Str,
    /// The absolute path, without query string; for `handle` normalised.
    pub path: Str,
    /// What follows the registered prefix in `path`; all of `path` where the plugin fulfils a service.
    pub rest: Str,
    /// The query string, without `?`, still encoded.
    pub query: Str,
    /// The headers; names in lower case.
    pub headers: *const Pair,
    /// How many headers.
    pub header_count: usize,
    /// The body, whole.
    pub body: Bytes,
    /// The address of who asks, as text without port; empty when the server itself asks.
    pub peer: Str,
}

/// A response: the plugin's to `handle`, the server's to `call_service`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Response {
    /// `size_of::<Response>()` of who calls; who fills it in writes nothing behind that.
    pub struct_size: u32,
    /// The HTTP status, 200 to 599.
    pub status: u32,
    /// The headers, names in any case.
    pub headers: *const Pair,
    /// How many headers.
    pub header_count: usize,
    /// The body, whole.
    pub body: Bytes,
    /// For the side that has filled it in. The other side does not touch it.
    pub owner_token: *mut c_void,
}

impl Request {
    /// The size in version 1.0: nobody makes a smaller one.
    pub const SIZE_1_0: u32 = (offset_of!(Self, peer) + size_of::<Str>()) as u32;
}

impl Response {
    /// The size in version 1.0: nobody makes a smaller one.
    pub const SIZE_1_0: u32 = (offset_of!(Self, owner_token) + size_of::<usize>()) as u32;

    /// What a caller hands over to be filled in.
    pub const EMPTY: Self = Self {
        struct_size: size_of::<Self>() as u32,
        status: 0,
        headers: ptr::null(),
        header_count: 0,
        body: Bytes { ptr: ptr::null(), len: 0 },
        owner_token: ptr::null_mut(),
    };

    /// Empties a response that the other side gives back, and gives its token, so that nobody finds that a second time. Null when there
    /// is none, or no response.
    ///
    /// # Safety
    /// As for [`write()`].
    pub unsafe fn take_token(response: *mut Self) -> *mut c_void {
        // SAFETY: promised by the caller.
        let taken = unsafe { read(response).and_then(|taken| write(response, &Self::EMPTY).map(|()| taken)) };
        taken.map_or(ptr::null_mut(), |taken| taken.owner_token)
    }
}
