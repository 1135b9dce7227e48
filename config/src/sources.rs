//! Where a configuration comes from: the main file, its includes, the environment, the command line (shell.md section 4).

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;

use crate::command_line::{COMMAND_LINE, CommandLine};
use crate::configuration::Configuration;
use crate::document::Document;
use crate::includes::{INCLUDE, full_path, is_address, matching_files};
use crate::layers::{Layer, merge};
use crate::lexer::lex;
use crate::nini_xml;
use crate::problem::{Origin, Problem};
use crate::substitution;

/// The most bytes that one file or answer may have.
const LARGEST_FILE: usize = 8 * 1024 * 1024;
/// The most files and addresses that are read.
const MOST_SOURCES: usize = 500;
/// How often includes may name further includes.
const DEEPEST_INCLUDE: usize = 20;

/// The section whose keys are names of environment variables.
const ENVIRONMENT: &str = "Environment";

/// What a configuration is read from. The outer world comes in as functions, so that tests need none.
pub struct Sources<'a> {
    /// The lowest layer.
    pub main: MainSource,
    /// The highest layer: its switches become keys of `[Startup]`.
    pub command_line: &'a CommandLine,
    /// Gives the value of an environment variable.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// Fetches an http(s) address; gives the body, or what is wrong.
    pub fetch: &'a dyn Fn(&str) -> Result<String, String>,
}

/// The lowest layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MainSource {
    /// A path, relative to the current directory, or an http(s) address of a Nini XML document.
    Location(String),
    /// A text in the .ini dialect.
    Text {
        /// Its name for messages.
        name: String,
        /// The text.
        text: String,
    },
}

/// Reads everything. See [`Configuration::load`].
pub(crate) fn load(sources: &Sources<'_>) -> Result<Configuration, Vec<Problem>> {
    let mut loader = Loader { fetch: sources.fetch, layers: Vec::new(), seen: HashSet::new(), problems: Vec::new() };
    match &sources.main {
        MainSource::Location(location) => {
            loader.seen.insert(identity(location));
            loader.read(location, None);
        }
        MainSource::Text { name, text } => loader.add_text(name, text),
    }
    loader.follow_includes()?;
    if loader.problems.iter().any(Problem::is_error) {
        return Err(loader.problems);
    }
    let mut warnings = loader.problems;

    let mut used = HashSet::new();
    let mut errors = Vec::new();
    let mut files = merge(&loader.layers).map_err(|problem| vec![problem])?;
    if let Some(environment) = environment_layer(&files, sources.environment) {
        // With [Environment], references are replaced once before the command line is merged, and once more after it.
        files = merge(&[Layer::from_configuration(&files), environment]).map_err(|problem| vec![problem])?;
        let outcome = substitution::expand_all(&mut files);
        used.extend(outcome.used);
        errors.extend(outcome.problems);
    }
    let command_line = Layer::from_values(COMMAND_LINE, "Startup", sources.command_line.values());
    let mut merged = merge(&[Layer::from_configuration(&files), command_line]).map_err(|problem| vec![problem])?;
    let outcome = substitution::expand_all(&mut merged);
    used.extend(outcome.used);
    for problem in outcome.problems {
        if !errors.contains(&problem) {
            errors.push(problem);
        }
    }
    if !errors.is_empty() {
        warnings.extend(errors);
        return Err(warnings);
    }
    merged.mark_used(&used);
    mark_own_keys(&merged);
    warnings.extend(sources.command_line.warnings());
    Ok(merged.with_warnings(warnings))
}

/// Every key of `[Environment]` with the content of the variable that it names, or the empty text; what the file says is no default.
fn environment_layer(files: &Configuration, environment: &dyn Fn(&str) -> Option<String>) -> Option<Layer> {
    let section = files.section(ENVIRONMENT)?;
    let values: Vec<(&str, String)> =
        section.entries().map(|entry| (entry.key.as_str(), environment(&entry.key).unwrap_or_default())).collect();
    Some(Layer::from_values("environment", ENVIRONMENT, values.iter().map(|(key, value)| (*key, value.as_str()))))
}

/// Includes and `[Environment]` were read here, and by nobody later.
fn mark_own_keys(configuration: &Configuration) {
    for section in configuration.sections() {
        for entry in section.entries().filter(|entry| section.name == ENVIRONMENT || entry.key.starts_with(INCLUDE)) {
            entry.mark_read();
        }
    }
}

/// What two names of one source have in common.
fn identity(location: &str) -> String {
    if is_address(location) { location.to_owned() } else { full_path(location).to_string_lossy().into_owned() }
}

