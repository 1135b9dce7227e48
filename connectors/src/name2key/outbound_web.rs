//! W-Hat's interface as an upstream (name2key.md section 7): a name2key service that asks `/name2key` and `/key2name`.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::try_join_all;
use gridshell_interfaces::ids::parse_uuid;
use gridshell_interfaces::name2key::{
    Grid, Imported, MAX_LOOK_UPS_OF_ONE_CALL, MAX_NAME_BYTES, Name2KeyService, NameEntry, NameRows, NameSource, NameStatistics,
    PRODUCTION, Registration, canonical_name, resident_name,
};
use gridshell_interfaces::{Result, ServiceError};
use uuid::Uuid;

use crate::http::{Method, StatusCode};
use crate::outbound::{self, Asked, Effect, unreadable};
use crate::transport::{Answer, Transport};

/// How many names W-Hat's server looks up in one request (name2key.md section 7.1).
const NAMES_OF_ONE_REQUEST: usize = 50;

/// How long the names of one request are together at most, in bytes; a server takes addresses of some thousands.
const NAME_BYTES_OF_ONE_REQUEST: usize = 2_000;

/// How many keys are looked up at the same time: there is no question for several.
const KEYS_AT_ONCE: usize = 8;

/// What is asked for with a name that nobody has.
const UNKNOWN: &str = "None found";

/// The names and keys of a server with W-Hat's interface, all of them of Second Life's main grid ([`PRODUCTION`]).
///
/// It can only be asked by name and by key. Of an entry it tells neither when it was seen nor from where it comes, so the times are 0 and
/// the source is an import; names come in the capitals of W-Hat's export ([`resident_name`]). A name that its pattern does not permit is
/// unknown without being asked for. Everything else, registrations and imports first, is `Refused`.
#[derive(Debug)]
pub struct RemoteName2KeyWebService {
    transport: Arc<dyn Transport>,
}

impl RemoteName2KeyWebService {
    /// The service that `transport` leads to.
    pub fn new(transport: Arc<dyn Transport>) -> Self {
        Self { transport }
    }

    /// What `read` makes of the text of an answer, without blanks around it; `None` for 404, which the newer forms say of what is unknown.
    async fn ask<T, R>(&self, target: String, subject: Option<Uuid>, read: R) -> Result<Option<T>>
    where
        T: Send + 'static,
        R: Fn(&str, &str) -> Result<T> + Send + Sync + 'static,
    {
        let request = outbound::plain(Method::GET, target.clone(), Effect::Read, subject);
        let asked = target.clone();
        let read = move |Answer { body, .. }: &Answer| match std::str::from_utf8(body) {
            Ok(text) => read(text.trim_start_matches('\u{feff}').trim(), &asked),
            Err(error) => Err(unreadable(&asked, body, error)),
        };
        match outbound::ask_for(&*self.transport, request, read).await? {
            Asked::Read(found) => Ok(Some(found)),
            Asked::Other(answer) if answer.status == StatusCode::NOT_FOUND => Ok(None),
            Asked::Other(answer) => Err(outbound::failure(&answer, &target)),
        }
    }

    /// The keys of names in their canonical form, which needs no escapes; they are at most what one request may have.
    async fn keys_of(&self, names: &[&str]) -> Result<Vec<Option<Uuid>>> {
        let parameter = if names.len() == 1 { "name" } else { "names" };
        let target = format!("/name2key?terse=1&{parameter}={}", names.join(","));
        let expected = names.len();
        let read = move |text: &str, target: &str| {
            let keys: Vec<_> = text.lines().map(|line| key_of_line(line, target)).collect::<Result<_>>()?;
            if keys.len() != expected {
                return Err(unreadable(target, text.as_bytes(), format!("{} lines instead of {expected}", keys.len())));
            }
            Ok(keys)
        };
        Ok(self.ask(target, None, read).await?.unwrap_or_else(|| vec![None; expected]))
    }
}

#[async_trait]
impl Name2KeyService for RemoteName2KeyWebService {
    async fn by_names(&self, names: &[&str], _asker: Option<&Grid>) -> Result<Vec<Vec<NameEntry>>> {
        check_count(names.len())?;
        let canonical: Vec<String> = names.iter().map(|name| canonical_name(name)).collect();
        let mut answers = vec![Vec::new(); names.len()];
        let asked: Vec<usize> = (0..names.len()).filter(|&place| is_name(&canonical[place])).collect();
        for places in pieces(&asked, |place| canonical[place].len()) {
            let names: Vec<&str> = places.iter().map(|&place| canonical[place].as_str()).collect();
            let keys = self.keys_of(&names).await?;
            for (&place, key) in places.iter().zip(keys) {
                answers[place].extend(key.map(|key| entry(key, &canonical[place])));
            }
        }
        Ok(answers)
    }

