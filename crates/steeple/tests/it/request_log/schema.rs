//! The tables are what the golden files say: a change is a diff that someone reads.
//!
//! `STEEPLE_UPDATE_GOLDEN=1` writes the files anew.

use std::{fmt::Write as _, path::Path};

use super::*;
use crate::databases::on_every_database;

on_every_database! {
    async fn the_tables_are_as_reviewed(database: Database) {
        let db = migrated(&database).await;
        let (name, questions): (_, &[&str]) = match db.backend() {
            DbBackend::Sqlite => ("sqlite", &[
                "SELECT sql FROM sqlite_master WHERE (tbl_name LIKE 'steeple_request_%' OR tbl_name LIKE 'steeple_caller_%') AND sql IS NOT NULL ORDER BY rowid",
            ]),
            DbBackend::Postgres => ("postgres", &[
                "SELECT table_name || '.' || column_name || ' ' || data_type
                    || COALESCE('(' || character_maximum_length || ')', '')
                    || CASE is_nullable WHEN 'YES' THEN '' ELSE ' not null' END
                    || CASE is_identity WHEN 'YES' THEN ' identity' ELSE '' END
                    || COALESCE(' collate ' || collation_name, '')
                 FROM information_schema.columns WHERE (table_name LIKE 'steeple_request_%' OR table_name LIKE 'steeple_caller_%')
                 ORDER BY table_name, ordinal_position",
                "SELECT indexdef FROM pg_indexes WHERE (tablename LIKE 'steeple_request_%' OR tablename LIKE 'steeple_caller_%') ORDER BY indexname",
            ]),
            // Display widths of integers are MariaDB's, and gone from MySQL 8.
            _ => ("mysql", &[
                "SELECT CONVERT(CONCAT(table_name, '.', column_name, ' ',
                    REGEXP_REPLACE(column_type, '^(bigint|smallint|int)[(][0-9]+[)]', '\\\\1'),
                    IF(is_nullable = 'YES', '', ' not null'), IF(extra = '', '', CONCAT(' ', extra)),
                    IF(collation_name IS NULL, '', CONCAT(' collate ', collation_name))) USING utf8mb4)
                 FROM information_schema.columns
                 WHERE table_schema = DATABASE() AND (table_name LIKE 'steeple_request_%' OR table_name LIKE 'steeple_caller_%')
                 ORDER BY table_name, ordinal_position",
                "SELECT CONVERT(CONCAT(table_name, ' index ', index_name, ' (',
                    GROUP_CONCAT(column_name ORDER BY seq_in_index SEPARATOR ', '), ')') USING utf8mb4)
                 FROM information_schema.statistics
                 WHERE table_schema = DATABASE() AND (table_name LIKE 'steeple_request_%' OR table_name LIKE 'steeple_caller_%')
                 GROUP BY table_name, index_name ORDER BY table_name, index_name",
            ]),
        };
        let mut schema = String::new();
        for question in questions {
            let statement = Statement::from_string(db.backend(), *question);
            for row in db.query_all_raw(statement).await.unwrap() {
                let text = row.try_get_by_index::<String>(0).unwrap();
                writeln!(schema, "{}", text.split_whitespace().collect::<Vec<_>>().join(" ")).unwrap();
            }
        }
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/it/golden/request_log.{name}.txt"));
        if std::env::var_os("STEEPLE_UPDATE_GOLDEN").is_some() {
            std::fs::write(&file, &schema).unwrap();
        }
        let golden = std::fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(schema, golden, "the schema differs from {}", file.display());
    }
}
