//! gosl-basics' face: one address for everything, what is asked for decided by the parameters `name` and `key` (name2key.md section
//! 2).

use std::sync::Arc;

use async_trait::async_trait;
use gridshell_interfaces::Result;
use gridshell_interfaces::name2key::{Grid, Name2KeyService, NameEntry, Registration, check_name, split_grid};
use uuid::Uuid;

use super::face::{self, AllMatches, Face, key_of};
use super::parameters::Parameters;
use super::refusal::Refusal;
use super::registration::Registrar;
use super::{GridOfAddresses, RegistrationOptions};
use crate::http::{Handler, Method, Request, Response, Router, StatusCode};

/// The verbs, all of which do the same (name2key.md section 2.1). Behind a path of its own the face does not see `OPTIONS`, which the
/// router answers there.
const METHODS: [Method; 7] = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::TRACE];

/// How sentences are spelled; the two generations of gosl-basics differ (name2key.md section 2.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spelling {
    /// As in 2017, the version that its documentation belongs to.
    #[default]
    Of2017,
    /// As in 2025: sentences begin in lower case, keys stand in quotes.
    Of2025,
}

/// What a gosl face needs to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GoslOptions {
    /// How sentences are spelled.
    pub spelling: Spelling,
    /// All paths that begin with this are the face's, as `/gosl`. `None`: all paths of the port that no other connector answers.
    pub path: Option<String>,
    /// Which grids the addresses of clients belong to.
    pub grids: GridOfAddresses,
    /// How often a minute each address may look something up; 0 is no limit.
    pub look_ups_per_minute: u32,
    /// Which registrations are taken.
    pub registration: RegistrationOptions,
}

/// Answers as gosl-basics does from a name2key service, with the additions of name2key.md section 12.
///
/// Parameters beside `name`, `key` and `compat`: `grid` (whose entries come first, or where a registration belongs), `all=1` with
/// `max` (all matches), `secret` (for registrations).
pub struct Name2KeyGoslConnector {
    face: Face,
    registrar: Registrar,
    spelling: Spelling,
    path: Option<String>,
}

type Answer = std::result::Result<Response, Refusal>;

impl Name2KeyGoslConnector {
    /// A connector over `service`.
    pub fn new(service: Arc<dyn Name2KeyService>, options: GoslOptions) -> Arc<Self> {
        let GoslOptions { spelling, path, grids, look_ups_per_minute, registration } = options;
        let registrar = Registrar::new(service.clone(), registration);
        Arc::new(Self { face: Face::new(service, grids, look_ups_per_minute), registrar, spelling, path })
    }

    /// Registers the connector's paths.
    pub fn register(self: Arc<Self>, router: &mut Router) {
        match &self.path {
            None => router.fallback(self),
            Some(path) => {
                let path = format!("/{}", path.trim_matches('/'));
                METHODS.into_iter().for_each(|method| router.stream(method, &path, None, self.clone()));
            }
        }
    }

    async fn answer(&self, request: &Request) -> (&'static str, Answer) {
        let Ok(parameters) = Parameters::of_gosl(request) else {
            return ("other", Err(Refusal::Nothing(self.spelling.unreadable())));
        };
        match (parameters.filled("name"), parameters.filled("key")) {
            (Some(name), Some(key)) => ("register", self.register_entry(request, &parameters, name, key).await),
            (Some(name), None) => ("name", self.look_up(request, &parameters, Asked::Name(name)).await),
            (None, Some(key)) => ("key", self.look_up(request, &parameters, Asked::Key(key)).await),
            (None, None) => ("other", Err(Refusal::Nothing(self.spelling.nothing_given()))),
        }
    }

    async fn look_up(&self, request: &Request, parameters: &Parameters<'_>, asked: Asked<'_>) -> Answer {
        self.face.count_look_up(request.client)?;
        let asker = self.face.asker(request, parameters)?;
        let all = AllMatches::asked_for(parameters)?;
        let text = asked.text();
        if !text.trim().is_empty() {
            check_name(text).map_err(|reason| asked.invalid(reason))?;
        }
        let matches = self.matches(asked, asker.as_ref()).await?;
        let body = match (&all, asked) {
            (Some(all), Asked::Name(_)) if !matches.is_empty() => all.of_name(&matches),
            (Some(all), Asked::Key(_)) if !matches.is_empty() => all.of_key(&matches),
            _ if parameters.get("compat") == Some("false") => self.spelling.sentence(asked, matches.first()),
            _ => asked.short_answer(matches.first()),
        };
        let response = if matches.is_empty() { face::plain(StatusCode::OK, body) } else { face::found(body) };
        Ok(face::with_matches(response, &matches))
    }

