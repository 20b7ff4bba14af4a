//! `crypto.CryptoService`: coins and wallets. What each method promises is said in `proto/crypto.proto`.

use sea_orm::{ColumnTrait, Condition, EntityTrait, ModelTrait, Order, QueryFilter, QueryOrder, QuerySelect, Select};
use steeple::{Context, Db, Error, Result, model::Prepared};

use super::{
    input,
    models::{coin, wallet},
    transfers,
};
use crate::{
    paging::Page,
    pb::crypto::{
        self as pb, CoinOrder, CoinResponse, DepositRequest, GetCoinRequest, GetWalletRequest, ListCoinsRequest,
        ListCoinsResponse, ListWalletsRequest, ListWalletsResponse, SearchCoinsRequest, SearchCoinsResponse,
        TransferRequest, TransferResponse, WalletResponse, WithdrawRequest,
    },
    search::contains,
};

/// Serves coins and wallets from the site's database.
#[derive(Debug)]
pub struct CryptoService;

impl pb::CryptoService for CryptoService {
    async fn get_coin(&self, cx: Context, request: GetCoinRequest) -> Result<CoinResponse> {
        let symbol = input::symbol(&request.symbol)?;
        let coin = coin_with(cx.db(), &symbol).await?;
        Ok(CoinResponse { success: true, coin: Some(coin.into()) })
    }

    async fn list_coins(&self, cx: Context, request: ListCoinsRequest) -> Result<ListCoinsResponse> {
        let column = match CoinOrder::try_from(request.order) {
            Ok(CoinOrder::Unspecified | CoinOrder::Rank) => coin::Column::Rank,
            Ok(CoinOrder::Symbol) => coin::Column::Symbol,
            Ok(CoinOrder::Name) => coin::Column::Name,
            Ok(CoinOrder::Price) => coin::Column::PriceUsd,
            Ok(CoinOrder::Change) => coin::Column::Change24hPercent,
            Err(_) => return Err(Error::invalid("order", "must be one of the values of CoinOrder")),
        };
        let mut only = Condition::all();
        if let Some(stablecoin) = request.stablecoin {
            only = only.add(coin::Column::Stablecoin.eq(stablecoin));
        }
        if let Some(price) = input::limit::<8>("min_price_usd", &request.min_price_usd)? {
            only = only.add(coin::Column::PriceUsd.gte(price));
        }
        if let Some(price) = input::limit::<8>("max_price_usd", &request.max_price_usd)? {
            only = only.add(coin::Column::PriceUsd.lte(price));
        }
        let asked = (request.page_size, request.page_token.as_str());
        let (coins, next_page_token) =
            page_of_coins(cx.db(), asked, column, request.descending, coin::Entity::find().filter(only)).await?;
        Ok(ListCoinsResponse { coins, next_page_token })
    }

    async fn search_coins(&self, cx: Context, request: SearchCoinsRequest) -> Result<SearchCoinsResponse> {
        let query = input::query(&request.query)?;
        let found =
            Condition::any().add(contains(coin::Column::Symbol, query)).add(contains(coin::Column::Name, query));
        let asked = (request.page_size, request.page_token.as_str());
        let (coins, next_page_token) =
            page_of_coins(cx.db(), asked, coin::Column::Rank, false, coin::Entity::find().filter(found)).await?;
        Ok(SearchCoinsResponse { coins, next_page_token })
    }

    async fn get_wallet(&self, cx: Context, request: GetWalletRequest) -> Result<WalletResponse> {
        let (symbol, owner) = (input::symbol(&request.symbol)?, input::owner(&request.owner)?);
        let coin = coin_with(cx.db(), &symbol).await?;
        let wallet = wallet::Entity::find()
            .filter(wallet::Column::Owner.eq(owner))
            .filter(wallet::Column::CoinId.eq(coin.id))
            .one(cx.db())
            .await?
            .ok_or_else(|| Error::not_found("wallet", format!("{owner}/{symbol}")))?;
        Ok(answer((wallet, coin)))
    }

