//! The models of one app, and its `app` function.
//!
//! A model is a struct that derives `DeriveEntityModel`, in `models.rs`, under `models/`, or in a module inside them.
//! Must never: leave out a model silently; one that `site()` cannot name is a warning.

use syn::{Attribute, Item, Visibility};

use super::{
    Source,
    construct::derives,
    modules::{ModulePath, cfgs, for_tests},
};
use crate::{Problem, problem::Place};

/// Something of an app that is registered by its path.
pub(crate) struct Named {
    /// A migration's name, `0001_initial`; empty for a model.
    pub name: String,
    pub path: String,
    pub cfgs: Vec<Attribute>,
}

pub(crate) fn models(source: &Source<'_>, app: &ModulePath, warnings: &mut Vec<Problem>) -> Vec<Named> {
    let mut found = vec![];
    let within = [app.as_slice(), &["models".to_owned()]].concat();
    for (path, module) in source.modules.under(&within) {
        for item in &module.items {
            let Item::Struct(item) = item else { continue };
            if !derives(&item.attrs, "DeriveEntityModel") || for_tests(&item.attrs) {
                continue;
            }
            if !module.reachable {
                let name = path.last().map_or("", String::as_str);
                let message =
                    format!("model not registered, because the module `{name}` is private: write `pub mod {name}`");
                warnings.push(Problem::at(&Place::of(&module.file, item.ident.span()), message));
                continue;
            }
            let mut all = module.cfgs.clone();
            all.extend(cfgs(&item.attrs));
            found.push(Named { name: String::new(), path: format!("{}::Entity", path.join("::")), cfgs: all });
        }
    }
    found
}

/// `pub fn app(app: App) -> App` in the app's `app.rs`.
pub(crate) fn hook(source: &Source<'_>, app: &ModulePath, problems: &mut Vec<Problem>) -> Option<Named> {
    let path = [app.as_slice(), &["app".to_owned()]].concat();
    let module = source.modules.all.get(&path)?;
    let function = module.items.iter().find_map(|item| match item {
        Item::Fn(function) if function.sig.ident == "app" => Some(function),
        _ => None,
    })?;
    if matches!(function.vis, Visibility::Inherited) || !module.reachable {
        let place = Place::of(&module.file, function.sig.ident.span());
        problems.push(Problem::at(
            &place,
            "`app` is private, so `site()` cannot call it: write `pub fn app(app: App) -> App`",
        ));
        return None;
    }
    let mut all = module.cfgs.clone();
    all.extend(cfgs(&function.attrs));
    Some(Named { name: String::new(), path: format!("{}::app", path.join("::")), cfgs: all })
}
