//! Service implementations: which are found, how they are made, and what is told about those that are not.

use crate::site::{Site, proto};

const PING: &str = "async fn ping(&self) {}";

/// A site with the service `pings.Pings` and this `grpc_services.rs` in the app `pings`.
fn pings(source: &str) -> Site {
    let site = Site::new(&[("proto/pings.proto", &proto("pings", "Pings"))]);
    site.put("src/apps/pings/grpc_services.rs", &source.replace("…", PING));
    site
}

/// A site with `pings.v1.Pings` and `pings.v2.Pings`.
fn versions(source: &str) -> Site {
    let site = pings(source);
    site.remove("proto/pings.proto");
    site.put("proto/one.proto", &proto("pings.v1", "Pings"));
    site.put("proto/two.proto", &proto("pings.v2", "Pings"));
    site
}

fn made(expression: &str) -> String {
    format!("| Ok(crate::pb::pings::pings({expression})))")
}

#[test]
fn every_way_to_make_a_service() {
    let at = "crate::apps::pings::grpc_services::It";
    let default = format!("<{at} as ::core::default::Default>::default()");
    let cases: [(&str, String); 10] = [
        ("pub struct It;", at.to_owned()),
        ("pub struct It { a: u8 }\nimpl It { pub fn new() -> Self { It { a: 1 } } }", format!("{at}::new()")),
        ("pub struct It;\nimpl It { pub fn new() -> Result<Self> { Ok(It) } }", format!("{at}::new()?")),
        (
            "pub struct It { a: u8 }\nimpl It { pub fn new(setup: &Setup) -> Self { It { a: 1 } } }",
            format!("{at}::new(setup)"),
        ),
        (
            "pub struct It;\nimpl It { pub fn new(setup: &steeple::Setup) -> steeple::Result<It> { Ok(It) } }",
            format!("{at}::new(setup)?"),
        ),
        ("#[derive(Clone, Default)]\npub struct It { a: u8 }", default.clone()),
        ("pub struct It { a: u8 }\nimpl Default for It { fn default() -> Self { It { a: 1 } } }", default.clone()),
        (
            "#[derive(Default)]\npub struct It { a: u8 }\nimpl It { pub fn new(db: Db, name: String) -> Self { It { a: 1 } } }",
            default,
        ),
        ("pub(crate) struct It;", at.to_owned()),
        ("pub enum It { A }\nimpl It { pub(crate) fn new() -> Self { It::A } }", format!("{at}::new()")),
    ];
    for (definition, expression) in cases {
        let site = pings(&format!("use crate::pb;\n{definition}\nimpl pb::pings::Pings for It {{ … }}\n"));
        site.warns(&[]);
        site.registers(&made(&expression));
        let setup = if expression.contains("setup") { "|setup|" } else { "|_|" };
        site.registers(setup);
    }
}

#[test]
fn no_way_to_make_a_service_is_an_error() {
    let forms = "let it be a unit struct, derive Default, or write `pub fn new() -> Self` or `pub fn new(setup: &Setup) -> Result<Self>` beside it";
    let cases = [
        ("pub struct It { a: u8 }", ""),
        ("pub struct It { a: u8 } impl It { fn new() -> Self { It { a: 1 } } }", " (its `new` is private)"),
        (
            "pub struct It { a: u8 } impl It { pub fn new(a: u8, b: u8) -> Self { It { a } } }",
            " (its `new` takes more than a `&Setup`)",
        ),
        (
            "pub struct It { a: u8 } impl It { pub fn new(a: u8) -> Self { It { a } } }",
            " (its `new` takes something else than a `&Setup`)",
        ),
        (
            "pub struct It { a: u8 } impl It { pub async fn new() -> Self { It { a: 1 } } }",
            " (its `new` is async, but services are made before the runtime waits for them)",
        ),
    ];
    for (definition, why) in cases {
        let site = pings(&format!("use crate::pb;\n{definition}\nimpl pb::pings::Pings for It {{ … }}\n"));
        site.refuses(&[&format!(
            "src/apps/pings/grpc_services.rs:3:1: `It` serves pings.Pings, but there is no way to make a `It`{why}: {forms}"
        )]);
    }
}

