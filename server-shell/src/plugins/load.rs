//! Loading a plugin's library, step by step (plugins.md section 5.4). Each step gives a verdict; what it has found goes into the next.
//!
//! [`check_file`] is steps 1 to 4, which run nothing of the plugin, [`Residents::check`] is step 5, [`PluginLibrary::probe`] step 6,
//! [`PluginLibrary::load`] steps 7 to 9. Step 10 makes an instance: [`super::instance::Instance::create`].

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use gridshell_plugin_abi::ABI_MAJOR;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;
use sha2::{Digest, Sha256};

use super::border::{Code, HostTable, Mapped};
use super::context::{Client, Context, Counters};
use super::elf;
use super::metrics::Tally;
use super::own_services::ShellServices;
use super::process::{self, NotLoadable, ProcessLimits, Remains};
use super::properties::{Properties, is_name};
use super::refusal::{Refusal, Step};

/// Sizes that a plugin's file may have, in bytes.
const SIZES: std::ops::RangeInclusive<u64> = 4096..=256 * 1024 * 1024;

/// What the operator permits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// The folder of the plugins.
    pub directory: PathBuf,
    /// The files in it that may be loaded.
    pub allow: Vec<String>,
    /// Libraries without the note may be loaded, which is for development.
    pub allow_unmarked: bool,
}

/// A file that may be loaded. It is open, and what was checked is what this descriptor leads to.
pub struct CheckedFile {
    /// Its name, as the configuration has it.
    pub file: String,
    /// The plugin's name.
    pub name: String,
    /// The hash of its bytes, in hexadecimal.
    pub sha256: String,
    /// The bytes themselves.
    pub bytes: Vec<u8>,
    version: Option<elf::NotedVersion>,
    identity: Identity,
    descriptor: File,
}

/// Which file it is, whatever it is called: device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity(u64, u64);

/// The name of the plugin in a file: `libx.so` is `x`.
pub fn plugin_name(file: &str) -> Option<&str> {
    let stem = file.strip_suffix(".so")?;
    let name = stem.strip_prefix("lib").unwrap_or(stem);
    is_name(name).then_some(name)
}

/// Steps 1 to 4. Nothing of the plugin runs.
///
/// # Errors
/// The first step that fails.
pub fn check_file(file: &str, permission: &Permission, sha256: Option<&str>) -> Result<CheckedFile, Refusal> {
    let refuse = |what: &str, expected: &str, found: String| Err(Refusal::new(file, Step::Name, what, expected, found));
    if file.contains('/') || file.contains("..") {
        return refuse("the name", "a plain file name", format!("{file:?}"));
    }
    if plugin_name(file).is_none() {
        return refuse("the name", "letters, digits and -_. before .so", format!("{file:?}"));
    }
    if !permission.allow.iter().any(|allowed| allowed == file) {
        let list = if permission.allow.is_empty() { "nothing" } else { &permission.allow.join(", ") };
        return refuse("the name", "one that [Plugins] Allow lists", format!("{list} there"));
    }
    check_file_in(&permission.directory, file, file, permission.allow_unmarked, sha256)
}

/// Steps 2 to 4 for the file `path` of a folder; `file` is what it is called in messages.
///
/// # Errors
/// The first step that fails.
pub fn check_file_in(
    directory: &Path,
    path: &str,
    file: &str,
    allow_unmarked: bool,
    sha256: Option<&str>,
) -> Result<CheckedFile, Refusal> {
    let (descriptor, identity) = open_file(directory, path, file)?;
    check_open_file(descriptor, identity, file, allow_unmarked, sha256)
}

