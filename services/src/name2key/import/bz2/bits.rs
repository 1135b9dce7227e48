//! Strings of bits, the form in which bzip2 writes.

/// A string of bits. The first is the highest of the first byte; those behind the last are zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bits {
    bytes: Vec<u8>,
    len: usize,
}

impl Bits {
    /// A copy of the bits `from..to` of some bytes, which must have them.
    pub(super) fn copy_of(bytes: &[u8], from: usize, to: usize) -> Self {
        let bytes = &bytes[from / 8..to.div_ceil(8)];
        let shift = from % 8;
        let mut copy = Self { bytes: Vec::with_capacity(bytes.len()), len: to - from };
        if shift == 0 {
            copy.bytes.extend_from_slice(bytes);
        } else {
            let behind = bytes.iter().skip(1).chain(&[0]);
            copy.bytes.extend(bytes.iter().zip(behind).map(|(&this, &next)| this << shift | next >> (8 - shift)));
        }
        copy.clear_behind();
        copy
    }

    /// How many bits there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The bytes; of the last one only the first `len() % 8` bits count, if that is not zero.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The number that stands in `count` bits, at most 64, from the bit `at` on.
    pub(super) fn number(&self, at: usize, count: usize) -> Option<u64> {
        if count > 64 || at + count > self.len {
            return None;
        }
        let copy = Self::copy_of(&self.bytes, at, at + count);
        let mut bytes = [0; 8];
        bytes[..copy.bytes.len()].copy_from_slice(&copy.bytes);
        Some(u64::from_be_bytes(bytes).checked_shr(64 - count as u32).unwrap_or(0))
    }

    /// Adds the lowest `count` bits of a number.
    pub(super) fn push(&mut self, number: u64, count: usize) {
        self.append(&Self::copy_of(&number.to_be_bytes(), 64 - count, 64));
    }

    /// Adds other bits.
    pub(super) fn append(&mut self, other: &Self) {
        let used = self.len % 8;
        for &byte in &other.bytes {
            match self.bytes.last_mut() {
                Some(last) if used != 0 => {
                    *last |= byte >> used;
                    self.bytes.push(byte << (8 - used));
                }
                _ => self.bytes.push(byte),
            }
        }
        self.len += other.len;
        self.clear_behind();
    }

    fn clear_behind(&mut self) {
        self.bytes.truncate(self.len.div_ceil(8));
        if let (used @ 1.., Some(last)) = (self.len % 8, self.bytes.last_mut()) {
            *last &= 0xff << (8 - used);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: [u8; 5] = [0b1010_0110, 0xff, 0x00, 0b0111_1001, 0x5a];

    /// The bits one by one.
    fn ones_and_zeros(bits: &Bits) -> Vec<bool> {
        (0..bits.len()).map(|at| bits.number(at, 1) == Some(1)).collect()
    }

    #[test]
    fn every_part_can_be_copied_and_put_together_again() {
        let all = Bits::copy_of(&BYTES, 0, 40);
        let expected = ones_and_zeros(&all);
        for from in 0..=40 {
            for to in from..=40 {
                let part = Bits::copy_of(&BYTES, from, to);
                assert_eq!(ones_and_zeros(&part), expected[from..to], "{from}..{to}");
                assert_eq!(part.bytes().len(), (to - from).div_ceil(8));
                let mut joined = Bits::copy_of(&BYTES, 0, from);
                joined.append(&part);
                joined.append(&Bits::copy_of(&BYTES, to, 40));
                assert_eq!(joined, all, "{from}..{to}");
            }
        }
    }

    #[test]
    fn numbers_are_read_as_they_were_written() {
        let mut bits = Bits::default();
        bits.push(0b101, 3);
        bits.push(0x3141_5926_5359, 48);
        bits.push(u64::MAX, 64);
        bits.push(7, 0);
        assert_eq!(bits.len(), 115);
        assert_eq!(bits.number(0, 3), Some(5));
        assert_eq!(bits.number(3, 48), Some(0x3141_5926_5359));
        assert_eq!(bits.number(51, 64), Some(u64::MAX));
        assert_eq!(bits.number(52, 64), None);
        assert_eq!(bits.number(3, 0), Some(0));
        assert_eq!(bits.bytes()[14], 0b1110_0000);
    }
}
