//! Each migration exactly once, whoever starts first.

#![expect(elided_lifetimes_in_paths, reason = "MigrationTrait does not accept SchemaManager<'_>")]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use sea_orm::{ConnectionTrait as _, DbBackend, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};
use steeple::db::migrate::{Migration, pending, unknown, up};

use crate::databases::on_every_database;

/// Creates a table, counts, and fails if told so.
struct Step {
    table: &'static str,
    runs: Arc<AtomicUsize>,
    fails: bool,
}

impl MigrationName for Step {
    fn name(&self) -> &'static str {
        "the same for all"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        let db = manager.get_connection();
        db.execute_unprepared(&format!("CREATE TABLE {} (a integer)", self.table)).await?;
        if self.fails {
            db.execute_unprepared("CREATE TABLE broken (").await?;
        }
        Ok(())
    }
}

fn step(runs: &Arc<AtomicUsize>, table: &'static str) -> Migration {
    Migration::new("apple", table, Step { table, runs: Arc::clone(runs), fails: false })
}

fn names<'a>(all: impl IntoIterator<Item = &'a Migration>) -> Vec<String> {
    all.into_iter().map(ToString::to_string).collect()
}

on_every_database! {
    async fn apply_once_in_order(database: Database) {
        let db = database.connect().await;
        let runs = Arc::default();
        let all = [step(&runs, "zebra"), step(&runs, "ant")];
        assert_eq!(names(pending(&db, &all).await.expect("reads")), ["apple.zebra", "apple.ant"]);
        assert!(db.execute_unprepared("SELECT * FROM steeple_migrations").await.is_err(), "asking writes nothing");

        let applied = up(&db, &all[..1]).await.expect("migrates");
        assert_eq!((applied[0].app, applied[0].name), ("apple", "zebra"));
        assert_eq!(names(pending(&db, &all).await.expect("reads")), ["apple.ant"]);
        assert_eq!(up(&db, &all).await.expect("migrates").len(), 1);
        assert_eq!(up(&db, &all).await.expect("nothing to do").len(), 0);
        assert_eq!(runs.load(Ordering::SeqCst), 2);
    }

    async fn many_nodes_apply_each_once(database: Database) {
        let runs = Arc::new(AtomicUsize::new(0));
        let nodes: Vec<_> = (0..6)
            .map(|_| {
                let (runs, config) = (Arc::clone(&runs), database.config());
                tokio::spawn(async move {
                    let db = steeple::Db::connect(&config, 1).await.expect("connects");
                    let all: Vec<_> = ["one", "two", "three", "four"].map(|table| step(&runs, table)).into();
                    let applied = up(&db, &all).await.expect("migrates");
                    assert!(pending(&db, &all).await.expect("reads").is_empty(), "all there when it returns");
                    applied.len()
                })
            })
            .collect();
        let mut applied = 0;
        for node in nodes {
            applied += node.await.expect("runs");
        }
        assert_eq!(applied, 4);
        assert_eq!(runs.load(Ordering::SeqCst), 4);
    }

    async fn a_failure_names_the_migration_and_leaves_nothing(database: Database) {
        let db = database.connect().await;
        let runs = Arc::default();
        let broken = Step { table: "half", runs: Arc::clone(&runs), fails: true };
        let all = [step(&runs, "whole"), Migration::new("pear", "0002_broken", broken), step(&runs, "later")];
        let error = up(&db, &all).await.expect_err("fails").to_string();
        assert!(error.starts_with("migration pear.0002_broken failed: "), "{error}");
        assert_eq!(names(pending(&db, &all).await.expect("reads")), ["pear.0002_broken", "apple.later"]);
        let half = db.execute_unprepared("SELECT * FROM half").await;
        if db.backend() == DbBackend::MySql {
            half.expect("mysql commits each schema change");
            assert!(error.contains("undo by hand"), "{error}");
        } else {
            half.expect_err("rolled back");
            assert!(error.contains("nothing of it was kept"), "{error}");
        }
        // The lock is free again
        let mended = [step(&runs, "whole"), step(&runs, "later")];
        assert_eq!(up(&db, &mended).await.expect("migrates").len(), 1);
    }

    async fn what_the_site_no_longer_has_is_told(database: Database) {
        let db = database.connect().await;
        let runs = Arc::default();
        let all = [step(&runs, "kept"), step(&runs, "removed")];
        up(&db, &all).await.expect("migrates");
        assert_eq!(up(&db, &all[..1]).await.expect("does not mind").len(), 0);
        let unknown = unknown(&db, &all[..1]).await.expect("reads");
        assert_eq!(unknown.len(), 1);
        assert_eq!((&*unknown[0].app, &*unknown[0].name), ("apple", "removed"));
        assert!(steeple::clock::now() - unknown[0].applied_at < chrono::TimeDelta::minutes(5), "{unknown:?}");
    }

    async fn two_of_one_name_are_refused(database: Database) {
        let db = database.connect().await;
        let runs = Arc::default();
        let error = up(&db, &[step(&runs, "same"), step(&runs, "same")]).await.expect_err("refused");
        assert_eq!(error.to_string(), "migration apple.same is given twice; rename one of the two");
        assert_eq!(runs.load(Ordering::SeqCst), 0);
    }
}
