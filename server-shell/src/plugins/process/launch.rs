//! Starting a process for a plugin, which loads the library; and the probe, which is that and no more.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::message::{Load, Message};
use super::stream::{Until, read_frame, write_frame};
use super::worker::{CANNOT_BEGIN, HOST_SWITCH, PROBE_SWITCH};
use crate::plugins::context::{Context, Level};
use crate::plugins::load::CheckedFile;
use crate::plugins::properties::Properties;
use crate::plugins::refusal::{Refusal, Step};

/// Where the system looks for libraries besides its own places, if the environment says so. Not for what plugins need (plugins.md section
/// 5.6).
pub const LIBRARY_PATH: &str = "LD_LIBRARY_PATH";

/// How long a library gets to be loaded (plugins.md section 5.4, step 6).
const PROBE_TIME: Duration = Duration::from_secs(10);

/// How a plugin's process is bounded; 0 is not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessLimits {
    /// Memory that it can write to, in megabytes.
    pub memory_megabytes: u64,
    /// Open files.
    pub open_files: u64,
}

/// What processes of a plugin are started with: the checked file, which stays open.
pub struct Remains {
    /// Its name, as the configuration has it.
    pub file: String,
    /// The plugin's name.
    pub name: String,
    /// Its hash.
    pub sha256: String,
    allow_unmarked: bool,
    descriptor: File,
    /// How processes are bounded.
    pub limits: ProcessLimits,
    /// Whether the plugin has commands for the console.
    pub has_commands: bool,
}

/// What a library says in a process.
pub struct Loaded {
    /// All its properties.
    pub properties: Vec<(String, String)>,
    /// Whether it has commands for the console.
    pub has_commands: bool,
}

/// A process that has loaded its library.
pub struct Started {
    /// The process.
    pub process: Process,
    /// The way to it.
    pub socket: UnixStream,
    /// What the library says.
    pub loaded: Loaded,
}

/// There is no process with the library.
pub enum NotStarted {
    /// The library is refused.
    Refused(Refusal),
    /// The process has ended, or was ended because it took too long: what became of it.
    Ended(String),
    /// No process can be started, or it could not even begin. That may pass.
    System(io::Error),
}

/// No process has loaded a library.
#[derive(Debug)]
pub struct NotLoadable {
    /// Why.
    pub refusal: Refusal,
    /// It has crashed or hung, and would do so again.
    pub has_crashed: bool,
}

impl From<Refusal> for NotLoadable {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, has_crashed: false }
    }
}

impl From<NotLoadable> for Refusal {
    fn from(failure: NotLoadable) -> Self {
        failure.refusal
    }
}

/// A process that does not outlive this.
pub struct Process(Child);

impl Process {
    /// Its id, valid until it was waited for.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        self.0.wait()
    }

    /// Ends it; how it has ended. One that has ended before is not changed by that.
    fn end(mut self) -> io::Result<ExitStatus> {
        let _ = self.0.kill();
        self.0.wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended, and been waited for; then both do nothing.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How a process has ended.
pub fn in_words(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(number), _) => match Signal::try_from(number) {
            Ok(signal) => format!("signal {number} ({signal})"),
            Err(_) => format!("signal {number}"),
        },
        (None, Some(code)) => format!("status {code}"),
        (None, None) => status.to_string(),
    }
}

impl Remains {
    /// What stays of a checked file.
    ///
    /// # Errors
    /// The system has no descriptor for it.
    fn new(checked: &CheckedFile, limits: ProcessLimits) -> Result<Self, Refusal> {
        let descriptor = checked.descriptor();
        let descriptor = descriptor
            .map_err(|error| Refusal::new(&checked.file, Step::Probe, "the file", "a descriptor for a process", error))?;
        Ok(Self {
            file: checked.file.clone(),
            name: checked.name.clone(),
            sha256: checked.sha256.clone(),
            allow_unmarked: checked.noted_version().is_none(),
            descriptor,
            limits,
            has_commands: false,
        })
    }

    /// Starts a process that loads the library, and waits for that until a moment. The process ends with the thread that calls this.
    ///
    /// # Errors
    /// It does not load it.
    pub fn launch(&self, until: Instant) -> Result<Started, NotStarted> {
        self.start(HOST_SWITCH, until)
    }

