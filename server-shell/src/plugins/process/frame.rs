//! What the server and a plugin's process say to each other (plugins.md section 5.5): frames over a pair of sockets, both directions.
//!
//! A frame is a head of 16 bytes, fields, and a body. The head: kind, three zero bytes, id, length of the fields, length of the body.
//! Numbers are little-endian; text is its length and UTF-8; a list is its length and its elements. The body stands last, so that it is
//! sent from where it lies, and kept where it was received.
//!
//! Who asks chooses an id, and the answer carries it; answers come in any order. Both directions count their ids for themselves.

use std::fmt;

use bytes::{Buf, Bytes, BytesMut};

use super::message::{Load, Message, Pair, Request, Response, Route, Section, Texts};

/// Length of a frame's head.
pub const HEAD: usize = 16;
/// The longest fields. Headers of requests are bounded by the listener, sections by who writes them; this is far more.
pub const MAX_FIELDS: usize = 16 * 1024 * 1024;
/// The longest body.
pub const MAX_BODY: usize = 256 * 1024 * 1024;

/// The id of frames that are neither question nor answer.
pub const NO_ID: u32 = 0;

/// What arrived is no frame: nothing that follows on the connection makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Malformed {}

/// A message is larger than a frame may be. Nothing of it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more than {MAX_FIELDS} bytes of fields or {MAX_BODY} bytes of body")
    }
}

impl std::error::Error for TooLarge {}

mod kind {
    pub const LOAD: u8 = 1;
    pub const LOADED: u8 = 2;
    pub const REFUSED: u8 = 3;
    pub const CREATE: u8 = 4;
    pub const CREATED: u8 = 5;
    pub const HANDLE: u8 = 6;
    pub const RECONFIGURE: u8 = 7;
    pub const HEALTH: u8 = 8;
    pub const COMMAND: u8 = 9;
    pub const DESTROY: u8 = 10;
    pub const LOG: u8 = 11;
    pub const OUTPUT: u8 = 12;
    pub const METRIC_ADD: u8 = 13;
    pub const CALL_SERVICE: u8 = 14;
    pub const DONE: u8 = 15;
    pub const TEXT: u8 = 16;
    pub const SERVED: u8 = 17;
    pub const BROKEN: u8 = 18;
}

/// The head of a frame that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    kind: u8,
    /// The id of the question that the frame is or answers.
    pub id: u32,
    /// Length of the fields, which come next.
    pub fields: usize,
    /// Length of the body, which comes after them.
    pub body: usize,
}

impl Head {
    /// Reads a head.
    ///
    /// # Errors
    /// It is none, or announces more than a frame may have.
    pub fn read(bytes: &[u8; HEAD]) -> Result<Self, Malformed> {
        let [kind, 0, 0, 0, i0, i1, i2, i3, f0, f1, f2, f3, b0, b1, b2, b3] = *bytes else {
            return Err(Malformed("a head without its zero bytes"));
        };
        let length = |bytes| usize::try_from(u32::from_le_bytes(bytes)).unwrap_or(usize::MAX);
        let (fields, body) = (length([f0, f1, f2, f3]), length([b0, b1, b2, b3]));
        if fields > MAX_FIELDS || body > MAX_BODY {
            return Err(Malformed("a frame that is too long"));
        }
        Ok(Self { kind, id: u32::from_le_bytes([i0, i1, i2, i3]), fields, body })
    }
}

/// A frame that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    head: Head,
    /// Fields and body.
    content: Bytes,
}

impl Frame {
    /// A frame of this head and what followed it.
    pub fn new(head: Head, content: Bytes) -> Self {
        Self { head, content }
    }

    /// Takes one frame off what has arrived; `None` when it is not there whole. `arrived` then has room for the rest.
    ///
    /// # Errors
    /// What arrived is no frame.
    pub fn take(arrived: &mut BytesMut) -> Result<Option<Self>, Malformed> {
        let Some(head) = arrived.first_chunk() else {
            arrived.reserve(HEAD);
            return Ok(None);
        };
        let head = Head::read(head)?;
        let whole = HEAD + head.fields + head.body;
        if arrived.len() < whole {
            arrived.reserve(whole - arrived.len());
            return Ok(None);
        }
        let mut content = arrived.split_to(whole).freeze();
        content.advance(HEAD);
        Ok(Some(Self { head, content }))
    }

    /// The id of the question that the frame is or answers.
    pub fn id(&self) -> u32 {
        self.head.id
    }

    /// What it says.
    ///
    /// # Errors
    /// The bytes are no message.
    pub fn message(&self) -> Result<Message<'_>, Malformed> {
        let (fields, body) = self.content.split_at_checked(self.head.fields).ok_or(Malformed("a frame that ends too early"))?;
        if body.len() != self.head.body {
            return Err(Malformed("a frame of another length than its head says"));
        }
        Message::decode(&self.head, fields, body)
    }

    /// The body of its message, to be kept.
    pub fn body(&self) -> Bytes {
        self.content.slice(self.content.len().min(self.head.fields)..)
    }
}

