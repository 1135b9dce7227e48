//! The note in a plugin's file, which is read before any code of the plugin runs.

use crate::{ABI_MAJOR, ABI_MINOR};

/// The section that the note stands in.
pub const NOTE_SECTION: &str = ".note.gridshell.plugin";
/// The note's owner. In the file a zero byte follows, and padding to a multiple of four.
pub const NOTE_OWNER: &str = "GRIDSHELL";
/// The note's type.
pub const NOTE_TYPE: u32 = 1;
/// How the note's content begins: `GSPL` on a little-endian machine.
pub const NOTE_MAGIC: u32 = 0x4C50_5347;
/// Length of the note's content: `magic` to `flags`.
pub const NOTE_CONTENT_BYTES: u32 = 16;

/// The note, in the byte order of the machine that it is for.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// 10: the owner with its zero byte.
    pub owner_size: u32,
    /// [`NOTE_CONTENT_BYTES`].
    pub content_size: u32,
    /// [`NOTE_TYPE`].
    pub kind: u32,
    /// [`NOTE_OWNER`], padded with zero bytes.
    pub owner: [u8; 12],
    /// [`NOTE_MAGIC`].
    pub magic: u32,
    /// The major version that the plugin was built against.
    pub major: u16,
    /// The minor version that the plugin was built against.
    pub minor: u16,
    /// Bytes of a pointer.
    pub pointer_size: u32,
    /// 0.
    pub flags: u32,
}

impl Note {
    /// The note of a plugin that is built with this crate.
    pub const OURS: Self = Self {
        owner_size: NOTE_OWNER.len() as u32 + 1,
        content_size: NOTE_CONTENT_BYTES,
        kind: NOTE_TYPE,
        owner: *b"GRIDSHELL\0\0\0",
        magic: NOTE_MAGIC,
        major: ABI_MAJOR,
        minor: ABI_MINOR,
        pointer_size: size_of::<usize>() as u32,
        flags: 0,
    };
}
