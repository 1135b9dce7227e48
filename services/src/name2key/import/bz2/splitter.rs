//! Cuts a bzip2 file at its marks.
//!
//! A bzip2 file has no table of its blocks. Each block begins with 48 bits that are always the same, and so does the end of each
//! stream; both can stand at any bit. Between them anything can stand, so now and then such bits are no mark at all: who decodes finds
//! that out and puts the pieces together again.

use std::io::{self, Read};

use super::bits::Bits;

/// What a block begins with, and the end of a stream.
pub(super) const BLOCK_MARK: u64 = 0x3141_5926_5359;
pub(super) const END_MARK: u64 = 0x1772_4538_5090;
pub(super) const MARK_BITS: usize = 48;

/// No block is longer: it has at most 900,000 symbols of 20 bits each, and some tables.
const MAX_PIECE_BYTES: usize = 2_500_000;
const READ_BYTES: usize = 128 * 1024;

/// What a piece begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// The file's beginning; no mark.
    Beginning,
    Block,
    End,
}

/// What stands between two marks, with the first of them.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) mark: Mark,
    pub(super) bits: Bits,
    /// Where it begins: the bit in the file.
    pub(super) position: u64,
}

/// The checksum behind the mark of a block or of a stream's end.
pub(super) fn checksum(piece: &Bits) -> Option<u32> {
    piece.number(MARK_BITS, 32).map(|number| number as u32)
}

/// Reads a file and cuts it.
pub(super) struct Splitter<R> {
    source: R,
    finder: MarkFinder,
    buffer: Vec<u8>,
    /// The bit of the file that the buffer begins with.
    buffer_position: u64,
    mark: Mark,
    /// The bit of the buffer that the piece begins with.
    begin: usize,
    /// Marks that begin before this bit have been found already.
    search_from: usize,
    /// The file has ended, or is not worth reading on.
    ended: bool,
}

impl<R: Read> Splitter<R> {
    pub(super) fn new(source: R) -> Self {
        let finder = MarkFinder::new();
        let buffer = Vec::with_capacity(8 * READ_BYTES);
        Self { source, finder, buffer, buffer_position: 0, mark: Mark::Beginning, begin: 0, search_from: 0, ended: false }
    }

    /// True when the last piece has been given.
    pub(super) fn has_ended(&self) -> bool {
        self.ended && self.begin == self.buffer.len() * 8
    }

    /// The next piece. One that is longer than any block is cut off, and the last.
    ///
    /// # Errors
    /// Those of reading.
    pub(super) fn next(&mut self) -> io::Result<Option<Piece>> {
        while !self.has_ended() {
            if let Some((at, mark)) = self.finder.first(&self.buffer, self.search_from) {
                let piece = self.cut(at);
                self.mark = mark;
                self.search_from = at + 1;
                return Ok(Some(piece));
            }
            let length = self.buffer.len();
            self.search_from = self.search_from.max((length * 8).saturating_sub(MARK_BITS - 1));
            if self.ended || length - self.begin / 8 > MAX_PIECE_BYTES {
                self.ended = true;
                return Ok(Some(self.cut(length * 8)));
            }
            self.read_more()?;
        }
        Ok(None)
    }

    fn cut(&mut self, end: usize) -> Piece {
        let bits = Bits::copy_of(&self.buffer, self.begin, end);
        let piece = Piece { mark: self.mark, bits, position: self.buffer_position + self.begin as u64 };
        self.begin = end;
        piece
    }

    fn read_more(&mut self) -> io::Result<()> {
        let done = self.begin / 8;
        self.buffer.drain(..done);
        self.begin -= done * 8;
        self.search_from -= done * 8;
        self.buffer_position += done as u64 * 8;
        let read = self.source.by_ref().take(READ_BYTES as u64).read_to_end(&mut self.buffer)?;
        self.ended = read < READ_BYTES;
        Ok(())
    }
}

/// Finds marks at any bit.
///
/// Wherever a mark begins, it fills at least the five bytes behind the one in which it begins. So of every four bytes it is enough to
/// look at the first two: exactly one such pair lies within those five bytes. There are 64 pairs that can be part of a mark, out of
/// 65,536; only these are looked at bit by bit.
struct MarkFinder {
    /// A bit for each pair.
    pairs: Box<[u64; 1024]>,
}

impl MarkFinder {
    fn new() -> Self {
        let mut pairs = Box::new([0; 1024]);
        for mark in [BLOCK_MARK, END_MARK] {
            for shift in 0..8 {
                for byte in 1..=4 {
                    let begin = byte * 8 - shift;
                    let pair = (mark >> (MARK_BITS - 16 - begin)) as u16;
                    pairs[usize::from(pair >> 6)] |= 1 << (pair & 63);
                }
            }
        }
        Self { pairs }
    }

