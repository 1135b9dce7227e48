//! Base64 as .NET's XML reader takes it.

use std::fmt;

/// Marks a byte that is no base64 digit in [`DIGITS`].
const NO_DIGIT: u8 = 0xff;

const DIGITS: [u8; 256] = {
    let alphabet = base64_simd::STANDARD.charset();
    let mut digits = [NO_DIGIT; 256];
    let mut value = 0;
    while value < alphabet.len() {
        digits[alphabet[value] as usize] = value as u8;
        value += 1;
    }
    digits
};

/// The text is no base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotBase64;

impl fmt::Display for NotBase64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no base64")
    }
}

impl std::error::Error for NotBase64 {}

/// Decodes base64. Blanks are skipped and padding may be missing; left-over bits that make no byte are dropped (assets.md
/// section 2).
///
/// # Errors
/// Any other character, or a digit after padding.
pub fn decode(text: &[u8]) -> Result<Vec<u8>, NotBase64> {
    // Clean text, which is what .NET writes, takes the fast way; it stops early at the first blank of any other.
    match base64_simd::STANDARD.decode_to_vec(text) {
        Ok(bytes) => Ok(bytes),
        Err(_) => decode_forgiving(text),
    }
}

fn decode_forgiving(text: &[u8]) -> Result<Vec<u8>, NotBase64> {
    let mut bytes = Vec::with_capacity(base64_simd::STANDARD.estimated_decoded_length(text.len()));
    let mut bits = 0_u32;
    let mut bit_count = 0;
    let mut padded = false;
    for &character in text {
        match (character, DIGITS[usize::from(character)]) {
            (b' ' | b'\t' | b'\r' | b'\n', _) => {}
            (b'=', _) => padded = true,
            (_, NO_DIGIT) => return Err(NotBase64),
            _ if padded => return Err(NotBase64),
            (_, digit) => {
                bits = bits << 6 | u32::from(digit);
                bit_count += 6;
                if bit_count >= 8 {
                    bit_count -= 8;
                    bytes.push((bits >> bit_count) as u8);
                }
            }
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn blanks_and_missing_padding_are_no_error() {
        for text in ["aGVsbG8=", "aGVsbG8", "\r\n  aGVs\r\n\tbG8=\r\n", "aGVsbG8==", "aGVsbG9"] {
            assert_eq!(decode(text.as_bytes()).unwrap(), b"hello", "{text:?}");
        }
        assert_eq!(decode(b"").unwrap(), b"");
        assert_eq!(decode(b" \n").unwrap(), b"");
        assert_eq!(decode(b"A").unwrap(), b"");
    }

    #[test]
    fn anything_else_is() {
        for text in ["@@@@", "aGVs-G8=", "aGVsbG8=aGVs", "aGVs\u{a0}bG8=", "aGVs\0"] {
            assert_eq!(decode(text.as_bytes()), Err(NotBase64), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn both_ways_of_decoding_agree(data: Vec<u8>) {
            let text = base64_simd::STANDARD.encode_to_string(&data);
            prop_assert_eq!(decode(text.as_bytes()).unwrap(), &data[..]);
            prop_assert_eq!(decode_forgiving(text.as_bytes()).unwrap(), data);
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(text: Vec<u8>) {
            let _ = decode(&text);
        }
    }
}
