//! Connection strings in ADO.NET style (schema.md section 2): `key=value` pairs, separated by `;`.

use std::fmt;
use std::time::Duration;

use super::{DatabaseError, DatabaseOptions, Result};

/// Longer strings are no connection strings.
const MAX_LENGTH: usize = 64 * 1024;

/// Keys whose values may be shown. Everything else is hidden: a misspelt password key must not leak the password either.
const SHOWN_KEYS: [&str; 12] =
    ["datasource", "server", "host", "port", "database", "userid", "uid", "user", "username", "sslmode", "uri", "searchpath"];

/// A parsed connection string. `Display` and `Debug` show neither the password nor the value of an unknown key.
#[derive(Clone)]
pub struct ConnectionString {
    pairs: Vec<Pair>,
}

#[derive(Clone)]
struct Pair {
    /// As written, for messages.
    key: String,
    /// Lower case, without blanks: `Old Guids` and `oldguids` are one key.
    plain_key: String,
    value: String,
}

impl ConnectionString {
    /// Reads the pairs. Blanks around keys and values are dropped, a value may stand in `'` or `"` with that quote doubled inside.
    ///
    /// # Errors
    /// `Configuration` for a part without `=`, a quote that is not closed, or text after a closing quote. The message names the
    /// part by its number only, since its text may be a piece of a password.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > MAX_LENGTH {
            return Err(DatabaseError::Configuration(format!("the connection string is longer than {MAX_LENGTH} bytes")));
        }
        let mut pairs = Vec::new();
        let mut rest = text.trim_start_matches(is_separator);
        while !rest.is_empty() {
            let part = pairs.len() + 1;
            let end = rest.find([';', '=']).unwrap_or(rest.len());
            if !rest[end..].starts_with('=') {
                return Err(DatabaseError::Configuration(format!(
                    "part {part} of the connection string has no '='; a value that contains ';' must be quoted"
                )));
            }
            let key = rest[..end].trim();
            if key.is_empty() {
                return Err(DatabaseError::Configuration(format!("part {part} of the connection string has no key before '='")));
            }
            let (value, after) = read_value(rest[end + 1..].trim_start(), part)?;
            pairs.push(Pair { key: key.to_owned(), plain_key: plain(key), value });
            rest = after.trim_start_matches(is_separator);
        }
        Ok(Self { pairs })
    }

    /// The value of a key given by its names, each lower case and without blanks. The last pair with any of the names wins; an
    /// empty value counts as not given.
    pub(super) fn value(&self, names: &[&str]) -> Option<&str> {
        let pair = self.pairs.iter().rev().find(|pair| names.contains(&pair.plain_key.as_str()))?;
        Some(pair.value.as_str()).filter(|value| !value.is_empty())
    }

    /// The value as a whole number.
    pub(super) fn number<T: std::str::FromStr>(&self, names: &[&str]) -> Result<Option<T>> {
        let Some(value) = self.value(names) else { return Ok(None) };
        let number = value.parse().map_err(|_| {
            DatabaseError::Configuration(format!("'{}' in the connection string must be a whole number in range", names[0]))
        })?;
        Ok(Some(number))
    }

    /// The value as a switch: `true`, `yes`, `on` and `1` are true, everything else is false.
    pub(super) fn switch(&self, names: &[&str]) -> bool {
        self.value(names).is_some_and(|value| ["true", "yes", "on", "1"].contains(&value.to_ascii_lowercase().as_str()))
    }

    /// One warning for each key that is not among `known`, in the order in which they are written.
    pub(super) fn unknown_keys(&self, known: &[&[&str]]) -> Vec<String> {
        self.pairs
            .iter()
            .filter(|pair| !known.iter().any(|names| names.contains(&pair.plain_key.as_str())))
            .map(|pair| format!("the connection string key '{}' is unknown and has no effect", pair.key))
            .collect()
    }

    /// `options` with what the string itself says about pools and time limits; the string wins (schema.md section 2).
    pub(super) fn options(&self, options: &DatabaseOptions) -> Result<DatabaseOptions> {
        let mut options = options.clone();
        if let Some(size) = self.number::<u32>(POOL_SIZE)? {
            options.max_connections = size.clamp(1, 10_000);
        }
        if let Some(seconds) = self.number(CONNECTION_TIMEOUT)? {
            options.acquire_timeout = time_limit(seconds);
        }
        if let Some(seconds) = self.number(COMMAND_TIMEOUT)? {
            options.statement_timeout = time_limit(seconds);
        }
        Ok(options)
    }
}

pub(super) const POOL_SIZE: &[&str] = &["maxpoolsize", "maximumpoolsize"];
pub(super) const CONNECTION_TIMEOUT: &[&str] = &["connectiontimeout", "connecttimeout", "timeout"];
pub(super) const COMMAND_TIMEOUT: &[&str] = &["defaultcommandtimeout", "commandtimeout"];

