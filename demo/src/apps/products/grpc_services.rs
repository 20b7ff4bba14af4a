//! `products.ProductService` and `products.StockService`. What each method promises is said in `proto/products.proto`.

use sea_orm::{ColumnTrait, Condition, EntityTrait, ModelTrait, Order, QueryFilter, QueryOrder, QuerySelect};
use steeple::{Context, Error, Result};

use super::{
    input, lookup,
    models::{category, product},
    stock::{self, Lot},
};
use crate::{
    paging::Page,
    pb::products::{
        self as pb, GetProductRequest, Product, ProductOrder, RestockRequest, SearchProductsRequest,
        SearchProductsResponse,
    },
    search::contains,
};

/// Shows the goods.
#[derive(Debug)]
pub struct ProductService;

impl pb::ProductService for ProductService {
    async fn get_product(&self, cx: Context, request: GetProductRequest) -> Result<Product> {
        lookup::product(&cx, input::id("product_id", request.product_id)?).await
    }

    async fn search_products(&self, cx: Context, request: SearchProductsRequest) -> Result<SearchProductsResponse> {
        let column = match ProductOrder::try_from(request.order) {
            Ok(ProductOrder::Unspecified | ProductOrder::Name) => product::Column::Name,
            Ok(ProductOrder::Price) => product::Column::PriceUsd,
            Ok(ProductOrder::Added) => product::Column::Id,
            Err(_) => return Err(Error::invalid("order", "must be one of the values of ProductOrder")),
        };
        let order = if request.descending { Order::Desc } else { Order::Asc };
        let page = Page::read(request.page_size, &request.page_token, format!("products.{column:?}.{order:?}"))?;
        // One statement for the page: each product comes joined with its category.
        let rows = product::Entity::find()
            .find_both_related(category::Entity)
            .filter(sold(&request)?)
            .filter(Condition::all().add_option(page.behind(column, product::Column::Id, request.descending)))
            .order_by(column, order.clone())
            .order_by(product::Column::Id, order)
            .limit(page.limit())
            .all(cx.db())
            .await?;
        let (rows, next_page_token) = page.cut(rows, |(product, _)| (product.get(column), product.id));
        Ok(SearchProductsResponse { products: rows.into_iter().map(Into::into).collect(), next_page_token })
    }
}

/// Changes the stock.
#[derive(Debug)]
pub struct StockService;

impl pb::StockService for StockService {
    async fn restock(&self, cx: Context, request: RestockRequest) -> Result<Product> {
        let product_id = input::id("product_id", request.product_id)?;
        let lot = Lot { product_id, quantity: input::delivery(request.quantity)? };
        cx.transaction(async |cx| {
            stock::add(&cx, lot).await?;
            lookup::of_now(cx.db(), product_id).await
        })
        .await
    }
}

/// What the request picks out of the products that are sold.
fn sold(request: &SearchProductsRequest) -> Result<Condition> {
    let mut only = Condition::all().add(product::Column::Withdrawn.eq(false));
    if let Some(query) = input::query(&request.query)? {
        let found = Condition::any();
        only = only.add(found.add(contains(product::Column::Sku, query)).add(contains(product::Column::Name, query)));
    }
    if let Some(slug) = input::category(&request.category)? {
        only = only.add(category::Column::Slug.eq(slug));
    }
    if let Some(price) = input::limit::<2>("min_price_usd", &request.min_price_usd)? {
        only = only.add(product::Column::PriceUsd.gte(price));
    }
    if let Some(price) = input::limit::<2>("max_price_usd", &request.max_price_usd)? {
        only = only.add(product::Column::PriceUsd.lte(price));
    }
    if request.in_stock {
        only = only.add(product::Column::Stock.gt(0));
    }
    Ok(only)
}
