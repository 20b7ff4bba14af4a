//! The whole crate against real folders: each test makes a site, runs the build over it, and looks at what it wrote.

mod apps;
mod golden;
mod kept;
mod models;
mod protos;
mod services;
mod site;
