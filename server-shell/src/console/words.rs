//! Splitting a typed line into words (shell.md section 8.2).

/// Splits a line at white space; text between two `"` is one word, however many blanks it has, and may be empty. A quote that is
/// not closed reaches to the end of the line. `--name="a b"` stays one word, quotes included.
pub fn split_words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut parts = line.split('"').peekable();
    let mut quoted = false;
    while let Some(part) = parts.next() {
        if quoted {
            words.push(part.to_owned());
            quoted = false;
            continue;
        }
        words.extend(part.split_whitespace().map(str::to_owned));
        let Some(next) = parts.peek() else { break };
        quoted = true;
        if part.ends_with('=')
            && let Some(word) = words.last_mut().filter(|word| is_option_name(word))
        {
            word.push_str(&format!("\"{next}\""));
            parts.next();
            quoted = false;
        }
    }
    words
}

/// True for `--name=`, the start of an option whose value is in quotes.
fn is_option_name(word: &str) -> bool {
    let name = word.strip_prefix("--").and_then(|rest| rest.strip_suffix('='));
    name.is_some_and(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_and_quotes() {
        let cases: [(&str, &[&str]); 11] = [
            ("", &[]),
            ("  \t ", &[]),
            ("show  info\t", &["show", "info"]),
            ("show object name \"My long object name\"", &["show", "object", "name", "My long object name"]),
            ("a \"\" b", &["a", "", "b"]),
            ("a\"b c\"d", &["a", "b c", "d"]),
            ("say \"not closed ", &["say", "not closed "]),
            ("x --name=\"a b\" y", &["x", "--name=\"a b\"", "y"]),
            ("--a=\"1 2\" --b=\"3\"", &["--a=\"1 2\"", "--b=\"3\""]),
            ("--a= \"1 2\"", &["--a=", "1 2"]),
            ("--name=", &["--name="]),
        ];
        for (line, expected) in cases {
            assert_eq!(split_words(line), expected, "{line:?}");
        }
    }
}
