//! The texts of `help`, and the help tree of the REST console (shell.md sections 8.2 and 9.1).

use std::collections::BTreeSet;

use super::command::Command;
use super::tree::{Entry, Node};
use super::xml::{escape_attribute, escape_text};

const QUOTES: [&str; 3] = [
    "To enter an argument that contains spaces, surround the argument with double quotes.",
    "For example, show object name \"My long object name\"",
    "",
];

// The lone quote after "<item>" is part of the original's text.
const MORE: [&str; 2] = [
    "For more information, type 'help all' to get a list of all commands,",
    "              or type help <item>' where <item> is one of the following:",
];

/// What `help` prints for these arguments: an empty line, the text, an empty line.
pub fn help_lines(tree: &Node, arguments: &[String]) -> Vec<String> {
    let text = match arguments {
        [] => own(&QUOTES).chain(own(&MORE)).chain(categories(tree)).collect(),
        [all] if all == "all" => summaries(tree, |_| true),
        _ => topic(tree, arguments),
    };
    let empty = || std::iter::once(String::new());
    empty().chain(text).chain(empty()).collect()
}

/// A category's commands, or one command in full.
fn topic(tree: &Node, arguments: &[String]) -> Vec<String> {
    let asked = arguments.join(" ");
    let in_category = summaries(tree, |command| command.category.eq_ignore_ascii_case(&asked));
    if !in_category.is_empty() {
        return own(&MORE).chain(in_category).collect();
    }
    let Some((Entry { command, .. }, _)) = tree.find(arguments) else {
        return vec![format!("No help is available for {asked}")];
    };
    let mut lines = vec![command.syntax.clone(), command.help.clone()];
    if !command.long_help.is_empty() {
        lines.push(String::new());
        lines.extend(command.long_help.lines().map(str::to_owned));
    }
    lines
}

/// `<syntax> - <help>` of the chosen commands, sorted.
fn summaries(tree: &Node, chosen: impl Fn(&Command) -> bool) -> Vec<String> {
    let mut lines = Vec::new();
    tree.each(&mut |Entry { command, .. }| {
        if chosen(command) {
            lines.push(format!("{} - {}", command.syntax, command.help));
        }
    });
    lines.sort();
    lines
}

/// The names of the categories; `fs` stands between `Debug` and `General`.
fn categories(tree: &Node) -> impl Iterator<Item = String> {
    let mut names = BTreeSet::new();
    tree.each(&mut |entry| {
        names.insert((entry.command.category.to_lowercase(), entry.command.category.clone()));
    });
    names.into_iter().map(|(_, name)| name)
}

fn own<'a>(lines: &'a [&str]) -> impl Iterator<Item = String> + 'a {
    lines.iter().map(|line| (*line).to_owned())
}

/// The `<HelpTree>` element: a `Level` for each word, a `Command` at the end of each command. `help` and `quit` are left out
/// because clients have their own.
pub fn help_tree(tree: &Node) -> String {
    let mut xml = String::from("<HelpTree>");
    for (word, node) in tree.children.iter().filter(|(word, _)| !matches!(word.as_str(), "help" | "quit")) {
        write_level(&mut xml, word, node);
    }
    xml.push_str("</HelpTree>");
    xml
}

fn write_level(xml: &mut String, word: &str, node: &Node) {
    xml.push_str(&format!("<Level Name=\"{}\">", escape_attribute(word)));
    if let Some(Entry { command, .. }) = &node.entry {
        let shared = if command.shared { "True" } else { "False" };
        let [module, syntax, help, long_help] =
            [&command.category, &command.syntax, &command.help, &command.long_help].map(|text| escape_text(text));
        xml.push_str(&format!(
            "<Command><Module>{module}</Module><Shared>{shared}</Shared><HelpText>{syntax}</HelpText>\
                 <LongHelp>{help}</LongHelp><Description>{long_help}</Description></Command>"
        ));
    }
    for (word, child) in &node.children {
        write_level(xml, word, child);
    }
    xml.push_str("</Level>");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::command::{CommandHandler, CommandResult};
    use crate::console::output::Output;
    use std::sync::Arc;

    fn tree() -> Node {
        let nothing: Arc<dyn CommandHandler> = Arc::new(|_: &[String], _: &Output| -> CommandResult { Ok(()) });
        let mut tree = Node::default();
        for command in [
            Command::new("Help", "help", "help [<item>]", "Display help"),
            Command::new("General", "quit", "quit", "Quit the application"),
            Command::new("General", "show info", "show info", "Show general information about the server"),
            Command::new("fs", "delete bakes", "delete bakes <ID>", "Delete bakes").with_long_help("Line one.\nLine <two>."),
            Command { shared: true, ..Command::new("Debug", "show", "show & tell", "Tell") },
        ] {
            tree.insert(command, nothing.clone());
        }
        tree
    }

    fn help(arguments: &[&str]) -> String {
        let arguments: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
        help_lines(&tree(), &arguments).join("\n")
    }

    #[test]
    fn general_help_is_the_whole_known_text() {
        assert_eq!(
            help(&[]),
            "
To enter an argument that contains spaces, surround the argument with double quotes.
For example, show object name \"My long object name\"

For more information, type 'help all' to get a list of all commands,
              or type help <item>' where <item> is one of the following:
Debug
fs
General
Help
"
        );
    }

    #[test]
    fn all_commands_sorted() {
        assert_eq!(
            help(&["all"]),
            "
delete bakes <ID> - Delete bakes
help [<item>] - Display help
quit - Quit the application
show & tell - Tell
show info - Show general information about the server
"
        );
    }

    #[test]
    fn a_category_in_any_case() {
        assert_eq!(
            help(&["gEnEral"]),
            "
For more information, type 'help all' to get a list of all commands,
              or type help <item>' where <item> is one of the following:
quit - Quit the application
show info - Show general information about the server
"
        );
    }

    #[test]
    fn one_command_with_and_without_long_help() {
        assert_eq!(help(&["show", "info"]), "\nshow info\nShow general information about the server\n");
        assert_eq!(help(&["delete", "bakes"]), "\ndelete bakes <ID>\nDelete bakes\n\nLine one.\nLine <two>.\n");
        assert_eq!(help(&["no", "such"]), "\nNo help is available for no such\n");
        assert_eq!(help(&["delete"]), "\nNo help is available for delete\n");
    }

    #[test]
    fn help_tree_document() {
        assert_eq!(
            help_tree(&tree()),
            "<HelpTree><Level Name=\"delete\"><Level Name=\"bakes\"><Command><Module>fs</Module><Shared>False</Shared>\
             <HelpText>delete bakes &lt;ID&gt;</HelpText><LongHelp>Delete bakes</LongHelp>\
             <Description>Line one.\nLine &lt;two&gt;.</Description></Command></Level></Level>\
             <Level Name=\"show\"><Command><Module>Debug</Module><Shared>True</Shared><HelpText>show &amp; tell</HelpText>\
             <LongHelp>Tell</LongHelp><Description></Description></Command>\
             <Level Name=\"info\"><Command><Module>General</Module><Shared>False</Shared><HelpText>show info</HelpText>\
             <LongHelp>Show general information about the server</LongHelp><Description></Description></Command></Level>\
             </Level></HelpTree>"
        );
    }
}
