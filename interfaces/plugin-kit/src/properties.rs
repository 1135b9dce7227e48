//! The plugin's properties (plugins.md section 5.3).

use crate::abi::{self, capability, property};
use crate::{Capability, Plugin, Threading};

/// What the macro knows of the package.
#[derive(Clone, Copy, Debug)]
pub struct Package {
    /// The library's name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// Its authors, separated by colons; may be empty.
    pub authors: &'static str,
    /// Its license; may be empty.
    pub license: &'static str,
}

/// All properties, with their values.
#[derive(Debug)]
pub struct Properties(Vec<(&'static str, String)>);

impl Properties {
    /// Those of a plugin. What the package does not say is left out.
    pub fn of<P: Plugin>(package: &Package) -> Self {
        let capabilities: Vec<&str> = P::CAPABILITIES.iter().map(|it| capability_name(*it)).collect();
        let threading = match P::THREADING {
            Threading::Concurrent => "concurrent",
            Threading::Serial => "serial",
        };
        let mut all = vec![
            (property::NAME, package.name.to_owned()),
            (property::VERSION, package.version.to_owned()),
            (property::SERVICES, P::SERVICES.join(",")),
            (property::CAPABILITIES, capabilities.join(",")),
            (property::THREADING, threading.to_owned()),
            (property::PANIC, if cfg!(panic = "unwind") { "unwind" } else { "abort" }.to_owned()),
            (property::BUILD, env!("GRIDSHELL_PLUGIN_BUILD").to_owned()),
            (property::SUPPORTS_UNLOAD, "false".to_owned()),
            (property::BLOCKING, if P::BLOCKING { "yes" } else { "no" }.to_owned()),
        ];
        if !package.authors.is_empty() {
            all.push((property::AUTHOR, package.authors.replace(':', ", ")));
        }
        if !package.license.is_empty() {
            all.push((property::LICENSE, package.license.to_owned()));
        }
        if let Some(keys) = P::CONFIG_KEYS {
            all.push((property::CONFIG_KEYS, keys.join(",")));
        }
        Self(all)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }
}

fn capability_name(capability: Capability) -> &'static str {
    match capability {
        Capability::Http => capability::HTTP,
        Capability::Console => capability::CONSOLE,
        Capability::CallService => capability::CALL_SERVICE,
    }
}

/// The property as the server gets it.
///
/// # Safety
/// The name is valid; `out` is null or can be written to.
pub unsafe fn answer(properties: &'static Properties, name: abi::Str, out: *mut abi::Str) -> i32 {
    // SAFETY: promised by the caller.
    let (Some(name), Some(out)) = (unsafe { name.as_str() }, unsafe { out.as_mut() }) else { return abi::INVALID };
    match properties.get(name) {
        Some(value) => {
            *out = abi::Str::new(value);
            abi::OK
        }
        None => abi::UNKNOWN,
    }
}
