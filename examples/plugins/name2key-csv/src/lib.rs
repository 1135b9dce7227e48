//! A name2key source: which key belongs to an avatar's name, and which name to a key, out of a CSV file that something else keeps
//! up to date. It answers what the server's private name2key wire asks (the codec's documentation in
//! `connectors/src/name2key/codec.rs` tells it), and refuses what would change the file.
//!
//! The keys of its section: `Path`, the absolute path of the file, with lines `KEY,NAME`; and `Grid`, the grid that all of its
//! names are of. The file is read at start, and again by `plugin reload name2key_csv` on the server's console, also when the library
//! is the same. A reload of the configuration reads it again only when it changes the section.
#![forbid(unsafe_code)]

mod answer;
mod form;
mod names;

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::UNIX_EPOCH;

use gridshell_plugin::{Config, Failure, Health, Host, Level, Plugin, Request, Response, plugin};

use answer::Answer;
use form::Form;
use names::{Key, Names};

/// Longer files are refused: they would not fit into memory well. About 10 million names.
const MAX_FILE_BYTES: u64 = 512 * 1024 * 1024;
/// How many names or keys one request may have, and how many entries are given at once.
const MAX_OF_ONE_CALL: usize = 10_000;
/// Nobody has a longer name or grid, in bytes.
const MAX_TEXT_BYTES: usize = 255;

/// The source.
pub struct Name2KeyCsv {
    host: Host,
    names: RwLock<Arc<Names>>,
}

/// Why a request is not answered, in the wire's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// A parameter is absent or malformed, or a list is too long.
    Invalid,
    /// Nothing can be changed here.
    Refused,
}

impl Plugin for Name2KeyCsv {
    const SERVICES: &'static [&'static str] = &["name2key"];
    const CONFIG_KEYS: Option<&'static [&'static str]> = Some(&["Path", "Grid"]);

    fn create(host: Host, config: &Config<'_>) -> Result<Self, String> {
        let names = read(&host, config)?;
        Ok(Self { host, names: RwLock::new(Arc::new(names)) })
    }

    fn handle(&self, request: &Request<'_>) -> Response {
        if (request.method, request.path) != ("POST", "/xname2key") {
            return Response::new(404);
        }
        let answer = Form::read(request.body).ok_or(Refusal::Invalid).and_then(|form| self.answer(&form));
        Response::with_body("application/xml", answer.unwrap_or_else(Answer::failure).finish())
    }

    fn reconfigure(&self, config: &Config<'_>) -> Result<(), Failure> {
        let names = read(&self.host, config)?;
        *self.names.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(names);
        Ok(())
    }

    fn health(&self) -> Health {
        Health::Well(format!("{} names", self.names().len()))
    }
}

impl Name2KeyCsv {
    fn names(&self) -> Arc<Names> {
        self.names.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn answer(&self, form: &Form) -> Result<Answer, Refusal> {
        let names = self.names();
        Ok(match form.text("METHOD").ok_or(Refusal::Invalid)? {
            "get_key" => Answer::entries(&names, names.keys_of(short(form.text("NAME"))?)),
            "get_name" => Answer::entries(&names, names.only(key(form.text("KEY"))?)),
            "get_keys" => {
                let asked = list(form, "NAMES")?.iter().map(|name| short(Some(name))).collect::<Result<Vec<_>, _>>()?;
                Answer::answers(&names, asked.into_iter().map(|name| names.keys_of(name)))
            }
            "get_names" => {
                let asked = list(form, "KEYS")?.iter().map(|text| key(Some(text))).collect::<Result<Vec<_>, _>>()?;
                Answer::answers(&names, asked.into_iter().map(|key| names.only(key)))
            }
            "find" => Answer::entries(&names, names.beginning_with(short(form.text("PREFIX"))?, limit(form)?)),
            "entries" => {
                let after = match form.text("AFTER") {
                    None => None,
                    after => Some((key(after)?, short(form.text("AFTERGRID"))?)),
                };
                Answer::entries(&names, names.after(after, limit(form)?))
            }
            "statistics" => Answer::statistics(&names),
            "register" | "forget" => return Err(Refusal::Refused),
            _ => return Err(Refusal::Invalid),
        })
    }
}

/// Reads the file that the configuration names.
fn read(host: &Host, config: &Config<'_>) -> Result<Names, String> {
    let section = config.section;
    let path = config.get("Path").unwrap_or_default();
    if !Path::new(path).is_absolute() {
        return Err(format!("[{section}] Path = {path:?}: the absolute path of a CSV file is needed"));
    }
    let grid = config.get("Grid").unwrap_or_default().trim();
    if grid.len() > MAX_TEXT_BYTES || grid.chars().any(char::is_control) {
        return Err(format!("[{section}] Grid: at most {MAX_TEXT_BYTES} bytes without control characters"));
    }
    let wrong = |what: &dyn std::fmt::Display| format!("[{section}] Path = {path}: {what}");
    let file = File::open(path).map_err(|error| wrong(&error))?;
    let about = file.metadata().map_err(|error| wrong(&error))?;
    if !about.is_file() || about.len() > MAX_FILE_BYTES {
        return Err(wrong(&format!("it is no file of at most {MAX_FILE_BYTES} bytes")));
    }
    let changed = about.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let seen = changed.map_or(0, |since| since.as_secs());
    let mut text = String::new();
    file.take(MAX_FILE_BYTES).read_to_string(&mut text).map_err(|error| wrong(&error))?;
    let names = Names::read(&text, grid, seen).map_err(|error| wrong(&error))?;
    host.log(Level::Info, &format!("{} names of {path}", names.len()));
    Ok(names)
}

fn short(text: Option<&str>) -> Result<&str, Refusal> {
    text.filter(|text| text.len() <= MAX_TEXT_BYTES).ok_or(Refusal::Invalid)
}

fn key(text: Option<&str>) -> Result<Key, Refusal> {
    text.and_then(names::read_key).ok_or(Refusal::Invalid)
}

fn list<'f>(form: &'f Form, name: &str) -> Result<&'f [String], Refusal> {
    form.list(name).filter(|list| list.len() <= MAX_OF_ONE_CALL).ok_or(Refusal::Invalid)
}

fn limit(form: &Form) -> Result<usize, Refusal> {
    let number = form.text("LIMIT").and_then(|text| text.parse().ok());
    number.filter(|number| (1..=MAX_OF_ONE_CALL).contains(number)).ok_or(Refusal::Invalid)
}

plugin!(Name2KeyCsv);
