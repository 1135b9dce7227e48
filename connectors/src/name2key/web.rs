//! W-Hat's face: `/name2key`, `/name2key/<name>`, `/key2name/<key>`, `/name2key.csv` (name2key.md section 7).

mod export;
mod text;

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use gridshell_interfaces::name2key::{MAX_LOOK_UPS_OF_ONE_CALL, Name2KeyService, NameEntry, canonical_name};
use uuid::Uuid;

use super::GridOfAddresses;
use super::face::{self, AllMatches, Face, key_of};
use super::parameters::{self, MAX_TEXT, Parameters};
use super::refusal::Refusal;
use crate::http::{Handler, HeaderValue, Method, Request, Response, Router, StatusCode, header};

/// How many names of one request are looked up (name2key.md section 7.1).
const MAX_NAMES: usize = 50;

/// The verbs that get an answer of this face. Of the last three it is always "not found": the answer of an unregistered verb could
/// be taken for a key.
const METHODS: [Method; 6] = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

const INVALID_NAME: Refusal = Refusal::Web("Invalid name");
const TOO_MANY_KEYS: Refusal = Refusal::Web("Too many keys");

/// What W-Hat's face needs to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebOptions {
    /// Which grids the addresses of clients belong to.
    pub grids: GridOfAddresses,
    /// How often a minute each address may ask; 0 is no limit.
    pub look_ups_per_minute: u32,
}

/// Answers as W-Hat's server does from a name2key service, with the additions of name2key.md section 12: the parameters `grid`
/// (whose entries come first), and `all=1` with `max` (all matches of a name).
pub struct Name2KeyWebConnector {
    face: Face,
}

type Answer = Result<Response, Refusal>;

impl Name2KeyWebConnector {
    /// A connector over `service`.
    pub fn new(service: Arc<dyn Name2KeyService>, options: WebOptions) -> Arc<Self> {
        Arc::new(Self { face: Face::new(service, options.grids, options.look_ups_per_minute) })
    }

    /// Registers the connector's paths.
    pub fn register(self: Arc<Self>, router: &mut Router) {
        for method in METHODS {
            for path in ["/name2key", "/key2name"] {
                router.stream(method.clone(), path, None, self.clone());
            }
        }
    }

    async fn answer(&self, request: &Request) -> (&'static str, Answer) {
        if let Err(refusal) = self.face.count_look_up(request.client) {
            return ("other", Err(refusal));
        }
        let Ok(parameters) = Parameters::of_web(request) else {
            return ("other", Err(Refusal::Web("Too many parameters")));
        };
        let path = request.path.as_str();
        match request.method {
            Method::POST if path == "/name2key" => self.post(request, &parameters).await,
            Method::GET | Method::HEAD => match path {
                "/name2key" => self.query(request, &parameters).await,
                "/name2key.csv" => ("csv", export::export(self.face.service.clone()).await.map_err(Refusal::from)),
                _ => match (path.strip_prefix("/name2key/"), path.strip_prefix("/key2name/").and_then(key_of)) {
                    (Some(name), _) if !name.contains('/') => {
                        let name = parameters::decode(name.as_bytes());
                        ("name", self.name(request, &parameters, &name, Form::OfPath).await)
                    }
                    (_, Some(key)) => ("key2name", self.key(request, &parameters, key).await),
                    _ => ("other", Ok(not_found())),
                },
            },
            _ => ("other", Ok(not_found())),
        }
    }

    async fn query(&self, request: &Request, parameters: &Parameters<'_>) -> (&'static str, Answer) {
        if let Some(text) = parameters.get("keys") {
            ("keys", self.add_keys(text.as_bytes()).await)
        } else if let Some(name) = parameters.get("name") {
            ("name", self.name(request, parameters, name, Form::of(parameters)).await)
        } else if let Some(text) = parameters.get("names") {
            ("names", self.names(request, parameters, text).await)
        } else {
            let to_documentation = face::plain(StatusCode::FOUND, "");
            ("other", Ok(to_documentation.with_header(header::LOCATION, HeaderValue::from_static("/#name2key"))))
        }
    }

    async fn post(&self, request: &Request, parameters: &Parameters<'_>) -> (&'static str, Answer) {
        if let Some(text) = parameters.get("keys") {
            ("keys", self.add_keys(text.as_bytes()).await)
        } else if let Some(name) = parameters.get("name") {
            ("name", self.name(request, parameters, name, Form::of(parameters)).await)
        } else if !request.body.is_empty() {
            ("keys", self.add_keys(&request.body).await)
        } else {
            ("other", Err(Refusal::Web("")))
        }
    }

