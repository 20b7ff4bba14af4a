//! `src/apps/mod.rs`: kept from the folders, like a lock file.

use std::{fs, time::SystemTime};

use crate::site::{Site, told};

const HEADER: &str = "// Kept by steeple-build from the folders beside this file; commit it, do not edit it.\n";

fn modified(site: &Site, path: &str) -> SystemTime {
    fs::metadata(site.path(path)).unwrap().modified().unwrap()
}

#[track_caller]
fn holds(site: &Site, text: &str) {
    assert_eq!(site.read("src/apps/mod.rs"), format!("{HEADER}{text}"));
}

#[test]
fn it_follows_folders_that_come_and_go() {
    let site = Site::new(&[("src/apps/coins/models.rs", "")]);
    site.run();
    holds(&site, "pub mod coins {\n    pub mod models;\n}\n");
    site.put("src/apps/users/services/grpc.rs", "");
    site.run();
    holds(
        &site,
        "pub mod coins {\n    pub mod models;\n}\npub mod users {\n    pub mod services {\n        pub mod grpc;\n    }\n}\n",
    );
    site.remove("src/apps/coins");
    site.run();
    holds(&site, "pub mod users {\n    pub mod services {\n        pub mod grpc;\n    }\n}\n");
}

#[test]
fn a_second_run_writes_nothing() {
    let site = Site::new(&[("proto/a.proto", &crate::site::proto("a", "A")), ("src/apps/coins/models.rs", "")]);
    assert_eq!(site.run().changed.len(), 4);
    assert_eq!(site.run().changed, Vec::<std::path::PathBuf>::new());
}

#[test]
fn it_is_dated_before_the_run_and_leaves_nothing_beside() {
    let site = Site::new(&[("src/apps/coins/models.rs", "")]);
    let source = modified(&site, "src/apps/coins/models.rs");
    let folder = modified(&site, "src/apps");
    site.run();
    assert!(modified(&site, "src/apps/mod.rs") < source);
    assert!(modified(&site, "src/apps") <= folder);
    let names: Vec<_> = fs::read_dir(site.path("src/apps")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

#[test]
fn locked_a_difference_is_an_error() {
    let site = Site::new(&[("src/apps/coins/models.rs", "")]);
    let problems = site.build().locked(true).run().unwrap_err();
    let expected = "src/apps/mod.rs: does not fit the folders beside it, and STEEPLE_LOCKED is set: build once without it and commit the file";
    assert_eq!(told(&problems), [expected]);
    assert!(!site.path("src/apps/mod.rs").exists());
    site.run();
    site.build().locked(true).run().unwrap();
}

#[test]
fn another_order_or_line_ending_is_no_difference() {
    let site = Site::new(&[("src/apps/coins/a.rs", ""), ("src/apps/coins/b.rs", "")]);
    let other = format!("{HEADER}pub mod coins {{\n    pub mod b;\n    pub mod a;\n}}\n").replace('\n', "\r\n");
    site.put("src/apps/mod.rs", &other);
    site.build().locked(true).run().unwrap();
    assert_eq!(site.read("src/apps/mod.rs"), other);
}

#[test]
fn a_file_written_by_hand_is_not_lost() {
    let site = Site::new(&[("src/apps/coins/a.rs", ""), ("src/apps/mod.rs", "pub fn mine() {}\n")]);
    site.refuses(&[
        "src/apps/mod.rs: is written by hand, but steeple-build keeps it: move what it holds into a file beside it and delete it",
    ]);
    site.put("src/apps/mod.rs", "pub mod coins {\n    pub mod a;\n}\n");
    site.run();
    holds(&site, "pub mod coins {\n    pub mod a;\n}\n");
}

#[test]
fn an_app_with_its_own_mod_rs_keeps_it() {
    let site = Site::new(&[
        ("src/apps/coins/mod.rs", "pub mod models;\nmod inner;\n"),
        ("src/apps/coins/models.rs", ""),
        ("src/apps/coins/inner.rs", ""),
        ("src/apps/users.rs", "pub mod models;\n"),
        ("src/apps/users/models.rs", "#[derive(DeriveEntityModel)]\npub struct Model;\n"),
    ]);
    site.run();
    holds(&site, "pub mod coins;\npub mod users;\n");
    assert_eq!(site.read("src/apps/coins/mod.rs"), "pub mod models;\nmod inner;\n");
    site.registers("model::<crate::apps::users::models::Entity>()");
}

#[test]
fn tests_are_for_tests() {
    let site = Site::new(&[
        ("src/apps/coins/tests.rs", ""),
        ("src/apps/users/tests/first.rs", ""),
        ("src/apps/tests/all.rs", ""),
    ]);
    site.run();
    holds(
        &site,
        "pub mod coins {\n    #[cfg(test)]\n    pub mod tests;\n}\n#[cfg(test)]\npub mod tests {\n    pub mod all;\n}\npub mod users {\n    #[cfg(test)]\n    pub mod tests {\n        pub mod first;\n    }\n}\n",
    );
    site.does_not_register("App::new(\"tests\")");
}

#[test]
fn a_file_beside_the_apps_is_a_module_and_no_app() {
    let site = Site::new(&[("src/apps/shared.rs", ""), ("src/apps/coins/a.rs", "")]);
    site.run();
    holds(&site, "pub mod coins {\n    pub mod a;\n}\npub mod shared;\n");
    site.does_not_register("shared");
}

#[test]
fn an_app_that_is_only_a_proto_is_an_app() {
    let site = Site::new(&[("src/apps/coins/proto/coins.proto", &crate::site::proto("coins", "Coins"))]);
    site.run();
    holds(&site, "pub mod coins {}\n");
    site.registers("App::new(\"coins\")");
}

#[test]
fn a_folder_without_sources_is_no_app() {
    let site =
        Site::new(&[("src/apps/coins/a.rs", ""), ("src/apps/old/.gitkeep", ""), ("src/apps/old-notes/read.me", "")]);
    site.run();
    holds(&site, "pub mod coins {\n    pub mod a;\n}\n");
}

#[test]
fn a_folder_that_is_no_rust_name_is_refused() {
    let site = Site::new(&[("src/apps/my-app/models.rs", ""), ("src/apps/type/models.rs", "")]);
    let why = "an app's folder must be a Rust name (letters, digits and `_`, no keyword): rename it";
    site.refuses(&[&format!("src/apps/my-app: {why}"), &format!("src/apps/type: {why}")]);
}

#[test]
fn a_file_that_is_no_rust_name_is_told() {
    let site = Site::new(&[("src/apps/coins/old-models.rs", ""), ("src/apps/coins/a.rs", "")]);
    site.warns(&[
        "src/apps/coins/old-models.rs: is in no module: its name must be a Rust name (letters, digits and `_`, no keyword)",
    ]);
    holds(&site, "pub mod coins {\n    pub mod a;\n}\n");
}

#[test]
fn an_empty_site_is_a_site() {
    let site = Site::new(&[]);
    site.warns(&[]);
    assert!(!site.path("src/apps").exists());
    site.registers("pub fn site() -> ::steeple::Site { ::steeple::Site::new(");
    syn::parse_file(&site.out("pb.rs")).unwrap();
    site.put("src/apps/coins/a.rs", "");
    site.run();
    holds(&site, "pub mod coins {\n    pub mod a;\n}\n");
}
