//! What goes over the broker: one letter, fixed fields, then bytes that nobody here reads.
//!
//! Unknown letters are ignored, so that nodes of two versions can work side by side while a site is updated.
//!
//! Must never: panic, whatever comes in.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::Message as _;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::{Expiry, claim::Claim, delivery::Wants};
use crate::error::Error;

/// What may be in front of the bytes of a command.
pub(super) const OVERHEAD: usize = 32;

/// To the subject of a client, a label or all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Order {
    /// Who has this name?
    Who,
    /// I have it, and who has a lesser claim has not.
    Claim(Claim),
    /// For the client.
    Ask { wants: Wants, expires: Expiry, bytes: Bytes },
    /// For every client here, from the process `node`.
    Publish { node: [u8; 16], expires: Expiry, bytes: Bytes },
}

/// To the inbox of whoever asked.
#[derive(Debug)]
pub(super) enum Answer {
    /// The broker: nobody listens there.
    Nobody,
    /// The command is in the session's queue; the result follows.
    Accepted,
    /// The session is not sure that the name is still its own: it did not run the command.
    Unsettled,
    /// The command came after its deadline and did not run.
    Late,
    Done(Bytes),
    Failed(Error),
    /// Who has the name.
    Owner(Claim),
    /// What a publication reached on one node.
    Count {
        queued: u32,
        refused: u32,
    },
}

impl Order {
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        match self {
            Self::Who => out.put_u8(b'W'),
            Self::Claim(claim) => put_claim(&mut out, b'C', *claim),
            Self::Ask { wants, expires, bytes } => {
                out.reserve(OVERHEAD + bytes.len());
                out.put_u8(match wants {
                    Wants::Place => b'S',
                    Wants::Answer => b'E',
                });
                out.put_u64(expires.millis());
                out.put_slice(bytes);
            }
            Self::Publish { node, expires, bytes } => {
                out.reserve(OVERHEAD + bytes.len());
                out.put_u8(b'P');
                out.put_u64(expires.millis());
                out.put_slice(node);
                out.put_slice(bytes);
            }
        }
        out.freeze()
    }

    pub fn decode(mut from: Bytes) -> Option<Self> {
        match from.try_get_u8().ok()? {
            b'W' => Some(Self::Who),
            b'C' => Some(Self::Claim(get_claim(&mut from)?)),
            letter @ (b'S' | b'E') => {
                let wants = if letter == b'S' { Wants::Place } else { Wants::Answer };
                Some(Self::Ask { wants, expires: get_expiry(&mut from)?, bytes: from })
            }
            b'P' => {
                let expires = get_expiry(&mut from)?;
                let mut node = [0; 16];
                from.try_copy_to_slice(&mut node).ok()?;
                Some(Self::Publish { node, expires, bytes: from })
            }
            _ => None,
        }
    }
}

impl Answer {
    pub fn encode(self) -> Bytes {
        let mut out = BytesMut::new();
        match self {
            // Only the broker says so, and in its own way.
            Self::Nobody => {}
            Self::Accepted => out.put_u8(b'A'),
            Self::Unsettled => out.put_u8(b'U'),
            Self::Late => out.put_u8(b'L'),
            Self::Done(bytes) => {
                out.reserve(1 + bytes.len());
                out.put_u8(b'D');
                out.put_slice(&bytes);
            }
            Self::Failed(error) => {
                out.put_u8(b'F');
                out.put_slice(status_of(error).details());
            }
            Self::Owner(claim) => put_claim(&mut out, b'O', claim),
            Self::Count { queued, refused } => {
                out.put_u8(b'N');
                out.put_u32(queued);
                out.put_u32(refused);
            }
        }
        out.freeze()
    }

    pub fn decode(mut from: Bytes) -> Option<Self> {
        Some(match from.try_get_u8().ok()? {
            b'A' => Self::Accepted,
            b'U' => Self::Unsettled,
            b'L' => Self::Late,
            b'D' => Self::Done(from),
            b'F' => Self::Failed(error_of(from)),
            b'O' => Self::Owner(get_claim(&mut from)?),
            b'N' => Self::Count { queued: from.try_get_u32().ok()?, refused: from.try_get_u32().ok()? },
            _ => return None,
        })
    }
}