    async fn by_keys(&self, keys: &[Uuid], asker: Option<&Grid>) -> Result<Vec<Vec<NameEntry>>> {
        check_count(keys.len())?;
        let mut answers = Vec::with_capacity(keys.len());
        for some in keys.chunks(KEYS_AT_ONCE) {
            answers.extend(try_join_all(some.iter().map(|key| self.by_key(*key, asker))).await?);
        }
        Ok(answers)
    }

    async fn by_key(&self, key: Uuid, _asker: Option<&Grid>) -> Result<Vec<NameEntry>> {
        let target = format!("/key2name/{key}");
        let read = move |name: &str, target: &str| {
            let canonical = canonical_name(name);
            match is_name(&canonical) {
                true => Ok(entry(key, &canonical)),
                false => Err(unreadable(target, name.as_bytes(), "it is no name")),
            }
        };
        Ok(self.ask(target, Some(key), read).await?.into_iter().collect())
    }

    async fn by_prefix(&self, _prefix: &str, _limit: usize) -> Result<Vec<NameEntry>> {
        Err(cannot("search names by their beginnings"))
    }

    async fn register(&self, _registration: &Registration) -> Result<bool> {
        Err(cannot("take registrations"))
    }

    async fn import(&self, _grid: &Grid, _rows: &mut dyn NameRows) -> Result<Imported> {
        Err(cannot("take imports"))
    }

    async fn forget(&self, _key: Uuid, _grid: Option<&Grid>) -> Result<u64> {
        Err(cannot("forget names"))
    }

    async fn entries_after(&self, _after: Option<(Uuid, &str)>, _limit: usize) -> Result<Vec<NameEntry>> {
        Err(cannot("tell all names in order"))
    }

    async fn statistics(&self) -> Result<NameStatistics> {
        Err(cannot("tell how many names it knows"))
    }
}

fn cannot(what: &str) -> ServiceError {
    ServiceError::refused(format!("the upstream is a server with W-Hat's interface, which cannot {what}"))
}

fn entry(key: Uuid, canonical: &str) -> NameEntry {
    NameEntry {
        key,
        name: resident_name(canonical),
        grid: Grid(PRODUCTION.to_owned()),
        first_seen: 0,
        last_seen: 0,
        source: NameSource::Import,
        verified: false,
    }
}

/// True for what W-Hat's pattern permits of a canonical name: one word, or two with a dot (name2key.md section 7.2).
fn is_name(canonical: &str) -> bool {
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let (first, last) = match canonical.split_once('.') {
        Some((first, last)) => (first, Some(last)),
        None => (canonical, None),
    };
    canonical.len() <= MAX_NAME_BYTES && is_word(first) && last.is_none_or(is_word)
}

/// The key of a line: the key alone, or behind the name, from servers that do not know `terse`. The zero UUID stands for nobody.
fn key_of_line(line: &str, target: &str) -> Result<Option<Uuid>> {
    let line = line.trim();
    if line == UNKNOWN {
        return Ok(None);
    }
    match line.rsplit(' ').next().and_then(parse_uuid) {
        Some(key) => Ok(Some(key).filter(|key| !key.is_nil())),
        None => Err(unreadable(target, line.as_bytes(), "a line has no key")),
    }
}

/// Cuts a list into pieces of what one request may have: so many names, and so many bytes of them, with one for each comma.
fn pieces(places: &[usize], length_of: impl Fn(usize) -> usize) -> Vec<&[usize]> {
    let mut pieces = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (at, &place) in places.iter().enumerate() {
        let length = length_of(place) + 1;
        if at - start == NAMES_OF_ONE_REQUEST || bytes + length > NAME_BYTES_OF_ONE_REQUEST {
            pieces.push(&places[start..at]);
            (start, bytes) = (at, 0);
        }
        bytes += length;
    }
    pieces.extend((start < places.len()).then(|| &places[start..]));
    pieces
}

fn check_count(count: usize) -> Result<()> {
    if count > MAX_LOOK_UPS_OF_ONE_CALL {
        return Err(ServiceError::invalid(format!("{count} look-ups in one call, more than {MAX_LOOK_UPS_OF_ONE_CALL}")));
    }
    Ok(())
}