struct Loader<'a> {
    fetch: &'a dyn Fn(&str) -> Result<String, String>,
    /// In the order of discovery, which is the order of merging: an included file overrides the one that includes it.
    layers: Vec<Layer>,
    seen: HashSet<String>,
    problems: Vec<Problem>,
}

/// An include that was found and not yet read.
struct Include {
    location: String,
    origin: Origin,
    section: String,
    key: String,
}

impl Include {
    fn problem(&self, problem: Problem) -> Problem {
        problem.at(self.origin.clone()).in_section(&self.section).on_key(&self.key)
    }
}

impl Loader<'_> {
    /// Looks through all that is merged so far for includes, reads the new ones, and again, until there is nothing new.
    fn follow_includes(&mut self) -> Result<(), Vec<Problem>> {
        for _ in 0..DEEPEST_INCLUDE {
            let new = self.new_includes()?;
            if new.is_empty() {
                return Ok(());
            }
            for include in new {
                if self.layers.len() >= MOST_SOURCES {
                    self.problems.push(include.problem(Problem::error(format!("more than {MOST_SOURCES} files are included"))));
                    return Ok(());
                }
                self.read(&include.location, Some(&include));
            }
        }
        self.problems.push(Problem::error(format!("files include further files more than {DEEPEST_INCLUDE} levels deep")));
        Ok(())
    }

    fn new_includes(&mut self) -> Result<Vec<Include>, Vec<Problem>> {
        let merged = merge(&self.layers).map_err(|problem| vec![problem])?;
        let mut new = Vec::new();
        for section in merged.sections() {
            // An empty value switches an include off.
            for entry in section.entries().filter(|entry| entry.key.starts_with(INCLUDE) && !entry.value.is_empty()) {
                let include = |location: String| Include {
                    location,
                    origin: entry.origin.clone(),
                    section: section.name.clone(),
                    key: entry.key.clone(),
                };
                let found = if is_address(&entry.value) { Ok(vec![entry.value.clone()]) } else { matching_files(&entry.value) };
                match found {
                    Ok(locations) => new.extend(locations.into_iter().map(include)),
                    Err(problem) => {
                        // The scan repeats; say it once.
                        let problem = include(String::new()).problem(problem);
                        if !self.problems.contains(&problem) {
                            self.problems.push(problem);
                        }
                    }
                }
            }
        }
        new.retain(|include| self.seen.insert(identity(&include.location)));
        Ok(new)
    }

    /// Reads a file or address and adds it as a layer.
    fn read(&mut self, location: &str, include: Option<&Include>) {
        let text = if is_address(location) { fetch(self.fetch, location) } else { read_file(location) };
        match text {
            Ok(text) if is_address(location) => match nini_xml::parse(location, &text) {
                Ok(mut document) => {
                    document.keep_first_of_each_name();
                    self.add(&document);
                }
                Err(problem) => self.problems.push(problem),
            },
            Ok(text) => self.add_text(location, &text),
            Err(what) => {
                let problem = Problem::error(format!("Error reading from config source.  {location} {what}"));
                self.problems.push(match include {
                    Some(include) => include.problem(problem),
                    None => problem,
                });
            }
        }
    }

    fn add_text(&mut self, name: &str, text: &str) {
        if let Some(index) = text.split('\n').position(|line| line.contains(char::REPLACEMENT_CHARACTER)) {
            let problem = Problem::warning("holds bytes that are not UTF-8; they are read as \u{fffd}");
            self.problems.push(problem.at(Origin::line(name, index + 1)));
        }
        let (document, problems) = lex(name, text);
        self.problems.extend(problems);
        self.add(&document);
    }

    fn add(&mut self, document: &Document) {
        self.layers.push(Layer::from_document(document));
    }
}

fn fetch(fetch: &dyn Fn(&str) -> Result<String, String>, address: &str) -> Result<String, String> {
    let text = fetch(address).map_err(|error| format!("cannot be fetched: {error}"))?;
    if text.len() > LARGEST_FILE { Err(too_large()) } else { Ok(text) }
}

/// Bytes that are not UTF-8, which old files have in their comments, become U+FFFD as in the original.
fn read_file(path: &str) -> Result<String, String> {
    let cannot = |error: std::io::Error| format!("cannot be read: {error}");
    let mut bytes = Vec::new();
    File::open(full_path(path)).map_err(cannot)?.take(LARGEST_FILE as u64 + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() > LARGEST_FILE { Err(too_large()) } else { Ok(String::from_utf8_lossy(&bytes).into_owned()) }
}

fn too_large() -> String {
    format!("has more than {LARGEST_FILE} bytes")
}
