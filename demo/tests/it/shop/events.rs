//! What an order sets off when it is committed, and does not when it is not: a letter, and a cache that is emptied.

use demo::{
    apps::{orders::models::mail, products::models::product},
    pb::{
        orders::{CreateOrderRequest, Order, create_order_request::Line, order_service_client::OrderServiceClient},
        products::{
            GetProductRequest, Product, RestockRequest, SearchProductsRequest,
            product_service_client::ProductServiceClient, stock_service_client::StockServiceClient,
        },
    },
};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, sea_query::Expr};
use steeple::auth::NewUser;
use tonic::transport::Channel;

use crate::{
    databases::on_every_database,
    process::until,
    refused::{Refused, failed},
    site::{Identified, Site},
};

/// A running shop, and somebody who orders.
struct Open {
    site: Site,
    products: ProductServiceClient<Channel>,
    orders: OrderServiceClient<Identified>,
}

impl Open {
    async fn shop(site: Site, buyer: NewUser) -> Self {
        let buyer = site.user("buyer", buyer, &[]).await;
        let orders = OrderServiceClient::new(site.logged_in(&buyer).await);
        Self { products: ProductServiceClient::new(site.channel.clone()), orders, site }
    }

    /// As the cache has it.
    async fn product(&self, product_id: i64) -> Product {
        self.products.clone().get_product(GetProductRequest { product_id }).await.unwrap().into_inner()
    }

    async fn id(&self, sku: &str) -> i64 {
        let search = SearchProductsRequest { query: sku.into(), ..Default::default() };
        self.products.clone().search_products(search).await.unwrap().into_inner().products[0].id
    }

    async fn order(&self, product_id: i64, quantity: i32) -> Result<Order, Refused> {
        let request = CreateOrderRequest { lines: vec![Line { product_id, quantity }] };
        Ok(self.orders.clone().create_order(request).await?.into_inner())
    }

    /// Changes a price behind the back of the cache.
    async fn price(&self, product_id: i64, cents: i64) {
        product::Entity::update_many()
            .col_expr(product::Column::PriceUsd, Expr::value(cents))
            .filter(product::Column::Id.eq(product_id))
            .exec(self.site.running.db())
            .await
            .unwrap();
    }

    async fn letters(&self) -> Vec<mail::Model> {
        mail::Entity::find().all(self.site.running.db()).await.unwrap()
    }

    async fn close(self) {
        let Self { site, .. } = self;
        site.stop().await;
    }
}

on_every_database! {
    async fn a_product_is_kept_until_its_stock_changes(database: Database) {
        let shop = Open::shop(Site::start(database).await, NewUser::default()).await;
        let id = shop.id("FUR-LMP-LED").await;
        let before = shop.product(id).await;
        shop.price(id, 1).await;
        assert_eq!(shop.product(id).await, before, "nobody asked the database");

        let order = shop.order(id, 2).await.unwrap();
        until("the order empties the cache", async || shop.product(id).await != before).await;
        let after = shop.product(id).await;
        assert_eq!((after.stock, after.price_usd.as_str()), (before.stock - 2, "0.01"));
        shop.orders.clone().cancel_order(demo::pb::orders::CancelOrderRequest { order_id: order.id }).await.unwrap();
        until("so does its end", async || shop.product(id).await.stock == before.stock).await;

        let clerk = shop.site.user("porter", NewUser::default(), &["products.change_product"]).await;
        let mut stock = StockServiceClient::new(shop.site.logged_in(&clerk).await);
        stock.restock(RestockRequest { product_id: id, quantity: 5 }).await.unwrap();
        until("so does a delivery", async || shop.product(id).await.stock == before.stock + 5).await;
        drop(stock);
        shop.close().await;
    }

    async fn what_is_rolled_back_sets_nothing_off(database: Database) {
        let buyer = NewUser { email: "buyer@example.org".into(), ..NewUser::default() };
        let shop = Open::shop(Site::start(database).await, buyer).await;
        let (dear, other) = (shop.id("DSP-27-4K").await, shop.id("DSP-ARM-ONE").await);
        let (kept, changed) = (shop.product(dear).await, shop.product(other).await);
        // Its stock is taken before its price is found to be too high.
        shop.price(dear, i64::MAX).await;
        assert_eq!(shop.order(dear, 2).await, Err(failed("TOTAL_TOO_LARGE")));
        // Events come in the order they were sent, so the one before would have been there by now.
        let order = shop.order(other, 1).await.unwrap();
        until("the order empties the cache", async || shop.product(other).await != changed).await;
        assert_eq!(shop.product(dear).await, kept);
        until("its letter is there", async || !shop.letters().await.is_empty()).await;
        let ids: Vec<_> = shop.letters().await.iter().map(|letter| letter.order_id).collect();
        assert_eq!(ids, [order.id]);
        shop.close().await;
    }

    async fn an_order_is_confirmed_by_a_letter(database: Database) {
        let buyer = NewUser { email: "grace@example.org".into(), first_name: "Grace".into(), ..NewUser::default() };
        let shop = Open::shop(Site::start(database).await, buyer).await;
        let order = shop.order(shop.id("KEY-NUM-PAD").await, 2).await.unwrap();
        until("its letter is there", async || !shop.letters().await.is_empty()).await;
        let letters = shop.letters().await;
        let letter = &letters[0];
        assert_eq!((letters.len(), letter.order_id, letter.recipient.as_str()), (1, order.id, "grace@example.org"));
        assert_eq!(letter.subject, format!("Your order {}", order.id));
        assert_eq!(letter.body, "Dear Grace,\n\nthank you for your order of 79.90 US dollars.\n");
        shop.close().await;
    }
}
