//! The five places of a service module, in their order, and several services and apps.

use crate::site::{Site, proto};

const SOURCE: &str = "pub struct It;\nimpl crate::pb::pings::Pings for It {\n    async fn ping(&self) {}\n}\n";
const PLACES: [&str; 5] = ["grpc_services", "grpc_handlers", "services/grpc", "handlers/grpc", "api/grpc"];

fn with(files: &[(&str, &str)]) -> Site {
    let site = Site::new(files);
    site.put("proto/pings.proto", &proto("pings", "Pings"));
    site
}

#[test]
fn each_place_is_found_as_a_file_and_as_a_folder() {
    for place in PLACES {
        for file in [format!("{place}.rs"), format!("{place}/mod.rs"), format!("{place}/inner.rs")] {
            let site = with(&[(&format!("src/apps/pings/{file}"), SOURCE)]);
            site.warns(&[]);
            site.registers(&format!("\"src/apps/pings/{file}:2\""));
            let inner = if file.ends_with("inner.rs") { "inner::" } else { "" };
            site.registers(&format!("crate::apps::pings::{}::{inner}It", place.replace('/', "::")));
        }
    }
}

#[test]
fn the_first_place_is_used_and_the_others_are_told() {
    for (at, first) in PLACES.iter().enumerate() {
        let site = with(&[]);
        for place in &PLACES[at..] {
            site.put(&format!("src/apps/pings/{place}.rs"), SOURCE);
        }
        site.warns(&[]);
        site.registers(&format!("\"src/apps/pings/{first}.rs:2\""));
        for other in &PLACES[at + 1..] {
            site.registers(&format!("app.skipped(\"{other}: not used, {first} comes first\")"));
            site.does_not_register(&format!("\"src/apps/pings/{other}.rs:2\""));
        }
    }
}

#[test]
fn an_app_without_a_service_module_says_where_it_was_looked_for() {
    let site = Site::new(&[("src/apps/words/models.rs", "")]);
    site.warns(&[]);
    site.registers(
        "app.skipped(\"no service module; looked for grpc_services, grpc_handlers, services/grpc, handlers/grpc, api/grpc\")",
    );
}

#[test]
fn several_services_in_several_apps() {
    let site = with(&[
        ("proto/coins.proto", &proto("coins", "Coins")),
        ("proto/wallets.proto", &proto("coins.wallets", "Wallets")),
        ("src/apps/pings/grpc_services.rs", SOURCE),
        (
            "src/apps/coins/services/grpc/coins.rs",
            "use crate::pb::coins::Coins;\npub struct A;\nimpl Coins for A {\n    async fn ping(&self) {}\n}\n",
        ),
        (
            "src/apps/coins/services/grpc/wallets.rs",
            "use crate::pb::coins::wallets::Wallets;\npub struct B;\nimpl Wallets for B {\n    async fn ping(&self) {}\n}\n",
        ),
    ]);
    site.warns(&[]);
    site.registers("Ok(crate::pb::coins::coins(crate::apps::coins::services::grpc::coins::A))");
    site.registers("Ok(crate::pb::coins::wallets::wallets(crate::apps::coins::services::grpc::wallets::B))");
    site.registers("Ok(crate::pb::pings::pings(crate::apps::pings::grpc_services::It))");
    assert_eq!(site.out("site.rs").matches("site.app(app)").count(), 2);
}

#[test]
fn a_service_module_that_its_app_does_not_declare_is_told() {
    let site = with(&[("src/apps/pings/mod.rs", ""), ("src/apps/pings/grpc_services.rs", SOURCE)]);
    site.refuses(&[
        "src/apps/pings/grpc_services.rs: is in no module: declare it with `pub mod` in the app's own mod.rs",
    ]);
    site.put("src/apps/pings/mod.rs", "mod grpc_services;");
    let problems = site.build().run().unwrap_err();
    assert!(problems[0].message.starts_with("its module is private"), "{}", problems[0]);
    site.put("src/apps/pings/mod.rs", "pub mod grpc_services;");
    site.warns(&[]);
}

#[test]
fn a_service_module_may_be_inline_in_the_app_s_own_mod_rs() {
    let site = with(&[("src/apps/pings/mod.rs", &format!("pub mod grpc_services {{\n{SOURCE}}}\n"))]);
    site.warns(&[]);
    site.registers("\"src/apps/pings/mod.rs:3\"");
}
