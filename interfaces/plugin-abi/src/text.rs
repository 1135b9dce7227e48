//! Text, bytes and pairs, as pointer and length.

use std::{ptr, slice};

/// Text: UTF-8, not ended by a zero byte.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Str {
    /// The first byte. May be null when `len` is 0.
    pub ptr: *const u8,
    /// How many bytes.
    pub len: usize,
}

/// Bytes of any kind.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Bytes {
    /// The first byte. May be null when `len` is 0.
    pub ptr: *const u8,
    /// How many bytes.
    pub len: usize,
}

/// A header of a request or response, or a key of a section.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    /// The header's or key's name.
    pub name: Str,
    /// Its value.
    pub value: Str,
}

impl Str {
    /// No text.
    pub const EMPTY: Self = Self { ptr: ptr::null(), len: 0 };

    /// The same text, borrowed: what is made of it must not outlive `text`.
    pub const fn new(text: &str) -> Self {
        Self { ptr: text.as_ptr(), len: text.len() }
    }

    /// The text, or `None` when it is not UTF-8, or there is a length without a pointer.
    ///
    /// # Safety
    /// A pointer that is not null points to `len` bytes, which nobody changes or frees during `'a`.
    pub unsafe fn as_str<'a>(self) -> Option<&'a str> {
        // SAFETY: as promised by the caller.
        let bytes = unsafe { elements(self.ptr, self.len) }?;
        str::from_utf8(bytes).ok()
    }
}

impl Bytes {
    /// No bytes.
    pub const EMPTY: Self = Self { ptr: ptr::null(), len: 0 };

    /// The same bytes, borrowed: what is made of it must not outlive `bytes`.
    pub const fn new(bytes: &[u8]) -> Self {
        Self { ptr: bytes.as_ptr(), len: bytes.len() }
    }

    /// The bytes, or `None` when there is a length without a pointer.
    ///
    /// # Safety
    /// A pointer that is not null points to `len` bytes, which nobody changes or frees during `'a`.
    pub unsafe fn as_slice<'a>(self) -> Option<&'a [u8]> {
        // SAFETY: as promised by the caller.
        unsafe { elements(self.ptr, self.len) }
    }
}

/// The pairs of an array, or `None` when there is a count without a pointer.
///
/// # Safety
/// A pointer that is not null points to `count` pairs, which nobody changes or frees during `'a`.
pub unsafe fn pairs<'a>(first: *const Pair, count: usize) -> Option<&'a [Pair]> {
    // SAFETY: as promised by the caller.
    unsafe { elements(first, count) }
}

/// # Safety
/// A pointer that is not null points to `count` valid elements, which nobody changes or frees during `'a`.
unsafe fn elements<'a, T>(first: *const T, count: usize) -> Option<&'a [T]> {
    if count == 0 {
        return Some(&[]);
    }
    // No slice is larger; one that claims to be is broken.
    let bytes = count.checked_mul(size_of::<T>()).filter(|bytes| isize::try_from(*bytes).is_ok());
    if bytes.is_none() || !first.is_aligned() || first.is_null() {
        return None;
    }
    // SAFETY: not null, aligned, not too long, and the rest is promised by the caller.
    Some(unsafe { slice::from_raw_parts(first, count) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_comes_back() {
        // SAFETY: all texts are static.
        unsafe {
            assert_eq!(Str::new("Möbel").as_str(), Some("Möbel"));
            assert_eq!(Str::EMPTY.as_str(), Some(""));
            assert_eq!(Bytes::new(&[0, 255]).as_slice(), Some(&[0, 255][..]));
            assert_eq!(Bytes::EMPTY.as_slice(), Some(&[][..]));
        }
    }

    #[test]
    fn what_is_broken_is_none() {
        let latin1 = [b'M', 0xF6];
        let byte = [1];
        // SAFETY: the pointers are null, or point to what is there; a length that cannot be is never followed.
        unsafe {
            assert_eq!(Str { ptr: latin1.as_ptr(), len: 2 }.as_str(), None);
            assert_eq!(Str { ptr: ptr::null(), len: 1 }.as_str(), None);
            assert_eq!(Bytes { ptr: byte.as_ptr(), len: usize::MAX }.as_slice(), None);
            assert!(pairs(ptr::null(), 1).is_none());
            assert!(pairs(ptr::dangling(), usize::MAX / 8).is_none());
            assert!(pairs(ptr::without_provenance(3), 1).is_none());
            assert!(pairs(ptr::null(), 0).is_some_and(<[Pair]>::is_empty));
        }
    }
}
