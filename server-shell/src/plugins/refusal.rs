//! Why a plugin is not used.

use std::fmt;

/// The steps of loading (plugins.md section 5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is on the list, and its name is a plain one.
    Name,
    /// It belongs to whom it should, and is a regular file.
    File,
    /// It has the expected contents.
    Hash,
    /// It is a library for this machine and version.
    Elf,
    /// It is not loaded yet.
    Loaded,
    /// A process of its own can load it.
    Probe,
    /// The system maps it, and its constructors run.
    Open,
    /// Its symbols are there.
    Symbols,
    /// Its version functions agree with the note.
    Versions,
    /// Its table is there and complete.
    Table,
    /// Its properties are valid.
    Properties,
    /// An instance can be made.
    Create,
}

impl Step {
    /// All of them, in order.
    pub const ALL: [Self; 12] = [
        Self::Name,
        Self::File,
        Self::Hash,
        Self::Elf,
        Self::Loaded,
        Self::Probe,
        Self::Open,
        Self::Symbols,
        Self::Versions,
        Self::Table,
        Self::Properties,
        Self::Create,
    ];

    /// The step whose failure this code stands for.
    pub fn of_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.code() == code)
    }

    /// The number of the step.
    pub fn number(self) -> u8 {
        match self {
            Self::Name => 1,
            Self::File => 2,
            Self::Hash => 3,
            Self::Elf => 4,
            Self::Loaded => 5,
            Self::Probe => 6,
            Self::Open => 7,
            Self::Symbols | Self::Versions | Self::Table => 8,
            Self::Properties => 9,
            Self::Create => 10,
        }
    }

    /// The code that stands for the failure.
    pub fn code(self) -> u8 {
        match self {
            Self::Name => 1,
            Self::File => 2,
            Self::Hash => 3,
            Self::Elf => 4,
            Self::Loaded => 5,
            Self::Probe => 6,
            Self::Open => 10,
            Self::Symbols => 20,
            Self::Versions => 21,
            Self::Table => 22,
            Self::Properties => 30,
            Self::Create => 41,
        }
    }
}

/// A plugin is refused: at which step, what was looked at, what it should be and what it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("plugin {file} refused at step {}: {what}: expected {expected}, found {found} (code {})", step.number(), step.code())]
pub struct Refusal {
    /// The file as the configuration names it.
    pub file: String,
    /// Where.
    pub step: Step,
    /// What was looked at.
    pub what: String,
    /// What it should be.
    pub expected: String,
    /// What it is.
    pub found: String,
}

impl Refusal {
    /// A refusal of this file.
    pub fn new(file: &str, step: Step, what: impl fmt::Display, expected: impl fmt::Display, found: impl fmt::Display) -> Self {
        let (what, expected, found) = (what.to_string(), expected.to_string(), found.to_string());
        Self { file: file.to_owned(), step, what, expected, found }
    }
}
