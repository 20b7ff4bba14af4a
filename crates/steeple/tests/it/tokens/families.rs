//! Refresh tokens: each is good once, and a second use ends the login it came from.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;
use sea_orm::{ConnectionTrait as _, Statement};
use steeple::{
    Code, Db, Result,
    auth::{self, Config, NewUser, Pair, Secret, Tokens, Users},
    db::migrate,
};
use tokio_util::sync::CancellationToken;

use super::{SECRET, user};
use crate::databases::{Database, on_every_database};

/// The tokens of a site over this database, which has its tables.
pub async fn tokens(database: &Database, config: &Config) -> Tokens {
    let db = database.connect().await;
    migrate::up(&db, &auth::migrations::migrations()).await.unwrap();
    Tokens::new(db, config, &Secret::new(SECRET)).unwrap()
}

async fn refresh(tokens: &Tokens, pair: &Pair) -> Result<Pair> {
    tokens.rotate(tokens.verify_refresh(pair.refresh.expose())?).await
}

fn unauthenticated(result: Result<Pair>) {
    let error = result.expect_err("refused");
    assert_eq!((error.code(), error.message()), (Code::Unauthenticated, "the token is not valid"));
}

async fn count(db: &Db) -> i64 {
    let sql = "SELECT COUNT(*) AS n FROM steeple_refresh_token";
    let row = db.query_one_raw(Statement::from_string(db.backend(), sql)).await.unwrap().unwrap();
    row.try_get("", "n").unwrap()
}

on_every_database! {
    async fn each_is_good_once_and_a_second_use_ends_the_login(database: Database) {
        let tokens = tokens(&database, &Config::default()).await;
        let first = tokens.issue(&user(7)).await.unwrap();
        let other = tokens.issue(&user(7)).await.unwrap();
        let second = refresh(&tokens, &first).await.unwrap();
        let third = refresh(&tokens, &second).await.unwrap();
        assert!(tokens.is_alive(&tokens.verify_refresh(third.refresh.expose()).unwrap()).await.unwrap());
        for pair in [&first, &second] {
            assert!(!tokens.is_alive(&tokens.verify_refresh(pair.refresh.expose()).unwrap()).await.unwrap());
        }

        unauthenticated(refresh(&tokens, &second).await);
        for pair in [&third, &second, &first] {
            unauthenticated(refresh(&tokens, pair).await);
        }
        let next = refresh(&tokens, &other).await.expect("another login of the same user is not concerned");
        tokens.verify_access(next.access.expose()).unwrap();
    }

    async fn another_password_ends_every_login_of_its_user(database: Database) {
        let config = Config::default();
        let tokens = tokens(&database, &config).await;
        let users = Users::new(database.connect().await, &config);
        let id = users.create(NewUser { username: "ada".to_owned(), ..NewUser::default() }).await.unwrap().id;
        let mine = [tokens.issue(&user(id.into())).await.unwrap(), tokens.issue(&user(id.into())).await.unwrap()];
        let other = tokens.issue(&user(i64::from(id) + 1)).await.unwrap();

        users.set_password(id.into(), Some("another one, 42")).await.unwrap();
        for pair in &mine {
            unauthenticated(refresh(&tokens, pair).await);
        }
        refresh(&tokens, &other).await.expect("another user is not concerned");
        let after = tokens.issue(&user(id.into())).await.unwrap();
        refresh(&tokens, &after).await.expect("a login after the change");
    }

    async fn of_many_uses_at_once_exactly_one_wins(database: Database) {
        // As many processes, each with a pool of its own.
        let mut sites = vec![];
        for _ in 0..4 {
            sites.push(tokens(&database, &Config::default()).await);
        }
        for _ in 0..5 {
            let pair = sites[0].issue(&user(7)).await.unwrap();
            let uses: Vec<_> = (0..24)
                .map(|at| {
                    let (tokens, pair) = (sites[at % sites.len()].clone(), pair.clone());
                    tokio::spawn(async move { refresh(&tokens, &pair).await })
                })
                .collect();
            let mut winners = vec![];
            for used in uses {
                match used.await.unwrap() {
                    Ok(pair) => winners.push(pair),
                    refused => unauthenticated(refused),
                }
            }
            assert_eq!(winners.len(), 1);
            // The others had it too, so one of them is a thief; which one nobody can know.
            unauthenticated(refresh(&sites[1], &winners[0]).await);
        }
    }

    async fn logging_out_ends_the_login_with_whichever_of_its_tokens(database: Database) {
        let tokens = tokens(&database, &Config::default()).await;
        for with_the_last in [true, false] {
            let first = tokens.issue(&user(7)).await.unwrap();
            let second = refresh(&tokens, &first).await.unwrap();
            let said = if with_the_last { &second } else { &first };
            let said = tokens.verify_refresh(said.refresh.expose()).unwrap();
            for _ in 0..2 {
                tokens.revoke(&said).await.expect("again is no error");
            }
            unauthenticated(refresh(&tokens, &second).await);
        }
    }

    async fn rows_go_when_their_last_token_has_long_expired(database: Database) {
        let tokens = tokens(&database, &Config::default()).await;
        let db = database.connect().await;
        for _ in 0..3 {
            tokens.issue(&user(7)).await.unwrap();
        }
        let rows = "UPDATE steeple_refresh_token SET expires_at = '2026-01-01 00:00:00.000000'";
        let rows = if db.backend() == sea_orm::DbBackend::Postgres { format!("{rows}::timestamptz") } else { rows.to_owned() };
        db.execute_unprepared(&rows).await.unwrap();
        let last = tokens.issue(&user(7)).await.unwrap();
        assert_eq!(count(&db).await, 4);
        let end = CancellationToken::new();
        let sweep = tokio::spawn(tokens.clone().sweep(end.clone()));
        while count(&db).await > 1 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        end.cancel();
        sweep.await.unwrap();
        refresh(&tokens, &last).await.expect("what has not expired is left");
    }
}

