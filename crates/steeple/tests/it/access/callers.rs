//! A house with one rule, and everybody who may come to its door.

use steeple::{
    Access, App, Code, Site,
    auth::{
        NewUser, Secret,
        api_key::{NewApiKey, Scopes},
    },
};
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    transport::Channel,
};

use crate::trial::{
    DESCRIPTORS, House, Trial,
    pb::trial::v1::{self, Order, Report, trial_client::TrialClient},
};

/// The permission of [`Access::Permission`] in these tests, one of Django's own.
pub const PERMISSION: &str = "auth.view_user";
/// The scope of [`Access::Scope`].
pub const SCOPE: &str = "trial:write";

/// The service of the tests under one rule.
pub fn site(access: Access) -> Site {
    let mut site = Site::new("trial", "0.0.0", DESCRIPTORS);
    let app = App::new("trial").service("trial.v1.Trial", "Trial", "trial.rs", |_| Ok(v1::trial(Trial)));
    site.app(app.access("*", access));
    site
}

/// Serves it with the configuration as it comes, but for what the tests need to be quick.
pub async fn house(access: Access) -> House {
    House::of(site(access), |config| config.auth.public_methods.clear()).await
}

/// What a caller sends: metadata keys and values.
pub type Sent = Vec<(&'static str, String)>;

/// A user with a token.
pub async fn user(house: &House, username: &str, flags: impl FnOnce(&mut NewUser)) -> (i64, Sent) {
    let identity = house.running.identity();
    let mut new =
        NewUser { username: username.to_owned(), password: Some(Secret::new("pa55-word!")), ..NewUser::default() };
    flags(&mut new);
    let id = i64::from(identity.users.create(new).await.unwrap().id);
    let user = identity.users.active(id).await.unwrap().unwrap();
    let pair = identity.tokens.issue(&user).await.unwrap();
    (id, vec![("authorization", format!("Bearer {}", pair.access.expose()))])
}

/// An API key of that user.
pub async fn key(house: &House, user_id: i64, scopes: &[&str]) -> (i64, Sent) {
    let mut new = NewApiKey::new(user_id, "a key");
    new.scopes = Scopes::read(scopes).unwrap();
    let made = house.running.identity().keys.create(new).await.unwrap();
    (made.row.id, vec![("x-api-key", made.text.expose().to_owned())])
}

/// The four shapes of methods.
pub const SHAPES: [&str; 4] = ["Unary", "Collect", "Spread", "Exchange"];

/// Calls a method of that shape with these metadata: who it saw, or how it ended.
pub async fn call(channel: &Channel, shape: &str, sent: &Sent) -> Result<String, Status> {
    let mut client = TrialClient::new(channel.clone());
    let order = || Order { text: "who".to_owned(), count: 1, ..Order::default() };
    let orders = || tokio_stream::iter([order()]);
    match shape {
        "Unary" => client.unary(with(order(), sent)).await.map(|report| report.into_inner().text),
        "Collect" => client.collect(with(orders(), sent)).await.map(|_| String::new()),
        "Spread" => first(client.spread(with(order(), sent)).await?.into_inner()).await,
        _ => first(client.exchange(with(orders(), sent)).await?.into_inner()).await,
    }
}

/// How a unary call with these metadata ends.
pub async fn code(channel: &Channel, sent: &Sent) -> Code {
    call(channel, "Unary", sent).await.map_or_else(|status| status.code(), |_| Code::Ok)
}

fn with<T>(message: T, sent: &Sent) -> Request<T> {
    let mut request = Request::new(message);
    for (key, value) in sent {
        let value: MetadataValue<Ascii> = value.as_bytes().try_into().expect("a value");
        request.metadata_mut().append(*key, value);
    }
    request
}

async fn first(mut replies: tonic::Streaming<Report>) -> Result<String, Status> {
    Ok(replies.message().await?.map_or(String::new(), |report| report.text))
}
