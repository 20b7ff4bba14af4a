//! What users and groups are granted counts at once, on the user who was loaded before.

use steeple::Code;

use super::*;
use crate::databases::on_every_database;

async fn has(users: &Users, id: i64, permission: &str) -> bool {
    users.active(id).await.unwrap().unwrap().has_permission(permission)
}

on_every_database! {
    async fn permissions_are_those_of_the_user_and_their_groups(database: Database) {
        let users = users(&database).await;
        let ada = i64::from(make(&users, "ada").await.id);
        let bob = i64::from(make(&users, "bob").await.id);
        assert!(users.active(ada).await.unwrap().unwrap().permissions.is_empty());

        users.grant(ada, "crypto.add_coin").await.unwrap();
        users.grant(ada, "crypto.add_coin").await.unwrap();
        assert!(has(&users, ada, "crypto.add_coin").await && !has(&users, bob, "crypto.add_coin").await);
        assert!(!has(&users, ada, "crypto.add_basket").await && !has(&users, ada, "add_coin").await);

        users.create_group("Miners").await.unwrap();
        users.add_to_group(ada, "Miners").await.unwrap();
        users.add_to_group(ada, "Miners").await.unwrap();
        users.add_to_group(bob, "Miners").await.unwrap();
        assert!(!has(&users, bob, "crypto.view_coin").await);
        users.grant_to_group("Miners", "crypto.view_coin").await.unwrap();
        users.grant_to_group("Miners", "crypto.view_coin").await.unwrap();
        users.grant_to_group("Miners", "crypto.add_coin").await.unwrap();
        for user in [ada, bob] {
            let permissions = users.active(user).await.unwrap().unwrap().permissions.clone();
            assert_eq!(permissions, ["crypto.add_coin", "crypto.view_coin"].map(str::to_owned).into());
        }
        let groups = users.groups_of(ada).await.unwrap();
        assert_eq!(groups, users.groups().await.unwrap());
        assert_eq!(groups[0].name, "Miners");

        users.revoke(ada, "crypto.add_coin").await.unwrap();
        assert!(has(&users, ada, "crypto.add_coin").await, "the group gives it still");
        users.revoke_from_group("Miners", "crypto.add_coin").await.unwrap();
        assert!(!has(&users, ada, "crypto.add_coin").await);
        users.revoke(ada, "crypto.add_coin").await.unwrap();

        users.remove_from_group(ada, "Miners").await.unwrap();
        users.remove_from_group(ada, "Miners").await.unwrap();
        assert!(!has(&users, ada, "crypto.view_coin").await && has(&users, bob, "crypto.view_coin").await);
        assert!(users.delete_group("Miners").await.unwrap());
        assert!(!has(&users, bob, "crypto.view_coin").await);
        assert!(!users.delete_group("Miners").await.unwrap(), "gone already");
        assert!(users.groups().await.unwrap().is_empty());
    }

    async fn a_superuser_has_every_permission_and_an_inactive_one_is_nobody(database: Database) {
        let users = users(&database).await;
        let root = NewUser { username: "root".to_owned(), is_superuser: true, ..NewUser::default() };
        let id = i64::from(users.create(root).await.unwrap().id);
        assert!(has(&users, id, "crypto.add_coin").await && has(&users, id, "no.such_permission").await);
        users.set_active(id, false).await.unwrap();
        assert_eq!(users.active(id).await.unwrap(), None);
    }

    async fn what_does_not_exist_cannot_be_granted(database: Database) {
        let users = users(&database).await;
        let ada = i64::from(make(&users, "ada").await.id);
        users.create_group("Miners").await.unwrap();
        let nobody = ada + 1;
        let not_found = |outcome: steeple::Result<()>| assert_eq!(outcome.unwrap_err().code(), Code::NotFound);
        for permission in ["crypto.no_such", "add_coin", "", ".", "crypto.", "other.add_coin", "crypto.add\0coin"] {
            not_found(users.grant(ada, permission).await);
            not_found(users.revoke(ada, permission).await);
            not_found(users.grant_to_group("Miners", permission).await);
            not_found(users.revoke_from_group("Miners", permission).await);
        }
        not_found(users.grant(nobody, "crypto.add_coin").await);
        not_found(users.add_to_group(nobody, "Miners").await);
        for group in ["Nobody", "", "a\0b", &"x".repeat(151)] {
            not_found(users.add_to_group(ada, group).await);
            not_found(users.remove_from_group(ada, group).await);
            not_found(users.grant_to_group(group, "crypto.add_coin").await);
            assert!(!users.delete_group(group).await.unwrap());
        }
        assert_eq!(users.create_group("Miners").await.unwrap_err().code(), Code::AlreadyExists);
        for name in ["", " ", "a\nb", &"x".repeat(151)] {
            assert_eq!(users.create_group(name).await.unwrap_err().code(), Code::InvalidArgument, "{name:?}");
        }
    }
}