    async fn list_wallets(&self, cx: Context, request: ListWalletsRequest) -> Result<ListWalletsResponse> {
        let page = Page::read(request.page_size, &request.page_token, "wallets.id".into())?;
        let mut only = Condition::all().add_option(page.behind(wallet::Column::Id, wallet::Column::Id, false));
        if !request.owner.is_empty() {
            only = only.add(wallet::Column::Owner.eq(input::owner(&request.owner)?));
        }
        if !request.symbol.is_empty() {
            only = only.add(coin::Column::Symbol.eq(input::symbol(&request.symbol)?));
        }
        if request.funded {
            only = only.add(wallet::Column::Balance.gt(0));
        }
        // One statement for the page: each wallet comes joined with its coin.
        let rows = wallet::Entity::find()
            .find_both_related(coin::Entity)
            .filter(only)
            .order_by_asc(wallet::Column::Id)
            .limit(page.limit())
            .all(cx.db())
            .await?;
        let (rows, next_page_token) = page.cut(rows, |(wallet, _)| (wallet.id.into(), wallet.id));
        let wallets = rows.into_iter().map(|(wallet, coin)| (wallet, &coin).into()).collect();
        Ok(ListWalletsResponse { wallets, next_page_token })
    }

    async fn deposit(&self, cx: Context, request: DepositRequest) -> Result<WalletResponse> {
        let (id, amount) = (input::id("wallet_id", request.wallet_id)?, input::amount(&request.amount)?);
        cx.transaction(async |cx| transfers::deposit(cx.db(), id, amount).await).await.map(answer)
    }

    async fn withdraw(&self, cx: Context, request: WithdrawRequest) -> Result<WalletResponse> {
        let (id, amount) = (input::id("wallet_id", request.wallet_id)?, input::amount(&request.amount)?);
        cx.transaction(async |cx| transfers::withdraw(cx.db(), id, amount).await).await.map(answer)
    }

    async fn transfer(&self, cx: Context, request: TransferRequest) -> Result<TransferResponse> {
        let from = input::id("from_wallet_id", request.from_wallet_id)?;
        let to = input::id("to_wallet_id", request.to_wallet_id)?;
        let amount = input::amount(&request.amount)?;
        let done = cx.transaction(async |cx| transfers::transfer(cx.db(), from, to, amount).await).await?;
        Ok(TransferResponse {
            success: true,
            from_wallet: Some((done.from, &done.coin).into()),
            to_wallet: Some((done.to, &done.coin).into()),
        })
    }
}

fn answer((wallet, coin): (wallet::Model, coin::Model)) -> WalletResponse {
    WalletResponse { success: true, wallet: Some((wallet, &coin).into()) }
}

/// What is asked at nearly every call is built once.
static COIN_BY_SYMBOL: Prepared<coin::Entity> = Prepared::new(|| coin::Entity::find_by_symbol(""));

async fn coin_with(db: &Db, symbol: &str) -> Result<coin::Model> {
    COIN_BY_SYMBOL.one(db, [symbol.into()]).await?.ok_or_else(|| Error::not_found("coin", symbol))
}

/// The page of `found` that was `asked` for by size and token, in the order of `column`.
async fn page_of_coins(
    db: &Db,
    asked: (i32, &str),
    column: coin::Column,
    descending: bool,
    found: Select<coin::Entity>,
) -> Result<(Vec<pb::Coin>, String)> {
    let order = if descending { Order::Desc } else { Order::Asc };
    let page = Page::read(asked.0, asked.1, format!("coins.{column:?}.{order:?}"))?;
    let rows = found
        .filter(Condition::all().add_option(page.behind(column, coin::Column::Id, descending)))
        .order_by(column, order.clone())
        .order_by(coin::Column::Id, order)
        .limit(page.limit())
        .all(db)
        .await?;
    let (rows, token) = page.cut(rows, |row| (row.get(column), row.id));
    Ok((rows.into_iter().map(Into::into).collect(), token))
}
