//! The tables are Django's, or they are left alone.

use std::{collections::BTreeSet, fmt::Write as _, path::Path};

use sea_orm::DbBackend;
use steeple::db::migrate;

use super::*;
use crate::databases::on_every_database;

/// What tells the tables, one line each: columns, constraints, indexes.
pub async fn schema(db: &Db) -> Vec<String> {
    let tables = "('auth_group', 'auth_group_permissions', 'auth_permission', 'auth_user', 'auth_user_groups',
        'auth_user_user_permissions', 'django_content_type', 'django_migrations')";
    let questions = match db.backend() {
        DbBackend::Sqlite => vec![
            format!(
                "SELECT t.name || '.' || c.name || ' ' || c.type || CASE c.\"notnull\" WHEN 1 THEN ' not null' ELSE '' END
                    || CASE c.pk WHEN 0 THEN '' ELSE ' key' END
                 FROM sqlite_master t JOIN pragma_table_info(t.name) c WHERE t.name IN {tables} ORDER BY t.name, c.name"
            ),
            format!(
                "SELECT t.name || '.' || f.\"from\" || ' to ' || f.\"table\" || '.' || f.\"to\" || ' ' || f.on_delete
                 FROM sqlite_master t JOIN pragma_foreign_key_list(t.name) f WHERE t.name IN {tables}
                 ORDER BY t.name, f.\"from\""
            ),
            format!(
                "SELECT t.name || ' index ' || CASE i.origin WHEN 'c' THEN i.name ELSE 'of its own' END || ' ('
                    || (SELECT group_concat(name, ', ') FROM pragma_index_info(i.name)) || ')'
                    || CASE i.\"unique\" WHEN 1 THEN ' unique' ELSE '' END
                 FROM sqlite_master t JOIN pragma_index_list(t.name) i WHERE t.name IN {tables} ORDER BY 1"
            ),
        ],
        DbBackend::Postgres => vec![
            format!(
                "SELECT table_name || '.' || column_name || ' ' || data_type
                    || COALESCE('(' || character_maximum_length || ')', '')
                    || CASE is_nullable WHEN 'YES' THEN '' ELSE ' not null' END
                    || CASE is_identity WHEN 'YES' THEN ' identity' ELSE '' END
                 FROM information_schema.columns WHERE table_name IN {tables} ORDER BY table_name, column_name"
            ),
            format!(
                "SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
                 WHERE conrelid::regclass::text IN {tables} ORDER BY 1"
            ),
            format!("SELECT indexdef FROM pg_indexes WHERE tablename IN {tables} ORDER BY indexname"),
        ],
        // Display widths of integers are MariaDB's, and gone from MySQL 8.
        _ => vec![
            format!(
                "SELECT CONVERT(CONCAT(table_name, '.', column_name, ' ',
                    REGEXP_REPLACE(column_type, '^(bigint|int)[(][0-9]+[)]', '\\\\1'),
                    IF(is_nullable = 'YES', '', ' not null'), IF(extra = '', '', CONCAT(' ', extra))) USING utf8mb4)
                 FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name IN {tables}
                 ORDER BY table_name, column_name"
            ),
            format!(
                "SELECT CONVERT(CONCAT(table_name, ' index ', index_name, ' (',
                    GROUP_CONCAT(column_name ORDER BY seq_in_index SEPARATOR ', '), ')',
                    IF(non_unique = 0, ' unique', '')) USING utf8mb4)
                 FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name IN {tables}
                 GROUP BY table_name, index_name, non_unique ORDER BY table_name, index_name"
            ),
            format!(
                "SELECT CONVERT(CONCAT(table_name, '.', column_name, ' ', constraint_name, ' to ', referenced_table_name,
                    '.', referenced_column_name) USING utf8mb4)
                 FROM information_schema.key_column_usage
                 WHERE table_schema = DATABASE() AND table_name IN {tables} AND referenced_table_name IS NOT NULL
                 ORDER BY table_name, constraint_name"
            ),
        ],
    };
    let mut lines = vec![];
    for question in questions {
        let answers = texts(db, &question).await;
        lines.extend(answers.iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")));
    }
    lines
}

/// What is in the way of the migration.
async fn refusal(db: &Db) -> String {
    let error = migrate::up(db, &steeple::auth::migrations::migrations()[..1]).await.expect_err("refuses").to_string();
    let why = error.strip_prefix("migration steeple_auth.0001_django_auth refuses: ");
    why.unwrap_or_else(|| panic!("{error}")).to_owned()
}

async fn models(db: &Db) -> Vec<String> {
    let joined =
        if db.backend() == DbBackend::MySql { "CONCAT(app_label, '.', model)" } else { "app_label || '.' || model" };
    texts(db, &format!("SELECT {joined} FROM django_content_type ORDER BY app_label, model")).await
}

