//! Who receives what.

use std::{
    any::{Any as _, TypeId, type_name},
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
};

use super::Event;
use crate::error::{Error, Result};

type Delivery = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// Someone who receives events of one type.
#[derive(Clone)]
pub(crate) struct Receiver {
    /// The label of its app.
    pub app: &'static str,
    /// Its path in the program.
    pub name: &'static str,
    /// The type it receives, and its path.
    pub event: TypeId,
    pub event_name: &'static str,
    pub(super) receive: Arc<dyn Fn(Event) -> Delivery + Send + Sync>,
}

impl Receiver {
    pub fn new<E, W, F>(app: &'static str, name: &'static str, receive: F) -> Self
    where
        E: Send + Sync + 'static,
        W: Future<Output = Result<()>> + Send + 'static,
        F: Fn(Arc<E>) -> W + Send + Sync + 'static,
    {
        let receive = Arc::new(receive);
        let delivery = move |event: Event| -> Delivery {
            let receive = Arc::clone(&receive);
            // The call itself belongs into the future: it may panic as well.
            Box::pin(async move {
                match event.downcast() {
                    Ok(event) => receive(event).await,
                    Err(event) => {
                        let other = format!("an event of another type came in: {:?}", event.type_id());
                        Err(Error::internal("internal error").because(other))
                    }
                }
            })
        };
        let (event, event_name) = (TypeId::of::<E>(), type_name::<E>());
        Self { app, name, event, event_name, receive: Arc::new(delivery) }
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("app", &self.app)
            .field("name", &self.name)
            .field("event", &self.event_name)
            .finish_non_exhaustive()
    }
}
