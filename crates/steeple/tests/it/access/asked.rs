//! What a method can ask of its caller (`get_user`, `require_staff` and their kin of the seeds).

use std::sync::Arc;

use steeple::{Code, Context, Db, Principal, User, method::Method};

fn user(is_staff: bool, is_superuser: bool, permissions: &[&str]) -> Principal {
    Principal::User(Arc::new(User {
        id: 7,
        username: "ada".to_owned(),
        email: String::new(),
        first_name: String::new(),
        last_name: String::new(),
        is_staff,
        is_superuser,
        permissions: permissions.iter().map(|name| (*name).to_owned()).collect(),
    }))
}

/// What each question says: user, require_user, check_staff, require_staff, check_superuser, require_superuser,
/// check_permission, require_permission; `o` for yes, `u` for UNAUTHENTICATED, `d` for PERMISSION_DENIED, `-` for no.
fn asked(cx: &Context) -> String {
    let answer = |result: steeple::Result<&User>| match result.map_err(|error| error.code()) {
        Ok(_) => 'o',
        Err(Code::Unauthenticated) => 'u',
        Err(Code::PermissionDenied) => 'd',
        Err(other) => panic!("{other:?}"),
    };
    let yes = |yes: bool| if yes { 'o' } else { '-' };
    [
        yes(cx.user().is_some()),
        answer(cx.require_user()),
        yes(cx.check_staff()),
        answer(cx.require_staff()),
        yes(cx.check_superuser()),
        answer(cx.require_superuser()),
        yes(cx.check_permission("crypto.add_coin")),
        answer(cx.require_permission("crypto.add_coin")),
    ]
    .iter()
    .collect()
}

#[tokio::test]
async fn a_method_can_ask_who_calls() {
    let config = steeple::db::Config { url: "sqlite::memory:".to_owned(), ..steeple::db::Config::default() };
    let db = Db::connect(&config, 1).await.unwrap();
    let detached = || Context::detached(Method::other("/a.B/C"), http::HeaderMap::new(), db.clone());
    assert_eq!(asked(&detached()), "-u-u-u-u");
    assert_eq!(asked(&detached().of(Principal::Anonymous)), "-u-u-u-u");
    assert_eq!(asked(&detached().of(user(false, false, &[]))), "oo-d-d-d");
    assert_eq!(asked(&detached().of(user(true, false, &[]))), "oooo-d-d");
    assert_eq!(asked(&detached().of(user(false, true, &[]))), "oooooooo");
    assert_eq!(asked(&detached().of(user(false, false, &["crypto.add_coin"]))), "oo-d-doo");
    assert_eq!(asked(&detached().of(user(false, false, &["crypto.change_coin"]))), "oo-d-d-d");
}
