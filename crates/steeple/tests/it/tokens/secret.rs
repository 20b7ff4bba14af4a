//! The site's secret key: given, or kept by the database.

use steeple::{
    Config, Server,
    config::Environment,
    db::Db,
    server::{Running, StartError},
};

use super::now;
use crate::{
    databases::{Database, on_every_database},
    login::doors::Doors,
    trial,
};

async fn start(database: &Database, configure: impl FnOnce(&mut Config)) -> Result<Running, StartError> {
    let folder = tempfile::tempdir().unwrap();
    let config = trial::config(&folder, |config| {
        config.database = database.config();
        configure(config);
    });
    Server::new(trial::site()).start(config).await
}

on_every_database! {
    async fn processes_that_start_together_share_the_one_the_database_keeps(database: Database) {
        let (one, two, three, four) =
            tokio::join!(start(&database, |_| ()), start(&database, |_| ()), start(&database, |_| ()), start(&database, |_| ()));
        let running = [one, two, three, four].map(|started| started.expect("it starts"));
        let user = crate::login::user(running[0].db(), "ada").await;
        let pair = Doors::of(&running[0]).log_in("ada", crate::login::PASSWORD).await;
        for process in &running {
            let verified = Doors::of(process).verify(&pair.access_token).await;
            assert_eq!(verified["user_id"], user.id);
        }
        drop(running);
        let again = start(&database, |_| ()).await.unwrap();
        assert_eq!(Doors::of(&again).verify(&pair.access_token).await["user_id"], user.id, "also after a restart");

        let given = start(&database, |config| config.auth.secret_key = Some(steeple::auth::Secret::new(super::SECRET))).await.unwrap();
        let (status, _) = Doors::of(&given).post("verify", &serde_json::json!({ "token": pair.access_token })).await;
        assert_eq!(status, 401, "the configuration's weighs more");
        let mut claims = super::claims();
        claims["user_id"] = user.id.into();
        assert!(now() < claims["exp"].as_i64().unwrap());
        assert_eq!(Doors::of(&given).verify(&super::token(&claims)).await["user_id"], user.id);
    }
}

#[tokio::test]
async fn production_makes_none() {
    let database = Database::sqlite().await.unwrap();
    let db: Db = database.connect().await;
    Server::new(trial::site()).migrate(&db, Environment::Test).await.unwrap();
    let refused = start(&database, |config| config.env = Environment::Production).await.unwrap_err();
    assert!(refused.to_string().starts_with("auth.secret_key: must be set in production"), "{refused}");
    let key = steeple::auth::Secret::new(super::SECRET);
    start(&database, |config| (config.env, config.auth.secret_key) = (Environment::Production, Some(key)))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_site_with_a_key_that_cannot_be_used_does_not_start() {
    let database = Database::sqlite().await.unwrap();
    let refused = start(&database, |config| config.auth.jwt_algorithm = "ES256".to_owned()).await.unwrap_err();
    assert_eq!(refused.to_string(), "auth.jwt_signing_key: is needed to sign with ES256: a private key in PEM");
}
