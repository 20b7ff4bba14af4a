//! Users, groups and passwords; nobody makes more of anybody than they are themselves.

use crate::databases::on_every_database;

use super::*;

#[tokio::test]
async fn a_user_is_made_changed_and_deleted() {
    let site = site().await;
    let (_, root) = superuser(&site).await;
    root.post("/groups/new", &[("name", "Traders"), ("permission", "crypto.add_coin")]).await.is(303);
    root.post("/users/new", &[("username", "eva"), ("password", "12345678"), ("password_again", "12345678")])
        .await
        .is(400)
        .has("digits only");
    root.post("/users/new", &[("username", "eva"), ("password", "korrekt-pferd"), ("password_again", "x")])
        .await
        .is(400);
    root.post("/users/new", &[("username", "a b")]).await.is(400).has("May have letters");
    let fields =
        [("username", "eva"), ("password", "korrekt-pferd"), ("password_again", "korrekt-pferd"), ("is_staff", "on")];
    let made = root.post("/users/new", &fields).await;
    let place = made.is(303).location().strip_prefix("/admin").unwrap().to_owned();
    let form = root.get(&place).await;
    form.is(200).has("Traders").has("crypto.change_coin").lacks("argon2").lacks("pbkdf2");
    let changes = [("first_name", "Eva"), ("group", "Traders"), ("permission", "crypto.change_coin")];
    root.fill_in(&place, &form, &changes).await.is(303);
    let users = &site.running.identity().users;
    let id = users.by_username("eva").await.unwrap().unwrap().id.into();
    let eva = users.active(id).await.unwrap().unwrap();
    assert!(
        eva.has_permission("crypto.add_coin") && eva.has_permission("crypto.change_coin") && eva.first_name == "Eva"
    );
    // Who had the page open is told.
    root.fill_in(&place, &form, &[("last_name", "Mine")]).await.is(409).has("Somebody else changed this user");
    root.get("/audit?kind=auth.user").await.has("eva").has("Traders").lacks("korrekt");
    root.get(&format!("{place}/delete")).await.is(200).has("Delete user");
    root.post(&format!("{place}/delete"), &[]).await.is(303);
    root.get(&place).await.is(404);
    site.stop().await;
}

#[tokio::test]
async fn nobody_becomes_more_than_who_changes_them() {
    let site = site().await;
    let (root_user, root) = superuser(&site).await;
    let clerk = staff(
        &site,
        "deputy",
        &["auth.add_user", "auth.change_user", "auth.delete_user", "auth.change_group", "crypto.view_coin"],
    )
    .await;
    let simple = site.user("simple", NewUser::default(), &[]).await;
    let place = format!("/users/{}", simple.id);
    let form = clerk.get(&place).await;
    form.is(200).has(" disabled");
    clerk.fill_in(&place, &form, &[("permission", "crypto.delete_coin")]).await.is(403).has("do not have it yourself");
    clerk
        .fill_in(&place, &form, &[("is_superuser", "on"), ("is_staff", "on"), ("permission", "crypto.view_coin")])
        .await
        .is(303);
    let now = site.running.identity().users.by_id(simple.id).await.unwrap().unwrap();
    assert!(!now.is_superuser && !now.is_staff, "what is not theirs to give is not taken from their form");
    clerk.post("/users/new", &[("username", "new"), ("is_staff", "on")]).await.is(403);
    for path in ["", "/password", "/delete"] {
        clerk.post(&format!("/users/{}{path}", root_user.id), &[]).await.is(403).has("Only superusers");
    }
    root.post("/groups/new", &[("name", "All"), ("permission", "crypto.delete_coin")]).await.is(303);
    let form = clerk.get(&place).await;
    clerk.fill_in(&place, &form, &[("group", "All")]).await.is(403);
    // Nor does anybody shut themselves out.
    let own = format!("/users/{}", root_user.id);
    let form = root.get(&own).await;
    let mut fields = form.form();
    fields.remove("is_superuser");
    let fields: Vec<_> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
    root.post_as_is(&own, &fields).await.is(400).has("shut yourself out");
    root.post(&format!("{own}/delete"), &[]).await.is(409);
    site.stop().await;
}

