//! "Did you mean ...?"

/// Longer names are not compared: the comparison takes time with the square of the length.
const LONGEST: usize = 100;

/// The known name that is nearest to `name`, if one is near enough to be what was meant: another case, or about one wrong, missing,
/// extra or swapped letter in three.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if name.chars().count() > LONGEST {
        return None;
    }
    let lower = name.to_lowercase();
    let bound = (lower.chars().count() / 3).max(1);
    known
        .filter(|candidate| candidate.len() <= LONGEST && *candidate != name)
        .map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= bound && *distance < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The end of a message: `; did you mean X?`, or nothing.
pub(crate) fn did_you_mean<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    nearest(name, known).map(|meant| format!("; did you mean {meant}?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 5] = ["port", "https_port", "AllowRemoteDelete", "AllowRemoteDeleteAllTypes", "x"];

    fn of(name: &str) -> Option<&'static str> {
        nearest(name, KNOWN.into_iter())
    }

    #[test]
    fn near_names_are_found() {
        assert_eq!(of("Port"), Some("port"));
        assert_eq!(of("prot"), Some("port"));
        assert_eq!(of("AlowRemoteDelete"), Some("AllowRemoteDelete"));
        assert_eq!(of("allowremotedeletealltypes"), Some("AllowRemoteDeleteAllTypes"));
        assert_eq!(of("http_port"), Some("https_port"));
    }

    #[test]
    fn far_names_are_not() {
        assert_eq!(of("Realm"), None);
        assert_eq!(of("y"), None);
        assert_eq!(of(""), None);
        assert_eq!(of(&"port".repeat(100)), None);
    }
}
