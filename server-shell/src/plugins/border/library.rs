//! A plugin's library and its table of functions; an instance of it.

use std::ffi::c_void;
use std::fs::File;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use gridshell_plugin_abi::{self as abi, Entry, Pair, Str, Unreadable, VersionNumber, symbol};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use nix::libc::RTLD_NODELETE;

use super::host::HostTable;
use crate::plugins::context::Texts;

/// Texts of plugins that are longer are cut or refused, by their meaning.
const MAX_TEXT_BYTES: usize = 64 * 1024;

/// A library that is mapped into the process, for as long as the process lives.
pub struct Mapped {
    library: &'static Library,
}

/// The table of a plugin whose required functions are all there.
#[derive(Clone, Copy)]
pub struct Code {
    get_property: abi::GetProperty,
    create: abi::Create,
    destroy: abi::Destroy,
    handle: abi::Handle,
    release: abi::Release,
    reconfigure: Option<abi::Reconfigure>,
    health: Option<abi::Health>,
    command: Option<abi::Command>,
}

impl Mapped {
    /// Maps the library that a descriptor is open on. Its constructors run now. The descriptor stays open for ever: the system tells
    /// libraries apart by the text of their path, which has the descriptor's number in it (plugins.md section 3.2).
    ///
    /// # Errors
    /// What the system says.
    pub fn open(file: File) -> Result<Self, String> {
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        // SAFETY: the library's constructors do what they want; the operator has put it on the list.
        let library = unsafe { Library::open(Some(&path), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE) };
        let library = library.map_err(|error| match std::error::Error::source(&error) {
            Some(reason) => format!("{error}: {reason}"),
            None => error.to_string(),
        })?;
        let _stays_open = file.into_raw_fd();
        // Leaked: nothing is ever unloaded (plugins.md section 5.7).
        Ok(Self { library: Box::leak(Box::new(library)) })
    }

    /// What the two version functions say: major and minor.
    ///
    /// # Errors
    /// The name of a symbol that is not there.
    pub fn versions(&self) -> Result<(u32, u32), &'static str> {
        let version = |name| {
            // SAFETY: of the kind that the header declares for this name.
            unsafe { self.library.get::<VersionNumber>(name) }.map(|function| *function).map_err(|_| name)
        };
        let (major, minor) = (version(symbol::ABI_MAJOR)?, version(symbol::ABI_MINOR)?);
        // SAFETY: they take nothing and give a number.
        Ok(unsafe { (major(), minor()) })
    }

    /// Whether the entry function is there.
    pub fn has_entry(&self) -> bool {
        self.entry().is_some()
    }

    fn entry(&self) -> Option<Entry> {
        // SAFETY: of the kind that the header declares for this name.
        unsafe { self.library.get::<Entry>(symbol::ENTRY) }.ok().map(|function| *function)
    }

    /// Calls the entry function. The host's table must live for ever.
    ///
    /// # Errors
    /// What is expected, and what was found instead.
    pub fn table(&self, host: &'static HostTable) -> Result<Code, (String, String)> {
        let wrong = |expected: &str, found: &str| (expected.to_owned(), found.to_owned());
        let entry = self.entry().ok_or_else(|| wrong(symbol::ENTRY, "no such symbol"))?;
        // SAFETY: the table is of the header's form.
        let table = unsafe { entry(host.as_ptr()) };
        // SAFETY: the plugin keeps to the header, which lets the table be read for ever.
        let table = unsafe { abi::read(table) }.map_err(|unreadable| match unreadable {
            Unreadable::Nowhere => wrong("a table of functions", "null: the plugin refuses"),
            Unreadable::TooShort(size) => {
                wrong(&format!("a table of {} bytes at least", abi::Plugin::SIZE_1_0), &format!("{size} bytes"))
            }
        })?;
        let missing = |name: &str| (format!("the function {name}"), "a null pointer".to_owned());
        Ok(Code {
            get_property: table.get_property.ok_or_else(|| missing("get_property"))?,
            create: table.create.ok_or_else(|| missing("create"))?,
            destroy: table.destroy.ok_or_else(|| missing("destroy"))?,
            handle: table.handle.ok_or_else(|| missing("handle"))?,
            release: table.release.ok_or_else(|| missing("release"))?,
            reconfigure: table.reconfigure,
            health: table.health,
            command: table.command,
        })
    }
}

impl Code {
    /// A property, `None` when the plugin does not know it.
    ///
    /// # Errors
    /// What came back instead of a text.
    pub fn property(&self, name: &str) -> Result<Option<String>, String> {
        let mut out = Str::EMPTY;
        // SAFETY: the name lives during the call, and `out` can be written to.
        match unsafe { (self.get_property)(Str::new(name), &mut out) } {
            abi::OK => {}
            abi::UNKNOWN => return Ok(None),
            abi::PANIC => return Err("a panic (status 255)".to_owned()),
            status => return Err(format!("status {status}")),
        }
        if out.len > MAX_TEXT_BYTES {
            return Err(format!("a text of {} bytes", out.len));
        }
        // SAFETY: the text is valid for ever.
        let text = unsafe { out.as_str() };
        text.map(|text| Some(text.to_owned())).ok_or_else(|| "a text that is not UTF-8".to_owned())
    }

