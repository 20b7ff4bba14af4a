//! The Rust text of one proto service: its trait, and the function that makes a `Service` of an implementation.
//!
//! Takes prost's description of a service; gives text that names only `::steeple` and the messages beside it.
//! Must never: hold machinery. What every method needs is a generic method of `steeple::Service`; no method has a
//! default, so that a forgotten one is a compiler error on the user's line.

use std::fmt::Write as _;

use prost_build::{Comments, Method, Service};

use crate::name::snake;

/// `coins.Coins`, or `Coins` without a package.
pub(crate) fn full_name(package: &str, name: &str) -> String {
    if package.is_empty() { name.to_owned() } else { format!("{package}.{name}") }
}

/// Appends the trait and the function. `module` is where under `pb` they stand.
pub(crate) fn append(service: &Service, module: &[String], text: &mut String) {
    let full = full_name(&service.package, &service.proto_name);
    let (name, function) = (&service.name, snake(&service.name));
    let of = if name == "S" { "T" } else { "S" };

    if !docs(&service.comments, text) {
        line(text, &format!("/// The methods of `{full}`."));
    }
    line(text, &format!("pub trait {name}: ::core::marker::Send + ::core::marker::Sync + 'static {{"));
    for method in &service.methods {
        if docs(&method.comments, text) {
            text.push_str("///\n");
        }
        let _ = writeln!(text, "/// ```text\n/// {}\n/// ```", to_write(method, module));
        let (request, response) = shapes(method, "::steeple::", Clone::clone);
        let _ = writeln!(
            text,
            "fn {}(&self, cx: ::steeple::Context, request: {request}) \
             -> impl ::core::future::Future<Output = ::steeple::Result<{response}>> + ::core::marker::Send;",
            method.name
        );
    }
    line(text, "}");

    line(text, &format!("/// Serves `{full}` with an implementation of [`{name}`]."));
    line(text, &format!("pub fn {function}<{of}: {name}>(service: {of}) -> ::steeple::Service {{"));
    line(
        text,
        if service.methods.is_empty() { "drop(service);" } else { "let service = ::std::sync::Arc::new(service);" },
    );
    line(text, &format!("::steeple::Service::new({full:?})"));
    for method in &service.methods {
        let kind = match (method.client_streaming, method.server_streaming) {
            (false, false) => "unary",
            (true, false) => "client_streaming",
            (false, true) => "server_streaming",
            (true, true) => "bidirectional",
        };
        // Methods of `Arc` (`clone`, `as_ref`) and messages called `Send` must not come between.
        let _ = writeln!(
            text,
            ".{kind}(\"/{full}/{}\", {{ let service = ::std::sync::Arc::clone(&service); move |cx, request| {{ \
             let service = ::std::sync::Arc::clone(&service); \
             async move {{ <{of} as {name}>::{}(&service, cx, request).await }} }} }})",
            method.proto_name, method.name
        );
    }
    line(text, "}");
}

/// The line a user writes to implement a method.
pub(crate) fn to_write(method: &Method, module: &[String]) -> String {
    let (request, response) = shapes(method, "", |path| from_pb(path, module));
    format!("async fn {}(&self, cx: Context, request: {request}) -> Result<{response}>", method.name)
}

fn shapes(method: &Method, of: &str, path: impl Fn(&String) -> String) -> (String, String) {
    let (request, response) = (path(&method.input_type), path(&method.output_type));
    (
        if method.client_streaming { format!("{of}Streaming<{request}>") } else { request },
        if method.server_streaming { format!("{of}Replies<{response}>") } else { response },
    )
}

/// A type as the user may write it: beside the trait by its name, in another package by its way from `pb`.
fn from_pb(path: &str, module: &[String]) -> String {
    if let Some(path) = path.strip_prefix("::") {
        return path.to_owned();
    }
    let ups = path.matches("super::").count();
    if ups == 0 {
        return path.to_owned();
    }
    let mut parts = vec!["pb"];
    parts.extend(module.iter().take(module.len().saturating_sub(ups)).map(String::as_str));
    parts.push(path.trim_start_matches("super::"));
    parts.join("::")
}

/// Appends doc lines; says whether there were any.
fn docs(comments: &Comments, text: &mut String) -> bool {
    for comment in &comments.leading {
        let _ = writeln!(text, "///{comment}");
    }
    !comments.leading.is_empty()
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}
