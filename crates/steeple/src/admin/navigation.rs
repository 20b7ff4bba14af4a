//! The way around, as far as who asks may go.

use serde::Serialize;

use super::{
    asked::Shell,
    models::{Deed, words},
};

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
    let link = |label: &str, path: &str, key: Option<char>| Link {
        label: label.to_owned(),
        href: format!("{}{path}", shell.admin.root),
        key,
        current: leads_to(path, &shell.path),
    };
    let (models, user) = (&shell.admin.models, shell.visitor.user());
    let calls = vec![
        link("Overview", "/", Some('o')),
        link("Requests", "/requests", Some('r')),
        link("Services", "/services", Some('s')),
        link("Connections", "/connections", Some('n')),
        link("Servers", "/servers", Some('v')),
    ];
    let mut access = vec![link("API keys", "/keys", Some('k'))];
    for (subject, key) in [(&models.users, 'u'), (&models.groups, 'p')] {
        if subject.may(user, Deed::View) {
            access.push(link(&subject.title, &subject.path, Some(key)));
        }
    }
    if user.is_superuser {
        access.push(link("Audit log", "/audit", Some('a')));
    }
    let apart = |title: &str, links| Group { title: title.to_owned(), links };
    let mut groups = vec![apart("", calls), apart("Access", access)];
    for of_app in models.site.chunk_by(|one, other| one.model().app == other.model().app) {
        let seen = of_app.iter().filter(|subject| subject.may(user, Deed::View));
        let links: Vec<_> = seen.map(|subject| link(&subject.title, &subject.path, None)).collect();
        if !links.is_empty() {
            groups.push(apart(&words(of_app[0].model().app), links));
        }
    }
    groups
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