impl<'a> Message<'a> {
    /// What is sent before the body: head and fields.
    ///
    /// # Errors
    /// The message is longer than a frame may be.
    pub fn encode(&self, id: u32) -> Result<Vec<u8>, TooLarge> {
        let mut fields = Writer(Vec::with_capacity(HEAD + 512));
        fields.0.resize(HEAD, 0);
        let kind = fields.message(self);
        let Writer(mut bytes) = fields;
        let (length, body) = (bytes.len() - HEAD, self.body().len());
        if length > MAX_FIELDS || body > MAX_BODY {
            return Err(TooLarge);
        }
        bytes[0] = kind;
        bytes[4..8].copy_from_slice(&id.to_le_bytes());
        bytes[8..12].copy_from_slice(&(length as u32).to_le_bytes());
        bytes[12..HEAD].copy_from_slice(&(body as u32).to_le_bytes());
        Ok(bytes)
    }

    /// Reads a message from what followed its head.
    ///
    /// # Errors
    /// The bytes are no message of this kind, or there is no such kind.
    fn decode(head: &Head, fields: &'a [u8], body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader(fields);
        let message = reader.message(head.kind, body)?;
        if !reader.0.is_empty() {
            return Err(Malformed("a message with something behind it"));
        }
        if body.len() != message.body().len() {
            return Err(Malformed("a body where none belongs"));
        }
        Ok(message)
    }
}

struct Writer(Vec<u8>);

impl Writer {
    /// Writes the fields, and gives the kind.
    fn message(&mut self, message: &Message<'_>) -> u8 {
        match message {
            Message::Load(load) => {
                let Load { file, sha256, allow_unmarked, memory, open_files } = load;
                self.texts_of([file, sha256]);
                self.flag(*allow_unmarked);
                self.0.extend([memory, open_files].map(|number| number.to_le_bytes()).as_flattened());
                kind::LOAD
            }
            Message::Loaded { properties, has_commands } => {
                self.pairs(properties);
                self.flag(*has_commands);
                kind::LOADED
            }
            Message::Refused { code, what, expected, found } => {
                self.0.push(*code);
                self.texts_of([what, expected, found]);
                kind::REFUSED
            }
            Message::Create(texts) => {
                self.texts(texts);
                kind::CREATE
            }
            Message::Created { status, routes } => {
                self.status(*status);
                self.length(routes.len());
                for Route { service, method, prefix } in routes {
                    self.texts_of([service, method, prefix]);
                }
                kind::CREATED
            }
            Message::Handle(request) => {
                self.request(request);
                kind::HANDLE
            }
            Message::Reconfigure(texts) => {
                self.texts(texts);
                kind::RECONFIGURE
            }
            Message::Health => kind::HEALTH,
            Message::Command(line) => {
                self.text(line);
                kind::COMMAND
            }
            Message::Destroy => kind::DESTROY,
            Message::Log { level, text } => {
                self.status(*level);
                self.text(text);
                kind::LOG
            }
            Message::Output(text) => {
                self.text(text);
                kind::OUTPUT
            }
            Message::CallService(request) => {
                self.request(request);
                kind::CALL_SERVICE
            }
            Message::MetricAdd { name, amount } => {
                self.text(name);
                self.0.extend(amount.to_le_bytes());
                kind::METRIC_ADD
            }
            Message::Done(status) => {
                self.status(*status);
                kind::DONE
            }
            Message::Text { status, text } => {
                self.status(*status);
                self.text(text);
                kind::TEXT
            }
            Message::Served { status, response } => {
                self.status(*status);
                self.0.extend(response.status.to_le_bytes());
                self.pairs(&response.headers);
                kind::SERVED
            }
            Message::Broken(what) => {
                self.text(what);
                kind::BROKEN
            }
        }
    }

    fn status(&mut self, status: i32) {
        self.0.extend(status.to_le_bytes());
    }

