// Kept by steeple-build from the folders beside this file; commit it, do not edit it.
pub mod coins {
    pub mod app;
    pub mod grpc_services;
    pub mod migrations {
        pub mod m0001_initial;
        pub mod m0002_prices;
    }
    pub mod models;
    #[cfg(test)]
    pub mod tests;
}
pub mod empty {
    pub mod words;
}
pub mod pings {
    pub mod services {
        pub mod grpc;
    }
}
