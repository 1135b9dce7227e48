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
    let mut written = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let (replacement, length): (&[u8], _) = match byte {
            b'&' => (b"&amp;", 1),
            b'<' => (b"&lt;", 1),
            b'>' => (b"&gt;", 1),
            0..=0x08 | 0x0b | 0x0c | 0x0e..=0x1f => (b"", 1),
            // U+FFFE and U+FFFF
            0xef if matches!(bytes.get(at + 1..at + 3), Some([0xbf, 0xbe | 0xbf])) => (b"", 3),
            _ => continue,
        };
        sink.put(&bytes[written..at]);
        sink.put(replacement);
        written = at + length;
    }
    sink.put(&bytes[written..]);
}

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