fn put_claim(out: &mut BytesMut, letter: u8, claim: Claim) {
    out.put_u8(letter);
    out.put_u64(claim.epoch);
    out.put_u64(claim.session);
}

fn get_claim(from: &mut Bytes) -> Option<Claim> {
    Some(Claim { epoch: from.try_get_u64().ok()?, session: from.try_get_u64().ok()? })
}

fn get_expiry(from: &mut Bytes) -> Option<Expiry> {
    from.try_get_u64().ok().map(Expiry::of_millis)
}

/// An error as its caller will see it. Its cause stays on this node.
fn status_of(mut error: Error) -> Status {
    let details = std::mem::replace(error.details_mut(), ErrorDetails::new());
    Status::with_error_details(error.code(), error.message(), details)
}

fn error_of(bytes: Bytes) -> Error {
    let Ok(said) = tonic_types::Status::decode(bytes.clone()) else {
        return Error::internal("internal error").because("an error that came over the bus cannot be read");
    };
    let code = match Code::from_i32(said.code) {
        Code::Ok => Code::Unknown,
        code => code,
    };
    let details = Status::with_details(code, "", bytes).get_error_details();
    let mut error = Error::new(code, said.message);
    *error.details_mut() = details;
    error
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn orders() -> impl Strategy<Value = Order> {
        let bytes = || proptest::collection::vec(any::<u8>(), 0..64).prop_map(Bytes::from);
        let claim = (any::<u64>(), any::<u64>()).prop_map(|(epoch, session)| Order::Claim(Claim { epoch, session }));
        let wants = prop_oneof![Just(Wants::Place), Just(Wants::Answer)];
        let ask = (wants, any::<u64>(), bytes()).prop_map(|(wants, millis, bytes)| Order::Ask {
            wants,
            expires: Expiry::of_millis(millis),
            bytes,
        });
        let publish = (any::<[u8; 16]>(), any::<u64>(), bytes()).prop_map(|(node, millis, bytes)| Order::Publish {
            node,
            expires: Expiry::of_millis(millis),
            bytes,
        });
        prop_oneof![Just(Order::Who), claim, ask, publish]
    }

    proptest! {
        #[test]
        fn an_order_comes_out_as_it_went_in(order in orders()) {
            prop_assert_eq!(Order::decode(order.encode()), Some(order));
        }

        #[test]
        fn nothing_that_comes_in_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Order::decode(Bytes::from(bytes.clone()));
            let _ = Answer::decode(Bytes::from(bytes));
        }
    }

    #[test]
    fn an_error_comes_out_with_its_details_and_without_its_cause() {
        let error = Error::resource_exhausted("the queue is full")
            .retry_after(Duration::from_secs(3))
            .reason("QUEUE_FULL", "steeple")
            .because("sk-secret");
        let Some(Answer::Failed(mut error)) = Answer::decode(Answer::Failed(error).encode()) else { panic!() };
        assert_eq!((error.code(), error.message()), (Code::ResourceExhausted, "the queue is full"));
        assert!(error.cause().is_none());
        let details = error.details_mut();
        assert_eq!(details.error_info().unwrap().reason, "QUEUE_FULL");
        assert_eq!(details.retry_info().unwrap().retry_delay, Some(Duration::from_secs(3)));
    }

    #[test]
    fn what_is_no_error_becomes_one() {
        let Some(Answer::Failed(error)) = Answer::decode(Bytes::from_static(b"F")) else { panic!() };
        assert_eq!(error.code(), Code::Unknown);
        let Some(Answer::Failed(error)) = Answer::decode(Bytes::from_static(b"F\xff\xff\xff")) else { panic!() };
        assert_eq!(error.code(), Code::Internal);
    }
}
