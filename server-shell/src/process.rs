//! The process itself: its PID file, and what the system says of it.

use std::fs;
use std::path::PathBuf;

use crate::console::Statistic;

/// The PID file while the program runs; deleted when this is dropped (shell.md section 7.3).
pub struct PidFile {
    path: PathBuf,
}

impl PidFile {
    /// Writes the process id as decimal digits without a line end. That it cannot be written is only a warning.
    pub fn write(path: &str) -> Option<Self> {
        let path = PathBuf::from(path);
        if path.exists() {
            tracing::error!(
                "[SERVER BASE]: Previous pid file {} still exists on startup.  Possibly previously unclean shutdown.",
                path.display()
            );
        }
        match fs::write(&path, std::process::id().to_string()) {
            Ok(()) => Some(Self { path }),
            Err(error) => {
                tracing::warn!(%error, "[SERVER BASE]: cannot write the PID file {}", path.display());
                None
            }
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(%error, "[SERVER BASE]: cannot delete the PID file {}", self.path.display());
        }
    }
}

/// Processor time, threads and memory (shell.md section 8.5), as far as Linux tells them in /proc/self.
pub fn statistics() -> Vec<Statistic> {
    let mut statistics = Vec::new();
    let mut add = |container: &str, name: &str, value: f64, unit: &str| {
        statistics.push(Statistic {
            category: "server".to_owned(),
            container: container.to_owned(),
            name: name.to_owned(),
            value,
            unit: unit.to_owned(),
        });
    };
    if let Some((user, system)) = processor_seconds() {
        add("processor", "TotalProcessorTime", user + system, "sec");
        add("processor", "UserProcessorTime", user, "sec");
        add("processor", "PrivilegedProcessorTime", system, "sec");
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse::<f64>().ok()
    };
    if let Some(threads) = field("Threads") {
        add("processor", "Threads", threads, "");
    }
    for (name, line) in [
        ("ProcessResident", "VmRSS"),
        ("PeakProcessResident", "VmHWM"),
        ("ProcessVirtual", "VmSize"),
        ("PeakProcessVirtual", "VmPeak"),
    ] {
        if let Some(kilobytes) = field(line) {
            add("process", name, kilobytes / 1024.0, "MB");
        }
    }
    statistics
}

/// User and system time of the process, in seconds.
fn processor_seconds() -> Option<(f64, f64)> {
    /// Ticks of /proc a second; the same on every Linux that there is.
    const TICKS: f64 = 100.0;
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program, in parentheses, may contain anything; the numbers begin behind it.
    let mut numbers = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut next = || numbers.next()?.parse::<f64>().ok().map(|ticks| ticks / TICKS);
    Some((next()?, next()?))
}
