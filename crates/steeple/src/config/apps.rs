//! Section `[apps]`: which apps and services of the site are served.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Which apps and services are served. Each key is described in the default configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AppsConfig {
    /// Labels of the apps to serve. Default none, which is all of them.
    pub enabled_apps: Option<Vec<String>>,
    /// Serve every service the build found in the enabled apps. Default true.
    pub auto_register_apps: bool,
    /// Name → full service name or path of its implementation; what is served when `auto_register_apps` is false.
    pub custom_services: BTreeMap<String, String>,
}

impl Default for AppsConfig {
    fn default() -> Self {
        Self { enabled_apps: None, auto_register_apps: true, custom_services: BTreeMap::new() }
    }
}

impl AppsConfig {
    /// Whether the app with this label is served.
    pub fn enabled(&self, label: &str) -> bool {
        self.enabled_apps.as_ref().is_none_or(|labels| labels.iter().any(|enabled| enabled == label))
    }

    /// What is wrong with the values, as (key, sentence). Empty when nothing is.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        if self.auto_register_apps && !self.custom_services.is_empty() {
            wrong.push((
                "custom_services",
                "is only read when auto_register_apps = false; set that, or remove these services".to_owned(),
            ));
        }
        if self.custom_services.iter().any(|(name, service)| name.is_empty() || service.is_empty()) {
            wrong
                .push(("custom_services", "a name or a service is empty; write name = \"package.Service\"".to_owned()));
        }
        wrong
    }
}
