//! What a new site has to show: the six people whose wallets and orders it has, and a clerk of the shop.
//!
//! Must never: make anybody who can log in. They have no password until somebody gives them one (`changepassword alice`).

use steeple::{
    Db, Result,
    auth::{Config, NewUser, Users},
};

use super::profiles;

/// Username, first name, last name, and what they tell of themselves.
const PEOPLE: [(&str, &str, &str, &str); 6] = [
    ("alice", "Alice", "Archer", "Keeps everything in cold storage."),
    ("bob", "Bob", "Baker", "Much wow."),
    ("carol", "Carol", "Carter", "Here since the genesis block."),
    ("dave", "Dave", "Dyer", ""),
    ("erin", "Erin", "Eastwood", "Sold too early, every time."),
    ("frank", "Frank", "Fisher", ""),
];

/// Ships orders, takes deliveries in, and may look customers up.
const CLERK: &str = "clerk";
const GRANTED: [&str; 4] = ["auth.view_user", "orders.change_order", "orders.view_order", "products.change_product"];

/// Puts the people in: all of them, or none. Who is there already stays as they are: a site may share its users with
/// another.
pub async fn fill(db: Db) -> Result<()> {
    db.transaction(async |db: Db| {
        let users = Users::new(db.clone(), &Config::default());
        for (username, first_name, last_name, bio) in PEOPLE {
            if users.by_username(username).await?.is_some() {
                continue;
            }
            let user = users.create(named(username, first_name, last_name)).await?;
            if !bio.is_empty() {
                profiles::write(&db, user.id, bio).await?;
            }
        }
        if users.by_username(CLERK).await?.is_none() {
            let clerk = NewUser { is_staff: true, ..named(CLERK, "Chris", "Clark") };
            let clerk = users.create(clerk).await?;
            for permission in GRANTED {
                users.grant(clerk.id.into(), permission).await?;
            }
        }
        Ok(())
    })
    .await
}

fn named(username: &str, first_name: &str, last_name: &str) -> NewUser {
    NewUser {
        username: username.to_owned(),
        email: format!("{username}@example.org"),
        first_name: first_name.to_owned(),
        last_name: last_name.to_owned(),
        ..NewUser::default()
    }
}
