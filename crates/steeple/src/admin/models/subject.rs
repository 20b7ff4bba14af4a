//! The model that a page is about: what it says of itself, with what the site says about it, and what is usual without.

use std::sync::Arc;

use sea_orm::{
    ColumnType,
    sea_query::{ArrayType, StringLen},
};
use serde_json::Value as Json;

use super::cells::{text, words};
use crate::{
    app::{ModelAction, ModelAdmin},
    auth::User,
    error::{Error, Result},
    model::{Field, Model, ModelRows, Order, Row},
};

/// Columns of a list that nobody chose.
const COLUMNS: usize = 6;
/// Texts longer than this are no columns unless they were chosen.
const SHORT: u32 = 255;
/// Fields that a row is called by when nobody chose one.
const LABELS: [&str; 7] = ["name", "title", "label", "symbol", "username", "slug", "code"];

/// What may be done with rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::admin) enum Deed {
    View,
    Add,
    Change,
    Delete,
}

/// A model, as the admin shows it.
pub(in crate::admin) struct Subject {
    pub rows: Arc<dyn ModelRows>,
    /// What many of its rows are called, and one.
    pub title: String,
    pub one: String,
    /// Where its list is, below the admin's own address.
    pub path: String,
    pub columns: Vec<&'static str>,
    pub search: Vec<&'static str>,
    pub filters: Vec<&'static str>,
    pub order: Vec<Order>,
    pub label: Option<&'static str>,
    pub made_at: Option<&'static str>,
    pub changed_at: Option<&'static str>,
    pub actions: Vec<ModelAction>,
    read_only: Vec<&'static str>,
    hidden: Vec<&'static str>,
    choices: Vec<(&'static str, Vec<String>)>,
}

impl Subject {
    pub fn new(rows: Arc<dyn ModelRows>, said: &ModelAdmin, path: String) -> Self {
        let model = rows.model();
        let one = words(model.name);
        let shown = |field: &&Field| !said.hidden.contains(&field.name);
        let or = |chosen: &[&'static str], usual: &dyn Fn() -> Vec<&'static str>| {
            if chosen.is_empty() { usual() } else { chosen.to_vec() }
        };
        let choices =
            |field: &Field| !field.choices.is_empty() || said.choices.iter().any(|(name, _)| *name == field.name);
        let usual_columns =
            || model.fields.iter().filter(shown).filter(|field| is_short(field)).map(|field| field.name);
        let texts = |field: &&Field| field.kind == ArrayType::String && !choices(field);
        let few = |field: &&Field| field.kind == ArrayType::Bool || choices(field);
        let search = said
            .search
            .clone()
            .unwrap_or_else(|| model.fields.iter().filter(shown).filter(texts).map(|field| field.name).collect());
        let filters = said
            .filters
            .clone()
            .unwrap_or_else(|| model.fields.iter().filter(shown).filter(few).map(|field| field.name).collect());
        let usual_order = || {
            let keys = model.keys().map(|key| Order { field: key.name.to_owned(), descending: model.auto_key });
            keys.collect()
        };
        let named = |name: &&str| model.field(name).is_some_and(|field| shown(&field) && texts(&field));
        let unique = || model.fields.iter().find(|field| field.unique && shown(field) && texts(field));
        let label = said.label.or_else(|| LABELS.into_iter().find(named));
        Self {
            title: said.title.map_or_else(|| many(&one), str::to_owned),
            path,
            columns: or(&said.columns, &|| usual_columns().take(COLUMNS).collect()),
            search,
            filters,
            order: if said.order.is_empty() { usual_order() } else { said.order.clone() },
            label: label.or_else(|| unique().map(|field| field.name)),
            made_at: said.made_at,
            changed_at: said.changed_at,
            actions: said.actions.clone(),
            read_only: said.read_only.clone(),
            hidden: said.hidden.clone(),
            choices: said.choices.clone(),
            one,
            rows,
        }
    }

    pub fn model(&self) -> &Model {
        self.rows.model()
    }

    /// A field that may be shown.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.model().field(name).filter(|field| !self.hidden.contains(&field.name))
    }