    /// The first mark that begins at the bit `from` or later and lies whole within the bytes.
    fn first(&self, bytes: &[u8], from: usize) -> Option<(usize, Mark)> {
        let start = from / 8 + 1;
        for (step, four) in bytes.get(start..)?.chunks(4).enumerate() {
            let [high, low, ..] = *four else { break };
            let pair = u16::from_be_bytes([high, low]);
            if self.pairs[usize::from(pair >> 6)] >> (pair & 63) & 1 == 1 {
                let at = start + step * 4;
                let candidates = from.max(at.saturating_sub(4) * 8)..at * 8;
                if let Some(found) = candidates.filter_map(|bit| Some((bit, mark_at(bytes, bit)?))).next() {
                    return Some(found);
                }
            }
        }
        None
    }
}

fn mark_at(bytes: &[u8], bit: usize) -> Option<Mark> {
    if bit + MARK_BITS > bytes.len() * 8 {
        return None;
    }
    let there = &bytes[bit / 8..];
    let mut word = [0; 8];
    let length = there.len().min(8);
    word[..length].copy_from_slice(&there[..length]);
    match (u64::from_be_bytes(word) << (bit % 8)) >> (64 - MARK_BITS) {
        BLOCK_MARK => Some(Mark::Block),
        END_MARK => Some(Mark::End),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that look like chance and hold no mark.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..length).map(|_| next()).collect()
    }

    fn with_mark(bit: usize, mark: u64, length: usize) -> Vec<u8> {
        let noise = noise(length);
        let mut bits = Bits::copy_of(&noise, 0, bit);
        bits.push(mark, MARK_BITS);
        bits.append(&Bits::copy_of(&noise, bit + MARK_BITS, length * 8));
        bits.bytes().to_vec()
    }

    #[test]
    fn marks_are_found_at_every_bit_and_from_every_bit() {
        let finder = MarkFinder::new();
        assert_eq!(finder.first(&noise(10_000), 0), None);
        for (number, mark) in [(BLOCK_MARK, Mark::Block), (END_MARK, Mark::End)] {
            for bit in 0..=160 - MARK_BITS {
                let bytes = with_mark(bit, number, 20);
                for from in 0..=bit {
                    assert_eq!(finder.first(&bytes, from), Some((bit, mark)), "{bit} from {from}");
                }
                for from in bit + 1..=170 {
                    assert_eq!(finder.first(&bytes, from), None, "{bit} from {from}");
                }
                // Not before its last bit is there.
                assert_eq!(finder.first(&bytes[..(bit + MARK_BITS - 1) / 8], 0), None);
                assert_eq!(finder.first(&bytes[..(bit + MARK_BITS).div_ceil(8)], 0), Some((bit, mark)));
            }
        }
    }

    /// Gives one byte at a time.
    struct Trickle<'a>(&'a [u8]);

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = buffer.len().min(1);
            self.0.read(&mut buffer[..length])
        }
    }

    #[test]
    fn pieces_are_the_whole_file_however_it_is_read() {
        // Marks near the places where the buffer ends, marks next to each other, and one at the very end.
        let mut bits = Bits::copy_of(&noise(READ_BYTES), 0, READ_BYTES * 8 - 21);
        let mut marks = Vec::new();
        for (index, gap) in [0, 0, 3, 1_000_001, 17, 5].into_iter().enumerate() {
            bits.append(&Bits::copy_of(&noise(200_000), 0, gap));
            let (number, mark) = if index % 2 == 0 { (BLOCK_MARK, Mark::Block) } else { (END_MARK, Mark::End) };
            marks.push((bits.len() as u64, mark));
            bits.push(number, MARK_BITS);
        }
        let file = Bits::copy_of(bits.bytes(), 0, bits.bytes().len() * 8);
        let readers: [Box<dyn Read + '_>; 2] = [Box::new(file.bytes()), Box::new(Trickle(file.bytes()))];
        for reader in readers {
            let mut splitter = Splitter::new(reader);
            let mut joined = Bits::default();
            let mut found = Vec::new();
            while let Some(piece) = splitter.next().unwrap() {
                found.push((piece.position, piece.mark));
                joined.append(&piece.bits);
            }
            assert_eq!(found[0], (0, Mark::Beginning));
            assert_eq!(found[1..], marks);
            assert_eq!(joined, file);
            assert!(splitter.has_ended());
        }
    }

    #[test]
    fn what_is_too_long_for_a_block_is_cut_off() {
        let mut splitter = Splitter::new(io::repeat(0));
        let piece = splitter.next().unwrap().unwrap();
        assert!(piece.bits.bytes().len() <= MAX_PIECE_BYTES + READ_BYTES);
        assert!(splitter.next().unwrap().is_none());
        assert!(Splitter::new(io::empty()).next().unwrap().is_none());
    }
}
