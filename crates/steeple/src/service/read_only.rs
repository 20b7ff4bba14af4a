//! A service that reads a model and cannot do anything else, made from the site's proto and the model's rows.
//!
//! The proto is all that is written; its names say what each method does, after Google's API guides (AIP-131 Get,
//! AIP-132 List, AIP-158 pages, AIP-160 filters):
//!
//! ```proto
//! service CoinCatalog {
//!   rpc GetCoin(GetCoinRequest) returns (Coin);
//!   rpc ListCoins(ListCoinsRequest) returns (ListCoinsResponse);
//!   rpc SearchCoins(SearchCoinsRequest) returns (SearchCoinsResponse);
//! }
//! message Coin { int64 id = 1; string symbol = 2; string price = 3; google.protobuf.Timestamp seen_at = 4; }
//! message GetCoinRequest { string symbol = 1; }
//! message ListCoinsRequest {
//!   int32 page_size = 1; string page_token = 2;
//!   string filter = 3;              // price > 10 AND symbol : "BT"
//!   string order_by = 4;            // price desc, symbol
//!   optional bool stablecoin = 5;   // a field of the model: only rows that have this value
//! }
//! message ListCoinsResponse { repeated Coin coins = 1; string next_page_token = 2; int64 total_size = 3; }
//! message SearchCoinsRequest { string query = 1; int32 page_size = 2; string page_token = 3; }
//! message SearchCoinsResponse { repeated Coin coins = 1; string next_page_token = 2; }
//! ```
//!
//! ```
//! # use steeple::{App, ReadOnlyService, model::Registered};
//! # fn app_of<Coin: Registered>(app: App) -> App {
//! app.read_only(ReadOnlyService::of::<Coin>("crypto.CoinCatalog"))
//! # }
//! ```
//!
//! | part | how it is read |
//! |---|---|
//! | the message that is shown | each field is the model's field of the same name ([`ReadOnlyService::field`]: of another). Fields of the model that it has not are not shown, cannot be filtered by and not be ordered by |
//! | `Get…` | the request's fields are the primary key, or one unique field; the answer is the message, or a message with nothing but it |
//! | `List…` | `page_size`, `page_token`, and as the request has them: `filter`, `order_by`, and fields of the model, which filter by equality when set. The answer has the messages, `next_page_token`, and `total_size` if it wants |
//! | `Search…` | as `List…`, and `query`: each of its words is found in one of the text fields |
//!
//! Rows become messages through descriptors, at run time: nothing is generated, and no code of the site runs. Whatever
//! does not fit (a method of another name, a field that the model has not, a type that cannot hold it) keeps the site
//! from starting, all of it told at once. Who may call it is said as for any service, see [`App::access`](crate::App::access).
//!
//! Must never: write, or show, order by and filter by a column that the proto does not name.

mod arguments;
mod filter;
mod form;
mod item;
mod raw;
mod token;

use std::{borrow::Cow, fmt, sync::Arc};

use prost_reflect::DescriptorPool;

use self::{
    arguments::Pages,
    form::{Form, Forms},
    raw::Raw,
};
use super::Service;
use crate::{
    Context,
    error::{Error, Result},
    model::{ModelRows, Op, Query, Registered},
};

/// Rows of a page when the caller does not say, and at most.
const PAGE: (u64, u64) = (50, 500);

/// A service made from a model. See the [module](self).
#[derive(Clone)]
pub struct ReadOnlyService {
    name: &'static str,
    rows: Arc<dyn Fn(&'static str) -> Arc<dyn ModelRows> + Send + Sync>,
    options: Options,
}

/// What the site says besides its proto.
#[derive(Clone, Debug)]
struct Options {
    renamed: Vec<(&'static str, &'static str)>,
    search_in: Vec<&'static str>,
    order_by: &'static str,
    page: (u64, u64),
    only: Vec<(&'static str, Op, serde_json::Value)>,
}

impl ReadOnlyService {
    /// The service of this full name, over the rows of this entity.
    pub fn of<E: Registered>(service: &'static str) -> Self {
        Self::made(service, Arc::new(E::rows))
    }

    /// The same over rows that are at hand.
    pub fn over(service: &'static str, rows: Arc<dyn ModelRows>) -> Self {
        Self::made(service, Arc::new(move |_| rows.clone()))
    }

    fn made(name: &'static str, rows: Arc<dyn Fn(&'static str) -> Arc<dyn ModelRows> + Send + Sync>) -> Self {
        let options = Options { renamed: vec![], search_in: vec![], order_by: "", page: PAGE, only: vec![] };
        Self { name, rows, options }
    }

