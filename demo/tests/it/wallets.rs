//! Wallets: found by owner and coin, listed with their coin, changed by exact amounts.

use demo::pb::crypto::{DepositRequest, GetWalletRequest, ListWalletsRequest, Wallet, WithdrawRequest};

use crate::{
    databases::on_every_database,
    refused::{Refused, failed, invalid, missing},
    site::{Site, exact},
};

on_every_database! {
    async fn a_wallet_is_shown_with_its_coin_and_its_value(database: Database) {
        let site = Site::start(database).await;
        let wallet = site.wallet("bob", "eth").await;
        assert_eq!((wallet.owner.as_str(), wallet.symbol.as_str(), wallet.coin_name.as_str()), ("bob", "ETH", "Ethereum"));
        assert_eq!(exact(&wallet.balance), exact("3.20000001"));
        assert_eq!(exact(&wallet.value_usd), exact("9985.34"));
        assert!(wallet.created_at.is_some());

        let mut client = site.client.clone();
        let mut refusal = async |owner: &str, symbol: &str| {
            let request = GetWalletRequest { owner: owner.into(), symbol: symbol.into() };
            Refused::from(client.get_wallet(request).await.unwrap_err())
        };
        assert_eq!(refusal("bob", "LTC").await, missing());
        assert_eq!(refusal("BOB", "ETH").await, missing());
        assert_eq!(refusal("bob", "NOPE").await, missing());
        assert_eq!(refusal("", "BTC").await, invalid("owner"));
        assert_eq!(refusal("bob\0", "BTC").await, invalid("owner"));
        assert_eq!(refusal("bob", "").await, invalid("symbol"));
        site.stop().await;
    }

    async fn wallets_are_listed_by_page_and_filtered(database: Database) {
        let site = Site::start(database).await;
        let every = all(&site, ListWalletsRequest { page_size: 5, ..Default::default() }).await;
        assert_eq!(every.len(), 24);
        assert!(every.is_sorted_by_key(|wallet| wallet.id));
        assert!(every.iter().all(|wallet| !wallet.symbol.is_empty() && !wallet.coin_name.is_empty()));

        let erins = all(&site, ListWalletsRequest { owner: "erin".into(), ..Default::default() }).await;
        assert_eq!(erins.len(), 4);
        let funded = ListWalletsRequest { owner: "erin".into(), funded: true, page_size: 2, ..Default::default() };
        assert_eq!(all(&site, funded).await.len(), 3);
        let bitcoin = all(&site, ListWalletsRequest { symbol: "btc".into(), page_size: 2, ..Default::default() }).await;
        assert_eq!(bitcoin.iter().map(|wallet| &wallet.owner[..]).collect::<Vec<_>>(), ["alice", "bob", "carol", "erin"]);
        assert!(all(&site, ListWalletsRequest { owner: "nobody".into(), ..Default::default() }).await.is_empty());
        site.stop().await;
    }

    async fn money_in_and_out_is_exact(database: Database) {
        let site = Site::start(database).await;
        let mut client = site.client.clone();
        let id = site.wallet("erin", "USDC").await.id;
        // Sums that floating point gets wrong.
        for amount in ["0.1", "0.2", "90071992547.40993", "0.00000001"] {
            client.deposit(DepositRequest { wallet_id: id, amount: amount.into() }).await.unwrap();
        }
        assert_eq!(exact(&site.wallet("erin", "USDC").await.balance), exact("90071992547.70993001"));
        let request = WithdrawRequest { wallet_id: id, amount: "90071992547.70993001".into() };
        let answer = client.withdraw(request).await.unwrap().into_inner();
        assert!(answer.success);
        assert_eq!(exact(&answer.wallet.unwrap().balance), exact("0"));
        site.stop().await;
    }

    async fn a_change_that_cannot_be_is_refused_and_changes_nothing(database: Database) {
        let site = Site::start(database).await;
        let mut client = site.client.clone();
        let before = site.wallet("dave", "ETH").await;
        for amount in ["", "0", "-1", "0.0", "0.000000001", "1e3", "1,5", "NaN", "92233720368.54775808", "٣"] {
            let deposit = DepositRequest { wallet_id: before.id, amount: amount.into() };
            let withdraw = WithdrawRequest { wallet_id: before.id, amount: amount.into() };
            assert_eq!(Refused::from(client.deposit(deposit).await.unwrap_err()), invalid("amount"), "{amount}");
            assert_eq!(Refused::from(client.withdraw(withdraw).await.unwrap_err()), invalid("amount"), "{amount}");
        }
        let mut deposit = async |wallet_id, amount: &str| {
            Refused::from(client.deposit(DepositRequest { wallet_id, amount: amount.into() }).await.unwrap_err())
        };
        assert_eq!(deposit(0, "1").await, invalid("wallet_id"));
        assert_eq!(deposit(-5, "1").await, missing());
        assert_eq!(deposit(987_654, "1").await, missing());
        assert_eq!(deposit(before.id, "92233720368").await, failed("BALANCE_TOO_LARGE"));
        let mut withdraw = async |wallet_id, amount: &str| {
            Refused::from(client.withdraw(WithdrawRequest { wallet_id, amount: amount.into() }).await.unwrap_err())
        };
        assert_eq!(withdraw(before.id, "0.75000001").await, failed("INSUFFICIENT_FUNDS"));
        assert_eq!(withdraw(987_654, "1").await, missing());
        assert_eq!(site.wallet("dave", "ETH").await, before);
        site.stop().await;
    }
}

async fn all(site: &Site, mut request: ListWalletsRequest) -> Vec<Wallet> {
    let mut client = site.client.clone();
    let mut wallets = vec![];
    loop {
        let page = client.list_wallets(request.clone()).await.unwrap().into_inner();
        wallets.extend(page.wallets);
        if page.next_page_token.is_empty() {
            return wallets;
        }
        request.page_token = page.next_page_token;
    }
}
