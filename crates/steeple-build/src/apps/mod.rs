//! The apps of a site: what the folders under `src/apps` hold.
//!
//! Takes the site's root and the declared services; gives each app's services, models, migrations and hook, and the
//! text of `src/apps/mod.rs`.
//! Must never: write a file; [`crate::Build`] does, when nothing is wrong.

mod construct;
pub(crate) mod kept;
mod migrations;
mod models;
mod modules;
mod services;
mod tree;
mod uses;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens as _;

pub(crate) use self::services::Service;
use self::{
    models::Named,
    modules::{ModulePath, Modules},
    services::{Found, PLACES},
    uses::Uses,
};
use crate::{
    Problem,
    files::{relative, walk},
    generate::Declared,
};

/// One app.
pub(crate) struct App {
    pub label: String,
    pub models: Vec<Named>,
    pub migrations: Vec<Named>,
    pub services: Vec<Service>,
    pub handlers: Option<(String, Vec<syn::Attribute>)>,
    pub hook: Option<Named>,
    /// What was passed over, and why.
    pub skipped: Vec<String>,
}

/// Every app, and the text that declares their modules (none without `src/apps`).
pub(crate) struct Apps {
    pub apps: Vec<App>,
    pub modules: Option<String>,
}

/// What the finders read.
pub(crate) struct Source<'a> {
    modules: &'a Modules,
    uses: &'a Uses,
    declared: &'a [Declared],
}

pub(crate) fn find(
    root: &Path,
    declared: &[Declared],
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) -> Apps {
    if !root.join("src/apps").is_dir() {
        warnings.extend(declared.iter().map(unimplemented));
        return Apps { apps: vec![], modules: None };
    }
    let folders = tree::apps(root, problems);
    let nodes = tree::all(root, &folders, warnings);
    let modules = Modules::load(root, &nodes);
    let known = declared.iter().map(|d| [d.module.as_slice(), std::slice::from_ref(&d.name)].concat()).collect();
    let uses = Uses::of(&modules, known);
    let source = Source { modules: &modules, uses: &uses, declared };

    let mut implemented = BTreeSet::new();
    let mut apps = vec![];
    for folder in &folders {
        let path = vec!["crate".to_owned(), "apps".to_owned(), folder.label.clone()];
        let (found, skipped) = service_module(root, &source, folder, &path, problems, warnings);
        implemented.extend(found.implemented);
        apps.push(App {
            label: folder.label.clone(),
            models: models::models(&source, &path, warnings),
            migrations: migrations::migrations(&source, &path, problems),
            services: found.services,
            handlers: found.handlers,
            hook: models::hook(&source, &path, problems),
            skipped,
        });
        if !modules.broken {
            unread(root, folder, &modules, problems, warnings);
        }
    }
    claimed_once(&apps, problems);
    // with a file that could not be read, rustc's error says why an implementation is missing
    if !modules.broken {
        let by_hand = by_hand(&apps, &modules);
        let missing = declared.iter().filter(|d| !implemented.contains(&d.proto) && !by_hand.contains(&d.function));
        warnings.extend(missing.map(unimplemented));
    }
    Apps { apps, modules: Some(tree::text(&nodes)) }
}

