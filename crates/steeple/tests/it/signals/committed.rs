//! What is not committed was never sent.

use std::sync::Arc;

use sea_orm::{ConnectionTrait as _, DbErr, Statement};
use steeple::{App, Code, Context, Error, Result, Setup};
use tokio::sync::{mpsc, oneshot};

use super::{Placed, listening, site, unused};
use crate::{
    databases::on_every_database,
    trial::pb::trial::v1::{Order, Report},
};

on_every_database! {
    async fn events_are_delivered_after_the_commit(database: Database) {
        let (say, mut heard) = mpsc::unbounded_channel();
        let receive = move |event: Arc<Placed>, setup: Setup| {
            let say = say.clone();
            async move {
                // Over a connection of its own it sees what was committed.
                let sql = format!("SELECT n FROM placed WHERE n = {}", event.0);
                let found = setup.db().query_one_raw(Statement::from_string(setup.db().backend(), sql)).await?;
                say.send((event.0, found.is_some())).ok();
                Ok(())
            }
        };
        let app = App::new("stock").receive(receive);
        let (house, setup) = site(vec![app], unused, |config| config.database = database.config()).await;
        setup.db().execute_unprepared("CREATE TABLE placed (n bigint)").await.unwrap();
        for n in 0..20 {
            let done = setup.db().transaction(async |db| {
                setup.signals().send(&db, Placed(n));
                db.execute_unprepared(&format!("INSERT INTO placed VALUES ({n})")).await.map(drop)
            });
            done.await.unwrap();
            assert_eq!(heard.recv().await, Some((n, true)));
        }
        house.close().await;
    }

    async fn what_is_rolled_back_was_never_sent(database: Database) {
        let (app, mut heard) = listening("stock");
        let (house, setup) = site(vec![app], unused, |config| config.database = database.config()).await;
        let (db, signals) = (setup.db(), setup.signals());
        let no = || Err::<(), _>(DbErr::Custom("no".to_owned()));

        let outer = db.transaction(async |db| {
            signals.send(&db, Placed(1));
            let undone = db.transaction(async |db| {
                signals.send(&db, Placed(2));
                db.transaction(async |db| {
                    signals.send(&db, Placed(3));
                    Ok::<_, DbErr>(())
                })
                .await?;
                no()
            });
            undone.await.unwrap_err();
            db.transaction(async |db| {
                signals.send(&db, Placed(4));
                Ok::<_, DbErr>(())
            })
            .await?;
            signals.send(&db, Placed(5));
            Ok::<_, DbErr>(())
        });
        outer.await.unwrap();

        let failed = db.transaction(async |db| {
            signals.send(&db, Placed(6));
            db.transaction(async |db| {
                signals.send(&db, Placed(7));
                Ok::<_, DbErr>(())
            })
            .await?;
            no()
        });
        failed.await.unwrap_err();

        let panicking = tokio::spawn({
            let setup = setup.clone();
            async move {
                let panicking = setup.db().transaction(async |db| {
                    setup.signals().send(&db, Placed(8));
                    assert!(db.execute_unprepared("SELECT 1").await.is_err(), "on purpose");
                    Ok::<_, DbErr>(())
                });
                panicking.await
            }
        });
        assert!(panicking.await.unwrap_err().is_panic());

        let (inside, is_inside) = oneshot::channel();
        let left = tokio::spawn({
            let setup = setup.clone();
            async move {
                let left = setup.db().transaction(async |db| {
                    setup.signals().send(&db, Placed(9));
                    inside.send(()).ok();
                    std::future::pending::<Result<(), DbErr>>().await
                });
                left.await
            }
        });
        is_inside.await.unwrap();
        left.abort();
        left.await.unwrap_err();

        signals.send(db, Placed(10));
        for n in [1, 4, 5, 10] {
            assert_eq!(heard.recv().await, Some(n));
        }
        assert!(heard.try_recv().is_err());
        house.close().await;
    }

    async fn a_method_tells_once_its_transaction_is_committed(database: Database) {
        async fn unary(cx: Context, order: Order) -> Result<Report> {
            cx.signal(Placed(1));
            cx.transaction(async |cx| {
                cx.signal(Placed(2));
                let inner = cx.transaction(async |cx| {
                    cx.signal(Placed(3));
                    Err::<(), _>(Error::aborted("the inner one"))
                });
                inner.await.unwrap_err();
                if order.text == "fail" {
                    return Err(Error::aborted("the outer one"));
                }
                Ok(())
            })
            .await?;
            Ok(Report::default())
        }
        let (app, mut heard) = listening("stock");
        let (house, _) = site(vec![app], unary, |config| config.database = database.config()).await;
        let mut client = house.client().await;
        client.unary(Order::default()).await.unwrap();
        let failed = client.unary(Order { text: "fail".into(), ..Order::default() }).await.unwrap_err();
        assert_eq!(failed.code(), Code::Aborted);
        client.unary(Order::default()).await.unwrap();
        for n in [1, 2, 1, 1, 2] {
            assert_eq!(heard.recv().await, Some(n));
        }
        drop(client);
        house.close().await;
        assert_eq!(heard.recv().await, None);
    }
}