/// Steps 2 to 4 as far as they concern what is in a file.
fn check_open_file(
    descriptor: File,
    identity: Identity,
    file: &str,
    allow_unmarked: bool,
    sha256: Option<&str>,
) -> Result<CheckedFile, Refusal> {
    let bytes = read_whole(&descriptor);
    let bytes = bytes.map_err(|error| Refusal::new(file, Step::File, "the file", "one that can be read", error))?;
    if !SIZES.contains(&(bytes.len() as u64)) {
        let expected = format_args!("{} to {} bytes", SIZES.start(), SIZES.end());
        return Err(Refusal::new(file, Step::File, "the size", expected, format_args!("{} bytes", bytes.len())));
    }
    let found: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    if let Some(expected) = sha256.filter(|expected| !expected.eq_ignore_ascii_case(&found)) {
        return Err(Refusal::new(file, Step::Hash, "the SHA-256", expected, found));
    }
    let version = elf::examine(&bytes, !allow_unmarked)
        .map_err(|misfit| Refusal::new(file, Step::Elf, misfit.what, misfit.expected, misfit.found))?;
    let name = plugin_name(file).unwrap_or_default().to_owned();
    Ok(CheckedFile { file: file.to_owned(), name, sha256: found, bytes, version, identity, descriptor })
}

/// Reads a file, but not much more than plugins may have. Other processes may have the same descriptor, with the same position in the file,
/// so that is neither used nor changed.
fn read_whole(file: &File) -> io::Result<Vec<u8>> {
    const PIECE: usize = 1024 * 1024;
    let mut bytes = Vec::new();
    loop {
        let filled = bytes.len();
        bytes.resize(filled + PIECE, 0);
        let read = file.read_at(&mut bytes[filled..], filled as u64)?;
        bytes.truncate(filled + read);
        if read == 0 || bytes.len() as u64 > *SIZES.end() {
            return Ok(bytes);
        }
    }
}

/// Opens the file once, without following links, and checks whose it is.
fn open_file(directory: &Path, path: &str, file: &str) -> Result<(File, Identity), Refusal> {
    let refusal = |what: &str, expected: &str, found: String| Refusal::new(file, Step::File, what, expected, found);
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    let folder = open(directory, flags | OFlag::O_DIRECTORY, Mode::empty());
    let folder =
        folder.map_err(|error| refusal("the folder", "one that can be opened", format!("{}: {error}", directory.display())))?;
    let folder = File::from(folder);
    check_owner(&folder, "the folder", file)?;
    // Not to wait for the other end of a pipe.
    let opened = openat(&folder, path, flags | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK, Mode::empty());
    let opened = opened.map_err(|error| match error {
        nix::Error::ELOOP => refusal("the file", "a regular file", "a symbolic link".to_owned()),
        error => refusal("the file", "one that can be opened", format!("{}: {error}", directory.join(path).display())),
    })?;
    let opened = File::from(opened);
    let metadata = check_owner(&opened, "the file", file)?;
    if !metadata.is_file() {
        return Err(refusal("the file", "a regular file", format!("{:?}", metadata.file_type())));
    }
    if !SIZES.contains(&metadata.len()) {
        let expected = format!("{} to {} bytes", SIZES.start(), SIZES.end());
        return Err(refusal("the size", &expected, format!("{} bytes", metadata.len())));
    }
    Ok((opened, Identity(metadata.dev(), metadata.ino())))
}

fn check_owner(opened: &File, what: &str, file: &str) -> Result<std::fs::Metadata, Refusal> {
    let refusal = |what: String, expected: &str, found: String| Refusal::new(file, Step::File, what, expected, found);
    let metadata = opened.metadata();
    let metadata = metadata.map_err(|error| refusal(what.to_owned(), "one that can be looked at", error.to_string()))?;
    let own = nix::unistd::geteuid().as_raw();
    match foreign_hand(metadata.uid(), own, metadata.mode()) {
        None => Ok(metadata),
        Some((of_it, expected, found)) => Err(refusal(format!("{of_it} of {what}"), &expected, found)),
    }
}

/// Who else than root and the server's user, `own`, could change what has this owner and mode: what about it is wrong, what it should be
/// and what it is.
fn foreign_hand(owner: u32, own: u32, mode: u32) -> Option<(&'static str, String, String)> {
    if owner != 0 && owner != own {
        return Some(("the owner", format!("root or the server's user ({own})"), format!("user {owner}")));
    }
    let is_open = mode & 0o022 != 0;
    is_open.then(|| ("the mode", "not writable by group or others".to_owned(), format!("{:o}", mode & 0o7777)))
}

/// Where the code of a plugin is.
#[derive(Clone)]
pub enum Home {
    /// In this process, where it stays.
    Here(Code),
    /// In processes of its own, one for each instance.
    Apart(Arc<Remains>),
}

