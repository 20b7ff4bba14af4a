//! The relay by hand on bare tonic: a table of clients, a table of acks that are waited for, and nothing else of what a
//! hub does. No name is checked, nobody is noticed to be gone, nothing is limited or on record.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Request, Response, Status, Streaming,
    transport::{Server, server::TcpIncoming},
};

use crate::{
    Outcome,
    stock::relay::{
        Down, Order, Reached, Reply, Up,
        relay_service_server::{RelayService, RelayServiceServer},
        up::Payload,
    },
};

/// Commands that may wait for one client.
const QUEUE: usize = 1_000;

#[derive(Default)]
struct Relay(Arc<Tables>);

#[derive(Default)]
struct Tables {
    clients: RwLock<HashMap<String, mpsc::Sender<Result<Down, Status>>>>,
    waiting: Mutex<HashMap<String, oneshot::Sender<Bytes>>>,
    next: AtomicU64,
}

impl Tables {
    /// Reads what one client says until it leaves.
    async fn listen(&self, mut said: Streaming<Up>, queue: mpsc::Sender<Result<Down, Status>>) -> Result<(), Status> {
        let Some(first) = said.message().await? else { return Ok(()) };
        let name = first.client_id;
        self.clients.write().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), queue);
        while let Ok(Some(message)) = said.message().await {
            let Some(Payload::Ack(ack)) = message.payload else { continue };
            let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&ack.command_id);
            if let Some(waiting) = waiting {
                // Whoever waited may have gone.
                drop(waiting.send(ack.text.into()));
            }
        }
        self.clients.write().unwrap_or_else(PoisonError::into_inner).remove(&name);
        Ok(())
    }

    fn command(&self, text: Vec<u8>) -> Down {
        Down { command_id: format!("{:036}", self.next.fetch_add(1, Relaxed)), text }
    }
}

#[tonic::async_trait]
impl RelayService for Relay {
    type ConnectStream = ReceiverStream<Result<Down, Status>>;

    async fn connect(&self, request: Request<Streaming<Up>>) -> Result<Response<Self::ConnectStream>, Status> {
        let (queue, commands) = mpsc::channel(QUEUE);
        let tables = self.0.clone();
        tokio::spawn(async move { tables.listen(request.into_inner(), queue).await });
        Ok(Response::new(ReceiverStream::new(commands)))
    }

    async fn execute(&self, request: Request<Order>) -> Result<Response<Reply>, Status> {
        let Order { client_id, text, .. } = request.into_inner();
        let command = self.0.command(text);
        let (tell, told) = oneshot::channel();
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(command.command_id.clone(), tell);
        let sent = match self.0.clients.read().unwrap_or_else(PoisonError::into_inner).get(&client_id) {
            Some(client) => client.try_send(Ok(command)).map_err(|_| Status::resource_exhausted("full")),
            None => Err(Status::failed_precondition("not connected")),
        };
        sent?;
        let text = told.await.map_err(|_| Status::aborted("the client has left"))?;
        Ok(Response::new(Reply { text: text.into() }))
    }

    async fn broadcast(&self, request: Request<Order>) -> Result<Response<Reached>, Status> {
        let command = self.0.command(request.into_inner().text);
        let clients = self.0.clients.read().unwrap_or_else(PoisonError::into_inner);
        let reached = clients.values().filter(|client| client.try_send(Ok(command.clone())).is_ok()).count();
        Ok(Response::new(Reached { clients: reached as u32 }))
    }

    async fn connected(&self, _: Request<Order>) -> Result<Response<Reached>, Status> {
        let clients = self.0.clients.read().unwrap_or_else(PoisonError::into_inner);
        Ok(Response::new(Reached { clients: clients.len() as u32 }))
    }
}

/// Serves until SIGTERM.
pub async fn serve(listen: SocketAddr) -> Outcome<()> {
    let incoming = TcpIncoming::bind(listen)?.with_nodelay(Some(true));
    Server::builder()
        .add_service(RelayServiceServer::new(Relay::default()))
        .serve_with_incoming_shutdown(incoming, super::terminated()?)
        .await?;
    Ok(())
}
