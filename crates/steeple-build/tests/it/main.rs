//! The whole crate against real folders: each test makes a site, runs the build over it, and looks at what it wrote.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod apps;
mod golden;
mod kept;
mod models;
mod protos;
mod script;
mod services;
mod site;
