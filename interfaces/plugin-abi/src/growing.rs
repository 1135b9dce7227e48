//! Structs that begin with their size, and what both sides know of one.
//!
//! A later minor version may add members at the end, so that the other side's struct can be shorter or longer than ours. A reference
//! to a shorter one would claim memory that is not there. Nobody makes one, therefore: structs of the other side are copied, as far
//! as they go.

use std::mem::MaybeUninit;
use std::ptr;

use crate::{Config, Host, Plugin, Request, Response};

/// A struct that begins with its size, and may grow at its end.
///
/// # Safety
/// The struct is `repr(C)`, begins with `struct_size`, a `u32`, and is valid when all its other bytes are zero.
pub unsafe trait Growing: Copy {
    /// The size in version 1.0: nobody makes a smaller one. Says no more than that when the struct grows.
    const SIZE_1_0: u32;
}

// SAFETY: behind the size are numbers, pointers, texts, and functions that may be absent.
unsafe impl Growing for Request {
    const SIZE_1_0: u32 = Self::SIZE_1_0;
}

// SAFETY: as above.
unsafe impl Growing for Response {
    const SIZE_1_0: u32 = Self::SIZE_1_0;
}

// SAFETY: as above.
unsafe impl Growing for Config {
    const SIZE_1_0: u32 = Self::SIZE_1_0;
}

// SAFETY: as above.
unsafe impl Growing for Host {
    const SIZE_1_0: u32 = Self::SIZE_1_0;
}

// SAFETY: as above.
unsafe impl Growing for Plugin {
    const SIZE_1_0: u32 = Self::SIZE_1_0;
}

/// Why a struct of the other side is not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// The pointer is null, or not one to such a struct.
    Nowhere,
    /// It has this size, which is less than that of version 1.0.
    TooShort(u32),
}

/// A copy of a struct of the other side. Members that it does not have are zero, null or absent; what it has behind those that we know
/// is left out. `struct_size` is the other side's.
///
/// # Errors
/// It is not one of version 1.0 or later.
///
/// # Safety
/// A pointer that is not null points to as many bytes as the number says that it points to, which nobody changes meanwhile.
pub unsafe fn read<T: Growing>(from: *const T) -> Result<T, Unreadable> {
    // SAFETY: promised by the caller.
    let shared = unsafe { shared_bytes(from) }?;
    let mut copy = MaybeUninit::<T>::zeroed();
    // SAFETY: both have so many bytes, and a struct of zeros is valid (`Growing`) with any members that the other side has set.
    unsafe {
        ptr::copy_nonoverlapping(from.cast::<u8>(), copy.as_mut_ptr().cast::<u8>(), shared);
        Ok(copy.assume_init())
    }
}

/// Fills a struct of the other side in, as far as it goes. Its `struct_size` stays as it is.
///
/// # Errors
/// It is not one of version 1.0 or later; nothing is written.
///
/// # Safety
/// A pointer that is not null points to as many bytes as the number says that it points to, which nobody else uses meanwhile.
pub unsafe fn write<T: Growing>(to: *mut T, value: &T) -> Result<(), Unreadable> {
    const SIZE: usize = size_of::<u32>();
    // SAFETY: promised by the caller.
    let shared = unsafe { shared_bytes(to) }?;
    // SAFETY: both have so many bytes, of which `struct_size` is the first.
    unsafe {
        let value = ptr::from_ref(value).cast::<u8>();
        ptr::copy_nonoverlapping(value.add(SIZE), to.cast::<u8>().add(SIZE), shared - SIZE);
    }
    Ok(())
}

