//! All the ways at once, through the program as its user runs it: PostgreSQL, MariaDB and MySQL in; Redis and Kafka out.

#[path = "roads/house.rs"]
mod house;

#[path = "roads/cache.rs"]
mod cache;
#[path = "roads/columns.rs"]
mod columns;
#[path = "roads/readers.rs"]
mod readers;
#[path = "roads/registry.rs"]
mod registry;
