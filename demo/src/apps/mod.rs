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
    pub mod transfers;
}
pub mod crypto_streaming {
    pub mod agents;
    pub mod app;
    pub mod commands;
    pub mod grpc_services;
    pub mod handlers {
        pub mod entries;
        pub mod error;
        pub mod log;
        pub mod registration;
        pub mod status;
        pub mod transaction;
        pub mod wallet_update;
    }
    pub mod input;
    pub mod migrations {
        pub mod m0001_initial;
    }
    pub mod models {
        pub mod agent;
        pub mod entry;
        pub mod transaction;
    }
    pub mod protocol;
    pub mod wallets;
}
pub mod orders {
    pub mod app;
    pub mod convert;
    pub mod demo_data;
    pub mod grpc_services;
    pub mod input;
    pub mod life;
    pub mod mail_out;
    pub mod migrations {
        pub mod m0001_initial;
    }
    pub mod models {
        pub mod mail;
        pub mod order;
        pub mod order_line;
    }
    pub mod shown;
}
pub mod products {
    pub mod app;
    pub mod convert;
    pub mod demo_data;
    pub mod grpc_services;
    pub mod input;
    pub mod lookup;
    pub mod migrations {
        pub mod m0001_initial;
    }
    pub mod models {
        pub mod category;
        pub mod product;
    }
    pub mod stock;
}
pub mod users {
    pub mod app;
    pub mod convert;
    pub mod demo_data;
    pub mod grpc_services;
    pub mod input;
    pub mod migrations {
        pub mod m0001_initial;
    }
    pub mod models {
        pub mod profile;
    }
    pub mod profiles;
}
