//! How far one look goes for what no index finds: an address, a text, a duration below 100 ms, a method whose service is not
//! said. What is seldom there would have every row read, and ten million of them take seconds.
//!
//! Takes such a question and gives the same one, kept to the newest calls, with where it stopped: whoever asks goes on from
//! there, as lists of the large log services do, so that nothing is left out and no look is long. Where an index has some of
//! what is asked for in the order of ids (failures, a user's, a key's, a method's), those are counted; else all calls.
//!
//! What began before a time, `until`, is found from the newest back: a look that begins far in the past takes longer.
//! Must never: touch a question that an index answers.

use chrono::TimeDelta;
use sea_orm::{
    ColumnTrait as _, DbBackend, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    sea_query::{Expr, ExprTrait as _},
};

use super::{CLOCK_STEP, Column, Entity, NOT_SUCCESS, RequestLog};
use crate::{Db, clock, method::method_key, record::State};

/// Where a look ended that did not go through all there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// The rest is [`before`](RequestLog::before) this id.
    pub before: i64,
    /// When the oldest call began that was looked at, about.
    pub back_to: clock::Time,
}

/// How many rows one look goes through.
#[derive(Debug, Clone, Copy)]
pub(super) struct Steps {
    pub calls: u64,
    pub scattered: u64,
}

const STEPS: Steps = Steps { calls: RequestLog::REACHED_CALLS, scattered: RequestLog::REACHED_SCATTERED };
/// The states of those that failed.
pub(super) const FAILED: [State; 3] = [State::Error, State::Cancelled, State::Timeout];

impl RequestLog {
    /// Of what no index finds, so many calls are looked at in one go; see [`within_reach`](Self::within_reach).
    pub const REACHED_CALLS: u64 = 250_000;
    /// So many, where failures are asked for, or those of a user, a key or a method: their rows are scattered, and cost more.
    pub const REACHED_SCATTERED: u64 = 20_000;

    /// The same question, kept to what one look can go through: where no index finds what is asked for (an address, a
    /// text, a duration of less than 100 ms, a method without its service), the newest
    /// [`REACHED_CALLS`](Self::REACHED_CALLS) calls, or [`REACHED_SCATTERED`](Self::REACHED_SCATTERED) of what an index has of
    /// it. With where that is, and `None` when it is all there is. Go on [`before`](Self::before) it.
    ///
    /// # Errors
    /// The database's.
    pub async fn within_reach(self, db: &Db) -> Result<(Self, Option<Reach>), DbErr> {
        self.within(db, STEPS).await
    }

    pub(super) async fn within(self, db: &Db, steps: Steps) -> Result<(Self, Option<Reach>), DbErr> {
        let method_alone = self.method.is_some() && self.service.is_none();
        if !(self.unindexed || method_alone) || self.request_id.is_some() {
            return Ok((self, None));
        }
        let mut end: Option<i64> = None;
        for (narrowed, step) in self.counted_for_reach(db.backend(), steps) {
            let ids = narrowed.select_only().column(Column::Id).order_by_desc(Column::Id).offset(step).limit(1);
            end = Ord::max(end, ids.into_tuple().one(db).await?);
        }
        let Some(end) = end else { return Ok((self, None)) };
        let began = Entity::find_by_id(end).select_only().column(Column::CreatedAt);
        // Retention may have taken it just now, and with it all that is older.
        let Some(back_to) = began.into_tuple::<clock::Time>().one(db).await? else { return Ok((self, None)) };
        if self.since.is_some_and(|since| back_to < since - TimeDelta::microseconds(CLOCK_STEP)) {
            return Ok((self, None));
        }
        Ok((self.after(end), Some(Reach { before: end + 1, back_to })))
    }

