//! Relations come in a fixed number of statements, however many rows there are.

use demo::{
    apps::products::grpc_services::ProductService,
    pb::{
        orders::ListOrdersRequest,
        products::{GetProductRequest, ProductService as _, SearchProductsRequest},
    },
};

use super::Shop;
use crate::{databases::on_every_database, refused::Refused, statements::Statements};

on_every_database! {
    async fn more_rows_are_not_more_statements(database: Database) {
        let mut db = database.connect().await;
        let statements = Statements::of(&mut db);
        let shop = Shop::over(db, database).await;
        let buyer = shop.user(700, &[]);
        let page = |page_size| SearchProductsRequest { page_size, in_stock: true, ..Default::default() };
        let (one, few) = statements.during(buyer.search(page(1))).await;
        let (all, many) = statements.during(buyer.search(page(50))).await;
        assert_eq!((few, many), (1, 1), "a page of products with their categories");
        let (one, all) = (one.unwrap().products, all.unwrap().products);
        assert_eq!((one.len(), all.len()), (1, 22));
        let (_, count) = statements.during(buyer.get(one[0].id)).await;
        assert_eq!(count, 1, "a product with its category");

        let lines: Vec<_> = all.iter().map(|product| (product.id, 1)).collect();
        let (small, few) = statements.during(buyer.order(&lines[..1])).await;
        let (large, many) = statements.during(buyer.order(&lines)).await;
        assert_eq!(few, many, "an order of one line and one of 22");
        let (small, large) = (small.unwrap(), large.unwrap());
        assert_eq!((small.lines.len(), large.lines.len()), (1, 22));
        for id in [small.id, large.id] {
            let (order, count) = statements.during(buyer.get_order(id)).await;
            assert_eq!((order.unwrap().id, count), (id, 2), "an order, and its lines with their products");
        }
        let (cancelled, few) = statements.during(buyer.cancel(small.id)).await;
        let (_, many) = statements.during(buyer.cancel(large.id)).await;
        assert_eq!((few, cancelled.unwrap().lines.len()), (many, 1), "the end of an order of one line and one of 22");

        for quantity in 1..=3 {
            buyer.order(&[(lines[3].0, quantity), (lines[4].0, 1)]).await.unwrap();
        }
        for (page_size, length) in [(1, 1), (100, 5)] {
            let request = ListOrdersRequest { page_size, ..Default::default() };
            let (page, count) = statements.during(buyer.list(request)).await;
            assert_eq!((page.unwrap().orders.len(), count), (length, 2), "a page of orders, and all their lines");
        }
        let stranger = shop.user(701, &[]);
        let (page, count) = statements.during(stranger.list(ListOrdersRequest::default())).await;
        assert_eq!((page.unwrap().orders.len(), count), (0, 1), "no orders, no lines to ask for");
    }

    async fn a_product_out_of_the_cache_is_no_statement(database: Database) {
        let mut db = database.connect().await;
        let statements = Statements::of(&mut db);
        let shop = Shop::over(db, database).await;
        // A context outside the server has a cache of its own; two calls of one share it.
        let cx = shop.anonymous().cx("/products.ProductService/GetProduct");
        let request = GetProductRequest { product_id: shop.product("PTR-TRK-BAL").await.id };
        let (missed, count) = statements.during(ProductService.get_product(cx.clone(), request)).await;
        assert_eq!(count, 1, "a product with its category");
        let (hit, count) = statements.during(ProductService.get_product(cx.clone(), request)).await;
        assert_eq!(count, 0);
        assert_eq!(hit.unwrap(), missed.unwrap());

        let nothing = GetProductRequest { product_id: 987_654 };
        for _ in 0..2 {
            let (missing, count) = statements.during(ProductService.get_product(cx.clone(), nothing)).await;
            assert_eq!((Refused::from(missing.unwrap_err()), count), (crate::refused::missing(), 1), "that there is none is not kept");
        }
    }
}
