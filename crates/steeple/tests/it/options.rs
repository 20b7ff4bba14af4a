//! Every key of `[server]`, `[calls]` and the switches of `[log]`: what it does, seen from outside.

mod calls;
mod connections;
mod drain;
mod listeners;
mod log;
mod messages;
