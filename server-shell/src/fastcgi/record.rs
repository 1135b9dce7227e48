//! FastCGI 1.0 on the wire: records, and the name-value pairs in them.
//!
//! Everything is a record: a head of 8 bytes (version, type, request id, content length, padding length, one unused), the content, and
//! padding. Numbers are big-endian. Records of request id 0 concern the connection, not a request.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Length of a record's head.
const HEAD: usize = 8;
const VERSION: u8 = 1;

/// The longest content that is sent in one record: what fits, and needs no padding to keep records aligned to 8 bytes.
pub const LONGEST_CONTENT: usize = 65_528;

/// The role of a program that answers requests.
pub const RESPONDER: u16 = 1;
/// The flag of a `BEGIN_REQUEST` that asks to keep the connection.
const KEEP_CONNECTION: u8 = 1;

/// The types of records.
pub mod kind {
    /// A request begins: its role and flags.
    pub const BEGIN_REQUEST: u8 = 1;
    /// The web server has lost interest in a request.
    pub const ABORT_REQUEST: u8 = 2;
    /// A request is answered.
    pub const END_REQUEST: u8 = 3;
    /// A piece of the parameters; an empty one ends them.
    pub const PARAMS: u8 = 4;
    /// A piece of the request's body; an empty one ends it.
    pub const STDIN: u8 = 5;
    /// A piece of the answer; an empty one ends it.
    pub const STDOUT: u8 = 6;
    /// A question for the program's limits.
    pub const GET_VALUES: u8 = 9;
    /// The answer to it.
    pub const GET_VALUES_RESULT: u8 = 10;
    /// The answer to a record of request id 0 whose type nobody knows.
    pub const UNKNOWN_TYPE: u8 = 11;
}

/// How a request ended, in `END_REQUEST`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndStatus {
    /// It was answered, or given up because the web server wished so.
    Complete = 0,
    /// A second request on one connection at the same time.
    CannotMultiplex = 1,
    /// The role is none that this program has.
    UnknownRole = 3,
}

/// What arrived cannot be FastCGI: nothing that follows on the connection makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

/// A record that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its type, one of [`kind`] or anything else.
    pub kind: u8,
    /// The request that it belongs to; 0 for none.
    pub id: u16,
    /// The content, without padding.
    pub content: Bytes,
}

impl Record {
    /// Takes one record off what has arrived; `None` when it is not there whole. `arrived` then has room for the rest.
    ///
    /// # Errors
    /// The version is unknown.
    pub fn take(arrived: &mut BytesMut) -> Result<Option<Self>, Malformed> {
        if arrived.first().is_some_and(|version| *version != VERSION) {
            return Err(Malformed("a record of another version than 1"));
        }
        let Some(mut head) = arrived.get(..HEAD) else {
            arrived.reserve(HEAD);
            return Ok(None);
        };
        head.advance(1);
        let (kind, id, length, padding) =
            (head.get_u8(), head.get_u16(), usize::from(head.get_u16()), usize::from(head.get_u8()));
        let whole = HEAD + length + padding;
        if arrived.len() < whole {
            arrived.reserve(whole - arrived.len());
            return Ok(None);
        }
        let mut content = arrived.split_to(whole).freeze();
        content.advance(HEAD);
        content.truncate(length);
        Ok(Some(Self { kind, id, content }))
    }
}

/// The content of a `BEGIN_REQUEST`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begin {
    /// What the web server wants the program to be.
    pub role: u16,
    /// Whether the connection stays open after the answer.
    pub keep: bool,
}

impl Begin {
    /// Reads it.
    ///
    /// # Errors
    /// It has not its 8 bytes.
    pub fn read(mut content: &[u8]) -> Result<Self, Malformed> {
        if content.len() != 8 {
            return Err(Malformed("a BEGIN_REQUEST that is not 8 bytes long"));
        }
        Ok(Self { role: content.get_u16(), keep: content.get_u8() & KEEP_CONNECTION != 0 })
    }
}

/// Writes a record, padded to a multiple of 8 bytes. `content` is at most [`LONGEST_CONTENT`] long.
pub fn put(output: &mut BytesMut, kind: u8, id: u16, content: &[u8]) {
    debug_assert!(content.len() <= LONGEST_CONTENT);
    let length = content.len().min(LONGEST_CONTENT);
    let padding = length.next_multiple_of(8) - length;
    output.reserve(HEAD + length + padding);
    output.put_slice(&[VERSION, kind]);
    output.put_u16(id);
    output.put_u16(length as u16);
    output.put_slice(&[padding as u8, 0]);
    output.put_slice(&content[..length]);
    output.put_bytes(0, padding);
}

/// Writes an `END_REQUEST`.
pub fn put_end(output: &mut BytesMut, id: u16, status: EndStatus) {
    // The status of a program's exit comes first; there is none.
    put(output, kind::END_REQUEST, id, &[0, 0, 0, 0, status as u8, 0, 0, 0]);
}

