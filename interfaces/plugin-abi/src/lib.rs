//! The stable C interface between gridshell and its plugins: the types of `include/gridshell_plugin.h` for Rust (plugins.md
//! section 5).
//!
//! The header is the definition, and says of each member what it means, who owns the memory behind it, and for how long; read it
//! first. Names are the header's without `gs_`: `gs_request` is [`Request`]. Here are no functions but those that read and
//! fill in what is the other side's, so that nobody does it twice. Plugins in Rust use the crate `gridshell-plugin`, which makes
//! safe code of this.
//!
//! All structs are `repr(C)`. Function members are `Option`, since the other side may have left them out.

mod codes;
mod exchange;
mod growing;
mod names;
mod note;
mod tables;
mod text;

pub use codes::{
    FAILED, INVALID, LOG_DEBUG, LOG_ERROR, LOG_INFO, LOG_TRACE, LOG_WARN, NOT_SUPPORTED, OK, PANIC, REFUSED, UNAVAILABLE, UNKNOWN,
};
pub use exchange::{Request, Response};
pub use growing::{Growing, Unreadable, read, write};
pub use names::{capability, property, symbol};
pub use note::{NOTE_CONTENT_BYTES, NOTE_MAGIC, NOTE_OWNER, NOTE_SECTION, NOTE_TYPE, Note};
pub use tables::{
    Command, Config, Create, Destroy, Entry, GetProperty, Handle, Health, Host, Plugin, Reconfigure, Release, Sink, VersionNumber,
};
pub use text::{Bytes, Pair, Str, pairs};

/// The major version of this interface.
pub const ABI_MAJOR: u16 = 1;
/// The minor version of this interface.
pub const ABI_MINOR: u16 = 0;
