//! Models of the site: lists, forms, deletions, actions, and who may do what.

use sea_orm::ConnectionTrait as _;

use crate::databases::on_every_database;

use super::*;

/// The page of a coin.
async fn coin(browser: &Browser, symbol: &str) -> String {
    let list = browser.get(&format!("/models/crypto/coin?q={symbol}")).await;
    let place = list.is(200).body.split("/admin/models/crypto/coin/rows/").nth(1).unwrap();
    format!("/models/crypto/coin/rows/{}", place.split('"').next().unwrap())
}

on_every_database! {
    async fn a_row_is_made_changed_and_deleted(database: Database) {
        let site = on(database).await;
        let (_, root) = superuser(&site).await;
        let blank = root.get("/models/crypto/coin/new").await;
        blank.is(200).lacks("name=\"updated_at\"");
        let fields = [
            ("symbol", "TEST"), ("name", "A <b>test</b>"), ("rank", "777"), ("price_usd", "0.00000012"),
            ("market_cap_usd", "1.50"), ("volume_24h_usd", "0"), ("change_24h_percent", "-1.25"), ("website", ""),
        ];
        let made = root.fill_in("/models/crypto/coin/new", &blank, &fields).await;
        let place = made.is(303).location().strip_prefix("/admin").unwrap().to_owned();
        let form = root.get(&place).await;
        form.is(200).has("value=\"0.00000012\"").has("A &lt;b&gt;test&lt;").lacks("<b>test");
        let saved = root.fill_in(&place, &form, &[("price_usd", "0.5"), ("stablecoin", "on")]).await;
        assert_eq!(saved.is(303).location(), "/admin/models/crypto/coin");
        root.get(&place).await.has("value=\"0.5\"").has("name=\"stablecoin\" value=\"on\" checked");
        // What is sent back as it was is no change.
        let again = root.get(&place).await;
        let nothing = root.fill_in(&place, &again, &[]).await;
        assert!(nothing.is(303).header("set-cookie").unwrap().contains("Nothing"), "{nothing:?}");
        let asked = root.get(&format!("{place}/delete")).await;
        asked.is(200).has("Delete coin");
        root.fill_in(&format!("{place}/delete"), &asked, &[]).await.is(303);
        root.get(&place).await.is(404);
        let audit = root.get("/audit?kind=crypto.coin").await;
        audit.is(200).has("delete").has("0.00000012").has("<ins>0.5<").has("A &lt;b&gt;test").lacks("<b>test");
        site.stop().await;
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_beside_the_field_and_nothing_is_lost() {
    let site = site().await;
    let (_, root) = superuser(&site).await;
    let place = coin(&root, "BTC").await;
    let form = root.get(&place).await;
    let wrong = [("rank", "many"), ("price_usd", "1.123456789"), ("name", "kept as typed")];
    let answer = root.fill_in(&place, &form, &wrong).await;
    answer.is(400).has("Must be a whole number.").has("value=\"kept as typed\"").has("aria-invalid=\"true\"");
    let taken = root.fill_in(&place, &form, &[("symbol", "ETH")]).await;
    taken.is(400).has("value=\"ETH\"");
    root.get(&place).await.has("value=\"BTC\"");
    site.stop().await;
}

on_every_database! {
    async fn the_second_of_two_who_change_a_row_is_told(database: Database) {
        let site = on(database).await;
        let (_, root) = superuser(&site).await;
        let other = staff(&site, "other", &["crypto.change_coin"]).await;
        let place = coin(&root, "BTC").await;
        let (first, second) = (root.get(&place).await, other.get(&place).await);
        root.fill_in(&place, &first, &[("rank", "50")]).await.is(303);
        let told = other.fill_in(&place, &second, &[("rank", "60"), ("name", "Mine")]).await;
        told.is(409).has("Somebody else changed this row").has("somebody made it &quot;50&quot; meanwhile").has("value=\"Mine\"");
        root.get(&place).await.has("name=\"rank\" value=\"50\"");
        // Knowing that, they may.
        other.fill_in(&place, &told, &[]).await.is(303);
        root.get(&place).await.has("name=\"rank\" value=\"60\"").has("value=\"Mine\"");
        site.stop().await;
    }
}

on_every_database! {
    async fn a_row_that_others_refer_to_stays(database: Database) {
        let site = on(database).await;
        let (_, root) = superuser(&site).await;
        let place = coin(&root, "BTC").await;
        let asked = root.get(&format!("{place}/delete")).await;
        asked.is(200).has("wallet").has("f-coin_id=").lacks("Delete coin</button>");
        root.post(&format!("{place}/delete"), &[]).await.is(409).has("Other rows refer to it");
        root.get(&place).await.is(200);
        site.stop().await;
    }
}

#[tokio::test]
async fn lists_are_searched_narrowed_and_ordered() {
    let site = site().await;
    let (_, root) = superuser(&site).await;
    let list = root.get("/models/crypto/coin").await;
    list.is(200).has("Price USD").has(">BTC<").has("New coin").has("aria-sort=\"ascending\"");
    root.get("/models/crypto/coin?q=bitcoin").await.has(">BTC<").lacks(">ETH<");
    root.get("/models/crypto/coin?f-stablecoin=true").await.has(">USDT<").lacks(">BTC<");
    let by_price = root.get("/models/crypto/coin?o=-price_usd").await;
    by_price.is(200).has("aria-sort=\"descending\"");
    assert!(by_price.body.find(">BTC<") < by_price.body.find(">ETH<"));
    // A relation shows what it leads to, and where.
    root.get("/models/crypto/wallet").await.is(200).has("/admin/models/crypto/coin/rows/");
    site.stop().await;
}

#[tokio::test]
async fn pages_go_on_where_the_last_one_ended() {
    let site = site().await;
    let (_, root) = superuser(&site).await;
    let users = &site.running.identity().users;
    for at in 0..120 {
        users.create(NewUser { username: format!("many-{at:03}"), ..NewUser::default() }).await.unwrap();
    }
    let mut path = "/users?q=many".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = root.get(&path).await;
        page.is(200).has("120 users");
        seen.extend(page.body.split(">many-").skip(1).map(|rest| rest[..3].to_owned()));
        let Some(next) =
            page.body.split("data-does=\"next\"").next().filter(|_| page.body.contains("data-does=\"next\""))
        else {
            break;
        };
        path = unescaped(next.rsplit("href=\"").next().unwrap().split('"').next().unwrap()).replacen("/admin", "", 1);
    }
    assert_eq!(seen, (0..120).map(|at| format!("{at:03}")).collect::<Vec<_>>());
    site.stop().await;
}

#[tokio::test]
async fn permissions_decide_what_is_seen_and_done() {
    let site = site().await;
    let nothing = staff(&site, "nothing", &[]).await;
    nothing.get("/").await.is(200).lacks("/models/crypto/coin").lacks("/admin/users").lacks("/admin/audit");
    for path in
        ["/models/crypto/coin", "/models/crypto/coin/new", "/models/crypto/coin/rows/1", "/users", "/groups", "/audit"]
    {
        nothing.get(path).await.is(403).has("Not allowed");
    }
    let viewer = staff(&site, "viewer", &["crypto.view_coin"]).await;
    viewer.get("/").await.has("/models/crypto/coin").lacks("/models/crypto/wallet");
    viewer.get("/models/crypto/coin").await.is(200).lacks("New coin").lacks("name=\"action\"");
    viewer.get("/models/crypto/coin/rows/1").await.is(200).lacks(">Save<").lacks("Delete");
    for path in ["rows/1", "rows/1/delete", "new", "act"] {
        viewer.post(&format!("/models/crypto/coin/{path}"), &[]).await.is(403);
    }
    viewer.get("/models/crypto/coin/pick/id").await.is(403);
    site.stop().await;
}

#[tokio::test]
async fn a_sites_action_is_done_with_the_chosen_rows() {
    let site = site().await;
    let (_, root) = superuser(&site).await;
    let place = coin(&root, "ETH").await;
    let key = place.rsplit('/').next().unwrap();
    root.get(&place).await.lacks("name=\"stablecoin\" value=\"on\" checked");
    root.post("/models/crypto/coin/act", &[("action", "mark_stable"), ("row", key)]).await.is(303);
    root.get(&place).await.has("name=\"stablecoin\" value=\"on\" checked");
    root.post("/models/crypto/coin/act", &[("action", "drop"), ("row", key)]).await.is(400);
    root.get("/audit?action=act").await.has("mark_stable").has("ETH");
    site.stop().await;
}

#[tokio::test]
async fn an_action_is_on_record_before_it_begins_and_once_more_if_it_fails() {
    let site = site().await;
    let (_, root) = superuser(&site).await;
    let place = coin(&root, "ETH").await;
    let key = place.rsplit('/').next().unwrap();
    let chosen = [("action", "mark_stable"), ("row", key)];
    let refuse = "CREATE TRIGGER refuse BEFORE UPDATE ON crypto_coin BEGIN SELECT RAISE(ABORT, 'no'); END";
    site.db().execute_unprepared(refuse).await.unwrap();
    root.post("/models/crypto/coin/act", &chosen).await.is(500);
    let audit = root.get("/audit?action=act").await;
    audit.is(200).has("<b>failed</b>");
    assert_eq!(audit.body.matches("<ins>mark_stable<").count(), 2, "{audit:?}");
    site.db().execute_unprepared("DROP TRIGGER refuse").await.unwrap();
    site.db().execute_unprepared("DROP TABLE steeple_audit_log").await.unwrap();
    root.post("/models/crypto/coin/act", &chosen).await.is(500);
    root.get(&place).await.is(200).lacks("name=\"stablecoin\" value=\"on\" checked");
    site.stop().await;
}

/// What a row refers to is shown to those who may look at it; to others it is a key.
#[tokio::test]
async fn relations_show_nothing_that_may_not_be_seen() {
    let site = site().await;
    let clerk =
        staff(&site, "wallet-clerk", &["crypto.change_wallet", "crypto.add_wallet", "crypto.view_wallet"]).await;
    let list = clerk.get("/models/crypto/wallet").await;
    list.is(200).lacks("BTC").lacks("/models/crypto/coin").has("<input id=\"q-f-coin_id\"");
    clerk.get("/models/crypto/wallet?f-coin_id=1").await.is(200).lacks("BTC").has("name=\"f-coin_id\" value=\"1\"");
    clerk.get("/models/crypto/wallet/pick/coin_id?q=b").await.is(403).lacks("BTC");
    let form = clerk.get("/models/crypto/wallet/new").await;
    form.is(200).lacks("BTC").lacks("data-pick").has("The key of a coin.");
    let fields = [("owner", "zoe"), ("coin_id", "2"), ("balance", "1.5")];
    let made = clerk.fill_in("/models/crypto/wallet/new", &form, &fields).await;
    let place = made.is(303).location().strip_prefix("/admin").unwrap().to_owned();
    clerk.get(&place).await.is(200).lacks("ETH").has("name=\"coin_id\" value=\"2\"");
    site.stop().await;
}

/// Who deletes a row needs the permission for what goes with it, as in Django.
#[tokio::test]
async fn what_goes_with_a_row_needs_its_own_permission() {
    let site = site().await;
    let (_, root) = superuser(&site).await;
    let list = root.get("/models/orders/order").await;
    let order = list.is(200).body.split("/admin/models/orders/order/rows/").nth(1).unwrap();
    let order = order.split('"').next().unwrap().to_owned();
    let place = format!("/models/orders/order/rows/{order}");
    let clerk = staff(&site, "order-clerk", &["orders.view_order", "orders.delete_order"]).await;
    let asked = clerk.get(&format!("{place}/delete")).await;
    asked.is(200).has("needs the permission <code>orders.delete_orderline").lacks("Delete order</button>");
    clerk.post(&format!("{place}/delete"), &[]).await.is(403).has("orders.delete_orderline");
    root.get(&place).await.is(200);
    let more = ["orders.delete_order", "orders.delete_orderline", "orders.delete_mail"];
    let deputy = staff(&site, "deputy", &more).await;
    deputy.get(&format!("{place}/delete")).await.is(200).has("deleted with it").has("Delete order</button>");
    deputy.post(&format!("{place}/delete"), &[]).await.is(303);
    root.get(&place).await.is(404);
    root.get("/audit?kind=orders.order&action=delete").await.has("orders.orderline.order_id").has("deleted with it");
    // Users take their profiles with them.
    let user = site.user("simple", NewUser::default(), &[]).await;
    let sql = format!("INSERT INTO users_profile (user_id, bio) VALUES ({}, 'x')", user.id);
    site.db().execute_unprepared(&sql).await.unwrap();
    let clerk = staff(&site, "user-clerk", &["auth.delete_user"]).await;
    let place = format!("/users/{}/delete", user.id);
    clerk.get(&place).await.is(200).has("users.delete_profile").lacks("Delete user</button>");
    clerk.post(&place, &[]).await.is(403).has("users.delete_profile");
    root.post(&place, &[]).await.is(303);
    root.get("/audit?kind=auth.user&action=delete").await.has("users.profile.user_id").has("<del>1 row<");
    site.stop().await;
}

#[tokio::test]
async fn a_long_list_is_not_counted_to_its_end() {
    let site = site().await;
    let (_, root) = superuser(&site).await;
    let many = "INSERT INTO auth_group (name) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) \
                SELECT 'many ' || i FROM n";
    site.db().execute_unprepared(many).await.unwrap();
    root.get("/groups").await.is(200).has("<span>10,000 groups<");
    site.db().execute_unprepared("INSERT INTO auth_group (name) VALUES ('one more')").await.unwrap();
    root.get("/groups").await.is(200).has("<span>more than 10,000 groups<");
    site.stop().await;
}

#[tokio::test]
async fn relations_are_picked_by_name() {
    let site = site().await;
    let (_, root) = superuser(&site).await;
    // A few are choices, by what they are called.
    let form = root.get("/models/crypto/wallet/new").await;
    form.is(200).has("<select id=\"f-coin_id\"").has(">BTC</option>");
    let made = root
        .fill_in("/models/crypto/wallet/new", &form, &[("owner", "zoe"), ("coin_id", "2"), ("balance", "1.5")])
        .await;
    let place = made.is(303).location().strip_prefix("/admin").unwrap().to_owned();
    root.get(&place).await.has("selected>ETH</option>");
    // Many are looked for, by name or by key.
    root.get("/models/crypto/wallet/pick/coin_id?q=bitc")
        .await
        .is(200)
        .has(r#"{"key":"1","label":"BTC"}"#)
        .lacks("ETH");
    root.get("/models/crypto/wallet/pick/coin_id?q=%27%20OR%201%3D1").await.is(200).has("[]");
    let viewer = staff(&site, "viewer", &["crypto.view_wallet"]).await;
    viewer.get("/models/crypto/wallet/pick/coin_id?q=bitc").await.is(403);
    root.post("/models/crypto/wallet/new", &[("owner", "yan"), ("coin_id", "4711"), ("balance", "1")]).await.is(400);
    site.stop().await;
}
