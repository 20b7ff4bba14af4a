//! The way around, as far as who asks may go.

use serde::Serialize;

use super::asked::Shell;

/// Links that belong together.
#[derive(Serialize)]
pub(super) struct Group {
    title: String,
    links: Vec<Link>,
}

#[derive(Serialize)]
struct Link {
    label: String,
    href: String,
    /// Behind `g`, the key that goes there.
    key: Option<char>,
    current: bool,
}

/// Every link that this visitor may follow.
pub(super) fn groups(shell: &Shell) -> Vec<Group> {
    let root = &shell.admin.root;
    let link = |label: &str, path: &str, key: char| Link {
        label: label.to_owned(),
        href: format!("{root}{path}"),
        key: Some(key),
        current: leads_to(path, &shell.path),
    };
    vec![
        Group {
            title: String::new(),
            links: vec![
                link("Overview", "/", 'o'),
                link("Requests", "/requests", 'r'),
                link("Services", "/services", 's'),
                link("Servers", "/servers", 'v'),
            ],
        },
        Group { title: "Access".to_owned(), links: vec![link("API keys", "/keys", 'k')] },
    ]
}

/// Whether a path is the page of a link, or one below it.
fn leads_to(link: &str, path: &str) -> bool {
    match path.strip_prefix(link) {
        Some(rest) if link != "/" => rest.is_empty() || rest.starts_with('/'),
        rest => rest == Some(""),
    }
}

#[cfg(test)]
mod tests {
    use super::leads_to;

    #[test]
    fn a_link_is_current_on_its_page_and_below() {
        assert!(leads_to("/", "/") && leads_to("/keys", "/keys") && leads_to("/keys", "/keys/new"));
        assert!(!leads_to("/", "/keys") && !leads_to("/keys", "/keysmith") && !leads_to("/keys", "/"));
    }
}
