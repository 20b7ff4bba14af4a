//! Which services a site serves, where they come from, and what stops the start.

use std::sync::Arc;

use prost::Message as _;
use prost_types::{FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto, ServiceDescriptorProto};
use steeple::{
    App, Code, Config, Error, Next, Request, Response, Result, Server, Service, Setup, Site,
    server::{Plan, StartError},
};
use tokio::net::{TcpListener, TcpStream};

use crate::trial::{
    self, DESCRIPTORS, House, Trial,
    pb::trial::v1::{self as v1, Order, Report},
};

/// A second proto: `service Extra { rpc Say(Order) returns (Report); }` in package `extra`.
fn extra_descriptors() -> Vec<u8> {
    let say = MethodDescriptorProto {
        name: Some("Say".to_owned()),
        input_type: Some(".trial.v1.Order".to_owned()),
        output_type: Some(".trial.v1.Report".to_owned()),
        ..MethodDescriptorProto::default()
    };
    let service = ServiceDescriptorProto { name: Some("Extra".to_owned()), method: vec![say], ..Default::default() };
    let file = FileDescriptorProto {
        name: Some("extra.proto".to_owned()),
        package: Some("extra".to_owned()),
        dependency: vec!["trial.proto".to_owned()],
        service: vec![service],
        ..FileDescriptorProto::default()
    };
    FileDescriptorSet { file: vec![file] }.encode_to_vec()
}

async fn say(_: steeple::Context, order: Order) -> Result<Report> {
    Ok(Report { text: order.text, ..Report::default() })
}

#[expect(clippy::unnecessary_wraps, reason = "a maker may fail")]
fn extra(_: &Setup) -> Result<Service> {
    Ok(Service::new("extra.Extra").unary("/extra.Extra/Say", say))
}

const TRIAL: &str = "apps::first::grpc_services::Trial";
const EXTRA: &str = "apps::second::grpc_services::Extra";

fn first() -> App {
    App::new("first").service("trial.v1.Trial", TRIAL, "src/apps/first/grpc_services.rs:7", |_| Ok(v1::trial(Trial)))
}

/// As `steeple-build` registers them: two apps with a service each, and one without.
fn three_apps() -> Site {
    let mut site = Site::new("trial", "0.0.0", DESCRIPTORS);
    site.descriptors(extra_descriptors());
    site.app(first());
    site.app(App::new("second").service("extra.Extra", EXTRA, "src/apps/second/grpc_services.rs:3", extra));
    site.app(App::new("third").skipped("no service module; looked for grpc_services"));
    site
}

fn config(configure: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::default();
    (config.server.reflection, config.server.health) = (false, false);
    configure(&mut config);
    config
}

fn plan(site: Site, configure: impl FnOnce(&mut Config)) -> Result<Plan, Vec<String>> {
    Plan::of(&Server::new(site), &config(configure))
}

/// Those of the site, without Steeple's own.
fn names(plan: &Plan) -> Vec<&str> {
    let site = plan.services.iter().filter(|service| service.found.app != "steeple");
    site.map(|service| service.found.name).collect()
}

fn skipped(plan: &Plan) -> Vec<(&str, &str, &str)> {
    plan.skipped.iter().map(|skipped| (skipped.app, skipped.name.as_str(), skipped.why.as_str())).collect()
}

async fn passes(request: Request, next: Next) -> Result<Response> {
    next.run(request).await
}

async fn say_to(house: &House) -> Result<Report, tonic::Status> {
    let mut grpc = tonic::client::Grpc::new(house.channel().await);
    grpc.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<Order, Report>::default();
    let path = http::uri::PathAndQuery::from_static("/extra.Extra/Say");
    let request = tonic::Request::new(Order { text: "hi".into(), ..Order::default() });
    grpc.unary(request, path, codec).await.map(tonic::Response::into_inner)
}

// === what is served ===

