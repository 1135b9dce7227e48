//! Frames over a socket, for threads that wait.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use bytes::Bytes;

use super::frame::{Frame, HEAD, Head};
use super::message::Message;

/// Reads a frame; `None` at the end of the connection.
///
/// # Errors
/// The connection fails, ends within a frame, or what arrives is none.
pub fn read_frame(reader: &mut impl Read) -> io::Result<Option<Frame>> {
    let mut head = [0; HEAD];
    let mut filled = 0;
    while filled < HEAD {
        match reader.read(&mut head[filled..]) {
            Ok(0) if filled == 0 => return Ok(None),
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let head = Head::read(&head).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
    let length = head.fields + head.body;
    let mut content = Vec::with_capacity(length);
    if reader.take(length as u64).read_to_end(&mut content)? < length {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(Some(Frame::new(head, Bytes::from(content))))
}

/// Writes a frame behind `before`, which are frames too.
///
/// # Errors
/// The connection fails, or the message is too long, which [`is_too_large`] tells; then nothing was written.
pub fn write_frame(writer: &mut impl Write, before: &[u8], id: u32, message: &Message<'_>) -> io::Result<()> {
    let head = message.encode(id).map_err(|error| io::Error::new(ErrorKind::InvalidInput, error))?;
    let mut slices = [IoSlice::new(before), IoSlice::new(&head), IoSlice::new(message.body())];
    let mut slices = &mut slices[..];
    // Also takes empty slices off.
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        match writer.write_vectored(slices) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut slices, written),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether a message was not written because it is too long.
pub fn is_too_large(error: &io::Error) -> bool {
    error.kind() == ErrorKind::InvalidInput
}

/// A socket that is waited for until a moment, not longer, however often it is read.
pub struct Until<'a> {
    /// The socket.
    pub socket: &'a UnixStream,
    /// The moment.
    pub end: Instant,
}

impl Read for Until<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        self.socket.set_read_timeout(Some(left))?;
        self.socket.read(buffer).map_err(|error| match error.kind() {
            ErrorKind::WouldBlock => ErrorKind::TimedOut.into(),
            _ => error,
        })
    }
}

impl<'a> Until<'a> {
    /// A socket until a moment.
    pub fn new(socket: &'a UnixStream, end: Instant) -> Self {
        Self { socket, end }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::frame::MAX_FIELDS;
    use super::super::message::Response;
    use super::*;

    #[test]
    fn frames_come_through_in_pieces_of_any_size() {
        /// Reads and writes a few bytes at a time.
        struct Slow(Vec<u8>, usize);
        impl Read for Slow {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let count = buffer.len().min(3).min(self.0.len() - self.1);
                buffer[..count].copy_from_slice(&self.0[self.1..self.1 + count]);
                self.1 += count;
                Ok(count)
            }
        }
        impl Write for Slow {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                let count = bytes.len().min(5);
                self.0.extend_from_slice(&bytes[..count]);
                Ok(count)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let body = [7; 1000];
        let served = Message::Served { status: 0, response: Response { status: 200, headers: vec![("a", "b")], body: &body } };
        let before = Message::Health.encode(1).unwrap();
        let mut slow = Slow(Vec::new(), 0);
        write_frame(&mut slow, &before, 2, &served).unwrap();
        write_frame(&mut slow, &[], 3, &Message::Done(-1)).unwrap();
        let frames: Vec<Frame> = std::iter::from_fn(|| read_frame(&mut slow).unwrap()).collect();
        let messages: Vec<_> = frames.iter().map(|frame| (frame.id(), frame.message().unwrap())).collect();
        assert_eq!(messages, [(1, Message::Health), (2, served), (3, Message::Done(-1))]);
        for cut in [1, HEAD - 1, HEAD + 3] {
            let mut cut = Slow(slow.0[..cut].to_vec(), 0);
            let last = std::iter::from_fn(|| read_frame(&mut cut).transpose()).last().unwrap();
            assert_eq!(last.unwrap_err().kind(), ErrorKind::UnexpectedEof);
        }
    }

    #[test]
    fn what_is_too_long_is_told_from_a_broken_connection() {
        let text = "x".repeat(MAX_FIELDS);
        let mut written = Vec::new();
        let error = write_frame(&mut written, &[1], 1, &Message::Output(&text)).unwrap_err();
        assert!(is_too_large(&error) && written.is_empty());
        assert!(!is_too_large(&ErrorKind::BrokenPipe.into()));
    }

    #[test]
    fn nobody_is_waited_for_longer_than_permitted() {
        let (one, _other) = UnixStream::pair().unwrap();
        let error = read_frame(&mut Until::new(&one, Instant::now() + Duration::from_millis(1))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        let error = read_frame(&mut Until::new(&one, Instant::now())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }
}