/// Writes the answer to a record of request id 0 whose type is unknown.
pub fn put_unknown_type(output: &mut BytesMut, unknown: u8) {
    put(output, kind::UNKNOWN_TYPE, 0, &[unknown, 0, 0, 0, 0, 0, 0, 0]);
}

/// Writes the answer to a `GET_VALUES`: of the asked names those that this program knows.
///
/// # Errors
/// The question is no list of pairs.
pub fn put_values(output: &mut BytesMut, question: &[u8], connections: usize) -> Result<(), Malformed> {
    let connections = connections.to_string();
    // A connection carries one request at a time.
    let known: [(&[u8], &str); 3] =
        [(b"FCGI_MAX_CONNS", &connections), (b"FCGI_MAX_REQS", &connections), (b"FCGI_MPXS_CONNS", "0")];
    let mut asked = [false; 3];
    for pair in (Pairs { rest: question }) {
        let (name, _) = pair?;
        if let Some(at) = known.iter().position(|(known, _)| *known == name) {
            asked[at] = true;
        }
    }
    let mut answer = BytesMut::new();
    for ((name, value), _) in known.iter().zip(asked).filter(|(_, asked)| *asked) {
        put_pair(&mut answer, name, value.as_bytes());
    }
    put(output, kind::GET_VALUES_RESULT, 0, &answer);
    Ok(())
}

/// Writes a name-value pair: both lengths, in one byte below 128 and in four with the highest bit set otherwise, then both.
pub fn put_pair(output: &mut BytesMut, name: &[u8], value: &[u8]) {
    for length in [name.len(), value.len()] {
        match u8::try_from(length) {
            Ok(short) if short < 0x80 => output.put_u8(short),
            _ => output.put_u32(length as u32 | 0x8000_0000),
        }
    }
    output.put_slice(name);
    output.put_slice(value);
}

/// The name-value pairs of a stream of parameters. After an error there are no more.
pub struct Pairs<'a> {
    /// What is not read yet.
    pub rest: &'a [u8],
}

impl<'a> Pairs<'a> {
    fn length(&mut self) -> Option<usize> {
        let mut rest = self.rest;
        let length = match rest.first()? {
            0..0x80 => rest.get_u8().into(),
            _ => (rest.try_get_u32().ok()? & 0x7fff_ffff) as usize,
        };
        self.rest = rest;
        Some(length)
    }

    fn text(&mut self, length: usize) -> Option<&'a [u8]> {
        let (text, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(text)
    }

