//! The example of the README is this one, to the letter.

const README: &str = include_str!("../../../../README.md");

#[test]
fn the_readme_shows_these_files() {
    let files = [
        ("proto/hello.proto", include_str!("../../proto/hello.proto")),
        ("src/apps/hello/grpc_services.rs", include_str!("../../src/apps/hello/grpc_services.rs")),
        ("src/apps/hello/app.rs", include_str!("../../src/apps/hello/app.rs")),
        ("src/main.rs", include_str!("../../src/main.rs")),
        ("build.rs", include_str!("../../build.rs")),
    ];
    for (name, text) in files {
        assert!(README.contains(&format!("\n{text}```\n")), "{name} is not in README.md as it is: copy it there");
    }
}
