//! Decodes one block of a bzip2 file.

use std::sync::Arc;

use bzip2::{Decompress, Status};

use super::bits::Bits;
use super::splitter::{END_MARK, MARK_BITS, checksum};

/// What is decoded comes in parts of at most so many bytes. Nearly every block of text is one part.
const PART_BYTES: usize = 2 * 1024 * 1024;

/// The beginning of a stream; 9 says that blocks can have any size that there is.
const STREAM_HEADER: &[u8] = b"BZh9";

/// The bits are no block, or not a whole one, or its checksum is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoBlock;

/// A part of what a block holds.
#[derive(Debug)]
pub(super) enum Part {
    /// More follows.
    Some(Vec<u8>),
    /// The end of the block, whose checksum was right.
    Last(Vec<u8>),
}

/// Decodes a block by giving it to the decoder as a stream of its own: header, block, end of stream. The checksum of a stream of one
/// block is the block's.
pub(super) struct BlockDecoder {
    decoder: Decompress,
    block: Arc<Bits>,
    /// What follows the last whole byte of the block.
    tail: Bits,
}

impl BlockDecoder {
    /// Takes the bits of a block from its mark on.
    ///
    /// # Errors
    /// There are too few.
    pub(super) fn new(block: Arc<Bits>) -> Result<Self, NoBlock> {
        let checksum = checksum(&block).ok_or(NoBlock)?;
        let mut tail = Bits::copy_of(block.bytes(), block.len() / 8 * 8, block.len());
        tail.push(END_MARK, MARK_BITS);
        tail.push(checksum.into(), 32);
        Ok(Self { decoder: Decompress::new(false), block, tail })
    }

    /// The next part. After [`Part::Last`] there is none.
    ///
    /// # Errors
    /// [`NoBlock`]; when parts were given before, they are wrong.
    pub(super) fn next(&mut self) -> Result<Part, NoBlock> {
        let mut part = Vec::with_capacity(PART_BYTES);
        while part.len() < PART_BYTES {
            let before = (self.decoder.total_in(), part.len());
            let input = stream_from(&self.block, &self.tail, before.0);
            match self.decoder.decompress_vec(input, &mut part) {
                Ok(Status::StreamEnd) => {
                    let is_all = stream_from(&self.block, &self.tail, self.decoder.total_in()).is_empty();
                    return if is_all { Ok(Part::Last(part)) } else { Err(NoBlock) };
                }
                Ok(_) if before != (self.decoder.total_in(), part.len()) => {}
                _ => return Err(NoBlock),
            }
        }
        Ok(Part::Some(part))
    }
}

/// The bytes of the stream from one of them on, as far as they lie in one piece; empty at its end.
fn stream_from<'a>(block: &'a Bits, tail: &'a Bits, at: u64) -> &'a [u8] {
    let mut at = usize::try_from(at).unwrap_or(usize::MAX);
    for piece in [STREAM_HEADER, &block.bytes()[..block.len() / 8], tail.bytes()] {
        match piece.get(at..) {
            Some(rest @ [_, ..]) => return rest,
            _ => at -= piece.len(),
        }
    }
    &[]
}