/// Each with a runtime and a connection of its own, as processes have.
fn many_nodes_migrate(database: &Database) {
    let nodes: Vec<_> = (0..8)
        .map(|_| {
            let config = database.config();
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                runtime.block_on(async {
                    let db = Db::connect(&config, 1).await.expect("connects");
                    server().migrate(&db, Environment::Production).await.expect("migrates");
                });
            })
        })
        .collect();
    for node in nodes {
        node.join().expect("migrates");
    }
}

on_every_database! {
    async fn the_tables_are_as_reviewed(database: Database) {
        let db = migrated(&database).await;
        let name = match db.backend() {
            DbBackend::Sqlite => "sqlite",
            DbBackend::Postgres => "postgres",
            _ => "mysql",
        };
        let mut found = String::new();
        for line in schema(&db).await {
            writeln!(found, "{line}").unwrap();
        }
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/it/golden/django_auth.{name}.txt"));
        if std::env::var_os("STEEPLE_UPDATE_GOLDEN").is_some() {
            std::fs::write(&file, &found).unwrap();
        }
        let golden = std::fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(found, golden, "the schema differs from {}", file.display());
    }

    async fn tables_that_are_there_are_left_as_they_are(database: Database) {
        let users = users(&database).await;
        let ada = make(&users, "ada").await;
        let db = database.connect().await;
        let before = schema(&db).await;
        execute(&db, "DELETE FROM steeple_migrations WHERE name = '0001_django_auth'").await;
        server().migrate(&db, Environment::Production).await.unwrap();
        assert_eq!(schema(&db).await, before);
        assert_eq!(users.by_username("ada").await.unwrap(), Some(ada));
        let history = texts(&db, "SELECT name FROM django_migrations ORDER BY app DESC, name").await;
        assert_eq!(history.len(), 14, "{history:?}");
        assert_eq!(history[1], "0002_remove_content_type_name");
    }

    async fn a_history_of_djangos_without_users_is_kept(database: Database) {
        let db = database.connect().await;
        let time = if db.backend() == DbBackend::Postgres { "timestamp with time zone" } else { "datetime" };
        let key = match db.backend() {
            DbBackend::Postgres => "bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
            DbBackend::MySql => "bigint AUTO_INCREMENT PRIMARY KEY",
            _ => "integer PRIMARY KEY AUTOINCREMENT",
        };
        execute(&db, &format!(
            "CREATE TABLE django_migrations (id {key}, app varchar(255), name varchar(255), applied {time})"
        )).await;
        execute(&db, "INSERT INTO django_migrations (app, name) VALUES ('library', '0001_initial')").await;
        server().migrate(&db, Environment::Production).await.unwrap();
        let apps: BTreeSet<_> = texts(&db, "SELECT app FROM django_migrations").await.into_iter().collect();
        assert_eq!(apps, ["auth", "contenttypes", "library"].map(str::to_owned).into());
    }

    async fn some_of_the_tables_are_refused(database: Database) {
        let db = database.connect().await;
        execute(&db, "CREATE TABLE auth_group (id integer PRIMARY KEY, name varchar(150))").await;
        let why = refusal(&db).await;
        assert!(why.contains("some are there (auth_group) and some are not (auth_group_permissions, auth_permission"), "{why}");
        assert!(why.ends_with("if nobody does, drop those that are there"), "{why}");
        assert!(texts(&db, "SELECT name FROM auth_group").await.is_empty(), "left as it was");

        execute(&db, "DROP TABLE auth_group").await;
        migrate::up(&db, &steeple::auth::migrations::migrations()).await.expect("mended");
    }

    async fn tables_that_differ_from_djangos_are_refused(database: Database) {
        let db = migrated(&database).await;
        let again = "DELETE FROM steeple_migrations WHERE name = '0001_django_auth'";
        execute(&db, again).await;
        execute(&db, "ALTER TABLE auth_user ADD COLUMN phone varchar(20)").await;
        let why = refusal(&db).await;
        assert!(why.starts_with("auth_user is not Django's own: it has besides phone;"), "{why}");

        execute(&db, "ALTER TABLE auth_user RENAME COLUMN phone TO mobile").await;
        execute(&db, "ALTER TABLE auth_user RENAME COLUMN first_name TO given_name").await;
        let why = refusal(&db).await;
        assert!(why.contains("it lacks first_name, it has besides given_name, mobile;"), "{why}");

        execute(&db, "ALTER TABLE auth_user RENAME COLUMN given_name TO first_name").await;
        execute(&db, "ALTER TABLE auth_user DROP COLUMN mobile").await;
        execute(&db, "DELETE FROM django_migrations WHERE name LIKE '0012%'").await;
        let why = refusal(&db).await;
        assert!(why.contains("does not say that auth.0012_alter_user_first_name_max_length was applied"), "{why}");
        execute(&db, "DROP TABLE django_migrations").await;
        assert!(refusal(&db).await.contains("contenttypes.0001_initial"));
    }

    async fn a_key_of_another_type_is_refused(database: Database) {
        let db = database.connect().await;
        let columns = "password varchar(128), last_login varchar(9), is_superuser bool, username varchar(150), \
            first_name varchar(150), last_name varchar(150), email varchar(254), is_staff bool, is_active bool, \
            date_joined varchar(9)";
        for table in [
            "django_content_type (id integer, app_label varchar(9), model varchar(9))",
            "auth_permission (id integer, name varchar(9), content_type_id integer, codename varchar(9))",
            "auth_group (id integer, name varchar(9))",
            "auth_group_permissions (group_id integer, permission_id integer)",
            "auth_user_groups (user_id integer, group_id integer)",
            "auth_user_user_permissions (user_id integer, permission_id integer)",
            &format!("auth_user (id varchar(32), {columns})"),
        ] {
            execute(&db, &format!("CREATE TABLE {table}")).await;
        }
        let why = refusal(&db).await;
        assert!(why.starts_with("the key of auth_user is ") && why.contains("(AUTH_USER_MODEL)"), "{why}");
    }

    async fn every_model_has_a_content_type_and_four_permissions(database: Database) {
        let db = migrated(&database).await;
        let expected = [
            "auth.group", "auth.permission", "auth.user", "contenttypes.contenttype", "crypto.basket", "crypto.coin",
        ];
        assert_eq!(models(&db).await, expected);
        let of = |model: &str| format!(
            "SELECT p.name FROM auth_permission p JOIN django_content_type c ON c.id = p.content_type_id
             WHERE c.model = '{model}' ORDER BY p.codename"
        );
        assert_eq!(texts(&db, &of("coin")).await, ["Can add coin", "Can change coin", "Can delete coin", "Can view coin"]);
        assert_eq!(texts(&db, &of("contenttype")).await[0], "Can add content type");
        let codenames = "SELECT codename FROM auth_permission ORDER BY id";
        let before = texts(&db, codenames).await;
        assert_eq!(before.len(), 24);
        assert!(before.contains(&"view_contenttype".to_owned()), "{before:?}");

        // What is missing is put back, what is there is not touched, and nothing comes twice.
        execute(&db, "UPDATE auth_permission SET name = 'May mint' WHERE codename = 'add_coin'").await;
        execute(&db, "DELETE FROM auth_permission WHERE codename = 'view_coin'").await;
        for _ in 0..2 {
            assert_eq!(server().migrate(&db, Environment::Production).await.unwrap(), Vec::<String>::new());
            assert_eq!(texts(&db, &of("coin")).await, ["May mint", "Can change coin", "Can delete coin", "Can view coin"]);
        }
        assert_eq!(texts(&db, codenames).await.len(), 24);
    }

    async fn many_nodes_may_migrate_at_once(database: Database) {
        many_nodes_migrate(&database);
        let db = database.connect().await;
        assert_eq!(models(&db).await.len(), 6);
        assert_eq!(texts(&db, "SELECT codename FROM auth_permission").await.len(), 24);
    }

    async fn many_nodes_may_refill_at_once(database: Database) {
        let db = migrated(&database).await;
        execute(&db, "DELETE FROM auth_permission").await;
        execute(&db, "DELETE FROM django_content_type").await;
        many_nodes_migrate(&database);
        assert_eq!(models(&db).await.len(), 6);
        assert_eq!(texts(&db, "SELECT codename FROM auth_permission").await.len(), 24);
    }
}

#[tokio::test]
async fn a_words_model_is_named_as_django_names_it() {
    mod wallet_entry {
        use sea_orm::entity::prelude::*;

        #[sea_orm::model]
        #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
        #[sea_orm(table_name = "crypto_wallet_entry")]
        pub struct Model {
            #[sea_orm(primary_key)]
            pub id: i64,
        }

        impl ActiveModelBehavior for ActiveModel {}
    }
    let database = Database::sqlite().await.unwrap();
    let db = database.connect().await;
    let mut site = Site::new("trial", "0.0.0", &[]);
    site.app(App::new("crypto").model::<wallet_entry::Entity>());
    Server::new(site).migrate(&db, Environment::Test).await.unwrap();
    assert!(models(&db).await.contains(&"crypto.walletentry".to_owned()));
    let names = texts(&db, "SELECT codename || ': ' || name FROM auth_permission").await;
    assert!(names.contains(&"add_walletentry: Can add wallet entry".to_owned()), "{names:?}");
}
