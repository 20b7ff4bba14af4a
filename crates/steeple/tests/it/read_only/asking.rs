//! Get, List and Search.

use v1::{GetBasketRequest, GetCoinRequest, GetNumberedRequest, SearchCoinsRequest, baskets_client::BasketsClient};

use super::*;
use crate::databases::on_every_database;

/// The symbols of all pages of a question, and how many pages there were.
async fn pages(client: &mut CoinsClient<Channel>, asked: ListCoinsRequest) -> (String, usize) {
    let (mut all, mut count, mut token) = (String::new(), 0, String::new());
    loop {
        let page =
            client.list_coins(ListCoinsRequest { page_token: token, ..asked.clone() }).await.unwrap().into_inner();
        all += &symbols(&page.coins);
        count += 1;
        token = page.next_page_token;
        if token.is_empty() {
            return (all, count);
        }
        assert!(count < 100, "pages without end");
    }
}

async fn filtered(client: &mut CoinsClient<Channel>, filter: &str) -> String {
    let asked = ListCoinsRequest { filter: filter.into(), ..list() };
    symbols(&client.list_coins(asked).await.unwrap_or_else(|status| panic!("{filter}: {status}")).into_inner().coins)
}

async fn found(client: &mut CoinsClient<Channel>, query: &str) -> String {
    let asked = SearchCoinsRequest { query: query.into(), ..SearchCoinsRequest::default() };
    symbols(&client.search_coins(asked).await.unwrap().into_inner().coins)
}

