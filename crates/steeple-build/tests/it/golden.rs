//! What is generated, compared with files in the tree. `STEEPLE_UPDATE_GOLDEN=1` writes them anew.

use std::{fs, path::Path};

use crate::site::Site;

#[track_caller]
fn compare(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("STEEPLE_UPDATE_GOLDEN").is_some() {
        fs::write(&path, text).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert!(golden == text, "{} differs; look at it, then run with STEEPLE_UPDATE_GOLDEN=1:\n{text}", path.display());
}

/// All four kinds of methods, `google.protobuf` types, two apps, models, migrations, a hook.
fn shop() -> Site {
    Site::new(&[
        ("proto/coins/coins.proto", include_str!("../sites/shop/coins.proto")),
        ("proto/common/page.proto", include_str!("../sites/shop/page.proto")),
        ("src/apps/pings/proto/pings/v1/pings.proto", include_str!("../sites/shop/pings.proto")),
        ("src/apps/coins/grpc_services.rs", include_str!("../sites/shop/coins.rs")),
        (
            "src/apps/coins/models.rs",
            "#[derive(Clone, DeriveEntityModel)]\n#[sea_orm(table_name = \"coins_coin\")]\npub struct Model {}\n",
        ),
        ("src/apps/coins/migrations/m0001_initial.rs", "pub struct Migration;\n"),
        ("src/apps/coins/migrations/m0002_prices.rs", "pub struct Migration;\n"),
        ("src/apps/coins/app.rs", "pub fn app(app: App) -> App {\n    app\n}\n"),
        ("src/apps/coins/tests.rs", "use super::*;\n"),
        ("src/apps/pings/services/grpc.rs", include_str!("../sites/shop/pings.rs")),
        ("src/apps/empty/words.rs", "\n"),
    ])
}

#[test]
fn the_generated_text_is_as_it_was() {
    let site = shop();
    assert!(site.run().warnings.is_empty());
    let generated =
        [("pb.rs", site.out("pb.rs")), ("site.rs", site.out("site.rs")), ("mod.rs", site.read("src/apps/mod.rs"))];
    for (name, text) in &generated {
        syn::parse_file(text).unwrap();
        compare(name, text);
    }
}

#[test]
fn generated_code_names_only_what_a_site_has() {
    let site = shop();
    site.run();
    let roots = ["::steeple::", "::prost::", "::prost_types::", "::tonic::", "::tonic_prost::", "::core::", "::std::"];
    let text = site.out("pb.rs") + &site.out("site.rs");
    for (at, _) in text.match_indices(" ::").chain(text.match_indices("(::")).chain(text.match_indices("<::")) {
        let path = &text[at + 1..];
        assert!(roots.iter().any(|root| path.starts_with(root)), "{}", &path[..40.min(path.len())]);
    }
}

#[test]
fn a_folder_of_protos_alone_gives_the_same_text() {
    let site = shop();
    site.run();
    site.put("proto/pings/v1/pings.proto", include_str!("../sites/shop/pings.proto"));
    let generated = steeple_build::protos(site.path("proto")).unwrap();
    assert_eq!(generated.rust, site.out("pb.rs"));
    assert!(!generated.descriptors.is_empty());
}
