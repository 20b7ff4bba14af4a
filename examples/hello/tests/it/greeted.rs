//! The example answers, as a process of its own.

use std::{
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tonic::{
    Code, Request,
    client::Grpc,
    codegen::http::uri::PathAndQuery,
    transport::{Channel, Endpoint},
};
use tonic_prost::ProstCodec;

#[derive(Clone, PartialEq, prost::Message)]
struct GreetRequest {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(uint32, tag = "2")]
    times: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Greeting {
    #[prost(string, tag = "1")]
    text: String,
}

/// Ended with the test, however that goes.
struct Site(Child);

impl Drop for Site {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[tokio::test]
async fn it_greets() {
    let folder = tempfile::tempdir().unwrap();
    let address = free();
    let mut site = Site(
        Command::new(env!("CARGO_BIN_EXE_hello"))
            .current_dir(&folder)
            .env("STEEPLE_ENV", "test")
            .env("STEEPLE_SERVER__GRPC", address.to_string())
            .env("STEEPLE_SERVER__HTTP", "off")
            .stdout(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let mut client = Grpc::new(connected(&mut site, address).await);
    let ann = GreetRequest { name: "Ann".into(), times: 3 };

    client.ready().await.unwrap();
    let codec = ProstCodec::<GreetRequest, Greeting>::default();
    let path = PathAndQuery::from_static("/hello.Greeter/Greet");
    let answer = client.unary(Request::new(ann.clone()), path.clone(), codec).await.unwrap();
    assert_eq!(answer.into_inner().text, "Hello, Ann!");

    client.ready().await.unwrap();
    let codec = ProstCodec::<GreetRequest, Greeting>::default();
    let refused = client.unary(Request::new(GreetRequest::default()), path, codec).await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (Code::InvalidArgument, "name: may not be empty"));

    client.ready().await.unwrap();
    let codec = ProstCodec::<GreetRequest, Greeting>::default();
    let path = PathAndQuery::from_static("/hello.Greeter/GreetOften");
    let mut answers = client.server_streaming(Request::new(ann), path, codec).await.unwrap().into_inner();
    let mut texts = vec![];
    while let Some(greeting) = answers.message().await.unwrap() {
        texts.push(greeting.text);
    }
    assert_eq!(texts.len(), 3);
    assert_eq!(texts[2], "Hello 3, Ann!");
}

/// A channel, once the site listens.
async fn connected(site: &mut Site, address: SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    loop {
        if let Ok(channel) = endpoint.connect().await {
            return channel;
        }
        assert_eq!(site.0.try_wait().unwrap(), None, "the site ended at its start");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
