//! Writing XML: where the bytes go, and how text is escaped.

use bytes::Bytes;

/// Takes the bytes of a document. Documents are written twice, first into a [`Length`], then into a buffer of just that size.
pub trait Sink {
    /// Appends bytes as they are.
    fn put(&mut self, bytes: &[u8]);

    /// Appends data as base64, in one piece, with padding.
    fn put_base64(&mut self, data: &[u8]);
}

/// Counts the bytes that it is given.
#[derive(Clone, Copy, Debug, Default)]
pub struct Length(pub usize);

impl Sink for Length {
    fn put(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }

    fn put_base64(&mut self, data: &[u8]) {
        self.0 += base64_simd::STANDARD.encoded_length(data.len());
    }
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn put_base64(&mut self, data: &[u8]) {
        base64_simd::STANDARD.encode_append(data, self);
    }
}

/// The bytes that `write` gives to a sink, in one allocation of exactly their size. `write` is called twice and must do the same
/// both times.
pub fn in_one_allocation(write: impl Fn(&mut dyn Sink)) -> Bytes {
    let mut length = Length::default();
    write(&mut length);
    let mut document = Vec::with_capacity(length.0);
    write(&mut document);
    debug_assert_eq!(document.len(), length.0);
    Bytes::from(document)
}

/// Appends text as element content: `&`, `<` and `>` escaped, quotes and line ends raw (assets.md section 2, transport.md section
/// 5.1). Characters that no XML document may contain are dropped: the original writes references to them, which no reader takes.
pub fn put_text<S: Sink + ?Sized>(sink: &mut S, text: &str) {
    let bytes = text.as_bytes();
    let (mut written, mut at) = (0, 0);
    while let Some(found) = bytes[at..].iter().position(|&byte| NOT_PLAIN[usize::from(byte)]) {
        at += found;
        let (replacement, length): (&[u8], _) = match bytes[at] {
            b'&' => (b"&amp;", 1),
            b'<' => (b"&lt;", 1),
            b'>' => (b"&gt;", 1),
            0xef if !matches!(bytes.get(at + 1..at + 3), Some([0xbf, 0xbe | 0xbf])) => {
                at += 1;
                continue;
            }
            // U+FFFE and U+FFFF
            0xef => (b"", 3),
            // Control characters
            _ => (b"", 1),
        };
        sink.put(&bytes[written..at]);
        sink.put(replacement);
        at += length;
        written = at;
    }
    sink.put(&bytes[written..]);
}

/// The bytes at which [`put_text`] has to look closer.
const NOT_PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = !matches!(byte as u8, b'\t' | b'\n' | b'\r');
        byte += 1;
    }
    table[b'&' as usize] = true;
    table[b'<' as usize] = true;
    table[b'>' as usize] = true;
    table[0xef] = true;
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_markup_is_escaped_and_impossible_characters_are_dropped() {
        let document = in_one_allocation(|sink| put_text(sink, "a<b> & \"c\" 'd'\r\n\t\u{1}é\u{fffe}\u{fffd}\u{1f600}\u{1f}"));
        assert_eq!(document, "a&lt;b&gt; &amp; \"c\" 'd'\r\n\té\u{fffd}\u{1f600}".as_bytes());
    }

    #[test]
    fn base64_is_counted_as_it_is_written() {
        for length in 0..10 {
            let document = in_one_allocation(|sink| sink.put_base64(&b"abcdefghij"[..length]));
            assert_eq!(document.len(), length.div_ceil(3) * 4);
        }
    }
}