/// Who gets into an account may do what it may: so only who may do all of that already lets anybody in.
#[tokio::test]
async fn nobody_lets_anybody_into_an_account_that_may_do_more() {
    let site = site().await;
    let (_, root) = superuser(&site).await;
    let clerk = staff(&site, "deputy", &["auth.change_user", "crypto.view_coin"]).await;
    root.post("/groups/new", &[("name", "Traders"), ("permission", "crypto.delete_coin")]).await.is(303);
    let users = &site.running.identity().users;
    let own = site.user("own", NewUser::default(), &["crypto.add_coin"]).await;
    let grouped = site.user("grouped", NewUser::default(), &[]).await;
    users.add_to_group(grouped.id, "Traders").await.unwrap();
    let less = site.user("less", NewUser::default(), &["crypto.view_coin"]).await;
    let new = [("password", "korrekt-pferd"), ("password_again", "korrekt-pferd")];
    for (victim, more) in [(&own, "crypto.add_coin"), (&grouped, "crypto.delete_coin")] {
        let place = format!("/users/{}", victim.id);
        let form = clerk.get(&place).await;
        form.is(200).lacks(&format!("{place}/password"));
        clerk.get(&format!("{place}/password")).await.is(403);
        for active in [true, false] {
            users.set_active(victim.id, active).await.unwrap();
            clerk.post(&format!("{place}/password"), &new).await.is(403).has(more);
        }
        assert!(!users.by_id(victim.id).await.unwrap().unwrap().password.is_usable());
        // It is off now, and stays so; what a site may send mail to, and what it is called, is not theirs to change either.
        let form = clerk.get(&place).await;
        for change in [("is_active", "on"), ("email", "deputy@example.org"), ("username", "another")] {
            clerk.fill_in(&place, &form, &[change]).await.is(403).has(more);
        }
        clerk.fill_in(&place, &form, &[("first_name", "Ann")]).await.is(303);
        let now = users.by_id(victim.id).await.unwrap().unwrap();
        assert_eq!((now.is_active, &*now.email, &now.username), (false, "", &victim.username));
        assert_eq!(now.first_name, "Ann");
        // To turn it off is to give nobody anything.
        users.set_active(victim.id, true).await.unwrap();
        let form = clerk.get(&place).await;
        let mut fields = form.form();
        fields.remove("is_active");
        let fields: Vec<_> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
        clerk.post_as_is(&place, &fields).await.is(303);
        assert!(!users.by_id(victim.id).await.unwrap().unwrap().is_active);
    }
    let place = format!("/users/{}", less.id);
    clerk.get(&place).await.is(200).has(&format!("{place}/password"));
    clerk.post(&format!("{place}/password"), &new).await.is(303);
    assert!(users.verify("less", "korrekt-pferd").await.unwrap().is_some());
    users.set_active(less.id, false).await.unwrap();
    let form = clerk.get(&place).await;
    clerk.fill_in(&place, &form, &[("is_active", "on"), ("email", "less@example.org")]).await.is(303);
    assert!(users.by_id(less.id).await.unwrap().unwrap().is_active);
    root.post(&format!("/users/{}/password", own.id), &new).await.is(303);
    site.stop().await;
}

on_every_database! {
    async fn of_two_who_save_at_once_one_is_told(database: Database) {
        let site = on(database).await;
        let (_, root) = superuser(&site).await;
        let new = NewUser { is_staff: true, is_superuser: true, ..NewUser::default() };
        let other = site.user("other", new, &[]).await;
        let other = Browser::of(&site, &other).await;
        let user = site.user("simple", NewUser::default(), &[]).await;
        let made = root.post("/groups/new", &[("name", "Traders")]).await;
        assert_eq!(made.is(303).location(), "/admin/groups");
        let users = &site.running.identity().users;
        let group = users.groups().await.unwrap().into_iter().find(|group| group.name == "Traders").unwrap();
        for (path, field) in [(format!("/users/{}", user.id), "first_name"), (format!("/groups/{}", group.id), "name")] {
            for round in 0..5 {
                let (one, two) = (root.get(&path).await, other.get(&path).await);
                let (mine, theirs) = (format!("Mine {round}"), format!("Theirs {round}"));
                let (mine, theirs) = ([(field, &*mine)], [(field, &*theirs)]);
                let (mine, theirs) = tokio::join!(root.fill_in(&path, &one, &mine), other.fill_in(&path, &two, &theirs));
                let mut ends = [mine.status, theirs.status];
                ends.sort_unstable();
                assert_eq!(ends, [303, 409], "{path}: {mine:?} {theirs:?}");
            }
        }
        site.stop().await;
    }
}

#[tokio::test]
async fn a_new_password_keeps_this_session_and_ends_the_others() {
    let site = site().await;
    let (user, _) = superuser(&site).await;
    let identity = site.running.identity();
    identity.users.set_password(user.id, Some("korrekt-pferd")).await.unwrap();
    let other = Browser::of(&site, &user).await;
    let mut root = Browser::of(&site, &user).await;
    let new = [("password", "ein-anderes-pferd"), ("password_again", "ein-anderes-pferd")];
    root.post("/password", &[&[("old", "wrong")][..], &new].concat()).await.is(400).has("Is not your password");
    let done = root.post("/password", &[&[("old", "korrekt-pferd")][..], &new].concat()).await;
    let mut cookies = done.is(303).head.lines().filter(|line| line.starts_with("set-cookie: ")).map(|line| &line[12..]);
    let name = identity.sessions.cookie_name().to_owned();
    let cookie = cookies.rfind(|cookie| cookie.starts_with(&format!("{name}="))).unwrap();
    other.get("/").await.is(303);
    root.get("/").await.is(303);
    root.cookie = cookie.split(';').next().unwrap().to_owned();
    root.get("/").await.is(200);
    assert!(identity.users.verify("root", "ein-anderes-pferd").await.unwrap().is_some());
    site.stop().await;
}
