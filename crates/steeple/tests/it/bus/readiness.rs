//! What a server says of its bus.

use std::time::Duration;

use steeple::Server;

use super::{LONG, broker::Broker, config};
use crate::{
    health::status,
    trial::{self, House, site},
};

async fn says(house: &House, code: u16, text: &str) {
    let http = house.running.http.unwrap();
    let said = async {
        loop {
            let answer = status(http, "/readyz").await;
            if answer.0 == code && answer.1.contains(text) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(LONG, said).await.is_ok(), "{:?}", status(http, "/readyz").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readyz_tells_that_the_bus_is_away() {
    let Some(mut broker) = Broker::stopped("") else { return };
    let bus = steeple::bus::Config { connect_timeout: Duration::from_millis(100), ..config(&broker.url()) };
    let house = House::configured(|config| config.bus = bus).await;
    says(&house, 200, "ready\nbus: away: ").await;
    broker.run().await;
    says(&house, 200, "ready\nbus: connected\n").await;
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_that_needs_the_bus_is_not_ready_without() {
    let Some(mut broker) = Broker::start().await else { return };
    let bus = steeple::bus::Config { required: true, ..config(&broker.url()) };
    let often = |server: Server| server.check_health_every(Duration::from_millis(20));
    let house = House::with(often, |config| config.bus = bus.clone()).await;
    says(&house, 200, "bus: connected").await;
    broker.kill();
    says(&house, 503, "not ready: the bus is away: ").await;
    broker.run().await;
    says(&house, 200, "bus: connected").await;
    house.close().await;
    broker.kill();
    let folder = tempfile::tempdir().unwrap();
    let refused = Server::new(site()).start(trial::config(&folder, |config| config.bus = bus)).await.unwrap_err();
    assert!(refused.to_string().contains("the bus's broker cannot be reached"), "{refused}");
}
