//! Messages that are known by their descriptors alone, on the wire.

use prost::Message as _;
use prost_reflect::{DynamicMessage, MessageDescriptor};
use tonic::{
    Status,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};

/// Encodes any message; decodes those of one descriptor.
pub(super) struct DynamicCodec(pub MessageDescriptor);

pub(super) struct Writing;
pub(super) struct Reading(MessageDescriptor);

impl Codec for DynamicCodec {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = Writing;
    type Decoder = Reading;

    fn encoder(&mut self) -> Writing {
        Writing
    }

    fn decoder(&mut self) -> Reading {
        Reading(self.0.clone())
    }
}

impl Encoder for Writing {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, message: DynamicMessage, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        message.encode(buffer).map_err(|error| Status::internal(error.to_string()))
    }
}

impl Decoder for Reading {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        let message = DynamicMessage::decode(self.0.clone(), buffer);
        message.map(Some).map_err(|error| Status::internal(format!("the answer does not decode: {error}")))
    }
}
