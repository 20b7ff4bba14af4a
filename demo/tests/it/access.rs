//! Who may call what: every method of the demo, called by everybody, through a running server.
//!
//! Requests are empty, so a call that is let in may still fail; what counts is whether it was refused before.

use std::collections::BTreeSet;

use steeple::auth::NewUser;
use tonic::{Code, Request, client::Grpc, codegen::http::uri::PathAndQuery};
use tonic_prost::ProstCodec;

use crate::{
    databases::on_every_database,
    site::{Credential, Identified, Site},
};

/// What becomes of a call.
const IN: char = '+';
const UNAUTHENTICATED: char = 'u';
const DENIED: char = 'd';

/// In the order of [`callers`]: nobody, user, staff, superuser, permitted user, inactive user; and keys of the user, one
/// with the scope `orders:write`, one without, and one for a single method.
const PUBLIC: &str = "+++++u++d";
const AUTHENTICATED: &str = "u++++u++d";
const STAFF: &str = "ud++duddd";
const SUPERUSER: &str = "udd+duddd";
const PERMISSION: &str = "udd++uddd";
const SCOPE: &str = "u++++u+dd";
/// The single method that the last key is for.
const ONE_METHOD: &str = "/crypto.CryptoService/GetWallet";

const METHODS: [(&str, &str); 23] = [
    ("/crypto.CryptoService/Deposit", AUTHENTICATED),
    ("/crypto.CryptoService/GetCoin", PUBLIC),
    (ONE_METHOD, "u++++u+++"),
    ("/crypto.CryptoService/ListCoins", PUBLIC),
    ("/crypto.CryptoService/ListWallets", AUTHENTICATED),
    ("/crypto.CryptoService/SearchCoins", PUBLIC),
    ("/crypto.CryptoService/Transfer", AUTHENTICATED),
    ("/crypto.CryptoService/Withdraw", AUTHENTICATED),
    ("/crypto.CryptoStreamingService/ConnectClient", AUTHENTICATED),
    ("/crypto.CryptoStreamingService/ExecuteCommandSync", PERMISSION),
    ("/crypto.CryptoStreamingService/SendCommandToClient", PERMISSION),
    ("/orders.OrderService/CancelOrder", SCOPE),
    ("/orders.OrderService/CreateOrder", SCOPE),
    ("/orders.OrderService/GetOrder", AUTHENTICATED),
    ("/orders.OrderService/ListOrders", AUTHENTICATED),
    ("/orders.OrderService/ShipOrder", PERMISSION),
    ("/products.ProductService/GetProduct", PUBLIC),
    ("/products.ProductService/SearchProducts", PUBLIC),
    ("/products.StockService/Restock", PERMISSION),
    ("/users.UserService/GetUser", AUTHENTICATED),
    ("/users.UserService/ListUsers", STAFF),
    ("/users.UserService/SetUserActive", SUPERUSER),
    ("/users.UserService/UpdateProfile", AUTHENTICATED),
];

on_every_database! {
    async fn everybody_may_call_what_is_for_them_and_nothing_else(database: Database) {
        let site = Site::start(database).await;
        let callers = callers(&site).await;
        let mut wrong = vec![];
        for (path, expected) in METHODS {
            let mut happened = String::new();
            for caller in &callers {
                happened.push(call(caller, path).await);
            }
            if happened != expected {
                wrong.push(format!("{path}: {happened} instead of {expected}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));

        let of_the_site = site.running.plan.services.iter().filter(|service| service.found.app != "steeple");
        let served: BTreeSet<_> =
            of_the_site.flat_map(|service| &service.methods).map(|planned| planned.method.path.as_str()).collect();
        assert_eq!(served, METHODS.iter().map(|(path, _)| *path).collect(), "a method is missing here");
        drop(callers);
        site.stop().await;
    }
}

async fn callers(site: &Site) -> [Identified; 9] {
    let staff = NewUser { is_staff: true, ..NewUser::default() };
    let superuser = NewUser { is_superuser: true, ..NewUser::default() };
    let user = site.user("user", NewUser::default(), &[]).await;
    let staff = site.user("staff", staff, &[]).await;
    let superuser = site.user("superuser", superuser, &[]).await;
    let permitted = ["orders.change_order", "products.change_product", "crypto_streaming.change_agent"];
    let permitted = site.user("permitted", NewUser::default(), &permitted).await;
    let inactive = site.user("inactive", NewUser::default(), &[]).await;
    let callers = [
        Credential::default().on(site.channel.clone()),
        site.logged_in(&user).await,
        site.logged_in(&staff).await,
        site.logged_in(&superuser).await,
        site.logged_in(&permitted).await,
        site.logged_in(&inactive).await,
        site.with_key(user.id, &["crypto.*", "orders.*", "products.*", "users.*", "orders:write"]).await,
        site.with_key(user.id, &["crypto.*", "orders.*", "products.*", "users.*"]).await,
        site.with_key(user.id, &[ONE_METHOD.trim_start_matches('/')]).await,
    ];
    site.running.identity().users.set_active(inactive.id, false).await.unwrap();
    callers
}

async fn call(caller: &Identified, path: &'static str) -> char {
    let mut client = Grpc::new(caller.clone());
    client.ready().await.unwrap();
    let codec = ProstCodec::<(), ()>::default();
    match client.unary(Request::new(()), PathAndQuery::from_static(path), codec).await.map_err(|status| status.code()) {
        Err(Code::Unauthenticated) => UNAUTHENTICATED,
        Err(Code::PermissionDenied) => DENIED,
        // What an empty request lacks.
        Ok(_) | Err(Code::InvalidArgument) => IN,
        Err(code) => panic!("{path}: {code:?}"),
    }
}
