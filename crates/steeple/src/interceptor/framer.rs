//! Walks the length prefixes of a gRPC body (gRPC over HTTP/2, "Length-Prefixed-Message") as its bytes pass by.
//!
//! Must never: keep or copy a message.

/// Counts messages in a body that comes in pieces of any size.
#[derive(Debug, Default)]
pub(crate) struct Framer {
    /// Bytes of the current message still to come.
    left: u64,
    prefix: [u8; 5],
    have: u8,
}

/// A message that is larger than the limit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLarge {
    /// What its prefix says.
    pub size: usize,
    /// Where in the piece the messages before it end.
    pub at: usize,
    /// How many messages were completed before it.
    pub complete: u32,
}

impl Framer {
    /// Takes the next piece. Gives how many messages were completed in it, or the first message over `limit`.
    pub fn feed(&mut self, mut bytes: &[u8], limit: usize) -> Result<u32, TooLarge> {
        let (whole, mut complete, mut at) = (bytes.len(), 0, 0);
        while !bytes.is_empty() {
            if self.left > 0 {
                let take = usize::try_from(self.left).map_or(bytes.len(), |left| left.min(bytes.len()));
                self.left -= take as u64;
                bytes = &bytes[take..];
                complete += u32::from(self.left == 0);
                at = whole - bytes.len();
                continue;
            }
            let have = usize::from(self.have);
            let take = (self.prefix.len() - have).min(bytes.len());
            self.prefix[have..have + take].copy_from_slice(&bytes[..take]);
            self.have += take as u8;
            bytes = &bytes[take..];
            if usize::from(self.have) == self.prefix.len() {
                self.have = 0;
                let [_, length @ ..] = self.prefix;
                let length = u32::from_be_bytes(length) as usize;
                if length > limit {
                    return Err(TooLarge { size: length, at, complete });
                }
                self.left = length as u64;
                complete += u32::from(length == 0);
                at = whole - bytes.len();
            }
        }
        Ok(complete)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn framed(sizes: &[usize]) -> Vec<u8> {
        let mut body = vec![];
        for size in sizes {
            body.push(0);
            body.extend((*size as u32).to_be_bytes());
            body.extend(std::iter::repeat_n(7, *size));
        }
        body
    }

    proptest! {
        #[test]
        fn counts_every_message_however_the_body_is_cut(
            sizes in prop::collection::vec(0usize..300, 0..20),
            cuts in prop::collection::vec(1usize..40, 1..50),
        ) {
            let body = framed(&sizes);
            let (mut framer, mut rest, mut count) = (Framer::default(), &body[..], 0);
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, more) = rest.split_at((*cut).min(rest.len()));
                count += framer.feed(piece, usize::MAX).unwrap();
                rest = more;
            }
            prop_assert_eq!(count as usize, sizes.len());
        }
    }

    #[test]
    fn tells_the_size_of_a_message_over_the_limit_before_it_arrives() {
        let too_large = |at, complete| Err(TooLarge { size: 10, at, complete });
        assert_eq!(Framer::default().feed(&framed(&[10])[..5], 9), too_large(0, 0));
        assert_eq!(Framer::default().feed(&framed(&[3, 0, 10]), 9), too_large(8 + 5, 2), "what came before it counts");
        let (body, mut framer) = (framed(&[3, 10]), Framer::default());
        assert_eq!(framer.feed(&body[..6], 9), Ok(0));
        assert_eq!(framer.feed(&body[6..10], 9), Ok(1));
        assert_eq!(framer.feed(&body[10..], 9), too_large(0, 0));
        assert_eq!(Framer::default().feed(&framed(&[10]), 10), Ok(1));
    }
}
