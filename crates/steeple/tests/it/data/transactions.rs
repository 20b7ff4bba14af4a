//! All or nothing.

use std::time::Duration;

use sea_orm::{ConnectionTrait as _, DbBackend, DbErr, Statement};
use steeple::{
    Code, Db, Error,
    db::{
        Config,
        migrate::{Migration, up},
    },
};
use tokio::sync::{mpsc, oneshot};

use super::coin::Counter;
use crate::databases::{Database, on_every_database};

async fn counter(database: &Database) -> Db {
    let db = database.connect().await;
    up(&db, &[Migration::new("test", "0001_counter", Counter)]).await.expect("migrates");
    db
}

async fn add(db: &Db, n: i64) -> Result<(), DbErr> {
    db.execute_unprepared(&format!("INSERT INTO counter (n) VALUES ({n})")).await.map(drop)
}

async fn sum(db: &Db) -> i64 {
    let sql = "SELECT n FROM counter";
    let rows = db.query_all_raw(Statement::from_string(db.backend(), sql)).await.expect("reads");
    rows.iter().map(|row| row.try_get_by_index::<i64>(0).expect("a number")).sum()
}

on_every_database! {
    async fn ok_commits_and_err_rolls_back(database: Database) {
        let db = counter(&database).await;
        let value = db.transaction(async |tx| {
            add(&tx, 1).await?;
            Ok::<_, Error>("value")
        });
        assert_eq!(value.await.expect("commits"), "value");
        let error = db.transaction(async |tx| {
            add(&tx, 10).await?;
            Err::<(), _>(Error::failed_precondition("enough"))
        });
        assert_eq!(error.await.expect_err("rolls back").message(), "enough");
        assert_eq!(sum(&db).await, 1);
    }

    async fn a_failed_statement_rolls_back(database: Database) {
        let db = counter(&database).await;
        let error = db.transaction(async |tx| {
            add(&tx, 1).await?;
            tx.execute_unprepared("SELECT no_such_column FROM counter").await?;
            Ok::<_, Error>(())
        });
        assert_eq!(error.await.expect_err("fails").code(), Code::Internal);
        assert_eq!(sum(&db).await, 0);
    }

    async fn an_inner_failure_undoes_the_inner_work_only(database: Database) {
        let db = counter(&database).await;
        db.transaction(async |tx| {
            add(&tx, 1).await?;
            let inner = tx.transaction(async |tx| {
                add(&tx, 10).await?;
                tx.transaction(async |tx| add(&tx, 20).await).await?;
                Err::<(), _>(DbErr::Custom("no".to_owned()))
            });
            inner.await.expect_err("rolls back to its savepoint");
            tx.transaction(async |tx| add(&tx, 100).await).await?;
            Ok::<_, DbErr>(())
        })
        .await
        .expect("commits");
        assert_eq!(sum(&db).await, 101);
    }

    async fn an_outer_failure_undoes_all(database: Database) {
        let db = counter(&database).await;
        db.transaction(async |tx| {
            tx.transaction(async |tx| add(&tx, 1).await).await?;
            Err::<(), _>(DbErr::Custom("no".to_owned()))
        })
        .await
        .expect_err("rolls back");
        assert_eq!(sum(&db).await, 0);
    }

    async fn a_clone_kept_beyond_the_closure_is_an_error(database: Database) {
        let db = counter(&database).await;
        let mut kept = None;
        let error = db.transaction(async |tx| {
            add(&tx, 1).await?;
            kept = Some(tx.clone());
            Ok::<_, DbErr>(())
        });
        let error = error.await.expect_err("cannot commit");
        assert!(error.to_string().contains("outlived"), "{error}");
        drop(kept);
        assert_eq!(sum(&db).await, 0);
        db.transaction(async |tx| add(&tx, 2).await).await.expect("the lock is free again");
    }

    async fn a_dropped_future_rolls_back(database: Database) {
        let db = counter(&database).await;
        let (inside, is_inside) = oneshot::channel();
        let task = tokio::spawn({
            let db = db.clone();
            async move {
                db.transaction(async |tx| {
                    add(&tx, 1).await?;
                    inside.send(()).ok();
                    std::future::pending::<Result<(), DbErr>>().await
                })
                .await
            }
        });
        is_inside.await.expect("begins");
        task.abort();
        task.await.expect_err("aborted");
        db.transaction(async |tx| add(&tx, 2).await).await.expect("the lock is free again");
        assert_eq!(sum(&db).await, 2);
    }

    async fn a_statement_under_way_may_be_dropped(database: Database) {
        let db = counter(&database).await;
        let slow = match db.backend() {
            DbBackend::Postgres => "SELECT pg_sleep(0.5)",
            DbBackend::MySql => "SELECT SLEEP(0.5)",
            _ => "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 1000000) SELECT max(x) FROM c",
        };
        let work = db.transaction(async |tx| {
            add(&tx, 1).await?;
            tx.transaction(async |tx| {
                add(&tx, 10).await?;
                tx.execute_unprepared(slow).await
            })
            .await
        });
        // Only to leave in the middle; when it is over already, that is as well
        let left = tokio::time::timeout(Duration::from_millis(50), work).await.is_err();
        db.transaction(async |tx| add(&tx, 100).await).await.expect("the lock is free again");
        assert_eq!(sum(&db).await, if left { 100 } else { 111 });
    }

    async fn a_panic_rolls_back(database: Database) {
        let db = counter(&database).await;
        let task = tokio::spawn({
            let db = db.clone();
            async move {
                db.transaction(async |tx| {
                    add(&tx, 1).await?;
                    assert_ne!(sum(&tx).await, 1, "on purpose");
                    Ok::<_, DbErr>(())
                })
                .await
            }
        });
        assert!(task.await.expect_err("panics").is_panic());
        assert_eq!(sum(&db).await, 0);
    }

    async fn what_waits_for_the_commit_runs_after_it(database: Database) {
        let db = counter(&database).await;
        let (say, mut heard) = mpsc::unbounded_channel();
        let later = |db: &Db, n: i64| {
            let say = say.clone();
            db.after_commit(move || say.send(n).expect("somebody listens"));
        };
        later(&db, 0);
        assert_eq!(heard.try_recv(), Ok(0), "on the pool at once");
        db.transaction(async |tx| {
            later(&tx, 1);
            tx.after_commit(|| panic!("on purpose"));
            let undone = tx.transaction(async |tx| {
                later(&tx, 2);
                Err::<(), _>(DbErr::Custom("no".to_owned()))
            });
            undone.await.expect_err("rolls back");
            tx.transaction(async |tx| {
                later(&tx, 3);
                add(&tx, 1).await
            })
            .await?;
            later(&tx, 4);
            assert!(heard.try_recv().is_err(), "nothing is committed yet");
            Ok::<_, DbErr>(())
        })
        .await
        .expect("commits");
        let undone = db.transaction(async |tx| {
            later(&tx, 5);
            Err::<(), _>(DbErr::Custom("no".to_owned()))
        });
        undone.await.expect_err("rolls back");
        drop(say);
        let mut all = vec![];
        while let Some(n) = heard.recv().await {
            all.push(n);
        }
        assert_eq!(all, [1, 3, 4]);
        assert_eq!(sum(&db).await, 1);
    }

    async fn what_waits_for_the_commit_may_not_hold_the_transaction(database: Database) {
        let db = counter(&database).await;
        let held = db.transaction(async |tx| {
            add(&tx, 1).await?;
            let itself = tx.clone();
            tx.after_commit(move || drop(itself));
            Ok::<_, DbErr>(())
        });
        let error = held.await.expect_err("cannot commit");
        assert!(error.to_string().contains("outlived"), "{error}");
        let left = db.transaction(async |tx| {
            add(&tx, 10).await?;
            let itself = tx.clone();
            tx.after_commit(move || drop(itself));
            std::future::pending::<Result<(), DbErr>>().await
        });
        tokio::time::timeout(Duration::from_millis(50), left).await.expect_err("left");
        db.transaction(async |tx| add(&tx, 2).await).await.expect("the lock is free again");
        assert_eq!(sum(&db).await, 2);
    }

    async fn writers_take_turns(database: Database) {
        let db = counter(&database).await;
        add(&db, 0).await.expect("inserts");
        let all: Vec<_> = (0..8)
            .map(|_| {
                let db = db.clone();
                tokio::spawn(async move {
                    for _ in 0..5 {
                        db.transaction(async |tx| {
                            // reads first, then writes: what a deferred SQLite transaction cannot do beside others
                            sum(&tx).await;
                            tx.execute_unprepared("UPDATE counter SET n = n + 1").await?;
                            Ok::<_, DbErr>(())
                        })
                        .await?;
                    }
                    Ok::<_, DbErr>(())
                })
            })
            .collect();
        for one in all {
            one.await.expect("runs").expect("commits");
        }
        assert_eq!(sum(&db).await, 40);
    }
}

