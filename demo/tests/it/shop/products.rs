//! Products: found by number, picked out by text, category and price, listed in each order and by page.

use std::{cmp::Ordering, collections::BTreeSet};

use demo::pb::products::{Category, Product, ProductOrder, SearchProductsRequest};

use super::{Shop, usd};
use crate::{
    databases::on_every_database,
    refused::{invalid, missing},
};

type Compare<'a> = &'a dyn Fn(&Product, &Product) -> Ordering;

/// All that are sold; one more is not.
const SOLD: usize = 23;

on_every_database! {
    async fn a_product_is_shown_with_its_category_and_exact_price(database: Database) {
        let shop = Shop::open(database).await;
        let anybody = shop.anonymous();
        let found = shop.product("DSP-27-4K").await;
        let product = anybody.get(found.id).await.unwrap();
        assert_eq!(product, found);
        assert_eq!((product.name.as_str(), product.stock, product.withdrawn), ("27\" display, 4K", 22, false));
        assert_eq!(product.price_usd, "429.00");
        assert_eq!(product.category, Some(Category { slug: "displays".into(), name: "Displays".into() }));
        assert!(product.created_at.is_some() && product.created_at == product.updated_at);

        assert_eq!(anybody.get(0).await, Err(invalid("product_id")));
        for id in [-1, 987_654, i64::MAX] {
            assert_eq!(anybody.get(id).await, Err(missing()));
        }
    }

    async fn what_is_no_longer_sold_can_be_looked_at_and_is_not_found_by_searching(database: Database) {
        let shop = Shop::open(database).await;
        let all = pages(&shop, SearchProductsRequest::default()).await;
        let all: BTreeSet<_> = all.into_iter().map(|product| product.id).collect();
        assert_eq!(all.len(), SOLD);
        let mut withdrawn = vec![];
        for id in 1..=24 {
            let product = shop.anonymous().get(id).await.unwrap();
            assert_eq!(product.withdrawn, !all.contains(&id));
            withdrawn.extend(product.withdrawn.then_some(product.sku));
        }
        assert_eq!(withdrawn, ["CAB-HUB-USB"]);
    }

    async fn every_order_lists_every_product_once_however_it_is_cut(database: Database) {
        let shop = Shop::open(database).await;
        let price = |a: &Product, b: &Product| usd(&a.price_usd).cmp(&usd(&b.price_usd));
        let orders: [(ProductOrder, Compare<'_>); 2] =
            [(ProductOrder::Price, &price), (ProductOrder::Added, &|a, b| a.id.cmp(&b.id))];
        for (order, compare) in orders {
            for descending in [false, true] {
                let request =
                    SearchProductsRequest { order: order.into(), descending, page_size: 4, ..Default::default() };
                let mut products = pages(&shop, request).await;
                assert_eq!(products.len(), SOLD);
                if descending {
                    products.reverse();
                }
                let in_order = products.is_sorted_by(|a, b| compare(a, b).is_le());
                assert!(in_order, "{order:?}, descending {descending}");
            }
        }
        // Names are compared as the database compares texts, so only the whole can be told.
        for order in [ProductOrder::Unspecified, ProductOrder::Name] {
            let request = SearchProductsRequest { order: order.into(), page_size: 5, ..Default::default() };
            let ids: BTreeSet<_> = pages(&shop, request).await.into_iter().map(|product| product.id).collect();
            assert_eq!(ids.len(), SOLD);
        }
    }

    async fn products_are_picked_out_by_text_category_price_and_stock(database: Database) {
        let shop = Shop::open(database).await;
        let by_price = SearchProductsRequest { order: ProductOrder::Price.into(), ..Default::default() };
        let skus = async |request: SearchProductsRequest| -> Vec<String> {
            let found = pages(&shop, SearchProductsRequest { page_size: 2, ..request }).await;
            found.into_iter().map(|product| product.sku).collect()
        };
        let text = |query: &str| SearchProductsRequest { query: query.into(), ..by_price.clone() };
        assert_eq!(skus(text("Display")).await, ["DSP-ARM-ONE", "DSP-16-PRT", "DSP-27-4K", "DSP-34-UWD"]);
        let keyboards = ["KEY-NUM-PAD", "KEY-CAP-PBT", "KEY-TKL-BRN", "KEY-FUL-RED", "KEY-SPL-ERG"];
        assert_eq!(skus(text("key-")).await, keyboards);
        let category = |slug: &str| SearchProductsRequest { category: slug.into(), ..by_price.clone() };
        assert_eq!(skus(category("Cables")).await, ["CAB-HDM-2M", "CAB-USC-2M", "CAB-DCK-TB4"]);
        assert_eq!(skus(category("nothing")).await, [""; 0]);
        let audio = SearchProductsRequest { in_stock: true, ..category("audio") };
        assert_eq!(skus(audio.clone()).await, ["AUD-MIC-USB", "AUD-SPK-DSK", "AUD-HPH-OVR"]);
        let exactly = SearchProductsRequest {
            min_price_usd: "129".into(),
            max_price_usd: "149.50".into(),
            ..audio
        };
        assert_eq!(skus(exactly).await, ["AUD-MIC-USB", "AUD-SPK-DSK"]);
        // What means something in a pattern is a letter like any other.
        for query in ["%", "_", "!", "\\", "'", "a%b", "日本"] {
            assert_eq!(skus(text(query)).await, [""; 0], "{query}");
        }
    }

    async fn a_search_that_cannot_be_is_refused(database: Database) {
        let shop = Shop::open(database).await;
        let first = SearchProductsRequest { page_size: 2, ..Default::default() };
        let first = shop.anonymous().search(first).await.unwrap();
        assert_eq!(first.products.len(), 2);
        let token = first.next_page_token;
        let requests = [
            ("query", SearchProductsRequest { query: "a\0b".into(), ..Default::default() }),
            ("query", SearchProductsRequest { query: "x".repeat(101), ..Default::default() }),
            ("category", SearchProductsRequest { category: "x".repeat(51), ..Default::default() }),
            ("min_price_usd", SearchProductsRequest { min_price_usd: "cheap".into(), ..Default::default() }),
            ("max_price_usd", SearchProductsRequest { max_price_usd: "0.125".into(), ..Default::default() }),
            ("order", SearchProductsRequest { order: 99, ..Default::default() }),
            ("page_size", SearchProductsRequest { page_size: -1, ..Default::default() }),
            ("page_token", SearchProductsRequest { page_token: "zz".into(), ..Default::default() }),
            ("page_token", SearchProductsRequest { page_token: token, descending: true, ..Default::default() }),
        ];
        for (field, request) in requests {
            assert_eq!(shop.anonymous().search(request).await, Err(invalid(field)));
        }
    }
}

/// All pages of a search, one after another.
async fn pages(shop: &Shop, mut request: SearchProductsRequest) -> Vec<Product> {
    let mut products = vec![];
    loop {
        let page = shop.anonymous().search(request.clone()).await.unwrap();
        products.extend(page.products);
        if page.next_page_token.is_empty() {
            return products;
        }
        request.page_token = page.next_page_token;
    }
}