    /// What is counted from the newest back, and how many of it.
    fn counted_for_reach(&self, backend: DbBackend, steps: Steps) -> Vec<(sea_orm::Select<Entity>, u64)> {
        let mut newest = Entity::find();
        if let Some(id) = self.before {
            newest = newest.filter(Column::Id.lt(id));
        }
        if let (Some(since), Some(_)) = (self.since, self.until) {
            // Else what is newer than the one and older than the other would be gone through for nothing.
            newest = newest.filter(match backend {
                DbBackend::Sqlite => Column::Id.gte(since.timestamp_micros() - CLOCK_STEP),
                _ => Column::CreatedAt.gte(since - TimeDelta::microseconds(CLOCK_STEP)),
            });
        }
        if let Some(time) = self.until {
            newest = newest.filter(match backend {
                DbBackend::Sqlite => Expr::col("created_us").lt(time.timestamp_micros()),
                _ => Column::CreatedAt.lt(time),
            });
        }
        if self.failed {
            return match backend {
                // Its index has the failures in the order of their ids.
                DbBackend::Postgres => vec![(newest.filter(Expr::cust(NOT_SUCCESS)), steps.scattered)],
                // Theirs have those of each state.
                _ => FAILED
                    .map(|state| newest.clone().filter(Column::Status.eq(state.as_str())))
                    .map(|failures| (failures.filter(Expr::cust(NOT_SUCCESS)), steps.scattered))
                    .into(),
            };
        }
        if let Some(narrowed) = &self.narrowed {
            return vec![(newest.filter(narrowed.clone()), steps.scattered)];
        }
        match (&self.service, &self.method) {
            (Some(service), Some(method)) => {
                vec![(newest.filter(Column::MethodKey.eq(method_key(service, method))), steps.scattered)]
            }
            _ => vec![(newest, steps.calls)],
        }
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::ConnectionTrait as _;

    use super::*;
    use crate::record::{RequestLogRow, databases::Database, migrations};

    const CALLS: i64 = 60;
    const SECOND: i64 = 1_000_000;
    const STEPS: Steps = Steps { calls: 7, scattered: 3 };

    /// A call a second: every third fails and says so, every fifth was cancelled, addresses take turns.
    async fn filled(database: &Database) -> (Db, clock::Time) {
        let db = database.connect().await;
        crate::db::migrate::up(&db, &migrations()).await.expect("the tables");
        let begin = clock::now() - TimeDelta::seconds(1000);
        let sqlite = db.backend() == DbBackend::Sqlite;
        let key = method_key("a.B", "C");
        let rows = (1..=CALLS).map(|i| {
            let began = begin + TimeDelta::seconds(i);
            let (code, name, status) = match i {
                _ if i % 3 == 0 => (5, "NOT_FOUND", "error"),
                _ if i % 5 == 0 => (1, "CANCELLED", "cancelled"),
                _ => (0, "OK", "success"),
            };
            let error = if code == 0 { "NULL".to_owned() } else { format!("'told {i}'") };
            let outcome = if sqlite { code.to_string() } else { format!("'{status}', '{name}'") };
            let user = if i % 2 == 0 { "7" } else { "NULL" };
            let came = format!("192.0.2.{}", i % 4);
            let from = if sqlite { format!("'{came}:77'") } else { format!("'{came}:77', '{came}'") };
            let at = if sqlite {
                format!("{}, {}", began.timestamp_micros(), began.timestamp_micros() + 5)
            } else {
                format!("'{}', {}", began.format("%F %T%.6f"), 2 * i)
            };
            let (path, known) = if sqlite { ("", "") } else { (", '/a.B/C'", ", false") };
            format!("('mine', 'a.B', 'C', {key}{path}, 1, 1, 1, 1, {outcome}, {error}, 5{known}, {from}, {at}, {user})")
        });
        let names = if sqlite {
            "steeple_request_call (request_id, service_name, method_name, method_key, request_size, response_size, \
             request_messages, response_messages, code, error_message, duration_us, peer, created_us, id, user_id)"
        } else {
            "steeple_request_log (request_id, service_name, method_name, method_key, full_method, request_size, \
             response_size, request_messages, response_messages, status, grpc_status_code, error_message, duration_us, \
             is_authenticated, peer, client_ip, created_at, id, user_id)"
        };
        let rows = rows.collect::<Vec<_>>().join(", ");
        db.execute_unprepared(&format!("INSERT INTO {names} VALUES {rows}")).await.expect("rows");
        (db, begin)
    }

    fn call(number: i64, begin: clock::Time) -> clock::Time {
        begin + TimeDelta::microseconds(number * SECOND)
    }

    /// Everything that is found by going on from each look, and how many looks that took.
    async fn walked(db: &Db, question: &RequestLog) -> (Vec<RequestLogRow>, usize) {
        let (mut found, mut looks, mut rest) = (Vec::new(), 0, question.clone());
        loop {
            let (near, reach) = rest.clone().within(db, STEPS).await.expect("a look");
            found.extend(near.limit(1000).all(db).await.expect("rows"));
            looks += 1;
            let Some(reach) = reach else { return (found, looks) };
            assert!(reach.back_to < clock::now());
            rest = rest.before(reach.before);
            assert!(looks < 100, "it goes on for ever");
        }
    }

    async fn goes_through_all_in_steps(database: Database) {
        let (db, begin) = filled(&database).await;
        let all = RequestLog::all_time;
        for (question, least) in [
            (all().by_client_ip("192.0.2.3"), 8),
            (all().by_client_ip("203.0.113.1"), 8),
            (all().containing("told 3"), 4),
            (all().containing("nothing of the kind"), 4),
            (all().quick(1), 8),
            (all().slow(0), 8),
            (all().by_method("C"), 8),
            (all().by_method("C").until(call(30, begin)), 4),
            (all().by_client_ip("192.0.2.1").before(all().all(&db).await.unwrap()[20].id), 5),
            (all().by_service("a.B").by_client_ip("192.0.2.2").errors(), 5),
            (all().by_service("a.B").by_method("C").by_client_ip("192.0.2.2"), 18),
            (all().by_user(7).by_client_ip("192.0.2.2"), 5),
            (all().by_method("C").since(call(20, begin)).until(call(40, begin)), 1),
        ] {
            let (found, looks) = walked(&db, &question).await;
            assert_eq!(found, question.clone().limit(1000).all(&db).await.unwrap(), "{question:?}");
            assert!((least..=least + 8).contains(&looks), "{looks} looks: {question:?}");
        }
        // Whatever the clocks said, a minute before the time is enough.
        for (since, most) in [(call(200, begin), 1), (call(100, begin), 3)] {
            let (_, looks) = walked(&db, &all().by_method("C").since(since)).await;
            assert_eq!(looks, most);
        }
        for indexed in
            [all(), all().errors(), all().by_service("a.B").by_method("C"), all().slow(100), all().by_user(7)]
        {
            assert_eq!(indexed.within(&db, STEPS).await.unwrap().1, None);
        }
        let one = all().by_method("C").by_request_id("mine");
        assert_eq!(one.within(&db, STEPS).await.unwrap().1, None);
        assert_eq!(all().by_method("C").within_reach(&db).await.unwrap().1, None, "there are not that many");
        db.close().await;
    }

    #[tokio::test]
    async fn goes_through_all_in_steps_on_sqlite() {
        goes_through_all_in_steps(Database::sqlite().await.expect("a file")).await;
    }

    #[tokio::test]
    async fn goes_through_all_in_steps_on_postgres() {
        let Some(database) = Database::postgres().await else { return };
        goes_through_all_in_steps(database).await;
    }

    #[tokio::test]
    async fn goes_through_all_in_steps_on_mysql() {
        let Some(database) = Database::mysql().await else { return };
        goes_through_all_in_steps(database).await;
    }
}
