//! One RPC, described: what the descriptors and the apps say about it, before any call.
//!
//! Takes compiled descriptor sets, gives a [`Methods`] table: every method of every service with its full name, shape,
//! message types and the comment its author wrote. Dispatch, the request log, reflection and the `services` and
//! `methods` commands read this one table; names come from descriptors and are never guessed.
//!
//! Must never: hold a handler, or know of a call.

use std::{collections::BTreeMap, fmt, sync::Arc};

use prost::Message as _;
use prost_types::{FileDescriptorProto, FileDescriptorSet, ServiceDescriptorProto, source_code_info::Location};
use serde::Serialize;

/// How many messages go each way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// One in, one out.
    Unary,
    /// Many in, one out.
    ClientStreaming,
    /// One in, many out.
    ServerStreaming,
    /// Many in, many out.
    Bidirectional,
}

impl Shape {
    /// `unary`, `client_streaming`, `server_streaming` or `bidirectional`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unary => "unary",
            Self::ClientStreaming => "client_streaming",
            Self::ServerStreaming => "server_streaming",
            Self::Bidirectional => "bidirectional",
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One RPC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Method {
    /// The full service name: `crypto.CryptoService`.
    pub service: String,
    /// The method's own name: `GetCoin`.
    pub name: String,
    /// The path on the wire: `/crypto.CryptoService/GetCoin`.
    pub path: String,
    /// How many messages go each way.
    pub shape: Shape,
    /// The request message: `crypto.GetCoinRequest`.
    pub input: String,
    /// The response message.
    pub output: String,
    /// The comment above the method in its proto, may be empty.
    pub comment: String,
    /// Marked `deprecated` in its proto.
    pub deprecated: bool,
    /// [`method_key`] of service and name, which every row of the request log carries.
    #[serde(skip)]
    pub key: i64,
}

/// A number for a method, stable over versions and programs: the FNV-1a hash of the service's full name in the upper 32
/// bits, that of the method's own name in the lower. The request log is indexed by it, because comparing one number
/// costs a fraction of comparing two names; a service is a range of keys, see [`service_keys`].
pub fn method_key(service: &str, method: &str) -> i64 {
    (i64::from(fnv1a(service)) << 32) | i64::from(fnv1a(method))
}

/// The keys of all methods that a service can have.
pub fn service_keys(service: &str) -> std::ops::RangeInclusive<i64> {
    let first = i64::from(fnv1a(service)) << 32;
    first..=(first | i64::from(u32::MAX))
}

/// <http://www.isthe.com/chongo/tech/comp/fnv/>, 32 bits.
fn fnv1a(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

impl Method {
    /// The entry for calls to paths that no catalog entry names: unknown methods, and stock services without descriptors.
    pub fn other(path: &str) -> Self {
        let (service, name) = path.trim_start_matches('/').rsplit_once('/').unwrap_or(("", path));
        Self {
            service: service.to_owned(),
            name: name.to_owned(),
            path: path.to_owned(),
            shape: Shape::Bidirectional,
            input: String::new(),
            output: String::new(),
            comment: String::new(),
            deprecated: false,
            key: method_key(service, name),
        }
    }
}

/// One service of the descriptors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceInfo {
    /// The full name: `crypto.CryptoService`.
    pub name: String,
    /// The proto file that declares it: `crypto.proto`.
    pub file: String,
    /// The comment above the service in its proto, may be empty.
    pub comment: String,
    /// Its methods, in the order of the proto.
    pub methods: Vec<Arc<Method>>,
}

/// Every service of the descriptor sets it was given, by full name.
#[derive(Debug, Clone, Default)]
pub struct Methods {
    services: BTreeMap<String, ServiceInfo>,
}

impl Methods {
    /// Reads one encoded `google.protobuf.FileDescriptorSet` into the table.
    ///
    /// # Errors
    /// The bytes are no descriptor set.
    pub fn add(&mut self, descriptors: &[u8]) -> Result<(), prost::DecodeError> {
        for file in FileDescriptorSet::decode(descriptors)?.file {
            for (at, service) in file.service.iter().enumerate() {
                let info = service_info(&file, at, service);
                self.services.insert(info.name.clone(), info);
            }
        }
        Ok(())
    }

    /// The service with this full name.
    pub fn service(&self, name: &str) -> Option<&ServiceInfo> {
        self.services.get(name)
    }

    /// All services, by name.
    pub fn services(&self) -> impl Iterator<Item = &ServiceInfo> {
        self.services.values()
    }
}

fn service_info(file: &FileDescriptorProto, at: usize, service: &ServiceDescriptorProto) -> ServiceInfo {
    let name = match file.package() {
        "" => service.name().to_owned(),
        package => format!("{package}.{}", service.name()),
    };
    // Field numbers of descriptor.proto: FileDescriptorProto.service = 6, ServiceDescriptorProto.method = 2.
    let at = at as i32;
    let methods = service.method.iter().enumerate().map(|(index, method)| {
        Arc::new(Method {
            service: name.clone(),
            name: method.name().to_owned(),
            path: format!("/{name}/{}", method.name()),
            shape: match (method.client_streaming(), method.server_streaming()) {
                (false, false) => Shape::Unary,
                (true, false) => Shape::ClientStreaming,
                (false, true) => Shape::ServerStreaming,
                (true, true) => Shape::Bidirectional,
            },
            input: method.input_type().trim_start_matches('.').to_owned(),
            output: method.output_type().trim_start_matches('.').to_owned(),
            comment: comment(file, &[6, at, 2, index as i32]),
            deprecated: method.options.as_ref().is_some_and(prost_types::MethodOptions::deprecated),
            key: method_key(&name, method.name()),
        })
    });
    ServiceInfo { methods: methods.collect(), file: file.name().to_owned(), comment: comment(file, &[6, at]), name }
}

/// The leading comment of the declaration at `path`, without the space protoc leaves before each line.
fn comment(file: &FileDescriptorProto, path: &[i32]) -> String {
    let locations: &[Location] = file.source_code_info.as_ref().map_or(&[], |info| &info.location);
    let text = locations.iter().find(|location| location.path == path).map_or("", Location::leading_comments);
    let lines: Vec<_> = text.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end()).collect();
    lines.join("\n").trim().to_owned()
}