    /// The fields that may be shown.
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        self.model().fields.iter().filter(|field| !self.hidden.contains(&field.name))
    }

    /// The values that a field may have; empty: any.
    pub fn choices<'s>(&'s self, field: &'s Field) -> &'s [String] {
        let said = self.choices.iter().find(|(name, _)| *name == field.name);
        said.map_or(&field.choices, |(_, choices)| choices)
    }

    /// Whether people set a field, of a new row or of one that there is.
    pub fn is_set_by_people(&self, field: &Field, new: bool) -> bool {
        let by_itself = [self.made_at, self.changed_at].contains(&Some(field.name));
        let key = field.is_key && (self.model().auto_key || !new);
        let read_only = self.read_only.contains(&field.name) && !(new && is_needed(field));
        let writable = !matches!(field.kind, ArrayType::Bytes);
        !by_itself && !key && !read_only && writable
    }

    /// What a row is called.
    pub fn name_of(&self, row: &Row) -> String {
        let label = self.label.and_then(|label| row.get(label)).map(text).filter(|label| !label.is_empty());
        label.unwrap_or_else(|| format!("{} {}", self.one, self.key_of(row)))
    }

    /// The kind that the audit log knows it by, and permissions begin with: `crypto.coin`.
    pub fn kind(&self) -> String {
        format!("{}.{}", self.model().app, self.codename())
    }

    fn codename(&self) -> String {
        self.model().name.replace('_', "").to_lowercase()
    }

    /// The permission that this takes.
    pub fn permission(&self, deed: Deed) -> String {
        let verb = match deed {
            Deed::View => "view",
            Deed::Add => "add",
            Deed::Change => "change",
            Deed::Delete => "delete",
        };
        format!("{}.{verb}_{}", self.model().app, self.codename())
    }

    /// Whether somebody may do this; who may change may look.
    pub fn may(&self, user: &User, deed: Deed) -> bool {
        user.has_permission(&self.permission(deed))
            || deed == Deed::View && user.has_permission(&self.permission(Deed::Change))
    }

    /// Lets only those go on who may.
    ///
    /// # Errors
    /// PERMISSION_DENIED.
    pub fn require(&self, user: &User, deed: Deed) -> Result<()> {
        if self.may(user, deed) {
            return Ok(());
        }
        Err(Error::permission_denied(format!("this needs the permission {}", self.permission(deed))))
    }

    /// The fields of a row that the audit log may have, with what they were.
    pub fn changes(&self, from: &Row, to: &Row) -> Vec<(String, Json, Json)> {
        let value = |row: &Row, name: &str| row.get(name).cloned().unwrap_or(Json::Null);
        let both = self.fields().map(|field| (field.name.to_owned(), value(from, field.name), value(to, field.name)));
        both.filter(|(_, from, to)| from != to).collect()
    }
}

/// Whether a new row cannot be without it.
pub(super) fn is_needed(field: &Field) -> bool {
    !field.null && !field.default
}

fn is_short(field: &Field) -> bool {
    match (&field.kind, &field.column) {
        (ArrayType::Json | ArrayType::Bytes, _) | (ArrayType::String, ColumnType::Text) => false,
        (ArrayType::String, ColumnType::String(StringLen::N(most))) => *most <= SHORT,
        _ => true,
    }
}

/// Many of what is called so.
fn many(one: &str) -> String {
    let before = one.chars().rev().nth(1);
    match one.chars().last() {
        Some('y') if !before.is_some_and(|letter| "aeiou".contains(letter)) => format!("{}ies", &one[..one.len() - 1]),
        Some('s' | 'x' | 'z') => format!("{one}es"),
        Some('h') if matches!(before, Some('c' | 's')) => format!("{one}es"),
        _ => format!("{one}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::many;

    #[test]
    fn many_are_called_as_in_english() {
        let called = ["Coin", "Category", "Key", "Address", "Box", "Batch"].map(many);
        assert_eq!(called, ["Coins", "Categories", "Keys", "Addresses", "Boxes", "Batches"]);
    }
}