    fn start(&self, switch: &str, until: Instant) -> Result<Started, NotStarted> {
        let (socket, process) = self.spawn(switch).map_err(NotStarted::System)?;
        let context = Context::of_entry(&self.name);
        match self.load(&socket, &context, until) {
            Ok(Ok(loaded)) => Ok(Started { process, socket, loaded }),
            Ok(Err(refusal)) => Err(NotStarted::Refused(refusal)),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Err(NotStarted::Ended("it took too long".to_owned())),
            // What matters is why: the socket was closed by the end of the process, or that comes now.
            Err(_) => Err(match process.end() {
                Ok(status) if status.code() == Some(CANNOT_BEGIN.into()) => {
                    NotStarted::System(io::Error::other("one that cannot begin; it has said why"))
                }
                Ok(status) => NotStarted::Ended(in_words(status)),
                Err(error) => NotStarted::System(error),
            }),
        }
    }

    fn spawn(&self, switch: &str) -> io::Result<(UnixStream, Process)> {
        let (socket, theirs) = UnixStream::pair()?;
        // The program that runs now, whatever lies at its path meanwhile: both ends of the socket speak alike.
        let child = Command::new("/proc/self/exe")
            .arg0("gridshell")
            .arg(switch)
            .arg(&self.file)
            .stdin(OwnedFd::from(theirs))
            .stdout(OwnedFd::from(self.descriptor.try_clone()?))
            .env_remove(LIBRARY_PATH)
            // Not to be interrupted with the server at a terminal.
            .process_group(0)
            .spawn()?;
        Ok((socket, Process(child)))
    }

    fn load(&self, socket: &UnixStream, log: &Context, until: Instant) -> io::Result<Result<Loaded, Refusal>> {
        let ProcessLimits { memory_megabytes, open_files } = self.limits;
        let load = Load {
            file: &self.file,
            sha256: &self.sha256,
            allow_unmarked: self.allow_unmarked,
            memory: memory_megabytes.saturating_mul(1024 * 1024),
            open_files,
        };
        write_frame(&mut &*socket, &[], 1, &Message::Load(load))?;
        let broken = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
        loop {
            let frame = read_frame(&mut Until::new(socket, until))?.ok_or(io::ErrorKind::UnexpectedEof)?;
            match frame.message().map_err(|error| broken(error.to_string()))? {
                Message::Log { level, text } => log.log(Level::of_code(level), text),
                Message::Loaded { properties, has_commands } => {
                    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
                    return Ok(Ok(Loaded { properties: properties.into_iter().map(owned).collect(), has_commands }));
                }
                Message::Refused { code, what, expected, found } => {
                    let step = Step::of_code(code).ok_or_else(|| broken(format!("the code {code}")))?;
                    return Ok(Err(Refusal::new(&self.file, step, what, expected, found)));
                }
                other => return Err(broken(format!("{other:?}"))),
            }
        }
    }
}

impl Loaded {
    /// Step 9, with what the process says.
    fn read(&self, file: &str, name: &str) -> Result<Properties, Refusal> {
        let get = |key: &str| Ok(self.properties.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone()));
        Properties::read(name, get).map_err(|wrong| wrong.refusal(file))
    }
}

/// Step 6: steps 7 to 9 in a process of its own, which ends then. Gives the properties of the plugin.
///
/// # Errors
/// One of these steps fails; or the process crashes or takes too long, which is a failure of this one.
pub fn probe(checked: &CheckedFile) -> Result<Vec<(String, String)>, NotLoadable> {
    load(&Remains::new(checked, ProcessLimits::default())?).map(|loaded| loaded.properties)
}

/// The same for a plugin that is going to run in processes of its own: what they are started with, and what it says of itself.
///
/// # Errors
/// As [`probe`].
pub fn load_apart(checked: &CheckedFile, limits: ProcessLimits) -> Result<(Arc<Remains>, Properties), NotLoadable> {
    let mut remains = Remains::new(checked, limits)?;
    let loaded = load(&remains)?;
    let properties = loaded.read(&checked.file, &checked.name)?;
    remains.has_commands = loaded.has_commands;
    Ok((Arc::new(remains), properties))
}

fn load(remains: &Remains) -> Result<Loaded, NotLoadable> {
    let bounds = match remains.limits.memory_megabytes {
        0 => String::new(),
        megabytes => format!("; it may have {megabytes} MB (MaxMemoryMegabytes)"),
    };
    let refusal = |expected: &str, found: String| {
        Refusal::new(&remains.file, Step::Probe, "the process that loads it", expected, format_args!("{found}{bounds}"))
    };
    match remains.start(PROBE_SWITCH, Instant::now() + PROBE_TIME) {
        Ok(started) => Ok(started.loaded),
        Err(NotStarted::Refused(refusal)) => Err(refusal.into()),
        Err(NotStarted::Ended(how)) => {
            let expected = format!("that it loads the library within {} s", PROBE_TIME.as_secs());
            Err(NotLoadable { refusal: refusal(&expected, how), has_crashed: true })
        }
        Err(NotStarted::System(error)) => Err(refusal("one", error.to_string()).into()),
    }
}
