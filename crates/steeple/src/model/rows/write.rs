//! Adding, changing and removing rows, each within the transaction it is given.

use sea_orm::{
    ActiveModelBehavior, ActiveModelTrait as _, EntityTrait, IntoActiveModel, Iterable as _, ModelTrait as _,
    QueryFilter as _, QuerySelect as _,
};

use super::{Row, Rows};
use crate::{
    db::Db,
    model::{FieldProblem, RowsError, value},
};

impl<E> Rows<E>
where
    E: EntityTrait,
    E::Model: IntoActiveModel<E::ActiveModel> + Sync,
    E::ActiveModel: ActiveModelBehavior + Send,
{
    pub(super) async fn inserted(&self, tx: &Db, row: &Row) -> Result<Row, RowsError> {
        let mut active = <E::ActiveModel as ActiveModelBehavior>::new();
        self.fill(&mut active, row)?;
        // What `ActiveModelTrait::insert` does, opened: what is required shows only after the hook has filled fields.
        let active = ActiveModelBehavior::before_save(active, tx, true).await?;
        let missing: Vec<FieldProblem> = E::Column::iter()
            .zip(&self.model.fields)
            .filter(|(_, field)| !(field.null || field.default || field.is_key && self.model.auto_key))
            .filter(|(column, _)| active.is_not_set(*column))
            .map(|(_, field)| FieldProblem { field: field.name.to_owned(), problem: "required".to_owned() })
            .collect();
        if !missing.is_empty() {
            return Err(RowsError::Fields(missing));
        }
        let model = E::insert(active).exec_with_returning(tx).await?;
        let model = <E::ActiveModel as ActiveModelBehavior>::after_save(model, tx, true).await?;
        self.again(tx, model).await
    }

    pub(super) async fn updated(&self, tx: &Db, key: &Row, seen: &Row, change: &Row) -> Result<Row, RowsError> {
        let fixed: Vec<FieldProblem> = self
            .model
            .keys()
            .filter(|field| change.get(field.name).is_some_and(|new| Some(new) != key.get(field.name)))
            .map(|field| FieldProblem { field: field.name.to_owned(), problem: "cannot be changed".to_owned() })
            .collect();
        if !fixed.is_empty() {
            return Err(RowsError::Fields(fixed));
        }
        let wanted = E::find().filter(self.by_key(key)?).lock_exclusive();
        let now = self.read_one(tx, wanted.clone()).await?.ok_or_else(|| self.not_found(key))?;
        if seen.iter().any(|(name, value)| now.get(name) != Some(value)) {
            return Err(RowsError::Conflict);
        }
        let model = wanted.one(tx).await?.ok_or_else(|| self.not_found(key))?;
        let mut active = model.into_active_model();
        self.fill(&mut active, change)?;
        let model = active.update(tx).await?;
        self.again(tx, model).await
    }

    pub(super) async fn deleted(&self, tx: &Db, key: &Row) -> Result<(), RowsError> {
        let model = E::find().filter(self.by_key(key)?).one(tx).await?.ok_or_else(|| self.not_found(key))?;
        model.into_active_model().delete(tx).await?;
        Ok(())
    }

    /// Puts `row` into `active`; all that is wrong with it at once.
    fn fill(&self, active: &mut E::ActiveModel, row: &Row) -> Result<(), RowsError> {
        let mut problems = Vec::new();
        for (name, json) in row {
            let set = self.column(name).and_then(|(field, column)| {
                let value = value::from_json(field, json).map_err(|problem| RowsError::field(name, problem))?;
                // What the column's Rust type refuses: an enum it has no variant for.
                active.try_set(column, value).map_err(|_| RowsError::field(name, "is not one of the possible values"))
            });
            match set {
                Ok(()) => {}
                Err(RowsError::Fields(more)) => problems.extend(more),
                Err(other) => return Err(other),
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(RowsError::Fields(problems)) }
    }

    /// The row as the database has it now, read as lists read it.
    async fn again(&self, tx: &Db, model: E::Model) -> Result<Row, RowsError> {
        let key = E::Column::iter()
            .zip(&self.model.fields)
            .filter(|(_, field)| field.is_key)
            .map(|(column, field)| (field.name.to_owned(), value::to_json(field, model.get(column))))
            .collect();
        let select = E::find().filter(self.by_key(&key)?);
        self.read_one(tx, select).await?.ok_or_else(|| self.not_found(&key))
    }
}
