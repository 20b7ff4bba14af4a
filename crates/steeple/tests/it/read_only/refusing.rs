//! What callers ask in vain, and what does not start.

use steeple::server::Plan;
use tonic_types::StatusExt as _;
use v1::SearchCoinsRequest;

use super::*;
use crate::databases::on_every_database;

async fn violation(client: &mut CoinsClient<Channel>, asked: ListCoinsRequest) -> (String, String) {
    let status = client.list_coins(asked.clone()).await.expect_err("it is refused");
    assert_eq!(status.code(), Code::InvalidArgument, "{asked:?}: {status}");
    let details = status.get_error_details();
    let violation = &details.bad_request().expect("a bad request").field_violations[0];
    (violation.field.clone(), violation.description.clone())
}

on_every_database! {
    async fn what_cannot_be_asked_is_refused_with_the_field(database: Database) {
        let shop = Shop::open(database).await;
        let mut client = shop.client().await;
        for filter in [
            "slug = 'a'", "key != null", "rank = 1", "id", "price > 1 OR price < 0", "nope = 1", "price ! 1", "' = 1", "tags = 1",
            "price = 1 AND", "\0 = 1", &"x".repeat(3_000),
        ] {
            let asked = ListCoinsRequest { filter: filter.to_owned(), ..list() };
            assert_eq!(violation(&mut client, asked).await.0, "filter", "{filter}");
        }
        for (filter, field) in [
            ("price = cheap", "price"), ("price > 1e99", "price"), ("listed = 1", "listed"), ("place = 99999999999999999999", "rank"),
            ("seen_at > yesterday", "seen_at"), ("born = 2020-13-01", "born"), ("symbol = 'much too long a symbol'", "symbol"),
        ] {
            let asked = ListCoinsRequest { filter: filter.to_owned(), ..list() };
            assert_eq!(violation(&mut client, asked).await.0, field, "{filter}");
        }
        for order_by in ["slug", "rank", "price descending", "price, price", ",", "tags", "price; DROP TABLE crypto_coin", "1"] {
            let asked = ListCoinsRequest { order_by: order_by.to_owned(), ..list() };
            assert_eq!(violation(&mut client, asked).await.0, "order_by", "{order_by}");
        }
        assert_eq!(violation(&mut client, ListCoinsRequest { page_size: -1, ..list() }).await.0, "page_size");
        let beyond = prost_types::Timestamp { seconds: i64::MAX, nanos: 0 };
        assert_eq!(violation(&mut client, ListCoinsRequest { seen_at: Some(beyond), ..list() }).await.0, "seen_at");
        for query in ["", "  \t", &"long".repeat(60), "1 2 3 4 5 6 7 8 9 10 11"] {
            let asked = SearchCoinsRequest { query: query.to_owned(), ..SearchCoinsRequest::default() };
            assert_eq!(client.search_coins(asked).await.unwrap_err().code(), Code::InvalidArgument, "{query}");
        }
        assert_eq!(client.list_coins(list()).await.unwrap().into_inner().total_size, 10);
    }

    async fn a_token_is_good_for_its_own_question_only(database: Database) {
        let shop = Shop::open(database).await;
        let mut client = shop.client().await;
        let asked = ListCoinsRequest { page_size: 2, filter: "price > 1".into(), order_by: "price".into(), ..list() };
        let page_token = client.list_coins(asked.clone()).await.unwrap().into_inner().next_page_token;
        let asked = ListCoinsRequest { page_token, ..asked };
        assert_eq!(symbols(&client.list_coins(asked.clone()).await.unwrap().into_inner().coins), "DE");
        let larger = ListCoinsRequest { page_size: 3, ..asked.clone() };
        assert_eq!(symbols(&client.list_coins(larger).await.unwrap().into_inner().coins), "DEF", "its size may change");
        for other in [
            ListCoinsRequest { filter: "price > 2".into(), ..asked.clone() },
            ListCoinsRequest { order_by: "price desc".into(), ..asked.clone() },
            ListCoinsRequest { listed: Some(true), ..asked.clone() },
            ListCoinsRequest { page_token: "made up".into(), ..asked.clone() },
            ListCoinsRequest { page_token: "W10".into(), ..asked.clone() },
            ListCoinsRequest { page_token: asked.page_token[1..].to_owned(), ..asked.clone() },
            ListCoinsRequest { page_token: "A".repeat(100_000), ..asked.clone() },
        ] {
            assert_eq!(violation(&mut client, other).await.0, "page_token");
        }
        let search = SearchCoinsRequest { query: "e".into(), page_token: asked.page_token, ..SearchCoinsRequest::default() };
        assert_eq!(client.search_coins(search).await.unwrap_err().code(), Code::InvalidArgument);
    }

    async fn a_cell_that_cannot_be_shown_is_told_as_our_fault(database: Database) {
        let shop = Shop::open(database).await;
        shop.db().execute_unprepared("UPDATE crypto_coin SET tags = '{}' WHERE symbol = 'A'").await.unwrap();
        if shop.db().backend() != sea_orm::DbBackend::Sqlite {
            return;
        }
        shop.db().execute_unprepared("UPDATE crypto_coin SET born = 'nonsense' WHERE symbol = 'B'").await.unwrap();
        let mut client = shop.client().await;
        let status = client.list_coins(list()).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::Internal, "internal error"));
        let fine = client.list_coins(ListCoinsRequest { filter: "price > 1.5".into(), ..list() }).await.unwrap();
        assert_eq!(fine.into_inner().total_size, 8);
    }
}

