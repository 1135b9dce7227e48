//! The .ini dialect of ROBUST: its text, its layers and typed options.
//!
//! [`Configuration::load`] reads the main file, follows its includes, adds environment and command line and replaces references
//! (shell.md sections 2 to 4). Every value keeps the file and line where it was written. Modules then declare their options with
//! [`options!`] and read them through a [`Reader`]; [`connector_entries`] gives the list of connectors. Mistakes are [`Problem`]s, all
//! of them at once.
//!
//! Nothing here knows what a service or a listener is.

mod command_line;
mod configuration;
mod document;
mod includes;
mod layers;
mod lexer;
mod module_name;
pub mod nini_xml;
mod options;
mod problem;
mod reader;
mod save;
mod secret;
mod service_list;
mod sources;
mod substitution;
mod suggestion;
mod typing;

pub use command_line::CommandLine;
pub use configuration::{Configuration, Entry, Section};
pub use document::{Document, DocumentEntry, DocumentSection};
pub use lexer::lex;
pub use module_name::{ModuleName, NoLibrary, OptionalModule, same_library};
pub use options::{DefaultFor, OptionDescription};
#[doc(hidden)]
pub use options::{default_text, type_text};
pub use problem::{Origin, Problem, Severity};
pub use reader::Reader;
pub use secret::Secret;
pub use service_list::{ConnectorEntry, WrongEntry, connector_entries};
pub use sources::{MainSource, Sources};
pub use suggestion::nearest;