#[test]
fn a_generic_service_is_registered_by_hand() {
    let by_hand = "register it by hand with `pub fn grpc_handlers(site: &mut Site)` in the service module";
    for (definition, block, name) in [
        ("pub struct It<S>(S);", "impl<S: Store> crate::pb::pings::Pings for It<S>", "It<S>"),
        ("pub struct It<S>(S);", "impl crate::pb::pings::Pings for It<Sql>", "It<Sql>"),
        ("pub struct It<const N: usize = 1>;", "impl crate::pb::pings::Pings for It", "It"),
    ] {
        let site = pings(&format!("{definition}\n{block} {{ … }}\n"));
        site.refuses(&[&format!(
            "src/apps/pings/grpc_services.rs:2:1: `{name}` serves pings.Pings, but `{name}` is generic: {by_hand}"
        )]);
    }
}

#[test]
fn a_private_service_is_told() {
    let site = pings("struct It;\nimpl crate::pb::pings::Pings for It { … }\n");
    site.refuses(&[
        "src/apps/pings/grpc_services.rs:2:1: `It` serves pings.Pings, but `It` is private, so `site()` cannot name it: write `pub` before it",
    ]);
    let site = pings("mod inner { pub struct It; }\nimpl crate::pb::pings::Pings for inner::It { … }\n");
    site.refuses(&[
        "src/apps/pings/grpc_services.rs:2:1: `inner::It` serves pings.Pings, but `It` stands in the private module `inner`, so `site()` cannot name it: write `pub mod inner`",
    ]);
}

#[test]
fn paths_to_the_trait_are_followed() {
    let uses = [
        ("use crate::pb::pings as pb;", "pb::Pings"),
        ("use crate::pb;", "pb::pings::Pings"),
        ("use crate::pb::pings::{Request, Pings as Trait};", "Trait"),
        ("use crate::pb::pings::{self, Reply};", "pings::Pings"),
        ("use crate::{pb::{pings::{*}}};", "Pings"),
        ("use crate::pb::*;", "pings::Pings"),
        ("use crate::pb as p; use p::pings as q; use q::Pings;", "Pings"),
        ("", "crate::pb::pings::Pings"),
        ("use super::super::super::pb::pings::Pings;", "Pings"),
        ("use super::*;", "Pings"),
        ("use crate::prelude::*;", "Pings"),
        ("use crate::prelude::*;", "pb::pings::Pings"),
    ];
    for (line, path) in uses {
        let site = pings(&format!("{line}\npub struct It;\nimpl {path} for It {{ … }}\n"));
        site.warns(&[]);
        site.registers(&made("crate::apps::pings::grpc_services::It"));
    }
}

#[test]
fn another_trait_of_the_name_is_no_service() {
    for source in [
        "trait Pings {}\npub struct It;\nimpl Pings for It {}\n",
        "use other::Pings;\npub struct It;\nimpl Pings for It {}\n",
        "use other as o;\npub struct It;\nimpl o::Pings for It {}\n",
        "pub struct It;\nimpl ::other::Pings for It {}\n",
        "mod own { pub trait Pings {} }\nuse own::*;\npub struct It;\nimpl Pings for It {}\n",
        "#[cfg(test)]\nmod tests { struct Fake; impl crate::pb::pings::Pings for Fake {} }\n",
        "pub struct Fake;\n#[cfg(test)]\nimpl crate::pb::pings::Pings for Fake {}\n",
    ] {
        let site = pings(source);
        site.warns(&[
            "proto/pings.proto:4:1: proto service pings.Pings has no implementation: write `impl pb::pings::Pings for …` in src/apps/<app>/grpc_services.rs",
        ]);
        site.registers("app.skipped(\"grpc_services: no implementation of a proto service found\")");
    }
}

