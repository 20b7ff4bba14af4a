//! Server reflection: both versions, from the bytes that the compiler wrote.

use prost::Message as _;
use prost_types::{FileDescriptorProto, FileDescriptorSet};
use steeple::{Code, Server};
use tonic::transport::Channel;

use crate::trial::{self, DESCRIPTORS, House};

/// The same questions for both versions, whose types differ in their package only.
macro_rules! version {
    ($name:ident) => {
        pub mod $name {
            use tonic::{Code, Status, transport::Channel};
            use tonic_reflection::pb::$name::{
                ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
                server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
            };

            async fn ask(channel: Channel, question: MessageRequest) -> Result<MessageResponse, Status> {
                let request = ServerReflectionRequest { host: String::new(), message_request: Some(question) };
                let mut client = ServerReflectionClient::new(channel);
                let mut answers = client.server_reflection_info(tokio_stream::once(request)).await?.into_inner();
                let answer = answers.message().await?.expect("an answer to each question");
                match answer.message_response.expect("an answer") {
                    MessageResponse::ErrorResponse(error) => {
                        Err(Status::new(Code::from_i32(error.error_code), error.error_message))
                    }
                    answer => Ok(answer),
                }
            }

            pub async fn services(channel: Channel) -> Vec<String> {
                match ask(channel, MessageRequest::ListServices(String::new())).await.unwrap() {
                    MessageResponse::ListServicesResponse(list) => {
                        list.service.into_iter().map(|service| service.name).collect()
                    }
                    other => panic!("{other:?}"),
                }
            }

            pub async fn symbol(channel: Channel, symbol: &str) -> Result<Vec<u8>, Status> {
                file(ask(channel, MessageRequest::FileContainingSymbol(symbol.to_owned())).await?)
            }

            pub async fn by_name(channel: Channel, name: &str) -> Result<Vec<u8>, Status> {
                file(ask(channel, MessageRequest::FileByFilename(name.to_owned())).await?)
            }

            fn file(answer: MessageResponse) -> Result<Vec<u8>, Status> {
                match answer {
                    MessageResponse::FileDescriptorResponse(mut files) => Ok(files.file_descriptor_proto.remove(0)),
                    other => panic!("{other:?}"),
                }
            }
        }
    };
}
version!(v1);
version!(v1alpha);

const OWN: [&str; 4] = [
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
    "steeple.auth.v1.AuthService",
];

#[tokio::test]
async fn both_versions_list_all_that_is_served_and_each_other() {
    let house = House::open().await;
    for mut names in [v1::services(house.channel().await).await, v1alpha::services(house.channel().await).await] {
        names.sort();
        assert_eq!(names, [&OWN[..], &["trial.v1.Trial"]].concat());
    }
}

#[tokio::test]
async fn what_is_not_served_is_not_listed() {
    let house = House::configured(|config| config.server.health = false).await;
    let names = v1::services(house.channel().await).await;
    assert!(!names.contains(&OWN[0].to_owned()), "{names:?}");
    let mut site = trial::site();
    site.app(steeple::App::new("other"));
    let leave_out = |config: &mut steeple::Config| config.apps.enabled_apps = Some(vec!["other".to_owned()]);
    let house = House::with(|_| Server::new(site), leave_out).await;
    assert_eq!(v1::services(house.channel().await).await, OWN);
}

/// The bytes of `trial.proto` within the set, as they were written: field 1 of FileDescriptorSet.
fn original(name: &str) -> Vec<u8> {
    let mut rest = DESCRIPTORS;
    loop {
        assert_eq!(rest[0], 0x0a, "field 1, length-delimited");
        rest = &rest[1..];
        let length = prost::encoding::decode_varint(&mut rest).unwrap() as usize;
        let (file, more) = rest.split_at(length);
        if FileDescriptorProto::decode(file).unwrap().name() == name {
            return file.to_vec();
        }
        rest = more;
    }
}

async fn symbol(channel: Channel, symbol: &str) -> Vec<u8> {
    let ours = v1::symbol(channel.clone(), symbol).await.unwrap();
    assert_eq!(ours, v1alpha::symbol(channel, symbol).await.unwrap());
    ours
}

#[tokio::test]
async fn files_are_the_bytes_that_the_compiler_wrote_with_comments() {
    let house = House::open().await;
    let set = FileDescriptorSet::decode(DESCRIPTORS).unwrap();
    let file = set.file.iter().find(|file| file.package() == "trial.v1").unwrap();
    let bytes = original(file.name());
    for name in ["trial.v1.Trial", "trial.v1.Trial.Unary", "trial.v1.Order", "trial.v1.Order.text"] {
        assert_eq!(symbol(house.channel().await, name).await, bytes, "{name}");
    }
    assert_eq!(v1::by_name(house.channel().await, file.name()).await.unwrap(), bytes);
    // Its imports can be had, so that a client can make the types of it.
    for import in &file.dependency {
        v1::by_name(house.channel().await, import).await.unwrap();
    }
    let comments = file.source_code_info.as_ref().unwrap();
    let said = |text: &str| comments.location.iter().any(|location| location.leading_comments().contains(text));
    assert!(said("Answers the text"), "the comparison above would be an empty one");
    for own in OWN {
        symbol(house.channel().await, own).await;
    }
}

/// `trial.proto` with an option on its service that prost does not know (field 50001, a string).
fn with_custom_option() -> Vec<u8> {
    const NOTE: &[u8] = b"kept by nobody but us";
    let field = |tag: u32, bytes: &[u8]| {
        let mut out = vec![];
        prost::encoding::encode_key(tag, prost::encoding::WireType::LengthDelimited, &mut out);
        prost::encoding::encode_varint(bytes.len() as u64, &mut out);
        out.extend(bytes);
        out
    };
    let service = [field(1, b"Noted"), field(3, &field(50_001, NOTE))].concat();
    let file = [field(1, b"noted.proto"), field(2, b"noted"), field(6, &service)].concat();
    field(1, &file)
}

#[tokio::test]
async fn custom_options_are_kept() {
    let mut site = trial::site();
    site.descriptors(with_custom_option());
    site.service("noted.Noted", |_| Ok(steeple::Service::new("noted.Noted")));
    let house = House::of(site, |_| ()).await;
    let file = symbol(house.channel().await, "noted.Noted").await;
    assert!(with_custom_option().ends_with(&file));
    assert!(String::from_utf8_lossy(&file).contains("kept by nobody but us"));
}

#[tokio::test]
async fn unknown_symbols_and_files_are_not_found() {
    let house = House::open().await;
    for status in [
        v1::symbol(house.channel().await, "no.Such").await.unwrap_err(),
        v1alpha::symbol(house.channel().await, "no.Such").await.unwrap_err(),
        v1::by_name(house.channel().await, "no_such.proto").await.unwrap_err(),
        v1alpha::by_name(house.channel().await, "no_such.proto").await.unwrap_err(),
    ] {
        assert_eq!(status.code(), Code::NotFound, "{status}");
    }
}
