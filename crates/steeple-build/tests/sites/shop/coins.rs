use steeple::{Context, Replies, Result, Setup, Streaming};

use crate::pb::{
    coins::{Coin, GetCoinRequest, Loaded},
    common::Page,
    coins as pb,
};

pub struct Coins {
    open: bool,
}

impl Coins {
    pub fn new(setup: &Setup) -> Result<Self> {
        Ok(Self { open: setup.app().is_empty() })
    }
}

impl pb::Coins for Coins {
    async fn get_coin(&self, cx: Context, request: GetCoinRequest) -> Result<Coin> {}
    async fn delete_coin(&self, cx: Context, request: GetCoinRequest) -> Result<()> {}
    async fn load(&self, cx: Context, request: Streaming<Coin>) -> Result<Loaded> {}
    async fn watch(&self, cx: Context, request: Page) -> Result<Replies<Coin>> {}
    async fn chat(&self, cx: Context, request: Streaming<Coin>) -> Result<Replies<Coin>> {}
    async fn now(&self, cx: Context, request: ()) -> Result<prost_types::Timestamp> {}
}
