//! What one node asks of another about a client of its own, as the bus carries it: a letter, then bytes.
//!
//! Must never: panic, whatever comes in.

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;

use crate::error::{Error, Result};

/// For one client's session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Order<C> {
    /// Queue this command.
    Command(C),
    /// Take back the command with this id, if the client has not read it.
    Cancel(String),
}

impl<C: Message + Default> Order<C> {
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        match self {
            Self::Command(command) => {
                out.reserve(1 + command.encoded_len());
                out.put_u8(b'C');
                command.encode_raw(&mut out);
            }
            Self::Cancel(id) => {
                out.put_u8(b'X');
                out.put_slice(id.as_bytes());
            }
        }
        out.freeze()
    }

    /// # Errors
    /// UNIMPLEMENTED for what another version sends.
    pub fn decode(bytes: &Bytes) -> Result<Self> {
        let foreign = || Error::unimplemented("the client's node does not understand this, it runs another version");
        let (letter, rest) = bytes.split_first().ok_or_else(foreign)?;
        match letter {
            b'C' => C::decode(rest).map(Self::Command).map_err(|error| foreign().because(error)),
            b'X' => Ok(Self::Cancel(String::from_utf8(rest.to_vec()).map_err(|error| foreign().because(error))?)),
            _ => Err(foreign()),
        }
    }
}

/// The answer to [`Order::Cancel`].
pub(super) fn cancelled(it_was: bool) -> Bytes {
    Bytes::from_static(if it_was { b"1" } else { b"0" })
}

/// Reads it.
pub(super) fn was_cancelled(answer: &[u8]) -> bool {
    answer == b"1"
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_order_comes_out_as_it_went_in() {
        for order in [Order::Command("go".to_owned()), Order::Command(String::new()), Order::Cancel("c-1".to_owned())] {
            assert_eq!(Order::decode(&order.encode()).unwrap(), order);
        }
        assert!(was_cancelled(&cancelled(true)) && !was_cancelled(&cancelled(false)));
    }

    proptest! {
        #[test]
        fn nothing_that_comes_in_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Order::<String>::decode(&Bytes::from(bytes));
        }
    }
}
