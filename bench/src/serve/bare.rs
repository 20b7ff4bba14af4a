//! The echo service as tonic generates and serves it: what everything else is compared with.

use std::net::SocketAddr;

use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

use crate::{
    Outcome,
    stock::echo::{
        EchoRequest, EchoResponse,
        echo_service_server::{EchoService, EchoServiceServer},
    },
};

struct Echo;

#[tonic::async_trait]
impl EchoService for Echo {
    async fn echo(&self, request: Request<EchoRequest>) -> Result<Response<EchoResponse>, Status> {
        Ok(Response::new(EchoResponse { text: request.into_inner().text }))
    }
}

/// Serves until SIGTERM.
pub async fn serve(listen: SocketAddr) -> Outcome<()> {
    let incoming = TcpIncoming::bind(listen)?.with_nodelay(Some(true));
    Server::builder()
        .add_service(EchoServiceServer::new(Echo))
        .serve_with_incoming_shutdown(incoming, super::terminated()?)
        .await?;
    Ok(())
}