/// How many bytes both sides have.
///
/// # Safety
/// As for [`read`].
unsafe fn shared_bytes<T: Growing>(at: *const T) -> Result<usize, Unreadable> {
    if at.is_null() || !at.is_aligned() {
        return Err(Unreadable::Nowhere);
    }
    // SAFETY: every such struct begins with its size.
    let size = unsafe { at.cast::<u32>().read() };
    if size < T::SIZE_1_0 {
        return Err(Unreadable::TooShort(size));
    }
    // No half of a pointer is taken from a size that cannot be one.
    let size = size as usize;
    Ok((size - size % align_of::<T>()).min(size_of::<T>()))
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;
    use crate::{ABI_MINOR, Str};

    /// What a struct is like that has grown: `text` came later than version 1.0.
    #[repr(C)]
    #[derive(Clone, Copy, Debug)]
    struct Grown {
        struct_size: u32,
        number: u32,
        pointer: *const u8,
        text: Str,
        function: Option<extern "C" fn() -> i32>,
    }

    // SAFETY: it begins with its size, and the rest may be zero.
    unsafe impl Growing for Grown {
        const SIZE_1_0: u32 = (offset_of!(Self, pointer) + size_of::<usize>()) as u32;
    }

    const LATER: [u64; 4] = [u64::MAX; 4];

    extern "C" fn seven() -> i32 {
        7
    }

    fn whole() -> Grown {
        let pointer = LATER.as_ptr().cast();
        let struct_size = size_of::<Grown>() as u32;
        Grown { struct_size, number: 5, pointer, text: Str::new("later"), function: Some(seven) }
    }

    /// The first so many bytes of it, and no byte of memory more.
    fn beginning(of: &Grown, bytes: usize) -> Box<[u64]> {
        let mut memory = vec![u64::MAX; bytes.div_ceil(8)].into_boxed_slice();
        // SAFETY: both have as many.
        unsafe {
            ptr::copy_nonoverlapping(ptr::from_ref(of).cast::<u8>(), memory.as_mut_ptr().cast(), bytes.min(size_of::<Grown>()));
        }
        memory
    }

    #[test]
    fn a_shorter_struct_has_members_less() {
        let size = Grown::SIZE_1_0;
        let memory = beginning(&Grown { struct_size: size, ..whole() }, size as usize);
        // SAFETY: it has as many bytes as it says.
        let read = unsafe { read(memory.as_ptr().cast::<Grown>()) }.unwrap();
        assert_eq!((read.struct_size, read.number, read.pointer), (size, 5, whole().pointer));
        assert!(read.text.ptr.is_null() && read.text.len == 0 && read.function.is_none());
    }

    #[test]
    fn an_equal_or_a_longer_one_has_all() {
        for more in [0, 4, 64] {
            let size = size_of::<Grown>() + more;
            let memory = beginning(&Grown { struct_size: size as u32, ..whole() }, size);
            // SAFETY: it has as many bytes as it says; the text is static.
            let (read, text) = unsafe {
                let read = read(memory.as_ptr().cast::<Grown>()).unwrap();
                (read, read.text.as_str())
            };
            assert_eq!((read.struct_size as usize, read.number, text), (size, 5, Some("later")));
            assert_eq!(read.function.map(|function| function()), Some(7));
        }
    }

    #[test]
    fn what_is_older_than_version_1_0_is_not_looked_at() {
        for size in [0, 4, Grown::SIZE_1_0 - 1] {
            let mut memory = beginning(&Grown { struct_size: size, ..whole() }, 8);
            let before = memory.clone();
            // SAFETY: it has at least as many bytes as are looked at, which are those of the size.
            unsafe {
                assert_eq!(read(memory.as_ptr().cast::<Grown>()).unwrap_err(), Unreadable::TooShort(size));
                assert_eq!(write(memory.as_mut_ptr().cast(), &whole()), Err(Unreadable::TooShort(size)));
            }
            assert_eq!(memory, before);
        }
        // SAFETY: no such pointer is followed.
        unsafe {
            assert_eq!(read(ptr::null::<Grown>()).unwrap_err(), Unreadable::Nowhere);
            assert_eq!(read(ptr::without_provenance::<Grown>(4)).unwrap_err(), Unreadable::Nowhere);
            assert_eq!(write(ptr::null_mut(), &whole()), Err(Unreadable::Nowhere));
        }
    }

    #[test]
    fn half_a_pointer_is_none() {
        let size = offset_of!(Grown, function) as u32 + 4;
        let memory = beginning(&Grown { struct_size: size, ..whole() }, size as usize);
        // SAFETY: it has as many bytes as it says.
        let read = unsafe { read(memory.as_ptr().cast::<Grown>()) }.unwrap();
        assert!(read.function.is_none() && read.text.len == 5);
    }

    #[test]
    fn nothing_is_written_behind_the_end() {
        let known = size_of::<Grown>() / 8;
        for (size, written) in
            [(Grown::SIZE_1_0 as usize, Grown::SIZE_1_0 as usize / 8), (known * 8, known), (known * 8 + 16, known)]
        {
            let mut memory = vec![u64::MAX; size / 8 + 4];
            let at = memory.as_mut_ptr();
            // SAFETY: it has more bytes than it says.
            unsafe {
                at.cast::<u32>().write(size as u32);
                write(at.cast(), &whole()).unwrap();
                assert_eq!(at.cast::<u32>().read() as usize, size);
            }
            let expected = beginning(&Grown { struct_size: size as u32, ..whole() }, written * 8);
            assert_eq!(memory[..written], expected[..]);
            assert!(memory[written..].iter().all(|word| *word == u64::MAX));
        }
    }

    /// The numbers are for ever; what is in the header besides belongs to a later minor version.
    #[test]
    #[cfg(target_pointer_width = "64")]
    fn sizes_of_version_1_0() {
        for (known, bytes, now) in [
            (Request::SIZE_1_0, 136, size_of::<Request>()),
            (Response::SIZE_1_0, 48, size_of::<Response>()),
            (Config::SIZE_1_0, 40, size_of::<Config>()),
            (Host::SIZE_1_0, 72, size_of::<Host>()),
            (Plugin::SIZE_1_0, 72, size_of::<Plugin>()),
        ] {
            assert_eq!(known, bytes);
            assert!(if ABI_MINOR == 0 { now == bytes as usize } else { now >= bytes as usize }, "{now} {bytes}");
        }
    }
}
