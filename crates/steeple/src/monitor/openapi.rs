//! The API itself: which paths it has, and `openapi.json`, which describes them (OpenAPI 3.1). Both are made of the same list
//! as the router.

use axum::{
    http::{HeaderValue, header},
    response::Response,
};
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    Monitor, ROOT,
    endpoint::{Answer, Asked, Endpoint, get, stream},
    endpoints as all,
    query::Parameter,
};
use crate::{error::Result, problem::Problem};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("", "What this API is and which paths it has", &[], index),
        stream("openapi.json", "This document", &[], &["application/json"], openapi),
    ]
}

/// What this API is.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Index {
    /// Whose it is.
    pub title: String,
    /// The version of the site.
    pub version: String,
    /// Where it is described (OpenAPI 3.1).
    pub document: String,
    /// Its paths.
    pub paths: Vec<Listed>,
}

/// One path and method.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Listed {
    /// `GET` or `POST`.
    pub method: String,
    /// From the root of the server.
    pub path: String,
    /// What it is about.
    pub summary: String,
}

fn title(monitor: &Monitor) -> String {
    format!("{}: monitor", monitor.inside.site.name())
}

async fn index(asked: Asked) -> Result<Index> {
    let listed = |endpoint: Endpoint| Listed {
        method: endpoint.method.to_string(),
        path: format!("{ROOT}/{}", endpoint.path),
        summary: endpoint.summary.to_owned(),
    };
    Ok(Index {
        title: title(&asked.monitor),
        version: asked.monitor.inside.site.version().to_owned(),
        document: format!("{ROOT}/openapi.json"),
        paths: all().into_iter().map(listed).collect(),
    })
}

async fn openapi(asked: Asked) -> Result<Response> {
    let text = asked.monitor.document.get_or_init(|| document(&asked.monitor).to_string());
    let mut response = Response::new(text.clone().into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

fn document(monitor: &Monitor) -> Value {
    let settings =
        || SchemaSettings::draft2020_12().with(|settings| settings.definitions_path = "/components/schemas".into());
    // What has a default may be left out of a body, and is always there in an answer.
    let mut bodies = settings().for_deserialize().into_generator();
    let mut answers = settings().for_serialize().into_generator();
    let problem = answers.subschema_for::<Problem>();
    let problem = json!({
        "description": "What went wrong (RFC 9457)",
        "content": { "application/problem+json": { "schema": problem } },
    });
    let mut paths = Map::new();
    for endpoint in all() {
        let path = paths.entry(format!("/{}", endpoint.path)).or_insert_with(|| json!({}));
        path[endpoint.method.as_str().to_lowercase()] = operation(&endpoint, (&mut bodies, &mut answers), &problem);
    }
    let mut schemas = answers.take_definitions(true);
    schemas.extend(bodies.take_definitions(true));
    let (site, config) = (&monitor.inside.site, &monitor.inside.config);
    json!({
        "openapi": "3.1.0",
        "info": { "title": title(monitor), "version": site.version() },
        "servers": [{ "url": ROOT }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer" },
                "key": { "type": "apiKey", "in": "header", "name": config.auth.api_key_header },
                "session": { "type": "apiKey", "in": "cookie", "name": monitor.inside.identity.sessions.cookie_name() },
            },
        },
        "security": [{ "token": [] }, { "key": [] }, { "session": [] }],
    })
}

fn operation(
    endpoint: &Endpoint,
    (bodies, answers): (&mut SchemaGenerator, &mut SchemaGenerator),
    problem: &Value,
) -> Value {
    let in_path = endpoint.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let in_path =
        in_path.map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
    let in_query = endpoint.parameters.iter().map(|Parameter { name, kind, doc }| {
        json!({ "name": name, "in": "query", "description": doc, "schema": kind.schema() })
    });
    let content = match endpoint.answer {
        Answer::Json(schema) => json!({ "application/json": { "schema": schema(answers) } }),
        Answer::Stream(media) => {
            media.iter().map(|media| ((*media).to_owned(), json!({}))).collect::<Map<_, _>>().into()
        }
    };
    let mut operation = json!({
        "summary": endpoint.summary,
        "parameters": in_path.chain(in_query).collect::<Vec<_>>(),
        "responses": { "200": { "description": endpoint.summary, "content": content }, "default": problem },
    });
    if let Some(body) = endpoint.body {
        let schema = body(bodies);
        operation["requestBody"] = json!({ "required": true, "content": { "application/json": { "schema": schema } } });
    }
    operation
}
