//! Answers: `ServerResponse` documents, both directions.

use std::str::FromStr;

use bytes::Bytes;
use gridshell_interfaces::ErrorKind;
use gridshell_interfaces::ids::parse_uuid;
use gridshell_interfaces::name2key::{Grid, NameEntry, NameSource, NameStatistics};

use super::error::CodecError;
use crate::wire::WireError;
use crate::wire::server_response::{self, List, ServerResponseWriter, Value};

/// The most entries that an answer has; with them it is about as long as documents may be that are read
/// ([`server_response::read`]). Who asks for more is refused, and can ask for fewer names or keys at a time.
pub const MAX_ENTRIES_OF_ONE_ANSWER: usize = 100_000;

/// The answer to everything that went wrong.
pub fn encode_failure(kind: ErrorKind) -> Bytes {
    server_response::result_document(&[("RESULT", "False"), ("ERROR", name_of_kind(kind))])
}

/// The answer to get_key, get_name, find and entries.
pub fn encode_entries(entries: &[NameEntry]) -> Bytes {
    let mut response = ServerResponseWriter::new();
    response.begin_list("ENTRIES");
    put_entries(&mut response, entries);
    response.finish()
}

/// Reads [`encode_entries`].
///
/// # Errors
/// The document cannot be read or is the failure document, or an entry lacks a field or has a malformed one.
pub fn decode_entries(body: &[u8]) -> Result<Vec<NameEntry>, CodecError> {
    read_entries(list(&read(body)?, "ENTRIES")?)
}

/// The answer to get_keys and get_names: the entries of each name or key, in the order of the request.
pub fn encode_answers(answers: &[Vec<NameEntry>]) -> Bytes {
    let mut response = ServerResponseWriter::new();
    response.begin_list("ANSWERS");
    for (number, entries) in answers.iter().enumerate() {
        response.begin_list(&format!("answer_{number}"));
        put_entries(&mut response, entries);
        response.end_list();
    }
    response.finish()
}

/// Reads [`encode_answers`], of an answer to a request for `count` names or keys.
///
/// # Errors
/// As [`decode_entries`]; also when there are more or fewer answers than `count`.
pub fn decode_answers(body: &[u8], count: usize) -> Result<Vec<Vec<NameEntry>>, CodecError> {
    let response = read(body)?;
    let answers = list(&response, "ANSWERS")?.entries();
    if answers.len() != count {
        return Err(CodecError::Count { expected: count, found: answers.len() });
    }
    answers.iter().map(|(_, answer)| read_entries(answer.list().ok_or(CodecError::Missing("an answer"))?)).collect()
}

/// The answer to register: whether it was taken.
pub fn encode_registered(taken: bool) -> Bytes {
    server_response::result_document(&[("RESULT", boolean_text(taken))])
}

/// Reads [`encode_registered`].
///
/// # Errors
/// The document cannot be read, is the failure document, or says nothing of a result.
pub fn decode_registered(body: &[u8]) -> Result<bool, CodecError> {
    boolean(&read(body)?, "RESULT")
}

/// The answer to forget: how many entries there were.
pub fn encode_forgotten(count: u64) -> Bytes {
    let mut response = ServerResponseWriter::new();
    response.number("COUNT", count);
    response.finish()
}

/// Reads [`encode_forgotten`].
///
/// # Errors
/// As [`decode_registered`].
pub fn decode_forgotten(body: &[u8]) -> Result<u64, CodecError> {
    number(&read(body)?, "COUNT")
}

/// The answer to statistics.
pub fn encode_statistics(statistics: &NameStatistics) -> Bytes {
    let mut response = ServerResponseWriter::new();
    response.begin_list("GRIDS");
    for (number, (grid, entries)) in statistics.entries.iter().enumerate() {
        response.begin_list(&format!("grid_{number}"));
        response.text("GRID", grid);
        response.number("ENTRIES", *entries);
        response.end_list();
    }
    response.end_list();
    response.number("SHAREDNAMES", statistics.shared_names);
    if let Some(bytes) = statistics.bytes {
        response.number("BYTES", bytes);
    }
    response.finish()
}

