//! The service implementations of one app: `impl pb::… for …` in its service module.
//!
//! Takes the module tree and the services that the protos declare; gives registrations, and what each implementation lacks.
//! Must never: register what it is not sure of, or leave out silently what looks like a service.

use std::collections::BTreeSet;

use quote::ToTokens as _;
use syn::{Attribute, ImplItem, Item, ItemImpl, Type, Visibility, spanned::Spanned as _};

use super::{
    Source,
    construct::construct,
    modules::{Module, ModulePath, cfgs},
    uses::Target,
};
use crate::{Problem, generate::Declared, problem::Place};

/// Where an app's services may stand, in the order in which they are looked for.
pub(crate) const PLACES: [&str; 5] = ["grpc_services", "grpc_handlers", "services/grpc", "handlers/grpc", "api/grpc"];

/// One implementation that `site()` registers.
pub(crate) struct Service {
    pub declared: Declared,
    pub place: Place,
    /// `apps::crypto::grpc_services::CryptoService`
    pub path: String,
    pub expression: String,
    pub with_setup: bool,
    pub cfgs: Vec<Attribute>,
}

/// What was found in a service module.
#[derive(Default)]
pub(crate) struct Found {
    pub services: Vec<Service>,
    /// `grpc_handlers` in the module: its path, and its `#[cfg]`s. Registration is by hand then.
    pub handlers: Option<(String, Vec<Attribute>)>,
    /// Every proto service that the module implements, registered or not.
    pub implemented: BTreeSet<String>,
}

/// Reads the service module at `path` and the modules inside it.
pub(crate) fn find(
    source: &Source<'_>,
    path: &ModulePath,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) -> Found {
    let mut found = Found::default();
    if let Some(module) = source.modules.all.get(path) {
        found.handlers = handlers(path, module, problems);
    }
    for (at, module) in source.modules.under(path) {
        for item in &module.items {
            let Item::Impl(block) = item else { continue };
            implementation(source, at, module, block, &mut found, problems, warnings);
        }
    }
    found
}

fn handlers(path: &ModulePath, module: &Module, problems: &mut Vec<Problem>) -> Option<(String, Vec<Attribute>)> {
    let function = module.items.iter().find_map(|item| match item {
        Item::Fn(function) if function.sig.ident == "grpc_handlers" => Some(function),
        _ => None,
    })?;
    if matches!(function.vis, Visibility::Inherited) {
        let place = Place::of(&module.file, function.sig.ident.span());
        problems.push(Problem::at(&place, "`grpc_handlers` is private, so `site()` cannot call it: write `pub fn`"));
    }
    let mut all = module.cfgs.clone();
    all.extend(cfgs(&function.attrs));
    Some((format!("{}::grpc_handlers", path.join("::")), all))
}

fn implementation(
    source: &Source<'_>,
    at: &ModulePath,
    module: &Module,
    block: &ItemImpl,
    found: &mut Found,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) {
    let Some((None, of, _)) = &block.trait_ else { return };
    if super::modules::for_tests(&block.attrs) {
        return;
    }
    let place = Place::of(&module.file, block.impl_token.span());
    let declared = match which(source, at, of) {
        Ok(Some(declared)) => declared,
        Ok(None) => return,
        Err(message) => {
            if found.handlers.is_none() {
                problems.push(Problem::at(&place, message));
            }
            return;
        }
    };
    found.implemented.insert(declared.proto.clone());
    let written = block.self_ty.to_token_stream().to_string().replace(' ', "");
    lacks(declared, block, &written, &place, warnings);
    if found.handlers.is_some() {
        return;
    }
    let made = match home(source, at, block, &written) {
        Ok((home, name)) => construct(source.modules, source.uses, &home, &name),
        Err(message) => Err(message),
    };
    match made {
        Ok(made) => {
            let mut all = module.cfgs.clone();
            all.extend(cfgs(&block.attrs));
            found.services.push(Service {
                declared: declared.clone(),
                place,
                path: made.path,
                expression: made.expression,
                with_setup: made.with_setup,
                cfgs: all,
            });
        }
        Err(message) => {
            problems.push(Problem::at(&place, format!("`{written}` serves {}, but {message}", declared.proto)));
        }
    }
}

/// Which declared service `impl <path> for` means.
fn which<'a>(source: &Source<'a>, at: &ModulePath, path: &syn::Path) -> Result<Option<&'a Declared>, String> {
    let mut exact = vec![];
    let mut unseen = vec![];
    for target in source.uses.targets(at, path) {
        match target {
            Target::Pb(path) => exact.extend(source.declared.iter().filter(|declared| {
                path.split_last().is_some_and(|(name, module)| *name == declared.name && module == declared.module)
            })),
            Target::Unseen(parts) => unseen = parts,
            Target::Item { .. } | Target::Foreign => {}
        }
    }
    if exact.len() < 2
        && let Some(declared) = exact.pop()
    {
        return Ok(Some(declared));
    }
    let mut fits = exact;
    if let Some((name, module)) = unseen.split_last() {
        fits.extend(source.declared.iter().filter(|declared| declared.name == *name));
        if !module.is_empty() {
            fits.retain(|declared| !declared.module.is_empty() && module.ends_with(&declared.module));
        }
    }
    match fits.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        several => {
            let name = &several[0].name;
            let paths =
                several.iter().map(|declared| format!("`{}`", declared.path())).collect::<Vec<_>>().join(" or ");
            Err(format!("`impl {name}` could mean several services; write which package: {paths}"))
        }
    }
}

/// Where the implementing type is defined.
fn home(source: &Source<'_>, at: &ModulePath, block: &ItemImpl, written: &str) -> Result<(ModulePath, String), String> {
    let Type::Path(path) = &*block.self_ty else {
        return Err(format!("`{written}` is no type of an app: {BY_HAND}"));
    };
    let arguments = path.path.segments.last().is_some_and(|last| !last.arguments.is_none());
    if !block.generics.params.is_empty() || arguments {
        return Err(generic(written));
    }
    match source.uses.targets(at, &path.path).into_iter().next() {
        Some(Target::Item { module, name }) => Ok((module, name)),
        _ => Err(format!("the definition of `{written}` is not found in src/apps: define it there, or {BY_HAND}")),
    }
}

const BY_HAND: &str = "register it by hand with `pub fn grpc_handlers(site: &mut Site)` in the service module";

/// What to tell about a generic service type.
pub(crate) fn generic(name: &str) -> String {
    format!("`{name}` is generic: {BY_HAND}")
}

/// rustc shows a missing method in its long form only, so the line to write is told here.
fn lacks(declared: &Declared, block: &ItemImpl, written: &str, place: &Place, warnings: &mut Vec<Problem>) {
    let mut have = BTreeSet::new();
    for item in &block.items {
        match item {
            ImplItem::Fn(function) => {
                have.insert(function.sig.ident.to_string());
            }
            // may hold any method
            ImplItem::Macro(_) => return,
            _ => {}
        }
    }
    let missing = declared.methods.iter().filter(|(name, _)| !have.contains(name));
    for (_, line) in missing {
        warnings.push(Problem::at(place, format!("{written} lacks: {line}")));
    }
}