/// What keeps the site from starting.
async fn problems(service: ReadOnlyService) -> Vec<String> {
    let database = Database::sqlite().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let error = Server::new(site(app(service))).start(config(&folder, &database)).await.expect_err("it does not start");
    let StartError::Service(_, error) = error else { panic!("{error}") };
    assert_eq!(error.code(), Code::FailedPrecondition);
    error.message().split("; ").map(str::to_owned).collect()
}

#[tokio::test]
async fn everything_that_does_not_fit_is_told_at_once() {
    let told = problems(ReadOnlyService::of::<coin::Entity>("catalog.v1.Unfit")).await;
    let want = [
        "catalog.v1.Unfit/DeleteCoin: a method of a read-only service is called Get…, List… or Search…",
        "catalog.v1.Unfit/Getter: a method of a read-only service is called Get…, List… or Search…",
        "catalog.v1.Unfit/GetStream: a read-only service has no streams",
        "catalog.v1.UnfitCoin.id: write int64 for id",
        "catalog.v1.UnfitCoin.price: write string for price",
        "catalog.v1.UnfitCoin.note: write string for note",
        "catalog.v1.UnfitCoin.maker: the model coin has no field maker",
        "catalog.v1.Unfit/ListCoins: catalog.v1.UnfitCoins.success: nobody fills it",
        "catalog.v1.Unfit/ListCoins: catalog.v1.GetCoinRequest must have int32 page_size",
        "catalog.v1.Unfit/ListCoins: catalog.v1.GetCoinRequest must have string page_token",
        "catalog.v1.Unfit/ListCoins: catalog.v1.UnfitCoins.next_page_token: write string",
        "catalog.v1.Unfit/SearchCoins: catalog.v1.SearchCoinsResponse.coins: nobody fills it",
        "catalog.v1.Unfit/SearchCoins: catalog.v1.SearchCoinsResponse must have one repeated catalog.v1.UnfitCoin",
        "catalog.v1.Unfit/GetCoin: catalog.v1.UnfitRequest.name: the model coin has no field name",
        "catalog.v1.Unfit/GetCoin: must give catalog.v1.UnfitCoin, or a message with one catalog.v1.UnfitCoin and nothing else",
    ];
    for want in want {
        assert!(told.iter().any(|told| told == want), "{want}\nis not in\n{}", told.join("\n"));
    }
    assert_eq!(told.len(), want.len(), "{}", told.join("\n"));
}

#[tokio::test]
async fn options_that_mean_nothing_keep_the_site_from_starting() {
    for (service, want) in [
        (catalogue().field("plaice", "rank"), "field plaice: catalog.v1.Coin has none of that name"),
        (
            ReadOnlyService::of::<coin::Entity>("catalog.v1.Coins"),
            "catalog.v1.Coin.place: the model coin has no field place",
        ),
        (catalogue().only("nope", Op::Eq, 1), "only nope: the model coin has no such field"),
        (
            catalogue().search_in(["slug"]),
            "catalog.v1.Coins/SearchCoins: search_in slug: catalog.v1.Coin has no such field",
        ),
        (catalogue().order_by("slug"), "catalog.v1.Coins/ListCoins: order_by: slug cannot be ordered by"),
        (
            catalogue().page_size(0, 5),
            "catalog.v1.Coins/ListCoins: page_size(0, 5): must be from 1 up to the most, and that at most 10000",
        ),
        (
            ReadOnlyService::of::<coin::Entity>("catalog.v1.ByRank").field("place", "rank"),
            "catalog.v1.ByRank/GetCoin: catalog.v1.GetByRankRequest must have the key (id) and nothing else, or one unique field",
        ),
        (ReadOnlyService::of::<coin::Entity>("catalog.v1.Nothing"), "catalog.v1.Nothing: no method gives rows"),
    ] {
        let told = problems(service).await;
        assert!(told.iter().any(|told| told == want), "{want}\nis not in\n{}", told.join("\n"));
    }
}

#[test]
fn a_service_that_needs_a_user_cannot_be_opened() {
    let folder = tempfile::tempdir().unwrap();
    let plan = |app: App, public: &[&str]| {
        let config = trial::config(&folder, |config| {
            config.auth.public_methods = public.iter().map(|&name| name.to_owned()).collect();
            (config.server.reflection, config.server.health) = (false, false);
        });
        Plan::of(&Server::new(site(app)), &config)
    };
    let app = || App::new("crypto").read_only(catalogue()).auth_required("catalog.v1.Coins");
    let closed = plan(app().access("catalog.v1.Coins/GetCoin", Access::Staff), &["*"]).unwrap();
    let coins = closed.methods().filter(|method| method.method.service == "catalog.v1.Coins");
    let access: Vec<_> = coins.map(|method| method.decision.access.to_string()).collect();
    assert_eq!(access, ["staff", "authenticated", "authenticated", "authenticated"]);

    let opened = plan(app().access("catalog.v1.Coins/GetCoin", Access::Public), &[]).unwrap_err();
    assert_eq!(
        opened,
        [
            "app crypto promises that catalog.v1.Coins needs a caller who is logged in (auth_required), and app crypto says that catalog.v1.Coins/GetCoin is public; change the one or the other"
        ]
    );
    assert!(plan(app().access("*", Access::Public), &[]).is_ok(), "the rule for the service says more");
    assert_eq!(plan(app(), &["catalog.v1.Coins/GetCoin"]).unwrap_err().len(), 1);
    let nobody = plan(App::new("crypto").read_only(catalogue()).auth_required("catalog.v1.Coin"), &["*"]).unwrap_err();
    assert!(nobody[0].contains("is no method that is served"), "{nobody:?}");
}
