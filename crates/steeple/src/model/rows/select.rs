//! Which rows: filters, search, order, the page after a row.

use sea_orm::{
    ColumnTrait, Condition, DbBackend, EntityTrait, QueryFilter as _, QueryOrder as _, QuerySelect as _, Select,
    sea_query::{ArrayType, Expr, ExprTrait as _, Func, LikeExpr, Order as Direction, SimpleExpr},
};
use serde_json::Value as Json;

use super::{Row, Rows};
use crate::model::{Field, Op, Order, Query, RowsError, value};

impl<E: EntityTrait> Rows<E> {
    /// Filters, search, order, place and limit.
    pub(super) fn page(&self, backend: DbBackend, query: &Query) -> Result<Select<E>, RowsError> {
        let mut select = self.matching(backend, query)?;
        let order = self.total_order(&query.order);
        for by in &order {
            let (field, column) = self.column(&by.field)?;
            if field.kind == ArrayType::Json {
                return Err(RowsError::field(&by.field, "cannot be ordered by"));
            }
            // PostgreSQL has NULLs last, the others first: said explicitly, where there can be any.
            if field.null {
                select = select.order_by(column.into_expr().is_null(), Direction::Asc);
            }
            select = select.order_by(column, if by.descending { Direction::Desc } else { Direction::Asc });
        }
        if let Some(row) = &query.after {
            select = select.filter(self.behind(row, &order)?);
        }
        Ok(select.limit(query.limit))
    }

    /// Filters and search only.
    pub(super) fn matching(&self, backend: DbBackend, query: &Query) -> Result<Select<E>, RowsError> {
        let mut select = E::find();
        for (name, op, json) in &query.filters {
            select = select.filter(self.condition(backend, name, *op, json)?);
        }
        for word in query.search.iter().flat_map(|text| text.split_whitespace()) {
            let mut found = Condition::any();
            for name in &query.search_in {
                found = found.add(contains(backend, self.column(name)?.1, word));
            }
            select = select.filter(found);
        }
        Ok(select)
    }

    /// The one row with this key.
    pub(super) fn by_key(&self, key: &Row) -> Result<Condition, RowsError> {
        let mut all = Condition::all();
        for field in self.model.keys() {
            let (field, column) = self.column(field.name)?;
            all = all.add(column.into_expr().eq(bound(field, column, key.get(field.name).unwrap_or(&Json::Null))?));
        }
        Ok(all)
    }

    fn condition(&self, backend: DbBackend, name: &str, op: Op, json: &Json) -> Result<SimpleExpr, RowsError> {
        let (field, column) = self.column(name)?;
        let cell = column.into_expr();
        let bound = |json| bound(field, column, json);
        Ok(match op {
            Op::Eq => cell.eq(bound(json)?),
            Op::Ne => cell.ne(bound(json)?),
            Op::Lt => cell.lt(bound(json)?),
            Op::Lte => cell.lte(bound(json)?),
            Op::Gt => cell.gt(bound(json)?),
            Op::Gte => cell.gte(bound(json)?),
            Op::In => {
                let among = json.as_array().ok_or_else(|| RowsError::field(name, "must be a list"))?;
                cell.is_in(among.iter().map(bound).collect::<Result<Vec<_>, _>>()?)
            }
            Op::IsNull => match json.as_bool() {
                Some(true) => cell.is_null(),
                Some(false) => cell.is_not_null(),
                None => return Err(RowsError::field(name, "must be true or false")),
            },
            Op::Contains => {
                let text = json.as_str().ok_or_else(|| RowsError::field(name, "must be text"))?;
                contains(backend, column, text)
            }
        })
    }

    /// The order asked for, ended by the key.
    fn total_order(&self, asked: &[Order]) -> Vec<Order> {
        let mut order = asked.to_vec();
        for key in self.model.keys() {
            if !order.iter().any(|by| by.field == key.name) {
                order.push(Order { field: key.name.to_owned(), descending: false });
            }
        }
        order
    }

    /// What comes after `row`: `a > x or (a = x and b > y) or …`. Not as `(a, b) > (x, y)`: directions may differ, and
    /// NULL is last in each.
    fn behind(&self, row: &Row, order: &[Order]) -> Result<Condition, RowsError> {
        let mut any = Condition::any();
        let mut equal = Condition::all();
        for by in order {
            let (field, column) = self.column(&by.field)?;
            let json = row
                .get(&by.field)
                .ok_or_else(|| RowsError::field(&by.field, "is missing in the row to go on after"))?;
            if json.is_null() && field.null {
                // Nothing comes after the empty ones but further fields.
                equal = equal.add(column.into_expr().is_null());
                continue;
            }
            let bound = bound(field, column, json)?;
            let cell = column.into_expr();
            let mut later =
                Condition::any().add(if by.descending { cell.lt(bound.clone()) } else { cell.gt(bound.clone()) });
            if field.null {
                later = later.add(column.into_expr().is_null());
            }
            any = any.add(equal.clone().add(later));
            equal = equal.add(column.into_expr().eq(bound));
        }
        Ok(any)
    }
}

/// A JSON value, bound as the column wants it.
fn bound<C: ColumnTrait>(field: &Field, column: C, json: &Json) -> Result<SimpleExpr, RowsError> {
    let value = value::from_json(field, json).map_err(|problem| RowsError::field(field.name, problem))?;
    Ok(column.save_as(Expr::val(value)))
}

fn contains<C: ColumnTrait>(backend: DbBackend, column: C, text: &str) -> SimpleExpr {
    let escaped = text.to_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    // MySQL casts to char; in PostgreSQL that is one character, and finds nothing.
    let kind = if backend == DbBackend::MySql { "char" } else { "text" };
    let cell = Expr::expr(Func::lower(column.into_expr().cast_as(kind)));
    cell.like(LikeExpr::new(format!("%{escaped}%")).escape('\\'))
}
