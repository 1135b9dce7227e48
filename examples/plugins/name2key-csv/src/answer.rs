//! Answers: `ServerResponse` documents on one line (transport.md section 5).

use std::fmt::Write as _;

use crate::Refusal;
use crate::names::{Key, Names};

/// A document that is written from its beginning to its end.
pub struct Answer(String);

impl Answer {
    fn new() -> Self {
        Self("<?xml version=\"1.0\"?><ServerResponse>".to_owned())
    }

    /// The entries of these keys.
    pub fn entries(names: &Names, keys: Vec<Key>) -> Self {
        Self::new().list("ENTRIES", |answer| answer.put_entries(names, &keys))
    }

    /// The entries of each of these, in their order.
    pub fn answers(names: &Names, all: impl Iterator<Item = Vec<Key>>) -> Self {
        Self::new().list("ANSWERS", |mut answer| {
            for (number, keys) in all.enumerate() {
                answer = answer.list(&format!("answer_{number}"), |answer| answer.put_entries(names, &keys));
            }
            answer
        })
    }

    /// How many names there are.
    pub fn statistics(names: &Names) -> Self {
        let answer = Self::new().list("GRIDS", |answer| match names.len() {
            0 => answer,
            count => {
                answer.list("grid_0", |grid| grid.text("GRID", &names.grid().to_lowercase()).text("ENTRIES", &count.to_string()))
            }
        });
        answer.text("SHAREDNAMES", &names.shared().to_string())
    }

    /// What went wrong.
    pub fn failure(refusal: Refusal) -> Self {
        let kind = match refusal {
            Refusal::Invalid => "invalid",
            Refusal::Refused => "refused",
        };
        Self::new().text("RESULT", "False").text("ERROR", kind)
    }

    /// The document.
    pub fn finish(self) -> String {
        self.0 + "</ServerResponse>"
    }

    fn put_entries(mut self, names: &Names, keys: &[Key]) -> Self {
        for (number, key) in keys.iter().enumerate() {
            let name = names.name_of(*key).unwrap_or_default();
            self = self.list(&format!("entry_{number}"), |entry| {
                entry
                    .text("KEY", &hyphenated(*key))
                    .text("NAME", name)
                    .text("GRID", names.grid())
                    .text("FIRSTSEEN", &names.seen().to_string())
                    .text("LASTSEEN", &names.seen().to_string())
                    .text("SOURCE", "import")
                    .text("VERIFIED", "False")
            });
        }
        self
    }

    fn list(mut self, name: &str, content: impl FnOnce(Self) -> Self) -> Self {
        self.put(format_args!("<{name} type=\"List\">"));
        let mut answer = content(self);
        answer.put(format_args!("</{name}>"));
        answer
    }

    fn text(mut self, name: &str, text: &str) -> Self {
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        self.put(format_args!("<{name}>{text}</{name}>"));
        self
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        // A text takes everything.
        let _ = self.0.write_fmt(text);
    }
}

fn hyphenated(key: Key) -> String {
    let digits = format!("{key:032x}");
    format!("{}-{}-{}-{}-{}", &digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents() {
        let names = Names::read("a55e7010-0000-4000-8000-000000000001,Ann <Bee> & Co", "Produktion", 1_700_000_000).unwrap();
        let entry = "<entry_0 type=\"List\"><KEY>a55e7010-0000-4000-8000-000000000001</KEY><NAME>Ann &lt;Bee&gt; &amp; Co</NAME>\
                     <GRID>Produktion</GRID><FIRSTSEEN>1700000000</FIRSTSEEN><LASTSEEN>1700000000</LASTSEEN><SOURCE>import</SOURCE>\
                     <VERIFIED>False</VERIFIED></entry_0>";
        let document = |content: &str| format!("<?xml version=\"1.0\"?><ServerResponse>{content}</ServerResponse>");
        let keys = names.after(None, 9);
        assert_eq!(
            Answer::entries(&names, keys.clone()).finish(),
            document(&format!("<ENTRIES type=\"List\">{entry}</ENTRIES>"))
        );
        let answers = Answer::answers(&names, [Vec::new(), keys].into_iter()).finish();
        let both = format!("<answer_0 type=\"List\"></answer_0><answer_1 type=\"List\">{entry}</answer_1>");
        assert_eq!(answers, document(&format!("<ANSWERS type=\"List\">{both}</ANSWERS>")));
        assert_eq!(Answer::failure(Refusal::Refused).finish(), document("<RESULT>False</RESULT><ERROR>refused</ERROR>"));
        let grid = "<grid_0 type=\"List\"><GRID>produktion</GRID><ENTRIES>1</ENTRIES></grid_0>";
        let statistics = format!("<GRIDS type=\"List\">{grid}</GRIDS><SHAREDNAMES>0</SHAREDNAMES>");
        assert_eq!(Answer::statistics(&names).finish(), document(&statistics));
    }
}