    /// The matches, best first. In the newer gosl-basics names and keys are one, so a key can be asked for as a name and a name as a
    /// key (name2key.md section 2.3); and it asks without the blanks at both ends.
    async fn matches(&self, asked: Asked<'_>, asker: Option<&Grid>) -> Result<Vec<NameEntry>> {
        let text = asked.text().trim();
        let service = &self.face.service;
        match (asked, key_of(text)) {
            _ if text.is_empty() => Ok(Vec::new()),
            (Asked::Key(_), Some(key)) => service.by_key(key, asker).await,
            (Asked::Name(_), Some(key)) => {
                let matches = service.by_name(text, asker).await?;
                if matches.is_empty() { service.by_key(key, asker).await } else { Ok(matches) }
            }
            (_, None) => match split_grid(text) {
                (name, None) => service.by_name(name, asker).await,
                (name, Some(host)) => {
                    let host = Grid(host);
                    let mut matches = service.by_name(name, Some(&host)).await?;
                    // Who names a visitor's grid means nobody from elsewhere. It can be part of the name, in imported entries.
                    matches.retain(|entry| entry.grid.is(&host));
                    if matches.is_empty() { service.by_name(text, asker).await } else { Ok(matches) }
                }
            },
        }
    }

    async fn register_entry(&self, request: &Request, parameters: &Parameters<'_>, name: &str, key: &str) -> Answer {
        let key = key_of(key).filter(|key| !key.is_nil()).ok_or_else(|| Refusal::Key(key.to_owned()))?;
        let (plain_name, suffix) = split_grid(name);
        let grid = self.face.grid(request, parameters, suffix)?;
        check_name(plain_name).map_err(Refusal::Name)?;
        let registration = Registration { name: plain_name.to_owned(), key, grid, verified: false };
        self.registrar.register(&registration, request, parameters.filled("secret")).await?;
        let body = format!("Added new entry for '{name}' which is: {key} from grid: '{}'", face::shard(request));
        Ok(face::plain(StatusCode::OK, body))
    }
}

#[async_trait]
impl Handler for Name2KeyGoslConnector {
    fn name(&self) -> &'static str {
        "name2key_gosl"
    }

    fn operations(&self) -> &'static [&'static str] {
        &["name", "key", "register", "other"]
    }

    async fn handle(&self, request: &Request) -> Response {
        let (operation, answer) = self.answer(request).await;
        answer.unwrap_or_else(Refusal::response).for_operation(operation)
    }
}

/// What is looked up, as it was received.
#[derive(Clone, Copy)]
enum Asked<'a> {
    Name(&'a str),
    Key(&'a str),
}

impl Asked<'_> {
    fn text(&self) -> &str {
        match self {
            Self::Name(text) | Self::Key(text) => text,
        }
    }

    fn invalid(&self, reason: String) -> Refusal {
        match self {
            Self::Name(_) => Refusal::Name(reason),
            Self::Key(key) => Refusal::Key((*key).to_owned()),
        }
    }

    /// The key of a name, the zero UUID when it is unknown; the name of a key, or nothing.
    fn short_answer(&self, best: Option<&NameEntry>) -> String {
        match self {
            Self::Name(_) => best.map(|entry| entry.key).unwrap_or_default().to_string(),
            Self::Key(_) => best.map(|entry| entry.name.clone()).unwrap_or_default(),
        }
    }
}

impl Spelling {
    /// The answer with `compat=false`.
    fn sentence(self, asked: Asked<'_>, best: Option<&NameEntry>) -> String {
        let answer = asked.short_answer(best);
        let grid = best.map(|entry| entry.grid.0.as_str()).unwrap_or_default();
        match asked {
            Asked::Name(name) => format!("UUID for '{name}' is: {answer} from grid: '{grid}'"),
            Asked::Key(key) => {
                // Keys are answered in lower case (name2key.md section 12.1).
                let key = key_of(key).as_ref().map_or_else(|| key.to_owned(), Uuid::to_string);
                match self {
                    Self::Of2017 => format!("Avatar name for {key} is '{answer}' on grid: '{grid}'"),
                    Self::Of2025 => format!("avatar name for '{key}' is '{answer}' on grid: '{grid}'"),
                }
            }
        }
    }

    fn nothing_given(self) -> &'static str {
        match self {
            Self::Of2017 => "Empty avatar name and UUID key received, cannot proceed",
            Self::Of2025 => "empty avatar name and UUID key received, cannot proceed",
        }
    }

    fn unreadable(self) -> &'static str {
        match self {
            Self::Of2017 => "No avatar and/or UUID received",
            Self::Of2025 => "no avatar and/or UUID received",
        }
    }
}
