//! The six kinds of messages, each doing its work; and what becomes of those that cannot be.

use demo::{
    apps::{
        crypto::models::{coin, wallet},
        crypto_streaming::models::{entry, transaction},
    },
    pb::crypto::{
        ClientStatus, ErrorReport, LogEntry, StatusUpdate, TransactionReport, WalletUpdate, client_message::Payload,
        django_command::Command,
    },
};
use prost_types::Timestamp;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _};
use steeple::{Db, stream::Connections};

use super::{
    agent::{Agent, registration},
    registration::row,
    results::Results,
};
use crate::{
    databases::on_every_database,
    process::until,
    site::{Site, exact},
};

fn holds(symbol: &str, available: &str, locked: &str, at: Option<i64>) -> Payload {
    Payload::WalletUpdate(WalletUpdate {
        wallet_id: format!("w-{symbol}"),
        symbol: symbol.into(),
        balance_available: available.into(),
        balance_locked: locked.into(),
        last_sync: at.map(|seconds| Timestamp { seconds, nanos: 0 }),
    })
}

fn moves(id: &str, kind: &str, amount: &str, status: &str, details: &str) -> Payload {
    Payload::Transaction(TransactionReport {
        transaction_id: id.into(),
        r#type: kind.into(),
        symbol: "btc".into(),
        amount: amount.into(),
        status: status.into(),
        details: details.into(),
    })
}

fn status(status: i32, details: &str) -> Payload {
    Payload::Status(StatusUpdate { status, details: details.into() })
}

fn logs(level: &str, message: &str) -> Payload {
    Payload::Log(LogEntry { level: level.into(), message: message.into(), extra_data: "{}".into() })
}

fn fails(severity: &str, message: &str) -> Payload {
    Payload::Error(ErrorReport {
        severity: severity.into(),
        message: message.into(),
        traceback: "line 1\nline 2".into(),
    })
}

async fn balance(db: &Db, owner: &str, symbol: &str) -> Option<String> {
    let coin = coin::Entity::find_by_symbol(symbol).one(db).await.unwrap().unwrap();
    let wallet = wallet::Entity::find()
        .filter(wallet::Column::Owner.eq(owner))
        .filter(wallet::Column::CoinId.eq(coin.id))
        .one(db)
        .await
        .unwrap();
    wallet.map(|wallet| wallet.balance.to_string())
}

