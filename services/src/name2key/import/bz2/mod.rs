//! Decodes bzip2, several blocks at a time.
//!
//! ```text
//!              +-> workers.rs: block.rs -+
//! splitter.rs -+-> workers.rs: block.rs -+-> parts in order
//! ```
//!
//! Whoever asks for the next part also cuts the file and hands its blocks to the workers, some more than there are workers. Memory is
//! bounded by that: so many blocks of at most [`splitter`]'s size, and for each worker the decoder's 4 MB and two parts.

mod bits;
mod block;
mod splitter;
mod workers;

use std::collections::VecDeque;
use std::io::Read;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use gridshell_interfaces::{Result, ServiceError};

use self::bits::Bits;
use self::block::{BlockDecoder, NoBlock, Part};
use self::splitter::{MARK_BITS, Mark, Splitter, checksum};
use self::workers::{Decoded, Workers};
use super::decode::cannot_read;

/// So many pieces are put together at most to make one block. That bits stand where they look like a mark but are none happens once
/// in some 16,000 files of 1 GB, so that several in one block are no accident.
const MAX_JOINED: usize = 4;

/// What a stream begins with: this, then a digit.
pub(super) const MAGIC: &[u8] = b"BZh";
const HEADER_BITS: usize = 32;

/// A bzip2 file, decoded. Its streams and blocks are checked, each by its checksum, and nothing may stand behind the last stream.
pub(super) struct Bzip2<R> {
    /// Pieces in their order, being decoded. Dropped before the workers, who could be waiting for us to take a part.
    ahead: VecDeque<Ahead>,
    most_ahead: usize,
    workers: Workers,
    splitter: Splitter<R>,
    /// The checksum so far of the stream that has begun and not ended.
    stream: Option<u32>,
}

/// A piece of the file.
struct Ahead {
    mark: Mark,
    bits: Arc<Bits>,
    position: u64,
    /// Where it comes from when it is decoded.
    parts: Parts,
    /// Some parts have been given.
    begun: bool,
    /// How many pieces it consists of.
    joined: usize,
}

/// Where the parts of a block come from.
enum Parts {
    /// It is no block.
    None,
    Worker(Receiver<Decoded>),
    /// It was put together of several pieces, and is decoded here, since all workers could be waiting for us.
    Here(Box<BlockDecoder>),
}

impl<R: Read> Bzip2<R> {
    /// Decodes with so many threads.
    ///
    /// # Errors
    /// `Unavailable` when they cannot be started.
    pub(super) fn new(source: R, threads: usize) -> Result<Self> {
        let most_ahead = threads + 2;
        let workers = Workers::start(threads, most_ahead)?;
        Ok(Self {
            ahead: VecDeque::with_capacity(most_ahead),
            most_ahead,
            workers,
            splitter: Splitter::new(source),
            stream: None,
        })
    }

    fn next_part(&mut self) -> Result<Option<Vec<u8>>> {
        loop {
            self.look_ahead()?;
            let Some(front) = self.ahead.front_mut() else {
                return if self.stream.is_none() { Ok(None) } else { Err(ServiceError::invalid("the bzip2 data are cut short")) };
            };
            let (bits, position) = (Arc::clone(&front.bits), front.position);
            match front.mark {
                Mark::Beginning => {
                    self.stream = begin_stream(&bits, 0, position)?;
                    self.ahead.pop_front();
                }
                Mark::End => {
                    self.stream = self.end_stream(&bits, position)?;
                    self.ahead.pop_front();
                }
                Mark::Block => match front.next_part()? {
                    Ok(Part::Some(part)) => {
                        front.begun = true;
                        return Ok(Some(part));
                    }
                    Ok(Part::Last(part)) => {
                        self.stream = Some(self.add_checksum(&bits, position)?);
                        self.ahead.pop_front();
                        return Ok(Some(part));
                    }
                    Err(NoBlock) => self.join_next()?,
                },
            }
        }
    }

