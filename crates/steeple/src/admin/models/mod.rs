//! The site's own models: lists, forms and deletions, made from what [`Model`](crate::model::Model) says and from what the
//! site says of it with [`App::admin`](crate::App::admin).
//!
//! Each page asks for the permission that Django would ask for: `crypto.view_coin`, `add_`, `change_`, `delete_`; whoever
//! may change may look. Every change is written into the audit log, in one transaction with it. A form brings the values
//! that were seen, so that the second of two people who change one row is told what the first one did.
//!
//! Must never: take a field's name from a request without finding it in the model, show or write a hidden field, or
//! change a row whose form was made from another state of it.

mod act;
mod cells;
mod delete;
mod edit;
mod form;
mod input;
mod key;
mod labels;
mod list;
mod pick;
mod refers;
mod subject;

use std::sync::Arc;

use axum::{Router, routing::MethodRouter};

pub(super) use self::{
    cells::{text, words},
    list::page as list_page,
    refers::{allow, along, refers, shown as refers_shown},
    subject::{Deed, Subject},
};
use super::{Admin, asked::Asked, form as sent, page, shown};
use crate::{
    app::ModelAdmin,
    auth::tables::{group, user},
    error::{Error, Result},
    model::Registered as _,
    server::Inside,
};

/// Rows are counted up to this number.
const COUNTED: u64 = 10_000;

/// A number of rows that were counted up to one more than [`COUNTED`].
fn many(count: u64) -> String {
    let most = count.min(COUNTED);
    let number = shown::number(most as f64);
    if count > most { format!("more than {number}") } else { number }
}

/// Every model that the admin knows.
pub(super) struct Models {
    /// The site's, in the order of its apps.
    pub site: Vec<Arc<Subject>>,
    /// Users and groups, which have pages of their own.
    pub users: Arc<Subject>,
    pub groups: Arc<Subject>,
}

impl Models {
    /// The models of the apps that are enabled.
    pub fn of(inside: &Inside) -> Self {
        let apps = inside.site.apps.iter().filter(|app| inside.config.apps.enabled(app.label));
        let said = |app: &crate::App, table: &str| {
            let said = app.model_admins.iter().find(|(known, _)| *known == table);
            said.map(|(_, said)| said.clone()).unwrap_or_default()
        };
        let site = apps.flat_map(|app| {
            app.models.iter().map(move |rows| {
                let (model, said) = (rows.model(), said(app, rows.model().table));
                let path = format!("/models/{}/{}", model.app, model.name);
                Arc::new(Subject::new(rows.clone(), &said, path))
            })
        });
        let users = ModelAdmin::default()
            .title("Users")
            .columns(["username", "email", "first_name", "last_name", "is_staff", "is_active", "last_login"])
            .search(["username", "email", "first_name", "last_name"])
            .filters(["is_staff", "is_superuser", "is_active"])
            .order("username")
            .hidden(["password"])
            .label("username");
        let groups =
            ModelAdmin::default().title("Groups").columns(["name"]).search(["name"]).order("name").label("name");
        Self {
            site: site.collect(),
            users: Arc::new(Subject::new(user::Entity::rows("auth"), &users, "/users".to_owned())),
            groups: Arc::new(Subject::new(group::Entity::rows("auth"), &groups, "/groups".to_owned())),
        }
    }

    fn named(&self, app: &str, name: &str) -> Result<Arc<Subject>> {
        let found = self.site.iter().find(|known| known.model().app == app && known.model().name == name);
        found.cloned().ok_or_else(|| Error::not_found("model", format!("{app}.{name}").escape_default()))
    }

    /// All of them, those with pages of their own as well.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Subject>> {
        self.site.iter().chain([&self.users, &self.groups])
    }

    /// The model of a table.
    pub fn of_table(&self, table: &str) -> Option<&Arc<Subject>> {
        self.all().find(|known| known.model().table == table)
    }
}

impl Asked {
    /// The model that the path names, if who asks may do this with it.
    fn subject(&self, deed: Deed) -> Result<Arc<Subject>> {
        let subject = self.admin().models.named(self.part("app"), self.part("model"))?;
        subject.require(self.user(), deed)?;
        Ok(subject)
    }
}

/// The pages.
pub(super) fn routes(router: Router<Arc<Admin>>) -> Router<Arc<Admin>> {
    let both = |read: MethodRouter<Arc<Admin>>, write| read.merge(write);
    router
        .route("/models/{app}/{model}", page(list::list))
        .route("/models/{app}/{model}/new", both(page(edit::blank), sent(edit::create)))
        .route("/models/{app}/{model}/act", sent(act::act))
        .route("/models/{app}/{model}/pick/{field}", page(pick::pick))
        .route("/models/{app}/{model}/rows/{key}", both(page(edit::one), sent(edit::save)))
        .route("/models/{app}/{model}/rows/{key}/delete", both(page(delete::ask), sent(delete::delete)))
}
