//! Where rules come from, and which of them counts.

use steeple::{Access, App, Config, Server, Site, config::Environment, server::Plan};

use crate::trial::{DESCRIPTORS, Trial, pb::trial::v1};

fn site(rules: impl FnOnce(App) -> App) -> Site {
    let mut site = Site::new("trial", "0.0.0", DESCRIPTORS);
    site.app(rules(App::new("trial").service("trial.v1.Trial", "Trial", "trial.rs", |_| Ok(v1::trial(Trial)))));
    site
}

fn plan(rules: impl FnOnce(App) -> App, configure: impl FnOnce(&mut Config)) -> Result<Plan, Vec<String>> {
    let mut config = Config { env: Environment::Test, ..Config::default() };
    configure(&mut config);
    Plan::of(&Server::new(site(rules)), &config)
}

/// The access of a method, and who says so.
fn access(plan: &Plan, path: &str) -> String {
    let planned = plan.methods().find(|planned| planned.method.path == path).unwrap();
    format!("{} by {}", planned.decision.access, planned.decision.access_from)
}

#[test]
fn what_no_rule_names_is_for_callers_who_are_logged_in() {
    let plan = plan(|app| app, |_| ()).unwrap();
    assert_eq!(access(&plan, "/trial.v1.Trial/Unary"), "authenticated by auth.require_auth");
    assert_eq!(access(&plan, "/grpc.health.v1.Health/Check"), "public by steeple");
    assert_eq!(access(&plan, "/steeple.auth.v1.AuthService/WhoAmI"), "authenticated by app steeple");
    assert_eq!(access(&plan, "/steeple.auth.v1.AuthService/Login"), "public by app steeple");
}

#[test]
fn reflection_is_public_but_in_production() {
    let reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    let of = |env| access(&plan(|app| app, |config| config.env = env).unwrap(), reflection);
    assert_eq!(of(Environment::Development), "public by steeple");
    assert_eq!(of(Environment::Production), "authenticated by auth.require_auth");
    let opened = plan(
        |app| app,
        |config| {
            config.env = Environment::Production;
            config.auth.public_methods = vec!["grpc.reflection.v1.ServerReflection".to_owned()];
        },
    );
    assert_eq!(access(&opened.unwrap(), reflection), "public by auth.public_methods");
}

#[test]
fn the_rule_that_says_more_counts_and_code_before_configuration() {
    let rules = |app: App| {
        app.access("*", Access::Staff)
            .access("trial.v1.Trial/Unary", Access::Superuser)
            .access("trial.v1.Trial", Access::Authenticated)
            .access("/trial.v1.Trial/Spread", Access::permission("auth.view_user"))
    };
    let plan = plan(rules, |config| config.auth.public_methods = vec!["*".to_owned(), "trial.*".to_owned()]).unwrap();
    assert_eq!(access(&plan, "/trial.v1.Trial/Unary"), "superuser by app trial");
    assert_eq!(access(&plan, "/trial.v1.Trial/Collect"), "authenticated by app trial");
    assert_eq!(access(&plan, "/trial.v1.Trial/Spread"), "permission auth.view_user by app trial");
    assert_eq!(access(&plan, "/grpc.health.v1.Health/Check"), "public by auth.public_methods");
}

#[test]
fn what_cannot_be_meant_stops_the_start() {
    let refused = |rules: fn(App) -> App, public: &[&str], require_auth: bool| {
        let public = public.iter().map(|text| (*text).to_owned()).collect();
        plan(rules, |config| (config.auth.public_methods, config.auth.require_auth) = (public, require_auth))
            .unwrap_err()
            .join("\n")
    };
    let nobody: fn(App) -> App = |app| app;
    let said = refused(nobody, &[], false);
    assert!(
        said.contains("no rule says who may call trial.v1.Trial/Unary") && said.contains("auth.public_methods"),
        "{said}"
    );
    let said = refused(|app| app.access("trial.v1.Trail/Unary", Access::Public), &[], true);
    assert!(
        said.contains("app trial: trial.v1.Trail/Unary is no method that is served") && said.contains("trial.v1.Trial"),
        "{said}"
    );
    let said = refused(nobody, &["trial.v1.Trial/Unnary"], true);
    assert!(said.contains("auth.public_methods: trial.v1.Trial/Unnary is no method"), "{said}");
    let said = refused(nobody, &["trial/v1/Trial"], true);
    assert!(said.contains("names no methods"), "{said}");
    let said = refused(|app| app.access("trial.v1.Trial/Unary", Access::Staff), &["trial.v1.Trial/Unary"], true);
    assert!(said.contains("cannot be public, because app trial says"), "{said}");
}

#[test]
fn everything_may_be_opened_by_name() {
    let plan = plan(
        |app| app,
        |config| {
            config.auth.require_auth = false;
            config.auth.public_methods = vec!["*".to_owned()];
        },
    );
    assert_eq!(access(&plan.unwrap(), "/trial.v1.Trial/Unary"), "public by auth.public_methods");
}
