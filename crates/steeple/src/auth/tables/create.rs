//! The migration that makes the tables, or finds them made.

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Value};
use sea_orm_migration::{
    MigrationName, MigrationTrait, SchemaManager,
    sea_query::{Alias, Query},
};

use super::standing::{self, Standing};
use crate::{clock, db::sqlite_time};

/// Where Django writes which of its migrations a database has.
pub(super) const HISTORY: &str = "django_migrations";

/// What Django has migrated when the tables are as its last migrations leave them.
pub(super) const APPLIED: [(&str, &str); 14] = [
    ("contenttypes", "0001_initial"),
    ("contenttypes", "0002_remove_content_type_name"),
    ("auth", "0001_initial"),
    ("auth", "0002_alter_permission_name_max_length"),
    ("auth", "0003_alter_user_email_max_length"),
    ("auth", "0004_alter_user_username_opts"),
    ("auth", "0005_alter_user_last_login_null"),
    ("auth", "0006_require_contenttypes_0002"),
    ("auth", "0007_alter_validators_add_error_messages"),
    ("auth", "0008_alter_user_username_max_length"),
    ("auth", "0009_alter_user_last_name_max_length"),
    ("auth", "0010_alter_group_name_max_length"),
    ("auth", "0011_update_proxy_permissions"),
    ("auth", "0012_alter_user_first_name_max_length"),
];

/// Makes the seven tables and notes it in Django's history, so that Django's own `migrate` finds them. Nothing to do where
/// Django was first; refused where what is there is not Django's.
pub(in crate::auth) struct DjangoAuth;

impl MigrationName for DjangoAuth {
    fn name(&self) -> &'static str {
        "0001_django_auth"
    }
}

#[async_trait]
#[expect(elided_lifetimes_in_paths, reason = "the trait is written so, and spelling it out is another signature")]
impl MigrationTrait for DjangoAuth {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        match standing::of(db).await? {
            Standing::Complete => Ok(()),
            Standing::Absent { history } => make(db, history).await,
            Standing::Refused(why) => Err(DbErr::Migration(why)),
        }
    }
}

/// `history`: Django's history is there already.
async fn make(db: &impl ConnectionTrait, history: bool) -> Result<(), DbErr> {
    let backend = db.get_database_backend();
    let text = match backend {
        DbBackend::Sqlite => include_str!("sqlite.sql"),
        DbBackend::Postgres => include_str!("postgres.sql"),
        DbBackend::MySql => include_str!("mysql.sql"),
        _ => return Err(DbErr::Migration(format!("there are no tables of users for {backend:?}"))),
    };
    let statements = text.lines().filter(|line| !line.starts_with("--"));
    for statement in statements.filter(|statement| !(history && statement.contains(HISTORY))) {
        db.execute_unprepared(statement.trim_end_matches(';')).await?;
    }
    // Last: where nothing is undone (MySQL), the rows say that all of it was done.
    let now: Value = match backend {
        DbBackend::Sqlite => sqlite_time(&clock::now()).into(),
        _ => clock::now().into(),
    };
    let mut insert = Query::insert();
    insert.into_table(Alias::new(HISTORY)).columns(["app", "name", "applied"].map(Alias::new));
    for (app, name) in APPLIED {
        insert.values_panic([app.into(), name.into(), now.clone().into()]);
    }
    db.execute(&insert).await.map(drop)
}