    /// Whether the plugin has commands for the console.
    pub fn has_commands(&self) -> bool {
        self.command.is_some()
    }

    /// Makes an instance.
    ///
    /// # Errors
    /// The status that was returned instead of 0.
    pub fn create(&self, host: HostTable, texts: &Texts) -> Result<RawInstance, i32> {
        let mut pointer = std::ptr::null_mut();
        let create = self.create;
        let status = with_config(texts, |config| {
            // SAFETY: the configuration lives during the call, the host's table until `destroy` has returned.
            unsafe { create(host.as_ptr(), config, &mut pointer) }
        });
        host.context().creation_is_over();
        if status == abi::OK { Ok(RawInstance { code: *self, pointer, host }) } else { Err(status) }
    }
}

/// An instance of a plugin. Dropping it calls `destroy`, which may take its time.
pub struct RawInstance {
    code: Code,
    pointer: *mut c_void,
    /// Until `destroy` has returned.
    host: HostTable,
}

// SAFETY: the header lets all functions of an instance be called from any thread.
unsafe impl Send for RawInstance {}
// SAFETY: `handle` and `release` may run at the same time; who calls the others takes care that they do not overlap.
unsafe impl Sync for RawInstance {}

impl RawInstance {
    /// The server's side of the instance.
    pub fn host(&self) -> &HostTable {
        &self.host
    }

    /// Whether the plugin has commands for the console.
    pub fn has_commands(&self) -> bool {
        self.code.has_commands()
    }

    /// Calls `handle` with a request of the header's form.
    pub(super) fn call_handle(&self, request: &abi::Request, response: &mut abi::Response) -> i32 {
        // SAFETY: the instance lives; request and response live during the call.
        unsafe { (self.code.handle)(self.pointer, request, response) }
    }

    /// Gives a response of `handle` back.
    ///
    /// # Safety
    /// `handle` has filled it in and returned 0, and it was not given back yet.
    pub(super) unsafe fn call_release(&self, response: &mut abi::Response) {
        // SAFETY: promised by the caller.
        unsafe { (self.code.release)(self.pointer, response) }
    }

    /// Hands a changed configuration over; the status of that. No other call of this, `health` or `command` may run.
    pub fn reconfigure(&self, texts: &Texts) -> i32 {
        let Some(reconfigure) = self.code.reconfigure else { return abi::NOT_SUPPORTED };
        // SAFETY: the instance lives; the configuration lives during the call.
        with_config(texts, |config| unsafe { reconfigure(self.pointer, config) })
    }

    /// Asks how the instance is: a status and a text for people. No other call of this, `reconfigure` or `command` may run.
    pub fn health(&self) -> (i32, String) {
        let Some(health) = self.code.health else { return (abi::NOT_SUPPORTED, String::new()) };
        let mut detail = Str::EMPTY;
        // SAFETY: the instance lives, and `detail` can be written to.
        let status = unsafe { health(self.pointer, &mut detail) };
        if detail.len > MAX_TEXT_BYTES {
            return (status, "its text is too long".to_owned());
        }
        // SAFETY: the text is valid until the next call.
        (status, unsafe { detail.as_str() }.unwrap_or("its text is not UTF-8").to_owned())
    }

    /// Does a line of the console; `write` gets what it says. The status of that. No other call of this, `reconfigure` or `health` may
    /// run.
    pub fn command(&self, line: &str, mut write: impl FnMut(&str)) -> i32 {
        let Some(command) = self.code.command else { return abi::NOT_SUPPORTED };
        let mut write: &mut dyn FnMut(&str) = &mut write;
        let sink = abi::Sink { ctx: (&raw mut write).cast(), write: Some(write_to_sink) };
        // SAFETY: the instance lives; line and sink live during the call.
        unsafe { command(self.pointer, Str::new(line), sink) }
    }
}

impl Drop for RawInstance {
    fn drop(&mut self) {
        // SAFETY: nothing else has the instance any more: this is the last use.
        unsafe { (self.code.destroy)(self.pointer) };
    }
}

/// # Safety
/// As `write` of the header: the context is that of `command`, which is running.
unsafe extern "C" fn write_to_sink(ctx: *mut c_void, text: Str) {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the context is a local variable of `RawInstance::command`, whose call is running in this thread.
        let (write, text) = unsafe { (ctx.cast::<&mut dyn FnMut(&str)>().as_mut(), text.as_str()) };
        if let (Some(write), Some(text)) = (write, text) {
            write(text);
        }
    }));
    if outcome.is_err() {
        tracing::error!("[PLUGINS]: the console cannot print what a plugin says");
    }
}

/// Calls `use_it` with the configuration in the header's form.
fn with_config(texts: &Texts, use_it: impl FnOnce(&abi::Config) -> i32) -> i32 {
    let entries: Vec<Pair> =
        texts.entries.iter().map(|(name, value)| Pair { name: Str::new(name), value: Str::new(value) }).collect();
    use_it(&abi::Config {
        struct_size: size_of::<abi::Config>() as u32,
        section: Str::new(&texts.section),
        entries: entries.as_ptr(),
        entry_count: entries.len(),
    })
}
