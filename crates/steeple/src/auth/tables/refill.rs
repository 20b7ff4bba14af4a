//! A content type and four permissions for every model, as Django's `post_migrate` puts them in.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{EntityTrait as _, QuerySelect as _, sea_query::OnConflict};

use super::{content_type, permission};
use crate::{
    db::Db,
    error::{Code, Error, Result},
};

/// What one may do with every model.
const ACTIONS: [&str; 4] = ["add", "change", "delete", "view"];

/// Django's own models: app, and the name in words.
const DJANGO: [(&str, &str); 4] =
    [("auth", "permission"), ("auth", "group"), ("auth", "user"), ("contenttypes", "content type")];

/// Another node that refills at the same moment may win a lock; what it wrote is what we would have written.
const TRIES: u32 = 5;

/// Puts in what is missing for these models (app, and name as `wallet_entry`) and for Django's own. Nothing is changed or
/// taken away: what was granted stays granted.
pub(crate) async fn refill<'a>(db: &Db, models: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<()> {
    let own = models.into_iter().map(|(app, name)| (app.to_owned(), name.replace('_', " ").to_lowercase()));
    let models: BTreeMap<_, _> = DJANGO
        .map(|(app, words)| (app.to_owned(), words.to_owned()))
        .into_iter()
        .chain(own)
        .map(|(app, words)| ((app, words.replace(' ', "")), words))
        .collect();
    for _ in 1..TRIES {
        match put_in(db, &models).await {
            Err(error) if error.code() == Code::Aborted => {}
            done => return done,
        }
    }
    put_in(db, &models).await
}

/// The name in words of each (app, model).
type Models = BTreeMap<(String, String), String>;

async fn put_in(db: &Db, models: &Models) -> Result<()> {
    let mut types = types(db).await?;
    let missing: Vec<_> = models.keys().filter(|model| !types.contains_key(*model)).collect();
    if !missing.is_empty() {
        let rows = missing.into_iter().map(|(app, model)| content_type::ActiveModel {
            app_label: sea_orm::Set(app.clone()),
            model: sea_orm::Set(model.clone()),
            ..Default::default()
        });
        let mut once = OnConflict::columns([content_type::Column::AppLabel, content_type::Column::Model]);
        once.do_nothing_on([content_type::Column::Id]);
        content_type::Entity::insert_many(rows).on_conflict(once).exec_without_returning(db).await?;
        types = self::types(db).await?;
    }

    let present: BTreeSet<(i32, String)> = permission::Entity::find()
        .select_only()
        .columns([permission::Column::ContentTypeId, permission::Column::Codename])
        .into_tuple()
        .all(db)
        .await?
        .into_iter()
        .collect();
    let mut missing = Vec::new();
    for (model, words) in models {
        let id =
            *types.get(model).ok_or_else(|| Error::internal(format!("no content type for {}.{}", model.0, model.1)))?;
        for action in ACTIONS {
            let codename = format!("{action}_{}", model.1);
            if !present.contains(&(id, codename.clone())) {
                missing.push(permission::ActiveModel {
                    name: sea_orm::Set(format!("Can {action} {words}")),
                    content_type_id: sea_orm::Set(id),
                    codename: sea_orm::Set(codename),
                    ..Default::default()
                });
            }
        }
    }
    if !missing.is_empty() {
        let mut once = OnConflict::columns([permission::Column::ContentTypeId, permission::Column::Codename]);
        once.do_nothing_on([permission::Column::Id]);
        permission::Entity::insert_many(missing).on_conflict(once).exec_without_returning(db).await?;
    }
    Ok(())
}

async fn types(db: &Db) -> Result<BTreeMap<(String, String), i32>> {
    let types = content_type::Entity::find().all(db).await?;
    Ok(types.into_iter().map(|found| ((found.app_label, found.model), found.id)).collect())
}
