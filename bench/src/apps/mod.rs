// Kept by steeple-build from the folders beside this file; commit it, do not edit it.
pub mod echo {
    pub mod app;
    pub mod grpc_services;
}
pub mod relay {
    pub mod app;
    pub mod grpc_services;
}
