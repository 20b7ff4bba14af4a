//! What is rewritten in statements on their way to SQLite. The other databases get them as they are.
//!
//! **Moments.** SQLite keeps them as text and compares them as text, so all writers must spell alike. sqlx writes
//! `2026-11-20T18:23:03.911776019+00:00`, Django `2026-11-20 18:23:03.911776`; the file may be shared with Django, so
//! Django's it is (`DateTimeField` on SQLite, UTC).
//!
//! **`LIMIT ?`.** SeaORM binds the number of a `LIMIT`, `.one()` adds one each time. SQLite's planner looks at the bound
//! value (`sqlite3ExprIsInteger` in `computeLimitRegisters`, since 3.46), marks the parameter as one the plan depends
//! on, and thereafter any new binding of it expires the statement, that is, each call parses and plans it again; the
//! statement cache is of no use. It is one part of what a lookup by SeaORM costs beyond one by sqlx. A `LIMIT` spelled as a number
//! is compiled once.
//!
//! Must never: touch a value that is not a moment, or a statement whose placeholders it cannot account for.

use chrono::{DateTime, TimeZone};
use sea_orm::{DbBackend, Statement, Value};

/// A moment as SQLite keeps it here and in Django: `2026-11-20 18:23:03.911776`, in UTC.
pub fn sqlite_time<Z: TimeZone>(moment: &DateTime<Z>) -> String {
    moment.naive_utc().format("%F %T%.6f").to_string()
}

/// The statement as its database wants it.
pub(super) fn respelled(mut statement: Statement) -> Statement {
    if statement.db_backend == DbBackend::Sqlite {
        spell_times(&mut statement);
        spell_limit(&mut statement);
    }
    statement
}

fn spell_times(statement: &mut Statement) {
    for value in statement.values.iter_mut().flat_map(|values| &mut values.0) {
        let text = match value {
            Value::ChronoDateTimeUtc(Some(moment)) => sqlite_time(moment),
            Value::ChronoDateTimeWithTimeZone(Some(moment)) => sqlite_time(moment),
            Value::ChronoDateTimeLocal(Some(moment)) => sqlite_time(moment),
            _ => continue,
        };
        *value = Value::String(Some(text));
    }
}

/// `… LIMIT ?` with its number bound last, or `… LIMIT ? OFFSET ?` with it last but one. The offset stays bound: the
/// planner does not look at it, and every page would be a statement of its own in the cache.
fn spell_limit(statement: &mut Statement) {
    const LIMIT: &str = " LIMIT ?";
    const LIMIT_OFFSET: &str = " LIMIT ? OFFSET ?";
    let Some(values) = &mut statement.values else { return };
    let (tail, from_end) = match statement.sql.as_str() {
        sql if sql.ends_with(LIMIT) => (LIMIT, 1),
        sql if sql.ends_with(LIMIT_OFFSET) => (LIMIT_OFFSET, 2),
        _ => return,
    };
    let Some(at) = values.0.len().checked_sub(from_end) else {
        return;
    };
    let number = match values.0[at] {
        Value::BigUnsigned(Some(number)) => number,
        Value::BigInt(Some(number)) if number >= 0 => number.unsigned_abs(),
        _ => return,
    };
    values.0.remove(at);
    let from = statement.sql.len() - tail.len();
    statement.sql.replace_range(from..from + LIMIT.len(), &format!(" LIMIT {number}"));
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    fn sqlite(sql: &str, values: Vec<Value>) -> Statement {
        respelled(Statement::from_sql_and_values(DbBackend::Sqlite, sql, values))
    }

    fn values(statement: &Statement) -> &[Value] {
        &statement.values.as_ref().expect("has values").0
    }

    #[test]
    fn a_limit_is_spelled_out() {
        let statement = sqlite("SELECT a FROM b WHERE c = ? LIMIT ?", vec![7.into(), 1_u64.into()]);
        assert_eq!(statement.sql, "SELECT a FROM b WHERE c = ? LIMIT 1");
        assert_eq!(values(&statement), [7.into()]);

        let statement = sqlite("SELECT a FROM b LIMIT ? OFFSET ?", vec![25_u64.into(), 50_u64.into()]);
        assert_eq!(statement.sql, "SELECT a FROM b LIMIT 25 OFFSET ?");
        assert_eq!(values(&statement), [50_u64.into()]);
    }

    #[test]
    fn what_is_no_limit_stays() {
        for (sql, bound) in [
            ("SELECT ' LIMIT ?", vec![]),
            ("SELECT a LIMIT ?", vec!["text".into()]),
            ("SELECT a LIMIT ? OFFSET ?", vec![1_u64.into()]),
            ("SELECT a LIMIT ?", vec![(-1_i64).into()]),
        ] {
            assert_eq!(sqlite(sql, bound.clone()).sql, sql);
        }
        let elsewhere = Statement::from_sql_and_values(DbBackend::MySql, "SELECT a LIMIT ?", [1_u64.into()]);
        assert_eq!(respelled(elsewhere).sql, "SELECT a LIMIT ?");
    }

    #[test]
    fn moments_are_spelled_as_django_does() {
        let moment = DateTime::parse_from_rfc3339("2026-11-20T19:23:03.911776019+01:00").expect("a moment");
        let statement = sqlite("INSERT INTO a VALUES (?, ?)", vec![moment.into(), moment.to_utc().into()]);
        let text = Value::from("2026-11-20 18:23:03.911776");
        assert_eq!(values(&statement), [text.clone(), text]);
    }

    /// The reason for `spell_limit`; when this fails, SQLite has changed and it can go.
    #[test]
    fn sqlite_compiles_a_bound_limit_again_at_every_call() {
        let db = rusqlite::Connection::open_in_memory().expect("opens");
        db.execute_batch("CREATE TABLE coin (id INTEGER PRIMARY KEY, symbol TEXT UNIQUE)").expect("creates");
        let recompiled = |sql: &str, parameters: &[&dyn rusqlite::ToSql]| {
            let mut statement = db.prepare(sql).expect("compiles");
            for _ in 0..10 {
                assert!(!statement.exists(parameters).expect("runs"));
            }
            statement.get_status(StatementStatus::RePrepare)
        };
        assert!(recompiled("SELECT id FROM coin WHERE symbol = ? LIMIT ?", &[&"BTC", &1]) >= 9);
        assert_eq!(recompiled("SELECT id FROM coin WHERE symbol = ? LIMIT 1", &[&"BTC"]), 0);
    }
}