#[tokio::test]
async fn every_service_of_every_app_is_served_without_a_list() {
    let house = House::of(three_apps(), |_| ()).await;
    house.client().await.unary(Order::default()).await.unwrap();
    assert_eq!(say_to(&house).await.unwrap().text, "hi");
}

#[test]
fn the_plan_says_what_is_served_from_where_and_what_is_not_and_why() {
    let server = Server::new(three_apps()).intercept("passes", passes).intercept_for("extra.Extra/Say", "only", passes);
    let plan = Plan::of(&server, &config(|_| ())).unwrap();
    let found: Vec<_> = plan.services.iter().map(|service| &service.found).collect();
    assert_eq!((found[0].app, found[0].name, found[0].implementation), ("first", "trial.v1.Trial", TRIAL));
    assert_eq!(found[0].at, "src/apps/first/grpc_services.rs:7");
    assert_eq!((found[1].app, found[1].name, found[1].implementation), ("second", "extra.Extra", EXTRA));
    assert!(plan.services[0].comment.starts_with("Methods of every shape"));
    assert_eq!(skipped(&plan), [("third", "", "no service module; looked for grpc_services")]);
    let method = &plan.services[1].methods[0];
    assert_eq!((method.method.path.as_str(), method.method.shape.as_str()), ("/extra.Extra/Say", "unary"));
    let chain: Vec<_> = method.chain.iter().map(Arc::as_ref).collect();
    assert_eq!(chain, ["record", "recover", "deadline", "limit", "authenticate", "authorize", "passes", "only"]);
    let own = plan.methods().filter(|planned| planned.method.service != "steeple.auth.v1.AuthService");
    assert_eq!(own.count(), 7);

    // The same, as `services --json` and `methods --json` print it.
    let json = serde_json::to_value(&plan).unwrap();
    assert_eq!(json["services"][1]["implementation"], EXTRA);
    assert_eq!(json["services"][1]["methods"][0]["chain"][7], "only");
    assert_eq!(json["skipped"][0]["app"], "third");
}

#[test]
fn health_reflection_and_login_are_in_the_plan_when_they_are_served() {
    let plan = Plan::of(&Server::new(three_apps()), &Config::default()).unwrap();
    let own: Vec<_> = plan.services.iter().filter(|service| service.found.app == "steeple").collect();
    let names: Vec<_> = own.iter().map(|service| service.found.name).collect();
    assert_eq!(
        names,
        [
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "grpc.reflection.v1alpha.ServerReflection",
            "steeple.auth.v1.AuthService"
        ]
    );
    assert!(own.iter().all(|service| !service.methods.is_empty()));
}

#[tokio::test]
async fn enabled_apps_leaves_the_others_out() {
    let plan = plan(three_apps(), |config| config.apps.enabled_apps = Some(vec!["second".to_owned()])).unwrap();
    assert_eq!(names(&plan), ["extra.Extra"]);
    let why = "not in apps.enabled_apps";
    assert_eq!(skipped(&plan), [("first", "", why), ("third", "", why)]);

    let house = House::of(three_apps(), |config| config.apps.enabled_apps = Some(vec!["second".to_owned()])).await;
    say_to(&house).await.unwrap();
    assert_eq!(house.client().await.unary(Order::default()).await.unwrap_err().code(), Code::Unimplemented);
}

#[test]
fn an_unknown_label_is_an_error_that_names_the_labels() {
    let problems = plan(three_apps(), |config| {
        config.apps.enabled_apps = Some(vec!["first".to_owned(), "secnod".to_owned()]);
    });
    let problems = problems.unwrap_err().join("\n");
    assert!(
        problems.starts_with("apps.enabled_apps: there is no app \"secnod\"; did you mean \"second\"?"),
        "{problems}"
    );
    assert!(problems.ends_with("the site's apps are first, second, third"), "{problems}");
}

