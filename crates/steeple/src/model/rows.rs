//! The rows of a model, behind a handle without the entity's type.
//!
//! Reading takes the entity's own statement (it casts native enums to text) and reads cell by cell, so that one value
//! that the entity's types cannot take spoils itself only: it reads `{"unreadable": "why"}`. Writing goes through the
//! entity's active model, so that its hooks (`before_save`, `after_save`) run.

mod select;
mod write;

use std::{marker::PhantomData, sync::Arc};

use sea_orm::{
    ActiveEnum, ActiveModelBehavior, ConnectionTrait as _, EntityTrait, IntoActiveModel, Iterable as _, ModelTrait,
    QueryFilter as _, QueryResult, QuerySelect as _, QueryTrait as _, Select, Value,
    dynamic::{FieldType, ModelType},
    sea_query::{Alias, Expr, IntoIden as _, SelectStatement},
};
use serde_json::{Map, Value as Json, json};

use super::{Field, Model, Query, RowsError, value};
use crate::db::Db;

/// One row: each field's name with its value.
pub type Row = Map<String, Json>;

/// The rows of one model.
#[async_trait::async_trait]
pub trait ModelRows: Send + Sync {
    /// The model.
    fn model(&self) -> &Model;

    /// A page of rows.
    async fn list(&self, db: &Db, query: &Query) -> Result<Vec<Row>, RowsError>;

    /// How many rows match the filters and the search of `query`; its order, place and limit do not count.
    async fn count(&self, db: &Db, query: &Query) -> Result<u64, RowsError>;

    /// The same, counted up to `most`: the database looks no further.
    async fn count_up_to(&self, db: &Db, query: &Query, most: u64) -> Result<u64, RowsError>;

    /// The row with this key; `key` may have other fields as well.
    async fn get(&self, db: &Db, key: &Row) -> Result<Option<Row>, RowsError>;

    /// Adds a row and gives it back as it is in the database. Fields that are absent get the database's default, NULL,
    /// or what `before_save` puts there; else they are "required".
    async fn insert(&self, db: &Db, row: &Row) -> Result<Row, RowsError>;

    /// Changes the fields of `change` in the row with this key, if the fields of `seen` still are as they were seen.
    ///
    /// # Errors
    ///
    /// [`RowsError::Conflict`] when they are not, [`RowsError::NotFound`] when the row is gone.
    async fn update(&self, db: &Db, key: &Row, seen: &Row, change: &Row) -> Result<Row, RowsError>;

    /// Removes the row with this key.
    ///
    /// # Errors
    ///
    /// [`RowsError::NotFound`] when there is none.
    async fn delete(&self, db: &Db, key: &Row) -> Result<(), RowsError>;
}

/// The rows of the entity `E`.
#[derive(Debug)]
pub struct Rows<E> {
    model: Model,
    /// For each field, how to read its cell.
    cells: Vec<ModelType>,
    entity: PhantomData<fn() -> E>,
}

impl<E: EntityTrait> Rows<E> {
    /// The rows of `E`, a model of this app.
    pub fn new(app: &'static str) -> Self {
        let cell = |column: E::Column| {
            let field = FieldType::new(column.into_iden(), <E::Model as ModelTrait>::get_value_type(column));
            ModelType { fields: vec![field] }
        };
        Self { model: Model::of::<E>(app), cells: E::Column::iter().map(cell).collect(), entity: PhantomData }
    }

    /// The values `field` may have: those of `A`. Native enums are known without; an enum kept as text or number is
    /// not. Nothing happens when there is no such field.
    pub fn choices<A: ActiveEnum>(mut self, field: &str) -> Self
    where
        A::Value: Into<Value>,
    {
        if let Some(field) = self.model.fields.iter_mut().find(|known| known.name == field) {
            let texts = A::values().into_iter().map(|choice| match value::to_json(field, choice.into()) {
                Json::String(text) => text,
                other => other.to_string(),
            });
            field.choices = texts.collect();
        }
        self
    }

    fn column(&self, name: &str) -> Result<(&Field, E::Column), RowsError> {
        E::Column::iter()
            .zip(&self.model.fields)
            .find_map(|(column, field)| (field.name == name).then_some((field, column)))
            .ok_or_else(|| RowsError::field(name, "no such field"))
    }

