//! Services made from a model and a proto, through real clients, on every database.

#![expect(clippy::unwrap_used, reason = "clippy.toml allows it in test functions, and not in what they call")]

mod asking;
mod refusing;

use sea_orm::ConnectionTrait as _;
use steeple::{
    App, Code, Config, Db, ReadOnlyService, Server, Site,
    auth::Access,
    model::Op,
    server::{Running, StartError},
};
use tempfile::TempDir;
use tonic::transport::Channel;

use crate::{
    data::coin,
    databases::Database,
    trial::{self, DESCRIPTORS, pb::catalog::v1},
};
use v1::{Coin, ListCoinsRequest, coins_client::CoinsClient};

/// A running site whose catalogue has coins.
struct Shop {
    running: Running,
    _folder: TempDir,
    _database: Database,
}

/// The catalogue of coins, as a site would write it.
fn catalogue() -> ReadOnlyService {
    ReadOnlyService::of::<coin::Entity>("catalog.v1.Coins").field("place", "rank")
}

fn app(service: ReadOnlyService) -> App {
    let app = App::new("crypto").migration("0001_initial", coin::Initial).access("*", Access::Public);
    app.read_only(service)
}

fn site(app: App) -> Site {
    let mut site = Site::new("shop", "0.0.0", DESCRIPTORS);
    site.app(app);
    site
}

impl Shop {
    /// With the coins A to J, of rank 0 to 9 and price 0 to 9, every third without a rank.
    async fn open(database: Database) -> Self {
        Self::with(database, catalogue()).await
    }

    async fn with(database: Database, service: ReadOnlyService) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = config(&folder, &database);
        let running = Server::new(site(app(service))).start(config).await.expect("the site starts");
        for (at, symbol) in ["A", "B", "C", "D", "E", "F", "G", "H", "I", "J"].into_iter().enumerate() {
            insert(running.db(), symbol, at as i32).await;
        }
        Self { running, _folder: folder, _database: database }
    }

    fn db(&self) -> &Db {
        self.running.db()
    }

    async fn channel(&self) -> Channel {
        let address = format!("http://{}", self.running.grpc);
        Channel::from_shared(address).unwrap().connect().await.expect("the server answers")
    }

    async fn client(&self) -> CoinsClient<Channel> {
        CoinsClient::new(self.channel().await)
    }
}

fn config(folder: &TempDir, database: &Database) -> Config {
    trial::config(folder, |config| {
        config.database = database.config();
        config.auth.public_methods = vec![];
        (config.server.reflection, config.server.health) = (false, false);
    })
}

async fn insert(db: &Db, symbol: &str, at: i32) {
    let rank = (at % 3 != 2).then_some(at);
    let row = coin::insert(db, symbol, rank).await;
    let rows = <coin::Entity as steeple::model::Registered>::rows("crypto");
    let serde_json::Value::Object(key) = serde_json::json!({ "id": row.id }) else { unreachable!("an object") };
    let serde_json::Value::Object(change) = serde_json::json!({
        "price": format!("{at}.00000001"), "listed": at % 2 == 0, "note": (at == 4).then_some("the fifth, 100%"),
    }) else {
        unreachable!("an object")
    };
    rows.update(db, &key, &serde_json::Map::new(), &change).await.unwrap();
}

fn symbols(coins: &[Coin]) -> String {
    coins.iter().map(|coin| coin.symbol.as_str()).collect()
}

fn list() -> ListCoinsRequest {
    ListCoinsRequest::default()
}
