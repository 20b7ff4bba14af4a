//! The entities these tests use, and their tables: every kind of column, a composite key, a hook, references.

#![expect(elided_lifetimes_in_paths, reason = "MigrationTrait does not accept SchemaManager<'_>")]

use sea_orm::{
    ActiveModelBehavior, ActiveModelTrait as _, ActiveValue::Set, ConnectionTrait, DbErr, DeriveActiveEnum, EnumIter,
    entity::prelude::*,
};
use sea_orm_migration::{
    MigrationName, MigrationTrait, SchemaManager, async_trait,
    schema::{big_integer, boolean, date, decimal_len, double, json, pk_auto, string, string_len, string_null, uuid},
    sea_query::{Alias, ColumnDef, ForeignKey, Index, Table},
};
use steeple::{
    Db, Fixed,
    db::migrate::{Migration, up},
};

use crate::databases::Database;

/// A text-backed enum: SeaORM tells nobody its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(8))")]
pub enum Kind {
    #[sea_orm(string_value = "coin")]
    Coin,
    #[sea_orm(string_value = "token")]
    Token,
}

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "crypto_coin")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    #[sea_orm(unique, column_type = "String(StringLen::N(12))")]
    pub symbol: String,
    pub slug: String,
    pub kind: Kind,
    pub price: Fixed<8>,
    pub fee: Option<Fixed<2>>,
    #[sea_orm(column_type = "Decimal(Some((12, 4)))")]
    pub weight: Decimal,
    pub score: f64,
    pub listed: bool,
    pub rank: Option<i32>,
    pub supply: i64,
    pub born: Date,
    pub seen_at: DateTimeUtc,
    pub key: Uuid,
    pub tags: Json,
    pub note: Option<String>,
}

/// Fills `slug`, which is required, from the symbol.
#[async_trait::async_trait]
impl ActiveModelBehavior for ActiveModel {
    async fn before_save<C: ConnectionTrait>(mut self, _: &C, insert: bool) -> Result<Self, DbErr> {
        if insert && self.slug.is_not_set() && self.symbol.is_set() {
            self.slug = Set(self.symbol.as_ref().to_lowercase());
        }
        Ok(self)
    }
}

/// What a coin is in: a composite key, each half a reference.
pub mod basket {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "crypto_basket")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub coin_id: i64,
        pub amount: i64,
        #[sea_orm(belongs_to, from = "coin_id", to = "id", on_delete = "Cascade")]
        pub coin: HasOne<super::Entity>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

pub struct Initial;

impl MigrationName for Initial {
    fn name(&self) -> &'static str {
        "not looked at"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Initial {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // Microseconds everywhere: MySQL's timestamp drops them
        let moment = match manager.get_database_backend() {
            sea_orm::DbBackend::Postgres => "timestamptz",
            _ => "datetime(6)",
        };
        manager
            .create_table(
                Table::create()
                    .table("crypto_coin")
                    .col(ColumnDef::new(Alias::new("id")).big_integer().not_null().auto_increment().primary_key())
                    .col(string_len("symbol", 12).unique_key())
                    .col(string("slug"))
                    .col(string_len("kind", 8))
                    .col(big_integer("price"))
                    .col(ColumnDef::new(Alias::new("fee")).big_integer())
                    .col(decimal_len("weight", 12, 4))
                    .col(double("score"))
                    .col(boolean("listed"))
                    .col(ColumnDef::new(Alias::new("rank")).integer())
                    .col(big_integer("supply"))
                    .col(date("born"))
                    .col(ColumnDef::new(Alias::new("seen_at")).custom(Alias::new(moment)).not_null())
                    .col(uuid("key"))
                    .col(json("tags"))
                    .col(string_null("note"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table("crypto_basket")
                    .col(string("name"))
                    .col(big_integer("coin_id"))
                    .col(big_integer("amount"))
                    .primary_key(Index::create().col("name").col("coin_id"))
                    .foreign_key(ForeignKey::create().from("crypto_basket", "coin_id").to("crypto_coin", "id"))
                    .to_owned(),
            )
            .await
    }
}

/// A table with a counter, for tests that need no more.
pub struct Counter;

impl MigrationName for Counter {
    fn name(&self) -> &'static str {
        "not looked at"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Counter {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(Table::create().table("counter").col(pk_auto("id")).col(big_integer("n")).to_owned()).await
    }
}

/// A connection to a database that has the tables.
pub async fn connected(database: &Database) -> Db {
    let db = database.connect().await;
    up(&db, &[Migration::new("crypto", "0001_initial", Initial)]).await.expect("migrates");
    db
}

/// A row that is right, to be changed at will.
pub fn bitcoin() -> steeple::model::Row {
    let serde_json::Value::Object(row) = serde_json::json!({
        "symbol": "BTC",
        "kind": "coin",
        "price": "64123.12345678",
        "fee": null,
        "weight": "1.5000",
        "score": 0.25,
        "listed": true,
        "rank": 1,
        "supply": "9007199254740993",
        "born": "2009-01-03",
        "seen_at": "2026-11-20T18:23:03.911776Z",
        "key": "67e55044-10b1-426f-9247-bb680e5fe0c8",
        "tags": ["first", {"proof": "work"}],
        "note": null,
    }) else {
        unreachable!("an object")
    };
    row
}

/// Inserts by the entity itself.
pub async fn insert(db: &Db, symbol: &str, rank: Option<i32>) -> Model {
    ActiveModel {
        symbol: Set(symbol.to_owned()),
        kind: Set(Kind::Token),
        price: Set("1.5".parse().expect("a number")),
        fee: Set(Some("0.1".parse().expect("a number"))),
        weight: Set(Decimal::new(15, 1)),
        score: Set(0.5),
        listed: Set(false),
        rank: Set(rank),
        supply: Set(1),
        born: Set(Date::from_ymd_opt(2020, 1, 2).expect("a day")),
        seen_at: Set(steeple::clock::now()),
        key: Set(Uuid::new_v4()),
        tags: Set(serde_json::json!([])),
        ..ActiveModelBehavior::new()
    }
    .insert(db)
    .await
    .expect("inserts")
}
