//! Who may call what: as the site says it, and as a running server holds to it.

use std::collections::BTreeMap;

use demo::pb::{
    orders::{
        CancelOrderRequest, CreateOrderRequest, GetOrderRequest, ListOrdersRequest, ShipOrderRequest,
        order_service_client::OrderServiceClient,
    },
    products::{
        GetProductRequest, RestockRequest, SearchProductsRequest, product_service_client::ProductServiceClient,
        stock_service_client::StockServiceClient,
    },
};
use steeple::{config::Config, server::Plan};
use tonic::Code;

use crate::{
    databases::Database,
    refused::{Refused, bare},
    site::Site,
};

#[test]
fn every_method_has_the_access_that_was_meant() {
    let plan = Plan::of(&demo::server(), &Config::default()).unwrap();
    let shop = |path: &str| path.starts_with("/orders.") || path.starts_with("/products.");
    let methods = plan.methods().filter(|planned| shop(&planned.method.path));
    let accesses: BTreeMap<_, _> =
        methods.map(|planned| (planned.method.path.as_str(), planned.decision.access.to_string())).collect();
    let meant = [
        ("/orders.OrderService/CancelOrder", "scope orders:write"),
        ("/orders.OrderService/CreateOrder", "scope orders:write"),
        ("/orders.OrderService/GetOrder", "authenticated"),
        ("/orders.OrderService/ListOrders", "authenticated"),
        ("/orders.OrderService/ShipOrder", "permission orders.change_order"),
        ("/products.ProductService/GetProduct", "public"),
        ("/products.ProductService/SearchProducts", "public"),
        ("/products.StockService/Restock", "permission products.change_product"),
    ];
    assert_eq!(accesses, meant.map(|(path, access)| (path, access.to_owned())).into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_logged_in_may_look_and_not_touch() {
    let site = Site::start(Database::sqlite().await.unwrap()).await;
    let mut products = ProductServiceClient::new(site.channel.clone());
    let search = SearchProductsRequest { query: "keyboard".into(), ..Default::default() };
    let found = products.search_products(search).await.unwrap().into_inner().products;
    let product_id = found.first().unwrap().id;
    let product = products.get_product(GetProductRequest { product_id }).await.unwrap().into_inner();
    assert_eq!(product, found[0]);

    let mut stock = StockServiceClient::new(site.channel.clone());
    let mut orders = OrderServiceClient::new(site.channel.clone());
    let order_id = 1;
    let refusals = [
        stock.restock(RestockRequest { product_id, quantity: 1 }).await.unwrap_err(),
        orders.create_order(CreateOrderRequest::default()).await.unwrap_err(),
        orders.get_order(GetOrderRequest { order_id }).await.unwrap_err(),
        orders.list_orders(ListOrdersRequest::default()).await.unwrap_err(),
        orders.cancel_order(CancelOrderRequest { order_id }).await.unwrap_err(),
        orders.ship_order(ShipOrderRequest { order_id }).await.unwrap_err(),
    ];
    for status in refusals {
        assert_eq!(Refused::from(status), bare(Code::Unauthenticated));
    }
    assert_eq!(products.get_product(GetProductRequest { product_id }).await.unwrap().into_inner(), product);
    drop((products, stock, orders));
    site.stop().await;
}