#[test]
fn custom_services_names_them_by_full_name_or_by_implementation() {
    for wanted in ["extra.Extra", EXTRA] {
        let plan = plan(three_apps(), |config| {
            config.apps.auto_register_apps = false;
            config.apps.custom_services.insert("extra".to_owned(), wanted.to_owned());
        })
        .unwrap();
        assert_eq!(names(&plan), ["extra.Extra"], "{wanted}");
        let (app, name, why) = skipped(&plan)[0];
        assert_eq!((app, name), ("first", "trial.v1.Trial"));
        assert!(why.contains("apps.custom_services"), "{why}");
    }
    let none = plan(three_apps(), |config| config.apps.auto_register_apps = false).unwrap();
    assert!(names(&none).is_empty());
}

#[test]
fn an_unknown_custom_service_is_an_error_that_names_the_services() {
    let problems = plan(three_apps(), |config| {
        config.apps.auto_register_apps = false;
        config.apps.custom_services.insert("mine".to_owned(), "extra.Extr".to_owned());
    });
    let want =
        "apps.custom_services.mine: there is no service extra.Extr; the services are: trial.v1.Trial, extra.Extra";
    assert_eq!(problems.unwrap_err(), [want]);
}

#[test]
fn a_stock_service_belongs_to_its_app_like_any_other() {
    let site = || {
        let mut site = three_apps();
        let (_, health) = tonic_health::server::health_reporter();
        site.within("second", |site| {
            site.tonic_service(health);
        });
        site
    };
    let all = plan(site(), |_| ()).unwrap();
    assert_eq!(names(&all), ["trial.v1.Trial", "extra.Extra", "grpc.health.v1.Health"]);
    assert_eq!(all.services[2].found.app, "second");
    let first = plan(site(), |config| config.apps.enabled_apps = Some(vec!["first".to_owned()])).unwrap();
    assert_eq!(names(&first), ["trial.v1.Trial"]);
    let custom = plan(site(), |config| {
        config.apps.auto_register_apps = false;
        config.apps.custom_services.insert("health".to_owned(), "grpc.health.v1.Health".to_owned());
    });
    assert_eq!(names(&custom.unwrap()), ["grpc.health.v1.Health"]);
}

#[tokio::test]
async fn what_grpc_handlers_registers_belongs_to_its_app() {
    fn grpc_handlers(site: &mut Site) {
        site.service("extra.Extra", |setup| {
            assert_eq!(setup.app(), "second");
            extra(setup)
        });
    }
    let mut site = Site::new("trial", "0.0.0", DESCRIPTORS);
    site.descriptors(extra_descriptors());
    site.within("second", grpc_handlers);
    let house = House::of(site, |config| config.apps.enabled_apps = Some(vec!["second".to_owned()])).await;
    say_to(&house).await.unwrap();
    let found = &house.running.plan.services[0].found;
    assert_eq!((found.app, found.implementation), ("second", "grpc_handlers"));
}

// === what stops the start ===

#[test]
fn two_apps_that_claim_one_service_are_refused() {
    let mut site = three_apps();
    let at = "src/apps/fourth/grpc_services.rs:1";
    site.app(App::new("fourth").service("trial.v1.Trial", "Other", at, |_| Ok(v1::trial(Trial))));
    let problems = plan(site, |_| ()).unwrap_err().join("\n");
    assert!(problems.starts_with("trial.v1.Trial is served twice: by app first (src/apps/first/"), "{problems}");
    assert!(problems.contains(at), "{problems}");
}

#[test]
fn an_app_that_comes_after_one_that_is_not_there_is_refused() {
    let mut site = three_apps();
    site.app(App::new("fourth").after("first").after("frist"));
    let problems = plan(site, |_| ()).unwrap_err();
    assert_eq!(problems, ["app fourth comes after app frist, which there is not"]);
}

#[test]
fn a_service_without_a_proto_is_refused() {
    let mut site = three_apps();
    site.service("no.Proto", |_| Ok(Service::new("no.Proto")));
    let problems = plan(site, |_| ()).unwrap_err().join("\n");
    assert!(
        problems.starts_with("no.Proto is registered by ") && problems.contains("no proto declares it"),
        "{problems}"
    );
}

