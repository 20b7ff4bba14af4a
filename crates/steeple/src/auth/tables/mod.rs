//! Django's seven tables of users, groups and permissions.
//!
//! Their names, columns, types, constraints and indexes are what `django.contrib.auth` and `contenttypes` make: the
//! statements in `sqlite.sql`, `postgres.sql` and `mysql.sql` are Django's own words. So a site may share its database with
//! a Django project, and either may migrate first. What Django does after each of its migrations is
//! done here too: every registered model gets its content type and its four permissions.
//!
//! The three tables that link have an `id` in the database, an integer or a bigint by the project's
//! `DEFAULT_AUTO_FIELD`; here they are keyed by their pair, and nobody reads it.
//!
//! Must never: differ from Django's, touch tables that somebody else made, or take a user model of a project's own for
//! Django's.

pub mod content_type;
pub mod group;
pub mod group_permission;
pub mod permission;
pub mod user;
pub mod user_group;
pub mod user_permission;

mod create;
mod refill;
mod standing;

pub(super) use self::create::DjangoAuth;
pub(crate) use self::refill::refill;
