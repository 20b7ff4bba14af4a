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
