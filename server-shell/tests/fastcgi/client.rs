//! A web server's side of FastCGI, as small as it can be.

use std::io::{self, Read, Write};

/// The record with this type and content, of request 1.
pub fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[1, kind, 0, 1, length[0], length[1], 0, 0], content].concat()
}

/// What a request consists of up to the end of its parameters. The connection is kept.
pub fn head(method: &str, uri: &str) -> Vec<u8> {
    let pair = |name: &str, value: &str| {
        let lengths = [name, value].map(|text| u8::try_from(text.len()).unwrap());
        [&lengths[..], name.as_bytes(), value.as_bytes()].concat()
    };
    let parameters = [pair("REQUEST_METHOD", method), pair("REQUEST_URI", uri), pair("REMOTE_ADDR", "192.0.2.7")].concat();
    [record(1, &[0, 1, 1, 0, 0, 0, 0, 0]), record(4, &parameters), record(4, b"")].concat()
}

/// A whole request.
pub fn request(method: &str, uri: &str, body: &[u8]) -> Vec<u8> {
    let pieces: Vec<_> = body.chunks(50_000).map(|piece| record(5, piece)).collect();
    [head(method, uri), pieces.concat(), record(5, b"")].concat()
}

/// Reads an answer to its end: what would be the output of a CGI program.
pub fn read_answer(stream: &mut impl Read) -> io::Result<String> {
    let mut output = Vec::new();
    loop {
        let mut head = [0; 8];
        stream.read_exact(&mut head)?;
        let length = usize::from(u16::from_be_bytes([head[4], head[5]]));
        let mut content = vec![0; length + usize::from(head[6])];
        stream.read_exact(&mut content)?;
        match head[1] {
            6 => output.extend_from_slice(&content[..length]),
            3 => return String::from_utf8(output).map_err(io::Error::other),
            other => return Err(io::Error::other(format!("a record of type {other}"))),
        }
    }
}

/// Sends a request and reads its answer.
pub fn exchange(stream: &mut (impl Read + Write), method: &str, uri: &str, body: &[u8]) -> io::Result<String> {
    stream.write_all(&request(method, uri, body))?;
    read_answer(stream)
}
