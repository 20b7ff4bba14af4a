//! Calls methods of a running server by their descriptors: JSON in, JSON out.
//!
//! Takes the descriptors that the site was built with, and the address of a server or a way into one; needs no generated
//! code. JSON is that of the protobuf mapping (<https://protobuf.dev/programming-guides/json/>), with field names as the
//! proto spells them.
//!
//! Must never: guess a field that the descriptors do not have.

pub(crate) mod client_command;
mod codec;
mod example;

use std::{borrow::Cow, time::Duration};

use codec::DynamicCodec;
use http::uri::PathAndQuery;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, SerializeOptions};
use serde_json::Value;
use tonic::{
    Request, Status,
    body::Body,
    client::{Grpc, GrpcService},
    metadata::{AsciiMetadataKey, AsciiMetadataValue, MetadataMap},
    transport::{Channel, Endpoint},
};

/// How long a server may take to take a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// Why a call could not be made, or how it ended.
#[derive(Debug)]
pub(crate) enum Failed {
    /// Nothing was sent: a sentence.
    Here(String),
    /// The server's answer.
    There(Box<Status>),
}

/// What a method answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The message.
    pub message: Value,
    /// Its metadata, that of the end included.
    pub metadata: MetadataMap,
}

/// The methods of a site, callable.
#[derive(Debug)]
pub(crate) struct Invoker<S = Channel> {
    pool: DescriptorPool,
    service: S,
    metadata: Vec<(AsciiMetadataKey, AsciiMetadataValue)>,
}

impl Invoker {
    /// Methods of these descriptors, called at this address (`http://127.0.0.1:50051`).
    ///
    /// # Errors
    /// The descriptors do not decode, the address is none, nobody answers there.
    pub async fn connect(descriptors: &[Cow<'static, [u8]>], address: &str) -> Result<Self, String> {
        let pool = pool(descriptors)?;
        let endpoint = Endpoint::from_shared(address.to_owned()).map_err(|_| format!("{address} is no address"))?;
        let channel = endpoint.connect_timeout(CONNECT).connect().await;
        let channel = channel.map_err(|error| format!("no server answers at {address}: {}", causes(&error)))?;
        Ok(Self::over(pool, channel))
    }
}

impl<S> Invoker<S>
where
    S: GrpcService<Body> + Clone,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::ResponseBody: http_body::Body<Data = bytes::Bytes> + Send + 'static,
    <S::ResponseBody as http_body::Body>::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
{
    /// Methods of these descriptors, called this way.
    pub fn over(pool: DescriptorPool, service: S) -> Self {
        Self { pool, service, metadata: vec![] }
    }

    /// Sends this with every call. The value is not shown in errors.
    pub fn metadata(&mut self, key: &str, value: &str) -> Result<(), String> {
        let name = key.parse().map_err(|_| format!("{key:?} is no metadata key"))?;
        let mut value: AsciiMetadataValue =
            value.parse().map_err(|_| format!("the value of {key} is not plain ASCII"))?;
        value.set_sensitive(true);
        self.metadata.push((name, value));
        Ok(())
    }

    /// Calls a unary method with this request, and gives the answer.
    pub async fn unary(&self, service: &str, method: &str, request: Value, timeout: Duration) -> Result<Value, Failed> {
        Ok(self.call(service, method, request, timeout).await?.message)
    }

    /// Whether this can be sent.
    pub fn check(&self, service: &str, method: &str, request: Value) -> Result<(), String> {
        read(&self.unary_method(service, method)?, request).map(drop)
    }

    /// The same as [`unary`](Self::unary), with the answer's metadata.
    pub async fn call(&self, service: &str, method: &str, request: Value, timeout: Duration) -> Result<Answer, Failed> {
        let method = self.unary_method(service, method).map_err(Failed::Here)?;
        let request = read(&method, request).map_err(Failed::Here)?;
        let path = format!("/{service}/{}", method.name());
        let path = PathAndQuery::try_from(path).map_err(|error| Failed::Here(error.to_string()))?;
        let mut request = Request::new(request);
        request.set_timeout(timeout);
        for (key, value) in &self.metadata {
            request.metadata_mut().insert(key.clone(), value.clone());
        }
        let mut grpc = Grpc::new(self.service.clone());
        grpc.ready().await.map_err(|error| Failed::Here(format!("the server has left: {}", causes(&*error.into()))))?;
        let answer = grpc.unary(request, path, DynamicCodec(method.output())).await;
        let (metadata, answer, _) = answer.map_err(|status| Failed::There(Box::new(status)))?.into_parts();
        Ok(Answer { message: shown(&answer).map_err(Failed::Here)?, metadata })
    }

    fn unary_method(&self, service: &str, method: &str) -> Result<MethodDescriptor, String> {
        let method = self.method(service, method)?;
        if method.is_client_streaming() || method.is_server_streaming() {
            return Err(format!("{service}/{} is a stream, and not to be called so", method.name()));
        }
        Ok(method)
    }

    fn method(&self, service: &str, method: &str) -> Result<MethodDescriptor, String> {
        let found = self.pool.get_service_by_name(service).ok_or_else(|| format!("there is no service {service}"))?;
        let found = found.methods().find(|known| known.name() == method);
        found.ok_or_else(|| format!("{service} has no method {method}"))
    }
}

/// What a request to this method and its answer look like; `None` for a method that the descriptors do not have.
pub(crate) fn examples(pool: &DescriptorPool, service: &str, method: &str) -> Option<(Value, Value)> {
    let method = pool.get_service_by_name(service)?.methods().find(|known| known.name() == method)?;
    let of = |message| shown(&example::example(message)).ok();
    Some((of(method.input())?, of(method.output())?))
}

/// What the descriptors of a site describe.
///
/// # Errors
/// They do not decode.
pub(crate) fn pool(descriptors: &[Cow<'static, [u8]>]) -> Result<DescriptorPool, String> {
    let mut pool = DescriptorPool::new();
    for set in descriptors {
        pool.decode_file_descriptor_set(set.as_ref())
            .map_err(|error| format!("the site's descriptors do not decode: {error}"))?;
    }
    Ok(pool)
}

fn read(method: &MethodDescriptor, request: Value) -> Result<DynamicMessage, String> {
    DynamicMessage::deserialize(method.input(), request)
        .map_err(|error| format!("this is no {}: {error}", method.input().full_name()))
}

fn shown(answer: &DynamicMessage) -> Result<Value, String> {
    let options = SerializeOptions::new().use_proto_field_name(true).skip_default_fields(false);
    answer.serialize_with_options(serde_json::value::Serializer, &options).map_err(|error| error.to_string())
}

/// An error with what is behind it: tonic's own say no more than "transport error".
fn causes(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}
