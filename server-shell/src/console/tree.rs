//! The word tree of the commands: look-up with abbreviations, completion, help in the middle of a line.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::command::{Command, CommandHandler};

/// One word of a command, and what can follow it.
#[derive(Clone, Default)]
pub struct Node {
    /// The command that ends here.
    pub entry: Option<Entry>,
    /// The words that can follow.
    pub children: BTreeMap<String, Node>,
}

/// A registered command.
#[derive(Clone)]
pub struct Entry {
    /// Its words and help.
    pub command: Command,
    /// What runs, in this order.
    pub handlers: Vec<Arc<dyn CommandHandler>>,
}

/// What a typed word means at one place of the tree.
enum Choice<'a> {
    One(&'a Node),
    Several,
    Unknown,
}

impl Node {
    /// Adds a command. A command that exists already gets one handler more, or stays as it is when it is shared.
    pub fn insert(&mut self, command: Command, handler: Arc<dyn CommandHandler>) {
        let mut node = self;
        for word in command.words.split_whitespace() {
            node = node.children.entry(word.to_owned()).or_default();
        }
        match &mut node.entry {
            Some(entry) if entry.command.shared => {}
            Some(entry) => entry.handlers.push(handler),
            None => node.entry = Some(Entry { command, handlers: vec![handler] }),
        }
    }

    /// The command that these words begin with, and how many of them are its own; the others are arguments. `None` when a word is
    /// ambiguous or the words stop short of a command.
    pub fn find(&self, words: &[String]) -> Option<(&Entry, usize)> {
        let mut node = self;
        for (index, word) in words.iter().enumerate() {
            match node.choose(word) {
                Choice::One(child) => node = child,
                Choice::Several => return None,
                Choice::Unknown => return node.entry.as_ref().map(|entry| (entry, index)),
            }
        }
        node.entry.as_ref().map(|entry| (entry, words.len()))
    }

    /// The words that can stand in place of `beginning` after `words`.
    pub fn completions(&self, words: &[String], beginning: &str) -> Vec<&str> {
        let Some(node) = self.walk(words) else { return Vec::new() };
        node.children.keys().map(String::as_str).filter(|word| word.starts_with(beginning)).collect()
    }

    /// What can come after `words`; with `beginning`, which of it begins so.
    pub fn context_help(&self, words: &[String], beginning: &str) -> String {
        let Some(node) = self.walk(words) else { return "Invalid command".to_owned() };
        let mut options: Vec<_> = node.children.keys().map(String::as_str).filter(|word| word.starts_with(beginning)).collect();
        match &node.entry {
            Some(entry) if options.is_empty() => return format!("Command help: {}", entry.command.syntax),
            Some(_) if beginning.is_empty() => options.push("<cr>"),
            _ => {}
        }
        if options.is_empty() { "Invalid command".to_owned() } else { format!("Options: {}", options.join(" ")) }
    }

    /// Calls `visit` with every command, in the order of its words.
    pub fn each<'a>(&'a self, visit: &mut impl FnMut(&'a Entry)) {
        if let Some(entry) = &self.entry {
            visit(entry);
        }
        for child in self.children.values() {
            child.each(visit);
        }
    }

    /// The place after `words`, which for a command's arguments is the command's own; `None` when there is no such command.
    fn walk(&self, words: &[String]) -> Option<&Node> {
        let mut node = self;
        for word in words {
            match node.choose(word) {
                Choice::One(child) => node = child,
                Choice::Several => return None,
                Choice::Unknown => return Some(node).filter(|node| node.entry.is_some()),
            }
        }
        Some(node)
    }

    fn choose(&self, word: &str) -> Choice<'_> {
        if let Some(child) = self.children.get(word) {
            return Choice::One(child);
        }
        let mut matching = self.children.iter().filter(|(name, _)| name.starts_with(word));
        match (matching.next(), matching.next()) {
            (Some((_, child)), None) => Choice::One(child),
            (Some(_), Some(_)) => Choice::Several,
            (None, _) => Choice::Unknown,
        }
    }
}
