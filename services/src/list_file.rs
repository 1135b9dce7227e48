//! Files of the operator that list things as Nini XML: asset sets and the library.

use std::io;
use std::path::{Path, PathBuf};

use gridshell_config::{DocumentSection, nini_xml};

/// Larger lists are not read.
const MAX_LIST_BYTES: u64 = 16 * 1024 * 1024;

/// The sections of a list; of several with one name only the first counts (assets.md section 8, inventory.md section 7).
///
/// # Errors
/// What is wrong, with the file and, where there is one, the line.
pub(crate) async fn read_sections(file: &Path) -> Result<Vec<DocumentSection>, String> {
    let name = file.display().to_string();
    let bytes = read_file(file, MAX_LIST_BYTES).await.map_err(|error| format!("cannot read {name}: {error}"))?;
    let text = String::from_utf8(bytes).map_err(|_| format!("{name} is not UTF-8"))?;
    let mut document = nini_xml::parse(&name, &text).map_err(|problem| problem.to_string())?;
    document.keep_first_of_each_name();
    Ok(document.sections)
}

/// The content of a file that may have this many bytes.
///
/// # Errors
/// It cannot be read, or is larger.
pub(crate) async fn read_file(file: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let length = tokio::fs::metadata(file).await?.len();
    if length > limit {
        return Err(io::Error::other(format!("the file has {length} bytes, more than {limit}")));
    }
    tokio::fs::read(file).await
}

/// A path that is relative to the directory of another file.
pub(crate) fn beside(file: &Path, relative: &str) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).join(relative)
}
