//! Every access against every caller, for every shape of method.

use steeple::{Access, Code};

use super::callers::{PERMISSION, SCOPE, SHAPES, Sent, call, house, key, user};

/// Callers, in the order of the columns below.
const CALLERS: [&str; 10] = [
    "anonymous",
    "plain",
    "staff",
    "superuser",
    "permitted",
    "inactive",
    "key of plain",
    "key of superuser",
    "key with the scope",
    "key for something else",
];

const OK: Code = Code::Ok;
/// UNAUTHENTICATED
const WHO: Code = Code::Unauthenticated;
/// PERMISSION_DENIED
const NO: Code = Code::PermissionDenied;

/// Each access, and what becomes of each caller.
fn matrix() -> [(Access, [Code; 10]); 6] {
    [
        (Access::Public, [OK, OK, OK, OK, OK, WHO, OK, OK, NO, NO]),
        (Access::Authenticated, [WHO, OK, OK, OK, OK, WHO, OK, OK, NO, NO]),
        (Access::Staff, [WHO, NO, OK, OK, NO, WHO, NO, OK, NO, NO]),
        (Access::Superuser, [WHO, NO, NO, OK, NO, WHO, NO, OK, NO, NO]),
        (Access::permission(PERMISSION), [WHO, NO, NO, OK, OK, WHO, NO, OK, NO, NO]),
        // A scope is asked for by its own name: a key for the method alone does not have it.
        (Access::scope(SCOPE), [WHO, OK, OK, OK, OK, WHO, OK, NO, OK, NO]),
    ]
}

#[tokio::test]
async fn everybody_is_let_in_or_turned_away_as_the_rule_says() {
    for (access, expected) in matrix() {
        let house = house(access.clone()).await;
        let users = house.running.identity().users.clone();
        let (plain_id, plain) = user(&house, "plain", |_| ()).await;
        let (_, staff) = user(&house, "staff", |new| new.is_staff = true).await;
        let (superuser_id, superuser) = user(&house, "superuser", |new| new.is_superuser = true).await;
        let (permitted_id, permitted) = user(&house, "permitted", |_| ()).await;
        users.create_group("viewers").await.unwrap();
        users.grant_to_group("viewers", PERMISSION).await.unwrap();
        users.add_to_group(permitted_id, "viewers").await.unwrap();
        let (inactive_id, inactive) = user(&house, "inactive", |_| ()).await;
        users.set_active(inactive_id, false).await.unwrap();
        let (_, plain_key) = key(&house, plain_id, &["*"]).await;
        let (_, superuser_key) = key(&house, superuser_id, &["trial.v1.Trial"]).await;
        let (_, scope_key) = key(&house, plain_id, &[SCOPE]).await;
        let (_, other_key) = key(&house, superuser_id, &["other.Service", "other:write"]).await;
        let sent: [Sent; 10] =
            [vec![], plain, staff, superuser, permitted, inactive, plain_key, superuser_key, scope_key, other_key];
        let names = [
            "nobody",
            "plain",
            "staff",
            "superuser",
            "permitted",
            "inactive",
            "plain",
            "superuser",
            "plain",
            "superuser",
        ];

        let channel = house.channel().await;
        for shape in SHAPES {
            for at in 0..CALLERS.len() {
                let ended = call(&channel, shape, &sent[at]).await;
                let code = ended.as_ref().map_or_else(tonic::Status::code, |_| Code::Ok);
                assert_eq!(code, expected[at], "{} calls {shape}, which is {access}: {ended:?}", CALLERS[at]);
                if let (Ok(seen), true) = (ended, shape != "Collect") {
                    assert_eq!(seen, names[at], "{} calls {shape}, which is {access}", CALLERS[at]);
                }
            }
        }
        house.close().await;
    }
}

#[tokio::test]
async fn a_row_says_who_called_and_a_refused_call_has_one() {
    let house = house(Access::Authenticated).await;
    let (user_id, token) = user(&house, "ada", |_| ()).await;
    let (key_id, api_key) = key(&house, user_id, &["*"]).await;
    let channel = house.channel().await;
    call(&channel, "Unary", &token).await.unwrap();
    call(&channel, "Unary", &api_key).await.unwrap();
    call(&channel, "Unary", &vec![]).await.unwrap_err();
    let wrong = vec![("x-api-key", format!("{}x", api_key[0].1))];
    call(&channel, "Unary", &wrong).await.unwrap_err();
    let mut rows = house.close().await;
    rows.sort_by_key(|row| row.created_at);
    let seen: Vec<_> = rows
        .iter()
        .map(|row| (row.user_id, row.api_key_id, row.is_authenticated, row.grpc_status_code.as_deref().unwrap()))
        .collect();
    assert_eq!(
        seen,
        [
            (Some(user_id), None, true, "OK"),
            (Some(user_id), Some(key_id), true, "OK"),
            (None, None, false, "UNAUTHENTICATED"),
            (None, None, false, "UNAUTHENTICATED"),
        ]
    );
    let secret = api_key[0].1.rsplit('_').next().unwrap();
    assert!(rows.iter().all(|row| !format!("{row:?}").contains(secret)));
}

#[tokio::test]
async fn what_is_taken_away_is_gone_at_the_next_call() {
    let house = house(Access::permission(PERMISSION)).await;
    let identity = house.running.identity().clone();
    let (id, token) = user(&house, "ada", |_| ()).await;
    let (key_id, api_key) = key(&house, id, &["*"]).await;
    let channel = house.channel().await;
    let code = async |sent: &Sent| super::callers::code(&channel, sent).await;
    assert_eq!(code(&token).await, NO);
    identity.users.grant(id, PERMISSION).await.unwrap();
    assert_eq!((code(&token).await, code(&api_key).await), (OK, OK));
    identity.users.revoke(id, PERMISSION).await.unwrap();
    assert_eq!((code(&token).await, code(&api_key).await), (NO, NO));
    identity.users.grant(id, PERMISSION).await.unwrap();
    identity.keys.revoke(key_id).await.unwrap();
    assert_eq!((code(&token).await, code(&api_key).await), (OK, WHO));
    identity.users.set_active(id, false).await.unwrap();
    assert_eq!(code(&token).await, WHO);
    identity.users.set_active(id, true).await.unwrap();
    assert_eq!(code(&token).await, OK);
    identity.users.delete(id).await.unwrap();
    assert_eq!(code(&token).await, WHO);
}

#[tokio::test]
async fn a_caller_who_is_known_needs_no_database() {
    let house = crate::trial::House::of(super::callers::site(Access::Authenticated), |config| {
        config.auth.public_methods.clear();
        config.auth.user_cache = std::time::Duration::from_secs(3600);
        config.auth.api_key_cache = std::time::Duration::from_secs(3600);
    })
    .await;
    let (id, token) = user(&house, "ada", |_| ()).await;
    let (_, api_key) = key(&house, id, &["*"]).await;
    let channel = house.channel().await;
    for sent in [&token, &api_key] {
        call(&channel, "Unary", sent).await.unwrap();
    }
    house.running.db().close().await;
    for sent in [&token, &api_key] {
        assert_eq!(call(&channel, "Unary", sent).await.unwrap(), "ada");
    }
    let stranger = vec![("x-api-key", "stp_abcdefgh_0123456789012345678901234567".to_owned())];
    assert_ne!(super::callers::code(&channel, &stranger).await, OK);
}
