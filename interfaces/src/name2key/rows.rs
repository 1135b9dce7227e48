//! Rows of an import: names with their keys, thousands in one piece.

use async_trait::async_trait;
use uuid::Uuid;

use crate::Result;

/// Some rows of an import, in their order. The names stand in one text, so that a row costs no allocation.
#[derive(Clone, Debug, Default)]
pub struct NameBatch {
    names: String,
    rows: Vec<(Uuid, u32)>,
}

impl NameBatch {
    /// Adds a row. The names of a batch are together at most 4 GiB, far more than who reads a file puts into one.
    pub fn push(&mut self, key: Uuid, name: &str) {
        self.names.push_str(name);
        let end = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.rows.push((key, end));
    }

    /// The rows: each a key, and the name as it was read.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (Uuid, &str)> {
        let mut start = 0;
        self.rows.iter().map(move |(key, end)| {
            let end = *end as usize;
            let name = &self.names[start..end];
            start = end;
            (*key, name)
        })
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Bytes of all names together.
    pub fn name_bytes(&self) -> usize {
        self.names.len()
    }
}

/// Where an import takes its rows from. They are checked: keys are not zero, names fulfil
/// [`check_name`](super::check_name).
#[async_trait]
pub trait NameRows: Send {
    /// The next rows, never none of them; `None` at the end.
    ///
    /// # Errors
    /// `Invalid` for what cannot be read, naming file and line. Nothing of the import is kept then.
    async fn next(&mut self) -> Result<Option<NameBatch>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_out_as_they_went_in() {
        let mut batch = NameBatch::default();
        let rows = [(Uuid::from_u128(1), "Ann Bee"), (Uuid::from_u128(2), ""), (Uuid::from_u128(3), "Ñandú Ü")];
        for (key, name) in rows {
            batch.push(key, name);
        }
        assert_eq!((batch.len(), batch.is_empty(), batch.name_bytes()), (3, false, 17));
        assert_eq!(batch.iter().collect::<Vec<_>>(), rows);
    }
}
