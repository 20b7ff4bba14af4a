//! How to make a service of a type: the expression that `site()` writes.
//!
//! In this order: `new()`, `new(&Setup)` (a `Result` gets `?`), a unit struct, `Default`.
//! Must never: write an expression that rustc would refuse inside generated text; what cannot be made is told here.

use syn::{FnArg, GenericParam, Generics, ImplItem, ImplItemFn, Item, ReturnType, Type, Visibility};

use super::{
    modules::{ModulePath, Modules},
    uses::{Target, Uses},
};

const FORMS: &str = "let it be a unit struct, derive Default, or write `pub fn new() -> Self` or \
                     `pub fn new(setup: &Setup) -> Result<Self>` beside it";

/// The type of a service implementation.
pub(crate) struct Made {
    /// `apps::crypto::grpc_services::CryptoService`
    pub path: String,
    /// `crate::apps::crypto::grpc_services::CryptoService::new(setup)?`
    pub expression: String,
    /// Whether the expression names `setup`.
    pub with_setup: bool,
}

/// Finds the way to make `name`, defined in `home`; an error says what to write.
pub(crate) fn construct(modules: &Modules, uses: &Uses, home: &ModulePath, name: &str) -> Result<Made, String> {
    let definition = modules.all[home].items.iter().find_map(|item| match item {
        Item::Struct(item) if item.ident == name => {
            let unit = matches!(item.fields, syn::Fields::Unit);
            Some((&item.vis, &item.generics, &item.attrs, unit))
        }
        Item::Enum(item) if item.ident == name => Some((&item.vis, &item.generics, &item.attrs, false)),
        _ => None,
    });
    let Some((visibility, generics, attributes, unit)) = definition else {
        return Err(format!("`{name}` is neither a struct nor an enum: {FORMS}"));
    };
    if is_generic(generics) {
        return Err(super::services::generic(name));
    }
    let path = reached(modules, uses, home, name, visibility)?;

    let mut refused = None;
    let mut default = derives(attributes, "Default");
    for (module, items) in modules.under(&home[..3.min(home.len())]).map(|(path, module)| (path, &module.items)) {
        for item in items {
            let Item::Impl(block) = item else { continue };
            if !is(uses, module, &block.self_ty, home, name) {
                continue;
            }
            if let Some((_, of, _)) = &block.trait_ {
                default |= of.segments.last().is_some_and(|last| last.ident == "Default");
                continue;
            }
            for inner in &block.items {
                let ImplItem::Fn(function) = inner else { continue };
                if function.sig.ident != "new" {
                    continue;
                }
                match call(function) {
                    Ok((arguments, with_setup)) => {
                        let expression = format!("{path}::new{arguments}");
                        return Ok(Made { path: short(&path), expression, with_setup });
                    }
                    Err(why) => refused = Some(why),
                }
            }
        }
    }
    if unit {
        return Ok(Made { path: short(&path), expression: path, with_setup: false });
    }
    if default {
        let expression = format!("<{path} as ::core::default::Default>::default()");
        return Ok(Made { path: short(&path), expression, with_setup: false });
    }
    let why = refused.map(|why| format!(" (its `new` {why})")).unwrap_or_default();
    Err(format!("there is no way to make a `{name}`{why}: {FORMS}"))
}

/// Whether a type takes type or const parameters; lifetimes are no hindrance.
fn is_generic(generics: &Generics) -> bool {
    generics.params.iter().any(|parameter| !matches!(parameter, GenericParam::Lifetime(_)))
}

/// The arguments of `new`, and whether they name `setup`.
fn call(function: &ImplItemFn) -> Result<(&'static str, bool), &'static str> {
    let inputs = &function.sig.inputs;
    if matches!(function.vis, Visibility::Inherited) {
        return Err("is private");
    }
    if function.sig.asyncness.is_some() {
        return Err("is async, but services are made before the runtime waits for them");
    }
    if inputs.len() > 1 {
        return Err("takes more than a `&Setup`");
    }
    let fallible = returns_result(&function.sig.output);
    match inputs.first() {
        None => Ok((if fallible { "()?" } else { "()" }, false)),
        Some(FnArg::Typed(argument)) if matches!(*argument.ty, Type::Reference(_)) => {
            Ok((if fallible { "(setup)?" } else { "(setup)" }, true))
        }
        Some(_) => Err("takes something else than a `&Setup`"),
    }
}

fn returns_result(output: &ReturnType) -> bool {
    let ReturnType::Type(_, of) = output else { return false };
    let Type::Path(of) = &**of else { return false };
    of.path.segments.last().is_some_and(|last| last.ident.to_string().ends_with("Result"))
}

/// How the crate's root can name the type.
fn reached(
    modules: &Modules,
    uses: &Uses,
    home: &ModulePath,
    name: &str,
    visibility: &Visibility,
) -> Result<String, String> {
    if matches!(visibility, Visibility::Inherited) {
        return Err(format!("`{name}` is private, so `site()` cannot name it: write `pub` before it"));
    }
    if modules.all[home].reachable {
        return Ok(format!("{}::{name}", home.join("::")));
    }
    let wanted = Target::Item { module: home.clone(), name: name.to_owned() };
    for (path, module) in modules.under(&home[..3.min(home.len())]) {
        if !module.reachable {
            continue;
        }
        if let Some((name, _)) = uses.exports(path).into_iter().find(|(_, target)| *target == wanted) {
            return Ok(format!("{}::{name}", path.join("::")));
        }
    }
    let module = home.last().map_or("", String::as_str);
    Err(format!(
        "`{name}` stands in the private module `{module}`, so `site()` cannot name it: write `pub mod {module}`"
    ))
}

/// Whether a type written in `module` is `name` of `home`.
fn is(uses: &Uses, module: &[String], written: &Type, home: &ModulePath, name: &str) -> bool {
    let Type::Path(written) = written else { return false };
    uses.targets(module, &written.path)
        .iter()
        .any(|target| matches!(target, Target::Item { module, name: have } if module == home && have == name))
}

pub(crate) fn derives(attributes: &[syn::Attribute], name: &str) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident("derive")).any(|attribute| {
        let mut found = false;
        // a derive list that is not understood is rustc's to tell
        let _ = attribute.parse_nested_meta(|meta| {
            found |= meta.path.segments.last().is_some_and(|last| last.ident == name);
            Ok(())
        });
        found
    })
}

fn short(path: &str) -> String {
    path.strip_prefix("crate::").unwrap_or(path).to_owned()
}
