//! As much of JSON Schema (2020-12) as the API's document uses, and stricter: a property that no schema names is wrong.

use serde_json::{Map, Value};

/// Everything about `value` that its schema does not say.
pub fn wrong(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    check(document, schema, value, "$", &mut wrong);
    wrong
}

fn check(document: &Value, schema: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
    let schema = resolved(document, schema);
    let Some(rules) = schema.as_object() else {
        if schema != &Value::Bool(true) {
            wrong.push(format!("{at}: the schema {schema} allows nothing"));
        }
        return;
    };
    if let Some(types) = rules.get("type")
        && !of_type(types, value)
    {
        wrong.push(format!("{at}: {value} is no {types}"));
        return;
    }
    if let Some(only) = rules.get("const")
        && only != value
    {
        wrong.push(format!("{at}: {value} is not {only}"));
    }
    if let Some(words) = rules.get("enum").and_then(Value::as_array)
        && !words.contains(value)
    {
        wrong.push(format!("{at}: {value} is none of {words:?}"));
    }
    for either in ["anyOf", "oneOf"].iter().filter_map(|name| rules.get(*name)?.as_array()) {
        let fits = |schema: &Value| {
            let mut wrong = Vec::new();
            check(document, schema, value, at, &mut wrong);
            wrong.is_empty()
        };
        if !either.iter().any(fits) {
            wrong.push(format!("{at}: {value} fits none of {either:?}"));
        }
    }
    if let (Some(items), Some(values)) = (rules.get("items"), value.as_array()) {
        for (index, value) in values.iter().enumerate() {
            check(document, items, value, &format!("{at}[{index}]"), wrong);
        }
    }
    if let Some(value) = value.as_object() {
        object(document, rules, value, at, wrong);
    }
}

fn object(document: &Value, rules: &Map<String, Value>, value: &Map<String, Value>, at: &str, wrong: &mut Vec<String>) {
    let Some(properties) = rules.get("properties").and_then(Value::as_object) else { return };
    for name in rules.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        if !value.contains_key(name) {
            wrong.push(format!("{at}: {name} is missing"));
        }
    }
    for (name, value) in value {
        match properties.get(name) {
            Some(schema) => check(document, schema, value, &format!("{at}.{name}"), wrong),
            None => wrong.push(format!("{at}: {name} is not described")),
        }
    }
}

fn resolved<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    match schema.get("$ref").and_then(Value::as_str) {
        Some(path) => document.pointer(path.trim_start_matches('#')).unwrap_or_else(|| panic!("{path} is not there")),
        None => schema,
    }
}

fn of_type(types: &Value, value: &Value) -> bool {
    let is = |name: &str| match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    };
    match types {
        Value::String(name) => is(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).any(is),
        _ => false,
    }
}

#[test]
fn it_sees_what_is_wrong() {
    let document = serde_json::json!({ "components": { "schemas": { "A": {
        "type": "object", "properties": { "n": { "type": ["integer", "null"] } }, "required": ["n"],
    } } } });
    let schema = serde_json::json!({ "type": "array", "items": { "$ref": "#/components/schemas/A" } });
    let faults = |value: Value| wrong(&document, &schema, &value).len();
    assert_eq!(faults(serde_json::json!([{ "n": 1 }, { "n": null }])), 0);
    assert_eq!(faults(serde_json::json!([{}, { "n": "1" }, { "n": 1, "m": 2 }, 5])), 4);
    assert_eq!(faults(serde_json::json!({})), 1);
}
