//! The source of the apps as rustc will see it: a module tree with the items of each module.
//!
//! Takes the declared nodes; gives every module with its path, file, `#[cfg]`s and whether `site()` can reach it.
//! Follows `mod` items inside of files as rustc does. Code for tests is left out.
//! Must never: complain about a syntax error or a missing file; rustc says those better.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use syn::{Attribute, Item, Visibility};

use super::tree::{Kind, Node};
use crate::files::{relative, stem};

/// One module of the apps.
pub(crate) struct Module {
    /// The file that holds it, seen from the site's root.
    pub file: String,
    /// Its items, without inner modules.
    pub items: Vec<Item>,
    /// The `#[cfg]`s of this module and those around it.
    pub cfgs: Vec<Attribute>,
    /// Whether it can be named from the crate's root.
    pub reachable: bool,
}

/// `["crate", "apps", "coins"]`
pub(crate) type ModulePath = Vec<String>;

/// All modules of the apps.
#[derive(Default)]
pub(crate) struct Modules {
    pub all: BTreeMap<ModulePath, Module>,
    /// A file could not be parsed, so something may be missing here.
    pub broken: bool,
    /// Every file that is part of the tree.
    pub read: BTreeSet<PathBuf>,
}

/// What inner modules inherit.
#[derive(Clone)]
struct Around {
    path: ModulePath,
    cfgs: Vec<Attribute>,
    reachable: bool,
}

impl Modules {
    pub fn load(root: &Path, nodes: &[Node]) -> Self {
        let mut modules = Self::default();
        let apps = Around { path: vec!["crate".into(), "apps".into()], cfgs: vec![], reachable: true };
        modules.nodes(root, nodes, &apps);
        modules
    }

    fn nodes(&mut self, root: &Path, nodes: &[Node], around: &Around) {
        for node in nodes.iter().filter(|node| !node.is_test()) {
            let inner = around.inner(&node.name, vec![], true);
            match &node.kind {
                Kind::File(file) => self.file(root, file, inner),
                Kind::Folder(nodes) => {
                    let module =
                        Module { file: String::new(), items: vec![], cfgs: vec![], reachable: inner.reachable };
                    self.all.insert(inner.path.clone(), module);
                    self.nodes(root, nodes, &inner);
                }
            }
        }
    }

    fn file(&mut self, root: &Path, file: &Path, mut around: Around) {
        if !self.read.insert(file.to_owned()) {
            return;
        }
        let Ok(source) = fs::read_to_string(file) else { return };
        let Ok(parsed) = syn::parse_file(&source) else {
            self.broken = true;
            return;
        };
        if for_tests(&parsed.attrs) {
            return;
        }
        around.cfgs.extend(cfgs(&parsed.attrs));
        let folder = file.parent().unwrap_or(file);
        let children = if stem(file) == "mod" { folder.to_owned() } else { folder.join(stem(file)) };
        self.items(root, file, &children, parsed.items, around);
    }

    /// `children` is the folder in which `mod name;` looks for its file.
    fn items(&mut self, root: &Path, file: &Path, children: &Path, items: Vec<Item>, around: Around) {
        let mut own = vec![];
        for item in items {
            let Item::Mod(module) = item else {
                own.push(item);
                continue;
            };
            let name = module.ident.to_string();
            if for_tests(&module.attrs) {
                self.read.extend(outside(file, children, &name, &module.attrs));
                continue;
            }
            let public = !matches!(module.vis, Visibility::Inherited);
            let inner = around.inner(&name, cfgs(&module.attrs), public);
            if let Some((_, items)) = module.content {
                self.items(root, file, &children.join(&name), items, inner);
            } else if let Some(found) = outside(file, children, &name, &module.attrs) {
                self.file(root, &found, inner);
            }
        }
        let module = Module { file: relative(root, file), items: own, cfgs: around.cfgs, reachable: around.reachable };
        self.all.insert(around.path, module);
    }

    /// A module and all inside it.
    pub fn under<'a>(&'a self, path: &'a [String]) -> impl Iterator<Item = (&'a ModulePath, &'a Module)> {
        self.all.iter().filter(move |(at, _)| at.starts_with(path))
    }
}

impl Around {
    fn inner(&self, name: &str, cfgs: Vec<Attribute>, public: bool) -> Self {
        let mut inner = self.clone();
        inner.path.push(name.to_owned());
        inner.cfgs.extend(cfgs);
        inner.reachable &= public;
        inner
    }
}

/// The file of `mod name;`.
fn outside(file: &Path, children: &Path, name: &str, attributes: &[Attribute]) -> Option<PathBuf> {
    let path = attributes.iter().find(|attribute| attribute.path().is_ident("path"));
    if let Some(syn::Meta::NameValue(value)) = path.map(|attribute| &attribute.meta)
        && let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(path), .. }) = &value.value
    {
        return Some(file.parent()?.join(path.value()));
    }
    [children.join(format!("{name}.rs")), children.join(name).join("mod.rs")].into_iter().find(|path| path.is_file())
}

/// The `#[cfg(…)]`s among these.
pub(crate) fn cfgs(attributes: &[Attribute]) -> Vec<Attribute> {
    let mut found: Vec<Attribute> =
        attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).cloned().collect();
    // `#![cfg(…)]` of a file is said of a statement later
    for attribute in &mut found {
        attribute.style = syn::AttrStyle::Outer;
    }
    found
}

/// Whether this is compiled for tests only.
pub(crate) fn for_tests(attributes: &[Attribute]) -> bool {
    cfgs(attributes).iter().any(|attribute| {
        attribute.meta.require_list().is_ok_and(|list| {
            let condition = list.tokens.to_string();
            condition == "test" || condition.replace(' ', "").starts_with("all(test,")
        })
    })
}
