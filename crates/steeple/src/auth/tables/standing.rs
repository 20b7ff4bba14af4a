//! What a database has of the seven tables already, and whether it is Django's.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{ConnectionTrait, DbBackend, DbErr, EntityTrait, IdenStatic as _, Iterable as _, Statement};
use sea_orm_migration::sea_query::{Alias, Expr, ExprTrait as _, Query};

use super::{
    content_type,
    create::{APPLIED, HISTORY},
    group, group_permission, permission, user, user_group, user_permission,
};

/// How far a database is.
pub(super) enum Standing {
    /// None of the seven.
    Absent {
        /// `django_migrations` is there: a Django project without users.
        history: bool,
    },
    /// All seven, as Django's last migrations leave them.
    Complete,
    /// What is there is not what it should be; says what to do.
    Refused(String),
}

/// The columns of a table, and what type each is.
type Columns = BTreeMap<String, String>;
/// Tables by name.
type Tables = BTreeMap<String, Columns>;
/// (App, name) of each migration that Django has applied.
type History = BTreeSet<(String, String)>;

/// Looks; changes nothing.
pub(super) async fn of(db: &impl ConnectionTrait) -> Result<Standing, DbErr> {
    let expected = expected();
    let present = present(db, expected.keys().copied().chain([HISTORY])).await?;
    let applied = if present.contains_key(HISTORY) { applied(db).await? } else { History::new() };
    Ok(judge(&expected, &present, &applied))
}

fn judge(expected: &Expected, present: &Tables, applied: &History) -> Standing {
    let (there, missing): (Vec<_>, Vec<_>) = expected.keys().partition(|table| present.contains_key(**table));
    if missing.contains(&&"auth_user") && applied.iter().any(|(app, _)| app == "auth") {
        return Standing::Refused(
            "there is no auth_user, though django_migrations says that the app auth was applied: this database belongs \
             to a Django project with a user model of its own (AUTH_USER_MODEL), which cannot be shared; use another \
             database"
                .to_owned(),
        );
    }
    if there.is_empty() {
        return Standing::Absent { history: present.contains_key(HISTORY) };
    }
    if !missing.is_empty() {
        let (there, missing) = (listed(&there), listed(&missing));
        return Standing::Refused(format!(
            "of Django's tables of users some are there ({there}) and some are not ({missing}): if a Django project owns \
             this database, run its `migrate` with django.contrib.auth first; if nobody does, drop those that are there"
        ));
    }
    if let Some(why) = expected.iter().find_map(|(table, columns)| differs(table, columns, &present[*table])) {
        return Standing::Refused(why);
    }
    let is_applied = |(app, name): &(&str, &str)| applied.contains(&((*app).to_owned(), (*name).to_owned()));
    match APPLIED.iter().find(|migration| !is_applied(migration)) {
        None => Standing::Complete,
        Some((app, name)) => Standing::Refused(format!(
            "django_migrations does not say that {app}.{name} was applied, though its tables are there: if a Django \
             project owns this database, run its `migrate` first; if a `migrate` of steeple was cut short here, drop \
             Django's seven tables of users"
        )),
    }
}

/// How a table differs from Django's own, as a sentence.
fn differs(table: &str, expected: &[&str], found: &Columns) -> Option<String> {
    let lacks: Vec<_> = expected.iter().filter(|column| !found.contains_key(**column)).collect();
    // Of the other tables, the key of those that link is not read here, and no project's own code adds columns.
    let whole = table == "auth_user";
    let besides: Vec<_> = found.keys().filter(|column| whole && !expected.contains(&column.as_str())).collect();
    if !lacks.is_empty() || !besides.is_empty() {
        let differs = [("it lacks", listed(&lacks)), ("it has besides", listed(&besides))];
        let differs = differs.iter().filter(|(_, columns)| !columns.is_empty());
        let differs: Vec<_> = differs.map(|(what, columns)| format!("{what} {columns}")).collect();
        return Some(format!(
            "{table} is not Django's own: {}; a user model of a project's own (AUTH_USER_MODEL) cannot be shared; use \
             another database",
            differs.join(", ")
        ));
    }
    let kind = found.get("id").filter(|kind| expected.contains(&"id") && !is_integer(kind))?;
    Some(format!(
        "the key of {table} is {kind}, where Django's own is an integer: a user model of a project's own \
         (AUTH_USER_MODEL) cannot be shared; use another database"
    ))
}

fn listed<T: AsRef<str>>(names: &[T]) -> String {
    names.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ")
}

/// As the three databases call it.
fn is_integer(kind: &str) -> bool {
    ["integer", "int"].contains(&kind.to_lowercase().as_str())
}

/// The seven tables and the columns that are read and written here.
type Expected = BTreeMap<&'static str, Vec<&'static str>>;

fn expected() -> Expected {
    fn of<E: EntityTrait>() -> (&'static str, Vec<&'static str>) {
        (E::default().table_name(), E::Column::iter().map(|column| column.as_str()).collect())
    }
    BTreeMap::from([
        of::<content_type::Entity>(),
        of::<permission::Entity>(),
        of::<group::Entity>(),
        of::<user::Entity>(),
        of::<group_permission::Entity>(),
        of::<user_group::Entity>(),
        of::<user_permission::Entity>(),
    ])
}

/// Those of the tables that are there, with their columns.
async fn present(db: &impl ConnectionTrait, tables: impl Iterator<Item = &str>) -> Result<Tables, DbErr> {
    let backend = db.get_database_backend();
    let names: Vec<_> = tables.map(|table| format!("'{table}'")).collect();
    let names = names.join(", ");
    let question = match backend {
        DbBackend::Sqlite => format!(
            "SELECT t.name, c.name, c.type FROM sqlite_master t JOIN pragma_table_info(t.name) c \
             WHERE t.type = 'table' AND t.name IN ({names})"
        ),
        DbBackend::Postgres => format!(
            "SELECT table_name::text, column_name::text, data_type::text FROM information_schema.columns \
             WHERE table_schema = current_schema() AND table_name IN ({names})"
        ),
        _ => format!(
            "SELECT CONVERT(table_name USING utf8mb4), CONVERT(column_name USING utf8mb4), \
             CONVERT(data_type USING utf8mb4) FROM information_schema.columns \
             WHERE table_schema = DATABASE() AND table_name IN ({names})"
        ),
    };
    let mut present = Tables::new();
    for row in db.query_all_raw(Statement::from_string(backend, question)).await? {
        let columns = present.entry(row.try_get_by_index(0)?).or_default();
        columns.insert(row.try_get_by_index(1)?, row.try_get_by_index(2)?);
    }
    Ok(present)
}

/// What Django's history says of the two apps.
async fn applied(db: &impl ConnectionTrait) -> Result<History, DbErr> {
    let mut select = Query::select();
    select
        .columns(["app", "name"].map(Alias::new))
        .from(Alias::new(HISTORY))
        .and_where(Expr::col(Alias::new("app")).is_in(["auth", "contenttypes"]));
    let rows = db.query_all(&select).await?;
    rows.iter().map(|row| Ok((row.try_get("", "app")?, row.try_get("", "name")?))).collect()
}
