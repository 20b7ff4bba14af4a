//! What one app publishes, others receive: after the commit, in order, and whatever else goes wrong.

mod committed;
mod delivered;

use std::sync::{Arc, Mutex};

use steeple::{App, Config, Context, Result, Setup, Site};
use tokio::sync::mpsc;

use crate::{
    context::unary_only,
    trial::{
        DESCRIPTORS, House,
        pb::trial::v1::{Order, Report},
    },
};

/// An event.
#[derive(Debug)]
struct Placed(i64);

/// Another one.
#[derive(Debug)]
struct Shipped(i64);

/// What a receiver heard, in order.
type Heard = mpsc::UnboundedReceiver<i64>;

/// An app with a receiver that says what it hears.
fn listening(label: &'static str) -> (App, Heard) {
    let (say, heard) = mpsc::unbounded_channel();
    let receive = move |event: Arc<Placed>, _: Setup| {
        let say = say.clone();
        async move {
            say.send(event.0).ok();
            Ok(())
        }
    };
    (App::new(label).receive(receive), heard)
}

/// A running site with these apps, whose method Unary is this, and what its services are given.
async fn site<U, W>(apps: Vec<App>, unary: U, configure: impl FnOnce(&mut Config)) -> (House, Setup)
where
    U: Fn(Context, Order) -> W + Clone + Send + Sync + 'static,
    W: Future<Output = Result<Report>> + Send + 'static,
{
    let given = Arc::new(Mutex::new(None));
    let mut site = Site::new("trial", "0.0.0", DESCRIPTORS);
    for app in apps {
        site.app(app);
    }
    let give = given.clone();
    site.service("trial.v1.Trial", move |setup| {
        *give.lock().unwrap() = Some(setup.clone());
        Ok(unary_only(unary.clone()))
    });
    let house = House::of(site, configure).await;
    let setup = given.lock().unwrap().take().unwrap();
    (house, setup)
}

async fn unused(_: Context, _: Order) -> Result<Report> {
    Ok(Report::default())
}
