use std::io::Write;

use bzip2::Compression;
use bzip2::write::BzEncoder;

use super::splitter::{BLOCK_MARK, END_MARK};
use super::*;

/// A file, decoded; the error's text otherwise.
fn decode(file: &[u8]) -> std::result::Result<Vec<u8>, String> {
    let parts: Result<Vec<_>> = Bzip2::new(file, 2).unwrap().collect();
    parts.map(|parts| parts.concat()).map_err(|error| error.message)
}

fn encode(text: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = BzEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// Text that does not compress to nothing.
fn text(lines: u32) -> Vec<u8> {
    (0..lines).flat_map(|line| format!("{:08x} line {line}\n", line.wrapping_mul(2_654_435_761)).into_bytes()).collect()
}

#[test]
fn blocks_of_all_levels_come_in_their_order() {
    let text = text(40_000);
    for level in 1..=9 {
        assert!(decode(&encode(&text, level)).unwrap() == text, "level {level}");
    }
}

#[test]
fn streams_follow_each_other_and_may_be_empty() {
    let (one, two) = (text(10), text(6000));
    let file = [encode(&one, 9), encode(b"", 9), encode(&two, 1), encode(&one, 5), encode(b"", 1)].concat();
    assert_eq!(decode(&file).unwrap(), [&one[..], &two, &one].concat());
    assert_eq!(decode(&encode(b"", 9)).unwrap(), b"");
}

#[test]
fn a_block_that_becomes_much_larger_comes_in_parts() {
    let text = vec![b'x'; 10_000_000];
    let parts: Vec<_> = Bzip2::new(&encode(&text, 9)[..], 1).unwrap().map(Result::unwrap).collect();
    assert!(parts.len() >= 4);
    assert!(parts.concat() == text);
}

#[test]
fn the_programs_own_output_is_read() {
    // printf 'one\ntwo\n' | bzip2
    let file = b"BZh91AY&SY\xa7\x14\x2b\x77\x00\x00\x02\xc1\x80\x00\x10\x02\x01\x84\x80\x20\x00\x21\x80\x0c\x02\x38\xf5\x1b\x8b\xb9\x22\x9c\x28\x48\x53\x8a\x15\xbb\x80";
    assert_eq!(decode(file).unwrap(), b"one\ntwo\n");
}

#[test]
fn a_file_that_is_cut_short_is_an_error_wherever_it_is_cut() {
    let whole = [encode(&text(3), 9), encode(&text(5), 1)].concat();
    let first = encode(&text(3), 9).len();
    for length in 0..whole.len() {
        let decoded = decode(&whole[..length]);
        if length == 0 || length == first {
            assert!(decoded.is_ok());
        } else {
            let error = decoded.expect_err(&format!("cut at {length}"));
            assert!(["cut short", "something else follows"].iter().any(|text| error.contains(text)), "{length}: {error}");
        }
    }
}

#[test]
fn a_flipped_bit_is_an_error_or_changes_nothing() {
    let text = text(30);
    let mut file = [encode(&text, 9), encode(&text[..50], 9)].concat();
    let expected = decode(&file).unwrap();
    for bit in 0..file.len() * 8 {
        file[bit / 8] ^= 1 << (bit % 8);
        if let Ok(decoded) = decode(&file) {
            assert!(decoded == expected, "bit {bit}");
        }
        file[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn a_block_that_is_missing_or_in_the_wrong_place_is_an_error() {
    let text = text(20_000);
    let file = encode(&text, 1);
    let mut splitter = Splitter::new(&file[..]);
    let mut pieces = Vec::new();
    while let Some(piece) = splitter.next().unwrap() {
        pieces.push(piece.bits);
    }
    assert!(pieces.len() > 4, "several blocks");
    let join = |order: &[usize]| {
        let mut bits = Bits::default();
        order.iter().for_each(|&piece| bits.append(&pieces[piece]));
        bits.bytes().to_vec()
    };
    let all: Vec<_> = (0..pieces.len()).collect();
    assert!(decode(&join(&all)).unwrap() == text);
    let mut exchanged = all.clone();
    exchanged.swap(1, 2);
    assert!(decode(&join(&exchanged)).unwrap_err().contains("damaged"));
    let missing = [&all[..2], &all[3..]].concat();
    assert!(decode(&join(&missing)).unwrap_err().contains("damaged"));
}

#[test]
fn nothing_else_may_follow() {
    let file = encode(b"one\n", 9);
    for garbage in [&b"\0"[..], b"garbage", b"BZ", b"BZh", b"BZh0", b"BZh9garbage", &[0; 600], &[b'x'; 3_000_000]] {
        let error = decode(&[&file[..], garbage].concat()).unwrap_err();
        assert!(error.contains(&format!("end at byte {}", file.len())), "{error}");
    }
    assert!(decode(b"BZh9").unwrap_err().contains("cut short"));
    assert!(decode(b"BZx9").unwrap_err().contains("is not"));
    assert!(decode(&[b"BZh9".as_slice(), &[7; 5_000_000]].concat()).unwrap_err().contains("is not"));
}

/// The checksum of a block.
fn crc(text: &[u8]) -> u32 {
    !text.iter().fold(!0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte) << 24, |crc, _| if crc >> 31 == 1 { crc << 1 ^ 0x04c1_1db7 } else { crc << 1 })
    })
}

/// What the transformed text `last` was, when row `origin` is the original; `None` when it is no text's.
fn undo_transformation(last: &[u8], origin: usize) -> Option<Vec<u8>> {
    let mut next: Vec<usize> = (0..last.len()).collect();
    next.sort_by_key(|&at| last[at]);
    let mut at = next[origin];
    let mut text = Vec::new();
    for _ in last {
        text.push(last[at]);
        at = next[at];
        if at == next[origin] && text.len() < last.len() {
            return None;
        }
    }
    Some(text)
}

/// A bzip2 file of one block that holds these bytes as they are, and what it decodes to. All its codes have eight bits, and each
/// symbol's code is its number: 0 and 1 are runs, 255 is the end, the others move a byte to the front.
fn file_with(codes: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut alphabet: Vec<u8> = (0..254).collect();
    let mut last = Vec::new();
    for &code in codes {
        let byte = alphabet.remove(usize::from(code) - 1);
        alphabet.insert(0, byte);
        last.push(byte);
    }
    let text = undo_transformation(&last, 0)?;
    let is_run = |four: &[u8]| four.iter().all(|byte| *byte == four[0]);
    if text.windows(4).any(is_run) {
        return None;
    }
    let mut bits = Bits::copy_of(b"BZh9", 0, 32);
    bits.push(BLOCK_MARK, 48);
    bits.push(crc(&text).into(), 32);
    bits.push(0, 1 + 24);
    // The bytes in use: all but the last two.
    bits.push(0xffff, 16);
    (0..15).for_each(|_| bits.push(0xffff, 16));
    bits.push(0xfffc, 16);
    // Two tables, both alike, and of these the first for each fifty symbols.
    let selectors = (codes.len() + 1).div_ceil(50);
    bits.push(2, 3);
    bits.push(selectors as u64, 15);
    bits.push(0, selectors);
    for _ in 0..2 {
        bits.push(8, 5);
        (0..4).for_each(|_| bits.push(0, 64));
    }
    bits.append(&Bits::copy_of(codes, 0, codes.len() * 8));
    bits.push(255, 8);
    bits.push(END_MARK, 48);
    bits.push(crc(&text).into(), 32);
    Some((bits.bytes().to_vec(), text))
}

/// The same, with some marks that are none among other codes.
fn file_with_false_marks(marks: &[u64]) -> (Vec<u8>, Vec<u8>) {
    let with_filling = |seed: u32| {
        let filling = |at: u32| (2 + ((at.wrapping_mul(40_503) ^ seed).wrapping_mul(2_654_435_761) >> 16) % 250) as u8;
        let mut codes: Vec<u8> = (1..20).map(filling).collect();
        for &mark in marks {
            codes.extend_from_slice(&mark.to_be_bytes()[2..]);
            codes.extend((20..30).map(filling));
        }
        file_with(&codes)
    };
    (0..100_000).find_map(with_filling).expect("one of so many is the transformation of a text")
}

#[test]
fn marks_that_are_none_are_found_out() {
    let marks: [&[u64]; 5] = [&[], &[BLOCK_MARK], &[END_MARK], &[BLOCK_MARK, END_MARK], &[END_MARK, END_MARK, BLOCK_MARK]];
    for marks in marks {
        let (file, text) = file_with_false_marks(marks);
        let mut splitter = Splitter::new(&file[..]);
        let pieces = std::iter::from_fn(|| splitter.next().unwrap()).count();
        assert_eq!(pieces, 3 + marks.len(), "the false marks are in the file");

        assert_eq!(decode(&file).unwrap(), text, "{marks:x?}");
        // Also between other blocks, at other bits, and whatever follows.
        let others = encode(&self::text(20_000), 1);
        let all = [&others[..], &file, &file, &others].concat();
        assert!(decode(&all).unwrap() == [&self::text(20_000)[..], &text, &text, &self::text(20_000)].concat());
        // A cut in the middle is still an error.
        for length in 5..file.len() {
            assert!(decode(&file[..length]).is_err(), "{length}");
        }
    }
}

#[test]
fn too_many_marks_that_are_none_are_an_error() {
    let (file, _) = file_with_false_marks(&[BLOCK_MARK; MAX_JOINED]);
    assert!(decode(&file).unwrap_err().contains("damaged"));
}
