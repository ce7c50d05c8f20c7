//! The command line as a list, for tests that look at all of it.

use super::Said;
use clap::Command;

/// One command, with all that it has inherited.
pub(crate) struct Node {
    /// Its names from the first verb on; empty for `resus` itself.
    pub path: String,
    pub command: Command,
}

impl Node {
    /// Nothing is below it.
    pub(crate) fn is_leaf(&self) -> bool {
        super::pages::visible(&self.command).next().is_none()
    }

    /// It takes something of its own.
    pub(crate) fn takes_arguments(&self) -> bool {
        self.command.get_arguments().any(|argument| {
            !argument.is_global_set() && !argument.is_hide_set() && argument.get_id() != "help"
        })
    }

    /// What stands behind its options in `-h`.
    pub(crate) fn said(&self) -> Said {
        Said::of(&self.command.get_after_help().map(ToString::to_string).unwrap_or_default())
    }

    pub(crate) fn short_help(&self) -> String {
        self.command.clone().render_help().to_string()
    }

    pub(crate) fn long_help(&self) -> String {
        self.command.clone().render_long_help().to_string()
    }
}

/// Every command, parents before their children.
pub(crate) fn nodes() -> Vec<Node> {
    let mut root = super::command();
    root.build();
    let mut nodes = Vec::new();
    collect(&root, "", &mut nodes);
    nodes
}

fn collect(command: &Command, path: &str, nodes: &mut Vec<Node>) {
    nodes.push(Node { path: path.to_owned(), command: command.clone() });
    for below in super::pages::visible(command) {
        let path = format!("{path} {}", below.get_name());
        collect(below, path.trim_start(), nodes);
    }
}