#[test]
fn an_interceptor_for_what_is_not_served_is_refused() {
    for only in ["trial.v1.Trial/Unry", "trial.v1.Trail", "Unary", ""] {
        let server = Server::new(three_apps()).intercept_for(only, "guard", passes);
        let problems = Plan::of(&server, &config(|_| ())).unwrap_err().join("\n");
        let want = format!(
            "interceptor guard is for {only}, which is not served; the services are: trial.v1.Trial, extra.Extra, steeple.auth.v1.AuthService"
        );
        assert_eq!(problems, want);
    }
}

#[test]
fn every_contradiction_is_told_at_once() {
    let server = Server::new(three_apps()).intercept_for("no.Such", "guard", passes);
    let config = config(|config| config.apps.enabled_apps = Some(vec!["one".to_owned(), "two".to_owned()]));
    assert_eq!(Plan::of(&server, &config).unwrap_err().len(), 2);
}

/// The sentence of the start's end, and whether somebody still listens where it would have.
async fn start(site: Site) -> (StartError, bool) {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let folder = tempfile::tempdir().unwrap();
    let config = trial::config(&folder, |config| config.server.grpc = address.to_string());
    let error = Server::new(site).start(config).await.expect_err("the start is stopped");
    (error, TcpStream::connect(address).await.is_ok())
}

#[tokio::test]
async fn a_service_that_cannot_be_made_stops_the_start_and_nobody_listens() {
    let mut site = Site::new("trial", "0.0.0", DESCRIPTORS);
    site.service("trial.v1.Trial", |_| Err(Error::failed_precondition("the price feed is missing").because("no file")));
    let (error, listens) = start(site).await;
    assert_eq!(error.to_string(), "service trial.v1.Trial could not be made: the price feed is missing: no file");
    assert!(!listens);
}

#[tokio::test]
async fn a_service_that_lacks_a_method_or_has_one_too_many_or_is_another_stops_the_start() {
    let mut lacks = Site::new("trial", "0.0.0", DESCRIPTORS);
    lacks.service("trial.v1.Trial", |_| Ok(Service::new("trial.v1.Trial").unary("/trial.v1.Trial/Unary", say)));
    let mut more = Site::new("trial", "0.0.0", DESCRIPTORS);
    more.service("trial.v1.Trial", |_| Ok(v1::trial(Trial).unary("/trial.v1.Trial/Extra", say)));
    let mut other = Site::new("trial", "0.0.0", DESCRIPTORS);
    other.service("trial.v1.Trial", |_| Ok(Service::new("extra.Extra")));
    for (site, want) in [
        (lacks, "service trial.v1.Trial could not be made: it does not serve /trial.v1.Trial/Collect"),
        (more, "it serves /trial.v1.Trial/Extra, which its proto does not declare"),
        (other, "its maker made extra.Extra instead"),
    ] {
        let (error, listens) = start(site).await;
        assert!(error.to_string().ends_with(want), "{error}");
        assert!(!listens);
    }
}

#[tokio::test]
async fn descriptors_that_do_not_decode_are_refused() {
    let site = Site::new("trial", "0.0.0", b"\xff\xff no descriptors");
    let problems = plan(site, |_| ()).unwrap_err();
    assert!(problems[0].starts_with("the site's descriptors do not decode"), "{problems:?}");
}

#[tokio::test]
async fn a_name_to_skip_in_the_log_that_is_no_service_or_method_is_refused() {
    for (name, known) in [
        ("trial.v1.Trial", true),
        ("trial.v1.Trial/Unary", true),
        ("grpc.health.v1.Health/Check", true),
        ("trial.v1.Trial/Missing", false),
        ("Unary", false),
    ] {
        let problems = plan(trial::site(), |config| {
            config.server.health = false;
            config.log.skip = vec![name.to_owned()];
        });
        match problems {
            Ok(_) => assert!(known, "{name}"),
            Err(problems) => {
                assert!(!known && problems[0].starts_with(&format!("log.skip names {name},")), "{problems:?}");
            }
        }
    }
}
