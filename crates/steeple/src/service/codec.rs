//! Protobuf messages on the wire, with buffers as large as most messages and not as the largest.
//!
//! tonic makes one buffer for what comes in and one for what goes out with every call, 8 KiB each: more than a lookup's
//! whole memory besides, and held for as long as a client stays connected. A buffer that is too small grows to its
//! message, in one step.

use std::marker::PhantomData;

use prost::Message;
use tonic::{
    Status,
    codec::{BufferSettings, Codec, EncodeBuf, Encoder},
};
use tonic_prost::{ProstCodec, ProstDecoder};

/// What a buffer begins with, in bytes.
const ROOM: usize = 512;
/// So much is put together before it is sent, in bytes: tonic's own default.
const YIELD: usize = 32 * 1024;

/// Encodes `T`, decodes `U`.
pub(super) struct Protobuf<T, U>(PhantomData<(T, U)>);

impl<T, U> Protobuf<T, U> {
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for Protobuf<T, U>
where
    T: Message + 'static,
    U: Message + Default + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = Fitting<T>;
    type Decoder = ProstDecoder<U>;

    fn encoder(&mut self) -> Fitting<T> {
        Fitting(PhantomData)
    }

    fn decoder(&mut self) -> ProstDecoder<U> {
        ProstCodec::<T, U>::raw_decoder(BufferSettings::new(ROOM, YIELD))
    }
}

/// Makes room for a message before it is written.
pub(super) struct Fitting<T>(PhantomData<T>);

impl<T: Message> Encoder for Fitting<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, message: T, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.reserve(message.encoded_len());
        message.encode(buffer).map_err(|error| Status::internal(error.to_string()))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(ROOM, YIELD)
    }
}
