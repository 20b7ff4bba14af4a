//! Users: each sees to themselves, staff see who there is, superusers let people in and shut them out.

use demo::{
    apps::users::profiles,
    pb::users::{
        GetUserRequest, ListUsersRequest, SetUserActiveRequest, UpdateProfileRequest, User,
        user_service_client::UserServiceClient,
    },
};
use steeple::auth::NewUser;
use tonic::Code;

use crate::{
    databases::on_every_database,
    refused::{Refused, bare, failed, invalid, missing},
    site::{Identified, Site},
    statements::Statements,
};

/// Somebody who calls.
struct Caller(UserServiceClient<Identified>);

type Answer<T> = Result<T, Refused>;

impl Caller {
    async fn of(site: &Site, user: &steeple::User) -> Self {
        Self(UserServiceClient::new(site.logged_in(user).await))
    }

    /// Somebody of the demo data.
    async fn named(site: &Site, username: &str) -> Self {
        let users = &site.running.identity().users;
        let row = users.by_username(username).await.unwrap().unwrap();
        Self::of(site, &users.active(row.id.into()).await.unwrap().unwrap()).await
    }

    async fn get(&self, user_id: i64) -> Answer<User> {
        Ok(self.0.clone().get_user(GetUserRequest { user_id }).await?.into_inner())
    }

    async fn update(&self, request: UpdateProfileRequest) -> Answer<User> {
        Ok(self.0.clone().update_profile(request).await?.into_inner())
    }

    async fn set_active(&self, user_id: i64, active: bool) -> Answer<User> {
        Ok(self.0.clone().set_user_active(SetUserActiveRequest { user_id, active }).await?.into_inner())
    }

    /// Every user, page by page.
    async fn list(&self, page_size: i32) -> Answer<Vec<User>> {
        let (mut users, mut request) = (vec![], ListUsersRequest { page_size, ..Default::default() });
        loop {
            let page = self.0.clone().list_users(request.clone()).await?.into_inner();
            users.extend(page.users);
            if page.next_page_token.is_empty() {
                return Ok(users);
            }
            request.page_token = page.next_page_token;
        }
    }
}

