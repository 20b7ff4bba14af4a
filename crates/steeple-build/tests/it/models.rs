//! Models, migrations and the `app` function.

use crate::site::Site;

const ENTITY: &str = "#[derive(Clone, Debug, DeriveEntityModel)]\npub struct Model {}\n";

fn registered(site: &Site) -> Vec<String> {
    site.run();
    let site = site.out("site.rs");
    let packed: String = site.split_whitespace().collect();
    packed
        .split("letapp=app")
        .skip(1)
        .filter(|line| line.starts_with(".model") || line.starts_with(".migration"))
        .map(|line| line.split(';').next().unwrap().replace("crate::apps::coins::", "").replace(",)", ")"))
        .collect()
}

#[test]
fn models_are_found_in_a_file_in_a_folder_and_inline() {
    let site = Site::new(&[("src/apps/coins/models.rs", ENTITY)]);
    assert_eq!(registered(&site), [".model::<models::Entity>()"]);

    let inline = format!("pub mod coin {{\n{ENTITY}}}\npub mod wallet {{\n{ENTITY}}}\npub struct Other;\n");
    let site = Site::new(&[("src/apps/coins/models.rs", &inline)]);
    assert_eq!(registered(&site), [".model::<models::coin::Entity>()", ".model::<models::wallet::Entity>()"]);

    let site =
        Site::new(&[("src/apps/coins/models/coin.rs", ENTITY), ("src/apps/coins/models/deep/wallet.rs", ENTITY)]);
    assert_eq!(registered(&site), [".model::<models::coin::Entity>()", ".model::<models::deep::wallet::Entity>()"]);

    let site = Site::new(&[
        ("src/apps/coins/models/mod.rs", "pub mod coin;\n#[cfg(test)]\nmod samples;\n"),
        ("src/apps/coins/models/coin.rs", &ENTITY.replace("DeriveEntityModel", "sea_orm::DeriveEntityModel")),
        ("src/apps/coins/models/samples.rs", ENTITY),
    ]);
    assert_eq!(registered(&site), [".model::<models::coin::Entity>()"]);
    site.warns(&[]);

    let site = Site::new(&[
        ("src/apps/coins/models.rs", "pub mod coin;\n#[path = \"purse.rs\"]\npub mod wallet;\n"),
        ("src/apps/coins/models/coin.rs", ENTITY),
        ("src/apps/coins/purse.rs", ENTITY),
    ]);
    assert_eq!(registered(&site), [".model::<models::coin::Entity>()", ".model::<models::wallet::Entity>()"]);
}

#[test]
fn a_model_under_cfg_is_registered_under_it() {
    let site = Site::new(&[(
        "src/apps/coins/models.rs",
        &format!(
            "#[cfg(feature = \"coins\")]\npub mod coin {{\n{ENTITY}}}\n#[cfg(test)]\npub mod fake {{\n{ENTITY}}}\n"
        ),
    )]);
    site.warns(&[]);
    site.registers("#[cfg(feature = \"coins\")] let app = app.model::<crate::apps::coins::models::coin::Entity>();");
    site.does_not_register("fake");
}

#[test]
fn a_model_that_cannot_be_named_is_told() {
    let site = Site::new(&[("src/apps/coins/models.rs", &format!("mod coin {{\n{ENTITY}}}\n"))]);
    site.warns(&[
        "src/apps/coins/models.rs:3:12: model not registered, because the module `coin` is private: write `pub mod coin`",
    ]);
    let site = Site::new(&[("src/apps/coins/models/mod.rs", ""), ("src/apps/coins/models/coin.rs", ENTITY)]);
    site.warns(&[
        "src/apps/coins/models/coin.rs: is in no module: declare it with `pub mod coin;` in the module above it",
    ]);
}

