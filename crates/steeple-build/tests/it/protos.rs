//! Protos: where they may lie, how they find each other, and how their mistakes are told.

use prost_types::FileDescriptorSet;
use prost_types::source_code_info::Location;

use crate::site::{Site, proto};

/// The names of the files in a `FileDescriptorSet`, read from its bytes.
fn names(bytes: &[u8]) -> Vec<String> {
    let set = <FileDescriptorSet as prost::Message>::decode(bytes).unwrap();
    set.file.iter().map(|file| file.name().to_owned()).collect()
}

#[test]
fn protos_of_the_site_and_of_apps_import_each_other() {
    let site = Site::new(&[
        (
            "proto/shared/money.proto",
            "syntax = \"proto3\";\npackage shared;\nmessage Money {\n  string amount = 1;\n}\n",
        ),
        (
            "src/apps/users/proto/users/users.proto",
            "syntax = \"proto3\";\npackage users;\nimport \"shared/money.proto\";\nmessage User {\n  shared.Money has = 1;\n}\n",
        ),
        (
            "src/apps/coins/api/coins.proto",
            "syntax = \"proto3\";\npackage coins;\nimport \"users/users.proto\";\nimport \"google/protobuf/wrappers.proto\";\nmessage Coin {\n  users.User owner = 1;\n  google.protobuf.StringValue note = 2;\n}\n",
        ),
        (
            "proto/all.proto",
            "syntax = \"proto3\";\npackage everything;\nimport \"coins/api/coins.proto\";\nmessage All {\n  coins.Coin coin = 1;\n}\n",
        ),
    ]);
    site.run();
    let mut have = names(&site.bytes("descriptors.bin"));
    have.sort();
    assert_eq!(
        have,
        [
            "all.proto",
            "coins/api/coins.proto",
            "google/protobuf/wrappers.proto",
            "shared/money.proto",
            "users/users.proto"
        ]
    );
    let rust = site.out("pb.rs");
    for part in ["pub mod shared", "pub mod users", "pub mod coins", "pub mod everything", "super::users::User"] {
        assert!(rust.contains(part), "no {part} in\n{rust}");
    }
}

#[test]
fn descriptors_keep_comments_and_custom_options() {
    let site = Site::new(&[(
        "proto/a.proto",
        "syntax = \"proto3\";\npackage a;\nimport \"google/protobuf/descriptor.proto\";\nextend google.protobuf.MessageOptions {\n  string label = 50001;\n}\n// Said of A.\nmessage A {\n  option (label) = \"kept-by-protox\";\n}\n",
    )]);
    site.run();
    let bytes = site.bytes("descriptors.bin");
    assert!(bytes.windows(14).any(|part| part == b"kept-by-protox"));
    let set = <FileDescriptorSet as prost::Message>::decode(bytes.as_slice()).unwrap();
    let locations: Vec<Location> =
        set.file.into_iter().filter_map(|file| file.source_code_info).flat_map(|info| info.location).collect();
    assert!(locations.iter().any(|location| location.leading_comments() == " Said of A.\n"));
}

#[test]
fn a_syntax_error_names_file_line_and_column() {
    let site = Site::new(&[(
        "proto/pings/v1/pings.proto",
        "syntax = \"proto3\";\npackage pings.v1;\nmessage Ping {\n  string text = 1 }\n",
    )]);
    site.refuses(&["proto/pings/v1/pings.proto:4:19: expected ';' or '[', but found '}'"]);
}

#[test]
fn an_unknown_type_names_file_line_and_column() {
    let site = Site::new(&[(
        "src/apps/pings/proto/pings.proto",
        "syntax = \"proto3\";\npackage pings;\nservice Pings {\n  rpc Ping(Pung) returns (Pung);\n}\n",
    )]);
    site.refuses(&["src/apps/pings/proto/pings.proto:4:12: name 'Pung' is not defined"]);
}

#[test]
fn a_missing_import_names_the_line_that_imports() {
    let site = Site::new(&[("proto/a.proto", "syntax = \"proto3\";\nimport \"nowhere.proto\";\n")]);
    site.refuses(&["proto/a.proto:2:1: import 'nowhere.proto' not found"]);
}

#[test]
fn a_circle_of_imports_is_told() {
    let site = Site::new(&[
        ("proto/a.proto", "syntax = \"proto3\";\nimport \"b.proto\";\n"),
        ("proto/b.proto", "syntax = \"proto3\";\nimport \"a.proto\";\n"),
    ]);
    let problems = site.build().run().unwrap_err();
    assert!(problems[0].file.starts_with("proto/"), "{}", problems[0]);
    assert!(problems[0].message.contains("import cycle"), "{}", problems[0]);
}

#[test]
fn all_broken_protos_are_told_at_once_and_each_once() {
    let site = Site::new(&[
        ("proto/a.proto", "syntax = \"proto3\";\nmessage {}\n"),
        ("proto/b.proto", "syntax = \"proto3\";\nimport \"a.proto\";\n"),
        ("proto/c.proto", "syntax = \"proto3\";\nmessage C { x }\n"),
    ]);
    let files: Vec<String> = site.build().run().unwrap_err().into_iter().map(|problem| problem.file).collect();
    assert_eq!(files, ["proto/a.proto", "proto/c.proto"]);
}

#[test]
fn two_protos_of_one_import_name_are_refused() {
    let site = Site::new(&[
        ("src/apps/coins/proto/service.proto", &proto("coins", "Coins")),
        ("src/apps/users/proto/service.proto", &proto("users", "Users")),
    ]);
    site.refuses(&[
        "src/apps/users/proto/service.proto: has the same import name as src/apps/coins/proto/service.proto (`service.proto`): move one into a folder of its own",
    ]);
}

#[test]
fn nothing_is_written_when_a_proto_is_broken() {
    let site = Site::new(&[("proto/a.proto", "message"), ("src/apps/coins/models.rs", "")]);
    site.build().run().unwrap_err();
    assert!(!site.path("src/apps/mod.rs").exists());
}

#[test]
fn a_service_without_a_package_stands_at_the_root_of_pb() {
    let text = proto("x", "Match").replace("package x;\n", "");
    let site = Site::new(&[
        ("proto/a.proto", &text),
        (
            "src/apps/a/grpc_services.rs",
            "pub struct It;\nimpl crate::pb::Match for It {\n    async fn ping(&self) {}\n}\n",
        ),
    ]);
    site.warns(&[]);
    site.registers("app.service(\"Match\", \"apps::a::grpc_services::It\", \"src/apps/a/grpc_services.rs:2\", |_| Ok(crate::pb::r#match(crate::apps::a::grpc_services::It)))");
    assert!(site.out("pb.rs").contains("\"/Match/Ping\""));
}

#[test]
fn a_folder_of_protos_tells_its_mistakes_too() {
    let site = Site::new(&[("proto/sub/a.proto", "syntax = \"proto3\";\nmessage A { B b = 1; }\n")]);
    let problems = steeple_build::protos(site.path("proto")).unwrap_err();
    assert_eq!(problems[0].to_string(), "sub/a.proto:2:13: name 'B' is not defined");
}