on_every_database! {
    async fn a_user_sees_themselves_and_others_only_with_permission(database: Database) {
        let site = Site::start(database).await;
        let (alice, bob, clerk) =
            (Caller::named(&site, "alice").await, Caller::named(&site, "bob").await, Caller::named(&site, "clerk").await);
        let own = alice.get(0).await.unwrap();
        assert_eq!((own.username.as_str(), own.first_name.as_str(), own.last_name.as_str()), ("alice", "Alice", "Archer"));
        assert_eq!((own.email.as_str(), own.bio.as_str()), ("alice@example.org", "Keeps everything in cold storage."));
        assert!(own.is_active && !own.is_staff && !own.is_superuser && own.joined_at.is_some());
        assert_eq!(alice.get(own.id).await, Ok(own.clone()));
        assert_eq!(bob.get(own.id).await, Err(missing()));
        assert_eq!(clerk.get(own.id).await, Ok(own));
        for nobody in [-1, 987_654, i64::MAX] {
            assert_eq!(clerk.get(nobody).await, Err(missing()));
            assert_eq!(bob.get(nobody).await, Err(missing()));
        }
        drop((alice, bob, clerk));
        site.stop().await;
    }

    async fn a_profile_changes_by_what_is_sent(database: Database) {
        let site = Site::start(database).await;
        let dave = Caller::named(&site, "dave").await;
        let before = dave.get(0).await.unwrap();
        assert_eq!(dave.update(UpdateProfileRequest::default()).await, Ok(before.clone()));
        let named = UpdateProfileRequest { last_name: Some("Dübel".into()), bio: Some("One.\nTwo.".into()), ..Default::default() };
        let after = dave.update(named).await.unwrap();
        assert_eq!(after, User { last_name: "Dübel".into(), bio: "One.\nTwo.".into(), ..before });
        let again = UpdateProfileRequest { bio: Some(String::new()), email: Some("d@Example.ORG".into()), ..Default::default() };
        let cleared = dave.update(again).await.unwrap();
        assert_eq!(cleared, User { bio: String::new(), email: "d@example.org".into(), ..after });
        assert_eq!(dave.get(0).await, Ok(cleared.clone()));

        let letters = |count| Some("ä".repeat(count));
        let refused = [
            ("first_name", UpdateProfileRequest { first_name: letters(151), bio: letters(1), ..Default::default() }),
            ("last_name", UpdateProfileRequest { last_name: Some("a\0".into()), ..Default::default() }),
            ("email", UpdateProfileRequest { email: Some("nobody".into()), bio: letters(1), ..Default::default() }),
            ("bio", UpdateProfileRequest { bio: letters(1_001), first_name: letters(1), ..Default::default() }),
            ("bio", UpdateProfileRequest { bio: Some("a\0".into()), ..Default::default() }),
        ];
        for (field, request) in refused {
            assert_eq!(dave.update(request).await, Err(invalid(field)));
        }
        assert_eq!(dave.get(0).await, Ok(cleared), "what is refused changes nothing");
        assert_eq!(dave.update(UpdateProfileRequest { bio: letters(1_000), ..Default::default() }).await.map(|user| user.bio.len()), Ok(2_000));
        drop(dave);
        site.stop().await;
    }

    async fn staff_see_everybody_page_by_page(database: Database) {
        let site = Site::start(database).await;
        let clerk = Caller::named(&site, "clerk").await;
        let names = |users: &[User]| users.iter().map(|user| user.username.clone()).collect::<Vec<_>>();
        let every = clerk.list(3).await.unwrap();
        assert_eq!(names(&every), ["alice", "bob", "carol", "dave", "erin", "frank", "clerk", "tester"]);
        assert!(every.is_sorted_by_key(|user| user.id));
        assert_eq!(every[2].bio, "Here since the genesis block.");
        assert_eq!(clerk.list(0).await, Ok(every));
        assert_eq!(clerk.list(-1).await, Err(invalid("page_size")));
        assert_eq!(Caller::named(&site, "alice").await.list(0).await, Err(bare(Code::PermissionDenied)));
        drop(clerk);
        site.stop().await;
    }

    async fn who_is_shut_out_is_refused_at_once_and_let_in_again(database: Database) {
        let site = Site::start(database).await;
        let root = NewUser { is_superuser: true, ..NewUser::default() };
        let root = site.user("root", root, &[]).await;
        let (root_id, root) = (root.id, Caller::of(&site, &root).await);
        let bob = Caller::named(&site, "bob").await;
        let id = bob.get(0).await.unwrap().id;
        assert!(!root.set_active(id, false).await.unwrap().is_active);
        assert_eq!(bob.get(0).await, Err(bare(Code::Unauthenticated)));
        assert!(!root.get(id).await.unwrap().is_active);
        assert!(root.set_active(id, true).await.unwrap().is_active);
        assert_eq!(bob.get(0).await.unwrap().id, id);

        assert_eq!(root.set_active(root_id, false).await, Err(failed("OWN_ACCOUNT")));
        assert!(root.set_active(root_id, true).await.unwrap().is_active);
        assert_eq!(root.set_active(0, false).await, Err(invalid("user_id")));
        assert_eq!(root.set_active(987_654, false).await, Err(missing()));
        assert_eq!(Caller::named(&site, "clerk").await.set_active(id, false).await, Err(bare(Code::PermissionDenied)));
        drop((root, bob));
        site.stop().await;
    }

    async fn profiles_of_many_users_are_one_statement(database: Database) {
        let mut db = database.connect().await;
        let statements = Statements::of(&mut db);
        demo::server().migrate(&db, steeple::config::Environment::Test).await.unwrap();
        let users = steeple::auth::Users::new(db.clone(), &steeple::auth::Config::default());
        for many in [1, 7] {
            let rows = users.list(0, many).await.unwrap();
            let (shown, count) = statements.during(profiles::shown(&db, rows)).await;
            assert_eq!((shown.unwrap().len() as u64, count), (many, 1));
        }
        db.close().await;
    }
}
