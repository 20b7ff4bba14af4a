//! Who changed what, and when: a row for every change that people make through the admin and the REST API.
//!
//! Takes an [`Entry`] where the change is made, within its transaction, so that neither is there without the other; gives
//! them back, the newest first. The table is `steeple_audit_log`. What begins transactions of its own, or asks others over
//! the network (a site's action, a call that is tried), has its entry before it begins: an entry says then that it was
//! begun.
//!
//! Must never: keep a password, a key, or the value of a field that a site hides; change or remove a row.

mod migrations;
mod table;

use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use serde_json::{Map, Value};

use self::table::{ActiveModel, Column, Entity};
pub use self::{migrations::migrations, table::Model as Change};
use crate::{Db, auth::User, clock, error::Result};

/// Characters of a text that are kept.
const NAME: usize = 200;
/// Characters of a value that are kept.
const VALUE: usize = 200;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Made.
    Add,
    /// Changed.
    Change,
    /// Deleted.
    Delete,
    /// A key that is refused from then on.
    Revoke,
    /// A key that another one takes the place of.
    Rotate,
    /// A password that was set.
    Password,
    /// A site's own action, from before it began.
    Act,
    /// A call that was made for them, from before it was made.
    Call,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Add, Self::Change, Self::Delete, Self::Revoke, Self::Rotate, Self::Password, Self::Act, Self::Call];

    /// As the table has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Change => "change",
            Self::Delete => "delete",
            Self::Revoke => "revoke",
            Self::Rotate => "rotate",
            Self::Password => "password",
            Self::Act => "act",
            Self::Call => "call",
        }
    }
}

/// One change, to be written.
#[derive(Debug)]
#[must_use = "an entry is kept by `write`"]
pub struct Entry(ActiveModel);

impl Entry {
    /// This user did that to the thing of this kind (`crypto.coin`), with this key and name.
    pub fn new(user: &User, action: Action, kind: &str, key: impl ToString, name: &str) -> Self {
        Self(ActiveModel {
            created_at: Set(clock::now()),
            user_id: Set(Some(user.id)),
            username: Set(cut(&user.username, NAME)),
            action: Set(action.as_str().to_owned()),
            object_type: Set(cut(kind, NAME)),
            object_id: Set(cut(&key.to_string(), NAME)),
            object_name: Set(cut(name, NAME)),
            changes: Set("{}".to_owned()),
            ..ActiveModel::default()
        })
    }

    /// With what changed: each field with what it was and what it became.
    pub fn changes(mut self, changes: impl IntoIterator<Item = (String, Value, Value)>) -> Self {
        let pairs = changes.into_iter().map(|(field, from, to)| (field, Value::Array(vec![kept(from), kept(to)])));
        self.0.changes = Set(Value::Object(pairs.collect::<Map<_, _>>()).to_string());
        self
    }

    /// Writes it down: `entry.write(&tx)`.
    ///
    /// # Errors
    /// The database's; then the change it is about must not stay either.
    pub async fn write(self, db: &Db) -> Result<()> {
        Entity::insert(self.0).exec_without_returning(db).await?;
        Ok(())
    }
}

/// Which changes [`list`] gives.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this user.
    pub user_id: Option<i64>,
    /// Of the user with this name.
    pub username: Option<String>,
    /// What was done.
    pub action: Option<Action>,
    /// To things of this kind: `crypto.coin`.
    pub kind: Option<String>,
    /// To the thing with this key.
    pub key: Option<String>,
    /// Older than the row with this id.
    pub before: Option<i64>,
}

/// The changes that fit, the newest first.
///
/// # Errors
/// The database's.
pub async fn list(db: &Db, filter: &Filter, limit: u64) -> Result<Vec<Change>> {
    let mut select = Entity::find().order_by_desc(Column::Id).limit(limit);
    if let Some(id) = filter.user_id {
        select = select.filter(Column::UserId.eq(id));
    }
    if let Some(name) = &filter.username {
        select = select.filter(Column::Username.eq(name.as_str()));
    }
    if let Some(action) = filter.action {
        select = select.filter(Column::Action.eq(action.as_str()));
    }
    if let Some(kind) = &filter.kind {
        select = select.filter(Column::ObjectType.eq(kind.as_str()));
    }
    if let Some(key) = &filter.key {
        select = select.filter(Column::ObjectId.eq(key.as_str()));
    }
    if let Some(id) = filter.before {
        select = select.filter(Column::Id.lt(id));
    }
    Ok(select.all(db).await?)
}

fn cut(text: &str, most: usize) -> String {
    text.chars().filter(|letter| *letter != '\0').take(most).collect()
}

fn kept(value: Value) -> Value {
    match value {
        Value::String(text) if text.chars().nth(VALUE).is_some() => format!("{}…", cut(&text, VALUE)).into(),
        Value::Array(_) | Value::Object(_) => kept(value.to_string().into()),
        value => value,
    }
}
