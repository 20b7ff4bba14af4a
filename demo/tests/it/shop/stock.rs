//! Deliveries: added exactly, refused where they cannot be.

use tokio::task::JoinSet;

use super::Shop;
use crate::{
    databases::on_every_database,
    refused::{failed, invalid, missing},
};

on_every_database! {
    async fn a_delivery_adds_to_the_stock(database: Database) {
        let shop = Shop::open(database).await;
        let (clerk, before) = (shop.user(900, &["products.change_product"]), shop.product("AUD-CAM-2K").await);
        assert_eq!(before.stock, 0);
        let after = clerk.restock(before.id, 25).await.unwrap();
        assert_eq!(after.stock, 25);
        assert!(after.updated_at.as_ref().unwrap().seconds >= before.updated_at.as_ref().unwrap().seconds);
        assert_eq!(shop.product("AUD-CAM-2K").await, after);
    }

    async fn a_delivery_that_cannot_be_is_refused_and_changes_nothing(database: Database) {
        let shop = Shop::open(database).await;
        let (clerk, cable) = (shop.user(900, &["products.change_product"]), shop.product("CAB-USC-2M").await);
        assert_eq!(clerk.restock(0, 1).await, Err(invalid("product_id")));
        for quantity in [0, -1, i32::MIN, 100_001] {
            assert_eq!(clerk.restock(cable.id, quantity).await, Err(invalid("quantity")));
        }
        assert_eq!(clerk.restock(987_654, 1).await, Err(missing()));
        let withdrawn = 24;
        assert_eq!(clerk.restock(withdrawn, 1).await, Err(failed("PRODUCT_WITHDRAWN")));
        for _ in 0..9 {
            clerk.restock(cable.id, 100_000).await.unwrap();
        }
        assert_eq!(clerk.restock(cable.id, 100_000).await, Err(failed("STOCK_TOO_LARGE")));
        assert_eq!(shop.stock("CAB-USC-2M").await, 900_000 + cable.stock);
    }

    async fn deliveries_at_once_are_all_added(database: Database) {
        let shop = Shop::open(database).await;
        let lamp = shop.product("FUR-LMP-LED").await;
        let mut calls = JoinSet::new();
        for quantity in 1..=20 {
            let clerk = shop.user(900, &["products.change_product"]);
            calls.spawn(async move { clerk.restock(lamp.id, quantity).await });
        }
        for answer in calls.join_all().await {
            answer.unwrap();
        }
        assert_eq!(shop.stock("FUR-LMP-LED").await, lamp.stock + 210);
    }
}
