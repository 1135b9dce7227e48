//! The kit for plugins in Rust. A plugin is a type that implements [`Plugin`], named to the macro [`plugin!`], in a library of
//! the kind `cdylib`:
//!
//! ```
//! use gridshell_plugin::{Capability, Config, Host, Plugin, Request, Response, plugin};
//!
//! struct Hello;
//!
//! impl Plugin for Hello {
//!     const SERVICES: &'static [&'static str] = &["hello"];
//!     const CAPABILITIES: &'static [Capability] = &[Capability::Http];
//!
//!     fn create(host: Host, _: &Config<'_>) -> Result<Self, String> {
//!         host.register_route("hello", "GET", "/hello").map_err(|error| error.to_string())?;
//!         Ok(Hello)
//!     }
//!
//!     fn handle(&self, _: &Request<'_>) -> Response {
//!         Response::text("hello\n")
//!     }
//! }
//!
//! plugin!(Hello);
//! ```
//!
//! Nothing that a plugin does through this crate is unsafe, and no panic leaves it: the server is told of it with the status 255,
//! and goes on (plugins.md section 5.5). For a plugin's own tests there is a server in [`testing`]. What the functions of the
//! border mean is written in the header `gridshell_plugin.h`.

#[cfg(all(panic = "abort", not(feature = "panic-abort")))]
compile_error!(
    "with panic=\"abort\" a panic of the plugin ends the whole server: build with panic=\"unwind\", \
     or turn on the feature `panic-abort` of gridshell-plugin if that is meant"
);

mod config;
mod error;
#[doc(hidden)]
pub mod export;
mod guard;
mod host;
mod message;
mod plugin;
mod properties;
pub mod testing;

pub use config::Config;
pub use error::HostError;
pub use host::{Host, Level};
pub use message::{Request, Response};
pub use plugin::{Capability, Failure, Health, Plugin, Threading};

#[doc(hidden)]
pub use gridshell_plugin_abi as abi;

/// Exports a type that implements [`Plugin`] as the plugin of this library. The plugin's name is that of the library, so that it
/// always fits to the file's; version, authors and license are those of the package.
#[macro_export]
macro_rules! plugin {
    ($plugin:ty) => {
        const _: () = {
            use ::std::sync::OnceLock;
            use $crate::abi;
            use $crate::export::{self, Package, Properties};

            #[used]
            #[unsafe(link_section = ".note.gridshell.plugin")]
            static NOTE: abi::Note = abi::Note::OURS;

            static PROPERTIES: OnceLock<Properties> = OnceLock::new();

            static TABLE: abi::Plugin = export::table::<$plugin>(get_property);

            fn properties() -> &'static Properties {
                PROPERTIES.get_or_init(|| {
                    Properties::of::<$plugin>(&Package {
                        name: env!("CARGO_CRATE_NAME"),
                        version: env!("CARGO_PKG_VERSION"),
                        authors: env!("CARGO_PKG_AUTHORS"),
                        license: env!("CARGO_PKG_LICENSE"),
                    })
                })
            }

            unsafe extern "C" fn get_property(name: abi::Str, out: *mut abi::Str) -> i32 {
                // SAFETY: the server keeps to the header.
                unsafe { export::get_property(properties, name, out) }
            }

            #[unsafe(no_mangle)]
            extern "C" fn gridshell_plugin_abi_major() -> u32 {
                abi::ABI_MAJOR as u32
            }

            #[unsafe(no_mangle)]
            extern "C" fn gridshell_plugin_abi_minor() -> u32 {
                abi::ABI_MINOR as u32
            }

            #[unsafe(no_mangle)]
            unsafe extern "C" fn gridshell_plugin_entry_v1(host: *const abi::Host) -> *const abi::Plugin {
                // SAFETY: the server keeps to the header.
                unsafe { export::entry(host, &TABLE) }
            }
        };
    };
}