/// A plugin's library.
pub struct PluginLibrary {
    /// The name of its file, as the configuration has it.
    pub file: String,
    /// The plugin's name. Leaked, since libraries are.
    pub name: &'static str,
    /// The hash of the file.
    pub sha256: String,
    /// What it says of itself.
    pub properties: Properties,
    /// Where its code is.
    pub home: Home,
    /// What it has done.
    pub tally: Tally,
    /// The counters that it has made.
    pub counters: Arc<Counters>,
    /// Instances that were not destroyed yet.
    pub living: AtomicUsize,
    identity: Identity,
}

/// What is in the process already.
#[derive(Default)]
pub struct Residents {
    /// The libraries that can be used, the newest last.
    pub libraries: Vec<Arc<PluginLibrary>>,
    /// Code that is there but was refused, by the file's name and hash: it must not be asked again.
    refused: Vec<(String, String, Refusal)>,
    /// Files that no process could load.
    blocked: Vec<Blocked>,
}

/// A file that has crashed or hung when a process of its own loaded it.
struct Blocked {
    file: String,
    sha256: String,
    /// How the process was bounded. With other bounds it may go well.
    limits: ProcessLimits,
    refusal: Refusal,
}

impl Residents {
    /// The libraries of a plugin.
    pub fn of(&self, name: &str) -> impl Iterator<Item = &Arc<PluginLibrary>> {
        self.libraries.iter().filter(move |library| library.name == name)
    }

    /// Forgets libraries that were in processes which have ended.
    pub fn forget_ended(&mut self) {
        self.libraries.retain(|library| !library.is_apart() || Arc::strong_count(library) > 1);
    }

    /// How many versions of a plugin's code are in the process, used or not.
    pub fn count(&self, name: &str) -> usize {
        let used = self.of(name).filter(|library| !library.is_apart()).count();
        used + self.refused.iter().filter(|(file, ..)| plugin_name(file) == Some(name)).count()
    }

    /// Whether this very code was refused before.
    ///
    /// # Errors
    /// Why it was.
    pub fn check_history(&self, checked: &CheckedFile) -> Result<(), Refusal> {
        let known = self.refused.iter().find(|(file, sha256, _)| (file, sha256) == (&checked.file, &checked.sha256));
        known.map_or(Ok(()), |(.., refusal)| Err(refusal.clone()))
    }

    /// Step 5: whether a file is loaded already, into this process.
    ///
    /// # Errors
    /// It is.
    pub fn check(&self, checked: &CheckedFile) -> Result<(), Refusal> {
        match self.libraries.iter().find(|library| !library.is_apart() && library.identity == checked.identity) {
            Some(library) => {
                let found = format!("{}, which is the same file", library.file);
                Err(Refusal::new(&checked.file, Step::Loaded, "the file", "one that is not loaded yet", found))
            }
            None => Ok(()),
        }
    }

    /// Whether a file has failed at step 6 before, in a process with these bounds.
    ///
    /// # Errors
    /// It has.
    pub fn check_blocked(&self, checked: &CheckedFile, limits: ProcessLimits) -> Result<(), Refusal> {
        let is_same =
            |blocked: &&Blocked| (&blocked.file, &blocked.sha256, blocked.limits) == (&checked.file, &checked.sha256, limits);
        self.blocked.iter().find(is_same).map_or(Ok(()), |Blocked { refusal, .. }| {
            let found = format!("{}; it is blocked until the program is started again", refusal.found);
            Err(Refusal { found, ..refusal.clone() })
        })
    }

    /// A file could not be loaded by a process with these bounds. If it has crashed or hung, it is not tried again (plugins.md section 5.4,
    /// step 6); what the system cannot do now, it may do later.
    pub fn block(&mut self, file: &str, sha256: &str, limits: ProcessLimits, failure: &NotLoadable) {
        if failure.has_crashed {
            tracing::error!("[PLUGINS]: {file} with the SHA-256 {sha256} is blocked until the program is started again");
            let refusal = failure.refusal.clone();
            self.blocked.push(Blocked { file: file.to_owned(), sha256: sha256.to_owned(), limits, refusal });
        }
    }

