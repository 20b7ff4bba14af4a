//! What a path in an app's source means, by the `use`s of its module.
//!
//! Takes the module tree; gives where a path leads: under `pb`, to an item of an app, or out of sight.
//! Follows renames, groups, `self`, `super`, re-exports inside the apps and glob imports.
//! Must never: guess. What cannot be seen is said to be unseen, and the caller decides.

use std::collections::{BTreeMap, BTreeSet};

use syn::{Item, UseTree, Visibility};

use super::modules::{ModulePath, Modules};

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    /// Under the generated `pb` module: the parts after it.
    Pb(Vec<String>),
    /// An item that a module of the apps defines.
    Item { module: ModulePath, name: String },
    /// Another crate, by a `use` or a path that begins with `::`.
    Foreign,
    /// Out of sight: the parts as far as they could be followed.
    Unseen(Vec<String>),
}

/// The names of one module.
#[derive(Debug, Default)]
struct Names {
    defined: BTreeSet<String>,
    /// local name → path, and whether it is re-exported
    used: BTreeMap<String, (Vec<String>, bool)>,
    globs: Vec<Vec<String>>,
}

/// The names of all modules of the apps.
#[derive(Debug)]
pub(crate) struct Uses {
    modules: BTreeMap<ModulePath, Names>,
    /// the trait paths under `pb` that exist, so that a glob import can be looked through
    known: BTreeSet<Vec<String>>,
}

/// What was followed already: `use`s can be circular, and glob imports meet again.
#[derive(Default)]
struct Trail(BTreeSet<(ModulePath, Vec<String>)>);

impl Trail {
    /// Whether this is new. `use a::a` makes longer paths for ever, so there is an end to it.
    fn leads(&mut self, module: &[String], parts: &[String]) -> bool {
        parts.len() < 32 && self.0.insert((module.to_vec(), parts.to_vec()))
    }
}

impl Uses {
    pub fn of(modules: &Modules, known: BTreeSet<Vec<String>>) -> Self {
        let mut all = BTreeMap::new();
        for (path, module) in &modules.all {
            let mut names = Names::default();
            for item in &module.items {
                names.add(item);
            }
            all.insert(path.clone(), names);
        }
        Self { modules: all, known }
    }

    /// Every place that `path`, written in `module`, can lead to: one, unless two glob imports fit.
    pub fn targets(&self, module: &[String], path: &syn::Path) -> Vec<Target> {
        if path.leading_colon.is_some() {
            return vec![Target::Foreign];
        }
        let parts: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let mut found = self.follow(module, &parts, &mut Trail::default());
        found.sort();
        found.dedup();
        found
    }

    fn follow(&self, module: &[String], parts: &[String], trail: &mut Trail) -> Vec<Target> {
        let Some((first, rest)) = parts.split_first() else {
            return vec![];
        };
        if !trail.leads(module, parts) {
            return vec![];
        }
        match first.as_str() {
            "crate" => return self.absolute(rest, trail),
            "self" => return self.follow(module, rest, trail),
            "super" => {
                let parent = &module[..module.len().saturating_sub(1)];
                return self.follow_in(parent, rest, trail);
            }
            _ => {}
        }
        let inner = [module, std::slice::from_ref(first)].concat();
        if self.modules.contains_key(&inner) && !rest.is_empty() {
            return self.follow(&inner, rest, trail);
        }
        let Some(names) = self.modules.get(module) else {
            return vec![Target::Unseen(parts.to_vec())];
        };
        if rest.is_empty() && names.defined.contains(first) {
            return vec![Target::Item { module: module.to_vec(), name: first.clone() }];
        }
        if let Some((used, _)) = names.used.get(first) {
            let whole = [used.as_slice(), rest].concat();
            let own = used.first() == Some(first);
            return if own && used.len() == 1 { vec![Target::Foreign] } else { self.imported(module, &whole, trail) };
        }
        let mut found = vec![];
        for glob in &names.globs {
            let whole = [glob.as_slice(), parts].concat();
            let seen = self.imported(module, &whole, trail);
            found.extend(seen.into_iter().filter(|target| match target {
                Target::Pb(path) => self.known.contains(path),
                Target::Item { .. } => true,
                Target::Foreign | Target::Unseen(_) => false,
            }));
        }
        if found.is_empty() { vec![Target::Unseen(parts.to_vec())] } else { found }
    }

