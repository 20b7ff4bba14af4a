//! However many order at once, nothing is sold that is not there, and nothing is lost.

use demo::pb::orders::OrderStatus;
use tokio::task::JoinSet;

use super::{Answer, Shop};
use crate::{databases::on_every_database, refused::failed};

on_every_database! {
    async fn no_more_is_sold_than_there_is(database: Database) {
        let shop = Shop::open(database).await;
        let display = shop.product("DSP-34-UWD").await;
        let mut calls = JoinSet::new();
        for user in 0..30 {
            let buyer = shop.user(700 + user, &[]);
            calls.spawn(async move { buyer.order(&[(display.id, 2)]).await });
        }
        let answers = calls.join_all().await;
        let sold = answers.iter().filter(|answer| answer.is_ok()).count();
        assert_eq!(sold, 4, "9 are there");
        for refused in answers.into_iter().filter_map(Result::err) {
            assert_eq!(refused, failed("OUT_OF_STOCK"));
        }
        assert_eq!(shop.stock("DSP-34-UWD").await, 1);
    }

    async fn orders_that_cross_and_are_cancelled_keep_the_stock_right(database: Database) {
        let shop = Shop::open(database).await;
        let skus = ["AUD-MIC-USB", "DSP-ARM-ONE", "FUR-DSK-STD", "PTR-TRK-BAL"];
        let mut before = vec![];
        for sku in skus {
            before.push(shop.product(sku).await);
        }
        let ids: Vec<_> = before.iter().map(|product| product.id).collect();
        let mut calls = JoinSet::<Answer<i64>>::new();
        for turn in 0..60_usize {
            let buyer = shop.user(700 + turn as i64, &[]);
            // The same products in every order, so that locks taken as they come would block each other.
            let mut lines: Vec<_> = ids.iter().map(|id| (*id, 1)).collect();
            lines.rotate_left(turn % 4);
            if turn % 8 < 4 {
                lines.reverse();
            }
            calls.spawn(async move {
                let order = buyer.order(&lines).await?;
                if turn % 3 == 0 {
                    buyer.cancel(order.id).await?;
                    return Ok(0);
                }
                Ok(1)
            });
        }
        let mut kept = 0;
        for answer in calls.join_all().await {
            match answer {
                Ok(count) => kept += count,
                Err(refused) => assert_eq!(refused, failed("OUT_OF_STOCK")),
            }
        }
        assert!(kept > 0);
        for product in before {
            assert_eq!(shop.stock(&product.sku).await, product.stock - kept, "{}", product.sku);
        }
    }

    async fn of_many_who_end_an_order_one_does(database: Database) {
        let shop = Shop::open(database).await;
        let (buyer, clerk) = (shop.user(700, &[]), shop.user(703, &["orders.change_order"]));
        let pad = shop.product("KEY-NUM-PAD").await;
        let order = buyer.order(&[(pad.id, 10)]).await.unwrap();
        let mut calls = JoinSet::new();
        for turn in 0..20 {
            let (buyer, clerk) = (buyer.clone(), clerk.clone());
            calls.spawn(async move {
                if turn % 2 == 0 { buyer.cancel(order.id).await } else { clerk.ship(order.id).await }
            });
        }
        let answers = calls.join_all().await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
        let ended = buyer.get_order(order.id).await.unwrap();
        let cancelled = ended.status() == OrderStatus::Cancelled;
        let reason = if cancelled { "ORDER_CANCELLED" } else { "ORDER_SHIPPED" };
        for refused in answers.into_iter().filter_map(Result::err) {
            assert_eq!(refused, failed(reason));
        }
        assert_eq!(shop.stock("KEY-NUM-PAD").await, if cancelled { pad.stock } else { pad.stock - 10 });
    }
}
