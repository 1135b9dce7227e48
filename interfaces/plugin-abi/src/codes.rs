//! Status codes and log levels.

/// Done.
pub const OK: i32 = 0;
/// The function, or what it was asked for, is not supported by this side.
pub const NOT_SUPPORTED: i32 = -1;
/// There is no property, key or service of this name.
pub const UNKNOWN: i32 = -2;
/// Not permitted: the capability is not declared, the section is not readable, or it is too late to register a route.
pub const REFUSED: i32 = -3;
/// An argument breaks a rule: a null pointer, text that is not UTF-8, a `struct_size` that is too small.
pub const INVALID: i32 = -4;
/// Not possible now; may be later.
pub const UNAVAILABLE: i32 = -5;
/// It failed. Any other positive number but [`PANIC`] means the same.
pub const FAILED: i32 = 1;
/// A panic or an exception was caught at the border.
pub const PANIC: i32 = 255;

/// Something is broken.
pub const LOG_ERROR: i32 = 0;
/// Something is odd; work goes on.
pub const LOG_WARN: i32 = 1;
/// What an operator wants to see.
pub const LOG_INFO: i32 = 2;
/// What helps to find mistakes.
pub const LOG_DEBUG: i32 = 3;
/// Every step.
pub const LOG_TRACE: i32 = 4;
