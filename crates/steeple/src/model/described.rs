//! An entity, described.

use sea_orm::{
    ColumnTrait as _, ColumnType, EntityTrait, IdenStatic as _, Iterable as _, ModelTrait, PrimaryKeyToColumn as _,
    PrimaryKeyTrait, RelationType, sea_query::TableRef,
};

use super::{Field, Relation, fixed};

/// One model: its app, its table, its fields, its keys and relations.
#[derive(Clone, Debug)]
pub struct Model {
    /// The label of the app it belongs to: `crypto`.
    pub app: &'static str,
    /// Its name within the app: the table's without the app's in front, `coin` for `crypto_coin`.
    pub name: &'static str,
    /// The table.
    pub table: &'static str,
    /// The fields, in the order of the entity.
    pub fields: Vec<Field>,
    /// Which of the fields are the primary key; more than one for a composite key.
    pub key: Vec<usize>,
    /// The database makes the key when it is absent.
    pub auto_key: bool,
    /// The relations of the entity.
    pub relations: Vec<Relation>,
}

impl Model {
    /// What `E` says about itself.
    pub fn of<E: EntityTrait>(app: &'static str) -> Self {
        let table = E::default().table_name();
        let name = table.strip_prefix(app).and_then(|rest| rest.strip_prefix('_')).filter(|name| !name.is_empty());
        let relations: Vec<Relation> = E::Relation::iter().map(described_relation).collect();
        let keys: Vec<&str> = E::PrimaryKey::iter().map(|key| key.into_column().as_str()).collect();
        let fields: Vec<Field> =
            E::Column::iter().map(|column| described_field::<E>(column, &keys, &relations)).collect();
        Self {
            app,
            name: name.unwrap_or(table),
            table,
            key: keys.iter().filter_map(|key| fields.iter().position(|field| field.name == *key)).collect(),
            fields,
            auto_key: <E::PrimaryKey as PrimaryKeyTrait>::auto_increment(),
            relations,
        }
    }

    /// The field of this name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The fields of the primary key.
    pub fn keys(&self) -> impl Iterator<Item = &Field> {
        self.key.iter().map(|&at| &self.fields[at])
    }
}

fn described_field<E: EntityTrait>(column: E::Column, keys: &[&str], relations: &[Relation]) -> Field {
    let definition = column.def();
    let name = column.as_str();
    let choices = match definition.get_column_type() {
        ColumnType::Enum { variants, .. } => variants.iter().map(ToString::to_string).collect(),
        _ => Vec::new(),
    };
    let references = relations
        .iter()
        .find(|relation| relation.foreign_key_here && relation.from == [name])
        .and_then(|relation| Some((relation.table.clone(), relation.to.first()?.clone())));
    Field {
        name,
        kind: <E::Model as ModelTrait>::get_value_type(column),
        scale: fixed::scale_of(definition.get_column_type()),
        null: definition.is_null(),
        unique: definition.is_unique(),
        default: definition.get_column_default().is_some(),
        is_key: keys.contains(&name),
        choices,
        references,
        column: definition.get_column_type().clone(),
    }
}

fn described_relation<R: sea_orm::RelationTrait + sea_orm::Iterable + std::fmt::Debug>(relation: R) -> Relation {
    let definition = relation.def();
    Relation {
        name: relation.name(),
        many: definition.rel_type == RelationType::HasMany,
        // `is_owner` is the opposite of what its documentation says: belongs_to has false.
        foreign_key_here: !definition.is_owner,
        table: match &definition.to_tbl {
            TableRef::Table(table, _) => table.1.to_string(),
            _ => String::new(),
        },
        from: definition.from_col.iter().map(ToString::to_string).collect(),
        to: definition.to_col.iter().map(ToString::to_string).collect(),
        on_delete: definition.on_delete,
    }
}
