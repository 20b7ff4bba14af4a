//! Coins: found by symbol, listed in each order and by page, searched.

use std::cmp::Ordering;

use demo::pb::crypto::{Coin, CoinOrder, GetCoinRequest, ListCoinsRequest, SearchCoinsRequest};

use crate::{
    databases::on_every_database,
    refused::{Refused, invalid, missing},
    site::{Site, exact},
};

type Compare<'a> = &'a dyn Fn(&Coin, &Coin) -> Ordering;

on_every_database! {
    async fn a_coin_is_found_by_its_symbol_and_is_exact(database: Database) {
        let site = Site::start(database).await;
        let mut client = site.client.clone();
        let answer = client.get_coin(GetCoinRequest { symbol: "shib".into() }).await.unwrap().into_inner();
        let coin = answer.coin.unwrap();
        assert!(answer.success);
        assert_eq!((coin.symbol.as_str(), coin.name.as_str(), coin.stablecoin), ("SHIB", "Shiba Inu", false));
        assert_eq!(exact(&coin.price_usd), exact("0.00002487"));
        assert_eq!(exact(&coin.market_cap_usd), exact("14650338177.02"));
        assert_eq!(exact(&coin.change_24h_percent), exact("-1.48"));

        let mut refusal = async |symbol: &str| {
            Refused::from(client.get_coin(GetCoinRequest { symbol: symbol.into() }).await.unwrap_err())
        };
        assert_eq!(refusal("NOPE").await, missing());
        for symbol in ["", "  ", "A\0B", &"X".repeat(21)] {
            assert_eq!(refusal(symbol).await, invalid("symbol"), "{symbol:?}");
        }
        site.stop().await;
    }

    async fn every_order_lists_every_coin_once_however_it_is_cut(database: Database) {
        let site = Site::start(database).await;
        let price = |a: &Coin, b: &Coin| exact(&a.price_usd).cmp(&exact(&b.price_usd));
        let change = |a: &Coin, b: &Coin| exact(&a.change_24h_percent).cmp(&exact(&b.change_24h_percent));
        let orders: [(CoinOrder, Compare<'_>); 5] = [
            (CoinOrder::Unspecified, &|a, b| a.rank.cmp(&b.rank)),
            (CoinOrder::Rank, &|a, b| a.rank.cmp(&b.rank)),
            (CoinOrder::Symbol, &|a, b| a.symbol.cmp(&b.symbol)),
            (CoinOrder::Price, &price),
            (CoinOrder::Change, &change),
        ];
        for (order, compare) in orders {
            for descending in [false, true] {
                let request = ListCoinsRequest { order: order.into(), descending, page_size: 3, ..Default::default() };
                let coins = all(&site, request).await;
                assert_eq!(coins.len(), 20);
                assert!(
                    coins.is_sorted_by(|a, b| if descending { compare(a, b).is_ge() } else { compare(a, b).is_le() }),
                    "{order:?}, descending {descending}"
                );
            }
        }
        // Names are compared as the database compares texts, so only the whole can be told.
        let mut names: Vec<_> =
            all(&site, ListCoinsRequest { order: CoinOrder::Name.into(), page_size: 7, ..Default::default() })
                .await
                .into_iter()
                .map(|coin| coin.name)
                .collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 20);
        site.stop().await;
    }

    async fn coins_are_filtered(database: Database) {
        let site = Site::start(database).await;
        let symbols = async |request| -> Vec<String> {
            all(&site, request).await.into_iter().map(|coin| coin.symbol).collect()
        };
        let stable = ListCoinsRequest { stablecoin: Some(true), ..Default::default() };
        assert_eq!(symbols(stable).await, ["USDT", "USDC", "DAI"]);
        let dear = ListCoinsRequest { min_price_usd: "612.57".into(), ..Default::default() };
        assert_eq!(symbols(dear).await, ["BTC", "ETH", "BNB"]);
        let cheap = ListCoinsRequest { max_price_usd: "0.2".into(), stablecoin: Some(false), ..Default::default() };
        assert_eq!(symbols(cheap).await, ["TRX", "SHIB"]);
        site.stop().await;
    }

    async fn a_list_that_cannot_be_is_refused(database: Database) {
        let site = Site::start(database).await;
        let mut client = site.client.clone();
        let first = client.list_coins(ListCoinsRequest { page_size: 2, ..Default::default() }).await.unwrap().into_inner();
        assert_eq!(first.coins.len(), 2);
        let token = first.next_page_token;
        let requests = [
            ("page_size", ListCoinsRequest { page_size: -1, ..Default::default() }),
            ("page_token", ListCoinsRequest { page_token: "zz".into(), ..Default::default() }),
            ("page_token", ListCoinsRequest { page_token: token.clone(), descending: true, ..Default::default() }),
            ("page_token", ListCoinsRequest { page_token: token, order: CoinOrder::Name.into(), ..Default::default() }),
            ("order", ListCoinsRequest { order: 99, ..Default::default() }),
            ("min_price_usd", ListCoinsRequest { min_price_usd: "cheap".into(), ..Default::default() }),
            ("max_price_usd", ListCoinsRequest { max_price_usd: "0.123456789".into(), ..Default::default() }),
        ];
        for (field, request) in requests {
            assert_eq!(Refused::from(client.list_coins(request).await.unwrap_err()), invalid(field));
        }
        site.stop().await;
    }

    async fn coins_are_searched_by_a_part_of_symbol_or_name(database: Database) {
        let site = Site::start(database).await;
        let mut client = site.client.clone();
        let mut found = async |query: &str| -> Vec<String> {
            let request = SearchCoinsRequest { query: query.into(), ..Default::default() };
            let coins = client.search_coins(request).await.unwrap().into_inner().coins;
            coins.into_iter().map(|coin| coin.symbol).collect()
        };
        assert_eq!(found("BitCoin").await, ["BTC", "BCH"]);
        assert_eq!(found("usd").await, ["USDT", "USDC"]);
        assert_eq!(found("nobody").await, [""; 0]);
        // What means something in a pattern is a letter like any other.
        for query in ["%", "_", "!", "\\", "'", "a%b", "日本"] {
            assert_eq!(found(query).await, [""; 0], "{query}");
        }

        let page = |token: String| SearchCoinsRequest { query: "o".into(), page_size: 4, page_token: token };
        let first = client.search_coins(page(String::new())).await.unwrap().into_inner();
        let second = client.search_coins(page(first.next_page_token)).await.unwrap().into_inner();
        let ranks: Vec<_> = first.coins.iter().chain(&second.coins).map(|coin| coin.rank).collect();
        assert_eq!(ranks.len(), 8);
        assert!(ranks.is_sorted());

        for query in ["", "a\nb", &"x".repeat(101)] {
            let request = SearchCoinsRequest { query: query.into(), ..Default::default() };
            assert_eq!(Refused::from(client.search_coins(request).await.unwrap_err()), invalid("query"), "{query:?}");
        }
        site.stop().await;
    }
}

/// All pages of a list, one after another.
async fn all(site: &Site, mut request: ListCoinsRequest) -> Vec<Coin> {
    let mut client = site.client.clone();
    let mut coins = vec![];
    loop {
        let page = client.list_coins(request.clone()).await.unwrap().into_inner();
        coins.extend(page.coins);
        if page.next_page_token.is_empty() {
            return coins;
        }
        request.page_token = page.next_page_token;
    }
}
