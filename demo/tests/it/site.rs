//! A running demo over one test's database, and a client that is connected to it.

use std::sync::Arc;

use demo::pb::crypto::{GetWalletRequest, Wallet, crypto_service_client::CryptoServiceClient};
use steeple::{
    Fixed, User,
    auth::{
        NewUser,
        api_key::{NewApiKey, Scopes},
    },
    config::{Config, Environment},
    record::config::ConsoleLines,
    server::Running,
};
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint},
};

use crate::databases::Database;

/// A channel whose calls are made with a credential.
pub type Identified = InterceptedService<Channel, Credential>;

/// Sends an API key or a token; or nothing, when there is none.
#[derive(Debug, Clone, Default)]
pub struct Credential(Option<(&'static str, MetadataValue<Ascii>)>);

impl Credential {
    pub fn key(text: &str) -> Self {
        Self(Some(("x-api-key", text.parse().expect("a key is ASCII"))))
    }

    pub fn token(text: &str) -> Self {
        Self(Some(("authorization", format!("Bearer {text}").parse().expect("a token is ASCII"))))
    }

    /// This channel, with the credential.
    pub fn on(self, channel: Channel) -> Identified {
        InterceptedService::new(channel, self)
    }
}

impl Interceptor for Credential {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some((name, value)) = &self.0 {
            request.metadata_mut().insert(*name, value.clone());
        }
        Ok(request)
    }
}

pub struct Site {
    pub running: Running,
    /// Of somebody who is not logged in.
    pub channel: Channel,
    /// Of a user who has nothing but an account.
    pub tester: Identified,
    /// The same, for wallets.
    pub client: CryptoServiceClient<Identified>,
    // Dropped last: the database goes away when nobody is connected any more.
    _database: Database,
}

impl Site {
    /// Migrated, filled and serving.
    pub async fn start(database: Database) -> Self {
        Self::configured(database, |_| ()).await
    }

    pub async fn configured(database: Database, configure: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config { env: Environment::Test, database: database.config(), ..Config::default() };
        config.server.grpc = "127.0.0.1:0".into();
        config.server.http = "off".into();
        config.log.console = ConsoleLines::Off;
        config.streams.flush_interval = std::time::Duration::from_millis(20);
        configure(&mut config);
        let running = demo::server().start(config).await.expect("the demo starts");
        let endpoint = Endpoint::from_shared(format!("http://{}", running.grpc)).expect("an address is an authority");
        let channel = endpoint.connect().await.expect("it is listening");
        let nobody = Credential::default().on(channel.clone());
        let client = CryptoServiceClient::new(nobody.clone());
        let mut site = Self { running, tester: nobody, client, channel, _database: database };
        let tester = site.user("tester", NewUser::default(), &[]).await;
        site.tester = site.with_key(tester.id, &["*"]).await;
        site.client = CryptoServiceClient::new(site.tester.clone());
        site
    }

    /// A new user with this name, who was given these permissions.
    pub async fn user(&self, username: &str, new: NewUser, permissions: &[&str]) -> Arc<User> {
        let users = &self.running.identity().users;
        let id = users.create(NewUser { username: username.into(), ..new }).await.expect("a new name").id.into();
        for permission in permissions {
            users.grant(id, permission).await.expect("a permission of the demo");
        }
        users.active(id).await.expect("the database is there").expect("new users are active")
    }

    /// A channel of a user who has logged in.
    pub async fn logged_in(&self, user: &User) -> Identified {
        let pair = self.running.identity().tokens.issue(user).await.expect("a user gets tokens");
        Credential::token(pair.access.expose()).on(self.channel.clone())
    }

    /// A channel with an API key of a user.
    pub async fn with_key(&self, user_id: i64, scopes: &[&str]) -> Identified {
        Credential::key(&self.key(user_id, scopes).await).on(self.channel.clone())
    }

    /// A new API key of a user.
    pub async fn key(&self, user_id: i64, scopes: &[&str]) -> String {
        let scopes = Scopes::read(scopes).expect("scopes");
        let new = NewApiKey { scopes, ..NewApiKey::new(user_id, "tests") };
        let key = self.running.identity().keys.create(new).await.expect("an active user");
        key.text.expose().to_owned()
    }

    /// A channel of somebody who may send agents commands, all of them at once too.
    pub async fn operator(&self) -> Identified {
        let staff = NewUser { is_staff: true, ..NewUser::default() };
        let operator = self.user("operator", staff, &["crypto_streaming.change_agent"]).await;
        self.with_key(operator.id, &["*"]).await
    }

    pub fn db(&self) -> &steeple::Db {
        self.running.db()
    }

    pub fn running(&self) -> &Running {
        &self.running
    }

    pub async fn wallet(&self, owner: &str, symbol: &str) -> Wallet {
        let request = GetWalletRequest { owner: owner.into(), symbol: symbol.into() };
        let answer = self.client.clone().get_wallet(request).await.expect("a wallet of the demo data").into_inner();
        answer.wallet.expect("an answer holds its wallet")
    }

    pub async fn stop(self) {
        drop((self.client, self.tester, self.channel));
        assert_eq!(self.running.stop().await.lost, 0, "rows of the request log were lost");
    }
}

pub fn exact(text: &str) -> Fixed<8> {
    text.parse().expect("a decimal number")
}
