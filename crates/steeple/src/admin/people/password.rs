//! Passwords: one's own, for which the old one is asked, and others'.

use axum::{
    http::{HeaderValue, header},
    response::Response,
};
use minijinja::context;

use super::{
    users,
    users::{found, is_for_the_form, may_change, may_let_in, new_password, told},
};
use crate::{
    admin::asked::Asked,
    audit::{Action, Entry},
    auth::{Secret, tables::user},
    error::{Error, Result},
};

/// `GET /password`.
pub(in crate::admin) async fn own(asked: Asked) -> Result<Response> {
    page(&asked, None, None)
}

fn page(asked: &Asked, of: Option<&user::Model>, error: Option<Error>) -> Result<Response> {
    let (status, failed, wrong) = told(error);
    let path = of.map_or_else(|| "/password".to_owned(), |user| format!("/users/{}/password", user.id));
    let title = of.map_or_else(|| "Change your password".to_owned(), |user| format!("Password of {}", user.username));
    let values = context! {
        own => of.is_none(),
        username => of.map_or(&asked.user().username, |user| &user.username),
        failed => failed,
        wrong => wrong,
        action => asked.to(&path),
        back => asked.to(&of.map_or_else(|| "/".to_owned(), |user| format!("/users/{}", user.id))),
    };
    asked.page_with(status, "password.html", &title, values)
}

/// `POST /password`: every other session of theirs ends.
pub(in crate::admin) async fn set_own(asked: Asked) -> Result<Response> {
    match changed(&asked).await {
        Ok(cookie) => {
            let mut response = asked.done("/", "Your password is changed. You are logged out everywhere else.");
            response.headers_mut().append(header::SET_COOKIE, cookie);
            Ok(response)
        }
        Err(error) if is_for_the_form(&error) => page(&asked, None, Some(error)),
        Err(error) => Err(error),
    }
}

async fn changed(asked: &Asked) -> Result<HeaderValue> {
    let (user, identity) = (asked.user(), &asked.admin().inside().identity);
    let right = identity.login.is_password(&user.username, asked.form.get("old"), asked.shell.from).await?;
    if !right {
        return Err(Error::invalid("old", "is not your password"));
    }
    let row = users(asked).by_id(user.id).await?.ok_or_else(|| Error::not_found("user", user.id))?;
    set(asked, &row, Whose::Own).await?;
    // The one who changed it stays.
    Ok(identity.sessions.begin(user.id).await?.cookie)
}

/// `GET /users/{id}/password`.
pub(in crate::admin) async fn of_another(asked: Asked) -> Result<Response> {
    let user = found(&asked).await?;
    may_change(&asked, &user)?;
    may_let_in(&asked, users(&asked), user.id.into()).await?;
    page(&asked, Some(&user), None)
}

/// `POST /users/{id}/password`.
pub(in crate::admin) async fn set_of_another(asked: Asked) -> Result<Response> {
    let user = found(&asked).await?;
    may_change(&asked, &user)?;
    match set(&asked, &user, Whose::Anothers).await {
        Ok(()) => Ok(asked.done(&format!("/users/{}", user.id), &format!("{} has another password.", user.username))),
        Err(error) if is_for_the_form(&error) => page(&asked, Some(&user), Some(error)),
        Err(error) => Err(error),
    }
}

/// Whose password is set.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Own,
    Anothers,
}

/// Sets the password that the form has.
async fn set(asked: &Asked, user: &user::Model, whose: Whose) -> Result<()> {
    let about = [
        ("username", user.username.as_str()),
        ("first name", &user.first_name),
        ("last name", &user.last_name),
        ("email address", &user.email),
    ];
    let password = new_password(&asked.form, &about, false)?;
    let (all, db) = (users(asked), &asked.admin().inside().db);
    db.transaction(async |tx| {
        let users = all.on(&tx);
        if whose == Whose::Anothers {
            // As they are now: they may have been given more since the page was made.
            let now = users.locked(user.id.into()).await?.ok_or_else(|| Error::not_found("user", user.id))?;
            may_change(asked, &now)?;
            may_let_in(asked, &users, user.id.into()).await?;
        }
        users.set_password(user.id.into(), password.as_ref().map(Secret::expose)).await?;
        Entry::new(asked.user(), Action::Password, "auth.user", user.id, &user.username).write(&tx).await
    })
    .await?;
    all.forget(user.id.into());
    Ok(())
}