#[test]
fn migrations_are_registered_in_the_order_of_their_numbers() {
    let one = "pub struct Migration;\n";
    let site = Site::new(&[
        ("src/apps/coins/migrations/m0010_ten.rs", one),
        ("src/apps/coins/migrations/m9_nine.rs", one),
        ("src/apps/coins/migrations/m0001_initial.rs", one),
        ("src/apps/coins/migrations/words.rs", "pub fn help() {}\n"),
    ]);
    site.warns(&[]);
    assert_eq!(
        registered(&site),
        [
            ".migration(\"0001_initial\",migrations::m0001_initial::Migration)",
            ".migration(\"9_nine\",migrations::m9_nine::Migration)",
            ".migration(\"0010_ten\",migrations::m0010_ten::Migration)",
        ]
    );
    let site = Site::new(&[
        ("src/apps/coins/migrations/m20260101_000002_b.rs", one),
        ("src/apps/coins/migrations/m20260101_000001_a.rs", one),
        ("src/apps/users/migrations.rs", "pub mod m0001_initial {\n    pub struct Migration;\n}\n"),
    ]);
    assert_eq!(
        registered(&site),
        [
            ".migration(\"20260101_000001_a\",migrations::m20260101_000001_a::Migration)",
            ".migration(\"20260101_000002_b\",migrations::m20260101_000002_b::Migration)",
            ".migration(\"0001_initial\",crate::apps::users::migrations::m0001_initial::Migration)",
        ]
    );
}

#[test]
fn a_migration_that_would_not_run_is_an_error() {
    let at = "src/apps/coins/migrations/";
    for (file, text, told) in [
        ("m0001_a.rs", "", "m0001_a.rs: has no `pub struct Migration;`"),
        ("m0001_a.rs", "struct Migration;", "m0001_a.rs:1:8: `Migration` is private: write `pub struct Migration;`"),
        (
            "m0001_a.rs",
            "pub struct Migration(u8);",
            "m0001_a.rs:1:12: `Migration` has fields: write `pub struct Migration;`",
        ),
        (
            "initial.rs",
            "pub struct Migration;\nimpl MigrationTrait for Migration {}",
            "initial.rs:2:1: a migration must stand in a module of its own, named `mNNNN_name` (as `m0001_initial`)",
        ),
    ] {
        let site = Site::new(&[(&format!("{at}{file}"), text)]);
        site.refuses(&[&format!("{at}{told}")]);
    }
    let site = Site::new(&[(&format!("{at}mod.rs"), ""), (&format!("{at}m0001_a.rs"), "pub struct Migration;")]);
    site.refuses(&[&format!(
        "{at}m0001_a.rs: is in no module: declare it with `pub mod m0001_a;` in the module above it"
    )]);
    let site =
        Site::new(&[(&format!("{at}mod.rs"), "mod m0001_a;"), (&format!("{at}m0001_a.rs"), "pub struct Migration;")]);
    site.refuses(&[&format!("{at}m0001_a.rs:1:12: its module is private: write `pub mod m0001_a;`")]);
}

#[test]
fn two_migrations_of_one_number_are_refused() {
    let one = "pub struct Migration;\n";
    let site = Site::new(&[
        ("src/apps/coins/migrations/m0001_initial.rs", one),
        ("src/apps/coins/migrations/m1_other.rs", one),
    ]);
    site.refuses(&[
        "src/apps/coins/migrations/m1_other.rs: has the same number as src/apps/coins/migrations/m0001_initial.rs: give one of them the next number",
    ]);
}

#[test]
fn a_migration_with_a_syntax_error_is_left_to_rustc() {
    let site = Site::new(&[("src/apps/coins/migrations/m0001_a.rs", "pub struct Migration")]);
    site.warns(&[]);
}

#[test]
fn the_app_function_comes_last() {
    let site = Site::new(&[
        ("src/apps/coins/app.rs", "pub fn app(app: App) -> App { app }\n"),
        ("src/apps/coins/models.rs", ENTITY),
    ]);
    site.warns(&[]);
    site.registers("let app = crate::apps::coins::app::app(app); site.app(app);");
    let site = Site::new(&[("src/apps/coins/app.rs", "fn app(app: App) -> App { app }\n")]);
    site.refuses(&[
        "src/apps/coins/app.rs:1:4: `app` is private, so `site()` cannot call it: write `pub fn app(app: App) -> App`",
    ]);
    let site = Site::new(&[("src/apps/coins/app.rs", "pub fn other() {}\n")]);
    site.warns(&[]);
    site.does_not_register("app::app");
}
