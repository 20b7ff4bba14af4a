//! The agents that a newcomer watches: they connect, move money, obey, and come back.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use demo::{
    agent::{Settings, Tally, run},
    apps::{
        crypto::models::{coin, wallet},
        crypto_streaming::{commands, models::transaction},
    },
    pb::crypto::{ClientStatus, SendCommandRequest, crypto_streaming_service_client::CryptoStreamingServiceClient},
};
use sea_orm::EntityTrait as _;
use steeple::{Fixed, auth::NewUser};
use tokio::task::JoinSet;

use crate::{databases::on_every_database, process::until, site::Site};

const AGENTS: usize = 8;

fn settings(number: usize, key: &str) -> Settings {
    Settings {
        name: format!("agent-{number}"),
        report_every: Duration::from_millis(200),
        heartbeat_every: Some(Duration::from_millis(100)),
        api_key: Some(key.parse().unwrap()),
    }
}

on_every_database! {
    async fn agents_move_money_and_every_unit_is_accounted_for(database: Database) {
        let site = Site::start(database).await;
        let owner = site.user("owner", NewUser::default(), &[]).await;
        let key = site.key(owner.id, &["crypto.*"]).await;
        let (tally, mut agents) = (Arc::new(Tally::default()), JoinSet::new());
        for number in 0..AGENTS {
            agents.spawn(run(site.channel.clone(), settings(number, &key), tally.clone()));
        }
        until("all are connected", async || site.running().sessions() == AGENTS).await;
        let completed = async || {
            let rows = transaction::Entity::find().all(site.db()).await.unwrap();
            rows.into_iter().filter(|row| row.status == "completed").collect::<Vec<_>>()
        };
        until("they have moved money", async || completed().await.len() >= 3 * AGENTS).await;

        // Paused, nothing more happens; the acks say so.
        let mut caller = CryptoStreamingServiceClient::new(site.operator().await);
        for number in 0..AGENTS {
            let request = SendCommandRequest { client_id: format!("agent-{number}"), command: Some(commands::pause("count")) };
            let ack = caller.execute_command_sync(request).await.unwrap().into_inner();
            assert!(ack.success && ack.current_status() == ClientStatus::Paused, "{ack:?}");
        }
        let mut last = 0;
        until("what was said before the pause is handled", async || {
            tokio::time::sleep(Duration::from_millis(100)).await;
            std::mem::replace(&mut last, completed().await.len()) == last
        })
        .await;
        let opening = |symbol: &str| match symbol {
            "BTC" => Fixed::<8>::from_units(2 * 100_000_000),
            "ETH" => Fixed::from_units(25 * 100_000_000),
            _ => Fixed::from_units(40_000 * 100_000_000),
        };
        let mut expected = BTreeMap::new();
        for number in 0..AGENTS {
            for symbol in ["BTC", "ETH", "USDT"] {
                expected.insert((format!("agent-{number}"), symbol.to_owned()), opening(symbol));
            }
        }
        let names: BTreeMap<i64, String> = demo::apps::crypto_streaming::models::agent::Entity::find()
            .all(site.db()).await.unwrap().into_iter().map(|agent| (agent.id, agent.client_id)).collect();
        for moved in completed().await {
            let balance = expected.get_mut(&(names[&moved.agent_id].clone(), moved.symbol.clone())).unwrap();
            let changed = match moved.kind.as_str() {
                "deposit" => balance.checked_add(moved.amount),
                _ => balance.checked_sub(moved.amount),
            };
            *balance = changed.unwrap();
        }
        let wallets = wallet::Entity::find().find_both_related(coin::Entity).all(site.db()).await.unwrap();
        let found: BTreeMap<_, _> = wallets
            .into_iter()
            .filter(|(wallet, _)| wallet.owner.starts_with("agent-"))
            .map(|(wallet, coin)| ((wallet.owner, coin.symbol), wallet.balance))
            .collect();
        assert_eq!(found, expected);

        // Told to connect again, they do.
        let ends = tally.ends.load(Relaxed);
        let second = Arc::new(Tally::default());
        let mut twin = JoinSet::new();
        twin.spawn(run(site.channel.clone(), settings(0, &key), second.clone()));
        until("the one that was replaced comes back", async || tally.ends.load(Relaxed) > ends && second.ends.load(Relaxed) > 0).await;
        drop((agents, twin));
        until("all have left", async || site.running().sessions() == 0).await;
        site.stop().await;
    }
}