/// Looks for the service module; the first place that exists is used, the others are told.
fn service_module(
    root: &Path,
    source: &Source<'_>,
    folder: &tree::Folder,
    app: &ModulePath,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) -> (Found, Vec<String>) {
    let mut used: Option<&str> = None;
    let mut found = Found::default();
    let mut skipped = vec![];
    for place in PLACES {
        let file = [folder.path.join(format!("{place}.rs")), folder.path.join(place).join("mod.rs")]
            .into_iter()
            .find(|file| file.is_file());
        let path: ModulePath = app.iter().cloned().chain(place.split('/').map(str::to_owned)).collect();
        // A folder without mod.rs is a place too, and so is a module inside an app's own mod.rs.
        if file.is_none() && !source.modules.all.contains_key(&path) {
            continue;
        }
        if let Some(first) = used {
            skipped.push(format!("{place}: not used, {first} comes first"));
            continue;
        }
        used = Some(place);
        if let Some(file) = &file {
            let told = |message: &str| Problem::of(relative(root, file), message);
            match source.modules.all.get(&path) {
                // what a syntax error hides is not missing
                None if source.modules.broken || source.modules.read.contains(file) => {}
                None => problems.push(told("is in no module: declare it with `pub mod` in the app's own mod.rs")),
                Some(module) if !module.reachable => {
                    problems.push(told("its module is private, so `site()` cannot name it: declare it with `pub mod`"));
                }
                Some(_) => {}
            }
        }
        found = services::find(source, &path, problems, warnings);
        if found.services.is_empty() && found.handlers.is_none() {
            skipped.push(format!("{place}: no implementation of a proto service found"));
        }
    }
    if used.is_none() {
        skipped.push(format!("no service module; looked for {}", PLACES.join(", ")));
    }
    (found, skipped)
}

/// Two implementations of one service are an error, unless each has its `#[cfg]`.
fn claimed_once(apps: &[App], problems: &mut Vec<Problem>) {
    let mut claims: BTreeMap<&str, Vec<&Service>> = BTreeMap::new();
    for service in apps.iter().flat_map(|app| &app.services) {
        claims.entry(&service.declared.proto).or_default().push(service);
    }
    for (proto, services) in claims {
        if let [first, second, ..] = services.as_slice()
            && services.iter().any(|service| service.cfgs.is_empty())
        {
            let message = format!(
                "{proto} is implemented twice: here and at {}; keep one, or register by hand with \
                 `pub fn grpc_handlers(site: &mut Site)`",
                first.place
            );
            problems.push(Problem::at(&second.place, message));
        }
    }
}

/// A migration that no module declares would never run, a model never be seen.
fn unread(
    root: &Path,
    folder: &tree::Folder,
    modules: &Modules,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) {
    for (name, told) in [("migrations", problems), ("models", warnings)] {
        for file in walk(&folder.path.join(name), "rs") {
            let tests = file.components().any(|part| part.as_os_str() == "tests") || file.ends_with("tests.rs");
            if !modules.read.contains(&file) && !tests {
                let message = format!(
                    "is in no module: declare it with `pub mod {};` in the module above it",
                    crate::files::stem(&file)
                );
                told.push(Problem::of(relative(root, &file), message));
            }
        }
    }
}

/// What is called in the modules in which an app registers by hand: `crypto_service` among them registers that service.
fn by_hand(apps: &[App], modules: &Modules) -> BTreeSet<String> {
    let mut called = BTreeSet::new();
    for app in apps {
        let handlers = app.handlers.as_ref().map(|(path, _)| path);
        for path in handlers.into_iter().chain(app.hook.as_ref().map(|hook| &hook.path)) {
            let mut parts: Vec<String> = path.split("::").map(str::to_owned).collect();
            parts.pop();
            for item in modules.all.get(&parts).iter().flat_map(|module| &module.items) {
                calls(item.to_token_stream(), &mut called);
            }
        }
    }
    called
}

/// Collects what is called: names directly before parentheses.
fn calls(tokens: TokenStream, called: &mut BTreeSet<String>) {
    let mut before = None;
    for token in tokens {
        if let TokenTree::Group(group) = &token {
            if group.delimiter() == Delimiter::Parenthesis {
                called.extend(before.take());
            }
            calls(group.stream(), called);
        }
        before = if let TokenTree::Ident(ident) = token { Some(ident.to_string()) } else { None };
    }
}

fn unimplemented(declared: &Declared) -> Problem {
    let message = format!(
        "proto service {} has no implementation: write `impl {} for …` in src/apps/<app>/grpc_services.rs",
        declared.proto,
        declared.path()
    );
    Problem::at(&declared.place, message)
}