    fn pair(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let (name, value) = (self.length()?, self.length()?);
        Some((self.text(name)?, self.text(value)?))
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Result<(&'a [u8], &'a [u8]), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let pair = self.pair();
        if pair.is_none() {
            self.rest = &[];
        }
        Some(pair.ok_or(Malformed("a name-value pair that is cut off")))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_record_is_taken_when_it_is_there_whole() {
        let bytes = b"\x01\x05\x01\x02\x00\x03\x05\x00abcPPPPP\x01\x04";
        for length in 0..bytes.len() - 2 {
            let mut arrived = BytesMut::from(&bytes[..length]);
            assert_eq!(Record::take(&mut arrived), Ok(None), "{length} bytes");
            assert_eq!(arrived, bytes[..length]);
            assert!(arrived.capacity() > length, "there is room for more");
        }
        let mut arrived = BytesMut::from(&bytes[..]);
        let record = Record { kind: kind::STDIN, id: 0x0102, content: Bytes::from_static(b"abc") };
        assert_eq!(Record::take(&mut arrived), Ok(Some(record)));
        assert_eq!(arrived, b"\x01\x04"[..]);
    }

    #[test]
    fn another_version_is_seen_at_its_first_byte() {
        for text in ["GET / HTTP/1.1\r\n", "G", "\0", "\x02"] {
            let taken = Record::take(&mut BytesMut::from(text));
            assert_eq!(taken, Err(Malformed("a record of another version than 1")), "{text:?}");
        }
    }

    #[test]
    fn begin() {
        assert_eq!(Begin::read(&[0, 1, 1, 0, 0, 0, 0, 0]), Ok(Begin { role: RESPONDER, keep: true }));
        assert_eq!(Begin::read(&[1, 2, 0xfe, 0, 0, 0, 0, 0]), Ok(Begin { role: 0x102, keep: false }));
        for length in [0, 1, 7, 9] {
            assert!(Begin::read(&vec![0; length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn records_as_they_are_sent() {
        let mut output = BytesMut::new();
        put(&mut output, kind::STDOUT, 258, b"hello");
        put(&mut output, kind::STDOUT, 258, b"");
        put_end(&mut output, 258, EndStatus::Complete);
        put_end(&mut output, 3, EndStatus::CannotMultiplex);
        put_end(&mut output, 3, EndStatus::UnknownRole);
        put_unknown_type(&mut output, 77);
        let expected: &[&[u8]] = &[
            b"\x01\x06\x01\x02\x00\x05\x03\x00hello\0\0\0",
            b"\x01\x06\x01\x02\x00\x00\x00\x00",
            b"\x01\x03\x01\x02\x00\x08\x00\x00\0\0\0\0\0\0\0\0",
            b"\x01\x03\x00\x03\x00\x08\x00\x00\0\0\0\0\x01\0\0\0",
            b"\x01\x03\x00\x03\x00\x08\x00\x00\0\0\0\0\x03\0\0\0",
            b"\x01\x0b\x00\x00\x00\x08\x00\x00\x4d\0\0\0\0\0\0\0",
        ];
        assert_eq!(output, expected.concat());
    }

    #[test]
    fn the_longest_record() {
        let mut output = BytesMut::new();
        put(&mut output, kind::STDOUT, 1, &[7; LONGEST_CONTENT]);
        assert_eq!(output[..HEAD], *b"\x01\x06\x00\x01\xff\xf8\x00\x00");
        assert_eq!(Record::take(&mut output).unwrap().unwrap().content, vec![7; LONGEST_CONTENT]);
        assert!(output.is_empty());
    }

    #[test]
    fn pairs() {
        let mut written = BytesMut::new();
        put_pair(&mut written, b"HTTP_HOST", b"localhost");
        put_pair(&mut written, b"", b"");
        put_pair(&mut written, b"LONG", &[b'x'; 128]);
        assert_eq!(written[..22], *b"\x09\x09HTTP_HOSTlocalhost\0\0");
        assert_eq!(written[22..31], *b"\x04\x80\x00\x00\x80LONG");
        let read: Vec<_> = Pairs { rest: &written }.map(Result::unwrap).collect();
        assert_eq!(read, [(&b"HTTP_HOST"[..], &b"localhost"[..]), (b"", b""), (b"LONG", &[b'x'; 128])]);
    }

    #[test]
    fn pairs_that_are_cut_off() {
        for bytes in [
            &b"\x01"[..],
            b"\x01\x01",
            b"\x01\x01a",
            b"\x80\x00\x00",
            b"\x01\x80\x00\x00",
            // Lengths of 2 GB and more are believed to nobody: nothing is allocated for them.
            b"\xff\xff\xff\xff\xff\xff\xff\xffabc",
            b"\x00\xff\xff\xff\xffabc",
        ] {
            let read: Vec<_> = Pairs { rest: bytes }.collect();
            assert_eq!(read, [Err(Malformed("a name-value pair that is cut off"))], "{bytes:?}");
        }
        let read: Vec<_> = Pairs { rest: b"\x01\x00a\x01" }.collect();
        assert_eq!(read, [Ok((&b"a"[..], &b""[..])), Err(Malformed("a name-value pair that is cut off"))]);
    }

    #[test]
    fn values() {
        let mut question = BytesMut::new();
        for name in ["FCGI_MPXS_CONNS", "FCGI_WHATEVER", "FCGI_MAX_CONNS", "FCGI_MPXS_CONNS"] {
            put_pair(&mut question, name.as_bytes(), b"");
        }
        let mut output = BytesMut::new();
        put_values(&mut output, &question, 100).unwrap();
        assert_eq!(
            output,
            b"\x01\x0a\x00\x00\x00\x25\x03\x00\x0e\x03FCGI_MAX_CONNS100\x0f\x01FCGI_MPXS_CONNS0\0\0\0"[..],
            "each once, in our order"
        );
        assert!(put_values(&mut output, b"\x09", 1).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let mut arrived = BytesMut::from(&bytes[..]);
            while let Ok(Some(record)) = Record::take(&mut arrived) {
                prop_assert!(record.content.len() <= bytes.len());
            }
            prop_assert!(arrived.capacity() <= bytes.len() + HEAD + 65_535 + 255);
            for (name, value) in (Pairs { rest: &bytes }).flatten() {
                prop_assert!(name.len() + value.len() <= bytes.len());
            }
            let _ = put_values(&mut BytesMut::new(), &bytes, 1);
        }

        #[test]
        fn what_is_written_is_read(kind: u8, id: u16, content: Vec<u8>, name: Vec<u8>, value: Vec<u8>) {
            let mut output = BytesMut::new();
            put(&mut output, kind, id, &content);
            prop_assert_eq!(output.len() % 8, 0);
            prop_assert_eq!(Record::take(&mut output), Ok(Some(Record { kind, id, content: content.into() })));
            prop_assert!(output.is_empty());
            put_pair(&mut output, &name, &value);
            let read: Vec<_> = Pairs { rest: &output }.collect();
            prop_assert_eq!(read, [Ok((name.as_slice(), value.as_slice()))]);
        }
    }
}