on_every_database! {
    async fn every_kind_of_message_does_its_work(database: Database) {
        let mut results = Results::of("messages");
        let site = Site::start(database).await;
        let db = site.db().clone();
        let mut agent = Agent::connect(site.tester.clone(), "agent", registration("1")).await;
        let mut say = async |agent: &Agent, payload: Payload| {
            results.note("sent", &payload);
            agent.say(payload).await;
        };
        let holds_btc = async |wanted: &str| {
            until(&format!("the agent holds {wanted} BTC"), async || {
                balance(&db, "agent", "BTC").await.is_some_and(|found| exact(&found) == exact(wanted))
            })
            .await;
        };

        // A wallet follows what the agent says, unless that is older than what is known.
        say(&agent, holds("btc", "1.5", "0.25", Some(1_700_000_000))).await;
        holds_btc("1.75").await;
        say(&agent, holds("BTC", "9", "0", Some(1_600_000_000))).await;
        say(&agent, holds("BTC", "2", "0", Some(1_700_000_001))).await;
        holds_btc("2").await;

        // A transaction counts once, when it is completed.
        say(&agent, moves("t-1", "deposit", "0.5", "pending", "")).await;
        say(&agent, moves("t-1", "deposit", "0.5", "completed", "")).await;
        say(&agent, moves("t-1", "deposit", "0.5", "completed", "")).await;
        say(&agent, moves("t-2", "withdrawal", "0.1", "completed", "")).await;
        say(&agent, moves("t-3", "deposit", "100", "failed", "")).await;
        say(&agent, moves("t-4", "transfer", "0.4", "completed", "carol")).await;
        holds_btc("2").await;
        until("carol has it", async || balance(&db, "carol", "BTC").await.unwrap() == "2.53370042").await;
        let reported = transaction::Entity::find().all(&db).await.unwrap();
        let of = |id: &str| reported.iter().find(|row| row.transaction_id == id).map(|row| row.status.as_str());
        assert_eq!(["t-1", "t-2", "t-3", "t-4"].map(of), [Some("completed"), Some("completed"), Some("failed"), Some("completed")]);

        // More than there is: nothing happens, and the agent is asked what it holds.
        say(&agent, moves("t-5", "withdrawal", "50", "completed", "")).await;
        let asked = agent.command().await;
        let Some(Command::SyncWallets(sync)) = asked.command else { panic!("{asked:?}") };
        assert_eq!(sync.symbols, ["BTC"]);
        agent.ack(&asked.command_id, ClientStatus::Active).await;
        assert!(transaction::Entity::find().filter(transaction::Column::TransactionId.eq("t-5")).one(&db).await.unwrap().is_none());

        say(&agent, status(ClientStatus::Paused.into(), "by hand")).await;
        assert_eq!(row(&db, "agent", |row| row.status_details == "by hand").await.status, i32::from(ClientStatus::Paused));
        say(&agent, logs("warning", "it rains\nmuch")).await;
        say(&agent, fails("error", "a hiccup")).await;
        say(&agent, fails("critical", "the disk is full")).await;
        row(&db, "agent", |row| row.status == i32::from(ClientStatus::Error) && row.status_details == "the disk is full").await;
        let entries = entry::Entity::find().order_by_asc(entry::Column::Id).all(&db).await.unwrap();
        let entries: Vec<_> = entries.iter().map(|entry| (&*entry.kind, &*entry.level, &*entry.message)).collect();
        let wanted = [("log", "warning", "it rains\nmuch"), ("error", "error", "a hiccup"), ("error", "critical", "the disk is full")];
        assert_eq!(entries, wanted);
        assert_eq!(agent.leave().await.code(), steeple::Code::Ok);
        site.stop().await;
        results.leave();
    }

    async fn what_cannot_be_is_counted_and_ends_nothing(database: Database) {
        let site = Site::start(database).await;
        let db = site.db().clone();
        let agent = Agent::connect(site.tester.clone(), "agent", registration("1")).await;
        let long = "x".repeat(20_000);
        let wrong = [
            registration(&long),
            holds("NOPE", "1", "0", None),
            holds("", "1", "0", None),
            holds("BTC", "-1", "0", None),
            holds("BTC", "much", "0", None),
            holds("BTC", "92233720368", "92233720368", None),
            holds("BTC", "1", "0", Some(i64::MAX)),
            moves("", "deposit", "1", "completed", ""),
            moves(&long, "deposit", "1", "completed", ""),
            moves("t", "gift", "1", "completed", ""),
            moves("t", "deposit", "0", "completed", ""),
            moves("t", "deposit", "1e9", "completed", ""),
            moves("t", "deposit", "1", "done", ""),
            moves("t", "transfer", "1", "completed", ""),
            status(77, ""),
            status(1, "nul\0"),
            logs("loud", "x"),
            logs("info", ""),
            logs("info", &long),
            fails("error", "nul\0"),
        ];
        let count = wrong.len() as i64;
        for payload in wrong {
            agent.say(payload).await;
        }
        agent.say(status(ClientStatus::Active.into(), "after all that")).await;
        row(&db, "agent", |row| row.status_details == "after all that").await;
        assert_eq!(agent.leave().await.code(), steeple::Code::Ok);
        until("the row is written", async || {
            let row = Connections::find(&db, "crypto", "agent").await.unwrap();
            row.is_some_and(|row| row.errors == count && row.cause.as_deref() == Some("closed_by_client"))
        })
        .await;
        assert_eq!(transaction::Entity::find().all(&db).await.unwrap().len() + entry::Entity::find().all(&db).await.unwrap().len(), 0);
        assert_eq!(balance(&db, "agent", "BTC").await, None);
        site.stop().await;
    }

    async fn a_transaction_that_comes_back_changed_is_refused(database: Database) {
        let site = Site::start(database).await;
        let db = site.db().clone();
        let mut agent = Agent::connect(site.tester.clone(), "agent", moves("t", "deposit", "1", "completed", "")).await;
        until("it is there", async || balance(&db, "agent", "BTC").await.is_some()).await;
        agent.say(moves("t", "deposit", "5", "completed", "")).await;
        let asked = agent.command().await;
        assert!(matches!(asked.command, Some(Command::SyncWallets(_))), "{asked:?}");
        assert_eq!(exact(&balance(&db, "agent", "BTC").await.unwrap()), exact("1"));
        drop(agent);
        site.stop().await;
    }

    async fn an_agent_keeps_its_newest_entries(database: Database) {
        let site = Site::start(database).await;
        let db = site.db().clone();
        let agent = Agent::connect(site.tester.clone(), "agent", registration("1")).await;
        for number in 0..1_250 {
            agent.say(logs("info", &number.to_string())).await;
        }
        agent.say(status(ClientStatus::Active.into(), "said it all")).await;
        row(&db, "agent", |row| row.status_details == "said it all").await;
        let kept = entry::Entity::find().order_by_asc(entry::Column::Id).all(&db).await.unwrap();
        assert!((1_000..=1_101).contains(&kept.len()), "{}", kept.len());
        assert_eq!(kept.last().unwrap().message, "1249");
        drop(agent);
        site.stop().await;
    }
}
