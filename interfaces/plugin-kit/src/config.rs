//! The plugin's section of the configuration.

use crate::abi;

/// The keys of the plugin's section, after includes and substitution. Those of the server (`RequestTimeout` and the like) are
/// among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config<'a> {
    /// The section's name.
    pub section: &'a str,
    /// Names and values in their order.
    pub entries: Vec<(&'a str, &'a str)>,
}

impl<'a> Config<'a> {
    /// The value of a key; letter case matters. Where it is there twice, the first counts.
    pub fn get(&self, key: &str) -> Option<&'a str> {
        self.entries.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
    }

    /// What the server has handed over, or `None` when it breaks the rules.
    ///
    /// # Safety
    /// A pointer that is not null points to a configuration of the header's form, which nobody changes meanwhile; what that points
    /// to, nobody changes during `'a`.
    pub(crate) unsafe fn read(config: *const abi::Config) -> Option<Self> {
        // SAFETY: promised by the caller.
        let config = unsafe { abi::read(config) }.ok()?;
        // SAFETY: promised by the caller.
        unsafe {
            let pairs = abi::pairs(config.entries, config.entry_count)?;
            Some(Self { section: config.section.as_str()?, entries: crate::message::texts(pairs)? })
        }
    }
}