    async fn name(&self, request: &Request, parameters: &Parameters<'_>, name: &str, form: Form) -> Answer {
        if !text::is_name(name) {
            return Err(INVALID_NAME);
        }
        let asker = self.face.asker(request, parameters)?;
        let all = AllMatches::asked_for(parameters)?;
        let matches = self.face.service.by_name(name, asker.as_ref()).await?;
        let response = match (matches.first(), all, form) {
            (Some(_), Some(all), _) => face::found(all.of_name(&matches)),
            (Some(best), None, Form::Long) => face::found(format!("{name} {}", best.key)),
            (Some(best), None, Form::Terse | Form::OfPath) => face::found(best.key.to_string()),
            (None, _, Form::OfPath) => face::plain(StatusCode::NOT_FOUND, Uuid::nil().to_string()),
            (None, _, Form::Terse) => face::plain(StatusCode::OK, Uuid::nil().to_string()),
            (None, _, Form::Long) => face::plain(StatusCode::OK, "None found"),
        };
        Ok(face::with_matches(response, &matches))
    }

    async fn names(&self, request: &Request, parameters: &Parameters<'_>, text: &str) -> Answer {
        let names: Vec<&str> = text::names_in(text).take(MAX_NAMES).collect();
        if names.is_empty() || !names.iter().all(|name| text::is_name(name)) {
            return Err(INVALID_NAME);
        }
        let asker = self.face.asker(request, parameters)?;
        let found = self.face.service.by_names(&names, asker.as_ref()).await?;
        let key = |matches: &Vec<NameEntry>| matches.first().map(|best| best.key).unwrap_or_default().to_string();
        let lines: Vec<String> = match Form::of(parameters) {
            Form::Long => names.iter().zip(&found).map(|(name, matches)| format!("{name} {}", key(matches))).collect(),
            Form::Terse | Form::OfPath => found.iter().map(key).collect(),
        };
        let body = lines.join("\n");
        let all_are_known = found.iter().all(|matches| !matches.is_empty());
        Ok(if all_are_known { face::found(body) } else { face::plain(StatusCode::OK, body) })
    }

    /// Tells how many of the keys in a text are unknown. W-Hat's server goes on to ask Second Life for their names; here is nothing
    /// to ask, so they stay unknown until somebody registers or imports them.
    async fn add_keys(&self, text: &[u8]) -> Answer {
        if text.len() > MAX_TEXT {
            return Err(TOO_MANY_KEYS);
        }
        let mut keys = BTreeSet::new();
        for key in text::keys_in(text).filter(|key| !key.is_nil()) {
            keys.insert(key);
            if keys.len() > MAX_LOOK_UPS_OF_ONE_CALL {
                return Err(TOO_MANY_KEYS);
            }
        }
        let keys = Vec::from_iter(keys);
        let found = self.face.service.by_keys(&keys, None).await?;
        let unknown = found.iter().filter(|matches| matches.is_empty()).count();
        Ok(face::plain(StatusCode::OK, format!("{unknown} new keys.")))
    }

    async fn key(&self, request: &Request, parameters: &Parameters<'_>, key: Uuid) -> Answer {
        let asker = self.face.asker(request, parameters)?;
        let matches = self.face.service.by_key(key, asker.as_ref()).await?;
        let response = match matches.first() {
            Some(best) => face::found(canonical_name(&best.name)),
            None => face::plain(StatusCode::NOT_FOUND, ""),
        };
        Ok(face::with_matches(response, &matches))
    }
}

#[async_trait]
impl Handler for Name2KeyWebConnector {
    fn name(&self) -> &'static str {
        "name2key_web"
    }

    fn operations(&self) -> &'static [&'static str] {
        &["name", "names", "keys", "key2name", "csv", "other"]
    }

    async fn handle(&self, request: &Request) -> Response {
        let (operation, answer) = self.answer(request).await;
        answer.unwrap_or_else(Refusal::response).for_operation(operation)
    }
}

/// How the look-up of one name is answered (name2key.md section 7.3).
#[derive(Clone, Copy)]
enum Form {
    /// The name as asked, and the key.
    Long,
    /// The key alone; status 200 also when there is none.
    Terse,
    /// The key alone; status 404 when there is none.
    OfPath,
}

impl Form {
    /// That `terse` is there counts, not its value.
    fn of(parameters: &Parameters<'_>) -> Self {
        if parameters.get("terse").is_some() { Self::Terse } else { Self::Long }
    }
}

fn not_found() -> Response {
    face::plain(StatusCode::NOT_FOUND, "Not Found")
}
