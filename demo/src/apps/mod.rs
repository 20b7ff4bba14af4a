// Kept by steeple-build from the folders beside this file; commit it, do not edit it.
pub mod crypto {
    pub mod app;
    pub mod convert;
    pub mod demo_data;
    pub mod grpc_services;
    pub mod input;
    pub mod migrations {
        pub mod m0001_initial;
    }
    pub mod models {
        pub mod coin;
        pub mod wallet;
    }
    pub mod paging;
    pub mod transfers;
}