    /// Reads pieces, and gives those that are blocks to the workers.
    fn look_ahead(&mut self) -> Result<()> {
        while self.ahead.len() < self.most_ahead {
            let Some(piece) = self.splitter.next().map_err(|error| cannot_read(&error))? else { break };
            let bits = Arc::new(piece.bits);
            let parts = if piece.mark == Mark::Block { Parts::Worker(self.workers.decode(&bits)?) } else { Parts::None };
            self.ahead.push_back(Ahead { mark: piece.mark, bits, position: piece.position, parts, begun: false, joined: 1 });
        }
        Ok(())
    }

    /// The first piece is not a whole block, so the mark behind it is perhaps none.
    fn join_next(&mut self) -> Result<()> {
        let ends_here = self.splitter.has_ended() && self.ahead.len() == 1;
        let Some(front) = self.ahead.pop_front() else { return Ok(()) };
        if ends_here {
            return Err(ServiceError::invalid(format!(
                "the bzip2 data are cut short or damaged, near byte {}",
                front.position / 8
            )));
        }
        let Some(next) = self.ahead.pop_front().filter(|_| !front.begun && front.joined < MAX_JOINED) else {
            return Err(damaged(front.position));
        };
        let mut bits = Bits::clone(&front.bits);
        bits.append(&next.bits);
        let bits = Arc::new(bits);
        let decoder = BlockDecoder::new(Arc::clone(&bits)).map_err(|NoBlock| damaged(front.position))?;
        let parts = Parts::Here(Box::new(decoder));
        self.ahead.push_front(Ahead { bits, parts, joined: front.joined + 1, ..front });
        Ok(())
    }

    fn add_checksum(&self, block: &Bits, position: u64) -> Result<u32> {
        let (stream, block) = self.stream.zip(checksum(block)).ok_or_else(|| damaged(position))?;
        Ok(stream.rotate_left(1) ^ block)
    }

    /// Checks the end of a stream; what stands behind it must be the file's end or another stream.
    fn end_stream(&self, bits: &Bits, position: u64) -> Result<Option<u32>> {
        let end = MARK_BITS + 32;
        let expected = checksum(bits).ok_or_else(|| ServiceError::invalid("the bzip2 data are cut short"))?;
        if self.stream != Some(expected) {
            return Err(damaged(position));
        }
        // The end is filled up to a whole byte of the file.
        let behind = end + (position + end as u64).wrapping_neg() as usize % 8;
        if behind >= bits.len() { Ok(None) } else { begin_stream(bits, behind, position) }
    }
}

/// A stream must begin at this bit of a piece, and its first mark behind the piece.
fn begin_stream(bits: &Bits, at: usize, position: u64) -> Result<Option<u32>> {
    let header = bits.number(at, HEADER_BITS).map(|number| (number as u32).to_be_bytes());
    match header {
        Some([b'B', b'Z', b'h', b'1'..=b'9']) if bits.len() == at + HEADER_BITS => Ok(Some(0)),
        _ if at == 0 => Err(ServiceError::invalid("it begins as bzip2 does, but is not, or is cut short")),
        _ => {
            let byte = (position + at as u64) / 8;
            Err(ServiceError::invalid(format!("the bzip2 data end at byte {byte}, and something else follows")))
        }
    }
}

impl Ahead {
    fn next_part(&mut self) -> Result<Decoded> {
        match &mut self.parts {
            Parts::Here(decoder) => Ok(decoder.next()),
            Parts::Worker(receiver) => {
                receiver.recv().map_err(|_| ServiceError::internal("a thread that decodes bzip2 has ended unexpectedly"))
            }
            Parts::None => Ok(Err(NoBlock)),
        }
    }
}

impl<R: Read> Iterator for Bzip2<R> {
    type Item = Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_part().transpose()
    }
}

fn damaged(position: u64) -> ServiceError {
    ServiceError::invalid(format!("the bzip2 data are damaged near byte {}", position / 8))
}

#[cfg(test)]
mod tests;
