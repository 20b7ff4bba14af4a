//! The composition: a server and the doors on its HTTP listener.
//!
//! [`server`](crate::server) knows no door, and a door knows the server as [`Inside`](crate::server::Inside). Here they
//! meet. Must never: decide anything else.

use std::sync::Arc;

use crate::{
    admin,
    config::Config,
    monitor::{self, Monitor},
    server::{Inside, Running, Server, StartError},
};

impl Server {
    /// Opens the database, makes the services, binds, and serves in the background; on the HTTP listener, beside health
    /// and metrics, the REST API under `/cfg/grpc/` and the admin.
    ///
    /// In development and test a database that lacks migrations is migrated first; in production that stops the start.
    ///
    /// # Errors
    /// Whatever keeps a part from working that the configuration asks for; nothing is left running.
    pub async fn start(self, config: Config) -> Result<Running, StartError> {
        // Large, and whoever starts a server should not carry it about.
        let doors = |inside: &Arc<Inside>| {
            // One for both: what it allows at once it allows in all.
            let monitor = Arc::new(Monitor::new(inside));
            monitor::router(&monitor).merge(admin::router(&monitor))
        };
        Box::pin(self.start_with(config, doors)).await
    }
}