/// Reads [`encode_statistics`].
///
/// # Errors
/// As [`decode_entries`].
pub fn decode_statistics(body: &[u8]) -> Result<NameStatistics, CodecError> {
    let response = read(body)?;
    let grid = |(_, value): &(String, Value)| {
        let grid = value.list().ok_or(CodecError::Missing("a grid"))?;
        Ok::<_, CodecError>((text(grid, "GRID")?.to_owned(), number(grid, "ENTRIES")?))
    };
    Ok(NameStatistics {
        entries: list(&response, "GRIDS")?.entries().iter().map(grid).collect::<Result<_, _>>()?,
        shared_names: number(&response, "SHAREDNAMES")?,
        bytes: response.get("BYTES").map(|_| number(&response, "BYTES")).transpose()?,
    })
}

fn put_entries(response: &mut ServerResponseWriter, entries: &[NameEntry]) {
    for (number, entry) in entries.iter().enumerate() {
        response.begin_list(&format!("entry_{number}"));
        response.id("KEY", entry.key);
        response.text("NAME", &entry.name);
        response.text("GRID", &entry.grid.0);
        response.number("FIRSTSEEN", entry.first_seen);
        response.number("LASTSEEN", entry.last_seen);
        response.text("SOURCE", entry.source.name());
        response.boolean("VERIFIED", entry.verified);
        response.end_list();
    }
}

fn read_entries(entries: &List) -> Result<Vec<NameEntry>, CodecError> {
    entries.entries().iter().map(|(_, entry)| read_entry(entry.list().ok_or(CodecError::Missing("an entry"))?)).collect()
}

fn read_entry(entry: &List) -> Result<NameEntry, CodecError> {
    let (key, source) = (text(entry, "KEY")?, text(entry, "SOURCE")?);
    Ok(NameEntry {
        key: parse_uuid(key).ok_or_else(|| WireError::value("KEY", "UUID", key))?,
        name: text(entry, "NAME")?.to_owned(),
        grid: Grid(text(entry, "GRID")?.to_owned()),
        first_seen: number(entry, "FIRSTSEEN")?,
        last_seen: number(entry, "LASTSEEN")?,
        source: NameSource::from_name(source).ok_or_else(|| WireError::value("SOURCE", "source of names", source))?,
        verified: boolean(entry, "VERIFIED")?,
    })
}

/// The document, unless it is the failure document.
fn read(body: &[u8]) -> Result<List, CodecError> {
    let response = server_response::read(body)?;
    match response.text("ERROR") {
        Some(kind) => Err(CodecError::Failure(kind_of_name(kind))),
        None => Ok(response),
    }
}

fn name_of_kind(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Invalid => "invalid",
        ErrorKind::Refused => "refused",
        ErrorKind::Unavailable => "unavailable",
        ErrorKind::Internal => "internal",
    }
}

/// A kind that is not known here is a failure all the same.
fn kind_of_name(name: &str) -> ErrorKind {
    let kinds = [ErrorKind::Invalid, ErrorKind::Refused, ErrorKind::Unavailable];
    kinds.into_iter().find(|kind| name_of_kind(*kind) == name.trim()).unwrap_or(ErrorKind::Internal)
}

fn text<'a>(fields: &'a List, name: &'static str) -> Result<&'a str, CodecError> {
    fields.text(name).ok_or(CodecError::Missing(name))
}

fn list<'a>(fields: &'a List, name: &'static str) -> Result<&'a List, CodecError> {
    fields.list(name).ok_or(CodecError::Missing(name))
}

fn number<T: FromStr>(fields: &List, name: &'static str) -> Result<T, CodecError> {
    let text = text(fields, name)?;
    text.trim().parse().map_err(|_| WireError::value(name, std::any::type_name::<T>(), text).into())
}

fn boolean(fields: &List, name: &'static str) -> Result<bool, CodecError> {
    let text = text(fields, name)?;
    match text.trim() {
        value if value.eq_ignore_ascii_case("true") => Ok(true),
        value if value.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(WireError::value(name, "boolean", text).into()),
    }
}

fn boolean_text(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}
