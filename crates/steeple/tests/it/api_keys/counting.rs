//! Every use is counted once, whatever the cache and the database do.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use tokio::runtime::Handle;

use super::*;
use crate::databases::on_every_database;

const THREADS: usize = 8;
const USES: usize = 100_000;

/// A call with a key, as authentication does it.
async fn call(keys: &ApiKeys, text: &str) {
    let key = match keys.known(text) {
        Some(known) => known,
        None => keys.find(text).await,
    };
    keys.used(&key.expect("the key holds"));
}

async fn count(db: &Db, id: i64) -> i64 {
    number(db, &format!("SELECT request_count FROM steeple_api_key WHERE id = {id}")).await
}

on_every_database! {
    async fn a_hundred_thousand_uses_are_a_hundred_thousand_while_keys_are_reloaded_and_two_nodes_write(database: Database) {
        let db = furnished(&database).await;
        let nodes = [lasting(&db), keys(&db, Duration::from_millis(20))];
        let (one, two) = (made(&nodes[0], "one").await, made(&nodes[0], "two").await);
        let begun = clock::now();
        let done = Arc::new(AtomicBool::new(false));
        // Two who write at once in each of the nodes.
        let disturbing: Vec<_> = nodes.iter().chain(&nodes).cloned().map(|node| {
            let (done, row) = (done.clone(), one.row.clone());
            tokio::spawn(async move {
                while !done.load(SeqCst) {
                    node.forget(&row);
                    // Deadlocks between the two nodes are failures like others: tried again.
                    let _ = node.flush().await;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            })
        }).collect();
        let calling: Vec<_> = (0..THREADS).map(|thread| {
            let (node, runtime) = (nodes[thread % 2].clone(), Handle::current());
            let texts = [one.text.clone(), two.text.clone()];
            std::thread::spawn(move || runtime.block_on(async {
                for at in 0..USES / THREADS {
                    call(&node, texts[usize::from(at % 5 == 0)].expose()).await;
                }
            }))
        }).collect();
        tokio::task::spawn_blocking(|| calling.into_iter().for_each(|thread| thread.join().unwrap())).await.unwrap();
        done.store(true, SeqCst);
        for task in disturbing {
            task.await.unwrap();
        }
        for node in &nodes {
            assert_eq!(node.finish(PATIENCE).await, 0);
        }
        assert_eq!(count(&db, one.row.id).await, (USES / 5 * 4) as i64);
        assert_eq!(count(&db, two.row.id).await, (USES / 5) as i64);
        let used = nodes[0].get(&one.row.id.to_string()).await.unwrap().last_used_at.expect("it was used");
        assert!(used >= begun && used <= clock::now());
    }

    async fn nothing_is_lost_while_the_table_is_away(database: Database) {
        let db = furnished(&database).await;
        let keys = lasting(&db);
        let NewKey { row, text } = made(&keys, "one").await;
        call(&keys, text.expose()).await;
        keys.flush().await.unwrap();
        execute(&db, "ALTER TABLE steeple_api_key RENAME TO gone").await;
        for _ in 0..3 {
            for _ in 0..100 {
                call(&keys, text.expose()).await;
            }
            keys.flush().await.expect_err("there is nothing to write to");
            keys.forget(&row);
            keys.find(text.expose()).await.expect_err("nor to read");
            execute(&db, "ALTER TABLE gone RENAME TO steeple_api_key").await;
            keys.find(text.expose()).await.unwrap();
            execute(&db, "ALTER TABLE steeple_api_key RENAME TO gone").await;
        }
        assert_eq!(keys.finish(Duration::from_millis(50)).await, 300, "what is left is told");
        execute(&db, "ALTER TABLE gone RENAME TO steeple_api_key").await;
        assert_eq!(keys.finish(PATIENCE).await, 0);
        assert_eq!(count(&db, row.id).await, 301);
        keys.flush().await.unwrap();
        assert_eq!(count(&db, row.id).await, 301, "nothing is due any more");
    }

    async fn the_last_use_is_the_latest_of_all_nodes(database: Database) {
        let db = furnished(&database).await;
        let (late, early) = (lasting(&db), lasting(&db));
        let NewKey { row, text } = made(&late, "one").await;
        call(&early, text.expose()).await;
        let between = clock::now();
        call(&late, text.expose()).await;
        late.flush().await.unwrap();
        let last = late.get(&row.key_prefix).await.unwrap().last_used_at.unwrap();
        assert!(last >= between);
        early.flush().await.unwrap();
        let row = late.get(&row.key_prefix).await.unwrap();
        assert_eq!((row.last_used_at, row.request_count), (Some(last), 2));
    }

    async fn many_keys_are_written_in_parts_and_a_key_that_is_gone_stops_none(database: Database) {
        let db = furnished(&database).await;
        let keys = lasting(&db);
        let mut all = vec![];
        for at in 0..120 {
            let new = made(&keys, &at.to_string()).await;
            for _ in 0..=at {
                call(&keys, new.text.expose()).await;
            }
            all.push(new.row.id);
        }
        execute(&db, &format!("DELETE FROM steeple_api_key WHERE id = {}", all[5])).await;
        keys.flush().await.unwrap();
        for (at, id) in all.iter().enumerate().filter(|(at, _)| *at != 5) {
            assert_eq!(count(&db, *id).await, at as i64 + 1);
        }
        assert_eq!(keys.finish(PATIENCE).await, 0);
    }

    /// A change made through the row must not take back what was counted meanwhile.
    async fn a_change_of_a_key_leaves_its_count_alone(database: Database) {
        let db = furnished(&database).await;
        let keys = lasting(&db);
        let NewKey { row, text } = made(&keys, "one").await;
        for _ in 0..10 {
            call(&keys, text.expose()).await;
        }
        let elsewhere = lasting(&db);
        let (_, off, revoked) = tokio::join!(keys.flush(), keys.set_active(row.id, false), elsewhere.revoke(row.id));
        off.unwrap();
        revoked.unwrap();
        assert_eq!(keys.finish(PATIENCE).await, 0);
        assert_eq!(count(&db, row.id).await, 10);
    }
}