/// Seconds as a limit. Zero means "no limit" in the original; here nothing waits for more than an hour.
fn time_limit(seconds: u64) -> Duration {
    const HOUR: u64 = 3600;
    Duration::from_secs(if seconds == 0 { HOUR } else { seconds.min(HOUR) })
}

fn is_separator(c: char) -> bool {
    c == ';' || c.is_whitespace()
}

fn plain(key: &str) -> String {
    key.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect()
}

/// The value at the start of `text` and what follows it.
fn read_value(text: &str, part: usize) -> Result<(String, &str)> {
    let Some(quote) = text.chars().next().filter(|c| matches!(c, '\'' | '"')) else {
        let end = text.find(';').unwrap_or(text.len());
        return Ok((text[..end].trim_end().to_owned(), &text[end..]));
    };
    let mut value = String::new();
    let mut rest = &text[1..];
    loop {
        let Some(end) = rest.find(quote) else {
            return Err(DatabaseError::Configuration(format!("part {part} of the connection string has an open quote")));
        };
        value.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        if !rest.starts_with(quote) {
            break;
        }
        value.push(quote);
        rest = &rest[1..];
    }
    let rest = rest.trim_start();
    if rest.is_empty() || rest.starts_with(';') {
        Ok((value, rest))
    } else {
        Err(DatabaseError::Configuration(format!("part {part} of the connection string has text after the closing quote")))
    }
}

impl fmt::Display for ConnectionString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for pair in &self.pairs {
            let shown = if SHOWN_KEYS.contains(&pair.plain_key.as_str()) { pair.value.as_str() } else { "***" };
            write!(f, "{}={};", pair.key, shown)?;
        }
        Ok(())
    }
}

impl fmt::Debug for ConnectionString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnectionString({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> ConnectionString {
        ConnectionString::parse(text).expect(text)
    }

    #[test]
    fn keys_ignore_case_and_blanks_and_the_last_one_wins() {
        let string = parse(" Data Source = localhost ;Database=a; OLD GUIDS=true;; Server=db.example ; database = b ;");
        assert_eq!(string.value(&["server", "datasource"]), Some("db.example"));
        assert_eq!(string.value(&["database"]), Some("b"));
        assert!(string.switch(&["oldguids"]));
        assert_eq!(string.value(&["port"]), None);
    }

    #[test]
    fn quoted_values_hold_separators_blanks_and_doubled_quotes() {
        let string = parse(r#"Password='a;b''c" '; Database="x ""y"" = z" ;User=  plain "quotes" inside ; Pwd2=''"#);
        assert_eq!(string.value(&["password"]), Some("a;b'c\" "));
        assert_eq!(string.value(&["database"]), Some("x \"y\" = z"));
        assert_eq!(string.value(&["user"]), Some("plain \"quotes\" inside"));
        assert_eq!(string.value(&["pwd2"]), None);
    }

    #[test]
    fn an_equals_sign_may_stand_in_a_value() {
        assert_eq!(parse("Password=a=b=;Database=c").value(&["password"]), Some("a=b="));
    }

    #[test]
    fn malformed_strings_are_errors_that_do_not_show_the_text() {
        for text in ["Server=a;Password=b;secret", "Password='secret", "Password='b'secret", "=secret", "secret"] {
            let error = ConnectionString::parse(text).expect_err(text).to_string();
            assert!(!error.contains("secret"), "{error}");
        }
        assert!(ConnectionString::parse(&"a=b;".repeat(20_000)).is_err());
    }

    #[test]
    fn the_password_is_never_shown() {
        let string = parse("Server=db;User Id=opensim;Password=secret;Pwd=secret;Passwort=secret;PSW='secret';Port=1");
        for shown in [format!("{string}"), format!("{string:?}")] {
            assert!(!shown.contains("secret"), "{shown}");
            assert!(shown.contains("Server=db;User Id=opensim;Password=***"), "{shown}");
        }
    }

    #[test]
    fn the_strings_own_limits_win_over_the_options() {
        let string = parse("Max Pool Size=7;Connection Timeout=3;Default Command Timeout=0");
        let options = string.options(&DatabaseOptions::default()).expect("valid numbers");
        assert_eq!(options.max_connections, 7);
        assert_eq!(options.acquire_timeout, Duration::from_secs(3));
        assert_eq!(options.statement_timeout, Duration::from_secs(3600));
        assert!(parse("Max Pool Size=many").options(&DatabaseOptions::default()).is_err());
    }

    #[test]
    fn unknown_keys_are_listed() {
        let string = parse("Server=a;Frobnicate=1;Port=2");
        assert_eq!(
            string.unknown_keys(&[&["server"], &["port"]]),
            ["the connection string key 'Frobnicate' is unknown and has no effect"]
        );
    }
}
