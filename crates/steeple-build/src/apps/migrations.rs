//! The migrations of one app: each a module `mNNNN_name` in `migrations` with `pub struct Migration;`.
//!
//! Takes the module tree; gives the migrations in the order of their numbers.
//! Must never: leave out a migration silently: a table would be missing only when somebody reads it.

use syn::{Fields, Item, Visibility, spanned::Spanned as _};

use super::{
    Source,
    models::Named,
    modules::{Module, ModulePath, cfgs},
};
use crate::{Problem, problem::Place};

/// In the order of their numbers.
pub(crate) fn migrations(source: &Source<'_>, app: &ModulePath, problems: &mut Vec<Problem>) -> Vec<Named> {
    let mut found: Vec<(Number, String, Named)> = vec![];
    let within = [app.as_slice(), &["migrations".to_owned()]].concat();
    for (path, module) in source.modules.under(&within) {
        let name = path.last().map_or("", String::as_str);
        let Some((number, name)) = numbered(name).filter(|_| path.len() > within.len()) else {
            // only `mNNNN_name` is looked at, so anything else that looks like one must say so
            stray(module, problems);
            continue;
        };
        if path.len() != within.len() + 1 {
            continue;
        }
        let item = module.items.iter().find_map(|item| match item {
            Item::Struct(item) if item.ident == "Migration" => Some(item),
            _ => None,
        });
        let refused = match item {
            None => Some("has no `pub struct Migration;`".to_owned()),
            Some(item) if matches!(item.vis, Visibility::Inherited) => {
                Some("`Migration` is private: write `pub struct Migration;`".to_owned())
            }
            Some(item) if !matches!(item.fields, Fields::Unit) => {
                Some("`Migration` has fields: write `pub struct Migration;`".to_owned())
            }
            Some(_) if !module.reachable => Some(format!("its module is private: write `pub mod m{name};`")),
            Some(_) => None,
        };
        if let Some(message) = refused {
            problems.push(match item {
                Some(item) => Problem::at(&Place::of(&module.file, item.ident.span()), message),
                None => Problem::of(&module.file, message),
            });
            continue;
        }
        if let Some((_, other, _)) = found.iter().find(|(have, ..)| *have == number) {
            let message = format!("has the same number as {other}: give one of them the next number");
            problems.push(Problem::of(&module.file, message));
            continue;
        }
        let mut all = module.cfgs.clone();
        all.extend(item.map(|item| cfgs(&item.attrs)).unwrap_or_default());
        let named = Named { name: name.to_owned(), path: format!("{}::Migration", path.join("::")), cfgs: all };
        found.push((number, module.file.clone(), named));
    }
    found.sort_by_key(|(number, ..)| *number);
    found.into_iter().map(|(.., named)| named).collect()
}

/// A migration's number; that of sea-orm's own generator is a date and a count.
type Number = (u64, u64);

/// `m0001_initial` to its number and `0001_initial`.
fn numbered(module: &str) -> Option<(Number, &str)> {
    let name = module.strip_prefix('m')?;
    let (number, rest) = name.split_once('_')?;
    let first = number.parse().ok()?;
    let second = rest.split('_').next().filter(|_| number.len() == 8).and_then(|count| count.parse().ok());
    Some(((first, second.unwrap_or(0)), name))
}

fn stray(module: &Module, problems: &mut Vec<Problem>) {
    for item in &module.items {
        let Item::Impl(block) = item else { continue };
        let Some((_, of, _)) = &block.trait_ else { continue };
        if of.segments.last().is_some_and(|last| last.ident == "MigrationTrait") {
            let message = "a migration must stand in a module of its own, named `mNNNN_name` (as `m0001_initial`)";
            problems.push(Problem::at(&Place::of(&module.file, block.impl_token.span()), message));
        }
    }
}
