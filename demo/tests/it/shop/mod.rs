//! The shop: products, their stock, orders.
//!
//! Services are called as the pipeline calls them, with a context of the caller that a test names; who may call what is
//! tested in `access.rs`, through a running server.

mod access;
mod at_once;
mod events;
mod orders;
mod products;
mod statements;
mod stock;

use std::sync::Arc;

use demo::{
    apps::{
        orders::grpc_services::OrderService,
        products::grpc_services::{ProductService, StockService},
    },
    pb::{
        orders::{
            CancelOrderRequest, CreateOrderRequest, GetOrderRequest, ListOrdersRequest, ListOrdersResponse, Order,
            OrderService as _, ShipOrderRequest, create_order_request::Line,
        },
        products::{
            GetProductRequest, Product, ProductService as _, RestockRequest, SearchProductsRequest,
            SearchProductsResponse, StockService as _,
        },
    },
};
use sea_orm::{ActiveValue::Set, EntityTrait as _};
use steeple::{
    Context, Db, Fixed, Principal, User,
    auth::{password::Encoded, tables::user},
    clock,
    config::Environment,
    method::Method,
};
use tonic::metadata::MetadataMap;

use crate::{databases::Database, refused::Refused};

/// The demo's tables, migrated and filled, without a server around.
#[derive(Clone)]
pub struct Shop {
    pub db: Db,
    _database: Arc<Database>,
}

impl Shop {
    pub async fn open(database: Database) -> Self {
        let db = database.connect().await;
        Self::over(db, database).await
    }

    pub async fn over(db: Db, database: Database) -> Self {
        demo::server().migrate(&db, Environment::Test).await.expect("the demo migrates");
        // The orders of tests are of these.
        let accounts = (700..=760).map(|id| user::ActiveModel {
            id: Set(id),
            password: Set(Encoded::unusable().expect("random text")),
            last_login: Set(None),
            is_superuser: Set(false),
            username: Set(format!("user{id}")),
            first_name: Set(String::new()),
            last_name: Set(String::new()),
            email: Set(String::new()),
            is_staff: Set(false),
            is_active: Set(true),
            date_joined: Set(clock::now()),
        });
        user::Entity::insert_many(accounts).exec_without_returning(&db).await.expect("new users");
        Self { db, _database: Arc::new(database) }
    }

    /// Somebody who is not logged in.
    pub fn anonymous(&self) -> Caller {
        Caller { shop: self.clone(), principal: Principal::Anonymous }
    }

    /// A user from 700 to 760, without orders yet, with these permissions.
    pub fn user(&self, id: i64, permissions: &[&str]) -> Caller {
        self.caller(User { permissions: permissions.iter().map(ToString::to_string).collect(), ..user(id) })
    }

    pub fn caller(&self, user: User) -> Caller {
        Caller { shop: self.clone(), principal: Principal::User(Arc::new(user)) }
    }

    /// The product with this SKU.
    pub async fn product(&self, sku: &str) -> Product {
        let request = SearchProductsRequest { query: sku.into(), ..Default::default() };
        let found = self.anonymous().search(request).await.expect("products can be searched").products;
        found.into_iter().find(|product| product.sku == sku).expect("a product of the demo data")
    }

    pub async fn stock(&self, sku: &str) -> i64 {
        self.product(sku).await.stock
    }
}

/// Somebody who calls the shop's services.
#[derive(Clone)]
pub struct Caller {
    shop: Shop,
    principal: Principal,
}

type Answer<T> = Result<T, Refused>;

impl Caller {
    fn cx(&self, path: &str) -> Context {
        let headers = MetadataMap::new().into_headers();
        Context::detached(Method::other(path), headers, self.shop.db.clone()).of(self.principal.clone())
    }

    pub async fn get(&self, product_id: i64) -> Answer<Product> {
        let cx = self.cx("/products.ProductService/GetProduct");
        Ok(ProductService.get_product(cx, GetProductRequest { product_id }).await?)
    }

    pub async fn search(&self, request: SearchProductsRequest) -> Answer<SearchProductsResponse> {
        Ok(ProductService.search_products(self.cx("/products.ProductService/SearchProducts"), request).await?)
    }

    pub async fn restock(&self, product_id: i64, quantity: i32) -> Answer<Product> {
        let cx = self.cx("/products.StockService/Restock");
        Ok(StockService.restock(cx, RestockRequest { product_id, quantity }).await?)
    }

    pub async fn order(&self, lines: &[(i64, i32)]) -> Answer<Order> {
        let lines = lines.iter().map(|&(product_id, quantity)| Line { product_id, quantity }).collect();
        let cx = self.cx("/orders.OrderService/CreateOrder");
        Ok(OrderService.create_order(cx, CreateOrderRequest { lines }).await?)
    }

    pub async fn get_order(&self, order_id: i64) -> Answer<Order> {
        Ok(OrderService.get_order(self.cx("/orders.OrderService/GetOrder"), GetOrderRequest { order_id }).await?)
    }

    pub async fn list(&self, request: ListOrdersRequest) -> Answer<ListOrdersResponse> {
        Ok(OrderService.list_orders(self.cx("/orders.OrderService/ListOrders"), request).await?)
    }

    pub async fn cancel(&self, order_id: i64) -> Answer<Order> {
        let cx = self.cx("/orders.OrderService/CancelOrder");
        Ok(OrderService.cancel_order(cx, CancelOrderRequest { order_id }).await?)
    }

    pub async fn ship(&self, order_id: i64) -> Answer<Order> {
        let cx = self.cx("/orders.OrderService/ShipOrder");
        Ok(OrderService.ship_order(cx, ShipOrderRequest { order_id }).await?)
    }
}

/// A user without permissions.
pub fn user(id: i64) -> User {
    User {
        id,
        username: format!("user{id}"),
        email: String::new(),
        first_name: String::new(),
        last_name: String::new(),
        is_staff: false,
        is_superuser: false,
        permissions: [].into(),
    }
}

/// An amount of money, exactly.
pub fn usd(text: &str) -> Fixed<2> {
    text.parse().expect("a decimal number")
}
