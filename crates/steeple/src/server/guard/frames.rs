//! Where in the HTTP/2 framing the inbound bytes of a connection stand.
//!
//! Counts bytes and looks at the 9-byte frame headers only (RFC 9113 sections 3.4, 4.1, 6.10). Bytes that are no HTTP/2
//! lead nowhere useful, and need not: h2 ends such a connection.
//!
//! Must never: keep more than one frame header.

/// The client connection preface, RFC 9113 section 3.4: `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`.
const PREFACE_BYTES: usize = 24;
/// Length (3 bytes), type, flags, stream (4 bytes), RFC 9113 section 4.1.
const HEADER_BYTES: usize = 9;
const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const CONTINUATION: u8 = 0x9;
const END_HEADERS: u8 = 0x4;

/// What the peer has begun and not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waiting {
    /// The preface and the first frame after it, which must be SETTINGS.
    Handshake,
    /// The rest of a frame other than DATA, or of a list of headers; the number tells one from the next.
    Rest(u32),
    /// Nothing: between frames, or within DATA, whose pace is the caller's.
    Nothing,
}

#[derive(Debug)]
pub(super) struct Frames {
    at: At,
    /// The first frame has not ended.
    handshake: bool,
    /// HEADERS came without END_HEADERS: only CONTINUATION may follow.
    in_headers: bool,
    /// Counts what [`Waiting::Rest`] numbers.
    number: u32,
}

#[derive(Debug)]
enum At {
    Preface { left: usize },
    Header { bytes: [u8; HEADER_BYTES], have: usize },
    Payload { kind: u8, flags: u8, left: usize },
}

const BETWEEN: At = At::Header { bytes: [0; HEADER_BYTES], have: 0 };

impl Default for Frames {
    fn default() -> Self {
        Self { at: At::Preface { left: PREFACE_BYTES }, handshake: true, in_headers: false, number: 0 }
    }
}

impl Frames {
    /// Passes over bytes that came in.
    pub fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match &mut self.at {
                At::Preface { left } => {
                    let taken = (*left).min(bytes.len());
                    *left -= taken;
                    bytes = &bytes[taken..];
                    if *left == 0 {
                        self.at = BETWEEN;
                    }
                }
                At::Header { bytes: header, have } => {
                    let taken = (HEADER_BYTES - *have).min(bytes.len());
                    header[*have..*have + taken].copy_from_slice(&bytes[..taken]);
                    *have += taken;
                    bytes = &bytes[taken..];
                    if *have == HEADER_BYTES {
                        let [a, b, c, kind, flags, ..] = *header;
                        let left = u32::from_be_bytes([0, a, b, c]) as usize;
                        self.at = At::Payload { kind, flags, left };
                        self.end_frame();
                    }
                }
                At::Payload { left, .. } => {
                    let taken = (*left).min(bytes.len());
                    *left -= taken;
                    bytes = &bytes[taken..];
                    self.end_frame();
                }
            }
        }
    }

    /// Goes on to the next frame if this one has ended.
    fn end_frame(&mut self) {
        let At::Payload { kind, flags, left: 0 } = self.at else {
            return;
        };
        self.at = BETWEEN;
        self.handshake = false;
        self.in_headers = match kind {
            HEADERS | CONTINUATION => flags & END_HEADERS == 0,
            _ => self.in_headers,
        };
        if !self.in_headers {
            self.number = self.number.wrapping_add(1);
        }
    }

    /// What the peer has begun and not ended.
    pub fn waiting(&self) -> Waiting {
        if self.handshake {
            return Waiting::Handshake;
        }
        let within = match self.at {
            At::Preface { .. } => true,
            // The fourth byte is the type.
            At::Header { bytes, have } => have > 0 && (have < 4 || bytes[3] != DATA),
            At::Payload { kind, .. } => kind != DATA,
        };
        if within || self.in_headers { Waiting::Rest(self.number) } else { Waiting::Nothing }
    }
}
