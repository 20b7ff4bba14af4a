//! The templates, and how they become text.
//!
//! A template of the site takes the place of the admin's when it stands in the configured folder under `admin/`:
//! `templates/admin/overview.html`. It may build on the one it replaces by its name with `steeple/` in front:
//! `{% extends "steeple/overview.html" %}`. In development it is read again when it changes; elsewhere once.
//!
//! Must never: read outside of that folder, or put a value into HTML unescaped.

use std::{fs, path::Path, time::SystemTime};

use minijinja::{Environment, Error as ViewError, ErrorKind, TemplateSource, Value};

use super::{assets, shown};
use crate::{
    config,
    error::{Error, Result},
    server::Inside,
};

macro_rules! embedded {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("templates/", $name)))),*]
    };
}

/// What the admin brings.
const EMBEDDED: &[(&str, &str)] = embedded![
    "audit.html",
    "bare.html",
    "brand.html",
    "chart.html",
    "confirm.html",
    "connection.html",
    "connections.html",
    "failure.html",
    "failure_alone.html",
    "group.html",
    "key_made.html",
    "key_new.html",
    "key_rotate.html",
    "keys.html",
    "layout.html",
    "login.html",
    "macros.html",
    "model_form.html",
    "model_list.html",
    "overview.html",
    "overview_live.html",
    "password.html",
    "permissions.html",
    "request.html",
    "requests.html",
    "requests_rows.html",
    "server.html",
    "servers.html",
    "service.html",
    "services.html",
    "user.html",
    "user_new.html",
];

/// In front of the name of a template, to mean the admin's own.
const OWN: &str = "steeple/";

/// The templates of an admin.
pub(super) struct Views(Environment<'static>);

impl Views {
    /// The templates of this server's admin, which is at `root`.
    pub fn new(inside: &Inside, root: &str) -> Self {
        let config = &inside.config;
        let folder = Path::new(&config.admin.templates).join("admin");
        let development = config.env == config::Environment::Development;
        let mut views = Environment::new();
        views.set_loader(move |name| load(&folder, name));
        views.set_auto_reload(development);
        // Errors of a site's templates with their lines; in production that is nobody's business but the log's.
        views.set_debug(development);
        views.add_global("root", root);
        views.add_global("site", inside.site.name());
        views.add_global("environment", config.env.to_string());
        let at = root.to_owned();
        views.add_function("asset", move |name: String| assets::address(&at, &name));
        shown::add(&mut views, root);
        Self(views)
    }

    /// A template with these values.
    ///
    /// # Errors
    /// INTERNAL with what is wrong in the template: only a site's own can be.
    pub fn render(&self, name: &str, values: Value) -> Result<String> {
        let rendered = self.0.get_template(name).and_then(|template| template.render(values));
        rendered.map_err(|error| Error::internal(format!("the page {name} cannot be shown")).because(told(&error)))
    }

    /// The same, never the site's own: for the page that tells that one of these is broken.
    pub fn render_own(&self, name: &str, values: Value) -> Result<String> {
        self.render(&format!("{OWN}{name}"), values)
    }
}

/// The error and its causes, in a line.
fn told(error: &ViewError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn load(folder: &Path, name: &str) -> Result<Option<TemplateSource>, ViewError> {
    let own = name.strip_prefix(OWN);
    // The names of templates are the program's and the site's; still, none leads out of the folder.
    let fit = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/'));
    if own.is_none() && fit && !name.contains("..") && !name.starts_with('/') {
        let path = folder.join(name);
        match fs::read_to_string(&path) {
            Ok(text) => {
                let read = changed(&path);
                return Ok(Some(TemplateSource::new(text).with_uptodate_check(move || changed(&path) == read)));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                let sentence = format!("{} cannot be read", path.display());
                return Err(ViewError::new(ErrorKind::TemplateNotFound, sentence).with_source(error));
            }
        }
    }
    let embedded = EMBEDDED.iter().find(|(known, _)| *known == own.unwrap_or(name));
    let path = folder.join(own.unwrap_or(name));
    // It is replaced as soon as the site has one.
    let fresh = move || own_stays(&path);
    Ok(embedded.map(|(_, text)| {
        let source = TemplateSource::new(*text);
        if own.is_some() { source } else { source.with_uptodate_check(fresh) }
    }))
}

fn own_stays(path: &Path) -> bool {
    !path.exists()
}

fn changed(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|file| file.modified()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_the_sites_where_it_has_them_and_never_from_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let (outside, inside) = (folder.path().join("secret.html"), folder.path().join("admin"));
        fs::write(outside, "secret").unwrap();
        fs::create_dir(&inside).unwrap();
        fs::write(inside.join("login.html"), "mine").unwrap();
        let mut views = Environment::new();
        views.set_loader(move |name| load(&inside, name));
        let text = |name: &str| views.get_template(name).and_then(|found| found.render(())).ok();
        assert_eq!(text("login.html").as_deref(), Some("mine"));
        assert!(text("../secret.html").is_none() && text("/etc/hostname").is_none() && text("none.html").is_none());
        assert!(text("steeple/brand.html").is_some_and(|text| text.contains("<svg")));
    }
}
