//! `orders.OrderService`. What each method promises is said in `proto/orders.proto`.

use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use steeple::{Context, Error, Result};

use super::{input, life, models::order, shown};
use crate::{
    paging::Page,
    pb::orders::{
        self as pb, CancelOrderRequest, CreateOrderRequest, GetOrderRequest, ListOrdersRequest, ListOrdersResponse,
        Order, ShipOrderRequest,
    },
};

const VIEW: &str = "orders.view_order";
const CHANGE: &str = "orders.change_order";

/// Serves the orders of the user who calls.
#[derive(Debug)]
pub struct OrderService;

impl pb::OrderService for OrderService {
    async fn create_order(&self, cx: Context, request: CreateOrderRequest) -> Result<Order> {
        let (user_id, lots) = (cx.require_user()?.id, input::lines(&request.lines)?);
        cx.transaction(async |cx| {
            let order = life::place(&cx, user_id, &lots).await?;
            shown::one(cx.db(), order).await
        })
        .await
    }

    async fn get_order(&self, cx: Context, request: GetOrderRequest) -> Result<Order> {
        let id = input::id("order_id", request.order_id)?;
        let order = order::Entity::find_by_id(id).one(cx.db()).await?;
        let order = order.ok_or_else(|| Error::not_found("order", id))?;
        shown::one(cx.db(), theirs(&cx, order, VIEW)?).await
    }

    async fn list_orders(&self, cx: Context, request: ListOrdersRequest) -> Result<ListOrdersResponse> {
        let caller = cx.require_user()?.id;
        let user_id = if request.user_id == 0 { caller } else { request.user_id };
        if user_id != caller {
            cx.require_permission(VIEW)?;
        }
        let page = Page::read(request.page_size, &request.page_token, "orders.latest".into())?;
        let status = input::status(request.status)?;
        let only = Condition::all()
            .add(order::Column::UserId.eq(user_id))
            .add_option(status.map(|status| order::Column::Status.eq(status)))
            .add_option(page.behind(order::Column::Id, order::Column::Id, true));
        let rows = order::Entity::find()
            .filter(only)
            .order_by_desc(order::Column::Id)
            .limit(page.limit())
            .all(cx.db())
            .await?;
        let (rows, next_page_token) = page.cut(rows, |order| (order.id.into(), order.id));
        Ok(ListOrdersResponse { orders: shown::all(cx.db(), rows).await?, next_page_token })
    }

    async fn cancel_order(&self, cx: Context, request: CancelOrderRequest) -> Result<Order> {
        let id = input::id("order_id", request.order_id)?;
        cx.transaction(async |cx| {
            let order = theirs(&cx, life::locked(cx.db(), id).await?, CHANGE)?;
            let order = life::cancel(&cx, order).await?;
            shown::one(cx.db(), order).await
        })
        .await
    }

    async fn ship_order(&self, cx: Context, request: ShipOrderRequest) -> Result<Order> {
        let id = input::id("order_id", request.order_id)?;
        cx.transaction(async |cx| {
            let order = life::locked(cx.db(), id).await?;
            let order = life::ship(cx.db(), order).await?;
            shown::one(cx.db(), order).await
        })
        .await
    }
}

/// The order, if it is the caller's own or the caller has this permission. Otherwise it does not exist, as far as they
/// can tell.
fn theirs(cx: &Context, order: order::Model, permission: &str) -> Result<order::Model> {
    if i64::from(order.user_id) == cx.require_user()?.id || cx.check_permission(permission) {
        return Ok(order);
    }
    Err(Error::not_found("order", order.id))
}
