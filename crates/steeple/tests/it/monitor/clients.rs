//! Connected clients over HTTP, as the streams have left them in the database.

use super::*;
use crate::streams::fleet::{Fleet, until};

#[tokio::test]
async fn clients_are_listed_with_what_happened_to_them() {
    let Fleet { house, hub } = Fleet::open().await;
    let fleet = Fleet { house, hub };
    let mut boats = Vec::new();
    for name in ["ada:1", "bob", "eve"] {
        boats.push(fleet.boat(name).await);
    }
    let staff = user(&fleet.house, "staff", true, false).await;
    let (cookie, _) = session(&fleet.house, staff).await;
    let address = fleet.house.running.http.unwrap();
    let ask = async |path: &str| send(address, "GET", &format!("/cfg/grpc/{path}"), &cookie, "").await;
    let count = async |filter: &str| ask(&format!("connections/?{filter}")).await.json()["count"].as_u64().unwrap();
    until("all are on record", async || count("status=connected").await == 3).await;
    assert_eq!(count("service=fleet&client=ada%3A").await, 1);
    assert_eq!(count("service=no.such").await, 0);
    assert_eq!(count("client=%25").await, 0, "a per cent sign is itself");
    assert_eq!(count("status=disconnected").await, 0);
    assert_eq!(count("user_id=99").await, 0);
    let page = ask("connections/?page=2&page_size=2").await.json();
    assert_eq!(
        (&page["pages"], &page["has_next"], &page["results"].as_array().unwrap().len()),
        (&2.into(), &false.into(), &1)
    );
    ask("connections/?page=3&page_size=2").await.problem(404);
    ask("connections/?status=gone").await.problem(400);

    drop(boats.remove(0));
    until("one has left", async || count("status=disconnected").await == 1).await;
    let ada = ask("connections/fleet/ada%3A1/").await.json();
    assert_eq!((&ada["client_id"], &ada["is_online"]), (&"ada:1".into(), &false.into()));
    let kinds: Vec<_> = ada["events"].as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"connected") && kinds.contains(&"disconnected"), "{kinds:?}");
    assert_eq!(ask("connections/fleet/ada%3A1/?limit=1").await.json()["events"].as_array().unwrap().len(), 1);
    assert_eq!(ask("connections/fleet/bob/").await.json()["is_online"], true);
    for nobody in ["connections/fleet/nobody/", "connections/other/bob/", "connections/fleet/%25/"] {
        ask(nobody).await.problem(404);
    }
}
