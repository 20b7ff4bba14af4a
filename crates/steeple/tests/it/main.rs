//! Behaviour of the crate against real databases, servers and sockets. One module per behaviour.

mod databases;

mod data;
