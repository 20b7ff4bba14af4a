//! One field and one relation of a model.

use sea_orm::{
    ColumnType,
    sea_query::{ArrayType, ForeignKeyAction},
};

/// One column.
#[derive(Clone, Debug)]
pub struct Field {
    /// The column's name.
    pub name: &'static str,
    /// What a value of it is in Rust. JSON spells each kind as the [module](crate::model) says.
    pub kind: ArrayType,
    /// What the entity says its type in the database is: lengths, precision.
    pub column: ColumnType,
    /// Digits behind the point, when it is a [`Fixed`](super::Fixed): `kind` is then a whole number, JSON a decimal one.
    pub scale: Option<u32>,
    /// It may be empty (NULL).
    pub null: bool,
    /// No two rows have the same.
    pub unique: bool,
    /// The database fills it in when it is absent.
    pub default: bool,
    /// It is (part of) the primary key.
    pub is_key: bool,
    /// The values it may have, when these are few and known: those of a native enum, or those given with
    /// [`Rows::choices`](super::Rows::choices). Empty: any.
    pub choices: Vec<String>,
    /// The table and the column this one refers to, when it is a foreign key.
    pub references: Option<(String, String)>,
}

/// A relation of the entity to another.
#[derive(Clone, Debug)]
pub struct Relation {
    /// Its name in the entity.
    pub name: String,
    /// Many rows there to one here.
    pub many: bool,
    /// The foreign key is here (`belongs_to`), not there.
    pub foreign_key_here: bool,
    /// The other table.
    pub table: String,
    /// The columns here.
    pub from: Vec<String>,
    /// The columns there.
    pub to: Vec<String>,
    /// What becomes of the rows with the key when the other goes.
    pub on_delete: Option<ForeignKeyAction>,
}
