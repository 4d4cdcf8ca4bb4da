//! What the sources import, found by their syntax: `use` and paths, also within macros and attributes.
//!
//! Tests are left out: they may know more than what they test.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

use super::Edge;

/// A path of modules or of what is in them.
type Names = Vec<String>;

/// All imports of the crate, from which module to what.
pub(super) struct Imports {
    modules: BTreeSet<Names>,
    used: Vec<(Names, Names)>,
}

/// Modules and which of them import one another.
pub(super) struct Found {
    pub(super) modules: BTreeSet<String>,
    pub(super) used: BTreeSet<Edge>,
}

impl Imports {
    pub(super) fn of_crate() -> Self {
        let mut imports = Self { modules: BTreeSet::new(), used: Vec::new() };
        imports.read_file(&Names::new());
        imports
    }

    /// Between the modules of the crate's root.
    pub(super) fn between_modules(&self) -> Found {
        let modules = self.modules.iter().filter(|it| it.len() == 1).map(|it| it[0].clone());
        self.between(modules.collect(), |path| path.first())
    }

    /// Between the rooms of a module, of which the module itself is one.
    pub(super) fn between_rooms(&self, house: &str) -> Found {
        let is_room = |it: &&Names| it.len() == 2 && it[0] == house;
        let rooms = self.modules.iter().filter(is_room).map(|it| it[1].clone());
        let rooms: BTreeSet<String> = rooms.chain([house.to_owned()]).collect();
        self.between(rooms.clone(), |path| {
            let house = path.first().filter(|it| *it == house)?;
            Some(path.get(1).filter(|it| rooms.contains(*it)).unwrap_or(house))
        })
    }

    fn between<'a>(
        &'a self,
        modules: BTreeSet<String>,
        part: impl Fn(&'a Names) -> Option<&'a String>,
    ) -> Found {
        let edges = self.used.iter().filter_map(|(from, to)| Some((part(from)?, part(to)?)));
        let edges = edges.filter(|(from, to)| from != to && modules.contains(*to));
        let used = edges.map(|(from, to)| (from.clone(), to.clone())).collect();
        Found { modules, used }
    }

    /// Reads the file of a module, and those of the modules that it declares.
    fn read_file(&mut self, module: &Names) {
        let file = file_of(module);
        let text = fs::read_to_string(&file).expect("a module that is declared has a file");
        let file = syn::parse_file(&text).expect("the sources compile");
        let children = file.items.iter().filter_map(child).collect();
        let mut reader = Reader { module: module.clone(), children, imports: self };
        reader.visit_file(&file);
        let files = reader.children;
        for child in files {
            let child: Names = module.iter().cloned().chain([child]).collect();
            self.modules.insert(child.clone());
            if file_of(&child).exists() {
                self.read_file(&child);
            }
        }
    }
}

fn file_of(module: &Names) -> PathBuf {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    if module.is_empty() {
        return sources.join("lib.rs");
    }
    sources.join(module.join("/")).with_extension("rs")
}

/// The name of a module that an item declares.
fn child(item: &syn::Item) -> Option<String> {
    match item {
        syn::Item::Mod(module) if !is_test(&module.attrs) => Some(module.ident.to_string()),
        _ => None,
    }
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|it| match &it.meta {
        syn::Meta::List(list) => it.path().is_ident("cfg") && list.tokens.to_string() == "test",
        _ => false,
    })
}

/// Reads the items of one module.
struct Reader<'a> {
    module: Names,
    children: BTreeSet<String>,
    imports: &'a mut Imports,
}

impl Reader<'_> {
    /// Notes a path, if it leads to a module of this crate.
    fn note(&mut self, path: &[String]) {
        let Some(first) = path.first() else { return };
        let ups = path.iter().take_while(|it| *it == "super").count();
        let (base, rest) = match first.as_str() {
            "crate" => (&[][..], &path[1..]),
            "self" => (&self.module[..], &path[1..]),
            "super" => (&self.module[..self.module.len() - ups], &path[ups..]),
            _ if self.children.contains(first) => (&self.module[..], path),
            _ => return,
        };
        self.imports.used.push((self.module.clone(), [base, rest].concat()));
    }

    fn note_use(&mut self, before: &[String], tree: &syn::UseTree) {
        let after = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.note_use(&after(&path.ident), &path.tree),
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.note_use(before, tree));
            }
            syn::UseTree::Name(name) => self.note(&after(&name.ident)),
            syn::UseTree::Rename(name) => self.note(&after(&name.ident)),
            syn::UseTree::Glob(_) => self.note(before),
        }
    }

    /// Tokens are not parsed any further; paths in them begin with `crate` as a rule.
    fn note_tokens(&mut self, tokens: &str) {
        let tokens: String = tokens.split_whitespace().collect::<Vec<_>>().join(" ");
        for path in tokens.replace(" :: ", "::").split("crate::").skip(1) {
            let end = path.find(|it: char| !it.is_alphanumeric() && it != '_' && it != ':');
            let names = path[..end.unwrap_or(path.len())].split("::").map(str::to_owned);
            self.note(&std::iter::once("crate".to_owned()).chain(names).collect::<Names>());
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if module.content.is_some() && !is_test(&module.attrs) {
            self.module.push(module.ident.to_string());
            visit::visit_item_mod(self, module);
            self.module.pop();
        }
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        if !is_test(&function.attrs) {
            visit::visit_item_fn(self, function);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !is_test(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !is_test(&item.attrs) {
            self.note_use(&[], &item.tree);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Names = path.segments.iter().map(|it| it.ident.to_string()).collect();
        self.note(&names);
        visit::visit_path(self, path);
    }

    /// `pub(in …)` imports nothing.
    fn visit_vis_restricted(&mut self, _: &'ast syn::VisRestricted) {}

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.note_tokens(&call.tokens.to_string());
        visit::visit_macro(self, call);
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if let syn::Meta::List(list) = &attribute.meta {
            self.note_tokens(&list.tokens.to_string());
        }
    }
}