#[tokio::test]
async fn one_that_was_not_made_here_is_refused() {
    let (here, elsewhere) = (Database::sqlite().await.unwrap(), Database::sqlite().await.unwrap());
    let (here, elsewhere) = (tokens(&here, &Config::default()).await, tokens(&elsewhere, &Config::default()).await);
    let pair = elsewhere.issue(&user(7)).await.unwrap();
    here.verify_access(pair.access.expose()).expect("the same secret signed it");
    unauthenticated(refresh(&here, &pair).await);
    refresh(&elsewhere, &pair).await.unwrap();

    // simplejwt's own have no family.
    let foreign = super::token(&super::with("token_type", "refresh".into()));
    assert_eq!(here.verify_refresh(&foreign).unwrap_err().code(), Code::Unauthenticated);
}

#[tokio::test]
async fn no_token_is_kept() {
    let database = Database::sqlite().await.unwrap();
    let tokens = tokens(&database, &Config::default()).await;
    let pair = tokens.issue(&user(7)).await.unwrap();
    let next = refresh(&tokens, &pair).await.unwrap();
    let db = database.connect().await;
    db.close().await;
    let path = database.url().trim_start_matches("sqlite://").to_owned();
    for file in [path.clone(), format!("{path}-wal")] {
        let bytes = std::fs::read(file).unwrap_or_default();
        for token in [&pair.access, &pair.refresh, &next.access, &next.refresh] {
            let signature = token.expose().rsplit('.').next().unwrap();
            assert!(!bytes.windows(signature.len()).any(|window| window == signature.as_bytes()));
        }
    }
}

/// What a user and a thief may do with the tokens of a few logins.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Uses the token that was given out as this one, of this login.
    Refresh(u8, u8),
    LogOut(u8, u8),
    LogIn,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (any::<u8>(), any::<u8>()).prop_map(|(login, at)| Step::Refresh(login, at)),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(login, at)| Step::LogOut(login, at)),
        2 => Just(Step::LogIn),
    ]
}

/// The rule, without a database: the last token of a login that has not ended is good, and using any other ends it.
#[derive(Default)]
struct Logins(BTreeMap<usize, (Vec<Pair>, bool)>);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_order_only_the_last_token_of_a_login_is_good() {
    let database = Database::sqlite().await.unwrap();
    let tokens = tokens(&database, &Config::default()).await;
    let runtime = tokio::runtime::Handle::current();
    let run = |steps: Vec<Step>| {
        tokio::task::block_in_place(|| {
            runtime.block_on(async {
                let mut logins = Logins::default();
                logins.0.insert(0, (vec![tokens.issue(&user(7)).await.unwrap()], true));
                for step in steps {
                    let of = |login: u8, at: u8, logins: &Logins| {
                        let login = usize::from(login) % logins.0.len();
                        // The last ones more often.
                        let given = logins.0[&login].0.len();
                        (login, given - 1 - (usize::from(at) / 64).min(given - 1))
                    };
                    match step {
                        Step::LogIn => {
                            let next = logins.0.len();
                            logins.0.insert(next, (vec![tokens.issue(&user(7)).await.unwrap()], true));
                        }
                        Step::Refresh(login, at) => {
                            let (login, at) = of(login, at, &logins);
                            let (given, good) = logins.0.get_mut(&login).unwrap();
                            let expected = *good && at + 1 == given.len();
                            match refresh(&tokens, &given[at]).await {
                                Ok(pair) => {
                                    assert!(expected, "token {at} of {} was accepted", given.len());
                                    given.push(pair);
                                }
                                Err(error) => {
                                    assert!(!expected, "{}", error.for_log());
                                    *good = false;
                                }
                            }
                        }
                        Step::LogOut(login, at) => {
                            let (login, at) = of(login, at, &logins);
                            let (given, good) = logins.0.get_mut(&login).unwrap();
                            let claims = tokens.verify_refresh(given[at].refresh.expose()).unwrap();
                            tokens.revoke(&claims).await.unwrap();
                            *good = false;
                        }
                    }
                }
            });
        });
    };
    proptest!(ProptestConfig::with_cases(24), |(steps in prop::collection::vec(step(), 1..24))| {
        run(steps);
    });
}
