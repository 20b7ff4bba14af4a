//! What clients say and are sent, for browsers: JSON into Centrifugo's outbox.
//!
//! One publication goes to the client's channel and to the one of all. Signs of life are left out.
//!
//! Must never: wait, or fail a message for it.

use std::sync::{Arc, OnceLock};

use chrono::SecondsFormat;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, ReflectMessage as _, SerializeOptions};
use serde::Serialize;
use serde_json::Value;

use super::{StreamingConfig, hubs::Hubs};
use crate::{
    centrifugo::{Centrifugo, Pattern},
    clock,
    error::{Error, Result},
    method::Method,
};

/// Where the publications of one service go.
#[derive(Debug)]
pub(super) struct Channels {
    client: Pattern,
    all: Option<String>,
}

impl Channels {
    /// # Errors
    /// Which value cannot be a channel, and why.
    pub fn of(config: &StreamingConfig) -> Result<Self, String> {
        let service = config.service_name.as_str();
        let filled = |key: &str, pattern: &str, places: &[&str]| {
            Pattern::of(pattern, places).map_err(|problem| format!("{key} {problem}"))
        };
        // The service is known now, and escaped as every value is; the client is not.
        let client = config.centrifugo_channel_pattern.replace("{service}", service);
        let client = filled("centrifugo_channel_pattern", &client, &["client_id"])?;
        let all = match config.centrifugo_publish_all_channel.as_str() {
            "" => None,
            all => Some(filled("centrifugo_publish_all_channel", all, &["service"])?.fill(&[service])),
        };
        Ok(Self { client, all })
    }

    fn for_client(&self, client_id: &str) -> Vec<String> {
        [self.client.fill(&[client_id])].into_iter().chain(self.all.clone()).collect()
    }
}

/// Publishes for one hub.
#[derive(Debug)]
pub(super) struct Publisher {
    centrifugo: Centrifugo,
    channels: Channels,
    pool: Arc<DescriptorPool>,
    /// What the method that clients call takes and gives; known when the first one calls it.
    types: OnceLock<Option<Types>>,
    pub messages: bool,
    pub commands: bool,
}

#[derive(Debug)]
struct Types {
    message: MessageDescriptor,
    command: MessageDescriptor,
}

/// What a browser reads.
#[derive(Debug, Serialize)]
struct Said<'s> {
    event_type: String,
    service: &'s str,
    client_id: &'s str,
    timestamp: String,
    message: Value,
}

impl Publisher {
    /// `None` where nothing is to be published.
    ///
    /// # Errors
    /// A channel that cannot be one, or descriptors that do not decode.
    pub fn of(config: &StreamingConfig, hubs: &Hubs) -> Result<Option<Self>> {
        let StreamingConfig { centrifugo_auto_publish_messages, centrifugo_auto_publish_commands, .. } = *config;
        let Some(centrifugo) =
            hubs.centrifugo.clone().filter(|_| centrifugo_auto_publish_messages || centrifugo_auto_publish_commands)
        else {
            return Ok(None);
        };
        Ok(Some(Self {
            centrifugo,
            channels: Channels::of(config).map_err(Error::failed_precondition)?,
            pool: hubs.pool()?,
            types: OnceLock::new(),
            messages: centrifugo_auto_publish_messages,
            commands: centrifugo_auto_publish_commands,
        }))
    }

    /// The method that clients call: its descriptors say what they send and are sent.
    pub fn learn(&self, method: &Method) {
        self.types.get_or_init(|| {
            let find = |name: &str| {
                let found = self.pool.get_message_by_name(name);
                if found.is_none() {
                    tracing::warn!(message = name, "its descriptor is missing, it is not published");
                }
                found
            };
            Some(Types { message: find(&method.input)?, command: find(&method.output)? })
        });
    }

    /// A client has said this.
    pub fn said(&self, service: &str, client_id: &str, message: &[u8]) {
        self.publish(service, client_id, "grpc_message", |types| &types.message, message);
    }

    /// A client is sent this.
    pub fn sent(&self, service: &str, client_id: &str, command: &[u8]) {
        self.publish(service, client_id, "grpc_command", |types| &types.command, command);
    }

    fn publish(
        &self,
        service: &str,
        client_id: &str,
        event: &str,
        of: impl Fn(&Types) -> &MessageDescriptor,
        bytes: &[u8],
    ) {
        let Some(Some(types)) = self.types.get() else { return };
        let message = DynamicMessage::decode(of(types).clone(), bytes);
        let Ok(message) = message.inspect_err(|error| tracing::debug!(%error, "not published")) else { return };
        let kind = kind(&message);
        let options = SerializeOptions::new().use_proto_field_name(true);
        let shown = message.serialize_with_options(serde_json::value::Serializer, &options);
        let Ok(message) = shown.inspect_err(|error| tracing::debug!(%error, "not published")) else { return };
        let event_type = if kind.is_empty() { event.to_owned() } else { format!("{event}_{kind}") };
        let timestamp = clock::now().to_rfc3339_opts(SecondsFormat::Micros, true);
        let said = Said { event_type, service, client_id, timestamp, message };
        self.centrifugo.broadcast(self.channels.for_client(client_id), &said);
    }
}

/// Which of the alternatives the message is: the name of the field that is set in its first `oneof`.
fn kind(message: &DynamicMessage) -> String {
    let descriptor = message.descriptor();
    let mut alternatives = descriptor.oneofs().flat_map(|oneof| oneof.fields().collect::<Vec<_>>());
    alternatives.find(|field| message.has_field(field)).map(|field| field.name().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_the_service_s_and_the_client_s() {
        let channels = Channels::of(&StreamingConfig::of("crypto")).unwrap();
        assert_eq!(channels.for_client("agent 7"), ["crypto:agent%207:updates", "crypto:all"]);
        let quiet = StreamingConfig {
            centrifugo_channel_pattern: "wallets:{client_id}".to_owned(),
            centrifugo_publish_all_channel: String::new(),
            ..StreamingConfig::of("crypto")
        };
        assert_eq!(Channels::of(&quiet).unwrap().for_client("a"), ["wallets:a"]);
        for bad in ["crypto#{client_id}", "{client}", ""] {
            let config =
                StreamingConfig { centrifugo_channel_pattern: bad.to_owned(), ..StreamingConfig::of("crypto") };
            let problem = Channels::of(&config).unwrap_err();
            assert!(problem.starts_with("centrifugo_channel_pattern "), "{problem}");
        }
    }
}
