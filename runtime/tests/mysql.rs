//! MySQL and MariaDB capture against real servers: one of each kind for all tests that leave its settings alone, private ones for
//! those that do not.

#[path = "mysql/reader.rs"]
mod reader;
#[path = "mysql/server.rs"]
mod server;

#[path = "mysql/definitions.rs"]
mod definitions;
#[path = "mysql/faults.rs"]
mod faults;
#[path = "mysql/images.rs"]
mod images;
#[path = "mysql/loss.rs"]
mod loss;
#[path = "mysql/rate.rs"]
mod rate;
#[path = "mysql/refusals.rs"]
mod refusals;
#[path = "mysql/safety.rs"]
mod safety;
#[path = "mysql/types.rs"]
mod types;
#[path = "mysql/ways_in.rs"]
mod ways_in;