#[test]
fn one_file_serves_two_versions() {
    let site = versions(
        "use crate::pb::pings::{v1, v2 as two};\npub struct First;\npub struct Second;\nimpl v1::Pings for First { … }\n#[cfg(feature = \"two\")]\nimpl two::Pings for Second { … }\n",
    );
    site.warns(&[]);
    site.registers("\"src/apps/pings/grpc_services.rs:4\", |_| Ok(crate::pb::pings::v1::pings(crate::apps::pings::grpc_services::First))");
    site.registers("#[cfg(feature = \"two\")] let app = app.service(\"pings.v2.Pings\", \"apps::pings::grpc_services::Second\", \"src/apps/pings/grpc_services.rs:6\"");
}

#[test]
fn a_glob_import_tells_the_version() {
    let site = versions("use crate::pb::pings::v2::*;\npub struct It;\nimpl Pings for It { … }\n");
    site.registers("app.service(\"pings.v2.Pings\"");
    site.does_not_register("pings.v1.Pings");
}

#[test]
fn a_doubtful_version_is_an_error() {
    for line in ["use crate::pb::pings::{v1::*, v2::*};", "use crate::prelude::*;", ""] {
        let site = versions(&format!("{line}\npub struct It;\nimpl Pings for It {{ … }}\n"));
        site.refuses(&[
            "src/apps/pings/grpc_services.rs:3:1: `impl Pings` could mean several services; write which package: `pb::pings::v1::Pings` or `pb::pings::v2::Pings`",
        ]);
    }
}

#[test]
fn use_lines_in_circles_come_to_an_end() {
    let globs = (0..12).map(|n| format!("pub mod m{n} {{ pub use super::*; }} pub use m{n}::*;\n"));
    let globs = globs.collect::<Vec<_>>().concat();
    let site = pings(&format!(
        "use a::a;\nuse b as c; use c as b;\n{globs}pub struct It;\nimpl Pings for It {{ … }}\nimpl a for It {{}}\nimpl b for It {{}}\n"
    ));
    site.warns(&[]);
    site.registers(&made("crate::apps::pings::grpc_services::It"));
}

#[test]
fn implementations_inside_modules_are_found() {
    let site = pings(
        "pub mod inner {\n    use super::*;\n    use crate::pb;\n    pub struct It;\n    impl pb::pings::Pings for It { … }\n}\n",
    );
    site.registers("\"src/apps/pings/grpc_services.rs:5\"");
    site.registers(&made("crate::apps::pings::grpc_services::inner::It"));
}

#[test]
fn a_module_s_cfg_travels_with_the_service() {
    let site = pings(
        "#[cfg(unix)]\npub mod inner {\n    #![cfg(feature = \"a\")]\n    pub struct It;\n    #[cfg(feature = \"b\")]\n    impl crate::pb::pings::Pings for It { … }\n}\n",
    );
    site.registers("#[cfg(unix)] #[cfg(feature = \"a\")] #[cfg(feature = \"b\")] let app = app.service(");
    let site = pings("#![cfg(feature = \"file\")]\npub struct It;\nimpl crate::pb::pings::Pings for It { … }\n");
    site.registers("#[cfg(feature = \"file\")] let app = app.service(");
}

#[test]
fn a_service_type_may_stand_elsewhere_in_the_app() {
    let site = pings("mod types;\nuse super::models::It;\nimpl crate::pb::pings::Pings for It { … }\n");
    site.put("src/apps/pings/models.rs", "pub struct It { a: u8 }\n");
    site.put("src/apps/pings/made.rs", "use super::models::*;\nimpl It { pub fn new() -> Self { todo!() } }\n");
    site.registers(&made("crate::apps::pings::models::It::new()"));

    let site =
        pings("mod types;\npub use types::It as Other;\nuse types::It;\nimpl crate::pb::pings::Pings for It { … }\n");
    site.put("src/apps/pings/grpc_services/types.rs", "pub struct It;\n");
    site.registers(&made("crate::apps::pings::grpc_services::Other"));
}

#[test]
fn a_service_type_out_of_sight_is_told() {
    let site = pings("use crate::elsewhere::It;\nimpl crate::pb::pings::Pings for It { … }\n");
    site.refuses(&[
        "src/apps/pings/grpc_services.rs:2:1: `It` serves pings.Pings, but the definition of `It` is not found in src/apps: define it there, or register it by hand with `pub fn grpc_handlers(site: &mut Site)` in the service module",
    ]);
}

