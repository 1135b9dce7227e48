//! The folders of one user as a tree, in memory. An old database may hold cycles and folders whose parent is gone: everything here
//! comes to an end there too.

use std::collections::{HashMap, HashSet};

use gridshell_interfaces::inventory::FolderType;
use uuid::Uuid;

use super::tables::FolderRow;

/// Which folder is in which.
#[derive(Debug, Default)]
pub(super) struct Tree {
    folders: HashMap<Uuid, (Uuid, FolderType)>,
    children: HashMap<Uuid, Vec<Uuid>>,
}

/// Where the way up from a folder ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Top {
    /// At the top, with this folder.
    Root(Uuid),
    /// At this folder, whose parent does not exist.
    Orphan(Uuid),
    /// It does not: it runs in a circle, of which this is a folder, the smallest.
    Cycle(Uuid),
}

impl Tree {
    pub(super) fn new(rows: &[FolderRow]) -> Self {
        let mut tree = Self::default();
        for row in rows {
            tree.folders.insert(row.id, (row.parent, row.folder_type()));
            tree.children.entry(row.parent).or_default().push(row.id);
        }
        tree
    }

    pub(super) fn contains(&self, id: Uuid) -> bool {
        self.folders.contains_key(&id)
    }

    /// The parents of a folder from the next one upwards: while they exist, and none twice.
    fn parents(&self, id: Uuid) -> impl Iterator<Item = (Uuid, FolderType)> {
        let mut seen = HashSet::new();
        let mut next = self.folders.get(&id).map(|(parent, _)| *parent);
        std::iter::from_fn(move || {
            let id = next?;
            let (parent, folder_type) = self.folders.get(&id)?;
            next = Some(*parent);
            seen.insert(id).then_some((id, *folder_type))
        })
    }

    /// True when `id` is `ancestor` or somewhere in it.
    pub(super) fn is_inside(&self, id: Uuid, ancestor: Uuid) -> bool {
        id == ancestor || self.parents(id).any(|(parent, _)| parent == ancestor)
    }

    /// Where the way up ends, for each folder.
    pub(super) fn tops(&self) -> HashMap<Uuid, Top> {
        let mut tops = HashMap::new();
        for start in self.folders.keys() {
            let mut path = Vec::new();
            let mut places = HashMap::new();
            let mut id = *start;
            let top = loop {
                if let Some(top) = tops.get(&id) {
                    break *top;
                }
                if let Some(place) = places.insert(id, path.len()) {
                    break Top::Cycle(path[place..].iter().copied().min().unwrap_or(id));
                }
                path.push(id);
                match self.folders.get(&id) {
                    Some((parent, _)) if parent.is_nil() => break Top::Root(id),
                    Some((parent, _)) if self.contains(*parent) => id = *parent,
                    _ => break Top::Orphan(id),
                }
            };
            tops.extend(path.into_iter().map(|id| (id, top)));
        }
        tops
    }

    /// True when what is in the folder may be deleted: it is Trash or Lost And Found, or somewhere in Trash (inventory.md section 4).
    /// A folder of a cycle is not: everything could be inside of it.
    pub(super) fn is_in_trash(&self, id: Uuid) -> bool {
        let Some((_, folder_type)) = self.folders.get(&id) else { return false };
        if self.parents(id).any(|(parent, _)| parent == id) {
            return false;
        }
        if matches!(*folder_type, FolderType::TRASH | FolderType::LOST_AND_FOUND) {
            return true;
        }
        let deciding = self.parents(id).find(|(_, folder_type)| matches!(*folder_type, FolderType::TRASH | FolderType::ROOT));
        deciding.is_some_and(|(_, folder_type)| folder_type == FolderType::TRASH)
    }

    /// The folders inside of these, without these themselves; each once.
    pub(super) fn inside(&self, ids: &[Uuid]) -> Vec<Uuid> {
        let mut seen: HashSet<Uuid> = ids.iter().copied().collect();
        let mut found = Vec::new();
        let mut waiting = ids.to_vec();
        while let Some(id) = waiting.pop() {
            for child in self.children.get(&id).into_iter().flatten() {
                if seen.insert(*child) {
                    found.push(*child);
                    waiting.push(*child);
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    fn tree(folders: &[(u128, u128, i64)]) -> Tree {
        let row = |&(number, parent, folder_type): &(u128, u128, i64)| FolderRow {
            id: id(number),
            parent: id(parent),
            owner: Uuid::nil(),
            folder_type,
            version: 1,
            name: String::new(),
        };
        Tree::new(&folders.iter().map(row).collect::<Vec<_>>())
    }

    #[test]
    fn trash_is_what_is_below_it() {
        let tree = tree(&[
            (1, 0, 8),
            (2, 1, 14),
            (3, 2, -1),
            (4, 3, 5),
            (5, 1, 16),
            (6, 5, -1),
            (7, 1, -1),
            (8, 3, 8),
            (9, 8, -1),
            (10, 99, -1),
        ]);
        let trash: Vec<u128> = (1..=10).filter(|number| tree.is_in_trash(id(*number))).collect();
        // In Lost And Found nothing is in the trash but itself; 9 is below another root, which is in the trash itself.
        assert_eq!(trash, [2, 3, 4, 5, 8]);
        assert!(!tree.is_in_trash(id(77)));
        let mut inside = tree.inside(&[id(2)]);
        inside.sort();
        assert_eq!(inside, [3, 4, 8, 9].map(id));
        assert!(tree.is_inside(id(9), id(2)) && tree.is_inside(id(9), id(9)) && !tree.is_inside(id(2), id(9)));
    }

    #[test]
    fn cycles_come_to_an_end() {
        // 1 contains itself; 2, 3 and 4 each other; 5 hangs on 4; the trash 6 is in its own child 7.
        let tree =
            tree(&[(1, 1, -1), (2, 3, 14), (3, 4, 8), (4, 2, -1), (5, 4, -1), (6, 7, 14), (7, 6, -1), (8, 88, -1), (9, 8, -1)]);
        let tops = tree.tops();
        assert_eq!(tops[&id(1)], Top::Cycle(id(1)));
        for folder in 2..=5 {
            assert_eq!(tops[&id(folder)], Top::Cycle(id(2)), "{folder}");
        }
        assert_eq!((tops[&id(6)], tops[&id(7)]), (Top::Cycle(id(6)), Top::Cycle(id(6))));
        assert_eq!((tops[&id(9)], tops[&id(8)]), (Top::Orphan(id(8)), Top::Orphan(id(8))));
        assert!(!tree.is_in_trash(id(2)) && !tree.is_in_trash(id(6)) && !tree.is_in_trash(id(7)));
        assert!(tree.is_in_trash(id(5)), "it is no part of the circle, and trash comes before a root on its way up");
        assert!(tree.inside(&[id(1)]).is_empty());
        assert_eq!(tree.inside(&[id(2)]).len(), 3);
        assert!(!tree.is_inside(id(5), id(1)));
        assert!(tree.is_inside(id(2), id(2)) && tree.is_inside(id(2), id(4)));
    }

    #[test]
    fn a_chain_of_100_000_folders() {
        let chain: Vec<_> = (1..=100_000).map(|number| (number, number - 1, -1)).collect();
        let tree = tree(&chain);
        assert_eq!(tree.inside(&[id(1)]).len(), 99_999);
        assert!(tree.tops().values().all(|top| *top == Top::Root(id(1))));
        assert!(tree.is_inside(id(100_000), id(1)));
    }
}