/// PostgreSQL checks a deferred constraint at the commit.
#[tokio::test]
async fn a_failed_commit_is_an_error() {
    let Some(database) = Database::postgres().await else {
        return;
    };
    let db = database.connect().await;
    db.execute_unprepared("CREATE TABLE a (b integer UNIQUE DEFERRABLE INITIALLY DEFERRED)").await.expect("creates");
    let twice = db.transaction(async |tx| {
        tx.execute_unprepared("INSERT INTO a VALUES (1), (1)").await?;
        Ok::<_, Error>(())
    });
    twice.await.expect_err("refused at the commit");
    let rows = db.query_all_raw(Statement::from_string(db.backend(), "SELECT b FROM a")).await.expect("reads");
    assert!(rows.is_empty());
}

/// A commit and a rollback that both fail (a full disk) leave the driver thinking that the transaction goes on; what the
/// next ones commit on that connection would be lost with it.
#[tokio::test]
async fn a_connection_that_cannot_end_its_transaction_is_not_used_again() {
    let database = Database::sqlite().await.expect("a file");
    let one = Config { max_connections: Some(1), ..database.config() };
    let db = Db::connect(&one, 1).await.expect("connects");
    up(&db, &[Migration::new("test", "0001_counter", Counter)]).await.expect("migrates");
    // A temporary table lives as long as its connection.
    db.execute_unprepared("CREATE TEMP TABLE mark (n integer)").await.expect("marks the connection");
    let failed = db.transaction(async |tx| {
        add(&tx, 1).await?;
        // Behind the driver's back: its own COMMIT and ROLLBACK now find no transaction.
        tx.execute_unprepared("ROLLBACK").await?;
        Ok::<_, Error>(())
    });
    failed.await.expect_err("nothing to commit");
    db.execute_unprepared("INSERT INTO mark VALUES (1)").await.expect_err("the marked connection is gone");
    for _ in 0..3 {
        db.transaction(async |tx| add(&tx, 5).await).await.expect("a new connection");
    }
    assert_eq!(sum(&database.connect().await).await, 15);
}