#[test]
fn two_apps_that_claim_one_service_are_refused() {
    let source = "pub struct It;\nimpl crate::pb::pings::Pings for It { … }\n";
    let site = pings(source);
    site.put("src/apps/echo/services/grpc.rs", &source.replace("…", PING));
    site.refuses(&[
        "src/apps/pings/grpc_services.rs:2:1: pings.Pings is implemented twice: here and at src/apps/echo/services/grpc.rs:2; keep one, or register by hand with `pub fn grpc_handlers(site: &mut Site)`",
    ]);
}

#[test]
fn two_implementations_under_cfg_are_both_registered() {
    let site = pings(
        "pub struct A;\npub struct B;\n#[cfg(unix)]\nimpl crate::pb::pings::Pings for A { … }\n#[cfg(not(unix))]\nimpl crate::pb::pings::Pings for B { … }\n",
    );
    site.warns(&[]);
    site.registers("#[cfg(unix)] let app = app.service(");
    site.registers("#[cfg(not(unix))] let app = app.service(");
}

#[test]
fn missing_methods_are_told_as_they_are_to_be_written() {
    let site = pings("pub struct It;\nimpl crate::pb::pings::Pings for It {\n    fn pong() {}\n}\n");
    site.warns(&[
        "src/apps/pings/grpc_services.rs:2:1: It lacks: async fn ping(&self, cx: Context, request: Request) -> Result<Reply>",
    ]);
    let site = pings("pub struct It;\nimpl crate::pb::pings::Pings for It {\n    all_methods!();\n}\n");
    site.warns(&[]);
}

#[test]
fn a_service_without_an_implementation_is_told() {
    let site = Site::new(&[("src/apps/pings/proto/pings/v1/pings.proto", &proto("pings.v1", "Pings"))]);
    let warning = "src/apps/pings/proto/pings/v1/pings.proto:4:1: proto service pings.v1.Pings has no implementation: write `impl pb::pings::v1::Pings for …` in src/apps/<app>/grpc_services.rs";
    site.warns(&[warning]);
    let site = Site::new(&[("proto/a.proto", &proto("a", "A"))]);
    assert_eq!(site.run().warnings.len(), 1);
}

#[test]
fn a_syntax_error_in_an_app_is_left_to_rustc() {
    let site = pings("pub struct It\nimpl crate::pb::pings::Pings for It { … }\n");
    site.warns(&[]);
}

#[test]
fn grpc_handlers_replaces_the_automatic_registration() {
    let site = pings(
        "pub struct It<S>(S);\nimpl<S> crate::pb::pings::Pings for It<S> { … }\npub fn grpc_handlers(site: &mut Site) {}\n",
    );
    site.warns(&[]);
    site.registers("site.app(app); site.within(\"pings\", crate::apps::pings::grpc_services::grpc_handlers);");
    site.does_not_register("app.service(");
    let site = pings("fn grpc_handlers(site: &mut Site) {}\n");
    site.refuses(&[
        "src/apps/pings/grpc_services.rs:1:4: `grpc_handlers` is private, so `site()` cannot call it: write `pub fn`",
    ]);
}

#[test]
fn a_service_registered_by_hand_needs_no_implementation_in_sight() {
    let site = pings(
        "pub fn grpc_handlers(site: &mut Site) {\n    site.service(\"pings\", |_| Ok(pb::pings::pings(other::It)));\n}\n",
    );
    site.warns(&[]);
    let site = pings("");
    site.put(
        "src/apps/pings/app.rs",
        "pub fn app(app: App) -> App {\n    app.service(\"\", \"\", \"\", |_| Ok(pb::pings::pings(other::It)))\n}\n",
    );
    site.warns(&[]);
    site.put(
        "src/apps/pings/app.rs",
        "pub fn app(app: App) -> App {\n    app.first_run(crate::apps::pings::seed)\n}\n",
    );
    assert_eq!(site.run().warnings.len(), 1);
}
