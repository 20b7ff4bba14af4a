//! A message as its bytes: of a type that is known at run time only.

use prost::{
    DecodeError, Message,
    bytes::{Buf, BufMut},
    encoding::{DecodeContext, WireType, decode_varint, encode_key, encode_varint},
};
use prost_reflect::{DynamicMessage, MessageDescriptor};

use crate::error::{Error, Result};

/// The bytes of a message, field by field as they came.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Raw(Vec<u8>);

impl Raw {
    /// The bytes of this message.
    pub fn of(message: &DynamicMessage) -> Self {
        Self(message.encode_to_vec())
    }

    /// The message that the bytes are of.
    ///
    /// # Errors
    /// INVALID_ARGUMENT.
    pub fn read(&self, descriptor: &MessageDescriptor) -> Result<DynamicMessage> {
        DynamicMessage::decode(descriptor.clone(), self.0.as_slice()).map_err(|error| {
            Error::invalid_argument(format!("the request is no {}", descriptor.full_name())).because(error)
        })
    }
}

impl Message for Raw {
    fn encode_raw(&self, buffer: &mut impl BufMut) {
        buffer.put_slice(&self.0);
    }

    fn encoded_len(&self) -> usize {
        self.0.len()
    }

    fn clear(&mut self) {
        self.0.clear();
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buffer: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        let bytes = &mut self.0;
        let length = match wire_type {
            WireType::Varint => {
                encode_key(tag, wire_type, bytes);
                encode_varint(decode_varint(buffer)?, bytes);
                return Ok(());
            }
            WireType::SixtyFourBit => 8,
            WireType::ThirtyTwoBit => 4,
            WireType::LengthDelimited => decode_varint(buffer)?,
            // Long out of use, and in no proto3: passed over, as any field that nobody knows.
            WireType::StartGroup | WireType::EndGroup => {
                return prost::encoding::skip_field(wire_type, tag, buffer, context);
            }
        };
        let length = usize::try_from(length).ok().filter(|length| *length <= buffer.remaining());
        // The message ends within this field; decoding what there is says so in prost's own words.
        let Some(length) = length else {
            return prost::encoding::skip_field(WireType::SixtyFourBit, tag, &mut (&[] as &[u8]), context);
        };
        encode_key(tag, wire_type, bytes);
        if wire_type == WireType::LengthDelimited {
            encode_varint(length as u64, bytes);
        }
        bytes.put(buffer.take(length));
        Ok(())
    }
}
