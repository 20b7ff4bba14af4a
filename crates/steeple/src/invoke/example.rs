//! What a message looks like, from its descriptor alone: every field with its default, messages within as well.

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value};

/// Messages within messages go as deep as this.
const DEPTH: usize = 4;
/// Fields at most: a message may name itself, and many others.
const FIELDS: usize = 300;

/// A message of this kind, for people who want to fill it in.
pub(super) fn example(message: MessageDescriptor) -> DynamicMessage {
    filled(message, DEPTH, &mut FIELDS.clone())
}

fn filled(descriptor: MessageDescriptor, depth: usize, left: &mut usize) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    for field in descriptor.fields() {
        // Of alternatives the first is shown; the others would exclude it.
        let excluded = field.containing_oneof().is_some_and(|one| {
            !field.field_descriptor_proto().proto3_optional() && one.fields().next().as_ref() != Some(&field)
        });
        if excluded || *left == 0 {
            continue;
        }
        *left -= 1;
        if let Some(value) = value(&field, depth, left) {
            message.set_field(&field, value);
        }
    }
    message
}

/// `None`: better left out.
fn value(field: &FieldDescriptor, depth: usize, left: &mut usize) -> Option<Value> {
    if field.is_map() {
        let Kind::Message(entry) = field.kind() else { return None };
        let key = match entry.map_entry_key_field().kind() {
            Kind::String => MapKey::String("key".to_owned()),
            kind => MapKey::default_value(&kind),
        };
        let value = single(&entry.map_entry_value_field().kind(), depth, left)?;
        return Some(Value::Map([(key, value)].into()));
    }
    let value = single(&field.kind(), depth, left)?;
    Some(if field.is_list() { Value::List(vec![value]) } else { value })
}

fn single(kind: &Kind, depth: usize, left: &mut usize) -> Option<Value> {
    match kind {
        // Those that hold anything have no default that JSON could write.
        Kind::Message(inner) if matches!(inner.full_name(), "google.protobuf.Value" | "google.protobuf.Any") => None,
        Kind::Message(inner) if inner.full_name().starts_with("google.protobuf.") => {
            Some(Value::Message(DynamicMessage::new(inner.clone())))
        }
        Kind::Message(inner) => {
            let deeper = depth.checked_sub(1)?;
            Some(Value::Message(filled(inner.clone(), deeper, left)))
        }
        scalar => Some(Value::default_value(scalar)),
    }
}
