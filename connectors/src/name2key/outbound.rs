//! The name2key OUT connector: names and keys of another gridshell, over `/xname2key`.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use gridshell_interfaces::name2key::{
    Grid, Imported, MAX_GRID_BYTES, MAX_LOOK_UPS_OF_ONE_CALL, MAX_MATCHES, MAX_NAME_BYTES, Name2KeyService, NameEntry, NameRows,
    NameStatistics, Registration,
};
use gridshell_interfaces::{Result, ServiceError};
use uuid::Uuid;

use super::codec::{self, Call, CodecError, MAX_ENTRIES_OF_ONE_ANSWER, Method};
use crate::outbound::{self, Effect, FORM, unreadable};
use crate::transport::Transport;

const PATH: &str = "/xname2key";

/// How many names or keys are looked up in one request, so that what is known of them always fits into the answer. Longer lists are asked
/// for in pieces.
const LOOK_UPS_OF_ONE_REQUEST: usize = MAX_ENTRIES_OF_ONE_ANSWER / MAX_MATCHES;

/// The names and keys of another shell. Its wire carries everything but imports, and failures with their kind.
#[derive(Debug)]
pub struct RemoteName2KeyService {
    transport: Arc<dyn Transport>,
}

impl RemoteName2KeyService {
    /// The service that `transport` leads to. Credentials are the transport's business.
    pub fn new(transport: Arc<dyn Transport>) -> Self {
        Self { transport }
    }

    /// Sends a call and reads its answer.
    async fn ask<T, D>(&self, call: Call, decode: D) -> Result<T>
    where
        T: Send + 'static,
        D: Fn(&[u8]) -> std::result::Result<T, CodecError> + Send + Sync + 'static,
    {
        let operation = call.method().name();
        let request = outbound::post(PATH, FORM, call.encode(), effect(call.method()), key_of(&call));
        let read = move |body: &Bytes| {
            decode(body).map_err(|error| match error {
                CodecError::Failure(kind) => {
                    ServiceError { kind, message: format!("{operation}: the upstream answered that it failed ({kind:?})") }
                }
                _ => unreadable(operation, body, error),
            })
        };
        outbound::ask(&*self.transport, request, operation, read).await
    }
}

/// To register the same again changes nothing that matters. To forget again is answered otherwise: there is nothing left then.
fn effect(method: Method) -> Effect {
    match method {
        Method::Forget => Effect::WriteOnce,
        Method::Register => Effect::Write,
        Method::GetKey
        | Method::GetKeys
        | Method::GetName
        | Method::GetNames
        | Method::Find
        | Method::Entries
        | Method::Statistics => Effect::Read,
    }
}

/// The key that a call is about, when it is about one.
fn key_of(call: &Call) -> Option<Uuid> {
    match call {
        Call::GetName { key, .. } | Call::Forget { key, .. } => Some(*key),
        Call::Register(registration) => Some(registration.key),
        Call::GetKey { .. }
        | Call::GetKeys { .. }
        | Call::GetNames { .. }
        | Call::Find { .. }
        | Call::Entries { .. }
        | Call::Statistics => None,
    }
}

#[async_trait]
impl Name2KeyService for RemoteName2KeyService {
    async fn by_names(&self, names: &[&str], asker: Option<&Grid>) -> Result<Vec<Vec<NameEntry>>> {
        check_count(names.len())?;
        let mut answers = vec![Vec::new(); names.len()];
        let asked: Vec<(usize, &str)> = names.iter().copied().enumerate().filter(|(_, name)| can_be_a_name(name)).collect();
        for some in asked.chunks(LOOK_UPS_OF_ONE_REQUEST) {
            let names = some.iter().map(|(_, name)| (*name).to_owned()).collect();
            let call = Call::GetKeys { names, asker: grid_of(asker) };
            let expected = some.len();
            let found = self.ask(call, move |body| codec::decode_answers(body, expected)).await?;
            for ((place, _), entries) in some.iter().zip(found) {
                answers[*place] = entries;
            }
        }
        Ok(answers)
    }

    async fn by_keys(&self, keys: &[Uuid], asker: Option<&Grid>) -> Result<Vec<Vec<NameEntry>>> {
        check_count(keys.len())?;
        let mut answers = Vec::with_capacity(keys.len());
        for some in keys.chunks(LOOK_UPS_OF_ONE_REQUEST) {
            let call = Call::GetNames { keys: some.to_vec(), asker: grid_of(asker) };
            let expected = some.len();
            answers.extend(self.ask(call, move |body| codec::decode_answers(body, expected)).await?);
        }
        Ok(answers)
    }

    async fn by_name(&self, name: &str, asker: Option<&Grid>) -> Result<Vec<NameEntry>> {
        if !can_be_a_name(name) {
            return Ok(Vec::new());
        }
        self.ask(Call::GetKey { name: name.to_owned(), asker: grid_of(asker) }, codec::decode_entries).await
    }

    async fn by_key(&self, key: Uuid, asker: Option<&Grid>) -> Result<Vec<NameEntry>> {
        self.ask(Call::GetName { key, asker: grid_of(asker) }, codec::decode_entries).await
    }

    async fn by_prefix(&self, prefix: &str, limit: usize) -> Result<Vec<NameEntry>> {
        if limit == 0 || !can_be_a_name(prefix) {
            return Ok(Vec::new());
        }
        let limit = limit.min(MAX_LOOK_UPS_OF_ONE_CALL);
        self.ask(Call::Find { prefix: prefix.to_owned(), limit }, codec::decode_entries).await
    }

    async fn register(&self, registration: &Registration) -> Result<bool> {
        registration.check()?;
        self.ask(Call::Register(registration.clone()), codec::decode_registered).await
    }

    /// # Errors
    /// Always `Refused`: files are imported where the store is.
    async fn import(&self, _grid: &Grid, _rows: &mut dyn NameRows) -> Result<Imported> {
        Err(ServiceError::refused("names cannot be imported through another shell; import them where they are stored"))
    }

    async fn forget(&self, key: Uuid, grid: Option<&Grid>) -> Result<u64> {
        self.ask(Call::Forget { key, grid: grid.cloned() }, codec::decode_forgotten).await
    }

    async fn entries_after(&self, after: Option<(Uuid, &str)>, limit: usize) -> Result<Vec<NameEntry>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let after = after.map(|(key, grid)| (key, Grid(grid.to_owned())));
        let limit = limit.min(MAX_LOOK_UPS_OF_ONE_CALL);
        self.ask(Call::Entries { after, limit }, codec::decode_entries).await
    }

    async fn statistics(&self) -> Result<NameStatistics> {
        self.ask(Call::Statistics, codec::decode_statistics).await
    }
}

/// Nobody has a longer name, and a request with one would be refused whole.
fn can_be_a_name(name: &str) -> bool {
    name.len() <= MAX_NAME_BYTES
}

/// The grid of who asks. No entry has a longer one, so none of them would come first.
fn grid_of(asker: Option<&Grid>) -> Option<Grid> {
    asker.filter(|grid| grid.0.len() <= MAX_GRID_BYTES).cloned()
}

fn check_count(count: usize) -> Result<()> {
    if count > MAX_LOOK_UPS_OF_ONE_CALL {
        return Err(ServiceError::invalid(format!("{count} look-ups in one call, more than {MAX_LOOK_UPS_OF_ONE_CALL}")));
    }
    Ok(())
}