    /// Adds a library that was loaded by processes of its own.
    pub fn add_apart(&mut self, library: PluginLibrary) -> Arc<PluginLibrary> {
        let library = Arc::new(library);
        self.libraries.push(library.clone());
        library
    }

    /// Remembers what became of a file with this hash that [`PluginLibrary::load`] has opened.
    ///
    /// # Errors
    /// The refusal that it was given.
    pub fn remember(&mut self, sha256: String, outcome: Result<PluginLibrary, Refusal>) -> Result<Arc<PluginLibrary>, Refusal> {
        match outcome {
            Ok(library) => {
                let library = Arc::new(library);
                self.libraries.push(library.clone());
                Ok(library)
            }
            Err(refusal) => {
                if refusal.step != Step::Open {
                    self.refused.push((refusal.file.clone(), sha256, refusal.clone()));
                }
                Err(refusal)
            }
        }
    }
}

impl CheckedFile {
    /// What the server has checked, in the process that is to load it: an open file, which must have this hash still.
    ///
    /// # Errors
    /// It was changed meanwhile.
    pub fn inherited(descriptor: File, file: &str, allow_unmarked: bool, sha256: &str) -> Result<Self, Refusal> {
        let metadata = descriptor.metadata();
        let metadata =
            metadata.map_err(|error| Refusal::new(file, Step::File, "the file", "one that can be looked at", error))?;
        let identity = Identity(metadata.dev(), metadata.ino());
        check_open_file(descriptor, identity, file, allow_unmarked, Some(sha256))
    }

    /// Another descriptor for the same file.
    ///
    /// # Errors
    /// The system has none.
    pub fn descriptor(&self) -> io::Result<File> {
        self.descriptor.try_clone()
    }

    /// The version of its note, when it has one.
    pub fn noted_version(&self) -> Option<elf::NotedVersion> {
        self.version
    }

    fn refusal(&self, step: Step, what: &str, expected: impl std::fmt::Display, found: impl std::fmt::Display) -> Refusal {
        Refusal::new(&self.file, step, what, expected, found)
    }
}

impl PluginLibrary {
    /// Step 6: whether a process of its own can load it. Gives what the plugin says of itself there.
    ///
    /// # Errors
    /// The step of [`PluginLibrary::load`] that fails there; step 6 when the process ends or takes too long.
    pub fn probe(checked: &CheckedFile) -> Result<Vec<(String, String)>, NotLoadable> {
        process::probe(checked)
    }

    /// Steps 6 to 9 for a plugin that runs in processes of its own: all in one that ends then.
    ///
    /// # Errors
    /// The first step that fails.
    pub fn load_apart(checked: CheckedFile, limits: ProcessLimits) -> Result<Self, NotLoadable> {
        let (remains, properties) = process::load_apart(&checked, limits)?;
        Ok(Self::of(checked, properties, Home::Apart(remains)))
    }

    /// Whether it runs in processes of its own.
    pub fn is_apart(&self) -> bool {
        matches!(self.home, Home::Apart(_))
    }

    /// How its processes are bounded, when it runs in some.
    pub fn process_limits(&self) -> Option<ProcessLimits> {
        match &self.home {
            Home::Here(_) => None,
            Home::Apart(remains) => Some(remains.limits),
        }
    }

    /// What an instance of it is to the server, which asks these services for it.
    pub fn client(&self, shell: Arc<dyn ShellServices>) -> Client {
        Client {
            plugin: self.name.to_owned(),
            capabilities: self.properties.capabilities,
            services: self.properties.services.clone(),
            counters: self.counters.clone(),
            shell,
        }
    }

    fn of(checked: CheckedFile, properties: Properties, home: Home) -> Self {
        let name: &'static str = Box::leak(checked.name.into_boxed_str());
        Self {
            file: checked.file,
            name,
            sha256: checked.sha256,
            properties,
            home,
            tally: Tally::new(name),
            counters: Arc::new(Counters::new(name)),
            living: AtomicUsize::new(0),
            identity: checked.identity,
        }
    }