    /// The full name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Says that a field of the message is a field of the model with another name.
    pub fn field(mut self, message: &'static str, model: &'static str) -> Self {
        self.options.renamed.push((message, model));
        self
    }

    /// The fields of the message that a search looks at. Not said: all that are text.
    pub fn search_in(mut self, fields: impl IntoIterator<Item = &'static str>) -> Self {
        self.options.search_in.extend(fields);
        self
    }

    /// The order when the caller does not say, as a caller would: `"price desc, symbol"`. Not said: by the key.
    pub fn order_by(mut self, order: &'static str) -> Self {
        self.options.order_by = order;
        self
    }

    /// Rows of a page when the caller does not say, and at most. Not said: 50 and 500.
    pub fn page_size(mut self, default: u64, most: u64) -> Self {
        self.options.page = (default, most);
        self
    }

    /// Only rows for which this holds are there at all. The field is the model's, shown or not:
    /// `.only("published", Op::Eq, true)`.
    pub fn only(mut self, field: &'static str, op: Op, value: impl Into<serde_json::Value>) -> Self {
        self.options.only.push((field, op, value.into()));
        self
    }

    /// Makes it, of the site's descriptors, for the app of this label.
    ///
    /// # Errors
    /// FAILED_PRECONDITION with everything about the proto that does not fit the model.
    pub(crate) fn make(&self, app: &'static str, descriptors: &[Cow<'static, [u8]>]) -> Result<Service> {
        let unfit = |problems: Vec<String>| Error::failed_precondition(problems.join("; "));
        let mut pool = DescriptorPool::new();
        for set in descriptors {
            pool.decode_file_descriptor_set(set.as_ref())
                .map_err(|error| unfit(vec![format!("the descriptors do not fit together: {error}")]))?;
        }
        let described = pool
            .get_service_by_name(self.name)
            .ok_or_else(|| unfit(vec![format!("no proto declares {}", self.name)]))?;
        let rows = (self.rows)(app);
        let Forms { item, forms } = Forms::read(&described, rows.model(), &self.options).map_err(unfit)?;
        let reading = Arc::new(Reading { rows, item, only: self.options.only.clone() });
        let mut service = Service::new(self.name);
        for (path, form) in forms {
            let (reading, form) = (reading.clone(), Arc::new(form));
            service = service.unary(path, move |cx: Context, request: Raw| {
                let (reading, form) = (reading.clone(), form.clone());
                async move { reading.answer(&cx, &form, &request).await }
            });
        }
        Ok(service)
    }
}

/// What all methods of one service share.
struct Reading {
    rows: Arc<dyn ModelRows>,
    item: item::Item,
    only: Vec<(&'static str, Op, serde_json::Value)>,
}

impl Reading {
    async fn answer(&self, cx: &Context, form: &Form, request: &Raw) -> Result<Raw> {
        match form {
            Form::Get(get) => {
                let wanted = get.read(request, self.there())?;
                let row = self.rows.list(cx.db(), &wanted.query.limit(1)).await?.pop();
                let row = row.ok_or_else(|| Error::not_found(self.rows.model().name, wanted.key))?;
                Ok(get.answer(self.item.show(&row)?))
            }
            Form::Pages(pages) => self.page(cx, pages, request).await,
        }
    }

    async fn page(&self, cx: &Context, pages: &Pages, request: &Raw) -> Result<Raw> {
        let asked = pages.read(request, self.there())?;
        // One more than is shown tells whether a page follows.
        let one_more = asked.query.clone().limit(asked.size + 1);
        let mut rows = self.rows.list(cx.db(), &one_more).await?;
        let more = rows.len() as u64 > asked.size;
        rows.truncate(asked.size as usize);
        let next = match rows.last().filter(|_| more) {
            Some(last) => token::write(
                &asked.digest,
                last,
                asked.query.order.iter().map(|by| by.field.as_str()),
                self.rows.model(),
            )?,
            None => String::new(),
        };
        let total = if pages.counts() { Some(self.rows.count(cx.db(), &asked.query).await?) } else { None };
        let items = rows.iter().map(|row| self.item.show(row)).collect::<Result<Vec<_>>>()?;
        Ok(pages.answer(items, next, total))
    }

    /// All rows that are there for callers.
    fn there(&self) -> Query {
        let filters = self.only.iter().map(|(field, op, value)| ((*field).to_owned(), *op, value.clone()));
        Query { filters: filters.collect(), ..Query::default() }
    }
}

impl fmt::Debug for ReadOnlyService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadOnlyService")
            .field("name", &self.name)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