    /// The path of a `use`: it begins at the crate, here, or with another crate's name.
    fn imported(&self, module: &[String], path: &[String], trail: &mut Trail) -> Vec<Target> {
        let first = path.first().map_or("", String::as_str);
        if matches!(first, "crate" | "self" | "super") {
            return self.follow(module, path, trail);
        }
        let here = self.modules.get(module).is_some_and(|names| names.used.contains_key(first))
            || self.modules.contains_key(&[module, &[first.to_owned()]].concat());
        if here { self.follow(module, path, trail) } else { vec![Target::Foreign] }
    }

    fn follow_in(&self, module: &[String], parts: &[String], trail: &mut Trail) -> Vec<Target> {
        if module.len() > 1 && module[1] == "apps" {
            self.follow(module, parts, trail)
        } else {
            self.absolute(&[&module[1.min(module.len())..], parts].concat(), trail)
        }
    }

    /// A path from the crate's root.
    fn absolute(&self, parts: &[String], trail: &mut Trail) -> Vec<Target> {
        match parts.split_first() {
            Some((first, rest)) if first == "pb" => vec![Target::Pb(rest.to_vec())],
            Some((first, rest)) if first == "apps" => {
                self.follow(&["crate".to_owned(), "apps".to_owned()], rest, trail)
            }
            _ => vec![Target::Unseen(parts.to_vec())],
        }
    }

    /// The names under which `module` re-exports things, with what they lead to.
    pub fn exports(&self, module: &[String]) -> Vec<(String, Target)> {
        let Some(names) = self.modules.get(module) else {
            return vec![];
        };
        let public = names.used.iter().filter(|(_, (_, public))| *public);
        public
            .flat_map(|(name, (path, _))| {
                self.imported(module, path, &mut Trail::default()).into_iter().map(|target| (name.clone(), target))
            })
            .collect()
    }
}

impl Names {
    fn add(&mut self, item: &Item) {
        let name = match item {
            Item::Struct(item) => &item.ident,
            Item::Enum(item) => &item.ident,
            Item::Trait(item) => &item.ident,
            Item::TraitAlias(item) => &item.ident,
            Item::Type(item) => &item.ident,
            Item::Union(item) => &item.ident,
            Item::Use(item) => {
                let public = !matches!(item.vis, Visibility::Inherited);
                if item.leading_colon.is_none() {
                    self.tree(&item.tree, &mut vec![], public);
                }
                return;
            }
            _ => return,
        };
        self.defined.insert(name.to_string());
    }

    fn tree(&mut self, tree: &UseTree, at: &mut Vec<String>, public: bool) {
        match tree {
            UseTree::Path(path) => {
                at.push(path.ident.to_string());
                self.tree(&path.tree, at, public);
                at.pop();
            }
            UseTree::Name(name) => self.named(at, &name.ident.to_string(), None, public),
            UseTree::Rename(name) => {
                self.named(at, &name.ident.to_string(), Some(name.rename.to_string()), public);
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(tree, at, public)),
            UseTree::Glob(_) => self.globs.push(at.clone()),
        }
    }

    fn named(&mut self, at: &[String], name: &str, rename: Option<String>, public: bool) {
        let mut path = at.to_vec();
        if name != "self" {
            path.push(name.to_owned());
        }
        if let Some(local) = rename.or_else(|| path.last().cloned()) {
            self.used.insert(local, (path, public));
        }
    }
}
