//! What a site's stream speaks: its message types, and where in them the few things stand that a session needs.

use prost::Message;

/// The types of one bidirectional method, and how to read them.
///
/// ```
/// # mod pb {
/// #     #[derive(Clone, PartialEq, prost::Message)] pub struct Up { #[prost(string, tag = "1")] pub client: String, #[prost(oneof = "Payload", tags = "2, 3, 4")] pub payload: Option<Payload> }
/// #     #[derive(Clone, PartialEq, prost::Oneof)] pub enum Payload { #[prost(string, tag = "2")] Log(String), #[prost(bool, tag = "3")] Heartbeat(bool), #[prost(message, tag = "4")] Ack(Ack) }
/// #     #[derive(Clone, PartialEq, prost::Message)] pub struct Ack { #[prost(string, tag = "1")] pub command_id: String, #[prost(string, tag = "2")] pub error: String }
/// #     #[derive(Clone, PartialEq, prost::Message)] pub struct Command { #[prost(string, tag = "1")] pub id: String, #[prost(int32, tag = "2")] pub ping: i32 }
/// # }
/// use pb::{Ack, Command, Payload, Up};
/// use steeple::stream::{Incoming, Protocol};
///
/// struct Agents;
///
/// impl Protocol for Agents {
///     type Message = Up;
///     type Content = Payload;
///     type Ack = Ack;
///     type Command = Command;
///
///     fn client_id(message: &Up) -> &str {
///         &message.client
///     }
///
///     fn read(message: Up) -> Incoming<Self> {
///         match message.payload {
///             None => Incoming::Nothing,
///             Some(Payload::Heartbeat(_)) => Incoming::Heartbeat,
///             Some(Payload::Ack(ack)) => Incoming::Ack(ack),
///             Some(content) => Incoming::Content(content),
///         }
///     }
///
///     fn kind(content: &Payload) -> &'static str {
///         match content {
///             Payload::Log(_) => "log",
///             Payload::Heartbeat(_) | Payload::Ack(_) => "not content, see read",
///         }
///     }
///
///     fn ack_id(ack: &Ack) -> &str {
///         &ack.command_id
///     }
///
///     fn ack_error(ack: &Ack) -> Option<&str> {
///         Some(ack.error.as_str()).filter(|error| !error.is_empty())
///     }
///
///     fn command_id(command: &mut Command) -> &mut String {
///         &mut command.id
///     }
///
///     fn ping(sequence: i32) -> Command {
///         Command { ping: sequence, ..Command::default() }
///     }
/// }
/// ```
pub trait Protocol: Sized + Send + Sync + 'static {
    /// What clients send.
    type Message: Message + Default + 'static;
    /// What of it a handler is given: usually the enum of the message's `oneof`.
    type Content: Send + 'static;
    /// A client's answer to a command.
    type Ack: Message + Default + 'static;
    /// What clients are sent.
    type Command: Message + Default + Clone + 'static;

    /// The name that the message's sender goes by. Empty in a later message: the same as before.
    fn client_id(message: &Self::Message) -> &str;

    /// What kind of message this is.
    fn read(message: Self::Message) -> Incoming<Self>;

    /// A word for what a handler is given, for log lines.
    fn kind(content: &Self::Content) -> &'static str;

    /// The id of the command that an ack answers.
    fn ack_id(ack: &Self::Ack) -> &str;

    /// What went wrong, in an ack of a command that the client could not do.
    fn ack_error(ack: &Self::Ack) -> Option<&str>;

    /// The id of a command. A command without one gets a UUID when it is sent.
    fn command_id(command: &mut Self::Command) -> &mut String;

    /// A command that asks for no more than its ack: the round trip is measured with it.
    fn ping(sequence: i32) -> Self::Command;
}

/// A message, read.
#[derive(Debug)]
pub enum Incoming<P: Protocol> {
    /// Something for a handler.
    Content(P::Content),
    /// A sign of life. Every other message is one too.
    Heartbeat,
    /// An answer to a command.
    Ack(P::Ack),
    /// No payload, or one that this version does not know. It is counted, and passed over.
    Nothing,
}
