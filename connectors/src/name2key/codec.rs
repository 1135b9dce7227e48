//! What requests to `/xname2key` and their answers look like, both directions. This wire is our own, in the manner of the original's
//! services: a form is posted, a `ServerResponse` document answers, always with status 200 (transport.md sections 4 and 5).
//!
//! Requests have `METHOD` and the parameters of this table; those with `?` may be absent. Names are case-sensitive. `GRID` in a look-up
//! is the grid of who asks: its entries come first. A list is written as `NAMES[]=...&NAMES[]=...`, with at most 10 000 elements.
//!
//! | METHOD | parameters | answer |
//! |---|---|---|
//! | `get_key` | `NAME`, `GRID`? | `ENTRIES` |
//! | `get_keys` | `NAMES[]`, `GRID`? | `ANSWERS`, one for each name in the same order |
//! | `get_name` | `KEY`, `GRID`? | `ENTRIES` |
//! | `get_names` | `KEYS[]`, `GRID`? | `ANSWERS`, one for each key in the same order |
//! | `find` | `PREFIX`, `LIMIT` (1 to 10 000) | `ENTRIES`, in the order of canonical names |
//! | `register` | `NAME`, `KEY`, `GRID` (may be empty), `VERIFIED`? (`True` or `False`) | `RESULT`: `False` when a verified entry says otherwise |
//! | `forget` | `KEY`, `GRID`? (without: on all grids) | `COUNT`: how many entries there were |
//! | `entries` | `LIMIT` (1 to 10 000), `AFTER`? with `AFTERGRID`: key and grid of the last entry before | `ENTRIES`, in the order of keys |
//! | `statistics` | | `GRIDS`, `SHAREDNAMES`, and `BYTES` where it is known |
//!
//! `ENTRIES` is a list of `entry_0`, `entry_1`, ... best first, empty when nothing is known. Each has `KEY`, `NAME` (as it was seen),
//! `GRID` (as it was told), `FIRSTSEEN` and `LASTSEEN` (seconds since 1970), `SOURCE` (`import`, `registration` or `account`) and
//! `VERIFIED`. `ANSWERS` is a list of `answer_0`, `answer_1`, ..., each a list of entries. `GRIDS` is a list of `grid_0`, ..., each
//! with `GRID` (its id) and `ENTRIES` (how many). For example, to `METHOD=get_key&NAME=Ann+Bee`:
//!
//! ```xml
//! <?xml version="1.0"?><ServerResponse><ENTRIES type="List"><entry_0 type="List"><KEY>a55e7010-0000-4000-8000-000000000001</KEY>
//! <NAME>Ann Bee</NAME><GRID>Production</GRID><FIRSTSEEN>1700000000</FIRSTSEEN><LASTSEEN>1700000000</LASTSEEN>
//! <SOURCE>import</SOURCE><VERIFIED>False</VERIFIED></entry_0></ENTRIES></ServerResponse>
//! ```
//!
//! (on one line). Whatever goes wrong is the failure document: `RESULT` with `False`, and `ERROR` with the kind of failure: `invalid`
//! (a parameter is absent or malformed, a list too long), `refused`, `unavailable` (repeating may help), `internal`. It always has
//! `ERROR`, so it differs from a registration that changed nothing.

mod answer;
mod error;
mod method;
mod request;

pub use answer::{
    MAX_ENTRIES_OF_ONE_ANSWER, decode_answers, decode_entries, decode_forgotten, decode_registered, decode_statistics,
    encode_answers, encode_entries, encode_failure, encode_forgotten, encode_registered, encode_statistics,
};
pub use error::CodecError;
pub use method::Method;
pub use request::Call;

#[cfg(test)]
mod tests;