on_every_database! {
    async fn one_is_given_by_a_unique_field_and_by_the_key(database: Database) {
        let shop = Shop::open(database).await;
        let mut client = shop.client().await;
        let coin = client.get_coin(GetCoinRequest { symbol: "E".into() }).await.unwrap().into_inner();
        let model = coin::Entity::find_by_symbol("E").one(shop.db()).await.unwrap().unwrap();
        let seen_at = coin.seen_at.unwrap();
        assert_eq!((seen_at.seconds, seen_at.nanos as u32), (model.seen_at.timestamp(), model.seen_at.timestamp_subsec_nanos()));
        let whole = Coin {
            id: model.id,
            symbol: "E".into(),
            kind: "token".into(),
            price: "4.00000001".into(),
            fee: Some("0.1".into()),
            weight: coin.weight.clone(),
            score: 0.5,
            listed: true,
            place: Some(4),
            supply: 1,
            born: "2020-01-02".into(),
            seen_at: Some(seen_at),
            tags: "[]".into(),
            note: Some("the fifth, 100%".into()),
        };
        assert_eq!(coin, whole);
        assert_eq!(coin.weight.parse::<rust_decimal::Decimal>().unwrap(), model.weight);

        let same = client.get_numbered(GetNumberedRequest { id: model.id }).await.unwrap().into_inner();
        assert_eq!(same.coin, Some(coin));
        let without = client.get_coin(GetCoinRequest { symbol: "C".into() }).await.unwrap().into_inner();
        assert_eq!((without.place, without.note), (None, None), "an empty cell is a field that is not set");

        let status = client.get_coin(GetCoinRequest { symbol: "nope".into() }).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::NotFound, "coin nope not found"));
        let status = client.get_numbered(GetNumberedRequest { id: -1 }).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::NotFound, "coin -1 not found"));
        let status = client.get_coin(GetCoinRequest::default()).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "symbol: may not be empty"));
    }

    async fn pages_are_whole_and_end(database: Database) {
        let shop = Shop::open(database).await;
        let mut client = shop.client().await;
        for (page_size, count) in [(1, 10), (3, 4), (5, 2), (9, 2), (10, 1), (1000, 1), (0, 1)] {
            assert_eq!(pages(&mut client, ListCoinsRequest { page_size, ..list() }).await, ("ABCDEFGHIJ".to_owned(), count), "{page_size}");
        }
        let page = client.list_coins(ListCoinsRequest { page_size: 3, ..list() }).await.unwrap().into_inner();
        assert_eq!(page.total_size, 10);
        // Rows that come and go do not shift the pages behind.
        insert(shop.db(), "0", 0).await;
        shop.db().execute_unprepared("DELETE FROM crypto_coin WHERE symbol = 'A'").await.unwrap();
        let next = client.list_coins(ListCoinsRequest { page_size: 3, page_token: page.next_page_token, ..list() });
        assert_eq!(symbols(&next.await.unwrap().into_inner().coins), "DEF");
    }

    async fn an_order_holds_over_pages_and_empty_ones_come_last(database: Database) {
        let shop = Shop::open(database).await;
        let mut client = shop.client().await;
        for (order_by, want) in [
            ("price desc", "JIHGFEDCBA"),
            ("symbol", "ABCDEFGHIJ"),
            ("listed desc, price", "ACEGIBDFHJ"),
            ("listed, price desc", "JHFDBIGECA"),
            ("place", "ABDEGHJCFI"),
            ("place desc", "JHGEDBACFI"),
            ("place desc, id desc", "JHGEDBAIFC"),
            ("seen_at, score desc, id", "ABCDEFGHIJ"),
        ] {
            for page_size in [2, 3, 50] {
                let asked = ListCoinsRequest { page_size, order_by: order_by.into(), ..list() };
                assert_eq!(pages(&mut client, asked).await.0, want, "{order_by}");
            }
        }
    }

    async fn a_filter_picks_out(database: Database) {
        let shop = Shop::open(database).await;
        let mut client = shop.client().await;
        for (filter, want) in [
            ("", "ABCDEFGHIJ"),
            ("price > 7", "HIJ"),
            ("price >= 2.00000001 AND price < 4", "CD"),
            ("listed = true AND price > 3", "EGI"),
            ("listed != true", "BDFHJ"),
            ("symbol = 'B'", "B"),
            ("symbol : b", "B"),
            ("note : \"FIFTH\"", "E"),
            ("note:'100%'", "E"),
            ("note:'1_0'", ""),
            ("note = null", "ABCDFGHIJ"),
            ("note:*", "E"),
            ("place = null AND price > 3", "FI"),
            ("place <= 1", "AB"),
            ("seen_at > 2001-01-01T00:00:00Z AND price <= 1", "A"),
            ("born = 2020-01-02 AND symbol = J", "J"),
            ("kind = coin", ""),
        ] {
            assert_eq!(filtered(&mut client, filter).await, want, "{filter}");
        }
        let asked = ListCoinsRequest { page_size: 2, filter: "price > 3".into(), order_by: "price desc".into(), ..list() };
        assert_eq!(pages(&mut client, asked.clone()).await, ("JIHGFED".to_owned(), 4));
        assert_eq!(client.list_coins(asked).await.unwrap().into_inner().total_size, 7);
    }

    async fn fields_of_the_request_filter_when_they_are_set(database: Database) {
        let shop = Shop::open(database).await;
        let mut client = shop.client().await;
        let seen_at = client.get_coin(GetCoinRequest { symbol: "G".into() }).await.unwrap().into_inner().seen_at;
        for (asked, want) in [
            (ListCoinsRequest { listed: Some(true), ..list() }, "ACEGI"),
            (ListCoinsRequest { listed: Some(false), ..list() }, "BDFHJ"),
            (ListCoinsRequest { place: 4, ..list() }, "E"),
            (ListCoinsRequest { place: 4, listed: Some(false), ..list() }, ""),
            (ListCoinsRequest { seen_at, ..list() }, "G"),
            (ListCoinsRequest { slug: "j".into(), ..list() }, "J"),
            (ListCoinsRequest { slug: "j".into(), filter: "price < 3".into(), ..list() }, ""),
        ] {
            let page = client.list_coins(asked.clone()).await.unwrap().into_inner();
            assert_eq!((&*symbols(&page.coins), page.total_size as usize), (want, want.len()), "{asked:?}");
        }
    }

    async fn a_search_finds_each_word_in_one_of_the_texts(database: Database) {
        let shop = Shop::open(database).await;
        let mut client = shop.client().await;
        assert_eq!(found(&mut client, "fifth").await, "E");
        assert_eq!(found(&mut client, "FIFTH e").await, "E");
        assert_eq!(found(&mut client, "fifth j").await, "");
        assert_eq!(found(&mut client, "%").await, "E");
        assert_eq!(found(&mut client, "j tok").await, "J");
        let asked = SearchCoinsRequest { query: "token".into(), page_size: 6, ..SearchCoinsRequest::default() };
        let page = client.search_coins(asked.clone()).await.unwrap().into_inner();
        assert_eq!(symbols(&page.coins), "ABCDEF");
        let page = client.search_coins(SearchCoinsRequest { page_token: page.next_page_token, ..asked }).await;
        let page = page.unwrap().into_inner();
        assert_eq!((&*symbols(&page.coins), &*page.next_page_token), ("GHIJ", ""));
    }

    async fn a_key_of_two_is_asked_for_whole(database: Database) {
        let shop = Shop::with(database, ReadOnlyService::of::<coin::basket::Entity>("catalog.v1.Baskets")).await;
        let coin_id = coin::Entity::find_by_symbol("B").one(shop.db()).await.unwrap().unwrap().id;
        let sql = format!("INSERT INTO crypto_basket (name, coin_id, amount) VALUES ('mine', {coin_id}, 7)");
        shop.db().execute_unprepared(&sql).await.unwrap();
        let mut client = BasketsClient::new(shop.channel().await);
        let basket = client.get_basket(GetBasketRequest { coin_id, name: "mine".into() }).await.unwrap().into_inner();
        assert_eq!((&*basket.name, basket.coin_id, basket.amount), ("mine", coin_id, 7));
        let status = client.get_basket(GetBasketRequest { coin_id, name: "yours".into() }).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound);
    }

    async fn what_the_site_says_narrows_and_orders(database: Database) {
        let service = catalogue().only("listed", Op::Eq, true).only("slug", Op::Ne, "c").order_by("price desc").page_size(2, 3);
        let shop = Shop::with(database, service.search_in(["note"])).await;
        let mut client = shop.client().await;
        assert_eq!(pages(&mut client, list()).await, ("IGEA".to_owned(), 2));
        let page = client.list_coins(ListCoinsRequest { page_size: 100, ..list() }).await.unwrap().into_inner();
        assert_eq!((&*symbols(&page.coins), page.total_size), ("IGE", 4));
        assert_eq!(filtered(&mut client, "listed = false").await, "", "what is not there cannot be asked for");
        let hidden = client.get_coin(GetCoinRequest { symbol: "B".into() }).await.unwrap_err();
        assert_eq!(hidden.code(), Code::NotFound);
        assert_eq!(found(&mut client, "fifth").await, "E");
        assert_eq!(found(&mut client, "a").await, "", "the symbol is not searched in");
    }
}
