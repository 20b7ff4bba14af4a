//! The smallest site: it is what the README shows, and it answers.

mod greeted;
mod readme;
