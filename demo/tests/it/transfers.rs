//! Transfers: all or nothing, and however many at once, no money is made, lost or owed.

use std::collections::HashMap;

use demo::pb::crypto::{DepositRequest, TransferRequest, WithdrawRequest};
use steeple::Fixed;
use tokio::task::JoinSet;

use crate::{
    databases::on_every_database,
    refused::{Refused, failed, invalid, missing},
    site::{Site, exact},
};

const OWNERS: [&str; 4] = ["alice", "bob", "carol", "erin"];

on_every_database! {
    async fn a_transfer_changes_both_sides(database: Database) {
        let site = Site::start(database).await;
        let (from, to) = (site.wallet("carol", "BTC").await, site.wallet("erin", "BTC").await);
        let request = TransferRequest { from_wallet_id: from.id, to_wallet_id: to.id, amount: "0.00000042".into() };
        let answer = site.client.clone().transfer(request).await.unwrap().into_inner();
        assert!(answer.success);
        assert_eq!(exact(&answer.from_wallet.unwrap().balance), exact("2.1337"));
        assert_eq!(exact(&answer.to_wallet.unwrap().balance), exact("0.00012387"));
        assert_eq!(exact(&site.wallet("carol", "BTC").await.balance), exact("2.1337"));
        assert_eq!(exact(&site.wallet("erin", "BTC").await.balance), exact("0.00012387"));
        site.stop().await;
    }

    async fn a_transfer_that_cannot_be_is_refused_and_changes_nothing(database: Database) {
        let site = Site::start(database).await;
        let mut client = site.client.clone();
        let (from, to) = (site.wallet("alice", "BTC").await, site.wallet("bob", "BTC").await);
        let other_coin = site.wallet("alice", "ETH").await;
        let mut transfer = async |from_wallet_id, to_wallet_id, amount: &str| {
            let request = TransferRequest { from_wallet_id, to_wallet_id, amount: amount.into() };
            Refused::from(client.transfer(request).await.unwrap_err())
        };
        assert_eq!(transfer(from.id, to.id, "0").await, invalid("amount"));
        assert_eq!(transfer(0, to.id, "1").await, invalid("from_wallet_id"));
        assert_eq!(transfer(from.id, 0, "1").await, invalid("to_wallet_id"));
        let same = Refused { reason: Some("SAME_WALLET".into()), ..invalid("to_wallet_id") };
        assert_eq!(transfer(from.id, from.id, "0.1").await, same);
        assert_eq!(transfer(from.id, 987_654, "0.1").await, missing());
        assert_eq!(transfer(987_654, to.id, "0.1").await, missing());
        assert_eq!(transfer(from.id, other_coin.id, "0.1").await, failed("COIN_MISMATCH"));
        assert_eq!(transfer(from.id, to.id, "0.84210078").await, failed("INSUFFICIENT_FUNDS"));

        // A target that cannot hold more: the source keeps what it had.
        let fill = DepositRequest { wallet_id: to.id, amount: "92233720368".into() };
        client.deposit(fill).await.unwrap();
        let request = TransferRequest { from_wallet_id: from.id, to_wallet_id: to.id, amount: "0.8".into() };
        let refused = Refused::from(client.transfer(request).await.unwrap_err());
        assert_eq!(refused, failed("BALANCE_TOO_LARGE"));
        assert_eq!(site.wallet("alice", "BTC").await, from);
        assert_eq!(site.wallet("alice", "ETH").await, other_coin);
        site.stop().await;
    }

    async fn many_transfers_at_once_keep_every_balance_right(database: Database) {
        let site = Site::start(database).await;
        let mut ids = HashMap::new();
        let mut expected: HashMap<&str, i64> = HashMap::new();
        for owner in OWNERS {
            let wallet = site.wallet(owner, "BTC").await;
            ids.insert(owner, wallet.id);
            expected.insert(owner, exact(&wallet.balance).units());
        }
        let total: i64 = expected.values().sum();
        // Both directions between every two wallets, amounts that the smaller ones cannot always pay.
        let mut calls = JoinSet::new();
        for turn in 0..240_usize {
            let (from, to) = (OWNERS[turn % 4], OWNERS[(turn + 1 + turn / 4 % 3) % 4]);
            let amount = Fixed::<8>::from_units(1_000_003 * (1 + turn as i64 % 7));
            let mut client = site.client.clone();
            let request =
                TransferRequest { from_wallet_id: ids[from], to_wallet_id: ids[to], amount: amount.to_string() };
            calls.spawn(async move { (from, to, amount.units(), client.transfer(request).await) });
        }
        let mut done = 0;
        while let Some(call) = calls.join_next().await {
            let (from, to, amount, answer) = call.unwrap();
            match answer {
                Ok(_) => {
                    done += 1;
                    *expected.get_mut(from).unwrap() -= amount;
                    *expected.get_mut(to).unwrap() += amount;
                }
                Err(status) => assert_eq!(Refused::from(status), failed("INSUFFICIENT_FUNDS")),
            }
        }
        assert!(done > 0);
        let mut sum = 0;
        for owner in OWNERS {
            let balance = exact(&site.wallet(owner, "BTC").await.balance).units();
            assert!(balance >= 0);
            assert_eq!(balance, expected[owner], "{owner}");
            sum += balance;
        }
        assert_eq!(sum, total);
        site.stop().await;
    }

    async fn nobody_takes_more_than_there_is(database: Database) {
        let site = Site::start(database).await;
        let id = site.wallet("dave", "ETH").await.id;
        let mut calls = JoinSet::new();
        for _ in 0..40 {
            let mut client = site.client.clone();
            calls.spawn(async move { client.withdraw(WithdrawRequest { wallet_id: id, amount: "0.1".into() }).await });
        }
        let answers = calls.join_all().await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 7);
        assert_eq!(exact(&site.wallet("dave", "ETH").await.balance), exact("0.05"));
        site.stop().await;
    }
}