    fn read(&self, row: &QueryResult) -> Row {
        let cells = self.cells.iter().zip(&self.model.fields);
        cells
            .map(|(cell, field)| {
                let json = match cell.from_query_result(row, "") {
                    Ok(mut cell) => value::to_json(field, cell.fields.swap_remove(0).value),
                    Err(error) => json!({ "unreadable": error.to_string() }),
                };
                (field.name.to_owned(), json)
            })
            .collect()
    }

    async fn read_one(&self, db: &Db, select: Select<E>) -> Result<Option<Row>, RowsError> {
        Ok(db.query_one(&select.limit(1).into_query()).await?.map(|row| self.read(&row)))
    }

    fn not_found(&self, key: &Row) -> RowsError {
        let texts = self.model.keys().map(|field| match key.get(field.name) {
            Some(Json::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => "?".to_owned(),
        });
        RowsError::NotFound { model: self.model.name, key: texts.collect::<Vec<_>>().join(",") }
    }
}

#[async_trait::async_trait]
impl<E> ModelRows for Rows<E>
where
    E: EntityTrait,
    E::Model: IntoActiveModel<E::ActiveModel> + Sync,
    E::ActiveModel: ActiveModelBehavior + Send,
{
    fn model(&self) -> &Model {
        &self.model
    }

    async fn list(&self, db: &Db, query: &Query) -> Result<Vec<Row>, RowsError> {
        let select = self.page(db.get_database_backend(), query)?;
        let rows = db.query_all(&select.into_query()).await?;
        Ok(rows.iter().map(|row| self.read(row)).collect())
    }

    async fn count(&self, db: &Db, query: &Query) -> Result<u64, RowsError> {
        let select = self.matching(db.get_database_backend(), query)?;
        let counting = select.select_only().expr_as(Expr::cust("COUNT(*)"), "n");
        let count: Option<i64> = counting.into_tuple().one(db).await?;
        Ok(count.unwrap_or(0).unsigned_abs())
    }

    async fn count_up_to(&self, db: &Db, query: &Query, most: u64) -> Result<u64, RowsError> {
        let select = self.matching(db.get_database_backend(), query)?;
        let some = select.select_only().expr_as(Expr::cust("1"), "one").limit(most).into_query();
        let counting = SelectStatement::new()
            .expr_as(Expr::cust("COUNT(*)"), Alias::new("n"))
            .from_subquery(some, Alias::new("some"))
            .to_owned();
        match db.query_one(&counting).await? {
            Some(row) => Ok(row.try_get::<i64>("", "n")?.unsigned_abs()),
            None => Ok(0),
        }
    }

    async fn get(&self, db: &Db, key: &Row) -> Result<Option<Row>, RowsError> {
        self.read_one(db, E::find().filter(self.by_key(key)?)).await
    }

    async fn insert(&self, db: &Db, row: &Row) -> Result<Row, RowsError> {
        db.transaction(async |tx| self.inserted(&tx, row).await).await
    }

    async fn update(&self, db: &Db, key: &Row, seen: &Row, change: &Row) -> Result<Row, RowsError> {
        db.transaction(async |tx| self.updated(&tx, key, seen, change).await).await
    }

    async fn delete(&self, db: &Db, key: &Row) -> Result<(), RowsError> {
        db.transaction(async |tx| self.deleted(&tx, key).await).await
    }
}

/// What `app.model::<…>()` takes: any SeaORM entity. Implemented for all of them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a SeaORM entity",
    label = "expected an entity, such as `coin::Entity`",
    note = "derive `DeriveEntityModel` on the struct `Model` of a module and name the module's `Entity` here"
)]
pub trait Registered: EntityTrait {
    /// The handle on its rows.
    fn rows(app: &'static str) -> Arc<dyn ModelRows>;
}

impl<E: EntityTrait> Registered for E
where
    Rows<E>: ModelRows + 'static,
{
    fn rows(app: &'static str) -> Arc<dyn ModelRows> {
        Arc::new(Rows::<E>::new(app))
    }
}
