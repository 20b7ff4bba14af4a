//! Orders: placed all or nothing, at the prices of the moment, seen and changed by whom they concern.

use demo::{
    apps::products::models::product,
    pb::orders::{ListOrdersRequest, Order, OrderStatus},
};
use sea_orm::{EntityTrait as _, sea_query::Expr};
use steeple::{Code, User};

use super::{Caller, Shop, usd, user};
use crate::{
    databases::on_every_database,
    refused::{bare, failed, invalid, missing},
};

on_every_database! {
    async fn an_order_takes_from_the_stock_and_costs_the_exact_sum(database: Database) {
        let shop = Shop::open(database).await;
        let buyer = shop.user(700, &[]);
        let (keyboard, cable) = (shop.product("KEY-TKL-BRN").await, shop.product("CAB-HDM-2M").await);
        let order = buyer.order(&[(keyboard.id, 3), (cable.id, 7)]).await.unwrap();
        assert_eq!((order.user_id, order.status()), (700, OrderStatus::Placed));
        assert_eq!(order.total_usd, "357.20");
        assert!(order.created_at.is_some() && order.created_at == order.updated_at);
        let lines: Vec<_> = order
            .lines
            .iter()
            .map(|line| (&line.sku[..], &line.name[..], line.quantity, &line.unit_price_usd[..], &line.total_usd[..]))
            .collect();
        let expected = [
            ("KEY-TKL-BRN", "Tenkeyless keyboard, brown switches", 3, "89.90", "269.70"),
            ("CAB-HDM-2M", "HDMI cable, 2 m", 7, "12.50", "87.50"),
        ];
        assert_eq!(lines, expected);
        assert_eq!(shop.stock("KEY-TKL-BRN").await, keyboard.stock - 3);
        assert_eq!(shop.stock("CAB-HDM-2M").await, cable.stock - 7);
        assert_eq!(buyer.get_order(order.id).await, Ok(order.clone()));

        // What is dearer today was not when it was ordered.
        product::Entity::update_many()
            .col_expr(product::Column::PriceUsd, Expr::value(usd("1000000")))
            .exec(&shop.db)
            .await
            .unwrap();
        assert_eq!(buyer.get_order(order.id).await, Ok(order));
    }

    async fn an_order_that_cannot_be_is_refused_and_takes_nothing(database: Database) {
        let shop = Shop::open(database).await;
        let buyer = shop.user(700, &[]);
        let (mat, camera) = (shop.product("PTR-MAT-XXL").await, shop.product("AUD-CAM-2K").await);
        let (speakers, withdrawn) = (shop.product("AUD-SPK-DSK").await, 24);
        let many: Vec<_> = (1..=51).map(|id| (id, 1)).collect();
        let refusals = [
            (vec![], invalid("lines")),
            (many, invalid("lines")),
            (vec![(mat.id, 1), (0, 1)], invalid("lines[1].product_id")),
            (vec![(mat.id, 1), (speakers.id, 1), (mat.id, 1)], invalid("lines[2].product_id")),
            (vec![(mat.id, 0)], invalid("lines[0].quantity")),
            (vec![(mat.id, -1)], invalid("lines[0].quantity")),
            (vec![(mat.id, 1_001)], invalid("lines[0].quantity")),
            (vec![(mat.id, 1), (987_654, 1)], missing()),
            (vec![(mat.id, 1), (camera.id, 1)], failed("OUT_OF_STOCK")),
            (vec![(mat.id, 1), (speakers.id, 4)], failed("OUT_OF_STOCK")),
            (vec![(withdrawn, 1), (mat.id, 1)], failed("PRODUCT_WITHDRAWN")),
        ];
        for (lines, refused) in refusals {
            assert_eq!(buyer.order(&lines).await, Err(refused), "{lines:?}");
        }
        // The largest price a column holds.
        product::Entity::update_many()
            .col_expr(product::Column::PriceUsd, Expr::value(i64::MAX))
            .exec(&shop.db)
            .await
            .unwrap();
        assert_eq!(buyer.order(&[(mat.id, 2)]).await, Err(failed("TOTAL_TOO_LARGE")));
        assert_eq!(buyer.order(&[(mat.id, 1), (speakers.id, 1)]).await, Err(failed("TOTAL_TOO_LARGE")));
        assert_eq!(shop.stock("PTR-MAT-XXL").await, mat.stock);
        assert_eq!(shop.stock("AUD-SPK-DSK").await, speakers.stock);
        assert!(every_order(&buyer, ListOrdersRequest::default()).await.is_empty());
    }

    async fn an_order_of_somebody_else_does_not_exist_without_permission(database: Database) {
        let shop = Shop::open(database).await;
        let (buyer, other) = (shop.user(700, &[]), shop.user(701, &["orders.add_order", "products.change_product"]));
        let lamp = shop.product("FUR-LMP-LED").await;
        let order = buyer.order(&[(lamp.id, 2)]).await.unwrap();
        assert_eq!(other.get_order(order.id).await, Err(missing()));
        assert_eq!(other.cancel(order.id).await, Err(missing()));
        let refused = other.list(ListOrdersRequest { user_id: 700, ..Default::default() }).await;
        assert_eq!(refused, Err(bare(Code::PermissionDenied)));
        for (id, refused) in [(0, invalid("order_id")), (-1, missing()), (987_654, missing())] {
            assert_eq!(buyer.get_order(id).await, Err(refused));
        }

        let viewer = shop.user(702, &["orders.view_order"]);
        assert_eq!(viewer.get_order(order.id).await, Ok(order.clone()));
        let listed = every_order(&viewer, ListOrdersRequest { user_id: 700, ..Default::default() }).await;
        assert_eq!(listed, std::slice::from_ref(&order));
        assert_eq!(viewer.cancel(order.id).await, Err(missing()));
        assert_eq!(shop.stock("FUR-LMP-LED").await, lamp.stock - 2);

        let clerk = shop.user(703, &["orders.change_order"]);
        assert_eq!(clerk.cancel(order.id).await.unwrap().status(), OrderStatus::Cancelled);
        let root = User { is_superuser: true, ..user(704) };
        assert_eq!(shop.caller(root).get_order(order.id).await.unwrap().user_id, 700);
        // To be staff is no permission.
        let staff = User { is_staff: true, ..user(705) };
        assert_eq!(shop.caller(staff).get_order(order.id).await, Err(missing()));
    }

    async fn who_is_not_logged_in_has_no_orders(database: Database) {
        let shop = Shop::open(database).await;
        let (buyer, nobody) = (shop.user(700, &[]), shop.anonymous());
        let order = buyer.order(&[(shop.product("CAB-USC-2M").await.id, 1)]).await.unwrap();
        let refused = || Err(bare(Code::Unauthenticated));
        assert_eq!(nobody.order(&[(1, 1)]).await, refused());
        assert_eq!(nobody.get_order(order.id).await, refused());
        assert_eq!(nobody.cancel(order.id).await, refused());
        assert_eq!(nobody.list(ListOrdersRequest::default()).await.unwrap_err(), bare(Code::Unauthenticated));
    }

    async fn a_cancelled_order_gives_back_what_it_took_once(database: Database) {
        let shop = Shop::open(database).await;
        let buyer = shop.user(700, &[]);
        let (chair, mouse) = (shop.product("FUR-CHR-MSH").await, shop.product("PTR-MSE-WLS").await);
        let order = buyer.order(&[(mouse.id, 5), (chair.id, 11)]).await.unwrap();
        assert_eq!(shop.stock("FUR-CHR-MSH").await, 0);
        assert_eq!(buyer.order(&[(chair.id, 1)]).await, Err(failed("OUT_OF_STOCK")));

        let cancelled = buyer.cancel(order.id).await.unwrap();
        assert_eq!(cancelled.status(), OrderStatus::Cancelled);
        let after = Order { status: order.status, updated_at: order.updated_at, ..cancelled.clone() };
        assert_eq!(after, order, "only its status has changed");
        assert_eq!(buyer.get_order(order.id).await, Ok(cancelled));
        for _ in 0..2 {
            assert_eq!(shop.stock("FUR-CHR-MSH").await, chair.stock);
            assert_eq!(shop.stock("PTR-MSE-WLS").await, mouse.stock);
            assert_eq!(buyer.cancel(order.id).await, Err(failed("ORDER_CANCELLED")));
        }
        assert_eq!(shop.user(703, &["orders.change_order"]).ship(order.id).await, Err(failed("ORDER_CANCELLED")));
    }

    async fn a_shipped_order_is_beyond_cancelling(database: Database) {
        let shop = Shop::open(database).await;
        let (buyer, clerk) = (shop.user(700, &[]), shop.user(703, &["orders.change_order"]));
        let dock = shop.product("CAB-DCK-TB4").await;
        let order = buyer.order(&[(dock.id, 1)]).await.unwrap();
        assert_eq!(clerk.ship(order.id).await.unwrap().status(), OrderStatus::Shipped);
        assert_eq!(clerk.ship(order.id).await, Err(failed("ORDER_SHIPPED")));
        assert_eq!(buyer.cancel(order.id).await, Err(failed("ORDER_SHIPPED")));
        assert_eq!(shop.stock("CAB-DCK-TB4").await, dock.stock - 1);
        for (id, refused) in [(0, invalid("order_id")), (987_654, missing())] {
            assert_eq!(clerk.ship(id).await.as_ref(), Err(&refused));
            assert_eq!(buyer.cancel(id).await, Err(refused));
        }
    }

    async fn orders_are_listed_latest_first_by_page_and_status(database: Database) {
        let shop = Shop::open(database).await;
        let (buyer, lamp) = (shop.user(700, &[]), shop.product("FUR-LMP-LED").await);
        let mut ids = vec![];
        for quantity in 1..=5 {
            ids.push(buyer.order(&[(lamp.id, quantity)]).await.unwrap().id);
        }
        buyer.cancel(ids[1]).await.unwrap();
        ids.reverse();
        let listed = |orders: &[Order]| -> Vec<i64> { orders.iter().map(|order| order.id).collect() };
        let every = every_order(&buyer, ListOrdersRequest { page_size: 2, ..Default::default() }).await;
        assert_eq!(listed(&every), ids);
        assert_eq!(every.iter().map(|order| order.lines[0].quantity).collect::<Vec<_>>(), [5, 4, 3, 2, 1]);
        let cancelled = ListOrdersRequest { status: OrderStatus::Cancelled.into(), ..Default::default() };
        assert_eq!(listed(&every_order(&buyer, cancelled).await), [ids[3]]);
        let own = ListOrdersRequest { user_id: 700, status: OrderStatus::Shipped.into(), ..Default::default() };
        assert_eq!(listed(&every_order(&buyer, own).await), [0_i64; 0]);

        let refused = [
            ("page_size", ListOrdersRequest { page_size: -1, ..Default::default() }),
            ("page_token", ListOrdersRequest { page_token: "zz".into(), ..Default::default() }),
            ("status", ListOrdersRequest { status: 9, ..Default::default() }),
        ];
        for (field, request) in refused {
            assert_eq!(buyer.list(request).await, Err(invalid(field)));
        }
    }
}

/// All pages of a list, one after another.
async fn every_order(caller: &Caller, mut request: ListOrdersRequest) -> Vec<Order> {
    let mut orders = vec![];
    loop {
        let page = caller.list(request.clone()).await.unwrap();
        orders.extend(page.orders);
        if page.next_page_token.is_empty() {
            return orders;
        }
        request.page_token = page.next_page_token;
    }
}
