//! The echo as a user of Steeple would write it.

use steeple::{Context, Result};

use crate::pb::echo::{self as pb, EchoRequest, EchoResponse};

/// Gives back what it gets.
#[derive(Debug)]
pub struct EchoService;

impl pb::EchoService for EchoService {
    async fn echo(&self, _cx: Context, request: EchoRequest) -> Result<EchoResponse> {
        Ok(EchoResponse { text: request.text })
    }
}
