//! Cuts a text that comes in pieces into its lines.

/// A longer line is not kept.
pub(super) const MAX_LINE_BYTES: usize = 64 * 1024;

/// A line without its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    Whole(&'a [u8]),
    /// It is longer than [`MAX_LINE_BYTES`]; this is its beginning.
    TooLong(&'a [u8]),
}

impl<'a> Line<'a> {
    fn of(line: &'a [u8]) -> Self {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match line.get(..MAX_LINE_BYTES) {
            Some(beginning) if line.len() > MAX_LINE_BYTES => Self::TooLong(beginning),
            _ => Self::Whole(line),
        }
    }
}

/// Cuts pieces of text into lines that end with LF or CR LF. A line that lies in two pieces is kept in between, as long as it is not
/// too long.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// How many lines have begun to be given.
    number: u64,
    carried: Vec<u8>,
    /// The line has been given as too long; its rest is passed over.
    passing_over: bool,
}

impl Lines {
    /// Gives every line that ends in this piece to `each`, with its number; the first line has number 1.
    ///
    /// # Errors
    /// The first that `each` gives.
    pub(super) fn feed<E>(&mut self, mut text: &[u8], each: &mut impl FnMut(u64, Line<'_>) -> Result<(), E>) -> Result<(), E> {
        while let Some(end) = text.iter().position(|&byte| byte == b'\n') {
            let line = &text[..end];
            text = &text[end + 1..];
            if self.carried.is_empty() && !self.passing_over {
                self.number += 1;
                each(self.number, Line::of(line))?;
            } else {
                self.carry(line, each)?;
                self.end_carried(each)?;
            }
        }
        self.carry(text, each)
    }

    /// Gives the last line, if it has no end.
    ///
    /// # Errors
    /// Those of `each`.
    pub(super) fn finish<E>(&mut self, each: &mut impl FnMut(u64, Line<'_>) -> Result<(), E>) -> Result<(), E> {
        if self.carried.is_empty() { Ok(()) } else { self.end_carried(each) }
    }

    fn carry<E>(&mut self, text: &[u8], each: &mut impl FnMut(u64, Line<'_>) -> Result<(), E>) -> Result<(), E> {
        if self.passing_over {
            return Ok(());
        }
        // One byte more, which can be a CR, and one that shows that the line is too long even then.
        let room = MAX_LINE_BYTES + 2 - self.carried.len();
        self.carried.extend_from_slice(&text[..text.len().min(room)]);
        if self.carried.len() < MAX_LINE_BYTES + 2 {
            return Ok(());
        }
        self.number += 1;
        self.passing_over = true;
        each(self.number, Line::TooLong(&self.carried[..MAX_LINE_BYTES]))?;
        self.carried.clear();
        Ok(())
    }

    fn end_carried<E>(&mut self, each: &mut impl FnMut(u64, Line<'_>) -> Result<(), E>) -> Result<(), E> {
        if self.passing_over {
            self.passing_over = false;
            return Ok(());
        }
        self.number += 1;
        each(self.number, Line::of(&self.carried))?;
        self.carried.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of a text that is fed in pieces: number, length, and whether it is whole.
    fn lines(text: &[u8], piece: usize) -> Vec<(u64, String, bool)> {
        let mut found = Vec::new();
        let mut each = |number, line: Line<'_>| {
            let (bytes, whole) = match line {
                Line::Whole(bytes) => (bytes, true),
                Line::TooLong(bytes) => (bytes, false),
            };
            found.push((number, String::from_utf8_lossy(bytes).into_owned(), whole));
            Ok::<_, ()>(())
        };
        let mut lines = Lines::default();
        for piece in text.chunks(piece) {
            lines.feed(piece, &mut each).unwrap();
        }
        lines.finish(&mut each).unwrap();
        found
    }

    #[test]
    fn ends_are_lf_and_cr_lf_wherever_the_pieces_end() {
        for piece in 1..20 {
            let found = lines(b"one\ntwo\r\n\n\r\nth\rree\r\nlast", piece);
            let texts: Vec<_> = found.iter().map(|(_, text, whole)| (text.as_str(), *whole)).collect();
            assert_eq!(texts, [("one", true), ("two", true), ("", true), ("", true), ("th\rree", true), ("last", true)]);
            assert_eq!(found.iter().map(|(number, ..)| *number).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
        }
        assert_eq!(lines(b"", 1), []);
        assert_eq!(lines(b"one\n", 2).len(), 1);
    }

    #[test]
    fn a_line_that_is_too_long_is_given_once_and_not_held() {
        let longest = "x".repeat(MAX_LINE_BYTES);
        for (end, whole) in
            [("", true), ("\n", true), ("\r\n", true), ("x", false), ("x\n", false), ("xy\r\n", false), ("\rx", false)]
        {
            for piece in [1000, MAX_LINE_BYTES + 1, 1 << 20] {
                let text = format!("a\n{longest}{end}");
                let expected = [(1, "a".to_owned(), true), (2, longest.clone(), whole)];
                assert_eq!(lines(text.as_bytes(), piece), expected, "{end:?} {piece}");
            }
        }
        let huge = format!("{}\nb", "y".repeat(10_000_000));
        let found = lines(huge.as_bytes(), 4096);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].1.len(), found[0].2), (MAX_LINE_BYTES, false));
        assert_eq!(found[1], (2, "b".to_owned(), true));
    }

    #[test]
    fn an_error_ends_it() {
        let mut seen = 0;
        let mut each = |number, _: Line<'_>| {
            seen += 1;
            if number == 2 { Err(()) } else { Ok(()) }
        };
        assert_eq!(Lines::default().feed(b"a\nb\nc\n", &mut each), Err(()));
        assert_eq!(seen, 2);
    }
}