    /// Steps 7 to 9: code of the plugin runs.
    ///
    /// # Errors
    /// The first step that fails. Unless that is [`Step::Open`], the code stays in the process all the same.
    pub fn load(mut checked: CheckedFile) -> Result<Self, Refusal> {
        // Not needed any more, and large.
        checked.bytes = Vec::new();
        if checked.version.is_none() {
            tracing::warn!(
                "[PLUGINS]: {} has no note; it is loaded because of [Plugins] AllowUnmarked, which is for development only",
                checked.file
            );
        }
        let descriptor = checked.descriptor.try_clone();
        let mapped = descriptor.map_err(|error| error.to_string()).and_then(Mapped::open);
        let mapped = mapped.map_err(|error| checked.refusal(Step::Open, "the system", "that it loads the library", error))?;
        let (major, minor) =
            mapped.versions().map_err(|missing| checked.refusal(Step::Symbols, "the symbols", missing, "no such symbol"))?;
        if !mapped.has_entry() {
            let entry = gridshell_plugin_abi::symbol::ENTRY;
            return Err(checked.refusal(Step::Symbols, "the symbols", entry, "no such symbol"));
        }
        let noted = checked.version.map_or((u32::from(ABI_MAJOR), minor), |noted| (noted.major.into(), noted.minor.into()));
        if (major, minor) != noted {
            let expected = format_args!("{}.{}, as the note says", noted.0, noted.1);
            return Err(checked.refusal(Step::Versions, "the version functions", expected, format_args!("{major}.{minor}")));
        }
        // Leaked: the plugin may keep it for ever.
        let host = Box::leak(Box::new(HostTable::new(Arc::new(Context::of_entry(&checked.name)))));
        let code = mapped
            .table(host)
            .map_err(|(expected, found)| checked.refusal(Step::Table, "the entry function", expected, found))?;
        let properties = Properties::read(&checked.name, |name| code.property(name));
        let properties = properties.map_err(|wrong| wrong.refusal(&checked.file))?;
        Ok(Self::of(checked, properties, Home::Here(code)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_and_the_own_user_may_have_a_hand_in_it() {
        const OWN: u32 = 1000;
        for (owner, mode) in [(0, 0o755), (OWN, 0o755), (OWN, 0o100_500), (0, 0o644)] {
            assert_eq!(foreign_hand(owner, OWN, mode), None, "{owner} {mode:o}");
        }
        let (what, expected, found) = foreign_hand(1001, OWN, 0o755).unwrap();
        assert_eq!((what, &*expected, &*found), ("the owner", "root or the server's user (1000)", "user 1001"));
        // Nor for a server that runs as root.
        assert_eq!(foreign_hand(OWN, 0, 0o700).unwrap().0, "the owner");
        for mode in [0o775, 0o757, 0o020, 0o002, 0o41777] {
            let (what, _, found) = foreign_hand(0, OWN, mode).unwrap();
            assert_eq!((what, found), ("the mode", format!("{:o}", mode & 0o7777)));
        }
    }

    fn checked(file: &str) -> CheckedFile {
        CheckedFile {
            file: file.to_owned(),
            name: "x".to_owned(),
            sha256: "0".repeat(64),
            bytes: Vec::new(),
            version: None,
            identity: Identity(0, 0),
            descriptor: File::open("/dev/null").unwrap(),
        }
    }

    /// What is started is this test's program, which does not know the command and ends at once; with a name that no command line can
    /// have, nothing is started at all.
    #[test]
    fn only_what_has_run_and_failed_is_blocked() {
        for (file, is_blocked) in [("libx.so", true), ("lib\0x.so", false)] {
            let (checked, mut residents) = (checked(file), Residents::default());
            let failures = [
                PluginLibrary::probe(&checked).err().unwrap(),
                process::load_apart(&checked, ProcessLimits::default()).err().unwrap(),
            ];
            for failure in failures {
                assert_eq!((failure.refusal.step, failure.has_crashed), (Step::Probe, is_blocked), "{}", failure.refusal);
                residents.block(file, &checked.sha256, ProcessLimits::default(), &failure);
                assert_eq!(residents.check_blocked(&checked, ProcessLimits::default()).is_err(), is_blocked);
                let more = ProcessLimits { memory_megabytes: 500, open_files: 0 };
                assert!(residents.check_blocked(&checked, more).is_ok(), "it may go well with other bounds");
            }
        }
    }
}
