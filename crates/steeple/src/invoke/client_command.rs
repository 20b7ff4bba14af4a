//! Commands to connected clients by the site's own methods, which are known by their names: `SendCommandToClient` queues
//! one, `ExecuteCommandSync` waits for its ack. Both take a message with a `client_id` and a `command`.
//!
//! So the rule that the site has for these methods holds whoever sends: the command line, REST or the admin. Must never:
//! reach a client on another way.

use prost_reflect::{DescriptorPool, DynamicMessage, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::{example, shown};

const SEND: &str = "SendCommandToClient";
const EXECUTE: &str = "ExecuteCommandSync";

/// The name of the method that sends a command, and waits for its ack or does not.
pub(crate) fn method(wait: bool) -> &'static str {
    if wait { EXECUTE } else { SEND }
}

/// Its request.
pub(crate) fn request(client_id: &str, command: Value) -> Value {
    json!({ "client_id": client_id, "command": command })
}

/// What the answer says of a command that was not done: a service may tell a failure in its answer, and not as a status.
pub(crate) fn failure(answer: &Value) -> Option<String> {
    if answer.get("success") != Some(&Value::Bool(false)) {
        return None;
    }
    let text = |key: &str| answer.get(key).and_then(Value::as_str).unwrap_or_default();
    let said: Vec<_> = [text("error"), text("message")].into_iter().filter(|text| !text.is_empty()).collect();
    Some(if said.is_empty() { "the command was not done".to_owned() } else { said.join(": ") })
}

/// The commands that a service knows, by name, with one of each to fill in: the alternatives of its command message. Empty
/// for a service that sends none.
pub(crate) fn known(pool: &DescriptorPool, service: &str) -> Vec<(String, Value)> {
    let Some(command) = message(pool, service) else { return Vec::new() };
    let alternatives =
        command.oneofs().filter(|one| !one.is_synthetic()).flat_map(|one| one.fields().collect::<Vec<_>>());
    let named = alternatives.filter_map(|field| {
        let value = if let Kind::Message(inner) = field.kind() {
            shown(&example::example(inner)).ok()?
        } else {
            let mut with = DynamicMessage::new(command.clone());
            with.set_field(&field, field.default_value());
            shown(&with).ok()?.get(field.name())?.clone()
        };
        Some((field.name().to_owned(), Value::Object(Map::from_iter([(field.name().to_owned(), value)]))))
    });
    named.collect()
}

/// The message of a service's commands.
fn message(pool: &DescriptorPool, service: &str) -> Option<MessageDescriptor> {
    let service = pool.get_service_by_name(service)?;
    let mut methods = service.methods();
    let sends = methods.find(|known| known.name() == SEND || known.name() == EXECUTE)?;
    match sends.input().get_field_by_name("command")?.kind() {
        Kind::Message(command) => Some(command),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_with_what_is_known_of_it() {
        let told = |answer| failure(&answer);
        assert_eq!(told(json!({"success": true, "error": "x"})), None);
        assert_eq!(told(json!({"message": "done"})), None);
        assert_eq!(
            told(json!({"success": false, "error": "NOT_READ", "message": "too late"})).unwrap(),
            "NOT_READ: too late"
        );
        assert_eq!(told(json!({"success": false, "error": ""})).unwrap(), "the command was not done");
    }
}
