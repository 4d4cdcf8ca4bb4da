//! Who may import whom, as a page of documentation says it.

use std::collections::{BTreeMap, BTreeSet};

use super::Edge;
use super::imports::Found;

/// Modules in the order of their lines, and what each may import.
pub(super) struct ImportTable {
    lines: Vec<String>,
    allowed: BTreeSet<Edge>,
}

impl ImportTable {
    /// Reads a block of lines `module: module, module` that is fenced as `imports <name>`.
    pub(super) fn read(page: &str, name: &str) -> Self {
        let fence = format!("```imports {name}\n");
        let (_, block) = page.split_once(&fence).expect("the page has the table");
        let (block, _) = block.split_once("```").expect("the table ends");
        let mut table = Self { lines: Vec::new(), allowed: BTreeSet::new() };
        for line in block.lines() {
            let (module, imports) = line.split_once(':').expect("a line has a colon");
            let imports = imports.split(',').map(str::trim).filter(|import| !import.is_empty());
            table.allowed.extend(imports.map(|import| (module.to_owned(), import.to_owned())));
            table.lines.push(module.to_owned());
        }
        table
    }

    /// What disagrees with the sources, in words.
    pub(super) fn problems(&self, found: &Found) -> Vec<String> {
        let lines: BTreeSet<String> = self.lines.iter().cloned().collect();
        let new = found.modules.difference(&lines).map(|it| format!("`{it}` is not in the table"));
        let gone = lines.difference(&found.modules);
        let gone = gone.map(|it| format!("`{it}` is in the table and nowhere else"));
        let forbidden = found.used.difference(&self.allowed);
        let forbidden = forbidden.map(|(from, to)| format!("`{from}` must not import `{to}`"));
        let unused = self.allowed.difference(&found.used);
        let unused = unused.map(|(from, to)| format!("`{from}` may import `{to}` and does not"));
        let upward = self.upward().into_iter();
        let upward = upward
            .map(|(from, to)| format!("`{from}` imports `{to}`, which does not stand above it"));
        new.chain(gone).chain(forbidden).chain(unused).chain(upward).collect()
    }

    /// Permissions to import what does not stand above: without them there is no circle.
    fn upward(&self) -> Vec<Edge> {
        let places: BTreeMap<&String, usize> =
            self.lines.iter().enumerate().map(|(place, module)| (module, place)).collect();
        let is_upward = |(from, to): &&Edge| places.get(to) >= places.get(from);
        self.allowed.iter().filter(is_upward).cloned().collect()
    }
}
