//! `proto-files/`: the contract, as the site's authors wrote it.

use axum::{
    http::{HeaderValue, header},
    response::Response,
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Monitor, ROOT,
    endpoint::{Asked, Endpoint, get, stream},
    services::served,
};
use crate::error::{Error, Result};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("proto-files/", "The proto files of the site", &[], files),
        stream("proto-files/download-all/", "All of them in one file", &[], &["application/zip"], zip),
        stream("proto-files/{name}/", "One proto file, by its import name", &[], &["text/plain"], file),
    ]
}

/// The proto files of the site.
#[derive(Debug, Serialize, JsonSchema)]
#[expect(clippy::struct_field_names, reason = "the names are the original's")]
pub(crate) struct Files {
    pub files: Vec<File>,
    pub total_files: usize,
    /// Where all of them are in one file.
    pub download_all_url: String,
}

/// A proto file.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct File {
    /// The app that serves its first service; null for a file without any.
    pub app_label: Option<String>,
    /// Its import name: `coins/v1/coins.proto`.
    pub filename: String,
    /// How long it is.
    pub size_bytes: usize,
    /// Its package; empty without one.
    pub package: String,
    /// How many messages it declares, those within others not counted.
    pub messages_count: usize,
    /// How many services it declares.
    pub services_count: usize,
    /// Where it is.
    pub download_url: String,
}

/// The proto files of the site.
///
/// # Errors
/// INTERNAL when the site's descriptors do not decode.
pub(crate) fn all(monitor: &Monitor) -> Result<Files> {
    let pool = monitor.pool()?;
    let file = |&(name, text): &(&'static str, &'static str)| {
        let known = pool.get_file_by_name(name);
        let first = known.as_ref().and_then(|file| file.services().next());
        let first = first.and_then(|first| served(monitor).find(|planned| planned.found.name == first.full_name()));
        File {
            app_label: first.map(|planned| planned.found.app.to_owned()),
            filename: name.to_owned(),
            size_bytes: text.len(),
            package: known.as_ref().map(|file| file.package_name().to_owned()).unwrap_or_default(),
            messages_count: known.as_ref().map_or(0, |file| file.messages().count()),
            services_count: known.as_ref().map_or(0, |file| file.services().count()),
            download_url: format!("{ROOT}/proto-files/{}/", utf8_percent_encode(name, NON_ALPHANUMERIC)),
        }
    };
    let files: Vec<_> = monitor.inside.site.protos.iter().map(file).collect();
    Ok(Files { total_files: files.len(), files, download_all_url: format!("{ROOT}/proto-files/download-all/") })
}

async fn files(asked: Asked) -> Result<Files> {
    all(&asked.monitor)
}

async fn file(asked: Asked) -> Result<Response> {
    let wanted = asked.part("name");
    let found = asked.monitor.inside.site.protos.iter().find(|(name, _)| *name == wanted);
    let unknown = || Error::not_found("proto file", wanted.chars().take(200).collect::<String>());
    let (name, text) = found.ok_or_else(unknown)?;
    let last = name.rsplit('/').next().unwrap_or(name);
    Ok(attachment(text.as_bytes().to_vec(), "text/plain; charset=utf-8", last))
}

async fn zip(asked: Asked) -> Result<Response> {
    let bytes = zipped(&asked.monitor.inside.site.protos).map_err(|error| Error::internal(error.to_string()))?;
    Ok(attachment(bytes, "application/zip", "protos.zip"))
}

fn zipped(protos: &[(&str, &str)]) -> Result<Vec<u8>, zip::result::ZipError> {
    use std::io::Write as _;
    let mut file = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, text) in protos {
        file.start_file(*name, options)?;
        file.write_all(text.as_bytes())?;
    }
    Ok(file.finish()?.into_inner())
}

fn attachment(body: Vec<u8>, media: &'static str, name: &str) -> Response {
    let mut response = Response::new(body.into());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    // A proto's name has what a file's name may have; a quote in it would end the header's value.
    let name: String =
        name.chars().map(|c| if c.is_ascii_graphic() && c != '"' && c != '\\' { c } else { '_' }).collect();
    let disposition = HeaderValue::try_from(format!("attachment; filename=\"{name}\""));
    headers.extend(disposition.ok().map(|value| (header::CONTENT_DISPOSITION, value)));
    response
}