    /// A length that does not fit is that of a frame that is too long, which is noticed at the end.
    fn length(&mut self, length: usize) {
        self.0.extend((length as u32).to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.length(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    fn texts_of<const N: usize>(&mut self, texts: [&str; N]) {
        texts.into_iter().for_each(|text| self.text(text));
    }

    fn pairs(&mut self, pairs: &[Pair<'_>]) {
        self.length(pairs.len());
        for (name, value) in pairs {
            self.text(name);
            self.text(value);
        }
    }

    fn flag(&mut self, flag: bool) {
        self.0.push(flag.into());
    }

    fn texts(&mut self, texts: &Texts<'_>) {
        self.section(&texts.own);
        self.length(texts.others.len());
        texts.others.iter().for_each(|section| self.section(section));
    }

    fn section(&mut self, section: &Section<'_>) {
        self.text(section.name);
        self.pairs(&section.entries);
    }

    fn request(&mut self, request: &Request<'_>) {
        let Request { service, method, path, matched, query, peer, headers, body: _ } = request;
        self.texts_of([service, method, path]);
        self.0.extend(matched.to_le_bytes());
        self.texts_of([query, peer]);
        self.pairs(headers);
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn message(&mut self, kind: u8, body: &'a [u8]) -> Result<Message<'a>, Malformed> {
        Ok(match kind {
            kind::LOAD => Message::Load(Load {
                file: self.text()?,
                sha256: self.text()?,
                allow_unmarked: self.flag()?,
                memory: u64::from_le_bytes(self.array()?),
                open_files: u64::from_le_bytes(self.array()?),
            }),
            kind::LOADED => Message::Loaded { properties: self.pairs()?, has_commands: self.flag()? },
            kind::REFUSED => {
                let [code] = self.array()?;
                Message::Refused { code, what: self.text()?, expected: self.text()?, found: self.text()? }
            }
            kind::CREATE => Message::Create(self.texts()?),
            kind::CREATED => Message::Created { status: self.status()?, routes: self.list(Self::route)? },
            kind::HANDLE => Message::Handle(self.request(body)?),
            kind::RECONFIGURE => Message::Reconfigure(self.texts()?),
            kind::HEALTH => Message::Health,
            kind::COMMAND => Message::Command(self.text()?),
            kind::DESTROY => Message::Destroy,
            kind::LOG => Message::Log { level: self.status()?, text: self.text()? },
            kind::OUTPUT => Message::Output(self.text()?),
            kind::CALL_SERVICE => Message::CallService(self.request(body)?),
            kind::METRIC_ADD => Message::MetricAdd { name: self.text()?, amount: u64::from_le_bytes(self.array()?) },
            kind::DONE => Message::Done(self.status()?),
            kind::TEXT => Message::Text { status: self.status()?, text: self.text()? },
            kind::SERVED => {
                let status = self.status()?;
                let response = Response { status: u16::from_le_bytes(self.array()?), headers: self.pairs()?, body };
                Message::Served { status, response }
            }
            kind::BROKEN => Message::Broken(self.text()?),
            _ => return Err(Malformed("a message of an unknown kind")),
        })
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (first, rest) = self.0.split_first_chunk().ok_or(Malformed("a message that ends too early"))?;
        self.0 = rest;
        Ok(*first)
    }

    fn status(&mut self) -> Result<i32, Malformed> {
        self.array().map(i32::from_le_bytes)
    }

    fn length(&mut self) -> Result<usize, Malformed> {
        let length = u32::from_le_bytes(self.array()?);
        usize::try_from(length).map_err(|_| Malformed("a length that cannot be"))
    }

    fn text(&mut self) -> Result<&'a str, Malformed> {
        let length = self.length()?;
        let (text, rest) = self.0.split_at_checked(length).ok_or(Malformed("a text that ends too early"))?;
        self.0 = rest;
        str::from_utf8(text).map_err(|_| Malformed("a text that is not UTF-8"))
    }

    fn flag(&mut self) -> Result<bool, Malformed> {
        match self.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(Malformed("a flag that is neither set nor unset")),
        }
    }

    /// A list. Each element takes 8 bytes at least: two lengths.
    fn list<T>(&mut self, element: impl Fn(&mut Self) -> Result<T, Malformed>) -> Result<Vec<T>, Malformed> {
        let count = self.length()?;
        if count > self.0.len() / 8 {
            return Err(Malformed("a list that ends too early"));
        }
        (0..count).map(|_| element(self)).collect()
    }

    fn pairs(&mut self) -> Result<Vec<Pair<'a>>, Malformed> {
        self.list(|reader| Ok((reader.text()?, reader.text()?)))
    }

    fn route(&mut self) -> Result<Route<'a>, Malformed> {
        Ok(Route { service: self.text()?, method: self.text()?, prefix: self.text()? })
    }

    fn texts(&mut self) -> Result<Texts<'a>, Malformed> {
        Ok(Texts { own: self.section()?, others: self.list(Self::section)? })
    }

    fn section(&mut self) -> Result<Section<'a>, Malformed> {
        Ok(Section { name: self.text()?, entries: self.pairs()? })
    }

    fn request(&mut self, body: &'a [u8]) -> Result<Request<'a>, Malformed> {
        Ok(Request {
            service: self.text()?,
            method: self.text()?,
            path: self.text()?,
            matched: u32::from_le_bytes(self.array()?),
            query: self.text()?,
            peer: self.text()?,
            headers: self.pairs()?,
            body,
        })
    }
}

#[cfg(test)]
mod tests;
