//! A running demo over one test's database, and a client that is connected to it.

use demo::pb::crypto::{GetWalletRequest, Wallet, crypto_service_client::CryptoServiceClient};
use steeple::{
    Fixed,
    config::{Config, Environment},
    record::config::ConsoleLines,
    server::Running,
};
use tonic::transport::{Channel, Endpoint};

use crate::databases::Database;

pub struct Site {
    running: Running,
    pub channel: Channel,
    pub client: CryptoServiceClient<Channel>,
    // Dropped last: the database goes away when nobody is connected any more.
    _database: Database,
}

impl Site {
    /// Migrated, filled and serving.
    pub async fn start(database: Database) -> Self {
        let mut config = Config { env: Environment::Test, database: database.config(), ..Config::default() };
        config.server.grpc = "127.0.0.1:0".into();
        config.server.http = "off".into();
        config.log.console = ConsoleLines::Off;
        let running = demo::server().start(config).await.expect("the demo starts");
        let endpoint = Endpoint::from_shared(format!("http://{}", running.grpc)).expect("an address is an authority");
        let channel = endpoint.connect().await.expect("it is listening");
        Self { running, client: CryptoServiceClient::new(channel.clone()), channel, _database: database }
    }

    pub async fn wallet(&self, owner: &str, symbol: &str) -> Wallet {
        let request = GetWalletRequest { owner: owner.into(), symbol: symbol.into() };
        let answer = self.client.clone().get_wallet(request).await.expect("a wallet of the demo data").into_inner();
        answer.wallet.expect("an answer holds its wallet")
    }

    pub async fn stop(self) {
        drop((self.client, self.channel));
        assert_eq!(self.running.stop().await.lost, 0, "rows of the request log were lost");
    }
}

pub fn exact(text: &str) -> Fixed<8> {
    text.parse().expect("a decimal number")
}
