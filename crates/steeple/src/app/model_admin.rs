//! What a site says about a model in the admin.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use sea_orm::{ActiveEnum, Value, sea_query::sea_value_to_json_value};

use super::Setup;
use crate::{
    error::Result,
    model::{Model, Order, Row},
};

type Run = Arc<dyn Fn(Vec<Row>, Setup) -> Pin<Box<dyn Future<Output = Result<()>> + Send>> + Send + Sync>;

/// What a model looks like in the admin, and what can be done with its rows there. Without a word from the site it has
/// its first columns, looks for words in all of its texts, and filters by switches and choices.
///
/// ```
/// # use steeple::{App, Result, Setup, model::Row};
/// # mod coin {
/// #     use sea_orm::entity::prelude::*;
/// #     #[derive(Clone, Debug, DeriveEntityModel)]
/// #     #[sea_orm(table_name = "crypto_coin")]
/// #     pub struct Model { #[sea_orm(primary_key)] pub id: i64, pub symbol: String, pub rank: i32 }
/// #     #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
/// #     pub enum Relation {}
/// #     impl ActiveModelBehavior for ActiveModel {}
/// # }
/// # async fn recount(_: Vec<Row>, _: Setup) -> Result<()> { Ok(()) }
/// pub fn app(app: App) -> App {
///     app.admin::<coin::Entity>(|coins| {
///         coins.columns(["symbol", "rank"]).search(["symbol"]).order("rank").action("recount", "Rank again", recount)
///     })
/// }
/// ```
#[derive(Clone, Default)]
pub struct ModelAdmin {
    pub(crate) title: Option<&'static str>,
    pub(crate) columns: Vec<&'static str>,
    pub(crate) choices: Vec<(&'static str, Vec<String>)>,
    pub(crate) search: Option<Vec<&'static str>>,
    pub(crate) filters: Option<Vec<&'static str>>,
    pub(crate) order: Vec<Order>,
    pub(crate) read_only: Vec<&'static str>,
    pub(crate) hidden: Vec<&'static str>,
    pub(crate) label: Option<&'static str>,
    pub(crate) made_at: Option<&'static str>,
    pub(crate) changed_at: Option<&'static str>,
    pub(crate) actions: Vec<ModelAction>,
}

/// What can be done with rows that were chosen in a list.
#[derive(Clone)]
pub(crate) struct ModelAction {
    pub name: &'static str,
    pub label: &'static str,
    pub run: Run,
}

impl ModelAdmin {
    /// What pages call many of its rows: `Order lines`. Without it, the model's name in words, and an s.
    pub fn title(mut self, many: &'static str) -> Self {
        self.title = Some(many);
        self
    }

    /// The columns of its list, in this order.
    pub fn columns(mut self, fields: impl IntoIterator<Item = &'static str>) -> Self {
        self.columns = fields.into_iter().collect();
        self
    }

    /// The fields in which words are looked for.
    pub fn search(mut self, fields: impl IntoIterator<Item = &'static str>) -> Self {
        self.search = Some(fields.into_iter().collect());
        self
    }

    /// The fields that the list can be narrowed by: switches, choices and relations.
    pub fn filters(mut self, fields: impl IntoIterator<Item = &'static str>) -> Self {
        self.filters = Some(fields.into_iter().collect());
        self
    }

    /// The order of the list: a field, or with a minus in front its largest first. Again for a second field.
    pub fn order(mut self, field: &'static str) -> Self {
        let (name, descending) = field.strip_prefix('-').map_or((field, false), |name| (name, true));
        self.order.push(Order { field: name.to_owned(), descending });
        self
    }

    /// The values that a field may have, when they are those of an enum that the column keeps as a text or a number.
    pub fn choices<A: ActiveEnum>(mut self, field: &'static str) -> Self
    where
        A::Value: Into<Value>,
    {
        let texts = A::values().into_iter().map(|choice| match sea_value_to_json_value(&choice.into()) {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        });
        self.choices.push((field, texts.collect()));
        self
    }

    /// Fields that are shown and not changed; what a new row cannot be without is still asked for.
    pub fn read_only(mut self, fields: impl IntoIterator<Item = &'static str>) -> Self {
        self.read_only = fields.into_iter().collect();
        self
    }

    /// Fields that are neither shown nor changed, nor written into the audit log.
    pub fn hidden(mut self, fields: impl IntoIterator<Item = &'static str>) -> Self {
        self.hidden = fields.into_iter().collect();
        self
    }

    /// The field that a row is called by: in relations, titles and the audit log.
    pub fn label(mut self, field: &'static str) -> Self {
        self.label = Some(field);
        self
    }

    /// The field that gets the moment in which a row is made.
    pub fn made_at(mut self, field: &'static str) -> Self {
        self.made_at = Some(field);
        self
    }

    /// The field that gets the moment of every change.
    pub fn changed_at(mut self, field: &'static str) -> Self {
        self.changed_at = Some(field);
        self
    }

    /// Something that can be done with chosen rows, by those who may change them. An error is shown, and what `work` wrote
    /// before it stays: begin a transaction where that matters. The audit log has an entry for each row before `work` begins,
    /// and another one should it fail.
    pub fn action<W>(
        mut self,
        name: &'static str,
        label: &'static str,
        work: impl Fn(Vec<Row>, Setup) -> W + Send + Sync + 'static,
    ) -> Self
    where
        W: Future<Output = Result<()>> + Send + 'static,
    {
        self.actions.push(ModelAction { name, label, run: Arc::new(move |rows, setup| Box::pin(work(rows, setup))) });
        self
    }

    /// What cannot be meant: names of fields that the model does not have.
    pub(crate) fn problems(&self, model: &Model) -> Vec<String> {
        let orders = self.order.iter().map(|by| by.field.as_str());
        let lists = [
            Some(&self.columns),
            self.search.as_ref(),
            self.filters.as_ref(),
            Some(&self.read_only),
            Some(&self.hidden),
        ];
        let single = [self.label, self.made_at, self.changed_at];
        let chosen = self.choices.iter().map(|(field, _)| *field);
        let named = lists.into_iter().flatten().flatten().copied().chain(single.into_iter().flatten());
        let named = named.chain(orders).chain(chosen);
        let unknown = named.filter(|name| model.field(name).is_none());
        let known: Vec<_> = model.fields.iter().map(|field| field.name).collect();
        unknown
            .map(|name| {
                let (app, model) = (model.app, model.name);
                format!(
                    "the admin of {app}.{model} names {name}, which is no field; the fields are {}",
                    known.join(", ")
                )
            })
            .collect()
    }
}

impl fmt::Debug for ModelAdmin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let actions: Vec<_> = self.actions.iter().map(|action| action.name).collect();
        f.debug_struct("ModelAdmin").field("columns", &self.columns).field("actions", &actions).finish_non_exhaustive()
    }
}
