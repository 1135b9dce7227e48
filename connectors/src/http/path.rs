//! Request targets as .NET's URI parser normalises them (transport.md section 1.2).

use std::borrow::Cow;

/// Splits a request target into the path used for routing and the query string.
///
/// An absolute form (`http://host/path`) loses its scheme and host; percent escapes of unreserved characters (letters, digits,
/// `-._~`) are decoded, all others stay; `.` and `..` segments are resolved; one trailing slash is removed, except of `/` itself.
pub fn normalise(target: &str) -> (String, &str) {
    let target = target.split('#').next().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = without_authority(path);
    let path = decode_unreserved(path);
    let mut path = if path.contains("/.") { resolve_dots(&path) } else { path.into_owned() };
    if path.len() > 1 && path.ends_with('/') {
        path.pop();
    }
    if !path.starts_with('/') {
        path.insert(0, '/');
    }
    (path, query)
}

fn without_authority(path: &str) -> &str {
    let Some((scheme, rest)) = path.split_once("://") else { return path };
    if path.starts_with('/') || !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return path;
    }
    rest.find('/').map_or("/", |slash| &rest[slash..])
}

fn decode_unreserved(path: &str) -> Cow<'_, str> {
    if !path.contains('%') {
        return Cow::Borrowed(path);
    }
    let mut decoded = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(percent) = rest.find('%') {
        decoded.push_str(&rest[..percent]);
        rest = &rest[percent..];
        let byte = rest.get(1..3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match byte {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                decoded.push(byte as char);
                rest = &rest[3..];
            }
            _ => {
                decoded.push('%');
                rest = &rest[1..];
            }
        }
    }
    decoded.push_str(rest);
    Cow::Owned(decoded)
}

fn resolve_dots(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    let mut ends_in_directory = false;
    for segment in path.strip_prefix('/').unwrap_or(path).split('/') {
        ends_in_directory = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => {
                segments.pop();
            }
            _ => segments.push(segment),
        }
    }
    let mut resolved = String::with_capacity(path.len());
    for segment in &segments {
        resolved.push('/');
        resolved.push_str(segment);
    }
    if ends_in_directory || segments.is_empty() {
        resolved.push('/');
    }
    resolved
}

#[cfg(test)]
mod tests {
    use super::normalise;

    #[test]
    fn targets() {
        for (target, path, query) in [
            ("/", "/", ""),
            ("/assets", "/assets", ""),
            ("/assets/", "/assets", ""),
            ("/assets//", "/assets/", ""),
            ("/%61ssets/a%2De?x=%61&y", "/assets/a-e", "x=%61&y"),
            ("/a%20b%2Fc%7b", "/a%20b%2Fc%7b", ""),
            ("/a%", "/a%", ""),
            ("/a%4", "/a%4", ""),
            ("/a%é1", "/a%é1", ""),
            ("/a/./b/../c", "/a/c", ""),
            ("/a/%2e%2e/%2E%2e/etc/passwd", "/etc/passwd", ""),
            ("/..", "/", ""),
            ("/.hidden", "/.hidden", ""),
            ("http://grid.example:8003/assets/x", "/assets/x", ""),
            ("HTTPS://grid.example", "/", ""),
            ("/assets/http://grid:8002/x", "/assets/http://grid:8002/x", ""),
            ("*", "/*", ""),
        ] {
            assert_eq!(normalise(target), (path.to_owned(), query), "{target}");
        }
    }
}
