//! Which files an `Include-` value names (shell.md section 4.1).

use std::path::{Component, PathBuf};

use crate::problem::Problem;

/// The start of every key that is an include, in any section.
pub(crate) const INCLUDE: &str = "Include-";

/// Whether a main file or include is an address, answered with Nini XML, and not a path.
pub(crate) fn is_address(location: &str) -> bool {
    location.starts_with("http://") || location.starts_with("https://")
}

/// The files that a path means, relative to the current directory: with `*` or `?` in it all that match, sorted by directory and
/// name (the original leaves the order to the file system).
///
/// # Errors
/// A warning when a path without wildcards does not exist, an error when a directory cannot be searched.
pub(crate) fn matching_files(location: &str) -> Result<Vec<String>, Problem> {
    if !location.contains(['*', '?']) {
        let path = full_path(location);
        if path.is_file() {
            return Ok(vec![location.to_owned()]);
        }
        return Err(Problem::warning(format!("[CONFIG]: Could not find include file {}", path.display())));
    }
    let mut files = Vec::new();
    let paths = glob::glob(&as_glob(location))
        .map_err(|error| Problem::error(format!("{location} is not a path with wildcards that can be searched: {error}")))?;
    for path in paths {
        let path = path.map_err(|error| Problem::error(format!("{} cannot be searched: {error}", error.path().display())))?;
        if path.is_file() {
            files.push(path.to_string_lossy().into_owned());
        }
    }
    Ok(files)
}

/// The dialect has only `*` and `?`, each within one directory. The glob syntax gives `[` and `**` a meaning too.
fn as_glob(location: &str) -> String {
    let mut pattern = String::with_capacity(location.len());
    for character in location.chars() {
        match character {
            '*' if pattern.ends_with('*') => {}
            '[' => pattern.push_str("[[]"),
            other => pattern.push(other),
        }
    }
    pattern
}

/// The full path, without `.` and `..`: how a file is opened, and how two names of one file are known to be the same. As in .NET, `..`
/// takes away the directory before it as written, whether that exists, is a link, or neither.
pub(crate) fn full_path(location: &str) -> PathBuf {
    let absolute = std::path::absolute(location).unwrap_or_else(|_| PathBuf::from(location));
    let mut full = PathBuf::new();
    for component in absolute.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                full.pop();
            }
            other => full.push(other),
        }
    }
    full
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn wildcards_match_directory_by_directory_and_sorted() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_str().unwrap();
        for file in ["b/2.ini", "b/1.ini", "a/3.ini", "a/deep/4.ini", "a/5.txt", "a/[x].ini", "top.ini"] {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        fs::create_dir(folder.path().join("a/folder.ini")).unwrap();
        let found = |pattern: &str| -> Vec<String> {
            let files = matching_files(&format!("{root}/{pattern}")).unwrap();
            files.iter().map(|file| file.strip_prefix(root).unwrap().to_owned()).collect()
        };
        assert_eq!(found("*/?.ini"), ["/a/3.ini", "/b/1.ini", "/b/2.ini"]);
        assert_eq!(found("**/*.ini"), ["/a/3.ini", "/a/[x].ini", "/b/1.ini", "/b/2.ini"]);
        assert_eq!(found("a/[x].*"), ["/a/[x].ini"]);
        assert_eq!(found("none*.ini"), [""; 0]);
        assert_eq!(found("top.ini"), ["/top.ini"]);
        assert!(matching_files(&format!("{root}/a")).is_err());
    }

    #[test]
    fn a_missing_file_is_a_warning_with_the_full_path() {
        let problem = matching_files("no/such/../file.ini").unwrap_err();
        assert!(!problem.is_error());
        let expected = std::env::current_dir().unwrap().join("no/file.ini");
        assert_eq!(problem.message, format!("[CONFIG]: Could not find include file {}", expected.display()));
    }

    #[test]
    fn full_paths() {
        assert_eq!(full_path("/a/./b/../c/x.ini"), Path::new("/a/c/x.ini"));
        assert_eq!(full_path("/../x.ini"), Path::new("/x.ini"));
    }

    #[test]
    fn addresses() {
        assert!(is_address("http://x/a.xml") && is_address("https://x/a.xml"));
        assert!(!is_address("config/http.ini"));
    }
}
