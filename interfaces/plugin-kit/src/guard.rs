//! Panics end here.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{Host, Level, abi};

/// Calls `work`, and makes the status 255 of a panic. What it said goes into the server's log, where there is one.
pub fn guard(host: Option<&Host>, what: &str, work: impl FnOnce() -> i32) -> i32 {
    // What a panic leaves half done is the plugin's own: the server is told, and decides whether the instance goes on.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        if let Some(host) = host {
            host.log(Level::Error, &format!("panic in {what}: {}", message(&*payload)));
        }
        // Dropping it may panic again, with nobody left to catch that.
        std::mem::forget(payload);
        abi::PANIC
    })
}

fn message(payload: &(dyn Any + Send)) -> &str {
    match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text,
        (None, None) => "it said nothing",
    }
}
