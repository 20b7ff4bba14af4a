use crate::pb;

pub struct Pings;

impl pb::pings::v1::HttpPings for Pings {
    async fn ping(&self, cx: Context, request: Page) -> Result<Pong> {}
}
